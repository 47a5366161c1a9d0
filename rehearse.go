package tasuki

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tasuki-dev/tasuki/internal/bridge"
	"github.com/tasuki-dev/tasuki/internal/source"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// A rehearsal is what a Client or a Worker does with one job, without Redis: the
// same steps, and their outcome is told and not sent. It is what package
// tasukitest stands on.

// rehearseEnqueue checks a Spec and makes its element as a Client does.
func rehearseEnqueue(s *Spec, maxPayload int, now time.Time) (Info, string, error) {
	if maxPayload <= 0 {
		maxPayload = ClientConfig{}.withDefaults().MaxPayload
	}
	if err := s.check(maxPayload, now); err != nil {
		return Info{}, "", err
	}
	var (
		job wire.Job
		to  Info
	)
	s.fill(&job, &to, now)
	return to, job.Element(), nil
}

// rehearsed numbers the runs of this process that no Redis has numbered.
var rehearsed atomic.Int64

// rehearse runs an element as w would that has just claimed it from a queue. The
// end of ctx is that of the handler's context, with its cause.
func (w *Worker) rehearse(ctx context.Context, queueName, element string, notes *bridge.Notes) (bridge.Rehearsed, error) {
	if w.queue[queueName] == nil {
		return bridge.Rehearsed{}, fmt.Errorf("the worker takes no jobs of queue %q: WorkerConfig.Queues has %s",
			queueName, strings.Join(slices.Sorted(maps.Keys(w.queue)), ", "))
	}
	w.mu.Lock()
	if !w.ran { // as in Run: handlers are complete now
		w.ran = true
		w.wrapHandlers()
	}
	w.mu.Unlock()

	r := &run{q: &queue{name: queueName, fetcher: &fetcher{w: w}}, element: element, fence: rehearsed.Add(1), lone: true, goroutine: goroutineID()}
	r.ctx.run, r.ctx.base = r, context.WithoutCancel(ctx)
	if notes != nil {
		r.rec = &recording{rehearsed: true, waiting: true, cursor: notes.Cursor}
	}
	end := func() { w.cancel(r, endCause(ctx)) }
	if ctx.Err() != nil {
		end() // before it begins, not beside it
	}
	stop := context.AfterFunc(ctx, end)
	defer stop()
	defer func() { // also when the handler ends the goroutine
		r.release()
		f := r.q.fetcher
		f.mu.Lock()
		defer f.mu.Unlock()
		r.ended = true
	}()
	began := w.began()
	o, err := w.perform(r)
	w.tellEnd(r, o, err, began)
	if notes != nil {
		r.rec.tell(notes)
	}
	if r.ctx.cause() == ErrLeaseLost {
		o = source.Outcome{} // a worker that has lost the job writes nothing
	}
	return bridge.Rehearsed{State: o.State, Delay: o.Delay, Element: o.Element, Err: err, Info: r.after(o)}, nil
}

// tell notes what a rehearsed job has said of itself.
func (rec *recording) tell(notes *bridge.Notes) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	notes.Cursor, notes.Result, notes.Progress = rec.cursor, rec.result, rec.progress
	for n := max(rec.lines-maxLines, 0) + 1; n <= rec.lines; n++ {
		_, line, _ := strings.Cut(rec.pending["log."+strconv.FormatInt(n%maxLines, 10)], " ")
		notes.Lines = append(notes.Lines, line)
	}
}

// endCause is with what a handler's context ends when ctx has: its cause, if that
// comes from outside of a worker, else as if the worker stopped.
func endCause(ctx context.Context) error {
	if cause := context.Cause(ctx); cause == ErrCancelled || cause == ErrLeaseLost {
		return cause
	}
	return ErrStopping
}

var _ = func() bool {
	bridge.RehearseEnqueue = func(spec any, maxPayload int, now time.Time) (any, string, error) {
		return rehearseEnqueue(spec.(*Spec), maxPayload, now)
	}
	bridge.IsRecorded = func(spec any) bool { return spec.(*Spec).Opts.recorded() }
	bridge.Existed = func(info any) any { return existed(info.(Info)) }
	bridge.Rehearse = func(ctx context.Context, worker any, queue, element string, notes *bridge.Notes) (bridge.Rehearsed, error) {
		return worker.(*Worker).rehearse(ctx, queue, element, notes)
	}
	return true
}()
