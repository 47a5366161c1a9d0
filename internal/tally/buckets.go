// Package tally has the numbers that are kept of one kind in one queue, and their
// bytes in Redis. It is pure: no Redis, no clock.
//
// Every process counts in the same buckets, so that the sum of what several have
// counted, or of several minutes, is what one would have counted.
package tally

import (
	"math/bits"
	"time"
)

// Buckets is how many a histogram has. The first is for everything below 64 µs and the
// last for 2⁴⁰ µs (12.7 days) and more. Between them each doubling has four of equal
// width, as HdrHistogram has them: the highest bits of the number are its bucket.
const Buckets = 1 + 4*(lastBits-firstBits) + 1

const (
	firstBits = 6  // 2⁶ µs
	lastBits  = 40 // 2⁴⁰ µs
)

// Bucket is the one that a duration is counted in; a negative one in the first.
func Bucket(d time.Duration) int {
	us := uint64(max(d, 0)) / 1000
	n := bits.Len64(us) // 2^(n-1) ≤ us < 2^n
	switch {
	case n <= firstBits:
		return 0
	case n > lastBits:
		return Buckets - 1
	}
	return 1 + 4*(n-1-firstBits) + int(us>>(n-3)&3)
}

// Bounds are the durations that a bucket counts: from low up to, and without, high. The
// last has no end: its high is its low.
func Bounds(bucket int) (low, high time.Duration) {
	switch {
	case bucket <= 0:
		return 0, 1 << firstBits * time.Microsecond
	case bucket >= Buckets-1:
		return 1 << lastBits * time.Microsecond, 1 << lastBits * time.Microsecond
	}
	octave, part := (bucket-1)/4+firstBits, (bucket-1)%4
	quarter := time.Microsecond << (octave - 2)
	low = quarter * time.Duration(4+part)
	return low, low + quarter
}

// Middle is a duration that stands for those of a bucket. Of all numbers it has the
// smallest relative error at the worst, (high-low)/(high+low): a ninth.
func Middle(bucket int) time.Duration {
	low, high := Bounds(bucket)
	if low == 0 {
		return high / 2 // all that is known is that it was short
	}
	return time.Duration(2 * float64(low) * float64(high) / float64(low+high))
}
