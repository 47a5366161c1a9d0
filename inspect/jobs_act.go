package inspect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/bridge"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// Why something was not done to a job: one of these, or of tasuki.ErrRunning, ErrEnded,
// ErrLocked and ErrNotFound, that of a record.
var (
	// ErrMoved: the job is not where it was read any more. It has run or ended since, or was
	// moved by others.
	ErrMoved = errors.New("the job has moved meanwhile")
	// ErrReady: it waits for a worker already.
	ErrReady = errors.New("the job is ready already")
	// ErrForeign: it lies in the list of another program, where nothing is taken away.
	ErrForeign = errors.New("the job lies in the list of another program")
)

// Action is what can be done to jobs that were read. Each is safe to repeat.
type Action string

// The actions.
const (
	// Retry makes jobs ready that are scheduled, wait for a retry or are dead: a dead one
	// with all its attempts before it.
	Retry Action = "retry"
	// Cancel ends jobs that wait, and asks those that run to end. A dead one has ended.
	Cancel Action = "cancel"
	// Remove takes jobs away that do not run: those that wait, the dead, and records of
	// those that have ended.
	Remove Action = "remove"
)

// Actions are all of them.
var Actions = []Action{Retry, Cancel, Remove}

// Act does something to jobs that Jobs or Job has returned. It returns an error or nil for
// each: a job that is not where it was read any more is left alone, with ErrMoved.
func (i *Inspector) Act(ctx context.Context, what Action, jobs ...Job) []error {
	if !slices.Contains(Actions, what) {
		err := fmt.Errorf("action: %.40q: allowed are %s, %s, %s", what, Retry, Cancel, Remove)
		return slices.Repeat([]error{err}, len(jobs))
	}
	a := actor{Inspector: i, ctx: ctx, what: what}
	return a.act(jobs)
}

// Reschedule moves jobs that do not run to another time; one that is in the past, as the
// zero time is, is now. It returns what Act does.
func (i *Inspector) Reschedule(ctx context.Context, to time.Time, jobs ...Job) []error {
	if to.Year() > 9999 {
		err := fmt.Errorf("reschedule: the year %d: allowed are times until the year 9999", to.Year())
		return slices.Repeat([]error{err}, len(jobs))
	}
	a := actor{Inspector: i, ctx: ctx, to: to}
	return a.act(jobs)
}

// Acted is what has become of jobs that were meant.
type Acted struct {
	Done int `json:"done"`
	// Skipped have moved or ended meanwhile, or are in no state for it.
	Skipped int `json:"skipped"`
	// Refused were refused for another reason, the last of which is in the error.
	Refused int `json:"refused"`
}

// ActAll does something to all jobs of a queue that f means, portion by portion; f.Limit is
// how many are done at most. Jobs that die or become ready while it goes on may be meant
// too, but it ends. The error is why it has stopped, or why some were refused.
func (i *Inspector) ActAll(ctx context.Context, what Action, queue string, f JobFilter) (Acted, error) {
	var all Acted
	begun, err := i.store.Now(ctx)
	if err != nil {
		return all, fmt.Errorf("%s: %w", what, err)
	}
	var refused, failed error
	err = i.walk(ctx, queue, &f, true, func(jobs []Job) (left int, more bool) {
		// Those that have died since are those that were made ready.
		jobs = slices.DeleteFunc(jobs, func(j Job) bool { return what == Retry && j.State == tasuki.StateDead && j.EndedAt.After(begun) })
		if f.Limit > 0 {
			jobs = jobs[:min(len(jobs), f.Limit-all.Done)]
		}
		start := time.Now()
		errs := i.Act(ctx, what, jobs...)
		took := time.Since(start)
		for k, err := range errs {
			switch {
			case err == nil:
				all.Done++
				if jobs[k].at.kind == "list" || jobs[k].at.kind == "zset" {
					left++
				}
			case isMoved(err):
				all.Skipped++
			case errors.Is(err, ErrForeign) || errors.Is(err, tasuki.ErrLocked):
				all.Refused++
				refused = fmt.Errorf("%s: %w", jobs[k].Address(), err)
			default:
				failed = err
			}
		}
		// What lies in the middle of a long list takes Redis tens of milliseconds: half of the
		// time is for others.
		if took > 10*time.Millisecond {
			select {
			case <-time.After(took):
			case <-ctx.Done():
				failed = cmp.Or(failed, context.Cause(ctx))
			}
		}
		return left, failed == nil && (f.Limit == 0 || all.Done < f.Limit)
	})
	if err = cmp.Or(err, failed, refused); err != nil {
		return all, fmt.Errorf("%s: %s: %w", what, queue, err)
	}
	return all, nil
}

// isMoved tells whether an error is that a job is not, or not any more, in a state for an
// action.
func isMoved(err error) bool {
	return slices.ContainsFunc([]error{ErrMoved, ErrReady, tasuki.ErrRunning, tasuki.ErrEnded, tasuki.ErrNotFound}, func(is error) bool { return errors.Is(err, is) })
}

// actor does one thing to jobs.
type actor struct {
	*Inspector
	ctx  context.Context
	what Action    // "": to another time
	to   time.Time // then
}

func (a *actor) act(jobs []Job) []error {
	errs := make([]error, len(jobs))
	byQueue := map[string][]int{} // bare ones that do not run
	var others []int
	for k := range jobs {
		j := &jobs[k]
		switch err := a.allowed(j); {
		case err != nil:
			errs[k] = err
		case j.Recorded || j.State == tasuki.StateRunning:
			others = append(others, k)
		default:
			byQueue[j.Queue] = append(byQueue[j.Queue], k)
		}
	}
	for queue, which := range byQueue {
		a.move(queue, jobs, which, errs)
	}
	// One after the other they would wait for each other's round trips.
	var wait sync.WaitGroup
	next := make(chan int)
	for range min(len(others), 16) {
		wait.Go(func() {
			for k := range next {
				errs[k] = a.one(&jobs[k])
			}
		})
	}
	for _, k := range others {
		next <- k
	}
	close(next)
	wait.Wait()
	return errs
}

// allowed says why something cannot be done to a job in its state.
func (a *actor) allowed(j *Job) error {
	switch {
	case j.at.foreign:
		return ErrForeign
	case j.State == tasuki.StateRunning && a.what != Cancel:
		return tasuki.ErrRunning
	case a.what == Retry && (j.State == tasuki.StateReady || j.State == tasuki.StateSuspect):
		return ErrReady
	case a.what == Cancel && j.State.HasEnded(),
		a.what != Remove && j.State.HasEnded() && j.State != tasuki.StateDead:
		return tasuki.ErrEnded
	}
	return nil
}

// one acts on a recorded job, or asks for the end of one that runs.
func (a *actor) one(j *Job) error {
	if j.ID == "" { // a raw job gets its id where it runs, and has not told it
		return fmt.Errorf("a plain element that runs: %w", ErrNotFound)
	}
	var err error
	if j.Recorded {
		err = bridge.ActOn(a.ctx, a.client, string(a.what), &j.Record, a.to)
	} else {
		err = a.client.Cancel(a.ctx, j.Address())
	}
	if errors.Is(err, store.ErrChanged) {
		return ErrMoved
	}
	return err
}

// move acts on bare jobs of a queue that do not run, and notes their errors.
func (a *actor) move(queue string, jobs []Job, which []int, errs []error) {
	q, err := a.store.Queue(queue)
	if err != nil {
		for _, k := range which {
			errs[k] = err
		}
		return
	}
	slices.SortStableFunc(which, func(x, y int) int { // those of a list from its head on
		return cmp.Or(strings.Compare(string(jobs[x].State), string(jobs[y].State)), cmp.Compare(jobs[y].far, jobs[x].far))
	})
	for len(which) > 0 {
		first, n := &jobs[which[0]], 1
		for n < min(len(which), store.MovingMost) && jobs[which[n]].State == first.State && first.far-jobs[which[n]].far < store.MovingSpan {
			n++
		}
		a.moveSome(q, jobs, which[:n], errs)
		which = which[n:]
	}
}

func (a *actor) moveSome(q *store.Queue, jobs []Job, which []int, errs []error) {
	gone := a.what == Cancel || a.what == Remove
	moving := make([]store.Moving, len(which))
	for n, k := range which {
		moving[n] = store.Moving{From: string(jobs[k].State), Far: jobs[k].far, Element: jobs[k].element}
		if !gone {
			moving[n].Kept = again(&jobs[k])
		}
	}
	done, err := a.store.Move(a.ctx, q, a.to, gone, moving)
	for n, k := range which {
		switch {
		case err != nil:
			errs[k] = err
		case !done[n]:
			errs[k] = ErrMoved
		}
	}
}

// again is the element of a bare job that is moved.
func again(j *Job) string {
	parsed, _ := wire.Parse(j.element) // what is no job is wrapped
	if j.State == tasuki.StateDead {
		parsed.Renew()
	}
	parsed.Token = wire.NewToken()
	return parsed.Element()
}
