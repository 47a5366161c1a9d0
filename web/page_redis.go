package web

import (
	"net/http"
	"slices"
	"time"

	"github.com/tasuki-dev/tasuki/inspect"
)

type redisPage struct {
	At       time.Time
	Servers  []inspect.Server
	Looked   time.Time // zero: it is being looked at
	Findings []inspect.Finding
	Failed   error
}

// redisPage shows what the sampler has seen and doctor has found. That takes seconds: the page
// does not wait for it, and has it when it is loaded the next time.
func (d *Dashboard) redisPage(c *call) {
	s := d.samples.get(c.r.Context(), pageWait)
	if !s.OK() {
		c.away(s.Err)
		return
	}
	f := d.findings.get(c.r.Context(), 20*time.Millisecond)
	p := &redisPage{At: s.At, Servers: s.Value.Servers, Looked: f.At, Findings: slices.Clone(f.Value), Failed: f.Err}
	levels := []inspect.Level{inspect.Danger, inspect.Warning, inspect.Note, inspect.OK}
	slices.SortStableFunc(p.Findings, func(a, b inspect.Finding) int {
		return slices.Index(levels, a.Level) - slices.Index(levels, b.Level)
	})
	c.live, c.outage = true, s.outage()
	c.render(http.StatusOK, "redis", "Redis", p)
}
