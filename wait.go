package tasuki

import (
	"context"
	"runtime"
	"time"

	"github.com/tasuki-dev/tasuki/internal/failpoint"
	"github.com/tasuki-dev/tasuki/internal/source"
)

// waitIn waits in q while it is empty. It is q's own goroutine, and the only one
// that waits there.
func (f *fetcher) waitIn(q *queue) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		for !f.mayWait(q) {
			if f.closed || q.removed {
				return
			}
			q.canWait.Wait()
		}
		ctx, cancel := context.WithCancel(f.ctx)
		q.waiting, q.hands, q.stopWait = true, true, cancel
		began := time.Now()
		f.mu.Unlock()
		d, err := q.src.Wait(ctx)
		cancel()
		if d != nil {
			failpoint.Hit(failpoint.AfterHandOver)
		}
		f.mu.Lock()
		q.waiting, q.stopWait = false, nil
		if err != nil {
			// What it may have handed over all the same is found by the
			// exchange that follows.
			q.open, q.hands = true, false
			f.backOff(q, f.blame(q, err))
			continue
		}
		x := f.afterWait(q, d, began)
		f.mu.Unlock()
		if d != nil {
			// The loop that runs the job is next on this processor: it begins
			// before the exchange is written, and another processor takes
			// this goroutine if the job does not soon rest.
			runtime.Gosched()
		}
		x.do(f.ctx)
		f.mu.Lock()
		f.finish(x)
		q.hands = q.handed != nil
		f.wakeLoop()
	}
}

func (f *fetcher) mayWait(q *queue) bool {
	return !q.open && !q.paused && !q.removed && !q.reading && !f.resting() && f.free > 0 &&
		!q.hands && q.touching == 0 && !time.Now().Before(q.retryAt)
}

// afterWait makes the exchange in which every wait ends. A job that was handed
// over starts at once, if there is a slot; the exchange that accepts it is on its
// way meanwhile. Without a slot, or when the queue is being left, nothing is
// accepted, and the exchange puts it back at the head.
func (f *fetcher) afterWait(q *queue, d *source.Delivery, began time.Time) *exchange {
	if d != nil && f.free > 0 && !f.stopping && !f.quiet && !q.removed {
		now := time.Now()
		run := f.newRun(q, *d, now.Sub(f.epoch))
		q.claimed = run.since
		run.handed = make(chan struct{})
		f.take(1)
		q.handed = run
		if now.Sub(f.lastBeat) < f.paced(idleBeatLimit) && began.After(f.steady) {
			f.activate(run)
			f.lineUp(run)
			f.wakeLoop()
		}
	}
	q.open = q.open || f.free == 0
	want := 0
	if !q.paused && !q.removed && !f.resting() {
		// The others that are waited on may hand something over as well.
		others := 0
		for _, other := range f.queues {
			if other.waiting {
				others++
			}
		}
		want = min(max(f.free-others, 0), source.Most, max(1, int(claimBytes/max(q.mean, 1))))
	}
	q.open = q.open || d == nil && want == 0 // there may be what wakes no BLMOVE
	return f.begin(q, want, true)
}

// endWaitsWhenFull is called by a timer, without f.mu.
func (f *fetcher) endWaitsWhenFull() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fullAt.IsZero() {
		return
	}
	if full := time.Since(f.fullAt); full < fullFor {
		f.fullness.Reset(fullFor - full)
		return
	}
	for _, q := range f.queues {
		q.endWait()
	}
}

// endWait ends a wait under way. Its exchange may not have a slot to claim for,
// so that it is not known then whether the queue is empty.
func (q *queue) endWait() {
	if q.waiting {
		q.open = true
	}
	if q.stopWait != nil {
		q.stopWait()
		q.stopWait = nil
	}
}
