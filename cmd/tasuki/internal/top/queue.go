package top

import (
	"context"
	"fmt"
	"maps"
	"slices"

	tea "charm.land/bubbletea/v2"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

// queue is the page of one queue: what lies in it, what was done with what was, and how fast.
type queue struct {
	name string
	scroll
}

func newQueue(name string) *queue { return &queue{name: name} }

func (p *queue) title() string { return p.name }

func (*queue) read(*model) func(context.Context) (func(), error) { return nil }

func (*queue) place() string { return "a queue" }

func (p *queue) press(m *model, key string) (tea.Cmd, bool) {
	switch key {
	case "enter":
		return m.open(newJobs(jobsOf(p.name))), true
	case "d":
		return m.open(newJobs(jobsOf(p.name, tasuki.StateDead))), true
	case "P":
		return m.pause(p.name), true
	}
	return nil, p.scroll.press(key)
}

// jobsOf is the filter for the jobs of a queue.
func jobsOf(queue string, states ...tasuki.State) string {
	q := inspect.Query{Queues: []string{queue}, States: states}
	return q.String()
}

// pause asks whether a queue is to be paused, or resumed.
func (m *model) pause(name string) tea.Cmd {
	q := m.queue(name)
	if q == nil {
		return nil
	}
	text, do := fmt.Sprintf("Pause %s? Its %s will wait.", name, count(q.Ready+q.Suspect, "ready job")), PauseQueue
	if q.Paused {
		text, do = fmt.Sprintf("Resume %s? %s will run.", name, count(q.Ready+q.Suspect, "ready job")), ResumeQueue
	}
	return m.confirm(text, func(ctx context.Context) (Outcome, error) { return m.change.Do(ctx, do, name) })
}

// queue returns what the last look says of a queue; nil if it is not there.
func (m *model) queue(name string) *inspect.Queue {
	if m.stats == nil {
		return nil
	}
	n := slices.IndexFunc(m.stats.Queues, func(q inspect.Queue) bool { return q.Name == name })
	if n < 0 {
		return nil
	}
	return &m.stats.Queues[n]
}

func (p *queue) draw(m *model, w, h int) []string {
	q := m.queue(p.name)
	if q == nil {
		return []string{styled("it is not there", faint).render(w, false)}
	}
	var rows [][2]piece
	add := func(name, value string, as style) { rows = append(rows, [2]piece{{name, cyan}, {value, as}}) }
	for _, r := range []struct {
		name string
		n    int64
	}{{"ready", q.Ready}, {"suspect", q.Suspect}, {"scheduled", q.Scheduled}, {"retry", q.Retry}, {"running", q.Running}, {"dead", q.Dead}, {"workers", int64(q.Workers)}} {
		as := plain
		if r.n > 0 {
			as = bold
		}
		add(r.name, number(r.n), as)
	}
	wide := 0
	for _, r := range rows {
		wide = max(wide, width(r[1].text))
	}
	var lines []line
	for _, r := range rows {
		lines = append(lines, line{{fmt.Sprintf("%-11s", r[0].text), r[0].style}, {fmt.Sprintf("%*s", wide, r[1].text), r[1].style}})
	}
	if q.Latency > 0 {
		lines = append(lines, line{{"oldest     ", cyan}, {"ready for " + span(q.Latency), plain}})
	}
	if q.Paused {
		lines = append(lines, line{{"paused     ", cyan}, {"yes" + pausedBy(q, m.now()), magenta | bold}})
	}
	lines = append(lines, line{})
	r := m.rates[p.name]
	if t := m.tracks[p.name]; t != nil {
		room := max(0, min(tracked, w-25))
		lines = append(lines,
			line{{"done       ", cyan}, {fmt.Sprintf("%9s/s  ", perSecond(r.Done)), plain}, {sparkline(t.done, room), green}},
			line{{"failed     ", cyan}, {fmt.Sprintf("%9s/s  ", perSecond(r.Failed)), plain}, {sparkline(t.failed, room), red}}, line{})
	}
	if len(q.Counts) > 0 {
		lines = append(lines, styled("Since the queue began", bold))
		wide = 0
		for _, n := range q.Counts {
			wide = max(wide, width(number(n)))
		}
		for _, name := range slices.Sorted(maps.Keys(q.Counts)) {
			lines = append(lines, line{{fmt.Sprintf("%-11s", clean(name)), cyan}, {fmt.Sprintf("%*s", wide, number(q.Counts[name])), plain}})
		}
	}
	return p.scroll.draw(lines, w, h)
}
