package web

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki"
)

type queuesPage struct {
	At      time.Time
	Queues  []queueRow
	Warning error
	Sort    string
	Find    string
	Only    string // those of which something is odd; "" is all
	Rest    int    // that are not shown
}

// orders are those of the list of queues.
var orders = []string{"", "ready", "latency", "running", "scheduled", "retry", "dead", "done", "failed"}

func (d *Dashboard) queues(c *call) {
	p := &queuesPage{Sort: c.oneOf("sort", orders...), Find: c.text("find"), Only: c.oneOf("only", "", "paused", "deserted")}
	if c.refused() {
		return
	}
	s := d.samples.get(c.r.Context(), pageWait)
	if !s.OK() {
		c.away(s.Err)
		return
	}
	p.At, p.Warning, p.Queues = s.At, s.Value.Warning, rows(s.Value)
	p.Queues = slices.DeleteFunc(p.Queues, func(q queueRow) bool {
		return !strings.Contains(strings.ToLower(q.Name), strings.ToLower(p.Find)) || p.Only == "paused" && !q.Queue.Paused || p.Only == "deserted" && !q.IsDeserted()
	})
	slices.SortStableFunc(p.Queues, func(a, b queueRow) int {
		switch p.Sort {
		case "ready":
			return cmp.Compare(b.Waiting(), a.Waiting())
		case "latency":
			return cmp.Compare(b.Latency, a.Latency)
		case "running":
			return cmp.Compare(b.Running, a.Running)
		case "scheduled":
			return cmp.Compare(b.Scheduled, a.Scheduled)
		case "retry":
			return cmp.Compare(b.Retry, a.Retry)
		case "dead":
			return cmp.Compare(b.Dead, a.Dead)
		case "done":
			return cmp.Compare(b.Rate.Done, a.Rate.Done)
		case "failed":
			return cmp.Compare(b.Rate.Failed, a.Rate.Failed)
		}
		return 0
	})
	p.Rest = max(0, len(p.Queues)-mostRows)
	p.Queues = p.Queues[:min(len(p.Queues), mostRows)]
	c.live, c.outage = true, s.outage()
	c.render(http.StatusOK, "queues", c.T("queues.title"), p)
}

type queuePage struct {
	queueRow
	At     time.Time
	States []stateCount
	Counts []namedCount
}

// stateCount is how many jobs of a queue are in a state.
type stateCount struct {
	State tasuki.State
	Count int64
}

type namedCount struct {
	Name  string
	Count int64
}

func (d *Dashboard) queue(c *call) {
	name := c.queueName("name")
	if c.refused() {
		return
	}
	s := d.samples.get(c.r.Context(), pageWait)
	if !s.OK() {
		c.away(s.Err)
		return
	}
	for _, q := range rows(s.Value) {
		if q.Name != name {
			continue
		}
		p := &queuePage{queueRow: q, At: s.At, States: []stateCount{
			{tasuki.StateReady, q.Ready}, {tasuki.StateSuspect, q.Suspect}, {tasuki.StateRunning, q.Running},
			{tasuki.StateScheduled, q.Scheduled}, {tasuki.StateRetry, q.Queue.Retry}, {tasuki.StateDead, q.Dead},
		}}
		for name, n := range q.Queue.Counts {
			p.Counts = append(p.Counts, namedCount{name, n})
		}
		slices.SortFunc(p.Counts, func(a, b namedCount) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Name, b.Name))
		})
		c.live, c.outage = true, s.outage()
		c.render(http.StatusOK, "queue", name, p)
		return
	}
	c.fail(http.StatusNotFound, fmt.Errorf("%s: %.200q", c.T("error.noqueue"), name))
}
