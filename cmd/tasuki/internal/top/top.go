// Package top is the terminal UI of tasuki: it shows queues, jobs, workers, failures and
// schedules as they are now, and acts on them.
//
// The model is pure: messages go in, a screen comes out. What it shows it gets from a Source, a
// Finder, a Ledger and Statistics, and what it changes it asks of a Changer; Live is all five.
package top

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	tea "charm.land/bubbletea/v2"
)

// Config says what to show. All fields but Write are needed.
type Config struct {
	Source     Source
	Finder     Finder
	Ledger     Ledger
	Statistics Statistics
	Changer    Changer
	Write      bool          // something may be changed
	Where      string        // the server and the namespace, as the head of the screen has them
	Interval   time.Duration // between two looks

	Input, Output *os.File // of a terminal
	Environ       []string // TERM, NO_COLOR, EDITOR and the like
}

// Run shows the UI until q is pressed or ctx ends, which is no error. It leaves the terminal
// as it was, also after a panic, which is an error.
func Run(ctx context.Context, cfg Config) error {
	base, cancel := context.WithCancel(ctx)
	defer cancel()
	m := newModel(cfg)
	m.alone = isAlone()
	m.run = func(limit time.Duration, do func(ctx context.Context) tea.Msg) (tea.Cmd, context.CancelFunc) {
		ctx, cancel := context.WithTimeout(base, limit)
		return func() (msg tea.Msg) {
			defer cancel()
			defer func() { // else the stack would be written while the terminal is not restored
				if r := recover(); r != nil {
					msg = crashedMsg{fmt.Errorf("it has panicked: %v\n%s", r, debug.Stack())}
				}
			}()
			return do(ctx)
		}, cancel
	}
	p := tea.NewProgram(m, tea.WithInput(cfg.Input), tea.WithOutput(cfg.Output), tea.WithEnvironment(cfg.Environ), tea.WithoutSignalHandler())
	// Not WithContext: that kills the program, and its last bytes with it.
	stop := context.AfterFunc(ctx, p.Quit)
	defer stop()
	if _, err := p.Run(); err != nil {
		if errors.Is(err, tea.ErrProgramPanic) {
			return errors.New("top: it has panicked; the stack is above")
		}
		return fmt.Errorf("top: %w", err)
	}
	if m.crashed != nil {
		return fmt.Errorf("top: %w", m.crashed)
	}
	return nil
}

func newModel(cfg Config) *model {
	m := &model{
		look: cfg.Source, find: cfg.Finder, ledger: cfg.Ledger, counted: cfg.Statistics, change: cfg.Changer, write: cfg.Write, where: cfg.Where, interval: cfg.Interval, now: time.Now, exec: tea.ExecProcess, editor: editorOf(cfg.Environ),
		tracks: map[string]*track{},
		views:  []page{&overview{}, &queues{}, newJobs(""), &workers{}, &failures{}, &schedules{}, &operations{}, &kinds{}, newAudit()},
	}
	m.stack = m.views[:1:1]
	return m
}
