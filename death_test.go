package tasuki_test

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
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

// fatal are the ways in which a handler ends its process: recover sees none of
// them.
var fatal = map[string]func(){
	"panic in a goroutine": func() {
		go func() { panic("nobody recovers this") }()
		select {}
	},
	"concurrent map writes": func() {
		m := map[int]int{}
		for g := range 4 {
			go func() {
				for i := 0; ; i++ {
					m[i%64+g] = i
				}
			}()
		}
		select {}
	},
	"stack overflow": func() {
		debug.SetMaxStack(1 << 20)
		var deeper func(int) int
		deeper = func(n int) int { return deeper(n+1) + 1 }
		deeper(0)
	},
	"out of memory": func() {
		limit := syscall.Rlimit{Cur: 1 << 20, Max: 1 << 20} // less than is mapped: nothing more is
		if err := syscall.Setrlimit(syscall.RLIMIT_AS, &limit); err != nil {
			panic(err)
		}
		for {
			hog = append(hog, make([]byte, 64<<20))
		}
	},
	"SIGQUIT": func() {
		syscall.Kill(os.Getpid(), syscall.SIGQUIT) //nolint:errcheck // it cannot fail for itself
		select {}
	},
	"os.Exit": func() { os.Exit(3) },
	"abort": func() {
		syscall.Kill(os.Getpid(), syscall.SIGABRT) //nolint:errcheck // it cannot fail for itself
		select {}
	},
}

// hog is memory that a process has taken.
var hog [][]byte

// answer notes how many goroutines and files the process has, whenever it gets
// SIGUSR1.
func (c *processConfig) answer(note func(format string, args ...any)) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	go func() {
		for range asked {
			note("has %d %d", runtime.NumGoroutine(), openFiles())
		}
	}()
}

// openFiles counts the descriptors of this process: 0 where that cannot be read.
func openFiles() int {
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}

// produce enqueues jobs, and notes which were accepted.
func (c *processConfig) produce(client *tasuki.Client, note func(format string, args ...any)) int {
	defer client.Close()
	ctx := context.Background()
	if c.Batch {
		specs := make([]tasuki.Spec, c.Produce)
		for i := range specs {
			specs[i] = number.Spec(i)
		}
		if _, err := client.EnqueueMany(ctx, specs); err != nil {
			note("failed %v", err)
			return 1
		}
		note("accepted %d", c.Produce)
		return 0
	}
	for i := range c.Produce {
		if _, err := number.Enqueue(ctx, client, i); err != nil {
			note("failed %v", err)
			return 1
		}
		note("accepted %d", i)
	}
	return 0
}

// survive runs a worker in this process, and collects the jobs that it runs.
func (e *env) survive(concurrency int) *recorder[*tasuki.Job[int]] {
	e.t.Helper()
	var got recorder[*tasuki.Job[int]]
	w := e.worker(tasuki.WorkerConfig{Concurrency: concurrency})
	tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
		got.add(job)
		return nil
	})
	e.run(w)
	return &got
}

// numbers are the arguments of jobs, sorted.
func numbers(jobs []*tasuki.Job[int]) []int {
	var all []int
	for _, job := range jobs {
		all = append(all, job.Args)
	}
	slices.Sort(all)
	return all
}

// upTo is 0 to n-1.
func upTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// TestKilledIdle kills a worker that waits, and pushes a job at the same moment:
// Redis may hand it to the one that is gone.
//
//fault:process worker killed while it waits, as a job is pushed | the job runs elsewhere, once
func TestKilledIdle(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		p := e.startProcess(processConfig{Do: "quick"})
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 1 })
		// It has run one, so it waits.
		e.enqueue(number, 1)
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Counts["done"] == 1 && q.Running == 0 })
		p.signal(syscall.SIGKILL) // whose end nobody waits for
		e.enqueue(number, 5)
		got := e.survive(10)
		q := e.settled("default", 6)
		// The first may have been run by the one that was about to die.
		if n := len(got.get()) + len(p.lines("done")); n < 6 || n > 6+int(q.Counts["crashed"]) {
			t.Errorf("%d runs, %+v", n, q)
		}
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 1 })
	})
}

// TestFatalErrors has a job end its process in ways that no recover sees. It runs
// again elsewhere, where it does no harm, with one crash counted.
//
//fault:process a job ends its process: panic in a goroutine of its own, concurrent map writes, stack overflow, out of memory, SIGABRT, SIGQUIT, `os.Exit` | a crash is counted, no attempt, and it runs again elsewhere
func TestFatalErrors(t *testing.T) {
	t.Parallel()
	for way := range fatal {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, redistest.Shared(t).URL())
			p := e.startProcess(processConfig{Concurrency: 2, Fatal: way})
			e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 1 })
			e.enqueue(number, 1)
			select {
			case <-p.Ended():
			case <-time.After(30 * time.Second):
				t.Fatal("the process does not end")
			}
			if p.State().Success() || len(p.lines("start")) != 1 {
				t.Errorf("%v; started %v", p.State(), p.lines("start"))
			}
			got := e.survive(10)
			if job := got.wait(t, 1)[0]; job.Crashes != 1 || job.Attempt != 1 {
				t.Errorf("%d crashes, attempt %d; want one crash, and no failed attempt", job.Crashes, job.Attempt)
			}
			e.settled("default", 1)
		})
	}
}

// TestRevivedPoison: a job that is dead as poison and is revived begins anew: it may be
// there at two more deaths.
//
//fault:process a job that was dead as poison is revived, and its process dies | one crash is counted, and it runs again elsewhere
func TestRevivedPoison(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		died := fmt.Sprint(time.Now().Add(-time.Minute).UnixMilli())
		e.do("ZADD", e.key("default", "dead"), died, `{"id":"p","kind":"number","attempts":2,"crashes":3,"reason":"poison","token":"t","args":7}`)
		if n, err := e.inspector.Revive(e.ctx, "default", "p"); n != 1 || err != nil {
			t.Fatalf("Revive: %d, %v", n, err)
		}
		p := e.startProcess(processConfig{Do: "hold"})
		p.wait("start", 1)
		p.kill()
		got := e.survive(1)
		q := e.waitQueue("default", func(q inspect.Queue) bool { return q.Counts["crashed"] == 1 })
		if q.Counts["poison"] != 0 {
			t.Fatalf("%+v: it is poison after one death", q)
		}
		if job := got.wait(t, 1)[0]; job.Args != 7 || job.Crashes != 1 || job.Attempt != 1 {
			t.Errorf("job %d: %d crashes, attempt %d; want one crash, and no failed attempt", job.Args, job.Crashes, job.Attempt)
		}
		e.settled("default", 1)
	})
}

// TestProducerKilled kills producers at any moment of an enqueue.
//
//fault:process producer killed while it enqueues | what was accepted is there once; the one under way is there once or not at all
func TestProducerKilled(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		p := e.startProcess(processConfig{Produce: 1_000_000})
		redistest.WaitFor(t, "50 jobs to be accepted", func() error {
			if n := len(p.lines("accepted")); n < 50 {
				return fmt.Errorf("%d so far, %v", n, p.lines("failed"))
			}
			return nil
		})
		p.kill()
		accepted := len(p.lines("accepted"))
		list, err := e.do("LRANGE", e.key("default"), "0", "-1").AsStrSlice()
		if err != nil {
			t.Fatal(err)
		}
		// At most one more than it could note.
		if n := len(list); n < accepted || n > accepted+1 {
			t.Errorf("%d are ready, %d were accepted", n, accepted)
		}
		for i, element := range list {
			if !strings.HasSuffix(element, fmt.Sprintf(`"args":%d}`, i)) {
				t.Fatalf("%s at place %d", element, i)
			}
		}
		got := e.survive(10)
		e.settled("default", int64(len(list)))
		if all := numbers(got.get()); !slices.Equal(all, upTo(len(list))) {
			t.Errorf("run were %v", all)
		}
	})
}

// TestStuckProcessEnds: a program that ends although a handler ignores the stop
// leaves its job to others, at once.
//
//fault:process program ends although a handler ignores the stop | the job runs elsewhere; a stop is counted, no crash
func TestStuckProcessEnds(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.enqueue(number, 3)
		p := e.startProcess(processConfig{Concurrency: 3, Do: "ignore", Grace: -1})
		p.wait("start", 3)
		p.signal(syscall.SIGTERM)
		if failed := p.wait("failed", 1)[0]; !strings.Contains(failed, "3 handlers ignore the end of their context: default/") {
			t.Errorf("Run: %s", failed)
		}
		<-p.Ended()
		got := e.survive(10)
		for _, job := range got.wait(t, 3) {
			if job.Crashes != 0 || job.Attempt != 1 {
				t.Errorf("%d crashes, attempt %d; want none, and the first", job.Crashes, job.Attempt)
			}
		}
		if q := e.settled("default", 3); q.Counts["stopped"] != 3 || q.Counts["crashed"] != 0 {
			t.Errorf("%+v", q)
		}
	})
}

// TestSecondSignal: a program that gives the signal back when it has heard it once
// is ended by the second one, in the middle of the grace.
//
//fault:process second SIGTERM in the middle of a stop | the process ends; its jobs run elsewhere; a stop is counted, no crash
func TestSecondSignal(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.enqueue(number, 3)
		p := e.startProcess(processConfig{Concurrency: 3, Do: "ignore", Grace: time.Minute})
		p.wait("start", 3)
		p.signal(syscall.SIGTERM)
		e.waitStopNoted()
		p.wait("told", 1)
		p.signal(syscall.SIGTERM)
		select {
		case <-p.Ended():
		case <-time.After(30 * time.Second):
			t.Fatal("the process does not end")
		}
		e.survive(10).wait(t, 3)
		if q := e.settled("default", 3); q.Counts["stopped"] != 3 || q.Counts["crashed"] != 0 {
			t.Errorf("%+v", q)
		}
	})
}

// TestLateSuccess: a handler that ignores the stop and succeeds at last has
// succeeded, as its worker has kept the lease.
//
//fault:process handler ignores the stop and succeeds after Run has returned | the job is done, and was never run elsewhere
func TestLateSuccess(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{Grace: -1})
		release := make(chan struct{})
		var runs atomic.Int64
		tasuki.Handle(w, number, func(context.Context, *tasuki.Job[int]) error {
			runs.Add(1)
			<-release
			return nil
		})
		stop := e.run(w)
		e.enqueue(number, 1)
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Running == 1 && runs.Load() == 1 })
		if err := stop(); err == nil {
			t.Error("Run says nothing of the handler")
		}
		got := e.survive(1)
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 2 })
		time.Sleep(4 * time.Second) // longer than the quick rule, were it to hold
		close(release)
		q := e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 1 && q.Running == 0 })
		if q.Counts["done"] != 1 || q.Counts["crashed"]+q.Counts["stopped"]+q.Counts["release"] != 0 || len(got.get()) != 0 {
			t.Errorf("%+v, run elsewhere: %v", q, got.get())
		}
	})
}
