package tasuki

import (
	"time"

	"github.com/tasuki-dev/tasuki/internal/wire"
)

// State is where a job is in its life.
type State string

// The states of a job. The first six are where it can be, the others are ends.
const (
	StateReady     State = "ready"     // in the queue's list
	StateSuspect   State = "suspect"   // ready, but two crashes are behind it: one at a time per process
	StateScheduled State = "scheduled" // not due yet
	StateRetry     State = "retry"     // failed, snoozed or unknown to a worker; not due yet
	StateRunning   State = "running"   // held by a worker
	StateParked    State = "parked"    // set aside by a feature
	StateDone      State = "done"
	StateDead      State = "dead" // out of attempts, killed or poison; can be revived
	StateCancelled State = "cancelled"
	StateExpired   State = "expired" // not started in time
)

// Info is what is known of a job.
type Info struct {
	ID    string `json:"id"`
	Kind  string `json:"kind,omitempty"` // empty for a raw job
	Queue string `json:"queue"`          // "list:KEY" for a foreign list
	State State  `json:"state,omitempty"`

	// Attempt is the number of the attempt: in a handler the one that runs, 1
	// for the first, else how many have failed.
	Attempt     int `json:"attempt,omitempty"`
	MaxAttempts int `json:"max_attempts,omitempty"` // -1: no limit
	Crashes     int `json:"crashes,omitempty"`      // times that its process died

	EnqueuedAt time.Time         `json:"enqueued_at,omitzero"` // by the producer's clock; zero if it did not say
	DueAt      time.Time         `json:"due_at,omitzero"`      // of a scheduled job
	Timeout    time.Duration     `json:"timeout,omitempty"`    // of an attempt; 0: none
	Deadline   time.Time         `json:"deadline,omitzero"`    // of the job as a whole; zero: none
	ExpireAt   time.Time         `json:"expire_at,omitzero"`   // not to be started from then on; zero: none, or it was started before
	Meta       map[string]string `json:"meta,omitempty"`

	// Error is the text of the last failure, and Reason why the job was put
	// aside the last time, in a few words.
	Error  string `json:"error,omitempty"`
	Reason string `json:"reason,omitempty"`

	// Existed says that nothing was enqueued: the id was there already, or another
	// job has the uniqueness key, and this is that one. Whether it has got the
	// arguments of this enqueue Unique.Mode and Unique.OnConflict say.
	Existed bool `json:"existed,omitempty"`
}

// Address names the job: QUEUE/ID.
func (i Info) Address() string { return i.Queue + "/" + i.ID }

// Job is a job that runs: what is known of it, its arguments, and the methods of
// the running attempt. A handler must not keep it after it has returned.
type Job[A any] struct {
	Info
	Args A

	run *run // nil in a job that a test made
}

// RawJob is a job whose arguments are not decoded: JSON, or for a raw job the
// bytes of the element. They must not be modified.
type RawJob = Job[[]byte]

// Fence returns a number that grows from run to run within a queue, and so from
// a run of this job to its next. A store that is given it with every write, and
// refuses one that is lower than the last, is safe from a worker that was taken
// for dead and wakes up.
//
// It is 0 when the job was lost before the number was known, and in a job that
// does not run. It waits for Redis' answer to the claim: at most one round trip,
// or until Redis is back.
//
// The numbers are as durable as Redis is: see docs/guarantees.md.
func (j *Job[A]) Fence() int64 {
	if j.run == nil {
		return 0
	}
	return j.run.waitFence()
}

// info fills in what an element says.
func info(queue string, j *wire.Job) Info {
	return Info{
		ID: j.ID, Kind: j.Kind, Queue: queue,
		Attempt: j.Attempts, MaxAttempts: j.MaxAttempts, Crashes: j.Crashes,
		EnqueuedAt: moment(j.EnqueuedAt),
		Timeout:    time.Duration(min(j.Timeout, maxDelay.Milliseconds())) * time.Millisecond,
		Deadline:   moment(j.Deadline), ExpireAt: moment(j.ExpireAt),
		Meta: j.Meta, Error: j.Error, Reason: j.Reason,
	}
}

// moment is the time that an element means; zero if it says none, or one that
// JSON does not have.
func moment(ms int64) time.Time {
	if at := time.UnixMilli(ms); ms != 0 && !at.After(lastTime) {
		return at
	}
	return time.Time{}
}
