package tasuki_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/tasukitest"
)

// spanKey is what a tracer of these tests keeps a span under.
type spanKey struct{}

type span struct{ parent, state string }

func inject(ctx context.Context) (string, string) {
	s, _ := ctx.Value(spanKey{}).(span)
	return s.parent, s.state
}

func extract(ctx context.Context, parent, state string) context.Context {
	return context.WithValue(ctx, spanKey{}, span{parent, state})
}

func TestCarryTrace(t *testing.T) {
	t.Parallel()
	const state = "rojo=00f067aa0ba902b7"
	own := map[string]string{"traceparent": "mine", "a": "b"}
	for name, tt := range map[string]struct {
		span span
		meta map[string]string
		want map[string]string
	}{
		"both":         {span{someParent, state}, nil, map[string]string{"traceparent": someParent, "tracestate": state}},
		"beside":       {span{someParent, ""}, map[string]string{"a": "b"}, map[string]string{"traceparent": someParent, "a": "b"}},
		"no span":      {span{}, map[string]string{"a": "b"}, map[string]string{"a": "b"}},
		"bad":          {span{"00-bad", state}, nil, nil},
		"bad state":    {span{someParent, "\n"}, nil, map[string]string{"traceparent": someParent}},
		"long state":   {span{someParent, strings.Repeat("x", 513)}, nil, map[string]string{"traceparent": someParent}},
		"the caller's": {span{someParent, state}, own, own},
		"its state":    {span{someParent, state}, map[string]string{"tracestate": "x=y"}, map[string]string{"tracestate": "x=y"}},
		"room for one": {span{someParent, state}, map[string]string{"a": strings.Repeat("x", 4000)}, map[string]string{"traceparent": someParent, "a": strings.Repeat("x", 4000)}},
		"no room":      {span{someParent, state}, map[string]string{"a": strings.Repeat("x", 4090)}, map[string]string{"a": strings.Repeat("x", 4090)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var to tasukitest.Recorder
			calls := 0
			carry := tasuki.CarryTrace(func(ctx context.Context) (string, string) { calls++; return inject(ctx) })
			spec := number.With(tasuki.Opts{Meta: tt.meta}).Spec(1)
			specs := []tasuki.Spec{spec, spec}
			before := maps.Clone(spec.Opts.Meta)
			ctx := extract(t.Context(), tt.span.parent, tt.span.state)
			infos, err := carry(&to).EnqueueMany(ctx, specs)
			if err != nil || calls != 1 {
				t.Fatal(err, calls)
			}
			for i, got := range to.All() {
				if !maps.Equal(got.Spec.Opts.Meta, tt.want) || !maps.Equal(infos[i].Meta, tt.want) {
					t.Errorf("%v, want %v", got.Spec.Opts.Meta, tt.want)
				}
			}
			if !maps.Equal(specs[0].Opts.Meta, before) {
				t.Errorf("the caller's own has become %v", specs[0].Opts.Meta)
			}
		})
	}
}

// TestTraceOfAChain: a job that is enqueued by a handler with its ctx is of the same
// trace, with a tracer (which makes a span for each job) and without one.
func TestTraceOfAChain(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		for name, traced := range map[string]bool{"tracer": true, "none": false} {
			queue := "chain-" + name
			k := number.With(tasuki.Opts{Queue: queue})
			cfg := tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: queue}}}
			client := e.open(&tasuki.ClientConfig{Use: []tasuki.EnqueueMiddleware{tasuki.CarryTrace(nil)}})
			if traced {
				client = e.open(&tasuki.ClientConfig{Use: []tasuki.EnqueueMiddleware{tasuki.CarryTrace(inject)}})
				cfg.Use = []tasuki.Middleware{tasuki.ContinueTrace(extract), func(next tasuki.Handler) tasuki.Handler {
					return func(ctx context.Context, job *tasuki.RawJob) error {
						parent, state := inject(ctx)
						child := fmt.Sprintf("%s%016s%s", parent[:36], job.Args, parent[52:])
						return next(extract(ctx, strings.ReplaceAll(child, " ", "0"), state), job)
					}
				}}
			}
			w := e.worker(cfg)
			var got recorder[string]
			tasuki.Handle(w, k, func(ctx context.Context, job *tasuki.Job[int]) error {
				got.add(job.Meta["traceparent"] + " " + job.Meta["tracestate"])
				if job.TraceID() != someTrace {
					t.Errorf("trace id %q", job.TraceID())
				}
				if job.Args == 3 {
					return nil
				}
				_, err := k.Enqueue(ctx, client, job.Args+1)
				return err
			})
			e.run(w)
			// Any program may have put it in.
			if _, err := k.With(tasuki.Opts{Meta: map[string]string{"traceparent": someParent, "tracestate": "a=b"}}).Enqueue(e.ctx, e.client, 1); err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprint([]string{someParent + " a=b", someParent + " a=b", someParent + " a=b"})
			if traced {
				want = fmt.Sprint([]string{someParent + " a=b", "00-" + someTrace + "-0000000000000001-01 a=b", "00-" + someTrace + "-0000000000000002-01 a=b"})
			}
			if all := fmt.Sprint(got.wait(t, 3)); all != want {
				t.Errorf("%s: %s\nwant %s", name, all, want)
			}
			e.settled(queue, 3)
		}
	})
}

// TestContinueTraceDropsBad: a header that is not valid fails no job, and reaches no
// tracer.
//
//fault:data a traceparent that is not valid, or a tracestate that is too long | it is left out, and the job runs
func TestContinueTraceDropsBad(t *testing.T) {
	t.Parallel()
	for parent, want := range map[string]bool{someParent: true, "00-" + someTrace: false, "\xff": false, "": false} {
		called := false
		w := tasukitest.NewWorker(&tasuki.WorkerConfig{Use: []tasuki.Middleware{tasuki.ContinueTrace(func(ctx context.Context, _, state string) context.Context {
			if called = true; state != "" {
				t.Errorf("a tracestate of %d bytes is passed on", len(state))
			}
			return ctx
		})}})
		ran := false
		tasuki.Handle(w, number, func(context.Context, *tasuki.Job[int]) error { ran = true; return nil })
		element := fmt.Sprintf(`{"kind":"number","meta":{"traceparent":%q,"tracestate":%q},"args":1}`, strings.ToValidUTF8(parent, "?"), strings.Repeat("x", 600))
		if result, err := tasukitest.RunElement(t.Context(), w, "default", element); err != nil || result.Outcome != tasukitest.Done || !ran || called != want {
			t.Errorf("%q: %+v, %v; ran %v, a trace to continue: %v, want %v", parent, result, err, ran, called, want)
		}
	}
}
