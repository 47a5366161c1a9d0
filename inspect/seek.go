package inspect

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// How much is looked at for one job. Redis compares an element with 50,000 others in 3 ms, and
// has a job in the middle of a list of ten million in 1 ms.
const (
	rankMost = 50_000 // from either end, when all bytes of the element are known
	lookMost = 10_000 // from either end, when only the id is
	lookPage = 1_000
	nearMost = 8 // pages on either side of where a job should be
)

// spot is where an element lies in a list, from its left end on; -1: it was not found.
type spot struct {
	index, length int64
	// all: all of the list was looked at. The job is not there, or others have moved it.
	all bool
}

// rank finds an element. Beyond the ends of a long list it is looked for where the jobs
// around it came in when it did; when may be zero.
func (i *Inspector) rank(ctx context.Context, key, element string, when time.Time) (spot, error) {
	index, length, err := i.store.Rank(ctx, key, element, rankMost)
	switch {
	case errors.Is(err, store.ErrRefused): // LPOS came to deploy/acl later than the others
		if _, _, length, err = i.store.Page(ctx, key, "list", 0, 0); err != nil {
			return spot{index: -1}, err
		}
	case err != nil:
		return spot{index: -1}, err
	case index >= 0 || length <= 2*rankMost:
		return spot{index, length, true}, nil
	}
	index, _, err = i.seek(ctx, key, length, when, func(other string) bool { return other == element })
	return spot{index: index, length: length}, err
}

// seek looks for an element in a list where most others came in one after the other, where the
// times of its ends would have it. Each page that it reads narrows that down: by the times in it,
// and, as jobs do not come in evenly, every second time by half. A page in the middle of five
// million costs Redis 1 to 2 ms.
func (i *Inspector) seek(ctx context.Context, key string, length int64, when time.Time, is func(element string) bool) (index int64, element string, err error) {
	if when.IsZero() {
		return -1, "", nil
	}
	const some = 9 // whose times tell
	look := func(from, n int64) (first, last time.Time, err error) {
		elements, _, _, err := i.store.Page(ctx, key, "list", from, from+n-1)
		if err != nil {
			return first, last, err
		}
		if n := slices.IndexFunc(elements, is); n >= 0 {
			index, element = from+int64(n), elements[n]
		}
		return usualTime(elements[:min(some, len(elements))]), usualTime(elements[max(0, len(elements)-some):]), nil
	}
	index = -1
	low, high := int64(0), length
	earliest, _, err := look(low, some)
	if err != nil || index >= 0 {
		return index, element, err
	}
	_, latest, err := look(max(high-some, 0), some)
	if err != nil || index >= 0 || earliest.IsZero() || latest.IsZero() {
		return index, element, err
	}
	for step := 1; low < high; step++ {
		share := 0.5
		if all := latest.Sub(earliest); step%2 != 0 && all > 0 {
			share = min(max(float64(when.Sub(earliest))/float64(all), 0), 1)
		}
		from := min(max(low+int64(share*float64(high-low))-lookPage/2, low), max(high-lookPage, low))
		first, last, err := look(from, lookPage)
		switch {
		case err != nil || index >= 0 || first.IsZero() || last.IsZero():
			return index, element, err
		case last.Before(when):
			low, earliest = from+lookPage, last
		case first.After(when):
			high, latest = from, first
		default: // it should have been here
			low, high = from, from
		}
	}
	// Others came in at the same time, as all of one call do, or a little before it.
	before, behind := true, true
	for near := int64(1); near <= nearMost && (before || behind); near++ {
		if before = before && low > (near-1)*lookPage; before {
			_, last, err := look(max(low-near*lookPage, 0), lookPage)
			if err != nil || index >= 0 {
				return index, element, err
			}
			before = near == 1 || !last.Before(when)
		}
		if behind = behind && low+near*lookPage < length; behind {
			first, _, err := look(low+near*lookPage, lookPage)
			if err != nil || index >= 0 {
				return index, element, err
			}
			behind = near == 1 || !first.After(when)
		}
	}
	return -1, "", nil
}

// usualTime is when most of some elements came in: one that was retried lies among younger ones. It
// is zero if they do not say.
func usualTime(elements []string) time.Time {
	var times []time.Time
	for _, e := range elements {
		if at, ok := cameIn(e); ok {
			times = append(times, at)
		}
	}
	if len(times) == 0 {
		return time.Time{}
	}
	slices.SortFunc(times, time.Time.Compare)
	return times[len(times)/2]
}

// cameIn is when an element was enqueued, as far as it says.
func cameIn(element string) (time.Time, bool) {
	j, err := wire.Parse(element)
	switch {
	case err != nil || j.IsNew:
		return time.Time{}, false
	case j.EnqueuedAt > 0:
		return time.UnixMilli(j.EnqueuedAt), true
	}
	return wire.TimeOf(j.ID)
}

// bareJob looks for a job without a record, by its id. looked tells whether it has looked at
// all the queue; else the job may lie in the middle of a long list or set.
func (i *Inspector) bareJob(ctx context.Context, q *store.Queue, id string) (j *Job, looked bool, err error) {
	w := &walker{reader: i.reader(ctx, q, newMatcher(&Query{IDs: []string{id}}, time.Now()))}
	w.visit = func(jobs []Job) (int, bool) {
		j = &jobs[0]
		return 0, false
	}
	is := func(element string) bool {
		if !strings.Contains(element, id) {
			return false
		}
		parsed, _ := wire.Parse(element) // a raw job that was wrapped has an id too
		return parsed.ID == id && !parsed.IsNew
	}
	// First where a job lies as a rule: in all states, before much is read of one.
	for _, most := range []int64{lookPage, lookMost} {
		looked = true
		for _, state := range usualStates {
			places, err := w.placesOf(state)
			if err != nil {
				return nil, false, err
			}
			for _, p := range places {
				var all bool
				switch p.kind {
				case "held":
					_, err = w.ofWorker(p)
					all = true
				default:
					j, all, err = i.lookInto(w, p, id, is, most)
				}
				if err != nil || j != nil {
					return j, true, err
				}
				looked = looked && all
			}
		}
		if looked {
			break
		}
	}
	return nil, looked, nil
}

// lookInto looks for a job among the first and the last most of a list or a sorted set, and where
// it should be.
func (i *Inspector) lookInto(w *walker, p place, id string, is func(string) bool, most int64) (j *Job, all bool, err error) {
	length := int64(0)
	found := func(element string, index int64, due time.Time) *Job {
		j := &Job{at: p, element: element, nth: index, far: length - index}
		j.DueAt = due
		if parsed, err := wire.Parse(element); err == nil && parsed.Rec > 0 {
			j.Queue, j.ID, j.State, j.Recorded, j.Reason = w.q.Name, id, p.state, true, "its record is gone"
		} else {
			w.bare(j)
		}
		return j
	}
	page := func(from int64) (*Job, int64, error) {
		elements, scores, n, err := i.store.Page(w.ctx, p.key, p.kind, from, from+lookPage-1)
		length = n
		at := slices.IndexFunc(elements, is)
		if err != nil || at < 0 {
			return nil, int64(len(elements)), err
		}
		var due time.Time
		if scores != nil {
			due = moment(scores[at])
		}
		return found(elements[at], from+int64(at), due), 0, nil
	}
	for from := int64(0); from < most; from += lookPage {
		j, n, err := page(from)
		if err != nil || j != nil || n < lookPage {
			return j, true, err
		}
	}
	// More of them come in than go on while it looks: it goes on where it was.
	for from := max(length-most, most); from < length; from += lookPage {
		if j, _, err := page(from); err != nil || j != nil {
			return j, true, err
		}
	}
	if length <= 2*most {
		return nil, true, nil
	}
	if when, ok := wire.TimeOf(id); ok && p.kind == "list" {
		index, element, err := i.seek(w.ctx, p.key, length, when, is)
		if err != nil || index >= 0 {
			return found(element, index, time.Time{}), true, err
		}
	}
	return nil, false, nil
}

// endOf is the time of the end of a job that has ended, or is dead.
func endOf(j *Job) time.Time {
	if j.EndedAt.IsZero() && j.State == tasuki.StateDead {
		return j.DueAt
	}
	return j.EndedAt
}
