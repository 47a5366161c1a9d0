package inspect_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/store"
)

// TestPast: whatever was asked before, and is remembered of it, figures are the sums of what lies
// in Redis.
func TestPast(t *testing.T) {
	e := setup(t)
	e.do("SADD", "%s:queues", "mail", "other")
	fields := []string{store.CountField("mail", ""), store.CountField("mail", "a"), store.CountField("mail", "b"), store.CountField("other", ""), store.CountField("other", "a")}
	now := time.Now()
	done := map[string]map[int64]int{} // by field and minute
	add := func(part, field string, long time.Duration, n map[int64]int) {
		for at, n := range n {
			e.do("HSET", fmt.Sprintf("%%s:stats:{stats}:%s:%d", part, at*60_000/long.Milliseconds()), field, counts(n))
		}
	}
	all := store.CountField(store.AllQueues, store.AllKinds)
	done[all] = map[int64]int{}
	for _, field := range append(fields, all) {
		minutes, hours, days := map[int64]int{}, map[int64]int{}, map[int64]int{}
		for ago := range int64(230) {
			at := now.Unix()/60 - ago
			n := rand.IntN(4)
			if field == all {
				n = done[all][at]
			} else if _, kind := store.ParseCountField(field); kind == store.AllKinds {
				done[all][at] += n
			}
			minutes[at] = n
			hours[at/60*60] += n
			days[at/1440*1440] += n
		}
		done[field] = minutes
		add("minute", field, time.Minute, minutes)
		add("hour", field, time.Hour, hours)
		add("day", field, 24*time.Hour, days)
	}
	sum := func(field string, since time.Time) (n int64) {
		for at, more := range done[field] {
			if at >= since.Unix()/60 {
				n += int64(more)
			}
		}
		return n
	}
	ask := func() {
		t.Helper()
		queue := []string{"", "mail", "other"}[rand.IntN(3)]
		since := now.Add(-time.Duration(rand.IntN(225)) * time.Minute)
		if rand.IntN(3) == 0 {
			since = now.Add(-time.Duration(10+rand.IntN(2000)) * time.Hour)
		}
		if rand.IntN(2) == 0 {
			kinds, from, err := e.inspector.Kinds(t.Context(), queue, since)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]int64{}
			for _, k := range kinds {
				got[store.CountField(k.Queue, k.Kind)] = k.Done
				if k.Run.Count() != k.Done || k.Wait.Count() != k.Done {
					t.Errorf("%d done, %d runs, %d waits", k.Done, k.Run.Count(), k.Wait.Count())
				}
			}
			for _, field := range fields {
				of, kind := store.ParseCountField(field)
				if want := sum(field, from); kind != "" && (queue == "" || of == queue) && got[field] != want {
					t.Errorf("kinds of %q since %v: %q: %d, want %d", queue, since, field, got[field], want)
				}
			}
			return
		}
		kind := []string{"", "a", "b"}[rand.IntN(3)]
		points, err := e.inspector.History(t.Context(), inspect.HistoryQuery{Queue: queue, Kind: kind, From: since})
		if err != nil || len(points) == 0 {
			t.Fatal(err)
		}
		got, want := int64(0), int64(0)
		for n := range points {
			got += points[n].Done
		}
		for _, of := range []string{"mail", "other"} {
			if queue == "" || queue == of {
				want += sum(store.CountField(of, kind), points[0].At)
			}
		}
		if got != want {
			t.Errorf("history of %q %q since %v: %d, want %d", queue, kind, since, got, want)
		}
	}
	for range 60 {
		ask()
	}
	e.add("w", 1, &store.Counted{Kinds: []store.CountedKind{{Queue: "mail", Kind: "a", Numbers: counts(5)}}})
	done[fields[1]][now.Unix()/60] += 5 // at that time, or later: nothing is asked of what is later than now
	for range 60 {
		ask()
	}
}
