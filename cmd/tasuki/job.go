package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/legible"
)

func newJob(a *app) *cobra.Command {
	return group("job", "List jobs, look at single ones, retry, move, cancel, remove, edit, wait for them",
		newJobCancel(a), newJobEdit(a), newJobGet(a), newJobLogs(a), newJobLs(a), newJobMv(a), newJobReschedule(a), newJobRetry(a), newJobRm(a), newJobWait(a))
}

// addressArg demands one address of a job.
func addressArg(cmd *cobra.Command, args []string) error {
	if err := oneArg(cmd, args); err != nil {
		return err
	}
	return checkAddress(args[0])
}

func checkAddress(address string) error {
	_, _, err := tasuki.ParseAddress(address)
	return err
}

// shownJob is a job as JSON has it.
type shownJob struct {
	Address string `json:"address,omitempty"` // a plain element has none
	inspect.Job
}

func shown(j inspect.Job) shownJob {
	if j.ID == "" {
		return shownJob{"", j}
	}
	return shownJob{j.Address(), j}
}

func newJobGet(a *app) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "get QUEUE/ID",
		Short: "Show all that is known of a job",
		Long: `get shows a job. A recorded one is found at once, also for a while after its end.
A job without a record is found where it waits, runs or is dead: for it the whole
queue is read, which takes seconds when it has millions of jobs.`,
		Args: addressArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer client.Close()
			i := inspect.New(client)
			j, err := findJob(cmd.Context(), i, args[0])
			if err != nil {
				return err
			}
			text := ""
			if output != "json" {
				text = jobText(&j, decides(cmd.Context(), i, &j))
			}
			return show(cmd.OutOrStdout(), output, shown(j), "%s", text)
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

// seek looks for a job in all of its queue: who calls the command has the time.
func seek(ctx context.Context, i *inspect.Inspector, address string) (inspect.Job, error) {
	j, err := i.Job(ctx, address)
	if !errors.Is(err, inspect.ErrNotLooked) {
		return j, err
	}
	queue, id, err := tasuki.ParseAddress(address)
	if err != nil {
		return j, err
	}
	for found, err := range i.Jobs(ctx, inspect.Query{Queues: []string{queue}, IDs: []string{id}, Limit: 1}) {
		return found, err
	}
	return j, fmt.Errorf("job %.300s: %w", address, inspect.ErrNotFound)
}

// findJob returns a job by its address.
func findJob(ctx context.Context, i *inspect.Inspector, address string) (inspect.Job, error) {
	j, err := seek(ctx, i, address)
	if errors.Is(err, inspect.ErrNotFound) {
		// The queue may be misspelled.
		queue, _, _ := tasuki.ParseAddress(address)
		if _, lookErr := look(ctx, i, queue); lookErr != nil {
			return j, lookErr
		}
		hint := "it is not in the queue; of one that has ended only a record is kept"
		if _, id, _ := tasuki.ParseAddress(address); isShortened(id) {
			hint += "; the id looks shortened, and the whole is needed, of 26 characters as a rule"
		}
		return j, failure(fmt.Errorf("%w: %s", err, hint))
	}
	return j, lookFailure(err)
}

// isShortened tells whether an id may be the beginning of one that tasuki has made.
func isShortened(id string) bool {
	const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	return strings.HasPrefix(id, "0") && len(id) >= 4 && len(id) < 26 && strings.Trim(id, alphabet) == ""
}

// decides is what decides why a job waits; "" of one that has ended, or if that is not known.
func decides(ctx context.Context, i *inspect.Inspector, j *inspect.Job) string {
	if j.State.HasEnded() || j.ID == "" {
		return ""
	}
	why, err := i.Why(ctx, j.Address(), &inspect.WhyConfig{Job: j})
	if err != nil || why.State != j.State {
		return "" // what was asked for is known
	}
	return why.Reasons[0].Text
}

// jobText is what get shows of a job.
func jobText(j *inspect.Job, why string) string {
	return facts(func(line func(name, value string), at func(name string, at time.Time)) {
		line("address", shown(*j).Address)
		line("kind", j.Kind)
		line("state", string(j.State))
		line("why", why)
		line("recorded", map[bool]string{true: "yes", false: "no"}[j.Recorded])
		attempt := fmt.Sprint(j.Attempt)
		if j.MaxAttempts > 0 {
			attempt += fmt.Sprintf(" of %d", j.MaxAttempts)
		}
		line("attempt", attempt)
		if j.Crashes > 0 {
			line("crashes", fmt.Sprint(j.Crashes))
		}
		if j.Timeout > 0 {
			line("timeout", legible.Duration(j.Timeout))
		}
		at("enqueued", j.EnqueuedAt)
		at("due", j.DueAt)
		at("expires", j.ExpireAt)
		at("deadline", j.Deadline)
		at("started", j.StartedAt)
		line("on", j.Place)
		line("worker", j.Worker)
		at("ended", j.EndedAt)
		line("reason", j.Reason)
		line("error", j.Error)
		for _, name := range slices.Sorted(maps.Keys(j.Meta)) {
			line("meta "+name, j.Meta[name])
		}
		if p := j.Progress; !p.At.IsZero() {
			text := fmt.Sprint(p.Done)
			if p.Total > 0 {
				text += fmt.Sprintf(" of %d", p.Total)
			}
			line("progress", strings.TrimSpace(text+" "+p.Note))
		}
		line("cursor", string(j.Cursor))
		if j.Raw != nil {
			line("bytes", string(j.Raw))
		} else {
			line("args", string(j.Args))
		}
		line("result", string(j.Result))
		for n, run := range j.Runs {
			text := fmt.Sprintf("%s  %s  %s  %s", run.At.Format(time.RFC3339), legible.Duration(run.Duration), run.Outcome, run.Place)
			if run.Error != "" {
				text += "  " + run.Error
			}
			line(fmt.Sprintf("run %d", n+1), text)
		}
	})
}

// clean is a text on one line, as a terminal may have it.
func clean(text string) string { return legible.Line(text) }

// cleanLines is clean for a text of several lines.
func cleanLines(text string) string { return legible.Lines(text) }

func short(text string, n int) string {
	text = strings.TrimSpace(clean(text))
	if runes := []rune(text); len(runes) > n {
		return string(runes[:n-1]) + "…"
	}
	return text
}

// jobTable sets jobs below each other.
func jobTable(jobs []shownJob, head bool) string {
	return table(func(w io.Writer) {
		if head {
			fmt.Fprintln(w, "ADDRESS\tSTATE\tKIND\tATTEMPT\tWHEN\tWHY")
		}
		for n := range jobs {
			j := &jobs[n]
			what := j.Kind
			if j.Raw != nil {
				what = fmt.Sprintf("(%d bytes)", len(j.Raw))
			}
			at := "-"
			if t := j.When(); !t.IsZero() {
				at = t.Format(time.RFC3339)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", cmp.Or(j.Address, j.Queue+"/-"), j.State, cmp.Or(what, "-"), j.Attempt, at, short(cmp.Or(j.Error, j.Reason), 60))
		}
	})
}
