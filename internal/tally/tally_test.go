package tally

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestBuckets: every duration is within the bounds of its bucket, the buckets lie one behind
// the other, and Middle is wrong by a ninth at most.
func TestBuckets(t *testing.T) {
	t.Parallel()
	_, last := Bounds(0)
	for i := 1; i < Buckets; i++ {
		low, high := Bounds(i)
		if low != last || high < low || high == low && i < Buckets-1 {
			t.Fatalf("bucket %d is from %v to %v; the one before ends at %v", i, low, high, last)
		}
		if Bucket(low) != i || Bucket(low-1) != i-1 {
			t.Fatalf("%v is in bucket %d and what is shorter in %d, want %d", low, Bucket(low), Bucket(low-1), i)
		}
		if wrong := max(float64(Middle(i))/float64(low), float64(high)/float64(Middle(i))) - 1; wrong > 0.126 {
			t.Errorf("the middle of %v to %v is %v", low, high, Middle(i))
		}
		for _, d := range []time.Duration{low, high - 1} {
			if off := float64(Middle(i)-d) / float64(d); i < Buckets-1 && (off > 0.1112 || off < -0.1112) {
				t.Errorf("%v stands for %v", Middle(i), d)
			}
		}
		last = high
	}
	for d, want := range map[time.Duration]int{-time.Second: 0, 0: 0, time.Microsecond: 0, 1 << 40 * time.Microsecond: Buckets - 1, 1<<63 - 1: Buckets - 1} {
		if got := Bucket(d); got != want {
			t.Errorf("%v is in bucket %d, want %d", d, got, want)
		}
	}
}

// TestSums: the sum of the bytes of several Counts is what one would have that has counted
// all.
func TestSums(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var one Counts
		var sums, want Sums
		parts := make([]Counts, 3)
		for range rapid.IntRange(0, 40).Draw(t, "attempts") {
			c := &parts[rapid.IntRange(0, 2).Draw(t, "process")]
			ran := time.Duration(rapid.Int64Range(-10, 1<<50).Draw(t, "ran")) * time.Microsecond
			failed := rapid.Bool().Draw(t, "failed")
			for _, c := range []*Counts{c, &one} {
				c.Attempt(failed, ran)
				c.Waited(ran / 3)
				c.Crashed++
			}
		}
		var added Counts
		for i := range parts {
			if err := sums.Add(string(parts[i].Append(nil))); err != nil {
				t.Fatal(err)
			}
			added.Add(&parts[i])
		}
		if added != one {
			t.Errorf("%+v, want %+v", added, one)
		}
		if err := want.Add(string(one.Append(nil))); err != nil {
			t.Fatal(err)
		}
		if sums.Done() != want.Done() || sums.Failed() != want.Failed() || sums.Crashed() != want.Crashed() {
			t.Errorf("%+v, want %+v", sums, want)
		}
		for _, h := range [][2]Histogram{{sums.Run(), want.Run()}, {sums.Wait(), want.Wait()}} {
			// Sums of times are of whole µs in each part.
			if less := h[1].Sum - h[0].Sum; less < 0 || less >= time.Duration(len(parts))*time.Microsecond {
				t.Errorf("%v, want %v", h[0].Sum, h[1].Sum)
			}
			h[0].Sum = h[1].Sum
			if diff := cmp.Diff(h[1], h[0]); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
	})
}

// FuzzAdd: whatever lies in Redis, reading it ends, and numbers stay what can be counted.
func FuzzAdd(f *testing.F) {
	var c Counts
	c.Attempt(true, time.Second)
	c.Waited(time.Hour)
	for _, text := range []string{"", "\x80", "\x81\x10\x01", "\x81\x10", "\x81\x10\xcf\x00\xff\xff\xff\xff\xff\xff\xff", "\xde\x00\x01\x15\xcd\x01\x00", string(c.Append(nil))} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s Sums
		if err := s.Add(text); err != nil && s != (Sums{}) {
			t.Errorf("with an error there is %+v", s)
		}
		for _, h := range []Histogram{s.Run(), s.Wait()} {
			if h.First < 0 || h.First+len(h.Counts) > Buckets || h.Sum < 0 {
				t.Errorf("%+v", h)
			}
			for _, n := range h.Counts {
				if n < 0 {
					t.Errorf("%+v", h)
				}
			}
		}
	})
}

// BenchmarkAdd reads what a kind has in an hour.
func BenchmarkAdd(b *testing.B) {
	var c Counts
	for n := range 1200 {
		c.Attempt(n%50 == 0, time.Duration(n*n)*time.Microsecond)
		c.Waited(time.Duration(n*n/3) * time.Microsecond)
	}
	text := string(c.Append(nil))
	var s Sums
	for b.Loop() {
		if err := s.Add(text); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(text)))
}
