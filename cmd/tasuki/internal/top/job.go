package top

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

// job is the page of one job: all that is known of it. Only one without an id stays as it was
// in the list that it was opened from.
type job struct {
	scroll
	address string // where it is looked for; "" if it has no id
	detail  Detail
	known   bool   // more than its address
	draft   []byte // of other arguments, which are no JSON yet
	seen    []byte // the arguments from which these were made
	gone    bool   // it was not found again

	lines []line // of detail, in wide cells
	wide  int
}

func newJob(j inspect.Job) *job {
	return &job{address: address(&j), detail: Detail{Job: j}, known: j.State != ""}
}

func (p *job) title() string { return cmp.Or(p.address, p.detail.Job.Queue+" (no id)") }

func (*job) place() string { return "a job" }

func (p *job) read(m *model) func(context.Context) (func(), error) {
	address := p.address
	if address == "" {
		return nil
	}
	return func(ctx context.Context) (func(), error) {
		d, err := m.find.Job(ctx, address)
		if err != nil {
			return nil, err
		}
		return func() {
			p.wide = 0
			if p.gone = d.Job.ID == ""; p.gone {
				d.Job = p.detail.Job // what it was
			}
			p.detail, p.known = d, p.known || !p.gone
			if !p.gone {
				p.address = d.Job.Address() // it may have been moved
			}
		}, nil
	}
}

func (p *job) press(m *model, key string) (tea.Cmd, bool) {
	j := &p.detail.Job
	switch key {
	case "y":
		if j.ID != "" {
			m.note = piece{"copied " + j.Address(), plain}
			return tea.SetClipboard(j.Address()), true
		}
	case "R":
		return m.actOn(inspect.Task{Action: inspect.Retry}, []inspect.Job{*j}, func() {}), true
	case "C":
		return m.actOn(inspect.Task{Action: inspect.Cancel}, []inspect.Job{*j}, func() {}), true
	case "D":
		return m.actOn(inspect.Task{Action: inspect.Remove}, []inspect.Job{*j}, func() {}), true
	case "M":
		m.askQueue(func(t inspect.Task) tea.Cmd { return m.actOn(t, []inspect.Job{*j}, func() {}) })
	case "E":
		return p.edit(m), true
	default:
		return nil, p.scroll.press(key)
	}
	return nil, true
}

func (p *job) draw(m *model, w, h int) []string {
	if p.wide != w { // a payload may be a MiB: it is not set again each second
		p.lines, p.wide = nil, w
		for n, r := range p.detail.Why {
			as := plain
			if n == 0 {
				as = bold
			}
			for k, part := range wrap(r.Text, w-2) {
				mark := "  "
				if k == 0 {
					mark = "• "
				}
				p.lines = append(p.lines, line{{mark, cyan}, {part, as}})
			}
		}
		if p.known {
			p.lines = append(p.lines, jobLines(&p.detail, w)...)
		}
	}
	if !p.known && len(p.lines) == 0 {
		return []string{styled("looking …", faint).render(w, false)}
	}
	return p.scroll.draw(slices.Concat(p.head(m), p.lines), w, h)
}

// head is what changes without being read.
func (p *job) head(m *model) []line {
	j := &p.detail.Job
	if !p.known {
		return nil
	}
	l := line{{"state      ", cyan}, {string(j.State), bold | stateStyle(j.State)}}
	if at := j.When(); !at.IsZero() {
		due := ""
		if j.State == tasuki.StateRetry || j.State == tasuki.StateScheduled {
			due = "due "
		}
		l = append(l, piece{"  " + due + since(at, m.now()), plain})
	}
	if p.gone {
		l = append(l, piece{"  it was so; it was not found again", magenta | bold})
	}
	return []line{l}
}

// jobLines are what there is to say of a job, in w cells.
func jobLines(d *Detail, w int) []line {
	j := &d.Job
	var lines []line
	add := func(name, value string) { lines = append(lines, field(name, value, w)...) }
	at := func(name string, t time.Time) {
		if !t.IsZero() {
			add(name, t.Format(time.RFC3339))
		}
	}
	block := func(name, text string, as style) {
		if text == "" {
			return
		}
		lines = append(lines, line{}, styled(name, bold))
		for _, part := range wrap(text, w) {
			lines = append(lines, styled(part, as))
		}
	}
	add("kind", j.Kind)
	attempt := fmt.Sprint(j.Attempt)
	if j.MaxAttempts > 0 {
		attempt += fmt.Sprintf(" of %d", j.MaxAttempts)
	}
	add("attempt", attempt)
	if j.Crashes > 0 {
		add("crashes", fmt.Sprint(j.Crashes))
	}
	if j.Timeout > 0 {
		add("timeout", span(j.Timeout))
	}
	at("enqueued", j.EnqueuedAt)
	at("due", j.DueAt)
	at("started", j.StartedAt)
	at("ended", j.EndedAt)
	add("on", j.Place)
	add("worker", j.Worker)
	add("reason", j.Reason)
	for _, name := range slices.Sorted(maps.Keys(j.Meta)) {
		add("tag", name+"="+j.Meta[name])
	}
	if r := j.Progress; !r.At.IsZero() {
		text := number(int64(r.Done))
		if r.Total > 0 {
			text += " of " + number(int64(r.Total))
		}
		add("progress", strings.TrimSpace(text+"  "+r.Note))
	}
	block("Error", j.Error, red)
	for n := len(j.Runs) - 1; n >= 0; n-- {
		r := j.Runs[n]
		if n == len(j.Runs)-1 {
			lines = append(lines, line{}, styled("Runs, the latest first", bold))
		}
		as := plain
		if r.Error != "" {
			as = magenta
		}
		head := fmt.Sprintf("%s  %9s  %-9s  %s", r.At.Format(time.RFC3339), span(r.Duration), r.Outcome, r.Place)
		lines = append(lines, styled(head, as))
		if r.Error != "" {
			lines = append(lines, styled("    "+firstLine(r.Error), faint))
		}
	}
	if j.Raw != nil {
		block(fmt.Sprintf("Bytes, %s", size(int64(len(j.Raw)))), string(j.Raw), plain)
	} else {
		block("Arguments", pretty(j.Args), plain)
	}
	block("Cursor", pretty(j.Cursor), plain)
	block("Result", pretty(j.Result), plain)
	if len(d.Log) > 0 {
		lines = append(lines, line{}, styled("Log", bold))
		for _, l := range d.Log {
			for _, part := range wrap(l.Text, w) {
				lines = append(lines, words(part))
			}
		}
	}
	return lines
}

// pretty sets JSON in lines; what is none stays as it is.
func pretty(text json.RawMessage) string {
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		return string(text)
	}
	return b.String()
}
