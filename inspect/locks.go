package inspect

import (
	"context"
	"fmt"
	"iter"
	"slices"
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

// Locks goes through the uniqueness keys of a queue that jobs have. There is no list of them: it goes
// through all keys of the server with SCAN, which takes about two seconds with a million of them, look
// by look as it is read. A lock may be found twice. An error ends it.
func (i *Inspector) Locks(ctx context.Context, queue string) iter.Seq2[Lock, error] {
	return func(yield func(Lock, error) bool) {
		for cursor := ""; ; {
			locks, next, err := i.locksSome(ctx, queue, cursor, lockPortion)
			if err != nil {
				yield(Lock{}, err)
				return
			}
			for _, l := range locks {
				if !yield(l, nil) {
					return
				}
			}
			if cursor = next; cursor == "" {
				return
			}
		}
	}
}

// What a look takes at most: a step of 1,000 keys takes Redis 2 to 3 ms, and a lock is four commands.
const (
	lockPage    = 30
	lockPortion = 500 // for who reads on
	lockSteps   = 40
	lockKeys    = 1000
	lockFor     = 25 * time.Millisecond
)

// LocksSome is Locks in bounded looks, each for about 30 ms. cursor is "" for the first; next is that
// of the next look, and "" when this is the last. A look may find none, and a lock may be found
// twice. Another queue's cursor is refused with ErrCursor.
func (i *Inspector) LocksSome(ctx context.Context, queue, cursor string) (locks []Lock, next string, err error) {
	return i.locksSome(ctx, queue, cursor, lockPage)
}

// locksSome is LocksSome for a page of so many locks at most.
func (i *Inspector) locksSome(ctx context.Context, queue, cursor string, page int) (locks []Lock, next string, err error) {
	q, err := i.store.Queue(queue)
	if err != nil {
		return nil, "", fmt.Errorf("locks: %w", err)
	}
	of := Query{Queues: []string{queue}}
	at, err := parseCursor(&of, cursor)
	if err != nil {
		return nil, "", fmt.Errorf("locks of %s: %w", queue, err)
	}
	if at == nil {
		at = &position{Query: of.sum(), Queue: queue}
	}
	var keys []string
	more := true
	for step, began := 0, time.Now(); more && len(keys) < page && step < lockSteps && time.Since(began) < lockFor; step++ {
		names, place, goesOn, err := i.store.LocksSome(ctx, q, store.Place{Node: at.Node, Cursor: at.Scan}, lockKeys)
		if err != nil {
			return nil, "", fmt.Errorf("locks of %s: %w", queue, err)
		}
		names = slices.DeleteFunc(names, func(name string) bool { return name <= at.Part })
		if room := page - len(keys); len(names) > room { // the next look takes the step again
			names, place, goesOn = names[:room], store.Place{Node: at.Node, Cursor: at.Scan}, true
			at.Part = names[room-1]
		} else {
			at.Part = ""
		}
		for _, name := range names {
			keys = append(keys, q.Lock(name))
		}
		at.Node, at.Scan, more = place.Node, place.Cursor, goesOn
	}
	if locks, err = i.locks(ctx, q, keys); err != nil {
		return nil, "", err
	}
	if more {
		next = at.cursor()
	}
	return locks, next, nil
}

// locks says of some keys what is known of their locks.
func (i *Inspector) locks(ctx context.Context, q *store.Queue, keys []string) ([]Lock, error) {
	queue := q.Name
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
