package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/tasukitest"
)

// step is what a test compares of a Change.
func step(c tasuki.Change) string {
	text := fmt.Sprintf("%s→%s %d", c.From, c.State, c.Attempt)
	for _, more := range []string{c.Outcome, c.Reason} {
		if more != "" {
			text += " " + more
		}
	}
	return text
}

func steps(changes []tasuki.Change) string {
	var all []string
	for _, c := range changes {
		all = append(all, step(c))
	}
	return strings.Join(all, ", ")
}

// TestChanges has a job go every way that a handler can choose, and counts what was
// told against what Redis has counted.
func TestChanges(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		var told recorder[tasuki.Change]
		failed := errors.New("failed once")
		w := e.worker(tasuki.WorkerConfig{Concurrency: 1, MaxAttempts: 3, OnChange: told.add, Backoff: func(tasuki.Info, error) time.Duration { return time.Millisecond }})
		seen := map[string]int{}
		k := tasuki.Define[string]("way")
		tasuki.Handle(w, k, func(ctx context.Context, job *tasuki.Job[string]) error {
			seen[job.Args]++
			switch first := seen[job.Args] == 1; {
			case job.Args == "retry" && first:
				time.Sleep(20 * time.Millisecond) // it is told how long it took
				return failed
			case job.Args == "snooze" && first:
				return tasuki.Snooze(time.Millisecond, "not yet")
			case job.Args == "kill":
				return tasuki.Kill(failed)
			case job.Args == "exhaust":
				return failed
			case job.Args == "goexit" && first:
				runtime.Goexit()
			case job.Args == "cancel":
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		})
		e.run(w)
		want := map[string]string{
			"done":    "ready→running 1, running→done 1 done",
			"retry":   "ready→running 1, running→retry 1 retry failed, ready→running 2 failed, running→done 2 done failed",
			"snooze":  "ready→running 1, running→retry 1 snooze not yet, ready→running 1 not yet, running→done 1 done not yet",
			"kill":    "ready→running 1, running→dead 1 dead killed",
			"exhaust": "ready→running 1, running→retry 1 retry failed, ready→running 2 failed, running→retry 2 retry failed, ready→running 3 failed, running→dead 3 dead out of attempts",
			"goexit":  "ready→running 1, running→retry 1 retry failed, ready→running 2 failed, running→done 2 done failed",
			"cancel":  "ready→running 1, running→cancelled 1 cancelled",
		}
		ids := map[string]string{}
		for way := range want {
			info, err := k.Enqueue(e.ctx, e.client, way)
			if err != nil {
				t.Fatal(err)
			}
			ids[way] = info.ID
		}
		of := func(way string) []tasuki.Change {
			return slices.DeleteFunc(told.get(), func(c tasuki.Change) bool { return c.ID != ids[way] })
		}
		redistest.WaitFor(t, "the job that is to be cancelled", func() error {
			if len(of("cancel")) == 0 {
				return errors.New("it does not run yet")
			}
			return nil
		})
		if err := e.client.Cancel(e.ctx, of("cancel")[0].Address()); err != nil {
			t.Fatal(err)
		}
		q := e.settled("default", int64(len(want)))
		for way, want := range want {
			if got := steps(of(way)); got != want {
				t.Errorf("%s: told of %s\nwant         %s", way, got, want)
			}
		}
		counts := map[string]int64{}
		for _, c := range told.get() {
			if c.Kind != "way" || c.Queue != "default" || c.MaxAttempts != 3 || time.Since(c.Time) > time.Minute {
				t.Errorf("%+v", c)
			}
			if c.Outcome != "" {
				counts[c.Outcome]++
			} else if c.Err != nil || c.Duration != 0 || c.Delay != 0 {
				t.Errorf("at the begin: %+v", c)
			}
		}
		for name, n := range counts {
			if q.Counts[name] != n {
				t.Errorf("told %d times of %s, and counted %v", n, name, q.Counts)
			}
		}
		retry := of("retry")[1]
		if !errors.Is(retry.Err, failed) || retry.Error != "failed once" || retry.Delay != time.Millisecond || retry.Duration < 20*time.Millisecond || retry.DueAt.IsZero() {
			t.Errorf("%+v", retry)
		}
		var p *tasuki.PanicError
		if !errors.As(of("goexit")[1].Err, &p) {
			t.Errorf("goexit: %v", of("goexit")[1].Err)
		}
	})
}

// TestChangesWithoutHandler: what a worker has no handler for does not begin.
func TestChangesWithoutHandler(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		var told recorder[tasuki.Change]
		e.run(e.worker(tasuki.WorkerConfig{OnChange: told.add}))
		e.do("RPUSH", e.key("default"), "a line", `{"id":"x","kind":"nobodys"}`)
		got := steps(told.wait(t, 2)[:2])
		if want := "ready→dead 0 dead no handler for raw jobs: "; !strings.HasPrefix(got, want) {
			t.Errorf("told of %s\nwant    %s…", got, want)
		}
		if want := ", ready→retry 0 unknown no handler for kind nobodys"; !strings.HasSuffix(got, want) {
			t.Errorf("told of %s\nwant    …%s", got, want)
		}
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Dead == 1 && q.Counts["unknown"] > 0 })
	})
}

// TestChangeOfInterrupted: a stop releases what runs, and says nothing of what has not
// begun.
func TestChangeOfInterrupted(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		var told recorder[tasuki.Change]
		w := e.worker(tasuki.WorkerConfig{Concurrency: 1, Grace: -1, OnChange: told.add})
		tasuki.Handle(w, number, func(ctx context.Context, _ *tasuki.Job[int]) error {
			<-ctx.Done()
			return ctx.Err()
		})
		stop := e.run(w)
		e.enqueue(number, 3)
		told.wait(t, 1)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if got, want := steps(told.get()), "ready→running 1, running→ready 1 release"; got != want {
			t.Errorf("told of %s\nwant    %s", got, want)
		}
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Ready == 3 })
	})
}

// TestOnChangeFails: whatever OnChange does, the job goes its way and the slot is free
// again.
//
//fault:process `OnChange` panics, or calls `runtime.Goexit` | it is logged, or the attempt has failed; the slot is free again
func TestOnChangeFails(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{Concurrency: 1, MaxAttempts: 1, OnChange: func(c tasuki.Change) {
			switch at := c.ID + " " + c.Outcome; at {
			case "1 ", "2 done":
				panic("no luck with " + at)
			case "3 ", "3 dead", "4 done":
				runtime.Goexit()
			}
		}})
		tasuki.Handle(w, number, func(context.Context, *tasuki.Job[int]) error { return nil })
		e.run(w)
		for _, id := range []string{"1", "2", "3", "4", "5"} {
			if _, err := number.With(tasuki.Opts{ID: id}).Enqueue(e.ctx, e.client, 0); err != nil {
				t.Fatal(err)
			}
		}
		if q := e.settled("default", 5); q.Counts["done"] != 4 || q.Dead != 1 {
			t.Errorf("%+v: want only the one dead whose attempt could not begin", q)
		}
		e.waitLog("no luck with 1 ")
		e.waitLog("no luck with 2 done")
	})
}

// TestChangesOfASweep kills a process three times that runs a job: its crashes are
// told by who sweeps, and its death as poison.
func TestChangesOfASweep(t *testing.T) {
	t.Parallel()
	e := newEnv(t, redistest.Shared(t).URL())
	var told recorder[tasuki.Change]
	// It observes, and takes no job of the queue.
	e.run(e.worker(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "elsewhere"}}, OnChange: told.add}))
	e.waitQueue("elsewhere", func(q inspect.Queue) bool { return q.Workers == 1 })
	info := e.enqueue(number, 1)[0]
	for i := range 3 {
		p := e.startProcess(processConfig{Do: "hold"})
		p.wait("start", 1)
		p.kill()
		told.wait(t, i+1)
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Running == 0 })
	}
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Dead == 1 })
	want := "running→ready 0 crashed its worker died, running→suspect 0 crashed its worker died, " +
		"running→dead 0 crashed poison: 3 processes died while they ran it"
	if got := steps(told.get()); got != want {
		t.Errorf("told of %s\nwant    %s", got, want)
	}
	for _, c := range told.get() {
		if c.ID != info.ID || c.Kind != "number" || c.Queue != "default" || c.Err != nil || c.Time.IsZero() {
			t.Errorf("%+v", c)
		}
	}
}

// TestChangesOfARehearsal: package tasukitest tells the same, and of a job that is lost
// to others.
func TestChangesOfARehearsal(t *testing.T) {
	t.Parallel()
	for cause, want := range map[error]string{
		nil:                      "ready→running 1, running→dead 1 dead out of attempts",
		tasuki.ErrCancelled:      "ready→running 1, running→cancelled 1 cancelled; ready→cancelled 0 cancelled",
		tasuki.ErrLeaseLost:      "ready→running 1, running→running 1 lost; ",
		tasuki.ErrStopping:       "ready→running 1, running→ready 1 release; ",
		context.DeadlineExceeded: "ready→running 1, running→ready 1 release; ",
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		var told []tasuki.Change
		w := tasukitest.NewWorker(&tasuki.WorkerConfig{MaxAttempts: 1, OnChange: func(c tasuki.Change) { told = append(told, c) }})
		tasuki.Handle(w, number, func(inner context.Context, _ *tasuki.Job[int]) error {
			if cause != nil {
				cancel(cause)
				<-inner.Done()
			}
			return errors.New("no")
		})
		if _, err := tasukitest.Run(ctx, w, number.Spec(1)); err != nil {
			t.Fatal(err)
		}
		got := steps(told)
		if told = nil; cause != nil { // once more, with a context that has ended
			if _, err := tasukitest.Run(ctx, w, number.Spec(1)); err != nil {
				t.Fatal(err)
			}
			got += "; " + steps(told)
		}
		if got != want {
			t.Errorf("%v: told of %s\nwant       %s", cause, got, want)
		}
		cancel(nil)
	}
}
