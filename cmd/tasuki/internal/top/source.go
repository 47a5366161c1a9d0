package top

import (
	"context"
	"time"

	"github.com/tasuki-dev/tasuki/cron"
	"github.com/tasuki-dev/tasuki/inspect"
)

// Source is what is looked at, but for jobs. What a call costs Redis does not depend on how
// many jobs there are.
type Source interface {
	Stats(ctx context.Context) (*inspect.Stats, error)
	Workers(ctx context.Context) ([]inspect.Worker, error)
	Failures(ctx context.Context) ([]inspect.Failure, error) // the last first
	Schedules(ctx context.Context) ([]*cron.Status, error)
}

// Finder finds jobs. The work of a call is bounded, however many there are.
type Finder interface {
	Find(ctx context.Context, q inspect.Query, cursor string) (inspect.Page, error)
	// Preview counts the jobs to which something would be done, and says why it could not be
	// undone; "" if it can.
	Preview(ctx context.Context, t inspect.Task, q inspect.Query) (meant inspect.Count, noUndo string, err error)
	// Job finds a job by its address, and says why it is where it is. Detail.Job has no ID if
	// it was not found.
	Job(ctx context.Context, address string) (Detail, error)
}

// Detail is all that is known of a job.
type Detail struct {
	Job inspect.Job
	Why []inspect.Reason // the first decides
	Log []inspect.LogLine
}

// Changer changes what capital letters ask it to.
type Changer interface {
	// Act does something to jobs that were found.
	Act(ctx context.Context, t inspect.Task, jobs []inspect.Job) (Outcome, error)
	// Operate begins something that is done to all that a query means, Continue goes on with one
	// that nobody runs, Undo begins what takes one back. Each goes on while this process lives.
	Operate(ctx context.Context, t inspect.Task, q inspect.Query) (inspect.Operation, error)
	Continue(ctx context.Context, operation string) (inspect.Operation, error)
	Undo(ctx context.Context, operation string) (inspect.Operation, error)
	// Do does something to what has a name.
	Do(ctx context.Context, do Verb, name string) (Outcome, error)
}

// Ledger is what was done: operations, the audit trail, marks.
type Ledger interface {
	Operations(ctx context.Context) ([]inspect.Operation, error) // the last first
	Operation(ctx context.Context, id string) (inspect.Operation, error)
	Await(ctx context.Context, id string) (inspect.Operation, error) // returns when it has ended
	Audit(ctx context.Context, cursor string, limit int) (inspect.AuditPage, error)
	Marks(ctx context.Context, from, to time.Time) ([]inspect.MarkEntry, error) // the oldest first
}

// Statistics are what workers have counted.
type Statistics interface {
	Kinds(ctx context.Context, queue string, since time.Time) ([]inspect.KindStats, time.Time, error)
	History(ctx context.Context, q inspect.HistoryQuery) ([]inspect.Point, error)
}

// Verb is what can be done to something other than a job.
type Verb string

// The verbs, and whose name belongs to each.
const (
	PauseQueue      Verb = "pause queue"
	ResumeQueue     Verb = "resume queue"
	QuietWorker     Verb = "quiet worker" // its ID
	StopWorker      Verb = "stop worker"  // its ID
	PauseEntry      Verb = "pause entry"  // a periodic one
	ResumeEntry     Verb = "resume entry"
	RunEntry        Verb = "run entry"
	ForgetFailure   Verb = "forget failure"   // its fingerprint
	CancelOperation Verb = "cancel operation" // its ID
)

// Outcome is what has become of a change.
type Outcome struct {
	Did     string // what was done, such as "retried 2 jobs"
	Skipped int    // have moved or ended meanwhile
	Refused int    // were refused; the error says why the last was
	// Began is an operation that was begun, if not nil: it goes on.
	Began *inspect.Operation
}
