package proof

import (
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestFullServer has workers drain a backlog from a server that has no memory left.
//
//fault:server redis is full (noeviction) with a backlog of 100,000 jobs | enqueue answers ErrFull, workers live, register and leave, and drain everything
func TestFullServer(t *testing.T) {
	r := begin(t, "full-server", "A backlog is enqueued. Then `maxmemory` is set far below what is used, with `noeviction`, and workers are started: they drain it on the full server. One is killed meanwhile. At the end the server gets memory again.")
	jobs := r.scaled(100_000)
	s := r.site(redistest.Start(t, "--maxmemory-policy", "noeviction"))
	m := mix{ShortMs: 1, Long: 5, LongMs: 500, Failing: 50, Snoozed: 20, Delayed: 100, DelayMs: 3000, Pad: 200, IDs: 300}
	s.producer(s.client, plan{Jobs: jobs, Batch: 500, Mix: m, Of: 2}).run(t.Context(), 0)
	s.server.Do(t, "CONFIG", "SET", "maxmemory", "1mb")
	s.noteFault("maxmemory 1mb")
	// Another producer never stops to try.
	const late = 100
	p, _ := s.producing(plan{Jobs: late, Batch: 10, Mix: m, Of: 2, Index: 1})
	const workers = 3
	victim := s.startWorkers(workers, workerConfig{})[0]
	time.Sleep(time.Duration(500+r.rng.IntN(1000)) * time.Millisecond)
	victim.kill()
	victim.restart()
	took := s.drain()
	before, err := s.survey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	used := s.server.Info(t, "memory", "used_memory_human")
	s.server.Do(t, "CONFIG", "SET", "maxmemory", "0")
	s.noteFault("maxmemory 0")
	p.Wait()
	s.drain()
	s.stopWorkers()
	v := s.judge(tolerance{})
	r.judged(v)
	r.note("%d workers with 25 slots. Jobs of about 350 bytes; a twentieth fails once or twice, a tenth is scheduled within 3 s.", workers)
	r.figure("memory used when it was drained, of 1 MB allowed", used)
	r.figure("drained in", took)
	r.demand("done while the server was full", before.Counts["done"], thousands(int64(jobs)), before.Counts["done"] == int64(jobs))
	r.demand("times that an enqueue said ErrFull", v.Full, "some", v.Full > 0)
	r.demand("jobs accepted when there was memory again", v.Accepted-jobs, thousands(late), v.Accepted-jobs == late)
}
