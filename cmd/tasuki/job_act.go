package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

// jobAct is a command that does something to jobs: to some by their addresses, or to all
// of a queue that a filter means.
type jobAct struct {
	*app
	what   inspect.Action
	done   string                         // in a sentence: "12 jobs would be removed"
	usual  []tasuki.State                 // of the filter, if none is given
	states []tasuki.State                 // that are allowed
	read   func(cmd *cobra.Command) error // reads flags of its own, if there are some
	one    func(ctx context.Context, client *tasuki.Client, i *inspect.Inspector, address string) (v any, text string, err error)

	to               string           // the queue to which they are moved, of mv
	at               time.Time        // when they are due, of reschedule
	changes          *inspect.Changes // of edit
	own              []string         // flags of its own, which take the place of the filter's
	output           string
	query, by        string
	filter           jobFilter
	all, dryRun, yes bool
}

func (c *jobAct) command(cmd *cobra.Command) *cobra.Command {
	cmd.Long += `

Instead of addresses, --queue and a filter mean all jobs of a queue that the filter
fits; without a filter --all is needed. --query means those that a query fits, which
docs/queries.md tells of, in all queues unless it names some. Such a call asks before it
does anything: --yes says yes, which is needed where nobody can be asked, and --dry-run
lists the jobs and does nothing. To repeat it is safe. It is an operation, which tasuki op
shows, cancels, continues when it was interrupted, and undoes where that is possible.`
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if c.what == inspect.Move {
			if len(args) == 0 {
				return errors.New("the queue to which they go is missing")
			}
			to := args[len(args)-1]
			if _, _, err := tasuki.ParseAddress(to + "/id"); err != nil || strings.ContainsAny(to, ":/") {
				return fmt.Errorf("TO: %.140q: allowed is the name of a queue: 1 to 128 of A-Z a-z 0-9 . _ - beginning with a letter or digit", to)
			}
			args = args[:len(args)-1]
		}
		for _, address := range args {
			if err := checkAddress(address); err != nil {
				return err
			}
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if c.what == inspect.Move {
			args, c.to = args[:len(args)-1], args[len(args)-1]
			c.done = "moved to " + c.to
		}
		if c.read != nil {
			if err := c.read(cmd); err != nil {
				return usageError(err)
			}
		}
		if err := c.check(cmd, args); err != nil {
			return usageError(err)
		}
		client, err := c.connect(cmd.Context())
		if err != nil {
			return err
		}
		defer client.Close()
		i := inspect.New(client).As(cmp.Or(c.by, whoami()))
		defer i.Close()
		if len(args) == 0 {
			return c.bulk(cmd, i)
		}
		var failed []error
		for _, address := range args {
			v, text, err := c.one(cmd.Context(), client, i, address)
			if err == nil {
				err = show(cmd.OutOrStdout(), c.output, v, "%s", text)
			}
			failed = append(failed, err)
			if cmd.Context().Err() != nil {
				break
			}
		}
		return errors.Join(failed...)
	}
	c.filter.addFlags(cmd, c.states)
	flags := cmd.Flags()
	flags.IntVar(&c.filter.Limit, "limit", 0, "`NUMBER` of jobs at most; 0 is no limit")
	flags.StringVar(&c.query, "query", "", "`QUERY` that the jobs fit, such as 'queue:mail state:dead error:timeout'")
	byFlag(cmd, &c.by)
	flags.BoolVar(&c.all, "all", false, "all jobs of the queue that it can be done to")
	flags.BoolVar(&c.dryRun, "dry-run", false, "list the jobs that are meant, and do nothing")
	flags.BoolVarP(&c.yes, "yes", "y", false, "do not ask")
	outputFlag(cmd, &c.output)
	return cmd
}

// check says what is wrong with a call.
func (c *jobAct) check(cmd *cobra.Command, args []string) error {
	given := cmd.Flags().Changed
	filters := slices.DeleteFunc(slices.Clone(filterFlags), func(name string) bool { return slices.Contains(c.own, name) })
	if len(args) > 0 {
		for _, name := range append([]string{"queue", "query", "all", "dry-run", "limit"}, filters...) {
			if given(name) {
				return fmt.Errorf("%.80q beside --%s: allowed are addresses, or --queue with a filter", args[0], name)
			}
		}
		return nil
	}
	if c.filter.queue == "" && c.query == "" {
		return fmt.Errorf("the QUEUE/ID is missing: %s {QUEUE/ID…|--queue NAME}", cmd.CommandPath())
	}
	if !c.all && c.query == "" && !slices.ContainsFunc(filters, given) {
		return fmt.Errorf("--queue %s means all its jobs: allowed are --all, or a filter, such as --state %s", c.filter.queue, c.usual[len(c.usual)-1])
	}
	if err := c.filter.read(c.query, c.usual, c.states); err != nil {
		return err
	}
	if !c.yes && !c.dryRun && !isTerminal(cmd.InOrStdin()) {
		return errAskNobody
	}
	return nil
}

var errAskNobody = errors.New("nobody can be asked here: --yes does it, --dry-run shows what would be done")

// isTerminal tells whether somebody may answer there.
func isTerminal(in any) bool {
	f, ok := in.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// bulkActed is what a call for many jobs has done.
type bulkActed struct {
	Queue     string `json:"queue,omitempty"` // if it is one
	Operation string `json:"operation"`
	inspect.Acted
	Undoable int `json:"undoable"`
}

// bulkMeant is what it would do.
type bulkMeant struct {
	Queue  string `json:"queue,omitempty"`
	DryRun bool   `json:"dry_run"`
	Meant  int    `json:"meant"`
}

// where is the place of the jobs, in a sentence.
func (f *jobFilter) where() string {
	if len(f.Queues) == 0 {
		return "all queues"
	}
	return strings.Join(f.Queues, ", ")
}

// queueName is the queue, if it is one.
func (f *jobFilter) queueName() string {
	if len(f.Queues) == 1 {
		return f.Queues[0]
	}
	return ""
}

func (c *jobAct) bulk(cmd *cobra.Command, i *inspect.Inspector) error {
	ctx := cmd.Context()
	for _, queue := range c.filter.Queues {
		if _, err := look(ctx, i, queue); err != nil {
			return err
		}
	}
	if c.dryRun {
		return c.list(cmd, i)
	}
	task := inspect.Task{Action: c.what, To: c.to, At: c.at, Changes: c.changes}
	if !c.yes {
		meant, noUndo, err := i.Preview(ctx, task, c.filter.Query)
		if errors.Is(err, inspect.ErrInvalid) {
			return usageError(ofFlag(err))
		}
		if err != nil {
			return lookFailure(err)
		}
		n := int(meant.Jobs)
		if c.filter.Limit > 0 {
			n = min(n, c.filter.Limit)
		}
		if n > 0 || !meant.Exact {
			text := fmt.Sprintf("%s of %s will be %s.", count(n, "job"), c.filter.where(), c.done)
			if !meant.Exact && n != c.filter.Limit {
				text = "At least " + text
			}
			if noUndo != "" && c.what != inspect.Retry {
				text += " It cannot be undone: " + noUndo + "."
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%s Go on? [y/N] ", text)
			if err := confirm(ctx, cmd); err != nil {
				return err
			}
		}
	}
	o, err := i.Operate(ctx, task, c.filter.Query)
	if errors.Is(err, inspect.ErrInvalid) {
		return usageError(ofFlag(err))
	}
	if err != nil {
		return jobFailure(err)
	}
	if o, err = await(cmd, i, o); err != nil {
		return err
	}
	text := fmt.Sprintf("%s: %d %s", c.filter.where(), o.Done, c.done)
	if o.Skipped > 0 {
		text += fmt.Sprintf(", %d had moved", o.Skipped)
	}
	if o.Refused > 0 {
		text += fmt.Sprintf(", %d refused", o.Refused)
	}
	if o.Undoable > 0 && c.output != "json" {
		fmt.Fprintf(cmd.ErrOrStderr(), "tasuki op undo %s undoes it for %s\n", o.ID, count(o.Undoable, "job"))
	}
	return errors.Join(show(cmd.OutOrStdout(), c.output, bulkActed{c.filter.queueName(), o.ID, o.Acted, o.Undoable}, "%s", text), operationFailure(&o))
}

// list shows what would be done.
func (c *jobAct) list(cmd *cobra.Command, i *inspect.Inspector) error {
	l := newLister(cmd.OutOrStdout(), c.output, jobTable)
	for j, err := range i.Jobs(cmd.Context(), c.filter.Query) {
		if err != nil {
			return errors.Join(l.flush(), lookFailure(err))
		}
		if err := l.add(shown(j)); err != nil {
			return err
		}
	}
	if err := l.flush(); err != nil {
		return err
	}
	if c.output == "json" { // the last line of many
		return printed(json.NewEncoder(cmd.OutOrStdout()).Encode(bulkMeant{c.filter.queueName(), true, l.n}))
	}
	return show(cmd.OutOrStdout(), c.output, nil, "%s: %d would be %s", c.filter.where(), l.n, c.done)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// confirm waits for a yes.
func confirm(ctx context.Context, cmd *cobra.Command) error {
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n') // the end of the input is no yes
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case text := <-answer:
		if text == "y" || text == "yes" {
			return nil
		}
		return &exitError{code: exitFailed, err: errors.New("nothing was done")}
	case <-ctx.Done():
		return failure(ctx.Err())
	}
}

// jobFailure is failure for what is asked of jobs: that it cannot be done to one is no
// fault of Redis.
func jobFailure(err error) error {
	for _, is := range []error{tasuki.ErrRunning, tasuki.ErrEnded, tasuki.ErrLocked, tasuki.ErrChanged, tasuki.ErrIDTaken, inspect.ErrMoved, inspect.ErrBare, inspect.ErrReady, inspect.ErrForeign,
		inspect.ErrNotUndoable, inspect.ErrOperationRuns} {
		if errors.Is(err, is) {
			return &exitError{code: exitFailed, err: err}
		}
	}
	return failure(err)
}

var waiting = []tasuki.State{tasuki.StateSuspect, tasuki.StateReady, tasuki.StateRetry, tasuki.StateScheduled}

// actedOn is what was done to one job.
type actedOn struct {
	Address string `json:"address"`
	Did     string `json:"did"` // retried, removed
}

// do does the command's thing to one job.
func (c *jobAct) do(ctx context.Context, i *inspect.Inspector, address string) (any, string, error) {
	j, err := findJob(ctx, i, address)
	if err != nil {
		return nil, "", err
	}
	if err := i.Act(ctx, c.what, j)[0]; err != nil {
		return nil, "", jobFailure(fmt.Errorf("%s: %w", address, err))
	}
	return actedOn{address, c.done}, address + ": " + c.done, nil
}

func newJobRetry(a *app) *cobra.Command {
	states := []tasuki.State{tasuki.StateRetry, tasuki.StateScheduled, tasuki.StateDead}
	c := &jobAct{app: a, what: inspect.Retry, done: "retried", usual: []tasuki.State{tasuki.StateRetry, tasuki.StateDead}, states: states}
	c.one = func(ctx context.Context, _ *tasuki.Client, i *inspect.Inspector, address string) (any, string, error) {
		return c.do(ctx, i, address)
	}
	return c.command(&cobra.Command{
		Use:   "retry {QUEUE/ID…|--queue NAME}",
		Short: "Make jobs ready now that wait for a retry, are scheduled or dead",
		Long: `retry makes jobs ready now: those that wait for a retry or are scheduled, and dead
ones, which have all their attempts before them again. With --queue it means those
that wait for a retry or are dead, unless a --state is named.`,
		Example: `  tasuki job retry mail/01kbr5
  tasuki job retry --queue mail --state dead --error "connection refused" --dry-run`,
	})
}

// movedJob is what was done to one job.
type movedJob struct {
	Address string `json:"address"`
	Did     string `json:"did"`
	To      string `json:"to"` // its address from now on
}

func newJobMv(a *app) *cobra.Command {
	c := &jobAct{app: a, what: inspect.Move, usual: waiting, states: append(slices.Clone(waiting), tasuki.StateParked)}
	c.one = func(ctx context.Context, client *tasuki.Client, i *inspect.Inspector, address string) (any, string, error) {
		j, err := findJob(ctx, i, address)
		if err != nil {
			return nil, "", err
		}
		if err := i.Move(ctx, c.to, j)[0]; err != nil {
			return nil, "", jobFailure(fmt.Errorf("%s: %w", address, err))
		}
		to := c.to + "/" + j.ID
		return movedJob{address, "moved", to}, address + ": moved to " + to, nil
	}
	return c.command(&cobra.Command{
		Use:   "mv {QUEUE/ID…|--queue NAME} TO",
		Short: "Move recorded jobs that wait to another queue",
		Long: `mv moves jobs that have a record and do not run to the queue TO. They keep their id,
arguments, times, attempts and history, and are due when they were. The old address leads
to the new one, for as long as the record of a job is kept, a day at least. A uniqueness
key holds in the new queue then; a job stays where it is if another has its key or its id
there. Jobs without a record, and dead ones, are moved by tasuki move. What was cut off is
finished by the same command. With --queue it means those that wait, unless a --state is
named.`,
		Example: `  tasuki job mv mail/01kbr5 bulk
  tasuki job mv --queue mail --kind email.newsletter --yes bulk`,
	})
}

// rescheduledJob is what was done to one job.
type rescheduledJob struct {
	Address string    `json:"address"`
	Did     string    `json:"did"`
	Due     time.Time `json:"due_at"`
}

func newJobReschedule(a *app) *cobra.Command {
	var in time.Duration
	var at time.Time
	c := &jobAct{app: a, what: inspect.Reschedule, usual: waiting, states: append(slices.Clone(waiting), tasuki.StateDead)}
	c.read = func(cmd *cobra.Command) error {
		switch given := cmd.Flags().Changed; {
		case given("in") == given("at"):
			return errors.New("allowed is one of --in and --at")
		case in < 0:
			return fmt.Errorf("--in: %v: allowed are 0 and more", in)
		case given("in"):
			at = time.Now().Add(in)
		}
		c.at, c.done = at, "rescheduled to "+at.Local().Format(time.RFC3339)
		return nil
	}
	c.one = func(ctx context.Context, _ *tasuki.Client, i *inspect.Inspector, address string) (any, string, error) {
		j, err := findJob(ctx, i, address)
		if err != nil {
			return nil, "", err
		}
		if err := i.Reschedule(ctx, c.at, j)[0]; err != nil {
			return nil, "", jobFailure(fmt.Errorf("%s: %w", address, err))
		}
		return rescheduledJob{address, "rescheduled", c.at}, address + ": " + c.done, nil
	}
	cmd := c.command(&cobra.Command{
		Use:   "reschedule {QUEUE/ID…|--queue NAME} {--in DURATION|--at TIME}",
		Short: "Change when jobs that do not run are due",
		Long: `reschedule has jobs that wait be due at another time, earlier or later; one in the past is
now. A dead one has all its attempts before it again. With --queue it means all that wait,
unless a --state is named.`,
		Example: `  tasuki job reschedule mail/01kbr5 --in 1h
  tasuki job reschedule --queue mail --kind email.newsletter --at 2030-01-02T06:00:00Z --yes`,
	})
	flags := cmd.Flags()
	flags.DurationVar(&in, "in", 0, "`DURATION` from now until they are due, such as 90s or 1h30m")
	flags.TimeVar(&at, "at", time.Time{}, []string{time.RFC3339}, "`TIME` when they are due, such as 2030-01-02T15:04:05Z")
	return cmd
}

func newJobRm(a *app) *cobra.Command {
	states := append(slices.Clone(waiting), tasuki.StateParked, tasuki.StateDead, tasuki.StateDone, tasuki.StateCancelled, tasuki.StateExpired)
	c := &jobAct{app: a, what: inspect.Remove, done: "removed", usual: append(slices.Clone(waiting), tasuki.StateDead), states: states}
	c.one = func(ctx context.Context, _ *tasuki.Client, i *inspect.Inspector, address string) (any, string, error) {
		return c.do(ctx, i, address)
	}
	return c.command(&cobra.Command{
		Use:   "rm {QUEUE/ID…|--queue NAME}",
		Short: "Take jobs away that wait or are dead, and records of those that have ended",
		Long: `rm takes jobs away for good: those that wait, dead ones, and the records of those
that have ended. One that runs can only be cancelled. With --queue it means those
that wait or are dead, unless a --state is named.`,
		Example: `  tasuki job rm mail/01kbr5
  tasuki job rm --queue mail --state dead --kind email.welcome --before 24h --yes`,
	})
}

func newJobCancel(a *app) *cobra.Command {
	states := append(slices.Clone(waiting), tasuki.StateParked, tasuki.StateRunning)
	c := &jobAct{app: a, what: inspect.Cancel, done: "cancelled", usual: append(slices.Clone(waiting), tasuki.StateRunning), states: states, one: cancelOne}
	return c.command(&cobra.Command{
		Use:   "cancel {QUEUE/ID…|--queue NAME}",
		Short: "End jobs that wait, and ask workers to end those that run",
		Long: `cancel ends jobs that wait. Of one that runs it asks the workers of the queue to
cancel it: the context of its handler ends, and when the handler then returns an
error the job is cancelled and not tried again. A handler that does not heed its
context goes on. The record of a job that has one is kept, and says that it was
cancelled.

A job without a record is looked for in all of the queue. One that is not found has
most likely ended, and the exit code says so (4), as of rm and the others; the workers
are asked all the same. With --queue it means those that wait or run, unless a --state
is named.`,
		Example: `  tasuki job cancel mail/01kbr5
  tasuki job cancel --queue mail --kind email.newsletter --yes`,
	})
}

// cancelledJob is what was done to one job.
type cancelledJob struct {
	Address string `json:"address"`
	State   string `json:"state,omitempty"` // cancelled, of one that waited
	Workers int    `json:"workers"`         // of the queue, which were asked
}

// cancelOne cancels a job, which may be anywhere.
func cancelOne(ctx context.Context, client *tasuki.Client, i *inspect.Inspector, address string) (any, string, error) {
	name, id, err := tasuki.ParseAddress(address)
	if err != nil {
		return nil, "", usageError(err)
	}
	queue, err := look(ctx, i, name)
	if err != nil {
		return nil, "", err
	}
	j, err := findJob(ctx, i, address)
	missing := errors.Is(err, inspect.ErrNotFound)
	switch {
	case err == nil && j.State != tasuki.StateRunning:
		err = i.Act(ctx, inspect.Cancel, j)[0]
		if err == nil {
			return cancelledJob{address, "cancelled", 0}, address + ": cancelled", nil
		}
		if !errors.Is(err, inspect.ErrMoved) { // then it runs by now
			return nil, "", jobFailure(fmt.Errorf("%s: %w", address, err))
		}
	case err != nil && !missing:
		return nil, "", err
	}
	if err := client.Cancel(ctx, address); err != nil {
		return nil, "", jobFailure(err)
	}
	if missing { // or it went from place to place while it was looked for
		return nil, "", &exitError{code: exitNotFound, err: fmt.Errorf("%w; %s of %s were asked to cancel it all the same", err, count(queue.Workers, "worker"), name)}
	}
	return cancelledJob{address, "", queue.Workers}, fmt.Sprintf("asked %s of %s to cancel %s, if one runs it", count(queue.Workers, "worker"), name, id), nil
}
