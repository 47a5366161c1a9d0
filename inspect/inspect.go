// Package inspect looks at queues and acts on them: it is what a dashboard, a
// command or a script of an operator is made of. Workers and producers do not
// need it.
package inspect

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/bridge"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// Inspector looks at the namespace of a client. It is safe for concurrent use.
type Inspector struct {
	client *tasuki.Client
	store  *store.Store
	by     string // whose acts are its own
	ops    *operations
	past   *past
}

// New returns an Inspector of what the client reaches.
func New(c *tasuki.Client) *Inspector {
	s := bridge.Store(c)
	return &Inspector{client: c, store: s, ops: newOperations(), past: &past{store: s}}
}

// Queue is how many jobs of a queue are in which state, and what was done with
// those that are not there any more.
type Queue struct {
	Name      string `json:"name"` // "list:KEY" for a list of another program
	Ready     int64  `json:"ready"`
	Suspect   int64  `json:"suspect"`
	Scheduled int64  `json:"scheduled"`
	Retry     int64  `json:"retry"`
	Running   int64  `json:"running"` // held by workers
	Dead      int64  `json:"dead"`

	Workers int `json:"workers"` // that may claim

	Paused      bool      `json:"paused"`
	PausedBy    string    `json:"paused_by,omitempty"`
	PausedSince time.Time `json:"paused_since,omitzero"`

	// Latency is how long the oldest ready job has been there or waiting to be
	// ready, in ns, by the clocks of its producer and of this program; 0 if there
	// is none, or if it does not say when it was enqueued.
	Latency time.Duration `json:"latency_ns"`

	// Counts is what was settled how since the queue began: done, retry, snooze,
	// release, dead, cancelled, expired, unknown; claimed, crashed, stopped,
	// refused, revived, withdrawn, trimmed, existed.
	Counts map[string]int64 `json:"counts"`
}

// Names returns the names of all queues that were ever used, sorted.
func (i *Inspector) Names(ctx context.Context) ([]string, error) {
	names, err := i.store.Queues(ctx)
	if err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	return names, nil
}

// Queues returns all queues that were ever used, by name, in a few calls for all of them. One
// that Redis will not tell about, such as when a key has the wrong type, is left out; the
// others are returned all the same, with an error.
func (i *Inspector) Queues(ctx context.Context) ([]Queue, error) {
	names, err := i.Names(ctx)
	if err != nil {
		return nil, err
	}
	var all []*store.Queue
	var failed []error
	for _, name := range names {
		q, err := i.store.Queue(name)
		if err != nil {
			failed = append(failed, fmt.Errorf("inspect: %w", err))
			continue
		}
		all = append(all, q)
	}
	surveys, err := i.store.Surveys(ctx, all...)
	if err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	queues := make([]Queue, 0, len(all))
	for n, v := range surveys {
		if v.Err != nil {
			failed = append(failed, fmt.Errorf("inspect: %s: %w", all[n].Name, v.Err))
			continue
		}
		queues = append(queues, queueOf(all[n].Name, v))
	}
	return queues, errors.Join(failed...)
}

// Queue returns one queue; one that was never used is empty.
func (i *Inspector) Queue(ctx context.Context, name string) (Queue, error) {
	keys, err := i.store.Queue(name)
	if err != nil {
		return Queue{}, fmt.Errorf("inspect: %w", err)
	}
	v, err := i.store.Survey(ctx, keys)
	if err != nil {
		return Queue{}, fmt.Errorf("inspect: %s: %w", name, err)
	}
	return queueOf(name, v), nil
}

// Due is how many jobs of a queue are scheduled or wait for a retry, and are due: a worker moves
// them within milliseconds, so that there are some only if none is there, or it has more to do.
func (i *Inspector) Due(ctx context.Context, queue string) (int64, error) {
	keys, err := i.store.Queue(queue)
	if err != nil {
		return 0, fmt.Errorf("inspect: %w", err)
	}
	now, err := i.store.Now(ctx)
	if err != nil {
		return 0, fmt.Errorf("inspect: %w", err)
	}
	due := int64(0)
	for _, key := range []string{keys.Scheduled, keys.Retry} {
		n, err := i.store.Before(ctx, key, float64(now.UnixMilli()+1), false)
		if err != nil {
			return 0, fmt.Errorf("inspect: %s: %w", queue, err)
		}
		due += n
	}
	return due, nil
}

func queueOf(name string, v *store.Survey) Queue {
	q := Queue{
		Name: name, Ready: v.Ready, Suspect: v.Suspect, Scheduled: v.Scheduled, Retry: v.Retry, Dead: v.Dead, Counts: v.Counts,
	}
	for _, m := range v.Members {
		if m.Ended.IsZero() {
			q.Workers++
		}
		q.Running += v.Held[m.Incarnation]
	}
	if text, ok := v.Rules[rulePaused]; ok {
		var p pause
		_ = json.Unmarshal([]byte(text), &p) // of whatever it says, that it is there counts
		q.Paused, q.PausedBy = true, p.By
		if since := time.UnixMilli(p.Since); p.Since > 0 && since.Year() <= 9999 { // JSON has no later one
			q.PausedSince = since
		}
	}
	for _, element := range v.Ends {
		if j, err := wire.Parse(element); err == nil && j.EnqueuedAt != 0 {
			q.Latency = max(time.Since(time.UnixMilli(j.EnqueuedAt)), q.Latency)
		}
	}
	return q
}

const rulePaused = "paused"

// pause is the value of the rule.
type pause struct {
	By    string `json:"by,omitempty"`
	Since int64  `json:"since"` // ms since 1970
}

// Pause ends claiming from a queue until Resume: what runs goes on, and every
// worker may start one more job that was being handed to it. by is who did it, for
// others to read; "" is whom As has named. Jobs can be enqueued all the while.
func (i *Inspector) Pause(ctx context.Context, queue, by string) error {
	keys, err := i.store.Queue(queue)
	if err != nil {
		return fmt.Errorf("pause: %w", err)
	}
	now, err := i.store.Now(ctx)
	if err != nil {
		return fmt.Errorf("pause: %w", err)
	}
	text, err := json.Marshal(pause{By: cmp.Or(by, i.by), Since: now.UnixMilli()})
	if err != nil {
		return fmt.Errorf("pause: %w", err)
	}
	_, err = i.store.SetRule(ctx, keys, rulePaused, string(text))
	i.notedAll(ctx, "pause", []string{queue}, by, []error{err})
	if err != nil {
		return fmt.Errorf("pause %s: %w", queue, err)
	}
	return nil
}

// Resume ends a pause. Its workers take jobs again at once.
func (i *Inspector) Resume(ctx context.Context, queue string) error {
	keys, err := i.store.Queue(queue)
	if err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	paused, err := i.store.SetRule(ctx, keys, rulePaused, "")
	n := 0
	if paused {
		n = 1
	}
	i.noted(ctx, AuditEntry{What: "resume", Target: queue, Count: n}, err)
	if err != nil {
		return fmt.Errorf("resume %s: %w", queue, err)
	}
	return nil
}

// ErrNotFound says that a job is not where it was looked for.
var ErrNotFound = errors.New("not found")

// Revive makes dead jobs of a queue ready again, with all their attempts before
// them: those with the given ids, or all that were dead when it began. It returns
// how many; if some of the ids are not among the dead jobs, with an error that
// wraps ErrNotFound and names them.
func (i *Inspector) Revive(ctx context.Context, queue string, ids ...string) (int, error) {
	keys, err := i.store.Queue(queue)
	if err != nil {
		return 0, fmt.Errorf("revive: %w", err)
	}
	revived, err := i.revive(ctx, keys, ids)
	i.noted(ctx, AuditEntry{What: "revive", Target: queue, Detail: strings.Join(ids, " "), Count: revived}, err)
	return revived, err
}

func (i *Inspector) revive(ctx context.Context, keys *store.Queue, ids []string) (int, error) {
	begun, err := i.store.Now(ctx)
	if err != nil {
		return 0, fmt.Errorf("revive: %w", err)
	}
	wanted := make(map[string]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	revived := 0
	// Those that are revived leave the set, so that what is skipped is what lies
	// before. Some may be dead again before the end is reached.
	for skipped, done := int64(0), false; !done; {
		page, err := i.store.Dead(ctx, keys, skipped, skipped+99)
		if err != nil {
			return revived, fmt.Errorf("revive: %w", err)
		}
		if len(page) == 0 {
			break
		}
		var portion []store.Revival
		var recorded []string
		for _, dead := range page {
			if done = dead.At.After(begun); done {
				break
			}
			j, _ := wire.Parse(dead.Element)
			if len(ids) > 0 && !wanted[j.ID] {
				skipped++
				continue
			}
			delete(wanted, j.ID)
			r := store.Revival{Dead: dead.Element}
			if j.Rec > 0 {
				r.ID, r.Lock, r.Gen = j.ID, j.Lock, j.Rec
				recorded = append(recorded, j.ID)
			} else {
				j.Renew()
				j.Token = wire.NewToken()
				r.Ready = j.Element()
			}
			portion = append(portion, r)
		}
		if len(recorded) > 0 {
			records, err := i.store.Records(ctx, keys, recorded)
			if err != nil {
				return revived, fmt.Errorf("revive: %w", err)
			}
			n := len(portion)
			portion = slices.DeleteFunc(portion, func(r store.Revival) bool { return r.Gen > 0 && records[r.ID].Gen != r.Gen })
			skipped += int64(n - len(portion)) // left behind by a move, or the record is gone
			for k := range portion {
				if r := &portion[k]; r.Gen > 0 {
					j, _ := wire.Parse(records[r.ID].Job)
					j.ID = r.ID
					j.Renew()
					r.Gen++
					r.Ready, r.Read, r.Job = j.Pointer(r.Lock, r.Gen), records[r.ID].Job, j.Body()
				}
			}
		}
		if len(portion) == 0 {
			continue
		}
		n, stay, err := i.store.Revive(ctx, keys, portion)
		revived += n
		skipped += int64(stay) // the others have gone elsewhere, or are read again
		if err != nil {
			return revived, fmt.Errorf("revive: %w", err)
		}
	}
	for id := range wanted {
		return revived, fmt.Errorf("revive: %d ids, such as %q, are not among the dead jobs of %s: %w", len(wanted), id, keys.Name, ErrNotFound)
	}
	return revived, nil
}
