package tasuki

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/tasuki-dev/tasuki/internal/source"
)

// Progress is how far a job has come, as its handler has said it last.
type Progress struct {
	Done  int64     `json:"done"`
	Total int64     `json:"total,omitempty"` // 0: not known
	Note  string    `json:"note,omitempty"`  // the first 1,024 bytes
	At    time.Time `json:"at,omitzero"`     // by the worker's clock
}

// SetProgress says how far the job has come: done of total, 0 if that is not known. It may
// be called in a loop: what was said last is written to the record at most ten times a
// second, and at the end. Without a record it does nothing.
func (j *Job[A]) SetProgress(done, total int64, note string) {
	rec := j.recording()
	if rec == nil {
		return
	}
	rec.mu.Lock()
	rec.progress, rec.said = Progress{Done: done, Total: total, Note: note}, true
	j.run.noted()
}

// recording is what the record of the job gets; nil of one without a record, and of one that
// no worker runs.
func (j *Job[A]) recording() *recording {
	if j.run == nil {
		return nil
	}
	return j.run.rec
}

// noted is called when something was noted, with rec.mu held, and frees it.
func (r *run) noted() {
	wake := !r.rec.waiting
	r.rec.waiting = true
	r.rec.mu.Unlock()
	if wake {
		r.q.fetcher.notes.add(r)
	}
}

// Checkpoint keeps where the job has come to, for its next run: see Cursor. It is written
// to the record at most ten times a second, and when the run ends or is interrupted; what
// was said less than a tenth of a second before the process dies can be lost.
//
// The error is that of the encoding as JSON, or that it has more than 64 KiB. A job without
// a record has no checkpoints: an error says so.
func (j *Job[A]) Checkpoint(cursor any) error {
	rec := j.recording()
	if rec == nil {
		return fmt.Errorf("checkpoint: %w: set Opts.Record", ErrNotFound)
	}
	text, err := json.Marshal(cursor)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if len(text) > maxCursor {
		return fmt.Errorf("checkpoint: %d bytes: allowed are %d", len(text), maxCursor)
	}
	rec.mu.Lock()
	rec.cursor = text
	rec.pending = set(rec.pending, "cursor", string(text))
	j.run.noted()
	return nil
}

// Cursor reads what the last Checkpoint of this job has kept, of this run or of one before;
// false if there is none.
func (j *Job[A]) Cursor(to any) (bool, error) {
	rec := j.recording()
	if rec == nil {
		return false, nil
	}
	rec.mu.Lock()
	text := rec.cursor
	rec.mu.Unlock()
	if len(text) == 0 {
		return false, nil
	}
	if err := json.Unmarshal(text, to); err != nil {
		return false, fmt.Errorf("cursor: %w", err)
	}
	return true, nil
}

// Each runs f for one item after the other, with a Checkpoint behind each: a run that was
// interrupted, or that has failed, is followed by one that goes on behind the last item that
// was done. items yields them with a cursor of their own, beginning behind the cursor after;
// it is nil when nothing was done yet.
//
//	tasuki.Each(ctx, job, func(after *int) iter.Seq2[int, Row] { return rowsBehind(db, after) }, copyRow)
//
// It returns the first error of f, or with what ctx has ended between two items. Of a job
// without a record it does no item.
func Each[A, C, T any](ctx context.Context, job *Job[A], items func(after *C) iter.Seq2[C, T], f func(ctx context.Context, item T) error) error {
	if job.recording() == nil {
		return fmt.Errorf("each: %w: set Opts.Record", ErrNotFound)
	}
	var cursor C
	var after *C
	if found, err := job.Cursor(&cursor); err != nil {
		return err
	} else if found {
		after = &cursor
	}
	for at, item := range items(after) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := f(ctx, item); err != nil {
			return err
		}
		if err := job.Checkpoint(at); err != nil {
			return err
		}
	}
	return nil
}

func set(m map[string]string, name, value string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	m[name] = value
	return m
}

// notebook writes what running jobs say of themselves, all of it together, ten times a
// second at most.
type notebook struct {
	f *fetcher

	mu      sync.Mutex
	runs    []*run // that have said something
	timer   *time.Timer
	last    time.Time // when it wrote
	stopped bool
	writing sync.WaitGroup // a timer that was set
}

const noteEvery = 100 * time.Millisecond

func (n *notebook) add(r *run) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.runs = append(n.runs, r)
	n.arm(time.Until(n.last.Add(noteEvery)))
}

func (n *notebook) arm(in time.Duration) {
	if n.timer == nil && !n.stopped {
		n.writing.Add(1)
		n.timer = time.AfterFunc(max(in, 0), func() {
			defer n.writing.Done()
			n.write()
		})
	}
}

// ask has all recorded jobs that run write a note, so that they hear of a cancel that was
// told while nobody listened.
func (n *notebook) ask() {
	var runs []*run
	n.f.mu.Lock()
	for _, r := range n.f.active {
		if r.rec != nil {
			runs = append(runs, r)
		}
	}
	n.f.mu.Unlock()
	for _, r := range runs {
		r.rec.mu.Lock()
		r.noted()
	}
}

// write writes all notes. It is called by a timer.
func (n *notebook) write() {
	n.mu.Lock()
	runs := n.runs
	n.runs, n.last = nil, time.Now()
	n.mu.Unlock()
	by := map[*queue][]*run{}
	for _, r := range runs {
		by[r.q] = append(by[r.q], r)
	}
	for q, runs := range by {
		for len(runs) > 0 {
			k := min(len(runs), 100)
			n.writeIn(q, runs[:k])
			runs = runs[k:]
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.timer = nil
	if len(n.runs) > 0 {
		n.arm(noteEvery)
	}
}

// writeIn writes the notes of jobs of a queue. Those of one that has ended are written with
// its outcome.
func (n *notebook) writeIn(q *queue, runs []*run) {
	recorder, ok := q.src.(source.Recorder)
	if !ok {
		return
	}
	var notes []source.Note
	var of []*run
	n.f.mu.Lock()
	for _, r := range runs {
		if !r.ended && r.accepted && !r.lost {
			notes = append(notes, source.Note{Tag: r.heldAs(), ID: r.rec.pointer.ID})
			of = append(of, r)
		}
	}
	n.f.mu.Unlock()
	if len(notes) == 0 {
		return
	}
	for i, r := range of {
		notes[i].Fields = r.rec.take()
	}
	ctx, cancel := context.WithTimeout(n.f.ctx, exchangeLimit)
	defer cancel()
	cancelled, err := recorder.Note(ctx, notes)
	if err != nil {
		n.f.w.warnOnce("notes "+q.name+err.Error(), "tasuki: what jobs say of themselves cannot be written; trying again", "queue", q.name, "err", err)
		for i, r := range of {
			r.rec.untake(notes[i].Fields)
			n.add(r)
		}
		return
	}
	for _, r := range of {
		r.rec.landed()
	}
	for i, r := range of {
		if cancelled[i] {
			n.f.w.cancel(r, ErrCancelled)
		}
	}
}

// stop ends the writing, and waits until what is under way has ended. What was not written
// is, with the outcomes.
func (n *notebook) stop() {
	n.mu.Lock()
	n.stopped = true
	if n.timer != nil && n.timer.Stop() {
		n.writing.Done()
	}
	n.mu.Unlock()
	n.writing.Wait()
}

// take returns the fields that were not written yet, names and values.
func (rec *recording) take() []string {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	fields := rec.takeHeld()
	rec.plain = rec.plain && len(fields) == 0
	return fields
}

// takeHeld is take with mu held.
func (rec *recording) takeHeld() []string {
	rec.waiting = false
	if len(rec.pending) == 0 && !rec.said {
		rec.flying = nil
		return nil
	}
	fields := make([]string, 0, 2*len(rec.pending)+4)
	for name, value := range rec.pending {
		fields = append(fields, name, value)
	}
	if rec.said {
		rec.progress.Note = cutText(rec.progress.Note, maxNote)
		rec.progress.At = time.Now()
		text, _ := json.Marshal(rec.progress)
		fields = append(fields, "progress", string(text))
	}
	rec.pending, rec.said = nil, false
	rec.flying = fields
	return fields
}

// takeAll is take for the outcome. A note that is under way may come after it, and then
// changes nothing: so what it carries is taken too.
// It tells too whether none was ever sent, and the record is plain.
func (rec *recording) takeAll() (fields []string, plain bool) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	before := rec.flying
	return append(slices.Clip(before), rec.takeHeld()...), rec.plain
}

// landed notes that a note was written.
func (rec *recording) landed() {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.flying = nil
}

// untake is for fields that could not be written: what was said since counts more.
func (rec *recording) untake(fields []string) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.waiting = true
	rec.flying = nil
	for i := 0; i < len(fields); i += 2 {
		if fields[i] == "progress" {
			rec.said = true // the last is still there
		} else if _, newer := rec.pending[fields[i]]; !newer {
			rec.pending = set(rec.pending, fields[i], fields[i+1])
		}
	}
}
