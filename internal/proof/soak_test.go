package proof

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestSoak does everything at once, at random, for as long as -proof.for says.
//
//fault:process workers, producers and redis are killed, frozen, cut off and filled up at random, all at once | no accepted job is lost; when it is over everything is drained
func TestSoak(t *testing.T) {
	r := begin(t, "soak", fmt.Sprintf("For %v everything goes wrong at random that the other rows have one at a time. Then the faults end, everything is drained and counted.", *forFlag))
	const workers, producers = 4, 2
	s := r.site(redistest.Start(t, append(redistest.Durable(t), "--maxmemory-policy", "noeviction")...), "default", "mail")
	n := &nemesis{s: s, rng: r.fork(), counts: map[string]int{}}
	for i := range workers {
		p := redistest.StartProxy(t, s.server)
		n.workers = append(n.workers, &victim[*worker]{at: s.startWorker(string(rune('a'+i)), workerConfig{URL: p.URL()}), proxy: p})
	}
	s.waitWorkers(workers)
	for i := range producers {
		p := redistest.StartProxy(t, s.server)
		n.producers = append(n.producers, &victim[*producerProcess]{proxy: p, at: s.startProducer(fmt.Sprint("p", i+1), p.URL(), plan{
			Rate: 60, Batch: 2, Index: i, Of: producers,
			Mix: mix{ShortMs: 2, Long: 30, LongMs: 4000, Delayed: 100, DelayMs: 3000, Failing: 50, Snoozed: 30, Killed: 1, IDs: 400},
		})})
	}
	r.note("%d workers with 25 slots and %d producers, each behind a proxy of its own, and a redis-server with an append-only file that is synced before it answers, in memory if the system has a place for that (`/dev/shm`).", workers, producers)
	r.note("Of the jobs 10 %% are scheduled, 5 %% fail once or twice, 3 %% are put off, 3 %% take 2 to 6 s, 40 %% have an id of their own.")

	n.rage(*forFlag)
	over := time.Now()
	time.Sleep(time.Second)
	for _, p := range n.producers {
		p.at.Signal(t, syscall.SIGTERM)
		<-p.at.Ended()
	}
	s.drain()
	drained := time.Since(over)
	s.stopWorkers()
	// An outcome may have had to wait for a server that was away.
	v := s.judge(tolerance{Unsettled: 2 * time.Minute})
	sum := r.judged(v)
	faults := 0
	for _, what := range slices.Sorted(maps.Keys(n.counts)) {
		r.figure(what, n.counts[what])
		faults += n.counts[what]
	}
	r.demand("faults", faults, "some", faults > 0)
	r.demand("workers taken for dead, rightly", sum.Taken, "some", sum.Taken > 0 || *forFlag < time.Minute)
	r.figure("jobs that are dead", v.Dead)
	r.figure("runs of workers whose lease was lost", sum.Stale)
	if len(sum.Recovery) > 0 {
		r.figure("from a kill to the next start, at most", quantiles(sum.Recovery, 1)[0])
	}
	r.timing("from the end of the faults until all was drained", drained, 2*time.Minute)
}

// nemesis brings about faults at random, several at a time, each victim having one
// at a time.
type nemesis struct {
	s         *site
	rng       *rand.Rand
	workers   []*victim[*worker]
	producers []*victim[*producerProcess]
	server    sync.Mutex // held while something is done to the server

	under  sync.WaitGroup
	counts map[string]int
}

// victim is a process and the proxy through which it reaches the server.
type victim[P any] struct {
	mu    sync.Mutex // held while something is done to it
	at    P
	proxy *redistest.Proxy
}

// rage has a fault every two seconds or so, and returns when all have ended.
func (n *nemesis) rage(d time.Duration) {
	end := time.Now().Add(d)
	for {
		// Poisson: the time to the next is distributed exponentially.
		pause := time.Duration(n.rng.ExpFloat64() * float64(2*time.Second))
		if time.Now().Add(pause).After(end) {
			break
		}
		time.Sleep(pause)
		n.strike()
	}
	n.under.Wait()
}

// strike begins one fault. If its victim has one already nothing happens.
func (n *nemesis) strike() {
	worker, producer := n.workers[n.rng.IntN(len(n.workers))], n.producers[n.rng.IntN(len(n.producers))]
	between := func(low, high time.Duration) time.Duration { return low + time.Duration(n.rng.Int64N(int64(high-low))) }
	faults := []struct {
		weight int
		what   string
		lock   *sync.Mutex
		do     func()
	}{
		{30, "kill -9 of a worker", &worker.mu, func() { worker.at.kill(); worker.at.restart() }},
		{12, "worker frozen for 1 to 45 s", &worker.mu, n.freeze(worker.at, between(time.Second, 45*time.Second))},
		{10, "all connections of a worker cut", &worker.mu, func() {
			n.s.nemesis.note("sever %d", micros())
			worker.proxy.CutAll()
		}},
		{8, "every tenth reply to a worker lost for 5 s", &worker.mu, n.cut(worker.at, n.lossy(worker.proxy, n.rng.Uint64()))},
		{6, "worker without any reply for 1 to 15 s", &worker.mu, n.cut(worker.at, n.blackHole(worker.proxy, between(time.Second, 15*time.Second)))},
		{8, "kill -9 of a producer", &producer.mu, func() {
			n.s.noteFault("producer killed")
			producer.at.Kill()
			producer.at.restart()
		}},
		{8, "every tenth reply to a producer lost for 5 s", &producer.mu, n.lossy(producer.proxy, n.rng.Uint64())},
		{6, "kill -9 of redis-server", &n.server, func() {
			n.s.noteFault("server killed")
			n.s.nemesis.note("sever %d", micros())
			n.s.server.Kill()
			n.s.server.Restart(n.s.t)
		}},
		{4, "redis-server stopped for 5 to 20 s", &n.server, n.stall(between(5*time.Second, 20*time.Second))},
		{4, "SCRIPT FLUSH", &n.server, n.command("SCRIPT", "FLUSH")},
		{4, "CLIENT KILL of all connections", &n.server, n.clientKill("normal")},
		{4, "CLIENT KILL of all subscriptions", &n.server, n.clientKill("pubsub")},
		{4, "redis-server full for 3 s", &n.server, func() {
			n.command("CONFIG", "SET", "maxmemory", "1")()
			time.Sleep(3 * time.Second)
			n.command("CONFIG", "SET", "maxmemory", "0")()
		}},
	}
	total := 0
	for _, f := range faults {
		total += f.weight
	}
	at := n.rng.IntN(total)
	for _, f := range faults {
		if at -= f.weight; at >= 0 {
			continue
		}
		if f.lock.TryLock() {
			n.counts[f.what]++
			n.under.Go(func() {
				defer f.lock.Unlock()
				f.do()
			})
		}
		return
	}
}

func (n *nemesis) freeze(w *worker, d time.Duration) func() {
	return func() {
		w.freeze()
		time.Sleep(d)
		w.thaw()
	}
}

func (n *nemesis) lossy(p *redistest.Proxy, seed uint64) func() {
	return func() {
		rng := rand.New(rand.NewPCG(seed, 0))
		p.Decide(func([]string) redistest.Fate {
			if rng.IntN(10) > 0 {
				return redistest.Pass
			}
			return []redistest.Fate{redistest.Cut, redistest.Swallow, redistest.Refuse}[rng.IntN(3)]
		})
		time.Sleep(5 * time.Second)
		p.Decide(nil)
	}
}

// blackHole lets commands through and nothing back. The connections stay silent when
// it is over; who uses them has to notice.
func (n *nemesis) blackHole(p *redistest.Proxy, d time.Duration) func() {
	return func() {
		p.Decide(func([]string) redistest.Fate { return redistest.Swallow })
		time.Sleep(d)
		p.Decide(nil)
	}
}

// cut notes that a worker may not get replies, and so not connect anew, while f runs.
func (n *nemesis) cut(w *worker, f func()) func() {
	return func() {
		n.s.nemesis.note("cut %s %d", w.run, micros())
		f()
		n.s.nemesis.note("heal %s %d", w.run, micros())
	}
}

func (n *nemesis) stall(d time.Duration) func() { return func() { n.s.stall(d) } }

func (n *nemesis) command(words ...string) func() {
	return func() {
		n.s.noteFault("%v", words)
		n.s.server.Do(n.s.t, words...)
	}
}

func (n *nemesis) clientKill(kind string) func() {
	return func() {
		n.s.nemesis.note("sever %d", micros())
		n.command("CLIENT", "KILL", "TYPE", kind)()
	}
}
