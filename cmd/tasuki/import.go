package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki/inspect"
)

// shownImport is what an import has done, as JSON has it.
type shownImport struct {
	DryRun bool `json:"dry_run,omitempty"`
	inspect.Imported
}

func newImport(a *app) *cobra.Command {
	var output string
	var cfg inspect.ImportConfig
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Put in jobs that tasuki export has written",
		Long: `import puts jobs into the queues that they come from, or into one, each in the state that
it had: those that were scheduled are due when they were, dead ones are dead. FILE may be
- for the standard input.

An export comes into a queue once: an import that was cut is begun anew, and skips what
is in. Two exports of the same jobs are two: of the second, jobs with a record or with an
id that a caller has given are refused, and other bare jobs come in twice. Of a job that
was refused the queue has another with its id, or one with its uniqueness key.

The first line that is no job ends it, unless --keep-going. The exit code is 1 if lines
were bad or refused.`,
		Example: `  tasuki import jobs.jsonl --dry-run
  tasuki import jobs.jsonl --to mail-again
  tasuki export --queue mail | tasuki import --redis redis://new:6379 -`,
		Args: func(cmd *cobra.Command, args []string) error {
			err := oneArg(cmd, args)
			if len(args) == 0 {
				err = fmt.Errorf("%w, which may be - for the standard input", err)
			}
			return err
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if cfg.To != "" {
				if err := ownQueue("--to", cfg.To); err != nil {
					return err
				}
			}
			in := cmd.InOrStdin()
			if args[0] != "-" {
				file, err := os.Open(args[0])
				if err != nil {
					return usageError(err)
				}
				defer file.Close()
				in = file
			}
			client, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer client.Close()
			r := &reading{Reader: in, ctx: cmd.Context()}
			tell := progress(cmd, "put in")
			cfg.Progress = func(done inspect.Imported) { tell(done.Jobs + done.Again) }
			cfg.Report = func(err *inspect.LineError) { fmt.Fprintln(cmd.ErrOrStderr(), clean(err.Error())) }
			done, err := inspect.New(client).As(whoami()).Import(cmd.Context(), r, &cfg)
			tell(-1)
			return errors.Join(show(cmd.OutOrStdout(), output, shownImport{cfg.DryRun, done}, "%s", importText(done, cfg.DryRun)), importFailure(r, done, err))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&cfg.To, "to", "", "`NAME` of the queue for all of them (default that which each comes from)")
	flags.BoolVar(&cfg.DryRun, "dry-run", false, "read and check all lines, and put nothing in")
	flags.BoolVarP(&cfg.KeepGoing, "keep-going", "k", false, "skip lines that are no jobs")
	outputFlag(cmd, &output)
	return cmd
}

func importText(done inspect.Imported, dryRun bool) string {
	text := count(int(done.Jobs), "job") + " put in"
	if dryRun {
		text = count(int(done.Jobs), "job") + " would be put in"
	}
	for _, more := range []struct {
		n    int64
		what string
	}{{done.Again, "were in already"}, {done.Refused, "refused"}} {
		if more.n > 0 {
			text += fmt.Sprintf(", %d %s", more.n, more.what)
		}
	}
	if done.Bad > 0 {
		text += ", " + count(int(done.Bad), "bad line")
	}
	return text
}

func importFailure(r *reading, done inspect.Imported, err error) error {
	var bad *inspect.LineError
	switch {
	case r.err != nil:
		return &exitError{code: exitFailed, err: r.err}
	case errors.As(err, &bad):
		return &exitError{code: exitFailed, err: err}
	case err != nil:
		return failure(fmt.Errorf("%w; to import it again goes on where it was", err))
	case done.Cut:
		return &exitError{code: exitFailed, err: errors.New("the last line of the export is missing: it was cut, and some of its jobs may be missing too")}
	case done.Bad > 0 || done.Refused > 0:
		return &exitError{code: exitFailed}
	}
	return nil
}

// reading keeps the error of what could not be read, and waits for its input no longer than ctx.
type reading struct {
	io.Reader
	ctx context.Context
	err error
}

func (r *reading) Read(b []byte) (int, error) {
	var n int
	var err error
	text, ended := make([]byte, len(b)), make(chan struct{})
	go func() { // it may wait for the input until the process ends
		defer close(ended)
		n, err = r.Reader.Read(text)
	}()
	select {
	case <-ended:
	case <-r.ctx.Done():
		return 0, context.Cause(r.ctx)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return copy(b, text[:n]), err
}
