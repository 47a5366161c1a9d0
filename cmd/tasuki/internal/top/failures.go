package top

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

// failures is the view of what attempts have failed with: those with the same fingerprint
// together, the last first.
type failures struct{ entries[inspect.Failure] }

func (*failures) title() string { return "Failures" }

func (*failures) place() string { return "failures" }

func (p *failures) read(m *model) func(context.Context) (func(), error) {
	return p.readBy(m.look.Failures, func(f *inspect.Failure) string { return f.Fingerprint })
}

func (p *failures) press(m *model, key string) (tea.Cmd, bool) {
	if key != "enter" && key != "d" && key != "D" {
		return nil, p.list.press(key)
	}
	f := p.chosen()
	switch {
	case f == nil:
		return nil, true
	case key == "enter":
		return m.open(&failure{f: *f, of: p}), true
	}
	return m.onFailure(key, f), true
}

// onFailure does what a key says to a failure.
func (m *model) onFailure(key string, f *inspect.Failure) tea.Cmd {
	if key == "d" {
		q := inspect.Query{States: []tasuki.State{tasuki.StateDead}}
		if f.Kind != inspect.RawKind {
			q.Kinds = []string{f.Kind}
		}
		return m.open(newJobs(q.String()))
	}
	name := f.Fingerprint
	text := fmt.Sprintf("Forget this failure of %s, %s until it is seen again? Jobs stay as they are.", f.Kind, count(f.Count, "time"))
	return m.confirm(text, func(ctx context.Context) (Outcome, error) { return m.change.Do(ctx, ForgetFailure, name) })
}

func (p *failures) draw(m *model, w, h int) []string {
	if len(p.all) == 0 {
		return p.none("no attempt has failed, as far as is kept", w)
	}
	rows := make([][]piece, len(p.all))
	for n := range p.all {
		f := &p.all[n]
		today := int64(0)
		for _, c := range f.Hourly {
			today += c
		}
		rows[n] = []piece{{f.Kind, plain}, {number(f.Count), plain}, {number(today), plain}, {since(f.First, m.now()), plain}, {since(f.Last, m.now()), plain},
			{firstLine(f.Sample.Error), red}}
	}
	return p.list.draw([]column{
		{title: "KIND", least: 12},
		{title: "COUNT", right: true},
		{title: "24 H", right: true, drop: 2},
		{title: "FIRST", right: true, drop: 3},
		{title: "LAST", right: true, drop: 1},
		{title: "ERROR", least: 16},
	}, rows, w, h)
}

// failure is the page of one.
type failure struct {
	f  inspect.Failure
	of *failures
	scroll
}

func (p *failure) title() string { return p.f.Kind + " " + p.f.Fingerprint }

func (*failure) place() string { return "a failure" }

func (p *failure) read(m *model) func(context.Context) (func(), error) {
	return then(p.of.read(m), func() {
		if n := slices.IndexFunc(p.of.all, func(f inspect.Failure) bool { return f.Fingerprint == p.f.Fingerprint }); n >= 0 {
			p.f = p.of.all[n]
		}
	})
}

func (p *failure) press(m *model, key string) (tea.Cmd, bool) {
	switch key {
	case "enter":
		if s := p.f.Sample; s.ID != "" {
			return m.open(newJob(inspect.Job{Record: tasuki.Record{Info: tasuki.Info{Queue: s.Queue, ID: s.ID, Kind: p.f.Kind}}})), true
		}
		return nil, true
	case "d", "D":
		return m.onFailure(key, &p.f), true
	}
	return nil, p.scroll.press(key)
}

func (p *failure) draw(m *model, w, h int) []string {
	f := &p.f
	hourly := make([]float64, len(f.Hourly))
	for n, c := range f.Hourly {
		hourly[n] = float64(c)
	}
	lines := []line{
		{{"kind       ", cyan}, {f.Kind, plain}},
		{{"count      ", cyan}, {number(f.Count), bold}},
		{{"first      ", cyan}, {f.First.Format(time.RFC3339) + ", " + since(f.First, m.now()), plain}},
		{{"last       ", cyan}, {f.Last.Format(time.RFC3339) + ", " + since(f.Last, m.now()), plain}},
		{{"24 hours   ", cyan}, {sparkline(hourly, min(len(hourly), max(0, w-11))), red}},
		{{"job        ", cyan}, {cmp.Or(sampleAddress(&f.Sample), "-"), plain}},
		{}, styled("Error", bold),
	}
	for _, part := range wrap(f.Sample.Error, w) {
		lines = append(lines, styled(part, red))
	}
	if f.Sample.Stack != "" {
		lines = append(lines, line{}, styled("Stack", bold))
		for _, part := range wrap(f.Sample.Stack, w) {
			lines = append(lines, words(part))
		}
	}
	return p.scroll.draw(lines, w, h)
}

func sampleAddress(s *inspect.Sample) string {
	if s.ID == "" {
		return s.Queue
	}
	return s.Address()
}
