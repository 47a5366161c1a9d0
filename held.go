package tasuki

import (
	"context"
	"slices"
	"time"

	"github.com/tasuki-dev/tasuki/internal/source"
)

// lose is when a queue has taken this worker for dead: all jobs below a tag
// belong to others.
func (f *fetcher) lose(q *queue, below source.Tag) {
	lost := 0
	for _, r := range f.active {
		if r.q == q && r.tag < below && !r.lost {
			f.loseRun(r)
			lost++
		}
	}
	before := len(q.done) + len(q.outcomes)
	q.done = slices.DeleteFunc(q.done, func(t source.Tag) bool { return t < below })
	gone := func(o source.Outcome) bool { return o.Tag < below }
	q.outcomes = slices.DeleteFunc(q.outcomes, gone)
	q.stuck = slices.DeleteFunc(q.stuck, gone)
	f.out -= before - len(q.done) - len(q.outcomes)
	q.open = true
	q.endWait() // it would be handed jobs under the lease that is gone
	f.w.log.Warn("tasuki: this worker was taken for dead in a queue; its handlers there are cancelled, and it goes on under a new lease",
		"queue", q.name, "cancelled", lost)
}

func (f *fetcher) loseRun(r *run) {
	if r.lost {
		return
	}
	r.lost = true
	if r.accepted && !r.ended {
		r.q.running--
	}
	f.w.cancel(r, ErrLeaseLost)
}

// compare sets what Redis says is held against what is known here. That means
// something only if no other exchange of the queue was under way.
func (f *fetcher) compare(x *exchange) {
	q := x.q
	if !x.alone || q.inflight > 0 || q.started != x.nth || x.reply.Lost != 0 {
		return
	}
	q.compared = time.Now()
	if x.reply.Held == q.running+len(q.done)+len(q.outcomes)+len(q.stuck) {
		return
	}
	q.reading = true
	f.callers.Go(func() { f.reconcile(q, x.nth) })
}

// reconcile reads what is held, and adopts what this worker does not know of: a
// claim whose reply was lost, a packet of a cut connection that came late, a
// failover. What it runs and is not held any more is lost to it.
func (f *fetcher) reconcile(q *queue, nth int) {
	ctx, cancel := context.WithTimeout(f.ctx, 20*time.Second)
	defer cancel()
	held, err := q.src.Held(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	q.reading = false
	defer f.wakeLoop()
	defer q.canWait.Signal()
	defer f.changed.Broadcast()
	if err != nil {
		f.backOff(q, f.blame(q, err))
		return
	}
	if q.started != nth {
		return // an exchange has come between; the next one compares again
	}
	known := make(map[source.Tag]*run)
	for _, r := range f.active {
		if r.q == q && r.accepted && !r.lost {
			known[r.heldAs()] = r
		}
	}
	for _, tag := range q.done {
		known[tag] = nil
	}
	for _, o := range slices.Concat(q.outcomes, q.stuck) {
		known[o.Tag] = nil
	}
	adopted := 0
	for _, d := range held {
		if _, ok := known[d.Tag]; ok {
			delete(known, d.Tag)
			continue
		}
		if o, ok := q.recent.find(d.Tag); ok {
			f.settle(q, o) // it was settled, and that was undone
			continue
		}
		r := f.newRun(q, d, time.Since(f.epoch))
		r.accepted, r.fence = true, d.Fence
		if f.free == 0 || f.stopping || q.removed {
			f.settle(q, f.w.release(r))
			continue
		}
		f.take(1)
		q.running++
		f.admit(r)
		adopted++
	}
	for _, r := range known {
		if r != nil {
			f.loseRun(r)
		}
	}
	f.w.log.Info("tasuki: what a queue holds for this worker differed from what it knew", "queue", q.name, "held", len(held), "adopted", adopted)
}

// ring remembers what was settled last. Its bounds keep it small: a job that
// comes back after more than that is run again.
type ring struct {
	done     []source.Tag
	outcomes []source.Outcome
	nextDone int
	nextOut  int
}

const (
	ringDone     = 8192
	ringOutcomes = 256
	ringElement  = 16 << 10
)

func (r *ring) add(done []source.Tag, outcomes []source.Outcome) {
	for _, tag := range done {
		if len(r.done) < ringDone {
			r.done = append(r.done, tag)
			continue
		}
		r.done[r.nextDone] = tag
		r.nextDone = (r.nextDone + 1) % ringDone
	}
	for _, o := range outcomes {
		if len(o.Element) > ringElement {
			continue
		}
		if len(r.outcomes) < ringOutcomes {
			r.outcomes = append(r.outcomes, o)
			continue
		}
		r.outcomes[r.nextOut] = o
		r.nextOut = (r.nextOut + 1) % ringOutcomes
	}
}

func (r *ring) find(tag source.Tag) (source.Outcome, bool) {
	if slices.Contains(r.done, tag) {
		return source.Outcome{Tag: tag, State: source.Done}, true
	}
	for _, o := range r.outcomes {
		if o.Tag == tag {
			return o, true
		}
	}
	return source.Outcome{}, false
}
