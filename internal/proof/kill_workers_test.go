package proof

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestKillWorkers kills worker processes under load and counts every job.
//
//fault:process workers are killed with kill -9 a thousand times under load | no job is lost; only what was running or not yet written runs again, within seconds
func TestKillWorkers(t *testing.T) {
	r := begin(t, "kill-workers", "Worker processes are killed with kill -9 at random moments while they run jobs, and started again at once.")
	// A kill a second in all, but each group has time to notice one before the
	// next: what is measured is the death of a worker, not of its observer too.
	const groups, perGroup = 4, 6
	const pause, jitter = 4 * time.Second, time.Second
	kills := max(1, r.scaled(1000)/groups)
	jobs := r.scaled(1_000_000) / groups
	r.note("%d groups of %d workers with 25 slots, each group with a namespace of its own on one server; in each a kill every %v to %v.",
		groups, perGroup, pause, pause+jitter)
	r.note("8 %% of the jobs take 1.5 to 4.5 s, unless a process has died of them already; the others 1 ms.")
	server := redistest.Start(t)
	metronome := r.metronome(server)
	length := time.Duration(kills) * (pause + jitter/2)
	verdicts := r.sideBySide(groups, func(_ int, rng *rand.Rand) *verdict {
		s := r.site(server)
		workers := s.startWorkers(perGroup, workerConfig{})
		var produced sync.WaitGroup
		produced.Go(func() {
			s.produce(plan{Jobs: jobs, Rate: float64(jobs) / length.Seconds(), Batch: 20, Mix: mix{ShortMs: 1, Long: 80, LongMs: 3000}})
		})
		for range kills {
			time.Sleep(pause + time.Duration(rng.Int64N(int64(jitter))))
			w := workers[rng.IntN(perGroup)]
			w.kill()
			w.restart()
		}
		produced.Wait()
		s.drain()
		s.stopWorkers()
		return s.judge(tolerance{})
	})
	sum := r.judged(verdicts...)
	r.demand("kills", sum.Kills, thousands(int64(kills*groups)), sum.Kills == kills*groups)
	r.demand("deaths noticed by other workers", sum.Taken, "as many, or fewer by those whose observer died in between", sum.Taken > sum.Kills*9/10)
	r.demand("runs that were cut", sum.Cut, "more than kills: each met running jobs", sum.Cut > sum.Kills)
	all := quantiles(sum.Recovery, 0.99, 1)
	r.figure("from a kill to the next start, p99", all[0])
	r.figure("from a kill to the next start, at most", all[1])
	// Of a machine that stands still now and then, the time of that says nothing.
	kept, late := []recovery{}, map[int64]bool{}
	for _, c := range sum.Recovery {
		if metronome.keptUp(c.killed, c.killed+c.took.Microseconds()) {
			kept = append(kept, c)
		} else {
			late[c.killed] = true
		}
	}
	r.demand(fmt.Sprintf("kills during which the machine stood still for more than %v", lateBy), len(late), "half at most, at full size", len(late) <= sum.Kills/2 || !r.isFull())
	of := quantiles(kept, 0.99, 1)
	r.timing("without these, p99", of[0], 3*time.Second)
	r.timing("without these, at most", of[1], 8*time.Second)
}
