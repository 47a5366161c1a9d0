package tasuki

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// TestObserverMissed: an observer whose counter stands still is replaced, and what
// was seen of it counts for its death; but not the time in which this worker did not
// get an answer itself.
//
//fault:server redis stands still for longer than a worker may, and the observer is the last to beat again | it is not taken for dead
func TestObserverMissed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		passed, unanswered time.Duration // since the counter moved, and since the last beat of this worker
		active             bool
		still              time.Duration // at least
	}{
		"a moment":        {passed: time.Second, unanswered: time.Second},
		"absent":          {passed: absence, unanswered: time.Second, active: true, still: absence},
		"frozen for long": {passed: slowDeath, unanswered: time.Second, active: true, still: slowDeath},
		"redis was away":  {passed: slowDeath + time.Second, unanswered: slowDeath},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, err := Open(redistest.Shared(t).URL(), &ClientConfig{Namespace: "t" + wire.NewIncarnation()})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			w, err := NewWorker(client, nil)
			if err != nil {
				t.Fatal(err)
			}
			if ok, err := client.store.Elect(t.Context(), "", "other"); !ok || err != nil {
				t.Fatal(ok, err)
			}
			o := &observer{session: &session{w: w, id: "me", fetcher: &fetcher{}}}
			seen := store.Beaten{Known: true, Observer: "other", Beats: 7, Subscriptions: 1}
			o.beaten(t.Context(), seen)
			o.whoSince = o.whoSince.Add(-tt.passed)
			o.answered = o.answered.Add(-tt.unanswered)
			o.beaten(t.Context(), seen)
			if o.active != tt.active {
				t.Fatalf("it took the place: %v, want %v", o.active, tt.active)
			}
			if other := o.watched["other"]; tt.active && (other == nil || other.still < tt.still) {
				t.Errorf("it knows %+v of the other, want that it was still for %v", other, tt.still)
			}
			// A beat later it is missed for as long as this worker could see.
			o.whoSince = o.whoSince.Add(-absence)
			o.answered = o.answered.Add(-time.Second)
			if !tt.active && name != "a moment" {
				o.beaten(t.Context(), seen)
				if other := o.watched["other"]; other == nil || other.still >= slowDeath {
					t.Errorf("after a second absence it knows %+v of the other", other)
				}
			}
		})
	}
}

// TestBeatAgain: a worker whose connection is lost for a moment beats again before it can
// be taken for dead, also when its last beat was as long ago as that can be.
func TestBeatAgain(t *testing.T) {
	t.Parallel()
	const lastBeat, away = beatEvery + beatEvery/10, 600 * time.Millisecond
	for silent, failures := lastBeat, 1; ; failures++ {
		if silent >= lastBeat+away {
			if silent >= quickDeath {
				t.Errorf("it beats again after %v", silent)
			}
			break
		}
		silent += beatAgain(failures, silent) * 11 / 10
	}
	if pause := beatAgain(10, quickDeath); pause != beatEvery {
		t.Errorf("it tries every %v when it may be taken for dead: no need for haste", pause)
	}
}

// TestWhoIsDead shows workers to the observer, round by round. It takes one for dead
// when its counter has stood still for 30 s, or for 2 s while its subscription is gone;
// and time in which nothing could be seen is held against nobody.
//
//fault:network the subscription of a worker is gone, and it beats | it is not taken for dead, for however long
//fault:time every look of the observer at the others comes late | nobody is taken for dead for that
func TestWhoIsDead(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		gone, beats bool          // its subscription, its counter
		gap         time.Duration // from round to round; 0: a second
		from, to    int           // the rounds in one of which it is found dead; from 0: never until then
	}{
		"beats":                             {beats: true, to: 40},
		"beats, subscription gone":          {beats: true, gone: true, to: 40},
		"stands still":                      {from: 5, to: 40},
		"stands still, subscription gone":   {gone: true, from: 3, to: 15},
		"the same, but nobody could see it": {gone: true, gap: 3 * time.Second, to: 40},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, sw := t.Context(), sweepers(t, 1)[0]
			q := sw.w.queue[DefaultQueue]
			sw.enter(ctx, t, q, "other")
			pulses := map[string]*store.Pulse{}
			for _, worker := range []string{"me", "other"} {
				pulses[worker] = sw.store.Pulse(worker, func(string, string) {})
				defer pulses[worker].Close()
				if _, err := pulses[worker].Beat(ctx, true, func() []string { return nil }); err != nil {
					t.Fatal(err)
				}
			}
			if ok, err := sw.store.Elect(ctx, "", "me"); !ok || err != nil {
				t.Fatal(ok, err)
			}
			if tt.gone {
				pulses["other"].Close()
				redistest.WaitFor(t, "the subscription to be gone", func() error {
					vitals, err := pulses["me"].Observe(ctx)
					if slices.ContainsFunc(vitals, func(v store.Vital) bool { return v.Subscriptions == 0 }) {
						return nil
					}
					return errors.Join(err, errors.New("it is there"))
				})
			}
			redis := rawClient(t)
			o := &observer{session: &session{w: sw.w, id: "me", fetcher: &fetcher{}}}
			o.begin(time.Now())
			for round := 1; round <= tt.to; round++ {
				o.lastRound = time.Now().Add(-max(tt.gap, time.Second))
				o.round(ctx, pulses["me"])
				o.sweeping.Wait()
				members, err := sw.store.Members(ctx, q)
				if err != nil {
					t.Fatal(err)
				}
				if slices.ContainsFunc(members, func(m store.Member) bool { return !m.Ended.IsZero() }) {
					if tt.from == 0 || round < tt.from {
						t.Errorf("it is dead after %d rounds", round)
					}
					return
				}
				if tt.beats {
					redis.Do(ctx, redis.B().Hincrby().Key(sw.w.client.cfg.Namespace+":workers").Field("other").Increment(1).Build())
				}
			}
			if tt.from > 0 {
				t.Errorf("it lives after %d rounds", tt.to)
			}
		})
	}
}
