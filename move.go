package tasuki

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tasuki-dev/tasuki/internal/store"
)

// maxHops is how often a job may have been moved for its first address to lead to it.
const maxHops = 8

// movedFor is how long the old address of a job leads to the new one at least.
const movedFor = 24 * time.Hour

// Move has a recorded job go to another queue, and returns the address that it has there:
// its id stays. A job that waits, or is scheduled or to be retried, is due there when it was
// here, and has its arguments, options, attempts, history and checkpoint. One that runs gives
// ErrRunning, one that has ended or is dead ErrEnded.
//
// The old address leads to the job for its Opts.Keep, a day at least, as one of the records that
// the queue keeps (WorkerConfig.KeepMax): Get, Wait, Watch, Await, Cancel and the like follow it,
// up to 8 moves.
//
// Its uniqueness key holds in the new queue from then on: if another job has it there, the job
// stays where it is, with ErrLocked, and so it does if the queue knows its id, with ErrIDTaken.
//
// A move takes several steps, as two queues may lie on two servers. Who repeats a Move that
// was cut finishes it, and so does the next Cancel, Edit, Reschedule, RunNow or Remove of the
// job. Until then it waits as parked, and its reason says where it goes.
func (c *Client) Move(ctx context.Context, address, queue string) (string, error) {
	to, err := c.move(ctx, address, queue)
	if err != nil {
		return "", fmt.Errorf("move %s: %w", inError(address), err)
	}
	return to, nil
}

func (c *Client) move(ctx context.Context, address, queue string) (string, error) {
	at, err := c.locate(address)
	if err != nil {
		return "", err
	}
	k, err := c.queue(queue)
	if err != nil {
		return "", err
	}
	if k.Foreign {
		return "", fmt.Errorf("queue %s: the list of another program: allowed are queues of tasuki's own", queue)
	}
	for range 20 {
		r, err := c.get(ctx, at)
		switch {
		case err != nil:
			return "", err
		case r.to != "":
			if err := c.arrive(ctx, r); err != nil || r.to == queue+"/"+r.ID {
				return r.to, err
			}
			continue
		case r.Queue == queue:
			return r.Address(), nil
		case r.State == StateDead:
			return "", ErrEnded
		}
		if at, err = c.locate(r.Address()); err != nil {
			return "", err
		}
		// Most of what could keep it from coming in is seen before it has left.
		if err := c.canCome(ctx, k, r); err != nil {
			if is, getErr := c.get(ctx, at); getErr == nil && (is.Queue != r.Queue || is.gen != r.gen) {
				continue // it was in its own way: another has moved it
			}
			return "", err
		}
		c.announce(ctx, k)
		j := r.job()
		err = c.store.Act(ctx, at.Queue, &store.Act{
			What: "leave", ID: r.ID, Lock: r.lock, Gen: r.gen, Was: r.body, Old: j.Pointer(r.lock, r.gen), To: queue + "/" + r.ID,
		})
		if err != nil && !errors.Is(err, ErrChanged) && !errors.Is(err, store.ErrMissing) && !errors.Is(err, ErrUncertain) {
			return "", err
		}
	}
	return "", ErrChanged
}

// canCome tells whether a job may come into a queue.
func (c *Client) canCome(ctx context.Context, k *knownQueue, r *Record) error {
	fields, err := c.store.Record(ctx, k.Queue, r.ID)
	switch {
	case err != nil:
		return err
	case fields["job"] != "":
		return fmt.Errorf("%s/%s: %w", k.Name, r.ID, ErrIDTaken)
	}
	owner, err := c.store.Owner(ctx, k.Queue, r.lock)
	if err == nil && owner != "" && owner != r.ID {
		err = fmt.Errorf("%s/%s: %w", k.Name, owner, ErrLocked)
	}
	return err
}

// arrive has a job that has left its queue come into the other one. It may be repeated, and
// by several at a time. A job that may not come in stays where it was.
func (c *Client) arrive(ctx context.Context, r *Record) error {
	from, err := c.locate(r.Address())
	if err != nil {
		return err
	}
	to, err := c.locate(r.to)
	if err != nil {
		return err
	}
	fields, err := c.store.WholeRecord(ctx, from.Queue, r.ID)
	if err != nil || fields["to"] != r.to || fields["job"] != r.body {
		return err // it is looked at again
	}
	maps.DeleteFunc(fields, func(name, _ string) bool {
		return slices.Contains([]string{"gen", "state", "at", "from", "to", "cancel", "left"}, name)
	})
	j := r.job()
	coming := store.Coming{
		ID: r.ID, Lock: r.lock, From: fmt.Sprintf("%s %d", r.Address(), r.gen), At: r.DueAt,
		Gen: r.gen + 1, Pointer: j.Pointer(r.lock, r.gen+1), Fields: fields, // generations go on, as it may come back
	}
	act := store.Act{ID: r.ID, Lock: r.lock, Gen: r.gen, Was: r.body, To: r.to}
	keep := max(time.Duration(min(j.Keep, maxDelay.Milliseconds()))*time.Millisecond, movedFor)
	err = store.Repeat(ctx, func(ctx context.Context) error {
		return c.store.Moved(ctx, to.Queue, c.cfg.SeenFor, c.cfg.SeenMax, &coming)
	})
	refused := err
	switch {
	case err == nil:
		act.What, act.Keep = "left", keep
	case errors.Is(err, ErrLocked) || errors.Is(err, ErrIDTaken):
		act.What, act.Job, act.New, act.When = "move", r.body, j.Pointer(r.lock, r.gen+1), store.Put{At: r.DueAt}
	default:
		return err
	}
	err = store.Repeat(ctx, func(ctx context.Context) error { return c.store.Act(ctx, from.Queue, &act) })
	if err == nil || errors.Is(err, ErrChanged) || errors.Is(err, store.ErrMissing) { // another has done it
		return refused
	}
	return err
}
