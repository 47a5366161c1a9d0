package web

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/legible"
)

// failureRow is what attempts have failed with.
type failureRow struct {
	Fingerprint, Kind string
	Count             int64
	LastHour          int64
	First, Last       time.Time
	Bars              string // of the last 24 hours, points of a line
	Address           string // of the sample; "" if it has none
	Queue             string
	Error, Stack      payload
	Query             string // of jobs that failed so
}

func (d *Dashboard) failureRow(f *inspect.Failure) failureRow {
	r := failureRow{Fingerprint: f.Fingerprint, Kind: legible.Lines(f.Kind), Count: f.Count, First: f.First, Last: f.Last, Queue: f.Sample.Queue}
	if f.Sample.ID != "" {
		r.Address = f.Sample.Address()
	}
	if n := len(f.Hourly); n > 0 {
		r.LastHour = f.Hourly[n-1]
		if n > 1 {
			r.LastHour += f.Hourly[n-2]
		}
	}
	r.Bars = bars(f.Hourly)
	r.Error = d.redacted(f.Kind, PartError, []byte(f.Sample.Error))
	r.Stack = d.redacted(f.Kind, PartStack, []byte(f.Sample.Stack))
	r.Query = (&inspect.Query{States: failedStates, Fingerprints: []string{f.Fingerprint}}).String()
	return r
}

// bars are points of a line 100 wide and 20 high that goes up and down in steps.
func bars(values []int64) string {
	most := int64(1)
	for _, v := range values {
		most = max(most, v)
	}
	var points []string
	for i, v := range values {
		y := strconv.FormatFloat(19-18*float64(v)/float64(most), 'f', 1, 64)
		for _, x := range []int{i, i + 1} {
			points = append(points, strconv.FormatFloat(float64(x)*100/float64(len(values)), 'f', 1, 64)+","+y)
		}
	}
	return strings.Join(points, " ")
}

type failuresPage struct {
	At                       time.Time
	Failures                 []failureRow
	Kind, Queue, Fingerprint string // only these; "" is all
}

func (d *Dashboard) failuresPage(c *call) {
	p := &failuresPage{Kind: c.text("kind"), Queue: c.text("queue"), Fingerprint: c.text("fingerprint")}
	if c.refused() {
		return
	}
	s := d.failures.get(c.r.Context(), pageWait)
	if !s.OK() {
		c.away(s.Err)
		return
	}
	p.At = s.At
	for n := range s.Value {
		f := &s.Value[n]
		if (p.Kind == "" || f.Kind == p.Kind) && (p.Queue == "" || f.Sample.Queue == p.Queue) && (p.Fingerprint == "" || f.Fingerprint == p.Fingerprint) {
			p.Failures = append(p.Failures, d.failureRow(f))
		}
	}
	c.live, c.outage = true, s.outage()
	c.render(http.StatusOK, "failures", c.T("failures.title"), p)
}

// forgetFailure takes a failure away, until it comes again.
func (d *Dashboard) forgetFailure(c *call) {
	fingerprint := c.text("fingerprint")
	if fingerprint == "" {
		c.refuse("fingerprint", c.T("error.missing"))
	}
	if c.refused() {
		return
	}
	if err := c.inspector().Forget(c.r.Context(), fingerprint); err != nil {
		c.failOf(err)
		return
	}
	c.done("failures")
}
