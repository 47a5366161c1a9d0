package tasuki

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"
	"unicode/utf8"

	"github.com/tasuki-dev/tasuki/internal/wire"
)

// Kind is a type of job with arguments of type A. It is a value that producers
// and workers share, usually a package-level variable:
//
//	var Welcome = tasuki.Define[WelcomeArgs]("email.welcome").With(tasuki.Opts{Queue: "mail"})
//
// Its zero value is not usable; Define makes one.
type Kind[A any] struct {
	name  string
	opts  Opts
	funcs Funcs[A]
}

// Define names a kind of job: 1 to 128 letters, digits and . _ : / - beginning
// with a letter or digit. It panics on another name, as the name is part of the
// program.
//
// Arguments are encoded as encoding/json does it.
func Define[A any](name string) Kind[A] {
	if err := wire.CheckKind(name); err != nil {
		panic("tasuki: Define: " + err.Error())
	}
	return Kind[A]{name: name}
}

// Name returns the name that Define was given.
func (k Kind[A]) Name() string { return k.name }

// With returns a copy of k whose options are laid over with o: the defaults of
// the kind and the wishes of one call alike. It never panics; what is wrong with
// an option is said by Enqueue.
func (k Kind[A]) With(o Opts) Kind[A] {
	k.opts = k.opts.overlay(o)
	return k
}

// Funcs is what belongs to a kind and is code, so that it does not travel with
// the job: both ends have to set what concerns them.
type Funcs[A any] struct {
	// Backoff replaces the delay before the next attempt: see DefaultBackoff.
	// The job's Attempt is the one that failed, 1 for the first. It is a worker's.
	Backoff func(job Info, err error) time.Duration
	// Encode and Decode replace the encoding of arguments. What Encode returns
	// must be JSON. Producers encode, workers decode.
	Encode func(args A) (json.RawMessage, error)
	Decode func(data json.RawMessage) (A, error)
	// UniqueKey makes the key of Opts.Unique of the arguments. It is a producer's.
	UniqueKey func(args A) string
}

// WithFuncs returns a copy of k whose functions are laid over with those of f
// that are not nil.
func (k Kind[A]) WithFuncs(f Funcs[A]) Kind[A] {
	if f.Backoff != nil {
		k.funcs.Backoff = f.Backoff
	}
	if f.Encode != nil {
		k.funcs.Encode = f.Encode
	}
	if f.Decode != nil {
		k.funcs.Decode = f.Decode
	}
	if f.UniqueKey != nil {
		k.funcs.UniqueKey = f.UniqueKey
	}
	return k
}

// Spec returns a job of this kind as plain data, for EnqueueMany and for
// whatever stores jobs that are enqueued later. An error of the encoding is kept
// in it, and returned by the Enqueuer that gets it.
func (k Kind[A]) Spec(args A) Spec {
	s := Spec{Kind: k.name, Opts: k.opts}
	if k.funcs.Encode != nil {
		s.Args, s.Err = k.funcs.Encode(args)
	} else {
		s.Args, s.Err = json.Marshal(args)
		s.encoded = true
	}
	if s.Err != nil {
		s.Err = fmt.Errorf("arguments of %s: %w", k.name, s.Err)
	}
	if u := &s.Opts.Unique; u.Mode != "" && u.Key == "" && len(u.Fields) == 0 && k.funcs.UniqueKey != nil {
		u.Key = k.funcs.UniqueKey(args)
	}
	return s
}

// Enqueue hands one job to an Enqueuer: a Client, a batch, a recorder in a test.
// It returns when the job is accepted.
//
// The errors of a Client are ErrFull (nothing was done), ErrUncertain (the reply
// was lost: it may have been accepted; with Opts.ID calling again is safe),
// ErrNotReplicated (with ClientConfig.Replicas: the job is in, and the Info says its
// ID, Kind and Queue), and those of an option that is not allowed.
func (k Kind[A]) Enqueue(ctx context.Context, to Enqueuer, args A) (Info, error) {
	infos, err := to.EnqueueMany(ctx, []Spec{k.Spec(args)})
	var many *ManyError
	if errors.As(err, &many) && len(many.Errs) == 1 && many.Errs[0] != nil {
		err = many.Errs[0]
	}
	if err != nil {
		var where Info
		if errors.Is(err, ErrNotReplicated) && len(infos) == 1 {
			where = infos[0]
		}
		return where, fmt.Errorf("enqueue %s: %w", k.name, err)
	}
	if len(infos) != 1 {
		return Info{}, fmt.Errorf("enqueue %s: the Enqueuer answered for %d jobs, not for 1", k.name, len(infos))
	}
	return infos[0], nil
}

// Spec is a job to be enqueued, as plain data.
type Spec struct {
	Kind string          `json:"kind"`
	Args json.RawMessage `json:"args,omitempty"` // JSON; none is null
	Opts Opts            `json:"opts,omitzero"`

	// Err is why this job cannot be enqueued; every Enqueuer returns it.
	Err error `json:"-"`

	encoded bool // Args come from an encoder: they need no check
}

// Opts are the options of a job. They are plain data and travel with it. The
// zero value of a field means "as before": the default of the kind, or of
// tasuki. -1 means none.
type Opts struct {
	// Queue is the name of the queue: 1 to 128 letters, digits and . _ -
	// beginning with a letter or digit. "default" unless told.
	Queue string `json:"queue,omitempty"`

	// ID is an id of the caller's own, 1 to 128 letters, digits and
	// . _ : @ = + ~ - beginning with a letter or digit. It is remembered for a
	// while (ClientConfig.SeenFor): a second enqueue of it changes nothing and
	// says so with Info.Existed. Without it every job gets a new one.
	ID string `json:"id,omitempty"`

	// In delays the job from now, At until a time: one of them. Both are
	// rounded up to milliseconds and compared with Redis' clock. A time in the
	// past means now; a delay of more than 100 years is refused.
	In time.Duration `json:"in,omitempty"`
	At time.Time     `json:"at,omitzero"`

	// MaxAttempts is how often the job may be run before it is dead: 1 is never
	// again, 20 unless told, -1 for ever. Interruptions, snoozes and crashes
	// are not counted.
	MaxAttempts int `json:"max_attempts,omitempty"`

	// Timeout ends the context of an attempt with ErrTimeout; rounded up to
	// milliseconds. None unless told.
	Timeout time.Duration `json:"timeout,omitempty"`

	// Deadline is for the job as a whole: from then on no attempt begins, and the
	// context of one that runs ends with ErrDeadline. What is not done by then is
	// dead; so is a job whose next attempt would begin after it. It is rounded up to
	// milliseconds and compared with Redis' clock. None unless told.
	Deadline time.Time `json:"deadline,omitzero"`

	// ExpireIn, from now by this program's clock, or ExpireAt, a time: one of them.
	// A job that was not started until then, by Redis' clock, is of no use any more:
	// it has expired, and is neither run nor kept. One that was started does not
	// expire, also when it was interrupted, snoozed or has failed. Both are rounded
	// up to milliseconds and have to be after In or At; ExpireIn is at most 100 years,
	// and -1 for none. None unless told.
	ExpireIn time.Duration `json:"expire_in,omitempty"`
	ExpireAt time.Time     `json:"expire_at,omitzero"`

	// Record gives the job a record, by which it can be found under its address while
	// it is anywhere, and for Keep after its end: see Client.Get. What needs a record
	// switches it on: Keep, and the jobs of a Func. It costs a call more at the
	// start of the job, and the memory.
	Record bool `json:"record,omitempty"`

	// Unique keeps jobs out of the queue that mean the same as one that is there. It
	// needs a record, which goes with the job unless Record or Keep say otherwise.
	Unique Unique `json:"unique,omitzero"`

	// Keep is how long the record stays after the end: 24 hours unless told, -1 not
	// at all. It is rounded up to milliseconds. A queue keeps a bounded number of them
	// (WorkerConfig.KeepMax).
	Keep time.Duration `json:"keep,omitempty"`

	// Meta travels with the job and is shown with it: at most 4 KiB in all.
	Meta map[string]string `json:"meta,omitempty"`
}

// overlay returns o with the fields of over that are set, and a map of its own.
func (o Opts) overlay(over Opts) Opts {
	if over.Queue != "" {
		o.Queue = over.Queue
	}
	if over.ID != "" {
		o.ID = over.ID
	}
	if over.In != 0 || !over.At.IsZero() {
		o.In, o.At = over.In, over.At // two ways to say one thing
	}
	if over.MaxAttempts != 0 {
		o.MaxAttempts = over.MaxAttempts
	}
	if over.Timeout != 0 {
		o.Timeout = over.Timeout
	}
	if !over.Deadline.IsZero() {
		o.Deadline = over.Deadline
	}
	if over.ExpireIn != 0 || !over.ExpireAt.IsZero() {
		o.ExpireIn, o.ExpireAt = over.ExpireIn, over.ExpireAt
	}
	o.Record = o.Record || over.Record
	o.Unique = o.Unique.overlay(over.Unique)
	if over.Keep != 0 {
		o.Keep = over.Keep
	}
	if len(over.Meta) > 0 {
		meta := make(map[string]string, len(o.Meta)+len(over.Meta))
		maps.Copy(meta, o.Meta)
		maps.Copy(meta, over.Meta)
		o.Meta = meta
	}
	return o
}

const (
	maxDelay = 100 * 365 * 24 * time.Hour
	maxMeta  = 4 << 10
)

// lastTime is the last moment that Opts can name: its milliseconds fit into
// the 53 bits of a score.
var lastTime = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// check says what is not allowed of s, and names the field.
func (s *Spec) check(maxPayload int, now time.Time) error {
	if s.Err != nil {
		return s.Err
	}
	if err := wire.CheckKind(s.Kind); err != nil {
		return err
	}
	if len(s.Args) > maxPayload {
		return fmt.Errorf("args: %d bytes: allowed are %d (ClientConfig.MaxPayload)", len(s.Args), maxPayload)
	}
	if !s.encoded && len(s.Args) > 0 && !json.Valid(s.Args) {
		return fmt.Errorf("args: %.40q is no JSON", s.Args)
	}
	if err := s.Opts.check(now); err != nil {
		return err
	}
	return s.checkUnique()
}

func (o *Opts) check(now time.Time) error {
	if o.Queue != "" {
		if err := wire.CheckQueue("queue", o.Queue); err != nil {
			return err
		}
	}
	if o.ID != "" {
		if err := wire.CheckID(o.ID); err != nil {
			return err
		}
	}
	switch {
	case o.In > 0 && !o.At.IsZero():
		return fmt.Errorf("in and at: %v and %v: allowed is one of them", o.In, o.At.Format(time.RFC3339))
	case o.In > maxDelay || o.In < 0 && o.In != -1:
		return fmt.Errorf("in: %v: allowed are 0 to 100 years, and -1 for none", o.In)
	case o.At.After(lastTime):
		return fmt.Errorf("at: the year %d: allowed are times until the year 9999", o.At.Year())
	case o.MaxAttempts < -1 || o.MaxAttempts > 1_000_000:
		return fmt.Errorf("max_attempts: %d: allowed are 1 to 1000000, and -1 for no limit", o.MaxAttempts)
	case o.Timeout > maxDelay || o.Timeout < 0 && o.Timeout != -1:
		return fmt.Errorf("timeout: %v: allowed are 1 ms to 100 years, and -1 for none", o.Timeout)
	}
	if o.Keep > maxDelay || o.Keep < 0 && o.Keep != -1 {
		return fmt.Errorf("keep: %v: allowed are 1 ms to 100 years, and -1 for not at all", o.Keep)
	}
	size := 0
	for name, value := range o.Meta {
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return fmt.Errorf("meta: %.40q: %.40q: allowed is UTF-8", name, value)
		}
		size += len(name) + len(value)
	}
	if size > maxMeta {
		return fmt.Errorf("meta: %d bytes: allowed are %d", size, maxMeta)
	}
	return o.checkLimits(now)
}

// checkLimits looks at the times after which the job is of no use.
func (o *Opts) checkLimits(now time.Time) error {
	if o.ExpireIn == 0 && o.ExpireAt.IsZero() && o.Deadline.IsZero() {
		return nil
	}
	start, expiry := now, o.expiry(now)
	if due := o.due(now); !due.IsZero() {
		start = due
	}
	switch {
	case o.ExpireIn > 0 && !o.ExpireAt.IsZero():
		return fmt.Errorf("expire_in and expire_at: %v and %v: allowed is one of them", o.ExpireIn, showTime(o.ExpireAt))
	case o.ExpireIn > maxDelay || o.ExpireIn < 0 && o.ExpireIn != -1:
		return fmt.Errorf("expire_in: %v: allowed are 1 ms to 100 years, and -1 for none", o.ExpireIn)
	case o.ExpireAt.After(lastTime):
		return fmt.Errorf("expire_at: the year %d: allowed are times until the year 9999", o.ExpireAt.Year())
	case o.Deadline.After(lastTime):
		return fmt.Errorf("deadline: the year %d: allowed are times until the year 9999", o.Deadline.Year())
	case o.ExpireIn > 0 && !expiry.After(start):
		return fmt.Errorf("expire_in: %v: allowed are times after %v, when the job is due", o.ExpireIn, start.Sub(now))
	case !expiry.IsZero() && !expiry.After(start):
		return fmt.Errorf("expire_at: %v: allowed are times after %v, the present or when the job is due", showTime(expiry), showTime(start))
	case !o.Deadline.IsZero() && !o.Deadline.After(start):
		return fmt.Errorf("deadline: %v: allowed are times after %v, the present or when the job is due", showTime(o.Deadline), showTime(start))
	case !o.Deadline.IsZero() && o.Deadline.Before(expiry):
		return fmt.Errorf("deadline: %v: allowed are times from %v on, when the job expires", showTime(o.Deadline), showTime(expiry))
	}
	return nil
}

// showTime is a limit as an error has it.
func showTime(t time.Time) string { return t.Format("2006-01-02T15:04:05.999Z07:00") }

// due is when a job that is enqueued now is due by this program's clock; zero if
// it is at once.
func (o *Opts) due(now time.Time) time.Time {
	switch {
	case o.In > 0:
		return now.Add(o.In)
	case o.At.After(now):
		return o.At
	case o.Unique.Mode == UniqueDebounce:
		return now.Add(o.Unique.For)
	}
	return time.Time{}
}

// expiry is when a job that is enqueued now expires; zero if never.
func (o *Opts) expiry(now time.Time) time.Time {
	if o.ExpireIn > 0 {
		return now.Add(o.ExpireIn)
	}
	return o.ExpireAt
}

// recorded tells whether the job has a record.
func (o *Opts) recorded() bool { return o.Record || o.Keep > 0 || o.Unique.Mode != "" }

// keep is how long its record stays after the end.
func (o *Opts) keep() time.Duration {
	if o.Keep == 0 && o.Record {
		return defaultKeep
	}
	return max(o.Keep, 0)
}

const defaultKeep = 24 * time.Hour

func (o *Opts) queue() string {
	if o.Queue == "" {
		return DefaultQueue
	}
	return o.Queue
}
