package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
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

// kills is how many workers TestKillNine kills: more with TASUKI_TEST_KILLS.
func kills(t testing.TB) int {
	text := os.Getenv("TASUKI_TEST_KILLS")
	if text == "" {
		return 20
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestKillNine kills workers with 100 running jobs, and measures until each runs
// elsewhere. The figure is for the log: it is judged with room, as this machine
// may be busy.
//
//fault:process worker killed with `kill -9` while 100 jobs run | each runs again elsewhere within seconds, with a crash and no failed attempt counted
func TestKillNine(t *testing.T) {
	t.Parallel()
	const jobs = 100
	var mu sync.Mutex
	var took []time.Duration
	// Each in a namespace of its own, ten at a time.
	slots := make(chan struct{}, 10)
	var wg sync.WaitGroup
	for i := range kills(t) {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			d := killOne(t, jobs, i%2 == 0)
			mu.Lock()
			defer mu.Unlock()
			took = append(took, d...)
		})
	}
	wg.Wait()
	slices.Sort(took)
	if len(took) == 0 {
		return
	}
	at := func(q float64) time.Duration { return took[int(q*float64(len(took)-1))] }
	t.Logf("%d kills of workers with %d jobs: running again after p50 %v, p99 %v, at most %v", len(took)/jobs, jobs, at(0.5), at(0.99), at(1))
	if at(0.99) > 6*time.Second {
		t.Errorf("p99 is %v: the quick rule did not hold", at(0.99))
	}
}

// killOne returns how long each job took from the kill to its next start. The
// victim was the observer, or another worker.
func killOne(t *testing.T, jobs int, observer bool) []time.Duration {
	e := newEnv(t, redistest.Shared(t).URL())
	if !observer { // who comes first is it
		e.run(e.worker(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "elsewhere"}}}))
		e.waitQueue("elsewhere", func(q inspect.Queue) bool { return q.Workers == 1 })
	}
	e.enqueue(number, jobs)
	p := e.startProcess(processConfig{Concurrency: jobs, Do: "hold"})
	p.wait("start", jobs)

	var mu sync.Mutex
	started := map[int]time.Time{}
	w := e.worker(tasuki.WorkerConfig{Concurrency: jobs})
	tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
		mu.Lock()
		defer mu.Unlock()
		if job.Crashes != 1 || job.Attempt != 1 {
			t.Errorf("job %d: %d crashes, attempt %d; want one crash, and no failed attempt", job.Args, job.Crashes, job.Attempt)
		}
		started[job.Args] = time.Now()
		return nil
	})
	e.run(w)
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 2 })
	time.Sleep(time.Second + rand.N(time.Second)) // at any phase of the beats
	killed := time.Now()
	p.kill()
	redistest.WaitFor(t, "all to run again", func() error {
		mu.Lock()
		defer mu.Unlock()
		if len(started) < jobs {
			return fmt.Errorf("%d of %d", len(started), jobs)
		}
		return nil
	})
	e.settled("default", int64(jobs))
	var took []time.Duration
	for _, at := range started {
		took = append(took, at.Sub(killed))
	}
	return took
}

// TestPutBackInOrder: what a dead worker held is run again in its order.
//
//fault:process worker killed with a part of the queue in its hands | what it held goes back to the head, in its order
func TestPutBackInOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.enqueue(number, 250)
		p := e.startProcess(processConfig{Concurrency: 150, Do: "hold"})
		p.wait("start", 150)
		w := e.worker(tasuki.WorkerConfig{Concurrency: 1})
		var got recorder[int]
		begin := make(chan struct{})
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
			<-begin
			got.add(job.Args)
			return nil
		})
		e.run(w)
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Running == 151 })
		p.kill()
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Counts["crashed"] == 150 })
		close(begin)
		all := got.wait(t, 250)
		// The first is the one that the second worker had before the crash.
		if all[0] != 150 || !slices.IsSorted(all[1:151]) || !slices.IsSorted(all[151:]) || all[1] != 0 || all[151] != 151 {
			t.Errorf("order %v", all)
		}
		e.settled("default", 250)
	})
}

// TestAllWorkersDie: the first new worker recovers everything.
//
//fault:process all workers killed | the first new worker runs all their jobs again
func TestAllWorkersDie(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.enqueue(number, 60)
		var all []*process
		for range 3 {
			all = append(all, e.startProcess(processConfig{Concurrency: 20, Do: "hold"}))
		}
		for _, p := range all {
			p.wait("start", 20)
		}
		for _, p := range all {
			p.kill()
		}
		w := e.worker(tasuki.WorkerConfig{Concurrency: 60})
		got := collect(w, number)
		e.run(w)
		got.wait(t, 60)
		if q := e.settled("default", 60); q.Counts["crashed"] != 60 {
			t.Errorf("%+v", q)
		}
	})
}

// TestPoison has one job kill every process that runs it. It is dead after three,
// and none of the others is lost to it.
//
//fault:process a job ends every process that runs it | dead as poison after three deaths; all other jobs are done
func TestPoison(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		dir := t.TempDir() + "/ledger"
		specs := make([]tasuki.Spec, 0, 400)
		for i := range 400 {
			if i == 100 {
				specs = append(specs, number.Spec(-1))
			}
			specs = append(specs, number.Spec(i))
		}
		if _, err := e.client.EnqueueMany(e.ctx, specs); err != nil {
			t.Fatal(err)
		}
		// As a supervisor would: whatever dies is started again.
		deaths := 0
		ctx, cancel := context.WithCancel(e.ctx)
		defer cancel()
		var wg sync.WaitGroup
		var mu sync.Mutex
		for range 2 {
			wg.Go(func() {
				for ctx.Err() == nil {
					p := e.startProcess(processConfig{Concurrency: 10, Do: "poison", Sleep: 20 * time.Millisecond, Ledger: dir})
					select {
					case <-p.Ended():
						mu.Lock()
						deaths++
						mu.Unlock()
					case <-ctx.Done():
						p.signal(syscall.SIGTERM)
						<-p.Ended()
					}
				}
			})
		}
		q := e.waitQueue("default", func(q inspect.Queue) bool { return q.Counts["done"] == 400 && q.Dead == 1 })
		cancel()
		wg.Wait()
		if deaths != 3 || q.Counts["poison"] != 1 {
			t.Errorf("%d deaths, %+v; want three", deaths, q)
		}
		dead, _ := e.do("ZRANGE", e.key("default", "dead"), "0", "-1").AsStrSlice()
		if !strings.Contains(dead[0], `"args":-1`) || !strings.Contains(dead[0], `"reason":"poison: 3 processes died while they ran it"`) || strings.Count(dead[0], `:`) < 3 {
			t.Errorf("dead %s", dead)
		}
		if runs := len(ledgerLines(t, dir, "start -1")); runs != 3 {
			t.Errorf("the poison was run %d times, want 3", runs)
		}
	})
}

// TestSuspectsRunAlone: of the jobs with two crashes behind them, a process runs
// one at a time, beside others.
//
//fault:process several jobs that were there at two deaths | a process runs one of them at a time, beside others
func TestSuspectsRunAlone(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		for i := range 5 {
			e.do("RPUSH", e.key("default", "suspect"), fmt.Sprintf(`{"id":"s%d","kind":"number","crashes":2,"token":"t%d","args":%d}`, i, i, 1000+i))
		}
		e.enqueue(number, 2000)
		w := e.worker(tasuki.WorkerConfig{Concurrency: 10})
		var mu sync.Mutex
		suspects, most, order := 0, 0, []int{}
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
			if job.Crashes < 2 {
				time.Sleep(time.Millisecond)
				return nil
			}
			mu.Lock()
			suspects++
			most = max(most, suspects)
			order = append(order, job.Args)
			mu.Unlock()
			time.Sleep(5 * time.Millisecond)
			mu.Lock()
			suspects--
			mu.Unlock()
			return nil
		})
		e.run(w)
		e.settled("default", 2005)
		mu.Lock()
		defer mu.Unlock()
		// Another test of this process may have had the place in between.
		if most != 1 || !slices.IsSorted(order) {
			t.Errorf("%d suspects at a time, in the order %v; want one at a time, in order", most, order)
		}
	})
}

// TestSuspectsComeBackAlone: a suspect that is moved, retried or parked is one again when it
// is ready.
//
//fault:process jobs that were there at two deaths are rescheduled, run now, retried or parked | a process runs one of them at a time all the same
func TestSuspectsComeBackAlone(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		crashed := func(info tasuki.Info, err error) string {
			if err != nil {
				t.Fatal(err)
			}
			record := e.key("default", "rec", info.ID)
			body, _ := e.do("HGET", record, "job").ToString()
			e.do("HSET", record, "job", strings.Replace(body, `"max_attempts":3`, `"crashes":2,"max_attempts":3`, 1))
			return info.Address()
		}
		k := number.With(tasuki.Opts{Record: true, MaxAttempts: 3})
		for i := range 3 {
			later := k.With(tasuki.Opts{In: time.Hour})
			if err := e.client.RunNow(e.ctx, crashed(later.Enqueue(e.ctx, e.client, i))); err != nil {
				t.Fatal(err)
			}
			if err := e.client.Reschedule(e.ctx, crashed(later.Enqueue(e.ctx, e.client, 10+i)), time.Now().Add(20*time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			one := later.With(tasuki.Opts{Unique: tasuki.Unique{Mode: tasuki.UniqueRunning, Key: "x"}})
			if err := e.client.RunNow(e.ctx, crashed(one.Enqueue(e.ctx, e.client, 20+i))); err != nil {
				t.Fatal(err)
			}
			e.do("ZADD", e.key("default", "retry"), "1", fmt.Sprintf(`{"id":"s%d","kind":"number","crashes":2,"token":"t%d","args":%d}`, i, i, 30+i))
		}
		w := e.worker(tasuki.WorkerConfig{Concurrency: 10, Backoff: soon})
		var suspects, most atomic.Int64
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
			most.Store(max(most.Load(), suspects.Add(1)))
			defer suspects.Add(-1)
			time.Sleep(5 * time.Millisecond)
			if job.Attempt == 1 {
				return errors.New("once more")
			}
			return nil
		})
		e.run(w)
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Counts["done"] == 12 })
		if most.Load() != 1 {
			t.Errorf("%d suspects at a time", most.Load())
		}
	})
}

// TestSuspectsOfSeveralQueues: while one of them runs another is not claimed, and
// when it has ended that one is next, also if it lies in another queue. The worker
// has a process of its own, as all workers of a process share the one place.
//
//fault:process such jobs in several queues of a process | one at a time across the queues, the next one at once
func TestSuspectsOfSeveralQueues(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		names := []string{"a", "b", "c"}
		var queues []tasuki.Queue
		for _, name := range names {
			queues = append(queues, tasuki.Queue{Name: name})
		}
		p := e.startProcess(processConfig{Queues: queues, Concurrency: 2, Do: "sleep", Sleep: 300 * time.Millisecond})
		p.wait("up", 1)
		for _, name := range names {
			e.waitQueue(name, func(q inspect.Queue) bool { return q.Workers == 1 })
		}
		start := time.Now()
		for i, name := range names {
			e.do("RPUSH", e.key(name, "suspect"), fmt.Sprintf(`{"id":"s","kind":"number","crashes":2,"token":"t","args":%d}`, i))
			e.do("PUBLISH", e.key(name, "channel"), "ready")
		}
		p.wait("done", len(names))
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("they were done after %v: one was found by chance", took)
		}
		for _, name := range names {
			e.settled(name, 1)
		}
	})
}

// TestKilledWhileStopping: what is cut off by the end of a stop is no crash.
//
//fault:process worker killed while it stops | its jobs run again; a stop is counted, no crash
func TestKilledWhileStopping(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.enqueue(number, 5)
		p := e.startProcess(processConfig{Concurrency: 5, Do: "ignore", Grace: time.Minute})
		p.wait("start", 5)
		p.signal(syscall.SIGTERM)
		e.waitStopNoted()
		p.kill() // as an orchestrator does that has waited long enough
		w := e.worker(tasuki.WorkerConfig{})
		got := collect(w, number)
		e.run(w)
		got.wait(t, 5)
		if q := e.settled("default", 5); q.Counts["stopped"] != 5 || q.Counts["crashed"] != 0 {
			t.Errorf("%+v", q)
		}
	})
}

// TestShortPause: a worker that is frozen for 10 s is not taken for dead.
//
//fault:process worker frozen for 10 s | it is not taken for dead
func TestShortPause(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.enqueue(number, 20)
		p := e.startProcess(processConfig{Concurrency: 20, Do: "hold"})
		p.wait("start", 20)
		w := e.worker(tasuki.WorkerConfig{})
		got := collect(w, number)
		e.run(w)
		p.signal(syscall.SIGSTOP)
		time.Sleep(10 * time.Second) // the pause is what is tested
		p.signal(syscall.SIGCONT)
		time.Sleep(3 * time.Second) // long enough for the quick rule, were it to hold
		if q := e.queue("default"); q.Running != 20 || q.Counts["crashed"] != 0 || len(got.get()) != 0 {
			t.Errorf("%+v: the pause was mistaken for a death", q)
		}
		p.kill()
		got.wait(t, 20)
		e.settled("default", 20)
	})
}

// TestLongPause freezes a worker until others have taken its jobs, and wakes it
// again: nothing that it does then has an effect, and it goes on under a new
// lease.
//
//fault:process worker frozen for longer than 30 s, then woken | others run its jobs; it settles nothing, cancels its handlers, has lower fencing numbers, and works again under a new lease
func TestLongPause(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.enqueue(number, 20)
		p := e.startProcess(processConfig{Concurrency: 20, Do: "hold"})
		p.wait("start", 20)
		zombie := e.workers("default")[0]
		p.signal(syscall.SIGSTOP)

		w := e.worker(tasuki.WorkerConfig{Concurrency: 20})
		var fences recorder[int64]
		release := make(chan struct{})
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
			fences.add(job.Fence())
			<-release
			return nil
		})
		stop := e.run(w)
		start := time.Now()
		for len(fences.get()) < 20 {
			if time.Since(start) > 60*time.Second {
				t.Fatalf("%d jobs were taken over", len(fences.get()))
			}
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(start); took < 28*time.Second {
			t.Errorf("the jobs were taken over after %v: the pause was mistaken for a death by the quick rule", took)
		}
		p.signal(syscall.SIGCONT)
		// It notices by itself, and cancels what it ran.
		for _, line := range p.wait("ended", 20) {
			if !strings.Contains(line, tasuki.ErrLeaseLost.Error()) {
				t.Errorf("the zombie's handler: %s", line)
			}
		}
		if q := e.queue("default"); q.Running != 20 || q.Counts["done"] != 0 {
			t.Errorf("%+v: the zombie has settled something", q)
		}
		// It held lower fences than those who run the jobs now.
		for _, line := range p.lines("start") {
			fence, err := strconv.ParseInt(strings.Fields(line)[3], 10, 64)
			if err != nil || fence >= slices.Min(fences.get()) {
				t.Errorf("a fence of the zombie's is %s, those of the later runs begin at %d", line, slices.Min(fences.get()))
			}
		}
		close(release)
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Counts["done"] == 20 })
		if err := stop(); err != nil {
			t.Error(err)
		}
		// And it works again: as an incarnation that was never there before.
		e.enqueue(number, 1)
		p.wait("start", 21)
		if now := e.heldBy("default"); !strings.HasPrefix(now, zombie+".") {
			t.Errorf("the jobs are held by %s, want a new incarnation of %s", now, zombie)
		}
		p.signal(syscall.SIGTERM)
		<-p.Ended()
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Running == 0 })
		e.do("DEL", e.key("default")) // what it put back
	})
}

// TestRegistrationLost deletes the list of a queue's workers under a worker: it
// goes on under a new incarnation, and what it held runs again.
//
//fault:server the list of a queue's workers is lost | handlers there end with `ErrLeaseLost`, and the worker goes on under a new lease; its other queues notice nothing
func TestRegistrationLost(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{Concurrency: 4, Queues: []tasuki.Queue{{Name: "a"}, {Name: "b"}}})
		var causes recorder[string]
		first := make(chan struct{})
		var once sync.Once
		tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
			select {
			case <-first:
				return nil
			case <-ctx.Done():
				causes.add(job.Queue + " " + context.Cause(ctx).Error())
				return ctx.Err()
			}
		})
		e.run(w)
		e.enqueue(number.With(tasuki.Opts{Queue: "a"}), 2)
		e.enqueue(number.With(tasuki.Opts{Queue: "b"}), 1)
		e.waitQueue("a", func(q inspect.Queue) bool { return q.Running == 2 })
		e.waitQueue("b", func(q inspect.Queue) bool { return q.Running == 1 })
		e.do("DEL", e.key("a", "workers"))
		// Something makes it ask: a job, in the queue where it waits.
		e.enqueue(number.With(tasuki.Opts{Queue: "a"}), 1)
		for _, c := range causes.wait(t, 2) {
			if c != "a "+tasuki.ErrLeaseLost.Error() {
				t.Errorf("cancelled: %s; want those of queue a, for a lost lease", c)
			}
		}
		once.Do(func() { close(first) })
		e.settled("b", 1)
		e.waitQueue("a", func(q inspect.Queue) bool { return q.Counts["done"] >= 1 && q.Workers == 1 })
		if ids := e.workers("a"); !strings.HasSuffix(ids[0], ".1") {
			t.Errorf("workers of a: %v, want a new incarnation", ids)
		}
		// What the old one held lies under its tombstone until the next patrol;
		// this test does not wait for that.
		old := strings.TrimSuffix(e.workers("a")[0], ".1")
		if n, err := e.do("HLEN", e.key("a", "held", old)).AsInt64(); err != nil || n != 2 {
			t.Errorf("%d held by the old incarnation, %v", n, err)
		}
	})
}

// TestLeaseLostWhileWaiting: a worker that waits in a queue when it loses its lease
// there is handed the next job under the new one: at once, and nobody has crashed.
//
//fault:server a lease is lost while its worker waits | the next job runs at once under the new lease
func TestLeaseLostWhileWaiting(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{Concurrency: 2})
		started, end := make(chan *tasuki.Job[int]), make(chan struct{})
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
			started <- job
			<-end
			return nil
		})
		e.run(w)
		const n = 5
		for i := range n {
			e.enqueue(number, 1)
			select {
			case job := <-started:
				if job.Crashes != 0 {
					t.Errorf("job %d: %d crashes", i, job.Crashes)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("job %d is not run", i)
			}
			e.waitQueue("default", func(q inspect.Queue) bool { return q.Running == 1 && w.Waits("default") })
			old := e.heldBy("default")
			if i < n-1 {
				e.do("ZREM", e.key("default", "workers"), old) // as in a failover that has lost it
			}
			end <- struct{}{} // the exchange that settles it learns of the loss
			lost := time.Now()
			e.waitQueue("default", func(q inspect.Queue) bool {
				return q.Counts["done"] == int64(i+1) && q.Workers == 1 && w.Waits("default")
			})
			if took := time.Since(lost); took > 10*time.Second {
				t.Errorf("job %d: the wait under the old lease went on for %v", i, took)
			}
		}
		if q := e.settled("default", n); q.Counts["crashed"] != 0 || q.Workers != 1 {
			t.Errorf("%+v", q)
		}
	})
}

// TestProducerAfterFlush: a server that has lost everything hears of a queue again from a producer that
// goes on, also if nobody serves it; and not with each enqueue.
//
//fault:server it loses everything, as after a failover to an empty one, and a producer goes on whose queue nobody serves | the queue is in the directory again within six minutes
func TestProducerAfterFlush(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	e := newEnv(t, s.URL())
	known := func() bool {
		t.Helper()
		names, err := e.inspector.Names(e.ctx)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Contains(names, "default")
	}
	e.enqueue(number, 1)
	if !known() {
		t.Fatal("the queue is not in the directory")
	}
	for range 2 {
		s.Do(t, "FLUSHALL")
		e.enqueue(number, 3)
		if known() {
			t.Error("it is entered again at once: each enqueue pays for it")
		}
		if err := e.client.Age("default", 6*time.Minute); err != nil {
			t.Fatal(err)
		}
		e.enqueue(number, 1)
		if !known() {
			t.Error("it is not entered again")
		}
	}
}

// TestFlushed flushes the server under workers. What was there is gone; they go
// on.
//
//fault:server `FLUSHALL` and `SCRIPT FLUSH` under workers | handlers end with `ErrLeaseLost`, and the workers go on with what comes then
func TestFlushed(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	e := newEnv(t, s.URL())
	w := e.worker(tasuki.WorkerConfig{Concurrency: 5})
	var causes recorder[error]
	got := recorder[int]{}
	tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
		if job.Args < 3 {
			<-ctx.Done()
			causes.add(context.Cause(ctx))
			return ctx.Err()
		}
		got.add(job.Args)
		return nil
	})
	e.run(w)
	e.enqueue(number, 3)
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Running == 3 })
	s.Do(t, "FLUSHALL")
	for _, cause := range causes.wait(t, 3) {
		if cause != tasuki.ErrLeaseLost {
			t.Errorf("cause %v", cause)
		}
	}
	specs := []tasuki.Spec{number.Spec(10), number.Spec(11)}
	if _, err := e.client.EnqueueMany(e.ctx, specs); err != nil {
		t.Fatal(err)
	}
	got.wait(t, 2)
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Counts["done"] == 2 && q.Workers == 1 })
	s.Do(t, "SCRIPT", "FLUSH")
	if _, err := e.client.EnqueueMany(e.ctx, specs); err != nil {
		t.Fatal(err)
	}
	got.wait(t, 4)
}
