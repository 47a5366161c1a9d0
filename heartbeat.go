package tasuki

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/tasuki-dev/tasuki/internal/store"
)

const (
	// beatEvery is how often a worker advances its counter.
	beatEvery = time.Second
	// beatTimeout is how long a beat may take before its connection is made
	// anew. A server that is stalled for less keeps the subscription.
	beatTimeout = 8 * time.Second
	// askTimeout is for what is asked between two beats: they go on.
	askTimeout = 2 * time.Second
	// deafAsk is how often a worker that may not subscribe looks whether its recorded
	// jobs are to be cancelled.
	deafAsk = 5 * time.Second
)

// beat is the worker's sign of life, and the observer's rounds if this worker is
// that. It is the only user of the pulse.
func (s *session) beat(ctx context.Context, pulse *store.Pulse, beaten store.Beaten) {
	defer pulse.Close()
	defer s.observer.stop()
	log, failures, blamed, last := s.w.log, 0, "", time.Now()
	next := time.NewTimer(jitter(s.w.client.store.Paced(beatEvery)))
	defer next.Stop()
	round := time.NewTimer(time.Hour)
	defer round.Stop()
	s.observer.beaten(ctx, beaten)
	lost := false // the connection, since a beat
	deaf := time.Now()
	s.w.tellBeat(nil)
	for {
		if s.observer.observing() {
			round.Reset(s.observer.untilRound())
		}
		select {
		case <-ctx.Done():
			return
		case <-round.C:
			s.observer.round(ctx, pulse)
			continue
		case channels := <-s.channels:
			if err := pulse.Subscribe(ctx, channels...); err != nil {
				log.Warn("tasuki: a queue that was added is not subscribed to", "err", err)
				pulse.Close() // the next connection subscribes to all
			}
			continue
		case <-pulse.Lost():
			pulse.Close() // and make it anew at once
			s.observer.reconnected()
			lost = true
		case <-next.C:
		}
		call, cancel := context.WithTimeout(ctx, beatTimeout)
		beaten, err := pulse.Beat(call, false, s.channelNames)
		cancel()
		now := time.Now()
		s.fetcher.beaten(now, err == nil)
		if err == nil || ctx.Err() == nil {
			s.w.tellBeat(err)
		}
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			if failures++; failures == 1 || store.IsRedis(err) && err.Error() != blamed {
				blamed = err.Error()
				log.Warn("tasuki: the worker cannot beat; trying again", "err", err)
			}
			s.observer.reconnected()
			lost = true
			next.Reset(jitter(beatAgain(failures, now.Sub(last))))
			continue
		}
		failures, last = 0, now
		if lost || !pulse.Subscribed() && now.Sub(deaf) >= deafAsk {
			// What was told meanwhile was told to nobody: that a job is to be cancelled, that a
			// suspect is there, that a pause has ended.
			s.fetcher.notes.ask()
			if lost {
				s.fetcher.ask(func(*queue) bool { return true })
			}
			lost, deaf = false, now
		}
		s.entry(beaten.Known)
		if !beaten.Known {
			s.enterAgain(ctx, pulse)
		}
		s.observer.beaten(ctx, beaten)
		next.Reset(jitter(s.w.client.store.Paced(beatEvery)))
	}
}

// tellBeat tells the program of a beat.
func (w *Worker) tellBeat(err error) {
	if w.cfg.OnBeat != nil {
		w.cfg.OnBeat(err)
	}
}

// beatAgain is how long to wait after so many failed beats, when the last that worked
// was so long ago. Until the worker may be taken for dead that is short: of the 2 s,
// the second until the next beat may have been over when the connection was lost.
func beatAgain(failures int, silent time.Duration) time.Duration {
	pause := min(50*time.Millisecond<<min(failures, 5), beatEvery)
	if silent < quickDeath {
		pause = min(pause, 200*time.Millisecond)
	}
	return pause
}

// enterAgain is for a worker that is not in the list of workers any more: it was
// taken for dead, or the list was lost. The queues know which of the two, so they
// are asked at once.
func (s *session) enterAgain(ctx context.Context, pulse *store.Pulse) {
	s.w.log.Warn("tasuki: this worker was not in the list of workers any more", "worker", s.id)
	call, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	err := s.announce(call)
	if err == nil {
		_, err = pulse.Beat(call, true, s.channelNames)
	}
	if err != nil && ctx.Err() == nil {
		s.w.log.Warn("tasuki: the worker could not enter the list of workers; trying again", "err", err)
	}
	s.fetcher.ask(func(*queue) bool { return true })
}

// heard is called with every message on a channel that the worker is subscribed
// to. It must not block.
func (s *session) heard(channel, message string) {
	if id, ok := strings.CutPrefix(message, tellCancel); ok {
		s.fetcher.cancelRun(channel, id)
		return
	}
	if _, _, ok := store.Asked(message); ok {
		select {
		case s.asks <- message:
		default: // who asks that often asks again
		}
		return
	}
	s.fetcher.ask(func(q *queue) bool { return q.channel == channel })
}

// How a worker is known to be dead. All times are by the observer's own
// monotonic clock, and only what it sees in good rounds counts.
const (
	roundEvery = 500 * time.Millisecond
	// quickDeath: the subscription is gone in two rounds, and the counter has
	// stood still for this long. So a process that was killed is found within
	// 2.5 s, and one that only lost its connection has two beats' time to make
	// it anew.
	quickDeath = 2 * time.Second
	// slowDeath: the counter has stood still for this long, whatever the
	// subscription says. A process that is frozen, or a host that was cut off,
	// looks like this; a pause of less does not.
	slowDeath = 30 * time.Second
	// absence is how long an observer is missed before another takes its place.
	absence = 3 * time.Second
	// A round is good if the answer came in goodAnswer and no more than goodGap
	// after the one before: else Redis or this process stood still, and nobody
	// could be seen to beat. That time counts for no rule, and the quick one
	// begins again.
	goodAnswer = 500 * time.Millisecond
	goodGap    = 2 * time.Second
	// cautious is how long only slowDeath holds after the observer's own
	// connection was made anew: what cut it may have cut all others.
	cautious = 10 * time.Second

	patrolEvery  = time.Minute
	tombstoneAge = 10 * time.Minute
)

// poisonCrashes is how many deaths of a process convict a job.
const (
	suspectCrashes = 2
	poisonCrashes  = 3
)

// observer watches over all workers of a namespace, if this worker is the one
// that does. Its methods are called by the goroutine that beats; sweeping is done
// by one goroutine beside it.
type observer struct {
	session *session

	who       string    // observes, as of the last beat
	whoBeats  int64     // its counter
	whoSince  time.Time // since when the counter has that value
	whoSeen   bool      // it was seen to be subscribed
	answered  time.Time // the last beat
	active    bool      // it is this worker
	watched   map[string]*watched
	lastRound time.Time
	nextRound time.Time
	patrolled time.Time
	quickFrom time.Time // before this only slowDeath holds

	sweeper  sweeper
	sweeping sync.WaitGroup
	busy     chan struct{} // holds a token while dead workers are buried
	walk     chan struct{} // holds one while all queues are gone over: nobody waits for that
}

// watched is what the observer knows of a worker.
type watched struct {
	beats int64
	still time.Duration // for how long the counter has that value, in good rounds
	quiet time.Duration // the same, in good rounds in a row
	gone  int           // of these, rounds in a row without a subscription
}

func (o *observer) observing() bool { return o.active }

func (o *observer) untilRound() time.Duration { return max(time.Until(o.nextRound), 0) }

// beaten looks at who observes, and takes its place if it is gone.
func (o *observer) beaten(ctx context.Context, b store.Beaten) {
	s, now := o.session, time.Now()
	if now.Sub(o.answered) >= goodGap {
		// Redis or this process stood still: the observer could not be seen to
		// beat. That time must not make it look dead, now or in the first round.
		o.whoSince = time.Time{}
	}
	o.answered = now
	if b.Observer == s.id {
		if !o.active {
			o.begin(now)
		}
		return
	}
	o.active = false
	if b.Observer != o.who || b.Beats != o.whoBeats || o.whoSince.IsZero() {
		o.whoSeen = b.Observer == o.who && o.whoSeen
		o.who, o.whoBeats, o.whoSince = b.Observer, b.Beats, now
	}
	// Its subscription was there and is gone: it is dead, or will be back in a
	// moment, and two observers do no harm.
	left := o.whoSeen && b.Subscriptions == 0
	o.whoSeen = o.whoSeen || b.Subscriptions > 0
	if b.Observer != "" && !left && now.Sub(o.whoSince) < absence {
		return
	}
	call, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	ok, err := s.w.client.store.Elect(call, b.Observer, s.id)
	if err != nil {
		s.w.warnOnce("elect", "tasuki: the observer is gone and cannot be replaced; trying again", "err", err)
		return
	}
	if !ok {
		o.whoSince = now // another was quicker
		return
	}
	o.begin(now)
	if b.Observer != "" {
		// What was seen of it until now counts.
		w := &watched{beats: o.whoBeats, still: now.Sub(o.whoSince), quiet: now.Sub(o.whoSince)}
		if left {
			w.gone = 1
		}
		o.watched[b.Observer] = w
	}
}

func (o *observer) begin(now time.Time) {
	o.active = true
	o.watched = map[string]*watched{}
	o.lastRound, o.nextRound = now, now
	o.patrolled = now.Add(-patrolEvery + 5*time.Second) // soon, but after the first rounds
	if o.busy == nil {
		o.busy, o.walk = make(chan struct{}, 1), make(chan struct{}, 1)
		o.sweeper = sweeper{w: o.session.w, store: o.session.w.client.store, crashed: o.session.fetcher.stats.crashed}
	}
}

// reconnected is when the connection was made anew: nobody was seen meanwhile,
// and whatever cut it may have cut the others too.
func (o *observer) reconnected() {
	o.quickFrom = time.Now().Add(cautious)
	clear(o.watched)
}

// interrupted begins the windows of the quick rule again.
func (o *observer) interrupted() {
	for _, w := range o.watched {
		w.quiet, w.gone = 0, 0
	}
}

// round looks at all workers once.
func (o *observer) round(ctx context.Context, pulse *store.Pulse) {
	s, start := o.session, time.Now()
	o.nextRound = start.Add(jitter(s.w.client.store.Paced(roundEvery)))
	call, cancel := context.WithTimeout(ctx, beatTimeout)
	vitals, err := pulse.Observe(call)
	cancel()
	now := time.Now()
	passed := now.Sub(o.lastRound)
	good := err == nil && now.Sub(start) < goodAnswer && start.Sub(o.lastRound) < goodGap
	o.lastRound = now
	if !good {
		o.interrupted()
		passed = 0
	}
	if err != nil {
		return // the beat reports it, and makes the connection anew
	}
	if vitals == nil {
		o.active = false // another has taken over
		return
	}
	var dead []string
	seen := make(map[string]bool, len(vitals))
	for _, v := range vitals {
		seen[v.Worker] = true
		if v.Worker == s.id {
			continue
		}
		w := o.watched[v.Worker]
		if w == nil || w.beats != v.Beats { // also if it is lower: a failover sets it back
			gone := 0
			if w != nil && v.Subscriptions == 0 {
				gone = w.gone
			}
			w = &watched{beats: v.Beats, gone: gone}
			o.watched[v.Worker] = w
		} else {
			w.still += passed
			w.quiet += passed
		}
		if v.Subscriptions == 0 {
			w.gone++
		} else {
			w.gone = 0
		}
		if w.still >= slowDeath || w.quiet >= quickDeath && w.gone >= 2 && now.After(o.quickFrom) {
			dead = append(dead, v.Worker)
		}
	}
	for worker := range o.watched {
		if !seen[worker] {
			delete(o.watched, worker)
		}
	}
	if now.Sub(o.patrolled) >= patrolEvery && take(o.walk) {
		o.patrolled = now
		o.sweeping.Go(func() {
			defer func() { <-o.walk }()
			o.sweeper.patrol(ctx, seen)
		})
	}
	if len(dead) == 0 || !take(o.busy) {
		return // else the sweeper is still at work, and the next round sees the same
	}
	found := make(map[string]watched, len(dead))
	for _, worker := range dead {
		found[worker] = *o.watched[worker]
	}
	o.sweeping.Go(func() {
		defer func() { <-o.busy }()
		o.sweeper.buryAll(ctx, found)
	})
}

// take puts a token into a channel of one, if there is room.
func take(token chan struct{}) bool {
	select {
	case token <- struct{}{}:
		return true
	default:
		return false
	}
}

// stop waits for a sweep under way, whose context has ended: every step of it is
// one that another will repeat.
func (o *observer) stop() { o.sweeping.Wait() }
