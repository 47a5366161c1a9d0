package top

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/legible"
)

// kinds is the view of what workers have counted of each kind in each queue: how many jobs, how
// long they waited and ran.
type kinds struct {
	entries[inspect.KindStats]
	period period
	sort   kindOrder
	from   time.Time // since when it was counted
	asked  time.Time // when what is shown was asked for
}

// period is how far back statistics go: an index of periods.
type period int

var periods = []struct {
	name string
	back time.Duration
	step time.Duration
	at   string // how the begin of a step is written
}{{"1h", time.Hour, time.Minute, "15:04"}, {"3h", 3 * time.Hour, time.Minute, "15:04"}, {"7d", 7 * 24 * time.Hour, time.Hour, "01-02 15:04"}, {"90d", 90 * 24 * time.Hour, 24 * time.Hour, "2006-01-02"}}

func (p period) String() string { return periods[p].name }
func (p period) next() period   { return (p + 1) % period(len(periods)) }

// since is when the first of its steps began, so that as many are shown as its name says.
func (p period) since(now time.Time) time.Time { return now.Add(periods[p].step - periods[p].back) }

// countedEvery is how often workers write down what they have counted: it is not read more often.
const countedEvery = 10 * time.Second

// kindOrder is how kinds are sorted.
type kindOrder int

const (
	byFailed kindOrder = iota
	byDone
	byRun
	byWait
	kindOrders
)

func (o kindOrder) String() string { return []string{"failed", "done", "run p99", "wait p99"}[o] }

func (p *kinds) title() string { return fmt.Sprintf("Kinds by %s, over %s", p.sort, p.period) }
func (*kinds) place() string   { return "kinds" }

func (p *kinds) read(m *model) func(context.Context) (func(), error) {
	now := m.now()
	if now.Sub(p.asked) < countedEvery {
		return nil
	}
	by, back := p.sort, p.period.since(now)
	var from time.Time
	read := p.readBy(func(ctx context.Context) ([]inspect.KindStats, error) {
		all, since, err := m.counted.Kinds(ctx, "", back)
		from = since
		sortKinds(all, by)
		return all, err
	}, kindID)
	return then(read, func() {
		p.from, p.asked = from, now
		p.sorted() // it may be by something else by now
	})
}

func kindID(k *inspect.KindStats) string { return k.Queue + "\x00" + k.Kind }

// sorted puts the kinds in order; the cursor stays on the one on which it is.
func (p *kinds) sorted() {
	sortKinds(p.all, p.sort)
	ids := make([]string, len(p.all))
	for n := range p.all {
		ids[n] = kindID(&p.all[n])
	}
	p.list.set(ids)
}

func sortKinds(all []inspect.KindStats, by kindOrder) {
	slices.SortStableFunc(all, func(a, b inspect.KindStats) int {
		c := 0
		switch by {
		case byFailed:
			c = cmp.Compare(b.Failed+b.Crashed, a.Failed+a.Crashed)
		case byRun:
			c = cmp.Compare(b.Run.Quantile(0.99), a.Run.Quantile(0.99))
		case byWait:
			c = cmp.Compare(b.Wait.Quantile(0.99), a.Wait.Quantile(0.99))
		}
		return cmp.Or(c, cmp.Compare(b.Done, a.Done), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Queue, b.Queue))
	})
}

func (p *kinds) press(m *model, key string) (tea.Cmd, bool) {
	switch key {
	case "enter":
		if k := p.chosen(); k != nil {
			return m.open(&kind{queue: k.Queue, name: k.Kind, period: p.period}), true
		}
	case "s":
		p.sort = (p.sort + 1) % kindOrders
		p.sorted()
	case "t":
		p.period = p.period.next()
		p.all, p.got, p.asked = nil, false, time.Time{}
		m.again()
		return m.readPage(), true
	case "r":
		p.asked = time.Time{}
		return nil, false
	default:
		return nil, p.list.press(key)
	}
	return nil, true
}

func (p *kinds) draw(m *model, w, h int) []string {
	if len(p.all) == 0 {
		return p.none("nothing was counted over "+p.period.String(), w)
	}
	rows := make([][]piece, len(p.all))
	for n := range p.all {
		k := &p.all[n]
		rows[n] = append([]piece{{k.Kind, plain}, {k.Queue, plain}, {perSecond(float64(k.Done) / max(1, p.asked.Sub(p.from).Seconds())), plain}}, countCells(&k.Counts)...)
	}
	return p.list.draw(slices.Concat([]column{{title: "KIND", least: 16}, {title: "QUEUE", least: 8, drop: 4}, {title: "DONE/S", right: true, drop: 6}}, countColumns), rows, w, h)
}

// countColumns are those of Counts, countCells what stands in them.
var countColumns = []column{
	{title: "DONE", right: true},
	{title: "FAILED", right: true},
	{title: "CRASHED", right: true, drop: 10},
	{title: "WAIT50", right: true, drop: 7},
	{title: "WAIT95", right: true, drop: 9},
	{title: "WAIT99", right: true, drop: 2},
	{title: "RUN50", right: true, drop: 5},
	{title: "RUN95", right: true, drop: 8},
	{title: "RUN99", right: true, drop: 1},
}

func countCells(c *inspect.Counts) []piece {
	bad := func(n int64) piece {
		if n > 0 {
			return piece{number(n), red | bold}
		}
		return piece{"0", plain}
	}
	cells := []piece{{number(c.Done), plain}, bad(c.Failed), bad(c.Crashed)}
	for _, h := range []*inspect.Histogram{&c.Wait, &c.Run} {
		for _, part := range []float64{0.5, 0.95, 0.99} {
			text := "-"
			if h.Count() > 0 {
				text = legible.Rough(h.Quantile(part))
			}
			cells = append(cells, piece{text, plain})
		}
	}
	return cells
}

// kind is the page of one: what was counted step by step, the last first, with the marks that were
// set meanwhile.
type kind struct {
	scroll
	queue, name string
	period      period
	points      []inspect.Point
	marks       []inspect.MarkEntry
	got         bool
	asked       time.Time
}

func (p *kind) title() string {
	return fmt.Sprintf("%s in %s, over %s", p.name, p.queue, p.period)
}
func (*kind) place() string { return "a kind" }

func (p *kind) read(m *model) func(context.Context) (func(), error) {
	now := m.now()
	if now.Sub(p.asked) < countedEvery {
		return nil
	}
	from, step := p.period.since(now), periods[p.period].step
	q := inspect.HistoryQuery{Queue: p.queue, Kind: p.name, From: from, Step: step}
	return func(ctx context.Context) (func(), error) {
		points, err := m.counted.History(ctx, q)
		if err != nil {
			return nil, err
		}
		marks, err := m.ledger.Marks(ctx, from.Truncate(step), time.Time{})
		if err != nil {
			return nil, err
		}
		return func() { p.points, p.marks, p.got, p.asked = points, marks, true, now }, nil
	}
}

func (p *kind) press(m *model, key string) (tea.Cmd, bool) {
	switch key {
	case "enter":
		q := inspect.Query{Queues: []string{p.queue}}
		if p.name != inspect.RawKind && p.name != inspect.OtherKinds {
			q.Kinds = []string{p.name}
		}
		return m.open(newJobs(q.String())), true
	case "t":
		p.period = p.period.next()
		p.got, p.asked = false, time.Time{}
		m.again()
		return m.readPage(), true
	case "r":
		p.asked = time.Time{}
		return nil, false
	}
	return nil, p.scroll.press(key)
}

func (p *kind) draw(m *model, w, h int) []string {
	if !p.got {
		return []string{styled("looking …", faint).render(w, false)}
	}
	var all inspect.Counts
	var done, failed []float64
	rows := make([][]piece, len(p.points))
	for n := range p.points {
		c := &p.points[n]
		all.Merge(&c.Counts)
		done, failed = append(done, float64(c.Done)), append(failed, float64(c.Failed+c.Crashed))
		at := c.At
		if periods[p.period].step < 24*time.Hour { // days are those of UTC
			at = at.In(m.now().Location())
		}
		rows[len(rows)-1-n] = append([]piece{{at.Format(periods[p.period].at), plain}}, countCells(&c.Counts)...)
	}
	head, steps := table(slices.Concat([]column{{title: "FROM"}}, countColumns), append(rows, append([]piece{{"all", plain}}, countCells(&all)...)), w)
	room := max(0, min(len(done), w-11))
	lines := []line{
		{{"done       ", cyan}, {sparkline(done, room), green}},
		{{"failed     ", cyan}, {sparkline(failed, room), red}},
		{}, head,
	}
	lines = append(lines, steps[len(rows)])
	left := len(p.marks)
	for n, l := range steps[:len(rows)] {
		for began := p.points[len(rows)-1-n].At; left > 0 && !p.marks[left-1].At.Before(began); left-- {
			lines = append(lines, markLine(&p.marks[left-1], m.now().Location()))
		}
		lines = append(lines, l)
	}
	return p.scroll.draw(lines, w, h)
}

// markLine is a mark between the steps of time.
func markLine(e *inspect.MarkEntry, zone *time.Location) line {
	text := "── " + e.At.In(zone).Format("01-02 15:04:05")
	for _, part := range []string{e.Text, e.Version} {
		if part != "" {
			text += "  " + part
		}
	}
	if e.By != "" {
		text += "  by " + e.By
	}
	return styled(text, magenta|bold)
}
