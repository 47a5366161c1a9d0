package top

import (
	"context"

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
	Count(ctx context.Context, q inspect.Query) (inspect.Count, error)
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
	// Act does something to jobs that were found, ActAll to all that a query means.
	Act(ctx context.Context, do inspect.Action, jobs []inspect.Job) (Outcome, error)
	ActAll(ctx context.Context, do inspect.Action, q inspect.Query) (Outcome, error)
	// Do does something to what has a name.
	Do(ctx context.Context, do Verb, name string) (Outcome, error)
}

// Verb is what can be done to something other than a job.
type Verb string

// The verbs, and whose name belongs to each.
const (
	PauseQueue    Verb = "pause queue"
	ResumeQueue   Verb = "resume queue"
	QuietWorker   Verb = "quiet worker" // its ID
	StopWorker    Verb = "stop worker"  // its ID
	PauseEntry    Verb = "pause entry"  // a periodic one
	ResumeEntry   Verb = "resume entry"
	RunEntry      Verb = "run entry"
	ForgetFailure Verb = "forget failure" // its fingerprint
)

// Outcome is what has become of a change.
type Outcome struct {
	Did     string // what was done, such as "retried 2 jobs"
	Skipped int    // have moved or ended meanwhile
	Refused int    // were refused; the error says why the last was
}
