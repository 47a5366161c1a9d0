package inspect_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

func TestEstimate(t *testing.T) {
	t.Parallel()
	base := inspect.Backlog{Waiting: 10_000, Workers: 2, Slots: 20, Busy: 20, Flow: inspect.Flow{In: 500, Out: 1000, Over: 10 * time.Second}}
	with := func(change func(b *inspect.Backlog)) inspect.Backlog {
		b := base
		change(&b)
		return b
	}
	tests := []struct {
		name    string
		b       inspect.Backlog
		more    int
		verdict inspect.Verdict
		left    time.Duration
		text    string
	}{
		{"drains", base, 0, inspect.VerdictDrains, 200 * time.Second, "10000 jobs are done in about 3m20s: 100.0 a second go out and 50.0 come in."},
		{"with twice the workers", base, 2, inspect.VerdictDrains, 66666 * time.Millisecond, "200.0 a second go out"},
		{"with one less", base, -1, inspect.VerdictUnclear, 0, "As much comes in as goes out, 50.0 and 50.0 a second, as far as 10s tell. What waits now is started within about 3m20s."},
		{"with none", base, -2, inspect.VerdictNobody, 0, "No worker takes jobs"},
		{"with less than none", base, -9, inspect.VerdictNobody, 0, "No worker takes jobs"},
		{"more comes in", with(func(b *inspect.Backlog) { b.Flow.In = 2000 }), 0, inspect.VerdictNever, 0, "Never: more comes in than goes out, 200.0 and 100.0 a second. In an hour 360000 more will wait; what waits now is started within about 1m40s."},
		{"enough workers for what comes in", with(func(b *inspect.Backlog) { b.Flow.In = 2000 }), 4, inspect.VerdictDrains, 100 * time.Second, ""},
		{"nothing waits", with(func(b *inspect.Backlog) { b.Waiting = 0 }), 0, inspect.VerdictEmpty, 0, "Nothing waits."},
		{"paused", with(func(b *inspect.Backlog) { b.Paused = true }), 3, inspect.VerdictPaused, 0, "The queue is paused"},
		{"nobody works", with(func(b *inspect.Backlog) { b.Workers, b.Flow.Out = 0, 0 }), 0, inspect.VerdictNobody, 0, "No worker takes jobs"},
		{"nobody works yet", with(func(b *inspect.Backlog) { b.Workers, b.Flow.Out = 0, 0 }), 3, inspect.VerdictUnclear, 0, "how fast those would be is not known"},
		{"long jobs", with(func(b *inspect.Backlog) { b.Flow.Out = 0 }), 0, inspect.VerdictUnclear, 0, "No job was started within 10s"},
		{"free slots", with(func(b *inspect.Backlog) { b.Busy = 3 }), 1, inspect.VerdictDrains, 100 * time.Second, "But only 3 of 20 slots are busy"},
		{"an age", with(func(b *inspect.Backlog) { b.Waiting, b.Flow = math.MaxInt64, inspect.Flow{Out: 1, Over: time.Hour} }), 0, inspect.VerdictUnclear, 0, ""},
		{"not measured", with(func(b *inspect.Backlog) { b.Flow = inspect.Flow{Out: 5} }), 0, inspect.VerdictUnclear, 0, ""},
	}
	for _, test := range tests {
		e := test.b.Estimate(test.more)
		if e.Verdict != test.verdict || (e.Left-test.left).Abs() > time.Millisecond || !strings.Contains(e.Text, test.text) {
			t.Errorf("%s: %+v", test.name, e)
		}
		if e.Left > 0 && (e.Soonest > e.Left || e.Latest > 0 && e.Latest < e.Left || !e.Done.Equal(test.b.At.Add(e.Left))) {
			t.Errorf("%s: from %v to %v, about %v", test.name, e.Soonest, e.Latest, e.Left)
		}
	}
	// 1,000 and 500 in ten seconds: 50 ± 7.6 a second.
	if e := base.Estimate(0); e.Soonest.Round(time.Second) != 174*time.Second || e.Latest.Round(time.Second) != 236*time.Second {
		t.Errorf("from %v to %v", e.Soonest, e.Latest)
	}
	for d, want := range map[time.Duration]int{200 * time.Second: 0, time.Hour: 0, 100 * time.Second: 1, time.Second: 199} {
		more, ok := base.Within(d)
		if !ok || more != want {
			t.Errorf("within %v: %d, %v, want %d", d, more, ok, want)
		}
		if e := base.Estimate(more); e.Left > d {
			t.Errorf("with %d more it takes %v, not %v", more, e.Left, d)
		}
	}
	for name, b := range map[string]inspect.Backlog{"nobody": with(func(b *inspect.Backlog) { b.Workers = 0 }), "nothing seen": with(func(b *inspect.Backlog) { b.Flow.Out = 0 })} {
		if more, ok := b.Within(time.Hour); ok {
			t.Errorf("%s: %d", name, more)
		}
		if d, ok := b.Ahead(1); ok {
			t.Errorf("%s: %v", name, d)
		}
	}
	if d, ok := base.Ahead(50); !ok || d != 500*time.Millisecond {
		t.Errorf("50 ahead: %v, %v", d, ok)
	}
}

// TestBacklog: what is measured is what a worker does.
func TestBacklog(t *testing.T) {
	e := setup(t)
	specs := make([]tasuki.Spec, 500)
	for i := range specs {
		specs[i] = kind.Spec(i)
	}
	if _, err := e.client.EnqueueMany(t.Context(), specs); err != nil {
		t.Fatal(err)
	}
	e.put(kind.With(tasuki.Opts{In: time.Hour}).Spec(1))
	b, err := e.inspector.Backlog(t.Context(), "default", &inspect.BacklogConfig{Over: 100 * time.Millisecond})
	if err != nil || b.Waiting != 500 || b.Later != 1 || b.Workers != 0 || b.Flow.In != 0 || b.Flow.Out != 0 || b.Estimate(0).Verdict != inspect.VerdictNobody {
		t.Fatalf("without workers: %+v, %v", b, err)
	}
	// Each run lasts as long as the test lets it: 40 are let go, and 30 more come in.
	let, began := make(chan bool), make(chan bool, 1000)
	stop, ended := e.begin(tasuki.WorkerConfig{Concurrency: 2}, func(ctx context.Context, _ *tasuki.RawJob) error {
		began <- true
		<-let
		return nil
	})
	<-began
	<-began
	measured := make(chan *inspect.Backlog)
	go func() {
		b, err := e.inspector.Backlog(t.Context(), "default", &inspect.BacklogConfig{Over: 4 * time.Second})
		if err != nil {
			t.Error(err)
		}
		measured <- b
	}()
	time.Sleep(time.Second) // by then it has looked, which nothing tells
	for range 40 {
		let <- true
		<-began
	}
	if _, err := e.client.EnqueueMany(t.Context(), specs[:30]); err != nil {
		t.Fatal(err)
	}
	b = <-measured
	if b.Flow.Out != 40 || b.Flow.In != 30 || b.Flow.Over < 3*time.Second || b.Waiting != 488 || b.Workers != 1 || b.Slots != 2 || b.Busy != 2 || b.Running != 2 {
		t.Errorf("%+v", b)
	}
	// 2 run all the time, and 40 are started in 4 s or so.
	if want := b.Flow.Over / 20; (b.RunTime - want).Abs() > want/2 {
		t.Errorf("a run takes %v, want %v", b.RunTime, want)
	}
	// With what others have measured it looks once.
	given, err := e.inspector.Backlog(t.Context(), "default", &inspect.BacklogConfig{Over: time.Hour, Flow: &inspect.Flow{In: 1, Out: 100, Over: time.Second}})
	if err != nil || given.Flow.Out != 100 || given.Estimate(0).Verdict != inspect.VerdictDrains {
		t.Errorf("%+v, %v", given, err)
	}
	close(let)
	e.wait("default", func(q inspect.Queue) bool { return q.Counts["done"] == 530 })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if b, err = e.inspector.Backlog(t.Context(), "default", &inspect.BacklogConfig{Over: 100 * time.Millisecond}); err != nil || b.Estimate(0).Verdict != inspect.VerdictEmpty {
		t.Errorf("%+v, %v", b, err)
	}
	for _, over := range []time.Duration{-1, time.Millisecond, 2 * time.Hour} {
		if _, err := e.inspector.Backlog(t.Context(), "default", &inspect.BacklogConfig{Over: over}); err == nil || !strings.Contains(err.Error(), "over: "+over.String()+": allowed are 100ms to 1h") {
			t.Errorf("over %v: %v", over, err)
		}
	}
	if _, err := e.inspector.Backlog(t.Context(), "a b", nil); err == nil || !strings.Contains(err.Error(), `"a b"`) {
		t.Errorf("a bad name: %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.inspector.Backlog(cancelled, "default", nil); err == nil {
		t.Error("it does not heed its context")
	}
}
