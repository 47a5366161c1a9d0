package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

// editFlags are those that say what is changed.
var editFlags = []string{"args", "max-attempts", "timeout", "deadline", "expire-at", "meta"}

// jobChanges are the values of editFlags.
type jobChanges struct {
	args               string
	maxAttempts        int
	timeout            time.Duration
	deadline, expireAt time.Time
	meta               []string
}

func (e *jobChanges) addFlags(f *pflag.FlagSet) {
	f.StringVar(&e.args, "args", "", "`JSON` of the new arguments")
	f.IntVar(&e.maxAttempts, "max-attempts", 0, "`NUMBER` of times that a job may be run, -1 for no limit")
	f.Var(durationOrNone{&e.timeout}, "timeout", "`DURATION` of an attempt at most; 0 is the worker's, -1 none")
	f.Var(timeOrNone{&e.deadline}, "deadline", "`TIME` from which on a job is not run, and dead if it is not done; -1 for none")
	f.Var(timeOrNone{&e.expireAt}, "expire-at", "`TIME` from which on a job is dropped if it was not started; -1 for none")
	f.StringArrayVar(&e.meta, "meta", nil, "`NAME=VALUE` that travels with a job, NAME= to take it away; repeatable")
}

// read returns the changes that a call means.
func (e *jobChanges) read(f *pflag.FlagSet) (*inspect.Changes, error) {
	given := f.Changed
	c := &inspect.Changes{}
	switch {
	case !slices.ContainsFunc(editFlags, given):
		return nil, errors.New("what is to be changed is missing: allowed are --" + strings.Join(editFlags, ", --"))
	case given("args") && !json.Valid([]byte(e.args)):
		return nil, fmt.Errorf("--args: %.80q: allowed is JSON", e.args)
	case given("max-attempts") && e.maxAttempts == 0:
		return nil, fmt.Errorf("--max-attempts: 0: %s", allowedNumbers["max-attempts"])
	}
	if given("args") {
		c.Args = json.RawMessage(e.args)
	}
	if given("max-attempts") {
		c.MaxAttempts = &e.maxAttempts
	}
	if given("timeout") {
		c.Timeout = &e.timeout
	}
	if given("deadline") {
		c.Deadline = &e.deadline
	}
	if given("expire-at") {
		c.ExpireAt = &e.expireAt
	}
	for _, pair := range e.meta {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--meta: %.80q: allowed is NAME=VALUE, and NAME= to take it away", pair)
		}
		if c.Tags == nil {
			c.Tags = map[string]string{}
		}
		c.Tags[name] = value
	}
	if err := (&inspect.Task{Action: inspect.Edit, Changes: c}).Validate(); err != nil {
		return nil, ofFlag(err)
	}
	return c, nil
}

// ofFlag is an error of the library about the value of a flag, as one of the flag.
func ofFlag(err error) error {
	for _, name := range editFlags {
		if _, text, ok := strings.Cut(": "+err.Error(), ": "+strings.ReplaceAll(name, "-", "_")+": "); ok {
			return fmt.Errorf("--%s: %s", name, text)
		}
	}
	return err
}

func newJobEdit(a *app) *cobra.Command {
	var e jobChanges
	c := &jobAct{app: a, what: inspect.Edit, done: "edited", own: editFlags,
		usual: append(slices.Clone(waiting), tasuki.StateDead), states: append(slices.Clone(waiting), tasuki.StateDead)}
	c.read = func(cmd *cobra.Command) (err error) {
		c.changes, err = e.read(cmd.Flags())
		return err
	}
	c.one = func(ctx context.Context, _ *tasuki.Client, i *inspect.Inspector, address string) (any, string, error) {
		j, err := findJob(ctx, i, address)
		if err != nil {
			return nil, "", err
		}
		if err := i.Edit(ctx, *c.changes, j)[0]; err != nil {
			return nil, "", editFailure(address, err)
		}
		if j, err = findJob(ctx, i, address); err != nil {
			return nil, "", err
		}
		return shown(j), jobText(&j, ""), nil
	}
	cmd := &cobra.Command{
		Use:   "edit {QUEUE/ID…|--queue NAME}",
		Short: "Change the arguments or options of recorded jobs that do not run",
		Long: `edit changes recorded jobs that do not run: their arguments, how often they may be
run, how long an attempt may take, until when they are to be done or started, or what
travels with them. What is not named stays. A dead job can be edited, and then retried,
which takes its limits in time away; until then it is given none. A job without a record
cannot be changed: remove it, and enqueue another.

With --queue it means those that wait or are dead, unless a --state is named. --meta is
what they are given: of those that have something already a query tells, by tag:NAME=VALUE.`,
		Example: `  tasuki job edit mail/01kbr5 --args '{"user_id": 42}' && tasuki job retry mail/01kbr5
  tasuki job edit --queue mail --kind email.newsletter --timeout 5m --dry-run`,
	}
	e.addFlags(cmd.Flags())
	return c.command(cmd)
}

// editFailure is jobFailure for a job that was not changed: what is wrong with a value is that of a flag.
func editFailure(address string, err error) error {
	if flag := ofFlag(err); flag != err && strings.HasPrefix(err.Error(), "edit ") {
		return usageError(flag)
	}
	return jobFailure(fmt.Errorf("%s: %w", address, err))
}
