package tasuki

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tasuki-dev/tasuki/internal/source"
)

// element is a raw job with an id of its own.
const element = `{"id":"a","raw":"eA=="}`

// TestHandedOverIsCancelled: a job that was handed over runs before Redis has
// accepted it. It can be cancelled from its beginning, and is settled as cancelled
// when it is known to be held.
func TestHandedOverIsCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var cause atomic.Value
		f, s := startFake(t, 1, func(ctx context.Context, _ *RawJob) error {
			<-ctx.Done()
			cause.Store(context.Cause(ctx))
			return ctx.Err()
		})
		s.next().answer(source.Reply{})
		s.hands <- source.Delivery{Tag: 1, Element: element}
		x := s.next()
		f.cancelRun("another channel", "a")
		f.cancelRun("channel", "another")
		synctest.Wait()
		if got := cause.Load(); got != nil {
			t.Fatalf("it was cancelled in place of another: %v", got)
		}
		f.cancelRun("channel", "a")
		synctest.Wait()
		if got := cause.Load(); got != ErrCancelled {
			t.Fatalf("the context has ended with %v, want ErrCancelled", got)
		}
		x.answer(source.Reply{})
		if x = s.next(); len(x.Outcomes) != 1 || x.Outcomes[0].Tag != 1 || x.Outcomes[0].State != source.Cancelled {
			t.Errorf("then is settled %+v", x.Request)
		}
		x.answer(source.Reply{})
	})
}

// TestHandedOverIsSettledLater: one that has ended before it was accepted is settled
// afterwards: until then its tag is not held, and an outcome would be refused. What
// is refused in the end is never settled.
func TestHandedOverIsSettledLater(t *testing.T) {
	t.Parallel()
	for _, accepted := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var runs atomic.Int64
			f, s := startFake(t, 2, func(context.Context, *RawJob) error {
				runs.Add(1)
				return nil
			})
			s.next().answer(source.Reply{})
			s.hands <- source.Delivery{Tag: 1, Element: element}
			x := s.next()
			f.ask(func(*queue) bool { return true })
			for _, other := range s.underWay() {
				if len(other.Done) > 0 || len(other.Outcomes) > 0 {
					t.Fatalf("before it is accepted is settled %+v", other.Request)
				}
				other.answer(source.Reply{})
			}
			if runs.Load() != 1 {
				t.Fatalf("%d runs", runs.Load())
			}
			if !accepted {
				x.replies <- &source.Reply{Now: time.Now(), NextDue: -1}
				time.Sleep(30 * time.Second)
				for _, other := range s.underWay() {
					if len(other.Done) > 0 || len(other.Outcomes) > 0 {
						t.Errorf("what was refused is settled: %+v", other.Request)
					}
					other.answer(source.Reply{})
				}
				return
			}
			x.answer(source.Reply{})
			if x = s.next(); len(x.Done) != 1 || x.Done[0] != 1 {
				t.Errorf("when it is accepted is settled %+v", x.Request)
			}
			x.answer(source.Reply{})
		})
	}
}

// TestHandedOverAfterAFreeze: a worker whose last beat is old, or that has missed some
// since its wait began, may have been taken for dead. It starts what it is handed when
// Redis has accepted it, and not before.
func TestHandedOverAfterAFreeze(t *testing.T) {
	t.Parallel()
	for _, wakes := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var runs atomic.Int64
			f, s := startFake(t, 1, func(context.Context, *RawJob) error {
				runs.Add(1)
				return nil
			})
			s.next().answer(source.Reply{})
			if !s.waits() {
				t.Fatal("it does not wait in an empty queue")
			}
			time.Sleep(idleBeatLimit + time.Second)
			if wakes {
				f.beaten(time.Now(), true) // quicker than the wait
			}
			s.hands <- source.Delivery{Tag: 1, Element: element}
			x := s.next()
			if runs.Load() != 0 {
				t.Errorf("it runs before it is accepted (beat before: %v)", wakes)
			}
			x.answer(source.Reply{})
			synctest.Wait()
			if runs.Load() != 1 {
				t.Errorf("%d runs when it is accepted", runs.Load())
			}
			for _, x := range s.underWay() {
				x.answer(source.Reply{})
			}
		})
	}
}

// startHeld returns a fetcher that runs one job, with the tag 1, which ends with the
// function that is returned.
func startHeld(t *testing.T, concurrency int) (f *fetcher, s *fake, cause *atomic.Value, runs *atomic.Int64, end func()) {
	cause, runs = new(atomic.Value), new(atomic.Int64)
	release := make(chan struct{})
	f, s = startFake(t, concurrency, func(ctx context.Context, _ *RawJob) error {
		runs.Add(1)
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			cause.Store(context.Cause(ctx))
			return ctx.Err()
		}
	})
	s.next().answer(source.Reply{Claimed: deliveries(1, 2)})
	synctest.Wait()
	return f, s, cause, runs, func() { close(release) }
}

// pass lets time pass until the worker has asked, whatever it does. Redis answers at
// once, with how many jobs it holds.
func (s *fake) pass(f *fetcher) (settled int) {
	for start := time.Now(); time.Since(start) < askAfter+5*time.Second; time.Sleep(time.Second) {
		f.beaten(time.Now(), true)
		for _, x := range s.underWay() {
			settled += len(x.Done)
			x.answer(source.Reply{})
		}
	}
	return settled
}

// TestHeldIsSettledAgain: a failover can undo that a job was settled. It is settled
// again, and not run.
//
//fault:data a failover undoes that a job was settled | it is settled again, and not run
func TestHeldIsSettledAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, s, _, runs, end := startHeld(t, 2)
		end()
		settled := s.pass(f)
		s.mu.Lock()
		s.held[1] = "job 1"
		s.mu.Unlock()
		settled += s.pass(f)
		s.mu.Lock()
		defer s.mu.Unlock()
		if runs.Load() != 1 || settled != 2 || len(s.held) != 0 {
			t.Errorf("%d runs, settled %d times, held is %v: want one run, settled twice", runs.Load(), settled, s.held)
		}
	})
}

// TestHeldBeyondTheSlots: what a worker holds and does not know of it runs as far as
// it has slots, and puts the rest back at the head.
//
//fault:network more jobs were claimed than the worker knows of and has slots for | what has no slot goes back to the head
func TestHeldBeyondTheSlots(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, s, _, runs, _ := startHeld(t, 2)
		s.mu.Lock()
		for _, d := range deliveries(2, 5) {
			s.held[d.Tag] = d.Element
		}
		s.mu.Unlock()
		s.pass(f)
		s.mu.Lock()
		defer s.mu.Unlock()
		if runs.Load() != 2 || len(s.released) != 2 || len(s.held) != 2 {
			t.Errorf("%d runs, %v went back, held is %v: want two runs, and two back", runs.Load(), s.released, s.held)
		}
	})
}

// TestHeldNoMore: a job that Redis does not hold for this worker any more belongs to
// another; its handler is told so.
//
//fault:data a failover undoes a claim | the context of its handler ends with ErrLeaseLost
func TestHeldNoMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, s, cause, _, _ := startHeld(t, 2)
		s.mu.Lock()
		delete(s.held, 1)
		s.mu.Unlock()
		s.pass(f)
		if got := cause.Load(); got != ErrLeaseLost {
			t.Errorf("the context has ended with %v, want ErrLeaseLost", got)
		}
	})
}

// TestStaleClaimsNothing: a worker that could not beat for long may have been taken
// for dead. It claims nothing until it can, and what it runs goes on.
//
//fault:network a worker cannot beat for 15 s | it claims nothing until it can; what runs goes on
func TestStaleClaimsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, s, cause, _, _ := startHeld(t, 3)
		s.pass(f)
		if !s.waits() {
			t.Fatal("it does not wait in an empty queue")
		}
		f.beaten(time.Now().Add(staleAfter+time.Second), false)
		for range 3 {
			for _, x := range s.underWay() {
				if x.Want > 0 {
					t.Errorf("it claims: %+v", x.Request)
				}
				x.errs <- errors.New("redis is not there")
			}
			f.ask(func(*queue) bool { return true })
			time.Sleep(askAfter)
		}
		if s.waits() {
			t.Error("it waits for jobs")
		}
		want := 0
		for range 3 {
			time.Sleep(2 * time.Second) // it rests after failures
			f.beaten(time.Now(), true)
			for _, x := range s.underWay() {
				want = max(want, x.Want)
				x.answer(source.Reply{})
			}
		}
		if want == 0 || cause.Load() != nil {
			t.Errorf("when it beats again it claims %d; the handler has ended with %v", want, cause.Load())
		}
	})
}

// TestHeldBesideMessages: a worker that is told of its queue again and again compares
// all the same what it holds with what it knows.
//
//fault:network the reply of a claim is lost and its queue is never quiet | the jobs are found within a minute
func TestHeldBesideMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, s, cause, _, _ := startHeld(t, 2)
		s.pass(f)
		s.mu.Lock()
		delete(s.held, 1)
		s.mu.Unlock()
		for start := time.Now(); time.Since(start) < 3*askAfter; time.Sleep(time.Second) {
			f.beaten(time.Now(), true)
			f.ask(func(*queue) bool { return true })
			for _, x := range s.underWay() {
				x.answer(source.Reply{})
			}
		}
		if got := cause.Load(); got != ErrLeaseLost {
			t.Errorf("the context has ended with %v, want ErrLeaseLost", got)
		}
	})
}
