package inspect_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// hear listens until the test ends, and returns when it is heard.
func (e *env) hear(queue string) <-chan inspect.Event {
	e.t.Helper()
	heard := make(chan inspect.Event, 1000)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	e.t.Cleanup(func() {
		stop()
		<-ended
	})
	go func() {
		defer close(ended)
		for ev, err := range e.inspector.Events(ctx, queue) {
			if err != nil {
				e.t.Error(err)
			}
			heard <- ev
		}
	}()
	pattern := e.namespace + ":{*}:rec:*"
	redistest.WaitFor(e.t, "the subscription", func() error {
		if e.server.Do(e.t, "PUBLISH", e.namespace+":{"+queue+"}:rec:hello", "note") != ":1" {
			return fmt.Errorf("nobody hears %s", pattern)
		}
		return nil
	})
	return heard
}

// expectEvents demands these, in this order, and none besides.
func expectEvents(t *testing.T, heard <-chan inspect.Event, want ...string) {
	t.Helper()
	for _, w := range want {
		if ev := <-heard; ev.Address()+" "+ev.What != w || ev.At.IsZero() {
			t.Fatalf("heard %+v, want %s", ev, w)
		}
	}
}

// TestEvents: recorded jobs tell each of their changes, bare jobs and other queues nothing.
func TestEvents(t *testing.T) {
	e := setup(t)
	heard := e.hear("default")
	expectEvents(t, heard, "default/hello note")
	for _, spec := range []tasuki.Spec{
		{Kind: "k", Opts: tasuki.Opts{ID: "bare"}},
		{Kind: "k", Opts: tasuki.Opts{ID: "elsewhere", Queue: "other", Record: true}},
		{Kind: "k", Opts: tasuki.Opts{ID: "a", Record: true}},
	} {
		spec.Args = []byte("1")
		e.put(spec)
	}
	if err := e.client.Cancel(t.Context(), "other/elsewhere"); err != nil {
		t.Fatal(err)
	}
	e.settle(2, func(_ context.Context, job *tasuki.RawJob) error { return nil })
	e.put(tasuki.Spec{Kind: "k", Args: []byte("1"), Opts: tasuki.Opts{ID: "b", Record: true}})
	if err := e.client.Edit(t.Context(), "default/b", func(s *tasuki.Spec) error { s.Args = []byte("2"); return nil }); err != nil {
		t.Fatal(err)
	}
	if err := e.client.Cancel(t.Context(), "default/b"); err != nil {
		t.Fatal(err)
	}
	expectEvents(t, heard, "default/a running", "default/a done", "default/b edited", "default/b cancelled")
}

// TestEventsMissed: when the connection was lost, that is told, and others follow.
func TestEventsMissed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	e := on(t, server.URL())
	e.server = server
	heard := e.hear("default")
	expectEvents(t, heard, "default/hello note")
	server.Do(t, "CLIENT", "KILL", "TYPE", "pubsub")
	expectEvents(t, heard, " missed")
	server.Do(t, "PUBLISH", e.namespace+":{default}:rec:a", "done")
	expectEvents(t, heard, "default/a done")
}

func TestEventsRefused(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	e := on(t, server.URL())
	worker := inspect.New(e.open(server.As(t, "worker", e.namespace)))
	for queue, i := range map[string]*inspect.Inspector{"default": worker, "no name": e.inspector} { // a worker may not PSUBSCRIBE
		n := 0
		for ev, err := range i.Events(t.Context(), queue) {
			if n++; err == nil {
				t.Errorf("heard %+v", ev)
			}
		}
		if n != 1 {
			t.Errorf("%s: %d errors", queue, n)
		}
	}
}
