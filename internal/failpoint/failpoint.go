// Package failpoint lets tests end, stop, delay or fail a process at an exact
// point of the code. With the build tag failpoint, the environment says what
// happens where:
//
//	TASUKI_FAILPOINTS=before-settle=kill,between-portions=stop@3
//
// has the process kill itself before it first settles something, and stop itself
// when it is between portions for the third time. The actions are
//
//	kill       SIGKILL for the process itself
//	stop       SIGSTOP for the process itself; it goes on here after SIGCONT
//	stop:2s    the same, and here that much later than elsewhere
//	sleep:2s   a sleep of that length
//	panic      a panic
//	error      an error, where the point can return one
//
// Each happens at the n-th time only, the first unless @N says otherwise, and is
// announced on standard error.
//
// Without the tag the functions are empty. They are inlined, so nothing is left of
// them where they are called: TestNothingIsLeft reads that out of what the
// compiler says.
package failpoint

// Env is the variable that says what happens.
const Env = "TASUKI_FAILPOINTS"

// Point is a place in the code.
type Point string

// The points, in the order of a job's life.
const (
	// BetweenPortions is in EnqueueMany: a portion is in, and the next is not.
	BetweenPortions Point = "between-portions"
	// BetweenDue is while due jobs are made ready: one portion is, the next is not.
	BetweenDue Point = "between-due"
	// AfterHandOver is when a wait has brought a job, and nothing is done with it.
	AfterHandOver Point = "after-hand-over"
	// AfterClaim is when the reply of an exchange is read that has brought jobs. An
	// error there is a reply that was lost.
	AfterClaim Point = "after-claim"
	// BeforeHandler is before the first line of a handler.
	BeforeHandler Point = "before-handler"
	// AfterHandler is when a handler has returned.
	AfterHandler Point = "after-handler"
	// BeforeSettle is before an exchange is sent that carries outcomes.
	BeforeSettle Point = "before-settle"
	// AfterSettle is when its reply is read. An error there is a reply that was
	// lost.
	AfterSettle Point = "after-settle"
	// AfterTombstone is in a sweep: the lease of the dead worker has ended, and
	// nothing that it held is put back.
	AfterTombstone Point = "after-tombstone"
	// BetweenSwept is in a sweep: a portion is put back, the next is not.
	BetweenSwept Point = "between-swept"
	// BeforeFlush is in a stop: handlers have ended, and their last outcomes may
	// not be written.
	BeforeFlush Point = "before-flush"
	// BeforeLeave is in a stop: all outcomes are written, and a queue is not left.
	BeforeLeave Point = "before-leave"
	// BeforeRetire is in a stop: all queues are left, and the worker is listed.
	BeforeRetire Point = "before-retire"
)
