package tasuki

import (
	"context"
	"maps"
	"slices"
	"time"
)

// stop ends claiming. What was claimed and not started goes back to the head; how
// many run is returned.
func (f *fetcher) stop() (running int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopping = true
	for _, r := range slices.Clone(f.work[f.begun:]) {
		f.endRun(r, f.w.release(r))
	}
	f.work, f.begun = nil, 0
	for _, q := range f.queues {
		q.endWait()
	}
	f.wakeLoop()
	return len(f.active)
}

// interrupt ends the contexts of what still runs.
func (f *fetcher) interrupt() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, q := range f.queues {
		q.gathering = true
	}
	for _, r := range f.active {
		f.w.cancel(r, ErrStopping)
	}
}

// gathered sends what was interrupted back together.
func (f *fetcher) gathered() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, q := range f.queues {
		q.gathering = false
	}
	f.wakeLoop()
}

// flush sends what is left. It returns how many outcomes Redis has not taken until
// then.
func (f *fetcher) flush(until time.Time) (left int) {
	f.mu.Lock()
	for _, q := range f.queues {
		q.unstick()
	}
	f.wakeLoop()
	f.mu.Unlock()
	f.await(until, func() bool {
		left = 0
		for _, q := range f.queues {
			left += q.unsettled()
		}
		return left == 0
	})
	return left
}

// stuck is what runs still, or nil.
func (f *fetcher) stuck() *StuckError {
	f.mu.Lock()
	goroutines := map[string]uint64{}
	for _, r := range f.active {
		goroutines[r.address()] = r.goroutine
	}
	f.mu.Unlock()
	if len(goroutines) == 0 {
		return nil
	}
	e := &StuckError{Addresses: slices.Sorted(maps.Keys(goroutines)), Stacks: map[string]string{}}
	for address, goroutine := range goroutines {
		e.Stacks[address] = f.stacks.of(goroutine)
	}
	return e
}

// await waits until is, which is called with f.mu held, is true: at most until a
// time.
func (f *fetcher) await(until time.Time, is func() bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := time.AfterFunc(time.Until(until), f.changed.Broadcast)
	defer t.Stop()
	for !is() {
		if !time.Now().Before(until) {
			return false
		}
		f.changed.Wait()
	}
	return true
}

// isIdle tells whether nothing runs, in q or, with nil, anywhere.
func (f *fetcher) isIdle(q *queue) bool {
	return !slices.ContainsFunc(f.active, func(r *run) bool { return q == nil || r.q == q })
}

// unsettled is how many outcomes of q are not written yet, counting an exchange
// that is under way.
func (q *queue) unsettled() int {
	n := len(q.done) + len(q.outcomes) + len(q.stuck) + q.inflight
	if q.handed != nil || q.reading {
		n++
	}
	return n
}

// close ends all goroutines. Nothing runs; what is still under way is waited for,
// so f.ctx has ended if that could take long.
func (f *fetcher) close() {
	f.mu.Lock()
	f.closed = true
	f.fullness.Stop()
	f.loopReady.Broadcast()
	f.changed.Broadcast()
	for _, q := range f.queues {
		q.endWait()
		q.canWait.Broadcast()
	}
	f.mu.Unlock()
	f.notes.stop()
	f.callers.Wait()
	f.mu.Lock()
	for _, q := range f.queues {
		q.stopRun()
	}
	f.mu.Unlock()
	f.exited.Wait()
}

// remove ends claiming from a queue, and leaves it when its jobs have ended: then
// it calls left.
func (f *fetcher) remove(name string, left func()) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.queues, func(q *queue) bool { return q.name == name && !q.removed })
	if i < 0 {
		return false
	}
	q := f.queues[i]
	q.removed = true
	q.endWait()
	q.canWait.Signal()
	f.exited.Go(func() {
		<-q.waited // nothing is handed over any more
		f.mu.Lock()
		for !f.closed && !(f.isIdle(q) && q.unsettled() == 0) {
			f.changed.Wait()
		}
		f.mu.Unlock()
		q.stopRun()
		<-q.left
		f.mu.Lock()
		f.queues = slices.DeleteFunc(f.queues, func(other *queue) bool { return other == q })
		f.mu.Unlock()
		left()
	})
	return true
}

// leaveFor is how long one try to leave a queue may take.
const leaveFor = 5 * time.Second

// leave gives up a queue. While the worker goes on nobody takes it for dead, so
// what came late into a queue that it has not left would stay there: it tries until
// it has. A worker that is closed is swept instead.
func (f *fetcher) leave(q *queue) {
	for pause := time.Second; ; pause = min(2*pause, askAfter) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(f.ctx), leaveFor)
		err := q.src.Leave(ctx)
		cancel()
		if err == nil {
			return
		}
		if f.await(time.Now().Add(jitter(pause)), func() bool { return f.closed }) {
			f.w.log.Warn("tasuki: a queue was not left in order; it will be swept", "queue", q.name, "err", err)
			f.mu.Lock()
			f.unleft = true
			f.mu.Unlock()
			return
		}
		f.w.warnOnce(q.name+" left", "tasuki: a queue that was removed cannot be left; trying again", "queue", q.name, "err", err)
	}
}
