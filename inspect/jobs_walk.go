package inspect

import (
	"context"
	"slices"
	"time"

	"github.com/tasuki-dev/tasuki/internal/store"
)

// walker goes through jobs of a queue to act on them, state by state. Backwards it goes from the
// tail of each list and set to its head, so that what comes to the tail or goes from the head
// meanwhile hides none.
type walker struct {
	*reader
	backwards bool
	looked    func(n int) (more bool) // nil: nobody asks
	visit     func(jobs []Job) (left int, more bool)
}

// walk shows visit the jobs of a queue that q means, in portions. visit says how many of them
// have left their place, and whether it wants more; looked is told how many were read.
func (i *Inspector) walk(ctx context.Context, queue *store.Queue, q *Query, backwards bool, looked func(n int) (more bool), visit func(jobs []Job) (left int, more bool)) error {
	w := &walker{i.reader(ctx, queue, newMatcher(q, time.Now())), backwards, looked, visit}
	ended := false
	for _, state := range States {
		if !slices.Contains(q.states(), state) {
			continue
		}
		if slices.Contains(endedStates, state) {
			if ended || queue.Foreign {
				continue
			}
			ended = true // all of them lie together
		}
		places, err := w.placesOf(state)
		if err != nil {
			return err
		}
		for _, p := range places {
			step := w.pages
			if p.kind == "held" {
				step = w.ofWorker
			}
			if more, err := step(p); err != nil || !more {
				return err
			}
		}
	}
	return nil
}

// How much is read at a time: about 4 MiB, which the size of what was read before tells.
const (
	firstPage  = 100
	mostOfPage = 1000
	pageBytes  = 4 << 20
)

// pages goes through a list or a sorted set.
func (w *walker) pages(p place) (more bool, err error) {
	kind := p.kind
	if kind == "ids" {
		kind = "list"
	}
	size, most := int64(firstPage), int64(-1)
	for passed, looked := int64(0), int64(0); most < 0 || looked < most; {
		from, to := passed, passed+size-1
		if w.backwards {
			from, to = -passed-size, -passed-1
		}
		elements, scores, length, err := w.store.Page(w.ctx, p.key, kind, from, to)
		if err != nil {
			return false, err
		}
		if len(elements) == 0 {
			return true, nil
		}
		if most < 0 { // so that it ends when others put in as fast as it reads
			most = 4*length + 10_000
		}
		jobs := make([]Job, len(elements))
		for k, element := range elements {
			jobs[k] = Job{at: p, element: element}
			if w.backwards { // what is reached at the head is less than a page
				jobs[k].far = passed + int64(len(elements)-k)
			} else {
				jobs[k].far = length - passed - int64(k)
			}
			if scores != nil {
				jobs[k].score, jobs[k].DueAt = scores[k], moment(scores[k])
			}
		}
		n := int64(len(jobs))
		left, bytes, more, err := w.show(jobs)
		if err != nil || !more {
			return false, err
		}
		looked += n
		passed += n - int64(left)
		if w.backwards && length <= passed+int64(left) || !w.backwards && n < size {
			return true, nil
		}
		size = min(max(pageBytes/int64(bytes/len(elements)+1), 10), mostOfPage)
	}
	return true, nil
}

// ofWorker shows what an incarnation holds.
func (w *walker) ofWorker(p place) (more bool, err error) {
	jobs, err := w.held(p)
	if err != nil || len(jobs) == 0 {
		return err == nil, err
	}
	_, _, more, err = w.show(jobs)
	return more, err
}

// show reads what jobs say, and shows visit those that are meant.
func (w *walker) show(jobs []Job) (left, bytes int, more bool, err error) {
	n := len(jobs)
	meant, bytes, err := w.read(jobs)
	if err != nil || w.looked != nil && !w.looked(n) {
		return 0, bytes, false, err
	}
	if len(meant) == 0 {
		return 0, bytes, true, nil
	}
	left, more = w.visit(meant)
	return left, bytes, more, nil
}
