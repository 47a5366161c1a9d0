package tasuki_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestStalledServer stops the server for longer than the quick rule, twice: when
// it answers again, nobody is taken for dead.
//
//fault:server the server stands still for seconds | no job is lost or run twice, nobody is taken for dead
func TestStalledServer(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	e := newEnv(t, s.URL())
	var l ledger
	for range 3 {
		w := e.worker(tasuki.WorkerConfig{Concurrency: 5})
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
			time.Sleep(time.Millisecond)
			l.add(job.Args)
			return nil
		})
		e.run(w)
	}
	const n = 2000
	e.enqueue(number, n)
	for range 2 {
		s.Signal(t, syscall.SIGSTOP)
		time.Sleep(5 * time.Second)
		s.Signal(t, syscall.SIGCONT)
		time.Sleep(time.Second)
	}
	q := e.settled("default", n)
	if extra := l.check(t, n); extra != 0 || q.Counts["crashed"] != 0 {
		t.Errorf("%d runs too many, %+v", extra, q)
	}
}

// TestServerKilledUnderLoad kills the server again and again while jobs are
// enqueued and run; it keeps an append-only file, of each kind in turn.
//
//fault:server the server is killed and started again under load, with an append-only file (appendfsync always or no) | no accepted job is lost, nobody is taken for dead
func TestServerKilledUnderLoad(t *testing.T) {
	t.Parallel()
	args := redistest.Durable(t)
	s := redistest.Start(t, args...)
	e := newEnv(t, s.URL())
	var l ledger
	for range 2 {
		w := e.worker(tasuki.WorkerConfig{Concurrency: 10})
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
			time.Sleep(time.Millisecond)
			l.add(job.Args)
			return nil
		})
		e.run(w)
	}
	p := e.produce()
	// With everysec Redis answers before it has written while a sync is under way.
	kinds := []string{"always", "no"}
	const killed = 9
	for i := range killed {
		time.Sleep(400 * time.Millisecond)
		s.Kill()
		s.Restart(t, append(slices.Clip(args), "--appendfsync", kinds[i%len(kinds)])...)
	}
	time.Sleep(300 * time.Millisecond)
	accepted, uncertain := p.end()
	q := e.settled("default", int64(accepted))
	extra := l.check(t, accepted)
	t.Logf("%d kills, %d jobs, %d enqueues were uncertain and repeated, %d runs above one for each job", killed, accepted, uncertain, extra)
	if q.Counts["crashed"] != 0 {
		t.Errorf("%+v: somebody was taken for dead", q)
	}
}

// producer enqueues jobs with the arguments 0, 1, 2 and so on, each with an id, until
// it is accepted.
type producer struct {
	stop, stopped       chan struct{}
	accepted, uncertain int
}

// produce starts a producer.
func (e *env) produce() *producer {
	p := &producer{stop: make(chan struct{}), stopped: make(chan struct{})}
	go func() {
		defer close(p.stopped)
		for n := 0; ; n++ {
			select {
			case <-p.stop:
				p.accepted = n
				return
			default:
			}
			k := number.With(tasuki.Opts{ID: fmt.Sprint("n", n)})
			for tries := 0; ; tries++ {
				_, err := k.Enqueue(context.Background(), e.client, n)
				if err == nil {
					break
				}
				if tries == 0 && errors.Is(err, tasuki.ErrUncertain) {
					p.uncertain++ // the id makes it safe to call again
				}
				time.Sleep(time.Millisecond)
			}
		}
	}()
	return p
}

// end ends a producer and returns how many jobs were accepted, and of how many that
// was uncertain at first.
func (p *producer) end() (accepted, uncertain int) {
	close(p.stop)
	<-p.stopped
	return p.accepted, p.uncertain
}

// TestPowerLoss kills the server, cuts off the end of its append-only file somewhere,
// as when the machine dies before it is on the disk, and starts it again. What
// is lost is the end of what was enqueued; everything before is there, and the workers
// go on from it.
//
//fault:server the machine dies and the end of the append-only file is lost, also in the middle of a record | what was enqueued last is lost, and nothing else; workers go on from what is kept
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	args := []string{"--appendonly", "yes", "--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0"}
	s := redistest.Start(t, args...)
	e := newEnv(t, s.URL())
	e.lossy = true
	var ran sync.Map
	for range 2 {
		w := e.worker(tasuki.WorkerConfig{Concurrency: 5, Backoff: soon})
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
			time.Sleep(5 * time.Millisecond)
			if job.Attempt == 1 && job.Args%5 == 0 {
				return errors.New("once more")
			}
			ran.Store(job.Args, true)
			return nil
		})
		e.run(w)
	}
	var ids []string
	next := 0
	for round := range 6 {
		first := next
		deadline := time.Now().Add(300 * time.Millisecond)
		for ; time.Now().Before(deadline); next++ {
			k := number
			if next%7 == 0 {
				k = k.With(tasuki.Opts{In: 20 * time.Millisecond})
			}
			info, err := k.Enqueue(e.ctx, e.client, next)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, info.ID)
		}
		s.Kill()
		files, err := filepath.Glob(filepath.Join(s.Dir(), "appendonlydir", "*.incr.aof"))
		if err != nil || len(files) != 1 {
			t.Fatalf("append-only files: %q, %v", files, err)
		}
		info, err := os.Stat(files[0])
		if err != nil {
			t.Fatal(err)
		}
		cut := rand.Int64N(min(info.Size()/2, 40_000))
		before, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(files[0], info.Size()-cut); err != nil {
			t.Fatal(err)
		}
		s.Restart(t, args...)
		e.waitQueue("default", func(q inspect.Queue) bool {
			return q.Ready+q.Running+q.Scheduled+q.Retry+q.Suspect == 0 && q.Workers == 2
		})
		kept, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		// What was written since is of no count: a worker may have said that it still has a lost one.
		same := 0
		for same < min(len(before), len(kept)) && before[same] == kept[same] {
			same++
		}
		kept = kept[:same]
		lost := 0
		for i := first; i < next; i++ {
			_, done := ran.Load(i)
			switch there := bytes.Contains(kept, []byte(`"`+ids[i]+`"`)); {
			case there && lost > 0:
				t.Errorf("round %d: job %d is in the file, and one before it is not", round, i)
			case there && !done:
				t.Errorf("round %d: job %d is in the file and was not run", round, i)
			case !there:
				lost++
			}
		}
		t.Logf("round %d: %d bytes are cut off, and with them %d of %d enqueues", round, cut, lost, next-first)
	}
	if q := e.queue("default"); q.Counts["crashed"] != 0 || q.Dead != 0 {
		t.Errorf("%+v", q)
	}
}

// TestStartsEmpty has the server lose everything under running workers, in every way in
// which it can. Handlers that run are told that their jobs are lost, and new jobs are
// run at once.
//
//fault:server the server loses everything: FLUSHALL, FLUSHDB, SWAPDB, a restart without persistence | handlers are told by ErrLeaseLost, the loss is logged, and workers enter again and run new jobs
func TestStartsEmpty(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	e := newEnv(t, s.URL())
	w := e.worker(tasuki.WorkerConfig{Concurrency: 5})
	var causes recorder[error]
	var got recorder[int]
	var began atomic.Int64
	tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
		if job.Args < 0 {
			began.Add(1)
			<-ctx.Done()
			causes.add(context.Cause(ctx))
			return ctx.Err()
		}
		got.add(job.Args)
		return nil
	})
	e.run(w)
	ways := []func(){
		func() { s.Do(t, "FLUSHALL") },
		func() { s.Do(t, "FLUSHDB", "ASYNC") },
		func() { s.Do(t, "SWAPDB", "0", "1") },
		func() { s.Kill(); s.Restart(t) },
	}
	for i, lose := range ways {
		for range 2 {
			if _, err := number.Enqueue(e.ctx, e.client, -1); err != nil {
				t.Fatal(err)
			}
		}
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Running == 2 && began.Load() == 2*int64(i+1) })
		lose()
		for _, cause := range causes.wait(t, 2*(i+1)) {
			if cause != tasuki.ErrLeaseLost {
				t.Errorf("way %d: the handler's context ended with %v", i, cause)
			}
		}
		redistest.WaitFor(t, "an enqueue", func() error {
			_, err := number.With(tasuki.Opts{ID: fmt.Sprint("n", i)}).Enqueue(e.ctx, e.client, i)
			return err
		})
		if all := got.wait(t, i+1); all[i] != i {
			t.Errorf("way %d: got %v", i, all)
		}
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 1 && q.Running == 0 })
	}
	e.waitLog("was not in the list of workers any more")
}

// TestOldSnapshot puts an old state of the server in place of the new one while workers
// run: what was done since is there again, and runs again; nothing that the
// snapshot has is lost.
//
//fault:server an old snapshot is put in place of the data while workers run | what it has is run, again if it was done since; none of it is lost
func TestOldSnapshot(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	e := newEnv(t, s.URL())
	var runs recorder[int]
	hold := make(chan struct{})
	for range 2 {
		w := e.worker(tasuki.WorkerConfig{Concurrency: 5, Backoff: soon})
		tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
			select {
			case <-hold:
			case <-ctx.Done():
				return ctx.Err()
			}
			runs.add(job.Args)
			if job.Attempt == 1 && job.Args%4 == 0 {
				return errors.New("once more")
			}
			return nil
		})
		e.run(w)
	}
	const n = 100
	e.enqueue(number, n)
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Running == 10 })
	if got := s.Do(t, "SAVE"); got != "+OK" {
		t.Fatal(got)
	}
	close(hold)
	e.settled("default", n)
	s.Kill() // no snapshot at the end: --save is ""
	before := len(runs.get())
	s.Restart(t)
	q := e.settled("default", n)
	again := map[int]bool{}
	for _, i := range runs.get()[before:] {
		again[i] = true
	}
	// Of those that were held in the snapshot, the workers know that they are done.
	if len(again) < n-10 {
		t.Errorf("%d of %d jobs of the snapshot were run", len(again), n)
	}
	if q.Counts["crashed"] != 0 || q.Counts["done"] != n {
		t.Errorf("%+v", q)
	}
}

// TestLoading: a server that is started reads its data for seconds, and refuses everything
// meanwhile.
//
//fault:server the server is still loading its data | workers and producers wait and go on; nobody is taken for dead
func TestLoading(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	e := newEnv(t, s.URL())
	var l ledger
	for range 2 {
		w := e.worker(tasuki.WorkerConfig{Concurrency: 5})
		l.note(w)
		e.run(w)
	}
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 2 })
	s.Do(t, "EVAL", "for i = 1, 2000 do redis.call('SET', 'filler' .. i, i) end", "0")
	if got := s.Do(t, "SAVE"); got != "+OK" {
		t.Fatal(got)
	}
	s.Kill()
	// 2 ms a key; it answers in between.
	s.Relaunch(t, "--key-load-delay", "2000", "--loading-process-events-interval-bytes", "1024")
	if got := s.Do(t, "LLEN", "x"); !strings.HasPrefix(got, "-LOADING") {
		t.Fatalf("it is not loading: %s", got)
	}
	const n = 100
	start := time.Now()
	for i := range n {
		redistest.WaitFor(t, "an enqueue", func() error {
			_, err := number.With(tasuki.Opts{ID: fmt.Sprint("n", i)}).Enqueue(e.ctx, e.client, i)
			return err
		})
		if i == 0 {
			t.Logf("the first was accepted after %v", time.Since(start))
		}
	}
	q := e.settled("default", n)
	if extra := l.check(t, n); extra != 0 || q.Counts["crashed"] != 0 {
		t.Errorf("%d runs too many, %+v", extra, q)
	}
}

// TestScriptsAreForgotten has the server forget its scripts each 100 ms.
//
//fault:server the server forgets its scripts (SCRIPT FLUSH) again and again under load | nobody notices
func TestScriptsAreForgotten(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	e := newEnv(t, s.URL())
	var l ledger
	w := e.worker(tasuki.WorkerConfig{Concurrency: 10})
	l.note(w)
	e.run(w)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			s.Do(t, "SCRIPT", "FLUSH")
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
	n := 0
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); n++ {
		k := number.With(tasuki.Opts{ID: fmt.Sprint("n", n)})
		if n%7 == 0 {
			k = k.With(tasuki.Opts{In: 10 * time.Millisecond})
		}
		if _, err := k.Enqueue(e.ctx, e.client, n); err != nil {
			t.Fatal(err)
		}
	}
	e.settled("default", int64(n))
	close(stop)
	wg.Wait()
	if extra := l.check(t, n); extra != 0 {
		t.Errorf("%d runs too many", extra)
	}
	for line := range strings.Lines(e.log.String()) {
		if (strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR")) && !strings.Contains(line, "nothing to a disk") {
			t.Error(line)
		}
	}
}

// TestBusyServer: somebody else's script keeps the server busy for longer than it lets
// others wait, so that it refuses everything.
//
//fault:server a script of somebody else keeps the server busy (BUSY) | calls wait and go through; no job is lost or run twice, nobody is taken for dead
func TestBusyServer(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--busy-reply-threshold", "50")
	e := newEnv(t, s.URL())
	var l ledger
	for range 2 {
		w := e.worker(tasuki.WorkerConfig{Concurrency: 5})
		l.note(w)
		e.run(w)
	}
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 2 })
	p := e.produce()
	for range 2 {
		blocked := make(chan struct{})
		go func() {
			defer close(blocked)
			e.do("EVAL", "while true do end", "0")
		}()
		redistest.WaitFor(t, "BUSY", func() error {
			if got := s.Do(t, "PING"); !strings.HasPrefix(got, "-BUSY") {
				return errors.New(got)
			}
			return nil
		})
		time.Sleep(3 * time.Second) // longer than the quick rule
		if got := s.Do(t, "SCRIPT", "KILL"); got != "+OK" {
			t.Fatal(got)
		}
		<-blocked
		time.Sleep(200 * time.Millisecond)
	}
	accepted, _ := p.end()
	q := e.settled("default", int64(accepted))
	if extra := l.check(t, accepted); extra != 0 || q.Counts["crashed"] != 0 {
		t.Errorf("%d runs too many, %+v", extra, q)
	}
}

// TestToldToNobody: a worker whose subscription was cut looks for what was told meanwhile.
//
//fault:server a worker's subscription is cut, and a suspect comes back or a pause ends meanwhile | the worker asks all its queues when it is subscribed again: the job runs within seconds
func TestToldToNobody(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	e := newEnv(t, s.URL())
	w := e.worker(tasuki.WorkerConfig{})
	ran := make(chan struct{}, 1)
	tasuki.Handle(w, number, func(context.Context, *tasuki.Job[int]) error { ran <- struct{}{}; return nil })
	e.run(w)
	e.waitQueue("default", func(inspect.Queue) bool { return w.Waits("default") })
	e.do("RPUSH", e.key("default", "suspect"), `{"id":"s","kind":"number","crashes":2,"token":"t","args":1}`)
	s.Do(t, "CLIENT", "KILL", "TYPE", "pubsub")
	select {
	case <-ran:
	case <-time.After(10 * time.Second): // without being told it asks after 20 s
		t.Error("it does not run")
	}
}

// TestClientCommands kills, pauses and unblocks the connections of a worker, as people
// do who look after the server.
//
//fault:server somebody uses CLIENT KILL, CLIENT PAUSE and CLIENT UNBLOCK on a worker's connections | each job runs once, and the worker is not taken for dead
func TestClientCommands(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	e := newEnv(t, s.URL())
	w := e.worker(tasuki.WorkerConfig{Concurrency: 5})
	var l ledger
	var runs atomic.Int64
	tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
		runs.Add(1)
		l.add(job.Args)
		return nil
	})
	e.run(w)
	p := e.produce()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		meddle := [][]string{
			{"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"},
			{"CLIENT", "KILL", "TYPE", "pubsub"},
			{"CLIENT", "PAUSE", "200", "ALL"},
			nil,
		}
		for i := 0; ; i++ {
			command := meddle[i%len(meddle)]
			if command != nil {
				s.Do(t, command...)
			}
			for range 10 {
				// Not while clients are paused: Redis 7.0 does not stand that.
				if id := w.ClientID("default"); id != 0 && !slices.Contains(command, "PAUSE") {
					s.Do(t, "CLIENT", "UNBLOCK", fmt.Sprint(id), []string{"TIMEOUT", "ERROR"}[i%2])
				}
				select {
				case <-stop:
					return
				case <-time.After(30 * time.Millisecond):
				}
			}
		}
	})
	time.Sleep(4 * time.Second) // longer than the quick rule
	close(stop)
	wg.Wait()
	accepted, _ := p.end()
	q := e.settled("default", int64(accepted))
	l.check(t, accepted)
	t.Logf("%d jobs, %d runs", accepted, runs.Load())
	if q.Counts["crashed"] != 0 {
		t.Errorf("%+v", q)
	}
}

// TestPausedWrites stops a worker while writes are paused, as in a manual failover: a
// waiting call that the server has put off must not be unblocked, for Redis up to
// 7.0 crashes on that.
//
//fault:server writes are paused (CLIENT PAUSE WRITE, a manual failover) and a worker is told to stop | it leaves in order when the pause ends; the server is not harmed
func TestPausedWrites(t *testing.T) {
	t.Parallel()
	e, s, proxy := proxied(t)
	w := e.workerOf(number)
	stop := e.run(w)
	e.waitQueue("default", func(inspect.Queue) bool { return w.Waits("default") })
	pid := s.PID()
	// The pause begins just before the next wait reaches the server.
	paused := proxy.Once(redistest.Pass, func(c []string) bool {
		return c[0] == "BLMOVE" && s.Do(t, "CLIENT", "PAUSE", "3000", "WRITE") == "+OK"
	})
	e.enqueue(number, 1)
	<-paused
	time.Sleep(100 * time.Millisecond) // until the wait is put off: nothing shows that
	if err := stop(); err != nil {
		t.Error(err)
	}
	if s.PID() != pid || s.Do(t, "PING") != "+PONG" {
		t.Error("the server has ended")
	}
	e.run(e.workerOf(number))
	e.enqueue(number, 1)
	e.settled("default", 2)
}

// workerOf returns a worker that does jobs of a kind.
func (e *env) workerOf(k tasuki.Kind[int]) *tasuki.Worker {
	w := e.worker(tasuki.WorkerConfig{})
	collect(w, k)
	return w
}
