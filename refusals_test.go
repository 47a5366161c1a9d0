package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestFullServer fills the server up: it refuses enqueues, and the workers drain
// what is there.
//
//fault:server the server is full (noeviction) | enqueue answers ErrFull; workers drain what is there, and a dead one is swept
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

// TestRefusedWrites has the server refuse all writes for a while, for each reason that it
// has: what cannot be enqueued is an error that says so, what runs is settled when it
// is possible again, and no job runs twice.
//
//fault:server the server refuses writes: a failed snapshot or a full disk (MISCONF), too few replicas (NOREPLICAS) | enqueue says why and nothing is half done; workers wait, and settle when it is over; each job runs once
func TestRefusedWrites(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for name, tt := range map[string]struct {
		args           []string
		refuse, repair func(s *redistest.Server)
		says           string
	}{
		"snapshot": {
			args: []string{"--save", "3600 1"},
			refuse: func(s *redistest.Server) {
				// The snapshot cannot take the place of what is no file.
				if err := os.MkdirAll(filepath.Join(s.Dir(), "dump.rdb", "x"), 0o700); err != nil {
					t.Error(err)
				}
				s.Do(t, "BGSAVE")
			},
			repair: func(s *redistest.Server) {
				os.RemoveAll(filepath.Join(s.Dir(), "dump.rdb"))
				s.Do(t, "BGSAVE")
			},
			says: "MISCONF",
		},
		"disk full": {
			args: []string{"--auto-aof-rewrite-percentage", "0"},
			refuse: func(s *redistest.Server) {
				// What it makes its append-only file of is on a device that is full.
				if err := os.Symlink("/dev/full", filepath.Join(s.Dir(), "appendonlydir", "temp-appendonly.aof.incr")); err != nil {
					t.Error(err)
				}
				s.Do(t, "CONFIG", "SET", "appendonly", "yes")
			},
			repair: func(s *redistest.Server) { s.Do(t, "CONFIG", "SET", "appendonly", "no") },
			says:   "MISCONF",
		},
		"replicas": {
			refuse: func(s *redistest.Server) { s.Do(t, "CONFIG", "SET", "min-replicas-to-write", "1") },
			repair: func(s *redistest.Server) { s.Do(t, "CONFIG", "SET", "min-replicas-to-write", "0") },
			says:   "NOREPLICAS",
		},
	} {
		s := redistest.Start(t, tt.args...)
		if name == "disk full" && !canFillDisk(t, s) {
			continue
		}
		e := newEnv(t, s.URL())
		w := e.worker(tasuki.WorkerConfig{Concurrency: 5})
		hold, runs := make(chan struct{}), recorder[int]{}
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
			<-hold
			runs.add(job.Args)
			return nil
		})
		e.run(w)
		e.enqueue(number, 10)
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Running == 5 })
		wg.Go(func() {
			tt.refuse(s)
			redistest.WaitFor(t, tt.says, func() error {
				got := s.Do(t, "SET", "x", "y")
				if !strings.HasPrefix(got, "-"+tt.says) {
					return errors.New(got)
				}
				return nil
			})
			close(hold) // they end now, and cannot be settled
			ctx, cancel := context.WithTimeout(e.ctx, 2*time.Second)
			defer cancel()
			for _, k := range []tasuki.Kind[int]{number, number.With(tasuki.Opts{ID: "x"}), number.With(tasuki.Opts{In: time.Hour})} {
				if _, err := k.Enqueue(ctx, e.client, 1); err == nil || !strings.Contains(err.Error(), tt.says) && ctx.Err() == nil ||
					errors.Is(err, tasuki.ErrUncertain) && !errors.Is(err, context.DeadlineExceeded) { // but for one that was under way
					t.Errorf("%s: %v: want it to say %s", name, err, tt.says)
				}
			}
			tt.repair(s)
			q := e.settled("default", 10)
			if len(runs.get()) != 10 || q.Counts["crashed"] != 0 || q.Scheduled != 0 {
				t.Errorf("%s: %d runs, %+v", name, len(runs.get()), q)
			}
		})
	}
	wg.Wait()
}

// canFillDisk tells whether there is a device that is always full.
func canFillDisk(t *testing.T, s *redistest.Server) bool {
	t.Helper()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Log("there is no /dev/full here")
		return false
	}
	if err := os.MkdirAll(filepath.Join(s.Dir(), "appendonlydir"), 0o700); err != nil {
		t.Fatal(err)
	}
	return true
}

// TestEvictingServer lets a server that is full remove keys of tasuki's. Jobs are lost
// then, which nobody can prevent here; but workers go on, and what is enqueued later is
// run.
//
//fault:server the server evicts keys when it is full (maxmemory-policy allkeys-lru) | jobs are lost with their keys; workers enter again and go on with what is enqueued later
func TestEvictingServer(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--maxmemory", "8mb", "--maxmemory-policy", "allkeys-lru", "--maxmemory-samples", "10")
	e := newEnv(t, s.URL())
	w := e.worker(tasuki.WorkerConfig{Concurrency: 5})
	var causes recorder[error]
	var got recorder[int]
	tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
		if job.Args == 0 {
			<-ctx.Done()
			causes.add(context.Cause(ctx))
			return ctx.Err()
		}
		got.add(job.Args)
		return nil
	})
	e.run(w)
	e.enqueue(number, 1)
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Running == 1 })
	// A cache beside it fills the server, and is in use all the time.
	filler := strings.Repeat("x", 10_000)
	n := 0
	redistest.WaitFor(t, "an eviction", func() error {
		for range 500 {
			if err := e.do("SET", fmt.Sprint("cache", n), filler).Error(); err != nil {
				return err
			}
			n++
		}
		left, err := e.do("EXISTS", e.key("default", "workers"), e.namespace+":workers").AsInt64()
		if err != nil || left > 0 {
			return fmt.Errorf("%d keys are left, %v", left, err)
		}
		return nil
	})
	s.Do(t, "FLUSHALL") // the cache is emptied, and with it what was left
	s.Do(t, "CONFIG", "SET", "maxmemory", "0")
	redistest.WaitFor(t, "an enqueue", func() error {
		_, err := number.Enqueue(e.ctx, e.client, 7)
		return err
	})
	got.wait(t, 1)
	for _, cause := range causes.wait(t, 1) {
		if cause != tasuki.ErrLeaseLost {
			t.Errorf("the handler's context ended with %v", cause)
		}
	}
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 1 && q.Running == 0 })
}

// TestNothingExpires: no key of tasuki's has a time to live, so that a policy that
// evicts only such keys, or a clock that jumps, takes none away.
//
//fault:server the server evicts keys with a time to live (volatile-lru and others) when it is full | it finds none of tasuki's: enqueue answers ErrFull, workers drain, nothing is lost
func TestNothingExpires(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--maxmemory-policy", "volatile-lru")
	e := newEnv(t, s.URL())
	w := e.worker(tasuki.WorkerConfig{Concurrency: 5, MaxAttempts: 2, Backoff: soon})
	tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
		switch {
		case job.Args%4 == 0:
			return tasuki.Kill(errors.New("dead"))
		case job.Args%4 == 1 && job.Attempt == 1:
			return errors.New("once more")
		}
		return nil
	})
	const n = 100
	for i := range n {
		k := number.With(tasuki.Opts{ID: fmt.Sprint("n", i)})
		if i%3 == 0 {
			k = k.With(tasuki.Opts{In: 100 * time.Millisecond})
		}
		if _, err := k.Enqueue(e.ctx, e.client, i); err != nil {
			t.Fatal(err)
		}
	}
	s.Do(t, "CONFIG", "SET", "maxmemory", "1")
	if _, err := number.Enqueue(e.ctx, e.client, 1); !errors.Is(err, tasuki.ErrFull) {
		t.Errorf("enqueue: %v", err)
	}
	e.run(w)
	e.settled("default", n)
	keys, err := e.do("KEYS", e.namespace+":*").AsStrSlice()
	if err != nil || len(keys) < 6 {
		t.Fatalf("keys %q, %v", keys, err)
	}
	for _, key := range keys {
		if ttl, err := e.do("PTTL", key).AsInt64(); err != nil || ttl != -1 {
			t.Errorf("%s expires in %d ms, %v", key, ttl, err)
		}
	}
	info, err := e.do("INFO", "stats").ToString()
	if err != nil || !strings.Contains(info, "evicted_keys:0\r\n") {
		t.Errorf("keys were evicted, %v", err)
	}
	s.Do(t, "CONFIG", "SET", "maxmemory", "0")
}

// TestLimitsOfTheServer sets limits of the server below what a job needs: a job that
// cannot be written anew stays where it is, and the others of its queue go on.
//
//fault:server a job grows beyond what the server takes in one piece (proto-max-bulk-len) | it stays held and is reported; the other jobs of its queue go on
func TestLimitsOfTheServer(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--proto-max-bulk-len", "1mb")
	e := newEnv(t, s.URL())
	big := e.open(&tasuki.ClientConfig{MaxPayload: 4 << 20})
	// Such a job is refused, by closing the connection, and it says so.
	if _, err := tasuki.Define[string]("big").Enqueue(e.ctx, big, strings.Repeat("x", 2<<20)); err == nil {
		t.Error("a job that the server does not take was accepted")
	}
	// A plain element that is wrapped when it fails grows by a third.
	w := e.worker(tasuki.WorkerConfig{Concurrency: 3, Backoff: soon})
	got := collect(w, number)
	var failing atomic.Bool
	failing.Store(true)
	tasuki.HandleRaw(w, "default", func(context.Context, *tasuki.RawJob) error {
		if failing.Load() {
			return errors.New("no")
		}
		return nil
	})
	stop := e.run(w)
	if err := e.client.Push(e.ctx, tasuki.Queue{Name: "default"}, []byte(strings.Repeat("x", 1<<20-100))); err != nil {
		t.Fatal(err)
	}
	e.enqueue(number, 5)
	got.wait(t, 5)
	e.waitLog("an outcome cannot be written")
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Counts["done"] == 5 && q.Running == 1 })
	e.enqueue(number, 5)
	got.wait(t, 10)
	s.Do(t, "CONFIG", "SET", "proto-max-bulk-len", "512mb")
	failing.Store(false)
	if err := stop(); err != nil { // it tries again at the end
		t.Error(err)
	}
	e.run(e.workerOfRaw())
	e.settled("default", 11)
}

// workerOfRaw returns a worker that is content with every raw job.
func (e *env) workerOfRaw() *tasuki.Worker {
	w := e.worker(tasuki.WorkerConfig{})
	tasuki.HandleRaw(w, "default", func(context.Context, *tasuki.RawJob) error { return nil })
	return w
}

// TestManyFailAtOnce has ten thousand jobs fail together and come back together.
//
//fault:server ten thousand jobs fail at once and are due again at once | all are run again; the server answers others meanwhile
func TestManyFailAtOnce(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	e := newEnv(t, s.URL())
	var runs [2]atomic.Int64
	for range 2 {
		w := e.worker(tasuki.WorkerConfig{Concurrency: 200, Logger: slog.New(slog.DiscardHandler)})
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
			runs[job.Attempt-1].Add(1)
			if job.Attempt == 1 {
				return tasuki.RetryIn(time.Until(job.EnqueuedAt.Add(5*time.Second)), errors.New("together"))
			}
			return nil
		})
		e.run(w)
	}
	const n = 10_000
	e.enqueue(number, n)
	slowest := time.Duration(0)
	redistest.WaitFor(t, "all jobs", func() error {
		start := time.Now()
		s.Do(t, "PING")
		slowest = max(slowest, time.Since(start))
		if done := runs[1].Load(); done < n {
			return fmt.Errorf("%d of %d", done, n)
		}
		return nil
	})
	q := e.settled("default", n)
	if runs[0].Load() != n || runs[1].Load() != n || q.Counts["retry"] != n || q.Counts["crashed"] != 0 {
		t.Errorf("%d first and %d second runs, %+v", runs[0].Load(), runs[1].Load(), q)
	}
	t.Logf("the slowest PING took %v", slowest)
	if slowest > 3*time.Second {
		t.Errorf("the server did not answer for %v", slowest)
	}
}
