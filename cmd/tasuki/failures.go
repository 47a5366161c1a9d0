package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki/inspect"
)

func newFailures(a *app) *cobra.Command {
	return group("failures", "What attempts have failed with, the same errors together", newFailuresLs(a), newFailuresRm(a))
}

func newFailuresLs(a *app) *cobra.Command {
	var output string
	var q inspect.FailureQuery
	var since moment
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List failures, the last first",
		Long: `ls lists what attempts have failed with, and crashes: those of a kind that differ only
in numbers, ids and quoted names have one fingerprint, and are one line. COUNT is how
often it was, TODAY how often in the last 24 hours, and JOB one of them: the last that
a worker has told of. The 1,000 that were seen last are kept.

With -o json there is also the stack of a panic.`,
		Example: `  tasuki failures ls --kind email.welcome --since 1h
  tasuki failures ls -o json | jq '.[0].sample.stack' -r`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if q.Limit < 1 {
				return usageError(fmt.Errorf("--limit: %d: allowed are 1 and more", q.Limit))
			}
			q.Since = time.Time(since)
			return a.inspecting(cmd, func(i *inspect.Inspector) error {
				failures, err := i.Failures(cmd.Context(), q)
				if err != nil {
					return lookFailure(err)
				}
				return show(cmd.OutOrStdout(), output, failures, "%s", failureTable(failures))
			})
		},
	}
	outputFlag(cmd, &output)
	flags := cmd.Flags()
	flags.StringVar(&q.Queue, "queue", "", "`NAME` of the queue in which one was last (default all)")
	flags.StringVar(&q.Kind, "kind", "", "`KIND` of the jobs (default all)")
	flags.Var(&since, "since", "seen after a `TIME`, or since so long ago (default ever)")
	flags.IntVar(&q.Limit, "limit", 100, "`NUMBER` of failures at most")
	return cmd
}

func failureTable(failures []inspect.Failure) string {
	return table(func(w io.Writer) {
		fmt.Fprintln(w, "FINGERPRINT\tCOUNT\tTODAY\tFIRST\tLAST\tKIND\tJOB\tERROR")
		for n := range failures {
			f := &failures[n]
			today := int64(0)
			for _, c := range f.Hourly {
				today += c
			}
			fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%s\t%s\t%.100s\n", clean(f.Fingerprint), f.Count, today, f.First.Format(time.DateTime), f.Last.Format(time.DateTime),
				clean(f.Kind), clean(f.Sample.Address()), clean(f.Sample.Error))
		}
	})
}

func newFailuresRm(a *app) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "rm FINGERPRINT",
		Short: "Forget a failure, until it is seen again",
		Long: `rm removes a failure from the list: what is mended, say. Jobs stay as they are. When it
is seen again it is a new one, with a count of one.`,
		Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.inspecting(cmd, func(i *inspect.Inspector) error {
				if err := forget(cmd.Context(), i, args[0]); err != nil {
					return err
				}
				forgotten := struct {
					Fingerprint string `json:"fingerprint"`
				}{args[0]}
				return show(cmd.OutOrStdout(), output, forgotten, "%s is forgotten", clean(args[0]))
			})
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

func forget(ctx context.Context, i *inspect.Inspector, fingerprint string) error {
	err := i.Forget(ctx, fingerprint)
	if errors.Is(err, inspect.ErrNotFound) {
		return &exitError{code: exitNotFound, err: fmt.Errorf("%w; tasuki failures ls lists them", err)}
	}
	if err != nil {
		return failure(err)
	}
	return nil
}
