package tasuki

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// Unique says which jobs mean the same, and what becomes of the second. It holds within a
// queue and for one kind. The lock is freed by whatever ends the job; a job that is revived
// takes it again.
type Unique struct {
	Mode UniqueMode `json:"mode,omitempty"`

	// Two jobs of a kind mean the same if their keys are equal: Key as it is given, or what
	// Funcs.UniqueKey makes of the arguments, or the values of the Fields of the arguments,
	// which are an object then. The field "*" is all arguments. One of them is needed.
	Key    string   `json:"key,omitempty"` // at most 1,024 bytes
	Fields []string `json:"fields,omitempty"`

	// For is the time of UniqueWindow, UniqueThrottle and UniqueDebounce, 1 ms to 100
	// years, and Most how long UniqueDebounce may put the job off in all, after the
	// first enqueue: 10 times For unless told.
	For  time.Duration `json:"for,omitempty"`
	Most time.Duration `json:"most,omitempty"`

	// OnConflict is what becomes of an enqueue that meets the lock of another job.
	OnConflict Conflict `json:"on_conflict,omitempty"`
}

// UniqueMode is what may not be there twice, and until when.
type UniqueMode string

// The modes of Unique.
const (
	// UniqueQueued: one that waits: it may be enqueued again as soon as it runs.
	UniqueQueued UniqueMode = "queued"
	// UniqueUntilDone: one that waits or runs or is to be retried, until its end.
	UniqueUntilDone UniqueMode = "until_done"
	// UniqueRunning: one that runs. Any number may wait; one that is claimed while another
	// runs is parked, without a slot, until that one's run is over.
	UniqueRunning UniqueMode = "running"
	// UniqueQueuedAndRunning: one that waits, beside one that runs.
	UniqueQueuedAndRunning UniqueMode = "queued_and_running"
	// UniqueWindow: one in the time For after an enqueue, whatever becomes of it.
	UniqueWindow UniqueMode = "window"
	// UniqueThrottle: the first at once; of those that follow within For the last, at its
	// end.
	UniqueThrottle UniqueMode = "throttle"
	// UniqueDebounce: the last, when none has followed for the time For, or when Most is
	// over.
	UniqueDebounce UniqueMode = "debounce"
	// UniqueKeepLast: as UniqueQueued, and the one that waits gets the arguments of the
	// last.
	UniqueKeepLast UniqueMode = "keep_last"
)

// Conflict is what becomes of an enqueue that meets the lock of another job.
type Conflict string

// The conflicts of Unique.
const (
	// ConflictExisting: nothing is enqueued; the Info is that of the other job, with its
	// State, and Existed. There is no State if that one has ended and left no record, as
	// with UniqueWindow.
	ConflictExisting Conflict = "existing"
	// ConflictError: nothing is enqueued; the error is a *DuplicateError, which has the Info
	// of the other job.
	ConflictError Conflict = "error"
	// ConflictReplace: the other job gets the arguments and options of this one where it
	// waits. One that runs cannot be replaced: then it is ConflictError.
	ConflictReplace Conflict = "replace"
)

// DuplicateError is what a job gets that means the same as another.
type DuplicateError struct{ Info Info } // of the other

func (e *DuplicateError) Error() string {
	return fmt.Sprintf("%s means the same and is %s", e.Info.Address(), e.Info.State)
}

func (u Unique) overlay(over Unique) Unique {
	if over.Mode != "" {
		u.Mode = over.Mode
	}
	if over.Key != "" || len(over.Fields) > 0 {
		u.Key, u.Fields = over.Key, over.Fields // two ways to say one thing
	}
	if over.For != 0 {
		u.For = over.For
	}
	if over.Most != 0 {
		u.Most = over.Most
	}
	if over.OnConflict != "" {
		u.OnConflict = over.OnConflict
	}
	return u
}

var (
	uniqueModes = []UniqueMode{UniqueQueued, UniqueUntilDone, UniqueRunning, UniqueQueuedAndRunning, UniqueWindow, UniqueThrottle, UniqueDebounce, UniqueKeepLast}
	conflicts   = []Conflict{"", ConflictExisting, ConflictError, ConflictReplace}
)

const maxUniqueKey = 1 << 10

// timed tells whether the mode has a time.
func (m UniqueMode) timed() bool {
	return m == UniqueWindow || m == UniqueThrottle || m == UniqueDebounce
}

// checkUnique says what is not allowed of Opts.Unique.
func (s *Spec) checkUnique() error {
	u := &s.Opts.Unique
	switch {
	case u.Mode == "":
		if u.Key != "" || len(u.Fields) > 0 || u.For != 0 || u.Most != 0 || u.OnConflict != "" {
			return fmt.Errorf("unique.mode: empty beside other fields of unique: allowed are %s", quoted(uniqueModes))
		}
		return nil
	case !slices.Contains(uniqueModes, u.Mode):
		return fmt.Errorf("unique.mode: %.40q: allowed are %s", u.Mode, quoted(uniqueModes))
	case u.Key == "" && len(u.Fields) == 0:
		return errors.New("unique.key and unique.fields: both are empty: one of them is needed, or Funcs.UniqueKey")
	case u.Key != "" && len(u.Fields) > 0:
		return errors.New("unique.key and unique.fields: allowed is one of them")
	case len(u.Key) > maxUniqueKey:
		return fmt.Errorf("unique.key: %d bytes: allowed are %d", len(u.Key), maxUniqueKey)
	case !slices.Contains(conflicts, u.OnConflict):
		return fmt.Errorf("unique.on_conflict: %.40q: allowed are %s", u.OnConflict, quoted(conflicts[1:]))
	case u.Mode.timed() && (u.For < time.Millisecond || u.For > maxDelay):
		return fmt.Errorf("unique.for: %v: allowed with %s are 1 ms to 100 years", u.For, u.Mode)
	case !u.Mode.timed() && u.For != 0:
		return fmt.Errorf("unique.for: %v: it is allowed only with window, throttle and debounce", u.For)
	case u.Mode != UniqueDebounce && u.Most != 0:
		return fmt.Errorf("unique.most: %v: it is allowed only with debounce", u.Most)
	case u.Most != 0 && u.Most < u.For || u.Most > maxDelay:
		return fmt.Errorf("unique.most: %v: allowed are unique.for (%v) to 100 years", u.Most, u.For)
	case u.Mode == UniqueRunning && u.OnConflict != "":
		return errors.New("unique.on_conflict: with the mode running nothing is in the way of an enqueue: leave it out")
	case u.Mode.replaces() && u.OnConflict != "":
		return fmt.Errorf("unique.on_conflict: with the mode %s the job that waits gets the new arguments: leave it out", u.Mode)
	case u.Mode == UniqueDebounce && (s.Opts.In > 0 || !s.Opts.At.IsZero()):
		return errors.New("in and at: debounce has a time of its own: leave them out")
	}
	_, err := s.uniqueText()
	return err
}

func quoted[T ~string](values []T) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = fmt.Sprintf("%q", string(v))
	}
	return strings.Join(texts, ", ")
}

// uniqueText is the key of the job, as it can be read.
func (s *Spec) uniqueText() (string, error) {
	u := &s.Opts.Unique
	if u.Key != "" {
		return u.Key, nil
	}
	if slices.Equal(u.Fields, []string{"*"}) {
		var short bytes.Buffer
		if len(s.Args) == 0 {
			return "null", nil
		}
		if err := json.Compact(&short, s.Args); err != nil {
			return "", fmt.Errorf("unique.fields: %w", err)
		}
		return short.String(), nil
	}
	var args map[string]json.RawMessage
	if err := json.Unmarshal(s.Args, &args); err != nil {
		return "", fmt.Errorf("unique.fields: the arguments are no object: %w", err)
	}
	var key bytes.Buffer
	for i, name := range u.Fields {
		value, ok := args[name]
		if !ok && i == 0 && len(u.Fields) == 1 || name == "*" || name == "" {
			return "", fmt.Errorf("unique.fields: %.80q is no member of the arguments", name)
		}
		if i > 0 {
			key.WriteByte(' ')
		}
		key.WriteString(name)
		key.WriteByte('=')
		if !ok {
			continue
		}
		if err := json.Compact(&key, value); err != nil {
			return "", fmt.Errorf("unique.fields: %w", err)
		}
	}
	return key.String(), nil
}

// lockName is base32 without padding, in the alphabet of ids.
var lockName = base32.NewEncoding(wire.Alphabet).WithPadding(base32.NoPadding)

// lockModes are how the store locks for each mode.
var lockModes = map[UniqueMode]byte{
	UniqueQueued: store.LockQueued, UniqueKeepLast: store.LockQueued, UniqueDebounce: store.LockQueued,
	UniqueUntilDone: store.LockDone, UniqueRunning: store.LockRunning, UniqueQueuedAndRunning: store.LockBoth,
	UniqueWindow: store.LockWindow, UniqueThrottle: store.LockWindow,
}

// uniqueKey is the key as it can be read, cut, and the name of the lock: its mode, and the
// first 16 bytes of the SHA-256 of kind and key. s has been checked.
func (s *Spec) uniqueKey() (text, lock string) {
	text, _ = s.uniqueText() // it was asked for by the check
	sum := sha256.Sum256([]byte(s.Kind + "\x00" + text))
	return cutText(text, 256), string(lockModes[s.Opts.Unique.Mode]) + lockName.EncodeToString(sum[:16])
}

// record puts in jobs that have records, and sees to those that meet a lock.
func (b *batch) record(k *knownQueue, p *portion, elements []string) error {
	puts := make([]store.RecordedPut, len(p.jobs))
	for n, i := range p.jobs {
		o := &b.specs[i].Opts
		puts[n] = store.RecordedPut{
			Put: store.Put{ID: b.infos[i].ID, Element: elements[2*n+1], In: o.In, At: o.At},
			Own: o.ID != "", Job: elements[2*n], Lock: p.locks[n], HoldFor: o.Unique.For,
		}
		if o.Unique.Mode == UniqueDebounce {
			puts[n].In, puts[n].HoldFor = o.Unique.For, 0
		}
	}
	placed, err := b.place(k, puts...)
	if err != nil {
		return err
	}
	for n, i := range p.jobs {
		switch {
		case placed[n].Existed:
			b.infos[i] = existed(b.infos[i])
			if r, err := b.client.get(b.ctx, located{Queue: k.Queue, id: b.infos[i].ID}); err == nil {
				b.infos[i].State = r.State
			}
		case placed[n].Owner != "":
			if err := b.conflict(k, i, &puts[n], placed[n].Owner); err != nil {
				b.fail(i, err)
			}
		}
	}
	return nil
}

// place puts in recorded jobs, and says of each what became of it.
func (b *batch) place(k *knownQueue, puts ...store.RecordedPut) ([]store.Placed, error) {
	return b.client.store.EnqueueRecorded(b.ctx, k.Queue, b.client.cfg.SeenFor, b.client.cfg.SeenMax, puts)
}

// conflict is for a job that has met the lock of another, the owner. By now that one may have
// gone on, and its lock may be free.
func (b *batch) conflict(k *knownQueue, i int, put *store.RecordedPut, owner string) error {
	s, mode := &b.specs[i], put.Lock[0]
	u := &s.Opts.Unique
	if u.Mode == UniqueThrottle && mode == store.LockWindow {
		return b.trail(k, i, put)
	}
	replaces := u.OnConflict == ConflictReplace || u.OnConflict == "" && u.Mode.replaces()
	info := Info{ID: owner, Kind: s.Kind, Queue: k.Name, Existed: true}
	for range 20 { // others may be as quick each time
		other, err := b.client.get(b.ctx, located{Queue: k.Queue, id: owner})
		switch {
		case err == nil:
			info = other.Info
			info.Existed = true
		case !errors.Is(err, ErrNotFound):
			return err
		}
		waits := err == nil && !other.State.HasEnded() && other.State != StateRunning
		runs := err == nil && other.State == StateRunning
		switch {
		case waits && replaces:
			info, err = b.replace(k, s, put, info)
			if err == nil {
				b.infos[i] = info
			}
			if !errors.Is(err, ErrRunning) && !errors.Is(err, ErrEnded) && !errors.Is(err, ErrNotFound) {
				return err
			}
		case waits, runs && mode == store.LockDone, mode == store.LockWindow:
			if replaces || u.OnConflict == ConflictError {
				return &DuplicateError{info}
			}
			b.infos[i] = info
			return nil
		default:
			placed, err := b.place(k, *put)
			if err != nil || placed[0].Owner == "" {
				return err
			}
			owner = placed[0].Owner
			info = Info{ID: owner, Kind: s.Kind, Queue: k.Name, Existed: true}
		}
	}
	return &DuplicateError{info}
}

// replaces tells whether the mode itself says that the job that waits gets the new arguments.
func (m UniqueMode) replaces() bool {
	return m == UniqueKeepLast || m == UniqueDebounce || m == UniqueThrottle
}

// replace gives a job that waits the arguments and options of another; with debounce, it
// is put off too.
func (b *batch) replace(k *knownQueue, s *Spec, put *store.RecordedPut, other Info) (Info, error) {
	at := located{Queue: k.Queue, id: other.ID}
	err := b.client.act(b.ctx, at, func(r *Record, a *store.Act) error {
		j, _ := wire.Parse(put.Job)
		was := r.job()
		j.ID = r.ID
		j.EnqueuedAt = was.EnqueuedAt
		j.Attempts, j.Crashes, j.Stops, j.Hosts, j.History, j.Reason, j.Error = was.Attempts, was.Crashes, was.Stops, was.Hosts, was.History, was.Reason, was.Error
		a.What = "edit"
		other.MaxAttempts, other.Meta, other.State = j.MaxAttempts, j.Meta, r.State
		if u := &s.Opts.Unique; u.Mode == UniqueDebounce && r.State == StateScheduled {
			// All by Redis' clock: producers may have other ones. When the first came is what
			// its time says, until that is changed, and what the job says from then on.
			now, err := b.client.store.Now(b.ctx)
			if err != nil {
				return err
			}
			if r.gen == 1 {
				j.EnqueuedAt = r.DueAt.Add(-u.For).UnixMilli()
			}
			due := now.Add(u.For)
			if limit := time.UnixMilli(j.EnqueuedAt).Add(cmp.Or(u.Most, 10*u.For)); due.After(limit) {
				due = limit
			}
			a.What, a.When, a.New = "move", store.Put{At: due}, j.Pointer(j.Lock, r.gen+1)
			other.DueAt = due
		}
		a.Job = j.Body()
		return nil
	})
	return other, err
}

// trail schedules the job that a throttle lets through at the end of the time, or gives the
// one that is scheduled already the new arguments.
func (b *batch) trail(k *knownQueue, i int, put *store.RecordedPut) error {
	window := put.Lock
	job, _ := wire.Parse(put.Job)
	trailing := *put
	trailing.Lock = string(store.LockQueued) + window[1:]
	job.ID, job.Lock = put.ID, trailing.Lock
	trailing.Job, trailing.Element, trailing.HoldFor = job.Body(), job.Pointer(trailing.Lock, 1), 0
	var left time.Duration
	for {
		var err error
		if left, err = b.client.store.Left(b.ctx, k.Queue, window); err != nil {
			return err
		}
		if left > 0 {
			break
		}
		// The time has ended since: this may be the first of the next.
		if placed, err := b.place(k, *put); err != nil || placed[0].Owner == "" {
			return err
		}
	}
	trailing.In = left
	placed, err := b.place(k, trailing)
	switch {
	case err != nil:
		return err
	case placed[0].Existed:
		b.infos[i] = existed(b.infos[i])
		return nil
	case placed[0].Owner != "":
		return b.conflict(k, i, &trailing, placed[0].Owner)
	}
	b.infos[i].State, b.infos[i].DueAt = StateScheduled, b.now.Add(trailing.In)
	// It begins a time of its own, also if that of the first has ended by now.
	return b.client.store.Hold(b.ctx, k.Queue, window, put.ID, left+b.specs[i].Opts.Unique.For)
}
