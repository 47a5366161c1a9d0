package tasuki

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"time"

	"github.com/tasuki-dev/tasuki/internal/source"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// DefaultBackoff is the delay after a failed attempt, of which job.Attempt is
// the number, 1 for the first:
//
//	5 s · 1.7^(attempt-1) · a random factor of 0.8 to 1.2
//
// The first is about 5 s, the 10th about 10 minutes, the 19th about 19 hours: 20
// attempts spread over about two days. It stays at 24 hours for later ones. The
// random factor keeps apart what failed together.
func DefaultBackoff(job Info, _ error) time.Duration {
	d := 5 * math.Pow(1.7, float64(max(job.Attempt, 1)-1))
	d = min(d, (24 * time.Hour).Seconds())
	return time.Duration(d * (0.8 + 0.4*rand.Float64()) * float64(time.Second))
}

// decide says what becomes of a job from what its handler returned, and from the
// cause with which its context had ended, if it had. It is the only place that
// does.
func (w *Worker) decide(r *run, cause, err error) source.Outcome {
	if err == nil { // whatever happened to the context
		return w.finish(r, source.Done, nil)
	}
	var v *verdict
	errors.As(err, &v)
	job := r.parse()
	switch {
	case cause == ErrLeaseLost:
		return source.Outcome{Tag: r.tag, State: source.Release} // nobody will read it
	case cause == ErrCancelled:
		w.logOutcome(r, &job, slog.LevelInfo, "tasuki: job cancelled", err)
		return w.finish(r, source.Cancelled, err)
	case v != nil && v.verb == "kill":
		job.Attempts++
		return w.bury(r, &job, "killed", err)
	case v != nil && v.verb == "snooze" && cause != ErrDeadline:
		if late := r.tooLate(&job, v.delay); late != "" {
			return w.bury(r, &job, late, nil)
		}
		return w.keep(r, &job, source.Snooze, v.delay, v.text, nil)
	case cause == ErrStopping:
		return w.release(r)
	}
	if (cause == ErrTimeout || cause == ErrDeadline) && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	job.Attempts++
	if cause == ErrDeadline {
		return w.bury(r, &job, deadlinePassed, err)
	}
	if r.raw.MaxAttempts > 0 && job.Attempts >= r.raw.MaxAttempts {
		return w.bury(r, &job, "out of attempts", err)
	}
	var delay time.Duration
	if v != nil {
		delay = v.delay
	} else {
		delay = w.backoff(r, err)
	}
	if late := r.tooLate(&job, delay); late != "" {
		return w.bury(r, &job, late, err)
	}
	w.logOutcome(r, &job, slog.LevelWarn, "tasuki: job failed", err, "attempt", job.Attempts, "retry_in", delay)
	return w.keep(r, &job, source.Retry, delay, "failed", err)
}

// deadlinePassed is the reason of a job that is dead because of Opts.Deadline.
const deadlinePassed = "deadline passed"

// tooLate says why the job may not be run after a delay; "" if it may.
func (r *run) tooLate(job *wire.Job, delay time.Duration) string {
	if job.Deadline == 0 {
		return ""
	}
	switch left := r.untilDeadline(job); {
	case left <= 0:
		return deadlinePassed
	case left <= delay:
		return "the next attempt would begin after the deadline"
	}
	return ""
}

// decideTooLate is for a job with limits that would begin now; false if it may.
// Whatever waits for a first start still has its expiry: who keeps a job that was
// started takes it out.
func (w *Worker) decideTooLate(r *run, job *wire.Job) (source.Outcome, bool) {
	if job.ExpireAt != 0 && r.q.fetcher.serverNow().UnixMilli() >= job.ExpireAt {
		w.logOutcome(r, job, slog.LevelInfo, "tasuki: job expired", nil)
		return w.finish(r, source.Expired, nil), true
	}
	if late := r.tooLate(job, 0); late != "" {
		return w.bury(r, job, late, nil), true
	}
	return source.Outcome{}, false
}

// backoff asks the kind, then the worker. What comes back is bounded, for a
// negative or endless delay is a mistake that would lose the job from sight.
func (w *Worker) backoff(r *run, err error) (d time.Duration) {
	defer func() {
		if v := recover(); v != nil {
			w.log.Error("tasuki: Backoff panicked; the default is used", "kind", r.raw.Kind, "panic", v)
			d = DefaultBackoff(r.raw.Info, err)
		}
	}()
	f := w.cfg.Backoff
	if r.route.backoff != nil {
		f = r.route.backoff
	}
	return min(max(f(r.raw.Info, err), 0), maxDelay)
}

// decideUnroutable is for a job that this worker has no handler for; err is what
// its element is. A raw job nobody here understands, and says so; a kind may be
// one of a newer worker, which is asked later. Neither is a failed attempt.
func (w *Worker) decideUnroutable(r *run, job *wire.Job, err error) source.Outcome {
	future := errors.Is(err, wire.ErrFuture)
	if job.IsRaw && !future {
		reason := "no handler for raw jobs"
		if err != nil {
			reason += ": " + err.Error()
		}
		return w.bury(r, job, reason, nil)
	}
	what := fmt.Sprintf("kind %s", job.Kind)
	if future {
		what = "a newer version of the format"
	}
	now := r.q.fetcher.serverNow()
	if job.UnknownSince == 0 {
		job.UnknownSince = now.UnixMilli()
	}
	if age := now.Sub(time.UnixMilli(job.UnknownSince)); age > w.cfg.UnknownFor {
		return w.bury(r, job, fmt.Sprintf("no worker has taken %s for %v", what, w.cfg.UnknownFor), nil)
	}
	w.warnOnce("unknown "+r.q.name+" "+job.Kind, "tasuki: no handler here for "+what+"; its jobs are put back for another worker",
		"queue", r.q.name, "kind", job.Kind, "id", job.ID)
	// One second, then more and more, half a minute at most: a rollout lasts
	// minutes, and this worker may be the only one to ask.
	delay := min(time.Second<<min(job.Unknown, 5), 30*time.Second)
	job.Unknown++
	return w.keep(r, job, source.Unknown, delay, "no handler for "+what, nil)
}

// finish ends the job.
func (w *Worker) finish(r *run, state source.State, err error) source.Outcome {
	o := source.Outcome{Tag: r.tag, State: state}
	if !r.recorded() {
		return o
	}
	if rec := r.rec; !rec.kept {
		o.Record = &source.Record{ID: rec.pointer.ID, Lock: rec.pointer.Lock, Ended: true}
		_, o.Record.Plain = rec.takeAll()
		return o
	}
	job := r.parse()
	job.Reason, job.Error = "", ""
	if err != nil {
		job.Error = err.Error()
	}
	return r.settled(o, &job, err)
}

// keep writes the job anew, to be run after a delay.
func (w *Worker) keep(r *run, job *wire.Job, state source.State, delay time.Duration, reason string, err error) source.Outcome {
	job.Reason = reason
	if err != nil {
		job.Error = err.Error()
		r.q.fetcher.stats.noteFailure(r, err)
	}
	if state != source.Unknown {
		job.Unknown, job.UnknownSince = 0, 0 // somebody has had a handler
		job.ExpireAt = 0                     // it was started
	}
	o := source.Outcome{Tag: r.tag, State: state, Delay: min(max(delay, 0), maxDelay)}
	if r.recorded() {
		return r.settled(o, job, err)
	}
	job.Token = wire.NewToken()
	o.Element = job.Element()
	return o
}

// bury writes the job anew, dead.
func (w *Worker) bury(r *run, job *wire.Job, reason string, err error) source.Outcome {
	w.logOutcome(r, job, slog.LevelError, "tasuki: job dead", err, "reason", reason, "attempt", job.Attempts)
	return w.keep(r, job, source.Dead, 0, reason, err)
}

// release puts the job back at the head as it is. The bytes of an element that
// was never kept elsewhere go back to where they were found. One that was started
// and could expire is written anew, so that it does not.
func (w *Worker) release(r *run) source.Outcome {
	job := r.parse()
	element := r.element
	if job.ExpireAt != 0 && r.route != nil {
		job.ExpireAt, job.Token = 0, wire.NewToken()
		element = job.Element()
	}
	o := source.Outcome{Tag: r.tag, State: source.Release, Element: element, Found: job.Token == "", Suspect: job.Crashes >= suspectCrashes}
	if r.rec == nil && r.opened != nil && r.opened.What == "run" { // it was noted as running, and was not begun
		o.Record, o.Found = &source.Record{ID: job.ID, Lock: job.Lock, Gen: job.Rec}, false
		return o
	}
	o = r.settled(o, nil, nil)
	if o.Record != nil && element != r.element {
		o.Record.Fields = append(o.Record.Fields, "job", job.Body())
	}
	return o
}

func (w *Worker) logOutcome(r *run, job *wire.Job, level slog.Level, message string, err error, attrs ...any) {
	ctx := r.ctx.base
	if !w.log.Enabled(ctx, level) {
		return
	}
	attrs = append(attrs, "queue", r.q.name, "id", job.ID, "kind", job.Kind)
	if p, ok := err.(*PanicError); ok {
		attrs = append(attrs, "err", p.short(), "stack", string(p.Stack))
	} else if err != nil {
		attrs = append(attrs, "err", err)
	}
	w.log.Log(ctx, level, message, attrs...)
}

// settle takes an outcome for the next exchange.
func (f *fetcher) settle(q *queue, o source.Outcome) {
	f.out++
	if o.State == source.Done && o.Record == nil {
		q.done = append(q.done, o.Tag)
	} else {
		q.outcomes = append(q.outcomes, o)
	}
}

// noteSettled notes what an exchange has settled, and what was refused.
func (f *fetcher) noteSettled(x *exchange) {
	q := x.q
	q.recent.add(x.req.Done, x.req.Outcomes)
	refused := len(x.reply.Refused)
	if x.reply.Lost == 0 {
		refused += len(x.req.Done) - x.reply.Settled // of these only the number is told
		if q.resent {
			refused = 0 // it was done the first time, and only the reply was lost
		}
	}
	q.resent = false
	if refused > 0 {
		f.w.log.Warn("tasuki: outcomes were refused: the jobs belong to other workers now, and run again", "queue", q.name, "jobs", refused)
	}
}
