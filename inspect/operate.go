package inspect

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/store"
)

// usualOf are the states that an operation means if none is named.
var usualOf = map[Action][]tasuki.State{
	Retry:      {tasuki.StateRetry, tasuki.StateDead},
	Cancel:     {tasuki.StateRunning, tasuki.StateSuspect, tasuki.StateReady, tasuki.StateRetry, tasuki.StateScheduled},
	Remove:     {tasuki.StateSuspect, tasuki.StateReady, tasuki.StateRetry, tasuki.StateScheduled, tasuki.StateDead},
	Reschedule: {tasuki.StateSuspect, tasuki.StateReady, tasuki.StateRetry, tasuki.StateScheduled},
	Move:       {tasuki.StateSuspect, tasuki.StateReady, tasuki.StateRetry, tasuki.StateScheduled},
	Edit:       {tasuki.StateSuspect, tasuki.StateReady, tasuki.StateRetry, tasuki.StateScheduled, tasuki.StateDead},
}

// operationRun is an operation that this process runs. One goroutine has it.
type operationRun struct {
	*Inspector
	o       Operation
	runner  string
	began   time.Time // by the clock of this process
	written time.Time
	closing <-chan struct{} // of the Inspector
	undone  *Operation      // what its begin takes with it: as it is to be
}

var errOperationCancelled = errors.New("the operation was cancelled")

// write writes the operation down, and notes that somebody wants it to end.
func (r *operationRun) write(ctx context.Context, what string) (cancelled string, err error) {
	r.o.Updated = time.Now()
	state, err := json.Marshal(r.o)
	if err != nil {
		return "", err
	}
	r.written = time.Now()
	lease := operationLease
	if what == "leave" { // others see at once that nobody runs it
		what, lease = "step", 0
	}
	step := store.OperationStep{What: what, ID: r.o.ID, Runner: r.runner, Lease: lease, State: string(state), Was: r.o.written}
	if what == "begin" && r.undone != nil {
		becomes, err := json.Marshal(r.undone)
		if err != nil {
			return "", err
		}
		step.Other, step.Was, step.Becomes = r.undone.ID, r.undone.written, string(becomes)
	}
	return r.store.Operate(ctx, &step)
}

// beat writes down how far it has come, once a second; the error is why it has to end.
func (r *operationRun) beat(ctx context.Context) error {
	select {
	case <-r.closing:
		return errInspectorClosed
	default:
	}
	if time.Since(r.written) < operationBeat {
		return nil
	}
	return r.report(ctx)
}

func (r *operationRun) report(ctx context.Context) error {
	var cancelled string
	err := store.Repeat(ctx, func(ctx context.Context) (err error) {
		cancelled, err = r.write(ctx, "step")
		return err
	})
	if err == nil && cancelled != "" {
		err = errOperationCancelled
	}
	return err
}

// run does it, and writes down how it has ended. Close waits for the portion that is under way, as
// of a call that is cut nobody knows what it has done.
func (r *operationRun) run() {
	ctx := context.Background()
	var err error
	if r.o.Undoes != "" {
		err = r.undo(ctx)
	} else {
		err = r.act(ctx)
	}
	switch {
	case errors.Is(err, store.ErrLost), errors.Is(err, store.ErrClosed):
		return // it is another's, or is seen as interrupted when the lease ends
	case errors.Is(err, errInspectorClosed):
		_, _ = r.write(ctx, "leave") // else the lease ends
		return
	case errors.Is(err, errOperationCancelled):
		r.o.State = OperationCancelled
	case err != nil:
		r.o.State, r.o.Error = OperationFailed, cutText(err.Error(), auditText)
	default:
		r.o.State = OperationDone
	}
	if r.o.Undoable == 0 && r.o.NoUndo == "" {
		r.o.NoUndo = nothingDone
	}
	_, err = r.write(ctx, "end")
	as := *r.Inspector
	as.by = r.o.By
	if err != nil {
		err = fmt.Errorf("operation %s: its end was not written: %w", r.o.ID, err)
	} else if r.o.Error != "" {
		err = errors.New(r.o.Error)
	}
	as.noted(ctx, AuditEntry{
		What: string(r.o.Action), Target: r.o.Query, Count: r.o.Done, Operation: r.o.ID,
		Detail: fmt.Sprintf("operation %s: %s, %d skipped, %d refused", r.o.ID, r.o.State, r.o.Skipped, r.o.Refused),
	}, err)
}

// act does its thing to the jobs of all queues.
func (r *operationRun) act(ctx context.Context) error {
	q, err := ParseQuery(r.o.Query)
	if err != nil {
		return err
	}
	q.Limit = r.o.Limit
	if err := r.land(ctx, r.o.Moving, r.o.To); err != nil {
		return err
	}
	r.o.Moving = nil
	queues, err := r.queuesOf(ctx, &q)
	if err != nil {
		return err
	}
	for _, queue := range queues {
		if r.o.Action == Move && r.o.To == queue.Name || r.isFull() {
			continue
		}
		if err := r.actIn(ctx, queue, &q); err != nil {
			return fmt.Errorf("%s: %w", queue.Name, err)
		}
	}
	return nil
}

// actIn does it in one queue.
func (r *operationRun) actIn(ctx context.Context, queue *store.Queue, q *Query) error {
	a := &actor{Inspector: r.Inspector, ctx: ctx, what: r.o.Action, at: r.o.At, to: r.o.To, changes: r.o.Changes}
	var stop error
	looked := func(n int) bool {
		r.o.Scanned += int64(n)
		stop = r.beat(ctx)
		return stop == nil
	}
	err := r.walk(ctx, queue, q, true, looked, func(jobs []Job) (left int, more bool) {
		jobs = slices.DeleteFunc(jobs, func(j Job) bool {
			switch r.o.Action {
			case Retry: // those that have died since are those that were made ready
				return j.State == tasuki.StateDead && j.EndedAt.After(r.o.Started)
			case Reschedule: // it lies there
				return j.State == tasuki.StateScheduled && int64(j.score) == r.o.At.UnixMilli()
			}
			return false
		})
		if q.Limit > 0 {
			jobs = jobs[:min(len(jobs), max(0, q.Limit-r.o.Done-r.o.Unsure))]
		}
		for some := range slices.Chunk(jobs, 200) { // so that none takes longer than the lease
			n, err := r.portion(ctx, queue, a, some)
			if left += n; err != nil {
				stop = err
				return left, false
			}
			if stop = r.beat(ctx); stop != nil {
				return left, false
			}
		}
		return left, !r.isFull()
	})
	return cmp.Or(stop, err)
}

// portion does it to some jobs, and says how many have left their places.
func (r *operationRun) portion(ctx context.Context, queue *store.Queue, a *actor, jobs []Job) (left int, err error) {
	keep, err := r.keeper(ctx, queue, jobs)
	if err != nil {
		return 0, err
	}
	if r.o.Action == Move {
		for k := range jobs {
			r.o.Moving = append(r.o.Moving, jobs[k].Address())
		}
	}
	if r.o.Limit > 0 {
		r.o.Unsure += len(jobs)
	}
	if r.o.Action == Move || r.o.Limit > 0 {
		if err := r.report(ctx); err != nil {
			return 0, err
		}
	}
	start := time.Now()
	errs := a.act(jobs)
	took := time.Since(start)
	for k, failed := range errs {
		switch {
		case failed == nil:
			r.o.Done++
			if r.o.Action != Edit && (jobs[k].at.kind == "list" || jobs[k].at.kind == "zset") {
				left++
			}
		case isMoved(failed):
			r.o.Skipped++
		case isRefusal(failed):
			r.o.Refused++
			r.o.Error = cutText(fmt.Sprintf("%s: %v", jobs[k].Address(), failed), auditText)
		default:
			err = fmt.Errorf("%s: %w", jobs[k].Address(), failed)
		}
	}
	keep(errs)
	if err == nil {
		r.o.Moving = nil
		if r.o.Limit > 0 {
			r.o.Unsure -= len(jobs)
		}
	}
	// What lies in the middle of a long list takes Redis tens of milliseconds: half of the
	// time is for others.
	if took > 10*time.Millisecond && err == nil {
		select {
		case <-time.After(min(took, operationBeat)):
		case <-r.closing:
		}
	}
	return left, err
}

// isFull tells whether it may be done to no more jobs.
func (r *operationRun) isFull() bool {
	return r.o.Limit > 0 && r.o.Done+r.o.Unsure >= r.o.Limit
}

// land finishes moves that were cut: jobs that have left their queue, and have not come in, go to a queue,
// or back where it is "".
func (r *operationRun) land(ctx context.Context, moving []string, to string) error {
	for _, address := range moving {
		queue, id, err := tasuki.ParseAddress(address)
		if err != nil {
			continue // somebody else has put it there
		}
		q, err := r.store.Queue(queue)
		if err != nil {
			continue
		}
		fields, err := r.store.Record(ctx, q, id)
		if err == nil && (fields["to"] == "" || fields["job"] == "") {
			continue
		}
		if err == nil {
			_, err = r.client.Move(ctx, address, cmp.Or(to, queue))
		}
		switch {
		case err == nil:
			r.o.Done++
		case isMoved(err):
			r.o.Skipped++
		case isRefusal(err):
			r.o.Refused++
			r.o.Error = cutText(fmt.Sprintf("%s: %v", address, err), auditText)
		default:
			return fmt.Errorf("%s: %w", address, err)
		}
		if err := r.beat(ctx); err != nil {
			return err
		}
	}
	return nil
}

// isRefusal tells whether an error is one of a job, and not of Redis.
func isRefusal(err error) bool {
	return !store.IsRedis(err) && !store.IsPassing(err) && !errors.Is(err, store.ErrClosed)
}
