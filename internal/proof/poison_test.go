package proof

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestPoison puts jobs that kill whatever process runs them among good ones.
//
//fault:process a job kills every process that runs it, among 10,000 good ones | three deaths, then it is dead as poison; the good ones are done
func TestPoison(t *testing.T) {
	r := begin(t, "poison", "Among good jobs lie some that end the process that runs them. Whatever process dies is started again, as a supervisor does. In a first part the next one comes when the last one is dead, in a second all are there at once.")
	c := poisonCase{good: max(500, r.scaled(10_000)), poison: max(2, r.scaled(20)), workers: 3, slots: 10}
	r.note("In each part %s good jobs, which take 5 ms, %d that are poison, and %d workers with %d slots.", thousands(int64(c.good)), c.poison, c.workers, c.slots)
	// A job that lies beside the poison dies with it, twice at most: then each
	// of the two runs beside others only. But those can be poison too.
	parts := r.sideBySide(2, func(i int, rng *rand.Rand) *verdict { return c.run(r.site(redistest.Start(t)), rng, i == 0) })
	sum := r.judged(parts...)
	for i, what := range []string{"one at a time: ", "all at once: "} {
		v := parts[i]
		most, dead := 0, 0
		var innocent []string
		for n, places := range v.found.places {
			if n < c.good {
				innocent = append(innocent, fmt.Sprintf("job %d is in %v", n, places))
			} else {
				dead++
			}
		}
		for n := c.good; n < c.good+c.poison; n++ {
			most = max(most, v.runsOf[n])
		}
		r.demand(what+"poison that is dead", dead, thousands(int64(c.poison)), dead == c.poison)
		r.demand(what+"deaths of a process by one job, at most", most, "3", most <= 3)
		if i == 0 {
			r.none(what+"good jobs that died with it", innocent)
		} else {
			r.figure(what+"good jobs that died with them", len(innocent))
		}
	}
	most := 3 * 2 * c.poison
	r.demand("deaths of processes", sum.Kills, fmt.Sprint("at most ", most), sum.Kills <= most)
}

type poisonCase struct{ good, poison, workers, slots int }

func (c *poisonCase) run(s *site, rng *rand.Rand, oneByOne bool) *verdict {
	quit := make(chan struct{})
	var wg sync.WaitGroup
	for i := range c.workers {
		w := s.startWorker(string(rune('a'+i)), workerConfig{Concurrency: c.slots})
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
	s.waitWorkers(c.workers)
	l := s.ledger("producer")
	var all []tasuki.Spec
	for i := range c.poison {
		// A share of the good ones, and the poison somewhere among them. Its
		// numbers come after all good ones.
		first, end := i*c.good/c.poison, (i+1)*c.good/c.poison
		var specs []tasuki.Spec
		for n := first; n < end; n++ {
			specs = append(specs, kind.Spec(task{N: n, Ms: 5, Slow: true}))
		}
		specs = slices.Insert(specs, rng.IntN(len(specs)+1), kind.Spec(task{N: c.good + i, Exit: true}))
		l.note("try %d %d", first, end-first)
		l.note("try %d 1", c.good+i)
		if oneByOne {
			s.enqueueAll(specs)
			s.drain()
		}
		all = append(all, specs...)
	}
	if !oneByOne {
		s.enqueueAll(all)
		s.drain()
	}
	l.note("accepted 0 %d", c.good+c.poison)
	close(quit)
	wg.Wait()
	s.stopWorkers()
	return s.judge(tolerance{})
}

// enqueueAll enqueues jobs of which a ledger is kept elsewhere.
func (s *site) enqueueAll(specs []tasuki.Spec) {
	s.t.Helper()
	if _, err := s.client.EnqueueMany(s.t.Context(), specs); err != nil {
		s.t.Error(err)
	}
}
