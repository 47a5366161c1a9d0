package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestClusterMigration moves a queue's slot from node to node while its jobs are
// enqueued in every way, claimed and settled: every call is answered, nobody's lease
// ends, and each job is done once.
//
//fault:server the slot of a queue moves to another cluster node under load | no job is lost or run twice; enqueues and workers stand still while it moves, and go on by themselves
func TestClusterMigration(t *testing.T) {
	t.Parallel()
	e, c := newCluster(t)
	const migrations = 4
	slot := c.Slot(t, e.key("mail"))
	w := e.worker(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "mail"}}, Backoff: soon})
	var done recorder[int]
	tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
		if job.Args%7 == 0 && job.Attempt == 1 {
			return errors.New("once more")
		}
		done.add(job.Args)
		return nil
	})
	e.run(w)
	migrated, produced := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		defer func() { produced <- n }()
		for ; ; n++ {
			select {
			case <-migrated:
				return
			default:
			}
			o := tasuki.Opts{Queue: "mail"}
			switch n % 3 {
			case 1:
				o.ID = fmt.Sprint("n", n)
			case 2:
				o.In = 20 * time.Millisecond
			}
			if _, err := number.With(o).Enqueue(e.ctx, e.client, n); err != nil {
				t.Errorf("job %d: %v", n, err)
				return
			}
		}
	}()
	for range migrations {
		before := len(done.get())
		redistest.WaitFor(t, "jobs before the migration", func() error {
			if len(done.get()) < before+50 {
				return errors.New("few")
			}
			return nil
		})
		c.Migrate(t, slot, (c.Owner(slot)+1)%len(c.Nodes), 20*time.Millisecond)
	}
	close(migrated)
	n := <-produced
	q := e.settled("mail", int64(n))
	all := done.get()
	slices.Sort(all)
	if len(all) != n || len(slices.Compact(all)) != n {
		t.Errorf("%d jobs, %d runs that ended well, %d different", n, len(all), len(slices.Compact(all)))
	}
	if q.Counts["crashed"] != 0 || q.Counts["refused"] != 0 || q.Counts["released"] != 0 {
		t.Errorf("%+v: somebody was taken for dead", q)
	}
	moved, again := c.Errors(t, "MOVED"), c.Errors(t, "TRYAGAIN")
	if moved == 0 || again == 0 {
		t.Errorf("%d times MOVED, %d times TRYAGAIN: the load did not meet the migrations", moved, again)
	}
	t.Logf("%d jobs, %d migrations, %d times MOVED, %d times ASK, %d times TRYAGAIN", n, migrations, moved, c.Errors(t, "ASK"), again)
}

// TestClusterMigrationUnderWait moves the slot under a worker that waits in BLMOVE: the
// server ends the call, and the worker waits on the new node.
//
//fault:server the slot of a queue moves to another cluster node while its workers are idle | they wait on the new node within seconds
func TestClusterMigrationUnderWait(t *testing.T) {
	t.Parallel()
	e, c := newCluster(t)
	slot := c.Slot(t, e.key("mail"))
	w := e.worker(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "mail"}}})
	got := collect(w, number)
	e.run(w)
	waiting := func() {
		t.Helper()
		redistest.WaitFor(t, "a wait on the slot's node", func() error {
			reply, err := c.Nodes[c.Owner(slot)].Ask("CLIENT", "LIST")
			if err != nil || !strings.Contains(reply, "cmd=blmove") {
				return fmt.Errorf("no BLMOVE (%v)", err)
			}
			return nil
		})
	}
	for i := range 3 {
		waiting()
		c.Migrate(t, slot, (c.Owner(slot)+1)%len(c.Nodes), 0)
		start := time.Now()
		if _, err := number.With(tasuki.Opts{Queue: "mail"}).Enqueue(e.ctx, e.client, i); err != nil {
			t.Fatal(err)
		}
		got.wait(t, i+1)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("the job has run after %v", took)
		} else {
			t.Logf("run %v after the migration", took)
		}
	}
	waiting()
	e.settled("mail", 3)
}

// TestClusterHalfMigrated stops a migration half way, where Redis answers ASK to
// commands for one key and TRYAGAIN to those for several.
//
//fault:server the slot of a queue is half way to another cluster node (ask, tryagain) | plain enqueues are accepted; what needs several keys waits until the slot has arrived
func TestClusterHalfMigrated(t *testing.T) {
	t.Parallel()
	e, c := newCluster(t)
	slot := c.Slot(t, e.key("mail"))
	mail := tasuki.Opts{Queue: "mail"}
	if _, err := number.With(tasuki.Opts{Queue: "mail", In: time.Hour}).Enqueue(e.ctx, e.client, 0); err != nil {
		t.Fatal(err)
	}
	m := c.Begin(t, slot, (c.Owner(slot)+1)%len(c.Nodes))
	// The list of ready jobs is on neither node, the scheduled ones are on the old one.
	if reply := c.Nodes[c.Owner(slot)].Do(t, "LLEN", e.key("mail")); !strings.HasPrefix(reply, "-ASK ") {
		t.Fatalf("the old node says %s", reply)
	}
	if _, err := number.With(mail).Enqueue(e.ctx, e.client, 1); err != nil {
		t.Errorf("a plain job: %v", err)
	}
	// No node here has a replica: that is known of the node where the job is now.
	confirmed := e.open(&tasuki.ClientConfig{Replicas: 1, ReplicasTimeout: time.Millisecond})
	if _, err := number.With(mail).Enqueue(e.ctx, confirmed, 2); !errors.Is(err, tasuki.ErrNotReplicated) {
		t.Errorf("a plain job that replicas have to confirm: %v, want ErrNotReplicated", err)
	}
	withID := number.With(tasuki.Opts{Queue: "mail", ID: "a"})
	redistest.WaitFor(t, "TRYAGAIN", func() error {
		brief, cancel := context.WithTimeout(e.ctx, 200*time.Millisecond)
		defer cancel()
		_, err := withID.Enqueue(brief, e.client, 3)
		if err == nil {
			t.Fatal("a job with an id was accepted")
		}
		if errors.Is(err, tasuki.ErrUncertain) || !strings.Contains(err.Error(), "TRYAGAIN") {
			return err // its time was over while it was on its way
		}
		return nil
	})
	w := e.worker(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "mail"}}})
	got := collect(w, number)
	e.run(w)
	ended := make(chan error)
	go func() {
		_, err := withID.Enqueue(e.ctx, e.client, 3)
		ended <- err
	}()
	time.Sleep(500 * time.Millisecond) // they meet the half way
	if ran := got.get(); len(ran) > 0 {
		t.Errorf("%v have run", ran)
	}
	m.End(t)
	start := time.Now()
	if err := <-ended; err != nil {
		t.Errorf("a job with an id, when the slot has arrived: %v", err)
	}
	got.wait(t, 3)
	t.Logf("all have run %v after the slot had arrived", time.Since(start))
	if q := e.queue("mail"); q.Scheduled != 1 || q.Dead != 0 {
		t.Errorf("%+v", q)
	}
}
