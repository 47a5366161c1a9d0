package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/cron"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/legible"
)

// onEntry returns a command on one periodic entry, which stands in the audit trail as what; "" only
// looks. Its do returns what to print.
func onEntry(a *app, cmd *cobra.Command, what string, do func(ctx context.Context, t *cron.Table, name, by string) (v any, text string, err error)) *cobra.Command {
	var output, by string
	outputFlag(cmd, &output)
	if what != "" {
		byFlag(cmd, &by)
	}
	cmd.Args = oneArg
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := a.connect(cmd.Context())
		if err != nil {
			return err
		}
		defer client.Close()
		by := cmp.Or(by, whoami())
		v, text, err := do(cmd.Context(), cron.New(client), args[0], by)
		if what != "" {
			err = inspect.New(client).As(by).Noted(cmd.Context(), inspect.AuditEntry{What: what, Target: args[0], Count: 1}, err)
		}
		if err != nil {
			return cronFailure(err)
		}
		if s, ok := v.(*cron.Status); ok && output == "text" {
			warn(cmd, s.Warnings)
		}
		return show(cmd.OutOrStdout(), output, v, "%s", text)
	}
	return cmd
}

// cronFailure is failure for what package cron says.
func cronFailure(err error) error {
	switch {
	case errors.Is(err, cron.ErrInvalid):
		return usageError(err)
	case errors.Is(err, cron.ErrNotFound):
		return &exitError{code: exitNotFound, err: fmt.Errorf("%w; tasuki cron ls lists them", err)}
	case errors.Is(err, cron.ErrDeclared):
		return &exitError{code: exitFailed, err: err}
	}
	return failure(err)
}

func newCronLs(a *app) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the periodic entries",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer client.Close()
			all := []*cron.Status{}
			for s, err := range cron.New(client).List(cmd.Context()) {
				if err != nil {
					return lookFailure(err)
				}
				all = append(all, s)
			}
			return show(cmd.OutOrStdout(), output, all, "%s", table(func(w io.Writer) {
				fmt.Fprintln(w, "NAME\tEXPRESSION\tZONE\tKIND\tQUEUE\tNEXT\tLAST\tSET\tWARNINGS")
				for _, s := range all {
					last := "never"
					if n := len(s.Runs); n > 0 {
						last = fmt.Sprintf("%s %s", s.Runs[n-1].Outcome, s.Runs[n-1].Tick.Format(time.RFC3339))
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Name, clean(s.Expr), cmp.Or(s.Zone, "-"), s.Kind,
						cmp.Or(s.Opts.Queue, tasuki.DefaultQueue), next(s), last, cmp.Or(s.Declared, "-"), clean(strings.Join(s.Warnings, "; ")))
				}
			}))
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

// next is when an entry runs next.
func next(s *cron.Status) string {
	switch {
	case s.Paused:
		return "paused"
	case s.Next.IsZero():
		return "never"
	}
	return s.Next.Format(time.RFC3339)
}

func newCronGet(a *app) *cobra.Command {
	return onEntry(a, &cobra.Command{
		Use:   "get NAME",
		Short: "Show one periodic entry",
	}, "", func(ctx context.Context, t *cron.Table, name, _ string) (any, string, error) {
		s, err := t.Get(ctx, name)
		if err != nil {
			return nil, "", err
		}
		return s, entryText(s), nil
	})
}

// entryText is what get shows of an entry.
func entryText(s *cron.Status) string {
	return facts(func(line func(name, value string), at func(name string, at time.Time)) {
		line("name", s.Name)
		line("expression", s.Expr)
		line("zone", s.Zone)
		line("kind", s.Kind)
		line("args", string(s.Args))
		o := &s.Opts
		line("queue", cmp.Or(o.Queue, tasuki.DefaultQueue))
		if o.MaxAttempts != 0 {
			line("max attempts", fmt.Sprint(o.MaxAttempts))
		}
		for _, d := range []struct {
			name string
			d    time.Duration
		}{{"timeout", o.Timeout}, {"expire in", o.ExpireIn}, {"keep", o.Keep}, {"jitter", s.Jitter}} {
			switch {
			case d.d < 0:
				line(d.name, "none")
			case d.d > 0:
				line(d.name, legible.Duration(d.d))
			}
		}
		line("unique", string(o.Unique.Mode))
		for _, name := range slices.Sorted(maps.Keys(o.Meta)) {
			line("meta", name+"="+o.Meta[name])
		}
		missed := string(cmp.Or(s.Missed, cron.MissedLast))
		if s.MissedMost != 0 {
			missed += fmt.Sprintf(", at most %d", s.MissedMost)
		}
		line("missed", missed)
		if o.Unique.Mode == "" {
			line("overlap", string(cmp.Or(s.Overlap, cron.OverlapSkip)))
		}
		at("start", s.Start)
		at("end", s.End)
		line("declared set", s.Declared)
		line("next", next(s))
		if !s.DueAt.Equal(s.Next) {
			at("due at", s.DueAt)
		}
		line("paused by", s.PausedBy)
		at("paused since", s.PausedSince)
	})
}

func newCronHistory(a *app) *cobra.Command {
	return onEntry(a, &cobra.Command{
		Use:   "history NAME",
		Short: "Show the last runs of a periodic entry, and what became of them",
		Long: `history shows the last 20 runs of a periodic entry, the oldest first: for which tick, by
how much it was late, what became of it, and the address of its job, or of the job that
was in its way. A job without a record stays enqueued here, whatever becomes of it.`,
	}, "", func(ctx context.Context, t *cron.Table, name, _ string) (any, string, error) {
		runs, err := t.History(ctx, name)
		if err != nil {
			return nil, "", err
		}
		if runs == nil {
			runs = []cron.Run{}
		}
		return runs, table(func(w io.Writer) {
			fmt.Fprintln(w, "TICK\tLATE\tOUTCOME\tJOB\tERROR")
			for _, r := range runs {
				outcome := string(r.Outcome)
				if r.Asked {
					outcome += ", asked for"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.Tick.Format(time.RFC3339), legible.Duration(r.At.Sub(r.Tick)), outcome, r.Address, clean(r.Error))
			}
		}), nil
	})
}

func newCronPause(a *app) *cobra.Command {
	return onEntry(a, &cobra.Command{
		Use:   "pause NAME",
		Short: "Have a periodic entry not run until it is resumed",
	}, "pause schedule", func(ctx context.Context, t *cron.Table, name, by string) (any, string, error) {
		return changed(ctx, t, name, "paused", t.Pause(ctx, name, by))
	})
}

func newCronResume(a *app) *cobra.Command {
	return onEntry(a, &cobra.Command{
		Use:   "resume NAME",
		Short: "End the pause of a periodic entry",
		Long: `resume ends the pause of a periodic entry. Ticks that were in the pause are not made
up for: tasuki cron run does that.`,
	}, "resume schedule", func(ctx context.Context, t *cron.Table, name, _ string) (any, string, error) {
		return changed(ctx, t, name, "resumed", t.Resume(ctx, name))
	})
}

// changed returns what is to be printed of an entry to which something was done.
func changed(ctx context.Context, t *cron.Table, name, what string, err error) (any, string, error) {
	if err != nil {
		return nil, "", err
	}
	s, err := t.Get(ctx, name)
	if err != nil {
		return nil, "", err
	}
	text := name + ": " + what
	if !s.Paused {
		text += ", next " + next(s)
	}
	return s, text, nil
}

func newCronRun(a *app) *cobra.Command {
	return onEntry(a, &cobra.Command{
		Use:   "run NAME",
		Short: "Have a periodic entry run now, beside its ticks",
		Long: `run has a job of a periodic entry enqueued now, by a scheduler; also if it is paused. It
prints the address that the job gets, unless the entry's overlap leaves it out, which
tasuki cron history tells. Where no scheduler runs, the first that does enqueues it.`,
	}, "run schedule", func(ctx context.Context, t *cron.Table, name, _ string) (any, string, error) {
		address, err := t.RunNow(ctx, name)
		return struct {
			Name    string `json:"name"`
			Address string `json:"address"`
		}{name, address}, address, err
	})
}

func newCronRm(a *app) *cobra.Command {
	return onEntry(a, &cobra.Command{
		Use:     "rm NAME",
		Aliases: []string{"remove"},
		Short:   "Remove a periodic entry and its history",
		Long: `rm removes a periodic entry and its history. Its jobs stay. An entry of a declared set is
there again with the next revision of the set that has it: pause it instead.`,
	}, "remove schedule", func(ctx context.Context, t *cron.Table, name, _ string) (any, string, error) {
		return struct {
			Removed string `json:"removed"`
		}{name}, name + ": removed", t.Remove(ctx, name)
	})
}

func newCronSet(a *app) *cobra.Command {
	var (
		e       cron.Entry // what the flags say
		args    string
		meta    []string
		setters map[string]func(*cron.Entry)
	)
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Make a periodic entry, or change one",
		Long: `set makes a periodic entry, for which --expr and --kind are needed, or changes what is
named of one that is there. If that is when it runs, it counts from now on. An entry
that a program has declared is changed there.

tasuki cron next shows what an expression means.`,
		Example: `  tasuki cron set nightly --expr '30 2 * * *' --tz Europe/Berlin --kind report.nightly --queue reports
  tasuki cron set poll --expr '@every 30s' --kind poll --overlap skip --expire-in 30s
  tasuki cron set nightly --jitter 10m --missed all`,
	}
	flags := cmd.Flags()
	onEntry(a, cmd, "set schedule", func(ctx context.Context, t *cron.Table, name, _ string) (any, string, error) {
		given := flags.Changed
		apply := func(x *cron.Entry) {
			for flag, set := range setters {
				if given(flag) {
					set(x)
				}
			}
		}
		s, err := t.Edit(ctx, name, func(x *cron.Entry) error { apply(x); return nil })
		what := "changed"
		if errors.Is(err, cron.ErrNotFound) {
			if !given("expr") || !given("kind") {
				return nil, "", fmt.Errorf("%w: to make it, --expr and --kind are needed", err)
			}
			x := cron.Entry{Name: name}
			apply(&x)
			s, err = t.Set(ctx, x)
			what = "made"
		}
		if err != nil {
			return nil, "", err
		}
		return s, fmt.Sprintf("%s: %s, next %s", name, what, next(s)), nil
	})
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if flags.Changed("args") && !json.Valid([]byte(args)) {
			return usageError(fmt.Errorf("--args: %w", noJSON(args)))
		}
		for _, pair := range meta {
			if name, _, ok := strings.Cut(pair, "="); !ok || name == "" {
				return usageError(fmt.Errorf("--meta: %.80q: allowed is NAME=VALUE", pair))
			}
		}
		return nil
	}
	flags.StringVar(&e.Expr, "expr", "", "`EXPRESSION` that says when, such as '30 2 * * *' or '@every 90s'")
	flags.StringVar(&e.Zone, "tz", "", "`ZONE` of its times, such as Europe/Berlin (default UTC)")
	flags.StringVar(&e.Kind, "kind", "", "`KIND` of its jobs")
	flags.StringVar(&args, "args", "", "`JSON` of their arguments (default null)")
	flags.StringVar(&e.Opts.Queue, "queue", "", "`NAME` of their queue (default default)")
	flags.IntVar(&e.Opts.MaxAttempts, "max-attempts", 0, "`NUMBER` of times that each may be run, -1 for no limit (default 20)")
	flags.Var(durationOrNone{&e.Opts.Timeout}, "timeout", "`DURATION` of an attempt at most, -1 for none (default that of the worker)")
	flags.DurationVar(&e.Opts.ExpireIn, "expire-in", 0, "`DURATION` after which a job is dropped that was not started")
	flags.Var(durationOrNone{&e.Opts.Keep}, "keep", "`DURATION` for which records stay, -1 for no records (default until after the next tick)")
	flags.StringArrayVar(&meta, "meta", nil, "`NAME=VALUE` that travels with the jobs, in place of what did; repeatable")
	flags.DurationVar(&e.Jitter, "jitter", 0, "`DURATION` by up to which each tick is put off")
	flags.StringVar((*string)(&e.Missed), "missed", "", "`HOW` with ticks that no scheduler was there for: none, last or all (default last)")
	flags.IntVar(&e.MissedMost, "missed-most", 0, "`NUMBER` of them at most, with --missed all (default 100)")
	flags.StringVar((*string)(&e.Overlap), "overlap", "", "`HOW` with a tick whose predecessor is still there: skip, queue, replace or allow (default skip)")
	flags.TimeVar(&e.Start, "start", time.Time{}, []string{time.RFC3339}, "`TIME` of the first tick at the soonest")
	flags.TimeVar(&e.End, "end", time.Time{}, []string{time.RFC3339}, "`TIME` of the last tick at the latest")
	setters = map[string]func(*cron.Entry){
		"expr":         func(x *cron.Entry) { x.Expr = e.Expr },
		"tz":           func(x *cron.Entry) { x.Zone = e.Zone },
		"kind":         func(x *cron.Entry) { x.Kind = e.Kind },
		"args":         func(x *cron.Entry) { x.Args = json.RawMessage(args) },
		"queue":        func(x *cron.Entry) { x.Opts.Queue = e.Opts.Queue },
		"max-attempts": func(x *cron.Entry) { x.Opts.MaxAttempts = e.Opts.MaxAttempts },
		"timeout":      func(x *cron.Entry) { x.Opts.Timeout = e.Opts.Timeout },
		"expire-in":    func(x *cron.Entry) { x.Opts.ExpireIn = e.Opts.ExpireIn },
		"keep":         func(x *cron.Entry) { x.Opts.Keep = e.Opts.Keep },
		"jitter":       func(x *cron.Entry) { x.Jitter = e.Jitter },
		"missed":       func(x *cron.Entry) { x.Missed = e.Missed },
		"missed-most":  func(x *cron.Entry) { x.MissedMost = e.MissedMost },
		"overlap":      func(x *cron.Entry) { x.Overlap = e.Overlap },
		"start":        func(x *cron.Entry) { x.Start = e.Start },
		"end":          func(x *cron.Entry) { x.End = e.End },
		"meta": func(x *cron.Entry) {
			x.Opts.Meta = map[string]string{}
			for _, pair := range meta {
				name, value, _ := strings.Cut(pair, "=")
				x.Opts.Meta[name] = value
			}
		},
	}
	return cmd
}
