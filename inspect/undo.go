package inspect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// What is kept of an operation, so that it can be undone.
const (
	undoFor   = time.Hour
	undoMost  = 10_000  // jobs
	undoBytes = 4 << 20 // of them
	undoOps   = 20      // operations
)

// nothingDone is why an operation cannot be undone that has kept no job.
const nothingDone = "it has done nothing that could be undone"

// undoing is the action of an operation that undoes another.
const undoing Action = "undo"

// kept is what Undo needs to know of a job.
type kept struct {
	From    tasuki.State      `json:"from"`
	At      int64             `json:"at,omitempty"`      // its time there, ms
	Element []byte            `json:"element,omitempty"` // of a bare one
	ID      string            `json:"id,omitempty"`      // of a recorded one
	Lock    string            `json:"lock,omitempty"`
	Fields  map[string]string `json:"fields,omitempty"` // of a record that is removed
}

// noUndo says why an operation on that many jobs cannot be undone, "" if it can.
func (t *Task) noUndo(q *Query, jobs int64) string {
	switch {
	case t.Action == Retry:
		return "jobs that are made ready may run at once"
	case t.Action == Edit:
		return "what the jobs were before is not kept"
	case t.Action == Reschedule && !t.At.After(time.Now()):
		return "jobs that are made ready may run at once"
	case t.Action == Cancel && len(q.states()) == 1 && q.states()[0] == tasuki.StateRunning:
		return "a job that runs is told to end"
	case jobs > undoMost:
		return fmt.Sprintf("only the first %d jobs are kept", undoMost)
	}
	return ""
}

// keeper prepares to keep what Undo needs of some jobs. What it returns is called with what has
// become of them: it keeps those that it was done to. It is done after them, as a job that is
// kept and was not taken away would be there twice after an Undo; so what is not kept, as the
// process dies in between or Redis is full, cannot be brought back.
func (r *operationRun) keeper(ctx context.Context, queue *store.Queue, jobs []Job) (func(errs []error), error) {
	if r.o.NoUndo != "" {
		return func([]error) {}, nil
	}
	before, err := r.store.Kept(ctx, queue, r.o.ID)
	if err != nil {
		return nil, err
	}
	gone := r.o.Action == Cancel || r.o.Action == Remove
	records := map[string]map[string]string{}
	if gone {
		var ids []string
		for k := range jobs {
			if jobs[k].Recorded && waits(&jobs[k]) {
				ids = append(ids, jobs[k].ID)
			}
		}
		for some := range slices.Chunk(ids, 100) {
			read, err := r.store.WholeRecords(ctx, queue, some)
			if err != nil {
				return nil, err
			}
			for n, id := range some {
				records[id] = read[n]
			}
		}
	}
	return func(errs []error) {
		var entries []string
		bytes := 0
		for k := range jobs {
			j := &jobs[k]
			if errs[k] != nil || !waits(j) || j.at.foreign || !gone && j.State == tasuki.StateDead {
				continue
			}
			e := kept{From: j.State, At: int64(j.score)}
			switch pointer, _ := wire.Parse(j.element); {
			case j.Recorded:
				e.ID, e.Lock, e.Fields = j.ID, pointer.Lock, records[j.ID]
				if gone && (e.Fields["job"] == "" || !isText(e.Fields)) {
					continue
				}
			case gone:
				e.Element = []byte(j.element)
			default:
				e.Element = []byte(j.kept)
			}
			text, err := json.Marshal(e)
			if err != nil {
				continue
			}
			if r.o.Undoable+len(entries) >= undoMost || r.o.KeptBytes+bytes+len(text) > undoBytes {
				r.o.NoUndo = fmt.Sprintf("only the first %d jobs were kept", r.o.Undoable+len(entries))
				break
			}
			entries, bytes = append(entries, string(text)), bytes+len(text)
		}
		if len(entries) == 0 {
			return
		}
		if !slices.Contains(r.o.Kept, queue.Name) {
			r.o.Kept = append(r.o.Kept, queue.Name)
			if err := r.report(ctx); err != nil && !errors.Is(err, errOperationCancelled) {
				return // nobody would find it there; the next step says why
			}
		}
		err := store.Repeat(ctx, func(ctx context.Context) error {
			return r.store.Discard(ctx, queue, r.o.ID, undoFor, before, entries)
		})
		if err != nil {
			r.o.NoUndo = cutText("jobs could not be kept: "+err.Error(), auditText)
			return
		}
		r.o.Undoable += len(entries)
		r.o.KeptBytes += bytes
		r.o.UndoUntil = r.o.Started.Add(undoFor + time.Since(r.began))
	}, nil
}

// waits tells whether a job is in a place that it can be put back into.
func waits(j *Job) bool {
	return slices.Contains([]tasuki.State{tasuki.StateSuspect, tasuki.StateReady, tasuki.StateRetry, tasuki.StateScheduled, tasuki.StateDead}, j.State) && j.at.kind != "held"
}

// isText tells whether JSON can have the values.
func isText(fields map[string]string) bool {
	for _, value := range fields {
		if !utf8.ValidString(value) {
			return false
		}
	}
	return true
}

// Undo undoes an operation as far as it can be: it begins another one, which puts back what was
// cancelled or removed, moves back what was moved, and gives back its time to what was
// rescheduled. What has changed since, or whose id or uniqueness key another job has by now, is
// skipped. A job that was ready is ready again, behind all others.
//
// An operation can be undone for an hour, for its first 10,000 jobs or 4 MiB of them, and while it is
// among the last 20: Operation.Undoable says for how many jobs. What ran, or had ended, is not
// brought back. The error wraps ErrNotUndoable, and says why.
func (i *Inspector) Undo(ctx context.Context, id string) (Operation, error) {
	o, err := i.Operation(ctx, id)
	if err != nil {
		return o, err
	}
	switch {
	case o.State == OperationRunning:
		return o, fmt.Errorf("undo %s: %w: it runs: cancel it first", id, ErrNotUndoable)
	case o.Undoes != "":
		return o, fmt.Errorf("undo %s: %w: it undoes another", id, ErrNotUndoable)
	case o.UndoneBy != "":
		return o, fmt.Errorf("undo %s: %w: it was undone by operation %s, which can be continued if it was cut", id, ErrNotUndoable, o.UndoneBy)
	case o.Undoable == 0:
		return o, fmt.Errorf("undo %s: %w: %s", id, ErrNotUndoable, o.NoUndo)
	}
	undo := Operation{
		Task: Task{Action: undoing}, Query: o.Query, Undoes: id, Meant: Count{Jobs: int64(o.Undoable), Exact: true},
		NoUndo: "it undoes another", Kept: o.Kept,
	}
	undone := o
	if undone.State == OperationInterrupted {
		undone.State = OperationCancelled
	}
	undo, err = i.begin(ctx, undo, &undone)
	switch {
	case errors.Is(err, store.ErrChanged): // somebody has undone or continued it since
		return i.Undo(ctx, id)
	case errors.Is(err, store.ErrHeld):
		return o, fmt.Errorf("undo %s: %w: it runs: cancel it first", id, ErrNotUndoable)
	}
	return undo, err
}

// recount looks how many jobs were kept of an operation that is interrupted: what it has done since
// it wrote that down last, nobody has said.
func (i *Inspector) recount(ctx context.Context, o *Operation, now time.Time) error {
	if o.UndoneBy != "" || now.After(o.UndoUntil) {
		return nil
	}
	n := int64(0)
	for _, name := range o.Kept {
		q, err := i.store.Queue(name)
		if err != nil {
			continue // somebody else has put it there
		}
		kept, err := i.store.Kept(ctx, q, o.ID)
		if err != nil {
			return err
		}
		n += kept
	}
	o.Undoable = max(o.Undoable, int(n))
	return nil
}

// rewrite writes down an operation that nobody runs, if it is as it was read.
func (i *Inspector) rewrite(ctx context.Context, o *Operation) error {
	r := &operationRun{Inspector: i, o: *o, runner: wire.NewToken()}
	if _, err := r.write(ctx, "take"); err != nil {
		return err
	}
	_, err := r.write(ctx, "end")
	return err
}

// emptyOldTrash bounds what is kept: of the last operations only.
func (i *Inspector) emptyOldTrash(ctx context.Context) {
	all, err := i.operations(ctx)
	if err != nil {
		return // it goes with its time
	}
	n := 0
	for k := range all {
		o := &all[k]
		if o.Undoable == 0 || o.State == OperationRunning {
			continue
		}
		if n++; n < undoOps {
			continue
		}
		o.Undoable, o.NoUndo = 0, fmt.Sprintf("only of the last %d operations jobs are kept", undoOps)
		if i.rewrite(ctx, o) != nil {
			continue // somebody goes on with it, or undoes it
		}
		for _, name := range o.Kept {
			if q, err := i.store.Queue(name); err == nil {
				_ = i.store.Unkeep(ctx, q, o.ID, -1) // the same
			}
		}
	}
}

// undo puts back what an operation has kept.
func (r *operationRun) undo(ctx context.Context) error {
	of, err := r.Operation(ctx, r.o.Undoes)
	if err != nil {
		return err
	}
	if err := r.land(ctx, of.Moving, ""); err != nil {
		return err
	}
	for _, name := range r.o.Kept {
		q, err := r.store.Queue(name)
		if err != nil {
			return err
		}
		for skip := int64(0); ; {
			entries, err := r.store.Discarded(ctx, q, of.ID, skip, 100)
			if err != nil {
				return err
			}
			if len(entries) == 0 {
				break
			}
			jobs := make([]kept, len(entries))
			for k, text := range entries {
				_ = json.Unmarshal([]byte(text), &jobs[k]) // what somebody else has put there is no job
			}
			r.o.Scanned += int64(len(entries))
			if of.Action == Cancel || of.Action == Remove {
				stay, err := r.restore(ctx, q, of.ID, entries, jobs)
				if err != nil {
					return err
				}
				skip += stay
			} else {
				for k := range jobs {
					err := r.giveBack(ctx, q, &of, &jobs[k])
					switch {
					case err == nil:
						r.o.Done++
					case isMoved(err), errors.Is(err, tasuki.ErrNotFound):
						r.o.Skipped++
					case isRefusal(err):
						r.o.Refused++
						r.o.Error = cutText(err.Error(), auditText)
					default:
						return err
					}
				}
				// Each of them may be done again.
				if err := r.store.Unkeep(ctx, q, of.ID, int64(len(entries))); err != nil {
					return err
				}
			}
			if err := r.beat(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// restore puts back jobs that were taken away. It returns how many entries stay in the trash.
func (r *operationRun) restore(ctx context.Context, q *store.Queue, operation string, entries []string, jobs []kept) (stay int64, err error) {
	var back []store.Restored
	for k := range jobs {
		j := &jobs[k]
		b := store.Restored{Entry: entries[k], From: string(j.From), At: j.At, Element: string(j.Element)}
		if j.ID != "" {
			body, _ := wire.Parse(j.Fields["job"])
			gen, _ := strconv.ParseInt(j.Fields["gen"], 10, 64)
			body.ID = j.ID
			b.ID, b.Lock, b.Element = j.ID, j.Lock, body.Pointer(j.Lock, gen+1) // a pointer that was left behind is of another
			b.Fields = maps.Clone(j.Fields)
			maps.DeleteFunc(b.Fields, func(name, _ string) bool {
				return slices.Contains([]string{"to", "cancel", "left", "at"}, name)
			})
			b.Fields["gen"], b.Fields["state"] = strconv.FormatInt(gen+1, 10), string(j.From)
			if j.At > 0 {
				b.Fields["at"] = strconv.FormatInt(j.At, 10)
			}
		}
		if b.Element == "" || !slices.Contains([]tasuki.State{tasuki.StateSuspect, tasuki.StateReady, tasuki.StateRetry, tasuki.StateScheduled, tasuki.StateDead}, j.From) {
			stay++
			r.o.Skipped++
			continue
		}
		back = append(back, b)
	}
	var done []int64
	err = store.Repeat(ctx, func(ctx context.Context) (err error) {
		done, err = r.store.Restore(ctx, q, operation, back)
		return err
	})
	for k, how := range done {
		switch how {
		case store.RestoredDone:
			r.o.Done++
		case store.RestoredThere, store.RestoredLocked:
			r.o.Refused++
			stay++
			r.o.Error = fmt.Sprintf("%s/%s: another job has its id or its uniqueness key by now", q.Name, back[k].ID)
		default:
			r.o.Skipped++
		}
	}
	return stay, err
}

// giveBack moves a job back, or gives it back its time.
func (r *operationRun) giveBack(ctx context.Context, q *store.Queue, of *Operation, j *kept) error {
	var at time.Time
	if j.At > 0 {
		at = time.UnixMilli(j.At)
	}
	switch {
	case of.Action == Move:
		_, err := r.client.Move(ctx, of.To+"/"+j.ID, q.Name)
		return err
	case j.ID != "":
		is, err := r.client.Get(ctx, q.Name+"/"+j.ID)
		if err != nil {
			return err
		}
		if is.State != tasuki.StateScheduled || is.DueAt.UnixMilli() != of.At.UnixMilli() {
			return ErrMoved
		}
		return r.client.Reschedule(ctx, is.Address(), at)
	}
	job, _ := wire.Parse(string(j.Element))
	job.Token = wire.NewToken()
	done, err := r.store.Move(ctx, q, at, false, []store.Moving{{From: "scheduled", Element: string(j.Element), Kept: job.Element()}})
	if err == nil && !done[0] {
		err = ErrMoved
	}
	return err
}
