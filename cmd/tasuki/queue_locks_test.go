package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

func TestQueueLocks(t *testing.T) {
	t.Parallel()
	e := setup(t)
	k := tasuki.Define[int]("report").With(tasuki.Opts{Unique: tasuki.Unique{Mode: tasuki.UniqueUntilDone, Key: "tenant 7"}})
	info, err := k.Enqueue(t.Context(), e.client, 1)
	if err != nil {
		t.Fatal(err)
	}
	e.tasuki("queue", "locks", "default").want(t, exitOK, "LOCK ", "report", `"tenant 7"`, info.ID, "ready", "with its job")
	lock := decode[inspect.Lock](t, e.tasuki("queue", "locks", "default", "-o", "json").want(t, exitOK).stdout)
	if lock.Owner != info.ID {
		t.Fatalf("%+v", lock)
	}
	e.tasuki("queue", "unlock", "default").want(t, exitUsage, "tasuki queue unlock NAME LOCK")
	e.tasuki("queue", "unlock", "default", lock.Name).want(t, exitOK, "is free")
	e.tasuki("queue", "unlock", "default", lock.Name).want(t, exitNotFound, "not found")
	if again, err := k.Enqueue(t.Context(), e.client, 1); err != nil || again.Existed {
		t.Errorf("%+v, %v", again, err)
	}
}

func TestQueueLocksMany(t *testing.T) {
	t.Parallel()
	e := setup(t)
	var specs []tasuki.Spec
	for n := range 60 {
		specs = append(specs, tasuki.Spec{Kind: "report", Opts: tasuki.Opts{Unique: tasuki.Unique{Mode: tasuki.UniqueQueued, Key: fmt.Sprint(n)}}})
	}
	specs = append(specs, tasuki.Spec{Kind: "report", Opts: tasuki.Opts{Unique: tasuki.Unique{Mode: tasuki.UniqueWindow, Key: "window", For: 90 * time.Minute}}})
	if _, err := e.client.EnqueueMany(t.Context(), specs); err != nil {
		t.Fatal(err)
	}
	for limit, want := range map[string]int{"0": 61, "61": 61, "60": 60, "7": 7} {
		r := e.tasuki("queue", "locks", "default", "--limit", limit).want(t, exitOK, "LOCK ")
		if got := strings.Count(r.stdout, "\n") - 1; got != want {
			t.Errorf("--limit %s: %d", limit, got)
		}
		if more := "there are more than " + limit; strings.Contains(r.stderr, more) != (want < 61) {
			t.Errorf("--limit %s: %s", limit, r.stderr)
		}
		if limit == "0" && !strings.Contains(r.stdout, "in 1h30m\n") { // as all durations are written
			t.Error(r.stdout)
		}
	}
	lines := strings.Fields(e.tasuki("queue", "locks", "default", "-o", "json").want(t, exitOK).stdout)
	keys := map[string]bool{}
	for _, line := range lines {
		keys[decode[inspect.Lock](t, line).Key] = true
	}
	if len(lines) != 61 || len(keys) != 61 {
		t.Errorf("%d lines, %d keys", len(lines), len(keys))
	}
	e.tasuki("queue", "locks", "default", "--limit", "-1").want(t, exitUsage, "allowed are 1 and more")
	e.tasuki("queue", "locks", "none").want(t, exitNotFound)
}
