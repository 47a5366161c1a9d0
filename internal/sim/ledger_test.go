package sim

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tasuki-dev/tasuki"
)

// ledger is what the producers and handlers have seen, kept in memory beside the library: what must be true at the end
// is told by it alone.
type ledger struct {
	start time.Time

	mu       sync.Mutex
	jobs     []*job
	failures []string
	trace    strings.Builder
}

// job is one entry: a job that a producer has handed over, or has tried to.
type job struct {
	*jobPlan
	n        int
	id       string
	in       acceptance
	before   acceptance // in, before the call that is under way
	calls    int
	accepted time.Duration // when the first call that may have done it began
	answered time.Duration // when the last one ended
	told     bool          // somebody has asked to cancel it
	runs     []*run
}

// acceptance is what a producer knows of its job.
type acceptance int

const (
	refusedIn acceptance = iota // it was told that the job is not in
	uncertain                   // the reply was lost, or the call never ended
	accepted
)

// run is one call of a handler.
type run struct {
	by         *process
	worker     *worker
	step       step
	begun, end time.Duration
	returned   bool
	err        error
	cause      error // of the end of its context
	posthumous bool  // its process was dead when it returned
	fence      int64
	crashes    int
	suspect    bool // of which a process runs one at a time
}

func (l *ledger) now() time.Duration { return time.Since(l.start) }

// wrong notes a violation.
func (l *ledger) wrong(format string, args ...any) {
	l.failures = append(l.failures, fmt.Sprintf("%v: ", l.now().Round(time.Microsecond))+fmt.Sprintf(format, args...))
}

// note writes a line of the trace.
func (l *ledger) note(format string, args ...any) {
	fmt.Fprintf(&l.trace, "%12v  %s\n", l.now().Round(time.Microsecond), fmt.Sprintf(format, args...))
}

func (l *ledger) noted(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note(format, args...)
}

// offer is before a call that enqueues a job.
func (l *ledger) offer(j *job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if j.calls++; j.calls == 1 {
		j.accepted = l.now()
	}
	if j.before = j.in; j.in == refusedIn {
		j.in = uncertain // while the call is under way
	}
}

// answer is after it.
func (l *ledger) answer(j *job, info tasuki.Info, err error) acceptance {
	l.mu.Lock()
	defer l.mu.Unlock()
	j.answered = l.now()
	was := j.before
	switch {
	case err == nil:
		if info.Existed && was == refusedIn {
			l.wrong("job %d: its first enqueue says that it existed", j.n)
		}
		if !info.Existed && was == accepted {
			l.wrong("job %d: a second enqueue of %s was accepted", j.n, j.id)
		}
		if j.id != "" && info.ID != j.id {
			l.wrong("job %d: it has the id %s, not %s", j.n, info.ID, j.id)
		}
		j.id, j.in = info.ID, accepted
	case was == accepted:
	case isUncertain(err):
		j.in = uncertain
	default:
		j.in = was
	}
	l.note("enqueue %d %s: %v %v", j.n, j.queue, j.in, shortError(err))
	return j.in
}

// begin is at the beginning of a handler.
func (l *ledger) begin(w *worker, n int, info tasuki.Info) (*job, *run) {
	l.mu.Lock()
	defer l.mu.Unlock()
	j := l.jobs[n]
	r := &run{by: w.by, worker: w, begun: l.now(), crashes: info.Crashes, step: step{does: succeed}}
	if k := len(j.runs); k < len(j.steps) {
		r.step = j.steps[k]
	}
	if w.by.isDead() {
		r.posthumous = true // nothing runs in a dead process: it is there only because it cannot be frozen
		return j, r
	}
	l.note("begin %d on %s: %s", n, w.name, verbNames[r.step.does])
	if j.in == refusedIn {
		l.wrong("job %d runs; its enqueue was refused", n)
	}
	if j.id == "" {
		j.id = info.ID // the reply of its enqueue is not there yet, or was lost
	}
	if info.ID != j.id {
		l.wrong("job %d runs with the id %s, not %s", n, info.ID, j.id)
	}
	if info.Queue != j.queue {
		l.wrong("job %d runs in queue %s, not in %s", n, info.Queue, j.queue)
	}
	if w.stopped {
		l.wrong("job %d begins on %s, which has stopped", n, w.name)
	}
	if r.begun < j.accepted+j.in0()-clockTick {
		l.wrong("job %d begins at %v; it is due %v after %v", n, r.begun, j.in0(), j.accepted)
	}
	if open := w.open(l); open >= w.cfg.Concurrency {
		l.wrong("job %d begins on %s, which has %d slots and runs %d jobs", n, w.name, w.cfg.Concurrency, open)
	}
	if r.suspect = r.crashes >= 2 && !j.wasRetried(); r.suspect {
		if other := l.suspectOf(w.by); other >= 0 {
			l.wrong("the suspect %d begins on %s beside the suspect %d", n, w.name, other)
		}
	}
	for _, other := range j.runs {
		if !other.returned && !other.posthumous && !other.by.isDead() && !other.by.disturbed && !w.by.disturbed {
			l.wrong("job %d begins on %s while it runs on %s, which nothing has disturbed", n, w.name, other.worker.name)
		}
		// What Redis wrote of an undisturbed run holds: a delay is not cut short.
		if d := other.step.delay; other.returned && !other.by.disturbed && !other.by.isDead() && other.cause == nil &&
			(other.step.does == snooze || other.step.does == retryIn) && r.begun < other.end+d-clockTick {
			l.wrong("job %d begins at %v; at %v it was put off for %v", n, r.begun, other.end, d)
		}
	}
	j.runs = append(j.runs, r)
	return j, r
}

// clockTick is what Redis' clock counts in: a time is earlier by less than that.
const clockTick = time.Millisecond

// in0 is how long the job is to wait.
func (j *job) in0() time.Duration { return j.jobPlan.in }

// open is how many handlers of a worker run.
func (w *worker) open(l *ledger) int {
	n := 0
	for _, j := range l.jobs {
		for _, r := range j.runs {
			if r.worker == w && !r.returned {
				n++
			}
		}
	}
	return n
}

// wasRetried tells whether the job comes back because its last run has ended, and not
// because a process has: then it is an ordinary job.
func (j *job) wasRetried() bool {
	if len(j.runs) == 0 {
		return false
	}
	last := j.runs[len(j.runs)-1]
	return last.returned && !last.posthumous && !errors.Is(last.cause, tasuki.ErrStopping)
}

// suspectOf is the suspect that a process runs, or -1.
func (l *ledger) suspectOf(p *process) int {
	for _, j := range l.jobs {
		for _, r := range j.runs {
			if r.by == p && !r.returned && r.suspect {
				return j.n
			}
		}
	}
	return -1
}

// ended is at the end of a handler.
func (l *ledger) ended(j *job, r *run, err, cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.returned, r.end, r.err, r.cause = true, l.now(), err, cause
	r.posthumous = r.posthumous || r.by.isDead()
	if !r.posthumous {
		l.note("end %d on %s: %v (%v)", j.n, r.worker.name, shortError(err), cause)
	}
}

func shortError(err error) string {
	if err == nil {
		return "ok"
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line[:min(len(line), 120)]
}

// places are where the server has the jobs at the end.
type places struct {
	dead   map[string]string // id → reason
	counts map[string]map[string]int64
}

// balance compares the ledger with the server, when all has drained.
func (l *ledger) balance(sc *scenario, p places, deathly int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	in, cancelled, dead := map[string]int64{}, map[string]int64{}, map[string]int64{}
	ids := map[string]*job{}
	for _, j := range l.jobs {
		if j.calls == 0 || j.in == refusedIn || j.in == uncertain && len(j.runs) == 0 {
			continue // a run of a refused one was reported when it began
		}
		in[j.queue]++
		ids[j.id] = j
		reason, isDead := p.dead[j.id]
		var won, failed, killed, interrupted int
		for _, r := range j.runs {
			switch {
			case r.posthumous || !r.returned:
			case r.err == nil:
				won++
			case isKill(r):
				killed++
			case r.cause == nil || r.cause == tasuki.ErrTimeout:
				failed++
			case r.cause == tasuki.ErrCancelled:
				interrupted++
			}
		}
		switch {
		case isDead:
			dead[j.queue]++
			attempts := j.most(sc)
			switch {
			case reason == "killed" && killed == 0:
				l.wrong("job %d is dead as killed; no handler has killed it", j.n)
			case reason == "out of attempts" && failed < attempts:
				l.wrong("job %d is dead after %d failures of %d", j.n, failed, attempts)
			case strings.HasPrefix(reason, "poison") && deathly < 3:
				l.wrong("job %d is dead as poison; only %d processes have died or been away", j.n, deathly)
			case reason == "killed" || reason == "out of attempts" || strings.HasPrefix(reason, "poison"):
			default:
				l.wrong("job %d is dead: %s", j.n, reason)
			}
		case won > 0:
		case j.told && (interrupted > 0 || len(j.runs) == 0 || p.counts[j.queue]["cancelled"] > 0):
			cancelled[j.queue]++
		default:
			l.wrong("job %d is lost: it has not ended, and the server does not have it; it ran %d times", j.n, len(j.runs))
		}
	}
	for id := range p.dead {
		if ids[id] == nil {
			l.wrong("a dead job %s that nobody has enqueued", id)
		}
	}
	for _, q := range sc.queues {
		c := p.counts[q]
		if ended := c["done"] + c["dead"] + c["cancelled"]; ended != in[q] {
			l.wrong("queue %s: %d jobs are in, and %d have ended: %v", q, in[q], ended, c)
		}
		if c["dead"] != dead[q] {
			l.wrong("queue %s: %d have died, and %d are dead", q, c["dead"], dead[q])
		}
		if c["cancelled"] < cancelled[q] {
			l.wrong("queue %s: %d were cancelled, at least %d should be", q, c["cancelled"], cancelled[q])
		}
		if sc.weather == calm && c["crashed"]+c["stopped"]+c["refused"] > 0 {
			l.wrong("queue %s: nothing was wrong, and %v", q, c)
		}
	}
	l.fences()
}

// most is after how many failures the job is dead: the fewest that any worker allows.
func (j *job) most(sc *scenario) int {
	if j.attempts != 0 {
		return j.attempts
	}
	most := 20
	for _, p := range sc.processes {
		for _, w := range p.workers {
			if w.MaxAttempts != 0 {
				most = min(most, w.MaxAttempts)
			}
		}
	}
	return most
}

// fences checks that the number of a run is higher than those of all runs that began before.
func (l *ledger) fences() {
	for _, j := range l.jobs {
		highest := int64(0)
		for _, r := range j.runs {
			if r.fence == 0 {
				continue
			}
			if r.fence <= highest {
				l.wrong("job %d: a run at %v has the fencing number %d, and one before had %d", j.n, r.begun, r.fence, highest)
			}
			highest = max(highest, r.fence)
		}
	}
}

// exact checks what holds to the moment when only what is timed has happened.
func (l *ledger) exact(sc *scenario, killed map[*process]time.Duration, latency time.Duration) (recovered []time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, j := range l.jobs {
		if j.in != accepted {
			continue
		}
		// At once, or when it is due: by Redis' clock, which was read somewhere in the call.
		if due := j.answered + j.in0(); sc.weather == calm && len(j.runs) > 0 && !j.twice {
			if late := j.runs[0].begun - due; late > time.Second {
				l.wrong("job %d begins %v late", j.n, late)
			}
		}
		if sc.weather == calm && !j.told && len(j.runs) != j.expected() {
			l.wrong("job %d has run %d times, not %d: nothing was wrong", j.n, len(j.runs), j.expected())
		}
		for i, r := range j.runs {
			at, dead := killed[r.by]
			if !dead || r.returned && !r.posthumous && r.end < at-500*time.Millisecond || i+1 == len(j.runs) && r.returned && !r.posthumous {
				continue
			}
			if i+1 == len(j.runs) {
				continue // lost, or ended: the balance tells
			}
			after := j.runs[i+1].begun - at
			if r.returned && !r.posthumous && r.err != nil {
				continue // it was put off
			}
			recovered = append(recovered, after)
			if after > recoveryLimit {
				l.wrong("job %d was held by a process that was killed at %v, and runs again after %v", j.n, at, after)
			}
		}
	}
	return recovered
}

// recoveryLimit is how long after the death of a process its jobs run again beside others.
const recoveryLimit = 8 * time.Second

// expected is how often the job runs when nothing goes wrong.
func (j *job) expected() int {
	failures := 0
	for i, s := range j.steps {
		late := j.timeout > 0 && s.after >= j.timeout
		switch {
		case s.does == ignore, s.does == succeed && !late, s.does == kill && !late:
			return i + 1
		case s.does == snooze && !late:
		default:
			failures++
		}
		if failures > 0 && failures == j.attempts {
			return i + 1
		}
	}
	return len(j.steps) + 1
}
