package top

import (
	"cmp"
	"context"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/tasuki-dev/tasuki/inspect"
)

// queues is the view of all queues.
type queues struct {
	list   list
	filter string // that their names contain
	sort   order
}

// order is how queues are sorted.
type order int

const (
	byName order = iota
	byReady
	byRate
	byDead
	orders
)

func (o order) String() string { return []string{"name", "ready", "rate", "dead"}[o] }

func (p *queues) title() string {
	title := "Queues"
	if p.sort != byName {
		title += " by " + p.sort.String()
	}
	if p.filter != "" {
		title += ": " + p.filter
	}
	return title
}

func (*queues) read(*model) func(context.Context) (func(), error) { return nil }

func (*queues) place() string { return "queues" }

func (p *queues) press(m *model, key string) (tea.Cmd, bool) {
	switch key {
	case "enter":
		if p.list.id() == "" {
			return nil, true
		}
		return m.open(newQueue(p.list.id())), true
	case "s":
		p.sort = (p.sort + 1) % orders
	case "/":
		m.input = newInput("name contains: ", p.filter, func(text string) (tea.Cmd, error) {
			p.filter = text
			return nil, nil
		})
	case "P":
		return m.pause(p.list.id()), true
	default:
		return nil, p.list.press(key)
	}
	return nil, true
}

func (p *queues) draw(m *model, w, h int) []string {
	if m.stats == nil {
		return []string{styled("looking …", faint).render(w, false)}
	}
	var shown []inspect.Queue
	for _, q := range m.stats.Queues {
		if strings.Contains(strings.ToLower(q.Name), strings.ToLower(p.filter)) {
			shown = append(shown, q)
		}
	}
	if len(shown) == 0 {
		p.list.set(nil)
		text := "no queue was ever used"
		if p.filter != "" {
			text = "no queue's name contains " + p.filter
		}
		return []string{styled(text, faint).render(w, false)}
	}
	sortQueues(shown, m.rates, p.sort)
	return drawQueues(&p.list, m, shown, w, h)
}

func sortQueues(q []inspect.Queue, rates map[string]inspect.Rate, by order) {
	slices.SortStableFunc(q, func(a, b inspect.Queue) int {
		c := 0
		switch by {
		case byReady:
			c = cmp.Compare(b.Ready, a.Ready)
		case byRate:
			ra, rb := rates[a.Name], rates[b.Name]
			c = cmp.Or(cmp.Compare(rb.Done+rb.Failed, ra.Done+ra.Failed), cmp.Compare(b.Ready+b.Running, a.Ready+a.Running))
		case byDead:
			c = cmp.Compare(b.Dead, a.Dead)
		}
		return cmp.Or(c, strings.Compare(a.Name, b.Name))
	})
}

// drawQueues draws a table of queues. P marks one that is paused, ! one with jobs that no
// worker takes.
func drawQueues(l *list, m *model, queues []inspect.Queue, w, h int) []string {
	ids := make([]string, len(queues))
	for n := range queues {
		ids[n] = queues[n].Name
	}
	l.set(ids)
	rows := make([][]piece, len(queues)) // there may be thousands: only those that are seen are set
	from, to := l.window(h - 1)
	for n := from; n < to; n++ {
		q := &queues[n]
		done, failed, as := "-", "-", plain
		if r, ok := m.rates[q.Name]; ok {
			done, failed = perSecond(r.Done), perSecond(r.Failed)
			if r.Failed > 0 {
				as = red | bold
			}
		}
		mark := piece{" ", plain}
		switch {
		case q.Paused:
			mark = piece{"P", magenta | bold}
		case q.Ready+q.Suspect > 0 && q.Workers == 0:
			mark = piece{"!", red | bold}
		}
		wait := "-"
		if q.Latency > 0 {
			wait = span(q.Latency)
		}
		rows[n] = []piece{mark, {q.Name, plain}, {number(q.Ready + q.Suspect), plain}, {number(q.Running), plain}, {number(q.Scheduled), plain}, {number(q.Retry), plain},
			{number(q.Dead), plain}, {done, plain}, {failed, as}, {wait, plain}, {number(int64(q.Workers)), plain}, {"", green}}
	}
	return l.draw([]column{
		{title: " "},
		{title: "QUEUE", least: 12},
		{title: "READY", right: true},
		{title: "RUNNING", right: true, drop: 4},
		{title: "SCHED", right: true, drop: 9},
		{title: "RETRY", right: true, drop: 6},
		{title: "DEAD", right: true, drop: 3},
		{title: "DONE/S", right: true, drop: 1},
		{title: "FAIL/S", right: true, drop: 2},
		{title: "OLDEST", right: true, drop: 7},
		{title: "WORKERS", right: true, drop: 8},
		{title: "", least: 8, drop: 5, fill: func(row, w int) string {
			if t := m.tracks[queues[row].Name]; t != nil {
				return sparkline(t.done, min(w, tracked))
			}
			return ""
		}},
	}, rows, w, h)
}
