package tasuki

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"github.com/tasuki-dev/tasuki/internal/source"
)

// BenchmarkRun is what a job costs a slot, without Redis: a bare one, and one that uses
// one thing more. Only the ratios of one run mean something.
func BenchmarkRun(b *testing.B) {
	type args struct {
		UserID int    `json:"user_id"`
		Email  string `json:"email"`
		Plan   string `json:"plan"`
	}
	const (
		bare   = `{"id":"01kaq5h8v0abcdefghjkmnpqrs","kind":"bench","enqueued_at":1763850000000,"args":{"user_id":123456,"email":"someone@example.org","plan":"premium"}}`
		traced = `{"id":"01kaq5h8v0abcdefghjkmnpqrs","kind":"bench","enqueued_at":1763850000000,"meta":{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},"args":{"user_id":123456,"email":"someone@example.org","plan":"premium"}}`
	)
	nothing := func(context.Context, *Job[args]) error { return nil }
	pass := func(next Handler) Handler {
		return func(ctx context.Context, job *RawJob) error { return next(ctx, job) }
	}
	logger := slog.New(slog.NewJSONHandler(io.Discard, nil))
	withJob := slog.New(LogHandler(slog.NewJSONHandler(io.Discard, nil)))
	logs := func(l *slog.Logger) func(ctx context.Context, _ *Job[args]) error {
		return func(ctx context.Context, _ *Job[args]) error { l.InfoContext(ctx, "hello"); return nil }
	}
	for _, bb := range []struct {
		name, element string
		cfg           WorkerConfig
		handler       func(context.Context, *Job[args]) error
	}{
		{"bare", bare, WorkerConfig{}, nothing},
		{"middleware", bare, WorkerConfig{Use: []Middleware{pass}}, nothing},
		{"PprofLabels", bare, WorkerConfig{Use: []Middleware{PprofLabels}}, nothing},
		{"OnChange", bare, WorkerConfig{OnChange: func(Change) {}}, nothing},
		{"FromContext", bare, WorkerConfig{}, func(ctx context.Context, _ *Job[args]) error { FromContext(ctx); return nil }},
		{"a line", bare, WorkerConfig{}, logs(logger)},
		{"a line by LogHandler", bare, WorkerConfig{}, logs(withJob)},
		{"a line by Logger", bare, WorkerConfig{Logger: logger}, func(ctx context.Context, _ *Job[args]) error { Logger(ctx).Info("hello"); return nil }},
		{"traced", traced, WorkerConfig{Use: []Middleware{pass}}, nothing},
		{"traced, ContinueTrace", traced, WorkerConfig{Use: []Middleware{ContinueTrace(func(ctx context.Context, _, _ string) context.Context { return ctx })}}, nothing},
	} {
		b.Run(bb.name, func(b *testing.B) {
			client, err := Open("redis://localhost", nil) // it is never dialled
			if err != nil {
				b.Fatal(err)
			}
			defer client.Close()
			w, err := NewWorker(client, &bb.cfg)
			if err != nil {
				b.Fatal(err)
			}
			Handle(w, Define[args]("bench"), bb.handler)
			w.wrapHandlers()
			f := newFetcher(w, b.Context(), b.Context())
			q := &queue{fetcher: f, name: DefaultQueue}
			b.ReportAllocs()
			for b.Loop() {
				if o := f.runIn(f.newRun(q, source.Delivery{Tag: 1, Element: bb.element}, 0)); o.State != source.Done {
					b.Fatal(o)
				}
			}
		})
	}
}
