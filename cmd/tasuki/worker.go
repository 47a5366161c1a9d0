package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/legible"
)

func newWorker(a *app) *cobra.Command {
	return group("worker", "See what workers do, have them take no more jobs, stop them, dump their goroutines",
		newWorkerDump(a), newWorkerLs(a), newWorkerQuiet(a), newWorkerStop(a))
}

func newWorkerLs(a *app) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the workers, and what each of their slots does",
		Long: `ls asks every worker what it does, and lists them and the jobs that they run, of
each the 1,000 oldest. It takes 2.5 s if one does not answer.

    running   it takes jobs
    quiet     it takes no more, and runs what it has: tasuki worker quiet
    stopping  it was told to stop, and its handlers have the grace to end
    unheard   it has not beaten for 2.5 s: it is dead, frozen or cut off. One that is
              dead goes from the list when another worker has put back its jobs

One that beats and has not answered may not SUBSCRIBE, or is of an older version: of
it BUSY is a question mark.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.inspecting(cmd, func(i *inspect.Inspector) error {
				workers, err := i.Workers(cmd.Context())
				if err != nil {
					return lookFailure(err)
				}
				return show(cmd.OutOrStdout(), output, workers, "%s", workerTables(workers))
			})
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

// workerTables sets workers below each other, and the jobs that they run.
func workerTables(workers []inspect.Worker) string {
	text := table(func(w io.Writer) {
		fmt.Fprintln(w, "WORKER\tPROCESS\tSTATE\tQUEUES\tBUSY\tSTARTED\tLAST BEAT\tVERSION")
		for n := range workers {
			v := &workers[n]
			busy, beat := "?", "-"
			if v.Answered {
				busy, beat = fmt.Sprint(v.Busy), legible.Duration(max(0, time.Since(v.LastBeat)))+" ago"
			}
			started := "-"
			if !v.Started.IsZero() {
				started = v.Started.Format(time.RFC3339)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s/%d\t%s\t%s\t%s\n", clean(v.ID), clean(v.Place()), v.State, short(strings.Join(v.Queues, ","), 60), busy, v.Slots,
				started, beat, cmp.Or(clean(v.Version), "-"))
		}
	})
	if !slices.ContainsFunc(workers, func(v inspect.Worker) bool { return len(v.Runs) > 0 }) {
		return text
	}
	return text + "\n\n" + table(func(w io.Writer) {
		fmt.Fprintln(w, "WORKER\tRUNS\tKIND\tSINCE")
		for _, v := range workers {
			for _, r := range v.Runs {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", clean(v.ID), clean(r.Address()), cmp.Or(clean(r.Kind), "-"), r.Since.Format(time.RFC3339))
			}
		}
	})
}

// workerAct is a command that asks something of workers.
type workerAct struct {
	*app
	done string // in a sentence: "3 workers will be stopped"
	// ask returns an error or nil for each worker, and what its answer has besides.
	ask func(ctx context.Context, i *inspect.Inspector, ids []string) (dumps []string, errs []error)

	output           string
	all, dryRun, yes bool
}

// askedWorker is what has become of one.
type askedWorker struct {
	Worker  string `json:"worker"`
	Process string `json:"process"`
	Did     string `json:"did,omitempty"` // quieted, stopped, dumped; nothing with --dry-run
	Stacks  string `json:"stacks,omitempty"`
	Error   string `json:"error,omitempty"`
}

func (c *workerAct) command(cmd *cobra.Command) *cobra.Command {
	cmd.Long += `

WORKER is an id that tasuki worker ls shows, or a process as HOST:PID, which means
all workers in it. --all means all workers of the namespace; such a call asks before
it does anything: --yes says yes, which is needed where nobody can be asked.
--dry-run lists the workers and does nothing. One that does not answer within 2.5 s,
or 10 s if it is dumped, as it is frozen, cut off or may not SUBSCRIBE, is an error;
the others are asked all the same.`
	cmd.Args = cobra.ArbitraryArgs
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case c.all != (len(args) == 0):
			return usageError(fmt.Errorf("allowed are WORKERs or --all, one of them: %s {WORKER…|--all}", cmd.CommandPath()))
		case c.all && !c.yes && !c.dryRun && !isTerminal(cmd.InOrStdin()):
			return usageError(errAskNobody)
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := c.connect(cmd.Context())
		if err != nil {
			return err
		}
		defer client.Close()
		i := inspect.New(client).As(whoami())
		workers, err := i.Workers(cmd.Context())
		if err != nil {
			return lookFailure(err)
		}
		if !c.all {
			if workers, err = named(workers, args); err != nil {
				return err
			}
		}
		if c.all && !c.yes && !c.dryRun && len(workers) > 0 {
			fmt.Fprintf(cmd.ErrOrStderr(), "%s will be %s. Go on? [y/N] ", count(len(workers), "worker"), c.done)
			if err := confirm(cmd.Context(), cmd); err != nil {
				return err
			}
		}
		return c.do(cmd, i, workers)
	}
	flags := cmd.Flags()
	flags.BoolVar(&c.all, "all", false, "all workers of the namespace")
	flags.BoolVar(&c.dryRun, "dry-run", false, "list the workers that are meant, and do nothing")
	flags.BoolVarP(&c.yes, "yes", "y", false, "do not ask")
	outputFlag(cmd, &c.output)
	return cmd
}

// named are the workers that arguments mean: ids, or host:pid.
func named(workers []inspect.Worker, args []string) ([]inspect.Worker, error) {
	for _, arg := range args {
		if !slices.ContainsFunc(workers, func(w inspect.Worker) bool { return isNamed(&w, arg) }) {
			return nil, failure(fmt.Errorf("worker %.300q: %w: tasuki worker ls lists the workers", arg, inspect.ErrNotFound))
		}
	}
	return slices.DeleteFunc(workers, func(w inspect.Worker) bool {
		return !slices.ContainsFunc(args, func(arg string) bool { return isNamed(&w, arg) })
	}), nil
}

func isNamed(w *inspect.Worker, arg string) bool { return arg == w.ID || arg == w.Place() }

// do asks workers, and prints what has come of it.
func (c *workerAct) do(cmd *cobra.Command, i *inspect.Inspector, workers []inspect.Worker) error {
	ids := make([]string, len(workers))
	asked := make([]askedWorker, len(workers))
	for n := range workers {
		ids[n] = workers[n].ID
		asked[n] = askedWorker{Worker: workers[n].ID, Process: workers[n].Place()}
	}
	var failed []error
	if !c.dryRun && len(ids) > 0 {
		dumps, errs := c.ask(cmd.Context(), i, ids)
		for n, err := range errs {
			if err != nil {
				asked[n].Error = err.Error()
				failed = append(failed, err)
				continue
			}
			if asked[n].Did = c.done; dumps != nil {
				asked[n].Stacks = dumps[n]
			}
		}
	}
	var lines []string
	for _, w := range asked {
		line := fmt.Sprintf("%s %s: %s", clean(w.Worker), clean(w.Process), cmp.Or(w.Error, w.Did, "would be "+c.done))
		if w.Stacks != "" {
			line += "\n\n" + w.Stacks
		}
		lines = append(lines, line)
	}
	if len(asked) == 0 {
		lines = []string{"there are no workers"}
	}
	if err := show(cmd.OutOrStdout(), c.output, asked, "%s", strings.Join(lines, "\n")); err != nil {
		return err
	}
	switch {
	case len(failed) == 0:
		return nil
	case errors.Is(failed[0], inspect.ErrUnanswered):
		return &exitError{code: exitFailed, err: fmt.Errorf("%d of %s: %w", len(failed), count(len(workers), "worker"), inspect.ErrUnanswered)}
	}
	return failure(failed[0])
}

func newWorkerQuiet(a *app) *cobra.Command {
	c := &workerAct{app: a, done: "quieted", ask: func(ctx context.Context, i *inspect.Inspector, ids []string) ([]string, []error) {
		return nil, i.Quiet(ctx, ids...)
	}}
	return c.command(&cobra.Command{
		Use:   "quiet {WORKER…|--all}",
		Short: "Have workers take no more jobs, and run what they have",
		Long: `quiet has workers take no more jobs. They run those that they have, and live on
until they are stopped: so jobs of hours can end before a deploy. It cannot be taken
back: stop the worker and start another. To stop all work in a queue, also of workers
that start later, use tasuki queue pause.`,
		Example: `  tasuki worker quiet web-3:4711`,
	})
}

func newWorkerStop(a *app) *cobra.Command {
	c := &workerAct{app: a, done: "told to stop", ask: func(ctx context.Context, i *inspect.Inspector, ids []string) ([]string, []error) {
		return nil, i.Stop(ctx, ids...)
	}}
	return c.command(&cobra.Command{
		Use:   "stop {WORKER…|--all}",
		Short: "Have workers stop, as SIGTERM does",
		Long: `stop has workers stop, as tasuki work does by SIGTERM: they take no more jobs, those
that run have the grace to end, and what is interrupted goes back to its queue. In a
program with the library, Run returns, or WorkerConfig.OnStop is called; what the
program does then is its own affair, and so is whether something starts it again.
stop returns when the workers have heard it: tasuki worker ls shows them until they
have stopped.`,
		Example: `  tasuki worker stop web-3:4711
  tasuki worker stop --all --dry-run`,
	})
}

func newWorkerDump(a *app) *cobra.Command {
	c := &workerAct{app: a, done: "dumped", ask: func(ctx context.Context, i *inspect.Inspector, ids []string) ([]string, []error) {
		return i.Dump(ctx, ids...)
	}}
	return c.command(&cobra.Command{
		Use:   "dump {WORKER…|--all}",
		Short: "Print the stacks of all goroutines in the processes of workers",
		Long: `dump prints the stacks of all goroutines in the process of a worker: where its
handlers are, and what they wait for. It is cut after 1 MiB. The process stands still
for some µs for each goroutine.`,
		Example: `  tasuki worker dump web-3:4711 | less`,
	})
}
