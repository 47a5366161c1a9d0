package tasuki_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestLostAcceptance loses the reply of the exchange that accepts what was handed
// over, while the job runs or when it has ended. The exchange that follows finds the
// job under the tag that the first has given it.
//
//fault:network the reply of an acceptance is lost | the job that was handed over runs once, and its handler notices nothing
func TestLostAcceptance(t *testing.T) {
	t.Parallel()
	e, _, proxy := proxied(t)
	w := e.worker(tasuki.WorkerConfig{Concurrency: 1})
	var runs, cancelled atomic.Int64
	tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
		runs.Add(1)
		if job.Args%2 == 0 && job.Fence() == 0 { // it waits for the acceptance
			cancelled.Add(1)
		}
		if ctx.Err() != nil {
			cancelled.Add(1)
		}
		return nil
	})
	e.run(w)
	const handed = 22 // where this of ARGV is in the command
	isFetch := isScript(t, "fetch")
	const n = 10
	for i := range n {
		redistest.WaitFor(t, "a wait", func() error {
			if !w.Waits("default") || w.ClientID("default") == 0 {
				return errors.New("it does not wait")
			}
			return nil
		})
		hit := proxy.Once(redistest.Cut, func(c []string) bool { return isFetch(c) && c[handed] != "" })
		if _, err := number.Enqueue(e.ctx, e.client, i); err != nil {
			t.Fatal(err)
		}
		select {
		case <-hit:
		case <-time.After(30 * time.Second):
			t.Fatal("nothing was accepted")
		}
		e.settled("default", int64(i+1))
	}
	q := e.queue("default")
	if runs.Load() != n || cancelled.Load() != 0 || q.Counts["done"] != n || q.Counts["claimed"] != n || q.Counts["refused"] != 0 {
		t.Errorf("%d runs, %d lost, %+v: want each job once", runs.Load(), cancelled.Load(), q)
	}
}
