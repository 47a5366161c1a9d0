package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

// shownRecord is a record as JSON has it.
type shownRecord struct {
	Address string `json:"address"`
	*tasuki.Record
}

var errWaited = errors.New("it has not ended in that time")

func newJobWait(a *app) *cobra.Command {
	var output string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "wait QUEUE/ID",
		Short: "Wait until a recorded job has ended",
		Long: `wait returns when a recorded job has ended, and prints how, and of one that is done
the value that it has returned. The exit code tells the same:

    0    it is done
    4    there is no record of it
    11   it is dead, cancelled or expired
    12   it has not ended within --timeout`,
		Example: `  tasuki job wait reports/01kbr5 --timeout 5m -o json | jq .result`,
		Args:    addressArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if timeout < 0 {
				return usageError(fmt.Errorf("--timeout: %v: allowed are durations, and 0 for no limit", timeout))
			}
			client, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer client.Close()
			ctx, cancel := cmd.Context(), context.CancelFunc(func() {})
			if timeout > 0 {
				ctx, cancel = context.WithTimeoutCause(ctx, timeout, errWaited)
			}
			defer cancel()
			r, err := client.Wait(ctx, args[0])
			switch {
			case err != nil && context.Cause(ctx) == errWaited && cmd.Context().Err() == nil:
				return &exitError{code: exitWaited, err: fmt.Errorf("%s: %w: %v", args[0], errWaited, timeout)}
			case errors.Is(err, tasuki.ErrNotFound):
				return failure(err)
			case err != nil:
				return lookFailure(err)
			}
			text := fmt.Sprintf("%s: %s", r.Address(), r.State)
			if len(r.Result) > 0 {
				text += "\n" + clean(string(r.Result))
			}
			if err := show(cmd.OutOrStdout(), output, shownRecord{r.Address(), r}, "%s", text); err != nil {
				return err
			}
			if r.State != tasuki.StateDone {
				return &exitError{code: exitNotDone, err: &tasuki.NotDoneError{Record: r}}
			}
			return nil
		},
	}
	outputFlag(cmd, &output)
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "`DURATION` to wait at most; 0 is no limit")
	return cmd
}

func newJobLogs(a *app) *cobra.Command {
	var output string
	var follow bool
	cmd := &cobra.Command{
		Use:     "logs QUEUE/ID",
		Aliases: []string{"log"},
		Short:   "Show what a recorded job has logged",
		Long: `logs shows the lines that the handler of a recorded job has logged, of all its runs.
They are kept with its record. With --follow it goes on until the job has ended.
With -o json there is one object on each line.`,
		Args: addressArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer client.Close()
			l := logTail{i: inspect.New(client), address: args[0], out: cmd.OutOrStdout(), output: output}
			if err := l.show(cmd.Context()); err != nil || !follow {
				return err
			}
			for r, err := range client.Watch(cmd.Context(), args[0]) {
				switch {
				case errors.Is(err, tasuki.ErrNotFound):
					return failure(err)
				case err != nil:
					return lookFailure(err)
				}
				err = l.show(cmd.Context())
				if errors.Is(err, inspect.ErrNotFound) && r.State.HasEnded() {
					return nil // its record has gone with it
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
	outputFlag(cmd, &output)
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the job has ended")
	return cmd
}

// logTail prints the lines of a log that it has not printed yet.
type logTail struct {
	i       *inspect.Inspector
	address string
	out     io.Writer
	output  string
	last    int64
}

func (l *logTail) show(ctx context.Context) error {
	lines, err := l.i.Log(ctx, l.address, l.last)
	if errors.Is(err, inspect.ErrNotFound) {
		return failure(err)
	}
	if err != nil {
		return lookFailure(err)
	}
	for _, line := range lines {
		l.last = line.N
		if l.output == "json" {
			err = json.NewEncoder(l.out).Encode(line)
		} else {
			_, err = fmt.Fprintln(l.out, clean(line.Text))
		}
		if err != nil {
			return printed(err)
		}
	}
	return nil
}
