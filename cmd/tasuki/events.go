package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki/inspect"
)

// shownEvent is an event as JSON has it.
type shownEvent struct {
	Address string `json:"address,omitempty"` // none of what was missed
	inspect.Event
}

func newEvents(a *app) *cobra.Command {
	var output, queue string
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Print every change of recorded jobs, as it happens",
		Long: `events prints a line for every change of a recorded job, from now on, until it is
interrupted: the state that the job has now, such as running, retry, done or dead;
"edited", if it was changed while it waited; "note", if its handler has said
something, such as how far it has come. With -o json there is one object on each
line.

Jobs without a record (those enqueued without --record, or Opts.Record) tell
nothing, and are not seen here. Neither is an enqueue, nor that a time has come: of
most jobs the first line is that they run. Counters of all jobs has tasuki stats.

Nothing is kept for who listens later. When the connection was lost and is there
again, "missed" is printed: what has changed in between nobody says.

--queue leaves out the other queues here: Redis sends all of them.`,
		Example: `  tasuki events --queue mail
  tasuki events -o json | jq 'select(.what == "dead") | .address'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer client.Close()
			i := inspect.New(client)
			if queue != "" {
				if _, err := look(cmd.Context(), i, queue); err != nil {
					return err
				}
			}
			out := cmd.OutOrStdout()
			for e, err := range i.Events(cmd.Context(), queue) {
				if err != nil {
					return lookFailure(err)
				}
				if output == "json" {
					err = json.NewEncoder(out).Encode(shownEvent{e.Address(), e})
				} else {
					_, err = fmt.Fprintln(out, eventLine(&e))
				}
				if err != nil {
					return printed(err)
				}
			}
			return nil
		},
	}
	outputFlag(cmd, &output)
	cmd.Flags().StringVar(&queue, "queue", "", "`NAME` of the queue (default all)")
	return cmd
}

func eventLine(e *inspect.Event) string {
	return clean(strings.TrimRight(fmt.Sprintf("%s  %-9s  %s", e.At.Format(time.RFC3339), e.What, e.Address()), " "))
}
