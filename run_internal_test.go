package tasuki

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/internal/source"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// BenchmarkPerform is what a bare job costs a worker beside Redis: it is read, run
// and done.
func BenchmarkPerform(b *testing.B) {
	client, err := Open("redis://127.0.0.1:1", &ClientConfig{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(client.Close)
	w, err := NewWorker(client, nil)
	if err != nil {
		b.Fatal(err)
	}
	Handle(w, Define[int]("k"), func(context.Context, *Job[int]) error { return nil })
	f := newSession(w, b.Context()).fetcher
	q := &queue{fetcher: f, name: DefaultQueue}
	job := wire.Job{ID: wire.NewID(time.Now()), Kind: "k", EnqueuedAt: time.Now().UnixMilli(), Args: []byte("7")}
	element := job.Element()
	b.ReportAllocs()
	for b.Loop() {
		r := f.newRun(q, source.Delivery{Tag: 7, Element: element})
		if outcome, err := w.perform(r); err != nil || outcome.State != source.Done {
			b.Fatal(outcome, err)
		}
	}
}
