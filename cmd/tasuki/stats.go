package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/legible"
)

// shownStats are stats as JSON has them.
type shownStats struct {
	*inspect.Stats
	Rates map[string]inspect.Rate `json:"rates"` // by queue, since the look before
}

func newStats(a *app) *cobra.Command {
	var output string
	var watch bool
	var interval time.Duration
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "Show queues with their rates, workers, and the memory of Redis",
		Long: `stats looks twice, and shows how many jobs of each queue are in which state, how
many a second were done and have failed between the two looks, for how long the
oldest ready job has waited (LATENCY), how many slots of all workers are busy, and
what the server says of its memory and its disk. A failed attempt counts as one, also
if the job is tried again, and so does one in which the process has died.

With --watch it goes on until it is interrupted, also while Redis is away, which it
says; with -o json there is then one object on each line. What it costs Redis does not depend on how many jobs there are.

What was done before, by kind and with how long it took, is told by tasuki stats kinds
and tasuki stats history.`,
		Example: `  tasuki stats --watch
  tasuki stats -o json | jq '.queues[] | select(.ready > 1000) | .name'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if interval < 100*time.Millisecond || interval > 24*time.Hour {
				return usageError(fmt.Errorf("--interval: %v: allowed are 100ms to 24h", interval))
			}
			ctx := cmd.Context()
			client, err := a.connect(ctx)
			if err != nil {
				return err
			}
			defer client.Close()
			i, out := inspect.New(client), cmd.OutOrStdout()
			before, err := i.Stats(ctx)
			if before == nil {
				return lookFailure(err)
			}
			away := "" // what was said when Redis did not answer
			ticker := time.NewTicker(interval)
			defer ticker.Stop()
			for {
				select {
				case <-ticker.C:
				case <-ctx.Done():
					if watch {
						return nil // it has no other end
					}
					return lookFailure(ctx.Err())
				}
				now, err := lookAgain(ctx, i)
				switch {
				case watch && ctx.Err() != nil:
					return nil
				case now == nil && watch: // Redis comes back, and so does this
					if text := clean(err.Error()); text != away {
						fmt.Fprintln(cmd.ErrOrStderr(), "tasuki:", text)
						away = text
					}
					continue
				case now == nil:
					return lookFailure(err)
				}
				away = ""
				shown := shownStats{now, now.Rates(before)}
				before = now
				switch {
				case !watch:
					// What cannot be looked at does not hide the rest.
					return errors.Join(show(out, output, shown, "%s", statsText(&shown)), lookFailure(err))
				case output == "json":
					err = json.NewEncoder(out).Encode(shown)
				default:
					text := statsText(&shown)
					if err != nil {
						text += "\n" + clean(err.Error())
					}
					_, err = fmt.Fprintln(out, watchHead(out, now.At)+text)
				}
				if err != nil {
					return printed(err)
				}
			}
		},
	}
	cmd.AddCommand(newStatsHistory(a), newStatsKinds(a))
	outputFlag(cmd, &output)
	flags := cmd.Flags()
	flags.BoolVarP(&watch, "watch", "w", false, "go on until interrupted")
	flags.DurationVar(&interval, "interval", time.Second, "`DURATION` between two looks")
	return cmd
}

// statsFor is how long a look may take: without an end it would wait for Redis in silence.
const statsFor = 5 * time.Second

func lookAgain(ctx context.Context, i *inspect.Inspector) (*inspect.Stats, error) {
	ctx, stop := context.WithTimeout(ctx, statsFor)
	defer stop()
	now, err := i.Stats(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("redis has not answered for %v: %w", statsFor, err)
	}
	return now, err
}

// watchHead stands before each look: on a terminal it takes the place of the one before.
func watchHead(out io.Writer, at time.Time) string {
	head := at.Format(time.RFC3339) + "\n"
	if isTerminal(out) && os.Getenv("TERM") != "dumb" {
		return "\x1b[H\x1b[2J" + head
	}
	return "\n" + head
}

func statsText(s *shownStats) string {
	var text strings.Builder
	fmt.Fprintln(&text, queueTable(s.Queues, s.Rates))
	fmt.Fprintf(&text, "\n%s, %d of %s busy\n", count(s.Workers, "worker"), s.Busy, count(s.Slots, "slot"))
	for n := range s.Servers {
		fmt.Fprintln(&text, serverLine(&s.Servers[n], s.At))
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// serverLine is what stats says of a server.
func serverLine(v *inspect.Server, now time.Time) string {
	if v.Error != "" {
		return clean(v.Address + ": " + v.Error)
	}
	line := fmt.Sprintf("%s %s at %s: %s", v.Product, v.Version, v.Address, megabytes(v.Used))
	if v.Max > 0 {
		line += fmt.Sprintf(" of %s (%.0f%%)", megabytes(v.Max), 100*float64(v.Used)/float64(v.Max))
	}
	if v.Policy != "" {
		line += ", " + v.Policy
	}
	if v.AOF {
		line += ", AOF"
	} else {
		line += ", no AOF"
	}
	if !v.SavedAt.IsZero() {
		line += fmt.Sprintf(", snapshot %s ago", legible.Duration(now.Sub(v.SavedAt).Round(time.Second)))
	}
	if v.Failing {
		line += ", WRITING TO THE DISK HAS FAILED"
	}
	return clean(line)
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
