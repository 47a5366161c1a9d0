package inspect

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/bridge"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// Why something was not done to a job: one of these, or of tasuki.ErrRunning, ErrEnded,
// ErrLocked and ErrNotFound, that of a record.
var (
	// ErrMoved: the job is not where it was read any more. It has run or ended since, or was
	// moved by others.
	ErrMoved = errors.New("the job has moved meanwhile")
	// ErrReady: it waits for a worker already.
	ErrReady = errors.New("the job is ready already")
	// ErrBare: it has no record, and only recorded jobs can be edited, or moved with Move;
	// Transfer moves all.
	ErrBare = errors.New("the job has no record")
	// ErrForeign: it lies in the list of another program, where nothing is taken away.
	ErrForeign = errors.New("the job lies in the list of another program")
	// ErrInvalid: what was given is not allowed, whatever the job: the error names the field and what
	// is allowed.
	ErrInvalid = errors.New("not allowed")
)

// IsAway tells whether an error is that Redis does not answer, or cannot now: what only reads may be
// tried again.
func IsAway(err error) bool { return store.IsPassing(err) || errors.Is(err, store.ErrClosed) }

// invalid is an error that is an ErrInvalid, and says it in its own words.
type invalid struct{ error }

func (invalid) Is(target error) bool { return target == ErrInvalid }

// refusal is an ErrInvalid of what is wrong, nil if nothing is.
func refusal(wrong ...error) error {
	if err := errors.Join(wrong...); err != nil {
		return invalid{err}
	}
	return nil
}

// Action is what can be done to jobs that were read. Each is safe to repeat.
type Action string

// The actions.
const (
	// Retry makes jobs ready that are scheduled, wait for a retry or are dead: a dead one
	// with all its attempts before it.
	Retry Action = "retry"
	// Cancel ends jobs that wait, and asks those that run to end. A dead one has ended.
	Cancel Action = "cancel"
	// Remove takes jobs away that do not run: those that wait, the dead, and records of
	// those that have ended.
	Remove Action = "remove"
	// Reschedule moves jobs that do not run to another time.
	Reschedule Action = "reschedule"
	// Move has recorded jobs that wait go to another queue.
	Move Action = "move"
	// Edit changes options and arguments of recorded jobs that do not run.
	Edit Action = "edit"
)

// Actions are all of them.
var Actions = []Action{Retry, Cancel, Remove, Reschedule, Move, Edit}

// Act retries, cancels or removes jobs that Jobs, Find or Job has returned. It returns an error
// or nil for each: a job that is not where it was read any more is left alone, with ErrMoved.
func (i *Inspector) Act(ctx context.Context, what Action, jobs ...Job) []error {
	if what != Retry && what != Cancel && what != Remove {
		err := refusal(fmt.Errorf("action: %.40q: allowed are %s, %s, %s", what, Retry, Cancel, Remove))
		return slices.Repeat([]error{err}, len(jobs))
	}
	return i.act(&actor{Inspector: i, ctx: ctx, what: what}, jobs)
}

// Reschedule moves jobs that do not run to another time; one that is in the past is now, and the
// zero time is refused. A dead job has all its attempts before it again, as after Retry. It returns
// what Act does.
func (i *Inspector) Reschedule(ctx context.Context, to time.Time, jobs ...Job) []error {
	if err := checkTime(to); err != nil {
		return slices.Repeat([]error{refusal(fmt.Errorf("reschedule: %w", err))}, len(jobs))
	}
	return i.act(&actor{Inspector: i, ctx: ctx, what: Reschedule, at: to}, jobs)
}

// checkTime refuses the zero time: who forgets the time does not mean now.
func checkTime(to time.Time) error {
	switch {
	case to.IsZero():
		return errors.New("at: it is missing: allowed is a time; one in the past is now")
	case to.Year() > 9999:
		return fmt.Errorf("at: the year %d: allowed are times until the year 9999", to.Year())
	}
	return nil
}

// Move has recorded jobs go to another queue, as Client.Move does. It returns what Act does.
func (i *Inspector) Move(ctx context.Context, to string, jobs ...Job) []error {
	return i.act(&actor{Inspector: i, ctx: ctx, what: Move, to: to}, jobs)
}

// Edit changes recorded jobs that do not run, as Client.Edit does. It returns what Act does.
func (i *Inspector) Edit(ctx context.Context, c Changes, jobs ...Job) []error {
	if err := c.validate(always); err != nil {
		return slices.Repeat([]error{refusal(fmt.Errorf("edit: %w", err))}, len(jobs))
	}
	return i.act(&actor{Inspector: i, ctx: ctx, what: Edit, changes: &c}, jobs)
}

// act does something to jobs that a person has chosen.
func (i *Inspector) act(a *actor, jobs []Job) []error {
	errs := a.act(jobs)
	targets := make([]string, len(jobs))
	for k := range jobs {
		targets[k] = jobs[k].Address()
	}
	t := Task{Action: a.what, At: a.at, To: a.to, Changes: a.changes}
	i.notedAll(a.ctx, string(a.what), targets, strings.TrimPrefix(t.detail(), ", "), errs)
	return errs
}

// Changes are what Edit makes of jobs; what is nil stays as it is.
type Changes struct {
	Args        json.RawMessage `json:"args,omitempty"`         // instead of all arguments
	Was         json.RawMessage `json:"was,omitempty"`          // the arguments that were seen: a job that has others is not changed
	MaxAttempts *int            `json:"max_attempts,omitempty"` // as those of tasuki.Opts
	Timeout     *time.Duration  `json:"timeout_ns,omitempty"`
	Keep        *time.Duration  `json:"keep_ns,omitempty"`
	Deadline    *time.Time      `json:"deadline,omitempty"` // the zero time takes it away
	ExpireAt    *time.Time      `json:"expire_at,omitempty"`
	// Tags are set in Opts.Meta; one with the value "" is taken away.
	Tags map[string]string `json:"tags,omitempty"`
}

// always is before each time that may be that of a job: a limit that it has already may be given once more.
var always = time.UnixMilli(0)

// validate says what no job may have, as an enqueue would at that time. How long arguments may be, and
// whether limits fit what a job has, is asked of each.
func (c *Changes) validate(now time.Time) error {
	if c.Args == nil && c.MaxAttempts == nil && c.Timeout == nil && c.Keep == nil && c.Deadline == nil && c.ExpireAt == nil && len(c.Tags) == 0 {
		return errors.New("changes: there is none: allowed are args, max_attempts, timeout_ns, deadline, expire_at, keep_ns and tags")
	}
	if c.Args != nil && !json.Valid(c.Args) {
		return errors.New("args: allowed is JSON")
	}
	if c.Was != nil && !json.Valid(c.Was) {
		return errors.New("was: allowed is JSON")
	}
	spec := tasuki.Spec{Kind: "edit", Args: c.Was}
	if err := c.apply(&spec); err != nil {
		return err
	}
	_, _, err := bridge.RehearseEnqueue(&spec, math.MaxInt, now)
	return err
}

// detail names what is changed. The audit trail has no arguments and values of tags: it outlives
// the jobs, and others read it.
func (c *Changes) detail() string {
	var what []string
	if c.Args != nil {
		what = append(what, "args")
	}
	if c.MaxAttempts != nil {
		what = append(what, fmt.Sprintf("max_attempts %d", *c.MaxAttempts))
	}
	if c.Timeout != nil {
		what = append(what, fmt.Sprintf("timeout %v", *c.Timeout))
	}
	if c.Keep != nil {
		what = append(what, fmt.Sprintf("keep %v", *c.Keep))
	}
	limit := func(name string, to *time.Time) {
		switch {
		case to == nil:
		case to.IsZero():
			what = append(what, "no "+name)
		default:
			what = append(what, name+" "+to.UTC().Format(time.RFC3339))
		}
	}
	limit("deadline", c.Deadline)
	limit("expire_at", c.ExpireAt)
	for _, name := range slices.Sorted(maps.Keys(c.Tags)) {
		what = append(what, "tag "+name)
	}
	return strings.Join(what, ", ")
}

// apply makes the changes.
func (c *Changes) apply(spec *tasuki.Spec) error {
	if c.Was != nil && !sameJSON(c.Was, spec.Args) {
		return fmt.Errorf("%w: others have changed its arguments: look at them again", ErrMoved)
	}
	if c.Args != nil {
		spec.Args = slices.Clone(c.Args)
	}
	if c.MaxAttempts != nil {
		spec.Opts.MaxAttempts = *c.MaxAttempts
	}
	if c.Timeout != nil {
		spec.Opts.Timeout = *c.Timeout
	}
	if c.Keep != nil {
		spec.Opts.Keep = *c.Keep
	}
	if c.Deadline != nil {
		spec.Opts.Deadline = *c.Deadline
	}
	if c.ExpireAt != nil {
		spec.Opts.ExpireAt = *c.ExpireAt
	}
	if len(c.Tags) > 0 {
		meta := maps.Clone(spec.Opts.Meta)
		if meta == nil {
			meta = map[string]string{}
		}
		for name, value := range c.Tags {
			if value == "" {
				delete(meta, name)
			} else {
				meta[name] = value
			}
		}
		spec.Opts.Meta = meta
	}
	return nil
}

// sameJSON tells whether two texts differ in nothing but space.
func sameJSON(a, b []byte) bool {
	var one, other bytes.Buffer
	return json.Compact(&one, a) == nil && json.Compact(&other, b) == nil && bytes.Equal(one.Bytes(), other.Bytes())
}

// Task is what is done to jobs: an action, and what it needs.
type Task struct {
	Action  Action    `json:"action"`
	At      time.Time `json:"at,omitzero"`       // of Reschedule; one in the past is now
	To      string    `json:"to,omitempty"`      // of Move: the queue
	Changes *Changes  `json:"changes,omitempty"` // of Edit
}

// Validate returns an ErrInvalid that says what of a task is not allowed: an action that is none,
// something that its action lacks, or does not need, or a change that no job may have.
func (t *Task) Validate() error { return refusal(t.validate(always)) }

func (t *Task) validate(now time.Time) error {
	if !slices.Contains(Actions, t.Action) {
		return fmt.Errorf("action: %.40q: allowed are retry, cancel, remove, reschedule, move, edit", t.Action)
	}
	switch {
	case t.Action != Reschedule && !t.At.IsZero():
		return fmt.Errorf("at: allowed for %s only", Reschedule)
	case t.Action != Move && t.To != "":
		return fmt.Errorf("to: allowed for %s only", Move)
	case t.Action == Move && t.To == "":
		return errors.New("to: the queue is missing")
	case t.Action != Edit && t.Changes != nil:
		return fmt.Errorf("changes: allowed for %s only", Edit)
	case t.Action == Edit && t.Changes == nil:
		return errors.New("changes: they are missing")
	case t.Action == Edit:
		return t.Changes.validate(now)
	case t.Action == Move:
		return isQueueName(t.To)
	case t.Action == Reschedule:
		return checkTime(t.At)
	}
	return nil
}

// Acted is what has become of jobs that were meant.
type Acted struct {
	Done int `json:"done"`
	// Skipped have moved or ended meanwhile, or are in no state for it.
	Skipped int `json:"skipped"`
	// Refused were refused for another reason, the last of which is in the error.
	Refused int `json:"refused"`
}

// isMoved tells whether an error is that a job is not, or not any more, in a state for an
// action.
func isMoved(err error) bool {
	return slices.ContainsFunc([]error{ErrMoved, ErrReady, tasuki.ErrRunning, tasuki.ErrEnded, tasuki.ErrNotFound}, func(is error) bool { return errors.Is(err, is) })
}

// actor does one thing to jobs.
type actor struct {
	*Inspector
	ctx     context.Context
	what    Action
	at      time.Time // of Reschedule
	to      string    // of Move: the queue
	changes *Changes  // of Edit
}

func (a *actor) act(jobs []Job) []error {
	errs := make([]error, len(jobs))
	byQueue := map[string][]int{} // bare ones that do not run
	var others []int
	for k := range jobs {
		j := &jobs[k]
		switch err := a.allowed(j); {
		case err != nil:
			errs[k] = err
		case j.Recorded || j.State == tasuki.StateRunning:
			others = append(others, k)
		default:
			byQueue[j.Queue] = append(byQueue[j.Queue], k)
		}
	}
	for queue, which := range byQueue {
		a.move(queue, jobs, which, errs)
	}
	// One after the other they would wait for each other's round trips.
	var wait sync.WaitGroup
	next := make(chan int)
	for range min(len(others), 16) {
		wait.Go(func() {
			for k := range next {
				errs[k] = a.one(&jobs[k])
			}
		})
	}
	for _, k := range others {
		next <- k
	}
	close(next)
	wait.Wait()
	return errs
}

// allowed says why something cannot be done to a job in its state.
func (a *actor) allowed(j *Job) error {
	switch {
	case j.at.foreign:
		return ErrForeign
	case j.State == tasuki.StateRunning && a.what != Cancel:
		return tasuki.ErrRunning
	case (a.what == Move || a.what == Edit) && !j.Recorded:
		return ErrBare
	case a.what == Retry && (j.State == tasuki.StateReady || j.State == tasuki.StateSuspect):
		return ErrReady
	case a.what == Cancel && j.State.HasEnded(),
		a.what != Remove && j.State.HasEnded() && j.State != tasuki.StateDead:
		return tasuki.ErrEnded
	}
	return nil
}

// one acts on a recorded job, or asks for the end of one that runs.
func (a *actor) one(j *Job) error {
	if j.ID == "" { // a raw job gets its id where it runs, and has not told it
		return fmt.Errorf("a plain element that runs: %w", ErrNotFound)
	}
	var err error
	switch {
	case a.what == Move:
		_, err = a.client.Move(a.ctx, j.Address(), a.to)
	case a.what == Edit:
		err = a.client.Edit(a.ctx, j.Address(), a.changes.apply)
	case j.Recorded:
		err = bridge.ActOn(a.ctx, a.client, string(a.what), &j.Record, a.at)
	default:
		err = a.client.Cancel(a.ctx, j.Address())
	}
	if errors.Is(err, tasuki.ErrChanged) {
		return ErrMoved
	}
	return err
}

// move acts on bare jobs of a queue that do not run, and notes their errors.
func (a *actor) move(queue string, jobs []Job, which []int, errs []error) {
	q, err := a.store.Queue(queue)
	if err != nil {
		for _, k := range which {
			errs[k] = err
		}
		return
	}
	slices.SortStableFunc(which, func(x, y int) int { // those of a list from its head on
		return cmp.Or(strings.Compare(string(jobs[x].State), string(jobs[y].State)), cmp.Compare(jobs[y].far, jobs[x].far))
	})
	for len(which) > 0 {
		first, n := &jobs[which[0]], 1
		for n < min(len(which), store.MovingMost) && jobs[which[n]].State == first.State && first.far-jobs[which[n]].far < store.MovingSpan {
			n++
		}
		a.moveSome(q, jobs, which[:n], errs)
		which = which[n:]
	}
}

func (a *actor) moveSome(q *store.Queue, jobs []Job, which []int, errs []error) {
	gone := a.what == Cancel || a.what == Remove
	moving := make([]store.Moving, len(which))
	for n, k := range which {
		moving[n] = store.Moving{From: string(jobs[k].State), Far: jobs[k].far, Element: jobs[k].element}
		if !gone {
			jobs[k].kept = again(&jobs[k])
			moving[n].Kept = jobs[k].kept
		}
	}
	done, err := a.store.Move(a.ctx, q, a.at, gone, moving)
	for n, k := range which {
		switch {
		case err != nil:
			errs[k] = err
		case !done[n]:
			errs[k] = ErrMoved
		}
	}
}

// again is the element of a bare job that is moved.
func again(j *Job) string {
	parsed, _ := wire.Parse(j.element) // what is no job is wrapped
	if j.State == tasuki.StateDead {
		parsed.Renew()
	}
	parsed.Token = wire.NewToken()
	return parsed.Element()
}
