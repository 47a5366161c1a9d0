package inspect_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/bridge"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/tally"
)

// add adds to the statistics as a worker does.
func (e *env) add(worker string, call int64, c *store.Counted) {
	e.t.Helper()
	if err := bridge.Store(e.client).AddStats(e.t.Context(), worker, call, time.Now(), c); err != nil {
		e.t.Fatal(err)
	}
}

// counts are those of n attempts of 10 ms whose jobs have waited 20 ms.
func counts(n int) string {
	var c tally.Counts
	for range n {
		c.Attempt(false, 10*time.Millisecond)
		c.Waited(20 * time.Millisecond)
	}
	return string(c.Append(nil))
}

// TestHistory: what several workers have added is one sum, by queue and kind, in points without
// a gap.
func TestHistory(t *testing.T) {
	e := setup(t)
	none, err := e.inspector.History(t.Context(), inspect.HistoryQuery{Kind: "a"})
	if err != nil || len(none) != 0 {
		t.Errorf("without queues: %v, %v", none, err)
	}
	e.do("SADD", "%s:queues", "mail", "idle", "list:jobs with spaces")
	for call, worker := range []string{"w1", "w2", "w1"} {
		e.add(worker, int64(call), &store.Counted{Kinds: []store.CountedKind{
			{Queue: "mail", Kind: "", Numbers: counts(3)}, {Queue: "mail", Kind: "a", Numbers: counts(2)}, {Queue: "mail", Kind: "b", Numbers: counts(1)},
			{Queue: "", Kind: "", Numbers: counts(7)}, {Queue: "list:jobs with spaces", Kind: "", Numbers: counts(4)}, {Queue: "list:jobs with spaces", Kind: "a", Numbers: counts(4)},
		}})
	}
	for _, test := range []struct {
		q    inspect.HistoryQuery
		want int64
	}{
		{inspect.HistoryQuery{}, 21},
		{inspect.HistoryQuery{Queue: "mail"}, 9},
		{inspect.HistoryQuery{Kind: "a"}, 18},
		{inspect.HistoryQuery{Kind: "a", Queue: "mail"}, 6},
		{inspect.HistoryQuery{Queue: "idle"}, 0},
		{inspect.HistoryQuery{Queue: "list:jobs with spaces", Step: time.Hour}, 12},
		{inspect.HistoryQuery{Step: 24 * time.Hour, From: time.Now().AddDate(-1, 0, 0)}, 21},
		{inspect.HistoryQuery{From: time.Now().Add(-72 * time.Hour)}, 21},
		{inspect.HistoryQuery{From: time.Now().Add(-30 * time.Hour), To: time.Now().Add(-25 * time.Hour)}, 0},
	} {
		points, err := e.inspector.History(t.Context(), test.q)
		if err != nil {
			t.Fatalf("%+v: %v", test.q, err)
		}
		bare := test.q
		bare.Timeless = true
		if timeless, err := e.inspector.History(t.Context(), bare); err != nil || len(timeless) < len(points) ||
			timeless[len(points)-1].Done != points[len(points)-1].Done || timeless[len(points)-1].Run.Count() != 0 {
			t.Errorf("%+v: %v", bare, err)
		}
		sum := inspect.Counts{}
		for i := range points {
			sum.Merge(&points[i].Counts)
			if i > 1 && points[i].At.Sub(points[i-1].At) != points[1].At.Sub(points[0].At) {
				t.Errorf("%+v: there is a gap before %v", test.q, points[i].At)
			}
		}
		if sum.Done != test.want || sum.Wait.Count() != test.want || sum.Run.Sum() != time.Duration(test.want)*10*time.Millisecond || len(points) > 200 || len(points) == 0 {
			t.Errorf("%+v: %d in %d points, want %d", test.q, sum.Done, len(points), test.want)
		}
	}
	kinds, from, err := e.inspector.Kinds(t.Context(), "", time.Now().Add(-time.Hour))
	if err != nil || len(kinds) != 3 || kinds[2].Queue != "mail" || kinds[2].Kind != "b" || kinds[2].Done != 3 || time.Since(from) < time.Hour {
		t.Errorf("kinds: %+v since %v, %v", kinds, from, err)
	}
	if kinds, _, err = e.inspector.Kinds(t.Context(), "mail", time.Now().Add(-100*24*time.Hour)); err != nil || len(kinds) != 2 {
		t.Errorf("kinds of one queue, of all days: %+v, %v", kinds, err)
	}
	for _, q := range []inspect.HistoryQuery{
		{Queue: "no queue"}, {Kind: "no kind"}, {Step: time.Second}, {From: time.Now().Add(time.Hour)}, {From: time.Now().Add(-time.Hour), To: time.Now().Add(-2 * time.Hour)},
	} {
		if _, err := e.inspector.History(t.Context(), q); err == nil || !strings.Contains(err.Error(), "allowed are") {
			t.Errorf("%+v: %v", q, err)
		}
	}
	if _, _, err := e.inspector.Kinds(t.Context(), "no queue", time.Time{}); err == nil {
		t.Error("kinds of no queue")
	}
}

// TestStatisticsBounds: what there is no room for is counted together, and of failures those
// go that were seen longest ago.
func TestStatisticsBounds(t *testing.T) {
	e := setup(t)
	call := int64(0)
	for portion := range 45 {
		c := &store.Counted{}
		for n := range 50 {
			c.Kinds = append(c.Kinds, store.CountedKind{Queue: "mail", Kind: fmt.Sprintf("k%d", 50*portion+n), Numbers: counts(1)})
			c.Failures = append(c.Failures, store.CountedFailure{Fingerprint: fmt.Sprintf("f%04d", 50*portion+n), Times: 1, Sample: `{"kind":"k","error":"no"}`})
		}
		e.add("w", call, c)
		call++
	}
	kinds, _, err := e.inspector.Kinds(t.Context(), "", time.Now().Add(-30*24*time.Hour))
	sum, others := int64(0), int64(0)
	for _, k := range kinds {
		if sum += k.Done; k.Kind == inspect.OtherKinds {
			others = k.Done
		}
	}
	if err != nil || sum != 2250 || others != 1050 || len(kinds) != 1201 {
		t.Errorf("%d kinds with %d, of which %d are others: %v", len(kinds), sum, others, err)
	}
	failures, err := e.inspector.Failures(t.Context(), inspect.FailureQuery{Limit: 5000})
	if err != nil || len(failures) != 1000 || failures[0].Fingerprint != "f2249" || failures[999].Fingerprint != "f1250" {
		t.Errorf("%d failures, %v", len(failures), err)
	}
	for _, part := range []string{"first", "times", "samples"} {
		if n := e.server.Do(t, "HLEN", e.namespace+":stats:{stats}:failures:"+part); !strings.Contains(n, "1000") {
			t.Errorf("%s has %s", part, n)
		}
	}
	if some, err := e.inspector.Failures(t.Context(), inspect.FailureQuery{}); err != nil || len(some) != 100 {
		t.Errorf("%d without a limit, %v", len(some), err)
	}
	if _, err := e.inspector.Failures(t.Context(), inspect.FailureQuery{Limit: -1}); err == nil {
		t.Error("a negative limit")
	}
	for _, q := range []inspect.FailureQuery{{Kind: "other"}, {Queue: "other"}, {Since: time.Now().Add(time.Hour)}} {
		if some, err := e.inspector.Failures(t.Context(), q); err != nil || len(some) != 0 {
			t.Errorf("%+v: %d, %v", q, len(some), err)
		}
	}
}

// TestStatisticsOfOthers: what somebody else has put there is no reason to fail, and Check says
// of a wrong type.
//
//fault:data somebody has changed what is kept as statistics | what cannot be read counts nothing; `tasuki check` tells of a wrong type, and workers go on
func TestStatisticsOfOthers(t *testing.T) {
	e := setup(t)
	e.enqueue("a")
	day := fmt.Sprintf("%s:stats:{stats}:day:%d", e.namespace, time.Now().Unix()/86400)
	e.do("HSET", day, "number default", strings.Repeat("\xff\x80", 600), "x", "y", " default", "\x00")
	e.do("ZADD", "%s:stats:{stats}:failures", "5", "f")
	e.do("HSET", "%s:stats:{stats}:failures:samples", "f", "no JSON")
	e.settle(1, func(context.Context, *tasuki.RawJob) error { return tasuki.Kill(errors.New("no")) })
	kinds, _, err := e.inspector.Kinds(t.Context(), "", time.Now().Add(-30*24*time.Hour))
	if err != nil || len(kinds) != 2 || kinds[1].Failed > 1 {
		t.Errorf("kinds: %+v, %v", kinds, err)
	}
	failures, err := e.inspector.Failures(t.Context(), inspect.FailureQuery{})
	if err != nil || len(failures) != 2 || failures[1].Fingerprint != "f" {
		t.Errorf("failures: %+v, %v", failures, err)
	}
	e.do("DEL", "%s:stats:{stats}:failures")
	e.do("SET", "%s:stats:{stats}:failures", "x")
	if _, err := e.inspector.Failures(t.Context(), inspect.FailureQuery{}); err == nil {
		t.Error("failures of a wrong type")
	}
	e.enqueue("b")
	e.settle(2, func(context.Context, *tasuki.RawJob) error { return tasuki.Kill(errors.New("no")) })
	problems, err := e.inspector.Check(t.Context())
	if err != nil || len(problems) != 1 || !strings.Contains(problems[0].What, "it is a string, not a zset") {
		t.Errorf("check: %v, %v", problems, err)
	}
}
