package top

import (
	"context"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
)

// question is asked before anything is changed.
type question struct {
	text string
	yes  func() tea.Cmd
}

// note is the line that says it.
func (o Outcome) note(err error) piece {
	said := []string{}
	if o.Did != "" {
		said = append(said, o.Did)
	}
	if o.Skipped > 0 {
		said = append(said, fmt.Sprintf("%s had moved or ended", number(int64(o.Skipped))))
	}
	if o.Refused > 0 {
		said = append(said, number(int64(o.Refused))+" refused")
	}
	as := green
	if err != nil {
		said, as = append(said, err.Error()), red|bold
	}
	return piece{strings.Join(said, "; "), as}
}

// confirm asks before it changes something. Where nothing may be changed it says so.
func (m *model) confirm(text string, do func(ctx context.Context) (Outcome, error)) tea.Cmd {
	if m.mayWrite() {
		m.ask = &question{text, func() tea.Cmd { return m.doing(do) }}
	}
	return nil
}

// mayWrite tells whether something may be changed, and says so if not.
func (m *model) mayWrite() bool {
	if !m.write {
		m.note = piece{"nothing can be changed: start tasuki top with --write", magenta | bold}
	}
	return m.write
}

// answer is that to the question.
func (m *model) answer(key string) tea.Cmd {
	q := m.ask
	m.ask = nil
	if key != "y" && key != "Y" {
		m.note = piece{"nothing was done", plain}
		return nil
	}
	return q.yes()
}

// doing changes something.
func (m *model) doing(do func(ctx context.Context) (Outcome, error)) tea.Cmd {
	m.note = piece{"it is being done …", faint}
	cmd, _ := m.run(changeLimit, func(ctx context.Context) tea.Msg {
		outcome, err := do(ctx)
		return changedMsg{outcome, err}
	})
	return cmd
}

// changeLimit is how long a change may take: of a page of jobs, or the begin of an operation.
const changeLimit = time.Minute
