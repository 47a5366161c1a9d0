//go:build failpoint

package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/failpoint"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// The tests of this file end or stop processes at exact points of the code: see
// internal/failpoint. They run with go test -tags failpoint -run Failpoint .

// at is an environment in which something happens at points.
func at(rules ...string) []string { return []string{failpoint.Env + "=" + strings.Join(rules, ",")} }

// failpointEnv is on a real server.
func failpointEnv(t *testing.T) *env {
	t.Helper()
	t.Parallel()
	return newEnv(t, redistest.Shared(t).URL())
}

// waitEnd waits until a process has ended at its failpoint.
func (p *process) waitEnd() {
	p.t.Helper()
	select {
	case <-p.Ended():
	case <-time.After(30 * time.Second):
		p.t.Fatal("the process does not come to its failpoint")
	}
}

// killedAt starts a worker for n jobs that kills itself at a point, and has another
// take what it left. It returns the queue when all n are settled, the process, and
// what the other ran.
func killedAt(e *env, rule string, n int, c processConfig) (inspect.Queue, *process, []*tasuki.Job[int]) {
	e.t.Helper()
	c.Env = at(rule)
	e.enqueue(number, n)
	p := e.startProcess(c)
	p.waitEnd()
	got := e.survive(max(c.Concurrency, 1))
	q := e.settled("default", int64(n))
	return q, p, got.get()
}

// TestFailpointAfterClaim kills a worker that has claimed jobs and begun none.
//
//fault:process worker killed between a claim and the first line of a handler | all that was claimed runs elsewhere, once
func TestFailpointAfterClaim(t *testing.T) {
	for _, point := range []failpoint.Point{failpoint.AfterClaim, failpoint.BeforeHandler} {
		t.Run(string(point), func(t *testing.T) {
			e := failpointEnv(t)
			q, p, got := killedAt(e, string(point)+"=kill", 10, processConfig{Concurrency: 10, Do: "quick"})
			if q.Counts["crashed"] != 10 || len(p.lines("start")) != 0 || !slices.Equal(numbers(got), upTo(10)) {
				t.Errorf("%+v, begun %v, run elsewhere %v", q, p.lines("start"), numbers(got))
			}
		})
	}
}

// TestFailpointAfterHandOver kills a worker to which a wait has just handed a job.
//
//fault:process worker killed when a job was handed to it, before it has accepted it | the job runs elsewhere, once
func TestFailpointAfterHandOver(t *testing.T) {
	e := failpointEnv(t)
	p := e.startProcess(processConfig{Do: "quick", Env: at("after-hand-over=kill")})
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 1 })
	redistest.WaitFor(t, "a hand-over", func() error { // what comes before its first wait is claimed
		select {
		case <-p.Ended():
			return nil
		default:
		}
		if n := e.queue("default"); n.Ready+n.Running == 0 {
			e.enqueue(number, 1)
		}
		return errors.New("not yet")
	})
	all := int64(e.queue("default").Ready) + e.handed("default") + int64(len(p.lines("done")))
	got := e.survive(1)
	q := e.settled("default", all)
	if n := int64(len(got.get()) + len(p.lines("done"))); n != all {
		t.Errorf("%d runs of %d jobs, %+v", n, all, q)
	}
}

// handed is how many jobs lie in hand lists of a queue.
func (e *env) handed(queue string) (n int64) {
	e.t.Helper()
	for _, id := range e.workers(queue) {
		lying, err := e.do("LLEN", e.key(queue, "hand", id)).AsInt64()
		if err != nil {
			e.t.Fatal(err)
		}
		n += lying
	}
	return n
}

// TestFailpointAfterHandler kills a worker whose handler has returned.
//
//fault:process worker killed between a handler's return and its outcome | that job runs once more
func TestFailpointAfterHandler(t *testing.T) {
	e := failpointEnv(t)
	q, p, got := killedAt(e, "after-handler=kill@3", 10, processConfig{Concurrency: 1, Do: "quick"})
	runs := len(p.lines("done")) + len(got)
	var again []int
	for _, job := range got {
		if job.Crashes > 0 {
			again = append(again, job.Args)
		}
	}
	if q.Counts["crashed"] != 1 || runs != 11 || !slices.Equal(again, []int{2}) {
		t.Errorf("%d runs, again %v, %+v; want the third job twice", runs, again, q)
	}
}

// TestFailpointBeforeSettle kills a worker before it sends outcomes.
//
//fault:process worker killed before a portion of outcomes is sent | those jobs run once more, no other
func TestFailpointBeforeSettle(t *testing.T) {
	e := failpointEnv(t)
	q, p, got := killedAt(e, "before-settle=kill@4", 100, processConfig{Concurrency: 5, Do: "quick"})
	done, extra := len(p.lines("done")), len(p.lines("done"))+len(got)-100
	if extra < 1 || extra > 5 || q.Counts["crashed"] < int64(extra) || q.Counts["crashed"] > 5 {
		t.Errorf("%d done at first, %d runs above one for each job, %+v", done, extra, q)
	}
	if all := numbers(got); len(slices.Compact(all)) != len(got) {
		t.Errorf("the other worker ran one twice: %v", all)
	}
}

// TestFailpointAfterSettle kills a worker whose outcomes Redis has taken, before it
// does anything else.
//
//fault:process worker killed when Redis has taken a portion of outcomes | none of those jobs runs again
func TestFailpointAfterSettle(t *testing.T) {
	e := failpointEnv(t)
	// One slot: the exchange that settles a job claims the next, which is the
	// only one to crash.
	q, p, got := killedAt(e, "after-settle=kill@5", 20, processConfig{Concurrency: 1, Do: "quick"})
	if runs := len(p.lines("done")) + len(got); runs != 20 || q.Counts["crashed"] > 1 {
		t.Errorf("%d runs, %+v; want each job once", runs, q)
	}
}

// TestFailpointLostReplies has replies of exchanges lost, in a process that lives.
//
//fault:network the reply is lost of an exchange that settles, or that claims | the same worker goes on; every job runs once, and none has crashed
func TestFailpointLostReplies(t *testing.T) {
	for _, point := range []failpoint.Point{failpoint.BeforeSettle, failpoint.AfterSettle, failpoint.AfterClaim} {
		t.Run(string(point), func(t *testing.T) {
			e := failpointEnv(t)
			e.enqueue(number, 50)
			p := e.startProcess(processConfig{Concurrency: 5, Do: "quick", Env: at(string(point) + "=error@2")})
			q := e.settled("default", 50)
			if n := len(p.lines("done")); n != 50 || q.Counts["crashed"] != 0 || q.Counts["done"] != 50 {
				t.Errorf("%d runs, %+v", n, q)
			}
			if !strings.Contains(e.log.String(), "failpoint "+string(point)+": error") {
				t.Error("it did not come to its failpoint")
			}
		})
	}
}

// TestFailpointBatch ends a producer in the middle of EnqueueMany.
//
//fault:process producer killed in the middle of EnqueueMany | the portions that were sent are in, in order and once; the others are not
//fault:process producer frozen in the middle of EnqueueMany, then woken | all are in, in order and once
func TestFailpointBatch(t *testing.T) {
	t.Run("kill", func(t *testing.T) {
		e := failpointEnv(t)
		p := e.startProcess(processConfig{Produce: 2500, Batch: true, Env: at("between-portions=kill@3")})
		p.waitEnd()
		e.demandReady(1500)
	})
	t.Run("stop", func(t *testing.T) {
		e := failpointEnv(t)
		p := e.startProcess(processConfig{Produce: 2500, Batch: true, Env: at("between-portions=stop@3")})
		p.waitStopped()
		e.demandReady(1500)
		p.signal(syscall.SIGCONT)
		p.wait("accepted", 1)
		e.demandReady(2500)
	})
}

// demandReady demands that the numbers 0 to n-1 are ready, in order.
func (e *env) demandReady(n int) {
	e.t.Helper()
	list, err := e.do("LRANGE", e.key("default"), "0", "-1").AsStrSlice()
	if err != nil || len(list) != n {
		e.t.Fatalf("%d are ready, %v; want %d", len(list), err, n)
	}
	for i, element := range list {
		if !strings.HasSuffix(element, fmt.Sprintf(`"args":%d}`, i)) {
			e.t.Fatalf("%s at place %d", element, i)
		}
	}
}

// waitStopped waits until a process has stopped itself.
func (p *process) waitStopped() {
	p.t.Helper()
	redistest.WaitFor(p.t, "the process to stop itself", func() error {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
		if err != nil {
			return err
		}
		_, rest, _ := strings.Cut(string(text), ") ") // behind the name of the program
		if !strings.HasPrefix(rest, "T") {
			return fmt.Errorf("its state is %.1s", rest)
		}
		return nil
	})
}

// observed starts a worker process that observes, in another queue, and then one
// that holds n jobs, which it returns when all are begun.
func observed(e *env, rule string, n int) (observer, victim *process) {
	e.t.Helper()
	observer = e.startProcess(processConfig{Queues: []tasuki.Queue{{Name: "elsewhere"}}, Env: at(rule)})
	e.waitQueue("elsewhere", func(q inspect.Queue) bool { return q.Workers == 1 })
	e.enqueue(number, n)
	victim = e.startProcess(processConfig{Concurrency: n, Do: "hold"})
	victim.wait("start", n)
	return observer, victim
}

// TestFailpointSweep ends the observer in the middle of a sweep.
//
//fault:process observer killed in a sweep, when the lease has ended and nothing is put back | another goes on; every job runs once more, with one crash
//fault:process observer killed in a sweep, between two portions | the same
//fault:process observer frozen in a sweep; another finishes it, and the first wakes up | the same
func TestFailpointSweep(t *testing.T) {
	const n = 150
	for _, rule := range []string{"after-tombstone=kill", "between-swept=kill", "between-swept=kill@2", "between-swept=stop"} {
		t.Run(rule, func(t *testing.T) {
			e := failpointEnv(t)
			observer, victim := observed(e, rule, n)
			victim.kill()
			stop := strings.HasSuffix(rule, "stop")
			if stop {
				observer.waitStopped()
			} else {
				observer.waitEnd()
			}
			got := e.survive(20)
			q := e.settled("default", n)
			if stop {
				observer.signal(syscall.SIGCONT)
				time.Sleep(3 * time.Second) // it goes on with what it had read
				q = e.settled("default", n)
			}
			if !slices.Equal(numbers(got.get()), upTo(n)) || q.Counts["crashed"] != n {
				t.Errorf("%+v, run were %v", q, numbers(got.get()))
			}
			for _, job := range got.get() {
				if job.Crashes != 1 {
					t.Fatalf("%d has %d crashes, want one", job.Args, job.Crashes)
				}
			}
		})
	}
}

// TestFailpointTwoObservers freezes an observer in a sweep for as long as another
// needs to take its place, and wakes it while that one sweeps too.
//
//fault:process two observers sweep the same worker at once | every job is put back once, with one crash
func TestFailpointTwoObservers(t *testing.T) {
	e := failpointEnv(t)
	const n = 150
	first, victim := observed(e, "between-swept=stop", n)
	second := e.startProcess(processConfig{Queues: []tasuki.Queue{{Name: "elsewhere"}}, Env: at("between-swept=stop@2")})
	e.waitQueue("elsewhere", func(q inspect.Queue) bool { return q.Workers == 2 })
	victim.kill()
	first.waitStopped()
	second.waitStopped()
	// Both have read what was left, and go on at once.
	first.signal(syscall.SIGCONT)
	second.signal(syscall.SIGCONT)
	got := e.survive(20)
	q := e.settled("default", n)
	if !slices.Equal(numbers(got.get()), upTo(n)) || q.Counts["crashed"] != n {
		t.Errorf("%+v, run were %v", q, numbers(got.get()))
	}
	for _, job := range got.get() {
		if job.Crashes != 1 {
			t.Fatalf("%d has %d crashes, want one", job.Args, job.Crashes)
		}
	}
}

// TestFailpointDue kills the worker that makes due jobs ready, between portions.
//
//fault:process worker killed while it makes due jobs ready | another goes on; every job runs
func TestFailpointDue(t *testing.T) {
	e := failpointEnv(t)
	p := e.startProcess(processConfig{Concurrency: 1, Do: "hold", Env: at("between-due=kill@2")})
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 1 })
	// It waits and has the timer. When it goes on, all are due.
	p.signal(syscall.SIGSTOP)
	const n = 3000
	e.enqueue(number.With(tasuki.Opts{In: time.Millisecond}), n)
	p.signal(syscall.SIGCONT)
	p.waitEnd()
	q := e.queue("default")
	if q.Scheduled == 0 || q.Scheduled > n-2*500 || q.Ready == 0 {
		t.Errorf("when it was killed: %+v; want some ready and some not", q)
	}
	got := e.survive(50)
	q = e.settled("default", n)
	if !slices.Equal(numbers(got.get()), upTo(n)) || q.Counts["crashed"] > 1 {
		t.Errorf("%+v, %d runs", q, len(got.get()))
	}
}

// TestFailpointStop kills a worker in the steps of its stop.
//
//fault:process worker killed in a stop, before its last outcomes are written | those jobs run elsewhere; a stop is counted, no crash
//fault:process worker killed in a stop, before it has left its queue or the list of workers | nothing runs again, and what it left is removed
func TestFailpointStop(t *testing.T) {
	for _, point := range []failpoint.Point{failpoint.BeforeFlush, failpoint.BeforeLeave, failpoint.BeforeRetire} {
		t.Run(string(point), func(t *testing.T) {
			e := failpointEnv(t)
			e.enqueue(number, 20)
			p := e.startProcess(processConfig{Concurrency: 10, Do: "hold", Grace: -1, Env: at(string(point) + "=kill")})
			p.wait("start", 10)
			p.signal(syscall.SIGTERM)
			p.waitEnd()
			got := e.survive(20)
			q := e.settled("default", 20)
			if all := numbers(got.get()); !slices.Equal(all, upTo(20)) || q.Counts["crashed"] != 0 || q.Counts["stopped"]+q.Counts["release"] != 10 {
				t.Errorf("%+v, run were %v", q, all)
			}
			if point != failpoint.BeforeFlush && q.Counts["release"] != 10 {
				t.Errorf("%+v; want all put back by the worker itself", q)
			}
			e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 1 })
			redistest.WaitFor(t, "it to be out of the list", func() error {
				if n, err := e.do("HLEN", e.namespace+":workers").AsInt64(); n != 2 || err != nil { // the other, and who observes
					return fmt.Errorf("%d workers, %v", n, err)
				}
				return nil
			})
		})
	}
}

// TestFailpointFrozen freezes a worker for longer than its lease, at points at which
// it has just made sure that a job is its own, and wakes it when the job was run
// elsewhere.
//
//fault:process worker frozen for longer than 30 s between a handler's return and its outcome | its late success is refused; the run elsewhere counts
//fault:process worker frozen for longer than 30 s when a job was handed to it | it does not begin the job when it wakes
//fault:process worker frozen for longer than 30 s just before the first line of a handler | what the handler does late has no effect in Redis
func TestFailpointFrozen(t *testing.T) {
	for _, point := range []failpoint.Point{failpoint.AfterHandler, failpoint.AfterHandOver, failpoint.BeforeHandler} {
		t.Run(string(point), func(t *testing.T) {
			e := failpointEnv(t)
			p := e.startProcess(processConfig{Do: "quick", Env: at(string(point) + "=stop:300ms")}) // its beats are quicker
			e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 1 })
			time.Sleep(500 * time.Millisecond) // it waits
			e.enqueue(number, 1)
			p.waitStopped()
			begun := len(p.lines("start"))
			w := e.worker(tasuki.WorkerConfig{})
			taken, release := make(chan int, 1), make(chan struct{})
			tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
				taken <- job.Crashes
				<-release
				return nil
			})
			e.run(w)
			select {
			case crashes := <-taken:
				if crashes != 1 {
					t.Errorf("%d crashes", crashes)
				}
			case <-time.After(60 * time.Second):
				t.Fatal("the job is not taken over")
			}
			p.signal(syscall.SIGCONT)
			e.waitLog("was not in the list of workers any more")
			q := e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 2 })
			if q.Counts["done"] != 0 || q.Running != 1 {
				t.Errorf("%+v: the one that was frozen has settled the job", q)
			}
			close(release)
			if q = e.settled("default", 1); q.Counts["done"] != 1 {
				t.Errorf("%+v", q)
			}
			p.signal(syscall.SIGTERM)
			<-p.Ended()
			if n := len(p.lines("start")); point == failpoint.AfterHandOver && n != begun {
				t.Errorf("it began %d jobs after it was woken", n-begun)
			}
		})
	}
}
