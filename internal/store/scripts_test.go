package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/rueidis"

	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/internal/source"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

func TestMain(m *testing.M) { redistest.Main(m) }

// Incarnations in a box.
const (
	me   = "me"   // may claim, and has the timer
	dead = "dead" // has a tombstone, and something is left of it
	gone = "gone" // has a tombstone, and nothing is left of it
)

// operation is one call of a Go function that runs a script, and what it changes in
// a box: lines of dump, with - for those that went and + for
// those that came. A time is shown as T.
type operation struct {
	script string
	run    func(ctx context.Context, s *Store, q *Queue) error
	// changes is for a queue of tasuki's own.
	changes []string
	// again is what a second call changes; of most it is nothing.
	again []string
	// refused says that a full Redis may refuse it: it is a producer's.
	refused bool
	// who is the incarnation whose keys it gets, if it gets any.
	who string
	// tolerates are the keys that may have a wrong type: the rest is done.
	tolerates string
	// half are those of which it is noticed when a part is done.
	half string
	// prepare puts into a box what only this operation needs.
	prepare func(b *box)
	// jobs are the keys of single jobs that it gets.
	jobs []string
	// pointers name the elements whose places they take.
	pointers map[string]string
}

// newTags are those of a Fetch: whoever does one again after an error brings others.
func newTags(ctx context.Context) source.Tag {
	if ctx.Value(afterError{}) != nil {
		return FirstTag + 200
	}
	return FirstTag + 100
}

type afterError struct{}

// box is one for the operation.
func (op *operation) box(t testing.TB, url, queue string) *box {
	t.Helper()
	if op.script == "settle_stats" { // its keys are of the minute in which it runs
		redistest.WaitFor(t, "the next minute", func() error {
			if left := time.Minute - time.Since(time.Now().Truncate(time.Minute)); left < 5*time.Second {
				return fmt.Errorf("it begins in %v", left)
			}
			return nil
		})
	}
	b := newBox(t, url, queue)
	if op.prepare != nil {
		op.prepare(b)
	}
	return b
}

var operations = map[string]operation{
	"AddQueue": {
		script:  "define_queue",
		run:     func(ctx context.Context, s *Store, q *Queue) error { return s.AddQueue(ctx, q) },
		changes: []string{"+all:queues QUEUE"},
	},
	"Enqueue": {
		script: "enqueue",
		run: func(ctx context.Context, s *Store, q *Queue) error {
			_, err := s.Enqueue(ctx, q, time.Hour, 100, []Put{
				{ID: "new", Element: "e1"}, {ID: "known", Element: "e2"}, {In: time.Minute, Element: "e3"},
			})
			return err
		},
		refused:   true,
		changes:   []string{"-ready [r1, r2]", "+count existed 1", "+ready [r1, r2, e1]", "+scheduled e3 T", "+seen new T"},
		again:     []string{"-count existed 1", "+count existed 3"},
		tolerates: "count",
	},
	"Fetch": {
		script: "fetch",
		run: func(ctx context.Context, s *Store, q *Queue) error {
			_, err := s.Fetch(ctx, q, &Exchange{Incarnation: me, Tag: newTags(ctx), Request: source.Request{
				Want: 20, Lone: true, Handed: &source.Delivery{Tag: FirstTag + 50, Element: "handed"},
				Done: []source.Tag{FirstTag},
				Outcomes: []source.Outcome{
					{Tag: FirstTag + 1, State: source.Retry, Delay: time.Hour, Element: "h1 again"},
					{Tag: FirstTag + 2, State: source.Dead, Element: "h2 dead"},
					{Tag: FirstTag + 3, State: source.Cancelled},
				},
			}}, s.Waiter(q))
			return err
		},
		changes: []string{
			"-count claimed 10", "-count done 5", "-hand:me [handed]", "-held:me 1000000000000 h0",
			"-held:me 1000000000001 h1", "-held:me 1000000000002 h2", "-held:me 1000000000003 h3", "-ready [r1, r2]",
			"-retry due retry T", "-scheduled due T", "-suspect [s1]",
			"+count cancelled 1", "+count claimed 16", "+count dead 1", "+count done 6", "+count retry 1",
			"+dead h2 dead T", "+held:me 1000000000050 handed", "+held:me 1000000000100 s1", "+held:me 1000000000101 r1",
			"+held:me 1000000000102 r2", "+held:me 1000000000103 due", "+held:me 1000000000104 due retry",
			"+retry h1 again T",
		},
		who:       "me",
		tolerates: "alarm count ended ready rules scheduled suspect",
	},
	"Fetch of what lies in hand": {
		script: "fetch",
		run: func(ctx context.Context, s *Store, q *Queue) error {
			_, err := s.Fetch(ctx, q, &Exchange{Incarnation: me, Tag: newTags(ctx), Request: source.Request{Want: 20, Strays: true}}, s.Waiter(q))
			return err
		},
		changes: []string{
			"-count claimed 10", "-hand:me [handed]", "-ready [r1, r2]", "-retry due retry T", "-scheduled due T",
			"+count claimed 15", "+held:me 1000000000100 handed", "+held:me 1000000000101 r1", "+held:me 1000000000102 r2",
			"+held:me 1000000000103 due", "+held:me 1000000000104 due retry",
		},
		who:       "me",
		tolerates: "alarm count dead ended ready retry rules scheduled suspect",
	},
	"Fetch of one that is gone": {
		script: "fetch",
		run: func(ctx context.Context, s *Store, q *Queue) error {
			_, err := s.Fetch(ctx, q, &Exchange{Incarnation: dead, Tag: newTags(ctx), Request: source.Request{
				Want: 20, Done: []source.Tag{FirstTag, FirstTag + 9},
				Outcomes: []source.Outcome{{Tag: FirstTag + 1, State: source.Release, Element: "d1"}},
			}}, s.Waiter(q))
			return err
		},
		changes: []string{
			"-count done 5", "-hand:dead [dead hand]", "-held:dead 1000000000000 d0", "-held:dead 1000000000001 d1",
			"-ready [r1, r2]",
			"+count done 6", "+count refused 1", "+count release 1", "+ready [dead hand, d1, r1, r2]",
		},
		again:     []string{"-count refused 1", "+count refused 4"},
		who:       "dead",
		tolerates: "alarm count dead ended retry rules scheduled suspect",
	},
	"Register": {
		script: "fetch_register",
		run: func(ctx context.Context, s *Store, q *Queue) error {
			_, err := s.Register(ctx, q, "me.1", me)
			return err
		},
		changes: []string{"-workers me 0", "+workers me T", "+workers me.1 0"},
	},
	"Register with a tombstone": {
		script: "fetch_register",
		run: func(ctx context.Context, s *Store, q *Queue) error {
			ok, err := s.Register(ctx, q, dead, "")
			if ok {
				err = errors.New("it was let in")
			}
			return err
		},
	},
	"Due": {
		script: "fetch_due",
		run: func(ctx context.Context, s *Store, q *Queue) error {
			_, _, _, _, err := s.Due(ctx, q, me, 100, false)
			return err
		},
		changes:   []string{"-ready [r1, r2]", "-retry due retry T", "-scheduled due T", "+ready [r1, r2, due, due retry]"},
		tolerates: "alarm list",
	},
	"Due for another": {
		script: "fetch_due",
		run: func(ctx context.Context, s *Store, q *Queue) error {
			_, _, _, _, err := s.Due(ctx, q, "you", 100, true)
			return err
		},
		changes:   []string{"+alarm [1]"},
		tolerates: "list ready retry scheduled",
	},
	"AskRights": {
		script: "inspect_rights",
		run: func(ctx context.Context, s *Store, q *Queue) error {
			answers, err := s.AskRights(ctx, q, [][]string{{"RPUSH", q.Ready, "x"}, {"NOSUCH"}})
			if err == nil && !slices.Equal(answers, []int64{may, noSuch}) {
				err = fmt.Errorf("it answers %v", answers)
			}
			return err
		},
		tolerates: "ready",
	},
	"Append": {
		script: "inspect_append",
		run: func(ctx context.Context, s *Store, _ *Queue) error {
			_, err := s.Append(ctx, LogAudit, 1, "{}")
			if err == nil {
				var entries []LogEntry
				if entries, err = s.Entries(ctx, LogAudit, 0, 10); err == nil && (len(entries) != 1 || entries[0].Text != "{}" || time.Since(entries[0].At) > time.Hour) {
					err = fmt.Errorf("it has %+v", entries)
				}
			}
			return err
		},
		changes: []string{"+all:audit [T {}]"},
	},
	"Operate begins": {
		script: "inspect_operate",
		run: func(ctx context.Context, s *Store, _ *Queue) error {
			_, err := s.Operate(ctx, &OperationStep{What: "begin", ID: "o2", Runner: "you", Lease: time.Minute, State: "new"})
			return err
		},
		changes: []string{"+all:operations o2 new", "+all:operations o2:lease T you"},
	},
	"Operate takes and ends": {
		script: "inspect_operate",
		run: func(ctx context.Context, s *Store, _ *Queue) error {
			_, err := s.Operate(ctx, &OperationStep{What: "take", ID: "o1", Runner: "you", Lease: time.Minute, State: "taken", Was: "old"})
			for _, what := range []string{"cancel", "step", "end"} {
				if err == nil {
					_, err = s.Operate(ctx, &OperationStep{What: what, ID: "o1", Runner: "you", Lease: time.Minute, State: "ended"})
				}
			}
			return unlessChanged(err)
		},
		changes: []string{"-all:operations o1 old", "-all:operations o1:lease 1 me", "+all:operations o1 ended"},
	},
	"Operate undoes": {
		script: "inspect_operate",
		run: func(ctx context.Context, s *Store, _ *Queue) error {
			_, err := s.Operate(ctx, &OperationStep{What: "begin", ID: "o2", Runner: "you", Lease: time.Minute, State: "undoes o1", Was: "old", Other: "o1", Becomes: "undone by o2"})
			if err != nil {
				return err
			}
			for _, late := range []OperationStep{{What: "take", ID: "o1"}, {What: "begin", ID: "o3", Other: "o1", Becomes: "undone by o3"}} {
				late.Runner, late.Lease, late.State, late.Was = "you", time.Minute, "x", "old"
				if _, err := s.Operate(ctx, &late); !errors.Is(err, ErrChanged) {
					return fmt.Errorf("%s: %w", late.What, err)
				}
			}
			if _, err := s.Operate(ctx, &OperationStep{What: "step", ID: "o1", Runner: "me", Lease: time.Minute, State: "x"}); !errors.Is(err, ErrLost) {
				return fmt.Errorf("a slow runner goes on: %w", err)
			}
			return nil
		},
		changes: []string{
			"-all:operations o1 old", "-all:operations o1:lease 1 me",
			"+all:operations o1 undone by o2", "+all:operations o2 undoes o1", "+all:operations o2:lease T you",
		},
	},
	"Operate of another": {
		script: "inspect_operate",
		run: func(ctx context.Context, s *Store, _ *Queue) error {
			for what, want := range map[string]error{"step": ErrLost, "end": ErrLost} {
				if _, err := s.Operate(ctx, &OperationStep{What: what, ID: "o1", Runner: "you", Lease: time.Minute, State: "x"}); !errors.Is(err, want) {
					return fmt.Errorf("%s: %w", what, err)
				}
			}
			_, err := s.Operate(ctx, &OperationStep{What: "cancel", ID: "nobody", Runner: "you"})
			if !errors.Is(err, ErrMissing) {
				return err
			}
			return nil
		},
	},
	"Discard": {
		script: "settle_discard",
		run: func(ctx context.Context, s *Store, q *Queue) error {
			return s.Discard(ctx, q, "o1", time.Hour, 0, []string{"t1", "t2"})
		},
		refused: true,
		changes: []string{"+trash:o1 [t1, t2]", "+trash:o1 has a TTL"},
	},
	"Restore": {
		script: "settle_restore",
		prepare: func(b *box) {
			b.do("RPUSH", b.q.Trash("o1"), "t1", "t2", "t3", "t4")
			b.record("b", "gen", "1", "state", "ready", "job", "jb")
			b.record("a", "left", "2", "state", "cancelled")
			b.do("SET", b.q.Lock("q1"), "other")
		},
		run: func(ctx context.Context, s *Store, q *Queue) error {
			done, err := s.Restore(ctx, q, "o1", []Restored{
				{Entry: "t1", From: "ready", Element: "e1"},
				{Entry: "t2", From: "dead", At: 1900000000000, Element: "p2", ID: "a", Fields: map[string]string{"gen": "3", "state": "dead", "job": "ja"}},
				{Entry: "t3", From: "retry", At: 1900000000000, Element: "p3", ID: "b", Fields: map[string]string{"gen": "2"}},
				{Entry: "t4", From: "retry", At: 1900000000000, Element: "p4", ID: "c", Lock: "q1", Fields: map[string]string{"gen": "2"}},
				{Entry: "none", From: "retry", At: 1900000000000, Element: "e5"},
			})
			if err == nil && !slices.Equal(done[2:], []int64{RestoredThere, RestoredLocked, RestoredGone}) {
				err = fmt.Errorf("it answers %v", done)
			}
			return err
		},
		jobs: []string{"rec:a"},
		changes: []string{
			"-ready [r1, r2]", "-rec:a state cancelled", "-trash:o1 [t1, t2, t3, t4]",
			"+count restored 2", "+dead p2 T", "+ready [r1, r2, e1]", "+rec:a gen 3", "+rec:a job ja", "+rec:a state dead", "+trash:o1 [t3, t4]",
		},
		tolerates: "count rec:a",
	},
	"Snapshots": {
		script: "inspect_records",
		prepare: func(b *box) {
			b.record("a", "state", "done", "job", "ja")
		},
		run: func(ctx context.Context, s *Store, q *Queue) error {
			records, err := s.Snapshots(ctx, q, []string{"c", "a"})
			if err == nil && (len(records) != 2 || records[0] != nil || records[1] != nil && records[1]["job"] != "ja") {
				err = fmt.Errorf("it answers %v", records)
			}
			return err
		},
		jobs:      []string{"rec:a", "rec:c"},
		tolerates: "rec:a rec:c",
	},
	"Survey": {
		script: "inspect_survey",
		run: func(ctx context.Context, s *Store, q *Queue) error {
			v, err := s.Survey(ctx, q)
			if err == nil && (v.Own != 2 || v.Suspect != 1 || v.Scheduled != 2 || v.Retry != 2 || v.Dead != 2 || v.Seen != 1 || len(v.Members) != 3 ||
				v.Held[me] != 6 || v.Held[dead] != 3 || v.Counts["done"] != 5 || len(v.Ends) != 3) {
				err = fmt.Errorf("it answers %+v", v)
			}
			return err
		},
		who: me,
	},
	"Tally": {
		script: "inspect_tally",
		run: func(ctx context.Context, s *Store, q *Queue) error {
			_, err := s.Tally(ctx, q)
			return err
		},
	},
	"Leave": {
		script:  "settle_leave",
		run:     func(ctx context.Context, s *Store, q *Queue) error { return s.Leave(ctx, q, me) },
		changes: []string{"-hand:me [handed]", "-ready [r1, r2]", "-workers me 0", "+ready [handed, r1, r2]", "+workers me T"},
		who:     "me",
		half:    "hand:me", // the lease ends all the same
	},
	"Move": {
		script: "settle_move",
		run: func(ctx context.Context, s *Store, q *Queue) error {
			_, err := s.Move(ctx, q, time.Time{}, false, []Moving{
				{From: "retry", Element: "later retry", Kept: "retry now"}, {From: "dead", Element: "x1", Kept: "x1 again"}, {From: "dead", Element: "unknown", Kept: "unknown"},
			})
			return err
		},
		changes:   []string{"-dead x1 T", "-ready [r1, r2]", "-retry later retry T", "+count revived 1", "+ready [r1, r2, retry now, x1 again]"},
		tolerates: "count",
	},
	"Move to another time": {
		script: "settle_move",
		run: func(ctx context.Context, s *Store, q *Queue) error {
			_, err := s.Move(ctx, q, time.Now().Add(time.Minute), false, []Moving{
				{From: "ready", Far: 2, Element: "r1", Kept: "r1 soon"}, {From: "scheduled", Element: "due", Kept: "due soon"}, {From: "retry", Element: "due retry", Kept: "due retry soon"},
			})
			return err
		},
		changes: []string{
			"-ready [r1, r2]", "-retry due retry T", "-scheduled due T",
			"+alarm [1]", "+ready [r2]", "+scheduled due retry soon T", "+scheduled due soon T", "+scheduled r1 soon T",
		},
		tolerates: "count",
	},
	"Move away": {
		script: "settle_move",
		run: func(ctx context.Context, s *Store, q *Queue) error {
			_, err := s.Move(ctx, q, time.Time{}, true, []Moving{
				{From: "ready", Far: 1, Element: "r2"}, {From: "suspect", Far: 1, Element: "s1"}, {From: "scheduled", Element: "later"}, {From: "dead", Element: "x2"},
			})
			return err
		},
		changes:   []string{"-dead x2 T", "-ready [r1, r2]", "-scheduled later T", "-suspect [s1]", "+count withdrawn 4", "+ready [r1]"},
		tolerates: "count",
	},
	"Unlock": {
		script: "settle_unlock",
		run: func(ctx context.Context, s *Store, q *Queue) error {
			_, err := s.Unlock(ctx, q, "rx")
			return err
		},
	},
	"Revive": {
		script: "settle_revive",
		run: func(ctx context.Context, s *Store, q *Queue) error {
			_, _, err := s.Revive(ctx, q, []Revival{{Dead: "x1", Ready: "x1 again"}, {Dead: "unknown", Ready: "unknown"}})
			return err
		},
		changes:   []string{"-dead x1 T", "-ready [r1, r2]", "+count revived 1", "+ready [r1, r2, x1 again]"},
		tolerates: "count",
	},
	"Sweep": {
		script: "sweep",
		run: func(ctx context.Context, s *Store, q *Queue) error {
			left, err := s.Orphans(ctx, q, dead, 10)
			var back []PutBack
			for i, l := range left {
				back = append(back, PutBack{Left: l, To: []string{"ready", "suspect", "dead"}[i], As: []string{"stopped", "crashed", "crashed"}[i], Element: l.Element + " again"})
			}
			if err == nil && len(back) > 0 {
				_, _, err = s.Sweep(ctx, q, dead, back)
			}
			return err
		},
		changes: []string{
			"-count claimed 10", "-hand:dead [dead hand]", "-held:dead 1000000000000 d0", "-held:dead 1000000000001 d1",
			"-ready [r1, r2]", "-suspect [s1]",
			"+count claimed 11", "+count crashed 2", "+count dead 1", "+count poison 1", "+count stopped 1",
			"+dead d0 again T", "+ready [dead hand again, r1, r2]", "+suspect [d1 again, s1]",
		},
		who:       "dead",
		tolerates: "count",
	},
	"Sweep of one that lives": {
		script: "sweep",
		run: func(ctx context.Context, s *Store, q *Queue) error {
			_, ended, err := s.Sweep(ctx, q, me, []PutBack{{Left: Left{FirstTag, "h0"}, To: "ready", As: "crashed", Element: "h0"}})
			if err == nil && ended {
				err = errors.New("it was swept")
			}
			return err
		},
		who:       "me",
		tolerates: "count dead hand:me held:me ready suspect",
	},
	"Announce": {
		script: "sweep_announce",
		run:    func(ctx context.Context, s *Store, q *Queue) error { return s.Announce(ctx, me, &About{Host: "h"}) },
		changes: []string{
			"-all:info me old",
			`+all:info me {"host":"h","pid":0,"started":0,"queues":null,"concurrency":0,"subscribed":false,"stopping":false}`,
		},
	},
	"Beat": {
		script: "sweep_beat",
		run: func(ctx context.Context, s *Store, q *Queue) error {
			p := s.Pulse(me, func(string, string) {})
			defer p.Close()
			_, err := p.Beat(ctx, false, func() []string { return nil })
			return err
		},
		changes: []string{"-all:workers me 5", "+all:workers me 6"},
		again:   []string{"-all:workers me 6", "+all:workers me 7"},
	},
	"AddStats": {
		script: "settle_stats",
		prepare: func(b *box) {
			b.do("HSET", b.s.spanKey(Hours, b.at), "k mail", "\x82\x10\x7f\x11\x02", " mail", "\x81\x10\x05", "x mail", "spoilt")
			b.do("ZADD", b.s.statsKey("failures"), "5", "f1")
			b.do("HSET", b.s.statsKey("failures:first"), "f1", "4")
			b.do("HSET", b.s.statsKey("failures:times"), "f1", "2")
			b.do("HSET", b.s.statsKey("failures:samples"), "f1", "{}")
		},
		run: func(ctx context.Context, s *Store, q *Queue) error {
			return s.AddStats(ctx, me, 7, time.Now(), &Counted{
				Kinds:    []CountedKind{{"mail", "k", "\x81\x10\x03"}, {"mail", "", "\x82\x10\x03\x15\xcc\x80"}, {"mail", "x", "\x81\x10\x03"}},
				Failures: []CountedFailure{{"f1", 3, `{"kind":"k"}`}, {"f2", 1, `{"kind":"l"}`}},
			})
		},
		refused: true,
		changes: []string{
			"-stats:failures f1 5", "-stats:hours  QUEUE \x81\x10\x05", "-stats:hours k QUEUE \x82\x10\x7f\x11\x02", "-stats:hours x QUEUE spoilt", "-stats:samples f1 {}", "-stats:times f1 2",
			"+stats:days  QUEUE \x82\x10\x03\x15\xcc\x80", "+stats:days has a TTL", "+stats:days k QUEUE \x81\x10\x03", "+stats:days x QUEUE \x81\x10\x03",
			"+stats:failures f1 T", "+stats:failures f2 T", "+stats:first f2 T", "+stats:hourly f1 3", "+stats:hourly f2 1", "+stats:hourly has a TTL",
			"+stats:hours  QUEUE \x82\x10\x08\x15\xcc\x80", "+stats:hours has a TTL", "+stats:hours k QUEUE \x82\x10\xcc\x82\x11\x02", "+stats:hours x QUEUE \x81\x10\x03",
			"+stats:last has a TTL", "+stats:last is 7",
			"+stats:minutes  QUEUE \x82\x10\x03\x15\xcc\x80", "+stats:minutes has a TTL", "+stats:minutes k QUEUE \x81\x10\x03", "+stats:minutes x QUEUE \x81\x10\x03",
			`+stats:samples f1 {"kind":"k"}`, `+stats:samples f2 {"kind":"l"}`, "+stats:times f1 5", "+stats:times f2 1",
		},
	},
	"ForgetFailure": {
		script: "inspect_forget",
		prepare: func(b *box) {
			for _, f := range []string{"f1", "f2"} {
				b.do("ZADD", b.s.statsKey("failures"), "5", f)
				b.do("HSET", b.s.statsKey("failures:first"), f, "4")
				b.do("HSET", b.s.statsKey("failures:times"), f, "2")
				b.do("HSET", b.s.statsKey("failures:samples"), f, "{}")
				b.do("HSET", b.s.hourlyKey(b.at), f, "3")
			}
		},
		run: func(ctx context.Context, s *Store, q *Queue) error {
			_, err := s.ForgetFailure(ctx, "f1")
			return err
		},
		changes: []string{"-stats:failures f1 5", "-stats:first f1 4", "-stats:hourly f1 3", "-stats:samples f1 {}", "-stats:times f1 2"},
	},
	"Elect": {
		script: "sweep_elect",
		run: func(ctx context.Context, s *Store, q *Queue) error {
			_, err := s.Elect(ctx, dead, me)
			return err
		},
		changes: []string{"-all:workers @observer dead", "+all:workers @observer me"},
	},
	"Forget": {
		script: "sweep_forget",
		run: func(ctx context.Context, s *Store, q *Queue) error {
			return errors.Join(s.Forget(ctx, q, gone, time.Second), s.Forget(ctx, q, dead, time.Second), s.Forget(ctx, q, me, 0))
		},
		changes: []string{"-workers gone T"},
		who:     "gone",
	},
	"Observe": {
		script: "sweep_observe",
		run: func(ctx context.Context, s *Store, q *Queue) error {
			p := s.Pulse(dead, func(string, string) {})
			defer p.Close()
			if _, err := p.Beat(ctx, false, func() []string { return nil }); err != nil {
				return err
			}
			vitals, err := p.Observe(ctx)
			if err == nil && len(vitals) != 1 {
				err = fmt.Errorf("it saw %v", vitals)
			}
			return err
		},
	},
	"Tombstone": {
		script:  "sweep_tombstone",
		run:     func(ctx context.Context, s *Store, q *Queue) error { return s.Tombstone(ctx, q, me) },
		changes: []string{"-workers me 0", "+workers me T"},
	},
	"Trim": {
		script: "sweep_trim",
		run: func(ctx context.Context, s *Store, q *Queue) error {
			_, err := s.Trim(ctx, q, []Trimmed{{Element: "x1"}, {Element: "unknown"}})
			return err
		},
		changes:   []string{"-dead x1 T", "+count trimmed 1"},
		tolerates: "count",
	},
	"Trim of recorded": {
		script: "sweep_trim",
		prepare: func(b *box) {
			b.record("a", "gen", "1", "state", "dead")
			b.record("b", "gen", "2", "state", "ready") // revived since
			b.record("c", "gen", "2", "state", "ready") // and what was left of it in dead
		},
		run: func(ctx context.Context, s *Store, q *Queue) error {
			_, err := s.Trim(ctx, q, []Trimmed{{Element: "x1", ID: "a", Gen: 1}, {Element: "unknown", ID: "b", Gen: 1}, {Element: "x2", ID: "c", Gen: 1}})
			return err
		},
		jobs: []string{"rec:a"},
		changes: []string{
			"-dead x1 T", "-dead x2 T", "-rec:a gen 1", "-rec:a state dead", "+count trimmed 2",
		},
		tolerates: "count rec:a",
	},
	"Trim of one that was left behind": {
		script:  "sweep_trim",
		prepare: func(b *box) { b.record("a", "gen", "2", "job", "ja", "state", "dead", "left", "1") },
		run: func(ctx context.Context, s *Store, q *Queue) error {
			_, err := s.Trim(ctx, q, []Trimmed{{Element: "x1", ID: "a", Gen: 2}})
			return err
		},
		jobs:      []string{"rec:a"},
		changes:   []string{"-dead x1 T", "-rec:a gen 2", "-rec:a job ja", "+count trimmed 1"},
		tolerates: "count rec:a",
	},
	"EnqueueRecorded": {
		script:  "enqueue_record",
		prepare: func(b *box) { b.do("SET", b.q.Lock("b1"), "z") },
		run: func(ctx context.Context, s *Store, q *Queue) error {
			placed, err := s.EnqueueRecorded(ctx, q, time.Hour, 100, []RecordedPut{
				{Put: Put{ID: "a", Element: "pa"}, Own: true, Job: "ja", Lock: "q1"},
				{Put: Put{ID: "known", Element: "pk"}, Own: true, Job: "jk"},
				{Put: Put{ID: "b", Element: "pb", In: time.Minute}, Job: "jb"},
				{Put: Put{ID: "c", Element: "pc"}, Job: "jc", Lock: "b1"},
			})
			if err == nil && (placed[1] != Placed{Existed: true} || placed[3] != Placed{Owner: "z"}) {
				err = fmt.Errorf("it answers %+v", placed)
			}
			return err
		},
		refused: true,
		jobs:    []string{"rec:a", "unique:q1"},
		changes: []string{
			"-ready [r1, r2]", "+count existed 1", "+ready [r1, r2, pa]", "+rec:a gen 1", "+rec:a job ja",
			"+rec:a state ready", "+rec:b at T", "+rec:b gen 1", "+rec:b job jb", "+rec:b state scheduled", "+scheduled pb T",
			"+seen a T", "+unique:q1 is a",
		},
		again:     []string{"-count existed 1", "+count existed 4"},
		tolerates: "count",
	},
	"Open": {
		script: "fetch_open",
		who:    "me",
		prepare: func(b *box) {
			b.record("a", "gen", "1", "job", "ja", "state", "ready", "cursor", "7")
			b.record("b", "gen", "2", "job", "jb", "state", "ready")
			b.record("d", "gen", "1", "job", "jd", "state", "ready")
			b.do("SET", b.q.Lock("q1"), "a")
			b.do("SET", b.q.Running("b1"), "z")
		},
		run: func(ctx context.Context, s *Store, q *Queue) error {
			opened, err := s.Open(ctx, q, me, "host:1", []source.Pointer{
				{Tag: FirstTag, ID: "a", Gen: 1, Lock: "q1"}, {Tag: FirstTag + 1, ID: "b", Gen: 1}, {Tag: FirstTag + 2, ID: "c", Gen: 1},
				{Tag: FirstTag + 3, ID: "d", Gen: 1, Lock: "b1"}, {Tag: FirstTag + 9, ID: "d", Gen: 1},
			})
			if err != nil {
				return err
			}
			var words []string
			for _, o := range opened {
				words = append(words, o.What)
			}
			if got := strings.Join(words, " "); got != "run stale missing parked gone" || opened[0].Job != "ja" || opened[0].Cursor != "7" {
				return fmt.Errorf("it answers %s, %+v", got, opened[0])
			}
			return nil
		},
		jobs: []string{"unique:q1"},
		changes: []string{
			"-rec:a state ready", "-unique:q1 is a", "+rec:a at T host:1", "+rec:a state running",
		},
		tolerates: "unique:q1",
	},
	"Open of one that is gone": {
		script:  "fetch_open",
		who:     "dead",
		prepare: func(b *box) { b.record("a", "gen", "1", "job", "ja", "state", "ready") },
		run: func(ctx context.Context, s *Store, q *Queue) error {
			opened, err := s.Open(ctx, q, dead, "host:1", []source.Pointer{{Tag: FirstTag, ID: "a", Gen: 1}})
			if err == nil && opened[0].What != "gone" {
				err = fmt.Errorf("it answers %+v", opened)
			}
			return err
		},
		jobs:      []string{"rec:a"},
		tolerates: "rec:a",
	},
	"Note": {
		script: "run_note",
		who:    "me",
		prepare: func(b *box) {
			b.record("a", "gen", "1", "job", "ja", "state", "running")
			b.record("b", "gen", "1", "job", "jb", "state", "running", "cancel", "1")
		},
		run: func(ctx context.Context, s *Store, q *Queue) error {
			cancelled, err := s.Note(ctx, q, me, []source.Note{
				{Tag: FirstTag, ID: "a", Fields: []string{"cursor", "1", "progress", "p"}}, {Tag: FirstTag + 1, ID: "b"},
				{Tag: FirstTag + 2, ID: "c", Fields: []string{"cursor", "1"}}, {Tag: FirstTag + 9, ID: "b", Fields: []string{"cursor", "1"}},
			})
			if err == nil && !slices.Equal(cancelled, []bool{false, true, false, false}) {
				err = fmt.Errorf("it answers %v", cancelled)
			}
			return err
		},
		jobs: []string{"rec:a"},
		changes: []string{
			"+rec:a cursor 1", "+rec:a progress p",
		},
		tolerates: "rec:a",
	},
	"Fetch of recorded": {
		script: "fetch",
		who:    "me",
		prepare: func(b *box) {
			for _, id := range []string{"a", "b", "c"} {
				b.record(id, "gen", "1", "job", "j"+id, "state", "running", "at", "5 host:1", "cursor", "7")
			}
			b.record("d", "state", "cancelled", "left", "1")
			b.do("SET", b.q.Lock("b1"), "a")
			b.do("SET", b.q.Running("b1"), "a")
			b.do("RPUSH", b.q.Parked("b1"), "parked")
		},
		run: func(ctx context.Context, s *Store, q *Queue) error {
			_, err := s.Fetch(ctx, q, &Exchange{Incarnation: me, Tag: newTags(ctx), Request: source.Request{
				Outcomes: []source.Outcome{
					{Tag: FirstTag, State: source.Done, Record: &source.Record{ID: "a", Lock: "b1", Ended: true, Keep: time.Hour, Fields: []string{"job", "ja done"}}},
					{Tag: FirstTag + 1, State: source.Retry, Delay: time.Hour, Element: "pb2", Record: &source.Record{ID: "b", Gen: 2, Fields: []string{"job", "jb again"}}},
					{Tag: FirstTag + 2, State: source.Cancelled, Record: &source.Record{ID: "c", Ended: true}},
					{Tag: FirstTag + 3, State: source.Stale, Record: &source.Record{ID: "d"}},
				},
			}}, s.Waiter(q))
			return err
		},
		pointers: map[string]string{"pb2": "h1"},
		jobs:     []string{"rec:a", "unique:b1", "running:b1", "parked:b1"},
		changes: []string{
			"-count done 5", "-held:me 1000000000000 h0", "-held:me 1000000000001 h1", "-held:me 1000000000002 h2", "-held:me 1000000000003 h3", "-parked:b1 [parked]",
			"-ready [r1, r2]", "-rec:a at 5 host:1", "-rec:a cursor 7", "-rec:a gen 1", "-rec:a job ja", "-rec:a state running",
			"-rec:b at 5 host:1", "-rec:b gen 1", "-rec:b job jb", "-rec:b state running",
			"-rec:c at 5 host:1", "-rec:c cursor 7", "-rec:c gen 1", "-rec:c job jc", "-rec:c state running",
			"-rec:d left 1", "-rec:d state cancelled", "-retry due retry T", "-running:b1 is a", "-scheduled due T", "-unique:b1 is a",
			"+count cancelled 1", "+count done 6", "+count retry 1", "+count stale 1", "+ended [a]", "+ready [parked, r1, r2, due, due retry]",
			"+rec:a has a TTL", "+rec:a job ja done", "+rec:b at T", "+rec:b gen 2", "+rec:b job jb again",
			"+rec:b state retry", "+retry pb2 T",
		},
		tolerates: "alarm count dead rec:a rules running:b1 scheduled suspect unique:b1",
	},
	"Fetch of a parked one that was opened once more": {
		script: "fetch",
		who:    "me",
		prepare: func(b *box) {
			b.record("a", "gen", "1", "job", "ja", "state", "running")
			b.do("SET", b.q.Running("b1"), "a")
		},
		run: func(ctx context.Context, s *Store, q *Queue) error {
			_, err := s.Fetch(ctx, q, &Exchange{Incarnation: me, Tag: newTags(ctx), Request: source.Request{
				Outcomes: []source.Outcome{{Tag: FirstTag, State: source.Parked, Element: "pa", Record: &source.Record{ID: "a", Lock: "b1", Gen: 1}}},
			}}, s.Waiter(q))
			return err
		},
		pointers: map[string]string{"pa": "h0"},
		jobs:     []string{"rec:a", "running:b1", "parked:b1"},
		changes: []string{
			"-held:me 1000000000000 h0", "-ready [r1, r2]", "-rec:a state running", "-retry due retry T", "-running:b1 is a", "-scheduled due T",
			"+count parked 1", "+ready [pa, r1, r2, due, due retry]", "+rec:a at T", "+rec:a state ready",
		},
		tolerates: "alarm count dead rec:a retry rules running:b1 scheduled suspect",
	},
	"Fetch of a stale pointer while its job runs": {
		script: "fetch",
		who:    "me",
		prepare: func(b *box) {
			b.record("a", "gen", "2", "job", "ja", "state", "running", "left", "1")
			b.do("SET", b.q.Running("b1"), "a")
			b.do("RPUSH", b.q.Parked("b1"), "parked")
		},
		run: func(ctx context.Context, s *Store, q *Queue) error {
			_, err := s.Fetch(ctx, q, &Exchange{Incarnation: me, Tag: newTags(ctx), Request: source.Request{
				Outcomes: []source.Outcome{{Tag: FirstTag, State: source.Stale, Record: &source.Record{ID: "a", Lock: "b1", Gen: 1}}},
			}}, s.Waiter(q))
			return err
		},
		jobs: []string{"rec:a", "running:b1", "parked:b1"},
		changes: []string{
			"-held:me 1000000000000 h0", "-ready [r1, r2]", "-rec:a left 1", "-retry due retry T", "-scheduled due T",
			"+count stale 1", "+ready [r1, r2, due, due retry]",
		},
		tolerates: "alarm count dead rec:a retry rules running:b1 scheduled suspect",
	},
	"Fetch of recorded that go on": {
		script: "fetch",
		who:    "me",
		prepare: func(b *box) {
			for _, id := range []string{"a", "b", "c", "d", "e"} {
				b.record(id, "gen", "1", "job", "j"+id, "state", "running", "at", "5 host:1", "cursor", "7")
			}
			b.do("SET", b.q.Lock("q1"), "a")
			b.do("SET", b.q.Running("b1"), "z")
		},
		run: func(ctx context.Context, s *Store, q *Queue) error {
			_, err := s.Fetch(ctx, q, &Exchange{Incarnation: me, Tag: newTags(ctx), Request: source.Request{
				Outcomes: []source.Outcome{
					{Tag: FirstTag, State: source.Dead, Element: "pa2", Record: &source.Record{ID: "a", Lock: "q1", Gen: 2, Fields: []string{"job", "ja dead"}}},
					{Tag: FirstTag + 1, State: source.Release, Element: "pb", Record: &source.Record{ID: "b", Fields: []string{"cursor", "8"}}},
					{Tag: FirstTag + 2, State: source.Release, Suspect: true, Element: "pc", Record: &source.Record{ID: "c"}},
					{Tag: FirstTag + 3, State: source.Parked, Element: "pd", Record: &source.Record{ID: "d", Lock: "b1"}},
				},
			}}, s.Waiter(q))
			return err
		},
		pointers: map[string]string{"pa2": "h0", "pb": "h1", "pc": "h2", "pd": "h3"},
		jobs:     []string{"rec:a", "unique:q1", "running:b1", "parked:b1"},
		changes: []string{
			"-held:me 1000000000000 h0", "-held:me 1000000000001 h1", "-held:me 1000000000002 h2", "-held:me 1000000000003 h3", "-ready [r1, r2]", "-rec:a at 5 host:1",
			"-rec:a gen 1", "-rec:a job ja", "-rec:a state running", "-rec:b at 5 host:1", "-rec:b cursor 7",
			"-rec:b state running", "-rec:c at 5 host:1", "-rec:c state running", "-rec:d at 5 host:1",
			"-rec:d state running", "-retry due retry T", "-scheduled due T", "-suspect [s1]", "-unique:q1 is a",
			"+count dead 1", "+count parked 1", "+count release 2", "+dead pa2 T", "+parked:b1 [pd]", "+ready [pb, r1, r2, due, due retry]",
			"+rec:a at T", "+rec:a gen 2", "+rec:a job ja dead", "+rec:a state dead", "+rec:b at T", "+rec:b cursor 8",
			"+rec:b state ready", "+rec:c at T", "+rec:c state suspect", "+rec:d at T", "+rec:d state parked", "+suspect [pc, s1]",
		},
		tolerates: "alarm count rec:a retry rules running:b1 scheduled unique:q1",
	},
	"Sweep of recorded": {
		script: "sweep",
		who:    "dead",
		prepare: func(b *box) {
			b.record("a", "gen", "1", "job", "ja", "state", "running", "at", "5 host:1", "cursor", "7")
			b.record("b", "gen", "2", "job", "jb", "state", "ready", "left", "2")
			b.do("HSET", b.q.Held(dead), formatTag(FirstTag+2), "d2", formatTag(FirstTag+3), "d3", formatTag(FirstTag+4), "d4")
			b.record("d", "state", "cancelled", "left", "1")
			b.record("e", "state", "moved", "to", "other/e", "left", "1")
			b.do("SET", b.q.Lock("b1"), "a")
			b.do("SET", b.q.Running("b1"), "a")
			b.do("RPUSH", b.q.Parked("b1"), "parked")
		},
		run: func(ctx context.Context, s *Store, q *Queue) error {
			back := []PutBack{
				{Left: Left{FirstTag + 4, "d4"}, To: "ready", As: "crashed", Element: "d4 again", ID: "e", Was: 1, Gen: 2, Job: "je again"},
				{Left: Left{FirstTag + 3, "d3"}, To: "ready", As: "crashed", Element: "d3 again", ID: "d", Was: 1, Gen: 2, Job: "jd again"},
				{Left: Left{FirstTag + 2, "d2"}, To: "ready", As: "crashed", Element: "d2 again", ID: "c", Was: 1, Gen: 2, Job: "jc again"},
				{Left: Left{FirstTag + 1, "d1"}, To: "ready", As: "crashed", Element: "d1 again", ID: "b", Was: 1, Gen: 2, Job: "jb again"},
				{Left: Left{FirstTag, "d0"}, To: "dead", As: "crashed", Element: "d0 again", ID: "a", Lock: "b1", Was: 1, Gen: 2, Read: "ja", Job: "ja again"},
			}
			_, _, err := s.Sweep(ctx, q, dead, back)
			return err
		},
		jobs: []string{"rec:a", "unique:b1", "running:b1", "parked:b1"},
		changes: []string{
			"-held:dead 1000000000000 d0", "-held:dead 1000000000001 d1", "-held:dead 1000000000002 d2", "-held:dead 1000000000003 d3", "-held:dead 1000000000004 d4", "-parked:b1 [parked]", "-ready [r1, r2]",
			"-rec:a at 5 host:1", "-rec:a gen 1", "-rec:a job ja", "-rec:a state running", "-rec:b left 2",
			"-rec:d left 1", "-rec:d state cancelled", "-rec:e left 1", "-running:b1 is a", "-unique:b1 is a", "+count crashed 5", "+count dead 1",
			"+count poison 1", "+dead d0 again T", "+ready [parked, d2, r1, r2]", "+rec:a at T", "+rec:a gen 2", "+rec:a job ja again",
			"+rec:a state dead", "+rec:b left 1",
		},
		tolerates: "count parked:b1 rec:a running:b1 unique:b1",
	},
	"Revive of recorded": {
		script: "settle_revive",
		prepare: func(b *box) {
			b.record("a", "gen", "1", "job", "ja", "state", "dead")
			b.record("b", "gen", "5", "job", "jb", "state", "ready")
		},
		run: func(ctx context.Context, s *Store, q *Queue) error {
			_, _, err := s.Revive(ctx, q, []Revival{
				{Dead: "x1", Ready: "x1 again", ID: "a", Lock: "q1", Gen: 2, Read: "ja", Job: "ja again"}, {Dead: "x2", Ready: "x2 again", ID: "b", Gen: 2, Job: "jb again"},
			})
			return err
		},
		jobs: []string{"rec:a", "unique:q1"},
		changes: []string{
			"-dead x1 T", "-ready [r1, r2]", "-rec:a gen 1", "-rec:a job ja", "-rec:a state dead", "+count revived 1",
			"+ready [r1, r2, x1 again]", "+rec:a at T", "+rec:a gen 2", "+rec:a job ja again", "+rec:a state ready", "+unique:q1 is a",
		},
		tolerates: "count rec:a unique:q1",
	},
	"Revive of one whose lock another has": {
		script: "settle_revive",
		prepare: func(b *box) {
			b.record("a", "gen", "1", "job", "ja", "state", "dead")
			b.do("SET", b.q.Lock("q1"), "z")
		},
		run: func(ctx context.Context, s *Store, q *Queue) error {
			moved, stay, err := s.Revive(ctx, q, []Revival{{Dead: "x1", Ready: "x1 again", ID: "a", Lock: "q1", Gen: 2, Read: "ja", Job: "ja again"}})
			if err == nil && (moved != 0 || stay != 1) {
				err = fmt.Errorf("%d were moved, and %d stay", moved, stay)
			}
			return err
		},
		jobs:      []string{"rec:a", "unique:q1"},
		tolerates: "count rec:a unique:q1",
	},
	"Act: edit": {
		script:  "settle_act",
		prepare: func(b *box) { b.record("a", "gen", "1", "job", "ja", "state", "ready") },
		run: func(ctx context.Context, s *Store, q *Queue) error {
			return unlessChanged(s.Act(ctx, q, &Act{What: "edit", ID: "a", Gen: 1, Was: "ja", Job: "ja again", Old: "r1"}))
		},
		jobs: []string{"rec:a"},
		changes: []string{
			"-rec:a job ja", "+rec:a job ja again",
		},
		tolerates: "count",
	},
	"Act: move": {
		script:  "settle_act",
		prepare: func(b *box) { b.record("a", "gen", "1", "job", "ja", "state", "dead", "at", "5") },
		run: func(ctx context.Context, s *Store, q *Queue) error {
			return unlessChanged(s.Act(ctx, q, &Act{What: "move", ID: "a", Lock: "b1", Gen: 1, Was: "ja", Job: "ja again", Old: "x1", New: "pa2", When: Put{In: time.Second}}))
		},
		pointers: map[string]string{"pa2": "x1"},
		jobs:     []string{"rec:a", "unique:b1", "parked:b1"},
		changes: []string{
			"-dead x1 T", "-rec:a at 5", "-rec:a gen 1", "-rec:a job ja", "-rec:a state dead", "+rec:a at T",
			"+rec:a gen 2", "+rec:a job ja again", "+rec:a state scheduled", "+scheduled pa2 T", "+unique:b1 is a",
		},
		tolerates: "count",
	},
	"Act: end": {
		script: "settle_act",
		prepare: func(b *box) {
			b.record("a", "gen", "1", "job", "ja", "state", "ready", "at", "5")
			b.do("SET", b.q.Lock("b1"), "a")
		},
		run: func(ctx context.Context, s *Store, q *Queue) error {
			err := s.Act(ctx, q, &Act{What: "end", ID: "a", Lock: "b1", Gen: 1, Was: "ja", Job: "ja ended", Old: "r1", State: "cancelled", Keep: time.Hour})
			if errors.Is(err, ErrEnded) {
				return nil
			}
			return err
		},
		jobs: []string{"rec:a", "unique:b1", "parked:b1"},
		changes: []string{
			"-ready [r1, r2]", "-rec:a at 5", "-rec:a gen 1", "-rec:a job ja", "-rec:a state ready", "-unique:b1 is a",
			"+count withdrawn 1", "+ended [a]", "+ready [r2]", "+rec:a has a TTL", "+rec:a job ja ended", "+rec:a state cancelled",
		},
		tolerates: "count unique:b1",
	},
	"Act: end of one that runs": {
		script:  "settle_act",
		prepare: func(b *box) { b.record("a", "gen", "1", "job", "ja", "state", "running", "at", "5") },
		run: func(ctx context.Context, s *Store, q *Queue) error {
			err := s.Act(ctx, q, &Act{What: "end", ID: "a", Gen: 1, Was: "ja", Job: "ja ended", Old: "r1", State: "cancelled", Keep: time.Hour})
			if errors.Is(err, ErrRunning) {
				return nil
			}
			return err
		},
		jobs: []string{"rec:a"},
		changes: []string{
			"+rec:a cancel 1",
		},
		tolerates: "count",
	},
	"Act: remove of one that is just taken": {
		script:  "settle_act",
		prepare: func(b *box) { b.record("a", "gen", "1", "job", "ja", "state", "ready", "at", "5") },
		run: func(ctx context.Context, s *Store, q *Queue) error {
			err := s.Act(ctx, q, &Act{What: "remove", ID: "a", Gen: 1, Was: "ja", Old: "nowhere", State: "cancelled"})
			if errors.Is(err, ErrEnded) || errors.Is(err, ErrMissing) {
				return nil
			}
			return err
		},
		jobs: []string{"rec:a"},
		changes: []string{
			"-rec:a at 5", "-rec:a gen 1", "-rec:a job ja", "-rec:a state ready", "+count withdrawn 1", "+rec:a left 1",
			"+rec:a state cancelled",
		},
		tolerates: "count",
	},
	"Act: remove of one that has ended": {
		script:  "settle_act",
		prepare: func(b *box) { b.record("a", "job", "ja", "state", "done", "left", "1") },
		run: func(ctx context.Context, s *Store, q *Queue) error {
			err := s.Act(ctx, q, &Act{What: "remove", ID: "a", Was: "ja", State: "cancelled"})
			if errors.Is(err, ErrMissing) {
				return nil
			}
			return err
		},
		jobs:      []string{"rec:a"},
		changes:   []string{"-rec:a job ja"},
		tolerates: "count",
	},
	"Import with names": {
		script: "enqueue_import",
		prepare: func(b *box) {
			b.record("a", "state", "moved", "to", "other/a", "left", "1")
			b.record("c", "gen", "1", "job", "j", "state", "ready")
			b.do("SET", b.q.Lock("b1"), "z")
		},
		run: func(ctx context.Context, s *Store, q *Queue) error {
			at := time.UnixMilli(7000)
			imported, err := s.Import(ctx, q, time.Hour, 100, "", []Import{
				{Name: "n1", ID: "a", Place: "ready", Element: "pa", Gen: 5, Lock: "q1", Fields: map[string]string{"job": "ja", "cursor": "7"}},
				{Name: "n2", ID: "known", Remembered: time.Now(), Place: "ready", Element: "refused"},
				{Name: "n3", ID: "own", Remembered: time.Now(), Place: "dead", At: at, Element: "e3"},
				{Name: "n4", ID: "x", Place: "suspect", Element: "e4"},
				{Name: "n5", ID: "y", Place: "retry", At: at, Element: "e5"},
				{Name: "n6", ID: "c", Place: "ready", Element: "refused", Gen: 2, Fields: map[string]string{"job": "j"}},
				{Name: "n7", ID: "d", Place: "ready", Element: "refused", Gen: 2, Lock: "b1", Fields: map[string]string{"job": "j"}},
			})
			if err == nil && (imported[1] != ImportThere || imported[5] != ImportThere || imported[6] != ImportLocked || imported[0] != imported[4]) {
				err = fmt.Errorf("it answers %v", imported)
			}
			return err
		},
		jobs:    []string{"rec:a", "unique:q1", "rec:c", "rec:l", "unique:q2"},
		refused: true,
		changes: []string{
			"-ready [r1, r2]", "-rec:a state moved", "-rec:a to other/a", "-suspect [s1]",
			"+alarm [1]", "+dead e3 7000", "+ready [r1, r2, pa]", "+rec:a cursor 7", "+rec:a from n1", "+rec:a gen 5", "+rec:a job ja", "+rec:a state ready", "+retry e5 7000",
			"+seen n1 T", "+seen n3 T", "+seen n4 T", "+seen n5 T", "+seen own T", "+suspect [s1, e4]", "+unique:q1 is a",
		},
	},
	"Import of lines": {
		script: "enqueue_import",
		prepare: func(b *box) {
			b.do("HSET", b.q.Imports, "run", "3 5000")
			for n := range 99 {
				b.do("HSET", b.q.Imports, fmt.Sprint("other", n), fmt.Sprint("9 ", 6000+n))
			}
		},
		run: func(ctx context.Context, s *Store, q *Queue) error {
			imported, err := s.Import(ctx, q, time.Hour, 100, "run2", []Import{{Line: 1, ID: "b", Place: "scheduled", At: time.UnixMilli(7000), Element: "s1"}})
			if err == nil {
				imported, err = s.Import(ctx, q, time.Hour, 100, "other98", []Import{{Line: 9, ID: "a", Place: "ready", Element: "refused"}, {Line: 12, ID: "b", Place: "ready", Element: "e12"}})
			}
			if err == nil && imported[0] != ImportAgain {
				err = fmt.Errorf("it answers %v", imported)
			}
			return err
		},
		refused: true,
		changes: []string{
			"-imports other98 9 6098", "-imports run 3 5000", "-ready [r1, r2]",
			"+alarm [1]", "+imports other98 12 T", "+imports run2 1 T", "+ready [r1, r2, e12]", "+scheduled s1 7000",
		},
	},
	"Moved": {
		script: "enqueue_moved",
		prepare: func(b *box) {
			b.record("a", "state", "moved", "to", "other/a", "left", "1")
			now := strconv.FormatInt(time.Now().UnixMilli(), 10)
			b.do("ZADD", b.q.Seen, "5", "old", now, "x", now, "y")
		},
		run: func(ctx context.Context, s *Store, q *Queue) error {
			return s.Moved(ctx, q, time.Hour, 3, &Coming{
				ID: "a", Lock: "b1", From: "other/a 4", At: time.UnixMilli(7000), Gen: 5, Pointer: "pa5",
				Fields: map[string]string{"job": "ja", "cursor": "7"},
			})
		},
		jobs: []string{"rec:a", "unique:b1"},
		changes: []string{
			"-ready [r1, r2]", "-rec:a state moved", "-rec:a to other/a", "-seen known T", "-seen old 5", "-seen x T",
			"+ready [r1, r2, pa5]", "+rec:a at 7000", "+rec:a cursor 7",
			"+rec:a from other/a 4", "+rec:a gen 5", "+rec:a job ja", "+rec:a state ready", "+seen a T", "+seen other/a 4 T", "+unique:b1 is a",
		},
	},
	"Act: leave": {
		script:  "settle_act",
		prepare: func(b *box) { b.record("a", "gen", "1", "job", "ja", "state", "ready", "at", "5") },
		run: func(ctx context.Context, s *Store, q *Queue) error {
			return unlessChanged(s.Act(ctx, q, &Act{What: "leave", ID: "a", Gen: 1, Was: "ja", Old: "r1", To: "other/a"}))
		},
		jobs: []string{"rec:a"},
		changes: []string{
			"-ready [r1, r2]", "-rec:a gen 1", "-rec:a state ready", "+ready [r2]", "+rec:a gen 2", "+rec:a state parked", "+rec:a to other/a",
		},
		tolerates: "count",
	},
	"Act: left": {
		script: "settle_act",
		prepare: func(b *box) {
			b.record("a", "gen", "2", "job", "ja", "state", "parked", "at", "5", "to", "other/a")
			b.do("SET", b.q.Lock("b1"), "a")
		},
		run: func(ctx context.Context, s *Store, q *Queue) error {
			err := s.Act(ctx, q, &Act{What: "left", ID: "a", Lock: "b1", Gen: 2, Was: "ja", Keep: time.Hour, To: "other/a"})
			if errors.Is(err, ErrMissing) {
				return nil
			}
			return err
		},
		jobs: []string{"rec:a", "unique:b1", "parked:b1"},
		changes: []string{
			"-rec:a at 5", "-rec:a gen 2", "-rec:a job ja", "-rec:a state parked", "-unique:b1 is a", "+count moved 1", "+ended [a]",
			"+rec:a has a TTL", "+rec:a state moved",
		},
		tolerates: "count unique:b1",
	},
	"CronTake": {
		script: "cron_take",
		run: func(ctx context.Context, s *Store, _ *Queue) error {
			_, _, _, err := s.CronTake(ctx, 10, time.Hour)
			return err
		},
		changes: []string{"-cron:due now 5", "+cron:due now T"},
	},
	"CronWrites": {
		script: "cron_write",
		run: func(ctx context.Context, s *Store, _ *Queue) error {
			_, err := s.CronWrites(ctx, true, nil, []CronWrite{
				{Name: "now", Version: 1, Turn: time.UnixMilli(7), Entry: "e2", State: "s2"},
				{Name: "later", Version: 1}, {Name: "new", Entry: "e", State: "s"}, {Name: "other", Version: 5, Entry: "e"},
			})
			return err
		},
		jobs: []string{"cron:entry:now", "cron:entry:later", "cron:entry:new", "cron:entry:other"},
		changes: []string{
			"-cron:due later T", "-cron:due now 5", "-cron:entry:later entry e", "-cron:entry:later state s",
			"-cron:entry:later turn T", "-cron:entry:later version 1",
			"-cron:entry:now entry e", "-cron:entry:now state s", "-cron:entry:now turn 5", "-cron:entry:now version 1",
			"-cron:names later 0",
			"+cron:due now 7", "+cron:entry:new entry e", "+cron:entry:new state s", "+cron:entry:new turn ", "+cron:entry:new version T",
			"+cron:entry:now entry e2", "+cron:entry:now state s2", "+cron:entry:now turn 7", "+cron:entry:now version T",
			"+cron:names new 0",
		},
	},
	"CronWrites of a declared set": {
		script: "cron_write",
		run: func(ctx context.Context, s *Store, _ *Queue) error {
			_, err := s.CronWrites(ctx, true, &CronDeclared{Name: "set", Was: "1", Is: "2"}, []CronWrite{{Name: "later", Version: 1}})
			return err
		},
		jobs: []string{"cron:entry:later"},
		changes: []string{
			"-cron:due later T", "-cron:entry:later entry e", "-cron:entry:later state s", "-cron:entry:later turn T",
			"-cron:entry:later version 1", "-cron:names later 0", "-cron:sets set 1",
			"+cron:sets set 2",
		},
	},
	"CronWrites of a declared set that is another by now": {
		script: "cron_write",
		run: func(ctx context.Context, s *Store, _ *Queue) error {
			_, err := s.CronWrites(ctx, true, &CronDeclared{Name: "set", Was: "0", Is: "2"}, []CronWrite{{Name: "later", Version: 1}})
			return err
		},
		jobs: []string{"cron:entry:later"},
	},
	"CronWrites of a declared set of which an entry has changed": {
		script: "cron_write",
		run: func(ctx context.Context, s *Store, _ *Queue) error {
			_, err := s.CronWrites(ctx, true, &CronDeclared{Name: "set", Was: "1", Is: "2"}, []CronWrite{{Name: "later", Version: 1}, {Name: "now", Version: 7}})
			return err
		},
		jobs: []string{"cron:entry:later", "cron:entry:now"},
	},
	"CronWrites of one that a scheduler has": {
		script:  "cron_write",
		prepare: func(b *box) { b.do("ZADD", b.s.cronKey("due"), "1900000000000", "now") },
		run: func(ctx context.Context, s *Store, _ *Queue) error {
			_, err := s.CronWrites(ctx, true, nil, []CronWrite{{Name: "now", Version: 1}})
			return err
		},
		jobs: []string{"cron:entry:now"},
	},
	"TrimEnded": {
		script: "sweep_ended",
		prepare: func(b *box) {
			b.record("a", "state", "done", "job", "ja")
			b.record("b", "gen", "1", "state", "ready", "job", "jb") // enqueued again
			b.record("d", "state", "done", "job", "jd")
			b.do("RPUSH", b.q.Ended, "a", "b", "c", "d")
		},
		run: func(ctx context.Context, s *Store, q *Queue) error {
			_, err := s.TrimEnded(ctx, q, 1)
			return err
		},
		jobs: []string{"rec:a"},
		changes: []string{
			"-ended [a, b, c, d]", "-rec:a job ja", "-rec:a state done", "+ended [d]",
		},
		tolerates: "rec:a",
	},
}

// box is a queue with something of everything in it.
type box struct {
	t     testing.TB
	s     *Store
	q     *Queue
	redis rueidis.Client
	at    time.Time // when it was made
}

func newBox(t testing.TB, url, queue string) *box {
	t.Helper()
	ns := "t" + wire.NewIncarnation()
	if queue != "mail" {
		queue = fmt.Sprintf(queue, ns)
	}
	s, err := New(Options{URL: url, Namespace: ns})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	q, err := s.Queue(queue)
	if err != nil {
		t.Fatal(err)
	}
	redis, err := s.client(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	b := &box{t, s, q, redis, time.Now()}
	now := time.Now().UnixMilli()
	early, late := strconv.FormatInt(now-60_000, 10), strconv.FormatInt(now+3600_000, 10)
	b.do("RPUSH", q.Ready, "r1", "r2")
	if q.Foreign {
		b.do("RPUSH", q.List, "f1", "f2")
	}
	b.do("RPUSH", q.Hand(me), "handed")
	for i := range 5 {
		b.do("HSET", q.Held(me), formatTag(FirstTag+source.Tag(i)), fmt.Sprint("h", i))
	}
	b.do("RPUSH", q.Hand(dead), "dead hand")
	b.do("HSET", q.Held(dead), formatTag(FirstTag), "d0", formatTag(FirstTag+1), "d1")
	b.do("ZADD", q.Workers, "0", me, early, dead, early, gone)
	b.do("RPUSH", q.Suspect, "s1")
	b.do("ZADD", q.Scheduled, early, "due", late, "later")
	b.do("ZADD", q.Retry, early, "due retry", late, "later retry")
	b.do("ZADD", q.Dead, early, "x1", early, "x2")
	b.do("ZADD", q.Seen, early, "known")
	b.do("HSET", q.Count, "claimed", "10", "done", "5")
	b.do("HSET", s.workersKey(), me, "5", "@observer", dead)
	b.do("HSET", s.infoKey(), me, "old")
	b.do("SADD", s.queuesKey(), "other")
	b.do("HSET", s.operationsKey(), "o1", "old", "o1:lease", "1 me")
	for name, turn := range map[string]string{"now": "5", "later": late} {
		b.do("ZADD", s.cronKey("due"), turn, name)
		b.do("ZADD", s.cronKey("names"), "0", name)
		b.do("HSET", s.CronEntry(name), "version", "1", "turn", turn, "entry", "e", "state", "s")
	}
	b.do("HSET", s.cronKey("sets"), "set", "1")
	return b
}

// record makes the record of a job.
func (b *box) record(id string, fields ...string) {
	b.t.Helper()
	b.do(append([]string{"HSET", b.q.Record(id)}, fields...)...)
}

// unlessChanged is what comes of an Act that has been done before.
func unlessChanged(err error) error {
	if errors.Is(err, ErrChanged) {
		return nil
	}
	return err
}

func (b *box) do(words ...string) rueidis.RedisResult {
	b.t.Helper()
	reply := b.redis.Do(context.Background(), b.redis.B().Arbitrary(words...).Build())
	if err := reply.Error(); err != nil && !rueidis.IsRedisNil(err) {
		b.t.Fatalf("%v: %v", words, err)
	}
	return reply
}

// parts are the keys of the box by short names.
func (b *box) parts() map[string]string {
	q := b.q
	parts := map[string]string{
		"ready": q.Ready, "suspect": q.Suspect, "scheduled": q.Scheduled, "retry": q.Retry, "dead": q.Dead, "alarm": q.Alarm,
		"seen": q.Seen, "rules": q.Rules, "count": q.Count, "workers": q.Workers,
		"hand:me": q.Hand(me), "held:me": q.Held(me), "hand:dead": q.Hand(dead), "held:dead": q.Held(dead),
		"trash:o1": q.Trash("o1"), "all:operations": b.s.operationsKey(), "all:audit": b.s.logKey(LogAudit),
		"all:workers": b.s.workersKey(), "all:info": b.s.infoKey(), "all:queues": b.s.queuesKey(),
	}
	if q.Foreign {
		parts["list"] = q.List
	}
	parts["ended"], parts["imports"] = q.Ended, q.Imports
	for _, part := range []string{"due", "names", "sets", "entry:now", "entry:later", "entry:new", "entry:other"} {
		parts["cron:"+part] = b.s.cronKey(part)
	}
	for _, part := range []string{"failures", "first", "times", "samples"} {
		parts["stats:"+part] = b.s.statsKey(strings.TrimSuffix("failures:"+part, ":failures"))
	}
	for part, key := range map[string]string{
		"minutes": b.s.spanKey(Minutes, b.at), "hours": b.s.spanKey(Hours, b.at), "days": b.s.spanKey(Days, b.at),
		"hourly": b.s.hourlyKey(b.at), "last": b.s.statsKey("last:me"),
	} {
		parts["stats:"+part] = key
	}
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		parts["rec:"+id] = q.Record(id)
	}
	for _, lock := range []string{"q1", "b1"} {
		parts["unique:"+lock], parts["running:"+lock], parts["parked:"+lock] = q.Lock(lock), q.Running(lock), q.Parked(lock)
	}
	return parts
}

// dump shows all keys of the box: a line for each list, and for each member of the
// others.
func (b *box) dump() []string {
	b.t.Helper()
	var lines []string
	parts := b.parts()
	for _, part := range slices.Sorted(maps.Keys(parts)) {
		key := parts[part]
		kind, err := b.do("TYPE", key).ToString()
		if err != nil {
			b.t.Fatal(err)
		}
		add := func(format string, args ...any) {
			line := fmt.Sprintf(part+" "+format, args...)
			line = strings.ReplaceAll(line, b.q.Name, "QUEUE")
			lines = append(lines, line)
		}
		switch kind {
		case "list":
			all, _ := b.do("LRANGE", key, "0", "-1").AsStrSlice()
			for i := range all {
				if id, entry, ok := strings.Cut(all[i], "-0 "); ok && len(id) == 13 { // of a log
					all[i] = "T " + entry
				}
			}
			add("[%s]", strings.Join(all, ", "))
		case "set":
			all, _ := b.do("SMEMBERS", key).AsStrSlice()
			for _, member := range all {
				add("%s", member)
			}
		case "hash":
			all, _ := b.do("HGETALL", key).AsStrMap()
			for field, value := range all {
				if line, at, ok := strings.Cut(value, " "); ok && part == "imports" && len(at) == 13 {
					value = line + " T"
				}
				if at, rest, _ := strings.Cut(value, " "); len(at) == 13 && at > "17" && field != "claimed" {
					value = strings.TrimSpace("T " + rest)
				}
				add("%s %s", field, value)
			}
		case "zset":
			all, _ := b.do("ZRANGE", key, "0", "-1", "WITHSCORES").AsZScores()
			for _, z := range all {
				if z.Score > 1e12 {
					add("%s T", z.Member)
				} else {
					add("%s %v", z.Member, z.Score)
				}
			}
		case "string":
			text, _ := b.do("GET", key).ToString()
			add("is %s", text)
		}
		if ttl, _ := b.do("PTTL", key).AsInt64(); ttl > 0 {
			add("has a TTL")
		}
	}
	slices.Sort(lines)
	return lines
}

// changes are the lines that went and came.
func changes(before, after []string) []string {
	var lines []string
	for _, line := range before {
		if !slices.Contains(after, line) {
			lines = append(lines, "-"+line)
		}
	}
	for _, line := range after {
		if !slices.Contains(before, line) {
			lines = append(lines, "+"+line)
		}
	}
	return lines
}

// TestScripts runs every operation twice: the first call does what it should, and
// the second, as after a lost reply, nothing more.
//
//fault:network any script is run a second time, as after a lost reply | it changes nothing more
func TestScripts(t *testing.T) {
	t.Parallel()
	tried := map[string]bool{}
	for name, op := range operations {
		tried[op.script] = true
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := op.box(t, redistest.Shared(t).URL(), "mail")
			before := b.dump()
			if err := op.run(t.Context(), b.s, b.q); err != nil {
				t.Fatal(err)
			}
			once := b.dump()
			if diff := cmp.Diff(op.changes, changes(before, once)); diff != "" {
				t.Errorf("the first call (-want +got):\n%s", diff)
			}
			if err := op.run(t.Context(), b.s, b.q); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(op.again, changes(once, b.dump())); diff != "" {
				t.Errorf("the second call (-want +got):\n%s", diff)
			}
		})
	}
	files, err := luaFiles.ReadDir("lua")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !tried[strings.TrimSuffix(f.Name(), ".lua")] {
			t.Errorf("%s is in none of the operations", f.Name())
		}
	}
}

// TestScriptsWithWrongTypes: a key that another program has taken is an error that
// says so, and nothing is done by half.
//
//fault:data any script finds a value of any other type in any of its keys | an error says so, and nothing is done by half
func TestScriptsWithWrongTypes(t *testing.T) {
	t.Parallel()
	for name, op := range operations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var tolerated, half []string
			box := op.box(t, redistest.Shared(t).URL(), "list:%s-jobs")
			for _, part := range slices.Sorted(maps.Keys(box.parts())) {
				if !op.gets(part) {
					continue
				}
				worked, partly := 0, 0
				types := otherTypes(box, part)
				for _, write := range types {
					b := op.box(t, redistest.Shared(t).URL(), "list:%s-jobs")
					key := b.parts()[part]
					b.do("DEL", key)
					b.do(append([]string{write[0], key}, write[1:]...)...)
					before := b.dump()
					err := op.run(t.Context(), b.s, b.q)
					switch {
					case err == nil:
						worked++
					case !errors.Is(err, ErrWrongType):
						t.Errorf("%s, %s: %v: want ErrWrongType", part, write[0], err)
					case len(changes(before, b.dump())) > 0:
						partly++
					}
					b.s.Close()
				}
				if worked > 0 {
					tolerated = append(tolerated, part)
				}
				if partly > 0 {
					half = append(half, part)
				}
				if worked%len(types) != 0 || partly%len(types) != 0 {
					t.Errorf("%s: of %d types it works with %d, and does a part with %d: want all or none", part, len(types), worked, partly)
				}
			}
			if got := strings.Join(tolerated, " "); got != op.tolerates {
				t.Errorf("it works with a wrong type of %q; want %q", got, op.tolerates)
			}
			if got := strings.Join(half, " "); got != op.half {
				t.Errorf("with a wrong type of %q it does a part; want %q", got, op.half)
			}
		})
	}
}

// otherTypes are commands that make a value of each type that a part has not, without
// their key.
func otherTypes(b *box, part string) [][]string {
	var writes [][]string
	own := map[string]string{"SET": "string", "RPUSH": "list", "ZADD": "zset", "HSET": "hash", "SADD": "set"}
	kind := b.kinds()[b.parts()[part]]
	for _, write := range [][]string{{"SET", "x"}, {"RPUSH", "x"}, {"SADD", "x"}, {"ZADD", "1", "x"}, {"HSET", "x", "y"}, {"XADD", "*", "x", "y"}} {
		if own[write[0]] != kind {
			writes = append(writes, write)
		}
	}
	return writes
}

// kinds are the types that the keys of the box should have.
func (b *box) kinds() map[string]string {
	kinds := b.q.Keys()
	maps.Copy(kinds, b.s.NamespaceKeys())
	for _, incarnation := range []string{me, dead} {
		kinds[b.q.Hand(incarnation)], kinds[b.q.Held(incarnation)] = "list", "hash"
	}
	for part, key := range b.parts() {
		switch name, _, _ := strings.Cut(part, ":"); name {
		case "rec":
			kinds[key] = "hash"
		case "cron":
			if strings.HasPrefix(part, "cron:entry:") {
				kinds[key] = "hash"
			}
		case "stats":
			kinds[key], _ = b.s.IsStats(key)
		case "unique", "running":
			kinds[key] = "string"
		case "parked", "trash":
			kinds[key] = "list"
		}
	}
	return kinds
}

// gets tells whether the script is given a key, by its header.
func (op *operation) gets(part string) bool {
	header := loadScript(op.script).text
	name, who, incarnation := strings.Cut(part, ":")
	switch {
	case slices.Contains([]string{"rec", "unique", "running", "parked"}, name), strings.HasPrefix(who, "entry:"):
		return slices.Contains(op.jobs, part)
	case name == "cron":
		return strings.Contains(header, "] "+who+" ") && strings.HasPrefix(op.script, "cron_")
	case name == "stats" && op.script == "inspect_forget":
		return slices.Contains([]string{"failures", "first", "times", "samples", "hourly"}, who)
	case name == "stats":
		return slices.ContainsFunc([]string{"HASH", "ZSET", "STRING"}, func(kind string) bool { return strings.Contains(header, "] "+who+" "+kind+" ") }) &&
			op.script == "settle_stats"
	case name == "all":
		return strings.Contains(header, "] "+who+" HASH ") || strings.Contains(header, "] "+who+" SET ")
	case name == "workers":
		return strings.Contains(header, "] workers ZSET ")
	case incarnation:
		return who == op.who && strings.Contains(header, "] "+name+" ")
	}
	return strings.Contains(header, "] "+name+" ")
}

// TestScriptsWhenRedisIsFull: what a worker does goes on, so that the queues drain.
// Only a producer is refused, and nothing of its call is done.
//
//fault:server a full server runs any script, none of which it has seen before | all of a worker are done, none of a producer, and nothing by half
func TestScriptsWhenRedisIsFull(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--maxmemory-policy", "noeviction")
	for name, op := range operations {
		t.Run(name, func(t *testing.T) { // one after the other: it is full for all
			b := op.box(t, server.URL(), "mail")
			before := b.dump()
			b.do("SCRIPT", "FLUSH")
			b.do("CONFIG", "SET", "maxmemory", "1")
			err := op.run(t.Context(), b.s, b.q)
			b.do("CONFIG", "SET", "maxmemory", "0")
			diff := changes(before, b.dump())
			if op.refused {
				if !errors.Is(err, ErrFull) || len(diff) > 0 {
					t.Errorf("%v, and it has changed %q: want ErrFull, and nothing", err, diff)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(op.changes, diff); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// TestMoveInLongList: a job is found where it was seen, or around it when the list has been
// pushed to and taken from since; of equal ones as many go as are named; no mark is left.
func TestMoveInLongList(t *testing.T) {
	t.Parallel()
	const n = 6000
	words := make([]string, n)
	for i := range words {
		words[i] = fmt.Sprint("e", i)
	}
	for pushed, there := range map[int]bool{0: true, 400: true, -400: true, 1000: false, -1000: false} {
		b := newBox(t, redistest.Shared(t).URL(), "mail")
		b.do("DEL", b.q.Ready)
		b.do(append([]string{"RPUSH", b.q.Ready}, words...)...)
		if pushed > 0 {
			b.do(append([]string{"RPUSH", b.q.Ready}, words[:pushed]...)...) // "e0" and so on, far from the others
		} else if pushed < 0 {
			b.do("RPOP", b.q.Ready, strconv.Itoa(-pushed))
		}
		b.do("LPOP", b.q.Ready, "300")
		before, _ := b.do("LLEN", b.q.Ready).AsInt64()
		gone := int64(0)
		for _, at := range []int{3000, 3001, 4500} {
			done, err := b.s.Move(t.Context(), b.q, time.Time{}, true, []Moving{
				{From: "ready", Far: int64(n - at), Element: words[at]}, {From: "ready", Far: int64(n - at), Element: "nobody"},
			})
			if err != nil || done[0] != there || done[1] {
				t.Errorf("pushed %d, %s: %v, %v", pushed, words[at], done, err)
			}
			if there {
				gone++
			}
		}
		b.do("RPUSH", b.q.Ready, "equal", "equal", "equal")
		two := []Moving{{From: "ready", Far: 1, Element: "equal"}, {From: "ready", Far: 2, Element: "equal"}}
		if done, err := b.s.Move(t.Context(), b.q, time.Time{}, true, two); err != nil || !done[0] || !done[1] {
			t.Errorf("of three equal ones two: %v, %v", done, err)
		}
		left, _ := b.do("LRANGE", b.q.Ready, "0", "-1").AsStrSlice()
		if int64(len(left)) != before-gone+1 || left[len(left)-1] != "equal" || slices.ContainsFunc(left, func(e string) bool { return strings.HasPrefix(e, "taken") }) {
			t.Errorf("pushed %d: %d are left of %d", pushed, len(left), before)
		}
	}
}
