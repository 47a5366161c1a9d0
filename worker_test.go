package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

func TestStopIdle(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		var queues []tasuki.Queue
		for i := range 10 {
			queues = append(queues, tasuki.Queue{Name: fmt.Sprint("q", i)})
		}
		w := e.worker(tasuki.WorkerConfig{Queues: queues})
		stop := e.run(w)
		redistest.WaitFor(t, "the waits", func() error {
			for _, q := range queues {
				if !w.Waits(q.Name) || w.ClientID(q.Name) == 0 {
					return errors.New("it does not wait in " + q.Name)
				}
			}
			return nil
		})
		start := time.Now()
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("the stop took %v: it waited for something", took)
		}
		for _, q := range queues {
			if got := e.queue(q.Name); got.Workers != 0 {
				t.Errorf("%+v", got)
			}
		}
		if n, err := e.do("HLEN", e.namespace+":workers:info").AsInt64(); err != nil || n != 0 {
			t.Errorf("%d workers are listed, %v", n, err)
		}
	})
}

// TestStartStop starts and stops workers as fast as it goes, with jobs coming in
// all the while.
//
//fault:process workers started and stopped as fast as it goes | every job runs once
func TestStartStop(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		var done atomic.Int64
		const n = 400
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for i := range n {
				if _, err := number.Enqueue(e.ctx, e.client, i); err != nil {
					t.Error(err)
				}
			}
		}()
		for i := 0; done.Load() < n && !t.Failed(); i++ {
			w := e.worker(tasuki.WorkerConfig{Concurrency: 3, Queues: []tasuki.Queue{{Name: "default"}, {Name: "empty"}}})
			tasuki.Handle(w, number, func(context.Context, *tasuki.Job[int]) error {
				done.Add(1)
				return nil
			})
			ctx, cancel := context.WithTimeout(e.ctx, time.Duration(i%7)*3*time.Millisecond)
			if err := w.Run(ctx); err != nil {
				t.Error(err)
			}
			cancel()
		}
		<-ended
		e.settled("default", n)
		if done.Load() != n {
			t.Errorf("%d runs of %d jobs", done.Load(), n)
		}
	})
}

// TestGraceIsGiven lets handlers end that take a while.
//
//fault:process told to stop while jobs run | nothing more is claimed, and handlers have the grace to end
func TestGraceIsGiven(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{Concurrency: 2})
		began, release := make(chan struct{}, 5), make(chan struct{})
		tasuki.Handle(w, number, func(ctx context.Context, _ *tasuki.Job[int]) error {
			began <- struct{}{}
			<-release
			return ctx.Err()
		})
		e.enqueue(number, 5)
		stop := e.run(w)
		<-began
		<-began
		stopped := make(chan error, 1)
		go func() { stopped <- stop() }()
		redistest.WaitFor(t, "the stop to be noted", func() error {
			about, err := e.do("HVALS", e.namespace+":workers:info").AsStrSlice()
			if err != nil || !strings.Contains(strings.Join(about, ""), `"stopping":true`) {
				return fmt.Errorf("%v, %v", about, err)
			}
			return nil
		})
		close(release)
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		if q := e.queue("default"); q.Ready != 3 || q.Counts["done"] != 2 || q.Counts["release"] != 0 {
			t.Errorf("%+v: want two done and three never claimed", q)
		}
	})
}

// TestInterruptedJobsGoBack: what outlasts the grace is put back at the head, in
// order, and no attempt is counted.
//
//fault:process jobs outlast the grace of a stop | they go back to the head in order, with no attempt counted
func TestInterruptedJobsGoBack(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{Concurrency: 20, Grace: -1})
		var causes recorder[error]
		var started atomic.Int64
		tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
			started.Add(1)
			<-ctx.Done()
			causes.add(context.Cause(ctx))
			if job.Args == 3 {
				return nil // done all the same
			}
			return fmt.Errorf("interrupted: %w", ctx.Err())
		})
		e.enqueue(number, 30)
		stop := e.run(w)
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Running == 20 && started.Load() == 20 })
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if q := e.queue("default"); q.Ready != 29 || q.Counts["release"] != 19 || q.Counts["done"] != 1 || q.Retry+q.Dead != 0 {
			t.Errorf("%+v", q)
		}
		for _, cause := range causes.get() {
			if cause != tasuki.ErrStopping {
				t.Errorf("cause %v", cause)
			}
		}
		// The next worker finds them as if nothing had been.
		next := e.worker(tasuki.WorkerConfig{Concurrency: 1})
		var got recorder[int]
		tasuki.Handle(next, number, func(_ context.Context, job *tasuki.Job[int]) error {
			if job.Attempt != 1 {
				t.Errorf("attempt %d", job.Attempt)
			}
			got.add(job.Args)
			return nil
		})
		e.run(next)
		all := got.wait(t, 29)
		if !slices.IsSorted(all) {
			t.Errorf("order %v", all)
		}
		e.settled("default", 30)
	})
}

// TestInterruptedRetriesGoBack: what has waited for its time or for a retry lies behind
// the others then, but goes back to the head when a stop has interrupted it.
//
//fault:process jobs that were scheduled or had failed before outlast the grace of a stop | they go back to the head too, with no attempt counted
func TestInterruptedRetriesGoBack(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{Concurrency: 4, Grace: -1, Backoff: soon})
		var started atomic.Int64
		tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
			if job.Args < 2 && job.Attempt == 1 {
				return errors.New("not yet")
			}
			started.Add(1)
			<-ctx.Done()
			return ctx.Err()
		})
		stop := e.run(w)
		e.enqueue(number, 2)
		for i := range 2 {
			if _, err := number.With(tasuki.Opts{In: time.Millisecond}).Enqueue(e.ctx, e.producer(), 2+i); err != nil {
				t.Fatal(err)
			}
		}
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Running == 4 && started.Load() == 4 })
		for i := range 3 {
			if _, err := number.Enqueue(e.ctx, e.producer(), 4+i); err != nil {
				t.Fatal(err)
			}
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if q := e.queue("default"); q.Ready != 7 || q.Counts["release"] != 4 || q.Counts["retry"] != 2 {
			t.Errorf("%+v", q)
		}
		next := e.worker(tasuki.WorkerConfig{Concurrency: 1})
		var got recorder[int]
		tasuki.Handle(next, number, func(_ context.Context, job *tasuki.Job[int]) error {
			if want := map[bool]int{true: 2, false: 1}[job.Args < 2]; job.Attempt != want {
				t.Errorf("job %d: attempt %d, want %d", job.Args, job.Attempt, want)
			}
			got.add(job.Args)
			return nil
		})
		e.run(next)
		all := got.wait(t, 7)
		slices.Sort(all[:4])
		if !slices.Equal(all, upTo(7)) {
			t.Errorf("order %v; want what was interrupted before all others", all)
		}
		e.settled("default", 7)
	})
}

// TestStuckHandler ignores its context. Its worker keeps the lease, so that
// nobody starts the job beside it.
//
//fault:process handler ignores the end of its context in a stop | `Run` names it; its worker keeps the lease, so that nobody starts the job beside it
func TestStuckHandler(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{Concurrency: 2, Grace: -1})
		release := make(chan struct{})
		var started atomic.Int64
		tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
			started.Add(1)
			if job.Args == 0 {
				<-ctx.Done()
				return ctx.Err()
			}
			<-release
			return errors.New("at last")
		})
		stop := e.run(w)
		infos := e.enqueue(number, 2)
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Running == 2 && started.Load() == 2 })
		err := stop()
		var stuck *tasuki.StuckError
		if !errors.As(err, &stuck) || len(stuck.Addresses) != 1 || stuck.Addresses[0] != infos[1].Address() {
			t.Fatalf("Run: %v, want a StuckError with %s", err, infos[1].Address())
		}
		if stack := stuck.Stacks[infos[1].Address()]; len(stuck.Stacks) != 1 || !strings.Contains(stack, "worker_test.go") || !strings.HasPrefix(stack, "goroutine ") {
			t.Errorf("stacks %q, want the handler's", stuck.Stacks)
		}
		// Another worker gets the one that was put back, and not the stuck one.
		next := e.worker(tasuki.WorkerConfig{})
		got := collect(next, number)
		e.run(next)
		got.wait(t, 1)
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Running == 1 && q.Workers == 2 })
		beats := func() int64 {
			n, err := e.do("HGET", e.namespace+":workers", strings.Split(e.heldBy("default"), ".")[0]).AsInt64()
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		first := beats()
		redistest.WaitFor(t, "the stuck worker to beat", func() error {
			if n := beats(); n <= first {
				return fmt.Errorf("%d beats", n)
			}
			return nil
		})
		close(release)
		if all := got.wait(t, 2); all[1] != 1 {
			t.Errorf("got %v", all)
		}
		q := e.settled("default", 2)
		if q.Counts["release"] != 2 || q.Counts["retry"] != 0 {
			t.Errorf("%+v: want it released, not failed", q)
		}
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 1 })
	})
}

// TestStuckIsReported has a handler ignore a timeout.
//
//fault:process handler ignores its timeout | it is logged with its stack, and keeps its slot
func TestStuckIsReported(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{Concurrency: 1, Grace: 2 * time.Second})
		release := make(chan struct{})
		tasuki.Handle(w, number, func(context.Context, *tasuki.Job[int]) error { return ignore(release) })
		e.run(w)
		e.enqueue(number.With(tasuki.Opts{Timeout: time.Millisecond}), 2)
		e.waitLog("handler ignores the end of its context; its slot stays taken")
		if n := strings.Count(e.log.String(), "tasuki_test.ignore("); n != 1 {
			t.Errorf("%d lines of the log have the stack of the handler", n)
		}
		if q := e.queue("default"); q.Running != 1 || q.Ready != 1 {
			t.Errorf("%+v: the slot must stay taken", q)
		}
		close(release)
		e.settled("default", 2)
	})
}

//go:noinline
func ignore(release chan struct{}) error {
	<-release
	return nil
}

// TestStartsBeforeRedis starts a worker while there is no server.
//
//fault:server no server when a worker starts | the worker tries until there is one
func TestStartsBeforeRedis(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	e := newEnv(t, s.URL())
	s.Kill()
	w := e.worker(tasuki.WorkerConfig{})
	got := collect(w, number)
	e.run(w)
	e.waitLog("redis cannot be reached yet")
	s.Restart(t)
	redistest.WaitFor(t, "an enqueue to work", func() error {
		_, err := number.Enqueue(e.ctx, e.client, 1)
		return err
	})
	got.wait(t, 1)
	e.settled("default", 1)
}

// TestStopsWithoutRedis ends in bounded time when Redis is away.
//
//fault:process told to stop while Redis is away | the stop ends in bounded time and says what was not written; that runs again
func TestStopsWithoutRedis(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--appendonly", "yes")
	e := newEnv(t, s.URL())
	w := e.worker(tasuki.WorkerConfig{})
	release := make(chan struct{})
	tasuki.Handle(w, number, func(context.Context, *tasuki.Job[int]) error {
		<-release
		return nil
	})
	stop := e.run(w)
	e.enqueue(number, 1)
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Running == 1 })
	s.Kill()
	close(release)
	start := time.Now()
	err := stop()
	if took := time.Since(start); err == nil || !strings.Contains(err.Error(), "did not take 1 outcomes") || took > 30*time.Second {
		t.Errorf("after %v: %v", took, err)
	}
	s.Restart(t)
	// The job runs again: it was never settled.
	next := e.worker(tasuki.WorkerConfig{})
	var attempts recorder[int]
	tasuki.Handle(next, number, func(_ context.Context, job *tasuki.Job[int]) error {
		attempts.add(job.Crashes + job.Attempt)
		return nil
	})
	e.run(next)
	attempts.wait(t, 1)
	e.settled("default", 1)
}

// TestStopsWhileRedisStandsStill: a stop ends in bounded time when Redis does not
// answer. What Redis then still hands over to the worker that is gone is found.
//
//fault:process told to stop while Redis does not answer | the stop ends in bounded time; what Redis then still hands over is found
func TestStopsWhileRedisStandsStill(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	e := newEnv(t, s.URL())
	w := e.worker(tasuki.WorkerConfig{})
	stop := e.run(w)
	redistest.WaitFor(t, "the wait", func() error {
		if !w.Waits("default") || w.ClientID("default") == 0 {
			return errors.New("it does not wait")
		}
		return nil
	})
	other := e.run(e.worker(tasuki.WorkerConfig{}))
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 2 })
	if err := other(); err != nil { // Redis knows the script with which a queue is left
		t.Fatal(err)
	}
	next := e.worker(tasuki.WorkerConfig{})
	got := collect(next, number)
	producer, err := net.Dial("unix", s.Socket())
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	s.Signal(t, syscall.SIGSTOP)
	// It lies in the socket until the server goes on.
	fmt.Fprintf(producer, "RPUSH %s '{\"kind\":\"number\",\"args\":7}'\r\n", e.key("default"))
	start := time.Now()
	err = stop()
	took := time.Since(start)
	s.Signal(t, syscall.SIGCONT)
	if took > 25*time.Second {
		t.Errorf("the stop took %v", took)
	}
	t.Logf("the stop took %v: %v", took, err)
	e.run(next)
	if all := got.wait(t, 1); all[0] != 7 {
		t.Errorf("got %v", all)
	}
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 1 })
	e.settled("default", 1)
}

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--requirepass", "right")
	client, err := tasuki.Open("unix://:wrong@"+s.Socket(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "WRONGPASS") || strings.Contains(err.Error(), "wrong@") {
		t.Errorf("Ping: %v", err)
	}
	w, err := tasuki.NewWorker(client, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
		t.Errorf("Run: %v: want it to end at once, for this does not mend itself", err)
	}
	right, err := tasuki.Open("unix://"+s.Socket(), &tasuki.ClientConfig{Credentials: func(context.Context) (string, string, error) { return "", "right", nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer right.Close()
	if err := right.Ping(t.Context()); err != nil {
		t.Errorf("with Credentials: %v", err)
	}
}

func TestRunOnClosedClient(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		client := e.open(nil)
		w, err := tasuki.NewWorker(client, nil)
		if err != nil {
			t.Fatal(err)
		}
		client.Close()
		if err := w.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "closed") {
			t.Errorf("Run: %v", err)
		}
	})
}
