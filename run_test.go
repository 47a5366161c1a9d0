package tasuki_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

type welcome struct {
	UserID int    `json:"user_id"`
	Name   string `json:"name"`
}

func TestTypedArguments(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		k := tasuki.Define[welcome]("email.welcome")
		w := e.worker(tasuki.WorkerConfig{})
		var got recorder[*tasuki.Job[welcome]]
		tasuki.Handle(w, k, func(_ context.Context, job *tasuki.Job[welcome]) error {
			got.add(job)
			return nil
		})
		e.run(w)
		info, err := k.With(tasuki.Opts{Meta: map[string]string{"tenant": "7"}, MaxAttempts: 3, Timeout: time.Minute}).
			Enqueue(e.ctx, e.client, welcome{42, "Ann \"the\" <First> \u2028 日本"})
		if err != nil {
			t.Fatal(err)
		}
		job := got.wait(t, 1)[0]
		if job.Args != (welcome{42, "Ann \"the\" <First> \u2028 日本"}) {
			t.Errorf("args %+v", job.Args)
		}
		if job.ID != info.ID || job.Kind != "email.welcome" || job.Queue != "default" || job.State != tasuki.StateRunning ||
			job.Attempt != 1 || job.MaxAttempts != 3 || job.Timeout != time.Minute || job.Meta["tenant"] != "7" ||
			job.EnqueuedAt.UnixMilli() != info.EnqueuedAt.UnixMilli() {
			t.Errorf("job %+v\nenqueued as %+v", job.Info, info)
		}
		e.settled("default", 1)
	})
}

// TestDecodesLikeEncodingJSON: arguments mean what they mean to encoding/json.
func TestDecodesLikeEncodingJSON(t *testing.T) {
	t.Parallel()
	type args struct {
		Name  string            `json:"name"`
		Bytes []byte            `json:"bytes"`
		Any   any               `json:"any"`
		Map   map[string]int    `json:"map"`
		Ptr   *int              `json:"ptr"`
		At    time.Time         `json:"at"`
		D     time.Duration     `json:"d"`
		Raw   json.RawMessage   `json:"raw"`
		Meta  map[string]string `json:",omitempty"`
	}
	for _, text := range []string{
		`{"NAME":"case","bytes":"AQI=","any":[1,"x",null,{"a":1.5}],"map":{"a":1},"ptr":7,"at":"2030-01-01T00:00:00Z","d":5,"raw":{"x":[1]},"unknown":1}`,
		`{"name":null,"name":"twice","bytes":null,"map":null}`,
		`{"name":"\ud800 bad \u0000"}`, `null`, `{}`, `{"ptr":null}`,
		`{"name":5}`, `[1]`, `{"d":1.5}`, `{"name":"x"} trailing`, ``, "{\"name\":\"\xff\"}",
	} {
		var want, got args
		wantErr := json.Unmarshal([]byte(text), &want)
		gotErr := tasuki.DecodeArgs([]byte(text), &got)
		if (wantErr == nil) != (gotErr == nil) {
			t.Errorf("%s: error %v, encoding/json: %v", text, gotErr, wantErr)
			continue
		}
		a, _ := json.Marshal(want)
		b, _ := json.Marshal(got)
		if wantErr == nil && string(a) != string(b) {
			t.Errorf("%s:\n%s\nencoding/json:\n%s", text, b, a)
		}
	}
}

func TestOwnEncoding(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		k := tasuki.Define[int]("hex").WithFuncs(tasuki.Funcs[int]{
			Encode: func(n int) (json.RawMessage, error) { return json.Marshal(fmt.Sprintf("%x", n)) },
			Decode: func(data json.RawMessage) (n int, err error) {
				_, err = fmt.Sscanf(string(data), `"%x"`, &n)
				return n, err
			},
		})
		w := e.worker(tasuki.WorkerConfig{})
		got := collect(w, k)
		e.run(w)
		e.enqueue(k, 20)
		if all := got.wait(t, 20); all[19] > 19 {
			t.Errorf("args %v", all)
		}
		e.settled("default", 20)
	})
}

func TestMiddlewareOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		type key struct{}
		var calls recorder[string]
		wrap := func(name string) tasuki.Middleware {
			return func(next tasuki.Handler) tasuki.Handler {
				return func(ctx context.Context, job *tasuki.RawJob) error {
					calls.add("before " + name)
					err := next(context.WithValue(ctx, key{}, name), job)
					calls.add(fmt.Sprint("after ", name, " ", err))
					return err
				}
			}
		}
		w := e.worker(tasuki.WorkerConfig{Use: []tasuki.Middleware{wrap("outer"), wrap("inner")}, MaxAttempts: 1})
		tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
			calls.add(fmt.Sprint("run ", ctx.Value(key{})))
			return errors.New("no")
		})
		e.run(w)
		e.enqueue(number, 1)
		want := "before outer, before inner, run inner, after inner no, after outer no"
		if got := strings.Join(calls.wait(t, 5), ", "); got != want {
			t.Errorf("calls %s\nwant  %s", got, want)
		}
		e.settled("default", 1)
	})
}

// TestContextOfHandler has the values of Run's context, and not its end.
func TestContextOfHandler(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		type key struct{}
		w := e.worker(tasuki.WorkerConfig{})
		started, release := make(chan context.Context), make(chan struct{})
		tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
			started <- ctx
			<-release
			return ctx.Err()
		})
		runCtx, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, "value"))
		ended := make(chan error, 1)
		go func() { ended <- w.Run(runCtx) }()
		e.enqueue(number, 1)
		ctx := <-started
		if ctx.Value(key{}) != "value" {
			t.Error("the value of Run's context is not there")
		}
		cancel()
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Running == 1 })
		if ctx.Err() != nil {
			t.Errorf("the handler's context has ended with Run's: %v", ctx.Err())
		}
		close(release)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if q := e.queue("default"); q.Counts["done"] != 1 {
			t.Errorf("%+v", q)
		}
	})
}

// TestContextEndsWithHandler: a context that nobody has looked at while the handler
// ran has ended when it has returned, for who kept it.
func TestContextEndsWithHandler(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{})
		kept := make(chan context.Context, 1)
		tasuki.Handle(w, number, func(ctx context.Context, _ *tasuki.Job[int]) error {
			kept <- ctx
			return nil
		})
		e.run(w)
		e.enqueue(number.With(tasuki.Opts{Timeout: time.Hour}), 1)
		ctx := <-kept
		e.settled("default", 1)
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Second):
			t.Error("it does not end")
		}
		if !errors.Is(ctx.Err(), context.Canceled) || !errors.Is(context.Cause(ctx), context.Canceled) {
			t.Errorf("Err is %v, the cause %v; want context.Canceled", ctx.Err(), context.Cause(ctx))
		}
	})
}

func TestTimeout(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		k := number.With(tasuki.Opts{Timeout: 50 * time.Millisecond, MaxAttempts: 1})
		w := e.worker(tasuki.WorkerConfig{})
		var causes recorder[error]
		tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
			deadline, ok := ctx.Deadline()
			if !ok || time.Until(deadline) > 50*time.Millisecond {
				t.Errorf("deadline %v, %v", deadline, ok)
			}
			child, cancel := context.WithCancel(ctx) // as a database driver would
			defer cancel()
			<-child.Done()
			causes.add(context.Cause(child))
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				t.Errorf("Err is %v, want context.DeadlineExceeded", ctx.Err())
			}
			if job.Args == 1 {
				return nil // it was done all the same
			}
			return ctx.Err()
		})
		e.run(w)
		e.enqueue(k, 2)
		for _, cause := range causes.wait(t, 2) {
			if cause != tasuki.ErrTimeout {
				t.Errorf("cause %v, want ErrTimeout", cause)
			}
		}
		q := e.settled("default", 2)
		if q.Dead != 1 || q.Counts["done"] != 1 {
			t.Errorf("%+v: want the one that returned an error dead, the other done", q)
		}
		dead, _ := e.do("ZRANGE", e.key("default", "dead"), "0", "-1").AsStrSlice()
		if !strings.Contains(dead[0], `"error":"the attempt took longer than its timeout: context deadline exceeded"`) {
			t.Errorf("dead %s", dead)
		}
	})
}

// TestEndlessTimeout: other programs may write any number; the handler sees one
// that a time.Duration can hold, and runs.
//
//fault:time a timeout beyond what a duration can hold | the longest that is allowed
func TestEndlessTimeout(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{})
		var timeouts recorder[time.Duration]
		tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
			deadline, ok := ctx.Deadline()
			if left := time.Until(deadline); !ok || ctx.Err() != nil || left > job.Timeout || left < job.Timeout-time.Hour {
				t.Errorf("deadline %v, %v, Err %v; want it after %v", deadline, ok, ctx.Err(), job.Timeout)
			}
			timeouts.add(job.Timeout)
			return nil
		})
		e.run(w)
		for _, ms := range []int64{1<<53 - 1, 1 << 53, 9223372036854} { // the last is what fits just so
			e.do("RPUSH", e.key("default"), fmt.Sprintf(`{"kind":"number","timeout_ms":%d,"args":1}`, ms))
		}
		for _, d := range timeouts.wait(t, 3) {
			if d != 100*365*24*time.Hour {
				t.Errorf("timeout %v, want the longest that is allowed", d)
			}
		}
		e.settled("default", 3)
	})
}

func TestCancel(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{Concurrency: 3})
		var started atomic.Int64
		var causes recorder[error]
		tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
			started.Add(1)
			<-ctx.Done()
			causes.add(context.Cause(ctx))
			return ctx.Err()
		})
		stop := e.run(w)
		infos := e.enqueue(number, 3)
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Running == 3 && started.Load() == 3 })
		if err := e.client.Cancel(e.ctx, "default", "nobody"); err != nil {
			t.Error(err)
		}
		for i, info := range infos[:2] {
			if err := e.client.Cancel(e.ctx, "default", info.ID); err != nil {
				t.Fatal(err)
			}
			causes.wait(t, i+1)
		}
		q := e.waitQueue("default", func(q inspect.Queue) bool { return q.Counts["cancelled"] == 2 && q.Running == 1 })
		if q.Retry+q.Dead+q.Ready != 0 {
			t.Errorf("%+v: a cancelled job is not tried again", q)
		}
		for _, cause := range causes.get() {
			if cause != tasuki.ErrCancelled {
				t.Errorf("cause %v", cause)
			}
		}
		if err := e.client.Cancel(e.ctx, "default", infos[2].ID); err != nil {
			t.Fatal(err)
		}
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Counts["cancelled"] == 3 })
		if err := stop(); err != nil {
			t.Error(err)
		}
		for _, bad := range [][2]string{{"no queue", "x"}, {"default", ""}} {
			if err := e.client.Cancel(e.ctx, bad[0], bad[1]); err == nil {
				t.Errorf("Cancel of %q is accepted", bad)
			}
		}
	})
}

// TestWaysToEnd has a handler end in every way in which a Go function can.
//
//fault:process handler panics, also with nil, in a defer or again, or calls `runtime.Goexit` | a failed attempt with the stack; the slot is free again
func TestWaysToEnd(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{Concurrency: 2, MaxAttempts: 1})
		ways := map[string]func(){
			"panic":       func() { panic("boom") },
			"panic nil":   func() { panic(nil) }, //nolint:govet // on purpose
			"panic error": func() { panic(fmt.Errorf("wrapped: %w", context.Canceled)) },
			"runtime":     func() { m := map[bool]map[string]int{}; m[true]["x"] = 1 },
			"goexit":      func() { runtime.Goexit() },
			"in defer":    func() { defer func() { panic("second") }(); panic("first") },
			"re-panic":    func() { defer func() { panic(fmt.Sprint("again ", recover())) }(); panic("x") },
			"goexit in defer": func() {
				defer runtime.Goexit()
				panic("lost")
			},
		}
		k := tasuki.Define[string]("way")
		tasuki.Handle(w, k, func(_ context.Context, job *tasuki.Job[string]) error {
			ways[job.Args]()
			return nil
		})
		e.run(w)
		for range 3 { // more often than there are slots
			for way := range ways {
				if _, err := k.Enqueue(e.ctx, e.client, way); err != nil {
					t.Fatal(err)
				}
			}
		}
		n := int64(3 * len(ways))
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Dead == n && q.Running == 0 })
		dead, err := e.do("ZRANGE", e.key("default", "dead"), "0", "-1").AsStrSlice()
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			"panic: boom", "panic called with nil argument", "wrapped: context canceled", "assignment to entry in nil map",
			"runtime.Goexit", "panic: second", "again x", "run_test.go",
		} {
			if !strings.Contains(strings.Join(dead, "\n"), want) {
				t.Errorf("no dead job says %q", want)
			}
		}
	})
}

// TestUndecodableArguments: they may be of a newer program, so it is tried again.
//
//fault:data arguments that the handler's type does not take | a failed attempt, tried again
func TestUndecodableArguments(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{})
		collect(w, number)
		e.run(w)
		if _, err := tasuki.Define[string]("number").Enqueue(e.ctx, e.client, "seven"); err != nil {
			t.Fatal(err)
		}
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Retry == 1 && q.Counts["retry"] == 1 })
		retry, _ := e.do("ZRANGE", e.key("default", "retry"), "0", "-1").AsStrSlice()
		if !strings.Contains(retry[0], "arguments of number: ") {
			t.Errorf("retry %s", retry)
		}
	})
}

//fault:data a kind that no worker knows yet, as while a new version is rolled out | put back with a delay, no attempt counted; run when a worker knows it
func TestUnknownKind(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		old, fresh := e.worker(tasuki.WorkerConfig{}), e.worker(tasuki.WorkerConfig{})
		collect(old, tasuki.Define[int]("other"))
		stop := e.run(old)
		e.enqueue(number, 3)
		q := e.waitQueue("default", func(q inspect.Queue) bool { return q.Retry == 3 && q.Counts["unknown"] >= 3 || q.Dead > 0 })
		if q.Dead > 0 {
			t.Fatalf("%+v: a newer worker might know them", q)
		}
		e.waitLog("no handler here for kind number")
		retry, _ := e.do("ZRANGE", e.key("default", "retry"), "0", "0").AsStrSlice()
		if !strings.Contains(retry[0], `"unknown":1`) || strings.Contains(retry[0], `"attempts"`) {
			t.Errorf("retry %s: want it counted as unknown, and not as an attempt", retry)
		}
		// The new version is rolled out. While both run it is chance who gets a job, and the old one puts it off for longer
		// each time.
		var attempts recorder[int]
		tasuki.Handle(fresh, number, func(_ context.Context, job *tasuki.Job[int]) error {
			attempts.add(job.Attempt)
			return nil
		})
		e.run(fresh)
		if err := stop(); err != nil {
			t.Error(err)
		}
		for _, n := range attempts.wait(t, 3) {
			if n != 1 {
				t.Errorf("attempt %d, want the first", n)
			}
		}
		e.settled("default", 3)
	})
}

//fault:data a kind that no worker knows for a day | dead, with the reason
func TestUnknownForTooLong(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		// It was first unknown two days ago.
		since := time.Now().Add(-48 * time.Hour).UnixMilli()
		e.do("RPUSH", e.key("default"), fmt.Sprintf(`{"id":"a","kind":"nobody","unknown":9,"unknown_since":%d,"token":"t"}`, since))
		e.do("RPUSH", e.key("default"), fmt.Sprintf(`{"id":"b","unknown":9,"unknown_since":%d,"token":"u","raw":"eyJ2Ijo5fQ=="}`, since))
		w := e.worker(tasuki.WorkerConfig{})
		e.run(w)
		q := e.waitQueue("default", func(q inspect.Queue) bool { return q.Dead == 2 })
		if q.Counts["unknown"] != 0 {
			t.Errorf("%+v", q)
		}
		dead, _ := e.do("ZRANGE", e.key("default", "dead"), "0", "-1").AsStrSlice()
		all := strings.Join(dead, "\n")
		if !strings.Contains(all, "no worker has taken kind nobody for 24h0m0s") || !strings.Contains(all, "no worker has taken a newer version of the format") {
			t.Errorf("dead %s", all)
		}
	})
}

// TestFutureElement is put back whole for a newer worker.
//
//fault:data an element of a newer version of the format | put back whole for a newer worker
func TestFutureElement(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.do("RPUSH", e.key("default"), `{"v":2,"id":"f","kind":"number","args":1}`, `{"id":"r","kind":"number","rec":1}`)
		w := e.worker(tasuki.WorkerConfig{})
		collect(w, number)
		tasuki.HandleOther(w, func(context.Context, *tasuki.RawJob) error { t.Error("it was run"); return nil })
		tasuki.HandleRaw(w, "default", func(context.Context, *tasuki.RawJob) error { t.Error("it was run as raw"); return nil })
		e.run(w)
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Retry == 2 })
		retry, _ := e.do("ZRANGE", e.key("default", "retry"), "0", "-1").AsStrSlice()
		if all := strings.Join(retry, "\n"); !strings.Contains(all, `"id":"f","unknown":1`) || !strings.Contains(all, `"raw":"eyJ2IjoyLCJpZCI6ImYi`) {
			t.Errorf("retry %s", all)
		}
	})
}

func TestHandleOther(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{})
		got := collect(w, number)
		var others recorder[string]
		tasuki.HandleOther(w, func(_ context.Context, job *tasuki.RawJob) error {
			others.add(job.Kind + " " + string(job.Args))
			return nil
		})
		e.run(w)
		e.enqueue(number, 1)
		if _, err := tasuki.Define[[]int]("what").Enqueue(e.ctx, e.client, []int{1, 2}); err != nil {
			t.Fatal(err)
		}
		got.wait(t, 1)
		if all := others.wait(t, 1); all[0] != "what [1,2]" {
			t.Errorf("others %q", all)
		}
		e.settled("default", 2)
	})
}

func TestHandlePanics(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{})
		h := func(context.Context, *tasuki.Job[int]) error { return nil }
		raw := func(context.Context, *tasuki.RawJob) error { return nil }
		panics := func(what, want string, f func()) {
			t.Helper()
			defer func() {
				if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), want) {
					t.Errorf("%s: %v, want a panic with %q", what, v, want)
				}
			}()
			f()
		}
		tasuki.Handle(w, number, h)
		tasuki.HandleRaw(w, "default", raw)
		tasuki.HandleOther(w, raw)
		panics("a kind twice", "kind number has a handler", func() { tasuki.Handle(w, number, h) })
		panics("raw twice", "has a raw handler", func() { tasuki.HandleRaw(w, "default", raw) })
		panics("raw of no queue", "allowed", func() { tasuki.HandleRaw(w, "no queue", raw) })
		panics("a kind of no name", "Define", func() { tasuki.Handle(w, tasuki.Kind[int]{}, h) })
		panics("other twice", "one already", func() { tasuki.HandleOther(w, raw) })
		stop := e.run(w)
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 1 })
		panics("while it runs", "handlers are set before Run", func() { tasuki.Handle(w, tasuki.Define[int]("late"), h) })
		if err := w.Run(e.ctx); err == nil || !strings.Contains(err.Error(), "a worker runs once") {
			t.Errorf("second Run: %v", err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

type service struct {
	started, ended chan struct{}
	err            error
}

func (s *service) Run(ctx context.Context) error {
	close(s.started)
	if s.err != nil {
		return s.err
	}
	<-ctx.Done()
	close(s.ended)
	return ctx.Err()
}

func TestAttach(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		s := &service{started: make(chan struct{}), ended: make(chan struct{})}
		w := e.worker(tasuki.WorkerConfig{})
		w.Attach(s)
		stop := e.run(w)
		<-s.started
		if err := stop(); err != nil {
			t.Error(err)
		}
		<-s.ended

		failing := &service{started: make(chan struct{}), err: errors.New("it broke")}
		w = e.worker(tasuki.WorkerConfig{})
		w.Attach(failing)
		if err := w.Run(e.ctx); err == nil || !strings.Contains(err.Error(), "service *tasuki_test.service: it broke") {
			t.Errorf("Run: %v", err)
		}
		if q := e.queue("default"); q.Workers != 0 {
			t.Errorf("%+v", q)
		}
	})
}

// TestManyGoroutinesEnqueue shares one client.
func TestManyGoroutinesEnqueue(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{Concurrency: 20})
		got := collect(w, number)
		e.run(w)
		var wg sync.WaitGroup
		for g := range 20 {
			wg.Go(func() {
				for i := range 50 {
					if _, err := number.Enqueue(e.ctx, e.client, g*100+i); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		got.wait(t, 1000)
		e.settled("default", 1000)
	})
}

// TestCancelWithoutOwnID: a job whose element has no id is known by the one that
// its handler sees.
func TestCancelWithoutOwnID(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{})
		seen := make(chan string, 1)
		tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
			seen <- job.ID
			<-ctx.Done()
			return ctx.Err()
		})
		e.run(w)
		e.do("RPUSH", e.key("default"), `{"kind":"number","args":1}`)
		if err := e.client.Cancel(e.ctx, "default", <-seen); err != nil {
			t.Fatal(err)
		}
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Counts["cancelled"] == 1 && q.Running == 0 })
	})
}

// badError panics when it is read, as methods of a nil pointer often do.
type badError struct{ text string }

func (b *badError) Error() string { return b.text }

// TestErrorThatPanics: that is a failure of the job, not of the process.
//
//fault:process an error of a handler panics when it is read | a failed attempt
func TestErrorThatPanics(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{MaxAttempts: 1})
		tasuki.Handle(w, number, func(context.Context, *tasuki.Job[int]) error { return (*badError)(nil) })
		e.run(w)
		e.enqueue(number, 1)
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Dead == 1 })
	})
}

// TestMiddlewareSeesPanic: for it, a panic is an error like another, whose stack
// begins where the handler panicked.
func TestMiddlewareSeesPanic(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		var seen recorder[error]
		w := e.worker(tasuki.WorkerConfig{MaxAttempts: 1, Use: []tasuki.Middleware{func(next tasuki.Handler) tasuki.Handler {
			return func(ctx context.Context, job *tasuki.RawJob) error {
				err := next(ctx, job)
				seen.add(err)
				return err
			}
		}}})
		tasuki.Handle(w, number, func(context.Context, *tasuki.Job[int]) error { panic("boom") })
		e.run(w)
		e.enqueue(number, 1)
		var panicked *tasuki.PanicError
		if err := seen.wait(t, 1)[0]; !errors.As(err, &panicked) || panicked.Value != "boom" {
			t.Fatalf("the middleware saw %v", err)
		}
		if first, _, _ := strings.Cut(string(panicked.Stack), "\n"); !strings.Contains(first, "TestMiddlewareSeesPanic") {
			t.Errorf("the stack begins with %q", first)
		}
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Dead == 1 })
	})
}
