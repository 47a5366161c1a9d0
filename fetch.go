package tasuki

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tasuki-dev/tasuki/internal/source"
	"github.com/tasuki-dev/tasuki/internal/store"
)

// fetcher keeps the slots of a worker busy. It has one goroutine for each queue,
// which waits in it while it is empty, and a pool of others, each of which does
// whatever is next: an exchange, which settles what is finished and claims for
// the slots that are free, or a job. So a short job costs no change of goroutines:
// who has claimed a portion runs it, and settles it with the next.
//
// All state is under one lock, which a job takes once at each end. A queue is
// waited on (its last exchange left it empty) or claimed from (open). A job is
// claimed only when a slot is free for it.
type fetcher struct {
	w    *Worker
	base context.Context // of handlers
	ctx  context.Context // of calls to Redis; ended when the worker gives up

	mu     sync.Mutex
	queues []*queue // in the order in which they are asked
	active []*run   // claimed or handed over, and not ended
	free   int      // slots that are neither taken nor promised to an exchange
	work   []*run   // claimed and not started; work[begun:] are left
	begun  int
	out    int // finished and not sent, in all queues

	loops     int // goroutines of the pool
	idleLoops int
	waking    bool // one of them is on its way: it will wake the next
	loopReady sync.Cond

	portion int // so much makes an exchange worthwhile while jobs wait for a loop
	ahead   int // exchanges of a queue that may be under way at a time

	stopping bool
	stale    bool // the worker could not beat for long: it may have been taken for dead
	closed   bool
	lastBeat time.Time
	fullAt   time.Time   // since when no slot is free
	fullness *time.Timer // ends the waits when that has lasted
	changed  sync.Cond   // something has ended or was settled

	clock atomic.Int64 // how far Redis' clock is ahead, ns

	callers sync.WaitGroup // goroutines that call sources: they end before sources are left
	exited  sync.WaitGroup // all others
}

// queue is one source and what the worker knows of it. Its fields are guarded by
// fetcher.mu.
type queue struct {
	fetcher *fetcher
	name    string
	channel string // on which its workers are told things
	weight  int
	src     source.Source
	stopRun context.CancelFunc // ends src.Run
	waited  chan struct{}      // closed when nobody will wait any more
	ran     chan struct{}      // closed when src.Run has returned

	open     bool // there may be jobs, or nobody knows
	told     bool // so it was told on the queue's channel, after the last exchange had begun
	paused   bool
	removed  bool
	waiting  bool
	hands    bool               // a wait is under way, or what it handed over was not accepted yet
	touching int                // exchanges under way that claim strays: no wait may begin
	stopWait context.CancelFunc // while waiting
	canWait  sync.Cond

	done     []source.Tag     // finished and not sent
	outcomes []source.Outcome // the same, other than simply done
	stuck    []source.Outcome // that Redis will not take; tried again now and then
	single   bool             // one outcome at a time, to find out which it will not take
	resent   bool             // what is sent now was sent before
	reading  bool             // what is held is being read: nothing else may be under way
	handed   *run             // handed over, and its acceptance has to be sent again
	recent   ring             // what was settled lately
	inflight int              // exchanges under way
	started  int              // exchanges that were ever begun
	running  int              // accepted and not ended
	mean     float64          // bytes of an element, lately

	failures  int       // of exchanges, since the last that worked
	retryAt   time.Time // not before, after a failure
	asked     time.Time // when the last exchange began
	compared  time.Time // when what Redis says was last compared with what is known here
	pausedFor time.Time // ask again then

	stuckSince time.Time
	gathering  bool // what is interrupted is held back, to be released together
}

const (
	// askAfter is how long a queue may go without an exchange, whatever it is
	// doing: jobs that this worker holds and does not know of are found by it.
	askAfter = 20 * time.Second
	// idleBeatLimit is how old the last beat may be for a job that is handed
	// over to be started before Redis has accepted it: a worker that was frozen
	// for longer may have been taken for dead.
	idleBeatLimit = 2 * time.Second
	// exchangeLimit is how long an exchange may take. What it carried is sent
	// again then; a failover, in which it is repeated, takes about that long.
	exchangeLimit = 15 * time.Second
	// fullFor is how long no slot has to be free for the waits to be ended.
	fullFor = 5 * time.Millisecond

	claimBytes = 1 << 20 // about, in one exchange
	settlesMax = 1 << 20 // bytes of outcomes in one exchange, about
)

func newFetcher(w *Worker, base, ctx context.Context) *fetcher {
	n := w.cfg.Concurrency
	f := &fetcher{
		w: w, base: base, ctx: ctx, free: n,
		portion: min(max(n/4, 50), source.Most), lastBeat: time.Now(),
	}
	f.ahead = min(max(n/f.portion, 1), 4)
	f.loopReady.L, f.changed.L = &f.mu, &f.mu
	f.fullness = time.AfterFunc(time.Hour, f.endWaitsWhenFull)
	f.fullness.Stop()
	return f
}

// add begins with a queue.
func (f *fetcher) add(name, channel string, weight int, src source.Source) {
	ctx, stop := context.WithCancel(f.ctx)
	q := &queue{fetcher: f, name: name, channel: channel, weight: weight, src: src, open: true, mean: 64 << 10, stopRun: stop, waited: make(chan struct{}), ran: make(chan struct{})}
	q.canWait.L = &f.mu
	now := time.Now()
	q.asked, q.compared = now, now
	f.mu.Lock()
	f.queues = append(f.queues, q)
	f.wakeLoop()
	f.mu.Unlock()
	f.callers.Go(func() {
		defer close(q.waited)
		f.waitIn(q)
	})
	f.exited.Go(func() {
		defer close(q.ran)
		if err := src.Run(ctx); err != nil {
			f.w.log.Warn("tasuki: a queue was not left in order; it will be swept", "queue", name, "err", err)
		}
	})
}

// exchange is one call of source.Exchange.
type exchange struct {
	q      *queue
	req    source.Request
	handed *run
	alone  bool // no other of the queue was under way when it began
	nth    int
	reply  *source.Reply
	err    error
}

// loop is a goroutine of the pool. Its stack is kept: a new one would begin small,
// and every decoder makes it grow.
func (f *fetcher) loop() {
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
			f.mu.Lock()
			f.finish(x)
		case r != nil:
			f.runHere(r)
		case f.closed:
			f.loops--
			f.mu.Unlock()
			return
		default:
			f.idleLoops++
			f.loopReady.Wait()
			f.idleLoops--
			woken = true
		}
	}
}

// runHere runs a job.
func (f *fetcher) runHere(r *run) {
	f.wakeLoop()
	f.mu.Unlock()
	outcome := f.runIn(r)
	f.mu.Lock()
	f.endRun(r, outcome)
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

func (x *exchange) do(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, exchangeLimit)
	defer cancel()
	x.reply, x.err = x.q.src.Exchange(ctx, &x.req)
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
	if !q.open || q.paused || q.removed || q.single || f.stopping || f.stale || now.Before(q.retryAt) {
		return 0
	}
	return min(f.free, f.portion, max(1, int(claimBytes/q.mean)))
}

// isDue tells whether an exchange of q is worth its round trip now. While jobs
// are claimed that no slot has started yet, more can wait until there is a
// portion of them; so short jobs are settled in portions, long ones at once.
func (f *fetcher) isDue(q *queue, want int, now time.Time) bool {
	if q.reading || now.Before(q.retryAt) {
		return false
	}
	out := q.sendable()
	if want == 0 && out == 0 && q.handed == nil && now.Sub(q.asked) < askAfter {
		return false
	}
	if q.waiting && !q.open && out == 0 {
		return false // its wait ends in an exchange
	}
	switch {
	case q.inflight == 0:
		return f.begun == len(f.work) || want+out >= f.portion || f.stopping
	case f.stopping || q.single || now.Sub(q.compared) > askAfter:
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
	x.req.Lone = want > 0 && loneSuspect.CompareAndSwap(false, true)
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
	n, size := 0, 0
	for n < min(len(q.outcomes), source.Most) && (n == 0 || size < settlesMax && !q.single) {
		size += len(q.outcomes[n].Element)
		n++
	}
	if q.single && len(x.req.Done) > 0 {
		n = 0
	}
	x.req.Outcomes, q.outcomes = q.outcomes[:n:n], q.outcomes[n:]
	q.fetcher.out -= n
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
		q.stopWait()
	}
}

// finish notes what an exchange has done.
func (f *fetcher) finish(x *exchange) {
	q := x.q
	q.inflight--
	if x.req.Strays {
		q.touching--
	}
	if x.req.Lone && (x.err != nil || !x.reply.Lone) {
		loneSuspect.Store(false)
	}
	if x.err != nil {
		f.give(x.req.Want)
		f.failed(x)
		return
	}
	r := x.reply
	f.clock.Store(int64(time.Until(r.Now)))
	if q.failures > 0 {
		if q.failures > 1 {
			f.w.log.Info("tasuki: the queue works again", "queue", q.name, "after", q.failures)
		}
		q.failures = 0
	}
	q.single = q.single && len(q.outcomes) > 0
	f.noteSettled(x)
	if r.Lost != 0 {
		f.lose(q, r.Lost)
	}
	f.noteAccepted(x)
	for i, d := range r.Claimed {
		run := f.newRun(q, d)
		run.accepted, run.fence = true, d.Fence
		run.lone = r.Lone && i == 0
		q.running++
		f.push(run)
		q.mean += (float64(len(d.Element)) - q.mean) / 16
		q.mean = max(q.mean, float64(len(d.Element))/4) // quick to grow, slow to shrink
	}
	f.give(x.req.Want - len(r.Claimed))
	if x.req.Want > 0 {
		q.open = len(r.Claimed) == x.req.Want || q.told
	}
	if q.paused = r.Paused; q.paused {
		q.open = true
		q.pausedFor = time.Now().Add(jitter(askAfter))
	}
	if r.Trouble != nil {
		f.trouble(q, r.Trouble)
	}
	q.canWait.Signal()
	f.changed.Broadcast()
	f.compare(x)
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
	run.accepted, run.fence = true, x.reply.Fence
	if run.ended {
		f.settle(run.q, run.outcome)
		return
	}
	run.q.running++
	if run.place < 0 {
		f.activate(run)
		f.push(run)
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
	if store.IsRedis(x.err) && len(q.outcomes) > 0 {
		// Redis will not do this, now or later. Which outcome it is shows when
		// they come one at a time; the rest goes on.
		if q.single && len(x.req.Done) == 0 && len(x.req.Outcomes) == 1 {
			f.w.log.Error("tasuki: an outcome cannot be written; the job stays held, and it is tried again every minute",
				"queue", q.name, "state", q.outcomes[0].State, "tag", q.outcomes[0].Tag, "err", x.err)
			q.stuck, q.stuckSince = append(q.stuck, q.outcomes[0]), time.Now()
			q.outcomes = q.outcomes[1:]
			f.out--
			f.backOff(q, 0)
			return
		}
		q.single = true
		f.backOff(q, 0)
		return
	}
	f.backOff(q, f.blame(q, x.err))
}

// blame logs the first failure of a row and returns how long to wait.
func (f *fetcher) blame(q *queue, err error) time.Duration {
	q.failures++
	if q.failures == 1 && f.ctx.Err() == nil {
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
		f.mu.Unlock()
		d, err := q.src.Wait(ctx)
		cancel()
		f.mu.Lock()
		q.waiting, q.stopWait = false, nil
		if err != nil {
			// What it may have handed over all the same is found by the
			// exchange that follows.
			q.open, q.hands = true, false
			f.backOff(q, f.blame(q, err))
			continue
		}
		x := f.afterWait(q, d)
		f.mu.Unlock()
		x.do(f.ctx)
		f.mu.Lock()
		f.finish(x)
		q.hands = q.handed != nil
		f.wakeLoop()
	}
}

func (f *fetcher) mayWait(q *queue) bool {
	return !q.open && !q.paused && !q.removed && !q.reading && !f.stopping && !f.stale && f.free > 0 &&
		q.handed == nil && q.touching == 0 && !time.Now().Before(q.retryAt)
}

// afterWait makes the exchange in which every wait ends. A job that was handed
// over starts at once, if there is a slot; the exchange that accepts it is on its
// way meanwhile. Without a slot nothing is accepted, and the exchange puts it
// back at the head.
func (f *fetcher) afterWait(q *queue, d *source.Delivery) *exchange {
	if d != nil && f.free > 0 && !f.stopping {
		run := f.newRun(q, *d)
		run.handed = make(chan struct{})
		f.take(1)
		q.handed = run
		if time.Since(f.lastBeat) < idleBeatLimit {
			f.activate(run)
			f.enqueue(run)
			f.wakeLoop()
		}
	}
	q.open = q.open || f.free == 0
	want := 0
	if !q.paused && !q.removed && !f.stopping && !f.stale {
		// The others that are waited on may hand something over as well.
		others := 0
		for _, other := range f.queues {
			if other.waiting {
				others++
			}
		}
		want = min(max(f.free-others, 0), source.Most, max(1, int(claimBytes/q.mean)))
	}
	return f.begin(q, want, true)
}

// serverNow is Redis' clock, as far as it is known.
func (f *fetcher) serverNow() time.Time {
	return time.Now().Add(time.Duration(f.clock.Load()))
}

// beaten is called after every beat that was tried.
func (f *fetcher) beaten(now time.Time, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ok {
		f.lastBeat = now
	}
	stale := now.Sub(f.lastBeat) > staleAfter
	if stale != f.stale {
		f.stale = stale
		if stale {
			f.w.log.Warn("tasuki: this worker could not beat for long; it claims nothing until it can", "for", now.Sub(f.lastBeat))
			for _, q := range f.queues {
				q.endWait()
			}
		}
	}
	for _, q := range f.queues {
		if q.paused && now.After(q.pausedFor) {
			q.paused = false
		}
		if now.Sub(q.stuckSince) > time.Minute {
			q.unstick()
		}
		q.canWait.Signal()
	}
	f.wakeLoop()
}

// unstick tries again what Redis would not take.
func (q *queue) unstick() {
	if len(q.stuck) > 0 {
		q.fetcher.out += len(q.stuck)
		q.outcomes, q.stuck = append(q.outcomes, q.stuck...), nil
		q.single = true
	}
}

// ask has an exchange done in the queues as soon as may be: there may be
// something that wakes no wait, or a pause has ended or begun.
func (f *fetcher) ask(is func(*queue) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, q := range f.queues {
		if is(q) {
			q.told, q.open, q.paused = true, true, false
			q.endWait()
		}
	}
	f.wakeLoop()
}

// cancelRun cancels a job of the queue with that channel if it runs here.
func (f *fetcher) cancelRun(channel, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.active {
		if r.q.channel == channel && r.address() == r.q.name+"/"+id {
			f.w.cancel(r, ErrCancelled)
		}
	}
}

const staleAfter = 15 * time.Second

// jitter spreads d by a tenth to either side, so that workers that were started
// together do not act together.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}
