package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki/inspect"
)

func newCheck(a *app) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Look for what should not be in Redis",
		Long: `check reads all keys of the namespace and says what is wrong with them: jobs in two
places, leases that nobody has swept, counters that do not equal what was done,
elements that cannot be read, keys of no known owner. What cannot be read in a
ready list is no problem: there it counts as a plain string, and runs as a raw job.
check changes nothing and may run beside workers; with a large backlog it takes a
while.

The exit code is 7 when it has found problems.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.inspecting(cmd, func(i *inspect.Inspector) error {
				problems, err := i.Check(cmd.Context())
				if err != nil {
					return lookFailure(err)
				}
				if len(problems) == 0 {
					return show(cmd.OutOrStdout(), output, []inspect.Problem{}, "no problems")
				}
				var text strings.Builder
				for _, p := range problems {
					fmt.Fprintln(&text, p)
				}
				if err := show(cmd.OutOrStdout(), output, problems, "%sproblems: %d", &text, len(problems)); err != nil {
					return err
				}
				return &exitError{code: exitProblems}
			})
		},
	}
	outputFlag(cmd, &output)
	return cmd
}
