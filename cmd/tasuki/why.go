package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/legible"
)

func newWhy(a *app) *cobra.Command {
	var output string
	var over time.Duration
	cmd := &cobra.Command{
		Use:   "why QUEUE/ID",
		Short: "Say what a job waits for, and until when",
		Long: `why says what a job waits for: what decides first, and below it what else is to be
known. Of one that runs it says where, and of one that has ended how.

It takes milliseconds however long the queue is, 2.5 s when a worker does not answer,
and --over when the job waits for its turn, which is then estimated. A job without a record is found where its id says when it came in, and among
the first and the last 10,000 of each state; tasuki job get reads all of a queue.
With -o json each reason has its facts in fields: docs/why.md lists them. The exit
code is 4 if the job is not found.`,
		Example: `  tasuki why mail/01kbr5
  tasuki why mail/01kbr5 -o json | jq '.reasons[0].cause'`,
		Args: addressArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if over != 0 && (over < 100*time.Millisecond || over > time.Hour) {
				return usageError(fmt.Errorf("--over: %v: allowed are 100ms to 1h, and 0", over))
			}
			client, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer client.Close()
			i := inspect.New(client)
			why, err := i.Why(cmd.Context(), args[0], nil)
			if err != nil {
				return lookFailure(err)
			}
			if why.State == "" && output != "json" {
				return failure(fmt.Errorf("%s: %w: %s", args[0], inspect.ErrNotFound, why.Reasons[0].Text))
			}
			shown := shownWhy{Why: why}
			text := whyText(why)
			if ahead, ok := isInLine(why); ok && over > 0 {
				b, err := i.Backlog(cmd.Context(), why.Job.Queue, &inspect.BacklogConfig{Over: over})
				if err != nil {
					return lookFailure(err)
				}
				if d, ok := b.Ahead(ahead); ok {
					at := b.At.Add(d)
					shown.Starts = &at
					text += fmt.Sprintf("\nalso: At the rate of the last %s it starts at about %s%s.", legible.Duration(over), at.Format(time.RFC3339), left(at, b.At))
				}
			}
			err = show(cmd.OutOrStdout(), output, shown, "%s", text)
			if err == nil && why.State == "" {
				err = &exitError{code: exitNotFound}
			}
			return err
		},
	}
	outputFlag(cmd, &output)
	cmd.Flags().DurationVar(&over, "over", time.Second, "`DURATION` in which the rate of the queue is measured, if that is what the job waits for; 0: it is not")
	return cmd
}

// shownWhy is why a job waits, as JSON has it.
type shownWhy struct {
	*inspect.Why
	Starts *time.Time `json:"starts,omitempty"` // at the present rate, of one that waits for its turn
}

// isInLine tells whether a job waits for nothing but its turn, and how many are before it.
func isInLine(w *inspect.Why) (ahead int64, ok bool) {
	switch w.Reasons[0].Cause {
	case inspect.CauseBusy, inspect.CauseLine:
	default:
		return 0, false
	}
	for _, r := range w.Reasons {
		if r.Cause == inspect.CauseLine && r.Line.Place > 0 {
			return r.Line.Place - 1 + r.Line.Suspects, true
		}
	}
	return 0, false
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
	if d := until.Sub(now); d >= 0 {
		return " (in " + legible.Duration(d) + ")"
	}
	return " (" + legible.Duration(now.Sub(until)) + " ago)"
}
