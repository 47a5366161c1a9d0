package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tasuki-dev/tasuki"
)

// weather is which faults a scenario has.
type weather int

// The weathers.
const (
	calm    weather = iota // none: everything has to be exact
	deaths                 // processes die
	cuts                   // connections are cut, replies lost; nobody is away for long
	silence                // a host is cut off or frozen, for longer than it takes to be given up, or shorter
	server                 // it refuses, forgets scripts, and who its workers are
	storm                  // all of it
	weathers
)

var weatherNames = [weathers]string{"calm", "deaths", "cuts", "silence", "server", "storm"}

// scenario is what a seed says: all that is decided before anything runs.
type scenario struct {
	seed      uint64
	weather   weather
	queues    []string
	processes []processPlan
	producers int
	latency   []time.Duration // of each host in turn
	jobs      []*jobPlan
	events    []event // by time
	faultsEnd time.Duration
}

type processPlan struct{ workers []tasuki.WorkerConfig }

// jobPlan is one job: how it is enqueued, and what its handler does at each run.
type jobPlan struct {
	queue    string
	id       string
	twice    bool // its id is given in a second time
	in       time.Duration
	at       bool // In is said as At
	attempts int
	timeout  time.Duration
	steps    []step
	fence    bool // it asks for its number
}

// step is one run of a handler. After the last one of a job it succeeds.
type step struct {
	does  verb
	after time.Duration // it takes this long
	delay time.Duration // of a snooze or retry
}

type verb int

// What a handler does.
const (
	succeed verb = iota
	fail
	snooze
	retryIn
	kill
	panics
	goexit
	linger  // until its context ends; then it returns the context's error
	ignore  // its context, and succeeds
	crashes // its process
	verbs
)

var verbNames = [verbs]string{"succeed", "fail", "snooze", "retry in", "kill", "panic", "goexit", "linger", "ignore", "crash"}

// event is something that is done to the world at a time. What it is done to is among those that are there then: r
// chooses.
type event struct {
	at   time.Duration
	does deed
	r    uint64
	d    time.Duration
	jobs []int
}

type deed int

// What can happen.
const (
	enqueue deed = iota
	enqueueMany
	cancelJob
	pauseQueue // for d
	addQueue
	removeQueue
	restart // stops a process, and starts it again after d
	startMore
	// From here on they are faults.
	cutNow
	cutRequest // of one connection: half of a command arrives
	cutUnsent
	cutReply
	cutHalfReply
	muteLink
	silentLink // for d
	hostDown   // for d
	hostSilent // for d
	killProcess
	refuseBusy
	refuseLoading
	refuseFull
	refuseReadOnly
	flushScripts
	forgetWorkers // all are taken out of the list of workers
	forgetMember  // one is taken out of a queue's
	forgetInfo
	deeds
)

var deedNames = [deeds]string{
	"enqueue", "enqueue many", "cancel", "pause for a while", "AddQueue", "RemoveQueue", "clean stop and restart", "one more process",
	"cut", "cut in the middle of a command", "cut before a command", "reply lost in a cut", "cut in the middle of a reply", "replies lost, connection open",
	"one connection silent", "all connections of a host cut", "host silent", "process killed",
	"-BUSY for a while", "-LOADING for a while", "-OOM for a while", "-READONLY for a while", "SCRIPT FLUSH",
	"list of workers lost", "registration in a queue lost", "info of workers lost",
}

// newScenario makes all choices for a seed. It asks nothing but the seed, so it is the same each time.
func newScenario(seed uint64, hours bool) *scenario {
	r := rand.New(rand.NewPCG(seed, 0x7a5ad1))
	sc := &scenario{seed: seed, weather: weather(seed % uint64(weathers))}
	for i := range 1 + r.IntN(3) {
		sc.queues = append(sc.queues, fmt.Sprintf("q%d", i))
	}
	sc.producers = 1 + r.IntN(2)
	n := 2 + r.IntN(2)
	if sc.weather == calm {
		n = 1 + r.IntN(2)
	}
	for range n {
		sc.processes = append(sc.processes, sc.newProcess(r))
	}
	typical := pick(r, 0, 200*time.Microsecond, 200*time.Microsecond, 2*time.Millisecond, 15*time.Millisecond)
	for range 8 {
		sc.latency = append(sc.latency, typical)
	}
	if r.IntN(6) == 0 { // one host is far away
		sc.latency[r.IntN(n)] = 60 * time.Millisecond
	}
	window := between(r, 2*time.Second, 7*time.Second)
	if sc.weather == silence || sc.weather == storm {
		window = between(r, 4*time.Second, 12*time.Second)
	}
	sc.planJobs(r, window, hours)
	sc.planDeeds(r, window)
	sc.planFaults(r, window)
	return sc
}

// newProcess plans a process. All queues are served by somebody at the end in any case; see world.staff.
func (sc *scenario) newProcess(r *rand.Rand) processPlan {
	var p processPlan
	workers := 1
	if r.IntN(6) == 0 {
		workers = 2
	}
	for range workers {
		c := tasuki.WorkerConfig{
			Concurrency: pick(r, 1, 1, 2, 3, 5, 10),
			Grace:       pick(r, -1, 500*time.Millisecond, time.Second, 3*time.Second),
			MaxAttempts: pick(r, 0, 0, 3),
			Timeout:     pick(r, 0, 0, 20*time.Second),
		}
		weighted := r.IntN(2) == 0
		for _, i := range r.Perm(len(sc.queues)) {
			if len(c.Queues) > 0 && r.IntN(5) == 0 && !sc.exact() {
				continue
			}
			q := tasuki.Queue{Name: sc.queues[i]}
			if weighted {
				q.Weight = 1 + r.IntN(5)
			}
			c.Queues = append(c.Queues, q)
		}
		if sc.exact() {
			c.Concurrency = 40 // more than there are jobs: time bounds are about faults, not about load
			c.Timeout = 0
		}
		p.workers = append(p.workers, c)
	}
	return p
}

// exact tells whether time bounds are checked: there are slots for all, and only what is timed happens.
func (sc *scenario) exact() bool {
	return (sc.weather == calm || sc.weather == deaths) && sc.seed/uint64(weathers)%2 == 0
}

func (sc *scenario) planJobs(r *rand.Rand, window time.Duration, hours bool) {
	for i := range between(r, 3, 24) {
		j := &jobPlan{
			queue: pick(r, sc.queues...), attempts: pick(r, 0, 0, 0, 1, 2, 4), fence: r.IntN(4) == 0,
			timeout: pick(r, 0, 0, 0, time.Second, 4*time.Second),
		}
		if r.IntN(4) == 0 {
			j.id, j.twice = fmt.Sprintf("id-%d", i), r.IntN(2) == 0
		}
		if r.IntN(4) == 0 {
			j.in, j.at = between(r, time.Millisecond, window), r.IntN(2) == 0
		}
		for range r.IntN(3) {
			s := step{does: verb(r.IntN(int(ignore) + 1))}
			if s.does == kill && r.IntN(2) == 0 {
				s.does = fail
			}
			s.after = duration(r)
			s.delay = pick(r, 0, time.Millisecond, 300*time.Millisecond, 2*time.Second)
			if s.does == linger && j.timeout == 0 {
				j.timeout = between(r, 200*time.Millisecond, 3*time.Second)
			}
			j.steps = append(j.steps, s)
		}
		if len(j.steps) == 0 {
			j.steps = []step{{does: succeed, after: duration(r)}}
		}
		for i := range j.steps {
			// Who asks for a number gets it a round trip later: so what takes almost as long as it may can take too long.
			if s := &j.steps[i]; s.after < j.timeout && s.after > j.timeout-500*time.Millisecond {
				s.after = max(s.after-500*time.Millisecond, 0)
			}
		}
		sc.jobs = append(sc.jobs, j)
	}
	if sc.weather == deaths && !sc.exact() && r.IntN(4) == 0 {
		// One that takes its process along, again and again.
		sc.jobs[0].steps = []step{{does: crashes}, {does: crashes}, {does: crashes}, {does: crashes}, {does: crashes}}
	}
	if hours {
		j := sc.jobs[len(sc.jobs)-1]
		j.timeout, j.steps = 0, []step{{does: succeed, after: between(r, time.Hour, 3*time.Hour)}}
		sc.jobs[0].in = between(r, time.Minute, time.Hour)
	}
}

// duration is how long a handler takes: most take no time or little.
func duration(r *rand.Rand) time.Duration {
	switch r.IntN(6) {
	case 0, 1:
		return 0
	case 2:
		return between(r, 0, 50*time.Millisecond)
	case 3, 4:
		return between(r, 0, 2*time.Second)
	default:
		return between(r, 0, 5*time.Second)
	}
}

func (sc *scenario) planDeeds(r *rand.Rand, window time.Duration) {
	for left := r.Perm(len(sc.jobs)); len(left) > 0; {
		n := 1
		does := enqueue
		if r.IntN(3) == 0 {
			n, does = min(len(left), between(r, 1, 10)), enqueueMany
		}
		sc.add(r, does, between(r, 0, window*3/4), 0).jobs = left[:n]
		left = left[n:]
	}
	if sc.weather == deaths && sc.exact() {
		return
	}
	for range r.IntN(3) {
		sc.add(r, cancelJob, between(r, 0, window), 0)
	}
	if sc.exact() {
		return
	}
	for range r.IntN(4) {
		switch does := pick(r, pauseQueue, addQueue, removeQueue, restart, restart, startMore); does {
		case pauseQueue:
			sc.add(r, does, between(r, 0, window), between(r, 0, 6*time.Second))
		case restart:
			sc.add(r, does, between(r, 0, window), between(r, 0, 3*time.Second))
		default:
			sc.add(r, does, between(r, 0, window), 0)
		}
	}
}

func (sc *scenario) planFaults(r *rand.Rand, window time.Duration) {
	links := []deed{cutNow, cutRequest, cutUnsent, cutReply, cutReply, cutReply, cutHalfReply, muteLink, silentLink}
	states := []deed{refuseBusy, refuseLoading, refuseFull, refuseReadOnly, flushScripts}
	// Two of the three that name a worker: what one held that dies and is in none of them, nobody can find.
	records := []deed{forgetWorkers, forgetMember, forgetInfo}
	kept := r.IntN(len(records))
	states = append(states, slices.Delete(records, kept, kept+1)...)
	var choice []deed
	n := 0
	switch sc.weather {
	case deaths:
		choice, n = []deed{killProcess}, between(r, 1, 3)
		if sc.exact() {
			n = 1
		}
	case cuts:
		choice, n = append(links, hostDown), between(r, 2, 12)
	case silence:
		choice, n = []deed{hostSilent, hostSilent, silentLink, muteLink}, between(r, 1, 2)
	case server:
		choice, n = states, between(r, 1, 4)
	case storm:
		choice, n = append(append(links, states...), killProcess, killProcess, hostDown, hostSilent), between(r, 3, 14)
	}
	for range n {
		d, at := time.Duration(0), between(r, window/8, window)
		does := choice[r.IntN(len(choice))]
		switch does {
		case hostDown:
			d = between(r, 0, 1500*time.Millisecond)
			if sc.weather == storm {
				d = between(r, 0, 8*time.Second)
			}
		case silentLink:
			d = between(r, 0, 30*time.Second)
		case hostSilent:
			d = pick(r, between(r, 0, 3*time.Second), between(r, 0, 25*time.Second), between(r, 32*time.Second, 45*time.Second))
		case killProcess:
			d = between(r, 0, 4*time.Second) // until there is another in its place
		case refuseBusy, refuseLoading, refuseFull, refuseReadOnly:
			d = pick(r, between(r, 0, time.Second), between(r, 0, 10*time.Second), between(r, 10*time.Second, 20*time.Second))
		}
		sc.add(r, does, at, d)
		sc.faultsEnd = max(sc.faultsEnd, at+d)
	}
	sc.faultsEnd = max(sc.faultsEnd, window)
}

func (sc *scenario) add(r *rand.Rand, does deed, at, d time.Duration) *event {
	sc.events = append(sc.events, event{at: at, does: does, r: r.Uint64(), d: d})
	return &sc.events[len(sc.events)-1]
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// between returns a number from low up to high.
func between[T int | time.Duration](r *rand.Rand, low, high T) T {
	return low + T(r.Int64N(int64(high-low)+1))
}
