package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// demandDead demands that a queue has one dead job with all of the texts in its
// element, and returns that.
func (e *env) demandDead(queue string, texts ...string) string {
	e.t.Helper()
	e.waitQueue(queue, func(q inspect.Queue) bool { return q.Counts["dead"] == 1 })
	dead, err := e.do("ZRANGE", e.key(queue, "dead"), "0", "-1").AsStrSlice()
	if err != nil || len(dead) != 1 {
		e.t.Fatalf("dead are %q, %v", dead, err)
	}
	for _, text := range texts {
		if !strings.Contains(dead[0], text) {
			e.t.Errorf("dead is %s, want %s in it", dead[0], text)
		}
	}
	return dead[0]
}

// TestDeadlineOfRunning has handlers run when the deadline comes.
//
//fault:time the deadline of a job passes while it runs | its context ends with `ErrDeadline`; with an error it is dead, and not retried; without one it is done
func TestDeadlineOfRunning(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{Backoff: soon, Queues: []tasuki.Queue{{Name: "nil"}, {Name: "error"}, {Name: "snooze"}, {Name: "kill"}}})
		tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
			if end, ok := ctx.Deadline(); !ok || time.Until(end) > 3*time.Second || job.Deadline.IsZero() || job.Timeout != time.Minute {
				t.Errorf("it ends at %v, %v; %+v", end, ok, job.Info)
			}
			<-ctx.Done()
			if context.Cause(ctx) != tasuki.ErrDeadline || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				t.Errorf("it has ended with %v, %v", context.Cause(ctx), ctx.Err())
			}
			switch job.Queue {
			case "nil":
				return nil
			case "snooze":
				return tasuki.Snooze(time.Millisecond)
			case "kill":
				return tasuki.Kill(ctx.Err())
			}
			return ctx.Err()
		})
		e.run(w)
		for _, queue := range []string{"nil", "error", "snooze", "kill"} {
			e.enqueue(number.With(tasuki.Opts{Queue: queue, Timeout: time.Minute, Deadline: time.Now().Add(2 * time.Second)}), 1)
		}
		if q := e.settled("nil", 1); q.Counts["done"] != 1 {
			t.Errorf("%+v", q)
		}
		e.demandDead("error", `"attempts":1`, `"reason":"deadline passed"`, `"error":"the deadline of the job has passed: context deadline exceeded"`)
		e.demandDead("snooze", `"attempts":1`, `"reason":"deadline passed"`)
		e.demandDead("kill", `"attempts":1`, `"reason":"killed"`)
	})
}

// TestTimeoutBeforeDeadline: what comes first ends the attempt.
func TestTimeoutBeforeDeadline(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{Backoff: soon})
		var causes recorder[error]
		tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
			<-ctx.Done()
			causes.add(context.Cause(ctx))
			return ctx.Err()
		})
		e.run(w)
		e.enqueue(number.With(tasuki.Opts{Timeout: time.Millisecond, MaxAttempts: 2, Deadline: time.Now().Add(time.Hour)}), 1)
		if got := causes.wait(t, 2); got[0] != tasuki.ErrTimeout || got[1] != tasuki.ErrTimeout {
			t.Errorf("causes %v", got)
		}
		e.demandDead("default", `"reason":"out of attempts"`)
	})
}

// TestLimitOfRecorded: a job that is handed to an idle worker has its record opened by a call of
// its own, with the context of the run, before its time limit is known.
//
//fault:time a recorded job that was handed to an idle worker runs into its timeout, or its deadline passes | its context ends, as that of any other
func TestLimitOfRecorded(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{Backoff: soon})
		var causes recorder[error]
		tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
			<-ctx.Done()
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				t.Errorf("it has ended with %v", ctx.Err())
			}
			causes.add(context.Cause(ctx))
			return ctx.Err()
		})
		e.run(w)
		for i, o := range []tasuki.Opts{{Timeout: 20 * time.Millisecond}, {Deadline: time.Now().Add(time.Second)}} {
			redistest.WaitFor(t, "an idle worker", func() error {
				if !w.Waits("default") {
					return errors.New("it does not wait")
				}
				return nil
			})
			o.Record, o.MaxAttempts = true, 1
			e.enqueue(number.With(o), 1)
			if got := causes.wait(t, i+1); got[i] != []error{tasuki.ErrTimeout, tasuki.ErrDeadline}[i] {
				t.Errorf("cause %v", got[i])
			}
		}
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Counts["dead"] == 2 })
	})
}

// TestDeadlineBeforeStart has a worker come too late. Attempts that cannot succeed
// are not made, so there is nothing to retry.
//
//fault:time the deadline of a job passes before it is started, or between two attempts | it is dead at once, and no attempt is begun or counted
func TestDeadlineBeforeStart(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		deadline := time.Now().Add(300 * time.Millisecond)
		e.enqueue(number.With(tasuki.Opts{Deadline: deadline}), 1)
		e.do("RPUSH", e.key("pushed"), `{"id":"a","kind":"number","attempts":2,"deadline":1,"error":"the last","args":1}`)
		time.Sleep(time.Until(deadline) + 10*time.Millisecond)
		w := e.worker(tasuki.WorkerConfig{Backoff: soon, Queues: []tasuki.Queue{{Name: "default"}, {Name: "pushed"}}})
		tasuki.Handle(w, number, func(context.Context, *tasuki.Job[int]) error {
			t.Error("it was run")
			return errors.New("no")
		})
		e.run(w)
		if text := e.demandDead("default", `"reason":"deadline passed"`); strings.Contains(text, "attempts") || strings.Contains(text, "error") {
			t.Errorf("dead is %s", text)
		}
		e.demandDead("pushed", `"attempts":2`, `"reason":"deadline passed","error":"the last"`)
		for _, queue := range []string{"default", "pushed"} {
			if q := e.settled(queue, 1); q.Counts["claimed"] != 1 || q.Counts["retry"] != 0 {
				t.Errorf("%+v", q)
			}
		}
	})
}

// TestDeadlineBeforeRetry: nothing waits for an attempt that would not begin.
//
//fault:time the next attempt of a job would begin after its deadline | it is dead at once, with the last error
func TestDeadlineBeforeRetry(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "failed"}, {Name: "snoozed"}},
			Backoff: func(tasuki.Info, error) time.Duration { return time.Hour }})
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
			if job.Queue == "failed" && job.Attempt == 1 {
				return tasuki.RetryIn(time.Millisecond, errors.New("first"))
			} else if job.Queue == "failed" {
				return errors.New("second")
			}
			return tasuki.Snooze(time.Hour)
		})
		e.run(w)
		for _, queue := range []string{"failed", "snoozed"} {
			e.enqueue(number.With(tasuki.Opts{Queue: queue, Deadline: time.Now().Add(10 * time.Minute)}), 1)
		}
		const reason = `"reason":"the next attempt would begin after the deadline"`
		e.demandDead("failed", `"attempts":2`, reason+`,"error":"second"`)
		e.demandDead("snoozed", reason)
	})
}

// TestReviveAfterDeadline: who revives a job wants it to run.
func TestReviveAfterDeadline(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{})
		got := collect(w, number)
		e.run(w)
		e.do("RPUSH", e.key("default"), `{"id":"a","kind":"number","deadline":1,"args":1}`)
		e.demandDead("default", "deadline passed")
		if n, err := e.inspector.Revive(e.ctx, "default"); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		got.wait(t, 1)
	})
}

// TestEndlessDeadline: other programs may write any number.
//
//fault:time a deadline or an expiry beyond what a duration or JSON can hold | the job runs
func TestEndlessDeadline(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{Concurrency: 1})
		var got recorder[tasuki.Info]
		tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
			got.add(job.Info)
			return ctx.Err()
		})
		e.run(w)
		for _, ms := range []int64{253402300799000, 253402300799001, 1 << 53} { // the first is the last that JSON has
			e.do("RPUSH", e.key("default"), fmt.Sprintf(`{"kind":"number","deadline":%d,"expire_at":%[1]d,"args":1}`, ms))
		}
		for i, info := range got.wait(t, 3) {
			if shown := i == 0; info.Deadline.IsZero() == shown || info.ExpireAt.IsZero() == shown {
				t.Errorf("job %d: %+v", i, info)
			}
		}
		if q := e.settled("default", 3); q.Counts["done"] != 3 {
			t.Errorf("%+v", q)
		}
	})
}

// TestExpires has a worker come too late for jobs of all sorts.
//
//fault:time a job is not started before it expires | it is not run, not retried and not dead; it is counted as expired
func TestExpires(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		k := number.With(tasuki.Opts{ExpireIn: 100 * time.Millisecond})
		infos := e.enqueue(k, 2)
		e.enqueue(k.With(tasuki.Opts{In: 50 * time.Millisecond}), 1)
		e.enqueue(k.With(tasuki.Opts{ExpireAt: time.Now().Add(time.Hour), Deadline: time.Now().Add(2 * time.Hour)}), 1)
		e.enqueue(k.With(tasuki.Opts{ExpireIn: -1}), 1)
		e.enqueue(tasuki.Define[int]("nobody").With(tasuki.Opts{ExpireIn: time.Millisecond}), 1)
		e.do("RPUSH", e.key("default"), `{"kind":"number","deadline":1,"expire_at":1,"args":1}`)
		if d := infos[0].ExpireAt.Sub(infos[0].EnqueuedAt); d < 100*time.Millisecond || d > 101*time.Millisecond {
			t.Errorf("enqueued as %+v", infos[0])
		}
		time.Sleep(110 * time.Millisecond)
		w := e.worker(tasuki.WorkerConfig{Concurrency: 1})
		var got recorder[tasuki.Info]
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
			got.add(job.Info)
			return nil
		})
		e.run(w)
		q := e.waitQueue("default", func(q inspect.Queue) bool { return q.Counts["expired"]+q.Counts["done"]+q.Counts["dead"] == 7 })
		if q.Counts["expired"] != 5 || q.Ready+q.Running+q.Scheduled != 0 || q.Dead+q.Retry != 0 || q.Counts["claimed"] != 7 {
			t.Errorf("%+v", q)
		}
		if all := got.get(); len(all) != 2 || all[0].ExpireAt.IsZero() || all[0].Deadline.IsZero() || !all[1].ExpireAt.IsZero() {
			t.Errorf("run were %+v", all)
		}
	})
}

// TestStartedDoesNotExpire has jobs put aside after their start in all ways there
// are, until they would have expired. Then they run again.
//
//fault:time a job expires after it was started: it failed, was snoozed, or was interrupted by a stop | it runs again
func TestStartedDoesNotExpire(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		list := e.namespace + "-list"
		queues := []tasuki.Queue{{Name: "failed"}, {Name: "snoozed"}, {Name: "stopped"}, {List: list}}
		expiry := time.Now().Add(2 * time.Second)
		w := e.worker(tasuki.WorkerConfig{Queues: queues, Grace: -1})
		var started atomic.Int64
		tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
			started.Add(1)
			switch job.Queue {
			case "failed":
				return tasuki.RetryIn(time.Until(expiry), errors.New("no"))
			case "snoozed":
				return tasuki.Snooze(time.Until(expiry))
			}
			<-ctx.Done()
			return ctx.Err()
		})
		stop := e.run(w)
		for _, q := range queues[:3] {
			e.enqueue(number.With(tasuki.Opts{Queue: q.Name, ExpireAt: expiry}), 1)
		}
		e.do("RPUSH", list, fmt.Sprintf(`{"id":"a","kind":"number","expire_at":%d,"args":1}`, expiry.UnixMilli()))
		e.waitQueue("failed", func(q inspect.Queue) bool { return q.Retry == 1 })
		e.waitQueue("snoozed", func(q inspect.Queue) bool { return q.Retry == 1 })
		e.waitQueue("stopped", func(q inspect.Queue) bool { return q.Running == 1 && started.Load() == 4 })
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		// What goes into a list of another program is what was found there.
		if n, err := e.do("LLEN", list).AsInt64(); n != 0 || err != nil {
			t.Errorf("%d elements in the list (%v)", n, err)
		}
		time.Sleep(time.Until(expiry) + 10*time.Millisecond)
		next := e.worker(tasuki.WorkerConfig{Queues: queues})
		got := collect(next, number)
		e.run(next)
		got.wait(t, 4)
		for _, queue := range []string{"failed", "snoozed", "stopped", "list:" + list} {
			if q := e.settled(queue, 1); q.Counts["done"] != 1 || q.Counts["expired"] != 0 {
				t.Errorf("%s: %+v", queue, q)
			}
		}
	})
}

// TestNotStartedExpires: a job that was only claimed, or that nobody could handle,
// was not started.
func TestNotStartedExpires(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{})
		e.run(w)
		e.enqueue(number.With(tasuki.Opts{ExpireIn: 2 * time.Second}), 1)
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Counts["unknown"] == 1 })
		q := e.waitQueue("default", func(q inspect.Queue) bool { return q.Counts["expired"] == 1 })
		if q.Retry+q.Ready+q.Dead != 0 {
			t.Errorf("%+v", q)
		}
	})
}
