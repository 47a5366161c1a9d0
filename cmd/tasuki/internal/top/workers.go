package top

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

// workers is the view of all workers.
type workers struct{ entries[inspect.Worker] }

func (*workers) title() string { return "Workers" }

func (*workers) place() string { return "workers" }

func (p *workers) read(m *model) func(context.Context) (func(), error) {
	return p.readBy(m.look.Workers, func(w *inspect.Worker) string { return w.ID })
}

func (p *workers) press(m *model, key string) (tea.Cmd, bool) {
	w := p.chosen()
	switch {
	case key == "enter" && w != nil:
		return m.open(&worker{id: w.ID, said: *w}), true
	case key == "Q" || key == "S":
		if w == nil {
			return nil, true
		}
		return m.askWorker(key, w), true
	}
	return nil, p.list.press(key)
}

// askWorker asks whether a worker is to be quieted or stopped.
func (m *model) askWorker(key string, w *inspect.Worker) tea.Cmd {
	id, runs := w.ID, count(int64(w.Busy), "job")
	if key == "Q" {
		return m.confirm(fmt.Sprintf("Quiet %s at %s? It takes no more jobs, runs its %s, and this cannot be taken back.", id, w.Place(), runs),
			func(ctx context.Context) (Outcome, error) { return m.change.Do(ctx, QuietWorker, id) })
	}
	return m.confirm(fmt.Sprintf("Stop %s at %s? Its %s have the grace to end.", id, w.Place(), runs),
		func(ctx context.Context) (Outcome, error) { return m.change.Do(ctx, StopWorker, id) })
}

func (p *workers) draw(m *model, w, h int) []string {
	if len(p.all) == 0 {
		return p.none("there are no workers", w)
	}
	rows := make([][]piece, len(p.all))
	for n := range p.all {
		v := &p.all[n]
		busy, beat := "?", "-"
		if v.Answered {
			busy, beat = number(int64(v.Busy)), span(max(0, m.now().Sub(v.LastBeat)))
		}
		started := "-"
		if !v.Started.IsZero() {
			started = span(m.now().Sub(v.Started))
		}
		rows[n] = []piece{{idIn(v.ID, w), plain}, {v.Place(), plain}, {string(v.State), workerStyle(v.State)}, {busy, plain}, {number(int64(v.Slots)), plain},
			{started, plain}, {beat, plain}, {strings.Join(v.Queues, " "), plain}, {v.Version, plain}}
	}
	return p.list.draw([]column{
		{title: "WORKER", least: 8},
		{title: "PROCESS", least: 10, drop: 4},
		{title: "STATE"},
		{title: "BUSY", right: true, drop: 1},
		{title: "SLOTS", right: true, drop: 2},
		{title: "UP", right: true, drop: 5},
		{title: "BEAT", right: true, drop: 6},
		{title: "QUEUES", least: 8, drop: 3},
		{title: "VERSION", least: 7, drop: 7},
	}, rows, w, h)
}

func workerStyle(s inspect.WorkerState) style {
	switch s {
	case inspect.WorkerRunning:
		return green
	case inspect.WorkerUnheard:
		return red | bold
	}
	return magenta
}

// worker is the page of one worker: what its slots do.
type worker struct {
	id   string
	said inspect.Worker
	gone bool
	list list
}

func (p *worker) title() string { return p.id }

func (*worker) place() string { return "a worker" }

func (p *worker) read(m *model) func(context.Context) (func(), error) {
	return func(ctx context.Context) (func(), error) {
		all, err := m.look.Workers(ctx)
		if err != nil {
			return nil, err
		}
		return func() {
			n := slices.IndexFunc(all, func(w inspect.Worker) bool { return w.ID == p.id })
			if p.gone = n < 0; !p.gone {
				p.said = all[n]
			}
		}, nil
	}
}

func (p *worker) press(m *model, key string) (tea.Cmd, bool) {
	switch key {
	case "enter":
		if p.list.at < len(p.said.Runs) {
			r := p.said.Runs[p.list.at]
			j := inspect.Job{Record: tasuki.Record{Info: tasuki.Info{Queue: r.Queue, ID: r.ID, Kind: r.Kind}}}
			return m.open(newJob(j)), true
		}
		return nil, true
	case "Q", "S":
		return m.askWorker(key, &p.said), true
	}
	return nil, p.list.press(key)
}

func (p *worker) draw(m *model, w, h int) []string {
	v := &p.said
	state := line{{"state      ", cyan}, {string(v.State), bold | workerStyle(v.State)}}
	switch {
	case p.gone:
		state = line{{"state      ", cyan}, {"gone", bold | red}, {": it has stopped, or is dead and its jobs are put back", plain}}
	case !v.Answered:
		state = append(state, piece{"  it was asked and has not answered", magenta})
	}
	lines := []line{
		state,
		{{"process    ", cyan}, {v.Place(), plain}},
		{{"queues     ", cyan}, {strings.Join(v.Queues, " "), plain}},
		{{"slots      ", cyan}, {fmt.Sprintf("%s of %s busy", number(int64(v.Busy)), number(int64(v.Slots))), plain}},
	}
	if !v.Started.IsZero() {
		lines = append(lines, line{{"started    ", cyan}, {v.Started.Format(time.RFC3339) + ", " + since(v.Started, m.now()), plain}})
	}
	if v.Version != "" {
		lines = append(lines, line{{"version    ", cyan}, {v.Version, plain}})
	}
	lines = append(lines, line{})
	var out []string
	for _, l := range lines[:min(len(lines), max(0, h-3))] {
		out = append(out, l.render(w, false))
	}
	if len(v.Runs) == 0 || p.gone {
		return append(out, styled("no slot runs a job", faint).render(w, false))
	}
	ids := make([]string, len(v.Runs))
	rows := make([][]piece, len(v.Runs))
	for n := range v.Runs {
		r := &v.Runs[n]
		ids[n] = r.Address()
		rows[n] = []piece{{r.Address(), plain}, {r.Kind, plain}, {span(max(0, m.now().Sub(r.Since))), plain}}
	}
	p.list.set(ids)
	return append(out, p.list.draw([]column{{title: "RUNS", least: 12}, {title: "KIND", least: 8, drop: 1}, {title: "FOR", right: true}}, rows, w, h-len(out))...)
}
