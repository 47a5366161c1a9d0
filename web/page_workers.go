package web

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/tasuki-dev/tasuki/inspect"
)

type workersPage struct {
	At          time.Time
	Workers     []inspect.Worker
	Slots, Busy int
	Page, Pages int
}

const workersOnPage = 50

func (d *Dashboard) workersPage(c *call) {
	page := c.number("page", 1, 1_000_000, 1)
	if c.refused() {
		return
	}
	s := d.askedWorkers(c)
	if !s.OK() {
		c.away(s.Err)
		return
	}
	p := &workersPage{At: s.At, Pages: (len(s.Value) + workersOnPage - 1) / workersOnPage}
	p.Page = min(page, max(p.Pages, 1))
	for _, w := range s.Value {
		p.Slots += w.Slots
		p.Busy += w.Busy
	}
	from := (p.Page - 1) * workersOnPage
	p.Workers = s.Value[min(from, len(s.Value)):min(from+workersOnPage, len(s.Value))]
	c.live, c.outage = true, s.outage()
	c.render(http.StatusOK, "workers", c.T("workers"), p)
}

// askedWorkers are the workers as they were seen last. To ask them takes 2.5 s when one does not
// answer, which only the first page waits for.
func (d *Dashboard) askedWorkers(c *call) seen[[]inspect.Worker] {
	wait := 200 * time.Millisecond
	if s := d.workers.peek(); !s.OK() {
		wait = 2 * pageWait
	}
	return d.workers.get(c.r.Context(), wait)
}

type workerPage struct {
	inspect.Worker
	At     time.Time
	Stacks payload
}

// findWorker returns a worker by its id, or answers that there is none.
func (d *Dashboard) findWorker(c *call) (w *inspect.Worker, at time.Time, ok bool) {
	id := c.text("id")
	if c.refused() {
		return nil, at, false
	}
	s := d.askedWorkers(c)
	if !s.OK() {
		c.away(s.Err)
		return nil, at, false
	}
	c.outage = s.outage()
	n := slices.IndexFunc(s.Value, func(w inspect.Worker) bool { return w.ID == id })
	if n < 0 {
		c.fail(http.StatusNotFound, fmt.Errorf("%s: %.200q", c.T("error.noworker"), id))
		return nil, at, false
	}
	return &s.Value[n], s.At, true
}

func (d *Dashboard) worker(c *call) {
	w, at, ok := d.findWorker(c)
	if !ok {
		return
	}
	c.live = true
	c.render(http.StatusOK, "worker", w.Place(), &workerPage{Worker: *w, At: at})
}
