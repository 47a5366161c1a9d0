// Package native is the source of tasuki's own format: one queue of a worker,
// on Redis lists.
package native

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tasuki-dev/tasuki/internal/failpoint"
	"github.com/tasuki-dev/tasuki/internal/source"
	"github.com/tasuki-dev/tasuki/internal/store"
)

// Source is one queue as one worker takes jobs from it.
//
// The worker claims under an incarnation: its own id, and after the queue has
// told it that this one is gone, the id with a number behind it. So a lease that
// was lost in one queue does not touch the others.
type Source struct {
	s      *store.Store
	q      *store.Queue
	worker string
	warn   func(message string, err error)

	waiter *store.Waiter

	mu       sync.Mutex
	epoch    int
	me       string     // the incarnation
	entered  bool       // me is among the workers of the queue, as far as is known
	asked    bool       // that was asked for, so it may be all the same
	next     source.Tag // the first tag that was not given out
	firstTag source.Tag // the first tag of this incarnation
	left     bool       // Leave was called; nothing may be claimed any more
	entering chan struct{}
	handing  source.Tag   // what Wait has brought and was to be accepted last
	tried    []source.Tag // under which that was sent
	timer    chan due     // to Run: what an exchange said of the timer; of size one

	silent chan struct{} // to Run: an exchange said nothing of it; of size one
	asking atomic.Bool   // Run was told so, and will ask
}

var (
	_ source.Source   = (*Source)(nil)
	_ source.Recorder = (*Source)(nil)
)

// due is what an answer has said of the queue's timer.
type due struct {
	said time.Time // when, by Redis' clock
	mine bool      // this worker holds it
	next time.Time // when the next job is due, by this clock; zero: none is known
}

// dueAt turns an answer into what this clock says of it.
func dueAt(said time.Time, mine bool, next time.Time) due {
	d := due{said: said, mine: mine}
	if !next.IsZero() {
		d.next = time.Now().Add(next.Sub(said))
	}
	return d
}

// with is what is known when other was read behind d. Answers overtake each other, and one
// that is not newer knows nothing of a job that was scheduled in between: it can only bring
// the next look forward.
func (d due) with(other due) due {
	if other.said.After(d.said) {
		return other
	}
	if !other.next.IsZero() && (d.next.IsZero() || other.next.Before(d.next)) {
		d.next = other.next
	}
	return d
}

// lookEvery is after how long it is looked again, as a clock may have been set and a
// holder may be gone.
const lookEvery = 20 * time.Second

// wake is when to look again: when the next job is due, or after every.
func (d due) wake(every time.Duration) time.Time {
	if d.mine && !d.next.IsZero() {
		// Due times are whole milliseconds of Redis' clock, which may be a
		// fraction behind.
		return time.Now().Add(min(time.Until(d.next)+time.Millisecond, every))
	}
	return time.Now().Add(jitter(every))
}

// silenceFor is after how long Run asks who holds the timer when an exchange has
// said nothing of it: one that gets as much as it wants does not. When that has
// filled every slot with long jobs, the next can be 20 s away.
const silenceFor = time.Second

// New returns the source of a queue for a worker. warn is called with what goes
// wrong in the background, each time that it does.
func New(s *store.Store, q *store.Queue, worker string, warn func(message string, err error)) *Source {
	return &Source{
		s: s, q: q, worker: worker, warn: warn,
		waiter: s.Waiter(q),
		me:     worker, next: store.FirstTag, firstTag: store.FirstTag,
		entering: make(chan struct{}, 1),
		timer:    make(chan due, 1),
		silent:   make(chan struct{}, 1),
	}
}

// ClientID is the CLIENT ID of the connection that waits; 0 if it is not known.
func (n *Source) ClientID() int64 { return n.waiter.ID() }

// Wait blocks in BLMOVE. The incarnation enters the queue's workers before its
// first wait: what is handed to one that nobody knows would never be swept.
func (n *Source) Wait(ctx context.Context) (*source.Delivery, error) {
	me, err := n.enter(ctx)
	if err != nil {
		return nil, err
	}
	element, ok, err := n.waiter.Move(ctx, n.q.Hand(me))
	if n.waiter.Mute() {
		n.warn("CLIENT ID, CLIENT UNBLOCK or MULTI is refused: a wait cannot be woken, so each lasts a second, and a stop or a pause up to that much longer", nil)
	}
	if errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrRefused) {
		// A full Redis refuses BLMOVE at once, also when there is nothing to
		// move, but not the exchange: once a second that does instead.
		n.warn("BLMOVE is refused: an idle queue is looked at once a second", err)
		sleep(ctx, jitter(time.Second))
		return nil, nil
	}
	if err != nil || !ok {
		return nil, err
	}
	n.mu.Lock()
	gone := n.me != me
	tag := n.next
	n.next++
	n.mu.Unlock()
	if gone {
		// It was handed to an incarnation that has ended meanwhile: nobody may
		// run it here, and it goes back.
		return nil, n.s.Leave(context.WithoutCancel(ctx), n.q, me)
	}
	return &source.Delivery{Tag: tag, Element: element}, nil
}

// Exchange is the exchange of fetch.lua.
func (n *Source) Exchange(ctx context.Context, r *source.Request) (*source.Reply, error) {
	me, err := n.enter(ctx)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	// A range of its own for every call: one whose reply was lost may have
	// claimed under the tags that it brought.
	x := store.Exchange{Incarnation: me, Tag: n.next, Request: *r}
	n.next += source.Tag(r.Want)
	if r.Handed != nil && r.Handed.Tag < n.firstTag {
		x.Handed = nil // it was handed to an incarnation that is gone
	}
	n.tagHanded(&x)
	n.mu.Unlock()
	got, err := n.s.Fetch(ctx, n.q, &x, n.waiter)
	if err != nil {
		if x.Handed != nil && store.IsUnsent(err) {
			n.mu.Lock()
			n.tried = n.tried[:len(n.tried)-1] // nothing was sent under that tag
			n.mu.Unlock()
		}
		return nil, err
	}
	reply := &source.Reply{
		Lone: got.Lone, Accepted: got.Accepted, Settled: got.Settled, Refused: got.Refused,
		Held: got.Held, Paused: got.Paused, Trouble: got.Trouble, Now: got.Now, NextDue: -1,
	}
	if !got.Alive {
		reply.Lost = n.gone(me)
		return reply, nil
	}
	if got.Accepted {
		reply.Fence = got.Fence - int64(len(got.Elements))
		if got.As != r.Handed.Tag {
			reply.Renamed = got.As
		}
	}
	reply.Claimed = make([]source.Delivery, len(got.Elements))
	for i, element := range got.Elements {
		reply.Claimed[i] = source.Delivery{
			Tag: x.Tag + source.Tag(i), Element: element,
			Fence: got.Fence - int64(len(got.Elements)-1-i),
		}
	}
	if len(got.Elements) < r.Want || r.Want == 0 {
		if !got.Due.IsZero() {
			reply.NextDue = max(got.Due.Sub(got.Now), 0)
		}
		n.setTimer(dueAt(got.Now, got.First, got.Due))
	} else if n.asking.CompareAndSwap(false, true) {
		n.silent <- struct{}{}
	}
	return reply, nil
}

// tagHanded gives what is to be accepted another tag in every call but the first. One
// that was lost may still come, when a later one has done what it was for: then it finds
// nothing in the hand list, or another job of the same bytes, which must not get the tag
// of a job that was settled. n.mu is held.
func (n *Source) tagHanded(x *store.Exchange) {
	if x.Handed == nil {
		return
	}
	if n.handing != x.Handed.Tag {
		n.handing, n.tried = x.Handed.Tag, nil
	}
	x.Earlier = slices.Clone(n.tried)
	if len(n.tried) > 0 {
		x.Handed = &source.Delivery{Tag: n.next, Element: x.Handed.Element}
		n.next++
	}
	n.tried = append(n.tried, x.Handed.Tag)
}

// Held returns what the incarnation holds.
func (n *Source) Held(ctx context.Context) ([]source.Delivery, error) {
	n.mu.Lock()
	me := n.me
	n.mu.Unlock()
	return n.s.Held(ctx, n.q, me)
}

// Open reads the records of pointers that the incarnation holds.
func (n *Source) Open(ctx context.Context, place string, pointers []source.Pointer) ([]source.Opened, error) {
	n.mu.Lock()
	me := n.me
	n.mu.Unlock()
	return n.s.Open(ctx, n.q, me, place, pointers)
}

// Note writes notes of jobs that the incarnation holds.
func (n *Source) Note(ctx context.Context, notes []source.Note) ([]bool, error) {
	n.mu.Lock()
	me := n.me
	n.mu.Unlock()
	return n.s.Note(ctx, n.q, me, notes)
}

// TrimEnded forgets ended jobs beyond most.
func (n *Source) TrimEnded(ctx context.Context, most int) error {
	for {
		kept, _, err := n.s.Ended(ctx, n.q, 1)
		if err != nil || kept <= int64(most) {
			return err
		}
		if trimmed, err := n.s.TrimEnded(ctx, n.q, most); err != nil || trimmed == 0 {
			return err
		}
	}
}

// enter registers the incarnation if that was not done, and returns it.
func (n *Source) enter(ctx context.Context) (string, error) {
	n.mu.Lock()
	me, entered := n.me, n.entered
	n.mu.Unlock()
	if entered {
		return me, nil
	}
	select {
	case n.entering <- struct{}{}: // one at a time
		defer func() { <-n.entering }()
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	for {
		n.mu.Lock()
		me, entered = n.me, n.entered
		old, left := n.name(n.epoch-1), n.left
		n.mu.Unlock()
		if entered || left {
			// After Leave there is a tombstone: outcomes of jobs that
			// are still held may be settled, nothing can be claimed.
			return me, nil
		}
		if err := n.s.AddQueue(ctx, n.q); err != nil {
			return "", err
		}
		n.mu.Lock()
		n.asked = true
		n.mu.Unlock()
		ok, err := n.s.Register(ctx, n.q, me, old)
		if err != nil {
			return "", err
		}
		n.mu.Lock()
		if n.me == me {
			if ok {
				n.entered = true
			} else {
				n.renew() // its tombstone is there already: the answer to an earlier call was lost
			}
		}
		n.mu.Unlock()
	}
}

// gone takes a new incarnation if me is still the one that the queue has just
// refused, and returns the tag below which everything is lost.
func (n *Source) gone(me string) source.Tag {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.me == me && !n.left {
		n.renew()
	}
	return n.firstTag
}

// renew must be called with n.mu held.
func (n *Source) renew() {
	n.epoch++
	n.me = n.name(n.epoch)
	n.entered = false
	n.firstTag = n.next
}

func (n *Source) name(epoch int) string {
	switch {
	case epoch < 0:
		return ""
	case epoch == 0:
		return n.worker
	}
	return fmt.Sprintf("%s.%d", n.worker, epoch)
}

// Leave gives up the right to claim.
func (n *Source) Leave(ctx context.Context) error {
	n.waiter.Close()
	n.mu.Lock()
	me, entered, asked := n.me, n.entered, n.asked
	old := n.name(n.epoch - 1)
	n.left = true
	n.mu.Unlock()
	if !asked {
		return nil
	}
	failpoint.Hit(failpoint.BeforeLeave)
	leave := func(ctx context.Context) error {
		if !entered && old != "" {
			// The lease before was lost. If its registration was, too, it needs a
			// tombstone: else nobody would sweep what it held.
			if _, err := n.s.Register(ctx, n.q, me, old); err != nil {
				return err
			}
		}
		return n.s.Leave(ctx, n.q, me)
	}
	if err := store.Repeat(ctx, leave); err != nil {
		return fmt.Errorf("leave %s: %w", n.q.Name, err)
	}
	return nil
}

func (n *Source) setTimer(d due) {
	for {
		select {
		case n.timer <- d:
			return
		default:
		}
		select {
		case unread := <-n.timer:
			d = unread.with(d)
		default:
		}
	}
}

// mostDue is how many due jobs one call makes ready: 500 take about 2 ms of
// Redis, 1,000 take more than 4.
const mostDue = 500

// Run makes due jobs ready at their time while this worker holds the queue's
// timer. A Go timer runs until the next one is due; a connection waits in BLPOP
// for a token that says there is an earlier one. Redis itself would end a BLPOP
// up to 100 ms late.
func (n *Source) Run(ctx context.Context) {
	var d due
	every := n.s.Paced(lookEvery)
	known, wake, ask := false, d.wake(every), time.Time{} // ask: not later than that, if it is not zero
	alarms := make(chan struct{}, 1)
	deaf := func() {}
	stop := deaf // ends the listening to alarms
	listening := false
	defer func() { stop() }()
	clock := time.NewTimer(time.Hour)
	defer clock.Stop()
	for {
		if d.mine != listening {
			stop()
			stop = deaf
			if listening = d.mine; listening {
				stop = n.hearAlarms(ctx, alarms)
			}
		}
		clock.Reset(time.Until(wake))
		rung := false
		select {
		case <-ctx.Done():
			return
		case said := <-n.timer:
			d, known = d.with(said), true
			if wake = d.wake(every); !ask.IsZero() && ask.Before(wake) {
				wake = ask
			}
			continue
		case <-n.silent:
			if ask = time.Now(); known {
				ask = ask.Add(silenceFor)
			}
			if ask.Before(wake) {
				wake = ask
			}
			continue
		case <-alarms:
			rung = true
		case <-clock.C:
		}
		if !ask.IsZero() {
			ask = time.Time{}
			n.asking.Store(false)
		}
		d = n.makeReady(ctx, d, rung)
		known, wake = true, d.wake(every)
	}
}

// makeReady moves all that is due, and returns what is known of the timer then.
func (n *Source) makeReady(ctx context.Context, was due, rung bool) due {
	n.mu.Lock()
	me, entered := n.me, n.entered
	n.mu.Unlock()
	if !entered {
		return due{}
	}
	for {
		now, first, moved, next, err := n.s.Due(ctx, n.q, me, mostDue, rung)
		if err != nil {
			if ctx.Err() == nil {
				n.warn("due jobs cannot be made ready; trying again", err)
				sleep(ctx, jitter(time.Second))
			}
			return was
		}
		if moved < mostDue {
			return dueAt(now, first, next)
		}
		failpoint.Hit(failpoint.BetweenDue)
	}
}

// hearAlarms passes on each token of the queue's alarm list until stop is
// called, which waits for its end.
func (n *Source) hearAlarms(ctx context.Context, alarms chan<- struct{}) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w := n.s.Waiter(n.q)
		defer w.Close()
		for ctx.Err() == nil {
			rung, err := w.Alarm(ctx)
			if err != nil && ctx.Err() == nil {
				n.warn("an alarm for scheduled jobs cannot be heard; trying again, and looking every 20 s", err)
				sleep(ctx, jitter(time.Second))
			}
			if rung {
				select {
				case alarms <- struct{}{}:
				default: // one is waiting to be read already
				}
			}
		}
	}()
	return func() { cancel(); <-ended }
}

// jitter spreads d by a tenth to either side, so that workers that were started
// together do not act together.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5)
}

// sleep returns after d or when ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
