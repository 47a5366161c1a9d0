package proof

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestStalledServer stops redis-server for up to a minute, again and again.
//
//fault:server redis stands still for 5 to 60 s, fifty times | no worker is taken for dead, no handler is cancelled, no job runs again
func TestStalledServer(t *testing.T) {
	r := begin(t, "stalled-server", "redis-server is stopped with SIGSTOP for 5 to 60 s while jobs are enqueued and run, and goes on after SIGCONT.")
	stalls := max(2, r.scaled(50))
	servers := min(5, stalls)
	shortest, longest := 5*time.Second, 60*time.Second
	if !r.isFull() {
		longest = 35 * time.Second // what is longer takes too long for every day
	}
	const workers = 3
	r.note("%d servers side by side, each with %d workers with 25 slots. A fifth of the jobs takes 4 to 12 s, the others 1 ms; a tenth is scheduled.", servers, workers)
	var mu sync.Mutex
	total, worst := time.Duration(0), time.Duration(0)
	verdicts := r.sideBySide(servers, func(i int, rng *rand.Rand) *verdict {
		// Lengths are spread over the whole range, in a random order.
		var lengths []time.Duration
		for j := i; j < stalls; j += servers {
			part := (longest - shortest) / time.Duration(stalls)
			lengths = append(lengths, shortest+part*time.Duration(j)+time.Duration(rng.Int64N(int64(part))))
		}
		rng.Shuffle(len(lengths), func(a, b int) { lengths[a], lengths[b] = lengths[b], lengths[a] })
		s := r.site(redistest.Start(t))
		s.startWorkers(workers, workerConfig{})
		p, stop := s.producing(plan{Rate: 20, Mix: mix{ShortMs: 1, Long: 200, LongMs: 8000, Delayed: 100, DelayMs: 2000, IDs: 1000}})
		for _, d := range lengths {
			time.Sleep(3*time.Second + time.Duration(rng.Int64N(int64(4*time.Second))))
			s.stall(d)
			mu.Lock()
			total, worst = total+d, max(worst, d)
			mu.Unlock()
		}
		time.Sleep(5 * time.Second)
		stop()
		p.Wait()
		s.drain()
		s.stopWorkers()
		return s.judge(tolerance{})
	})
	sum := r.judged(verdicts...)
	r.figure("stalls", stalls)
	r.figure("together", total)
	r.figure("the longest", worst)
	r.demand("workers taken for dead", sum.Taken, "0", sum.Taken == 0)
	r.demand("handlers cancelled", sum.Cancelled, "0", sum.Cancelled == 0)
	r.demand("runs above one", sum.extra(), "0", sum.extra() == 0)
}
