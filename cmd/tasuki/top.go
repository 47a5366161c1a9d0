package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki/cmd/tasuki/internal/top"
)

func newTop(a *app) *cobra.Command {
	var write bool
	var interval time.Duration
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch queues, jobs, workers and schedules on the terminal, and act on them",
		Long: `top shows on the whole terminal what goes on now: what is wrong, the queues with their
rates, jobs by a filter, what each slot of each worker does, periodic entries, operations,
how long each kind waits and runs, who has done what. It looks once in --interval, at what
tasuki stats looks at and at what is shown; of jobs it reads a page, however many there are.

Small letters move and look; ? shows the keys, q leaves. Capital letters change something:
they retry, cancel, delete, move and edit jobs, pause and resume queues and periodic entries,
quiet and stop workers, and undo operations. They need --write, and ask first.`,
		Example: `  tasuki top
  tasuki top --write --interval 5s`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if interval < 100*time.Millisecond || interval > 24*time.Hour {
				return usageError(fmt.Errorf("--interval: %v: allowed are 100ms to 24h", interval))
			}
			in, _ := cmd.InOrStdin().(*os.File)
			out, _ := cmd.OutOrStdout().(*os.File)
			if !isTerminal(in) || !isTerminal(out) {
				return usageError(errors.New("top needs a terminal for its input and output: tasuki stats prints what it shows, and tasuki job ls, worker ls and cron ls"))
			}
			if os.Getenv("TERM") == "dumb" {
				return usageError(errors.New("TERM is dumb: top needs a terminal that can move its cursor; tasuki stats needs none"))
			}
			client, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			live := top.NewLive(client, whoami())
			err = top.Run(cmd.Context(), top.Config{
				Source: live, Finder: live, Ledger: live, Statistics: live, Changer: live, Write: write, Where: a.where(), Interval: interval,
				Input: in, Output: out, Environ: os.Environ(),
			})
			leave(cmd, live) // and no Close of the client, which would wait for a Redis that hangs
			return printed(err)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&write, "write", false, "let capital letters change something")
	flags.DurationVar(&interval, "interval", time.Second, "`DURATION` between two looks")
	return cmd
}

// leaveLimit is how long leaving waits for Redis. What goes on then ends with the process, as if that
// were killed: nothing is lost by it.
const leaveLimit = 700 * time.Millisecond

// leave ends operations that were begun, and says which of them are not done.
func leave(cmd *cobra.Command, live *top.Live) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), leaveLimit)
	defer cancel()
	left, heard := live.Leave(ctx)
	seen := ""
	if !heard {
		seen = " Redis does not answer, so others see that after 15 s."
	}
	for _, id := range left {
		fmt.Fprintf(cmd.ErrOrStderr(), "operation %s is interrupted: tasuki op continue %s goes on with it.%s\n", id, id, seen)
	}
}

// where names the server and the namespace, without a user and a password.
func (a *app) where() string {
	text := defaultRedis
	if a.redis != "" {
		u, err := url.Parse(a.redis)
		if err != nil { // then it was not opened
			return a.namespace
		}
		u.User, u.RawQuery = nil, ""
		text = u.String()
	}
	return text + " " + a.namespace
}
