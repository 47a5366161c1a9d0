package tasukiotel

import (
	"context"

	"go.opentelemetry.io/otel/trace"

	"github.com/tasuki-dev/tasuki"
)

// process is the middleware of workers: it begins the span of an attempt. The end is in
// changed, where it is known what becomes of the job.
func (t *Telemetry) process(next tasuki.Handler) tasuki.Handler {
	return func(ctx context.Context, job *tasuki.RawJob) error {
		options := []trace.SpanStartOption{
			trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(processAttributes(&job.Info)...),
		}
		from := carried(job.Meta)
		if from.IsValid() {
			options = append(options, trace.WithLinks(trace.Link{SpanContext: from}))
		}
		switch {
		case t.cfg.NewTrace:
			options = append(options, trace.WithNewRoot())
		case from.IsValid():
			ctx = trace.ContextWithRemoteSpanContext(ctx, from)
		}
		ctx, span := t.tracer.Start(ctx, spanName(processName, job.Queue), options...)
		if span.IsRecording() {
			t.put(attempt{job.Queue, job.ID, job.Attempt}, span)
		}
		return next(ctx, job)
	}
}

// changed is told of every change of a job that the worker makes.
func (t *Telemetry) changed(c *tasuki.Change) {
	ctx := context.Background()
	attributes := append(operation(processName, c.Queue), kindKey.String(c.Kind))
	if c.Outcome == "" { // an attempt begins
		t.instruments.consumed.Add(ctx, 1, with(nil, attributes...))
		return
	}
	if c.From != tasuki.StateRunning || c.Outcome == "crashed" || c.Outcome == "stopped" {
		return // it did not run here
	}
	failed := c.Err
	if !isFailure(c) {
		failed = nil
	}
	span := t.take(attempt{c.Queue, c.ID, c.Attempt})
	if span != nil {
		ctx = trace.ContextWithSpan(ctx, span) // for exemplars
	}
	t.instruments.process.Record(ctx, c.Duration.Seconds(), with(failed, append(attributes, outcomeKey.String(c.Outcome))...))
	if span == nil {
		return
	}
	span.SetAttributes(outcomeKey.String(c.Outcome))
	if c.Reason != "" {
		span.SetAttributes(reasonKey.String(c.Reason))
	}
	if failed != nil {
		fail(span, failed)
	}
	span.End()
}

// isFailure tells whether an attempt has failed. A snooze is a wish, a release the fault of
// a stop, and what was cancelled was meant to end.
func isFailure(c *tasuki.Change) bool {
	switch c.Outcome {
	case "retry", "dead", "lost":
		return c.Err != nil
	}
	return false
}

func (t *Telemetry) put(a attempt, span trace.Span) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.spans[a] = append(t.spans[a], span)
}

// take returns the oldest span of an attempt, or nil.
func (t *Telemetry) take(a attempt) trace.Span {
	t.mu.Lock()
	defer t.mu.Unlock()
	spans := t.spans[a]
	if len(spans) == 0 {
		return nil
	}
	if len(spans) == 1 {
		delete(t.spans, a)
	} else {
		t.spans[a] = spans[1:]
	}
	return spans[0]
}
