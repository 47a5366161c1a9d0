package model

import (
	"cmp"
	"slices"
)

// Push is RPUSH by a producer; for a list whose jobs are taken at the right, LPUSH.
type Push struct{ Elements []Element }

// Enqueue is enqueue.lua.
type Enqueue struct {
	Window int64 // ms
	Most   int
	Puts   []Put
}

// Put is one job of an Enqueue.
type Put struct {
	ID      string
	In      int64 // ms from now, if it is not 0
	At      int64 // ms since 1970, if it is not 0
	Element Element
}

func (q *Queue) push(c Push) {
	for _, e := range c.Elements {
		if q.Tail {
			pushLeft(q.source(), e)
		} else {
			pushRight(q.source(), e)
		}
	}
}

// enqueue answers for each job whether it was put in.
func (q *Queue) enqueue(c Enqueue) []bool {
	before, earliest, ids := q.nextDue(), int64(-1), 0
	result := make([]bool, 0, len(c.Puts))
	for _, p := range c.Puts {
		if p.ID != "" {
			i := slices.IndexFunc(q.Seen, func(m Mark) bool { return m.ID == p.ID })
			if i >= 0 && q.Seen[i].At > q.Now-c.Window {
				q.Count[Existed]++
				result = append(result, false)
				continue
			}
			if i >= 0 {
				q.Seen = slices.Delete(q.Seen, i, i+1)
			}
			q.Seen = append(q.Seen, Mark{q.Now, p.ID})
			slices.SortFunc(q.Seen, func(a, b Mark) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.ID, b.ID)) })
			ids++
		}
		due := q.Now
		if p.At != 0 {
			due = p.At
		} else if p.In > 0 {
			due = q.Now + p.In
		}
		if due <= q.Now {
			pushRight(&q.Ready, p.Element)
		} else {
			addNew(&q.Scheduled, due, p.Element)
			if earliest < 0 || due < earliest {
				earliest = due
			}
		}
		result = append(result, true)
	}
	q.ring(earliest, before)
	if ids > 0 {
		old := 0
		for old < len(q.Seen) && old < 2*ids+10 && q.Seen[old].At <= q.Now-c.Window {
			old++
		}
		q.Seen = slices.Delete(q.Seen, 0, old)
		over := min(max(len(q.Seen)-c.Most, 0), 2*ids+10)
		q.Seen = slices.Delete(q.Seen, 0, over)
	}
	return result
}
