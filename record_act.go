package tasuki

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tasuki-dev/tasuki/internal/store"
)

// actOn does something to a recorded job if it is where r says: ErrChanged if not. A
// job that has begun to run since is.
func (c *Client) actOn(ctx context.Context, what string, r *Record, to time.Time) error {
	at, err := c.locate(r.Address())
	if err != nil {
		return err
	}
	at.exact, at.gen = true, r.gen
	switch what {
	case "cancel":
		return c.cancel(ctx, at)
	case "remove":
		return c.remove(ctx, at)
	}
	return c.reschedule(ctx, at, what, to)
}

// Cancel ends a job. A recorded one that does not run is cancelled when Cancel returns;
// one that runs is asked to end: its context ends with ErrCancelled. Of one that has ended
// it says ErrEnded, also if an earlier Cancel has ended it.
//
// A job without a record is cancelled if it runs; whether it does, nobody says, and
// otherwise it is not touched.
func (c *Client) Cancel(ctx context.Context, address string) error {
	at, err := c.locate(address)
	if err != nil {
		return fmt.Errorf("cancel: %w", err)
	}
	return c.cancel(ctx, at)
}

func (c *Client) cancel(ctx context.Context, at located) error {
	err := c.act(ctx, at, func(r *Record, a *store.Act) error {
		if r.State == StateDead {
			return ErrEnded
		}
		a.What, a.State = "end", string(StateCancelled)
		j := r.job()
		a.Keep = time.Duration(j.Keep) * time.Millisecond
		j.EndedAt = time.Now().UnixMilli()
		a.Job = j.Body()
		return nil
	})
	if errors.Is(err, ErrRunning) || errors.Is(err, ErrNotFound) {
		_, err = c.store.Tell(ctx, at.Queue, tellCancel+at.id)
	}
	if err != nil {
		return fmt.Errorf("cancel %s: %w", inError(at.address()), err)
	}
	return nil
}

// Reschedule moves a recorded job that does not run to another time; one that is in the
// past, as the zero time is, is now. A dead job begins anew, with all its attempts before it.
func (c *Client) Reschedule(ctx context.Context, address string, to time.Time) error {
	at, err := c.locate(address)
	if err != nil {
		return fmt.Errorf("reschedule: %w", err)
	}
	return c.reschedule(ctx, at, "reschedule", to)
}

// reschedule is what errors call what.
func (c *Client) reschedule(ctx context.Context, at located, what string, to time.Time) error {
	if to.After(lastTime) {
		return fmt.Errorf("%s %s: the year %d: allowed are times until the year 9999", what, inError(at.address()), to.Year())
	}
	err := c.act(ctx, at, func(r *Record, a *store.Act) error {
		a.What, a.When = "move", store.Put{At: to}
		j := r.job()
		if r.State == StateDead {
			j.Renew()
		}
		a.Job = j.Body()
		a.New = j.Pointer(r.lock, r.gen+1)
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, inError(at.address()), err)
	}
	return nil
}

// RunNow is Reschedule to now.
func (c *Client) RunNow(ctx context.Context, address string) error {
	at, err := c.locate(address)
	if err != nil {
		return fmt.Errorf("run now: %w", err)
	}
	return c.reschedule(ctx, at, "run now", time.Time{})
}

// Remove takes a recorded job away, with its record: one that does not run, or that has
// ended.
func (c *Client) Remove(ctx context.Context, address string) error {
	at, err := c.locate(address)
	if err != nil {
		return fmt.Errorf("remove: %w", err)
	}
	return c.remove(ctx, at)
}

func (c *Client) remove(ctx context.Context, at located) error {
	err := c.act(ctx, at, func(_ *Record, a *store.Act) error {
		a.What, a.State = "remove", string(StateCancelled)
		return nil
	})
	if err != nil {
		return fmt.Errorf("remove %s: %w", inError(at.address()), err)
	}
	return nil
}

// act does something to a recorded job as it is, and does it again when it has changed
// or was moved meanwhile; a job that is leaving its queue arrives first. After a lost reply
// it looks whether it was done, and else does it again: what acts on a generation, and on a
// job as it was read, acts once.
func (c *Client) act(ctx context.Context, at located, make func(*Record, *store.Act) error) error {
	var sent store.Act
	var lost error // its reply was
	for tries := 0; ; tries++ {
		r, err := c.get(ctx, at)
		switch {
		case lost != nil && isDone(&sent, r, err):
			return nil
		case lost != nil && err != nil && !errors.Is(err, ErrNotFound):
			return lost
		case err != nil:
			return err
		}
		if at.exact && r.gen != at.gen {
			return ErrChanged
		}
		if r.to != "" {
			if err := c.arrive(ctx, r); err != nil {
				return err
			}
			continue
		}
		if r.Address() != at.address() {
			if at, err = c.locate(r.Address()); err != nil {
				return err
			}
		}
		a := store.Act{ID: at.id, Lock: r.lock, Gen: r.gen, Was: r.body}
		j := r.job()
		a.Old = j.Pointer(r.lock, r.gen)
		if err := make(r, &a); err != nil {
			return err
		}
		err = c.store.Act(ctx, at.Queue, &a)
		if errors.Is(err, ErrUncertain) && tries < 20 {
			sent, lost = a, err
			continue
		}
		if !errors.Is(err, ErrChanged) && !errors.Is(err, store.ErrMissing) || tries == 20 {
			return err
		}
	}
}

// isDone tells whether an Act was done, by what was read of the job since.
func isDone(a *store.Act, r *Record, err error) bool {
	gen := a.Gen
	switch a.What {
	case "remove":
		return errors.Is(err, ErrNotFound)
	case "end":
		gen = 0
	case "move":
		gen++
	}
	return err == nil && r.gen == gen && r.body == a.Job
}
