package store

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/internal/tally"
)

// TestSpans: what was added is in the spans of its time, and two spans are two keys.
func TestSpans(t *testing.T) {
	t.Parallel()
	b := newBox(t, redistest.Shared(t).URL(), "mail")
	var c tally.Counts
	c.Attempt(false, time.Second)
	for call := range int64(2) {
		if err := b.s.AddStats(t.Context(), me, call, time.Unix(0, 0), &Counted{Kinds: []CountedKind{{"list:a b", "k", string(c.Append(nil))}}}); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	for _, span := range []Span{Minutes, Hours, Days} {
		for _, fields := range [][]string{nil, {CountField("list:a b", "k"), CountField("mail", "k")}} {
			spans, err := b.s.Spans(t.Context(), span, []time.Time{now.Add(-2 * span.Long), now.Add(-span.Long), now}, fields)
			if err != nil || len(spans) != 3 {
				t.Fatalf("%d spans, %v", len(spans), err)
			}
			if len(spans[0]) != 0 {
				t.Errorf("before there is %v", spans[0])
			}
			var sum tally.Sums
			for _, values := range spans {
				for field, text := range values {
					if queue, kind := ParseCountField(field); queue != "list:a b" || kind != "k" || sum.Add(text) != nil {
						t.Errorf("%q: %q", field, text)
					}
				}
			}
			if run := sum.Run(); sum.Done() != 2 || run.Sum != 2*time.Second {
				t.Errorf("%+v", sum)
			}
		}
	}
	keys, err := b.s.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	keys = slices.DeleteFunc(keys, func(key string) bool { _, ok := b.s.IsStats(key); return !ok })
	for _, key := range keys {
		if kind, _ := b.s.IsStats(key); kind != "hash" && kind != "string" {
			t.Errorf("%s is a %s", key, kind)
		}
		if ttl, _ := b.do("PTTL", key).AsInt64(); ttl <= 0 {
			t.Errorf("%s stays for ever", key)
		}
	}
	if len(keys) < 4 {
		t.Errorf("the keys are %v", keys)
	}
	for key := range maps.Keys(b.s.NamespaceKeys()) {
		if _, ok := b.s.IsStats(key); ok {
			t.Errorf("%s is taken for statistics", key)
		}
	}
}

// TestFailuresAreBounded: of ever new failures only those that were seen last are kept, in their
// hour too.
func TestFailuresAreBounded(t *testing.T) {
	t.Parallel()
	b := newBox(t, redistest.Shared(t).URL(), "mail")
	const portion = 300
	for call := range int64(5) {
		c := &Counted{Kinds: []CountedKind{{"mail", "k", string((&tally.Counts{Failed: portion}).Append(nil))}}}
		for n := range portion {
			c.Failures = append(c.Failures, CountedFailure{fmt.Sprintf("%d-%d", call, n), 1, "{}"})
		}
		if err := b.s.AddStats(t.Context(), me, call, time.Now(), c); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := b.s.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	hashes := 0
	for _, key := range keys {
		if kind, _ := b.s.IsStats(key); kind != "hash" || !strings.Contains(key, ":failures:") {
			continue
		}
		hashes++
		if n, err := b.do("HLEN", key).AsInt64(); err != nil || n > maxFailures {
			t.Errorf("%s has %d fields, %v: allowed are %d", key, n, err, maxFailures)
		}
	}
	if hashes < 4 {
		t.Errorf("%d hashes of failures in %q", hashes, keys)
	}
	if all, err := b.s.Failures(t.Context(), 2); err != nil || len(all) != maxFailures {
		t.Errorf("%d failures, %v", len(all), err)
	}
}

// BenchmarkAddStats is one addition of 20 kinds to what is there: of a few attempts each, or of
// so many that half of all buckets have some.
func BenchmarkAddStats(b *testing.B) {
	for name, attempts := range map[string]int{"10 attempts": 10, "1000 attempts": 1000} {
		b.Run(name, func(b *testing.B) {
			box := newBox(b, redistest.Start(b).URL(), "mail")
			draw := rand.New(rand.NewPCG(1, 2))
			counted := make([]*Counted, 16)
			for i := range counted {
				counted[i] = &Counted{}
				for n := range 20 {
					var c tally.Counts
					for range attempts {
						c.Attempt(false, time.Duration(20e6*math.Exp(draw.NormFloat64())))
						c.Waited(time.Duration(5e6 * math.Exp(draw.NormFloat64())))
					}
					counted[i].Kinds = append(counted[i].Kinds, CountedKind{"mail", fmt.Sprint("kind", n), string(c.Append(nil))})
				}
			}
			call := int64(0)
			for b.Loop() {
				if err := box.s.AddStats(b.Context(), me, call, time.Now(), counted[call%16]); err != nil {
					b.Fatal(err)
				}
				call++
			}
		})
	}
}
