package cron_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/cron"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestRuns: an entry that is made while a scheduler sleeps wakes it; its jobs say what they are
// for; the history says what became of them.
func TestRuns(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.schedule()
		ticks := make(chan string, 100)
		e.work(func(_ context.Context, job *tasuki.Job[json.RawMessage]) error {
			ticks <- job.Meta[cron.MetaTick] + " " + job.Meta[cron.MetaEntry] + " " + string(job.Args) + job.Meta["mine"]
			return nil
		})
		begun := time.Now()
		e.set(cron.Entry{Name: "quick", Expr: "@every 1s", Kind: "report", Args: json.RawMessage(`{"a":1}`), Opts: tasuki.Opts{Meta: map[string]string{"mine": "!"}}})
		for i := range 2 {
			text := <-ticks
			stamp, rest, _ := strings.Cut(text, " ")
			tick, err := time.Parse(time.RFC3339Nano, stamp)
			if late := time.Since(tick); err != nil || rest != `quick {"a":1}!` || late < 0 || late > time.Second {
				t.Errorf("run %d says %q, %v late, %v", i, text, late, err)
			}
		}
		if took := time.Since(begun); took > 4*time.Second {
			t.Errorf("two runs took %v", took)
		}
		runs := e.await("quick", "two that are done", func(runs []cron.Run) bool {
			return len(runs) >= 2 && runs[0].Outcome == "done" && runs[1].Outcome == "done"
		})
		if runs[1].Tick.Sub(runs[0].Tick) != time.Second || runs[0].Address != fmt.Sprintf("default/cron:quick:%d", runs[0].Tick.UnixMilli()) {
			t.Errorf("the history is %+v", runs)
		}
		// It was noted, not only read.
		text, _ := e.do("HGET", e.key("entry:quick"), "state").ToString()
		if !strings.Contains(text, `"o":"done"`) {
			t.Errorf("kept is %s", text)
		}
	})
}

// TestManySchedulers: any number of them make each tick one job.
func TestManySchedulers(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		for range 4 {
			e.schedule()
		}
		for i := range 5 {
			e.set(often(fmt.Sprint("e", i)))
		}
		redistest.WaitFor(t, "15 jobs", func() error {
			if n := len(e.jobs("default")); n < 15 {
				return fmt.Errorf("%d jobs", n)
			}
			return nil
		})
		seen := map[string]bool{}
		for _, job := range e.jobs("default") {
			id, _, _ := strings.Cut(job, ",")
			if seen[id] {
				t.Errorf("%s is there twice", id)
			}
			seen[id] = true
		}
	})
}

// TestOverlap: what becomes of a tick whose predecessor is still there.
func TestOverlap(t *testing.T) {
	for overlap, want := range map[cron.Overlap][]cron.Outcome{ // of the runs after the first, in order
		"":                  {"skipped", "skipped", "skipped"},
		cron.OverlapQueue:   {"parked", "skipped", "skipped"},
		cron.OverlapReplace: {"parked", "replaced", "replaced"},
		cron.OverlapAllow:   {"running", "running", "running"},
	} {
		t.Run(string(overlap), func(t *testing.T) {
			onBoth(t, func(t *testing.T, e *env) {
				begun, end := make(chan string, 100), make(chan struct{})
				e.work(func(ctx context.Context, job *tasuki.Job[json.RawMessage]) error {
					begun <- job.Meta[cron.MetaTick]
					<-end
					return nil
				})
				defer close(end)
				// Each run is asked for when the one before is where it stays.
				stop := e.schedule()
				entry := daily("slow")
				entry.Overlap = overlap
				e.set(entry)
				e.runNow("slow", 1)
				<-begun
				for i := range want {
					e.runNow("slow", i+2)
				}
				stop()
				runs := e.await("slow", "the outcomes", func(runs []cron.Run) bool {
					var got []cron.Outcome
					for _, r := range runs[1:] {
						got = append(got, r.Outcome)
					}
					return slices.Equal(got, want)
				})
				in := runs[0].Address // in the way
				if overlap == cron.OverlapReplace || overlap == cron.OverlapQueue {
					in = runs[1].Address
				}
				for _, r := range runs[1:] {
					if (r.Outcome == "skipped" || r.Outcome == "replaced") && r.Address != in {
						t.Errorf("%s by %s, not by %s", r.Outcome, r.Address, in)
					}
				}
				if overlap == cron.OverlapReplace {
					job, err := e.client.Get(e.ctx, runs[1].Address)
					if err != nil || job.Meta[cron.MetaTick] != runs[3].Tick.Format(time.RFC3339Nano) {
						t.Errorf("the job that waits is for %v, %v: want the last, %v", job.Meta, err, runs[3].Tick)
					}
				}
			})
		})
	}
}

// TestFailedRun: a run that has failed does not hold up the next.
//
//fault:process the job of a tick has failed, and waits for its retry when the next tick comes | the next runs; with the overlap skip the failed one is cancelled, with others it is retried too
func TestFailedRun(t *testing.T) {
	for overlap, before := range map[cron.Overlap]cron.Outcome{"": "cancelled", cron.OverlapQueue: "retry", cron.OverlapReplace: "retry", cron.OverlapAllow: "retry"} {
		t.Run(string(overlap), func(t *testing.T) {
			onBoth(t, func(t *testing.T, e *env) {
				e.work(func(context.Context, *tasuki.Job[json.RawMessage]) error {
					return tasuki.RetryIn(time.Hour, errors.New("no"))
				})
				stop := e.schedule()
				entry := daily("fails")
				entry.Overlap = overlap
				e.set(entry)
				for n := range 3 {
					e.runNow("fails", n+1)
					want := append(slices.Repeat([]cron.Outcome{before}, n), "retry")
					e.await("fails", "the outcomes", func(runs []cron.Run) bool {
						var got []cron.Outcome
						for _, r := range runs {
							got = append(got, r.Outcome)
						}
						return slices.Equal(got, want)
					})
				}
				stop()
			})
		})
	}
}

// TestFailedOfOthers: a job that a program has enqueued with the key of an entry is not the
// entry's to cancel.
func TestFailedOfOthers(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.work(func(context.Context, *tasuki.Job[json.RawMessage]) error {
			return tasuki.RetryIn(time.Hour, errors.New("no"))
		})
		own := kind.With(tasuki.Opts{Record: true, Unique: tasuki.Unique{Mode: tasuki.UniqueUntilDone, Key: "cron fails"}})
		info, err := own.Enqueue(e.ctx, e.client, json.RawMessage("1"))
		if err != nil {
			t.Fatal(err)
		}
		inRetry := func() error {
			if r, err := e.client.Get(e.ctx, info.Address()); err != nil || r.State != tasuki.StateRetry {
				return fmt.Errorf("%+v, %v", r, err)
			}
			return nil
		}
		redistest.WaitFor(t, "the retry", inRetry)
		stop := e.schedule()
		e.set(daily("fails"))
		e.runNow("fails", 1)
		e.await("fails", "the run to be skipped", func(runs []cron.Run) bool { return len(runs) == 1 && runs[0].Outcome == cron.OutcomeSkipped })
		if err := inRetry(); err != nil {
			t.Error(err)
		}
		stop()
	})
}

// runNow asks for a run, and waits until the history has n.
func (e *env) runNow(name string, n int) {
	e.t.Helper()
	address, err := e.table.RunNow(e.ctx, name)
	if err != nil || !strings.HasPrefix(address, "default/cron:"+name+":now:") {
		e.t.Fatalf("%q, %v", address, err)
	}
	e.await(name, "a run that was asked for", func(runs []cron.Run) bool { return len(runs) >= n && runs[len(runs)-1].Asked })
}

// TestMissed: what becomes of ticks that no scheduler was there for.
func TestMissed(t *testing.T) {
	for missed, want := range map[cron.Missed]string{
		"":              "missed,enqueued 9",
		cron.MissedNone: "missed",
		cron.MissedLast: "missed,enqueued 9",
		cron.MissedAll:  "missed,enqueued 7,enqueued 8,enqueued 9",
	} {
		t.Run(string(missed), func(t *testing.T) {
			onBoth(t, func(t *testing.T, e *env) {
				entry := daily("e")
				entry.Missed, entry.Overlap, entry.Opts.Keep = missed, cron.OverlapAllow, -1
				if missed == cron.MissedAll {
					entry.MissedMost = 3
				}
				next := e.set(entry).Next
				first := next.AddDate(0, 0, -10)
				e.behind("e", first)
				e.schedule()
				e.await("e", want, func(runs []cron.Run) bool {
					var got []string
					for _, r := range runs {
						text := string(r.Outcome)
						if r.Outcome == "enqueued" {
							text += fmt.Sprint(" ", int(r.Tick.Sub(first)/(24*time.Hour)))
						} else if !r.Tick.Equal(first) {
							text += " from " + r.Tick.String()
						}
						got = append(got, text)
					}
					return strings.Join(got, ",") == want
				})
				if got := e.get("e").Next; !got.Equal(next) {
					t.Errorf("the next is %v, not %v", got, next)
				}
			})
		})
	}
}

// TestMuchMissed makes up for a night of several entries: not all of it at a time.
func TestMuchMissed(t *testing.T) {
	t.Parallel()
	e := newEnv(t, redistest.Shared(t).URL())
	var most, all atomic.Int64
	client := e.openWith(e.url, func(next tasuki.Enqueuer) tasuki.Enqueuer {
		return tasuki.EnqueueFunc(func(ctx context.Context, specs []tasuki.Spec) ([]tasuki.Info, error) {
			n := int64(len(specs))
			most.Store(max(most.Load(), n)) // one call at a time, as there is one queue
			all.Add(n)
			return next.EnqueueMany(ctx, specs)
		})
	})
	const entries, each = 6, 900
	for i := range entries {
		entry := daily(fmt.Sprint("e", i))
		entry.Missed, entry.MissedMost, entry.Overlap, entry.Opts.Keep = cron.MissedAll, each, cron.OverlapAllow, -1
		next := e.set(entry).Next
		e.behind(entry.Name, next.AddDate(0, 0, -each))
	}
	e.run(cron.New(client))
	redistest.WaitLong(t, 20*time.Second, "the jobs", func() error {
		if n := len(e.jobs("default")); n != entries*each {
			return fmt.Errorf("%d jobs", n)
		}
		return nil
	})
	if n := most.Load(); n >= entries*each || all.Load() != entries*each {
		t.Errorf("%d jobs, of which %d at a time", all.Load(), n)
	}
}

// TestPause: a pause keeps ticks from running, is kept by an edit, and what was in it is not made
// up for.
func TestPause(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.schedule()
		e.set(daily("e"))
		if err := e.table.Pause(e.ctx, "e", "me"); err != nil {
			t.Fatal(err)
		}
		e.set(often("e"))
		s := e.get("e")
		if !s.Paused || s.PausedBy != "me" || !s.Next.IsZero() || time.Since(s.PausedSince) > time.Minute {
			t.Errorf("%+v", s)
		}
		e.runNow("e", 1)
		if runs := e.history("e"); len(runs) != 1 {
			t.Errorf("it was paused, and the history is %+v", runs)
		}
		before := time.Now()
		if err := e.table.Resume(e.ctx, "e"); err != nil {
			t.Fatal(err)
		}
		runs := e.await("e", "a tick", func(runs []cron.Run) bool { return len(runs) > 1 })
		if tick := runs[1].Tick; runs[1].Outcome != "enqueued" || tick.Before(before.Add(-time.Second)) {
			t.Errorf("%+v", runs)
		}
	})
}

// TestFailedRuns: what cannot be enqueued is noted, and is in nobody's way.
func TestFailedRuns(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		bad := e.namespace + ":{bad}"
		if err := e.do("SET", bad, "x").Error(); err != nil {
			t.Fatal(err)
		}
		defer e.do("DEL", bad)
		entry := often("bad")
		entry.Opts.Queue = "bad"
		e.set(entry)
		e.set(often("good"))
		e.do("HSET", e.key("entry:broken"), "version", "5", "turn", "5", "entry", "{", "state", "{}")
		e.do("SET", e.key("entry:wrong"), "x")
		e.do("ZADD", e.key("due"), "1", "gone", "5", "broken", "5", "wrong")
		e.schedule()
		runs := e.await("bad", "two failures", func(runs []cron.Run) bool { return len(runs) >= 2 })
		if runs[1].Outcome != "failed" || !strings.Contains(runs[1].Error, "bad") {
			t.Errorf("%+v", runs)
		}
		e.await("good", "two jobs", func(runs []cron.Run) bool { return len(runs) >= 2 && runs[1].Outcome == "enqueued" })
		due, _ := e.do("ZRANGE", e.key("due"), "0", "-1").AsStrSlice()
		if slices.Contains(due, "gone") || !slices.Contains(due, "broken") {
			t.Errorf("due are %v", due)
		}
		problems, err := e.inspector.Check(e.ctx)
		if err != nil || len(problems) < 3 {
			t.Errorf("the check finds %v, %v", problems, err)
		}
		e.do("DEL", e.key("entry:wrong"))
		e.do("ZREM", e.key("due"), "wrong")
		if err := e.table.Remove(e.ctx, "broken"); err != nil {
			t.Error(err)
		}
	})
}

// TestSpoilt: what somebody has made of an entry by hand harms that entry only. It is told, and
// the entry can be set again and removed.
func TestSpoilt(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.set(often("good"))
		spoilt := map[string][2]string{ // a field, and what it is now
			"negative": {"entry", `{"expr":"@every 1s","kind":"report","missed":"all","missed_most":-5}`},
			"huge":     {"entry", `{"expr":"@every 1s","kind":"report","jitter":3000000000000000000}`},
			"cut":      {"entry", `{"expr":"@every 1s",`},
			"state":    {"state", `{"next":`},
			"version":  {"version", "abc"},
		}
		for name, field := range spoilt {
			e.set(often(name))
			e.behind(name, time.Now().Add(-time.Hour))
			if err := e.do("HSET", e.key("entry:"+name), field[0], field[1]).Error(); err != nil {
				t.Fatal(err)
			}
		}
		e.schedule()
		e.await("good", "two jobs", func(runs []cron.Run) bool { return len(runs) >= 2 })
		told := map[string]bool{}
		for s, err := range e.table.List(e.ctx) {
			if err != nil {
				t.Fatal(err)
			}
			told[s.Name] = slices.ContainsFunc(s.Warnings, func(w string) bool { return !strings.HasPrefix(w, "no worker") })
		}
		var all sync.WaitGroup
		for name := range spoilt {
			if !told[name] {
				t.Errorf("of %s nothing is told", name)
			}
			all.Go(func() {
				if _, err := e.table.Edit(e.ctx, name, func(x *cron.Entry) error { x.Opts.Queue = "other"; return nil }); err == nil {
					t.Errorf("%s could be edited", name)
				}
				if s, err := e.table.Set(e.ctx, often(name)); err != nil || s.Next.IsZero() {
					t.Errorf("%s is set again: %+v, %v", name, s, err)
				}
			})
		}
		all.Wait()
		e.set(daily("run"))
		e.do("HSET", e.key("entry:run"), "state", `{"next":1,"runs":[{"t":1,"q":"a b"}]}`)
		if runs := e.history("run"); len(runs) != 1 || runs[0].Outcome != cron.OutcomeUnknown {
			t.Errorf("of a queue that cannot be: %+v", runs)
		}
		for name, field := range spoilt {
			e.await(name, "a job", func(runs []cron.Run) bool { return len(runs) > 0 && runs[len(runs)-1].Outcome == "enqueued" })
			all.Go(func() {
				e.do("HSET", e.key("entry:"+name), field[0], field[1])
				if err := e.table.Remove(e.ctx, name); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		all.Wait()
	})
}
