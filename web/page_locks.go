package web

import (
	"context"
	"net/http"
	"time"

	"github.com/tasuki-dev/tasuki/inspect"
)

type lockRow struct {
	inspect.Lock
	Key payload
}

type locksPage struct {
	Queue string
	Locks []lockRow
	At    time.Time
}

// locks lists uniqueness keys. They are found with SCAN, which goes through all keys of the
// server: it is asked for by hand, and is given up after a while.
func (d *Dashboard) locks(c *call) {
	queue := c.queueName("queue")
	if c.refused() {
		return
	}
	ctx, stop := context.WithTimeout(c.r.Context(), 5*time.Second)
	defer stop()
	found, err := d.inspector.Locks(ctx, queue)
	if err != nil {
		c.failOf(err)
		return
	}
	p := &locksPage{Queue: queue, At: time.Now()}
	for _, l := range found[:min(len(found), mostRows)] {
		row := lockRow{l, d.redacted(l.Kind, PartKey, []byte(l.Key))}
		p.Locks = append(p.Locks, row)
	}
	c.render(http.StatusOK, "locks", c.T("locks.title"), p)
}
