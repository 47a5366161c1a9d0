package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

// The exit codes, of which `tasuki help exit-codes` tells.
const (
	exitOK        = 0
	exitFailed    = 1
	exitUsage     = 2
	exitRedis     = 3
	exitNotFound  = 4
	exitUncertain = 5
	exitFull      = 6
	exitProblems  = 7
	exitStuck     = 8
	exitWarning   = 9
	exitDanger    = 10
	exitNotDone   = 11
	exitWaited    = 12

	exitInterrupted = 130 // as shells have it: 128 and the number of SIGINT
)

// newExitCodes is a topic of help.
func newExitCodes() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "What the exit codes mean",
		Long: `The exit codes of tasuki:

    0    it was done
    1    it failed, lines of the input were refused, it cannot be done to the job
         in its state, or to an entry that a program has declared, or a worker has
         not answered
    2    the call is wrong: a flag, an argument, a variable or a URL
    3    Redis cannot be reached, or refuses
    4    the queue, the job, the periodic entry or the worker was not found
    5    the reply of Redis was lost: it was done, or it was not. To pause,
         resume, revive, retry, cancel or remove again is harmless; to enqueue
         again is, if the job has an --id. Or, with --replicas: the job is in and
         runs, but too few have confirmed that they have it
    6    Redis is full, and nothing was enqueued: try again when there is room
    7    tasuki check has found problems
    8    handlers have ignored the end of their context
    9    tasuki doctor has warnings
    10   tasuki doctor has found danger: accepted jobs can be lost, or nothing works
    11   the job that tasuki job wait has waited for is dead, cancelled or expired
    12   the job has not ended within the --timeout of tasuki job wait
    130  it was interrupted before it was done`,
	}
}

// exitError is an error with its exit code. Without err there is nothing more to
// say.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return "failed"
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usageError(err error) error { return &exitError{code: exitUsage, err: err} }

// openError is what tasuki.Open says of a call, with the flag's name in place of the
// field's.
func openError(err error) error {
	for field, flag := range map[string]string{"Namespace": "--namespace", "Replicas": "--replicas"} {
		if _, text, ok := strings.Cut(err.Error(), "ClientConfig: "+field+": "); ok {
			err = fmt.Errorf("%s: %s", flag, text)
		}
	}
	return usageError(err)
}

// failure gives an error of the library its exit code. What interrupted a write
// comes behind what became of it.
func failure(err error) error {
	code := exitRedis
	var coded *exitError
	var stuck *tasuki.StuckError
	var duplicate *tasuki.DuplicateError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &coded):
		return err
	case errors.As(err, &duplicate):
		code = exitFailed
	case errors.Is(err, inspect.ErrNotFound), errors.Is(err, tasuki.ErrNotFound):
		code = exitNotFound
	case errors.Is(err, tasuki.ErrUncertain):
		code = exitUncertain
	case errors.Is(err, tasuki.ErrFull):
		code = exitFull
	case errors.As(err, &stuck):
		code = exitStuck
	case errors.Is(err, context.Canceled):
		code = exitInterrupted
	}
	return &exitError{code: code, err: err}
}

// lookFailure is failure for what only reads: a lost reply leaves nothing open.
func lookFailure(err error) error {
	code := exitRedis
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		code = exitInterrupted
	}
	return &exitError{code: code, err: err}
}
