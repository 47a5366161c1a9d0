package tasuki_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"reflect"
	"runtime/pprof"
	"strings"
	"testing"
	"testing/slogtest"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/tasukitest"
)

// inJob calls f with the context of a handler.
func inJob(t testing.TB, opts tasuki.Opts, cfg tasuki.WorkerConfig, f func(ctx context.Context, job *tasuki.Job[int])) {
	t.Helper()
	w := tasukitest.NewWorker(&cfg)
	tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error { f(ctx, job); return nil })
	result, err := tasukitest.Run(t.Context(), w, number.With(opts).Spec(1))
	if err != nil || result.Err != nil {
		t.Fatal(err, result.Err)
	}
}

func TestFromContext(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		type key struct{}
		w := e.worker(tasuki.WorkerConfig{})
		type pair struct{ ctx, job tasuki.Info }
		var got recorder[pair]
		kept := make(chan context.Context, 1)
		tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
			deep, cancel := context.WithCancel(context.WithValue(ctx, key{}, 1))
			defer cancel()
			for _, ctx := range []context.Context{ctx, deep, context.WithoutCancel(deep)} {
				if info, ok := tasuki.FromContext(ctx); ok {
					got.add(pair{info, job.Info})
				}
			}
			kept <- ctx
			return nil
		})
		e.run(w)
		info, err := number.With(tasuki.Opts{Meta: map[string]string{"a": "b"}}).Enqueue(e.ctx, e.client, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range got.wait(t, 3) {
			if !reflect.DeepEqual(p.ctx, p.job) || p.ctx.ID != info.ID || p.ctx.Attempt != 1 || p.ctx.Meta["a"] != "b" {
				t.Errorf("in ctx %+v\njob    %+v", p.ctx, p.job)
			}
		}
		e.settled("default", 1)
		if after, ok := tasuki.FromContext(<-kept); !ok || after.ID != info.ID {
			t.Errorf("when the handler has returned: %+v, %v", after, ok)
		}
		if info, ok := tasuki.FromContext(t.Context()); ok {
			t.Errorf("outside: %+v", info)
		}
	})
}

const (
	someTrace  = "0af7651916cd43dd8448eb211c80319c"
	someParent = "00-" + someTrace + "-b7ad6b7169203331-01"
)

// TestLogger: the fields are there once, at the outermost level, in whichever of the
// two ways, or both, the program logs.
func TestLogger(t *testing.T) {
	t.Parallel()
	fields := `"queue":"default","id":"7","kind":"number","attempt":1,"trace_id":"` + someTrace + `"`
	const head = `{"level":"INFO","msg":"hello",`
	for name, tt := range map[string]struct {
		wrap func(slog.Handler) slog.Handler
		log  func(ctx context.Context, own *slog.Logger)
		want string
	}{
		"logger":  {nil, func(ctx context.Context, _ *slog.Logger) { tasuki.Logger(ctx).Info("hello", "a", 1) }, fields + `,"a":1}`},
		"handler": {tasuki.LogHandler, func(ctx context.Context, own *slog.Logger) { own.InfoContext(ctx, "hello", "a", 1) }, fields + `,"a":1}`},
		"both":    {tasuki.LogHandler, func(ctx context.Context, _ *slog.Logger) { tasuki.Logger(ctx).InfoContext(ctx, "hello") }, fields + `}`},
		"with":    {tasuki.LogHandler, func(ctx context.Context, own *slog.Logger) { own.With("b", 2).InfoContext(ctx, "hello") }, `"b":2,` + fields + `}`},
		"group": {tasuki.LogHandler, func(ctx context.Context, own *slog.Logger) {
			own.WithGroup("g").With("b", 2).InfoContext(ctx, "hello", "c", 3)
		}, fields + `,"g":{"b":2,"c":3}}`},
		"logger, group": {tasuki.LogHandler, func(ctx context.Context, _ *slog.Logger) {
			tasuki.Logger(ctx).WithGroup("g").InfoContext(ctx, "hello", "c", 3)
		}, fields + `,"g":{"c":3}}`},
		"no context": {tasuki.LogHandler, func(_ context.Context, own *slog.Logger) { own.Info("hello", "a", 1) }, `"a":1}`},
		"other context": {tasuki.LogHandler, func(_ context.Context, own *slog.Logger) {
			own.WithGroup("g").InfoContext(t.Context(), "hello", "a", 1)
		}, `"g":{"a":1}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			var h slog.Handler = slog.NewJSONHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey && len(groups) == 0 {
					return slog.Attr{}
				}
				return a
			}})
			if tt.wrap != nil {
				h = tt.wrap(h)
			}
			own := slog.New(h)
			opts := tasuki.Opts{ID: "7", Meta: map[string]string{"traceparent": someParent}}
			inJob(t, opts, tasuki.WorkerConfig{Logger: own}, func(ctx context.Context, _ *tasuki.Job[int]) { tt.log(ctx, own) })
			if got := strings.TrimSpace(out.String()); got != head+tt.want {
				t.Errorf("%s\nwant %s", got, head+tt.want)
			}
		})
	}
	if tasuki.Logger(t.Context()) != slog.Default() {
		t.Error("without a job it is another than slog.Default")
	}
	inJob(t, tasuki.Opts{Meta: map[string]string{"traceparent": "00-bad"}}, tasuki.WorkerConfig{}, func(ctx context.Context, job *tasuki.Job[int]) {
		if job.TraceID() != "" || tasuki.Logger(ctx).Enabled(ctx, slog.LevelError) {
			t.Errorf("trace id %q of a bad traceparent, or the worker's logger is not used", job.TraceID())
		}
	})
}

// TestLogHandlerConforms runs the suite of the standard library, with and without a
// job in the context.
func TestLogHandlerConforms(t *testing.T) {
	t.Parallel()
	conforms := func(ctx context.Context) {
		var out bytes.Buffer
		h := tasuki.LogHandler(slog.NewJSONHandler(&out, nil))
		if ctx != nil {
			h = in{h, ctx}
		}
		err := slogtest.TestHandler(h, func() (all []map[string]any) {
			for line := range strings.Lines(out.String()) {
				var m map[string]any
				if err := json.Unmarshal([]byte(line), &m); err != nil {
					t.Fatal(err)
				}
				if ctx != nil && (m["id"] != "7" || m["kind"] != "number") {
					t.Errorf("the fields of the job are not in %s", line)
				}
				all = append(all, m)
			}
			return all
		})
		if err != nil {
			t.Error(err)
		}
	}
	conforms(nil)
	inJob(t, tasuki.Opts{ID: "7"}, tasuki.WorkerConfig{}, func(ctx context.Context, _ *tasuki.Job[int]) { conforms(ctx) })
}

// in gives every record a context, as slogtest has none of its own.
type in struct {
	slog.Handler
	ctx context.Context
}

func (h in) Handle(_ context.Context, r slog.Record) error { return h.Handler.Handle(h.ctx, r) }
func (h in) WithAttrs(attrs []slog.Attr) slog.Handler      { return in{h.Handler.WithAttrs(attrs), h.ctx} }
func (h in) WithGroup(name string) slog.Handler            { return in{h.Handler.WithGroup(name), h.ctx} }

// TestPprofLabels: a profile has the labels while the handler runs, and not after it,
// as its goroutine goes on.
func TestPprofLabels(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		kind := tasuki.Define[int]("profiled." + e.namespace)
		labelled := func() int {
			var out bytes.Buffer
			if err := pprof.Lookup("goroutine").WriteTo(&out, 1); err != nil {
				t.Error(err)
			}
			return strings.Count(out.String(), `"tasuki_kind":"`+kind.Name()+`", "tasuki_queue":"default"`)
		}
		w := e.worker(tasuki.WorkerConfig{Use: []tasuki.Middleware{tasuki.PprofLabels}})
		during := make(chan int, 1)
		tasuki.Handle(w, kind, func(ctx context.Context, job *tasuki.Job[int]) error {
			if v, _ := pprof.Label(ctx, "tasuki_queue"); v != "default" {
				t.Errorf("tasuki_queue is %q in the context", v)
			}
			during <- labelled()
			return nil
		})
		e.run(w)
		e.enqueue(kind, 1)
		if n := <-during; n == 0 {
			t.Error("no goroutine has the labels")
		}
		e.settled("default", 1)
		if n := labelled(); n != 0 {
			t.Errorf("%d goroutines have the labels when the job is done", n)
		}
	})
}
