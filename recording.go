package tasuki

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/tasuki-dev/tasuki/internal/legible"
	"github.com/tasuki-dev/tasuki/internal/source"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// recording is what a run of a recorded job has beside that of a bare one. What the
// handler says through the methods of Job is guarded by mu, the rest belongs to the slot.
type recording struct {
	pointer wire.Job
	body    string // the job's element
	cursor  []byte // of the last checkpoint
	began   time.Time
	result  []byte
	// rehearsed: there is no record. What is said is kept here, and the element is the job.
	rehearsed bool
	kept      bool // its record is, when it has ended

	mu       sync.Mutex
	progress Progress
	said     bool              // progress was not written yet
	pending  map[string]string // fields of the record that were not either
	waiting  bool              // it is in the line of the notebook
	lines    int64             // that the log of the job has had
	flying   []string          // fields of a note that was not answered yet
	plain    bool              // the record has nothing but the job
}

// Bounds of what a job may say of itself.
const (
	maxRuns     = 20      // that a record keeps, the newest
	maxRunError = 1 << 10 // bytes of the error of each
	maxRunStack = 4 << 10 // bytes of its stack
	maxNote     = 1 << 10 // bytes of a note of progress
	maxResult   = 1 << 20 // bytes of a result
	maxCursor   = 64 << 10
	maxLines    = 500     // of a log, the newest
	maxLine     = 1 << 10 // bytes of each
)

// pointerTo is a pointer that is held under a tag, as a source opens it.
func pointerTo(tag source.Tag, j *wire.Job) source.Pointer {
	return source.Pointer{Tag: tag, ID: j.ID, Lock: j.Lock, Gen: j.Rec}
}

// open follows the pointer that a run has claimed, to the job in its record. It goes on
// until Redis answers, or the run is to end. If no job may run here, there is an outcome
// instead.
func (w *Worker) open(r *run, pointer *wire.Job) (wire.Job, *source.Outcome, error) {
	no := func(state source.State, element string) (wire.Job, *source.Outcome, error) {
		return *pointer, &source.Outcome{
			Tag: r.tag, State: state, Element: element, Suspect: pointer.Crashes >= suspectCrashes,
			Record: &source.Record{ID: pointer.ID, Lock: pointer.Lock, Gen: pointer.Rec},
		}, nil
	}
	o := r.opened
	for pause := 50 * time.Millisecond; o == nil; pause = min(2*pause, 2*time.Second) {
		// What was opened, or may have been, is noted as running: a release takes that back.
		if !r.waitAccepted() {
			return no(source.Release, r.element)
		}
		var err error
		if o, err = r.openRecord(pointer); err == nil {
			break
		}
		if r.ctx.cause() != nil || errors.Is(err, store.ErrClosed) {
			return no(source.Release, r.element)
		}
		w.warnOnce("open "+r.q.name+err.Error(), "tasuki: a record cannot be read; trying again", "queue", r.q.name, "id", pointer.ID, "err", err)
		select {
		case <-r.ctx.Done():
		case <-time.After(jitter(pause)):
		}
	}
	f := r.q.fetcher
	switch o.What {
	case "run":
	case "gone":
		f.mu.Lock()
		f.loseRun(r)
		f.mu.Unlock()
		return no(source.Release, r.element)
	case "parked":
		return no(source.Parked, r.element)
	case "stale":
		return no(source.Stale, "")
	default:
		return *pointer, w.openedNothing(r, pointer, o.What), nil
	}
	job, err := wire.Parse(o.Job)
	if err == nil && job.Rec > 0 {
		job, err = wire.Job{IsRaw: true, Raw: []byte(o.Job)}, errors.New("the record leads to another")
	}
	job.ID, job.IsNew = pointer.ID, false
	rec := &recording{pointer: *pointer, body: o.Job, cursor: []byte(o.Cursor), lines: o.Lines, plain: o.Plain, kept: job.Keep != 0, began: f.serverNow()}
	f.mu.Lock()
	r.rec = rec // others look whether it is there
	f.mu.Unlock()
	if o.Cancelled {
		w.cancel(r, ErrCancelled)
	}
	return job, nil, err
}

// openedNothing is for a pointer to a record that somebody has taken away or spoilt. Nobody
// knows what the job was: it is dead, and what is there in place of its record says why.
func (w *Worker) openedNothing(r *run, pointer *wire.Job, what string) *source.Outcome {
	lost := wire.Job{
		ID: pointer.ID, IsRaw: true, Raw: []byte(r.element), Token: wire.NewToken(),
		Reason: "its record is gone", EndedAt: r.q.fetcher.serverNow().UnixMilli(),
	}
	if what == "alien" {
		lost.Reason = "its record is gone: its key has a value of another type"
	}
	w.logOutcome(r, &lost, slog.LevelError, "tasuki: job dead", nil, "reason", lost.Reason)
	return &source.Outcome{
		Tag: r.tag, State: source.Dead, Element: lost.Pointer(pointer.Lock, pointer.Rec+1),
		Record: &source.Record{ID: pointer.ID, Lock: pointer.Lock, Gen: pointer.Rec + 1, Fields: []string{"job", lost.Element()}},
	}
}

// waitAccepted waits until Redis has accepted the job; false if it has not, or the run is
// to end.
func (r *run) waitAccepted() bool {
	if r.handed != nil {
		select {
		case <-r.handed:
		case <-r.ctx.Done():
			return false
		}
	}
	r.q.fetcher.mu.Lock()
	defer r.q.fetcher.mu.Unlock()
	return !r.lost
}

// openRecord opens the record of a run that is accepted.
func (r *run) openRecord(pointer *wire.Job) (*source.Opened, error) {
	recorder, ok := r.q.src.(source.Recorder)
	if !ok {
		return nil, fmt.Errorf("queue %s has no records", r.q.name)
	}
	f := r.q.fetcher
	f.mu.Lock()
	asked := pointerTo(r.heldAs(), pointer)
	f.mu.Unlock()
	ctx, cancel := context.WithTimeout(&r.ctx, exchangeLimit)
	defer cancel()
	opened, err := recorder.Open(ctx, f.w.place, []source.Pointer{asked})
	if err != nil {
		return nil, err
	}
	return &opened[0], nil
}

// openClaimed opens what an exchange has claimed, in one call: a run that is not opened by
// it does that by itself.
func (x *exchange) openClaimed(ctx context.Context) {
	recorder, ok := x.q.src.(source.Recorder)
	if !ok {
		return
	}
	var asked []source.Pointer
	var which []int
	for i, d := range x.reply.Claimed {
		if !wire.IsPointer(d.Element) {
			continue
		}
		if j, err := wire.Parse(d.Element); err == nil && j.Rec > 0 {
			asked = append(asked, pointerTo(d.Tag, &j))
			which = append(which, i)
		}
	}
	if len(asked) == 0 {
		return
	}
	opened, err := recorder.Open(ctx, x.q.fetcher.w.place, asked)
	if err != nil {
		return
	}
	x.opened = make(map[int]*source.Opened, len(opened))
	for n, i := range which {
		x.opened[i] = &opened[n]
	}
}

// recorded tells whether the run's job lies in a record.
func (r *run) recorded() bool { return r.rec != nil && !r.rec.rehearsed }

// settled makes of an outcome of a recorded job what is written to its record and what is
// kept in its place: the pointer. job is as it is to be kept; nil of one that is released.
func (r *run) settled(o source.Outcome, job *wire.Job, runErr error) source.Outcome {
	rec := r.rec
	if !r.recorded() {
		return o
	}
	o.Found = false
	o.Record = &source.Record{ID: rec.pointer.ID, Lock: rec.pointer.Lock}
	o.Record.Fields, o.Record.Plain = rec.takeAll()
	o.Element = r.element
	if job == nil {
		return o
	}
	now := r.q.fetcher.serverNow()
	job.Token = ""
	job.History = rec.history(job.History, now, r.q.fetcher.w.place, o.State, runErr)
	switch o.State {
	case source.Done, source.Cancelled, source.Expired:
		o.Element = ""
		o.Record.Ended, o.Record.Keep = true, time.Duration(min(job.Keep, maxDelay.Milliseconds()))*time.Millisecond
		job.Keep = 0 // the record has the time that is left, and the history when it has ended
		job.Result = rec.result
	default:
		o.Record.Gen = rec.pointer.Rec + 1
		o.Element = job.Pointer(rec.pointer.Lock, o.Record.Gen)
	}
	body := job.Body()
	if o.State == source.Dead {
		// It takes the pointer's place if the record cannot be written.
		job.Token = wire.NewToken()
		body = job.Element()
	}
	o.Record.Fields = append(o.Record.Fields, "job", body)
	return o
}

// Run is one run of a recorded job, of which its record keeps the last 20.
type Run struct {
	At       time.Time     `json:"at"`              // when it began, by Redis' clock
	Duration time.Duration `json:"duration_ns"`     // in whole milliseconds
	Place    string        `json:"place"`           // host:pid of the process
	Outcome  State         `json:"outcome"`         // what became of the job: done, retry, dead, cancelled, …; crashed or stopped when the process has died
	Error    string        `json:"error,omitempty"` // the first 1,024 bytes
	Stack    string        `json:"stack,omitempty"` // of a panic, the first 4,096 bytes
}

// runJSON is a Run in a record.
type runJSON struct {
	At       int64  `json:"at"` // ms since 1970
	Duration int64  `json:"ms,omitempty"`
	Place    string `json:"on,omitempty"`
	Outcome  string `json:"as,omitempty"` // none: done
	Error    string `json:"err,omitempty"`
	Stack    string `json:"stack,omitempty"`
}

// history appends this run to those before.
func (rec *recording) history(before []byte, now time.Time, place string, as source.State, err error) []byte {
	entry := runJSON{At: rec.began.UnixMilli(), Duration: now.Sub(rec.began).Milliseconds(), Place: place, Outcome: string(as)}
	if as == source.Done {
		entry.Outcome = ""
	}
	if err != nil {
		entry.Error = cutText(err.Error(), maxRunError)
		var p *PanicError
		if errors.As(err, &p) {
			entry.Error, entry.Stack = cutText(p.short(), maxRunError), cutText(string(p.Stack), maxRunStack)
		}
	}
	text, _ := json.Marshal(entry) // it has no value that could fail
	if len(before) <= len("[]") {
		return slices.Concat([]byte("["), text, []byte("]"))
	}
	var runs []json.RawMessage
	if json.Unmarshal(before, &runs) != nil {
		runs = nil // somebody has changed it by hand
	}
	runs = append(runs, text)
	if n := len(runs) - maxRuns; n > 0 {
		runs = runs[n:]
	}
	all, _ := json.Marshal(runs)
	return all
}

// cutText shortens s to at most n bytes and the mark, without splitting a character.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return legible.Cut(s, n) + wire.Mark
}
