package inspect

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// Why is what a job waits for; of one that runs or has ended, where it runs or how it ended.
type Why struct {
	// Address is where the job is. If it was moved, that is not where it was looked for.
	Address string       `json:"address"`
	At      time.Time    `json:"at"`              // when it was so, by the clock of the server
	State   tasuki.State `json:"state,omitempty"` // empty: the job was not found
	Kind    string       `json:"kind,omitempty"`  // none of a raw job, and of one that was not found
	// Job is all that is known of it; nil if it was not found.
	Job *Job `json:"job,omitempty"`
	// Reasons are at least one. The first decides: as long as it is there, the others do not
	// matter.
	Reasons []Reason `json:"reasons"`
}

// Cause says what kind of reason it is.
type Cause string

// The causes, and the fields of a Reason that each fills beside Text.
const (
	// The job waits.

	CauseScheduled   Cause = "scheduled"       // it is not due: Until
	CauseRetry       Cause = "retry"           // its last attempt has failed, or was put off: Until, Error, Attempt, MaxAttempts
	CauseUnknownKind Cause = "unknown_kind"    // a worker without a handler has put it back: Since, Until when it is tried next
	CauseOverdue     Cause = "overdue"         // it is due, and no worker has moved it yet: Since
	CausePaused      Cause = "paused"          // its queue is: By, Since
	CauseNoWorker    Cause = "no_worker"       // none serves its queue
	CauseUnheard     Cause = "workers_unheard" // those that do are dead, frozen or cut off: Workers
	CauseQuiet       Cause = "workers_quiet"   // those that do take no more jobs: Workers
	CauseNoHandler   Cause = "no_handler"      // those that do have no handler for its kind: Workers
	CauseBusy        Cause = "slots_busy"      // all slots are: Workers, Slots, Busy, Kinds, Oldest
	CauseLine        Cause = "line"            // others are before it: Line
	CauseNext        Cause = "next"            // nothing is in its way
	CauseSuspect     Cause = "suspect"         // two processes have died of it, perhaps: Crashes, Hosts
	CauseKeyRuns     Cause = "key_runs"        // a job of its uniqueness key runs: Other
	CauseParked      Cause = "parked"          // it waits for that one: Other, Line
	CauseLeaving     Cause = "leaving"         // it goes to another queue, and has not come in: To
	CauseExpires     Cause = "expires"         // it must have started by then: Until
	CauseDeadline    Cause = "deadline"        // it must be done by then: Until

	// It runs.

	CauseRunning   Cause = "running"         // Workers, Since, Attempt, MaxAttempts
	CauseHanded    Cause = "handed"          // a worker has just got it: Workers
	CauseHeldQuiet Cause = "worker_stopping" // its worker stops: Workers
	CauseHeldDead  Cause = "worker_unheard"  // its worker is dead, frozen or cut off: Workers, Until when it is put back at the latest
	CauseHeldGone  Cause = "worker_gone"     // its worker is in no list any more: Until, as above
	CauseCancel    Cause = "cancel_asked"    // somebody has asked it to end
	CauseTimeout   Cause = "timeout"         // its attempt is ended then: Until

	// It has ended, or is elsewhere.

	CauseEnded      Cause = "ended"       // Since, Error, Attempt, MaxAttempts
	CauseLocked     Cause = "locked"      // it is dead, and another job has its uniqueness key by now: Other
	CauseMoved      Cause = "moved"       // it was asked for under another address: From
	CauseForeign    Cause = "foreign"     // it lies in the list of another program, who may take it too
	CauseRecordGone Cause = "record_gone" // it waits, and what it was is lost
	CauseNotFound   Cause = "not_found"   // Since when its id is known, if it is
)

// Reason is one thing that a job waits for, or that is to be known of it. Which fields are
// filled the Cause tells.
type Reason struct {
	Cause Cause  `json:"cause"`
	Text  string `json:"text"` // a sentence or two

	Since time.Time `json:"since,omitzero"`
	// Until is when it ends by itself; zero if it does not, or nobody knows.
	Until time.Time `json:"until,omitzero"`

	By          string   `json:"by,omitempty"`
	Error       string   `json:"error,omitempty"`
	Attempt     int      `json:"attempt,omitempty"`
	MaxAttempts int      `json:"max_attempts,omitempty"`
	Crashes     int      `json:"crashes,omitempty"`
	Hosts       []string `json:"hosts,omitempty"` // host:pid, where it has crashed

	From string `json:"from,omitempty"` // an address
	To   string `json:"to,omitempty"`   // an address

	Line    *Line          `json:"line,omitempty"`
	Other   *OtherJob      `json:"other,omitempty"`
	Workers []WorkerBrief  `json:"workers,omitempty"`
	Slots   int            `json:"slots,omitempty"`  // of these
	Busy    int            `json:"busy,omitempty"`   // of these
	Kinds   map[string]int `json:"kinds,omitempty"`  // of the jobs that run in them, by how many
	Oldest  *WorkerRun     `json:"oldest,omitempty"` // of these jobs
}

// Line is the place of a job among those that wait as it does.
type Line struct {
	// Place is 1 for the first; 0 if it was not found in a list that is longer than twice
	// Looked, the number of jobs at either end among which it is not.
	Place  int64 `json:"place,omitempty"`
	Looked int64 `json:"looked,omitempty"`
	Length int64 `json:"length"`
	// Kinds are those of the first 50 that are before it, by how many; "" are raw jobs.
	Kinds map[string]int `json:"kinds,omitempty"`
	// Suspects are claimed first; they are in none of the numbers above.
	Suspects int64 `json:"suspects,omitempty"`
}

// OtherJob is one that is in the way.
type OtherJob struct {
	Address string       `json:"address"`
	Kind    string       `json:"kind,omitempty"`
	State   tasuki.State `json:"state,omitempty"` // empty: it has no record any more
	Since   time.Time    `json:"since,omitzero"`  // of one that runs; when it is due of one that is scheduled
	Place   string       `json:"place,omitempty"` // host:pid where it runs
}

// WorkerBrief is a worker in short.
type WorkerBrief struct {
	ID    string      `json:"id"`
	Place string      `json:"place,omitempty"` // host:pid
	State WorkerState `json:"state,omitempty"` // empty: it is in no list of workers
}

// WhyConfig is what is known already. The zero value asks for everything.
type WhyConfig struct {
	// Workers are what Inspector.Workers has returned a moment ago. nil: those are asked that
	// serve the queue, which takes 2.5 s if one does not answer.
	Workers []Worker
	// Job is what Jobs or Job has returned. nil: it is looked for. A recorded one is found at
	// once. A bare one is found where its id says when it came in, and among the first and the
	// last 10,000 of each state: what lies between is left to Inspector.Job.
	Job *Job
	// Redact, unless nil, takes out of a job's Error and Reason what Reasons must not say. It is
	// given a copy of what is known of the job; Why.Job stays as it is.
	Redact func(*tasuki.Info)
}

// Why returns what a job waits for and until when, as far as a bounded look tells: what it
// costs Redis hardly depends on how long the queue is. cfg may be nil. A job that is not found
// is no error, but a reason.
func (i *Inspector) Why(ctx context.Context, address string, cfg *WhyConfig) (*Why, error) {
	if cfg == nil {
		cfg = &WhyConfig{}
	}
	w := &asker{Inspector: i, ctx: ctx, cfg: cfg}
	if err := w.ask(address); err != nil {
		return nil, fmt.Errorf("why %.300s: %w", address, err)
	}
	return &w.why, nil
}

// asker finds out why one job waits.
type asker struct {
	*Inspector
	ctx context.Context
	cfg *WhyConfig
	why Why

	q      *store.Queue
	id     string
	job    *Job
	spot   *spot    // where it was found in a list; nil: nobody has looked
	body   wire.Job // as its element or its record has it
	fields map[string]string
}

// said is the job with what reasons may say of it.
func (w *asker) said() tasuki.Info {
	info := w.job.Info
	if w.cfg.Redact != nil {
		info.Meta = maps.Clone(info.Meta)
		w.cfg.Redact(&info)
	}
	return info
}

func (w *asker) add(r Reason) { w.why.Reasons = append(w.why.Reasons, r) }

func (w *asker) ask(address string) (err error) {
	if err := w.locate(address); err != nil {
		return err
	}
	if w.why.At, err = w.store.Now(w.ctx); err != nil {
		return err
	}
	if j := w.cfg.Job; j != nil && !j.Recorded && j.element != "" {
		w.job = j
	} else if err := w.find(); err != nil {
		return err
	}
	if w.job == nil {
		return nil // why is said
	}
	w.why.State, w.why.Kind, w.why.Job = w.job.State, w.job.Kind, w.job
	switch w.job.State {
	case tasuki.StateRunning:
		err = w.runs()
	case tasuki.StateParked:
		err = w.isParked()
	case tasuki.StateDead, tasuki.StateDone, tasuki.StateCancelled, tasuki.StateExpired:
		err = w.ended()
	default:
		err = w.waits()
	}
	if err == nil && w.why.Address != address {
		w.add(Reason{Cause: CauseMoved, From: address, Text: fmt.Sprintf("It was moved here: %s leads to it.", address)})
	}
	return err
}

func (w *asker) locate(address string) error {
	queue, id, err := tasuki.ParseAddress(address)
	if err != nil {
		return err
	}
	w.why.Address, w.id = address, id
	w.q, err = w.store.Queue(queue)
	return err
}

// find looks for the job. If it is not there, it says what can be said.
func (w *asker) find() (err error) {
	asked := w.why.Address
	if w.fields, err = w.store.Record(w.ctx, w.q, w.id); err != nil && !errors.Is(err, store.ErrWrongType) {
		return err
	}
	if w.fields["state"] == "moved" {
		to, err := w.movedTo(w.ctx, asked)
		switch {
		case errors.Is(err, ErrNotFound):
			w.add(Reason{Cause: CauseNotFound, From: asked, To: w.fields["to"], Text: fmt.Sprintf("It was moved to %s, and has ended since: its record there is gone.", w.fields["to"])})
			return nil
		case err != nil:
			return err
		}
		if err := w.locate(to); err != nil {
			return err
		}
		if w.fields, err = w.store.Record(w.ctx, w.q, w.id); err != nil {
			return err
		}
	}
	if w.fields["job"] != "" && w.fields["state"] != "" {
		j := recordedJob(w.q, w.id, w.fields)
		w.body, _ = wire.Parse(w.fields["job"]) // what cannot be read says nothing
		w.body.ID = w.id
		w.job = &j
		return nil
	}
	j, looked, err := w.bareJob(w.ctx, w.q, w.id)
	if err != nil {
		return err
	}
	if j == nil {
		return w.notFound(looked)
	}
	w.job = j
	if j.at.kind == "list" {
		w.spot = &spot{j.nth, j.nth + j.far, true}
	}
	w.body, _ = wire.Parse(j.element)
	return nil
}

// notFound says what is known of a job that is not there.
func (w *asker) notFound(looked bool) error {
	seen, err := w.store.Seen(w.ctx, w.q, w.id)
	if err != nil && !errors.Is(err, store.ErrWrongType) {
		return err
	}
	names, err := w.Names(w.ctx)
	if err != nil {
		return err
	}
	r := Reason{Cause: CauseNotFound, Since: seen}
	used := slices.Contains(names, w.q.Name)
	made, hasTime := wire.TimeOf(w.id)
	switch {
	case !used:
		r.Text = fmt.Sprintf("The queue %s was never used: its name may be misspelled.", w.q.Name)
	case !looked:
		r.Text = fmt.Sprintf("It has no record, and is not among the first and the last %d jobs of each state, nor where its id would have it. It has ended, or lies in the middle of a long queue: tasuki job get reads all of it.", lookMost)
	default:
		r.Text = "It is not in the queue, and has no record."
		if !seen.IsZero() {
			r.Text += " The queue has had it: it has ended, or was removed."
		} else if hasTime && len(w.id) > 0 {
			r.Text += " It has ended, was removed, or was never there; of one that has ended only a record is kept, for a time."
		} else {
			r.Text += " It has ended, was removed or trimmed, or was never there: an id is 26 characters long unless a caller has given his own."
		}
	}
	switch {
	case !seen.IsZero():
		r.Text += fmt.Sprintf(" The queue remembers that it came in at %s.", clock(seen))
	case hasTime && used:
		r.Since = made
		r.Text += fmt.Sprintf(" By its id it was made at %s.", clock(made))
	}
	w.add(r)
	return nil
}

// ended says how.
func (w *asker) ended() error {
	j := w.job
	at, said := endOf(j), w.said()
	r := Reason{Cause: CauseEnded, Since: at, Error: said.Error, Attempt: j.Attempt, MaxAttempts: max(j.MaxAttempts, 0)}
	r.Text = fmt.Sprintf("It is %s", j.State)
	if !at.IsZero() {
		r.Text += " since " + clock(at)
	}
	switch {
	case said.Reason != "" && said.Error != "":
		r.Text += fmt.Sprintf(": %s: %s", said.Reason, said.Error)
	case said.Reason != "" || said.Error != "":
		r.Text += ": " + said.Reason + said.Error
	}
	if r.Text += "."; j.State == tasuki.StateDead {
		r.Text += " It runs again when somebody revives it."
	}
	w.add(r)
	if j.State != tasuki.StateDead || w.body.Lock == "" {
		return nil
	}
	owner, err := w.store.Owner(w.ctx, w.q, w.body.Lock)
	if err != nil || owner == "" || owner == w.id {
		return err
	}
	other, err := w.other(owner)
	if err == nil {
		w.add(Reason{Cause: CauseLocked, Other: other, Text: fmt.Sprintf("It cannot be revived while %s has its uniqueness key: that job is %s.", other.Address, other.is())})
	}
	return err
}

// other is a job of the queue that has a record, as one of a lock.
func (w *asker) other(id string) (*OtherJob, error) {
	other := &OtherJob{Address: w.q.Name + "/" + id}
	records, err := w.store.Records(w.ctx, w.q, []string{id})
	if r, ok := records[id]; ok {
		parsed, _ := wire.Parse(r.Job) // what cannot be read says nothing
		other.Kind, other.State, other.Since, other.Place = parsed.Kind, tasuki.State(r.State), r.At, r.Place
	}
	return other, err
}

// is says what it does.
func (o *OtherJob) is() string {
	switch {
	case o.State == "":
		return "without a record"
	case o.State == tasuki.StateRunning && !o.Since.IsZero():
		return fmt.Sprintf("running on %s since %s", o.Place, clock(o.Since))
	}
	return string(o.State)
}

// clock is a time as sentences have it.
func clock(at time.Time) string { return at.Format(time.RFC3339) }
