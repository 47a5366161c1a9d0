package tasuki

import (
	"sync/atomic"
	"time"

	"github.com/tasuki-dev/tasuki/internal/bridge"
	"github.com/tasuki-dev/tasuki/internal/source"
)

// loop is a goroutine of the pool. Its stack is kept: a new one would begin small,
// and every decoder makes it grow.
func (f *fetcher) loop() {
	me := goroutineID()
	now := time.Duration(0) // when the run before has ended, if this goroutine has done nothing since
	f.mu.Lock()
	for woken := true; ; {
		x, r := f.next(), (*run)(nil)
		if x == nil {
			r = f.nextRun()
		}
		if woken {
			f.waking, woken = false, false
		}
		switch {
		case x != nil:
			f.wakeLoop()
			f.mu.Unlock()
			x.do(f.ctx)
			now = 0
			f.mu.Lock()
			f.finish(x)
		case r != nil:
			r.goroutine, r.began = me, now
			now = f.runHere(r)
		case f.closed:
			f.loops--
			f.mu.Unlock()
			return
		default:
			f.idleLoops++
			f.loopReady.Wait()
			f.idleLoops--
			woken, now = true, 0
		}
	}
}

// runHere runs a job, and returns when it has ended.
func (f *fetcher) runHere(r *run) (now time.Duration) {
	f.wakeLoop()
	f.mu.Unlock()
	if r.began == 0 { // else this is as good, and to read a clock costs as much as to count a job
		r.began = time.Since(f.epoch)
	}
	outcome := f.runIn(r)
	now = time.Since(f.epoch)
	r.took = now - r.began
	f.mu.Lock()
	f.endRun(r, outcome)
	return now
}

// wakeLoop sees to it that a loop is on its way if there is something to do. Only
// one is at a time: it wakes the next. So a portion of short jobs is done by the
// few that are awake, and one of long jobs still gets a loop for each.
func (f *fetcher) wakeLoop() {
	if f.waking || f.closed || f.begun == len(f.work) && !f.anyDue() {
		return
	}
	f.waking = true
	if f.idleLoops > 0 {
		f.loopReady.Signal()
		return
	}
	f.loops++
	f.callers.Go(f.loop)
}

// mayBeDue is a quick no: while jobs wait for a loop, only a portion makes an
// exchange worthwhile.
func (f *fetcher) mayBeDue() bool {
	return f.begun == len(f.work) || f.out+f.free >= f.portion || f.stopping
}

func (f *fetcher) anyDue() bool {
	if !f.mayBeDue() {
		return false
	}
	q, _ := f.pick()
	return q != nil
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

// newRun is a run that was claimed at a time since f.epoch.
func (f *fetcher) newRun(q *queue, d source.Delivery, since time.Duration) *run {
	r := &run{q: q, tag: d.Tag, element: d.Element, since: since, place: -1}
	r.ctx.run, r.ctx.base = r, f.base
	return r
}

// admit gives an accepted run to the loops; wakeLoop has to follow.
func (f *fetcher) admit(r *run) {
	if r.place < 0 {
		f.activate(r)
	}
	if f.stopping {
		f.endRun(r, f.w.release(r))
		return
	}
	f.lineUp(r)
}

func (f *fetcher) lineUp(r *run) {
	if f.begun > len(f.active) { // more is behind than can be ahead
		n := copy(f.work, f.work[f.begun:])
		clear(f.work[n:])
		f.work, f.begun = f.work[:n], 0
	}
	f.work = append(f.work, r)
}

func (f *fetcher) activate(r *run) {
	r.place = len(f.active)
	f.active = append(f.active, r)
}

// runIn performs r. If the handler ends the goroutine with runtime.Goexit, that is
// a failure like a panic, and another loop takes over.
func (f *fetcher) runIn(r *run) (outcome source.Outcome) {
	began, returned := f.w.began(), false
	defer func() {
		if returned {
			return
		}
		defer func() {
			r.took = time.Since(f.epoch) - r.began
			f.mu.Lock()
			defer f.mu.Unlock()
			f.loops--
			f.endRun(r, outcome)
			f.wakeLoop()
		}()
		if outcome.State == "" { // else it was OnChange that has ended it
			failure := &PanicError{}
			outcome = f.w.decide(r, r.release(), failure)
			f.w.tellEnd(r, outcome, failure, began)
		}
	}()
	outcome, err := f.w.perform(r)
	f.w.tellEnd(r, outcome, err, began)
	returned = true
	return outcome
}

// endRun frees the slot of a run, and takes its outcome.
func (f *fetcher) endRun(r *run, outcome source.Outcome) {
	r.ended = true
	if len(f.late) > 0 {
		delete(f.late, r)
	}
	last := f.active[len(f.active)-1]
	f.active[r.place], last.place = last, r.place
	f.active[len(f.active)-1] = nil
	f.active = f.active[:len(f.active)-1]
	q := r.q
	if r.lone {
		f.w.lone.Store(false)
		for _, other := range f.queues { // there may be another in any of them, which wakes no wait
			other.told, other.open = true, true
			other.endWait()
		}
	}
	f.give(1)
	switch {
	case r.lost:
	case !r.accepted:
		kept := outcome   // a copy: else every outcome would be on the heap
		r.outcome = &kept // until it is known that it may be settled
	default:
		q.running--
		outcome.Tag = r.heldAs()
		f.settle(q, outcome)
		f.stats.settled(r, outcome.State)
	}
	f.changed.Broadcast()
}

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

// loneSuspect is taken while this process runs a job with two crashes behind it.
// It belongs to the process, as the next crash would: all workers in it share it,
// unless a test takes them for processes of their own.
var loneSuspect atomic.Bool

var _ = func() bool {
	bridge.OneProcess = func(workers ...any) {
		lone := new(atomic.Bool)
		for _, w := range workers {
			w.(*Worker).lone = lone
		}
	}
	return true
}()
