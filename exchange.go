package tasuki

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tasuki-dev/tasuki/internal/failpoint"
	"github.com/tasuki-dev/tasuki/internal/source"
	"github.com/tasuki-dev/tasuki/internal/store"
)

// exchange is one call of source.Exchange.
type exchange struct {
	q      *queue
	req    source.Request
	handed *run
	alone  bool // no other of the queue was under way when it began
	nth    int
	reply  *source.Reply
	opened map[int]*source.Opened // of Reply.Claimed, the records
	err    error
}

func (x *exchange) do(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, exchangeLimit)
	defer cancel()
	settles := len(x.req.Done)+len(x.req.Outcomes) > 0
	if settles {
		if x.err = failpoint.Err(failpoint.BeforeSettle); x.err != nil {
			return
		}
	}
	x.reply, x.err = x.q.src.Exchange(ctx, &x.req)
	if x.err == nil && settles {
		x.err = failpoint.Err(failpoint.AfterSettle)
	}
	if x.err == nil && len(x.reply.Claimed) > 0 {
		x.openClaimed(ctx)
		x.err = failpoint.Err(failpoint.AfterClaim)
	}
}

// next begins the exchange that is due now, if there is one. f.mu is held, as in
// all that follows unless it is said otherwise.
func (f *fetcher) next() *exchange {
	if !f.mayBeDue() {
		return nil
	}
	q, want := f.pick()
	if q == nil {
		return nil
	}
	return f.begin(q, want, false)
}

// pick returns the queue whose exchange is due now, and how many jobs it should
// claim.
func (f *fetcher) pick() (*queue, int) {
	now := time.Now()
	blocked := false
	for _, q := range f.order() {
		want := f.want(q, now)
		if blocked {
			want = 0
		}
		if f.isDue(q, want, now) {
			return q, want
		}
		// In strict order the free slots are for the first that may have
		// jobs, also while its exchange is under way.
		blocked = blocked || want > 0 && q.weight == 0
	}
	return nil, 0
}

// order is the order in which the queues are asked: as given, or drawn anew by
// weight for every question.
func (f *fetcher) order() []*queue {
	if len(f.queues) < 2 || f.queues[0].weight == 0 {
		return f.queues
	}
	// Sorting by u^(1/weight) with u random draws without replacement, each
	// with a chance that is its share of the weights that are left (Efraimidis
	// and Spirakis, 2006). log(u)/weight has the same order.
	drawn := make([]*queue, len(f.queues))
	key := make(map[*queue]float64, len(f.queues))
	for i, q := range f.queues {
		drawn[i], key[q] = q, rand.ExpFloat64()/float64(max(q.weight, 1))
	}
	slices.SortFunc(drawn, func(a, b *queue) int { return cmp.Compare(key[a], key[b]) })
	return drawn
}

// want is how many jobs an exchange of q could claim.
func (f *fetcher) want(q *queue, now time.Time) int {
	if !q.open || q.paused || q.removed || q.single || f.resting() || now.Before(q.retryAt) {
		return 0
	}
	return min(f.free, f.portion, max(1, int(claimBytes/max(q.mean, 1))))
}

// isDue tells whether an exchange of q is worth its round trip now. While jobs
// are claimed that no slot has started yet, more can wait until there is a
// portion of them; so short jobs are settled in portions, long ones at once.
func (f *fetcher) isDue(q *queue, want int, now time.Time) bool {
	if q.reading || now.Before(q.retryAt) {
		return false
	}
	out := q.sendable()
	if want == 0 && out == 0 && q.handed == nil && now.Sub(q.asked) < f.paced(askAfter) {
		return false
	}
	if q.waiting && !q.open && out == 0 {
		return false // its wait ends in an exchange
	}
	if q.waiting && q.stopWait == nil && now.Sub(q.compared) > f.paced(askAfter) {
		return false // the same, at once; beside another it could not compare
	}
	switch {
	case q.inflight == 0:
		return f.begun == len(f.work) || want+out >= f.portion || f.stopping
	case f.stopping || q.single || now.Sub(q.compared) > f.paced(askAfter):
		return false // in order, one by one, or to compare
	case q.inflight >= f.ahead:
		return false
	}
	return out >= f.portion || want >= f.portion
}

// sendable is how many outcomes an exchange of q could carry.
func (q *queue) sendable() int {
	if q.gathering {
		return len(q.done)
	}
	return len(q.done) + len(q.outcomes)
}

// begin takes what an exchange of q carries. strays says that it is the one in
// which a wait ends.
func (f *fetcher) begin(q *queue, want int, strays bool) *exchange {
	x := &exchange{q: q, alone: q.inflight == 0}
	x.req.Want = want
	f.take(want)
	if want > 0 {
		x.req.Lone = f.w.lone.CompareAndSwap(false, true)
		q.passed = !x.req.Lone
	}
	if q.handed != nil {
		x.handed, q.handed = q.handed, nil
		x.req.Handed = &source.Delivery{Tag: x.handed.tag, Element: x.handed.element}
	}
	x.takeOutcomes()
	x.req.Strays = strays || !q.hands
	if x.req.Strays {
		q.touching++
	}
	q.told = false
	q.inflight++
	q.started++
	x.nth = q.started
	q.asked = time.Now()
	return x
}

// takeOutcomes moves what q has to settle into the request, within the bounds of
// one call.
func (x *exchange) takeOutcomes() {
	q := x.q
	n := min(len(q.done), source.Most)
	x.req.Done, q.done = q.done[:n:n], q.done[n:]
	q.fetcher.out -= n
	if q.gathering {
		return
	}
	if q.fetcher.stopping {
		// What goes back does so newest first: the oldest comes to lie at the head.
		slices.SortStableFunc(q.outcomes, func(a, b source.Outcome) int { return cmp.Compare(b.Tag, a.Tag) })
	}
	n, size := 0, 0
	for n < min(len(q.outcomes), source.Most) && (n == 0 || size < settlesMax && !q.single) {
		size += len(q.outcomes[n].Element)
		n++
	}
	if q.single && len(x.req.Done) > 0 || q.withheld {
		n = 0
	}
	x.req.Outcomes, q.outcomes = q.outcomes[:n:n], q.outcomes[n:]
	q.fetcher.out -= n
}

// finish notes what an exchange has done.
func (f *fetcher) finish(x *exchange) {
	q := x.q
	q.inflight--
	if x.req.Strays {
		q.touching--
	}
	if x.req.Lone && (x.err != nil || !x.reply.Lone) {
		f.w.lone.Store(false)
	}
	if x.err != nil {
		f.give(x.req.Want)
		f.failed(x)
		f.changed.Broadcast()
		return
	}
	if q.withheld && len(x.req.Outcomes) == 0 {
		q.withheld, q.single, q.doubt = false, true, true
	}
	r := x.reply
	since := time.Since(f.epoch)
	f.clock.Store(r.Now.UnixNano() - int64(since))
	if q.failures > 0 {
		if q.failures > 1 {
			f.w.log.Info("tasuki: the queue works again", "queue", q.name, "after", q.failures)
		}
		q.failures = 0
	}
	q.single = q.single && len(q.outcomes) > 0
	q.doubt = q.doubt && q.single
	f.noteSettled(x)
	f.trimEnded(x)
	if r.Lost != 0 {
		f.lose(q, r.Lost)
	}
	f.noteAccepted(x)
	f.noteClaimed(x, since)
	if x.req.Want > 0 {
		q.open = len(r.Claimed) == x.req.Want || q.told
	}
	if r.Paused != q.saidPaused && !q.told {
		q.saidPaused = r.Paused
		f.w.log.Info("tasuki: a pause of the queue has begun or ended", "queue", q.name, "paused", r.Paused)
	}
	if q.paused = r.Paused && !q.told; q.paused {
		q.open = true
		q.pausedFor = time.Now().Add(jitter(f.paced(askAfter)))
	}
	if r.Trouble != nil {
		f.trouble(q, r.Trouble)
	}
	q.canWait.Signal()
	f.changed.Broadcast()
	f.compare(x)
}

// trimEnded has the records of ended jobs trimmed if the exchange has made some, beside
// everything else.
func (f *fetcher) trimEnded(x *exchange) {
	q := x.q
	recorder, ok := q.src.(source.Recorder)
	kept := func(o source.Outcome) bool { return o.Record != nil && o.Record.Ended && o.Record.Keep > 0 }
	if !ok || q.trimming || f.stopping || time.Since(q.trimmedAt) < trimEvery || !slices.ContainsFunc(x.req.Outcomes, kept) {
		return
	}
	q.trimming, q.trimmedAt = true, time.Now()
	f.callers.Go(func() {
		ctx, cancel := context.WithTimeout(f.ctx, exchangeLimit)
		defer cancel()
		if err := recorder.TrimEnded(ctx, f.w.cfg.KeepMax); err != nil && ctx.Err() == nil {
			f.w.warnOnce("ended "+q.name+err.Error(), "tasuki: records of ended jobs cannot be trimmed; trying again", "queue", q.name, "err", err)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		q.trimming = false
	})
}

// noteClaimed has what was claimed run.
func (f *fetcher) noteClaimed(x *exchange, since time.Duration) {
	q, r := x.q, x.reply
	if len(r.Claimed) > 0 {
		q.claimed = since
	}
	for i, d := range r.Claimed {
		run := f.newRun(q, d, since)
		run.accepted, run.fence = true, d.Fence
		run.lone = r.Lone && i == 0
		run.opened = x.opened[i]
		q.running++
		f.admit(run)
		q.mean += (float64(len(d.Element)) - q.mean) / 16
		q.mean = max(q.mean, float64(len(d.Element))/4) // quick to grow, slow to shrink
	}
	f.give(x.req.Want - len(r.Claimed))
}

// noteAccepted is about the job that was handed over, which may have ended since.
func (f *fetcher) noteAccepted(x *exchange) {
	run := x.handed
	if run == nil {
		return
	}
	run.q.hands = false
	defer close(run.handed)
	if !x.reply.Accepted || run.lost {
		f.loseRun(run)
		if run.place < 0 && !run.ended {
			// It was not started, as it waited for this answer.
			run.ended = true
			f.give(1)
		}
		return
	}
	run.accepted, run.fence, run.renamed = true, x.reply.Fence, x.reply.Renamed
	if run.ended {
		run.outcome.Tag = run.heldAs()
		f.settle(run.q, *run.outcome)
		f.stats.settled(run, run.outcome.State)
		return
	}
	run.q.running++
	if run.place < 0 {
		f.admit(run)
	}
}

// failed puts back what an exchange carried: its outcomes are sent again until
// Redis answers.
func (f *fetcher) failed(x *exchange) {
	q := x.q
	q.resent = true
	q.done = append(x.req.Done, q.done...)
	q.outcomes = append(x.req.Outcomes, q.outcomes...)
	f.out += len(x.req.Done) + len(x.req.Outcomes)
	if x.handed != nil {
		q.handed = x.handed
	}
	alone := q.single && len(x.req.Done) == 0 && len(x.req.Outcomes) == 1
	if store.IsRedis(x.err) && !errors.Is(x.err, store.ErrRefused) && len(q.outcomes) > 0 {
		// Redis will not do this, now or later. Which outcome it is shows when
		// they come one at a time; the rest goes on.
		if alone {
			f.setAside(q, x.err)
		}
		q.single = !alone || len(q.outcomes) > 0
		f.backOff(q, 0)
		return
	}
	d := f.blame(q, x.err)
	switch lost := errors.Is(x.err, store.ErrUncertain); {
	case lost && alone && q.doubt && q.failures >= doubtAlone:
		f.setAside(q, x.err)
		q.single, q.failures = len(q.outcomes) > 0, 0
		d = 0
	case lost && len(x.req.Outcomes) > 0 && !q.doubt && q.failures >= doubtAfter:
		q.withheld = true
	}
	f.backOff(q, d)
}

// How many failures in a row, each a lost reply, make it likely that the outcomes are
// why: first of an exchange, which takes about 7 s, then of one that carries a
// single outcome while others work.
const (
	doubtAfter = 8
	doubtAlone = 3
)

// setAside takes the first outcome of q out of the way of the others.
func (f *fetcher) setAside(q *queue, err error) {
	f.w.log.Error("tasuki: an outcome cannot be written; the job stays held, and it is tried again every minute",
		"queue", q.name, "state", q.outcomes[0].State, "tag", q.outcomes[0].Tag, "bytes", len(q.outcomes[0].Element), "err", err)
	q.stuck, q.stuckSince = append(q.stuck, q.outcomes[0]), time.Now()
	q.outcomes = q.outcomes[1:]
	f.out--
}

// blame logs the first failure of a row, and what Redis itself then says, and
// returns how long to wait.
func (f *fetcher) blame(q *queue, err error) time.Duration {
	q.failures++
	first := q.failures == 1 || store.IsRedis(err) && err.Error() != q.blamed
	if first && f.ctx.Err() == nil {
		q.blamed = err.Error()
		f.w.log.Warn("tasuki: redis does not do what a queue needs; trying again", "queue", q.name, "err", err)
	}
	return jitter(min(50*time.Millisecond<<min(q.failures-1, 10), 2*time.Second))
}

// backOff lets q rest.
func (f *fetcher) backOff(q *queue, d time.Duration) {
	q.retryAt = time.Now().Add(d)
	time.AfterFunc(d, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.wakeLoop()
		q.canWait.Signal()
	})
}

// trouble is when a part of an exchange could not be done, such as claiming from
// a key that is no list. Settling goes on; claiming rests for a while.
func (f *fetcher) trouble(q *queue, err error) {
	f.w.warnOnce("trouble "+q.name+err.Error(), "tasuki: a queue cannot be served as it is; trying again every few seconds", "queue", q.name, "err", err)
	q.paused = true
	q.open = true
	q.pausedFor = time.Now().Add(jitter(3 * time.Second))
}

// unstick tries again what Redis would not take.
func (q *queue) unstick() {
	if len(q.stuck) > 0 {
		q.fetcher.out += len(q.stuck)
		q.outcomes, q.stuck = append(q.outcomes, q.stuck...), nil
		q.single = true
	}
}
