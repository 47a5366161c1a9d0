package top

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

// act asks whether something is to be done to the marked jobs, or to all; else to the one at
// the cursor.
func (p *jobs) act(m *model, t inspect.Task) tea.Cmd {
	if p.all {
		return p.actOnAll(m, t)
	}
	var meant []inspect.Job
	for _, id := range slices.Sorted(maps.Keys(p.marked)) {
		meant = append(meant, p.marked[id])
	}
	if j := p.chosen(); len(meant) == 0 && j != nil {
		meant = []inspect.Job{*j}
	}
	return m.actOn(t, meant, p.unmarkAll)
}

// actOnAll counts the jobs that the filter means and that the action is for, and asks.
func (p *jobs) actOnAll(m *model, t inspect.Task) tea.Cmd {
	q, err := inspect.ParseQuery(p.filter)
	if err != nil || !m.mayWrite() {
		return nil
	}
	meant := q.States
	if len(meant) == 0 { // what the list shows without states
		meant = []tasuki.State{tasuki.StateRunning, tasuki.StateSuspect, tasuki.StateReady, tasuki.StateRetry, tasuki.StateScheduled, tasuki.StateDead}
	}
	q.States = nil
	for _, s := range meant {
		if possible(t.Action, s) {
			q.States = append(q.States, s)
		}
	}
	if len(q.States) == 0 {
		m.note = piece{fmt.Sprintf("nothing to do: %s is not for a job that is %s", strings.ToLower(verbs[t.Action]), meant[0]), magenta | bold}
		return nil
	}
	m.note = piece{"counting …", faint}
	cmd, _ := m.run(readLimit, func(ctx context.Context) tea.Msg {
		c, noUndo, err := m.find.Preview(ctx, t, q)
		if err != nil {
			return changedMsg{err: err}
		}
		if c.Jobs == 0 && c.Exact {
			return countedMsg{of: p}
		}
		what := count(c.Jobs, "job")
		if !c.Exact {
			what = "at least " + what
		}
		text := fmt.Sprintf("%s %s of %s%s?", verbs[t.Action], what, cmp.Or(p.filter, "all queues"), whither(&t))
		switch {
		case noUndo == "" && t.Action == inspect.Cancel:
			text += " It can be undone for an hour, but for jobs that run."
		case noUndo == "":
			text += " It can be undone for an hour."
		case t.Action != inspect.Retry:
			text += " It cannot be undone: " + noUndo + "."
		}
		return countedMsg{p, &question{text, func() tea.Cmd {
			p.unmarkAll()
			return m.doing(began(func(ctx context.Context) (inspect.Operation, error) { return m.change.Operate(ctx, t, q) }))
		}}}
	})
	return cmd
}

// verbs are the actions in sentences.
var verbs = map[inspect.Action]string{inspect.Retry: "Retry", inspect.Cancel: "Cancel", inspect.Remove: "Delete", inspect.Move: "Move", inspect.Edit: "Change the arguments of"}

// whither is where to, in a question.
func whither(t *inspect.Task) string {
	if t.To != "" {
		return " to " + t.To
	}
	return ""
}

// actOn asks whether something is to be done to jobs. done is called when it is begun.
func (m *model) actOn(t inspect.Task, jobs []inspect.Job, done func()) tea.Cmd {
	if len(jobs) == 0 || !m.mayWrite() {
		return nil
	}
	what := count(int64(len(jobs)), "job")
	if len(jobs) == 1 {
		what = cmp.Or(address(&jobs[0]), "a job of "+jobs[0].Queue)
		if jobs[0].Kind != "" {
			what += " (" + jobs[0].Kind + ")"
		}
	}
	n, why := 0, ""
	for i := range jobs {
		if no := impossible(t.Action, &jobs[i]); no == "" {
			n++
		} else {
			why = cmp.Or(why, no)
		}
	}
	text := fmt.Sprintf("%s %s%s?", verbs[t.Action], what, whither(&t))
	switch {
	case n == 0:
		m.note = piece{fmt.Sprintf("nothing to do: %s is not for a job %s", strings.ToLower(verbs[t.Action]), why), magenta | bold}
		return nil
	case n < len(jobs):
		text = fmt.Sprintf("%s %s of %s%s? It is not for a job %s.", verbs[t.Action], number(int64(n)), what, whither(&t), why)
	}
	m.ask = &question{text, func() tea.Cmd {
		done()
		return m.doing(func(ctx context.Context) (Outcome, error) { return m.change.Act(ctx, t, jobs) })
	}}
	return nil
}

// impossible says what of a job does not allow an action; "" if it is possible.
func impossible(do inspect.Action, j *inspect.Job) string {
	switch {
	case !possible(do, j.State):
		return "that is " + string(j.State)
	case (do == inspect.Move || do == inspect.Edit) && !j.Recorded:
		return "without a record"
	}
	return ""
}

// possible tells whether an action makes sense in a state.
func possible(do inspect.Action, s tasuki.State) bool {
	switch do {
	case inspect.Retry:
		return s == tasuki.StateRetry || s == tasuki.StateScheduled || s == tasuki.StateDead
	case inspect.Cancel:
		return !s.HasEnded()
	case inspect.Move:
		return s != tasuki.StateRunning && !s.HasEnded()
	case inspect.Edit:
		return s != tasuki.StateRunning && (s == tasuki.StateDead || !s.HasEnded())
	}
	return s != tasuki.StateRunning
}

// askQueue asks for the queue to which jobs are to be moved.
func (m *model) askQueue(then func(t inspect.Task) tea.Cmd) {
	if !m.mayWrite() {
		return
	}
	m.input = newInput("move to queue: ", "", func(to string) (tea.Cmd, error) {
		if _, _, err := tasuki.ParseAddress(to + "/id"); err != nil || strings.ContainsAny(to, ":/") {
			return nil, errors.New("allowed is the name of a queue: 1 to 128 of A-Z a-z 0-9 . _ -")
		}
		return then(inspect.Task{Action: inspect.Move, To: to}), nil
	})
}
