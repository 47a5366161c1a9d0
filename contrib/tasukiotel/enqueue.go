package tasukiotel

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tasuki-dev/tasuki"
)

var w3c propagation.TraceContext

// inject is for tasuki.CarryTrace.
func inject(ctx context.Context) (traceparent, tracestate string) {
	headers := propagation.MapCarrier{}
	w3c.Inject(ctx, headers)
	return headers["traceparent"], headers["tracestate"]
}

// carried is the span whose context a job carries; not valid if there is none.
func carried(meta map[string]string) trace.SpanContext {
	headers := propagation.MapCarrier{"traceparent": meta["traceparent"], "tracestate": meta["tracestate"]}
	return trace.SpanContextFromContext(w3c.Extract(context.Background(), headers))
}

// enqueue is the middleware of clients: one span for a call, however many jobs it is for.
// The jobs carry the span's context. One that comes with a context of its own keeps it, and
// the span is linked to that.
func (t *Telemetry) enqueue(next tasuki.Enqueuer) tasuki.Enqueuer {
	next = tasuki.CarryTrace(inject)(next)
	return tasuki.EnqueueFunc(func(ctx context.Context, specs []tasuki.Spec) ([]tasuki.Info, error) {
		if len(specs) == 0 {
			return next.EnqueueMany(ctx, specs)
		}
		queue := commonQueue(specs)
		options := []trace.SpanStartOption{trace.WithAttributes(sendAttributes(len(specs), queue, specs[0].Kind, "")...)}
		kind, foreign := trace.SpanKindProducer, 0
		for i := range specs {
			if sc := carried(specs[i].Opts.Meta); sc.IsValid() {
				options = append(options, trace.WithLinks(trace.Link{SpanContext: sc}))
				foreign++
			}
		}
		if foreign == len(specs) {
			kind = trace.SpanKindClient // all were made elsewhere: this only sends them
		}
		began := time.Now()
		ctx, span := t.tracer.Start(ctx, spanName(sendName, queue), append(options, trace.WithSpanKind(kind))...)
		defer span.End() // also when a middleware below panics
		infos, err := next.EnqueueMany(ctx, specs)
		t.sent(ctx, specs, queue, err, time.Since(began))
		if !span.IsRecording() {
			return infos, err
		}
		if len(specs) == 1 && len(infos) == 1 {
			span.SetAttributes(sendAttributes(1, queue, specs[0].Kind, infos[0].ID)...)
			if infos[0].Existed {
				span.SetAttributes(existedKey.Bool(true))
			}
		}
		if err != nil {
			fail(span, firstError(err, len(specs)))
			if len(specs) > 1 {
				span.SetAttributes(rejectedKey.Int(rejected(err, len(specs))))
			}
		}
		return infos, err
	})
}

// sent counts jobs that were enqueued, or not.
func (t *Telemetry) sent(ctx context.Context, specs []tasuki.Spec, queue string, err error, took time.Duration) {
	t.instruments.operation.Record(ctx, took.Seconds(), with(firstError(err, len(specs)), append(operation(sendName, queue), sendType)...))
	type class struct{ queue, errorType string }
	counts := map[class]int64{}
	of := map[class]error{}
	for i := range specs {
		c, failed := class{queue: queueOf(&specs[i])}, errorAt(err, i, len(specs))
		if failed != nil {
			c.errorType = errorType(failed).Value.AsString()
			of[c] = failed
		}
		counts[c]++
	}
	for c, n := range counts {
		t.instruments.sent.Add(ctx, n, with(of[c], operation(sendName, c.queue)...))
	}
}

// commonQueue is the queue of all, or empty.
func commonQueue(specs []tasuki.Spec) string {
	queue := queueOf(&specs[0])
	for i := range specs {
		if queueOf(&specs[i]) != queue {
			return ""
		}
	}
	return queue
}

func queueOf(s *tasuki.Spec) string {
	if s.Opts.Queue == "" {
		return tasuki.DefaultQueue
	}
	return s.Opts.Queue
}

// errorAt is why the i-th of n jobs was not enqueued, or nil.
func errorAt(err error, i, n int) error {
	var many *tasuki.ManyError
	if errors.As(err, &many) && len(many.Errs) == n {
		return many.Errs[i]
	}
	return err
}

// firstError is that of the first of n jobs that was not enqueued, or nil.
func firstError(err error, n int) error {
	for i := range n {
		if e := errorAt(err, i, n); e != nil {
			return e
		}
	}
	return err
}

// rejected is how many of n jobs were not enqueued.
func rejected(err error, n int) (count int) {
	for i := range n {
		if errorAt(err, i, n) != nil {
			count++
		}
	}
	return count
}
