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

// audit is the view of who has done what, with the marks that were set, the last first: a page
// at a time.
type audit struct {
	entries[inspect.AuditEntry]
	pages []auditPage // up to the one that is shown
	next  auditPage   // where those begin that are older
}

// auditPage is where a page of acts begins.
type auditPage struct {
	cursor string
	to     time.Time // of its marks; zero: now
}

// mostActs are on a page.
const mostActs = 200

func newAudit() *audit { return &audit{pages: []auditPage{{}}} }

func (*audit) title() string { return "Audit" }
func (*audit) place() string { return "audit" }

func (p *audit) read(m *model) func(context.Context) (func(), error) {
	at := p.pages[len(p.pages)-1]
	var next auditPage
	read := p.readBy(func(ctx context.Context) ([]inspect.AuditEntry, error) {
		found, err := m.ledger.Audit(ctx, at.cursor, mostActs)
		if err != nil {
			return nil, err
		}
		var from time.Time // all marks before the first act, too
		if found.Cursor != "" {
			from = found.Entries[len(found.Entries)-1].At
			next = auditPage{found.Cursor, from.Add(-time.Millisecond)}
		}
		marks, err := m.ledger.Marks(ctx, from, at.to)
		for _, e := range marks {
			found.Entries = append(found.Entries, inspect.AuditEntry{ID: "mark " + e.ID, At: e.At, By: e.By, What: "mark", Target: e.Text, Detail: e.Version})
		}
		slices.SortStableFunc(found.Entries, func(a, b inspect.AuditEntry) int { return b.At.Compare(a.At) })
		return found.Entries, err
	}, func(e *inspect.AuditEntry) string { return e.ID })
	return then(read, func() { p.next = next })
}

func (p *audit) press(m *model, key string) (tea.Cmd, bool) {
	switch key {
	case "enter":
		if e := p.chosen(); e != nil {
			return m.open(&act{e: *e}), true
		}
	case "n":
		if p.next.cursor != "" {
			return p.turn(m, append(p.pages, p.next)), true
		}
	case "p":
		if len(p.pages) > 1 {
			return p.turn(m, p.pages[:len(p.pages)-1]), true
		}
	default:
		return nil, p.list.press(key)
	}
	return nil, true
}

// turn shows another page.
func (p *audit) turn(m *model, pages []auditPage) tea.Cmd {
	p.pages, p.next = pages, auditPage{}
	p.entries = entries[inspect.AuditEntry]{}
	m.again()
	return m.readPage()
}

func (p *audit) draw(m *model, w, h int) []string {
	if len(p.all) == 0 {
		return p.none("nobody has done anything, and there are no marks", w)
	}
	rows := make([][]piece, len(p.all))
	for n := range p.all {
		e := &p.all[n]
		as, how := plain, e.Detail
		switch {
		case e.What == "mark":
			as = magenta | bold
		case e.Error != "":
			as, how = red, e.Error
		}
		count := number(int64(e.Count))
		if e.What == "mark" {
			count = ""
		}
		rows[n] = []piece{{since(e.At, m.now()), plain}, {cmp.Or(e.By, "-"), plain}, {cmp.Or(e.What, "-"), as}, {count, plain}, {firstLine(cmp.Or(e.Target, "-")), plain}, {firstLine(how), as}}
	}
	text := fmt.Sprintf("page %d", len(p.pages))
	if p.next.cursor != "" {
		text += ", n: older"
	}
	return append(p.list.draw([]column{
		{title: "WHEN", right: true},
		{title: "BY", least: 8, drop: 2},
		{title: "WHAT", least: 8},
		{title: "COUNT", right: true, drop: 3},
		{title: "TO WHAT", least: 12},
		{title: "HOW, OR WHY NOT", least: 12, drop: 1},
	}, rows, w, h-1), styled(text, faint).render(w, false))
}

// act is the page of one, in full.
type act struct {
	scroll
	e inspect.AuditEntry
}

func (p *act) title() string                                   { return p.e.What + " " + firstLine(p.e.Target) }
func (*act) place() string                                     { return "an act" }
func (*act) read(*model) func(context.Context) (func(), error) { return nil }

func (p *act) press(_ *model, key string) (tea.Cmd, bool) { return nil, p.scroll.press(key) }

func (p *act) draw(m *model, w, h int) []string {
	e := &p.e
	var lines []line
	add := func(name, value string) { lines = append(lines, field(name, value, w)...) }
	add("when", e.At.Format(time.RFC3339)+", "+since(e.At, m.now()))
	add("by", cmp.Or(e.By, "-"))
	add("what", cmp.Or(e.What, "-"))
	add("to what", e.Target)
	if e.What != "mark" {
		add("count", number(int64(e.Count)))
	}
	add("how", e.Detail)
	add("why not", e.Error)
	return p.scroll.draw(lines, w, h)
}
