package tasuki

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tasuki-dev/tasuki/internal/source"
)

// fake is a source whose exchanges the test answers, at the moment that it wants.
// It runs in a bubble of testing/synctest.
type fake struct {
	t       *testing.T
	asks    chan *ask            // exchanges under way, the oldest first
	hands   chan source.Delivery // what waits bring
	waiting atomic.Int64         // waits under way
	silent  atomic.Bool          // a wait does not end when it is told to
	left    atomic.Int64         // calls of Leave

	mu       sync.Mutex
	held     map[source.Tag]string
	released []string // in the order in which they went back
}

var _ source.Source = (*fake)(nil)

// ask is an exchange under way.
type ask struct {
	source.Request
	fake    *fake
	replies chan *source.Reply
	errs    chan error
}

// startFake returns a fetcher with one queue, and its source. They end with the
// test, and so do the contexts of handlers.
func startFake(t *testing.T, concurrency int, h Handler) (*fetcher, *fake) {
	t.Helper()
	client, err := Open("redis://127.0.0.1:1", &ClientConfig{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	w, err := NewWorker(client, &WorkerConfig{Concurrency: concurrency})
	if err != nil {
		t.Fatal(err)
	}
	HandleRaw(w, DefaultQueue, h)
	s := newSession(w, context.Background())
	f := s.fetcher
	src := newFake(t)
	f.add(DefaultQueue, "channel", 0, src)
	t.Cleanup(func() {
		f.stop()
		f.interrupt()
		s.quit()
		f.close()
		client.Close()
	})
	return f, src
}

func newFake(t *testing.T) *fake {
	return &fake{t: t, asks: make(chan *ask, 100), hands: make(chan source.Delivery, 100), held: map[source.Tag]string{}}
}

func (s *fake) Wait(ctx context.Context) (*source.Delivery, error) {
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	if s.silent.Load() {
		d := <-s.hands
		return &d, nil
	}
	select {
	case d := <-s.hands:
		return &d, nil
	case <-time.After(20 * time.Second):
		return nil, nil
	case <-ctx.Done():
		return nil, nil
	}
}

func (s *fake) Exchange(ctx context.Context, r *source.Request) (*source.Reply, error) {
	x := &ask{Request: *r, fake: s, replies: make(chan *source.Reply, 1), errs: make(chan error, 1)}
	s.asks <- x
	select {
	case reply := <-x.replies:
		return reply, nil
	case err := <-x.errs:
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *fake) Held(context.Context) ([]source.Delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []source.Delivery
	for tag, element := range s.held {
		all = append(all, source.Delivery{Tag: tag, Element: element})
	}
	return all, nil
}

func (s *fake) Run(ctx context.Context) { <-ctx.Done() }

func (s *fake) Leave(context.Context) error { s.left.Add(1); return nil }

// underWay returns the exchanges that have no answer yet, when all else rests.
func (s *fake) underWay() []*ask {
	synctest.Wait()
	var all []*ask
	for len(s.asks) > 0 {
		all = append(all, <-s.asks)
	}
	return all
}

// next returns the one exchange that is under way.
func (s *fake) next() *ask {
	s.t.Helper()
	all := s.underWay()
	if len(all) != 1 {
		s.t.Fatalf("%d exchanges are under way, want one", len(all))
	}
	return all[0]
}

// waits tells whether a wait is under way, when all else rests.
func (s *fake) waits() bool {
	synctest.Wait()
	return s.waiting.Load() > 0
}

// answer does what was asked, fills in what follows from that, and replies.
func (x *ask) answer(r source.Reply) {
	s := x.fake
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.Handed != nil {
		r.Accepted = true
		s.held[x.Handed.Tag] = x.Handed.Element
	}
	for _, d := range r.Claimed {
		s.held[d.Tag] = d.Element
	}
	for _, tag := range x.Done {
		delete(s.held, tag)
	}
	for _, o := range x.Outcomes {
		delete(s.held, o.Tag)
		if o.State == source.Release {
			s.released = append(s.released, o.Element)
		}
	}
	r.Settled, r.Held, r.Now, r.NextDue = len(x.Done), len(s.held), time.Now(), -1
	x.replies <- &r
}

// deliveries are jobs with the tags from a up to b, without b.
func deliveries(a, b source.Tag) []source.Delivery {
	var all []source.Delivery
	for tag := a; tag < b; tag++ {
		all = append(all, source.Delivery{Tag: tag, Element: fmt.Sprint("job ", tag)})
	}
	return all
}

func untilEnded(ctx context.Context, _ *RawJob) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestResumeOvertakesPause: what is told of a queue while an exchange is under way
// is newer than its reply. A queue that was resumed then is served at once.
func TestResumeOvertakesPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, s := startFake(t, 2, untilEnded)
		s.next().answer(source.Reply{})
		if !s.waits() {
			t.Fatal("it does not wait in an empty queue")
		}
		told := func() { f.ask(func(*queue) bool { return true }) }
		told() // of the pause
		paused := s.underWay()
		told() // of its end
		for _, x := range paused {
			x.answer(source.Reply{Paused: true})
		}
		if got := s.underWay(); len(paused) == 0 || len(got) != 1 || got[0].Want == 0 {
			t.Errorf("of a resumed queue is asked %v: want one claim", got)
		}
	})
}

// TestNoWaitBesideHandOver: until a job that was handed over is accepted, another
// wait could not be told from it. That holds also if the acceptance is sent again.
func TestNoWaitBesideHandOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, s := startFake(t, 4, untilEnded)
		s.next().answer(source.Reply{})
		s.hands <- deliveries(1, 2)[0]
		x := s.next()
		if x.Handed == nil || !x.Strays {
			t.Fatalf("after the wait: %+v", x.Request)
		}
		x.errs <- errors.New("the reply was lost")
		time.Sleep(100 * time.Millisecond) // longer than the pause after a failure
		x = s.next()
		if x.Handed == nil || x.Handed.Tag != 1 {
			t.Fatalf("after the failure: %+v, want the hand-over again", x.Request)
		}
		f.beaten(time.Now(), true) // as every second: it has the waits look whether they may begin
		if s.waits() {
			t.Error("a wait has begun before the job was accepted")
		}
		x.answer(source.Reply{})
		if !s.waits() {
			t.Error("no wait has begun after that")
		}
	})
}

// TestQuietWhileItWaits: what a wait brings late, when the worker was made quiet, is put back
// and not started, and nothing is claimed from then on, whatever it is told.
func TestQuietWhileItWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, s := startFake(t, 4, func(context.Context, *RawJob) error {
			t.Error("a quiet worker has started a job")
			return nil
		})
		s.silent.Store(true)
		s.next().answer(source.Reply{})
		if !s.waits() {
			t.Fatal("it does not wait in an empty queue")
		}
		if !f.quieten() || f.quieten() {
			t.Error("it was quiet before, or is not after")
		}
		s.hands <- deliveries(1, 2)[0]
		x := s.next()
		if x.Handed != nil || x.Want != 0 || !x.Strays {
			t.Errorf("after the wait: %+v; want what was handed over put back", x.Request)
		}
		x.answer(source.Reply{})
		for range 30 { // it is asked now and then for what it does not know that it holds
			f.ask(func(*queue) bool { return true })
			time.Sleep(time.Second)
			f.beaten(time.Now(), true)
			for _, x := range s.underWay() {
				if x.Want != 0 {
					t.Errorf("it wants %d", x.Want)
				}
				x.answer(source.Reply{})
			}
		}
		if s.waits() {
			t.Error("it waits again")
		}
	})
}

// TestRemovedWhileItWaits: what a wait brings late, when its queue was removed, is put
// back and not started: the queue is left then, which gives it to others.
//
//fault:network a queue is removed while the connection that waits in it is silent, and a job is handed over on it | the job runs once, elsewhere
func TestRemovedWhileItWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, s := startFake(t, 4, func(context.Context, *RawJob) error {
			t.Error("a job of a removed queue was started")
			return nil
		})
		s.silent.Store(true)
		s.next().answer(source.Reply{})
		if !s.waits() {
			t.Fatal("it does not wait in an empty queue")
		}
		removed := make(chan struct{})
		f.remove(DefaultQueue, func() { close(removed) })
		for range 5 {
			time.Sleep(time.Second)
			f.beaten(time.Now(), true)
		}
		for _, x := range s.underWay() {
			x.answer(source.Reply{})
		}
		s.hands <- deliveries(1, 2)[0]
		x := s.next()
		if x.Handed != nil || x.Want != 0 || !x.Strays {
			t.Errorf("after the wait: %+v; want what was handed over put back", x.Request)
		}
		if n := s.left.Load(); n > 0 {
			t.Error("the queue was left before that")
		}
		x.errs <- errors.New("the reply was lost")
		<-removed // to leave puts it back as well
		if n := s.left.Load(); n != 1 {
			t.Errorf("it was left %d times, want once", n)
		}
	})
}

// TestStopKeepsOrder: what a stop gives back lies at the head in the order in which
// it was claimed, whenever the reply of a claim comes that was under way.
func TestStopKeepsOrder(t *testing.T) {
	t.Parallel()
	for after, name := range []string{"before the interrupt", "before the interrupted have gone back", "after that"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f, s := startFake(t, 10, untilEnded)
				s.next().answer(source.Reply{Claimed: deliveries(1, 4)})
				synctest.Wait()
				f.ask(func(*queue) bool { return true }) // it claims for the slots that are free
				var claim *ask
				for _, x := range s.underWay() {
					if x.Want > 3 {
						claim = x
						continue
					}
					x.answer(source.Reply{})
				}
				for step, do := range []func(){func() { f.stop() }, f.interrupt, f.gathered} {
					do()
					if synctest.Wait(); step == after {
						claim.answer(source.Reply{Claimed: deliveries(4, 8)})
					}
					for all := s.underWay(); len(all) > 0; all = s.underWay() {
						for _, x := range all {
							x.answer(source.Reply{})
						}
					}
				}
				slices.Reverse(s.released) // the last one lies at the head
				if got, want := fmt.Sprint(s.released), "[job 1 job 2 job 3 job 4 job 5 job 6 job 7]"; got != want {
					t.Errorf("at the head lie %s, want %s", got, want)
				}
			})
		})
	}
}

// TestNextQueueWaitsForTheFirst: a slot that becomes free while the first queue is asked
// is for the first too: the next one is asked when the first has no more.
func TestNextQueueWaitsForTheFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		f, first := startFake(t, 2, func(context.Context, *RawJob) error {
			<-release
			return nil
		})
		claim := first.next()
		next := newFake(t)
		f.add("next", "next channel", 0, next)
		claim.answer(source.Reply{Claimed: deliveries(1, 3)})
		synctest.Wait()
		release <- struct{}{}
		claim = first.next()
		release <- struct{}{} // that slot is free while the first is asked for the other
		for _, x := range next.underWay() {
			if x.Want > 0 {
				t.Errorf("the next queue is asked for %d jobs while the first is asked", x.Want)
			}
			x.answer(source.Reply{})
		}
		claim.answer(source.Reply{})
		for _, x := range first.underWay() {
			x.answer(source.Reply{})
		}
		if x := next.next(); x.Want == 0 {
			t.Errorf("when the first has no more the next is asked %+v: want a claim", x.Request)
		}
	})
}

// TestPlaceOfSuspectIsGivenBack: an exchange that was allowed a job with two crashes
// behind it, and has brought none or has failed, leaves the place to the next.
//
//fault:process a worker asks for a job with two crashes and gets none, or the reply is lost | it can still take the next one
func TestPlaceOfSuspectIsGivenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, s := startFake(t, 2, untilEnded)
		s.next().answer(source.Reply{})
		synctest.Wait()
		f.mu.Lock()
		f.w.lone = new(atomic.Bool) // that of the process is for all its tests
		f.mu.Unlock()
		for i := range 4 {
			f.ask(func(*queue) bool { return true })
			lone := 0
			for _, x := range s.underWay() {
				if x.Lone {
					lone++
				}
				if i%2 == 0 {
					x.answer(source.Reply{})
				} else {
					x.errs <- errors.New("the reply was lost")
				}
			}
			if lone != 1 {
				t.Errorf("question %d: in %d exchanges it may claim a suspect, want one", i, lone)
			}
			time.Sleep(time.Second) // longer than the pause after a failure
			for _, x := range s.underWay() {
				x.answer(source.Reply{})
			}
		}
	})
}

// TestGoexitFreesAtOnce: a handler that ends its goroutine leaves its slot and its place
// in the pool to the next job, without a beat in between.
//
//fault:process a handler calls `runtime.Goexit` in the only slot | the failure is written at once, and the next job runs
func TestGoexitFreesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int64
		f, s := startFake(t, 1, func(context.Context, *RawJob) error {
			runs.Add(1)
			runtime.Goexit()
			return nil
		})
		x := s.next()
		for tag := source.Tag(1); tag <= 3; tag++ {
			x.answer(source.Reply{Claimed: deliveries(tag, tag+1)})
			x = s.next()
			if len(x.Outcomes) != 1 || x.Outcomes[0].Tag != tag || x.Outcomes[0].State != source.Retry || x.Want != 1 {
				t.Fatalf("after run %d is asked %+v: want that it has failed, and a claim", runs.Load(), x.Request)
			}
		}
		x.answer(source.Reply{})
		synctest.Wait()
		f.mu.Lock()
		defer f.mu.Unlock()
		if runs.Load() != 3 || f.loops != f.idleLoops {
			t.Errorf("%d runs, then %d goroutines of the pool, of which %d wait; want three, and all of them", runs.Load(), f.loops, f.idleLoops)
		}
	})
}

// TestFlushEndsWithFailure: an exchange that carries nothing and fails leaves
// nothing to wait for.
func TestFlushEndsWithFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, s := startFake(t, 2, untilEnded)
		x := s.next()
		f.stop()
		start := time.Now()
		time.AfterFunc(50*time.Millisecond, func() { x.errs <- errors.New("the reply was lost") })
		left := f.flush(start.Add(flushFor))
		if took := time.Since(start); left != 0 || took != 50*time.Millisecond {
			t.Errorf("flush left %d outcomes after %v, want none when the exchange had failed", left, took)
		}
	})
}
