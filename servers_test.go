package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestSentinelFailover: the master is killed, a replica takes its place, and a
// worker that reaches them through Sentinel goes on.
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	masterPort, replicaPort, sentinelPort := redistest.FreePort(t), redistest.FreePort(t), redistest.FreePort(t)
	master := redistest.Start(t, "--port", masterPort, "--bind", "127.0.0.1")
	replica := redistest.Start(t, "--port", replicaPort, "--bind", "127.0.0.1", "--replicaof", "127.0.0.1", masterPort)
	redistest.WaitFor(t, "the replica", func() error {
		// WAIT answers how many replicas there are, as this connection has
		// written nothing.
		if got := master.Do(t, "WAIT", "1", "100"); got != ":1" {
			return errors.New(got)
		}
		return nil
	})
	dir := t.TempDir()
	config := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nsentinel monitor main 127.0.0.1 %s 1\n"+
		"sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n", sentinelPort, dir, masterPort)
	file := filepath.Join(dir, "sentinel.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	sentinel := exec.Command("redis-server", file, "--sentinel")
	if err := sentinel.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		sentinel.Process.Kill()
		sentinel.Wait()
	})
	redistest.WaitFor(t, "sentinel", func() error {
		conn, err := net.Dial("tcp", "127.0.0.1:"+sentinelPort)
		if err == nil {
			conn.Close()
		}
		return err
	})

	e := newEnv(t, "redis://127.0.0.1:"+sentinelPort+"?master_set=main")
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
	redistest.WaitFor(t, "the failover", func() error {
		if role := replica.Do(t, "SET", "promoted", "1"); role != "+OK" {
			return errors.New(role)
		}
		return nil
	})
	replica.Do(t, "DEL", "promoted")
	redistest.WaitFor(t, "an enqueue after the failover", func() error {
		_, err := number.With(tasuki.Opts{ID: "after"}).Enqueue(e.ctx, e.client, 10)
		return err
	})
	got.wait(t, 11)
	e.settled("default", 11)
}

// TestNameMoves: the server becomes a replica and keeps its connections, while the
// name under which it was reached leads to another. Client and worker follow.
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
