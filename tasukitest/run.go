package tasukitest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/bridge"
	"github.com/tasuki-dev/tasuki/internal/source"
)

// NewWorker returns a worker for Run. It has no Redis and does not log, unless cfg
// (nil is the defaults) has a Logger. It panics if something is wrong with cfg, as
// that is part of the test.
//
// A program that sets its handlers in a function of its own, which takes a
// *tasuki.Worker, has that function tested too.
func NewWorker(cfg *tasuki.WorkerConfig) *tasuki.Worker {
	client, err := tasuki.Open("redis://localhost", &tasuki.ClientConfig{
		Logger: slog.New(slog.DiscardHandler),
		Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("a worker of tasukitest.NewWorker has no redis: it is for tasukitest.Run")
		},
	})
	if err != nil {
		panic("tasukitest: NewWorker: " + err.Error())
	}
	w, err := tasuki.NewWorker(client, cfg)
	if err != nil {
		panic("tasukitest: NewWorker: " + err.Error())
	}
	return w
}

// Outcome is what becomes of a job after a run. The words are those under which a
// queue counts them.
type Outcome string

// The outcomes of a run.
const (
	Done      Outcome = "done"      // the handler has returned nil
	Retry     Outcome = "retry"     // a failed attempt; the next is after Delay
	Snooze    Outcome = "snooze"    // once more after Delay, and no attempt is counted
	Release   Outcome = "release"   // interrupted by a stop: back to the head of the queue
	Unknown   Outcome = "unknown"   // the worker has no handler; another is asked after Delay
	Dead      Outcome = "dead"      // out of attempts or time, killed, or raw without a handler: see Info.Reason
	Expired   Outcome = "expired"   // not run: it was to be started earlier (Opts.ExpireIn, ExpireAt)
	Cancelled Outcome = "cancelled" // with an error, after the context had ended with ErrCancelled
	Lost      Outcome = "lost"      // the context had ended with ErrLeaseLost: nothing is written
)

// Result is what a run has done with a job.
type Result struct {
	Outcome Outcome
	// Delay is how long the job rests after Retry, Snooze and Unknown.
	Delay time.Duration
	// Err is what the handler has returned through all middlewares: nil, its
	// error, a *tasuki.PanicError. It is nil when there is no handler.
	Err error
	// Info is the job as it is now. Its Attempt is how many have failed; Reason
	// and Error are what people are shown.
	Info tasuki.Info

	// Of a job with a record (tasuki.Opts.Record): the value that the handler of a Func
	// has returned, as JSON; what SetProgress was called with last; and what it has
	// logged through tasuki.RecordLog. Its checkpoints Next passes on.
	Value    json.RawMessage
	Progress tasuki.Progress
	Log      []string

	worker   *tasuki.Worker
	element  string // as it is kept; empty when the job has ended
	recorded bool
	cursor   []byte
}

// Run enqueues a job and has a worker run it, once, on the calling goroutine,
// without Redis. Arguments are encoded, written as an element, read and decoded;
// middlewares, OnChange, timeouts, backoff and the limit of attempts are those that
// the worker has for this job. Times are not waited for: In and At of the job say
// nothing here. Deadline and expiry are compared with the clock of the test, which
// testing/synctest can set forth before Next or RunElement.
//
// When ctx ends, so does the handler's context: with its cause if that is
// tasuki.ErrCancelled or tasuki.ErrLeaseLost, else with tasuki.ErrStopping. So what
// a handler does when it is interrupted can be tested:
//
//	ctx, cancel := context.WithCancelCause(t.Context())
//	cancel(tasuki.ErrCancelled)
//
// The error says that there was no run: the job was refused as a Client does it,
// or its queue is none of the worker's. After the first call no handler can be
// added to the worker, and it cannot be run itself.
func Run(ctx context.Context, w *tasuki.Worker, spec tasuki.Spec) (*Result, error) {
	info, element, err := bridge.RehearseEnqueue(&spec, 0, time.Now())
	if err != nil {
		return nil, fmt.Errorf("tasukitest: %w", err)
	}
	return run(ctx, w, info.(tasuki.Info).Queue, element, bridge.IsRecorded(&spec), nil)
}

// RunFunc is Run for a tasuki.Func: it returns the value of the run as well, the zero value
// if its outcome is not Done.
func RunFunc[A, R any](ctx context.Context, w *tasuki.Worker, f tasuki.Func[A, R], args A) (R, *Result, error) {
	var value R
	result, err := Run(ctx, w, f.Spec(args))
	if err == nil && result.Outcome == Done {
		if err = json.Unmarshal(result.Value, &value); err != nil {
			err = fmt.Errorf("tasukitest: the value of %s: %w", f.Name(), err)
		}
	}
	return value, result, err
}

// RunElement is Run for an element as any program may have pushed it: a raw job,
// or a job object of another writer. queue is "list:KEY" for a list of another
// program.
func RunElement(ctx context.Context, w *tasuki.Worker, queue, element string) (*Result, error) {
	return run(ctx, w, queue, element, false, nil)
}

func run(ctx context.Context, w *tasuki.Worker, queue, element string, recorded bool, cursor []byte) (*Result, error) {
	var notes *bridge.Notes
	if recorded {
		notes = &bridge.Notes{Cursor: cursor}
	}
	after, err := bridge.Rehearse(ctx, w, queue, element, notes)
	if err != nil {
		return nil, fmt.Errorf("tasukitest: %w", err)
	}
	r := &Result{
		Outcome: outcome(after.State), Delay: after.Delay, Err: after.Err, Info: after.Info.(tasuki.Info),
		worker: w, element: after.Element, recorded: recorded,
	}
	if recorded {
		r.Value, r.Progress, r.Log, r.cursor = notes.Result, notes.Progress.(tasuki.Progress), notes.Lines, notes.Cursor
	}
	return r, nil
}

func outcome(state source.State) Outcome {
	if state == "" {
		return Lost
	}
	return Outcome(state)
}

// Next runs the job again, as it was kept, without waiting for Delay. It returns an
// error when the job is not to be run again.
//
//	for result.Outcome == tasukitest.Retry {
//		result, err = result.Next(ctx)
//	}
func (r *Result) Next(ctx context.Context) (*Result, error) {
	if r.element == "" || r.Outcome == Dead {
		return nil, fmt.Errorf("tasukitest: the job is not run again: its outcome was %s", r.Outcome)
	}
	return run(ctx, r.worker, r.Info.Queue, r.element, r.recorded, r.cursor)
}

// Finish runs the job again until it is not to be run any more: done, dead, or whatever else
// ends it. Delays are not waited for.
func (r *Result) Finish(ctx context.Context) (*Result, error) {
	for r.Outcome == Retry || r.Outcome == Snooze {
		next, err := r.Next(ctx)
		if err != nil {
			return r, err
		}
		r = next
	}
	return r, nil
}

// Inline is an Enqueuer that runs each job at once, on the goroutine that enqueues it, until
// it has ended: for a test of a program in which nothing else is to wait. The Info of each
// says how it has ended, its Reason and Error why. Times are not waited for; a job that is
// enqueued by a handler with the same Inline runs within that one's run.
//
// What a Client refuses, it refuses too; an error is also that the worker takes no jobs of
// the queue.
type Inline struct{ Worker *tasuki.Worker }

var _ tasuki.Enqueuer = Inline{}

// EnqueueMany runs the jobs, one after the other.
func (i Inline) EnqueueMany(ctx context.Context, specs []tasuki.Spec) ([]tasuki.Info, error) {
	infos, errs, failed := make([]tasuki.Info, len(specs)), make([]error, len(specs)), false
	for n, spec := range specs {
		// The end of ctx is not that of the job: in a program another process runs it.
		result, err := Run(context.WithoutCancel(ctx), i.Worker, spec)
		if err == nil {
			result, err = result.Finish(context.WithoutCancel(ctx))
		}
		if err != nil {
			errs[n], failed = err, true
			continue
		}
		infos[n] = result.Info
	}
	if failed {
		return infos, &tasuki.ManyError{Errs: errs}
	}
	return infos, nil
}
