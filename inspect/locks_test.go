package inspect_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

func TestLocks(t *testing.T) {
	e := setup(t)
	with := func(mode tasuki.UniqueMode, key string, d time.Duration) tasuki.Spec {
		return kind.With(tasuki.Opts{Unique: tasuki.Unique{Mode: mode, Key: key, For: d}}).Spec(1)
	}
	e.put(with(tasuki.UniqueQueued, "a", 0))
	e.put(with(tasuki.UniqueWindow, "b", time.Hour))
	locks, err := redistest.All(e.inspector.Locks(t.Context(), "default"))
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
	locks, err := redistest.All(e.inspector.Locks(t.Context(), "default"))
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

// TestLocksSome: bounded looks find all locks, however many other keys there are, and however many
// locks lie together.
func TestLocksSome(t *testing.T) {
	e := setupOn(t, redistest.Start(t))
	const n = 100
	var specs []tasuki.Spec
	for k := range n {
		specs = append(specs, kind.With(tasuki.Opts{Unique: tasuki.Unique{Mode: tasuki.UniqueQueued, Key: fmt.Sprint(k)}}).Spec(k))
	}
	if _, err := e.client.EnqueueMany(t.Context(), specs); err != nil {
		t.Fatal(err)
	}
	walk := func() (looks int) {
		t.Helper()
		seen := map[string]bool{}
		for cursor := ""; ; looks++ {
			before := commands(t, e.server)
			locks, next, err := e.inspector.LocksSome(t.Context(), "default", cursor)
			if err != nil || looks > 5000 {
				t.Fatal(looks, err)
			}
			if sent := commands(t, e.server) - before; sent > 200 {
				t.Errorf("%d commands", sent)
			}
			for _, l := range locks {
				if l.Owner == "" || l.State != tasuki.StateReady {
					t.Errorf("%+v", l)
				}
				seen[l.Key] = true
			}
			if cursor = next; cursor == "" {
				break
			}
		}
		if len(seen) != n {
			t.Errorf("%d locks, want %d", len(seen), n)
		}
		return looks
	}
	if looks := walk(); looks < 3 {
		t.Errorf("%d looks", looks)
	}
	e.server.Do(t, "EVAL", "for n = 1, 100000 do redis.call('SET', 'other:' .. n, '') end", "0")
	walk()
	_, next, err := e.inspector.LocksSome(t.Context(), "default", "")
	if err != nil || next == "" {
		t.Fatal(next, err)
	}
	if _, _, err := e.inspector.LocksSome(t.Context(), "other", next); !errors.Is(err, inspect.ErrCursor) {
		t.Errorf("another queue's cursor: %v", err)
	}
}
