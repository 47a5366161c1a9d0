package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/legible"
)

// shownEta is a backlog as JSON has it.
type shownEta struct {
	*inspect.Backlog
	Estimates []inspect.Estimate `json:"estimates"`
	// Needed is how many more workers it takes for --within; missing if that cannot be told.
	Needed *int `json:"needed_workers,omitempty"`
}

func newQueueEta(a *app) *cobra.Command {
	var more moreWorkers
	var within, over time.Duration
	cmd := onQueue(a, &cobra.Command{
		Use:   "eta NAME",
		Short: "Say when a backlog will be done, and with more workers",
		Long: `eta looks at a queue twice, and says when all that is ready will be done if jobs come
and go on as they did between the two looks: never, if more comes in than goes out.
Jobs that are scheduled, or wait for a retry, are not counted. docs/why.md has the
formula.

--workers +3 says it for three workers more, each like the mean of those that there
are, and --within 10m how many more it takes for that.`,
		Example: `  tasuki queue eta mail
  tasuki queue eta mail --workers +1 --workers +4 --over 1m
  tasuki queue eta mail --within 10m -o json | jq .needed_workers`,
	}, func(ctx context.Context, i *inspect.Inspector, q inspect.Queue, _ []string) (any, string, error) {
		b, err := i.Backlog(ctx, q.Name, &inspect.BacklogConfig{Over: over})
		if err != nil {
			return nil, "", lookFailure(err)
		}
		eta := shownEta{Backlog: b, Estimates: []inspect.Estimate{b.Estimate(0)}}
		for _, n := range more {
			eta.Estimates = append(eta.Estimates, b.Estimate(n))
		}
		if needed, ok := b.Within(within); ok {
			eta.Needed = &needed
		}
		return eta, etaText(&eta, within), nil
	})
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if over < 100*time.Millisecond || over > time.Hour {
			return usageError(fmt.Errorf("--over: %v: allowed are 100ms to 1h", over))
		}
		if within < 0 {
			return usageError(fmt.Errorf("--within: %v: allowed are durations above 0", within))
		}
		return nil
	}
	flags := cmd.Flags()
	flags.Var(&more, "workers", "`+K` workers more, or -K less; repeatable")
	flags.DurationVar(&within, "within", 0, "`DURATION` in which the backlog is to be done")
	flags.DurationVar(&over, "over", 2500*time.Millisecond, "`DURATION` between the two looks")
	return cmd
}

func etaText(eta *shownEta, within time.Duration) string {
	b := eta.Backlog
	return table(func(w io.Writer) {
		fmt.Fprintf(w, "%s\t%d wait, %d run, %d are for later\n", b.Queue, b.Waiting, b.Running, b.Later)
		fmt.Fprintf(w, "workers\t%d, %d of %d slots busy\n", b.Workers, b.Busy, b.Slots)
		if b.RunTime > 0 {
			fmt.Fprintf(w, "a run\t%s on average\n", legible.Duration(b.RunTime))
		}
		for _, e := range eta.Estimates {
			name := "eta"
			if e.More != 0 {
				name = fmt.Sprintf("with %+d", e.More)
			}
			text := e.Text
			if e.Verdict == inspect.VerdictDrains {
				latest := "perhaps never"
				if e.Latest > 0 {
					latest = legible.Rough(e.Latest)
				}
				text += fmt.Sprintf(" At %s; not before %v, at the latest in %s.", e.Done.Format(time.RFC3339), legible.Rough(e.Soonest), latest)
				text = strings.Replace(text, "at the latest in perhaps never", "perhaps never", 1)
			}
			fmt.Fprintf(w, "%s\t%s\n", name, text)
		}
		if within > 0 && eta.Needed != nil {
			fmt.Fprintf(w, "within %s\t%d more workers\n", legible.Duration(within), *eta.Needed)
		} else if within > 0 {
			fmt.Fprintf(w, "within %s\tthat cannot be told: no job was started meanwhile\n", legible.Duration(within))
		}
	})
}

// moreWorkers are numbers of workers, more or less than there are.
type moreWorkers []int

var _ pflag.SliceValue = (*moreWorkers)(nil)

// String and the other methods implement pflag.Value and pflag.SliceValue.
func (m *moreWorkers) String() string { return strings.Join(m.GetSlice(), " ") }

func (m *moreWorkers) Type() string { return "workers" }

func (m *moreWorkers) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < -10_000 || n > 10_000 || !strings.HasPrefix(text, "+") && !strings.HasPrefix(text, "-") {
		return errors.New("allowed are numbers with a sign, such as +3")
	}
	*m = append(*m, n)
	return nil
}

// Append adds one.
func (m *moreWorkers) Append(text string) error { return m.Set(text) }

// Replace takes others in place of those that were given.
func (m *moreWorkers) Replace(texts []string) error {
	*m = nil
	for _, text := range texts {
		if err := m.Set(text); err != nil {
			return err
		}
	}
	return nil
}

// GetSlice returns what was given.
func (m *moreWorkers) GetSlice() []string {
	var all []string
	for _, n := range *m {
		all = append(all, fmt.Sprintf("%+d", n))
	}
	return all
}
