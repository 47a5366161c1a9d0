// Package wire turns a job into the bytes of a list element and back.
//
// It is pure: no Redis, no clock but the one behind NewID, no I/O. The format is
// described for other languages in docs/wire-format.md; this package is its
// only reader and writer in Go.
package wire

import (
	"errors"
	"fmt"

	"github.com/tasuki-dev/tasuki/internal/legible"
)

// Version is the newest version of the format that this package reads. An
// element without a "v" member is of version 1.
const Version = 1

// MaxError is the most bytes that are kept of an error's text in an element, with the mark of a cut.
const MaxError = 4096

// Job is what an element says. Numbers that are zero and texts that are empty
// stand for members that are absent.
//
// The strings and byte slices of a parsed Job share the memory of the element
// they were read from: they must not be modified.
type Job struct {
	ID    string // 1 to 128 bytes; never empty after Parse
	IsNew bool   // Parse has made the id: the element has none

	// Rec makes the element a pointer: the job itself lies in the record of this id.
	// It is the generation of the record that the pointer is for, from 1 on; one of
	// another generation has been left behind by a move, and means nothing. Beside it
	// there are only ID, Lock and Crashes.
	Rec  int64
	Lock string // names the job's uniqueness key; empty without one

	Kind string // empty in a raw job and in a pointer

	EnqueuedAt int64 // ms since 1970, by the producer's clock; 0 when it did not say

	Attempts int      // runs that ended in a failure so far
	Crashes  int      // deaths of a process while it held the job
	Stops    int      // times it was taken from a process that was killed while stopping
	Hosts    []string // where it crashed, oldest first

	Unknown      int   // times that a worker without a handler for its kind put it back
	UnknownSince int64 // ms since 1970: the first of these

	MaxAttempts int   // 0: the worker's default; -1: no limit
	Timeout     int64 // ms per attempt; 0: the worker's default; -1: none
	Deadline    int64 // ms since 1970: then the job as a whole has to be done; 0: none
	ExpireAt    int64 // ms since 1970: not to be started from then on; 0: none, or it was started
	Meta        map[string]string

	Unique  string // the uniqueness key, for others to read
	Keep    int64  // of a recorded job: ms that its record stays after the end; 0: it goes with the job
	EndedAt int64  // ms since 1970, of one that has ended without a run; else History has it
	History []byte // of a recorded job: a JSON array of its runs
	Result  []byte // of a recorded job that is done: JSON

	Reason string // why it was put aside the last time: a word or two
	Error  string // the text of the last error, at most MaxError bytes

	// Token makes the element unlike every other. Whatever writes a job to a
	// sorted set, of which two equal members would be one, gives it a new one.
	Token string

	// Extra is what this package does not know, as the bytes of JSON members
	// separated by commas. It is written back unchanged, so that an older
	// worker does not strip what a newer producer said.
	Extra []byte

	// Raw is the element as it was found, when it is no job object. A raw job
	// that has to be kept is wrapped: its element carries Raw in base64.
	Raw []byte
	// IsRaw tells a raw job from another: Raw may be empty.
	IsRaw bool

	Args []byte // JSON; "null" when the element has none; nil in a raw job
}

// Renew has a dead job begin anew, with all its attempts before it, and without the limits
// in time that it may have outlived.
func (j *Job) Renew() {
	j.Attempts, j.Crashes, j.Stops, j.Hosts = 0, 0, 0, nil
	j.Unknown, j.UnknownSince, j.EndedAt = 0, 0, 0
	j.Deadline, j.ExpireAt = 0, 0
	j.Reason = "revived"
}

// ErrFuture says that an element is of a newer version than this package reads.
// Parse returns it together with a Job that has the element's bytes in Raw, so
// that it can be kept until a newer worker takes it.
var ErrFuture = errors.New("element is of a newer version of the format")

// NotJobError says why an element is not a job object. Parse returns it with a
// raw Job: it is a finding about the element, not a failure.
type NotJobError struct{ Why string }

func (e *NotJobError) Error() string { return "element is not a job object: " + e.Why }

// maxWhy is the most bytes of a NotJobError: what it quotes may be of any length.
const maxWhy = 400

func notJob(format string, args ...any) error {
	return &NotJobError{Why: legible.Cut(toUTF8(fmt.Sprintf(format, args...)), maxWhy)}
}
