package proof

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestCutReplies loses replies of everything that moves a job.
//
//fault:network ten thousand replies of enqueue, claim, hand-over and settle are cut off or never come | no job is lost, none is enqueued twice that has an id or was reported uncertain, none runs again
func TestCutReplies(t *testing.T) {
	r := begin(t, "cut-replies", "Proxies between all processes and redis-server lose replies: the server does what it was asked, and the connection is closed (70 %), or stays open and silent (15 %); or the connection is closed before the server has seen the command (15 %).")
	const groups, workersEach, lanesEach = 4, 3, 2
	parts := groups * len(cutSorts)
	each := (r.scaled(10_000) + parts - 1) / parts
	r.note("%d groups of %d workers with 25 slots, each behind a proxy of its own, and of %d producers behind one. Producers enqueue one job or five at a time, with and without ids, at once and scheduled. One with an id that was reported uncertain is enqueued again, one without is not.",
		groups, workersEach, lanesEach*8)
	server := redistest.Start(t)
	var mu sync.Mutex
	hits := map[string]int{}
	verdicts := r.sideBySide(groups, func(_ int, rng *rand.Rand) *verdict {
		s, c := r.site(server), newCutter(t, rng, each)
		proxy := redistest.StartProxy(t, server)
		proxy.Decide(c.decide)
		for j := range workersEach {
			p := redistest.StartProxy(t, server)
			p.Decide(c.decide)
			s.startWorker(string(rune('a'+j)), workerConfig{URL: p.URL()})
		}
		s.waitWorkers(workersEach)
		var stops []func()
		for j := range 8 * lanesEach {
			m := mix{ShortMs: 1, Failing: 20, IDs: j % 2 * 1000, Delayed: j / 2 % 2 * 1000, DelayMs: 300}
			batch := []int{1, 5}[j/4%2]
			done, stop := s.producingAt(proxy.URL(), plan{Rate: 6 * float64(batch), Batch: batch, Mix: m, Index: j, Of: 8 * lanesEach})
			stops = append(stops, func() { stop(); done.Wait() })
		}
		redistest.WaitLong(t, 40*time.Minute, "replies to cut", c.isOver)
		for _, stop := range stops {
			stop()
		}
		c.end()
		s.drain()
		s.stopWorkers()
		mu.Lock()
		for sort, n := range c.hits {
			hits[sort] += n
		}
		mu.Unlock()
		return s.judge(tolerance{})
	})
	sum := r.judged(verdicts...)
	total := 0
	for _, sort := range cutSorts {
		r.figure("lost: "+sort, hits[sort])
		total += hits[sort]
	}
	want := parts * each
	r.demand("replies and commands lost", total, thousands(int64(want)), total == want)
	r.demand("runs above one", sum.extra(), "0", sum.extra() == 0)
	r.demand("handlers cancelled", sum.Cancelled, "0", sum.Cancelled == 0)
}

// cutSorts are the sorts of commands whose replies are lost.
var cutSorts = []string{
	"enqueue", "enqueue of many", "enqueue with an id", "schedule", "schedule with an id",
	"wait, with what it hands over", "exchange that claims", "exchange that settles",
}

// cutter decides about the commands of a group: of each sort it loses so many.
type cutter struct {
	isFetch, isEnqueue func([]string) bool

	mu    sync.Mutex
	rng   *rand.Rand
	each  int
	hits  map[string]int
	ended bool
}

func newCutter(t *testing.T, rng *rand.Rand, each int) *cutter {
	t.Helper()
	return &cutter{
		isFetch:   redistest.IsScript(t, "../store/lua/fetch.lua"),
		isEnqueue: redistest.IsScript(t, "../store/lua/enqueue.lua"),
		rng:       rng, each: each, hits: map[string]int{},
	}
}

func (c *cutter) decide(command []string) redistest.Fate {
	sorts := c.sorts(command)
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(sorts, func(sort string) bool { return c.hits[sort] < c.each })
	if i < 0 || c.ended || c.rng.IntN(8) > 0 {
		return redistest.Pass
	}
	c.hits[sorts[i]]++
	switch n := c.rng.IntN(100); {
	case n < 70:
		return redistest.Cut
	case n < 85:
		return redistest.Swallow
	}
	return redistest.Refuse
}

// sorts are those of cutSorts that a command is of; none for what is let through. The
// places of arguments are told by the headers of the scripts.
func (c *cutter) sorts(command []string) []string {
	arg := func(n int) string {
		keys, _ := strconv.Atoi(command[2])
		if n += 2 + keys; n < len(command) {
			return command[n]
		}
		return ""
	}
	switch {
	case command[0] == "RPUSH" && len(command) == 3:
		return []string{"enqueue"}
	case command[0] == "RPUSH":
		return []string{"enqueue of many"}
	case command[0] == "BLMOVE":
		return []string{"wait, with what it hands over"}
	case c.isEnqueue(command):
		switch {
		case arg(3) != "" && arg(4) != "":
			return []string{"schedule with an id"}
		case arg(3) != "":
			return []string{"enqueue with an id"}
		}
		return []string{"schedule"}
	case c.isFetch(command):
		var sorts []string
		if arg(2) != "0" {
			sorts = append(sorts, "exchange that claims")
		}
		if arg(10) != "0" || arg(11) != "0" {
			sorts = append(sorts, "exchange that settles")
		}
		return sorts
	}
	return nil
}

// isOver says what is still to be lost.
func (c *cutter) isOver() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.IndexFunc(cutSorts, func(s string) bool { return c.hits[s] < c.each }); i >= 0 {
		return errors.New(fmt.Sprint(c.hits))
	}
	return nil
}

// end lets everything through.
func (c *cutter) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
}
