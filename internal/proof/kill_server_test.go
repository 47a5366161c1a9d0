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
//fault:server redis is killed with kill -9 a hundred times under load and restarts (aof everysec on a quick disk, or always on any) | no accepted job is lost, no worker is taken for dead; what ran goes on
func TestKillServer(t *testing.T) {
	r := begin(t, "kill-server", "redis-server is killed with kill -9 at random moments while jobs are enqueued and run, and started again at once.")
	kills := max(2, r.scaled(100))
	jobs := max(1000, r.scaled(200_000)) / 2
	const pause = 2 * time.Second
	length := time.Duration(kills) * (pause + pause/2)
	const workers = 3
	r.note("Two servers side by side, each killed %d times. One syncs its append-only file every second. It lies in memory, if the system has a place for that (`/dev/shm`): while a sync is under way Redis answers before it writes, so that a kill of its process does lose answered writes on a disk that is slow. The other syncs always, on the disk of this machine.", kills)
	r.note("%d workers with 25 slots on each. Half of the jobs have an id of their own and are enqueued again when the reply was lost; a tenth is scheduled, a twentieth fails once or twice, 2 %% take 1 to 3 s, the others 1 ms.", workers)
	settings := [][]string{redistest.EverySec(t), {"--appendonly", "yes", "--appendfsync", "always"}}
	verdicts := r.sideBySide(len(settings), func(i int, rng *rand.Rand) *verdict {
		s := r.site(redistest.Start(t, settings[i]...))
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
		s.drain()
		s.stopWorkers()
		return s.judge(tolerance{})
	})
	sum := r.judged(verdicts...)
	r.figure("kills of a server", len(settings)*kills)
	r.demand("handlers cancelled", sum.Cancelled, "0", sum.Cancelled == 0)
	r.demand("runs above one", sum.extra(), "0", sum.extra() == 0)
}
