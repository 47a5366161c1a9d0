package proof

import (
	"fmt"
	"sync"
	"testing"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestPoison puts jobs that kill whatever process runs them among good ones.
//
//fault:process jobs that kill their process lie among 10,000 good ones | three deaths for each, then it is dead as poison; all others are done
func TestPoison(t *testing.T) {
	r := begin(t, "poison", "Among good jobs lie some that end the process that runs them. Whatever process dies is started again, as a supervisor does.")
	good, poison := max(500, r.scaled(10_000)), max(2, r.scaled(20))
	s := r.site(redistest.Start(t))
	const workers, slots = 3, 10
	r.note("%d workers with %d slots. Good jobs take 5 ms.", workers, slots)
	// The last numbers are the poison; they lie among the others at random.
	specs := make([]tasuki.Spec, good)
	for i := range specs {
		specs[i] = kind.Spec(task{N: i, Ms: 5, Slow: true})
	}
	for i := range poison {
		at := r.rng.IntN(len(specs) + 1)
		specs = append(specs, tasuki.Spec{})
		copy(specs[at+1:], specs[at:])
		specs[at] = kind.Spec(task{N: good + i, Exit: true})
	}
	l := s.ledger("producer")
	l.note("try 0 %d", len(specs))
	if _, err := s.client.EnqueueMany(t.Context(), specs); err != nil {
		t.Fatal(err)
	}
	l.note("accepted 0 %d", len(specs))
	quit := make(chan struct{})
	var wg sync.WaitGroup
	for i := range workers {
		// They die as soon as they are there: it is no use to wait for all.
		w := s.startWorker(string(rune('a'+i)), workerConfig{Concurrency: slots})
		wg.Go(func() {
			for {
				select {
				case <-w.Ended():
					w.restart()
				case <-quit:
					return
				}
			}
		})
	}
	took := s.drain()
	close(quit)
	wg.Wait()
	s.stopWorkers()
	v := s.judge(tolerance{})
	r.judged(v)
	most, dead := 0, 0
	var innocent []string
	for n, places := range v.found.places {
		switch {
		case n < good:
			innocent = append(innocent, fmt.Sprintf("job %d is in %v", n, places))
		default:
			dead++
		}
	}
	for n := good; n < good+poison; n++ {
		most = max(most, v.runsOf[n])
	}
	r.figure("drained in", took)
	r.demand("good jobs done", v.Done, thousands(int64(good)), v.Done == good)
	r.none("good jobs that are dead", innocent)
	r.demand("poison that is dead", dead, thousands(int64(poison)), dead == poison)
	r.demand("deaths of a process by one job, at most", most, "3", most <= 3)
	r.demand("deaths of processes", v.Kills, fmt.Sprint("at most ", 3*poison), v.Kills <= 3*poison)
}
