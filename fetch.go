package tasuki

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tasuki-dev/tasuki/internal/source"
	"github.com/tasuki-dev/tasuki/internal/tally"
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
	quiet    bool // the worker was asked to claim nothing more
	stale    bool // the worker could not beat for long: it may have been taken for dead
	closed   bool
	unleft   bool // a queue could not be left: this worker has to be swept
	lastBeat time.Time
	steady   time.Time   // since then beats have come without a gap
	fullAt   time.Time   // since when no slot is free
	fullness *time.Timer // ends the waits when that has lasted
	changed  sync.Cond   // something has ended or was settled

	epoch time.Time    // when it was made
	clock atomic.Int64 // what Redis' clock showed then, ns since 1970; 0: not known

	late   map[*run]time.Time // those that have ignored the end of their context, and since when it has ended
	stacks stacks
	notes  notebook
	stats  statistics

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
	left    chan struct{}      // closed when it was left, or the worker is closed

	// open: there may be jobs, or nobody knows. An exchange that gets less than it
	// wanted closes it, unless it was told.
	open bool
	// told: something was said on the queue's channel since the last exchange had
	// begun, so that what its reply says of jobs or of a pause may be old.
	told       bool
	passed     bool // the last claim was not allowed a suspect: the place was taken
	paused     bool // not to be claimed from, until pausedFor or until it is told
	saidPaused bool // so it stands in the log
	removed    bool
	waiting    bool // src.Wait is under way
	// hands: a wait is under way, or what it handed over is not accepted yet. It is
	// cleared by the wait that has set it or by the acceptance, and while it is set
	// no other wait begins and no exchange claims strays but the one that ends it.
	hands    bool
	touching int                // exchanges under way that claim strays: no wait may begin
	stopWait context.CancelFunc // while waiting, until the wait is told to end
	canWait  sync.Cond

	done     []source.Tag     // finished and not sent
	outcomes []source.Outcome // the same, other than simply done
	stuck    []source.Outcome // that Redis will not take; tried again now and then
	single   bool             // one outcome at a time, to find out which it will not take
	resent   bool             // what is sent now was sent before
	// An outcome for which the server closes the connection looks like a lost reply. After
	// many failures in a row they are withheld: the next exchange carries none. If that
	// one works, the outcomes are in doubt, and come one at a time.
	withheld, doubt bool
	reading         bool          // what is held is being read: nothing else may be under way
	handed          *run          // handed over, and its acceptance has to be sent again
	recent          ring          // what was settled lately
	inflight        int           // exchanges under way
	started         int           // exchanges that were ever begun
	running         int           // accepted and not ended
	mean            float64       // bytes of an element, lately
	claimed         time.Duration // after fetcher.epoch, when jobs were last taken; 0: never

	failures  int       // of exchanges, since the last that worked
	blamed    string    // what was last logged of them
	retryAt   time.Time // not before, after a failure
	asked     time.Time // when the last exchange began
	compared  time.Time // when what Redis says was last compared with what is known here
	pausedFor time.Time // ask again then

	trimming  bool      // the records of ended jobs
	trimmedAt time.Time // the last time

	counts  *tally.Counts // of counted in the statistics, or nil
	counted string        // a kind

	stuckSince time.Time
	gathering  bool // what is interrupted is held back, to be released together
}

const (
	// askAfter is how long a queue may go without an exchange, whatever it is
	// doing: jobs that this worker holds and does not know of are found by it.
	askAfter = 20 * time.Second
	// idleBeatLimit is how old the last beat may be for a job that is handed
	// over to be started before Redis has accepted it, and how large the gaps
	// between beats since its wait began: a worker that was frozen for longer
	// may have been taken for dead.
	idleBeatLimit = 2 * time.Second
	// exchangeLimit is how long an exchange may take. What it carried is sent
	// again then; a failover, in which it is repeated, takes about that long.
	exchangeLimit = 15 * time.Second
	// fullFor is how long no slot has to be free for the waits to be ended.
	fullFor = 5 * time.Millisecond
	// trimEvery is how often a queue is looked at whose recorded jobs end here: it
	// keeps at most KeepMax records, and what ends in that time. What the last moments
	// leave the patrol sees to.
	trimEvery = time.Second

	claimBytes = 1 << 20 // about, in one exchange
	settlesMax = 1 << 20 // bytes of outcomes in one exchange, about
)

// staleAfter is how old the last beat may be before a worker claims nothing more.
const staleAfter = 15 * time.Second

func newFetcher(w *Worker, base, ctx context.Context) *fetcher {
	n := w.cfg.Concurrency
	f := &fetcher{
		w: w, base: base, ctx: ctx, free: n,
		portion: min(max(n/4, 50), source.Most), lastBeat: time.Now(), epoch: time.Now(),
	}
	f.ahead = min(max(n/f.portion, 1), 4)
	f.loopReady.L, f.changed.L = &f.mu, &f.mu
	f.notes.f = f
	f.stats.f, f.stats.off = f, w.cfg.NoStatistics
	f.fullness = time.AfterFunc(time.Hour, f.endWaitsWhenFull)
	f.fullness.Stop()
	return f
}

// add begins with a queue, unless the worker stops.
func (f *fetcher) add(name, channel string, weight int, src source.Source) bool {
	ctx, stop := context.WithCancel(context.WithoutCancel(f.ctx)) // it ends when nobody else calls src any more
	q := &queue{fetcher: f, name: name, channel: channel, weight: weight, src: src, open: true, mean: 64 << 10, stopRun: stop, waited: make(chan struct{}), left: make(chan struct{})}
	q.canWait.L = &f.mu
	now := time.Now()
	q.asked, q.compared = now, now
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopping || f.closed {
		stop()
		return false
	}
	f.queues = append(f.queues, q)
	f.wakeLoop()
	f.callers.Go(func() {
		defer close(q.waited)
		f.waitIn(q)
	})
	f.exited.Go(func() {
		defer close(q.left)
		src.Run(ctx)
		f.leave(q)
	})
	return true
}

// serverNow is Redis' clock, as far as it is known. It goes on by the monotonic
// clock: a jump of this machine's clock ends no job.
func (f *fetcher) serverNow() time.Time {
	if then := f.clock.Load(); then != 0 {
		return time.Unix(0, then).Add(time.Since(f.epoch))
	}
	return time.Now()
}

// resting tells whether nothing is to be claimed.
func (f *fetcher) resting() bool { return f.stopping || f.quiet || f.stale }

func (f *fetcher) paced(d time.Duration) time.Duration { return f.w.client.store.Paced(d) }

// beaten is called after every beat that was tried.
func (f *fetcher) beaten(now time.Time, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ok {
		if now.Sub(f.lastBeat) >= f.paced(idleBeatLimit) {
			f.steady = now
		}
		f.lastBeat = now
	}
	stale := now.Sub(f.lastBeat) > f.paced(staleAfter)
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
		if q.passed && !f.w.lone.Load() {
			q.passed, q.told, q.open = false, true, true
			q.endWait()
		}
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

// jitter spreads d by a tenth to either side, so that workers that were started
// together do not act together.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}
