//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// place is a process as the command names it.
func (p *process) place() string {
	host, _ := os.Hostname()
	return fmt.Sprintf("%s:%d", host, p.cmd.Process.Pid)
}

// waitWorkers waits until the list of workers is as is says.
func (e *env) waitWorkers(is func(all []inspect.Worker) bool) (all []inspect.Worker) {
	e.t.Helper()
	redistest.WaitFor(e.t, "workers", func() (err error) {
		if all, err = e.inspector.Workers(context.Background()); err == nil && !is(all) {
			err = fmt.Errorf("they are %+v", all)
		}
		return err
	})
	return all
}

func haveAnswered(n int) func([]inspect.Worker) bool {
	return func(all []inspect.Worker) bool {
		return len(all) == n && !slices.ContainsFunc(all, func(w inspect.Worker) bool { return !w.Answered })
	}
}

func TestWorkerLs(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		if r := e.tasuki("worker", "ls", "-o", "json").want(t, exitOK); r.stdout != "[]\n" {
			t.Errorf("without workers it prints %q", r.stdout)
		}
		began, let := make(chan bool), make(chan bool)
		stop := e.handle("mail", func(context.Context, *tasuki.RawJob) error {
			began <- true
			<-let
			return nil
		})
		e.enqueue("email.welcome", "1", tasuki.Opts{Queue: "mail", ID: "a"})
		<-began
		e.waitWorkers(haveAnswered(1))
		all := decode[[]inspect.Worker](t, e.tasuki("worker", "ls", "-o", "json").want(t, exitOK).stdout)
		if len(all) != 1 || all[0].PID != os.Getpid() || all[0].State != inspect.WorkerRunning || all[0].Busy != 1 || len(all[0].Runs) != 1 || all[0].Runs[0].Address() != "mail/a" {
			t.Fatalf("they are %+v", all)
		}
		text := strings.Join(strings.Fields(e.tasuki("worker", "ls").want(t, exitOK).stdout), " ")
		for _, want := range []string{
			fmt.Sprintf("%s %s running mail 1/%d 20", all[0].ID, all[0].Place(), all[0].Slots), " ago ",
			fmt.Sprintf("%s mail/a email.welcome 20", all[0].ID),
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%q is missing in %q", want, text)
			}
		}
		e.tasuki("worker", "dump", all[0].ID).want(t, exitOK, all[0].ID+" "+all[0].Place()+": dumped\n\ngoroutine ", "TestWorkerLs")
		e.tasuki("worker", "quiet", all[0].Place(), "-o", "json").want(t, exitOK, `"did": "quieted"`)
		e.tasuki("worker", "ls").want(t, exitOK, " quiet ")
		close(let)
		stop()
	})
}

// TestWorkerStop: tasuki work that is asked to stop does what it does by SIGTERM, and no
// other is stopped.
func TestWorkerStop(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.enqueue("k", "1", tasuki.Opts{MaxAttempts: 1})
	p := e.work("trap 'echo ended; exit 1' TERM; echo up; while :; do sleep 0.1 & wait; done", "--grace", "20s")
	p.waitOutput("up")
	other := e.work("true", "--queue", "other")
	e.waitWorkers(haveAnswered(2))
	e.tasuki("worker", "stop", p.place()).want(t, exitOK, p.place()+": told to stop\n")
	if code := p.wait(); code != exitOK {
		t.Errorf("it exits with %d", code)
	}
	if !strings.Contains(p.stdout.String(), "ended") {
		t.Error("its command got no SIGTERM")
	}
	if q := e.queue("default"); q.Ready != 1 || q.Dead != 0 || q.Counts["release"] != 1 {
		t.Errorf("the queue is %+v", q)
	}
	all := e.waitWorkers(haveAnswered(1))
	if all[0].Place() != other.place() {
		t.Errorf("they are %+v", all)
	}
	other.stop()
}

// TestWorkerBulk: --all means all, says who they are, and asks first.
func TestWorkerBulk(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.tasuki("worker", "stop", "--all", "--yes").want(t, exitOK, "there are no workers\n")
	a, b := e.work("true"), e.work("true", "--queue", "other")
	e.waitWorkers(haveAnswered(2))
	e.tasuki("worker", "stop").want(t, exitUsage, "allowed are WORKERs or --all, one of them")
	e.tasuki("worker", "stop", a.place(), "--all").want(t, exitUsage, "one of them")
	e.tasuki("worker", "stop", "--all").want(t, exitUsage, "nobody can be asked here")
	e.tasuki("worker", "stop", "nowhere:1", a.place()).want(t, exitNotFound, `worker "nowhere:1": not found`)
	e.tasuki("worker", "stop", "--all", "--dry-run").want(t, exitOK, a.place()+": would be told to stop\n", b.place()+": would be told to stop\n")
	all := e.waitWorkers(haveAnswered(2))
	for _, w := range all {
		if w.State != inspect.WorkerRunning {
			t.Errorf("it is %+v", w)
		}
	}
	asked := decode[[]askedWorker](t, e.tasuki("worker", "stop", "--all", "--yes", "-o", "json").want(t, exitOK).stdout)
	if len(asked) != 2 || asked[0].Did != "told to stop" || asked[0].Worker != all[0].ID || asked[1].Process != all[1].Place() {
		t.Errorf("it prints %+v", asked)
	}
	if codes := a.wait() + b.wait(); codes != 0 {
		t.Errorf("they exit with %d", codes)
	}
}

// TestWorkerFrozen: one that is frozen is shown so, and does not hide the others.
func TestWorkerFrozen(t *testing.T) {
	t.Parallel()
	e := setup(t)
	p, other := e.work("true"), e.work("true", "--queue", "other")
	e.waitWorkers(haveAnswered(2))
	p.signal(syscall.SIGSTOP)
	all := decode[[]inspect.Worker](t, e.tasuki("worker", "ls", "-o", "json").want(t, exitOK).stdout)
	if len(all) != 2 {
		t.Fatalf("they are %+v", all)
	}
	for _, w := range all {
		want := map[string]inspect.WorkerState{p.place(): inspect.WorkerUnheard, other.place(): inspect.WorkerRunning}[w.Place()]
		if w.State != want || w.Answered != (want == inspect.WorkerRunning) {
			t.Errorf("it is %+v, want it %s", w, want)
		}
	}
	e.tasuki("worker", "ls").want(t, exitOK, " unheard ", " ?/10 ")
	r := e.tasuki("worker", "quiet", "--all", "--yes").want(t, exitFailed, "1 of 2 workers: the worker has not answered", other.place()+": quieted\n")
	if strings.Contains(r.stdout, p.place()+": quieted") {
		t.Errorf("it prints %s", r.stdout)
	}
	p.signal(syscall.SIGCONT)
	// What it was asked it hears now.
	e.waitWorkers(func(all []inspect.Worker) bool {
		return haveAnswered(2)(all) && all[0].State == inspect.WorkerQuiet && all[1].State == inspect.WorkerQuiet
	})
	p.stop()
	other.stop()
}
