package inspect_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

func TestLocks(t *testing.T) {
	e := setup(t)
	with := func(mode tasuki.UniqueMode, key string, d time.Duration) tasuki.Spec {
		return kind.With(tasuki.Opts{Unique: tasuki.Unique{Mode: mode, Key: key, For: d}}).Spec(1)
	}
	e.put(with(tasuki.UniqueQueued, "a", 0))
	e.put(with(tasuki.UniqueWindow, "b", time.Hour))
	locks, err := e.inspector.Locks(t.Context(), "default")
	if err != nil || len(locks) != 2 {
		t.Fatalf("%+v, %v", locks, err)
	}
	queued, window := locks[0], locks[1]
	if queued.Key != "a" || queued.Kind != kind.Name() || queued.State != tasuki.StateReady || queued.Owner == "" || queued.Left != 0 {
		t.Errorf("%+v", queued)
	}
	if window.Key != "b" || window.Left <= 59*time.Minute || window.Left > time.Hour {
		t.Errorf("%+v", window)
	}
	if err := e.inspector.Unlock(t.Context(), "default", queued.Name); err != nil {
		t.Fatal(err)
	}
	if err := e.inspector.Unlock(t.Context(), "default", queued.Name); !errors.Is(err, inspect.ErrNotFound) {
		t.Errorf("twice: %v", err)
	}
	infos, err := e.client.EnqueueMany(t.Context(), []tasuki.Spec{with(tasuki.UniqueQueued, "a", 0)})
	if err != nil || infos[0].Existed {
		t.Errorf("after it was freed: %+v, %v", infos, err)
	}
	e.settle(3, func(context.Context, *tasuki.RawJob) error { return nil })
	if err := e.inspector.Unlock(t.Context(), "default", window.Name); err != nil {
		t.Error(err)
	}
}

func TestUnlockRunning(t *testing.T) {
	e := setup(t)
	k := kind.With(tasuki.Opts{Unique: tasuki.Unique{Mode: tasuki.UniqueRunning, Key: "x"}})
	began, end := make(chan bool, 2), make(chan bool)
	stop := e.work(func(context.Context, *tasuki.RawJob) error { began <- true; <-end; return nil })
	defer stop()
	for i := range 2 {
		if _, err := k.Enqueue(t.Context(), e.client, i); err != nil {
			t.Fatal(err)
		}
	}
	<-began
	e.wait("default", func(q inspect.Queue) bool { return q.Counts["parked"] == 1 })
	locks, err := e.inspector.Locks(t.Context(), "default")
	if err != nil || len(locks) != 1 || locks[0].Parked != 1 || locks[0].Running == "" || locks[0].State != tasuki.StateRunning {
		t.Fatalf("%+v, %v", locks, err)
	}
	if err := e.inspector.Unlock(t.Context(), "default", locks[0].Name); err != nil {
		t.Fatal(err)
	}
	<-began // beside the first
	close(end)
	e.wait("default", func(q inspect.Queue) bool { return q.Counts["done"] == 2 })
}
