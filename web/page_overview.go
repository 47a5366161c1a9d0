package web

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki/inspect"
)

// pageWait is how long a page waits for a look, and then shows what there is.
const pageWait = 2 * time.Second

// queueRow is a queue as lists of them show it.
type queueRow struct {
	inspect.Queue
	Rate  inspect.Rate
	Rated bool
}

// Waiting are those that could run now.
func (q *queueRow) Waiting() int64 { return q.Ready + q.Suspect }

// IsDeserted tells whether jobs wait and nobody takes them.
func (q *queueRow) IsDeserted() bool { return q.Waiting() > 0 && q.Workers == 0 && !q.Paused }

// IsFailing tells whether attempts fail now, or have failed and are not made up for.
func (q *queueRow) IsFailing() bool { return q.Rate.Failed > 0 || q.Retry+q.Dead+q.Suspect > 0 }

func rows(s *sample) []queueRow {
	all := make([]queueRow, len(s.Queues))
	for i, q := range s.Queues {
		r, rated := s.Rates[q.Name]
		all[i] = queueRow{q, r, rated}
	}
	return all
}

type overviewPage struct {
	*sample
	At                                             time.Time
	Failing, Deserted, Paused, Busiest             []queueRow
	More                                           int // that are failing, and not shown
	Ready, Running, Scheduled, Retry, Dead, Queues int64
	Oldest                                         time.Duration
	Done, Failed                                   string // lines over the last minutes
	Troubled                                       []inspect.Server
	Errors                                         []failureRow // of the last minutes, the last first
	MoreErrors, Older                              int          // that are not shown: of the last minutes, and of before
	MoreDeserted, MorePaused                       int          // that are not shown
	marks                                          []inspect.MarkEntry
}

const topRows = 10

// failingFor is how long a failure counts as one of now after it was seen last. A worker tells of one
// within ten seconds.
const failingFor = 10 * time.Minute

// FailingMinutes are those of the heading.
func (p *overviewPage) FailingMinutes() int { return int(failingFor / time.Minute) }

func (d *Dashboard) overview(c *call) {
	s := d.samples.get(c.r.Context(), pageWait)
	if !s.OK() {
		c.away(s.Err)
		return
	}
	p := &overviewPage{sample: s.Value, At: s.At}
	for _, q := range rows(s.Value) {
		p.Ready += q.Waiting()
		p.Running += q.Running
		p.Scheduled += q.Scheduled
		p.Retry += q.Retry
		p.Dead += q.Dead
		p.Queues++
		p.Oldest = max(p.Oldest, q.Latency)
		if q.IsFailing() {
			p.Failing = append(p.Failing, q)
		}
		if q.IsDeserted() {
			p.Deserted = append(p.Deserted, q)
		}
		if q.Queue.Paused {
			p.Paused = append(p.Paused, q)
		}
		if q.Waiting()+q.Running > 0 || q.Rate.Done > 0 {
			p.Busiest = append(p.Busiest, q)
		}
	}
	slices.SortStableFunc(p.Failing, func(a, b queueRow) int {
		return cmp.Or(cmp.Compare(b.Rate.Failed, a.Rate.Failed), cmp.Compare(b.Dead, a.Dead), cmp.Compare(b.Queue.Retry, a.Queue.Retry))
	})
	slices.SortStableFunc(p.Busiest, func(a, b queueRow) int {
		return cmp.Or(cmp.Compare(b.Waiting(), a.Waiting()), cmp.Compare(b.Rate.Done, a.Rate.Done), cmp.Compare(b.Queue.Running, a.Queue.Running))
	})
	p.More, p.MoreDeserted, p.MorePaused = max(0, len(p.Failing)-topRows), max(0, len(p.Deserted)-topRows), max(0, len(p.Paused)-topRows)
	for _, list := range []*[]queueRow{&p.Failing, &p.Deserted, &p.Paused, &p.Busiest} {
		*list = (*list)[:min(len(*list), topRows)]
	}
	for _, server := range s.Value.Servers {
		if server.Failing || server.Error != "" || server.Max > 0 && server.Used >= server.Max*9/10 {
			p.Troubled = append(p.Troubled, server)
		}
	}
	if len(s.Value.Past) > 1 {
		most := 1.0
		for _, q := range s.Value.Past {
			most = max(most, q.Done, q.Failed)
		}
		p.Done = polyline(s.Value.Past, mostPast, most, func(p point) float64 { return p.Done })
		p.Failed = polyline(s.Value.Past, mostPast, most, func(p point) float64 { return p.Failed })
	}
	// Of users that may not read them, and older servers, the page has the rest.
	failures := d.failures.get(c.r.Context(), pageWait)
	for n := range failures.Value {
		switch f := &failures.Value[n]; {
		case time.Since(f.Last) > failingFor:
			p.Older++
		case len(p.Errors) < topRows/2:
			p.Errors = append(p.Errors, d.failureRow(f))
		default:
			p.MoreErrors++
		}
	}
	p.marks = d.marks.get(c.r.Context(), pageWait).Value
	c.live, c.outage = true, s.outage()
	c.render(http.StatusOK, "overview", c.T("overview.title"), p)
}

// polyline are the points of a line 300 wide and 40 high, the newest on the right, that has room
// for some number of points.
func polyline(past []point, room int, most float64, value func(point) float64) string {
	var points []string
	for i, p := range past {
		x := 300 - float64(len(past)-1-i)*300/float64(max(room-1, 1))
		points = append(points, strconv.FormatFloat(x, 'f', 1, 64)+","+strconv.FormatFloat(39-38*value(p)/most, 'f', 1, 64))
	}
	return strings.Join(points, " ")
}
