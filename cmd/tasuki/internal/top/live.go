package top

import (
	"context"
	"errors"
	"fmt"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/cron"
	"github.com/tasuki-dev/tasuki/inspect"
)

// Live is the namespace of a client, as all that is shown and changed. Close ends the operations that
// were begun by it.
type Live struct {
	*inspect.Inspector
	entries *cron.Table
	by      string
}

var (
	_ Source     = (*Live)(nil)
	_ Finder     = (*Live)(nil)
	_ Ledger     = (*Live)(nil)
	_ Statistics = (*Live)(nil)
	_ Changer    = (*Live)(nil)
)

// NewLive returns what the client reaches. by is who acts, for others to read.
func NewLive(client *tasuki.Client, by string) *Live {
	return &Live{inspect.New(client).As(by), cron.New(client), by}
}

// Leave ends the operations that were begun by it, so that others can go on with them at once, and
// returns those that are not done. If Redis does not answer by the end of ctx it gives up, and these
// are all that ran; heard is false then.
func (l *Live) Leave(ctx context.Context) (left []string, heard bool) {
	running := l.Running()
	ended := make(chan []string, 1)
	go func() { ended <- l.end(ctx, running) }()
	select {
	case left = <-ended:
		return left, true
	case <-ctx.Done():
		return running, false
	}
}

func (l *Live) end(ctx context.Context, running []string) (left []string) {
	l.Close()
	for _, id := range running {
		if o, err := l.Operation(ctx, id); err != nil || !o.HasEnded() || o.State == inspect.OperationInterrupted {
			left = append(left, id)
		}
	}
	return left
}

// How much is shown of what there can be many of.
const (
	mostFailures = 200
	mostEntries  = 1000
)

// Failures implements Source.
func (l *Live) Failures(ctx context.Context) ([]inspect.Failure, error) {
	return l.Inspector.Failures(ctx, inspect.FailureQuery{Limit: mostFailures})
}

// Schedules implements Source.
func (l *Live) Schedules(ctx context.Context) ([]*cron.Status, error) {
	var all []*cron.Status
	for s, err := range l.entries.List(ctx) {
		if err != nil {
			return nil, err
		}
		if all = append(all, s); len(all) == mostEntries {
			break
		}
	}
	return all, nil
}

// Job implements Finder.
func (l *Live) Job(ctx context.Context, address string) (Detail, error) {
	w, err := l.Why(ctx, address, nil)
	if err != nil {
		return Detail{}, err
	}
	d := Detail{Why: w.Reasons}
	if w.Job == nil {
		return d, nil
	}
	d.Job = *w.Job
	if d.Job.Recorded {
		d.Log, err = l.Log(ctx, w.Address, 0)
		if errors.Is(err, inspect.ErrNotFound) { // it has just gone
			err = nil
		}
	}
	return d, err
}

// did are the actions when they are done.
var did = map[inspect.Action]string{inspect.Retry: "retried", inspect.Cancel: "cancelled", inspect.Remove: "deleted", inspect.Move: "moved", inspect.Edit: "changed",
	inspect.Reschedule: "rescheduled", "undo": "brought back"}

// Act implements Changer.
func (l *Live) Act(ctx context.Context, t inspect.Task, jobs []inspect.Job) (Outcome, error) {
	var errs []error
	switch t.Action {
	case inspect.Move:
		errs = l.Move(ctx, t.To, jobs...)
	case inspect.Edit:
		errs = l.Edit(ctx, *t.Changes, jobs...)
	default:
		errs = l.Inspector.Act(ctx, t.Action, jobs...)
	}
	var acted inspect.Acted
	var last error
	for _, err := range errs {
		switch {
		case err == nil:
			acted.Done++
		case errors.Is(err, inspect.ErrMoved), errors.Is(err, tasuki.ErrEnded), errors.Is(err, inspect.ErrReady):
			acted.Skipped++
		default:
			acted.Refused++
			last = err
		}
	}
	return outcome(t, acted), last
}

func outcome(t inspect.Task, acted inspect.Acted) Outcome {
	o := Outcome{Skipped: int(acted.Skipped), Refused: int(acted.Refused)}
	if acted.Done > 0 {
		o.Did = did[t.Action] + " " + count(int64(acted.Done), "job")
		if t.To != "" {
			o.Did += " to " + t.To
		}
	}
	return o
}

// Do implements Changer.
func (l *Live) Do(ctx context.Context, do Verb, name string) (Outcome, error) {
	var o Outcome
	var err error
	switch do {
	case PauseQueue:
		o.Did, err = "paused "+name, l.Pause(ctx, name, l.by)
	case ResumeQueue:
		o.Did, err = "resumed "+name, l.Resume(ctx, name)
	case QuietWorker:
		o.Did, err = "quieted "+name, l.Quiet(ctx, name)[0]
	case StopWorker:
		o.Did, err = "told "+name+" to stop", l.Stop(ctx, name)[0]
	case PauseEntry:
		o.Did, err = "paused "+name, l.noted(ctx, "pause schedule", name, l.entries.Pause(ctx, name, l.by))
	case ResumeEntry:
		o.Did, err = "resumed "+name, l.noted(ctx, "resume schedule", name, l.entries.Resume(ctx, name))
	case RunEntry:
		var address string
		address, err = l.entries.RunNow(ctx, name)
		err = l.noted(ctx, "run schedule", name, err)
		o.Did = "asked for " + address
	case ForgetFailure:
		o.Did, err = "forgot "+name, l.Forget(ctx, name)
	case CancelOperation:
		o.Did, err = "the operation ends", l.Inspector.CancelOperation(ctx, name)
	default:
		err = fmt.Errorf("%q: allowed are the verbs of this package", do)
	}
	if err != nil {
		return Outcome{}, err
	}
	return o, nil
}

// noted writes into the audit trail what was done to a periodic entry, or why it was not: err.
func (l *Live) noted(ctx context.Context, what, name string, err error) error {
	return l.Noted(ctx, inspect.AuditEntry{What: what, Target: name, Count: 1}, err)
}
