package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki/inspect"
)

func newStatsHistory(a *app) *cobra.Command {
	var output string
	var q inspect.HistoryQuery
	since := sinceFlag(time.Hour)
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Show what was done minute by minute, or by the hour or day",
		Long: `history shows for each minute how many attempts were done and have failed, how many
times a process has died with a job, and how long attempts ran and their jobs waited
before: the median, and what 95 and 99 of 100 do not exceed, to within a ninth. It is
that of all jobs, of a queue, of a kind, or of a kind in a queue.

The last 4 hours are kept by the minute, the last 7 days by the hour, 90 days by the
day (of UTC). Without --step it is the shortest that reaches back so far.`,
		Example: `  tasuki stats history --queue mail
  tasuki stats history --since 72h --kind email.welcome -o json | jq '.[].run.p99_ns'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := q.Validate(); err != nil {
				return usageError(fmt.Errorf("--%w", err))
			}
			if q.From = time.Time(since); q.From.After(time.Now()) {
				return usageError(errors.New("--since: it is in the future: allowed are times before now"))
			}
			return a.inspecting(cmd, func(i *inspect.Inspector) error {
				if q.Queue != "" {
					if _, err := look(cmd.Context(), i, q.Queue); err != nil {
						return err
					}
				}
				points, err := i.History(cmd.Context(), q)
				if err != nil {
					return lookFailure(err)
				}
				if points == nil {
					points = []inspect.Point{}
				}
				return show(cmd.OutOrStdout(), output, points, "%s", historyTable(points))
			})
		},
	}
	outputFlag(cmd, &output)
	flags := cmd.Flags()
	flags.StringVar(&q.Queue, "queue", "", "`NAME` of the queue (default all)")
	flags.StringVar(&q.Kind, "kind", "", "`KIND` of the jobs (default all)")
	flags.Var(&since, "since", "from a `TIME` on, or from so long ago")
	flags.DurationVar(&q.Step, "step", 0, "`DURATION` of a line: 1m, 1h or 24h")
	return cmd
}

func historyTable(points []inspect.Point) string {
	return table(func(w io.Writer) {
		fmt.Fprintln(w, "FROM\tDONE\tFAILED\tCRASHED\tRUN P50\tP95\tP99\tWAIT P50\tP95\tP99")
		for n := range points {
			p := &points[n]
			fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\t%s\n", p.At.Local().Format(time.RFC3339), p.Done, p.Failed, p.Crashed, quantiles(&p.Run), quantiles(&p.Wait))
		}
	})
}
