package tasuki

import (
	"runtime/debug"
	"time"

	"github.com/tasuki-dev/tasuki/internal/source"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// Change is a step in the life of a job, as WorkerConfig.OnChange is told of it.
type Change struct {
	// Info is the job as the change leaves it: State is where it goes, Reason and
	// Error say why. Attempt is the attempt that begins or ends here, or how many
	// have failed if there is none.
	Info

	// From is StateRunning when an attempt ends, and for what a dead worker held;
	// else StateReady.
	From State
	// Outcome is how it went, in the words under which a queue counts it. It is empty
	// at the begin of an attempt, when State is StateRunning.
	//
	//	done, retry, snooze, release, dead, cancelled, expired
	//	unknown            no handler here: put back for another worker
	//	lost               the job belongs to others: nothing is written, and State is StateRunning
	//	crashed, stopped   a sweep puts back what a dead worker held, or buries it
	Outcome string

	Err      error         // what the handler has returned: nil without one, and in a sweep
	Delay    time.Duration // until DueAt, when it is to run again later
	Duration time.Duration // of the attempt that ends here
	Time     time.Time     // of this change, by the clock of this process
}

// tell calls OnChange, which is set.
func (w *Worker) tell(c Change) {
	defer func() {
		if v := recover(); v != nil {
			w.log.Error("tasuki: OnChange panicked; the job goes on", "queue", c.Queue, "id", c.ID, "kind", c.Kind,
				"panic", v, "stack", string(ownStack(debug.Stack())))
		}
	}()
	c.Time = time.Now()
	w.cfg.OnChange(c)
}

// tellBegin tells that an attempt begins.
func (w *Worker) tellBegin(r *run) {
	if w.cfg.OnChange != nil {
		w.tell(Change{Info: r.raw.Info, From: StateReady})
	}
}

// tellEnd tells what becomes of a job that has gone through perform since began.
func (w *Worker) tellEnd(r *run, o source.Outcome, err error, began time.Time) {
	if w.cfg.OnChange == nil {
		return
	}
	if r.ctx.cause() == ErrLeaseLost {
		o = source.Outcome{} // nobody will read it
	}
	c := Change{Info: r.after(o), From: StateReady, Outcome: string(o.State), Err: err, Delay: o.Delay}
	switch {
	case r.raw.State == StateRunning: // it was started
		c.From, c.Duration = StateRunning, time.Since(began)
		c.Attempt, c.MaxAttempts, c.Timeout = r.raw.Attempt, r.raw.MaxAttempts, r.raw.Timeout
	case o.State == source.Release || o.State == source.Stale || o.State == "":
		return // it did not begin, and is where it was
	}
	if o.State == "" {
		c.Outcome = "lost"
	}
	w.tell(c)
}

// tellSwept tells of what a sweep is about to put back.
func (w *Worker) tellSwept(queue string, back []store.PutBack) {
	if w.cfg.OnChange == nil {
		return
	}
	for _, b := range back {
		job, _ := wire.Parse(b.Element)
		if b.Was != 0 {
			job, _ = wire.Parse(b.Job)
			job.ID = b.ID
		}
		c := Change{Info: info(queue, &job), From: StateRunning, Outcome: b.As}
		c.State = State(b.To)
		w.tell(c)
	}
}

// began is when perform begins, if somebody is told how long it took.
func (w *Worker) began() (now time.Time) {
	if w.cfg.OnChange != nil {
		now = time.Now()
	}
	return now
}

// after is the job as an outcome leaves it: still running after none.
func (r *run) after(o source.Outcome) Info {
	job := r.parse()
	if kept := o.Job(); kept != "" && o.State != source.Release { // which is as it was found
		id := job.ID
		job, _ = wire.Parse(kept)
		if o.Record != nil {
			job.ID = id
		}
	}
	i := info(r.q.name, &job)
	switch o.State {
	case source.Retry, source.Snooze, source.Unknown:
		i.State, i.DueAt = StateRetry, time.Now().Add(o.Delay)
	case source.Release:
		if i.State = StateReady; o.Suspect {
			i.State = StateSuspect
		}
	case "":
		i.State = StateRunning
	default: // the ends of a job are called the same
		i.State = State(o.State)
	}
	return i
}
