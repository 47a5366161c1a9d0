package model

import "slices"

// Tombstone is sweep_tombstone.lua.
type Tombstone struct{ Incarnation }

func (q *Queue) tombstone(c Tombstone) {
	if q.MayClaim(c.Incarnation) && q.Mistake != SweepTheLiving {
		q.enter(c.Incarnation, q.Now)
	}
}

// Orphans reads at most Most of what an incarnation left behind, the newest first.
type Orphans struct {
	Incarnation
	Most int
}

// Left is one of them; without a tag it lies in the hand list.
type Left struct {
	Tag     Tag
	InHand  bool
	Element Element
}

func (q *Queue) orphans(c Orphans) (left []Left) {
	for i := range q.Holds {
		if q.Holds[i].Incarnation != c.Incarnation {
			continue
		}
		h := &q.Holds[i]
		for _, e := range slices.Backward(h.Hand) {
			left = append(left, Left{InHand: true, Element: e})
		}
		for _, held := range slices.Backward(h.Held) {
			left = append(left, Left{Tag: held.Tag, Element: held.Element})
		}
	}
	return left[:min(len(left), c.Most)]
}

// Sweep is sweep.lua.
type Sweep struct {
	Incarnation
	Back []PutBack
}

// PutBack is what becomes of a job that was left behind.
type PutBack struct {
	Left
	To   Place
	As   Counter // Crashed or Stopped
	Kept Element
}

// Place is where a swept job goes.
type Place uint8

// The places.
const (
	ToReady Place = iota
	ToSuspect
	ToDead
)

var placeNames = []string{"ready", "suspect", "dead"}

// String is the name that the script knows.
func (p Place) String() string { return placeNames[p] }

// Swept is the answer to a Sweep.
type Swept struct {
	Moved int
	Ended bool // false: it may still claim
}

func (q *Queue) sweep(c Sweep) Swept {
	if q.MayClaim(c.Incarnation) && q.Mistake != SweepTheLiving {
		return Swept{}
	}
	h, moved := q.hold(c.Incarnation), 0
	for _, b := range c.Back {
		var there bool
		if b.InHand {
			if i := lastIndex(h.Hand, b.Element); i >= 0 {
				h.Hand = slices.Delete(h.Hand, i, i+1)
				q.Count[Claimed]++
				there = true
			}
		} else {
			_, there = h.drop(b.Tag)
		}
		if q.Mistake == SweepTheSettled {
			there = true
		}
		if there || q.Mistake == CountTheSettled {
			q.Count[b.As]++
		}
		if !there {
			continue
		}
		moved++
		switch b.To {
		case ToDead:
			addNew(&q.Dead, q.Now, b.Kept)
			q.Count[Died]++
			q.Count[Poisoned]++
		case ToSuspect:
			pushLeft(&q.Suspect, b.Kept)
		default:
			pushLeft(&q.Ready, b.Kept)
		}
	}
	q.tidy()
	return Swept{moved, true}
}

func lastIndex(list []Element, e Element) int {
	for i, x := range slices.Backward(list) {
		if x == e {
			return i
		}
	}
	return -1
}

// Forget is sweep_forget.lua.
type Forget struct {
	Incarnation
	Age int64 // ms
}

func (q *Queue) forget(c Forget) {
	m := q.member(c.Incarnation)
	if m == nil || m.Ended == 0 || q.Now-m.Ended < c.Age {
		return
	}
	if slices.ContainsFunc(q.Holds, func(h Hold) bool { return h.Incarnation == c.Incarnation }) {
		return
	}
	q.Members = slices.DeleteFunc(q.Members, func(m Member) bool { return m.Incarnation == c.Incarnation })
}

// Overflow reads at most 100 of the dead that the caps have no room for.
type Overflow struct {
	Most int
	Age  int64 // ms
}

func (q *Queue) overflow(c Overflow) (over []Element) {
	old := 0
	for _, t := range q.Dead {
		if t.At < q.Now-c.Age {
			old++
		}
	}
	n := min(max(len(q.Dead)-c.Most, old, 0), 100)
	for _, t := range q.Dead[:n] {
		over = append(over, t.Element)
	}
	return over
}

// Trim is sweep_trim.lua.
type Trim struct{ Elements []Element }

// trim answers how many were removed.
func (q *Queue) trim(c Trim) int {
	n := 0
	for _, e := range c.Elements {
		if remove(&q.Dead, e) {
			n++
		}
	}
	q.Count[Trimmed] += n
	return n
}

// Rewrite is what the caller of a Sweep makes of a job that was left behind by a
// worker that died, or that was killed while it stopped.
func Rewrite(l Left, stopping bool, token uint32) PutBack {
	b := PutBack{Left: l, To: ToReady, As: Crashed, Kept: l.Element}
	if stopping {
		b.As = Stopped
		b.Kept.Stops++
	} else {
		b.Kept.Crashes++
	}
	switch {
	case b.Kept.Crashes >= 3:
		b.To = ToDead
	case b.Kept.Crashes >= 2:
		b.To = ToSuspect
	}
	b.Kept.Token = token
	return b
}
