package model

import (
	"cmp"
	"slices"
	"strings"
)

// Queue is what Redis holds of one queue.
type Queue struct {
	Foreign bool // List is another program's, and not Ready
	Tail    bool // jobs are taken at the right end of List
	Mistake Mistake

	Now int64 // the server's clock, ms

	Ready     []Element
	List      []Element // empty unless Foreign
	Suspect   []Element
	Scheduled []Timed
	Retry     []Timed
	Dead      []Timed
	Seen      []Mark
	Alarm     int // tokens
	Paused    bool
	Count     Counts
	Members   []Member
	Holds     []Hold

	deliveries uint32
}

// Timed is a member of a sorted set: when it is due, or when it died.
type Timed struct {
	At int64
	Element
}

// Mark is an id that is remembered.
type Mark struct {
	At int64
	ID string
}

// Member is an incarnation in the list of workers.
type Member struct {
	Incarnation
	Ended int64 // 0: it may claim
}

// Hold is what lies under one incarnation.
type Hold struct {
	Incarnation
	Hand []Element
	Held []Held
}

// Held is a job under its tag.
type Held struct {
	Tag     Tag
	Element Element
	// Delivery is not in Redis: a number for each time that a job comes to be held,
	// by which a check knows what an outcome was meant for.
	Delivery uint32
}

// Counter names a field of the hash of counters.
type Counter uint8

// The counters.
const (
	Claimed Counter = iota
	Done
	Retried
	Snoozed
	Unknown
	Released
	Died
	Cancelled
	Expired
	Crashed
	Stopped
	Poisoned
	Refused
	Revived
	Trimmed
	Existed
	counters
)

var counterNames = [counters]string{
	"claimed", "done", "retry", "snooze", "unknown", "release", "dead", "cancelled", "expired",
	"crashed", "stopped", "poison", "refused", "revived", "trimmed", "existed",
}

// String is the counter's field.
func (c Counter) String() string { return counterNames[c] }

// Counts are the counters of a queue.
type Counts [counters]int

// Ended is how many claims have ended.
func (c *Counts) Ended() int {
	n := c[Died] - c[Poisoned] // poison counts as crashed too
	for _, i := range []Counter{Done, Retried, Snoozed, Unknown, Released, Cancelled, Expired, Crashed, Stopped} {
		n += c[i]
	}
	return n
}

// Clone copies a queue, so that neither sees what is done to the other.
func (q *Queue) Clone() *Queue {
	c := *q
	c.Ready, c.List, c.Suspect = slices.Clone(q.Ready), slices.Clone(q.List), slices.Clone(q.Suspect)
	c.Scheduled, c.Retry, c.Dead = slices.Clone(q.Scheduled), slices.Clone(q.Retry), slices.Clone(q.Dead)
	c.Seen, c.Members, c.Holds = slices.Clone(q.Seen), slices.Clone(q.Members), slices.Clone(q.Holds)
	for i := range c.Holds {
		h := &c.Holds[i]
		h.Hand, h.Held = slices.Clone(h.Hand), slices.Clone(h.Held)
	}
	return &c
}

// source is the list where new jobs are taken.
func (q *Queue) source() *[]Element {
	if q.Foreign {
		return &q.List
	}
	return &q.Ready
}

func pushLeft(list *[]Element, e Element)  { *list = slices.Insert(*list, 0, e) }
func pushRight(list *[]Element, e Element) { *list = append(*list, e) }

func popLeft(list *[]Element) (e Element, ok bool) {
	if len(*list) == 0 {
		return e, false
	}
	e = (*list)[0]
	*list = slices.Delete(*list, 0, 1)
	return e, true
}

func popRight(list *[]Element) (e Element, ok bool) {
	n := len(*list)
	if n == 0 {
		return e, false
	}
	e = (*list)[n-1]
	*list = (*list)[:n-1]
	return e, true
}

// undo puts an element back where BLMOVE and claims take it.
func (q *Queue) undo(e Element) {
	if q.Tail {
		pushRight(q.source(), e)
		return
	}
	pushLeft(q.source(), e)
}

// take takes an element of the source.
func (q *Queue) take() (Element, bool) {
	if q.Tail {
		return popRight(q.source())
	}
	return popLeft(q.source())
}

// addNew is ZADD NX. Members with one score are in the order of their bytes.
func addNew(set *[]Timed, at int64, e Element) {
	if slices.ContainsFunc(*set, func(t Timed) bool { return t.Element == e }) {
		return
	}
	added := Timed{at, e}
	i, _ := slices.BinarySearchFunc(*set, added, compareTimed)
	*set = slices.Insert(*set, i, added)
}

func compareTimed(a, b Timed) int {
	if a.At != b.At {
		return cmp.Compare(a.At, b.At)
	}
	return strings.Compare(a.Element.String(), b.Element.String())
}

// remove is ZREM.
func remove(set *[]Timed, e Element) bool {
	i := slices.IndexFunc(*set, func(t Timed) bool { return t.Element == e })
	if i < 0 {
		return false
	}
	*set = slices.Delete(*set, i, i+1)
	return true
}

// member returns the entry of an incarnation, or nil.
func (q *Queue) member(it Incarnation) *Member {
	for i := range q.Members {
		if q.Members[i].Incarnation == it {
			return &q.Members[i]
		}
	}
	return nil
}

// enter sets the score of an incarnation.
func (q *Queue) enter(it Incarnation, ended int64) {
	q.Members = slices.DeleteFunc(q.Members, func(m Member) bool { return m.Incarnation == it })
	m := Member{it, ended}
	i, _ := slices.BinarySearchFunc(q.Members, m, compareMembers)
	q.Members = slices.Insert(q.Members, i, m)
}

func compareMembers(a, b Member) int {
	return cmp.Or(cmp.Compare(a.Ended, b.Ended), compareIncarnations(a.Incarnation, b.Incarnation))
}

// MayClaim tells whether an incarnation is among the workers, and has no tombstone.
func (q *Queue) MayClaim(it Incarnation) bool {
	m := q.member(it)
	return m != nil && m.Ended == 0
}

// first is the incarnation that has the timer.
func (q *Queue) first() (Incarnation, bool) {
	if len(q.Members) == 0 || q.Members[0].Ended != 0 {
		return Incarnation{}, false
	}
	return q.Members[0].Incarnation, true
}

// hold returns what lies under an incarnation, to be changed.
func (q *Queue) hold(it Incarnation) *Hold {
	i, ok := slices.BinarySearchFunc(q.Holds, it, func(h Hold, it Incarnation) int { return compareIncarnations(h.Incarnation, it) })
	if !ok {
		q.Holds = slices.Insert(q.Holds, i, Hold{Incarnation: it})
	}
	return &q.Holds[i]
}

// tidy removes what Redis does not have: a key that is empty.
func (q *Queue) tidy() {
	q.Holds = slices.DeleteFunc(q.Holds, func(h Hold) bool { return len(h.Hand)+len(h.Held) == 0 })
}

func (h *Hold) find(tag Tag) int {
	return slices.IndexFunc(h.Held, func(x Held) bool { return x.Tag == tag })
}

// put is HSET of a tag; it returns the number of the delivery.
func (q *Queue) put(h *Hold, tag Tag, e Element) uint32 {
	q.deliveries++
	held := Held{tag, e, q.deliveries}
	if i := h.find(tag); i >= 0 {
		h.Held[i] = held
		return q.deliveries
	}
	i, _ := slices.BinarySearchFunc(h.Held, tag, func(x Held, tag Tag) int { return cmp.Compare(x.Tag, tag) })
	h.Held = slices.Insert(h.Held, i, held)
	return q.deliveries
}

// drop is HDEL of a tag.
func (h *Hold) drop(tag Tag) (Held, bool) {
	i := h.find(tag)
	if i < 0 {
		return Held{}, false
	}
	held := h.Held[i]
	h.Held = slices.Delete(h.Held, i, i+1)
	return held, true
}

// nextDue is when the next job is due, or -1.
func (q *Queue) nextDue() int64 {
	due := int64(-1)
	for _, set := range [][]Timed{q.Scheduled, q.Retry} {
		if len(set) > 0 && (due < 0 || set[0].At < due) {
			due = set[0].At
		}
	}
	return due
}

// ring leaves a token if something is due earlier than before, and none lies there.
func (q *Queue) ring(earliest, before int64) {
	if earliest >= 0 && (before < 0 || earliest < before) && q.Alarm == 0 {
		q.Alarm = 1
	}
}

// makeReady moves at most n of what is due to the tail of the ready list.
func (q *Queue) makeReady(set *[]Timed, n int) (moved int) {
	for moved < n && len(*set) > 0 && (*set)[0].At <= q.Now {
		pushRight(&q.Ready, (*set)[0].Element)
		*set = slices.Delete(*set, 0, 1)
		moved++
	}
	return moved
}
