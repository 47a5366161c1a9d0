package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki/inspect"
)

func newWhy(a *app) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "why QUEUE/ID",
		Short: "Say what a job waits for, and until when",
		Long: `why says what a job waits for: what decides first, and below it what else is to be
known. Of one that runs it says where, and of one that has ended how.

It takes milliseconds however long the queue is, and 2.5 s when a worker does not
answer. A job without a record is found where its id says when it came in, and among
the first and the last 10,000 of each state; tasuki job get reads all of a queue.
With -o json each reason has its facts in fields: docs/why.md lists them. The exit
code is 4 if the job is not found.`,
		Example: `  tasuki why mail/01kbr5
  tasuki why mail/01kbr5 -o json | jq '.reasons[0].cause'`,
		Args: addressArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer client.Close()
			why, err := inspect.New(client).Why(cmd.Context(), args[0], nil)
			if err != nil {
				return lookFailure(err)
			}
			if why.State == "" && output != "json" {
				return failure(fmt.Errorf("%s: %w: %s", args[0], inspect.ErrNotFound, why.Reasons[0].Text))
			}
			err = show(cmd.OutOrStdout(), output, why, "%s", whyText(why))
			if err == nil && why.State == "" {
				err = &exitError{code: exitNotFound}
			}
			return err
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

// whyText is what why shows of a job that was found.
func whyText(w *inspect.Why) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %s, %s\n", clean(w.Address), w.State, cmp.Or(clean(w.Kind), "a plain element"))
	for n := range w.Reasons {
		r := &w.Reasons[n]
		mark := "also: "
		if n == 0 {
			mark = ""
		}
		fmt.Fprintf(&text, "%s%s%s\n", mark, clean(r.Text), left(r.Until, w.At))
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// left is how long it is until a time, in brackets.
func left(until, now time.Time) string {
	if until.IsZero() {
		return ""
	}
	d := until.Sub(now)
	if d > time.Second {
		d = d.Round(time.Second)
	}
	if d < 0 {
		return fmt.Sprintf(" (%v ago)", -d.Round(time.Second))
	}
	return fmt.Sprintf(" (in %v)", d)
}
