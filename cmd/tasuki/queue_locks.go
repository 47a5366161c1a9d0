package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki/inspect"
)

func newQueueLocks(a *app) *cobra.Command {
	return onQueue(a, &cobra.Command{
		Use:   "locks NAME",
		Short: "List the uniqueness keys that jobs of a queue have",
		Long: `locks lists the uniqueness keys that jobs of a queue have: the name of the lock, which
tasuki queue unlock takes, the kind and the key, the id of the job that keeps others
out or runs, its state, how many wait for it to end, and when the lock ends by itself.`,
	}, func(ctx context.Context, i *inspect.Inspector, q inspect.Queue, _ []string) (any, string, error) {
		locks, err := i.Locks(ctx, q.Name)
		if err != nil {
			return nil, "", lookFailure(err)
		}
		return locks, table(func(w io.Writer) {
			fmt.Fprintln(w, "LOCK\tKIND\tKEY\tJOB\tSTATE\tPARKED\tENDS")
			for _, l := range locks {
				ends := "with its job"
				if l.Left > 0 {
					ends = "in " + l.Left.Round(time.Millisecond).String()
				}
				fmt.Fprintf(w, "%s\t%s\t%.80q\t%s\t%s\t%d\t%s\n", l.Name, l.Kind, l.Key, cmp.Or(l.Running, l.Owner), l.State, l.Parked, ends)
			}
		}), nil
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
