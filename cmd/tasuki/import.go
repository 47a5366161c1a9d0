package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki"
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
		Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, _, err := tasuki.ParseAddress(cfg.To + "/x"); err != nil && cfg.To != "" {
				return usageError(fmt.Errorf("--to: %.140q: %w", cfg.To, err))
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
			r := &reading{Reader: in}
			tell := progress(cmd, "put in")
			cfg.Progress = func(done inspect.Imported) { tell(done.Jobs + done.Again) }
			cfg.Report = func(err *inspect.LineError) { fmt.Fprintln(cmd.ErrOrStderr(), clean(err.Error())) }
			done, err := inspect.New(client).Import(cmd.Context(), r, &cfg)
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
	}{{done.Again, "were in already"}, {done.Refused, "refused"}, {done.Bad, "bad lines"}} {
		if more.n > 0 {
			text += fmt.Sprintf(", %d %s", more.n, more.what)
		}
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

// reading keeps the error of what could not be read.
type reading struct {
	io.Reader
	err error
}

func (r *reading) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}
