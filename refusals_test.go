package tasuki_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestFullServer fills the server up: it refuses enqueues, and the workers drain
// what is there.
func TestFullServer(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--maxmemory", "30mb", "--maxmemory-policy", "noeviction")
	e := newEnv(t, s.URL())
	k := tasuki.Define[string]("big")
	payload := strings.Repeat("x", 10_000)
	n := 0
	for {
		_, err := k.Enqueue(e.ctx, e.client, payload)
		if errors.Is(err, tasuki.ErrFull) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if _, err := k.With(tasuki.Opts{ID: "x"}).Enqueue(e.ctx, e.client, payload); !errors.Is(err, tasuki.ErrFull) {
		t.Errorf("with an id: %v", err)
	}
	if _, err := k.With(tasuki.Opts{In: time.Hour}).Enqueue(e.ctx, e.client, payload); !errors.Is(err, tasuki.ErrFull) {
		t.Errorf("scheduled: %v", err)
	}
	// Not a byte is left, whatever is deleted: the drain must not depend on it.
	s.Do(t, "CONFIG", "SET", "maxmemory", "1mb")
	var failed atomic.Int64
	p := e.startProcess(processConfig{Concurrency: 5, Do: "hold", Queues: []tasuki.Queue{{Name: "other"}}})
	p.wait("up", 1)
	w := e.worker(tasuki.WorkerConfig{Concurrency: 10, MaxAttempts: 3, Backoff: soon})
	tasuki.Handle(w, k, func(_ context.Context, job *tasuki.Job[string]) error {
		if job.Attempt == 1 && failed.Add(1)%5 == 0 {
			return errors.New("retry on a full server")
		}
		return nil
	})
	stop := e.run(w)
	q := e.settled("default", int64(n))
	if q.Counts["done"] != int64(n) || q.Counts["retry"] == 0 {
		t.Errorf("%d jobs: %+v", n, q)
	}
	// A worker that dies is swept all the same, and others register and leave.
	p.kill()
	e.waitQueue("other", func(q inspect.Queue) bool { return q.Workers == 0 })
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := k.Enqueue(e.ctx, e.client, payload); !errors.Is(err, tasuki.ErrFull) {
		t.Errorf("enqueue: %v", err)
	}
	s.Do(t, "CONFIG", "SET", "maxmemory", "0")
	if _, err := k.Enqueue(e.ctx, e.client, payload); err != nil {
		t.Error(err)
	}
	t.Logf("%d jobs of 10 kB drained on a full server", n)
}
