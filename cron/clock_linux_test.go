package cron_test

import (
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/cron"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestClockJumps sets the clock of Redis under schedulers, whose own stays.
//
//fault:time Redis' clock jumps an hour ahead, and then back, under schedulers | the ticks between are missed as if nobody had been there; none is enqueued twice
func TestClockJumps(t *testing.T) {
	t.Parallel()
	server, clock := redistest.StartWithClock(t)
	e := newEnv(t, server.URL())
	first := e.set(often("e")).Next
	for range 2 {
		e.schedule()
	}
	runs := e.await("e", "a run", func(runs []cron.Run) bool { return len(runs) > 0 })
	if !runs[0].Tick.Equal(first) {
		t.Errorf("the first run is of %v, not of %v", runs[0].Tick, first)
	}
	clock.Set(t, time.Hour)
	ahead := e.await("e", "runs an hour ahead", func(runs []cron.Run) bool { return runs[len(runs)-1].Tick.After(first.Add(time.Hour)) })
	clock.Set(t, 0)
	time.Sleep(3 * time.Second) // nothing is to happen
	last := ahead[len(ahead)-1].Tick
	if runs := e.history("e"); runs[len(runs)-1].Tick.After(last.Add(2 * time.Second)) {
		t.Errorf("back at the old time there are %+v", runs)
	}
	clock.Set(t, time.Hour)
	if err := e.table.Pause(e.ctx, "e", "me"); err != nil { // wakes them
		t.Fatal(err)
	}
	if err := e.table.Resume(e.ctx, "e"); err != nil {
		t.Fatal(err)
	}
	e.await("e", "later runs", func(runs []cron.Run) bool { return runs[len(runs)-1].Tick.After(last.Add(3 * time.Second)) })
	e.demandNoTwins()
}
