package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestPromotedWhileJobsRun: the master freezes with its connections open, and a
// replica takes its place. Jobs that run go on, what they return is written to the new
// master, and the worker, which has slots free and waited at the old one, takes jobs
// from the new one. When the old one wakes up it disturbs nobody.
//
//fault:server the master freezes while jobs run, and a replica is promoted | what runs goes on and is settled at the new master; nothing runs twice
func TestPromotedWhileJobsRun(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t, 1)
	master, replica := s.Nodes[0], s.Nodes[1]
	e := newEnv(t, s.URL())
	e.client = e.open(&tasuki.ClientConfig{Replicas: 1, ReplicasTimeout: 10 * time.Second})
	w := e.worker(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "mail"}, {Name: "idle"}}})
	const n = 5
	finish := make(chan struct{})
	var began, done recorder[int]
	tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
		began.add(job.Args)
		select {
		case <-finish:
		case <-ctx.Done():
			t.Errorf("job %d: its context has ended: %v", job.Args, context.Cause(ctx))
		}
		done.add(job.Args)
		return nil
	})
	e.run(w)
	mail, idle := number.With(tasuki.Opts{Queue: "mail"}), number.With(tasuki.Opts{Queue: "idle"})
	e.enqueue(mail, n)
	began.wait(t, n)
	redistest.WaitFor(t, "the claims to be replicated", func() error {
		if got := replica.Do(t, "HLEN", e.key("mail", "held", e.heldBy("mail"))); got != fmt.Sprint(":", n) {
			return errors.New(got)
		}
		return nil
	})
	redistest.WaitFor(t, "the wait", func() error {
		if reply, err := master.Ask("CLIENT", "LIST"); err != nil || strings.Count(reply, "cmd=blmove") != 2 {
			return fmt.Errorf("not both queues are waited in (%v)", err)
		}
		return nil
	})
	master.Signal(t, syscall.SIGSTOP)
	s.AwaitMaster(t, master)
	start := time.Now()
	// The client learns of the new master a moment later.
	plain := e.open(nil)
	redistest.WaitFor(t, "an enqueue", func() error {
		_, err := idle.With(tasuki.Opts{ID: "after"}).Enqueue(e.ctx, plain, n)
		return err
	})
	began.wait(t, n+1)
	t.Logf("a job of an idle queue has started %v after the new master was there", time.Since(start))
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	master.Signal(t, syscall.SIGCONT)
	close(finish)
	e.settled("mail", n)
	e.settled("idle", 1)
	s.AwaitWhole(t)
	if all := done.wait(t, n+1); len(all) != n+1 || len(began.get()) != n+1 {
		t.Errorf("%d runs, %d of them ended, want %d", len(began.get()), len(all), n+1)
	}
}

// TestReadOnlyForAWhile: the server becomes a replica of a master that is not there,
// as a mistaken hand or a failover's first moment has it, and a master again.
//
//fault:server the server is read-only for seconds (readonly) and a master again, under load | calls wait and are repeated; nothing is lost, doubled or taken for dead
func TestReadOnlyForAWhile(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	e := newEnv(t, s.URL())
	w := e.worker(tasuki.WorkerConfig{})
	var done recorder[int]
	tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
		if job.Args%20 == 0 {
			time.Sleep(300 * time.Millisecond) // some run while it flips
		}
		done.add(job.Args)
		return nil
	})
	e.run(w)
	flipped, produced := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		defer func() { produced <- n }()
		for ; ; n++ {
			select {
			case <-flipped:
				return
			default:
			}
			k := number.With(tasuki.Opts{ID: fmt.Sprint("n", n)})
			_, err := k.Enqueue(e.ctx, e.client, n)
			// Who finds out that it is no master drops connections that all share.
			for errors.Is(err, tasuki.ErrUncertain) {
				_, err = k.Enqueue(e.ctx, e.client, n)
			}
			if err != nil {
				t.Errorf("job %d: %v", n, err)
				return
			}
		}
	}()
	for range 3 {
		before := len(done.get())
		redistest.WaitFor(t, "jobs", func() error {
			if len(done.get()) < before+50 {
				return errors.New("few")
			}
			return nil
		})
		if got := s.Do(t, "REPLICAOF", "127.0.0.1", "1"); got != "+OK" { // nobody is there
			t.Fatal(got)
		}
		time.Sleep(time.Second) // it is to last
		if got := s.Do(t, "REPLICAOF", "NO", "ONE"); got != "+OK" {
			t.Fatal(got)
		}
	}
	close(flipped)
	n := <-produced
	q := e.settled("default", int64(n))
	all := done.get()
	slices.Sort(all)
	if len(all) != n || len(slices.Compact(all)) != n {
		t.Errorf("%d jobs, %d runs", n, len(all))
	}
	if q.Counts["crashed"] != 0 {
		t.Errorf("%+v: somebody was taken for dead", q)
	}
	if s.Info(t, "errorstats", "errorstat_READONLY") == "" {
		t.Error("READONLY was never answered")
	}
}
