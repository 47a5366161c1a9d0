package model

import (
	"fmt"
	"strings"
)

// Call is one call to the server: a value of the types of this package that say so.
type Call any

// Do does a call, and returns what the server answers.
func (q *Queue) Do(c Call) any {
	switch c := c.(type) {
	case Push:
		q.push(c)
	case Enqueue:
		return q.enqueue(c)
	case Move:
		e, ok := q.move(c)
		return Moved{e, ok}
	case Exchange:
		return q.exchange(c)
	case Register:
		return q.register(c)
	case Due:
		return q.due(c)
	case Hear:
		return q.hear()
	case Look:
		return q.look(c)
	case Leave:
		return q.leave(c)
	case Revive:
		return q.revive(c)
	case Pause:
		q.Paused = c.On
	case Tombstone:
		q.tombstone(c)
	case Orphans:
		return q.orphans(c)
	case Sweep:
		return q.sweep(c)
	case Forget:
		q.forget(c)
	case Overflow:
		return q.overflow(c)
	case Trim:
		return q.trim(c)
	case Disband:
		q.Members = nil
	case Pass:
		q.pass(c.Time)
	default:
		panic(fmt.Sprintf("%T is no call", c))
	}
	return nil
}

// Moved is the answer to a Move.
type Moved struct {
	Element Element
	OK      bool
}

// Disband deletes the list of workers, as an operator or a failover may.
type Disband struct{}

// Pass lets time pass: all that is written of times is so much earlier then. The
// server's clock cannot be set, so it stands still and the times go back.
type Pass struct{ Time int64 } // ms

func (q *Queue) pass(d int64) {
	for _, set := range [][]Timed{q.Scheduled, q.Retry, q.Dead} {
		for i := range set {
			set[i].At -= d
		}
	}
	for i := range q.Seen {
		q.Seen[i].At -= d
	}
	for i := range q.Members {
		if q.Members[i].Ended != 0 {
			q.Members[i].Ended -= d
		}
	}
}

// Show is a call for people.
func Show(c Call) string {
	text := strings.ReplaceAll(fmt.Sprintf("%+v", plain(c)), "model.", "")
	return strings.TrimPrefix(fmt.Sprintf("%T", c), "model.") + text
}

// plain takes an incarnation out of a call, which would be all that is printed of it.
func plain(c Call) any {
	switch c := c.(type) {
	case Exchange:
		handed := ""
		if c.Handed != nil {
			handed = fmt.Sprintf("%d %v", c.Handed.Tag, c.Handed.Element)
		}
		return struct {
			Of             string
			Tag            Tag
			Want           int
			Lone, Strays   bool
			Handed         string
			Done, Outcomes []Outcome
		}{c.Incarnation.String(), c.Tag, c.Want, c.Lone, c.Strays, handed, c.Done, c.Outcomes}
	case Register:
		return fmt.Sprintf("{%v after %v}", c.Incarnation, c.Old)
	case Due:
		return fmt.Sprintf("{%v most %d rung %v}", c.Incarnation, c.Most, c.Rung)
	case Orphans:
		return fmt.Sprintf("{%v most %d}", c.Incarnation, c.Most)
	case Sweep:
		return fmt.Sprintf("{%v %+v}", c.Incarnation, c.Back)
	case Forget:
		return fmt.Sprintf("{%v after %d}", c.Incarnation, c.Age)
	case Move, Look, Leave, Tombstone:
		return fmt.Sprintf("{%v}", c)
	}
	return c
}
