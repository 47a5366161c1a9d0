package tasuki

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// TestPatrolRemovesInfos: what a worker says of itself goes when it has been in no
// list of workers for long, and not before.
//
//fault:process worker killed between two steps of its start or end | what it said of itself is removed
func TestPatrolRemovesInfos(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	client, err := Open(redistest.Shared(t).URL(), &ClientConfig{Namespace: "t" + wire.NewIncarnation()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	w, err := NewWorker(client, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, worker := range []string{"listed", "absent"} {
		text, err := json.Marshal(&about{Host: worker})
		if err != nil {
			t.Fatal(err)
		}
		if err := client.store.Announce(ctx, worker, string(text)); err != nil {
			t.Fatal(err)
		}
	}
	sw := sweeper{w: w, store: client.store}
	infos := func() []string {
		sw.patrol(ctx, map[string]bool{"listed": true})
		all, err := client.store.About(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Sorted(maps.Keys(all))
	}
	for range 2 { // it may be about to enter the list
		if got := infos(); !slices.Equal(got, []string{"absent", "listed"}) {
			t.Errorf("after a patrol there are %v: want both", got)
		}
	}
	sw.missing["absent"] = time.Now().Add(-slowDeath)
	if got := infos(); !slices.Equal(got, []string{"listed"}) {
		t.Errorf("after a patrol long after there are %v: want the one that is listed", got)
	}
	if err := client.store.Retire(ctx, "listed"); err != nil {
		t.Error(err)
	}
}
