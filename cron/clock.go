package cron

import (
	"math"
	"sync/atomic"
	"time"
)

// clock is what the clocks of a zone show. Looking that up is most of the work of
// Next, so it keeps the period that was asked for last.
type clock struct {
	zone *time.Location
	last atomic.Pointer[period]
}

// period is the time from one change of a zone's clocks to the next.
type period struct {
	start, end int64 // instants: from start to before end
	offset     int64 // readings are so much later than instants
}

// at returns the period of an instant.
func (c *clock) at(u int64) *period {
	if p := c.last.Load(); p != nil && p.start <= u && u < p.end {
		return p
	}
	t := time.Unix(u, 0).In(c.zone)
	_, offset := t.Zone()
	p := &period{start: math.MinInt64, end: math.MaxInt64, offset: int64(offset)}
	start, end := t.ZoneBounds()
	if !start.IsZero() {
		p.start = start.Unix()
	}
	if !end.IsZero() {
		p.end = end.Unix()
	}
	if p.end <= u {
		// Beyond the changes that a zone's file lists, ZoneBounds ends every year
		// after 365 days. Nothing changes on the last day of a leap year.
		p.end = time.Date(t.UTC().Year()+1, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	}
	c.last.Store(p)
	return p
}

// first returns the first instant at which the clock shows a reading or more, and
// its period.
func (c *clock) first(reading int64) (int64, *period) {
	for u := reading - maxOffset; ; {
		p := c.at(u)
		if first := max(reading-p.offset, p.start); first < p.end {
			return first, p
		}
		u = p.end
	}
}

// shown returns the greatest reading that the clock has shown until an instant. It
// is another than that of the instant when the clock has just gone back.
func (c *clock) shown(u int64) int64 {
	greatest := int64(math.MinInt64)
	for from := u - 2*maxOffset; ; {
		p := c.at(from)
		greatest = max(greatest, min(u, p.end-1)+p.offset)
		if u < p.end {
			return greatest
		}
		from = p.end
	}
}
