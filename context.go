package tasuki

import (
	"context"
	"log/slog"
	"runtime/pprof"
)

// runKey is what a handler's context answers with its run: see runContext.Value.
type runKey struct{}

// running returns the run whose context ctx is, or was made from; nil if there is none.
func running(ctx context.Context) *run {
	r, _ := ctx.Value(runKey{}).(*run)
	return r
}

// FromContext returns what is known of the job whose handler was given ctx, or a
// context that ctx was made from: as the handler's job says it. It is false for any
// other ctx.
func FromContext(ctx context.Context) (Info, bool) {
	if r := running(ctx); r != nil {
		return r.raw.Info, true
	}
	return Info{}, false
}

// Logger returns the worker's logger with the fields of the job in ctx: queue, id,
// kind and attempt, and trace_id if the job carries a valid traceparent. Without a
// job in ctx it is slog.Default().
//
// It is made anew by every call: a handler that logs much keeps it.
func Logger(ctx context.Context) *slog.Logger {
	r := running(ctx)
	if r == nil {
		return slog.Default()
	}
	h := r.q.fetcher.w.log.Handler()
	if !addsFields(h) {
		h = h.WithAttrs(r.logFields())
	}
	return slog.New(&boundHandler{h, r})
}

// addsFields tells whether a handler adds the fields of the job in a ctx by itself.
func addsFields(h slog.Handler) bool {
	switch h := h.(type) {
	case *logHandler:
		return true
	case *recordLog:
		return addsFields(h.next)
	}
	return false
}

// boundHandler tells the handlers below whose line it is also where the call has no
// context, as Info has none.
type boundHandler struct {
	slog.Handler
	run *run
}

// Handle implements slog.Handler.
func (h *boundHandler) Handle(ctx context.Context, record slog.Record) error {
	if running(ctx) == nil {
		ctx = context.WithValue(ctx, runKey{}, h.run)
	}
	return h.Handler.Handle(ctx, record)
}

// WithAttrs implements slog.Handler.
func (h *boundHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &boundHandler{h.Handler.WithAttrs(attrs), h.run}
}

// WithGroup implements slog.Handler.
func (h *boundHandler) WithGroup(name string) slog.Handler {
	return &boundHandler{h.Handler.WithGroup(name), h.run}
}

// LogHandler returns a handler that adds the fields of the job in ctx to a record,
// those of Logger, and passes it on to next. With it a program that logs by
// slog.InfoContext(ctx, …) says which job it was without knowing of jobs:
//
//	slog.SetDefault(slog.New(tasuki.LogHandler(slog.NewJSONHandler(os.Stderr, nil))))
//
// The fields are outside of all groups. A record without a job in its ctx is passed
// on as it is.
func LogHandler(next slog.Handler) slog.Handler { return &logHandler{next: next, outer: next} }

// logHandler is what LogHandler returns.
type logHandler struct {
	next  slog.Handler                      // with all that With and WithGroup have added
	outer slog.Handler                      // with what was added before the first group
	inner []func(slog.Handler) slog.Handler // the first group, and what was added since
}

// with returns next with the fields of a run.
func (h *logHandler) with(r *run) slog.Handler {
	to := h.outer.WithAttrs(r.logFields())
	for _, add := range h.inner {
		to = add(to)
	}
	return to
}

// Enabled implements slog.Handler.
func (h *logHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *logHandler) Handle(ctx context.Context, record slog.Record) error {
	if r := running(ctx); r != nil {
		return h.with(r).Handle(ctx, record)
	}
	return h.next.Handle(ctx, record)
}

// WithAttrs implements slog.Handler.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(h.inner) == 0 {
		return LogHandler(h.outer.WithAttrs(attrs))
	}
	return h.add(func(to slog.Handler) slog.Handler { return to.WithAttrs(attrs) })
}

// WithGroup implements slog.Handler.
func (h *logHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.add(func(to slog.Handler) slog.Handler { return to.WithGroup(name) })
}

func (h *logHandler) add(f func(slog.Handler) slog.Handler) slog.Handler {
	inner := append(h.inner[:len(h.inner):len(h.inner)], f)
	return &logHandler{next: f(h.next), outer: h.outer, inner: inner}
}

func (r *run) logFields() []slog.Attr {
	i := &r.raw.Info
	fields := append(make([]slog.Attr, 0, 5), slog.String("queue", i.Queue), slog.String("id", i.ID), slog.String("kind", i.Kind), slog.Int("attempt", i.Attempt))
	if id, ok := parseTraceparent(i.Meta[traceparent]); ok {
		fields = append(fields, slog.String("trace_id", id))
	}
	return fields
}

// PprofLabels is a Middleware under which a CPU or goroutine profile tells jobs apart:
// the handler's goroutine, and those that it starts, have the labels tasuki_queue and
// tasuki_kind. See docs/context.md for what it costs a job.
//
//	go tool pprof -tagfocus tasuki_kind=email.welcome http://localhost:6060/debug/pprof/profile
func PprofLabels(next Handler) Handler {
	return func(ctx context.Context, job *RawJob) (err error) {
		pprof.Do(ctx, pprof.Labels("tasuki_queue", job.Queue, "tasuki_kind", job.Kind), func(ctx context.Context) {
			err = next(ctx, job)
		})
		return err
	}
}
