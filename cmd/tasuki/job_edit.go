package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

func newJobEdit(a *app) *cobra.Command {
	var output, args string
	var maxAttempts int
	var timeout time.Duration
	var meta []string
	flags := []string{"args", "max-attempts", "timeout", "meta"}
	cmd := &cobra.Command{
		Use:   "edit QUEUE/ID",
		Short: "Change the arguments or options of a recorded job that does not run",
		Long: `edit changes a recorded job that does not run: its arguments, how often it may be
run, how long an attempt may take, or what travels with it. What is not named stays.
A dead job can be edited, and then retried. A job without a record cannot be
changed: remove it, and enqueue another.`,
		Example: `  tasuki job edit mail/01kbr5 --args '{"user_id": 42}' && tasuki job retry mail/01kbr5`,
		Args:    addressArg,
		RunE: func(cmd *cobra.Command, words []string) error {
			given := cmd.Flags().Changed
			some := false
			for _, name := range flags {
				some = some || given(name)
			}
			switch {
			case !some:
				return usageError(errors.New("what is to be changed is missing: allowed are --" + strings.Join(flags, ", --")))
			case given("args") && !json.Valid([]byte(args)):
				return usageError(fmt.Errorf("--args: %.80q: allowed is JSON", args))
			case given("max-attempts") && (maxAttempts < -1 || maxAttempts == 0 || maxAttempts > 1_000_000):
				return usageError(fmt.Errorf("--max-attempts: %d: %s", maxAttempts, allowedNumbers["max-attempts"]))
			case given("timeout") && timeout != -1 && (timeout < 0 || timeout > 0 && timeout < time.Millisecond || timeout > 100*365*24*time.Hour):
				return usageError(fmt.Errorf("--timeout: %v: allowed are 1ms to 876000h, 0 for the worker's, and -1 for none", timeout))
			}
			for _, pair := range meta {
				if name, _, ok := strings.Cut(pair, "="); !ok || name == "" {
					return usageError(fmt.Errorf("--meta: %.80q: allowed is NAME=VALUE, and NAME= to take it away", pair))
				}
			}
			client, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer client.Close()
			err = client.Edit(cmd.Context(), words[0], func(s *tasuki.Spec) error {
				if given("args") {
					s.Args = json.RawMessage(args)
				}
				if given("max-attempts") {
					s.Opts.MaxAttempts = maxAttempts
				}
				if given("timeout") {
					s.Opts.Timeout = timeout
				}
				changed := map[string]string{}
				for name, value := range s.Opts.Meta {
					changed[name] = value
				}
				size := 0
				for _, pair := range meta {
					name, value, _ := strings.Cut(pair, "=")
					if changed[name] = value; value == "" {
						delete(changed, name)
					}
				}
				for name, value := range changed {
					size += len(name) + len(value)
				}
				if size > 4<<10 {
					return usageError(fmt.Errorf("--meta: %d bytes: allowed are %d", size, 4<<10))
				}
				s.Opts.Meta = changed
				return nil
			})
			i := inspect.New(client).As(whoami())
			if errors.Is(err, tasuki.ErrNotFound) {
				if j, _ := i.Job(cmd.Context(), words[0]); j.ID != "" && !j.Recorded {
					err = fmt.Errorf("%w: only recorded jobs can be changed", err)
				}
			}
			if err != nil {
				return jobFailure(err)
			}
			if err := i.Note(cmd.Context(), inspect.AuditEntry{What: string(inspect.Edit), Target: words[0], Count: 1}); err != nil {
				fmt.Fprintln(cmd.ErrOrStderr(), "tasuki: it was changed, and is not in the audit trail:", err)
			}
			j, err := findJob(cmd.Context(), i, words[0])
			if err != nil {
				return err
			}
			return show(cmd.OutOrStdout(), output, shown(j), "%s", jobText(&j, ""))
		},
	}
	f := cmd.Flags()
	f.StringVar(&args, "args", "", "`JSON` of its arguments")
	f.IntVar(&maxAttempts, "max-attempts", 0, "`NUMBER` of times that it may be run, -1 for no limit")
	f.Var(durationOrNone{&timeout}, "timeout", "`DURATION` of an attempt at most; 0 is the worker's, -1 none")
	f.StringArrayVar(&meta, "meta", nil, "`NAME=VALUE` that travels with it, NAME= to take it away; repeatable")
	outputFlag(cmd, &output)
	return cmd
}
