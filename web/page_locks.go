package web

import (
	"errors"
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
	First bool
	Next  string // the cursor of the next look; "": this was the last
	At    time.Time
}

// locks lists uniqueness keys. There is no list of them: the keys of the server are gone through with
// SCAN, some for each page.
func (d *Dashboard) locks(c *call) {
	queue, cursor := c.queueName("queue"), c.long("cursor", mostCursor)
	if c.refused() {
		return
	}
	found, next, err := d.inspector.LocksSome(c.r.Context(), queue, cursor)
	switch {
	case errors.Is(err, inspect.ErrCursor):
		c.fail(http.StatusBadRequest, err)
		return
	case err != nil:
		c.failOf(err)
		return
	}
	p := &locksPage{Queue: queue, First: cursor == "", Next: next, At: time.Now()}
	for _, l := range found {
		p.Locks = append(p.Locks, lockRow{l, d.redacted(l.Kind, PartKey, []byte(l.Key))})
	}
	c.render(http.StatusOK, "locks", c.T("locks.title"), p)
}
