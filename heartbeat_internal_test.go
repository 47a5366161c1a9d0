package tasuki

import (
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
			o := &observer{session: &session{w: w, id: "me"}}
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
