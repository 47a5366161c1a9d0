package cron_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/cron"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestRefusals: what is not allowed of an entry is said when it is set, with its name.
func TestRefusals(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		now := time.Now()
		for want, change := range map[string]func(*cron.Entry){
			`entry: name: "a b": allowed are`:                  func(x *cron.Entry) { x.Name = "a b" },
			`entry: name: "": allowed are`:                     func(x *cron.Entry) { x.Name = "" },
			`name: 101 bytes: allowed are 100`:                 func(x *cron.Entry) { x.Name = strings.Repeat("n", 101) },
			`entry "e": `:                                      func(x *cron.Entry) { x.Expr = "every day" },
			`zone`:                                             func(x *cron.Entry) { x.Zone = "Mars/Olympus" },
			`kind: "": allowed are`:                            func(x *cron.Entry) { x.Kind = "" },
			`args: "{" is no JSON`:                             func(x *cron.Entry) { x.Args = json.RawMessage("{") },
			`args: 70002 bytes: allowed are 65536`:             func(x *cron.Entry) { x.Args, _ = json.Marshal(strings.Repeat("x", 70_000)) },
			`opts: id, in, at, deadline and expire_at are for`: func(x *cron.Entry) { x.Opts.ID = "mine" },
			`are for one job: leave them out`:                  func(x *cron.Entry) { x.Opts.In = time.Second },
			`expire_in counts from each enqueue`:               func(x *cron.Entry) { x.Opts.Deadline = now.Add(time.Hour) },
			`opts.meta: cron and cron.tick are set`:            func(x *cron.Entry) { x.Opts.Meta = map[string]string{cron.MetaTick: "now"} },
			`max_attempts: -2: allowed are`:                    func(x *cron.Entry) { x.Opts.MaxAttempts = -2 },
			`queue: "a b": allowed are`:                        func(x *cron.Entry) { x.Opts.Queue = "a b" },
			`unique.key and unique.fields: both are empty`:     func(x *cron.Entry) { x.Opts.Unique.Mode = tasuki.UniqueQueued },
			`overlap and opts.unique: queue and running`: func(x *cron.Entry) {
				x.Overlap, x.Opts.Unique = cron.OverlapQueue, tasuki.Unique{Mode: tasuki.UniqueRunning, Key: "k"}
			},
			`overlap: "stop": allowed are skip, queue, replace and allow`: func(x *cron.Entry) { x.Overlap = "stop" },
			`missed: "some": allowed are none, last and all`:              func(x *cron.Entry) { x.Missed = "some" },
			`missed_most: 5: it is allowed only with missed all`:          func(x *cron.Entry) { x.MissedMost = 5 },
			`missed_most: 1001: allowed are 1 to 1000`:                    func(x *cron.Entry) { x.Missed, x.MissedMost = cron.MissedAll, 1001 },
			`jitter: -1s: allowed are 1 ms and more`:                      func(x *cron.Entry) { x.Jitter = -time.Second },
			`jitter: 24h0m0s: allowed is less than 24h0m0s`:               func(x *cron.Entry) { x.Jitter = 24 * time.Hour },
			`end: `:         func(x *cron.Entry) { x.Start, x.End = now.Add(time.Hour), now.Add(time.Minute) },
			`it never runs`: func(x *cron.Entry) { x.Start, x.End = now.Add(time.Minute), now.Add(time.Hour) },
		} {
			entry := daily("e")
			change(&entry)
			if _, err := e.table.Set(e.ctx, entry); !errors.Is(err, cron.ErrInvalid) || !strings.Contains(err.Error(), want) {
				t.Errorf("%v; want %s", err, want)
			}
		}
		for _, err := range []error{
			e.table.Pause(e.ctx, "e", "me"), e.table.Resume(e.ctx, "e"), e.table.Remove(e.ctx, "e"),
			second(e.table.Get(e.ctx, "e")), second(e.table.History(e.ctx, "e")), second(e.table.RunNow(e.ctx, "e")),
			second(e.table.Edit(e.ctx, "e", func(*cron.Entry) error { t.Error("there is nothing to edit"); return nil })),
		} {
			if !errors.Is(err, cron.ErrNotFound) || !strings.Contains(err.Error(), `"e"`) {
				t.Errorf("%v; want ErrNotFound", err)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }

// TestSet: an entry that is changed keeps its next tick if the change is not about when.
func TestSet(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		entry := daily("e")
		s := e.set(entry)
		if s.Declared != "" || s.Paused || !s.Next.After(time.Now()) || !s.DueAt.Equal(s.Next) || len(s.Runs) > 0 {
			t.Errorf("%+v", s)
		}
		if want := []string{"no worker takes jobs of queue default"}; !slices.Equal(s.Warnings, want) {
			t.Errorf("warnings %q; want %q", s.Warnings, want)
		}
		next := s.Next.AddDate(0, 0, -3)
		e.behind("e", next) // overdue
		s, err := e.table.Edit(e.ctx, "e", func(x *cron.Entry) error { x.Opts.Queue = "other"; return nil })
		if err != nil || !s.Next.Equal(next) || s.Opts.Queue != "other" {
			t.Errorf("%+v, %v: want the tick that it had", s, err)
		}
		s, err = e.table.Edit(e.ctx, "e", func(x *cron.Entry) error { x.Jitter = time.Hour; return nil })
		if err != nil || !s.Next.After(time.Now()) || s.DueAt.Before(s.Next) || s.DueAt.Sub(s.Next) >= time.Hour {
			t.Errorf("%+v, %v: want one from now on", s, err)
		}
		no := errors.New("no")
		if _, err := e.table.Edit(e.ctx, "e", func(x *cron.Entry) error { x.Kind = "other"; return no }); !errors.Is(err, no) || e.get("e").Kind != entry.Kind {
			t.Errorf("%v, %+v", err, e.get("e"))
		}
		if _, err := e.table.Edit(e.ctx, "e", func(x *cron.Entry) error { x.Name = "f"; return nil }); err == nil {
			t.Error("it was renamed")
		}
		if err := e.table.Remove(e.ctx, "e"); err != nil {
			t.Error(err)
		}
		keys, _ := e.do("KEYS", e.key("*")).AsStrSlice()
		if len(keys) > 0 {
			t.Errorf("left are %v", keys)
		}
	})
}

// TestAllBesideOverlap: who wants all missed ticks to run, and leaves overlap as it is, is told that
// most will not.
func TestAllBesideOverlap(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		entry := daily("e")
		entry.Missed = cron.MissedAll
		for overlap, want := range map[cron.Overlap]bool{"": true, cron.OverlapSkip: true, cron.OverlapQueue: true, cron.OverlapReplace: true, cron.OverlapAllow: false} {
			entry.Overlap = overlap
			if got := e.set(entry).Warnings; strings.Contains(strings.Join(got, "\n"), "missed is all, and overlap not allow") != want {
				t.Errorf("overlap %q: warnings %q", overlap, got)
			}
		}
	})
}

// TestEnded: what has ended may be declared, as programs live on.
func TestEnded(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		entry := often("e")
		entry.End = time.Now().Add(-time.Hour)
		if is, err := e.table.Declare(e.ctx, cron.Declared{Name: "app", Revision: 1, Entries: []cron.Entry{entry}}); err != nil || !is {
			t.Fatal(is, err)
		}
		if s := e.get("e"); !s.Next.IsZero() || !slices.Contains(s.Warnings, "it has ended: there are no more ticks") {
			t.Errorf("%+v", s)
		}
		ending := often("f")
		ending.End = time.Now().Add(3 * time.Second)
		e.set(ending)
		e.schedule()
		e.await("f", "the last run", func(runs []cron.Run) bool { return len(runs) >= 2 && e.get("f").Next.IsZero() })
		if runs := e.history("e"); len(runs) > 0 {
			t.Errorf("it had ended, and has run: %+v", runs)
		}
	})
}

// TestUnserved: a kind that no worker serves is told.
func TestUnserved(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.work(nil)
		entry := daily("e")
		entry.Kind = "another"
		for want, n := e.set(daily("d")).Warnings, 0; len(want) > 0 && n < 100; n++ { // until the worker is known
			time.Sleep(20 * time.Millisecond)
			want = e.get("d").Warnings
		}
		if got := e.set(entry).Warnings; !slices.Equal(got, []string{"no worker of queue default has a handler for another"}) {
			t.Errorf("%q", got)
		}
		if got := e.get("d").Warnings; len(got) > 0 {
			t.Errorf("%q", got)
		}
	})
}

// TestList: all entries come, by their names, also when there are many.
func TestList(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		var entries []cron.Entry
		for i := range 450 {
			entries = append(entries, daily(fmt.Sprintf("e%03d", i)))
		}
		if is, err := e.table.Declare(e.ctx, cron.Declared{Name: "many", Revision: 1, Entries: entries}); err != nil || !is {
			t.Fatal(is, err)
		}
		e.do("HSET", e.key("entry:e200"), "state", "{")
		n := 0
		for s, err := range e.table.List(e.ctx) {
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("e%03d", n); s.Name != want || (n == 200) != strings.Contains(s.Warnings[0], "cannot be read") {
				t.Errorf("%d: %+v", n, s)
			}
			n++
		}
		if n != len(entries) {
			t.Errorf("%d of %d", n, len(entries))
		}
		for range e.table.List(e.ctx) {
			break
		}
	})
}

// TestDeclare: revisions go up, and what an old instance declares changes nothing.
func TestDeclare(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		names := func() (names []string) {
			for s, err := range e.table.List(e.ctx) {
				if err != nil {
					t.Fatal(err)
				}
				names = append(names, s.Name)
			}
			return names
		}
		declare := func(revision int64, entries ...cron.Entry) (bool, error) {
			return e.table.Declare(e.ctx, cron.Declared{Name: "app", Revision: revision, Entries: entries})
		}
		mustBe := func(want bool, is bool, err error) {
			t.Helper()
			if err != nil || is != want {
				t.Errorf("%v, %v; want %v", is, err, want)
			}
		}
		is, err := declare(2, daily("a"), daily("b"))
		mustBe(true, is, err)
		if err := e.table.Pause(e.ctx, "a", "me"); err != nil {
			t.Fatal(err)
		}
		next := e.get("b").Next.AddDate(0, 0, -1)
		e.behind("b", next)
		is, err = declare(2, daily("b"), daily("a")) // in another order
		mustBe(true, is, err)
		is, err = declare(1, daily("old"))
		mustBe(false, is, err)
		other := daily("b")
		other.Kind = "other"
		if _, err := declare(2, daily("a"), other); !errors.Is(err, cron.ErrRevision) || !strings.Contains(err.Error(), `"app", revision 2`) {
			t.Errorf("%v; want ErrRevision", err)
		}
		is, err = declare(3, daily("a"), other, daily("c"))
		mustBe(true, is, err)
		if a, b := e.get("a"), e.get("b"); !a.Paused || a.Declared != "app" || b.Kind != "other" || !b.Next.Equal(next) {
			t.Errorf("%+v\n%+v", a, b)
		}
		if _, err := e.table.Set(e.ctx, daily("a")); !errors.Is(err, cron.ErrDeclared) {
			t.Errorf("%v; want ErrDeclared", err)
		}
		e.set(daily("mine"))
		if _, err := declare(4, daily("mine")); err == nil || !strings.Contains(err.Error(), "entry mine is there, and was not declared") {
			t.Errorf("%v", err)
		}
		if _, err := e.table.Declare(e.ctx, cron.Declared{Name: "other", Revision: 1, Entries: []cron.Entry{daily("a")}}); err == nil || !strings.Contains(err.Error(), `belongs to the set "app"`) {
			t.Errorf("%v", err)
		}
		if err := e.table.Remove(e.ctx, "c"); err != nil {
			t.Error(err)
		}
		e.set(daily("c")) // not the set's any more: it stays
		is, err = declare(5, daily("d"))
		mustBe(true, is, err)
		if got := names(); !slices.Equal(got, []string{"c", "d", "mine"}) {
			t.Errorf("%v", got)
		}
		for want, d := range map[string]cron.Declared{
			"revision: allowed are 1 and more": {Name: "x"},
			`name: "": allowed`:                {Revision: 1},
			`entry "e" is there twice`:         {Name: "x", Revision: 1, Entries: []cron.Entry{daily("e"), daily("e")}},
			`entry "f": `:                      {Name: "x", Revision: 1, Entries: []cron.Entry{{Name: "f", Kind: "k"}}},
		} {
			if _, err := e.table.Declare(e.ctx, d); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v; want %s", err, want)
			}
		}
	})
}

// TestDeclareTogether: instances of several revisions begin at the same moment. What stays is the
// highest, whole.
//
//fault:process instances of several versions of a program declare their periodic entries at the same moment | those of the highest revision are there, and no others
func TestDeclareTogether(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		var all sync.WaitGroup
		for range 3 {
			for revision := range int64(5) {
				all.Go(func() {
					var entries []cron.Entry
					for i := range 20 {
						if int64(i)%5 <= revision {
							entry := daily(fmt.Sprint("e", i))
							entry.Kind = fmt.Sprint("kind", revision)
							entries = append(entries, entry)
						}
					}
					if revision == 4 {
						entries = entries[:10]
					}
					if _, err := cron.New(e.client).Declare(e.ctx, cron.Declared{Name: "app", Revision: revision + 1, Entries: entries}); err != nil {
						t.Errorf("revision %d: %v", revision+1, err)
					}
				})
			}
		}
		all.Wait()
		n := 0
		for s, err := range e.table.List(e.ctx) {
			if err != nil || s.Kind != "kind4" {
				t.Errorf("%+v, %v", s, err)
			}
			n++
		}
		if n != 10 {
			t.Errorf("%d entries", n)
		}
	})
}

// TestRunRefusesDeclared: a set that is not allowed ends the scheduler, and so the worker that it
// is attached to, before anything is done.
func TestRunRefusesDeclared(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		if err := cron.New(e.client, cron.Declared{Name: "app", Revision: 1, Entries: []cron.Entry{{Name: "x", Expr: "?"}}}).Run(e.ctx); err == nil || !strings.Contains(err.Error(), `"app", revision 1: entry "x"`) {
			t.Errorf("%v", err)
		}
		stop := e.schedule(cron.Declared{Name: "app", Revision: 2, Entries: []cron.Entry{often("x")}})
		e.awaitThere("x")
		e.await("x", "a run", func(runs []cron.Run) bool { return len(runs) > 0 })
		stop()
		e.schedule(cron.Declared{Name: "app", Revision: 1, Entries: []cron.Entry{often("old")}})
		n := len(e.history("x"))
		e.await("x", "a run by an old instance", func(runs []cron.Run) bool { return len(runs) > n })
	})
}

// TestRunDespiteDeclared: a set that cannot be written because of what is there takes no worker
// down. It is logged, the sets behind it are written, and all entries run.
func TestRunDespiteDeclared(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.set(daily("mine"))
		if _, err := e.table.Declare(e.ctx, cron.Declared{Name: "app", Revision: 1, Entries: []cron.Entry{often("x")}}); err != nil {
			t.Fatal(err)
		}
		e.schedule(
			cron.Declared{Name: "app", Revision: 1, Entries: []cron.Entry{daily("x")}}, // somebody forgot to raise it
			cron.Declared{Name: "other", Revision: 1, Entries: []cron.Entry{daily("mine")}},
			cron.Declared{Name: "last", Revision: 1, Entries: []cron.Entry{daily("y")}},
		)
		e.awaitThere("y")
		e.await("x", "a run", func(runs []cron.Run) bool { return len(runs) > 0 })
		for _, want := range []string{"raise the revision", "entry mine is there, and was not declared"} {
			if log := e.log.String(); !strings.Contains(log, want) || strings.Count(log, "level=ERROR") != 2 {
				t.Errorf("%q is missing in the log:\n%s", want, log)
			}
		}
	})
}

// TestEntryChangesItsSet: a deploy gives an entry to another set, which comes first.
func TestEntryChangesItsSet(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		if _, err := e.table.Declare(e.ctx, cron.Declared{Name: "old", Revision: 1, Entries: []cron.Entry{daily("x"), daily("y")}}); err != nil {
			t.Fatal(err)
		}
		e.schedule(
			cron.Declared{Name: "new", Revision: 1, Entries: []cron.Entry{daily("x")}},
			cron.Declared{Name: "old", Revision: 2, Entries: []cron.Entry{daily("y")}},
		)
		redistest.WaitFor(t, "the entry in its new set", func() error {
			if s, err := e.table.Get(e.ctx, "x"); err != nil || s.Declared != "new" {
				return fmt.Errorf("%+v, %v", s, err)
			}
			return nil
		})
		if log := e.log.String(); strings.Contains(log, "level=ERROR") {
			t.Error(log)
		}
	})
}
