package top

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/tasuki-dev/tasuki/inspect"
)

// pace is how fast an operation is, from one look at it to the next.
type pace struct {
	op   inspect.Operation // at the last look at which it had come further
	rate float64           // jobs per second
}

// dealt is how many jobs it is through with.
func dealt(o *inspect.Operation) int64 { return int64(o.Done + o.Skipped + o.Refused) }

// saw notes how an operation is by now.
func (p *pace) saw(o inspect.Operation) {
	if over := o.Updated.Sub(p.op.Updated); p.op.ID == o.ID && over > 0 { // it says so once a second
		p.rate = float64(dealt(&o)-dealt(&p.op)) / over.Seconds()
	}
	p.op = o
}

// operationText is how far an operation has come, at a pace: "retry: 1,200 of 50,000 jobs,
// 812/s".
func operationText(o *inspect.Operation, p *pace) string {
	of := count(o.Meant.Jobs, "job")
	if !o.Meant.Exact {
		of = "at least " + of
	}
	text := fmt.Sprintf("%s: %s of %s", taskName(&o.Task), number(dealt(o)), of)
	if p != nil && p.rate > 0 && !o.HasEnded() {
		text += ", " + perSecond(p.rate) + "/s"
		if left := o.Meant.Jobs - dealt(o); o.Meant.Exact && left > 0 {
			text += ", " + span(time.Duration(float64(left)/p.rate*float64(time.Second))) + " left"
		}
	}
	return text
}

// taskName is an action, and where to.
func taskName(t *inspect.Task) string {
	if t.To != "" {
		return string(t.Action) + " to " + t.To
	}
	return string(t.Action)
}

// begun follows an operation that was begun, or gone on with, from here.
func (m *model) begun(o inspect.Operation) tea.Cmd {
	if m.begins == nil {
		m.begins = map[string]*pace{}
	}
	m.begins[o.ID] = &pace{}
	m.begins[o.ID].saw(o)
	id := o.ID
	cmd, _ := m.run(operationLimit, func(ctx context.Context) tea.Msg {
		o, err := m.ledger.Await(ctx, id)
		return operationMsg{id, o, err}
	})
	return cmd
}

// operationLimit is how long the end of an operation is waited for. After it, looks tell of it.
const operationLimit = time.Hour

// followed looks at the operations that were begun from here, and have not ended.
func (m *model) followed() tea.Cmd {
	var cmds []tea.Cmd
	for id := range m.begins {
		cmd, _ := m.run(readLimit, func(ctx context.Context) tea.Msg {
			o, err := m.ledger.Operation(ctx, id)
			return operationMsg{id, o, err}
		})
		cmds = append(cmds, cmd)
	}
	return tea.Batch(cmds...)
}

// operated is told how an operation is that was begun from here.
func (m *model) operated(msg operationMsg) tea.Cmd {
	p := m.begins[msg.id]
	if p != nil && errors.Is(msg.err, inspect.ErrNotFound) {
		delete(m.begins, msg.id)
		m.note = outcome(inspect.Task{}, inspect.Acted{}).note(msg.err)
		return nil
	}
	if msg.err != nil || p == nil { // the next look tells; or its end is known
		return nil
	}
	p.saw(msg.op)
	if !msg.op.HasEnded() {
		return nil
	}
	delete(m.begins, msg.id)
	m.note = ended(&msg.op)
	return tea.Batch(m.sample(), m.readPage())
}

// ended says how an operation has ended.
func ended(o *inspect.Operation) piece {
	var err error
	if o.Error != "" {
		err = errors.New(o.Error)
	}
	p := outcome(o.Task, o.Acted).note(err)
	if o.State != inspect.OperationDone {
		p.text = strings.TrimPrefix(p.text+"; ", "; ") + "the operation is " + string(o.State)
	} else if p.text == "" {
		p.text = "there was no job left that it is for"
	}
	if o.Undoable > 0 {
		p.text += "; it can be undone in Operations"
	}
	return p
}

// following is the line on what was begun from here: the last of these, and how many others.
func (m *model) following() string {
	var all []*pace
	for _, p := range m.begins {
		all = append(all, p)
	}
	if len(all) == 0 {
		return ""
	}
	slices.SortFunc(all, func(a, b *pace) int { return cmp.Compare(b.op.ID, a.op.ID) })
	text := operationText(&all[0].op, all[0])
	if len(all) > 1 {
		text += fmt.Sprintf("; and %d more operations", len(all)-1)
	}
	return text
}

// leave ends the program. What goes on in it is interrupted by that, so it asks.
func (m *model) leave() tea.Cmd {
	if text := m.following(); text != "" {
		m.ask = &question{text + ". Leave, and interrupt it? Somebody has to go on with it then.", func() tea.Cmd { return tea.Quit }}
		return nil
	}
	return tea.Quit
}
