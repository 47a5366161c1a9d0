package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/legible"
)

func newQueueLocks(a *app) *cobra.Command {
	var output string
	limit := 100
	cmd := &cobra.Command{
		Use:   "locks NAME",
		Short: "List the uniqueness keys that jobs of a queue have",
		Long: `locks lists the uniqueness keys that jobs of a queue have: the name of the lock, which
tasuki queue unlock takes, the kind and the key, the id of the job that keeps others
out or runs, its state, how many wait for it to end, and when the lock ends by itself.

There is no list of them: it goes through the keys of Redis, in small steps, until it has
found --limit. With -o json there is one object on each line. A lock can be listed twice.`,
		Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 0 {
				return usageError(fmt.Errorf("--limit: %d: %s", limit, allowedNumbers["limit"]))
			}
			return a.inspecting(cmd, func(i *inspect.Inspector) error {
				if _, err := look(cmd.Context(), i, args[0]); err != nil {
					return err
				}
				l := newLister(cmd.OutOrStdout(), output, lockTable)
				for lock, err := range i.Locks(cmd.Context(), args[0]) {
					if err != nil {
						return errors.Join(l.flush(), lookFailure(err))
					}
					if l.full(limit) {
						break
					}
					if err := l.add(lock); err != nil {
						return err
					}
				}
				if err := l.flush(); err != nil {
					return err
				}
				l.tellMore(cmd.ErrOrStderr())
				return nil
			})
		},
	}
	cmd.Flags().IntVar(&limit, "limit", limit, "`NUMBER` of locks at most; 0 is no limit")
	outputFlag(cmd, &output)
	return cmd
}

func lockTable(locks []inspect.Lock, head bool) string {
	return table(func(w io.Writer) {
		if head {
			fmt.Fprintln(w, "LOCK\tKIND\tKEY\tJOB\tSTATE\tPARKED\tENDS")
		}
		for _, l := range locks {
			ends := "with its job"
			if l.Left > 0 {
				ends = "in " + legible.Duration(l.Left)
			}
			fmt.Fprintf(w, "%s\t%s\t%.80q\t%s\t%s\t%d\t%s\n", l.Name, l.Kind, l.Key, cmp.Or(l.Running, l.Owner), l.State, l.Parked, ends)
		}
	})
}

func newQueueUnlock(a *app) *cobra.Command {
	return onQueue(a, &cobra.Command{
		Use:   "unlock NAME LOCK",
		Short: "Free a uniqueness key by hand",
		Long: `unlock frees a uniqueness key, so that another job with it can be enqueued, or run. The
job that had it goes on. tasuki queue locks NAME has the names of the locks.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return errors.New("allowed are two arguments: tasuki queue unlock NAME LOCK")
			}
			return nil
		},
	}, func(ctx context.Context, i *inspect.Inspector, q inspect.Queue, args []string) (any, string, error) {
		if err := i.Unlock(ctx, q.Name, args[0]); err != nil {
			return nil, "", failure(err)
		}
		unlocked := struct {
			Queue string `json:"queue"`
			Lock  string `json:"lock"`
		}{q.Name, args[0]}
		return unlocked, fmt.Sprintf("%s: %s is free", q.Name, args[0]), nil
	})
}
