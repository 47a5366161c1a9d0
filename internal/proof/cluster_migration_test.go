package proof

import (
	"slices"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestClusterMigration moves slots between the nodes of a Cluster under load, and then
// has replicas take the place of killed nodes.
//
//fault:server slots of queues, and of the list of workers, move between cluster nodes twenty times under load | no job is lost or run twice, no worker is taken for dead
//fault:server a cluster node is killed and its replica promoted, five times under load; jobs are enqueued with Replicas: 1 | no accepted job is lost, and workers go on within seconds
func TestClusterMigration(t *testing.T) {
	r := begin(t, "cluster-migration", "Slots move from node to node of a Cluster under load, key by key. Then nodes are killed, and their replicas promoted.")
	migrations, failovers := max(4, r.scaled(20)), max(1, r.scaled(5))
	r.note("Three nodes with a replica each; 2 worker processes of 25 slots on three queues, 4 producers, of which 2 have Replicas: 1. " +
		"Half of the jobs have an id of their own, a fifth is scheduled, 5 %% fail once or twice, 2 %% are snoozed.")
	r.note("Of four migrations three move the slot of a queue, one that of the list of workers, with their beats and subscriptions. After each key that has moved there is a pause of 30 ms, in which commands for several keys are answered with TRYAGAIN.")
	c := redistest.StartCluster(t)
	c.AddReplicas(t)
	r.describe(c.Nodes[0])

	queues := []string{"mail", "images", "reports"}
	s := r.siteAt(nil, c.URL(), queues...)
	stop := s.loaded(mix{ShortMs: 1, Delayed: 200, DelayMs: 1000, Failing: 50, Snoozed: 20, IDs: 500}, 0, 0, 1, 1)
	for i := range migrations {
		time.Sleep(time.Second + time.Duration(r.rng.Int64N(int64(time.Second))))
		key := s.namespace + ":workers"
		if i%4 != 3 {
			key = s.namespace + ":{" + queues[i%len(queues)] + "}"
		}
		slot := c.Slot(t, key)
		s.noteFault("the slot of %s moves", key)
		c.Migrate(t, slot, (c.Owner(slot)+1+r.rng.IntN(2))%len(c.Nodes), 30*time.Millisecond)
		s.noteFault("it has moved")
	}
	time.Sleep(2 * time.Second)
	stop()
	s.drain()
	s.stopWorkers()
	sum := r.judged(s.judge(tolerance{}))
	r.figure("migrations", migrations)
	for _, code := range []string{"MOVED", "ASK", "TRYAGAIN"} {
		n := c.Errors(t, code)
		r.demand("times that Redis answered "+code, n, "more than none", n > 0)
	}
	r.demand("handlers cancelled", sum.Cancelled, "0", sum.Cancelled == 0)
	r.demand("runs above one", sum.extra(), "0", sum.extra() == 0)
	h := newHistory()
	if err := h.readAll(s.dir); err != nil {
		t.Fatal(err)
	}
	r.timing("longest time in which no job started", h.standstill(), 5*time.Second)

	// What a killed node had done in its last moment is done again: another
	// namespace, with other rules.
	s = r.siteAt(nil, c.URL(), queues...)
	stop = s.loaded(mix{ShortMs: 1, Delayed: 100, DelayMs: 1000, Failing: 30, IDs: 1000}, 1, 1, 1, 1)
	pairs := make([][2]*redistest.Server, len(c.Nodes))
	for i := range pairs {
		pairs[i] = [2]*redistest.Server{c.Nodes[i], c.Replicas[i]}
	}
	var promoted []int64
	for i := range failovers {
		time.Sleep(2 * time.Second)
		key := s.namespace + ":workers"
		if i%2 == 0 {
			key = s.namespace + ":{mail}"
		}
		node := c.Owner(c.Slot(t, key))
		pair := &pairs[node]
		s.noteFault("the node of %s killed", key)
		pair[0].Kill()
		c.AwaitPromotion(t, pair[1])
		promoted = append(promoted, micros())
		s.noteFault("another is promoted")
		time.Sleep(time.Second)
		c.Rejoin(t, pair[0])
		redistest.AwaitReplicas(t, pair[1], 1)
		s.noteFault("it has a replica")
		pair[0], pair[1] = pair[1], pair[0]
	}
	time.Sleep(2 * time.Second)
	stop()
	s.drain()
	s.stopWorkers()
	r.figure("nodes killed", failovers)
	h = newHistory()
	if err := h.readAll(s.dir); err != nil {
		t.Fatal(err)
	}
	r.failedOver("killed nodes", true, s.judge(tolerance{Takeovers: true}), h, promoted)
}

// standstill is the longest time between two starts.
func (h *history) standstill() time.Duration {
	var starts []int64
	for i := range h.runs {
		starts = append(starts, h.runs[i].start)
	}
	slices.Sort(starts)
	longest := int64(0)
	for i := 1; i < len(starts); i++ {
		longest = max(longest, starts[i]-starts[i-1])
	}
	return time.Duration(longest) * time.Microsecond
}
