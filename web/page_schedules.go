package web

import (
	"net/http"
	"time"

	"github.com/tasuki-dev/tasuki/cron"
)

// scheduleRow is a periodic entry as pages show it.
type scheduleRow struct {
	*cron.Status
	Words string // what the expression says
	Args  payload
	Nexts []time.Time
	Last  *cron.Run
}

func (d *Dashboard) scheduleRow(c *call, s *cron.Status, nexts int) scheduleRow {
	r := scheduleRow{Status: s, Args: d.redacted(s.Kind, PartArgs, s.Entry.Args)}
	if expr, err := cron.Parse(s.Expr, s.Zone, s.Name); err == nil {
		r.Words = expr.Explain(c.lang)
		if at := s.Next; !s.Paused && !at.IsZero() {
			for ; len(r.Nexts) < nexts && !at.IsZero() && (s.End.IsZero() || !at.After(s.End)); at = expr.Next(at) {
				r.Nexts = append(r.Nexts, at.In(expr.Zone()))
			}
		}
	}
	if n := len(s.Runs); n > 0 {
		r.Last = &s.Runs[n-1]
	}
	return r
}

// Failed tells whether the last tick came to nothing.
func (r *scheduleRow) Failed() bool {
	return r.Last != nil && (r.Last.Outcome == cron.OutcomeFailed || r.Last.Outcome == cron.OutcomeMissed || r.Last.Outcome == "dead")
}

type schedulesPage struct {
	At      time.Time
	Entries []scheduleRow
	Full    bool // there may be more
}

func (d *Dashboard) schedulesPage(c *call) {
	s := d.schedules.get(c.r.Context(), pageWait)
	if !s.OK() {
		c.away(s.Err)
		return
	}
	p := &schedulesPage{At: s.At, Full: len(s.Value) == mostRows}
	for _, entry := range s.Value {
		p.Entries = append(p.Entries, d.scheduleRow(c, entry, 1))
	}
	c.live, c.outage = true, s.outage()
	c.render(http.StatusOK, "schedules", c.T("schedules.title"), p)
}

type schedulePage struct {
	scheduleRow
	At      time.Time
	History []cron.Run // the youngest first
}

func (d *Dashboard) schedule(c *call) {
	name := c.text("name")
	if c.refused() {
		return
	}
	s, err := d.crons.Get(c.r.Context(), name)
	if err != nil {
		c.failOf(err)
		return
	}
	p := &schedulePage{scheduleRow: d.scheduleRow(c, s, 5), At: time.Now()}
	for n := len(s.Runs) - 1; n >= 0; n-- {
		run := s.Runs[n]
		run.Error = d.redacted(s.Kind, PartError, []byte(run.Error)).Text
		p.History = append(p.History, run)
	}
	c.render(http.StatusOK, "schedule", s.Name, p)
}
