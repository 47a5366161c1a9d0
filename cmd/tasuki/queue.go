package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/user"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/legible"
)

func newQueue(a *app) *cobra.Command {
	return group("queue", "Look at queues, when they are done, pause and resume them, revive dead jobs, see and free locks",
		newQueueEta(a), newQueueGet(a), newQueueLocks(a), newQueueLs(a), newQueuePause(a), newQueueResume(a), newQueueRevive(a), newQueueUnlock(a))
}

// onQueue returns a command on one queue that has to be there. Its do returns
// what to print.
func onQueue(a *app, cmd *cobra.Command, do func(ctx context.Context, i *inspect.Inspector, q inspect.Queue, ids []string) (v any, text string, err error)) *cobra.Command {
	var output string
	outputFlag(cmd, &output)
	if cmd.Args == nil {
		cmd.Args = oneArg
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := a.connect(cmd.Context())
		if err != nil {
			return err
		}
		defer client.Close()
		i := inspect.New(client).As(whoami())
		q, err := look(cmd.Context(), i, args[0])
		if err != nil {
			return err
		}
		v, text, err := do(cmd.Context(), i, q, args[1:])
		if v == nil {
			return err
		}
		return errors.Join(show(cmd.OutOrStdout(), output, v, "%s", text), err)
	}
	return cmd
}

// look returns a queue, and an error if it was never used: then its name is most
// likely misspelled.
func look(ctx context.Context, i *inspect.Inspector, name string) (inspect.Queue, error) {
	names, err := i.Names(ctx)
	if err != nil {
		return inspect.Queue{}, lookFailure(err)
	}
	if !slices.Contains(names, name) {
		if list := "list:" + name; slices.Contains(names, list) {
			return inspect.Queue{}, failure(fmt.Errorf("queue %q: %w: did you mean %s, the list of another program?", name, inspect.ErrNotFound, list))
		}
		return inspect.Queue{}, failure(fmt.Errorf("queue %.140q: %w: nothing was ever enqueued there and no worker has served it; tasuki queue ls lists the queues", name, inspect.ErrNotFound))
	}
	q, err := i.Queue(ctx, name)
	return q, lookFailure(err)
}

func newQueueLs(a *app) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the queues and how many jobs are in which state",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.inspecting(cmd, func(i *inspect.Inspector) error {
				queues, err := i.Queues(cmd.Context())
				if err != nil && len(queues) == 0 {
					return lookFailure(err)
				}
				// One queue that cannot be looked at does not hide the others.
				return errors.Join(show(cmd.OutOrStdout(), output, queues, "%s", queueTable(queues, nil)), lookFailure(err))
			})
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

// queueTable sets queues below each other, with their rates if there are any.
func queueTable(queues []inspect.Queue, rates map[string]inspect.Rate) string {
	return table(func(w io.Writer) {
		head := ""
		if rates != nil {
			head = "DONE/S\tFAILED/S\t"
		}
		fmt.Fprintln(w, "NAME\tREADY\tSUSPECT\tSCHEDULED\tRETRY\tRUNNING\tDEAD\t"+head+"WORKERS\tLATENCY\tPAUSED")
		for _, q := range queues {
			speed := ""
			if r, ok := rates[q.Name]; ok {
				speed = fmt.Sprintf("%.1f\t%.1f\t", r.Done, r.Failed)
			} else if rates != nil {
				speed = "-\t-\t" // it was not there before
			}
			fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s%d\t%s\t%s\n", q.Name, q.Ready, q.Suspect, q.Scheduled, q.Retry, q.Running, q.Dead,
				speed, q.Workers, legible.Duration(q.Latency), paused(q))
		}
	})
}

// table sets columns, which tabs separate, below each other.
func table(write func(w io.Writer)) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	write(w)
	w.Flush() //nolint:errcheck // a Builder has no errors
	return strings.TrimSuffix(text.String(), "\n")
}

// facts sets what is known of one thing below each other, each behind its name. What is empty is
// left out.
func facts(write func(line func(name, value string), at func(name string, at time.Time))) string {
	return table(func(w io.Writer) {
		line := func(name, value string) {
			if value = clean(value); value != "" {
				fmt.Fprintf(w, "%s\t%s\n", clean(name), value)
			}
		}
		write(line, func(name string, at time.Time) {
			if !at.IsZero() {
				line(name, at.Format(time.RFC3339))
			}
		})
	})
}

func paused(q inspect.Queue) string {
	if !q.Paused {
		return "no"
	}
	text := "yes"
	if q.PausedBy != "" {
		text = "by " + q.PausedBy
	}
	if !q.PausedSince.IsZero() {
		text += " since " + q.PausedSince.Format(time.RFC3339)
	}
	return text
}

func newQueueGet(a *app) *cobra.Command {
	return onQueue(a, &cobra.Command{
		Use:   "get NAME",
		Short: "Show one queue with its counters",
	}, func(_ context.Context, _ *inspect.Inspector, q inspect.Queue, _ []string) (any, string, error) {
		return q, table(func(w io.Writer) {
			fmt.Fprintf(w, "name\t%s\nready\t%d\nsuspect\t%d\nscheduled\t%d\nretry\t%d\nrunning\t%d\ndead\t%d\nworkers\t%d\nlatency\t%s\npaused\t%s\n",
				q.Name, q.Ready, q.Suspect, q.Scheduled, q.Retry, q.Running, q.Dead, q.Workers, legible.Duration(q.Latency), paused(q))
			for _, name := range slices.Sorted(maps.Keys(q.Counts)) {
				fmt.Fprintf(w, "%s, in all\t%d\n", name, q.Counts[name])
			}
		}), nil
	})
}

func newQueuePause(a *app) *cobra.Command {
	var by string
	cmd := onQueue(a, &cobra.Command{
		Use:   "pause NAME",
		Short: "Have the workers take no more jobs of a queue",
		Long: `pause ends the claiming of jobs from a queue until tasuki queue resume. What runs
goes on, a worker may start one more job that was just being handed to it, and
jobs can be enqueued all the while.`,
	}, func(ctx context.Context, i *inspect.Inspector, q inspect.Queue, _ []string) (any, string, error) {
		if by == "" {
			by = whoami()
		}
		return change(ctx, i, q.Name, i.Pause(ctx, q.Name, by), func(q inspect.Queue) string { return "paused: " + paused(q) })
	})
	cmd.Flags().StringVar(&by, "by", "", "`WHO` pauses it, for others to read (default you: user@host)")
	return cmd
}

func newQueueResume(a *app) *cobra.Command {
	return onQueue(a, &cobra.Command{
		Use:   "resume NAME",
		Short: "End the pause of a queue",
	}, func(ctx context.Context, i *inspect.Inspector, q inspect.Queue, _ []string) (any, string, error) {
		text := "resumed"
		if !q.Paused {
			text = "was not paused"
		}
		return change(ctx, i, q.Name, i.Resume(ctx, q.Name), func(inspect.Queue) string { return text })
	})
}

// change returns what is to be printed of a queue that was paused or resumed.
func change(ctx context.Context, i *inspect.Inspector, name string, err error, text func(q inspect.Queue) string) (any, string, error) {
	if err != nil {
		return nil, "", failure(err)
	}
	q, err := i.Queue(ctx, name)
	if err != nil {
		return nil, "", lookFailure(err)
	}
	return q, fmt.Sprintf("%s: %s", name, text(q)), nil
}

// whoami is user@host, as far as the system says.
func whoami() string {
	name := "somebody"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}

func newQueueRevive(a *app) *cobra.Command {
	var all bool
	cmd := onQueue(a, &cobra.Command{
		Use:   "revive NAME {ID…|--all}",
		Short: "Make dead jobs ready again",
		Long: `revive makes dead jobs ready again, with all their attempts before them: those with
the given ids, or all. If some of the ids are not among the dead jobs, the others
are revived, and the exit code is 4.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("the NAME is missing: tasuki queue revive NAME {ID…|--all}")
			}
			return nil
		},
		// Not in Args, which come before the environment.
		PreRunE: func(_ *cobra.Command, args []string) error {
			if all != (len(args) == 1) {
				return usageError(errors.New("allowed are the IDs of dead jobs or --all, one of them"))
			}
			return nil
		},
	}, func(ctx context.Context, i *inspect.Inspector, q inspect.Queue, ids []string) (any, string, error) {
		n, err := i.Revive(ctx, q.Name, ids...)
		revived := struct {
			Queue   string `json:"queue"`
			Revived int    `json:"revived"`
		}{q.Name, n}
		return revived, fmt.Sprintf("%s: %d revived", q.Name, n), failure(err)
	})
	cmd.Flags().BoolVar(&all, "all", false, "revive all dead jobs of the queue")
	return cmd
}
