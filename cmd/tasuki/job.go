package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki/inspect"
)

func newJob(a *app) *cobra.Command {
	return group("job", "Act on single jobs", newJobCancel(a))
}

func newJobCancel(a *app) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "cancel QUEUE/ID",
		Short: "Ask the workers of a queue to cancel a running job",
		Long: `cancel asks the workers of the queue to cancel the job: the context of its
handler ends, and when the handler then returns an error the job is cancelled and
not tried again. A handler that does not heed its context goes on.

It reaches a job that runs, and says nothing of whether one did. A job that is
ready, scheduled or waits for a retry is not touched.`,
		Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			// An id has no slash, the key of a foreign list may.
			slash := strings.LastIndexByte(args[0], '/')
			if slash < 1 || slash == len(args[0])-1 {
				return usageError(fmt.Errorf("%.80q: allowed is the address of a job, QUEUE/ID", args[0]))
			}
			name, id := args[0][:slash], args[0][slash+1:]
			client, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer client.Close()
			queue, err := look(cmd.Context(), inspect.New(client), name)
			if err != nil {
				return err
			}
			if err := client.Cancel(cmd.Context(), args[0]); err != nil {
				return failure(err)
			}
			asked := struct {
				Address string `json:"address"`
				Workers int    `json:"workers"` // of the queue, which were asked
			}{args[0], queue.Workers}
			return show(cmd.OutOrStdout(), output, asked, "asked %d workers of %s to cancel %s, if one runs it", queue.Workers, name, id)
		},
	}
	outputFlag(cmd, &output)
	return cmd
}
