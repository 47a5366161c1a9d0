package inspect

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// OperationState is how far an operation has come.
type OperationState string

// The states of an operation.
const (
	OperationRunning     OperationState = "running"
	OperationDone        OperationState = "done"
	OperationCancelled   OperationState = "cancelled"
	OperationFailed      OperationState = "failed"      // Error says why; Continue goes on
	OperationInterrupted OperationState = "interrupted" // its process is gone; Continue goes on
)

// Operation is something that is done to all jobs that a query means, in the background of one
// process. Every process sees it.
type Operation struct {
	ID string `json:"id"` // they sort by time
	Task
	Query string `json:"query"` // as Query.String writes it
	Limit int    `json:"limit,omitempty"`
	By    string `json:"by,omitempty"`

	State   OperationState `json:"state"`
	Started time.Time      `json:"started"` // by the clock of Redis
	Updated time.Time      `json:"updated"` // by that of the process that runs it
	Error   string         `json:"error,omitempty"`

	Acted
	Scanned int64 `json:"scanned"` // jobs that were looked at
	Meant   Count `json:"meant"`   // how many jobs the query meant when it began

	// Undoable is how many jobs Undo would bring back, until UndoUntil; 0 when there are none, and
	// NoUndo says why.
	Undoable  int       `json:"undoable"`
	UndoUntil time.Time `json:"undo_until,omitzero"`
	NoUndo    string    `json:"no_undo,omitempty"`
	Undoes    string    `json:"undoes,omitempty"`    // the operation that this one undoes
	UndoneBy  string    `json:"undone_by,omitempty"` // the one that undoes this
	Kept      []string  `json:"kept,omitempty"`      // queues in which Undo finds jobs
	KeptBytes int       `json:"kept_bytes,omitempty"`
	// Moving are the jobs that just go to another queue. Nothing leads to one that has left and not
	// come in yet, so Continue and Undo look at them.
	Moving []string `json:"moving,omitempty"`
	// Unsure is to how many jobs it was about to be done when its process was lost. Nobody counts what
	// became of them: a limit takes them for done, so that Continue does no more than it allows.
	Unsure int `json:"unsure,omitempty"`

	written string // as it was read
}

// HasEnded tells whether nobody works on it.
func (o *Operation) HasEnded() bool { return o.State != OperationRunning }

// Errors of operations.
var (
	// ErrNotUndoable: it cannot be undone. The text of the error says why.
	ErrNotUndoable = errors.New("it cannot be undone")
	// ErrOperationRuns: another process runs it.
	ErrOperationRuns = errors.New("the operation is run by another process")
)

// operationEnded is the tasuki.ErrEnded of an operation.
type operationEnded struct{}

func (operationEnded) Error() string        { return "the operation has ended" }
func (operationEnded) Is(target error) bool { return target == store.ErrEnded }

const (
	operationLease = 15 * time.Second // how long the process of an operation may be silent
	operationBeat  = time.Second      // how often its progress is written
)

// operations are those that an Inspector, and those that As has made of it, run.
type operations struct {
	mu      sync.Mutex
	closed  bool
	running map[string]chan struct{} // closed when it has ended
	wait    sync.WaitGroup
	closing chan struct{}
}

var errInspectorClosed = errors.New("the inspector is closed")

func newOperations() *operations {
	return &operations{running: map[string]chan struct{}{}, closing: make(chan struct{})}
}

// Close stops the operations of this Inspector, and returns when they have stopped: others see
// them as interrupted, and may continue them. An Inspector that has run none needs no Close.
func (i *Inspector) Close() {
	i.ops.mu.Lock()
	if !i.ops.closed {
		i.ops.closed = true
		close(i.ops.closing)
	}
	i.ops.mu.Unlock()
	i.ops.wait.Wait()
}

// Running returns the ids of the operations that this Inspector runs now, without asking Redis.
func (i *Inspector) Running() []string {
	i.ops.mu.Lock()
	defer i.ops.mu.Unlock()
	return slices.Sorted(maps.Keys(i.ops.running))
}

// Preview says what Operate would do: how many jobs are meant, and why it could not be undone, ""
// if it can. It changes nothing.
func (i *Inspector) Preview(ctx context.Context, t Task, q Query) (meant Count, noUndo string, err error) {
	if err := refusal(t.validate(time.Now()), q.validate()); err != nil {
		return Count{}, "", err
	}
	q = t.narrow(q)
	if meant, err = i.Count(ctx, q); err != nil {
		return meant, "", err
	}
	jobs := meant.Jobs
	if q.Limit > 0 {
		jobs = min(jobs, int64(q.Limit))
	}
	return meant, t.noUndo(&q, jobs), nil
}

// narrow leaves out the states in which nothing can be done, if none is named.
func (t *Task) narrow(q Query) Query {
	if len(q.States) == 0 {
		q.States = usualOf[t.Action]
	}
	return q
}

// Operate does something to all jobs that q means; q.Limit is how many are done at most. It
// counts them and returns, and goes on in the background of this process until it is done, or until
// Close: see Operation for how far it has come, and CancelOperation. Without a state in q it means
// those in which the action can be done, but what has ended, and of Retry those that wait for a
// retry or are dead.
//
// Jobs are read and acted on in portions. Those that die or become ready while it goes on may be
// meant too, but it ends. When its process dies, Continue goes on with what is left: each step is
// safe to repeat.
func (i *Inspector) Operate(ctx context.Context, t Task, q Query) (Operation, error) {
	if err := refusal(t.validate(time.Now()), q.validate()); err != nil {
		return Operation{}, fmt.Errorf("operate: %w", err)
	}
	q = t.narrow(q)
	t.At = t.At.Truncate(time.Millisecond) // as Redis has it
	for _, name := range append(slices.Clone(q.Queues), t.To) {
		if name == "" {
			continue
		}
		if _, err := i.store.Queue(name); err != nil {
			return Operation{}, fmt.Errorf("operate: %w", err)
		}
	}
	meant, err := i.Count(ctx, q)
	if err != nil {
		return Operation{}, fmt.Errorf("operate: %w", err)
	}
	o := Operation{Task: t, Query: q.String(), Limit: q.Limit, Meant: meant}
	// How much is kept turns out as it goes on.
	if o.NoUndo = t.noUndo(&q, 0); o.NoUndo == "" {
		i.emptyOldTrash(ctx)
	}
	return i.begin(ctx, o, nil)
}

// begin writes down an operation, and with it what becomes of the one that it undoes, and runs it.
func (i *Inspector) begin(ctx context.Context, o Operation, undone *Operation) (Operation, error) {
	now, err := i.store.Now(ctx)
	if err != nil {
		return o, fmt.Errorf("operate: %w", err)
	}
	o.ID, o.By, o.State, o.Started, o.Updated = wire.NewID(now), i.by, OperationRunning, now, now
	if o.NoUndo == "" && o.Undoes == "" {
		o.UndoUntil = now.Add(undoFor)
	}
	if undone != nil {
		undone.UndoneBy = o.ID
	}
	if err := i.launch(ctx, "begin", &o, undone); err != nil {
		return o, fmt.Errorf("operate: %w", err)
	}
	i.noted(ctx, AuditEntry{What: string(o.Action), Target: o.Query, Detail: "operation " + o.ID + " begins" + o.detail(), Count: int(o.Meant.Jobs), Operation: o.ID}, nil)
	return o, nil
}

// detail says what a Task needs beside its action.
func (t *Task) detail() string {
	switch {
	case t.To != "":
		return ", to " + t.To
	case !t.At.IsZero():
		return ", to " + t.At.UTC().Format(time.RFC3339)
	case t.Changes != nil:
		return ", " + t.Changes.detail()
	}
	return ""
}

// launch takes an operation and runs it in the background.
func (i *Inspector) launch(ctx context.Context, how string, o, undone *Operation) error {
	r := &operationRun{Inspector: i, o: *o, runner: wire.NewToken(), began: time.Now(), closing: i.ops.closing, undone: undone}
	end, err := i.ops.enter(o.ID)
	if err != nil {
		return err
	}
	err = store.Repeat(ctx, func(ctx context.Context) error {
		_, err := r.write(ctx, how)
		return err
	})
	if err != nil {
		end()
		return err
	}
	go func() {
		defer end()
		r.run()
	}()
	return nil
}

// enter takes an operation for this Inspector, until end is called.
func (o *operations) enter(id string) (end func(), err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil, errInspectorClosed
	}
	if o.running[id] != nil {
		return nil, ErrOperationRuns
	}
	ended := make(chan struct{})
	o.running[id] = ended
	o.wait.Add(1)
	return func() {
		o.mu.Lock()
		delete(o.running, id)
		o.mu.Unlock()
		close(ended)
		o.wait.Done()
	}, nil
}

// Operation returns one of the last 100 operations, or ErrNotFound.
func (i *Inspector) Operation(ctx context.Context, id string) (Operation, error) {
	if id == "" || strings.Contains(id, ":") {
		return Operation{}, fmt.Errorf("operation %.40q: %w", id, ErrNotFound)
	}
	all, err := i.operations(ctx, id)
	if err != nil {
		return Operation{}, fmt.Errorf("operation %s: %w", id, err)
	}
	if len(all) == 0 {
		return Operation{}, fmt.Errorf("operation %.40q: %w: the last %d are kept", id, ErrNotFound, store.MostOperations)
	}
	return all[0], nil
}

// Operations returns the last 100 operations, the last one first.
func (i *Inspector) Operations(ctx context.Context) ([]Operation, error) {
	all, err := i.operations(ctx)
	if err != nil {
		return nil, fmt.Errorf("operations: %w", err)
	}
	return all, nil
}

func (i *Inspector) operations(ctx context.Context, ids ...string) ([]Operation, error) {
	written, err := i.store.Operations(ctx, ids...)
	if err != nil {
		return nil, err
	}
	now, err := i.store.Now(ctx)
	if err != nil {
		return nil, err
	}
	all := []Operation{}
	for id, w := range written {
		var o Operation
		if json.Unmarshal([]byte(w.State), &o) != nil || o.ID != id {
			continue // somebody else has put it there
		}
		o.written = w.State
		if o.State == OperationRunning && !w.Till.After(now) {
			o.State = OperationInterrupted
			if err := i.recount(ctx, &o, now); err != nil {
				return nil, err
			}
		}
		if o.Undoable > 0 && (now.After(o.UndoUntil) || o.UndoneBy != "") {
			o.Undoable = 0
			o.NoUndo = cmp.Or(o.NoUndo, "the time to undo it is over")
			if o.UndoneBy != "" {
				o.NoUndo = "it was undone by operation " + o.UndoneBy
			}
		}
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b Operation) int { return strings.Compare(b.ID, a.ID) })
	return all, nil
}

// Await returns an operation when it has ended, or is interrupted.
func (i *Inspector) Await(ctx context.Context, id string) (Operation, error) {
	for {
		i.ops.mu.Lock()
		ended := i.ops.running[id] // nil, which never ends, of one of another process
		i.ops.mu.Unlock()
		if ended == nil {
			o, err := i.Operation(ctx, id)
			if err != nil || o.HasEnded() {
				return o, err
			}
		}
		select {
		case <-ended:
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return Operation{}, fmt.Errorf("operation %s: %w", id, context.Cause(ctx))
		}
	}
}

// CancelOperation has an operation end, wherever it runs; what it has done stays done. It
// returns at once. An operation that is interrupted is ended by it. tasuki.ErrEnded says that it
// has ended.
func (i *Inspector) CancelOperation(ctx context.Context, id string) error {
	o, err := i.Operation(ctx, id)
	if err != nil {
		return err
	}
	err = i.cancelOperation(ctx, &o)
	i.noted(ctx, AuditEntry{What: "cancel operation", Target: id, Count: countOf(err), Operation: id}, err)
	if err != nil {
		return fmt.Errorf("cancel operation %s: %w", id, err)
	}
	return nil
}

func (i *Inspector) cancelOperation(ctx context.Context, o *Operation) error {
	if o.State != OperationInterrupted {
		_, err := i.store.Operate(ctx, &store.OperationStep{What: "cancel", ID: o.ID, Runner: cmp.Or(i.by, "somebody")})
		if errors.Is(err, store.ErrEnded) {
			err = operationEnded{}
		}
		return err
	}
	ended := *o
	ended.State, ended.Error = OperationCancelled, ""
	err := i.rewrite(ctx, &ended)
	if errors.Is(err, store.ErrChanged) || errors.Is(err, store.ErrHeld) { // somebody goes on with it
		if *o, err = i.Operation(ctx, o.ID); err == nil {
			err = i.cancelOperation(ctx, o)
		}
	}
	return err
}

// Continue goes on with an operation that was interrupted, has failed or was cancelled, in the
// background of this process. tasuki.ErrEnded says that it is done, or was undone.
func (i *Inspector) Continue(ctx context.Context, id string) (Operation, error) {
	o, err := i.Operation(ctx, id)
	if err != nil {
		return o, err
	}
	switch o.State {
	case OperationRunning:
		err = ErrOperationRuns
	case OperationDone:
		err = operationEnded{}
	default:
		if o.UndoneBy != "" { // else what was brought back would be taken away again
			err = fmt.Errorf("%w: it was undone by operation %s", operationEnded{}, o.UndoneBy)
			break
		}
		o.State, o.Error = OperationRunning, ""
		if o.NoUndo == nothingDone { // so far
			o.NoUndo = ""
		}
		err = i.launch(ctx, "take", &o, nil)
	}
	switch {
	case errors.Is(err, store.ErrChanged): // somebody has continued or undone it since
		return i.Continue(ctx, id)
	case errors.Is(err, store.ErrHeld):
		err = ErrOperationRuns
	}
	i.noted(ctx, AuditEntry{What: "continue operation", Target: id, Count: countOf(err), Operation: id}, err)
	if err != nil {
		return o, fmt.Errorf("continue operation %s: %w", id, err)
	}
	return o, nil
}
