package web

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/legible"
)

var failedStates = []tasuki.State{tasuki.StateRetry, tasuki.StateDead}

// mostKinds is how many the page shows: a row takes 50 µs.
const mostKinds = 200

// spans are how far back the page goes, in at most 180 steps: each is a command to Redis.
var spans = []struct {
	Name string
	Back time.Duration
	Step time.Duration
}{{"1h", time.Hour, time.Minute}, {"3h", 3 * time.Hour, time.Minute}, {"7d", 7 * 24 * time.Hour, time.Hour}, {"90d", 90 * 24 * time.Hour, 24 * time.Hour}}

// metrics is what was counted in a span.
type metrics struct {
	Points []inspect.Point
	Kinds  []inspect.KindStats
	Since  time.Time
}

// kindRow is a kind with its times.
type kindRow struct {
	Queue, Kind                         string
	Done, Failed, Crashed               int64
	Run50, Run95, Run99, Wait50, Wait99 time.Duration
	HasRun, HasWait                     bool
	FailedPercent                       int64
}

type metricsPage struct {
	At     time.Time
	Span   string
	Spans  []string
	Queue  string
	Points []inspect.Point
	Since  time.Time
	Kinds  []kindRow
	Rest   int
	Series string // JSON, for the charts
	marks  []inspect.MarkEntry
}

// readMetrics reads what a name says: a span and a queue.
func (d *Dashboard) readMetrics(name string) func(context.Context) (*metrics, error) {
	return func(ctx context.Context) (*metrics, error) {
		span, queue, _ := strings.Cut(name, " ")
		for _, s := range spans {
			if s.Name != span {
				continue
			}
			from := time.Now().Add(-s.Back + s.Step)
			// First the kinds: what is read for them has the sums that the points are made of.
			kinds, since, err := d.inspector.Kinds(ctx, queue, from)
			if err != nil {
				return nil, err
			}
			points, err := d.inspector.History(ctx, inspect.HistoryQuery{Queue: queue, Step: s.Step, From: from})
			if err != nil {
				return nil, err
			}
			return &metrics{points, kinds, since}, nil
		}
		return &metrics{}, nil
	}
}

func (d *Dashboard) metricsPage(c *call) {
	p := &metricsPage{Span: spans[0].Name, Queue: c.text("queue")}
	for _, s := range spans {
		p.Spans = append(p.Spans, s.Name)
	}
	if c.r.Form.Has("span") {
		p.Span = c.oneOf("span", p.Spans...)
	}
	if p.Queue != "" {
		p.Queue = c.queueName("queue")
	}
	if c.refused() {
		return
	}
	s := d.metrics.of(p.Span+" "+p.Queue).get(c.r.Context(), pageWait)
	if !s.OK() {
		c.away(s.Err)
		return
	}
	p.At, p.Points, p.Since = s.At, s.Value.Points, s.Value.Since
	all := slices.Clone(s.Value.Kinds)
	slices.SortStableFunc(all, func(a, b inspect.KindStats) int {
		return cmp.Or(cmp.Compare(b.Failed+b.Crashed, a.Failed+a.Crashed), cmp.Compare(b.Done, a.Done))
	})
	p.Rest = max(0, len(all)-mostKinds)
	for n := range all[:len(all)-p.Rest] {
		k := &all[n]
		row := kindRow{Queue: k.Queue, Kind: legible.Lines(k.Kind), Done: k.Done, Failed: k.Failed, Crashed: k.Crashed, HasRun: k.Run.Count() > 0, HasWait: k.Wait.Count() > 0, FailedPercent: percent(k.Failed, k.Done+k.Failed)}
		if row.HasRun {
			row.Run50, row.Run95, row.Run99 = k.Run.Quantile(0.5), k.Run.Quantile(0.95), k.Run.Quantile(0.99)
		}
		if row.HasWait {
			row.Wait50, row.Wait99 = k.Wait.Quantile(0.5), k.Wait.Quantile(0.99)
		}
		p.Kinds = append(p.Kinds, row)
	}
	p.Series = series(p.Points)
	p.marks = d.marks.get(c.r.Context(), pageWait).Value // without them the page has the rest
	c.live, c.outage = true, s.outage()
	c.render(http.StatusOK, "metrics", c.T("metrics.title"), p)
}

// series are columns for the charts: times in s, counts, and times of runs and waits in s.
func series(points []inspect.Point) string {
	var at []int64
	var done, failed []int64
	var run, wait []*float64
	seconds := func(h *inspect.Histogram) *float64 {
		if h.Count() == 0 {
			return nil
		}
		s := h.Quantile(0.99).Seconds()
		return &s
	}
	for n := range points {
		p := &points[n]
		at, done, failed = append(at, p.At.Unix()), append(done, p.Done), append(failed, p.Failed+p.Crashed)
		run, wait = append(run, seconds(&p.Run)), append(wait, seconds(&p.Wait))
	}
	text, err := json.Marshal(map[string]any{"at": at, "done": done, "failed": failed, "run": run, "wait": wait})
	if err != nil {
		return "{}" // numbers can be written
	}
	return string(text)
}

// Line is the points of one line of the chart that is seen without JavaScript.
func (p *metricsPage) Line(which string) string {
	past := make([]point, len(p.Points))
	for n := range p.Points {
		past[n] = point{Done: float64(p.Points[n].Done), Failed: float64(p.Points[n].Failed + p.Points[n].Crashed)}
	}
	most := 1.0
	for _, q := range past {
		most = max(most, q.Done, q.Failed)
	}
	return polyline(past, len(past), most, func(q point) float64 {
		if which == "failed" {
			return q.Failed
		}
		return q.Done
	})
}
