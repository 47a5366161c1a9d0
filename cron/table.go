package cron

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"slices"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/bridge"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// Table is the periodic entries of a client's namespace. It looks at them and changes them,
// and Run enqueues their jobs: worker.Attach(cron.New(client)). It is safe for concurrent use.
type Table struct {
	client   *tasuki.Client
	store    *store.Store
	log      *slog.Logger
	declared []Declared
}

// New returns the entries of a client's namespace. The declared sets are written when Run
// begins.
func New(client *tasuki.Client, declared ...Declared) *Table {
	return &Table{client: client, store: bridge.Store(client), log: bridge.Logger(client), declared: declared}
}

// What Table's methods can return, beside the errors of a client.
var (
	// ErrNotFound: there is no such entry.
	ErrNotFound = errors.New("there is no such entry")
	// ErrInvalid: what was given is not allowed, and the error says what is.
	ErrInvalid = errors.New("not allowed")
	// ErrDeclared: the entry belongs to a declared set, and is changed where that is.
	ErrDeclared = errors.New("it belongs to a declared set: change it there and raise its revision; it can be paused, and run by hand")
)

// invalid is an error that is an ErrInvalid, and says it in its own words.
type invalid struct{ error }

func (invalid) Is(target error) bool { return target == ErrInvalid }
func (i invalid) Unwrap() error      { return i.error }

// Status is an entry, and what is known of it.
type Status struct {
	Entry
	Declared string `json:"declared,omitempty"` // the name of its declared set

	Paused      bool      `json:"paused"`
	PausedBy    string    `json:"paused_by,omitempty"`
	PausedSince time.Time `json:"paused_since,omitzero"`

	Next  time.Time `json:"next,omitzero"`   // its next tick; zero: none, or it is paused
	DueAt time.Time `json:"due_at,omitzero"` // when that is due: Jitter puts it off

	Runs []Run `json:"runs,omitempty"` // the last 20, the oldest first: see History

	// Warnings are what is odd about it: of its expression, or that no worker takes its
	// jobs.
	Warnings []string `json:"warnings,omitempty"`
}

// state is what is kept of an entry beside itself.
type state struct {
	Declared string `json:"declared,omitempty"`
	Next     int64  `json:"next,omitempty"`  // tick, ms; 0: there is none
	Asked    int64  `json:"asked,omitempty"` // when somebody asked for a run that was not done yet, ms
	Paused   int64  `json:"paused,omitempty"`
	PausedBy string `json:"by,omitempty"`
	Runs     []run  `json:"runs,omitempty"`
}

// kept is an entry as it was read.
type kept struct {
	Entry
	state
	version int64  // 0: it is not there
	text    string // of the Entry
	broken  error  // why it cannot be read
}

// read makes sense of what is kept.
func read(name string, e *store.CronEntry) *kept {
	k := &kept{version: e.Version, text: e.Entry, broken: e.Err}
	if e.Version != 0 {
		k.broken = errors.Join(json.Unmarshal([]byte(e.Entry), &k.Entry), json.Unmarshal([]byte(e.State), &k.state))
	}
	if k.broken != nil {
		k.broken = fmt.Errorf("what is kept of it cannot be read: %w; remove it, or set it again as a whole", k.broken)
	}
	k.Name = name
	return k
}

// write is the change that makes what is kept of an entry what k says.
func (k *kept) write() store.CronWrite {
	w := store.CronWrite{Name: k.Name, Version: k.version, Entry: k.text}
	state, _ := json.Marshal(&k.state) // numbers and texts: it has no errors
	w.State = string(state)
	if k.Paused == 0 {
		w.Turn = k.moment(at(k.Next))
	}
	if asked := at(k.Asked); k.Asked != 0 && (w.Turn.IsZero() || asked.Before(w.Turn)) {
		w.Turn = asked
	}
	return w
}

// at is a time that is kept.
func at(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// ms is how a time is kept.
func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// become makes e the entry. If its ticks are others now, they count from now on.
func (k *kept) become(e *Entry, s *Schedule, now time.Time) {
	if k.Paused == 0 && (k.version == 0 || k.broken != nil || !k.sameTicks(e)) {
		k.Next = ms(e.after(s, now))
	}
	k.Entry = *e
	text, _ := json.Marshal(e) // it was checked
	k.text = string(text)
}

// Set makes an entry, or makes it what e is if it is there. Then a pause stays, and if e does not
// say when in another way, so does the next tick; else it counts from now on.
//
// Of an entry that belongs to a declared set it says ErrDeclared. Other errors name what is
// not allowed.
func (t *Table) Set(ctx context.Context, e Entry) (*Status, error) {
	return t.set(ctx, e.Name, func(k *kept) (Entry, error) { return e, nil })
}

// Edit changes an entry that is there: its name excepted, as change says. change is called again
// when the entry was changed by somebody else meanwhile.
func (t *Table) Edit(ctx context.Context, name string, change func(*Entry) error) (*Status, error) {
	return t.set(ctx, name, func(k *kept) (Entry, error) {
		e := k.Entry
		if err := k.there(); err != nil {
			return e, err
		}
		err := change(&e)
		return e, err
	})
}

// set is Set and Edit: make says what becomes of what is kept.
func (t *Table) set(ctx context.Context, name string, make func(*kept) (Entry, error)) (*Status, error) {
	if err := wire.CheckQueue("name", name); err != nil {
		return nil, invalid{fmt.Errorf("cron: entry: %w", err)}
	}
	now, err := t.now(ctx)
	if err != nil {
		return nil, fmt.Errorf("cron: entry %s: %w", name, err)
	}
	k, err := t.change(ctx, name, func(k *kept) error {
		if k.version != 0 && k.Declared != "" {
			return fmt.Errorf("%w (the set is %q)", ErrDeclared, k.Declared)
		}
		e, err := make(k)
		if err != nil {
			return err
		}
		if e.Name != name {
			return invalid{fmt.Errorf("name: %.120q: it cannot be changed", e.Name)}
		}
		s, err := e.checked(now)
		if err != nil {
			return invalid{err}
		}
		if k.broken != nil || !reflect.DeepEqual(e, k.Entry) {
			k.become(&e, s, now)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return t.status(ctx, k)
}

// Pause ends the ticks of an entry until Resume; by is who did it, for others to read.
func (t *Table) Pause(ctx context.Context, name, by string) error {
	now, err := t.now(ctx)
	if err != nil {
		return fmt.Errorf("cron: entry %.120q: %w", name, err)
	}
	return t.changeThere(ctx, name, func(k *kept) error {
		k.Paused, k.PausedBy, k.Next = now.UnixMilli(), by, 0
		return nil
	})
}

// Resume ends a pause. Ticks that were in it are not made up for.
func (t *Table) Resume(ctx context.Context, name string) error {
	now, err := t.now(ctx)
	if err != nil {
		return fmt.Errorf("cron: entry %.120q: %w", name, err)
	}
	return t.changeThere(ctx, name, func(k *kept) error {
		if k.Paused == 0 {
			return nil
		}
		s, err := parse(k.Expr, k.Zone, k.Name)
		if err != nil {
			return err
		}
		k.Paused, k.PausedBy, k.Next = 0, "", ms(k.after(s, now))
		return nil
	})
}

// RunNow has a job of the entry enqueued at once, by the next scheduler that looks: also one of a
// paused entry, and without an effect on its ticks. It returns the address that the job has,
// unless Overlap leaves it out. What was asked for twice before a scheduler has looked is done
// once.
func (t *Table) RunNow(ctx context.Context, name string) (address string, err error) {
	now, err := t.now(ctx)
	if err != nil {
		return "", fmt.Errorf("cron: entry %.120q: %w", name, err)
	}
	err = t.changeThere(ctx, name, func(k *kept) error {
		if k.Asked == 0 {
			k.Asked = now.UnixMilli()
		}
		address = k.queue() + "/" + k.id(at(k.Asked), true)
		return nil
	})
	return address, err
}

// Remove takes an entry away, with its history. One of a declared set is there again with the
// set's next revision, if that has it.
func (t *Table) Remove(ctx context.Context, name string) error {
	_, err := t.change(ctx, name, func(k *kept) error {
		if k.version == 0 && k.broken == nil {
			return ErrNotFound
		}
		k.text = ""
		return nil
	})
	return err
}

// there says why an entry cannot be worked with.
func (k *kept) there() error {
	if k.version == 0 {
		return cmp.Or(k.broken, ErrNotFound)
	}
	return k.broken
}

// changeThere is change for an entry that has to be there.
func (t *Table) changeThere(ctx context.Context, name string, change func(*kept) error) error {
	_, err := t.change(ctx, name, func(k *kept) error {
		if err := k.there(); err != nil {
			return err
		}
		return change(k)
	})
	return err
}

// patience is for how long a change leaves a scheduler alone that has the entry, before it is
// made all the same: then that scheduler has died, or cannot fire it.
const patience = 2 * lease

// change changes one entry, of which the version is 0 if it is not there, and does it again when
// it has changed meanwhile.
func (t *Table) change(ctx context.Context, name string, change func(*kept) error) (*kept, error) {
	var k *kept
	err := t.changeAll(ctx, nil, func() ([]*kept, error) {
		all, err := t.read(ctx, name)
		if err != nil {
			return nil, err
		}
		k = all[0]
		return all, change(k)
	})
	if err != nil {
		return nil, fmt.Errorf("cron: entry %.120q: %w", name, err)
	}
	return k, nil
}

// read returns entries by their names; one that is not there has the version 0.
func (t *Table) read(ctx context.Context, names ...string) ([]*kept, error) {
	var found []store.CronEntry
	err := store.Repeat(ctx, func(ctx context.Context) (err error) {
		found, err = t.store.CronEntries(ctx, names)
		return err
	})
	if err != nil {
		return nil, err
	}
	all := make([]*kept, len(names))
	for i, name := range names {
		all[i] = read(name, &found[i])
	}
	return all, nil
}

// changeAll writes what make returns, and calls it again when some of it has changed meanwhile.
// Of a declared set all is written or none.
func (t *Table) changeAll(ctx context.Context, set *store.CronDeclared, make func() ([]*kept, error)) error {
	begun := time.Now()
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		all, err := make()
		if err != nil {
			return err
		}
		writes := []store.CronWrite{}
		for _, k := range all {
			writes = append(writes, k.write())
		}
		versions, err := t.store.CronWrites(ctx, time.Since(begun) < patience, set, writes)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(versions, func(v int64) bool { return v <= 0 }) {
			for i, k := range all {
				k.version = versions[i]
			}
			return nil
		}
		if time.Since(begun) > 5*patience {
			return errors.New("others change it all the time: try again")
		}
		select {
		case <-time.After(pause/2 + rand.N(pause/2)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Get returns one entry, or ErrNotFound.
func (t *Table) Get(ctx context.Context, name string) (*Status, error) {
	all, err := t.read(ctx, name)
	if err == nil {
		err = all[0].there()
	}
	if err != nil {
		return nil, fmt.Errorf("cron: entry %.120q: %w", name, err)
	}
	return t.status(ctx, all[0])
}

// List yields all entries, by their names. An error is the last that is yielded.
func (t *Table) List(ctx context.Context) iter.Seq2[*Status, error] {
	return func(yield func(*Status, error) bool) {
		if err := t.list(ctx, func(s *Status) bool { return yield(s, nil) }); err != nil {
			yield(nil, fmt.Errorf("cron: %w", err))
		}
	}
}

func (t *Table) list(ctx context.Context, yield func(*Status) bool) error {
	workers, err := t.store.About(ctx)
	if err != nil {
		return err
	}
	const page = 200
	for last := ""; ; {
		names, err := t.store.CronNames(ctx, last, page)
		if err != nil {
			return err
		}
		all, err := t.read(ctx, names...)
		if err != nil {
			return err
		}
		for _, k := range all {
			if (k.version != 0 || k.broken != nil) && !yield(k.status(workers)) {
				return nil
			}
		}
		if len(names) < page {
			return nil
		}
		last = names[len(names)-1]
	}
}

// status is what is known of one entry.
func (t *Table) status(ctx context.Context, k *kept) (*Status, error) {
	workers, err := t.store.About(ctx)
	if err != nil {
		return nil, fmt.Errorf("cron: entry %s: %w", k.Name, err)
	}
	return k.status(workers), nil
}

func (k *kept) status(workers map[string]store.About) *Status {
	s := &Status{
		Entry: k.Entry, Declared: k.Declared, Paused: k.Paused != 0, PausedBy: k.PausedBy, PausedSince: at(k.Paused),
		Next: at(k.Next), DueAt: k.moment(at(k.Next)),
	}
	for i := range k.Runs {
		s.Runs = append(s.Runs, k.shown(&k.Runs[i]))
	}
	if k.broken != nil {
		s.Warnings = []string{k.broken.Error()}
		return s
	}
	if schedule, err := k.checked(time.Now()); err != nil {
		s.Warnings = append(s.Warnings, err.Error())
	} else {
		s.Warnings = append(s.Warnings, schedule.Warnings()...)
	}
	if k.Next == 0 && k.Paused == 0 {
		s.Warnings = append(s.Warnings, "it has ended: there are no more ticks")
	}
	if k.Missed == MissedAll && k.Overlap != OverlapAllow && k.Opts.Unique.Mode == "" {
		s.Warnings = append(s.Warnings, "missed is all, and overlap not allow: of the ticks that are made up for at once, most find a job of the entry and are left out")
	}
	if warning := unserved(workers, &k.Entry); warning != "" {
		s.Warnings = append(s.Warnings, warning)
	}
	return s
}

// unserved warns if no worker takes the jobs of an entry.
func unserved(workers map[string]store.About, e *Entry) string {
	queue := false
	for _, w := range workers {
		if !w.Known || !slices.Contains(w.Queues, e.queue()) {
			continue
		}
		queue = true
		if w.Others || len(w.Kinds) == 0 || slices.Contains(w.Kinds, e.Kind) { // one without kinds does not say
			return ""
		}
	}
	if queue {
		return fmt.Sprintf("no worker of queue %s has a handler for %s", e.queue(), e.Kind)
	}
	return fmt.Sprintf("no worker takes jobs of queue %s", e.queue())
}

// now is the clock by which everything happens: the server's.
func (t *Table) now(ctx context.Context) (now time.Time, err error) {
	err = store.Repeat(ctx, func(ctx context.Context) error {
		now, err = t.store.Now(ctx)
		return err
	})
	return now, err
}
