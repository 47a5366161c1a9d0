// Package source is the seam between a worker and what it takes jobs from: one
// queue in one format. The worker knows slots, order and handlers; a source
// knows how jobs of its format are waited for, taken, held and given back.
// Elements and outcomes pass as bytes and a tag.
package source

import (
	"context"
	"time"
)

// Tag names a job that a source holds. A source gives every job that it hands
// out a tag of its own, each greater than all before.
type Tag uint64

// State is what becomes of a job that was held.
type State string

// The states that an outcome can have. They are also the names under which a
// queue counts them.
const (
	Done      State = "done"
	Retry     State = "retry"   // failed, once more after Delay
	Snooze    State = "snooze"  // later on its own wish, after Delay
	Unknown   State = "unknown" // this worker has no handler for it; after Delay
	Release   State = "release" // back to the head: interrupted
	Dead      State = "dead"
	Cancelled State = "cancelled"
	Expired   State = "expired"
	Stale     State = "stale"  // a pointer that a move of its job has left behind
	Parked    State = "parked" // until the job has ended that runs under the same key
)

// Outcome is what a worker says of one job that it holds.
type Outcome struct {
	Tag     Tag
	State   State
	Delay   time.Duration // for Retry, Snooze and Unknown
	Element string        // as it is to be kept; not used for Done, Cancelled and Expired
	Found   bool          // for Release: Element is as a producer put it in
	Suspect bool          // for Release: beside another of its kind it must not run
	Record  *Record       // of a recorded job: what is written there
}

// Job is the element of the job as it is kept, here or in its record; "" if it is not.
func (o *Outcome) Job() string {
	if o.Record == nil {
		return o.Element
	}
	for i := 0; i+1 < len(o.Record.Fields); i += 2 {
		if o.Record.Fields[i] == "job" {
			return o.Record.Fields[i+1]
		}
	}
	return ""
}

// Record is the part of an outcome that a recorded job's record takes.
type Record struct {
	ID     string
	Lock   string
	Gen    int64         // of the pointer that is kept, which a release only compares; 0: as it was
	Ended  bool          // it goes on no more
	Keep   time.Duration // how long the record stays then; 0: not at all
	Plain  bool          // and was Opened so, and got no Note since
	Fields []string      // names and values
}

// Pointer is a delivery whose element leads to a record.
type Pointer struct {
	Tag  Tag
	ID   string
	Lock string
	Gen  int64
}

// Opened is what a record said when its job was about to run.
type Opened struct {
	What      string // run, gone, stale, missing, alien, parked: see fetch_open.lua
	Job       string // the element of the job itself
	Cursor    string
	Cancelled bool  // somebody has asked for it
	Lines     int64 // how many its log has had
	Plain     bool  // there is nothing but the job in it
}

// Note is what a running job says of itself: fields of its record, names and values.
type Note struct {
	Tag    Tag
	ID     string
	Fields []string
}

// Recorder is what a Source is too if its jobs may have records.
type Recorder interface {
	// Open reads the records of pointers that are held, at most Most, and notes in them
	// that they run at a place.
	Open(ctx context.Context, place string, pointers []Pointer) ([]Opened, error)
	// Note writes notes of jobs that are held; of others it does nothing. It answers
	// which of them somebody has asked to cancel.
	Note(ctx context.Context, notes []Note) ([]bool, error)
	// TrimEnded forgets the oldest of the ended jobs whose records are kept while there
	// are more than most.
	TrimEnded(ctx context.Context, most int) error
}

// Delivery is a job that the source holds for the worker from now on.
type Delivery struct {
	Tag     Tag
	Element string
	Fence   int64 // grows from delivery to delivery of the queue; 0 while it is not known
}

// Request is what a worker wants of an exchange.
type Request struct {
	Done     []Tag     // jobs that are simply done, at most Most
	Outcomes []Outcome // the others, at most Most
	Want     int       // most jobs to claim, at most Most
	Lone     bool      // one of them may be a suspect
	Handed   *Delivery // what Wait has returned and was not accepted yet
	// Strays has what an earlier Wait may have been handed without its knowing
	// claimed too. Not while a Wait is under way, or a job that one has returned
	// was not accepted yet, unless it is Handed: it would be taken for a stray.
	Strays bool
}

// Most is how many jobs one exchange can carry in each direction.
const Most = 500

// Reply is what an exchange did.
type Reply struct {
	Claimed  []Delivery
	Lone     bool  // the first of Claimed is a suspect
	Accepted bool  // Handed is held now
	Fence    int64 // of Handed, when it was accepted
	// Renamed, if it is not 0, is the tag under which Handed is held: its own was
	// in a call that was lost, and that may still come.
	Renamed Tag

	Settled int   // how many of Request.Done were still held
	Refused []Tag // outcomes whose tag was not held any more

	// Lost, if it is not 0, says that all jobs with a lower tag belong to
	// others now, except those that this exchange has settled.
	Lost Tag

	Held    int           // jobs that the source holds now
	Paused  bool          // nothing may be claimed
	Trouble error         // a part of the exchange could not be done
	Now     time.Time     // by the server's clock
	NextDue time.Duration // until the next due job; negative when none is known
}

// Source is one queue in one format.
type Source interface {
	// Wait returns when a job may be ready, at the latest after about 20 s. It
	// may bring a job along, which has to be passed to the next Exchange
	// whether it was started or not. When ctx ends it returns within
	// milliseconds, if the server lets it be woken.
	//
	// One goroutine at a time may be in Wait.
	Wait(ctx context.Context) (*Delivery, error)

	// Exchange settles, accepts and claims in one round trip. After an error
	// it is not known what was done: the worker sends the outcomes again, and
	// the source finds out what it was given through Reply.Held and Held.
	Exchange(ctx context.Context, r *Request) (*Reply, error)

	// Held returns all that the source holds for the worker.
	Held(ctx context.Context) ([]Delivery, error)

	// Run does what is periodic in the format until ctx ends.
	Run(ctx context.Context)

	// Leave gives up the right to claim, for good. Exchange, Wait and Run have
	// returned before. After an error it is called again.
	Leave(ctx context.Context) error
}
