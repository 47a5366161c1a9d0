package tasuki_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

// TestAllConnectionsCut cuts every connection of a worker again and again: it
// makes them anew before it can be taken for dead.
func TestAllConnectionsCut(t *testing.T) {
	t.Parallel()
	e, s, proxy := proxied(t)
	w, err := tasuki.NewWorker(e.openAt(s.URL()), &tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "elsewhere"}}})
	if err != nil {
		t.Fatal(err)
	}
	e.run(w) // the observer, past the proxy
	e.waitQueue("elsewhere", func(q inspect.Queue) bool { return q.Workers == 1 })
	victim := e.worker(tasuki.WorkerConfig{Concurrency: 10})
	release := make(chan struct{})
	var runs atomic.Int64
	tasuki.Handle(victim, number, func(ctx context.Context, _ *tasuki.Job[int]) error {
		runs.Add(1)
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	e.run(victim)
	e.enqueue(number, 10)
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Running == 10 && runs.Load() == 10 })
	for range 20 {
		proxy.CutAll()
		time.Sleep(300 * time.Millisecond) // the storm lasts 6 s, longer than the quick rule
	}
	close(release)
	q := e.settled("default", 10)
	if runs.Load() != 10 || q.Counts["crashed"] != 0 {
		t.Errorf("%d runs, %+v: want each once", runs.Load(), q)
	}
}
