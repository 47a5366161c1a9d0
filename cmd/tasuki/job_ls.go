package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

// jobFilter is what flags, and the text of a query, say of which jobs are meant.
type jobFilter struct {
	queue         string
	states        []string
	kinds         []string
	meta          []string
	error, text   string
	minAttempt    int
	before, after moment
	inspect.Query
}

// filterFlags are those that jobFilter adds, but --queue and --limit.
var filterFlags = []string{"state", "kind", "meta", "error", "text", "min-attempt", "before", "after"}

// addFlags adds the filter's flags to those of a command. One that has a --meta for something else
// keeps that.
func (f *jobFilter) addFlags(cmd *cobra.Command, allowed []tasuki.State) {
	flags := cmd.Flags()
	flags.StringVar(&f.queue, "queue", "", "`NAME` of the queue; list:KEY for a list of another program")
	flags.StringArrayVar(&f.states, "state", nil, "`STATE` of the jobs: "+strings.Join(stateNames(allowed), ", ")+"; repeatable")
	flags.StringArrayVar(&f.kinds, "kind", nil, "`KIND` of the jobs, or email.*; repeatable")
	if flags.Lookup("meta") == nil {
		flags.StringArrayVar(&f.meta, "meta", nil, "`NAME=VALUE` that travels with the jobs; repeatable, then all of them")
	}
	flags.StringVar(&f.error, "error", "", "`TEXT` in the last error, or in the reason why the job was put aside")
	flags.StringVar(&f.text, "text", "", "`TEXT` in the arguments")
	flags.IntVar(&f.minAttempt, "min-attempt", 0, "`NUMBER` of attempts at least")
	flags.Var(&f.before, "before", "enqueued before a `TIME` such as 2030-01-02T15:04:05Z, or one so long ago as 24h")
	flags.Var(&f.after, "after", "enqueued after a `TIME`, or one so long ago")
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(stateNames(allowed), cobra.ShellCompDirectiveNoFileComp)) // the flag is there
}

func stateNames(states []tasuki.State) []string {
	names := make([]string, len(states))
	for i := range states {
		names[i] = string(states[i])
	}
	return names
}

// read completes the query: that of a text, and what the flags say beside it. usual are the
// states if none is given, allowed those that can be.
func (f *jobFilter) read(text string, usual, allowed []tasuki.State) error {
	limit := f.Limit
	var err error
	if f.Query, err = inspect.ParseQuery(text); err != nil {
		return err
	}
	f.Limit = limit
	if f.queue != "" {
		if len(f.Queues) > 0 {
			return fmt.Errorf("--queue %s beside queue:%s in the query: allowed is one of them", f.queue, f.Queues[0])
		}
		f.Queues = []string{f.queue}
	}
	for _, name := range f.states {
		f.States = append(f.States, tasuki.State(name))
	}
	for _, state := range f.States {
		if !slices.Contains(allowed, state) {
			return fmt.Errorf("--state: %.80q: allowed are %s", state, strings.Join(stateNames(allowed), ", "))
		}
	}
	if len(f.States) == 0 {
		f.States = usual
	}
	f.Kinds = append(f.Kinds, f.kinds...)
	for _, pair := range f.meta {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return fmt.Errorf("--meta: %.80q: allowed is NAME=VALUE", pair)
		}
		f.Tags = append(f.Tags, inspect.Match{Name: name, Value: value})
	}
	if f.error != "" {
		f.Errors = append(f.Errors, f.error)
	}
	if f.text != "" {
		f.Text = append(f.Text, f.text)
	}
	if f.Limit < 0 {
		return fmt.Errorf("--limit: %d: %s", f.Limit, allowedNumbers["limit"])
	}
	if f.minAttempt < 0 {
		return fmt.Errorf("--min-attempt: %d: %s", f.minAttempt, allowedNumbers["min-attempt"])
	}
	f.MinAttempt = max(f.MinAttempt, f.minAttempt)
	if before := time.Time(f.before); !before.IsZero() {
		f.EnqueuedBefore = before
	}
	if after := time.Time(f.after); !after.IsZero() {
		f.EnqueuedAfter = after
	}
	return nil
}

// moment is a flag that is a time, or a duration until now.
type moment time.Time

func (m *moment) String() string {
	if time.Time(*m).IsZero() {
		return ""
	}
	return time.Time(*m).Format(time.RFC3339)
}

func (m *moment) Type() string { return "moment" }

func (m *moment) Set(text string) error {
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		*m = moment(time.Now().Add(-ago))
		return nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return errors.New("allowed is a time such as 2030-01-02T15:04:05Z, or a duration such as 24h, which is so long ago")
	}
	*m = moment(at)
	return nil
}

// queryArg allows one query, which may be in several words.
func queryArg(_ *cobra.Command, args []string) error {
	_, err := inspect.ParseQuery(strings.Join(args, " "))
	return err
}

func newJobLs(a *app) *cobra.Command {
	var output string
	var f jobFilter
	cmd := &cobra.Command{
		Use:     "ls [QUERY]",
		Aliases: []string{"list"},
		Short:   "List the jobs that a query means",
		Long: `ls lists jobs: those that run, then those that wait, each state from its head, then the
dead, the youngest first. Those that are parked or have ended (done, cancelled, expired)
are listed when their state is named; of these there are only recorded ones.

QUERY is a text of terms, such as queue:mail state:dead kind:email.* error:timeout, which
docs/queries.md tells of; flags add to it. Without a queue it means that of the name
default.

WHEN is when a job has started, is due, or has ended, and else when it was
enqueued. With -o json there is one object on each line. A job that moves meanwhile
can be listed twice or not at all.`,
		Example: `  tasuki job ls 'queue:mail state:dead kind:email.* error:"connection refused"'
  tasuki job ls 'queue:mail,bulk args.user.id:123 -kind:email.test age:>2h'
  tasuki job ls --queue mail --state dead --kind email.welcome --error timeout
  tasuki job ls --queue mail --before 24h --limit 0 -o json | jq .args`,
		Args: queryArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.read(strings.Join(args, " "), nil, inspect.States); err != nil {
				return usageError(err)
			}
			if len(f.Queues) == 0 {
				f.Queues = []string{tasuki.DefaultQueue}
			}
			client, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer client.Close()
			i := inspect.New(client)
			for _, queue := range f.Queues {
				if _, err := look(cmd.Context(), i, queue); err != nil {
					return err
				}
			}
			limit := f.Limit
			if f.Limit > 0 {
				f.Limit++ // to know whether there are more
			}
			l := newLister(cmd.OutOrStdout(), output, jobTable)
			for j, err := range i.Jobs(cmd.Context(), f.Query) {
				if err != nil {
					return errors.Join(l.flush(), lookFailure(err))
				}
				if l.full(limit) {
					break
				}
				if err := l.add(shown(j)); err != nil {
					return err
				}
			}
			if err := l.flush(); err != nil {
				return err
			}
			if l.n == 0 && len(f.states) == 0 && output != "json" {
				fmt.Fprintln(cmd.ErrOrStderr(), "no such job runs, waits or is dead; those that are parked, done, cancelled or expired are listed when their --state is named")
			}
			l.tellMore(cmd.ErrOrStderr())
			return nil
		},
	}
	f.addFlags(cmd, inspect.States)
	cmd.Flags().Lookup("queue").Usage += ` (default "` + tasuki.DefaultQueue + `")`
	cmd.Flags().IntVar(&f.Limit, "limit", 100, "`NUMBER` of jobs at most; 0 is no limit")
	outputFlag(cmd, &output)
	return cmd
}
