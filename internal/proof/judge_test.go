package proof

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// found is what is in Redis at the end: a copy of a site's keys, as far as a verdict
// needs them.
type found struct {
	places   map[int][]string // number of a job → where it lies; once for each place
	counts   map[string]int64 // of all queues together
	problems []string         // of inspect.Check
	residue  []string         // what stopped workers have left behind
}

// tolerance is what a row allows.
type tolerance struct {
	// WorkersRun says that workers were not stopped before the end: they may hold
	// what is not done.
	WorkersRun bool
	// Takeovers allows that a worker is taken for dead that was neither killed nor
	// stopped for long.
	Takeovers bool
	// Unsettled is how long before the kill of its process a run may have ended
	// whose outcome was not written: 5 s unless told, more where Redis was away.
	Unsettled time.Duration
}

// verdict is what a history and what was found amount to. A list that has to be
// empty holds sentences.
type verdict struct {
	allow  tolerance
	found  *found
	runsOf []int // by number of the job

	Jobs      int // that were tried
	Accepted  int
	Uncertain int // that producers never got to know of
	Done      int // that have ended well
	Dead      int
	Runs      int
	Kills     int
	Full      int // tries that were answered with ErrFull

	Lost      []string // accepted, but neither done nor in Redis
	Phantom   []string // never tried or refused, but run or in Redis
	Homeless  []string // in two places, or done and still in a place
	Fencing   []string
	Counters  []string
	Residue   []string
	Problems  []string
	Takeovers []string // false ones
	Strange   []string // runs above one that nothing explains

	// Runs above one for each job, but for those that failed or were put off, by
	// what became of the run before.
	Cut       int // its process was killed while it ran
	Unsettled int // it had ended, and its process was killed before that was written
	Stale     int // its worker was taken for dead, rightly
	Released  int // its worker stopped
	StaleEnds int // of those: the handler ended after its job had begun elsewhere
	Cancelled int // runs whose context ended, whatever was the cause

	Taken    int        // takeovers
	Recovery []recovery // of each run that a kill has cut
}

// recovery is how long a job waited for its next run after its process was killed.
type recovery struct {
	killed int64
	took   time.Duration
}

// Times that a process that is stopped or cut off has before it may be taken for
// dead: the library's are 30 s and 2 s. A beat was at most a second before.
const (
	frozenLimit = 29 * time.Second
	cutLimit    = 1900 * time.Millisecond
)

// judge compares a history with what was found.
func judge(h *history, f *found, allow tolerance) *verdict {
	v := &verdict{allow: allow, found: f, Runs: len(h.runs), Problems: f.problems, Residue: f.residue, Taken: len(h.takeovers)}
	for _, p := range h.processes {
		if p.killed != 0 {
			v.Kills++
		}
	}
	for i := range h.runs {
		switch h.runs[i].how {
		case howLost, howStopped, howCancelled:
			v.Cancelled++
		}
	}
	h.absent()
	byJob := h.runsByJob()
	v.Full = h.full
	for _, runs := range byJob {
		v.runsOf = append(v.runsOf, len(runs))
	}
	last := max(len(h.jobs), len(byJob))
	for n := range f.places {
		last = max(last, n+1)
	}
	for n := range last {
		var runs []*run
		if n < len(byJob) {
			runs = byJob[n]
		}
		v.job(h, n, runs, f.places[n])
		if slices.Contains(f.places[n], "dead") {
			v.Dead++
		}
	}
	v.count("done", f.counts["done"], int64(v.Done))
	v.count("dead", f.counts["dead"]-f.counts["trimmed"]-f.counts["revived"], int64(v.Dead))
	v.recovery(byJob)
	if !allow.Takeovers {
		v.falseTakeovers(h)
	}
	return v
}

// runsByJob sorts the runs of each job by their start.
func (h *history) runsByJob() [][]*run {
	last := len(h.jobs)
	for i := range h.runs {
		last = max(last, h.runs[i].job+1)
	}
	byJob := make([][]*run, last)
	for i := range h.runs {
		r := &h.runs[i]
		if r.job >= 0 {
			byJob[r.job] = append(byJob[r.job], r)
		}
	}
	for _, runs := range byJob {
		slices.SortFunc(runs, func(a, b *run) int { return cmp.Compare(a.start, b.start) })
	}
	return byJob
}

func (v *verdict) job(h *history, n int, runs []*run, places []string) {
	var j told
	if n < len(h.jobs) {
		j = h.jobs[n]
	}
	there := len(runs) > 0 || len(places) > 0
	switch {
	case j.accepted > 0:
		v.Jobs++
		v.Accepted++
	case j.isDoubtful():
		v.Jobs++
		v.Uncertain++
	case there && !j.tried():
		v.Phantom = append(v.Phantom, fmt.Sprintf("job %d was never enqueued; %d runs, in %v", n, len(runs), places))
	case there:
		v.Phantom = append(v.Phantom, fmt.Sprintf("job %d was refused; %d runs, in %v", n, len(runs), places))
	}
	if len(places) > 1 {
		v.Homeless = append(v.Homeless, fmt.Sprintf("job %d is in %s", n, strings.Join(places, " and in ")))
	}
	top := highest(runs)
	switch {
	case top != nil && top.how == howDone && len(places) == 0:
		v.Done++
	case top != nil && top.how == howDone && top.process.killed != 0 && top.process.killed-top.end < v.unsettled():
		// Its process was killed before that was written; it is where its third
		// death has brought it, or will run again.
	case top != nil && top.how == howDone:
		v.Homeless = append(v.Homeless, fmt.Sprintf("job %d is done, and in %s", n, places[0]))
	case len(places) > 0:
	case slices.ContainsFunc(runs, func(r *run) bool { return r.how == howDone }):
		// It is in no place, so an outcome was accepted; not of its last run.
		v.Done++
		v.Fencing = append(v.Fencing, fmt.Sprintf("job %d ended with %s, though a later run has begun", n, describe(runs)))
	case j.accepted > 0:
		v.Lost = append(v.Lost, fmt.Sprintf("job %d: %s", n, describe(runs)))
	}
	v.fences(n, runs)
	for i, r := range runs {
		if r != top {
			v.again(n, r, runs[i+1:])
		}
	}
}

// highest is the run with the highest fencing number: its outcome is the one that
// counts. A run that was cut before it noted its number is later than one that had
// ended before it began, unless it was begun late, by a worker that was frozen.
func highest(runs []*run) *run {
	var top *run
	for _, r := range runs {
		if top == nil || r.fence > top.fence || r.fence == top.fence && r.start > top.start {
			top = r
		}
	}
	if len(runs) == 0 {
		return nil
	}
	if last := runs[len(runs)-1]; last.fence == -1 && top.end != 0 && last.start > top.end && !last.isStale(0) {
		return last
	}
	return top
}

// fences checks that the numbers of one job grow with its runs.
func (v *verdict) fences(n int, runs []*run) {
	for i, r := range runs {
		if r.fence <= 0 {
			continue
		}
		for _, before := range runs[:i] {
			switch {
			case before.fence <= 0 || before.fence < r.fence:
			case before.fence == r.fence:
				v.Fencing = append(v.Fencing, fmt.Sprintf("job %d has two runs with the fence %d", n, r.fence))
			case r.isStale(0):
				// It had the job before, was frozen, and began it late: that
				// its number is lower is what the number is for.
			default:
				v.Fencing = append(v.Fencing, fmt.Sprintf("job %d: the fence goes back from %d to %d: %s", n, before.fence, r.fence, describe(runs)))
			}
		}
	}
}

// again explains why a run was not the only one.
func (v *verdict) again(n int, r *run, later []*run) {
	p := r.process
	switch {
	case r.how == howFailed || r.how == howSnoozed:
	case r.how == howStopped:
		v.Released++
	case r.end == 0 && p.killed != 0:
		v.Cut++
	case r.end != 0 && p.killed != 0 && p.killed-r.end < v.unsettled():
		v.Unsettled++
	case r.how == howLost || r.isStale(v.unsettled()):
		v.Stale++
		if len(later) > 0 && r.end > later[0].start {
			v.StaleEnds++
		}
	case r.end == 0 && p.killed == 0 && p.down == 0:
		v.Strange = append(v.Strange, fmt.Sprintf("job %d has not ended in %s, and runs again: %s", n, p.name, describe(append([]*run{r}, later...))))
	default:
		v.Strange = append(v.Strange, fmt.Sprintf("job %d ran in %s, and again: %s", n, p.name, describe(append([]*run{r}, later...))))
	}
}

// unsettled is how long before a kill a run may have ended unwritten, in µs.
func (v *verdict) unsettled() int64 {
	return cmp.Or(v.allow.Unsettled, 5*time.Second).Microseconds()
}

func describe(runs []*run) string {
	if len(runs) == 0 {
		return "it never ran"
	}
	var texts []string
	for _, r := range runs {
		how := r.how
		if r.end == 0 {
			how = "no end"
		}
		text := fmt.Sprintf("%s (fence %d, from %s, %s", r.process.name, r.fence, time.UnixMicro(r.start).Format("15:04:05.000"), how)
		if r.end != 0 {
			text += fmt.Sprintf(" after %v", time.Duration(r.end-r.start)*time.Microsecond)
		}
		if k := r.process.killed; k != 0 {
			text += " killed " + time.UnixMicro(k).Format("15:04:05.000")
		}
		texts = append(texts, text+")")
	}
	return strings.Join(texts, ", ")
}

func (v *verdict) count(name string, have, want int64) {
	if have != want {
		v.Counters = append(v.Counters, fmt.Sprintf("Redis has counted %d %s, the ledgers say %d", have, name, want))
	}
}

// recovery measures from each kill to the next start of what was cut.
func (v *verdict) recovery(byJob [][]*run) {
	for _, runs := range byJob {
		for i, r := range runs {
			k := r.process.killed
			if r.end != 0 || k == 0 {
				continue
			}
			for _, next := range runs[i+1:] {
				if next.start >= k {
					v.Recovery = append(v.Recovery, recovery{k, time.Duration(next.start-k) * time.Microsecond})
					break
				}
			}
		}
	}
}

// falseTakeovers finds workers that were taken for dead although they were not.
func (v *verdict) falseTakeovers(h *history) {
	for _, t := range h.takeovers {
		p := h.workers[t.worker]
		switch {
		case p == nil:
			// It died before it could say which id it has: then it was killed.
		case p.mayBeTaken(t.at, 0):
		default:
			v.Takeovers = append(v.Takeovers, fmt.Sprintf("%s took %s for dead at %s: it was alive", t.by.name, p.name, time.UnixMicro(t.at).Format("15:04:05.000")))
		}
	}
	for _, p := range h.processes {
		for _, at := range p.gone {
			if !p.mayBeTaken(at, 30*time.Second) {
				v.Takeovers = append(v.Takeovers, fmt.Sprintf("%s was told at %s that it is dead", p.name, time.UnixMicro(at).Format("15:04:05.000")))
			}
		}
	}
}

// absent finds out when each process could rightly be taken for dead.
func (h *history) absent() {
	for _, p := range h.processes {
		for _, stop := range p.stops {
			p.mayBeDead(stop, frozenLimit, thawed)
			// One whose connections end while it is frozen, or just before, cannot
			// make them anew: it looks like one that was killed.
			for _, at := range h.severed {
				if at > stop.from-settling.Microseconds() && (stop.to == 0 || at < stop.to) {
					p.mayBeDead(interval{max(at, stop.from), stop.to}, cutLimit, thawed)
				}
			}
		}
		for _, cut := range p.cuts {
			p.mayBeDead(cut, cutLimit, settling)
		}
	}
}

// Times after which what has happened has no effect any more.
const (
	// A worker that runs again beats within a second, if the machine lets it; but
	// its observer may have decided before that, and have others to bury first.
	thawed = 15 * time.Second
	// A connection whose replies were lost is given up after at most 10 s.
	settling = 10 * time.Second
)

// mayBeDead notes that a process may be taken for dead if an interval lasts so long,
// from then until some time after it.
func (p *process) mayBeDead(i interval, limit, after time.Duration) {
	if i.to != 0 && i.to-i.from < limit.Microseconds() {
		return
	}
	a := absence{began: i.from, interval: interval{from: i.from + limit.Microseconds()}}
	if i.to != 0 {
		a.to = i.to + after.Microseconds()
	}
	p.absences = append(p.absences, a)
}

// mayBeTaken tells whether a process could rightly be taken for dead at a time. One
// that was learns of it up to later after that.
func (p *process) mayBeTaken(at int64, later time.Duration) bool {
	return p.killed != 0 && p.killed <= at || slices.ContainsFunc(p.absences, func(i absence) bool {
		return at >= i.from && (i.to == 0 || at <= i.to+later.Microseconds())
	})
}

// isStale tells whether the worker of a run could rightly be taken for dead while it
// ran, or before its outcome was written.
func (r *run) isStale(unsettled int64) bool {
	return slices.ContainsFunc(r.process.absences, func(i absence) bool {
		return (i.to == 0 || r.start <= i.to) && (r.end == 0 || i.began <= r.end+unsettled)
	})
}

// extra is how many runs there were above one for each job.
func (v *verdict) extra() int {
	return v.Cut + v.Unsettled + v.Stale + v.Released + len(v.Strange)
}

// quantiles returns quantiles of how long recoveries took; 0 if there are none.
func quantiles(all []recovery, qs ...float64) []time.Duration {
	took := make([]time.Duration, len(all))
	for i, r := range all {
		took[i] = r.took
	}
	slices.Sort(took)
	values := make([]time.Duration, len(qs))
	for i, q := range qs {
		if len(took) > 0 {
			values[i] = took[int(q*float64(len(took)-1))]
		}
	}
	return values
}

// mustBeEmpty are the lists of what must not be.
func (v *verdict) mustBeEmpty() []findings {
	return []findings{
		{"jobs lost", v.Lost},
		{"jobs run that nobody had enqueued", v.Phantom},
		{"jobs in two places, or done and still there", v.Homeless},
		{"runs above one that no fault explains", v.Strange},
		{"faults of fencing numbers", v.Fencing},
		{"live workers taken for dead", v.Takeovers},
		{"counters that do not equal the ledgers", v.Counters},
		{"leftovers of dead and stopped workers", v.Residue},
		{"problems found by `tasuki check`", v.Problems},
	}
}

// findings are sentences about one rule.
type findings struct {
	name  string
	texts []string
}
