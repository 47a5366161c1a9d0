package proof

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestFrozenWorkers stops worker processes for longer and for shorter than the limit
// after which they are taken for dead, and lets them go on.
//
//fault:process workers are frozen for 31 to 45 s and wake up | their jobs run elsewhere meanwhile; nothing that the old runs do then is accepted
//fault:process workers are frozen for up to 20 s and wake up | nothing: no worker is taken for dead, no job runs again
func TestFrozenWorkers(t *testing.T) {
	r := begin(t, "frozen-workers", "Worker processes are stopped with SIGSTOP while they run jobs, half of them for longer than the 30 s after which a worker is dead, and go on after SIGCONT.")
	long, short := max(3, r.scaled(300)), max(3, r.scaled(300))
	const perSite = 10
	sites := min(6, (long+short+perSite-1)/perSite)
	victims := min(perSite, long+short)
	r.note("%d servers, each with one worker that is left alone and %d that are frozen, many at a time. Every job takes 1 to 3 s, unless a worker was dead of it already.", sites, victims)
	// The fates, in a random order: true is long.
	fates := make([]bool, long+short)
	for i := range long {
		fates[i] = true
	}
	r.rng.Shuffle(len(fates), func(i, j int) { fates[i], fates[j] = fates[j], fates[i] })
	verdicts := r.sideBySide(sites, func(i int, rng *rand.Rand) *verdict {
		mine := fates[i*len(fates)/sites : (i+1)*len(fates)/sites]
		s := r.site(redistest.Start(t))
		s.startWorker("watch", workerConfig{})
		s.waitWorkers(1)
		workers := s.startWorkers(victims, workerConfig{})
		p, stop := s.producing(plan{Rate: 15, Mix: mix{Long: 1000, LongMs: 2000}})
		time.Sleep(3 * time.Second) // they have jobs, and know each other
		for len(mine) > 0 {
			round := mine[:min(victims, len(mine))]
			mine = mine[len(round):]
			var frozen sync.WaitGroup
			for j, isLong := range round {
				d := time.Second + time.Duration(rng.Int64N(int64(19*time.Second)))
				if isLong {
					d = 31*time.Second + time.Duration(rng.Int64N(int64(14*time.Second)))
				}
				frozen.Go(func() {
					workers[j].freeze()
					time.Sleep(d)
					workers[j].thaw()
				})
			}
			frozen.Wait()
			time.Sleep(3 * time.Second) // the last ones learn what has happened, and take jobs again
		}
		stop()
		p.Wait()
		s.drain()
		s.stopWorkers()
		return s.judge(tolerance{})
	})
	sum := r.judged(verdicts...)
	r.demand("workers frozen for 31 to 45 s", long, thousands(int64(long)), true)
	// Time in which the machine stood still counts for no rule, so that on a busy
	// one a worker may come back just before it is taken for dead.
	r.demand("of these taken for dead", sum.Taken, "nine of ten", sum.Taken >= long*9/10)
	r.demand("jobs of these that ran elsewhere", sum.Stale, "some", sum.Stale > 0)
	r.demand("workers frozen for 1 to 20 s", short, thousands(int64(short)), true)
}
