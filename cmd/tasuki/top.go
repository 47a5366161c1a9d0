package main

import (
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
			defer client.Close()
			live := top.NewLive(client, whoami())
			defer live.Close() // others can go on at once with what it has begun
			err = top.Run(cmd.Context(), top.Config{
				Source: live, Finder: live, Ledger: live, Statistics: live, Changer: live, Write: write, Where: a.where(), Interval: interval,
				Input: in, Output: out, Environ: os.Environ(),
			})
			return printed(err)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&write, "write", false, "let capital letters change something")
	flags.DurationVar(&interval, "interval", time.Second, "`DURATION` between two looks")
	return cmd
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
