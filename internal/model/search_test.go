package model_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/tasuki-dev/tasuki/internal/model"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestSearch goes through all that can happen in small worlds, up to a depth: no job is
// lost or in two places, no outcome is written for a job that was given to another, and
// from each state that is tried (every sixteenth) everything drains as soon as nothing
// goes wrong any more. The ways to some of the deepest states are then walked on a real
// server.
//
//fault:process a worker dies or is taken for dead between any two of its steps | its jobs run elsewhere, none is lost, and what it writes later has no effect
//fault:network any two calls of a worker are lost, unanswered or late | no job is lost or written twice, and all of them end
//fault:data several jobs have the same bytes | each of them runs
func TestSearch(t *testing.T) {
	t.Parallel()
	url := redistest.Shared(t).URL()
	all := scenarios
	if *deeper > 0 {
		all = append(slices.Clone(scenarios), everything)
	}
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) {
			// One after the other: each needs some memory.
			f := (&model.Search{Start: s.world(), Depth: s.depth + *deeper, HealEvery: 16, Most: *most}).Run()
			t.Logf("%d states, %d transitions, depth %d %v, %d drained, in %v",
				f.States, f.Transitions, f.Depth, f.Levels, f.Healed, f.Time.Round(time.Millisecond))
			if f.Wrong != nil {
				t.Fatal(f.Wrong)
			}
			if f.Depth < s.depth && len(f.Levels) > s.depth || f.States < 2000 || f.Transitions < f.States || f.Healed < f.States/32 {
				t.Error("there is little left of the search")
			}
			walked := 0
			for _, state := range f.Deepest(5 + 20**deeper) {
				if n, err := walkOnServer(url, &s, f.Walk(state)); err != nil {
					t.Fatal(err)
				} else if walked += n; n == 0 {
					t.Error("a way has no call")
				}
			}
			report.note(func(r *reported) { r.Searches = append(r.Searches, searched{s, f, walked}) })
		})
	}
}

// walkOnServer does the calls of a way on a server: it answers as the model did, and
// holds the same. It returns how many they were.
func walkOnServer(url string, s *scenario, steps []model.Step) (calls int, err error) {
	option, err := rueidis.ParseURL(url)
	if err != nil {
		return 0, err
	}
	option.DisableCache = true
	redis, err := rueidis.NewClient(option)
	if err != nil {
		return 0, err
	}
	defer redis.Close()
	r, err := newRig(url, redis, forms[0])
	if err != nil {
		return 0, err
	}
	defer r.close()
	for i := range s.workers {
		if _, err := r.do(model.Register{Incarnation: model.Incarnation{Worker: uint8(i)}}); err != nil {
			return 0, err
		}
	}
	if len(s.ready) > 0 {
		if _, err := r.do(model.Push{Elements: s.ready}); err != nil {
			return 0, err
		}
	}
	for _, e := range s.suspect {
		if err := r.command("RPUSH", r.q.Suspect, e.String()); err != nil {
			return 0, err
		}
		r.m.Suspect = append(r.m.Suspect, e)
	}
	var way strings.Builder
	for _, step := range steps {
		way.WriteString(step.Action + "\n")
		for i, c := range step.Calls {
			calls++
			r.awaitTick()
			got, err := r.do(c)
			if err != nil {
				return calls, stepError{way.String(), err.Error()}
			}
			if want, got := timeless(step.Answers[i]), timeless(got); !reflect.DeepEqual(want, got) {
				return calls, stepError{way.String(), model.Show(c) + ": " + show(got) + ", want " + show(want)}
			}
		}
	}
	if len(steps) > 0 {
		w := steps[len(steps)-1].World
		if want, got := placesOf(&w.Q, r.known), placesOf(r.m, r.known); !slices.Equal(want, got) {
			return calls, stepError{way.String(), "the server holds " + show(got) + ", want " + show(want)}
		}
	}
	return calls, nil
}

// awaitTick waits until the server's clock is another than that of the last call: what is
// written at one time has another order than what is written one after the other.
func (r *rig) awaitTick() {
	for was := r.now; r.now == was; {
		if _, now, err := r.dump(); err == nil {
			r.now = now
		}
	}
}

// stepError is what was wrong at the end of a way.
type stepError struct{ way, what string }

// Error implements error.
func (e stepError) Error() string { return e.way + e.what }

// timeless is an answer without times and counters, which are not those of a world.
func timeless(answer any) any {
	switch a := visible(answer).(type) {
	case model.Exchanged:
		a.Fence, a.Due = 0, 0
		return a
	case model.Dued:
		a.Next = 0
		return a
	default:
		return a
	}
}

// placesOf is where each job is and who may claim, without times and counters.
func placesOf(q *model.Queue, known []model.Incarnation) []string {
	q = q.Clone()
	q.Count = model.Counts{}
	for _, set := range [][]model.Timed{q.Scheduled, q.Retry, q.Dead} {
		for i := range set {
			set[i].At = 0
		}
	}
	for i := range q.Members {
		q.Members[i].Ended = min(q.Members[i].Ended, 1)
	}
	slices.SortFunc(q.Members, func(a, b model.Member) int { return strings.Compare(a.String(), b.String()) })
	return lines(q, known)
}

// TestKnownMistakes has the search look for what it must not find: each of these
// mistakes in the scripts or in the worker is found in a world that is small enough to
// tell why.
func TestKnownMistakes(t *testing.T) {
	t.Parallel()
	for _, m := range []struct {
		name     string
		mistake  model.Mistake
		scenario string
		says     string
	}{
		{"an outcome is written though its tag is not held", model.SettleUnheld, "late", "not meant for"},
		{"a claim does not ask for the lease", model.ClaimWithoutLease, "sweeps", "may not claim"},
		{"what is not handed over any more is accepted", model.AcceptUnhanded, "late", ""},
		{"a sweep without a tombstone", model.SweepTheLiving, "sweeps", "may still claim"},
		{"a sweep puts back what was settled", model.SweepTheSettled, "sweeps", "before the sweep"},
		{"a sweep counts a crash twice", model.CountTheSettled, "sweeps", "claims have ended"},
		{"a repeated call brings the same tags", model.ReuseTags, "lost", "has to be in"},
		{"nobody looks for claims whose reply was lost", model.AdoptNothing, "lost", "does not drain"},
		{"a tombstone is removed at once", model.ForgetAtOnce, "forgotten", "does not drain"},
		{"strays are claimed while a wait is under way", model.StraysAnytime, "calm", "nothing was lost"},
		{"a worker whose lease is gone does not enter anew", model.StayGone, "sweeps", "does not drain"},
		{"a suspect is claimed while another runs", model.SuspectsAnytime, "suspects", "suspects"},
		{"a suspect is adopted while another runs", model.AdoptAnyway, "suspects", "suspects"},
		{"a call that accepts once more brings the same tag", model.AcceptAgain, "equal", ""},
	} {
		t.Run(m.name, func(t *testing.T) {
			i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == m.scenario })
			s := scenarios[i]
			w := s.world()
			w.Q.Mistake = m.mistake
			f := (&model.Search{Start: w, Depth: s.depth, HealEvery: 4}).Run()
			if f.Wrong == nil {
				t.Fatalf("it is not found in %d states to depth %d", f.States, f.Depth)
			}
			if !strings.Contains(f.Wrong.Err.Error(), m.says) {
				t.Errorf("it is found as something else than %q", m.says)
			}
			t.Logf("after %d states:\n%v", f.States, f.Wrong)
			report.note(func(r *reported) {
				r.Mistakes = append(r.Mistakes, mistaken{m.name, f.States, len(f.Wrong.Steps), f.Wrong})
			})
		})
	}
}
