package inspect

import (
	"context"
	"fmt"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// Lock is a uniqueness key (tasuki.Unique) that a job of a queue has.
type Lock struct {
	Name    string        `json:"name"`              // what Unlock takes
	Kind    string        `json:"kind,omitempty"`    // of the job
	Key     string        `json:"key,omitempty"`     // as it can be read, the first 256 bytes
	Owner   string        `json:"owner,omitempty"`   // the id of the job that keeps others out
	State   tasuki.State  `json:"state,omitempty"`   // of that one; empty when it has ended
	Running string        `json:"running,omitempty"` // the id of the job that runs while others wait
	Parked  int64         `json:"parked,omitempty"`  // how many of those wait
	Left    time.Duration `json:"left_ns,omitempty"` // until it ends by itself; 0: with its job
}

// Locks returns the uniqueness keys of a queue that jobs have. There is no list of them: it goes
// through all keys of the server with SCAN, which takes about two seconds with a million of them.
func (i *Inspector) Locks(ctx context.Context, queue string) ([]Lock, error) {
	q, err := i.store.Queue(queue)
	if err != nil {
		return nil, fmt.Errorf("locks: %w", err)
	}
	keys, err := i.store.LockKeys(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("locks of %s: %w", queue, err)
	}
	found, err := i.store.Locks(ctx, q, keys)
	if err != nil {
		return nil, fmt.Errorf("locks of %s: %w", queue, err)
	}
	var ids []string
	for _, l := range found {
		for _, id := range []string{l.Owner, l.Running} {
			if id != "" {
				ids = append(ids, id)
			}
		}
	}
	records := map[string]store.Recorded{}
	if len(ids) > 0 {
		if records, err = i.store.Records(ctx, q, ids); err != nil {
			return nil, fmt.Errorf("locks of %s: %w", queue, err)
		}
	}
	locks := make([]Lock, len(found))
	for n, l := range found {
		locks[n] = Lock{Name: l.Name, Owner: l.Owner, Running: l.Running, Parked: l.Parked, Left: l.Left}
		for _, id := range []string{l.Running, l.Owner} {
			if r, ok := records[id]; ok {
				j, _ := wire.Parse(r.Job) // what cannot be read says nothing
				locks[n].Kind, locks[n].Key, locks[n].State = j.Kind, j.Unique, tasuki.State(r.State)
			}
		}
	}
	return locks, nil
}

// Unlock frees a uniqueness key by hand, and lets the next job run that waits for it. The job
// that had it goes on. ErrNotFound says that nobody has it.
func (i *Inspector) Unlock(ctx context.Context, queue, name string) error {
	q, err := i.store.Queue(queue)
	if err != nil {
		return fmt.Errorf("unlock: %w", err)
	}
	freed, err := i.store.Unlock(ctx, q, name)
	if err == nil && !freed {
		err = ErrNotFound
	}
	i.notedAll(ctx, "unlock", []string{queue}, name, []error{err})
	if err != nil {
		return fmt.Errorf("unlock %.80s of %s: %w", name, queue, err)
	}
	return nil
}
