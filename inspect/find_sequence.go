package inspect

import (
	"slices"
	"strings"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/store"
)

// sequence is what lies in one place, in the order in which it is listed.
type sequence struct {
	place
	index    int    // of the state
	part     string // of the places of a state, which
	length   int64  // as it was counted
	youngest bool   // it is listed from its end
	held     []Job
	isRead   bool // held is
}

// before tells whether a sequence has been left behind at a position.
func before(queue string, s *sequence, at *position) bool {
	switch {
	case queue != at.Queue:
		return queue < at.Queue
	case s.index != at.State:
		return s.index < at.State
	case s.state == tasuki.StateParked:
		return false
	}
	return s.part < at.Part
}

// sequences are the places of the queue that are looked through, in order.
func (f *finder) sequences(v *store.Survey) []*sequence {
	q := f.q
	var all []*sequence
	states := f.m.states()
	add := func(s sequence) { all = append(all, &s) }
	ended := false
	for index, state := range States {
		if !slices.Contains(states, state) {
			continue
		}
		p := place{state: state}
		switch state {
		case tasuki.StateRunning:
			for _, m := range v.Members { // by name
				p.kind, p.worker = "held", m.Incarnation
				add(sequence{place: p, index: index, part: m.Incarnation, length: v.Held[m.Incarnation]})
			}
		case tasuki.StateReady:
			p.kind, p.key = "list", q.Ready
			add(sequence{place: p, index: index, length: v.Own})
			if q.Foreign {
				p.key, p.foreign = q.List, true
				add(sequence{place: p, index: index, part: "list", length: v.Ready - v.Own})
			}
		case tasuki.StateSuspect:
			p.kind, p.key = "list", q.Suspect
			add(sequence{place: p, index: index, length: v.Suspect})
		case tasuki.StateRetry:
			p.kind, p.key = "zset", q.Retry
			add(sequence{place: p, index: index, length: v.Retry})
		case tasuki.StateScheduled:
			p.kind, p.key = "zset", q.Scheduled
			add(sequence{place: p, index: index, length: v.Scheduled})
		case tasuki.StateDead:
			p.kind, p.key = "zset", q.Dead
			add(sequence{place: p, index: index, length: v.Dead, youngest: true})
		case tasuki.StateParked:
			if !q.Foreign {
				add(sequence{place: p, index: index})
			}
		default: // all that have ended lie together
			if !ended && !q.Foreign {
				p.kind, p.key = "ids", q.Ended
				add(sequence{place: p, index: slices.Index(States, tasuki.StateDone), length: v.Ended, youngest: true})
			}
			ended = true
		}
	}
	return all
}

// portion reads elements of a sequence, from an index on.
func (f *finder) portion(s *sequence, from, size int64) (jobs []Job, length int64, err error) {
	f.reads++
	if s.kind == "held" {
		if !s.isRead {
			if s.held, err = f.held(s.place); err != nil {
				return nil, 0, err
			}
			slices.SortFunc(s.held, func(a, b Job) int { return strings.Compare(a.element, b.element) })
			s.isRead = true
		}
		length = int64(len(s.held))
		for n := from; n < min(from+size, length); n++ {
			j := s.held[n]
			j.nth = n
			jobs = append(jobs, j)
		}
		return jobs, length, nil
	}
	kind := "list"
	if s.kind == "zset" {
		kind = "zset"
	}
	first, last := from, from+size-1
	if s.youngest {
		first, last = -from-size, -from-1
	}
	elements, scores, length, err := f.store.Page(f.ctx, s.key, kind, first, last)
	if err != nil {
		return nil, 0, err
	}
	if s.youngest {
		slices.Reverse(elements)
		slices.Reverse(scores)
	}
	jobs = make([]Job, len(elements))
	for k, element := range elements {
		n := from + int64(k)
		jobs[k] = Job{at: s.place, element: element, nth: n, far: length - n}
		if s.youngest {
			jobs[k].far = n + 1
		}
		if scores != nil {
			jobs[k].score, jobs[k].DueAt = scores[k], moment(scores[k])
		}
	}
	return jobs, length, nil
}
