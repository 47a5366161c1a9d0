package web

import (
	"context"
	"time"

	"github.com/tasuki-dev/tasuki/inspect"
)

// sample is one look at all queues and the server, with what has changed since the one before.
type sample struct {
	*inspect.Stats
	Warning error // why some of it is missing
	Rates   map[string]inspect.Rate
	Total   inspect.Rate // of all queues
	Rated   bool         // there was one before
	Past    []point      // the oldest first, this one included
}

// point is what a line over the last minutes is drawn of.
type point struct {
	At           time.Time
	Done, Failed float64 // per second
	Ready        int64
}

// mostPast is how many points are kept: four minutes of looks every two seconds.
const mostPast = 120

// leastApart is how far samples are apart that rates are made of.
const leastApart = 900 * time.Millisecond

// sampler makes samples. Only the read of one look uses it.
type sampler struct {
	inspector *inspect.Inspector
	last      *sample
}

func (s *sampler) read(ctx context.Context) (*sample, error) {
	stats, err := s.inspector.Stats(ctx)
	if stats == nil {
		return nil, err
	}
	now := &sample{Stats: stats, Warning: err}
	p := point{At: stats.At}
	for _, q := range stats.Queues {
		p.Ready += q.Ready
	}
	// Over a moment rates say nothing, and over a long pause they are those of a time that is
	// over.
	if last := s.last; last != nil && stats.At.Sub(last.At) < leastApart {
		now.Rated, now.Rates, now.Total, now.Past = last.Rated, last.Rates, last.Total, last.Past
		return now, nil
	}
	if last := s.last; last != nil && stats.At.Sub(last.At) < time.Minute {
		now.Rated, now.Rates = true, stats.Rates(last.Stats)
		for _, r := range now.Rates {
			now.Total.Done += r.Done
			now.Total.Failed += r.Failed
		}
		p.Done, p.Failed = now.Total.Done, now.Total.Failed
		now.Past = append(last.Past[max(0, len(last.Past)-mostPast+1):len(last.Past):len(last.Past)], p)
	}
	s.last = now
	return now, nil
}
