package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki/inspect"
)

func newExport(a *app) *cobra.Command {
	var f jobFilter
	var file string
	cmd := &cobra.Command{
		Use:   "export [QUERY]",
		Short: "Write jobs as JSON Lines",
		Long: `export writes jobs of all queues, or of one, as JSON Lines, for tasuki import: those that
wait and the dead, bare ones and recorded ones with their history. Those that run are
left out and counted. It changes nothing. The last line says that it is whole.
docs/moving-jobs.md has the format.

What moves while it is read is written twice or not at all: pause the queue, or use
tasuki move, which takes away here what has come in there.`,
		Example: `  tasuki export > jobs.jsonl
  tasuki export --file dead.jsonl queue:mail state:dead
  tasuki export --queue mail | tasuki import --redis redis://new:6379 -`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err := f.read(strings.Join(args, " "), nil, inspect.TransferStates); err != nil {
				return usageError(err)
			}
			client, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer client.Close()
			i := inspect.New(client)
			cfg := &inspect.ExportConfig{Query: f.Query}
			for _, queue := range f.Queues {
				if _, err := look(cmd.Context(), i, queue); err != nil {
					return err
				}
			}
			out := cmd.OutOrStdout()
			if file != "" {
				to, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
				if err != nil {
					return usageError(fmt.Errorf("--file: %w", err))
				}
				defer func() { err = errors.Join(err, printed(to.Close())) }()
				out = to
			}
			w := &written{Writer: out}
			tell := progress(cmd, "written")
			cfg.Progress = func(done inspect.Exported) { tell(done.Jobs) }
			done, err := i.Export(cmd.Context(), w, cfg)
			tell(-1)
			if w.err != nil {
				return printed(w.err)
			}
			text := count(int(done.Jobs), "job") + " written"
			if done.Running > 0 {
				text += fmt.Sprintf("; %d run, and were left out", done.Running)
			}
			if done.Missed > 0 {
				text += fmt.Sprintf("; %d were moved by others meanwhile", done.Missed)
			}
			fmt.Fprintln(cmd.ErrOrStderr(), text)
			return lookFailure(err)
		},
	}
	f.addFlags(cmd, inspect.TransferStates)
	cmd.Flags().Lookup("queue").Usage = "`NAME` of the queue (default all)"
	cmd.Flags().IntVar(&f.Limit, "limit", 0, "`NUMBER` of jobs at most; 0 is no limit")
	cmd.Flags().StringVarP(&file, "file", "f", "", "write to a new `FILE`, which only you may read (default the standard output)")
	return cmd
}

// written keeps the error of what could not be written.
type written struct {
	io.Writer
	err error
}

func (w *written) Write(b []byte) (int, error) {
	n, err := w.Writer.Write(b)
	if err != nil {
		w.err = err
	}
	return n, err
}

// progress tells on a terminal how far it is, once a second; -1 ends the line.
func progress(cmd *cobra.Command, what string) func(n int64) {
	if !isTerminal(cmd.ErrOrStderr()) {
		return func(int64) {}
	}
	var last time.Time
	return func(n int64) {
		switch {
		case n < 0 && !last.IsZero():
			fmt.Fprintln(cmd.ErrOrStderr())
		case n >= 0 && time.Since(last) >= time.Second:
			last = time.Now()
			fmt.Fprintf(cmd.ErrOrStderr(), "\r%d %s", n, what)
		}
	}
}
