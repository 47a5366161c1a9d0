package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// TestClusterWaitsAndPulses looks at what in a Cluster depends on the node: a wait is
// woken on its own, and subscriptions are counted where they are.
func TestClusterWaitsAndPulses(t *testing.T) {
	t.Parallel()
	s, err := New(Options{URL: redistest.StartCluster(t).URL(), Namespace: "t" + wire.NewIncarnation()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)

	var pulses []*Pulse
	for i := range 3 {
		p := s.Pulse(fmt.Sprint("w", i), func(string, string) {})
		defer p.Close()
		if _, err := p.Beat(t.Context(), true, func() []string { return []string{"channel"} }); err != nil || !p.Subscribed() {
			t.Fatalf("worker %d: subscribed %t, %v", i, p.Subscribed(), err)
		}
		pulses = append(pulses, p)
	}
	if ok, err := s.Elect(t.Context(), "", "w0"); err != nil || !ok {
		t.Fatalf("%t, %v", ok, err)
	}
	vitals, err := pulses[0].Observe(t.Context())
	if err != nil || len(vitals) != 3 {
		t.Fatalf("%v, %v", vitals, err)
	}
	for _, v := range vitals {
		if v.Subscriptions != 1 {
			t.Errorf("%+v: want one subscription", v)
		}
	}
	pulses[2].Close()
	redistest.WaitFor(t, "the end of a subscription", func() error {
		vitals, err := pulses[0].Observe(t.Context())
		for _, v := range vitals {
			if v.Worker == "w2" && v.Subscriptions != 0 {
				return fmt.Errorf("%+v", v)
			}
		}
		return err
	})

	// Twelve queues: each node has some.
	for i := range 12 {
		q, err := s.Queue(fmt.Sprint("q", i))
		if err != nil {
			t.Fatal(err)
		}
		w := s.Waiter(q)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		start := time.Now()
		_, ok, err := w.Move(ctx, q.Hand("me"))
		cancel()
		if ok || err != nil || w.Mute() || time.Since(start) > 5*time.Second {
			t.Errorf("%s: %t, %v, mute %t after %v", q.Name, ok, err, w.Mute(), time.Since(start))
		}
		if err := s.Push(t.Context(), q, []string{"job"}); err != nil {
			t.Fatal(err)
		}
		if element, ok, err := w.Move(t.Context(), q.Hand("me")); element != "job" || !ok || err != nil {
			t.Errorf("%s: %q, %t, %v", q.Name, element, ok, err)
		}
		w.Close()
	}
}
