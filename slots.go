package tasuki

import (
	"sync/atomic"
	"time"

	"github.com/tasuki-dev/tasuki/internal/source"
)

// take and give count free slots, and see to the waits: they go on while one is
// free.
func (f *fetcher) take(n int) {
	f.free -= n
	if f.free == 0 && n > 0 {
		f.fullAt = time.Now()
		f.fullness.Reset(fullFor)
	}
}

func (f *fetcher) give(n int) {
	was := f.free
	f.free += n
	if was == 0 && n > 0 {
		f.fullAt = time.Time{}
		for _, q := range f.queues {
			q.canWait.Signal()
		}
	}
}

func (f *fetcher) newRun(q *queue, d source.Delivery) *run {
	r := &run{q: q, tag: d.Tag, element: d.Element, place: -1}
	r.ctx.base = f.base
	return r
}

func (f *fetcher) activate(r *run) {
	r.place = len(f.active)
	f.active = append(f.active, r)
}

// push gives an accepted run to the loops; wakeLoop has to follow.
func (f *fetcher) push(r *run) {
	if r.place < 0 {
		f.activate(r)
	}
	if f.stopping {
		f.endRun(r, f.w.release(r))
		return
	}
	f.enqueue(r)
}

func (f *fetcher) enqueue(r *run) {
	if f.begun > len(f.active) { // more is behind than can be ahead
		n := copy(f.work, f.work[f.begun:])
		clear(f.work[n:])
		f.work, f.begun = f.work[:n], 0
	}
	f.work = append(f.work, r)
}

// nextRun takes the run that was claimed first, or nil.
func (f *fetcher) nextRun() *run {
	if f.begun == len(f.work) {
		return nil
	}
	r := f.work[f.begun]
	f.work[f.begun] = nil
	f.begun++
	if f.begun == len(f.work) {
		f.work, f.begun = f.work[:0], 0
	}
	return r
}

// runIn performs r. If the handler ends the goroutine with runtime.Goexit, that is
// a failure like a panic, and another loop takes over.
func (f *fetcher) runIn(r *run) (outcome source.Outcome) {
	returned := false
	defer func() {
		if returned {
			return
		}
		outcome = f.w.decide(r, r.release(), &PanicError{})
		f.mu.Lock()
		defer f.mu.Unlock()
		f.loops--
		f.endRun(r, outcome)
		f.wakeLoop()
	}()
	outcome = f.w.perform(r)
	returned = true
	return outcome
}

// endRun frees the slot of a run, and takes its outcome.
func (f *fetcher) endRun(r *run, outcome source.Outcome) {
	r.ended = true
	last := f.active[len(f.active)-1]
	f.active[r.place], last.place = last, r.place
	f.active[len(f.active)-1] = nil
	f.active = f.active[:len(f.active)-1]
	q := r.q
	if r.lone {
		loneSuspect.Store(false)
		q.told = true // there may be another, which wakes no wait
		q.open = true
		q.endWait()
	}
	f.give(1)
	switch {
	case r.lost:
	case !r.accepted:
		r.outcome = outcome // until it is known that it may be settled
	default:
		q.running--
		f.settle(q, outcome)
	}
	f.changed.Broadcast()
}

// loneSuspect is taken while this process runs a job with two crashes behind it.
// It belongs to the process, as the next crash would: all workers in it share it.
var loneSuspect atomic.Bool
