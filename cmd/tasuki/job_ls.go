package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

// jobFilter is what flags say of which jobs are meant.
type jobFilter struct {
	queue         string
	states        []string
	meta          []string
	before, after moment
	inspect.JobFilter
}

// filterFlags are those that jobFilter adds, but --queue and --limit.
var filterFlags = []string{"state", "kind", "meta", "error", "text", "min-attempt", "before", "after"}

func (f *jobFilter) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.queue, "queue", "", "`NAME` of the queue; list:KEY for a list of another program")
	flags.StringArrayVar(&f.states, "state", nil, "`STATE` of the jobs: "+strings.Join(stateNames(inspect.States), ", ")+"; repeatable")
	flags.StringArrayVar(&f.Kinds, "kind", nil, "`KIND` of the jobs; repeatable")
	flags.StringArrayVar(&f.meta, "meta", nil, "`NAME=VALUE` that travels with the jobs; repeatable, then all of them")
	flags.StringVar(&f.ErrorContains, "error", "", "`TEXT` in the last error, or in the reason why the job was put aside")
	flags.StringVar(&f.Text, "text", "", "`TEXT` in the arguments")
	flags.IntVar(&f.MinAttempt, "min-attempt", 0, "`NUMBER` of attempts at least")
	flags.Var(&f.before, "before", "enqueued before a `TIME` such as 2030-01-02T15:04:05Z, or one so long ago as 24h")
	flags.Var(&f.after, "after", "enqueued after a `TIME`, or one so long ago")
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(stateNames(inspect.States), cobra.ShellCompDirectiveNoFileComp)) // the flag is there
}

func stateNames(states []tasuki.State) []string {
	names := make([]string, len(states))
	for i := range states {
		names[i] = string(states[i])
	}
	return names
}

// read completes the filter. usual are the states if none is given, allowed those that
// can be.
func (f *jobFilter) read(usual, allowed []tasuki.State) error {
	f.States = usual
	if len(f.states) > 0 {
		f.States = nil
	}
	for _, name := range f.states {
		if !slices.Contains(allowed, tasuki.State(name)) {
			return fmt.Errorf("--state: %.80q: allowed are %s", name, strings.Join(stateNames(allowed), ", "))
		}
		f.States = append(f.States, tasuki.State(name))
	}
	f.Meta = map[string]string{}
	for _, pair := range f.meta {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return fmt.Errorf("--meta: %.80q: allowed is NAME=VALUE", pair)
		}
		f.Meta[name] = value
	}
	if f.Limit < 0 {
		return fmt.Errorf("--limit: %d: %s", f.Limit, allowedNumbers["limit"])
	}
	if f.MinAttempt < 0 {
		return fmt.Errorf("--min-attempt: %d: %s", f.MinAttempt, allowedNumbers["min-attempt"])
	}
	f.EnqueuedBefore, f.EnqueuedAfter = time.Time(f.before), time.Time(f.after)
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

func newJobLs(a *app) *cobra.Command {
	var output string
	var f jobFilter
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the jobs of a queue",
		Long: `ls lists jobs of a queue: those that run, then those that wait, each state from its
head, then the dead. Those that are parked or have ended (done, cancelled, expired)
are listed when their --state is named; of these there are only recorded ones.

WHEN is when a job has started, is due, or has ended, and else when it was
enqueued. With -o json there is one object on each line. A job that moves meanwhile
can be listed twice or not at all.`,
		Example: `  tasuki job ls --queue mail --state dead --kind email.welcome --error timeout
  tasuki job ls --queue mail --before 24h --limit 0 -o json | jq .args`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.queue == "" {
				f.queue = tasuki.DefaultQueue
			}
			if err := f.read(nil, inspect.States); err != nil {
				return usageError(err)
			}
			client, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer client.Close()
			i := inspect.New(client)
			if _, err := look(cmd.Context(), i, f.queue); err != nil {
				return err
			}
			limit := f.Limit
			if f.Limit > 0 {
				f.Limit++ // to know whether there are more
			}
			l := newLister(cmd.OutOrStdout(), output)
			for j, err := range i.Jobs(cmd.Context(), f.queue, f.JobFilter) {
				if err != nil {
					return errors.Join(l.flush(), lookFailure(err))
				}
				if limit > 0 && l.n == limit {
					l.more = true
					break
				}
				if err := l.add(j); err != nil {
					return err
				}
			}
			if err := l.flush(); err != nil {
				return err
			}
			if l.more && output != "json" {
				fmt.Fprintf(cmd.ErrOrStderr(), "there are more than %d: --limit 0 lists all\n", limit)
			}
			return nil
		},
	}
	f.addFlags(cmd)
	cmd.Flags().Lookup("queue").Usage += ` (default "` + tasuki.DefaultQueue + `")`
	cmd.Flags().IntVar(&f.Limit, "limit", 100, "`NUMBER` of jobs at most; 0 is no limit")
	outputFlag(cmd, &output)
	return cmd
}

// lister prints jobs, portion by portion.
type lister struct {
	out    *bufio.Writer
	output string
	jobs   []inspect.Job // of a table
	head   bool          // is printed
	n      int
	more   bool
}

func newLister(out io.Writer, output string) *lister {
	return &lister{out: bufio.NewWriter(out), output: output}
}

func (l *lister) add(j inspect.Job) error {
	l.n++
	if l.output == "json" {
		return printed(json.NewEncoder(l.out).Encode(shown(j)))
	}
	if l.jobs = append(l.jobs, j); len(l.jobs) == 1000 {
		return l.flush()
	}
	return nil
}

// flush prints what was added; of a table at least its head.
func (l *lister) flush() error {
	if l.output != "json" && (len(l.jobs) > 0 || !l.head) {
		fmt.Fprintln(l.out, jobTable(l.jobs, !l.head))
		l.jobs, l.head = nil, true
	}
	return printed(l.out.Flush())
}

// printed is the error of what could not be printed.
func printed(err error) error {
	if err != nil {
		return &exitError{code: exitFailed, err: err}
	}
	return nil
}
