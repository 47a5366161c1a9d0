package tasuki_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestSentinelFailover: the master is killed, a replica takes its place, and a
// worker that reaches them through Sentinel goes on.
//
//fault:server the master is killed, and sentinel promotes a replica | workers and programs find the new master by themselves; what the replica had is kept
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t, 1)
	master, replica := s.Nodes[0], s.Nodes[1]
	e := newEnv(t, s.URL())
	w := e.worker(tasuki.WorkerConfig{})
	var got recorder[int]
	tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
		got.add(job.Args)
		return nil
	})
	e.run(w)
	e.enqueue(number, 10)
	got.wait(t, 10)
	e.settled("default", 10)
	redistest.WaitFor(t, "the replica to have all", func() error {
		// The counter of what is done is "10".
		if reply := replica.Do(t, "HSTRLEN", e.key("default", "count"), "done"); reply != ":2" {
			return errors.New(reply)
		}
		return nil
	})
	master.Kill()
	s.AwaitMaster(t, master)
	redistest.WaitFor(t, "an enqueue after the failover", func() error {
		_, err := number.With(tasuki.Opts{ID: "after"}).Enqueue(e.ctx, e.client, 10)
		return err
	})
	got.wait(t, 11)
	e.settled("default", 11)
}

// TestNameMoves: the server becomes a replica and keeps its connections, while the
// name under which it was reached leads to another. Client and worker follow.
//
//fault:server the name of the server leads to another one, and the old one becomes its replica | clients and workers follow within a second or two
func TestNameMoves(t *testing.T) {
	t.Parallel()
	before, after := redistest.Start(t), redistest.Start(t)
	e := newEnv(t, after.URL())
	var to atomic.Pointer[redistest.Server]
	to.Store(before)
	e.client = e.openWith("redis://name:6379", &tasuki.ClientConfig{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", to.Load().Socket())
	}})
	w := e.worker(tasuki.WorkerConfig{})
	got := collect(w, number)
	e.run(w)
	e.enqueue(number, 1)
	got.wait(t, 1)
	to.Store(after)
	if reply := before.Do(t, "REPLICAOF", "127.0.0.1", "1"); reply != "+OK" { // read-only; its master is nobody
		t.Fatal(reply)
	}
	start := time.Now()
	if _, err := number.Enqueue(e.ctx, e.client, 1); err != nil {
		t.Fatalf("after %v: %v", time.Since(start), err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the enqueue took %v", took)
	}
	got.wait(t, 2)
	e.settled("default", 1)
	t.Logf("run at the other server after %v", time.Since(start))
}
