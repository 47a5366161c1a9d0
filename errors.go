package tasuki

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki/internal/store"
)

// What Enqueue and other calls to Redis can return, beside the errors of the
// connection.
var (
	// ErrFull: Redis has no memory left and has refused the job.
	ErrFull = store.ErrFull
	// ErrUncertain: the reply was lost. The job was accepted, or it was not.
	// Enqueue it again with the same Opts.ID, or accept that it may run twice.
	ErrUncertain = store.ErrUncertain
	// ErrNotReplicated: the job is in, and runs, but fewer replicas than
	// ClientConfig.Replicas have confirmed in time that they have it: a failover
	// may lose it. Enqueue it again with the same Opts.ID, which waits for them
	// again, or accept that it may be lost or run twice. errors.Is takes it for
	// an ErrUncertain too.
	ErrNotReplicated = store.ErrNotReplicated
	// ErrRefused: Redis does not do a command for the user of the connection, or
	// for nobody; the error has its answer. deploy/acl has users with the rights that are needed.
	ErrRefused = store.ErrRefused
	// ErrUnsupported: an Enqueuer cannot honour an option; the error names it.
	ErrUnsupported = errors.New("not supported by this Enqueuer")
)

// The causes with which the context of a handler ends: context.Cause(ctx).
// errors.Is compares them.
var (
	// ErrStopping: the worker stops and its grace is over. With an error the
	// job goes back to the head of its queue, and no attempt is counted.
	ErrStopping = errors.New("the worker is stopping")
	// ErrTimeout: the attempt took longer than Opts.Timeout. With an error it
	// is a failed attempt.
	ErrTimeout = errors.New("the attempt took longer than its timeout")
	// ErrDeadline: Opts.Deadline has passed. With an error the job is dead.
	ErrDeadline = errors.New("the deadline of the job has passed")
	// ErrCancelled: somebody cancelled the job. With an error it ends as cancelled.
	ErrCancelled = errors.New("the job was cancelled")
	// ErrLeaseLost: the worker was taken for dead, and the job belongs to
	// another. Whatever the handler returns, nothing is written.
	ErrLeaseLost = errors.New("the job belongs to another worker now")
)

// ManyError is what EnqueueMany returns when not all jobs were accepted: an
// error for each that was not, by its index; nil for the others.
type ManyError struct{ Errs []error }

func (e *ManyError) Error() string {
	n, first := 0, error(nil)
	for _, err := range e.Errs {
		if err != nil {
			if n++; first == nil {
				first = err
			}
		}
	}
	if n == 1 {
		return first.Error()
	}
	return fmt.Sprintf("%d of %d jobs were not enqueued, the first: %v", n, len(e.Errs), first)
}

// Unwrap lets errors.Is and errors.As look at every error.
func (e *ManyError) Unwrap() []error {
	var errs []error
	for _, err := range e.Errs {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// StuckError is what Run returns when handlers have not ended although their
// context has. Their worker keeps its lease, so that nobody starts their jobs
// beside them, until they end or the process does.
type StuckError struct {
	Addresses []string // QUEUE/ID of each
	// Stacks are those of their goroutines, by address, as package runtime prints
	// them: at most 64 KiB of each.
	Stacks map[string]string
}

func (e *StuckError) Error() string {
	return fmt.Sprintf("%d handlers ignore the end of their context: %s", len(e.Addresses), strings.Join(e.Addresses, ", "))
}

// PanicError is the error of an attempt whose handler has panicked, or ended its
// goroutine with runtime.Goexit (Value is then nil).
type PanicError struct {
	Value any
	Stack []byte // from where it panicked, as debug.Stack prints it
}

func (e *PanicError) Error() string {
	if len(e.Stack) == 0 {
		return e.short()
	}
	return e.short() + "\n" + string(e.Stack)
}

// short is the error without the stack.
func (e *PanicError) short() string {
	if e.Value == nil {
		return "the handler ended its goroutine (runtime.Goexit)"
	}
	return fmt.Sprintf("panic: %v", e.Value)
}

// Unwrap returns the value of the panic if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Snooze is for a handler to return: the job runs again after d, and this
// attempt is not counted. The reason, if given, is kept with the job.
func Snooze(d time.Duration, reason ...string) error {
	return &verdict{verb: "snooze", delay: d, text: strings.Join(reason, " ")}
}

// RetryIn is for a handler to return: the attempt has failed with err, and the
// next is after d, whatever the backoff says. The last attempt has no next.
func RetryIn(d time.Duration, err error) error {
	return &verdict{verb: "retry", delay: d, err: err}
}

// Kill is for a handler to return: the job is dead, whatever attempts are left.
func Kill(err error) error { return &verdict{verb: "kill", err: err} }

// verdict is an error that decides what becomes of a job.
type verdict struct {
	verb  string // snooze, retry, kill
	delay time.Duration
	text  string
	err   error
}

func (v *verdict) Error() string {
	switch {
	case v.verb == "snooze" && v.text == "":
		return fmt.Sprintf("snooze for %v", v.delay)
	case v.verb == "snooze":
		return v.text
	case v.err == nil:
		return v.verb
	}
	return v.err.Error()
}

func (v *verdict) Unwrap() error { return v.err }
