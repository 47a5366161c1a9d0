package model

import "slices"

// Move is the BLMOVE of a waiting worker that finds an element.
type Move struct{ Incarnation }

// Exchange is fetch.lua.
type Exchange struct {
	Incarnation
	Tag      Tag // the first for what is claimed
	Want     int
	Lone     bool
	Strays   bool
	Handed   *Handed
	Done     []Outcome // of which only the tag is sent
	Outcomes []Outcome
}

// Handed is what a Move has handed over.
type Handed struct {
	Tag     Tag
	Element Element
	Earlier []Tag // that were sent for it before
}

// State is what becomes of a job.
type State uint8

// The states of an Outcome: the counter under which it is counted, and two that are
// counted as Released: to where a producer has put the job, and to the suspects.
const (
	Undone State = 200 + iota
	Suspected
)

// Outcome is what a worker says of a job that it holds.
type Outcome struct {
	Tag      Tag
	State    State // a Counter, Undone or Suspected
	Delay    int64 // ms, for what is to be run again
	Element  Element
	Delivery uint32 // what it is meant for; see Held
}

// Exchanged is the answer to an Exchange.
type Exchanged struct {
	Alive    bool
	Done     int
	Accepted bool
	As       Tag // under which what was handed over is held
	Fence    int
	Held     int
	Paused   bool
	First    bool
	Due      int64 // -1: none, or not told
	Lone     bool
	Refused  []Tag
	Elements []Element

	// Not in the real answer.

	Ended      []Element // jobs that this has ended for good
	Strange    []Outcome // outcomes that were written for another delivery
	Delivered  []uint32  // of Elements
	AcceptedAs uint32
}

func (q *Queue) move(c Move) (Element, bool) {
	e, ok := q.take()
	if ok {
		h := q.hold(c.Incarnation)
		h.Hand = append(h.Hand, e)
	}
	return e, ok
}

func (q *Queue) exchange(c Exchange) Exchanged {
	x := Exchanged{Alive: q.MayClaim(c.Incarnation), Due: -1}
	if q.Mistake == ClaimWithoutLease {
		x.Alive = true
	}
	h := q.hold(c.Incarnation)
	refusedDone := q.settleAll(h, &c, &x)
	if !x.Alive {
		x.Refused = append(refusedDone, x.Refused...)
		q.Count[Refused] += len(x.Refused)
	}
	repeated := q.accept(h, &c, &x)
	x.Paused = x.Alive && q.Paused
	want := c.Want
	if !x.Alive || x.Paused {
		want = 0
	}
	claimed := q.claim(h, &c, &x, want)
	tag := c.Tag
	for _, e := range claimed {
		x.Delivered = append(x.Delivered, q.put(h, tag, e))
		tag++
	}
	if n := len(claimed); x.Accepted || n > 0 {
		if x.Accepted && !repeated {
			n++
		}
		q.Count[Claimed] += n
		x.Fence = q.Count[Claimed]
	}
	x.Elements = claimed
	if x.Alive && (len(claimed) < want || want == 0) {
		first, ok := q.first()
		x.First, x.Due = ok && first == c.Incarnation, q.nextDue()
	}
	x.Held = len(h.Held)
	q.tidy()
	return x
}

// settleAll writes the outcomes of jobs that are still held. It returns the tags of
// those that were done and are not.
func (q *Queue) settleAll(h *Hold, c *Exchange, x *Exchanged) (refusedDone []Tag) {
	for _, o := range c.Done {
		held, ok := h.drop(o.Tag)
		if !ok {
			refusedDone = append(refusedDone, o.Tag)
			continue
		}
		q.judge(held, o, x)
		x.Done++
		q.Count[Done]++
		x.Ended = append(x.Ended, held.Element)
	}
	before, earliest := q.nextDue(), int64(-1)
	for _, o := range c.Outcomes {
		held, ok := h.drop(o.Tag)
		if !ok && q.Mistake != SettleUnheld {
			x.Refused = append(x.Refused, o.Tag)
			continue
		}
		q.judge(held, o, x)
		if o.State == Undone {
			q.Count[Released]++
			q.undo(o.Element)
			continue
		}
		if o.State == Suspected {
			q.Count[Released]++
			pushLeft(&q.Suspect, o.Element)
			continue
		}
		q.Count[o.State]++
		switch Counter(o.State) {
		case Retried, Snoozed, Unknown:
			addNew(&q.Retry, q.Now+o.Delay, o.Element)
			if earliest < 0 || q.Now+o.Delay < earliest {
				earliest = q.Now + o.Delay
			}
		case Released:
			pushLeft(&q.Ready, o.Element)
		case Died:
			addNew(&q.Dead, q.Now, o.Element)
		default:
			x.Ended = append(x.Ended, held.Element)
		}
	}
	q.ring(earliest, before)
	return refusedDone
}

// judge notes an outcome that is written for a delivery that it was not made for.
func (q *Queue) judge(held Held, o Outcome, x *Exchanged) {
	if held.Delivery != o.Delivery {
		x.Strange = append(x.Strange, o)
	}
}

// accept takes over what was handed over; repeated says that this call has done so
// before.
func (q *Queue) accept(h *Hold, c *Exchange, x *Exchanged) (repeated bool) {
	if !x.Alive || c.Handed == nil {
		return false
	}
	for _, tag := range c.Handed.Earlier {
		if i := h.find(tag); i >= 0 {
			x.Accepted, x.As, x.AcceptedAs = true, tag, h.Held[i].Delivery
			return true
		}
	}
	x.As = c.Handed.Tag
	if i := slices.Index(h.Hand, c.Handed.Element); i >= 0 || q.Mistake == AcceptUnhanded {
		if i >= 0 {
			h.Hand = slices.Delete(h.Hand, i, i+1)
		}
		x.Accepted, x.AcceptedAs = true, q.put(h, x.As, c.Handed.Element)
		return false
	}
	if i := h.find(x.As); i >= 0 {
		x.Accepted, x.AcceptedAs = true, h.Held[i].Delivery
		return true
	}
	x.As = 0
	return false
}

// claim takes what is there, in this order: a suspect, strays, ready jobs.
func (q *Queue) claim(h *Hold, c *Exchange, x *Exchanged, want int) (claimed []Element) {
	if want > 0 && c.Lone {
		if e, ok := popLeft(&q.Suspect); ok {
			claimed, x.Lone = append(claimed, e), true
		}
	}
	if c.Strays || !x.Alive {
		for len(h.Hand) > 0 && len(claimed) < want {
			e, _ := popLeft(&h.Hand)
			claimed = append(claimed, e)
		}
		for len(h.Hand) > 0 {
			e, _ := popRight(&h.Hand)
			q.undo(e)
		}
	}
	if x.Alive {
		q.makeReady(&q.Scheduled, 250)
		q.makeReady(&q.Retry, 250)
	}
	for len(claimed) < want && len(q.Ready) > 0 {
		e, _ := popLeft(&q.Ready)
		claimed = append(claimed, e)
	}
	for len(claimed) < want {
		e, ok := q.take()
		if !ok {
			break
		}
		claimed = append(claimed, e)
	}
	return claimed
}

// Register is fetch_register.lua.
type Register struct {
	Incarnation
	Old *Incarnation
}

func (q *Queue) register(c Register) bool {
	if m := q.member(c.Incarnation); m != nil && m.Ended != 0 {
		return false
	}
	if c.Old != nil {
		if m := q.member(*c.Old); m == nil || m.Ended == 0 {
			q.enter(*c.Old, q.Now)
		}
	}
	q.enter(c.Incarnation, 0)
	return true
}

// Due is fetch_due.lua.
type Due struct {
	Incarnation
	Most int
	Rung bool
}

// Dued is the answer to a Due.
type Dued struct {
	First bool
	Moved int
	Next  int64 // -1: none
}

func (q *Queue) due(c Due) Dued {
	if first, ok := q.first(); !ok || first != c.Incarnation {
		if c.Rung && q.Alarm == 0 {
			q.Alarm = 1
		}
		return Dued{Next: -1}
	}
	moved := q.makeReady(&q.Scheduled, c.Most)
	moved += q.makeReady(&q.Retry, c.Most-moved)
	return Dued{First: true, Moved: moved, Next: q.nextDue()}
}

// Hear is BLPOP of the alarm that finds a token.
type Hear struct{}

func (q *Queue) hear() bool {
	if q.Alarm == 0 {
		return false
	}
	q.Alarm--
	return true
}

// Look reads what an incarnation holds.
type Look struct{ Incarnation }

func (q *Queue) look(c Look) []Held {
	for i := range q.Holds {
		if q.Holds[i].Incarnation == c.Incarnation {
			return slices.Clone(q.Holds[i].Held)
		}
	}
	return nil
}
