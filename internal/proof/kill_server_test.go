package proof

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestKillServer kills redis-server under load and starts it again on its
// append-only file.
//
//fault:server redis is killed with kill -9 a hundred times under load and restarts (aof everysec) | no accepted job is lost, no worker is taken for dead; what ran goes on
func TestKillServer(t *testing.T) {
	r := begin(t, "kill-server", "redis-server is killed with kill -9 at random moments while jobs are enqueued and run, and started again at once. It has an append-only file that is synced every second.")
	kills := max(2, r.scaled(100))
	jobs := max(1000, r.scaled(200_000))
	const pause = 2 * time.Second
	length := time.Duration(kills) * (pause + pause/2)
	s := r.site(redistest.Start(t, "--appendonly", "yes", "--appendfsync", "everysec"))
	const workers = 3
	s.startWorkers(workers, workerConfig{})
	r.note("%d workers with 25 slots. Half of the jobs have an id of their own and are enqueued again when the reply was lost; a tenth is scheduled, a twentieth fails once or twice, 2 %% take 1 to 3 s, the others 1 ms.", workers)
	var produced sync.WaitGroup
	produced.Go(func() {
		s.produce(plan{Jobs: jobs, Rate: float64(jobs) / length.Seconds(), Batch: 5, Mix: mix{
			ShortMs: 1, Long: 20, LongMs: 2000, Delayed: 100, DelayMs: 1000, Failing: 50, IDs: 500,
		}})
	})
	delayed := 0
	for range kills {
		time.Sleep(pause/2 + time.Duration(r.rng.Int64N(int64(pause))))
		n, _ := strconv.Atoi(s.server.Info(t, "persistence", "aof_delayed_fsync"))
		delayed += n
		s.noteFault("server killed")
		s.server.Kill()
		s.server.Restart(t)
	}
	produced.Wait()
	s.drain()
	s.stopWorkers()
	sum := r.judged(s.judge(tolerance{}))
	r.figure("kills of the server", kills)
	// While a sync is under way Redis answers before it has written, for up to
	// two seconds: then a kill does lose what was answered.
	r.figure("times that Redis put off writing its file for a slow disk", delayed)
	r.demand("handlers cancelled", sum.Cancelled, "0", sum.Cancelled == 0)
	r.demand("runs above one", sum.extra(), "0", sum.extra() == 0)
}
