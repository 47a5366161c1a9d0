package top

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

// jobs is a list of jobs that a filter means, page by page.
type jobs struct {
	filter  string
	cursors []string // of the pages up to the one that is shown
	page    inspect.Page
	got     bool // something was read
	rest    int  // looks for which the page stays as it is
	list    list
	marked  map[string]inspect.Job // by key
	all     bool                   // what is done is done to all that the filter means
}

func newJobs(filter string) *jobs {
	return &jobs{filter: filter, cursors: []string{""}, marked: map[string]inspect.Job{}}
}

func (p *jobs) title() string {
	if p.filter == "" {
		return "Jobs"
	}
	return "Jobs: " + p.filter
}

func (*jobs) place() string { return "jobs" }

// Calls for one page, which may find few among many, at most; and above how many jobs that were
// looked at it is read again only once in ten looks.
const (
	mostCalls   = 4
	cheapEnough = 2000
)

func (p *jobs) read(m *model) func(context.Context) (func(), error) {
	if p.rest > 0 {
		p.rest--
		return nil
	}
	q, err := inspect.ParseQuery(p.filter)
	cursor, limit := p.cursors[len(p.cursors)-1], max(1, m.bodyHeight()-2)
	return func(ctx context.Context) (func(), error) {
		if err != nil {
			return nil, err
		}
		q.Limit = limit
		page, err := m.find.Find(ctx, q, cursor)
		for n := 1; err == nil && n < mostCalls && page.Cursor != "" && len(page.Jobs) < limit; n++ {
			var more inspect.Page
			q.Limit = limit - len(page.Jobs)
			if more, err = m.find.Find(ctx, q, page.Cursor); err == nil {
				more.Jobs, more.Scanned = append(page.Jobs, more.Jobs...), page.Scanned+more.Scanned
				page = more
			}
		}
		if err != nil {
			return nil, err
		}
		return func() {
			p.page, p.got = page, true
			if page.Scanned > cheapEnough {
				p.rest = 9
			}
			ids := make([]string, len(page.Jobs))
			for n := range page.Jobs {
				ids[n] = key(&page.Jobs[n], n)
			}
			p.list.set(ids)
		}, nil
	}
}

// key says which job a row is. Of one without an id the place in the page has to do.
func key(j *inspect.Job, n int) string {
	if j.ID == "" {
		return fmt.Sprintf("%s\x00%d", j.Queue, n)
	}
	return j.Address()
}

// chosen is the job at the cursor; nil if there is none.
func (p *jobs) chosen() *inspect.Job {
	if p.list.at < len(p.page.Jobs) {
		return &p.page.Jobs[p.list.at]
	}
	return nil
}

func (p *jobs) press(m *model, k string) (tea.Cmd, bool) {
	j := p.chosen()
	switch k {
	case "enter":
		if j == nil {
			return nil, true
		}
		return m.open(newJob(*j)), true
	case "/":
		m.input = newInput("filter: ", p.filter, func(text string) (tea.Cmd, error) {
			_, err := inspect.ParseQuery(text)
			if err != nil {
				return nil, err
			}
			return p.refilter(m, text), nil
		})
	case "s":
		return p.refilter(m, nextState(p.filter)), true
	case "n":
		if p.page.Cursor != "" {
			return p.turn(m, append(p.cursors, p.page.Cursor)), true
		}
	case "p":
		if len(p.cursors) > 1 {
			return p.turn(m, p.cursors[:len(p.cursors)-1]), true
		}
	case "x":
		if j != nil && j.ID != "" {
			if id := p.list.id(); !p.unmark(id) {
				p.marked[id] = *j
			}
			p.list.press("down")
		}
	case "a":
		p.markPage()
	case "*":
		p.all = !p.all
		clear(p.marked)
	case "r":
		p.rest = 0
		return nil, false
	case "esc":
		if len(p.marked) == 0 && !p.all {
			return nil, false
		}
		p.unmarkAll()
	case "y":
		if j != nil && j.ID != "" {
			m.note = piece{"copied " + j.Address(), plain}
			return tea.SetClipboard(j.Address()), true
		}
	case "R":
		return p.act(m, inspect.Task{Action: inspect.Retry}), true
	case "C":
		return p.act(m, inspect.Task{Action: inspect.Cancel}), true
	case "D":
		return p.act(m, inspect.Task{Action: inspect.Remove}), true
	case "M":
		m.askQueue(func(t inspect.Task) tea.Cmd { return p.act(m, t) })
	default:
		return nil, p.list.press(k)
	}
	return nil, true
}

func (p *jobs) unmarkAll() {
	p.all = false
	clear(p.marked)
}

func (p *jobs) unmark(id string) bool {
	_, was := p.marked[id]
	delete(p.marked, id)
	return was
}

// markPage marks all jobs of the page; if all are, none.
func (p *jobs) markPage() {
	n := 0
	for i, id := range p.list.ids {
		if _, ok := p.marked[id]; !ok && p.page.Jobs[i].ID != "" {
			p.marked[id] = p.page.Jobs[i]
			n++
		}
	}
	if n == 0 {
		for _, id := range p.list.ids {
			delete(p.marked, id)
		}
	}
}

func (p *jobs) refilter(m *model, text string) tea.Cmd {
	p.filter = text
	p.unmarkAll()
	return p.turn(m, []string{""})
}

// turn shows another page.
func (p *jobs) turn(m *model, cursors []string) tea.Cmd {
	p.cursors, p.page, p.got, p.rest = cursors, inspect.Page{}, false, 0
	p.list.set(nil)
	m.again()
	return m.readPage()
}

// nextState has a filter mean the next state; after the last, those that it means without.
func nextState(filter string) string {
	q, err := inspect.ParseQuery(filter)
	if err != nil { // it was refused when it was typed
		return filter
	}
	next := 0
	if len(q.States) > 0 {
		next = slices.Index(inspect.States, q.States[len(q.States)-1]) + 1
	}
	if q.States = nil; next < len(inspect.States) {
		q.States = inspect.States[next : next+1]
	}
	return q.String()
}

func address(j *inspect.Job) string {
	if j.ID == "" {
		return ""
	}
	return j.Address()
}

func (p *jobs) draw(m *model, w, h int) []string {
	if len(p.page.Jobs) == 0 {
		said := "looking …"
		switch {
		case p.got && p.page.Cursor != "":
			said = fmt.Sprintf("none among %s that were looked at, of %s: n looks on", number(p.page.Scanned), number(p.page.Total))
		case p.got && len(p.cursors) > 1:
			said = "there are no more: p goes back"
		case p.got:
			said = "there are no such jobs"
		case m.failed != nil:
			said = ""
		}
		return []string{styled(said, faint).render(w, false)}
	}
	now := m.now()
	rows := make([][]piece, len(p.page.Jobs))
	for n := range p.page.Jobs {
		j := &p.page.Jobs[n]
		mark := " "
		if _, ok := p.marked[p.list.ids[n]]; ok || p.all {
			mark = "●"
		}
		kind := j.Kind
		if j.Raw != nil {
			kind = fmt.Sprintf("(%s)", size(int64(len(j.Raw))))
		}
		why := cmp.Or(j.Error, j.Reason)
		if why == "" && j.Raw == nil {
			why = string(j.Args)
		} else if why == "" {
			why = string(j.Raw)
		}
		rows[n] = []piece{{mark, bold | magenta}, {j.Queue, plain}, {idIn(j.ID, w), plain}, {string(j.State), stateStyle(j.State)}, {cmp.Or(kind, "-"), plain},
			{strconv.Itoa(j.Attempt), plain}, {since(j.When(), now), plain}, {firstLine(why), faint}}
	}
	return append(p.list.draw([]column{
		{title: " "},
		{title: "QUEUE", least: 8, drop: 4},
		{title: "ID", least: 13},
		{title: "STATE", drop: 1},
		{title: "KIND", least: 16, drop: 3},
		{title: "TRY", right: true, drop: 7},
		{title: "WHEN", right: true, drop: 2},
		{title: "ERROR OR ARGUMENTS", least: 12, drop: 6},
	}, rows, w, h-1), p.foot().render(w, false))
}

// foot says how much the page is of all.
func (p *jobs) foot() line {
	text := fmt.Sprintf("page %d", len(p.cursors))
	if p.page.Cursor != "" {
		text += ", n: on"
	}
	if p.page.Exact {
		text += "; " + count(p.page.Total, "job")
	} else {
		text += fmt.Sprintf("; %s of %s were looked at for it", number(p.page.Scanned), count(p.page.Total, "job"))
	}
	if p.all {
		return line{{"all that match are meant", magenta | bold}, {"; " + text, faint}}
	}
	return styled(text, faint)
}

// idIn is an id in a table of w cells: on a narrow screen its begin and its end, where ids that
// were given at about the same time differ.
func idIn(id string, w int) string {
	id = clean(id)
	if n := len(id); w < 110 && n > 16 && n == width(id) {
		return id[:4] + "…" + id[n-8:]
	}
	return cmp.Or(id, "-")
}

// firstLine keeps a payload of many KiB out of what is measured.
func firstLine(text string) string {
	if len(text) > 1000 {
		text = strings.ToValidUTF8(text[:1000], "") + "…"
	}
	first, rest, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if rest != "" {
		first += " …"
	}
	return first
}

func stateStyle(s tasuki.State) style {
	switch s {
	case tasuki.StateDead, tasuki.StateSuspect:
		return red | bold
	case tasuki.StateRetry:
		return magenta
	case tasuki.StateRunning, tasuki.StateDone:
		return green
	}
	return plain
}
