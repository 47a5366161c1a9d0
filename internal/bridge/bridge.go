// Package bridge lets the packages beside tasuki reach what a Client or a Worker
// does not export: as package log hands log/slog its output through log/internal,
// so that no user sees a method that is not for him. Package tasuki sets the
// functions; it cannot be imported here, so its types pass as any.
package bridge

import (
	"context"
	"log/slog"
	"time"

	"github.com/tasuki-dev/tasuki/internal/source"
	"github.com/tasuki-dev/tasuki/internal/store"
)

// Store returns the store of a *tasuki.Client.
var Store func(client any) *store.Store

// Seen returns for how long a *tasuki.Client has ids remembered, and how many at most.
var Seen func(client any) (time.Duration, int)

// Logger returns the one of a *tasuki.Client.
var Logger func(client any) *slog.Logger

// Record makes a *tasuki.Record of the fields of a record; of a bare job they are what its
// element and its place say: job, state and at.
var Record func(queue, id string, fields map[string]string) any

// ActOn does something to a recorded job, as a *tasuki.Client does by its address, if it
// still is what a *tasuki.Record says: store.ErrChanged if not. what is cancel, remove, or
// anything else, which moves the job to a time.
var ActOn func(ctx context.Context, client any, what string, record any, to time.Time) error

// RehearseEnqueue checks a *tasuki.Spec as a Client does, and returns the
// tasuki.Info and the element of its job. A maxPayload of 0 is the default.
var RehearseEnqueue func(spec any, maxPayload int, now time.Time) (info any, element string, err error)

// Existed returns what a Client answers in place of the tasuki.Info of a job whose
// id was there already.
var Existed func(info any) any

// Rehearse runs one element as a *tasuki.Worker does that has claimed it, on the
// calling goroutine. The error says why the worker would not have claimed it. A job with
// a record has notes: what it begins with, and then what it has said of itself.
var Rehearse func(ctx context.Context, worker any, queue, element string, notes *Notes) (Rehearsed, error)

// Notes are what a recorded job says of itself.
type Notes struct {
	Cursor   []byte   // of its last checkpoint, JSON
	Result   []byte   // JSON
	Progress any      // a tasuki.Progress
	Lines    []string // of its log
}

// IsRecorded tells whether a *tasuki.Spec makes a job with a record.
var IsRecorded func(spec any) bool

// OneProcess takes some *tasuki.Workers that do not run yet for those of a process of
// their own, which runs one suspect at a time beside those of others. A simulation
// has many processes in one.
var OneProcess func(workers ...any)

// Rehearsed is what has become of an element.
type Rehearsed struct {
	State   source.State // empty when the job was lost to others: nothing is written
	Delay   time.Duration
	Element string // as it would be kept; empty when it has ended
	Info    any    // the tasuki.Info of the job after the run
	Err     error  // what the handler has returned
}
