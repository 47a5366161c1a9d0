package inspect

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/tasuki-dev/tasuki/internal/tally"
)

// Histogram is how long something took, many times, in buckets that are the same everywhere:
// each is at most a quarter wider than its lower bound. So histograms can be added, and a
// Quantile is wrong by a ninth at most (11.2 %), but for what is shorter than 64 µs, which is
// one bucket, and what lasts longer than 12.7 days, which is another. The zero value is empty.
type Histogram struct{ tally tally.Histogram }

// Bucket is one of a Histogram.
type Bucket struct {
	Low   time.Duration `json:"low_ns"`
	High  time.Duration `json:"high_ns"` // what is counted is shorter; as Low, of the last one: it has no end
	Count int64         `json:"count"`
}

// Count is how many were counted.
func (h *Histogram) Count() int64 {
	n := int64(0)
	for _, c := range h.tally.Counts {
		n += c
	}
	return n
}

// Sum is how long all of them took together; it is exact to a microsecond for each look that
// counted them.
func (h *Histogram) Sum() time.Duration { return h.tally.Sum }

// Mean is their mean; 0 of none.
func (h *Histogram) Mean() time.Duration {
	if n := h.Count(); n > 0 {
		return h.tally.Sum / time.Duration(n)
	}
	return 0
}

// Quantile is the duration that a share q of them does not exceed: 0.5 for the median, 0.99
// for the slowest hundredth. What is below 0 counts as 0, and above 1 as 1. It is 0 of none.
func (h *Histogram) Quantile(q float64) time.Duration {
	n := h.Count()
	if n == 0 {
		return 0
	}
	rank := int64(min(max(q, 0), 1)*float64(n-1) + 0.5) // of those in order, from 0 on: the nearest
	for i, c := range h.tally.Counts {
		if rank -= c; rank < 0 {
			return tally.Middle(h.tally.First + i)
		}
	}
	return tally.Middle(h.tally.First + len(h.tally.Counts) - 1) // of a huge number float64 has not all
}

// Merge adds what o has counted.
func (h *Histogram) Merge(o *Histogram) {
	h.tally.Counts = slices.Clone(h.tally.Counts) // a copy of h shares them
	for i, c := range o.tally.Counts {
		h.tally.Add(o.tally.First+i, c)
	}
	h.tally.Sum = tally.AddTimes(h.tally.Sum, o.tally.Sum)
}

// Buckets are those in which something was counted, the shortest first.
func (h *Histogram) Buckets() []Bucket {
	var buckets []Bucket
	for i, c := range h.tally.Counts {
		if c > 0 {
			low, high := tally.Bounds(h.tally.First + i)
			buckets = append(buckets, Bucket{low, high, c})
		}
	}
	return buckets
}

// histogramJSON is a Histogram as JSON has it. The first members follow from the others.
type histogramJSON struct {
	Count   int64         `json:"count"`
	Mean    time.Duration `json:"mean_ns"`
	P50     time.Duration `json:"p50_ns"`
	P95     time.Duration `json:"p95_ns"`
	P99     time.Duration `json:"p99_ns"`
	Sum     time.Duration `json:"sum_ns"`
	Buckets []Bucket      `json:"buckets"`
}

// MarshalJSON implements json.Marshaler: count, mean_ns, p50_ns, p95_ns, p99_ns, sum_ns and the
// buckets that are not empty.
func (h Histogram) MarshalJSON() ([]byte, error) {
	buckets := h.Buckets()
	if buckets == nil {
		buckets = []Bucket{}
	}
	return json.Marshal(histogramJSON{h.Count(), h.Mean(), h.Quantile(0.5), h.Quantile(0.95), h.Quantile(0.99), h.Sum(), buckets})
}

// UnmarshalJSON implements json.Unmarshaler. It reads sum and buckets, and an error says that a
// bucket is none.
func (h *Histogram) UnmarshalJSON(text []byte) error {
	var from histogramJSON
	if err := json.Unmarshal(text, &from); err != nil {
		return err
	}
	var read Histogram
	for _, b := range from.Buckets {
		bucket := tally.Bucket(b.Low)
		if low, high := tally.Bounds(bucket); low != b.Low || high != b.High || b.Count < 0 {
			return fmt.Errorf("histogram: the bucket from %v to %v with %d: allowed are buckets as Histogram has them, and counts of 0 and more", b.Low, b.High, b.Count)
		}
		read.tally.Add(bucket, b.Count)
	}
	read.tally.Sum = max(from.Sum, 0)
	*h = read
	return nil
}
