package inspect_test

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/tally"
)

// histogramOf is one of some durations, read from JSON as it has no other door.
func histogramOf(t interface{ Fatal(...any) }, durations ...time.Duration) inspect.Histogram {
	buckets := []inspect.Bucket{}
	sum := time.Duration(0)
	for _, d := range durations {
		low, high := tally.Bounds(tally.Bucket(d))
		buckets = append(buckets, inspect.Bucket{Low: low, High: high, Count: 1})
		sum += d
	}
	text, err := json.Marshal(map[string]any{"buckets": buckets, "sum_ns": sum})
	var h inspect.Histogram
	if err == nil {
		err = json.Unmarshal(text, &h)
	}
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestQuantile: a quantile is that of the durations themselves, to within a ninth, and what
// was counted apart and merged is what was counted together.
func TestQuantile(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.Int64Range(64, 1<<40-1).Draw(t, "µs")) * time.Microsecond
		}), 1, 60).Draw(t, "durations")
		whole := histogramOf(t, all...)
		cut := rapid.IntRange(0, len(all)).Draw(t, "cut")
		merged, rest := histogramOf(t, all[:cut]...), histogramOf(t, all[cut:]...)
		merged.Merge(&rest)
		slices.Sort(all)
		for _, q := range []float64{-1, 0, 0.25, 0.5, 0.9, 0.95, 0.99, 1, 2} {
			exact := all[int(min(max(q, 0), 1)*float64(len(all)-1)+0.5)]
			got := whole.Quantile(q)
			if off := math.Abs(float64(got-exact)) / float64(exact); off > 1.0/9+1e-6 {
				t.Errorf("the quantile %v of %v is %v, not %v: wrong by %v", q, all, got, exact, off)
			}
			if m := merged.Quantile(q); m != got {
				t.Errorf("merged it is %v, not %v", m, got)
			}
		}
		if again := merged; len(all) > 0 {
			again.Merge(&whole)
			if again.Count() != 2*merged.Count() {
				t.Errorf("a copy that is merged has %d, and what it was copied from %d", again.Count(), merged.Count())
			}
		}
		if merged.Count() != int64(len(all)) || merged.Sum() != whole.Sum() || !cmp.Equal(merged.Buckets(), whole.Buckets()) {
			t.Errorf("merged there are %d of %v, want %d of %v", merged.Count(), merged.Sum(), len(all), whole.Sum())
		}
		text, err := json.Marshal(merged)
		var again inspect.Histogram
		if err == nil {
			err = json.Unmarshal(text, &again)
		}
		if err != nil || !cmp.Equal(again.Buckets(), merged.Buckets()) || again.Sum() != merged.Sum() {
			t.Errorf("%s comes back as %v, %v", text, again.Buckets(), err)
		}
	})
}

func TestHistogramEmpty(t *testing.T) {
	t.Parallel()
	var h inspect.Histogram
	text, err := json.Marshal(h)
	if h.Count() != 0 || h.Quantile(0.5) != 0 || h.Mean() != 0 || len(h.Buckets()) != 0 || err != nil || !strings.Contains(string(text), `"buckets":[]`) {
		t.Errorf("an empty one is %s, %v", text, err)
	}
	short := histogramOf(t, time.Microsecond, 1<<50*time.Microsecond)
	if got := short.Quantile(0); got <= 0 || got > 64*time.Microsecond {
		t.Errorf("of what is shorter than 64 µs it is %v", got)
	}
	if got := short.Quantile(1); got != 1<<40*time.Microsecond {
		t.Errorf("of what is longer than 12.7 days it is %v", got)
	}
	if short.Mean() != short.Sum()/2 {
		t.Errorf("the mean is %v", short.Mean())
	}
	for _, text := range []string{`{"buckets":[{"low_ns":1,"high_ns":2,"count":1}]}`, `{"buckets":[{"low_ns":0,"high_ns":64000,"count":-1}]}`, `[]`} {
		if err := json.Unmarshal([]byte(text), &h); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}
