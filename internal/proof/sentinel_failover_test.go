package proof

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestSentinelFailover has replicas take the place of masters under load: one half of
// the load waits for the replica to confirm each enqueue, the other does not.
//
//fault:server the master dies or freezes and a replica is promoted, twenty times under load; jobs are enqueued with Replicas: 1 | no accepted job is lost, and workers go on within seconds of the new master
//fault:server the same without Replicas, the replica cut off just before the master dies | what the replica did not have yet is lost, and nothing else
func TestSentinelFailover(t *testing.T) {
	r := begin(t, "sentinel-failover", "The master is killed or frozen under load, Sentinel promotes its replica, and the old master comes back as the replica of the new one.")
	failovers := max(2, r.scaled(20))
	r.note("Two namespaces on the same servers, each with 2 worker processes of 25 slots and 4 producers. The producers of the one have Replicas: 1, those of the other do not wait. " +
		"All jobs have an id of their own and are enqueued again when the answer is not known; half of them is due up to 3 s later (what is done at once cannot be lost), 3 %% fail once or twice.")
	r.note("Of four failovers, in turn: the master is killed after its replica has been cut off for 0.3 s; frozen, and thawed when the replica is master; killed after a cut again; killed at once.")
	sentinel := redistest.StartSentinel(t, 1)
	r.describe(sentinel.Nodes[0])

	sites := map[string]*site{"with": r.siteAt(nil, sentinel.URL()), "without": r.siteAt(nil, sentinel.URL())}
	load := mix{ShortMs: 1, Delayed: 500, DelayMs: 3000, Failing: 30, IDs: 1000}
	stops := []func(){sites["with"].loaded(load, 1, 1, 1, 1), sites["without"].loaded(load, 0, 0, 0, 0)}

	var promoted []int64 // when clients could know of each new master
	for i := range failovers {
		sentinelPause(r.rng)
		old := sentinel.Master(t)
		note := func(what string) {
			for _, s := range sites {
				s.noteFault("%s", what)
			}
		}
		switch i % 4 {
		case 1:
			note("master frozen")
			old.Signal(t, syscall.SIGSTOP)
		case 3:
			note("master killed")
			old.Kill()
		default:
			note("replica cut off, then the master killed")
			heal := sentinel.CutReplicas(t, old)
			time.Sleep(300 * time.Millisecond)
			old.Kill()
			heal()
		}
		sentinel.AwaitMaster(t, old)
		promoted = append(promoted, micros())
		note("another master")
		// It is alone for a while: what has to be confirmed is not.
		time.Sleep(time.Second)
		if i%4 == 1 {
			// It takes itself for the master until Sentinel, after some seconds,
			// tells it otherwise.
			old.Signal(t, syscall.SIGCONT)
		} else {
			sentinel.Rejoin(t, old)
		}
		sentinel.AwaitWhole(t)
		note("it has a replica")
	}
	sentinelPause(r.rng)
	for _, stop := range stops {
		stop()
	}

	r.figure("failovers", failovers)
	for _, name := range []string{"with", "without"} {
		s := sites[name]
		s.drain()
		s.stopWorkers()
		h := newHistory()
		if err := h.readAll(s.dir); err != nil {
			t.Fatal(err)
		}
		r.failedOver(name+" Replicas", name == "with", s.judge(tolerance{Takeovers: true}), h, promoted)
	}
}

// loaded starts two workers, and a producer for each number of replicas that have to
// confirm its jobs, until stop is called.
func (s *site) loaded(m mix, replicas ...int) (stop func()) {
	s.t.Helper()
	s.startWorkers(2, workerConfig{})
	ctx, cancel := context.WithCancel(s.t.Context())
	var produced sync.WaitGroup
	for i, n := range replicas {
		client, err := tasuki.Open(s.url, &tasuki.ClientConfig{Namespace: s.namespace, Logger: slog.New(slog.DiscardHandler), Replicas: n})
		if err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(client.Close)
		p := s.producer(client, plan{Rate: 100, Batch: 2, Index: i, Of: len(replicas), Mix: m})
		produced.Go(func() { p.run(ctx, 0) })
	}
	stop = func() {
		cancel()
		produced.Wait()
	}
	s.t.Cleanup(stop) // before the clients are closed
	return stop
}

// sentinelPause lets the load run; between two failovers Sentinel lets at least three
// seconds pass.
func sentinelPause(rng *rand.Rand) {
	time.Sleep(2*time.Second + time.Duration(rng.Int64N(int64(2*time.Second))))
}

// failedOver adds the figures of a namespace that was set back some moments, again and
// again: what had been done in these moments is done again, so that ledgers and Redis
// can differ in what is counted.
func (r *row) failedOver(name string, whole bool, v *verdict, h *history, promoted []int64) {
	r.t.Helper()
	if v == nil {
		r.t.Fatal("a part of the row has not come to its end")
	}
	r.figure(name+": jobs accepted", v.Accepted)
	r.demand(name+": jobs that ended well", v.Done, "more than none", v.Done > 0)
	r.figure(name+": jobs never known to be in or not", v.Uncertain)
	if whole {
		r.none(name+": jobs lost", v.Lost)
	} else {
		r.figure(name+": jobs lost", len(v.Lost))
		if r.isFull() {
			r.demand(name+": the faults can lose jobs", len(v.Lost) > 0, "true", len(v.Lost) > 0)
		}
	}
	r.none(name+": jobs run that nobody had enqueued", v.Phantom)
	r.none(name+": jobs in two places, or done and still there", v.Homeless)
	r.none(name+": leftovers of stopped workers", v.Residue)
	r.none(name+": problems found by `tasuki check`", v.Problems)
	r.none(name+": live workers taken for dead", v.Takeovers)
	r.figure(name+": runs above one for each job", v.extra())
	r.figure(name+": fencing numbers that were given again", len(v.Fencing))

	var worst time.Duration
	for _, at := range promoted {
		first := time.Duration(-1)
		for i := range h.runs {
			if d := time.Duration(h.runs[i].start-at) * time.Microsecond; d >= 0 && (first < 0 || d < first) {
				first = d
			}
		}
		if first < 0 {
			r.t.Errorf("%s: no job has started after a new master", name)
		}
		worst = max(worst, first)
	}
	r.timing(name+": from a new master to the next start, at most", worst, 5*time.Second)
	for _, text := range v.Strange[:min(len(v.Strange), 3)] {
		r.t.Logf("%s: %s", name, text)
	}
}
