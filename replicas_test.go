package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// startPair starts a master and a replica that is in step with it.
func startPair(t *testing.T) (master, replica *redistest.Server) {
	t.Helper()
	port := redistest.FreePort(t)
	master = redistest.Start(t, "--port", port, "--bind", "127.0.0.1", "--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0")
	replica = redistest.Start(t, "--replicaof", "127.0.0.1", port)
	redistest.WaitFor(t, "the replica", func() error {
		// WAIT answers how many there are, as this connection has written nothing.
		if got := master.Do(t, "WAIT", "1", "100"); got != ":1" {
			return errors.New(got)
		}
		return nil
	})
	return master, replica
}

// waysToEnqueue is every way to put in a job; each puts in n jobs or elements.
var waysToEnqueue = map[string]func(ctx context.Context, c *tasuki.Client, n int) error{
	"one": func(ctx context.Context, c *tasuki.Client, n int) error {
		for i := range n {
			if _, err := number.Enqueue(ctx, c, i); err != nil {
				return err
			}
		}
		return nil
	},
	"many": func(ctx context.Context, c *tasuki.Client, n int) error {
		var specs []tasuki.Spec
		for i := range n {
			specs = append(specs, number.With(tasuki.Opts{Queue: "many"}).Spec(i))
		}
		_, err := c.EnqueueMany(ctx, specs)
		return err
	},
	"scheduled": func(ctx context.Context, c *tasuki.Client, n int) error {
		for i := range n {
			if _, err := number.With(tasuki.Opts{Queue: "scheduled", In: time.Hour}).Enqueue(ctx, c, i); err != nil {
				return err
			}
		}
		return nil
	},
	"id": func(ctx context.Context, c *tasuki.Client, n int) error {
		for i := range n {
			if _, err := number.With(tasuki.Opts{Queue: "id", ID: fmt.Sprint(i)}).Enqueue(ctx, c, i); err != nil {
				return err
			}
		}
		return nil
	},
	"push": func(ctx context.Context, c *tasuki.Client, n int) error {
		for i := range n {
			if err := c.Push(ctx, tasuki.Queue{Name: "push"}, []byte(fmt.Sprint(i))); err != nil {
				return err
			}
		}
		return nil
	},
}

// held is how to ask a server for the number of jobs that a way has put in.
func (e *env) held(way string) []string {
	switch way {
	case "one":
		return []string{"LLEN", e.key("default")}
	case "scheduled":
		return []string{"ZCARD", e.key("scheduled", "scheduled")}
	}
	return []string{"LLEN", e.key(way)}
}

// TestReplicas: what is accepted is in the replica, whichever way it was put in.
// Without Replicas nobody waits.
func TestReplicas(t *testing.T) {
	t.Parallel()
	master, replica := startPair(t)
	e := newEnv(t, master.URL())
	client := e.open(&tasuki.ClientConfig{Replicas: 1, ReplicasTimeout: 20 * time.Second})
	const n = 20
	for way, put := range waysToEnqueue {
		if err := put(e.ctx, client, n); err != nil {
			t.Errorf("%s: %v", way, err)
		}
		if got := replica.Do(t, e.held(way)...); got != fmt.Sprint(":", n) {
			t.Errorf("%s: the replica has %s of %d jobs", way, got, n)
		}
	}
	waits := func() string {
		reply, err := master.Ask("INFO", "commandstats")
		if err != nil {
			t.Fatal(err)
		}
		_, reply, _ = strings.Cut(reply, "cmdstat_wait:")
		reply, _, _ = strings.Cut(reply, ",")
		return reply
	}
	before := waits()
	if before == "" {
		t.Error("no WAIT was sent")
	}
	for way, put := range waysToEnqueue {
		if err := put(e.ctx, e.client, 1); err != nil {
			t.Errorf("%s: %v", way, err)
		}
	}
	if after := waits(); after != before {
		t.Errorf("a client without Replicas has sent WAIT: %s after %s", after, before)
	}
}

// TestReplicaFrozen: a replica that stands still confirms nothing. Every way to
// enqueue says so within the bound, nobody else waits along, and a repetition with
// the job's id waits again.
//
//fault:server a replica stands still, and jobs have to be confirmed by it | enqueue says within its time limit that they are not; with an id it can be repeated, and nothing is doubled
func TestReplicaFrozen(t *testing.T) {
	t.Parallel()
	master, replica := startPair(t)
	e := newEnv(t, master.URL())
	short := e.open(&tasuki.ClientConfig{Replicas: 1, ReplicasTimeout: 250 * time.Millisecond})
	patient := e.open(&tasuki.ClientConfig{Replicas: 1, ReplicasTimeout: time.Minute})
	// Connections that are there already, and of which the replica has all.
	redistest.WaitFor(t, "a first confirmation", func() error {
		_, err := number.With(tasuki.Opts{Queue: "before"}).Enqueue(e.ctx, short, 1)
		return err
	})
	replica.Signal(t, syscall.SIGSTOP)
	resume := func() { replica.Signal(t, syscall.SIGCONT) }
	defer func() { resume() }()

	for way, put := range waysToEnqueue {
		start := time.Now()
		err := put(e.ctx, short, 1)
		if !errors.Is(err, tasuki.ErrNotReplicated) || !errors.Is(err, tasuki.ErrUncertain) || !strings.Contains(fmt.Sprint(err), "0 of 1 within 250ms") {
			t.Errorf("%s: %v, want ErrNotReplicated", way, err)
		}
		if took := time.Since(start); took < 250*time.Millisecond || took > 5*time.Second {
			t.Errorf("%s: after %v", way, took)
		}
		if got := master.Do(t, e.held(way)...); got != ":1" {
			t.Errorf("%s: the master has %s jobs", way, got)
		}
	}
	if err := waysToEnqueue["id"](e.ctx, short, 1); !errors.Is(err, tasuki.ErrNotReplicated) {
		t.Errorf("a repetition: %v, want ErrNotReplicated", err)
	}

	// One waits, and others use the same client.
	ctx, cancel := context.WithCancel(e.ctx)
	ended := make(chan error, 1)
	mine := number.With(tasuki.Opts{Queue: "mine", ID: "mine"})
	go func() {
		_, err := mine.Enqueue(ctx, patient, 1)
		ended <- err
	}()
	redistest.WaitFor(t, "WAIT", func() error {
		if reply, err := master.Ask("INFO", "clients"); err != nil || !strings.Contains(reply, "blocked_clients:1") {
			return fmt.Errorf("nobody waits (%v)", err)
		}
		return nil
	})
	start := time.Now()
	if err := patient.Ping(e.ctx); err != nil || time.Since(start) > 5*time.Second {
		t.Errorf("Ping beside one that waits: %v after %v", err, time.Since(start))
	}
	select {
	case err := <-ended:
		t.Errorf("the enqueue did not wait: %v", err)
	default:
	}
	cancel()
	if err := <-ended; !errors.Is(err, tasuki.ErrUncertain) || !errors.Is(err, context.Canceled) {
		t.Errorf("an enqueue whose context ends while it waits: %v", err)
	}

	resume()
	resume = func() {}
	info, err := mine.Enqueue(e.ctx, patient, 1)
	if err != nil || !info.Existed {
		t.Errorf("a repetition: %+v, %v", info, err)
	}
	if got := replica.Do(t, "LLEN", e.key("mine")); got != ":1" {
		t.Errorf("the replica has %s jobs", got)
	}
}

// TestReplicaGone: with no replica left, nothing is accepted that had to be
// confirmed. What a client asks that does not wait for replicas is.
//
//fault:server the replicas are gone, and jobs have to be confirmed by one | enqueue says that they are not confirmed; workers go on
func TestReplicaGone(t *testing.T) {
	t.Parallel()
	master, replica := startPair(t)
	e := newEnv(t, master.URL())
	client := e.open(&tasuki.ClientConfig{Replicas: 1, ReplicasTimeout: 50 * time.Millisecond})
	replica.Kill()
	for way, put := range waysToEnqueue {
		if err := put(e.ctx, client, 1); !errors.Is(err, tasuki.ErrNotReplicated) {
			t.Errorf("%s: %v, want ErrNotReplicated", way, err)
		}
	}
	w := e.worker(tasuki.WorkerConfig{})
	got := collect(w, number)
	e.run(w)
	e.enqueue(number, 1)
	got.wait(t, 2) // the one that is not confirmed runs too
	e.settled("default", 2)
}

// TestReplicasOfPromoted: a client that only enqueues, and that knows of the nodes of a
// Cluster what one of them has told, finds the replica that has taken the place of its
// node. The killed one does not come back.
//
//fault:server a cluster node is killed for good and its replica promoted; jobs have to be confirmed by one | enqueue finds the new node within seconds, and says that it has no replica
func TestReplicasOfPromoted(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	c.AddReplicas(t)
	e := clusterEnv(t, c) // they are there when it is checked in the end
	queue := ""
	for i := 0; queue == "" || c.Owner(c.Slot(t, e.key(queue))) == 0; i++ { // node 0 is that of the URL
		queue = fmt.Sprint("q", i)
	}
	k := number.With(tasuki.Opts{Queue: queue})
	client := e.open(&tasuki.ClientConfig{Replicas: 1, ReplicasTimeout: time.Second})
	if _, err := k.Enqueue(e.ctx, client, 1); err != nil {
		t.Fatal(err)
	}
	owner := c.Owner(c.Slot(t, e.key(queue)))
	c.Nodes[owner].Kill()
	c.AwaitPromotion(t, c.Replicas[owner])
	redistest.WaitFor(t, "the new node", func() error {
		if _, err := k.Enqueue(e.ctx, client, 2); !errors.Is(err, tasuki.ErrNotReplicated) {
			return fmt.Errorf("enqueue: %w", err)
		}
		return nil
	})
}

// TestReplicasAfterRestart: a server that is restarted meanwhile costs no call an
// uncertain answer that was not under way.
func TestReplicasAfterRestart(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t)
	e := newEnv(t, master.URL())
	client := e.open(&tasuki.ClientConfig{Replicas: 1, ReplicasTimeout: time.Millisecond})
	for range 2 {
		if _, err := number.Enqueue(e.ctx, client, 1); !strings.Contains(fmt.Sprint(err), "0 of 1") {
			t.Fatal(err)
		}
		master.Kill()
		master.Restart(t)
	}
}

// TestReplicasEmbedded: a server without replicas confirms nothing.
func TestReplicasEmbedded(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		client := e.open(&tasuki.ClientConfig{Replicas: 1, ReplicasTimeout: time.Millisecond})
		info, err := number.Enqueue(e.ctx, client, 1)
		if !errors.Is(err, tasuki.ErrNotReplicated) || info.ID == "" || info.Queue != "default" || info.Kind != number.Name() {
			t.Errorf("%+v, %v, want ErrNotReplicated and the job's address", info, err)
		}
	})
}

// TestReplicasLeastRights: the users of deploy/acl may wait for replicas; with what
// docs/operating.md names they reach a master through Sentinel.
func TestReplicasLeastRights(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t, 1)
	e := newEnv(t, s.URL())
	for _, role := range []string{"producer", "worker"} {
		u, err := url.Parse(s.Nodes[0].As(t, role, e.namespace))
		if err != nil {
			t.Fatal(err)
		}
		s.Nodes[0].Do(t, "ACL", "SETUSER", u.User.Username(), "+role")
		client := e.openWith(strings.Replace(s.URL(), "redis://", "redis://"+u.User.String()+"@", 1), &tasuki.ClientConfig{Replicas: 1, ReplicasTimeout: 20 * time.Second})
		if _, err := number.Enqueue(e.ctx, client, 1); err != nil {
			t.Errorf("%s: %v", role, err)
		}
	}
}
