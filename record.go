package tasuki

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// Record is what is known of a recorded job: one with Opts.Record.
type Record struct {
	Info
	Args json.RawMessage `json:"args,omitempty"`

	// StartedAt is when the run under way began, and Place the process that it is in,
	// as host:pid.
	StartedAt time.Time `json:"started_at,omitzero"`
	Place     string    `json:"place,omitempty"`
	EndedAt   time.Time `json:"ended_at,omitzero"`

	Runs     []Run           `json:"runs,omitempty"` // the last 20, the oldest first
	Progress Progress        `json:"progress,omitzero"`
	Cursor   json.RawMessage `json:"cursor,omitempty"` // of the last Checkpoint
	Result   json.RawMessage `json:"result,omitempty"` // of a Func that is done

	gen  int64
	lock string
	body string
	to   string // the address to which it is leaving
}

// HasEnded tells whether the state is an end: done, dead, cancelled or expired. A dead job
// can be made ready again all the same.
func (s State) HasEnded() bool {
	return s == StateDone || s == StateDead || s == StateCancelled || s == StateExpired
}

// Errors of what is asked of one job by its address.
var (
	// ErrNotFound: there is no record of the job. It was never there, it has no record,
	// or it has ended and its record was not kept.
	ErrNotFound = errors.New("there is no record of this job")
	// ErrRunning: it runs, and can only be cancelled.
	ErrRunning = store.ErrRunning
	// ErrEnded: it has ended.
	ErrEnded = store.ErrEnded
	// ErrLocked: another job has its uniqueness key.
	ErrLocked = store.ErrLocked
	// ErrChanged: others have changed it each time that this was tried. Try again later.
	ErrChanged = store.ErrChanged
	// ErrIDTaken: another job of the queue has its id, or had it lately.
	ErrIDTaken = store.ErrThere
)

// ParseAddress takes an address QUEUE/ID apart. An id of another program may have slashes, as
// the list of one may.
func ParseAddress(address string) (queue, id string, err error) {
	at := strings.IndexByte(address, '/')
	foreign := strings.HasPrefix(address, store.ListPrefix)
	if foreign {
		at = strings.LastIndexByte(address, '/')
	}
	if at < 1 || at == len(address)-1 {
		return "", "", fmt.Errorf("address: %.300q: allowed is QUEUE/ID", address)
	}
	queue, id = address[:at], address[at+1:]
	if len(id) > 128 {
		return "", "", fmt.Errorf("address: an id of %d bytes: allowed are 128", len(id))
	}
	if !foreign {
		err = wire.CheckQueue("queue", queue)
	}
	if err != nil {
		return "", "", fmt.Errorf("address: %w", err)
	}
	return queue, id, nil
}

// located is a job that is named by its address.
type located struct {
	*store.Queue
	id string

	exact bool  // only as it was read: of the generation gen, 0 of one that has ended
	gen   int64 // if exact
}

func (c *Client) locate(address string) (located, error) {
	queue, id, err := ParseAddress(address)
	if err != nil {
		return located{}, err
	}
	q, err := c.store.Queue(queue)
	return located{Queue: q, id: id}, err
}

func (l located) address() string { return l.Name + "/" + l.id }

// inError is an address as an error has it: quoted if others could not read it, as ids of other
// programs may have any bytes.
func inError(address string) string {
	if quoted := strconv.Quote(address); quoted != `"`+address+`"` {
		return quoted
	}
	return address
}

// Get returns what is known of a recorded job, or ErrNotFound.
func (c *Client) Get(ctx context.Context, address string) (*Record, error) {
	at, err := c.locate(address)
	if err != nil {
		return nil, fmt.Errorf("get: %w", err)
	}
	r, err := c.get(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", inError(address), err)
	}
	return r, nil
}

// get follows the records that jobs leave in the queues that they were moved from.
func (c *Client) get(ctx context.Context, at located) (*Record, error) {
	for range maxHops {
		fields, err := c.store.Record(ctx, at.Queue, at.id)
		if err != nil {
			return nil, err
		}
		if to := fields["to"]; fields["state"] == "moved" && to != "" {
			if at, err = c.locate(to); err != nil {
				return nil, err
			}
			continue
		}
		if fields["job"] == "" || fields["state"] == "" {
			return nil, ErrNotFound
		}
		return newRecord(at.Name, at.id, fields), nil
	}
	return nil, fmt.Errorf("it was moved more than %d times: %s is not the last address", maxHops, at.address())
}

// newRecord reads the fields of a record.
func newRecord(queue, id string, fields map[string]string) *Record {
	j, _ := wire.Parse(fields["job"]) // what somebody has made of it by hand is shown as a raw job
	j.ID = id
	r := &Record{Info: info(queue, &j), Args: j.Args, Result: j.Result, lock: j.Lock, body: fields["job"]}
	if r.to = fields["to"]; r.to != "" {
		r.Reason = "moving to " + r.to
	}
	r.gen, _ = strconv.ParseInt(fields["gen"], 10, 64)
	r.State = State(fields["state"])
	r.EndedAt = moment(j.EndedAt)
	ms, place := store.ParseAt(fields["at"])
	switch r.State {
	case StateScheduled, StateRetry:
		r.DueAt = moment(ms)
	case StateParked:
		if r.to != "" {
			r.DueAt = moment(ms)
		}
	case StateRunning:
		r.StartedAt, r.Place = moment(ms), place
		r.Attempt++
	}
	var runs []runJSON
	_ = json.Unmarshal(j.History, &runs) // the same
	for _, run := range runs {
		if run.Outcome == "" {
			run.Outcome = string(StateDone)
		}
		r.Runs = append(r.Runs, Run{
			At: moment(run.At), Duration: time.Duration(run.Duration) * time.Millisecond,
			Place: run.Place, Outcome: State(run.Outcome), Error: run.Error, Stack: run.Stack,
		})
	}
	if n := len(r.Runs); r.EndedAt.IsZero() && r.State.HasEnded() && n > 0 {
		r.EndedAt = r.Runs[n-1].At.Add(r.Runs[n-1].Duration)
	}
	_ = json.Unmarshal([]byte(fields["progress"]), &r.Progress)
	if cursor := fields["cursor"]; cursor != "" && json.Valid([]byte(cursor)) {
		r.Cursor = json.RawMessage(cursor)
	}
	return r
}

// job is the job as its record has it.
func (r *Record) job() wire.Job {
	j, _ := wire.Parse(r.body) // what somebody has made of it by hand is a raw job
	j.ID = r.ID
	return j
}

// While there is no subscription the record is read again and again instead.
const (
	listenLimit = 5 * time.Second  // for so long a subscription may take
	listenAgain = 10 * time.Second // and then it is tried again
)

// Wait returns when a recorded job has ended: with its record, or, when that was not kept,
// with its state only. It does not poll, unless SUBSCRIBE is refused.
//
// ErrNotFound says that there is no record, as when it had ended before.
func (c *Client) Wait(ctx context.Context, address string) (*Record, error) {
	var last *Record
	err := c.watch(ctx, address, func(r *Record) bool {
		last = r
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("wait for %s: %w", inError(address), err)
	}
	return last, nil
}

// Watch yields a recorded job as it is, and again after each change of its state, its
// progress or its cursor, until it has ended; changes that follow each other quickly can
// be one. An error is the last that is yielded.
func (c *Client) Watch(ctx context.Context, address string) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		if err := c.watch(ctx, address, func(r *Record) bool { return yield(r, nil) }); err != nil {
			yield(nil, fmt.Errorf("watch %s: %w", inError(address), err))
		}
	}
}

func (c *Client) watch(ctx context.Context, address string, yield func(*Record) bool) error {
	at, err := c.locate(address)
	if err != nil {
		return err
	}
	var l *store.Listener
	defer func() {
		if l != nil {
			l.Close()
		}
	}()
	var told chan string // nil while SUBSCRIBE is refused, or its connection does not answer
	var tried time.Time
	timer := time.NewTimer(askAfter)
	defer timer.Stop()
	last, seen, gone := State(""), false, false
	for {
		again := c.store.Paced(askAfter) // in case that a message was lost
		if told == nil && time.Since(tried) >= listenAgain {
			listening, cancel := context.WithTimeout(ctx, listenLimit)
			l, err = c.store.Listen(listening, at.Record(at.id))
			cancel()
			switch {
			case err == nil:
				told = l.C
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case errors.Is(err, store.ErrClosed):
				return err
			}
			tried = time.Now()
		}
		if told == nil {
			again = 500 * time.Millisecond
		}
		r, err := c.get(ctx, at)
		if errors.Is(err, ErrNotFound) && last.HasEnded() {
			r, err = &Record{Info: Info{ID: at.id, Queue: at.Name, State: last}}, nil
		}
		if err == nil && r.Address() != at.address() { // it was moved: what is told is told there
			if at, err = c.locate(r.Address()); err != nil {
				return err
			}
			if l != nil {
				l.Close()
				l, told = nil, nil
			}
			tried, last = time.Time{}, ""
			continue
		}
		pause := jitter(again)
		switch {
		case err == nil:
			if !yield(r) || r.State.HasEnded() {
				return nil
			}
			seen, gone = true, false
		case errors.Is(err, ErrNotFound) && seen && !gone && told != nil:
			gone, pause = true, time.Second // what became of it is told at the same moment
		case !errors.Is(err, ErrUncertain) && !(seen && store.IsPassing(err)):
			return err
		default:
			pause = jitter(500 * time.Millisecond) // a read that was cut is done again
		}
		timer.Reset(pause)
		select {
		case message := <-told:
			if message != "" {
				last = State(message)
			}
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
