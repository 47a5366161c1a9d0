package inspect

import (
	"errors"
	"sync"
	"time"

	"github.com/tasuki-dev/tasuki"
)

// portion moves some jobs of one place. It returns how many have left that.
func (t *transfer) portion(jobs []Job, now time.Time) (left int, err error) {
	all := make([]parcel, 0, len(jobs))
	var near []int
	for n := range jobs {
		j := &jobs[n]
		if t.refused[j.ID] && j.ID != "" {
			continue // it was put back, and is met again
		}
		if t.near && j.Recorded && j.State != tasuki.StateDead {
			near = append(near, n)
			continue
		}
		p := parcel{job: j, now: j.element}
		p.state, p.id, p.element = j.State, j.ID, j.element
		p.at = j.DueAt
		if j.State == tasuki.StateDead {
			p.at = endOf(j)
		}
		all = append(all, p)
	}
	if left, err = t.moveNear(jobs, near); err != nil {
		return left, err
	}
	if err := t.read(all); err != nil {
		return left, err
	}
	if err := t.lease(all, now); err != nil {
		return left, err
	}
	for n := range all {
		if all[n].leased && all[n].job.at.kind == "list" {
			left++
		}
	}
	imported, err := t.dst.takeIn(t.ctx, t.to, "", now, all, t.seenFor, t.seenMax)
	if err != nil {
		return left, err
	}
	n, err := t.finish(all, imported)
	return left + n, err
}

// moveNear moves recorded jobs within the namespace.
func (t *transfer) moveNear(jobs []Job, which []int) (left int, err error) {
	var lock sync.Mutex
	err = t.each(which, func(n int) error {
		_, err := t.client.Move(t.ctx, jobs[n].Address(), t.to.Name)
		lock.Lock()
		defer lock.Unlock()
		switch {
		case err == nil:
			t.done.Moved++
			left++
		case isMoved(err) || errors.Is(err, tasuki.ErrChanged):
			t.done.Missed++
		case errors.Is(err, tasuki.ErrLocked) || errors.Is(err, tasuki.ErrIDTaken):
			t.refuse(jobs[n].ID)
		default:
			return err
		}
		return nil
	})
	return left, err
}

// refuse notes a job that stays, so that it is not tried again and again.
func (t *transfer) refuse(id string) {
	t.done.Refused++
	t.refused[id] = true
}

// refusedMost is how many may be refused before it is given up.
const refusedMost = 100_000

// read fills in what the records say, and when ids were remembered.
func (t *transfer) read(all []parcel) error {
	var ids []string
	for n := range all {
		ids = append(ids, all[n].id)
	}
	seen, err := t.store.SeenAll(t.ctx, t.from, ids)
	if err != nil {
		return err
	}
	for n := range all {
		all[n].remembered = seen[n]
	}
	return readRecords(t.ctx, t.store, t.from, all)
}

// each does something for several jobs, some at a time: one after the other they would wait
// for each other's round trips.
func (t *transfer) each(which []int, do func(n int) error) error {
	var wait sync.WaitGroup
	next, errs := make(chan int), make([]error, 16)
	for w := range errs {
		wait.Go(func() {
			for n := range next {
				if errs[w] == nil {
					errs[w] = do(n)
				}
			}
		})
	}
	for _, n := range which {
		next <- n
	}
	close(next)
	wait.Wait()
	return errors.Join(errs...)
}
