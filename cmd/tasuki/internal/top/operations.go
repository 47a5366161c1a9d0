package top

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/tasuki-dev/tasuki/inspect"
)

// operations is the view of what was done to many jobs, by whom, and how far it has come: the
// last one first.
type operations struct {
	entries[inspect.Operation]
	paces map[string]*pace // of those that run
}

func (*operations) title() string { return "Operations" }
func (*operations) place() string { return "operations" }

func (p *operations) read(m *model) func(context.Context) (func(), error) {
	return then(p.readBy(m.ledger.Operations, func(o *inspect.Operation) string { return o.ID }), func() {
		paces := map[string]*pace{}
		for n := range p.all {
			if o := &p.all[n]; !o.HasEnded() {
				paces[o.ID] = cmp.Or(p.paces[o.ID], &pace{})
				paces[o.ID].saw(*o)
			}
		}
		p.paces = paces
	})
}

func (p *operations) press(m *model, key string) (tea.Cmd, bool) {
	o := p.chosen()
	switch key {
	case "enter":
		if o == nil {
			return nil, true
		}
		return m.open(&operation{o: *o, of: p}), true
	case "C", "R", "U":
		if o != nil {
			m.onOperation(key, o)
		}
		return nil, true
	}
	return nil, p.list.press(key)
}

// onOperation asks whether an operation is to be cancelled, gone on with or undone.
func (m *model) onOperation(key string, o *inspect.Operation) {
	id, what := o.ID, taskName(&o.Task)+" of "+cmp.Or(o.Query, "all queues")
	no := func(why string) { m.note = piece{"nothing to do: " + why, magenta | bold} }
	switch {
	case key == "C" && o.HasEnded() && o.State != inspect.OperationInterrupted:
		no("it is " + string(o.State))
	case key == "C":
		m.confirm(fmt.Sprintf("End it: %s? What it has done to %s stays done.", what, count(int64(o.Done), "job")),
			func(ctx context.Context) (Outcome, error) { return m.change.Do(ctx, CancelOperation, id) })
	case key == "R" && o.UndoneBy != "":
		no("it was undone")
	case key == "R" && (!o.HasEnded() || o.State == inspect.OperationDone):
		no("it is " + string(o.State))
	case key == "R":
		m.confirm(fmt.Sprintf("Go on in here: %s?", what), began(func(ctx context.Context) (inspect.Operation, error) { return m.change.Continue(ctx, id) }))
	case !o.HasEnded():
		no("it runs: C ends it")
	case o.Undoable == 0:
		no(cmp.Or(o.NoUndo, "it has done nothing"))
	default:
		m.confirm(fmt.Sprintf("Undo it: %s? %s would come back.", what, count(int64(o.Undoable), "job")),
			began(func(ctx context.Context) (inspect.Operation, error) { return m.change.Undo(ctx, id) }))
	}
}

// began is a change that begins an operation.
func began(begin func(ctx context.Context) (inspect.Operation, error)) func(context.Context) (Outcome, error) {
	return func(ctx context.Context) (Outcome, error) {
		o, err := begin(ctx)
		if err != nil {
			return Outcome{}, err
		}
		return Outcome{Began: &o}, nil
	}
}

func (p *operations) draw(m *model, w, h int) []string {
	if len(p.all) == 0 {
		return p.none("nothing was done to all that a filter means: * in Jobs, and a capital letter", w)
	}
	rows := make([][]piece, len(p.all))
	for n := range p.all {
		o := &p.all[n]
		rate, undo := "-", "-"
		if pace := p.paces[o.ID]; pace != nil && !o.HasEnded() {
			rate = perSecond(pace.rate)
		}
		if o.Undoable > 0 {
			undo = number(int64(o.Undoable))
		}
		meant := number(o.Meant.Jobs)
		if !o.Meant.Exact {
			meant += "+"
		}
		rows[n] = []piece{{since(o.Started, m.now()), plain}, {taskName(&o.Task), plain}, {string(o.State), operationStyle(o.State)}, {number(dealt(o)), plain}, {meant, plain},
			{rate, plain}, {undo, plain}, {cmp.Or(o.By, "-"), plain}, {cmp.Or(o.Error, o.Query), faint}}
	}
	return p.list.draw([]column{
		{title: "BEGAN", right: true, drop: 4},
		{title: "ACTION", least: 12},
		{title: "STATE"},
		{title: "THROUGH", right: true},
		{title: "OF", right: true, drop: 2},
		{title: "/S", right: true, drop: 3},
		{title: "UNDO", right: true, drop: 6},
		{title: "BY", least: 8, drop: 5},
		{title: "QUERY OR ERROR", least: 12, drop: 1},
	}, rows, w, h)
}

func operationStyle(s inspect.OperationState) style {
	switch s {
	case inspect.OperationRunning:
		return green | bold
	case inspect.OperationDone:
		return plain
	case inspect.OperationFailed:
		return red | bold
	}
	return magenta
}

// operation is the page of one.
type operation struct {
	o  inspect.Operation
	of *operations
	scroll
}

func (p *operation) title() string { return p.o.ID }
func (*operation) place() string   { return "an operation" }

func (p *operation) read(m *model) func(context.Context) (func(), error) {
	return then(p.of.read(m), func() {
		if n := slices.IndexFunc(p.of.all, func(o inspect.Operation) bool { return o.ID == p.o.ID }); n >= 0 {
			p.o = p.of.all[n]
		}
	})
}

func (p *operation) press(m *model, key string) (tea.Cmd, bool) {
	switch key {
	case "enter":
		return m.open(newJobs(p.o.Query)), true
	case "C", "R", "U":
		m.onOperation(key, &p.o)
		return nil, true
	}
	return nil, p.scroll.press(key)
}

func (p *operation) draw(m *model, w, h int) []string {
	o := &p.o
	lines := []line{
		{{"state      ", cyan}, {string(o.State), bold | operationStyle(o.State)}},
		styled(operationText(o, p.of.paces[o.ID]), bold),
	}
	if o.Meant.Jobs > 0 {
		room := max(0, min(60, w-2))
		full := int(min(int64(room), int64(room)*dealt(o)/o.Meant.Jobs))
		lines = append(lines, line{{sparkline(slices.Repeat([]float64{1}, full), full), green}, {sparkline(make([]float64, room-full), room-full), faint}})
	}
	add := func(name, value string) { lines = append(lines, field(name, value, w)...) }
	lines = append(lines, line{})
	add("action", taskName(&o.Task))
	if !o.At.IsZero() {
		add("due", o.At.Format(time.RFC3339))
	}
	add("query", cmp.Or(o.Query, "all queues"))
	add("by", o.By)
	add("began", o.Started.Format(time.RFC3339)+", "+since(o.Started, m.now()))
	add("updated", o.Updated.Format(time.RFC3339)+", "+since(o.Updated, m.now()))
	add("looked at", number(o.Scanned))
	add("done", number(int64(o.Done)))
	add("skipped", number(int64(o.Skipped)))
	add("refused", number(int64(o.Refused)))
	add("error", o.Error)
	add("undoes", o.Undoes)
	switch {
	case o.UndoneBy != "":
		add("undone by", o.UndoneBy)
	case o.Undoable > 0:
		add("undo", fmt.Sprintf("%s, until %s", count(int64(o.Undoable), "job"), o.UndoUntil.Format(time.RFC3339)))
	default:
		add("no undo", o.NoUndo)
	}
	return p.scroll.draw(lines, w, h)
}
