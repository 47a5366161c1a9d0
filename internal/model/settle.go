package model

// Leave is settle_leave.lua.
type Leave struct{ Incarnation }

// leave answers how many were put back.
func (q *Queue) leave(c Leave) int {
	if q.member(c.Incarnation) != nil {
		q.enter(c.Incarnation, q.Now)
	}
	n := 0
	for h := q.hold(c.Incarnation); len(h.Hand) > 0; n++ {
		e, _ := popRight(&h.Hand)
		q.undo(e)
	}
	q.tidy()
	return n
}

// Revive is settle_revive.lua: pairs of an element as it is dead, and as it is to be
// ready.
type Revive struct{ Pairs [][2]Element }

// revive answers how many were there.
func (q *Queue) revive(c Revive) int {
	n := 0
	for _, pair := range c.Pairs {
		if remove(&q.Dead, pair[0]) {
			pushRight(&q.Ready, pair[1])
			n++
		}
	}
	q.Count[Revived] += n
	return n
}

// Pause sets or removes the rule that nothing is claimed.
type Pause struct{ On bool }
