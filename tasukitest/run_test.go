package tasukitest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/embedded"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/tasukitest"
)

var errNo = errors.New("no")

// TestRunDecidesAsAWorker has each handler run once by Run and once by a worker on
// a server, which counts how it was settled. OnChange is told the same by both.
func TestRunDecidesAsAWorker(t *testing.T) {
	t.Parallel()
	srv, err := embedded.Start("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	client, err := tasuki.Open("redis://localhost", &tasuki.ClientConfig{Dial: srv.Dial, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)

	type handler = func(context.Context, *tasuki.Job[int]) error
	kind := number.With(tasuki.Opts{Timeout: time.Minute})
	for name, tt := range map[string]struct {
		kind    tasuki.Kind[int]
		handler handler
		want    tasukitest.Outcome
		reason  string
	}{
		"done":     {kind, func(context.Context, *tasuki.Job[int]) error { return nil }, tasukitest.Done, ""},
		"failed":   {kind, func(context.Context, *tasuki.Job[int]) error { return errNo }, tasukitest.Retry, "failed"},
		"panicked": {kind, func(context.Context, *tasuki.Job[int]) error { panic(errNo) }, tasukitest.Retry, "failed"},
		"snoozed":  {kind, func(context.Context, *tasuki.Job[int]) error { return tasuki.Snooze(time.Hour, "not", "yet") }, tasukitest.Snooze, "not yet"},
		"last":     {kind.With(tasuki.Opts{MaxAttempts: 1}), func(context.Context, *tasuki.Job[int]) error { return errNo }, tasukitest.Dead, "out of attempts"},
		"killed":   {kind, func(context.Context, *tasuki.Job[int]) error { return tasuki.Kill(errNo) }, tasukitest.Dead, "killed"},
		"unknown":  {kind, nil, tasukitest.Unknown, "no handler for kind number"},
		"timed out": {kind.With(tasuki.Opts{Timeout: time.Millisecond}), func(ctx context.Context, _ *tasuki.Job[int]) error {
			<-ctx.Done()
			return ctx.Err()
		}, tasukitest.Retry, "failed"},
		"late": {kind.With(tasuki.Opts{Deadline: time.Now().Add(50 * time.Minute)}), func(context.Context, *tasuki.Job[int]) error { return errNo },
			tasukitest.Dead, "the next attempt would begin after the deadline"},
		"in time": {kind.With(tasuki.Opts{ExpireIn: time.Hour, Deadline: time.Now().Add(2 * time.Hour)}), func(context.Context, *tasuki.Job[int]) error { return nil }, tasukitest.Done, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			queue := strings.ReplaceAll(name, " ", "-")
			var told []tasuki.Change // by one goroutine after the other
			cfg := &tasuki.WorkerConfig{
				Queues: []tasuki.Queue{{Name: queue}}, Backoff: func(tasuki.Info, error) time.Duration { return time.Hour },
				OnChange: func(c tasuki.Change) { told = append(told, c) },
			}
			kind := tt.kind.With(tasuki.Opts{Queue: queue})
			w := tasukitest.NewWorker(cfg)
			if tt.handler != nil {
				tasuki.Handle(w, kind, tt.handler)
			}
			got, err := tasukitest.Run(t.Context(), w, kind.Spec(1))
			if err != nil || got.Outcome != tt.want || got.Info.Reason != tt.reason {
				t.Errorf("Run: %+v, %v; want %s because of %q", got, err, tt.want, tt.reason)
			}

			real, err := tasuki.NewWorker(client, cfg)
			if err != nil {
				t.Fatal(err)
			}
			if tt.handler != nil {
				tasuki.Handle(real, kind, tt.handler)
			}
			if _, err := kind.Enqueue(t.Context(), client, 1); err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- real.Run(ctx) }()
			redistest.WaitFor(t, "the worker", func() error {
				q, err := inspect.New(client).Queue(t.Context(), queue)
				if err == nil && q.Counts[string(tt.want)] != 1 {
					err = fmt.Errorf("counts %v, want one %s", q.Counts, tt.want)
				}
				return err
			})
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if len(told)%2 != 0 || len(told) == 0 {
				t.Fatalf("told of %+v", told)
			}
			for i, a := range told[:len(told)/2] {
				b := told[len(told)/2+i]
				if a.Outcome != b.Outcome || a.From != b.From || a.State != b.State || a.Attempt != b.Attempt || a.Reason != b.Reason || (a.Err == nil) != (b.Err == nil) {
					t.Errorf("Run tells %+v\na worker %+v", a, b)
				}
			}
			if last := told[len(told)-1]; last.Outcome != string(tt.want) || last.Reason != tt.reason {
				t.Errorf("told of %+v at last", last)
			}
		})
	}
}

// TestRunTellsAll looks at every field of what a failed attempt leaves.
func TestRunTellsAll(t *testing.T) {
	t.Parallel()
	w := tasukitest.NewWorker(&tasuki.WorkerConfig{Backoff: func(job tasuki.Info, err error) time.Duration {
		return time.Duration(job.Attempt) * time.Hour
	}})
	var attempts []int
	tasuki.Handle(w, welcome, func(_ context.Context, job *tasuki.Job[welcomeArgs]) error {
		attempts = append(attempts, job.Attempt)
		if job.Args.Name != "ann" || job.State != tasuki.StateRunning || job.MaxAttempts != 3 || job.Meta["a"] != "b" {
			t.Errorf("job %+v", job)
		}
		return fmt.Errorf("attempt %d: %w", job.Attempt, io.ErrUnexpectedEOF)
	})
	spec := welcome.With(tasuki.Opts{MaxAttempts: 3, Meta: map[string]string{"a": "b"}}).Spec(welcomeArgs{"ann"})
	result, err := tasukitest.Run(t.Context(), w, spec)
	if err != nil {
		t.Fatal(err)
	}
	if result.Outcome != tasukitest.Retry || result.Delay != time.Hour || !errors.Is(result.Err, io.ErrUnexpectedEOF) {
		t.Errorf("%+v", result)
	}
	if i := result.Info; i.State != tasuki.StateRetry || i.Attempt != 1 || i.Error != "attempt 1: unexpected EOF" || i.ID == "" ||
		i.Queue != "default" || time.Until(i.DueAt) < 59*time.Minute {
		t.Errorf("%+v", i)
	}
	id := result.Info.ID
	for result.Outcome == tasukitest.Retry {
		if result, err = result.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if i := result.Info; result.Outcome != tasukitest.Dead || i.State != tasuki.StateDead || i.Attempt != 3 || i.ID != id || i.Reason != "out of attempts" {
		t.Errorf("%+v", result)
	}
	if fmt.Sprint(attempts) != "[1 2 3]" {
		t.Errorf("attempts %v", attempts)
	}
	if _, err := result.Next(t.Context()); err == nil || !strings.Contains(err.Error(), "dead") {
		t.Errorf("after the end: %v", err)
	}
}

func TestRunPanic(t *testing.T) {
	t.Parallel()
	w := tasukitest.NewWorker(nil)
	tasuki.Handle(w, number, func(context.Context, *tasuki.Job[int]) error { panic("oh") })
	result, err := tasukitest.Run(t.Context(), w, number.Spec(1))
	var p *tasuki.PanicError
	if err != nil || result.Outcome != tasukitest.Retry || !errors.As(result.Err, &p) || p.Value != "oh" || !strings.Contains(string(p.Stack), "run_test.go") {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestRunMiddleware(t *testing.T) {
	t.Parallel()
	var calls []string
	trace := func(name string) tasuki.Middleware {
		return func(next tasuki.Handler) tasuki.Handler {
			return func(ctx context.Context, job *tasuki.RawJob) error {
				calls = append(calls, name+" "+string(job.Args))
				return fmt.Errorf("%s: %w", name, next(ctx, job))
			}
		}
	}
	w := tasukitest.NewWorker(&tasuki.WorkerConfig{Use: []tasuki.Middleware{trace("outer"), trace("inner")}})
	tasuki.Handle(w, number, func(context.Context, *tasuki.Job[int]) error { return errNo })
	for range 2 { // wrapped once
		result, err := tasukitest.Run(t.Context(), w, number.Spec(7))
		if err != nil || result.Err.Error() != "outer: inner: no" {
			t.Errorf("%+v, %v", result, err)
		}
	}
	if got := strings.Join(calls, ", "); got != "outer 7, inner 7, outer 7, inner 7" {
		t.Errorf("calls %s", got)
	}
}

func TestRunFence(t *testing.T) {
	t.Parallel()
	w := tasukitest.NewWorker(nil)
	var fences []int64
	tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
		fences = append(fences, job.Fence())
		return errNo
	})
	result, err := tasukitest.Run(t.Context(), w, number.Spec(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := result.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(fences) != 2 || fences[0] <= 0 || fences[1] <= fences[0] {
		t.Errorf("fences %v: want two that grow", fences)
	}
}

// TestRunTimeout is on fake time: the timeout is that of the job, and the time
// that it takes is that of the handler.
func TestRunTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := tasukitest.NewWorker(nil)
		tasuki.Handle(w, number.With(tasuki.Opts{Timeout: time.Hour}), func(ctx context.Context, job *tasuki.Job[int]) error {
			<-ctx.Done()
			if !errors.Is(context.Cause(ctx), tasuki.ErrTimeout) || job.Timeout != time.Hour {
				t.Errorf("cause %v, timeout %v", context.Cause(ctx), job.Timeout)
			}
			return ctx.Err()
		})
		start := time.Now()
		result, err := tasukitest.Run(t.Context(), w, number.Spec(1))
		if err != nil || result.Outcome != tasukitest.Retry || !errors.Is(result.Err, context.DeadlineExceeded) || time.Since(start) != time.Hour {
			t.Errorf("%+v, %v after %v", result, err, time.Since(start))
		}
	})
}

// TestRunInterrupted ends the context before and during the run.
func TestRunInterrupted(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		cause error
		err   error // of the handler
		want  tasukitest.Outcome
		state tasuki.State
	}{
		"stop":            {nil, errNo, tasukitest.Release, tasuki.StateReady},
		"deadline":        {context.DeadlineExceeded, errNo, tasukitest.Release, tasuki.StateReady},
		"cancelled":       {tasuki.ErrCancelled, errNo, tasukitest.Cancelled, tasuki.StateCancelled},
		"lease lost":      {tasuki.ErrLeaseLost, errNo, tasukitest.Lost, tasuki.StateRunning},
		"lost, but done":  {tasuki.ErrLeaseLost, nil, tasukitest.Lost, tasuki.StateRunning},
		"stop, but done":  {nil, nil, tasukitest.Done, tasuki.StateDone},
		"stop and snooze": {nil, tasuki.Snooze(time.Hour), tasukitest.Snooze, tasuki.StateRetry},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			w := tasukitest.NewWorker(nil)
			ran := 0
			tasuki.Handle(w, number, func(inner context.Context, _ *tasuki.Job[int]) error {
				ran++
				cancel(tt.cause)
				<-inner.Done()
				if want := tt.cause; want != nil && want != context.DeadlineExceeded && context.Cause(inner) != want {
					t.Errorf("cause %v, want %v", context.Cause(inner), want)
				}
				return tt.err
			})
			result, err := tasukitest.Run(ctx, w, number.Spec(1))
			if err != nil || result.Outcome != tt.want || result.Info.State != tt.state || result.Info.Attempt != 0 {
				t.Errorf("%+v, %v; want %s", result, err, tt.want)
			}
			// The context has ended: the handler is not run at all.
			if result, err = tasukitest.Run(ctx, w, number.Spec(1)); err != nil || ran != 1 || result.Outcome == tasukitest.Done {
				t.Errorf("%+v, %v after %d runs", result, err, ran)
			}
		})
	}
}

func TestRunRaw(t *testing.T) {
	t.Parallel()
	w := tasukitest.NewWorker(&tasuki.WorkerConfig{Queues: []tasuki.Queue{{List: "lines"}, {Name: "other"}}})
	var got []string
	tasuki.HandleRaw(w, "list:lines", func(_ context.Context, job *tasuki.RawJob) error {
		got = append(got, string(job.Args))
		if len(got) == 1 {
			return errNo
		}
		return nil
	})
	result, err := tasukitest.RunElement(t.Context(), w, "list:lines", "just a line")
	if err != nil || result.Outcome != tasukitest.Retry {
		t.Fatalf("%+v, %v", result, err)
	}
	if result, err = result.Next(t.Context()); err != nil || result.Outcome != tasukitest.Done || fmt.Sprint(got) != "[just a line just a line]" {
		t.Errorf("%+v, %v, handled %q", result, err, got)
	}
	if result, err = tasukitest.RunElement(t.Context(), w, "other", "just a line"); err != nil || result.Outcome != tasukitest.Dead || !strings.Contains(result.Info.Reason, "no handler for raw jobs") {
		t.Errorf("without a raw handler: %+v, %v", result, err)
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	w := tasukitest.NewWorker(nil)
	tasuki.Handle(w, number, func(context.Context, *tasuki.Job[int]) error { t.Error("it was run"); return nil })
	for name, tt := range map[string]struct {
		spec tasuki.Spec
		want string
	}{
		"kind":     {tasuki.Spec{Kind: "no kind"}, `kind: "no kind": allowed`},
		"encoding": {tasuki.Define[chan int]("number").Spec(nil), "arguments of number: "},
		"json":     {tasuki.Spec{Kind: "number", Args: json.RawMessage("{")}, "is no JSON"},
		"queue":    {number.With(tasuki.Opts{Queue: "mail"}).Spec(1), `takes no jobs of queue "mail": WorkerConfig.Queues has default`},
	} {
		if _, err := tasukitest.Run(t.Context(), w, tt.spec); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q in it", name, err, tt.want)
		}
	}
}

// TestNewWorkerHasNoRedis: what is made for Run does not run by itself.
func TestNewWorkerHasNoRedis(t *testing.T) {
	t.Parallel()
	w := tasukitest.NewWorker(nil)
	if _, err := tasukitest.Run(t.Context(), w, number.Spec(1)); err != nil {
		t.Fatal(err)
	}
	if err := w.Run(t.Context()); err == nil {
		t.Error("it ran")
	}
	func() {
		defer func() {
			if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), "Concurrency") {
				t.Errorf("a bad config: %v, want a panic that names the field", v)
			}
		}()
		tasukitest.NewWorker(&tasuki.WorkerConfig{Concurrency: -1})
	}()
}

// TestRunHasLimits runs jobs for which it is too late, on a clock that is set forth.
func TestRunHasLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := tasukitest.NewWorker(nil)
		ran := 0
		tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
			ran++
			if job.Args == 1 {
				<-ctx.Done()
				return context.Cause(ctx)
			}
			return tasuki.RetryIn(time.Minute, errNo)
		})
		limited := number.With(tasuki.Opts{ExpireIn: time.Minute, Deadline: time.Now().Add(time.Hour)})
		var rec tasukitest.Recorder
		info, err := limited.Enqueue(t.Context(), &rec, 7)
		if err != nil || !info.ExpireAt.Equal(time.Now().Add(time.Minute)) || !info.Deadline.Equal(time.Now().Add(time.Hour)) {
			t.Fatalf("%+v, %v", info, err)
		}
		if _, err := limited.With(tasuki.Opts{In: time.Hour}).Enqueue(t.Context(), &rec, 7); err == nil || !strings.Contains(err.Error(), "expire_in: 1m0s: allowed") {
			t.Errorf("a job that expires before it is due: %v", err)
		}
		started, err := tasukitest.Run(t.Context(), w, limited.Spec(7))
		if err != nil || started.Outcome != tasukitest.Retry || !started.Info.ExpireAt.IsZero() || started.Info.Deadline.IsZero() {
			t.Errorf("%+v, %v", started, err)
		}
		running, err := tasukitest.Run(t.Context(), w, number.With(tasuki.Opts{Deadline: time.Now().Add(time.Second)}).Spec(1))
		if err != nil || running.Outcome != tasukitest.Dead || running.Err != tasuki.ErrDeadline || running.Info.Reason != "deadline passed" {
			t.Errorf("%+v, %v", running, err)
		}

		time.Sleep(time.Minute)
		ran = 0
		late, err := tasukitest.RunElement(t.Context(), w, info.Queue, rec.All()[0].Element)
		if err != nil || ran != 0 || late.Outcome != tasukitest.Expired || late.Info.State != tasuki.StateExpired || late.Err != nil {
			t.Errorf("%+v, %v after %d runs", late, err, ran)
		}
		if _, err := late.Next(t.Context()); err == nil {
			t.Error("what has expired is run again")
		}
		if started, err = started.Next(t.Context()); err != nil || started.Outcome != tasukitest.Retry {
			t.Errorf("what was started before: %+v, %v", started, err)
		}
		if job := tasukitest.RequireEnqueued(t, &rec, number); job.Args != 7 || job.ExpireAt != info.ExpireAt {
			t.Errorf("recorded was %+v", job)
		}
		time.Sleep(time.Hour)
		ran = 0
		if started, err = started.Next(t.Context()); err != nil || ran != 0 || started.Outcome != tasukitest.Dead || started.Info.Error != "no" {
			t.Errorf("%+v, %v after %d runs", started, err, ran)
		}
	})
}
