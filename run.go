package tasuki

import (
	"bytes"
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	jsonv1 "github.com/go-json-experiment/json/v1"

	"github.com/tasuki-dev/tasuki/internal/failpoint"
	"github.com/tasuki-dev/tasuki/internal/source"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// run is one job on its way through a slot: parse, route, start, call, decide.
type run struct {
	q       *queue
	tag     source.Tag
	element string
	since   time.Duration // after fetcher.epoch, when it was claimed
	ctx     runContext
	handed  chan struct{} // closed when it is known whether Redis accepted it; nil if it was claimed

	opened *source.Opened // of a recorded job, if the exchange that has claimed it asked

	// Written by the slot that runs it.
	rec       *recording // nil of a bare job; set under fetcher.mu
	route     *route     // nil until it is started
	raw       RawJob
	timer     *time.Timer
	goroutine uint64 // on which it runs: goroutineID

	began, took time.Duration // after fetcher.epoch, when a loop took it; until it had ended
	readySince  int64         // if that was its enqueue, ns since 1970 by the producer's clock; else 0
	failure     *failure      // how its error is counted

	// Guarded by fetcher.mu. fence is written before handed is closed.
	place    int    // in fetcher.active
	id       string // once somebody has asked, or it was given one
	fence    int64
	renamed  source.Tag      // under which it was accepted, if that is not tag
	outcome  *source.Outcome // when it ended before it was accepted
	accepted bool
	lone     bool
	lost     bool // it belongs to others: nothing is written
	ended    bool
}

// heldAs is the tag under which it is held. fetcher.mu is held.
func (r *run) heldAs() source.Tag {
	if r.renamed != 0 {
		return r.renamed
	}
	return r.tag
}

// perform takes a run through its steps, and returns what becomes of the job and
// what the handler has returned. It is called by a loop, outside of fetcher.mu.
func (w *Worker) perform(r *run) (source.Outcome, error) {
	job, err := wire.Parse(r.element)
	if job.Crashes >= suspectCrashes && !w.isAlone(r) {
		return w.release(r), nil
	}
	if job.Rec > 0 {
		var no *source.Outcome
		if job, no, err = w.open(r, &job); no != nil {
			return *no, nil
		}
	}
	if job.IsNew {
		job.ID = r.named(job.ID)
	}
	r.raw.ID = job.ID
	if cause := r.ctx.cause(); cause != nil {
		return w.decide(r, cause, cause), cause // cancelled before it began
	}
	if job.ExpireAt != 0 || job.Deadline != 0 {
		if outcome, ok := w.decideTooLate(r, &job); ok {
			return outcome, nil
		}
	}
	if !w.find(r, &job, err) {
		return w.decideUnroutable(r, &job, err), nil
	}
	w.start(r, &job)
	w.tellBegin(r)
	failpoint.Hit(failpoint.BeforeHandler)
	err = call(&r.ctx, r.route.handler, &r.raw)
	failpoint.Hit(failpoint.AfterHandler)
	return w.decide(r, r.release(), err), err
}

// isAlone tells whether r, a suspect, may run: no other of its kind does in this process. One
// that was claimed among the others, as it was moved, retried or parked, takes the place if
// it is free.
func (w *Worker) isAlone(r *run) bool {
	f := r.q.fetcher
	f.mu.Lock()
	defer f.mu.Unlock()
	r.lone = r.lone || w.lone.CompareAndSwap(false, true)
	return r.lone
}

// parse reads the element again, for an outcome that has to write it anew. Most
// jobs are done and never need it, so it is not kept.
func (r *run) parse() wire.Job {
	element := r.element
	if r.recorded() {
		element = r.rec.body
	}
	job, _ := wire.Parse(element)
	if r.recorded() {
		job.ID = r.rec.pointer.ID
	} else if r.raw.ID != "" {
		job.ID = r.raw.ID
	}
	return job
}

// find chooses the route; false if this worker has none.
func (w *Worker) find(r *run, job *wire.Job, err error) bool {
	switch {
	case errors.Is(err, wire.ErrFuture):
		return false
	case job.IsRaw:
		r.route = w.raw[r.q.name]
	default:
		if r.route = w.kinds[job.Kind]; r.route == nil {
			r.route = w.other
		}
	}
	return r.route != nil
}

// start makes the job that the handler sees, and its time limit: what is left until
// the timeout or the deadline.
func (w *Worker) start(r *run, job *wire.Job) {
	r.raw.Info = info(r.q.name, job)
	r.raw.State = StateRunning
	r.raw.Attempt = job.Attempts + 1
	r.raw.MaxAttempts = pick(job.MaxAttempts, r.route.opts.MaxAttempts, w.cfg.MaxAttempts)
	r.raw.Timeout = max(0, pick(r.raw.Timeout, r.route.opts.Timeout, w.cfg.Timeout))
	r.raw.run = r
	if job.Token == "" && job.EnqueuedAt < 1<<43 && !r.recorded() { // else it has waited for its time, or would in ns have no room
		r.readySince = job.EnqueuedAt * int64(time.Millisecond)
	}
	if r.raw.Args = job.Args; job.IsRaw {
		r.raw.Args = job.Raw
	}
	left, cause := r.raw.Timeout, ErrTimeout
	if job.Deadline != 0 {
		if until := max(r.untilDeadline(job), 1); left == 0 || until < left {
			left, cause = until, ErrDeadline
		}
	}
	if left > 0 {
		r.ctx.setLimit(time.Now().Add(left), cause)
		r.timer = time.AfterFunc(left, func() { w.cancel(r, cause) })
	}
}

// untilDeadline is how long the job, which has a deadline, may still run.
func (r *run) untilDeadline(job *wire.Job) time.Duration {
	return time.UnixMilli(job.Deadline).Sub(r.q.fetcher.serverNow())
}

// isStarted tells whether its handler was called, or is about to be.
func (r *run) isStarted() bool { return r.raw.State == StateRunning }

// release frees what a run holds when its handler has ended. It returns the cause
// with which its context had ended before, or nil.
func (r *run) release() (cause error) {
	if r.timer != nil {
		r.timer.Stop()
	}
	cause = r.ctx.cause()
	r.ctx.release()
	return cause
}

// pick returns the first that is not zero.
func pick[T int | time.Duration](values ...T) T {
	for _, v := range values {
		if v != 0 {
			return v
		}
	}
	return 0
}

// call runs the handler and turns a panic into an error. A handler that ends its
// goroutine with runtime.Goexit is caught by the slot.
func call(ctx context.Context, h Handler, job *RawJob) (err error) {
	panicked := true
	defer func() {
		if v := recover(); panicked && v != nil {
			err = &PanicError{Value: v, Stack: ownStack(debug.Stack())}
		}
	}()
	err = h(ctx, job)
	if err != nil {
		// An error that panics when it is read is such a failure too.
		_ = errors.Is(err, ErrTimeout)
		_ = err.Error()
	}
	panicked = false
	return err
}

// ownStack leaves out the frames of recovering, which are the first.
func ownStack(stack []byte) []byte {
	_, own, found := bytes.Cut(stack, []byte("\npanic("))
	for range 2 { // the line of panic and its file
		_, own, _ = bytes.Cut(own, []byte("\n"))
	}
	if !found || len(own) == 0 {
		return stack
	}
	return own
}

var v1Decoding = jsonv1.DefaultOptionsV1()

// decodeArgs decodes as encoding/json does.
func decodeArgs(data []byte, to any) error { return json.Unmarshal(data, to, v1Decoding) }

// cancel ends the context of a run, and watches whether its handler heeds that.
func (w *Worker) cancel(r *run, cause error) {
	if !r.ctx.end(cause) {
		return
	}
	after := min(max(w.cfg.Grace/5, time.Second), 5*time.Second)
	ended := time.Now()
	time.AfterFunc(after, func() {
		f := r.q.fetcher
		f.mu.Lock()
		stuck, address, goroutine := !r.ended, r.address(), r.goroutine
		if stuck && goroutine != 0 { // else it has not begun
			if f.late == nil {
				f.late = map[*run]time.Time{}
			}
			f.late[r] = ended
		}
		f.mu.Unlock()
		if stuck {
			w.log.Warn("tasuki: handler ignores the end of its context; its slot stays taken",
				"address", address, "cause", cause, "for", after, "stack", f.stacks.of(goroutine))
		}
	})
}

// named returns the id of a job whose element has none: the one that it was given
// first.
func (r *run) named(id string) string {
	f := r.q.fetcher
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.id == "" {
		r.id = id
	}
	return r.id
}

// address is QUEUE/ID. It parses the element anew, as most jobs are never asked.
// fetcher.mu is held.
func (r *run) address() string {
	if r.id == "" {
		j, _ := wire.Parse(r.element)
		r.id = j.ID
	}
	return r.q.name + "/" + r.id
}

// waitFence returns the run's fence, or 0 if it was lost before that was known.
func (r *run) waitFence() int64 {
	if r.handed != nil {
		select {
		case <-r.handed:
		case <-r.ctx.Done():
			select {
			case <-r.handed:
			default:
				return 0
			}
		}
	}
	r.q.fetcher.mu.Lock()
	defer r.q.fetcher.mu.Unlock()
	return r.fence
}

// runContext is the context of one run. Most handlers of short jobs never look at
// it, so it costs nothing until somebody does: then it becomes a context of the
// standard library's making, to which it passes everything on. That is what
// context.Cause and contexts made from it see.
type runContext struct {
	run      *run
	base     context.Context // the values of Run's context
	mu       sync.Mutex
	deadline time.Time
	limit    error           // the cause with which the deadline ends it
	ended    error           // the cause, once it has ended
	real     context.Context // nil until somebody looks
	cancel   context.CancelCauseFunc
}

var _ context.Context = (*runContext)(nil)

func (c *runContext) made() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real != nil {
		return c.real
	}
	c.real, c.cancel = context.WithCancelCause(c.base)
	if c.ended != nil && c.ended != c.limit {
		c.cancel(c.ended)
	}
	if !c.deadline.IsZero() {
		c.limitReal()
	}
	return c.real
}

// limitReal gives the real context the deadline. Its end is that of a deadline, as
// database drivers and others expect it, with a cause of ours. c.mu is held.
func (c *runContext) limitReal() {
	timed, stop := context.WithDeadlineCause(c.real, c.deadline, c.limit)
	cancel := c.cancel
	c.real, c.cancel = timed, func(cause error) { cancel(cause); stop() }
}

// end ends the context; false if it had ended.
func (c *runContext) end(cause error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil {
		return false
	}
	c.ended = cause
	if c.cancel != nil && cause != c.limit { // a deadline ends it by itself
		c.cancel(cause)
	}
	return true
}

// release frees what the context holds when the handler has returned.
func (c *runContext) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended == nil {
		c.ended = context.Canceled // for who looks only now
	}
	if c.cancel != nil {
		c.cancel(context.Canceled)
	}
}

// cause is with what the context has ended, or nil. A deadline can have ended the
// real context a moment before the timer that calls end.
func (c *runContext) cause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended == nil && c.real != nil && c.real.Err() != nil {
		return context.Cause(c.real)
	}
	return c.ended
}

// setLimit has it end at a time, with a cause. It is called before the handler.
func (c *runContext) setLimit(t time.Time, cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline, c.limit = t, cause
	if c.real != nil { // who has opened the record has looked already
		c.limitReal()
	}
}

// Deadline implements context.Context.
func (c *runContext) Deadline() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.deadline, !c.deadline.IsZero()
}

// Done implements context.Context.
func (c *runContext) Done() <-chan struct{} { return c.made().Done() }

// Err implements context.Context.
func (c *runContext) Err() error {
	c.mu.Lock()
	quiet := c.real == nil && c.ended == nil
	c.mu.Unlock()
	if quiet {
		return nil
	}
	return c.made().Err()
}

// Value implements context.Context. Package context asks with a key of its own,
// a pointer to an int, for what context.Cause and derived contexts need; it gets
// that from the real context.
func (c *runContext) Value(key any) any {
	switch key.(type) {
	case *int:
		return c.made().Value(key)
	case runKey:
		return c.run
	}
	return c.base.Value(key)
}
