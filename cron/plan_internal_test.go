package cron

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/internal/store"
)

// naive is plan by looking at every tick.
func naive(e *Entry, s *Schedule, tick, now time.Time) (runs []time.Time, missed, next time.Time) {
	edge := now.Add(-late - e.Jitter)
	var old, recent []time.Time
	next = tick
	for ; !next.IsZero() && !e.moment(next).After(now); next = e.after(s, next) {
		if next.Before(edge) {
			old = append(old, next)
		} else {
			recent = append(recent, next)
		}
	}
	keep := 0
	switch e.Missed {
	case MissedAll:
		keep = e.MissedMost
	case MissedLast, "":
		if len(recent) == 0 {
			keep = 1
		}
	}
	kept := old[max(len(old)-keep, 0):]
	if len(kept) < len(old) {
		missed = old[0]
	}
	return append(slices.Clone(kept), recent...), missed, next
}

// TestPlan compares plan with a plain search, for outages of seconds to months.
func TestPlan(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for range 3000 {
		e := &Entry{Name: "e", Missed: []Missed{"", MissedNone, MissedLast, MissedAll}[rng.IntN(4)]}
		if e.Missed == MissedAll {
			e.MissedMost = 1 + rng.IntN(50)
		}
		e.Expr = []string{"@every 1s", "@every 7s", "@every 10m", "30 2 * * *"}[rng.IntN(4)]
		s, err := Parse(e.Expr, "", e.Name)
		if err != nil {
			t.Fatal(err)
		}
		if e.Expr == "@every 10m" || e.Expr == "30 2 * * *" {
			e.Jitter = time.Duration(rng.IntN(600)) * time.Second
		}
		if rng.IntN(4) == 0 {
			e.End = begin.Add(time.Duration(rng.IntN(72)) * time.Hour)
		}
		tick := e.after(s, begin)
		if tick.IsZero() {
			continue
		}
		down := time.Duration(rng.Int64N(int64([]time.Duration{5 * time.Second, 2 * time.Minute, 5 * time.Hour}[rng.IntN(3)])))
		now := e.moment(tick).Add(down)
		runs, missed, next := e.plan(s, tick, now)
		wantRuns, wantMissed, wantNext := naive(e, s, tick, now)
		if !slices.EqualFunc(runs, wantRuns, time.Time.Equal) || !missed.Equal(wantMissed) || !next.Equal(wantNext) {
			t.Fatalf("%+v from %v at %v:\n%v missed %v next %v; want\n%v missed %v next %v", e, tick, now, runs, missed, next, wantRuns, wantMissed, wantNext)
		}
	}
}

// TestPlanAfterYears: what was missed in years is not counted one by one.
func TestPlanAfterYears(t *testing.T) {
	t.Parallel()
	e := &Entry{Name: "e", Expr: "@every 1s", Missed: MissedAll, MissedMost: 1000}
	s, err := Parse(e.Expr, "", e.Name)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2056, 1, 1, 0, 0, 0, 0, time.UTC)
	begun := time.Now()
	runs, missed, next := e.plan(s, now.AddDate(-30, 0, 0), now)
	if took := time.Since(begun); took > 100*time.Millisecond {
		t.Errorf("it took %v", took)
	}
	if len(runs) != 1000+61 || missed.Year() != 2026 || !next.Equal(now.Add(time.Second)) || !runs[len(runs)-1].Equal(now) {
		t.Errorf("%d runs, missed from %v, next %v", len(runs), missed, next)
	}
}

// TestJitter: it spreads ticks over the time that is allowed, the same for all who ask.
func TestJitter(t *testing.T) {
	t.Parallel()
	e := &Entry{Name: "e", Jitter: time.Minute}
	f := *e
	var sum time.Duration
	const n = 10_000
	for i := range n {
		tick := time.UnixMilli(int64(i) * 3600_000)
		off := e.moment(tick).Sub(tick)
		if off < 0 || off >= e.Jitter || off != f.moment(tick).Sub(tick) {
			t.Fatalf("%v", off)
		}
		sum += off
	}
	if mean := sum / n; mean < 29*time.Second || mean > 31*time.Second {
		t.Errorf("put off by %v on average", mean)
	}
}

// TestAllowedOnEveryDay: what is allowed of an entry does not depend on the date. The ticks of this
// one are closer together on the day on which clocks go forward.
func TestAllowedOnEveryDay(t *testing.T) {
	t.Parallel()
	e := &Entry{Name: "e", Expr: "30 1,3 * * *", Zone: "Europe/Berlin", Kind: "k", Jitter: 90 * time.Minute}
	for month := time.January; month <= time.December; month++ {
		if _, err := e.check(time.Date(2027, month, 1, 0, 0, 0, 0, time.UTC)); err != nil {
			t.Errorf("in %v: %v", month, err)
		}
	}
}

// FuzzRead: what is kept of an entry may be anything.
func FuzzRead(f *testing.F) {
	f.Add(`{"expr":"@every 1s","kind":"k"}`, `{"next":1}`)
	f.Add(`{"jitter":5}`, `{"next":5}`)
	f.Add(`{"jitter":-5,"opts":{"unique":{"mode":"x"}}}`, `{"next":-1,"runs":[{"t":9223372036854775807}]}`)
	f.Fuzz(func(t *testing.T, entry, state string) {
		k := read("e", &store.CronEntry{Version: 1, Entry: entry, State: state})
		if k.broken != nil {
			if !strings.Contains(k.status(nil).Warnings[0], "cannot be read") {
				t.Error(k.status(nil).Warnings)
			}
			return
		}
		k.status(nil)
		k.write()
		spec := k.spec(at(k.Next), time.Time{}, false)
		if spec.Kind != k.Kind {
			t.Error(spec)
		}
	})
}
