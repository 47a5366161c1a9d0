package proof

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestKillServer kills redis-server under load and starts it again on its
// append-only file.
//
//fault:server redis is killed with kill -9 a hundred times under load and restarts (aof always; everysec while disk and machine keep up) | no accepted job is lost, no worker is taken for dead; what ran goes on
func TestKillServer(t *testing.T) {
	r := begin(t, "kill-server", "redis-server is killed with kill -9 at random moments while jobs are enqueued and run, and started again at once.")
	kills := max(2, r.scaled(100))
	jobs := max(1000, r.scaled(200_000)) / 2
	const pause = 2 * time.Second
	length := time.Duration(kills) * (pause + pause/2)
	const workers = 3
	r.note("Two servers side by side, each killed %d times. One syncs its append-only file before it answers, the other every second. The latter answers before it has written while a sync is under way, and so a kill of its process can lose answered writes when disk or machine are slow. A canary, a counter that has nothing to do with tasuki, tells whether Redis did that; then the rules are not applied to this server, and what was lost is only told.", kills)
	r.note("%d workers with 25 slots on each. Half of the jobs have an id of their own and are enqueued again when the reply was lost; a tenth is scheduled, a twentieth fails once or twice, 2 %% take 1 to 3 s, the others 1 ms.", workers)
	policies := []string{"always", "everysec"}
	forgot := make([]int, len(policies))
	verdicts := r.sideBySide(len(policies), func(i int, rng *rand.Rand) *verdict {
		s := r.site(redistest.Start(t, "--appendonly", "yes", "--appendfsync", policies[i]))
		canary := startCanary(s.server)
		s.startWorkers(workers, workerConfig{})
		var produced sync.WaitGroup
		produced.Go(func() {
			s.produce(plan{Jobs: jobs, Rate: float64(jobs) / length.Seconds(), Batch: 5, Mix: mix{
				ShortMs: 1, Long: 20, LongMs: 2000, Delayed: 100, DelayMs: 1000, Failing: 50, IDs: 500,
			}})
		})
		for range kills {
			time.Sleep(pause/2 + time.Duration(rng.Int64N(int64(pause))))
			s.noteFault("server killed")
			s.server.Kill()
			s.server.Restart(t)
		}
		produced.Wait()
		forgot[i] = canary.end()
		s.drain()
		s.stopWorkers()
		return s.judge(tolerance{})
	})
	for i, policy := range policies {
		r.figure("kills of the server with "+policy, kills)
		r.figure("of these in which Redis lost what it had answered", forgot[i])
	}
	r.demand("kills in which always lost what it had answered", forgot[0], "0", forgot[0] == 0)
	if lossy := verdicts[1]; lossy != nil && forgot[1] > 0 {
		r.figure("jobs lost with that", len(lossy.Lost))
		r.note("**Redis itself lost answered writes with everysec: that server is not judged.**")
		verdicts = verdicts[:1]
	}
	sum := r.judged(verdicts...)
	r.demand("handlers cancelled", sum.Cancelled, "0", sum.Cancelled == 0)
	r.demand("runs above one", sum.extra(), "0", sum.extra() == 0)
}
