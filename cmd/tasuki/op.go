package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki/inspect"
)

// byFlag adds --by to a command that acts.
func byFlag(cmd *cobra.Command, by *string) {
	cmd.Flags().StringVar(by, "by", "", "`WHO` does it, for the audit trail (default you: user@host)")
}

func newOp(a *app) *cobra.Command {
	return group("op", "Look at what was done to many jobs, cancel, continue or undo it",
		newOpLs(a), newOpGet(a), newOpCancel(a), newOpContinue(a), newOpUndo(a))
}

func newOpLs(a *app) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the last 100 operations",
		Long: `ls lists the last 100 operations, the last one first: who has done what to which jobs, how
far it is, and for how many jobs it can be undone. One is interrupted when the process
that ran it is gone: tasuki op continue goes on with it.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.inspecting(cmd, func(i *inspect.Inspector) error {
				all, err := i.Operations(cmd.Context())
				if err != nil {
					return lookFailure(err)
				}
				return show(cmd.OutOrStdout(), output, all, "%s", table(func(w io.Writer) {
					fmt.Fprintln(w, "OPERATION\tSTARTED\tBY\tACTION\tSTATE\tDONE\tMEANT\tUNDOABLE\tQUERY")
					for k := range all {
						o := &all[k]
						fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%d\t%s\n", o.ID, o.Started.Format(time.RFC3339), clean(cmp.Or(o.By, "-")), o.Action, o.State,
							o.Done, counted(o.Meant), o.Undoable, short(cmp.Or(o.Query, "-"), 60))
					}
				}))
			})
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

// counted is a count as it is shown: with a plus if there are more.
func counted(c inspect.Count) string {
	text := fmt.Sprint(c.Jobs)
	if !c.Exact {
		text += "+"
	}
	return text
}

// onOperation is a command that takes the id of an operation.
func onOperation(a *app, use, short, long string, acts bool, do func(cmd *cobra.Command, i *inspect.Inspector, id string) (inspect.Operation, error)) *cobra.Command {
	var output, by string
	cmd := &cobra.Command{
		Use: use + " OPERATION", Short: short, Long: long, Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer client.Close()
			i := inspect.New(client).As(cmp.Or(by, whoami()))
			defer i.Close()
			o, err := do(cmd, i, args[0])
			if err != nil {
				return jobFailure(err)
			}
			err = show(cmd.OutOrStdout(), output, o, "%s", operationText(&o))
			if acts {
				err = errors.Join(err, operationFailure(&o))
			}
			return err
		},
	}
	if acts {
		byFlag(cmd, &by)
	}
	outputFlag(cmd, &output)
	return cmd
}

func newOpGet(a *app) *cobra.Command {
	return onOperation(a, "get", "Show an operation", "get shows what an operation does, to which jobs, how far it is and how it went.", false,
		func(cmd *cobra.Command, i *inspect.Inspector, id string) (inspect.Operation, error) {
			return i.Operation(cmd.Context(), id)
		})
}

func newOpCancel(a *app) *cobra.Command {
	return onOperation(a, "cancel", "End an operation", "cancel has an operation end, wherever it runs, and waits for it. What it has done stays done.", false,
		func(cmd *cobra.Command, i *inspect.Inspector, id string) (inspect.Operation, error) {
			if err := i.CancelOperation(cmd.Context(), id); err != nil {
				return inspect.Operation{}, err
			}
			return i.Await(cmd.Context(), id)
		})
}

func newOpContinue(a *app) *cobra.Command {
	return onOperation(a, "continue", "Go on with an operation that was interrupted, has failed or was cancelled",
		"continue goes on with an operation whose process is gone, that has failed or was cancelled, until it is done.", true,
		func(cmd *cobra.Command, i *inspect.Inspector, id string) (inspect.Operation, error) {
			o, err := i.Continue(cmd.Context(), id)
			if err != nil {
				return o, err
			}
			return await(cmd, i, o)
		})
}

func newOpUndo(a *app) *cobra.Command {
	return onOperation(a, "undo", "Undo an operation", `undo brings back the jobs that an operation has cancelled or removed while they waited or
were dead, moves back those that it has moved, and gives back their times to those that it
has rescheduled. That is possible for an hour, for its first 10,000 jobs or 4 MiB of them, and
while it is one of the last 20 operations. What ran, or has changed since, is not brought
back. A job that was ready is ready again, behind all others.`, true,
		func(cmd *cobra.Command, i *inspect.Inspector, id string) (inspect.Operation, error) {
			o, err := i.Undo(cmd.Context(), id)
			if err != nil {
				return o, err
			}
			return await(cmd, i, o)
		})
}

// await waits for an operation of this process. Who interrupts it is told how to go on.
func await(cmd *cobra.Command, i *inspect.Inspector, o inspect.Operation) (inspect.Operation, error) {
	ended, err := i.Await(cmd.Context(), o.ID)
	if err != nil && cmd.Context().Err() != nil {
		i.Close()
		return o, &exitError{code: exitInterrupted, err: fmt.Errorf("interrupted: tasuki op continue %s goes on with it", o.ID)}
	}
	return ended, lookFailure(err)
}

// operationFailure is why an operation has not done all.
func operationFailure(o *inspect.Operation) error {
	if o.Error == "" {
		return nil
	}
	return &exitError{code: exitFailed, err: fmt.Errorf("%s: %s", o.Action, clean(o.Error))}
}

// operationText is what get shows.
func operationText(o *inspect.Operation) string {
	return facts(func(line func(name, value string), at func(name string, at time.Time)) {
		number := func(name string, n int64) {
			if n != 0 {
				line(name, fmt.Sprint(n))
			}
		}
		line("operation", o.ID)
		line("action", string(o.Action))
		line("to", o.To)
		at("at", o.At)
		line("query", o.Query)
		number("limit", int64(o.Limit))
		line("by", o.By)
		line("state", string(o.State))
		at("started", o.Started)
		at("updated", o.Updated)
		line("meant", counted(o.Meant))
		number("scanned", int64(o.Scanned))
		line("done", fmt.Sprint(o.Done))
		number("skipped", int64(o.Skipped))
		number("refused", int64(o.Refused))
		number("unsure", int64(o.Unsure))
		line("error", o.Error)
		line("undoes", o.Undoes)
		line("undone by", o.UndoneBy)
		number("undoable", int64(o.Undoable))
		if o.Undoable > 0 {
			at("until", o.UndoUntil)
		}
		line("no undo", o.NoUndo)
	})
}

func newAudit(a *app) *cobra.Command {
	var output string
	limit := 100
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "List who has done what",
		Long: `audit lists what was done to queues, jobs, workers, locks and operations by this command, a
dashboard or a program, the last act first: when, who, what, to what, to how many, and why
not to all. The last 10,000 are kept.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return usageError(fmt.Errorf("--limit: %d: %s", limit, allowedNumbers["limit"]))
			}
			return a.inspecting(cmd, func(i *inspect.Inspector) error {
				entries, err := audited(cmd.Context(), i, limit)
				if err != nil {
					return lookFailure(err)
				}
				return show(cmd.OutOrStdout(), output, entries, "%s", table(func(w io.Writer) {
					fmt.Fprintln(w, "AT\tBY\tWHAT\tTARGET\tCOUNT\tDETAIL")
					for _, e := range entries {
						detail := e.Detail
						if e.Error != "" {
							detail += " (" + e.Error + ")"
						}
						fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\n", e.At.Format(time.RFC3339), clean(cmp.Or(e.By, "-")), clean(cmp.Or(e.What, "-")),
							short(cmp.Or(e.Target, "-"), 60), e.Count, short(detail, 100))
					}
				}))
			})
		},
	}
	cmd.Flags().IntVar(&limit, "limit", limit, "`NUMBER` of entries at most; 0 is no limit")
	outputFlag(cmd, &output)
	return cmd
}

// audited are the last entries of the audit trail.
func audited(ctx context.Context, i *inspect.Inspector, limit int) ([]inspect.AuditEntry, error) {
	entries := []inspect.AuditEntry{}
	for cursor := ""; ; {
		n := 1000
		if limit > 0 {
			n = min(n, limit-len(entries))
		}
		page, err := i.Audit(ctx, cursor, n)
		if err != nil {
			return nil, err
		}
		entries = append(entries, page.Entries...)
		if cursor = page.Cursor; cursor == "" || len(entries) == limit {
			return entries, nil
		}
	}
}

func newMark(a *app) *cobra.Command {
	var output, by, version string
	var since moment
	cmd := &cobra.Command{
		Use:   "mark [TEXT]",
		Short: "Write down that something happens now, such as a deploy; list what was",
		Long: `mark writes down that something happens now, such as a deploy of a version: dashboards show
it beside what comes after it. Without a TEXT and a --version it lists the marks, of which
the last 1,000 are kept.`,
		Example: `  tasuki mark "deploy of billing" --version "$GIT_SHA" --by ci
  tasuki mark --since 24h`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("mark takes one TEXT: put it in quotes, or leave out %.80q", args[1])
			}
			if text := strings.Join(append(args, version), " "); len(text) > 500 {
				return fmt.Errorf("a mark of %d bytes: allowed are 500", len(text))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer client.Close()
			i := inspect.New(client).As(cmp.Or(by, whoami()))
			var marks []inspect.MarkEntry
			if text := append(args, "")[0]; text != "" || version != "" {
				m, err := i.Mark(cmd.Context(), text, version)
				if err != nil {
					return failure(err)
				}
				marks = append(marks, m)
			} else if marks, err = i.Marks(cmd.Context(), time.Time(since), time.Time{}); err != nil {
				return lookFailure(err)
			}
			return show(cmd.OutOrStdout(), output, marks, "%s", table(func(w io.Writer) {
				fmt.Fprintln(w, "AT\tBY\tVERSION\tTEXT")
				for _, m := range marks {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", m.At.Format(time.RFC3339), clean(cmp.Or(m.By, "-")), clean(cmp.Or(m.Version, "-")), clean(m.Text))
				}
			}))
		},
	}
	cmd.Flags().StringVar(&version, "version", "", "`VERSION` of the program")
	cmd.Flags().Var(&since, "since", "list those since a `TIME` such as 2030-01-02T15:04:05Z, or one so long ago as 24h")
	byFlag(cmd, &by)
	outputFlag(cmd, &output)
	return cmd
}
