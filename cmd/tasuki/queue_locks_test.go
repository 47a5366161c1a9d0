package main

import (
	"testing"

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
	locks := decode[[]inspect.Lock](t, e.tasuki("queue", "locks", "default", "-o", "json").want(t, exitOK).stdout)
	if len(locks) != 1 || locks[0].Owner != info.ID {
		t.Fatalf("%+v", locks)
	}
	e.tasuki("queue", "unlock", "default").want(t, exitUsage, "tasuki queue unlock NAME LOCK")
	e.tasuki("queue", "unlock", "default", locks[0].Name).want(t, exitOK, "is free")
	e.tasuki("queue", "unlock", "default", locks[0].Name).want(t, exitNotFound, "not found")
	if again, err := k.Enqueue(t.Context(), e.client, 1); err != nil || again.Existed {
		t.Errorf("%+v, %v", again, err)
	}
}
