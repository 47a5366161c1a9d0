package top

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/cron"
)

// schedules is the view of periodic entries.
type schedules struct{ entries[*cron.Status] }

func (*schedules) title() string { return "Schedules" }

func (*schedules) place() string { return "schedules" }

func (p *schedules) read(m *model) func(context.Context) (func(), error) {
	return p.readBy(m.look.Schedules, func(s **cron.Status) string { return (*s).Name })
}

func (p *schedules) press(m *model, key string) (tea.Cmd, bool) {
	if key != "enter" && key != "P" && key != "R" {
		return nil, p.list.press(key)
	}
	s := p.chosen()
	switch {
	case s == nil:
		return nil, true
	case key == "enter":
		return m.open(&schedule{s: *s, of: p}), true
	}
	return m.askEntry(key, *s), true
}

// askEntry asks whether a periodic entry is to be paused, resumed or run.
func (m *model) askEntry(key string, s *cron.Status) tea.Cmd {
	text, do := fmt.Sprintf("Enqueue a job of %s (%s) now?", s.Name, s.Kind), RunEntry
	if key == "P" {
		text, do = fmt.Sprintf("Pause %s? Its ticks are left out until it is resumed.", s.Name), PauseEntry
		if s.Paused {
			text, do = fmt.Sprintf("Resume %s?", s.Name), ResumeEntry
		}
	}
	name := s.Name
	return m.confirm(text, func(ctx context.Context) (Outcome, error) { return m.change.Do(ctx, do, name) })
}

func (p *schedules) draw(m *model, w, h int) []string {
	if len(p.all) == 0 {
		return p.none("there are no periodic entries", w)
	}
	rows := make([][]piece, len(p.all))
	for n, s := range p.all {
		next, as := since(s.Next, m.now()), plain
		switch {
		case s.Paused:
			next, as = "paused", magenta|bold
		case s.Next.IsZero():
			next = "never"
		}
		last, lastAs := "never", plain
		if n := len(s.Runs); n > 0 {
			last = string(s.Runs[n-1].Outcome) + " " + since(s.Runs[n-1].Tick, m.now())
			if s.Runs[n-1].Error != "" {
				lastAs = red | bold
			}
		}
		rows[n] = []piece{{s.Name, plain}, {s.Expr, plain}, {cmp.Or(s.Zone, "UTC"), plain}, {next, as}, {last, lastAs}, {s.Kind, plain},
			{cmp.Or(s.Opts.Queue, tasuki.DefaultQueue), plain}, {strings.Join(s.Warnings, "; "), magenta}}
	}
	return p.list.draw([]column{
		{title: "NAME", least: 8},
		{title: "EXPRESSION", least: 12, drop: 2},
		{title: "ZONE", drop: 6},
		{title: "NEXT", right: true},
		{title: "LAST", least: 12, drop: 1},
		{title: "KIND", least: 12, drop: 3},
		{title: "QUEUE", least: 10, drop: 5},
		{title: "WARNINGS", least: 14, drop: 4},
	}, rows, w, h)
}

// schedule is the page of one entry. What it says comes with the view below it.
type schedule struct {
	s  *cron.Status
	of *schedules
	scroll
}

func (p *schedule) title() string { return p.s.Name }

func (*schedule) place() string { return "a schedule" }

func (p *schedule) read(m *model) func(context.Context) (func(), error) {
	return then(p.of.read(m), func() {
		for _, s := range p.of.all {
			if s.Name == p.s.Name {
				p.s = s
			}
		}
	})
}

func (p *schedule) press(m *model, key string) (tea.Cmd, bool) {
	if key == "P" || key == "R" {
		return m.askEntry(key, p.s), true
	}
	return nil, p.scroll.press(key)
}

func (p *schedule) draw(m *model, w, h int) []string {
	s := p.s
	var lines []line
	add := func(name, value string) { lines = append(lines, field(name, value, w)...) }
	add("expression", s.Expr)
	add("zone", cmp.Or(s.Zone, "UTC"))
	add("kind", s.Kind)
	add("queue", cmp.Or(s.Opts.Queue, tasuki.DefaultQueue))
	add("declared", s.Declared)
	switch {
	case s.Paused:
		text := "yes"
		if s.PausedBy != "" {
			text += " by " + s.PausedBy
		}
		add("paused", text+", "+since(s.PausedSince, m.now()))
	case s.Next.IsZero():
		add("next", "never")
	default:
		add("next", s.Next.Format(time.RFC3339)+", "+since(s.Next, m.now()))
	}
	for _, warning := range s.Warnings {
		add("warning", warning)
	}
	add("arguments", firstLine(string(s.Args)))
	if len(s.Runs) > 0 {
		lines = append(lines, line{}, styled("Runs, the latest first", bold))
	}
	for n := len(s.Runs) - 1; n >= 0; n-- {
		r := s.Runs[n]
		outcome, as := string(r.Outcome), plain
		if r.Asked {
			outcome += ", asked for"
		}
		if r.Error != "" {
			as = red
		}
		lines = append(lines, styled(strings.TrimRight(fmt.Sprintf("%s  %s  %s", r.Tick.Format(time.RFC3339), outcome, cmp.Or(r.Error, r.Address)), " "), as))
	}
	return p.scroll.draw(lines, w, h)
}
