package inspect

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// Query says which jobs are meant. The zero value of a field leaves out nothing, but for
// States; a job has to fit all fields. ParseQuery reads one from a text, such as a person types
// it, and String writes that text.
//
// Texts are looked for whatever the case of their letters.
type Query struct {
	Queues []string // one of these; none: all queues
	// States are all but parked, done, cancelled and expired unless told. Those who are
	// parked are found with SCAN, which goes through all keys of the server.
	States []tasuki.State
	Kinds  []string // one of these; email.* are all that begin with "email."
	IDs    []string // one of these

	Tags    []Match  // of Opts.Meta: all of these; the Name is that of the tag
	Args    []Match  // all of these; the Name is a path: user.id, list[0].name
	Errors  []string // each is in the last error or in the reason
	Reasons []string // each is in the reason
	// Fingerprints are of the last failure, as FingerprintOf has it: one of these.
	Fingerprints []string
	Text         []string // each is in the arguments, the bytes of a raw job, an error, a reason, the kind, the id or a tag

	MinAttempt   int // Attempt is not lower
	AttemptBelow int // Attempt is lower; 0: no limit

	// A job that does not say when it was enqueued is not between these, and has no age.
	EnqueuedAfter, EnqueuedBefore time.Time
	OlderThan, YoungerThan        time.Duration // since it was enqueued

	// Not leaves out the jobs that fit any value of its fields. It has no numbers, times and Not of
	// its own.
	Not *Query

	Limit int // not more than these; 0: no limit. It is no part of the text
}

// Match says what a tag or an argument has to be.
type Match struct {
	Name   string
	Value  string // of an argument that is a number, true, false or null, as JSON has it
	Prefix bool   // it begins with Value; with "" it only has to be there
}

// States are those that a job can be listed in: all of them.
var States = []tasuki.State{
	tasuki.StateRunning, tasuki.StateSuspect, tasuki.StateReady, tasuki.StateRetry, tasuki.StateScheduled, tasuki.StateParked, tasuki.StateDead,
	tasuki.StateDone, tasuki.StateCancelled, tasuki.StateExpired,
}

var (
	usualStates = []tasuki.State{tasuki.StateRunning, tasuki.StateSuspect, tasuki.StateReady, tasuki.StateRetry, tasuki.StateScheduled, tasuki.StateDead}
	endedStates = []tasuki.State{tasuki.StateDone, tasuki.StateCancelled, tasuki.StateExpired}
)

// What a Query may have at most.
const (
	maxQueryText   = 4096
	maxQueryValues = 100
)

// validate says which field cannot be.
func (q *Query) validate() error {
	if q.Limit < 0 {
		return fmt.Errorf("limit: %d: allowed are 0 and more", q.Limit)
	}
	for _, n := range []struct {
		name  string
		value int64
	}{
		{"attempt", int64(q.MinAttempt)}, {"attempt", int64(q.AttemptBelow)},
		{"age", int64(q.OlderThan)}, {"age", int64(q.YoungerThan)},
	} {
		if n.value < 0 {
			return fmt.Errorf("%s: %d: allowed are 0 and more", n.name, n.value)
		}
	}
	if err := q.validateValues(); err != nil {
		return err
	}
	if n := q.Not; n != nil {
		if n.Not != nil || n.MinAttempt != 0 || n.AttemptBelow != 0 || n.OlderThan != 0 || n.YoungerThan != 0 || !n.EnqueuedAfter.IsZero() || !n.EnqueuedBefore.IsZero() || n.Limit != 0 {
			return errors.New("not: allowed are queues, states, kinds, ids, tags, args, errors, reasons, fingerprints and text")
		}
		if err := n.validateValues(); err != nil {
			return fmt.Errorf("not: %w", err)
		}
	}
	return nil
}

func (q *Query) validateValues() error {
	n := len(q.Tags) + len(q.Args)
	for _, texts := range [][]string{q.Queues, q.Kinds, q.IDs, q.Errors, q.Reasons, q.Fingerprints, q.Text} {
		n += len(texts)
		for _, text := range texts {
			if text == "" {
				return errors.New("an empty text means every job: leave it out")
			}
		}
	}
	if n += len(q.States); n > maxQueryValues {
		return fmt.Errorf("%d values: allowed are %d", n, maxQueryValues)
	}
	for _, s := range q.States {
		if !slices.Contains(States, s) {
			return fmt.Errorf("state: %.40q: allowed are %s", s, stateNames())
		}
	}
	for _, m := range q.Tags {
		if m.Name == "" {
			return errors.New("tag: the name is missing")
		}
	}
	for _, m := range q.Args {
		if _, err := parsePath(m.Name); err != nil {
			return fmt.Errorf("args.%.80s: %w", m.Name, err)
		}
	}
	return nil
}

func stateNames() string {
	names := make([]string, len(States))
	for i := range States {
		names[i] = string(States[i])
	}
	return strings.Join(names, ", ")
}

// states are those that are looked through.
func (q *Query) states() []tasuki.State {
	states := q.States
	if len(states) == 0 {
		states = usualStates
	}
	if q.Not == nil {
		return states
	}
	return slices.DeleteFunc(slices.Clone(states), func(s tasuki.State) bool { return slices.Contains(q.Not.States, s) })
}

// hasQueue tells whether jobs of a queue are meant.
func (q *Query) hasQueue(name string) bool {
	return (len(q.Queues) == 0 || slices.Contains(q.Queues, name)) && (q.Not == nil || !slices.Contains(q.Not.Queues, name))
}

// isOfPlace tells whether the place of a job says all that the query asks for.
func (q *Query) isOfPlace() bool {
	rest := *q
	rest.Queues, rest.States = nil, nil
	if q.Not != nil {
		not := *q.Not
		not.Queues, not.States = nil, nil
		rest.Not = &not
	}
	return rest.String() == ""
}

// isQueueName tells whether a text can be the name of a queue, for an error at the right time.
func isQueueName(name string) error {
	if strings.HasPrefix(name, "list:") {
		return nil // the store says more of the key of a list
	}
	return wire.CheckQueue("queue", name)
}
