package tasuki

import (
	"bytes"
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
)

// RecordLog returns a handler that passes everything on to next, and keeps the lines that a
// recorded job has logged in its record too, where package inspect and tasuki job logs show
// them. Which job that is the context says:
//
//	logger := slog.New(tasuki.RecordLog(slog.Default().Handler()))
//	…
//	logger.InfoContext(ctx, "exported", "rows", n) // ctx is the handler's
//
// A line is what a slog.TextHandler makes of it. A job keeps the last 500, each of at most
// 1,024 bytes; a longer one is cut, and has a mark at its end. They are written as those of
// SetProgress are. What next does not take is not kept.
func RecordLog(next slog.Handler) slog.Handler {
	out := &lineBuffer{}
	return &recordLog{next: next, text: slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.Level(-1 << 20)}), out: out}
}

// recordLog is what RecordLog returns.
type recordLog struct {
	next slog.Handler
	text slog.Handler // to out, with all that With and WithGroup have added
	out  *lineBuffer
}

// lineBuffer holds a line, and is shared by handlers that were made from each other.
type lineBuffer struct {
	mu sync.Mutex // held from before the line is made until it was taken
	bytes.Buffer
}

// Enabled implements slog.Handler.
func (h *recordLog) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *recordLog) Handle(ctx context.Context, record slog.Record) error {
	if r := running(ctx); r != nil && r.rec != nil {
		h.out.mu.Lock()
		h.out.Reset()
		err := h.text.Handle(ctx, record)
		line := strings.TrimSuffix(h.out.String(), "\n")
		h.out.mu.Unlock()
		if err == nil {
			r.logged(line)
		}
	}
	return h.next.Handle(ctx, record)
}

// WithAttrs implements slog.Handler.
func (h *recordLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &recordLog{next: h.next.WithAttrs(attrs), text: h.text.WithAttrs(attrs), out: h.out}
}

// WithGroup implements slog.Handler.
func (h *recordLog) WithGroup(name string) slog.Handler {
	return &recordLog{next: h.next.WithGroup(name), text: h.text.WithGroup(name), out: h.out}
}

// logged adds a line to the log of a recorded job. Each has a number, and one of the fields
// of the record that are there for lines: a new one takes the place of the oldest.
func (r *run) logged(line string) {
	rec := r.rec
	rec.mu.Lock()
	rec.lines++
	n := strconv.FormatInt(rec.lines, 10)
	rec.pending = set(rec.pending, "log."+strconv.FormatInt(rec.lines%maxLines, 10), n+" "+cutText(line, maxLine))
	rec.pending = set(rec.pending, "lines", n)
	r.noted()
}
