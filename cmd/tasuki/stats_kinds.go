package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/legible"
)

// shownKinds are the statistics of kinds as JSON has them.
type shownKinds struct {
	From  time.Time           `json:"from"`
	Kinds []inspect.KindStats `json:"kinds"`
}

func newStatsKinds(a *app) *cobra.Command {
	var output, queue string
	since := sinceFlag(time.Hour)
	cmd := &cobra.Command{
		Use:   "kinds",
		Short: "Show how many jobs of each kind were done, and how long they took",
		Long: `kinds shows for each kind and queue how many attempts were done and have failed, how
many times a process has died with one, and how long they ran and their jobs waited
before: the median, and what 95 and 99 of 100 do not exceed, to within a ninth.

WAIT is that of jobs that have begun. While a queue is backed up it says nothing of
those that still wait: that is LATENCY in tasuki stats. A job that was scheduled for
later, or has a record, is not in it.

The last 4 hours are kept by the minute, the last 7 days by the hour, 90 days by the
day (of UTC). What was counted is there after ten seconds.`,
		Example: `  tasuki stats kinds --since 24h --queue mail
  tasuki stats kinds -o json | jq '.kinds[] | select(.failed > 10) | .kind'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.inspecting(cmd, func(i *inspect.Inspector) error {
				if queue != "" {
					if _, err := look(cmd.Context(), i, queue); err != nil {
						return err
					}
				}
				kinds, from, err := i.Kinds(cmd.Context(), queue, time.Time(since))
				if err != nil {
					return lookFailure(err)
				}
				if kinds == nil {
					kinds = []inspect.KindStats{}
				}
				return show(cmd.OutOrStdout(), output, shownKinds{from, kinds}, "%s", kindTable(kinds, from))
			})
		},
	}
	outputFlag(cmd, &output)
	cmd.Flags().StringVar(&queue, "queue", "", "`NAME` of the queue (default all)")
	cmd.Flags().Var(&since, "since", "from a `TIME` on, or from so long ago")
	return cmd
}

// sinceFlag is a flag for a time, of which the default is so long ago.
func sinceFlag(ago time.Duration) moment { return moment(time.Now().Add(-ago).Truncate(time.Second)) }

func kindTable(kinds []inspect.KindStats, from time.Time) string {
	return table(func(w io.Writer) {
		fmt.Fprintln(w, "QUEUE\tKIND\tDONE\tFAILED\tCRASHED\tRUN P50\tP95\tP99\tWAIT P50\tP95\tP99")
		for n := range kinds {
			k := &kinds[n]
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%s\t%s\n", clean(k.Queue), clean(k.Kind), k.Done, k.Failed, k.Crashed, quantiles(&k.Run), quantiles(&k.Wait))
		}
	}) + fmt.Sprintf("\n\nsince %s", from.Format(time.RFC3339))
}

// quantiles are three cells of a table.
func quantiles(h *inspect.Histogram) string {
	if h.Count() == 0 {
		return "-\t-\t-"
	}
	return legible.Rough(h.Quantile(0.5)) + "\t" + legible.Rough(h.Quantile(0.95)) + "\t" + legible.Rough(h.Quantile(0.99))
}
