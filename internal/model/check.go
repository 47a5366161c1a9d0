package model

import "fmt"

// Places counts in how many places of the queue each job is.
func (q *Queue) Places() map[uint16]int {
	places := map[uint16]int{}
	count := func(e *Element) { places[e.Job]++ }
	q.each(count)
	q.eachDead(count)
	return places
}

// each calls f with every element in the queue but the dead, in an order that does not
// depend on which job is which.
func (q *Queue) each(f func(e *Element)) {
	for _, list := range [][]Element{q.Ready, q.List, q.Suspect} {
		for i := range list {
			f(&list[i])
		}
	}
	for _, set := range [][]Timed{q.Scheduled, q.Retry} {
		for i := range set {
			f(&set[i].Element)
		}
	}
	for i := range q.Holds {
		h := &q.Holds[i]
		for j := range h.Hand {
			f(&h.Hand[j])
		}
		for j := range h.Held {
			f(&h.Held[j].Element)
		}
	}
}

func (q *Queue) eachDead(f func(e *Element)) {
	for i := range q.Dead {
		f(&q.Dead[i].Element)
	}
}

// Check says what in the queue should not be, whatever has happened; nil if all is
// well.
func (q *Queue) Check() error {
	held := 0
	for _, h := range q.Holds {
		held += len(h.Held)
	}
	if claimed, ended := q.Count[Claimed], q.Count.Ended(); claimed != ended+held {
		return fmt.Errorf("%d jobs were claimed, but %d claims have ended and %d are held", claimed, ended, held)
	}
	for _, set := range [][]Timed{q.Scheduled, q.Retry, q.Dead} {
		for _, t := range set {
			if t.Token == 0 {
				return fmt.Errorf("%v is in a sorted set without a token", t.Element)
			}
		}
	}
	for _, t := range q.Dead {
		if t.Crashes > 3 {
			return fmt.Errorf("%v has crashed more often than a job can", t.Element)
		}
	}
	for _, e := range q.Suspect {
		if e.Crashes < 2 {
			return fmt.Errorf("%v is no suspect", e)
		}
	}
	if q.Alarm > 1 {
		return fmt.Errorf("%d tokens lie in the alarm", q.Alarm)
	}
	return nil
}
