package main

import (
	"errors"

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
)

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

// failure gives an error of the library its exit code.
func failure(err error) error {
	code := exitRedis
	var stuck *tasuki.StuckError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, inspect.ErrNotFound):
		code = exitNotFound
	case errors.Is(err, tasuki.ErrUncertain):
		code = exitUncertain
	case errors.Is(err, tasuki.ErrFull):
		code = exitFull
	case errors.As(err, &stuck):
		code = exitStuck
	}
	return &exitError{code: code, err: err}
}
