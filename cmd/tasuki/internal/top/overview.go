package top

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/tasuki-dev/tasuki/inspect"
)

// overview is the first view: what is wrong now, then how much of what there is.
type overview struct{ list list }

func (*overview) title() string { return "Overview" }

func (*overview) read(*model) func(context.Context) (func(), error) { return nil }

func (*overview) place() string { return "overview" }

func (p *overview) press(m *model, key string) (tea.Cmd, bool) {
	if key == "enter" && p.list.id() != "" {
		return m.open(newQueue(p.list.id())), true
	}
	return nil, p.list.press(key)
}

func (p *overview) draw(m *model, w, h int) []string {
	s := m.stats
	if s == nil {
		return []string{styled("looking …", faint).render(w, false)}
	}
	var lines []line
	wrong := m.wrong()
	if len(wrong) == 0 {
		lines = append(lines, styled("Nothing is wrong", green|bold))
	} else {
		lines = append(lines, styled("Wrong now", red|bold))
	}
	// A long list leaves room for the rest.
	most := max(1, h-10)
	for n, what := range wrong {
		if n == most-1 && len(wrong) > most {
			lines = append(lines, styled(fmt.Sprintf("  and %d more", len(wrong)-n), faint))
			break
		}
		lines = append(lines, append(line{{"  ", plain}}, what...))
	}
	var all inspect.Queue
	var done, failed float64
	var dones []float64
	for _, q := range s.Queues {
		all.Ready += q.Ready + q.Suspect
		all.Running += q.Running
		all.Scheduled += q.Scheduled
		all.Retry += q.Retry
		all.Dead += q.Dead
		r := m.rates[q.Name]
		done, failed = done+r.Done, failed+r.Failed
		if t := m.tracks[q.Name]; t != nil {
			dones = add(dones, t.done)
		}
	}
	lines = append(lines, line{},
		line{{"Jobs     ", cyan | bold}, {fmt.Sprintf("%s ready, %s running, %s scheduled, %s retry, %s dead", number(all.Ready), number(all.Running),
			number(all.Scheduled), number(all.Retry), number(all.Dead)), plain}},
		line{{"Rate     ", cyan | bold}, {fmt.Sprintf("%s/s done, %s/s failed  ", perSecond(done), perSecond(failed)), plain}, {sparkline(dones, min(len(dones), max(0, w-45))), green}},
		line{{"Workers  ", cyan | bold}, {fmt.Sprintf("%s, %s of %s busy", count(int64(s.Workers), "worker"), number(int64(s.Busy)), count(int64(s.Slots), "slot")), plain}},
	)
	for n := range s.Servers {
		lines = append(lines, line{{"Redis    ", cyan | bold}, {serverText(&s.Servers[n], s.At), plain}})
		if n == 2 && len(s.Servers) > 4 {
			lines = append(lines, styled(fmt.Sprintf("         and %d more", len(s.Servers)-3), faint))
			break
		}
	}
	lines = append(lines, line{})
	var out []string
	for _, l := range lines[:min(len(lines), h)] {
		out = append(out, l.render(w, false))
	}
	if left := h - len(out); left > 1 {
		out = append(out, p.busiest(m, w, left)...)
	}
	return out
}

// add adds values to others, each to the one as old.
func add(to, values []float64) []float64 {
	for len(to) < len(values) {
		to = slices.Insert(to, 0, 0)
	}
	for i, v := range values {
		to[len(to)-len(values)+i] += v
	}
	return to
}

// busiest draws the queues in which most goes on.
func (p *overview) busiest(m *model, w, h int) []string {
	queues := slices.Clone(m.stats.Queues)
	sortQueues(queues, m.rates, byRate)
	if len(queues) > h-1 {
		queues = queues[:h-1]
	}
	return drawQueues(&p.list, m, queues, w, h)
}

// wrong returns what is wrong now, the worst first.
func (m *model) wrong() []line {
	var worst, bad, odd []line
	s := m.stats
	for n := range s.Servers {
		v := &s.Servers[n]
		switch {
		case v.Error != "":
			worst = append(worst, styled(v.Address+": "+v.Error, red))
		case v.Failing:
			worst = append(worst, styled(v.Address+": writing to the disk has failed", red))
		case v.Max > 0 && v.Used*10 > v.Max*9:
			worst = append(worst, styled(fmt.Sprintf("%s: %d%% of its memory is taken", v.Address, v.Used*100/v.Max), red))
		}
	}
	type failing struct {
		n int64
		l line
	}
	var fails []failing
	for _, q := range s.Queues {
		var f, d float64
		if t := m.tracks[q.Name]; t != nil {
			f, d = sum(t.failed)*m.interval.Seconds(), sum(t.done)*m.interval.Seconds()
		}
		if f >= 0.5 {
			n := int64(f + 0.5)
			fails = append(fails, failing{n, line{{q.Name, bold}, {fmt.Sprintf(": %s attempts failed in the last %s, %s were done; %s dead in all", number(n),
				span(time.Duration(len(m.tracks[q.Name].failed))*m.interval), number(int64(d+0.5)), number(q.Dead)), plain}}})
		}
		waiting := q.Ready + q.Suspect
		switch {
		case q.Paused:
			odd = append(odd, line{{q.Name, bold}, {": paused" + pausedBy(&q, m.now()) + ", " + count(waiting, "job") + " ready", plain}})
		case waiting > 0 && q.Workers == 0:
			bad = append(bad, line{{q.Name, bold}, {": " + count(waiting, "job") + " ready, and no worker takes them", plain}})
		case q.Latency > time.Minute:
			odd = append(odd, line{{q.Name, bold}, {": the oldest ready job has waited for " + span(q.Latency), plain}})
		}
	}
	slices.SortStableFunc(fails, func(a, b failing) int { return int(b.n - a.n) })
	for _, f := range fails {
		bad = append(bad, f.l)
	}
	return slices.Concat(worst, bad, odd)
}

func sum(values []float64) (n float64) {
	for _, v := range values {
		n += v
	}
	return n
}

func pausedBy(q *inspect.Queue, now time.Time) string {
	text := ""
	if q.PausedBy != "" {
		text = " by " + q.PausedBy
	}
	if !q.PausedSince.IsZero() {
		text += ", " + since(q.PausedSince, now)
	}
	return text
}

// serverText is what a server says of itself.
func serverText(v *inspect.Server, now time.Time) string {
	if v.Error != "" {
		return v.Address + ": " + v.Error
	}
	parts := []string{fmt.Sprintf("%s %s at %s", v.Product, v.Version, v.Address), size(v.Used)}
	if v.Max > 0 {
		parts[1] += fmt.Sprintf(" of %s", size(v.Max))
	}
	if v.Policy != "" {
		parts = append(parts, v.Policy)
	}
	if v.AOF {
		parts = append(parts, "AOF")
	} else {
		parts = append(parts, "no AOF")
	}
	if !v.SavedAt.IsZero() {
		parts = append(parts, "snapshot "+since(v.SavedAt, now))
	}
	return strings.Join(parts, ", ")
}
