package tasukiprom_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/contrib/tasukiprom"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

func collector(t testing.TB, i *inspect.Inspector, cfg tasukiprom.CollectorConfig) *tasukiprom.Collector {
	t.Helper()
	c, err := tasukiprom.NewCollector(i, &cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// exposition is what a scrape answers, by the name of a series with its labels.
func exposition(t testing.TB, c prometheus.Collector) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(c); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			name := f.GetName()
			if len(labels) > 0 {
				name += "{" + strings.Join(labels, ",") + "}"
			}
			switch {
			case m.Gauge != nil:
				all[name] = m.Gauge.GetValue()
			case m.Counter != nil:
				all[name] = m.Counter.GetValue()
			case m.Histogram != nil:
				all[name+" count"] = float64(m.Histogram.GetSampleCount())
				all[name+" sum"] = m.Histogram.GetSampleSum()
				all[name+" buckets"] = float64(len(m.Histogram.Bucket))
				all[name+" spans"] = float64(len(m.Histogram.PositiveSpan) + int(m.Histogram.GetZeroCount()))
			}
		}
	}
	return all
}

// equal demands values of some series.
func equal(t *testing.T, got, want map[string]float64) {
	t.Helper()
	for name, value := range want {
		if v, ok := got[name]; !ok || v != value {
			t.Errorf("%s is %v (there: %v), want %v", name, v, ok, value)
		}
	}
	if t.Failed() {
		t.Logf("all: %v", got)
	}
}

// TestCollector has jobs in every state, on a real server.
func TestCollector(t *testing.T) {
	t.Parallel()
	e := on(t, redistest.Shared(t).URL())
	let := make(chan struct{})
	stop := e.run(tasuki.WorkerConfig{Concurrency: 3}, func(_ context.Context, job *tasuki.RawJob) error {
		switch job.Kind {
		case "slow":
			<-let
		case "bad":
			return errors.New("no")
		}
		return nil
	})
	e.enqueue("quick", tasuki.Opts{})
	e.enqueue("quick", tasuki.Opts{})
	e.enqueue("bad", tasuki.Opts{MaxAttempts: 1})
	e.enqueue("bad", tasuki.Opts{MaxAttempts: 5})
	e.enqueue("quick", tasuki.Opts{In: time.Hour})
	e.await("default", func(q inspect.Queue) bool {
		return q.Counts["done"] == 2 && q.Dead == 1 && q.Counts["retry"] == 1 && q.Scheduled == 1 && q.Running == 0
	})
	for range 5 {
		e.enqueue("slow", tasuki.Opts{})
	}
	e.enqueue("quick", tasuki.Opts{Queue: "other"})
	e.await("default", func(q inspect.Queue) bool { return q.Running == 3 })
	if err := e.inspector.Pause(t.Context(), "other", "the test"); err != nil {
		t.Fatal(err)
	}
	c := collector(t, e.inspector, tasukiprom.CollectorConfig{})
	got := exposition(t, c)
	equal(t, got, map[string]float64{
		"tasuki_up":                1,
		"tasuki_look_errors_total": 0,
		"tasuki_queues":            2,
		"tasuki_queues_left_out":   0,
		"tasuki_workers":           1,
		"tasuki_slots":             3,
		"tasuki_slots_busy":        3,
		`tasuki_queue_jobs{queue="default",state="ready"}`:               2,
		`tasuki_queue_jobs{queue="default",state="running"}`:             3,
		`tasuki_queue_jobs{queue="default",state="scheduled"}`:           1,
		`tasuki_queue_jobs{queue="default",state="retry"}`:               1,
		`tasuki_queue_jobs{queue="default",state="dead"}`:                1,
		`tasuki_queue_jobs{queue="default",state="suspect"}`:             0,
		`tasuki_queue_jobs{queue="other",state="ready"}`:                 1,
		`tasuki_queue_paused{queue="default"}`:                           0,
		`tasuki_queue_paused{queue="other"}`:                             1,
		`tasuki_queue_workers{queue="default"}`:                          1,
		`tasuki_queue_workers{queue="other"}`:                            0,
		`tasuki_queue_outcomes_total{outcome="done",queue="default"}`:    2,
		`tasuki_queue_outcomes_total{outcome="retry",queue="default"}`:   1,
		`tasuki_queue_outcomes_total{outcome="dead",queue="default"}`:    1,
		`tasuki_queue_outcomes_total{outcome="crashed",queue="default"}`: 0,
		`tasuki_queue_events_total{event="claimed",queue="default"}`:     7,
	})
	if v := got[`tasuki_queue_latency_seconds{queue="default"}`]; v <= 0 || v > 60 {
		t.Errorf("latency: %v", v)
	}
	series := 0
	for name := range got {
		if strings.Contains(name, `queue="default"`) {
			series++
		}
	}
	if series != 29 {
		t.Errorf("a queue has %d series; the documentation says 29", series)
	}
	if problems, err := testutil.CollectAndLint(c); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	close(let)
	stop()
}

// TestCollectorCaches: many scrapes are one look.
func TestCollectorCaches(t *testing.T) {
	t.Parallel()
	e := on(t, redistest.Shared(t).URL())
	c := collector(t, e.inspector, tasukiprom.CollectorConfig{Every: time.Hour})
	e.enqueue("k", tasuki.Opts{})
	first := exposition(t, c)
	e.enqueue("k", tasuki.Opts{})
	var scrapes sync.WaitGroup
	for range 20 {
		scrapes.Go(func() { testutil.CollectAndCount(c) })
	}
	scrapes.Wait()
	name := `tasuki_queue_jobs{queue="default",state="ready"}`
	if again := exposition(t, c); first[name] != 1 || again[name] != 1 || first["tasuki_look_duration_seconds"] != again["tasuki_look_duration_seconds"] {
		t.Errorf("%v, then %v", first[name], again[name])
	}
	c = collector(t, e.inspector, tasukiprom.CollectorConfig{Every: time.Second})
	exposition(t, c)
	e.enqueue("k", tasuki.Opts{})
	redistest.WaitFor(t, "a new look", func() error {
		if got := exposition(t, c)[name]; got != 3 {
			return fmt.Errorf("%v ready", got)
		}
		return nil
	})
}

// TestCollectorWithoutRedis: a scrape does not fail, and takes no longer than it may.
//
//fault:server Redis is frozen, then gone, while metrics are scraped | tasuki_up is 0, a scrape takes no longer than the timeout, and all heals by itself
func TestCollectorWithoutRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Durable(t)...)
	e := on(t, server.URL())
	e.enqueue("k", tasuki.Opts{})
	c := collector(t, e.inspector, tasukiprom.CollectorConfig{Every: time.Second, Timeout: 300 * time.Millisecond})
	if got := exposition(t, c); got["tasuki_up"] != 1 || len(got) < 40 {
		t.Fatalf("it is %v", got)
	}
	server.Signal(t, syscall.SIGSTOP)
	down := func() error {
		began := time.Now()
		got := exposition(t, c)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("a scrape took %v", took)
		}
		if got["tasuki_up"] != 0 {
			return errors.New("it is up")
		}
		if len(got) != 3 || got["tasuki_look_errors_total"] < 1 {
			t.Errorf("it says %v", got)
		}
		return nil
	}
	redistest.WaitFor(t, "the frozen server to be noticed", down)
	errorsBefore := exposition(t, c)["tasuki_look_errors_total"]
	redistest.WaitFor(t, "one more error", func() error {
		if got := exposition(t, c)["tasuki_look_errors_total"]; got <= errorsBefore {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	server.Signal(t, syscall.SIGCONT)
	up := func() error {
		if got := exposition(t, c); got["tasuki_up"] != 1 || got[`tasuki_queue_jobs{queue="default",state="ready"}`] != 1 {
			return fmt.Errorf("it is %v", got)
		}
		return nil
	}
	redistest.WaitFor(t, "the server to be back", up)
	server.Kill()
	redistest.WaitFor(t, "the death of the server to be noticed", down)
	server.Restart(t)
	redistest.WaitFor(t, "the new server", up)
}

// TestCollectorOfAPart: one queue that cannot be looked at hides nothing else.
func TestCollectorOfAPart(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	e := on(t, server.URL())
	e.enqueue("k", tasuki.Opts{Queue: "good"})
	e.enqueue("k", tasuki.Opts{Queue: "bad"})
	server.Do(t, "SET", e.namespace+":{bad}:dead", "x")
	got := exposition(t, collector(t, e.inspector, tasukiprom.CollectorConfig{}))
	equal(t, got, map[string]float64{
		"tasuki_up": 1, "tasuki_look_errors_total": 1, "tasuki_queues": 1,
		`tasuki_queue_jobs{queue="good",state="ready"}`: 1,
	})
}

// TestCollectorRedis: what a server says of its memory and its disk.
func TestCollectorRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes", "--maxmemory", "100mb")
	e := on(t, server.URL())
	e.enqueue("k", tasuki.Opts{})
	server.Do(t, "SAVE")
	server.Do(t, "BGSAVE") // one in the background is what it tells the time of
	c := collector(t, e.inspector, tasukiprom.CollectorConfig{Every: time.Second})
	redistest.WaitFor(t, "the time of a snapshot", func() error {
		for name, v := range exposition(t, c) {
			if strings.HasPrefix(name, "tasuki_redis_last_save_timestamp_seconds{") && time.Since(time.Unix(int64(v), 0)) < time.Hour {
				return nil
			}
		}
		return errors.New("it is not told")
	})
	found := map[string]float64{}
	for name, v := range exposition(t, c) {
		if rest, ok := strings.CutPrefix(name, "tasuki_redis_"); ok {
			metric, _, _ := strings.Cut(rest, "{")
			found[metric] = v
		}
	}
	equal(t, found, map[string]float64{"info": 1, "info_available": 1, "memory_max_bytes": 100 << 20, "aof_enabled": 1, "persistence_failing": 0})
	if found["memory_used_bytes"] < 100_000 {
		t.Errorf("used: %v", found["memory_used_bytes"])
	}
}

// TestCollectorBounds: no number of queues makes more series than was said, and no name of
// one breaks a scrape.
func TestCollectorBounds(t *testing.T) {
	t.Parallel()
	e := on(t, redistest.Shared(t).URL())
	for i := range 5 {
		e.enqueue("k", tasuki.Opts{Queue: fmt.Sprintf("q%d", i)})
	}
	got := exposition(t, collector(t, e.inspector, tasukiprom.CollectorConfig{MaxQueues: 2}))
	equal(t, got, map[string]float64{
		"tasuki_queues": 5, "tasuki_queues_left_out": 3,
		`tasuki_queue_jobs{queue="q0",state="ready"}`: 1, `tasuki_queue_jobs{queue="q1",state="ready"}`: 1,
	})
	if _, ok := got[`tasuki_queue_jobs{queue="q2",state="ready"}`]; ok {
		t.Error("a third queue is told of")
	}
	server := redistest.Start(t)
	e = on(t, server.URL())
	e.run(tasuki.WorkerConfig{Queues: []tasuki.Queue{{List: "\xffodd\n\""}}}, func(context.Context, *tasuki.RawJob) error { return nil })
	redistest.WaitFor(t, "the odd queue", func() error {
		got := exposition(t, collector(t, e.inspector, tasukiprom.CollectorConfig{}))
		if got[`tasuki_queue_workers{queue="list:\\xffodd\\n\\\""}`] != 1 {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
}

func TestCollectorRefuses(t *testing.T) {
	t.Parallel()
	e := on(t, redistest.Shared(t).URL())
	for want, cfg := range map[string]tasukiprom.CollectorConfig{
		"CollectorConfig.Every: 1ms: allowed are 1 s and more":    {Every: time.Millisecond},
		"CollectorConfig.Timeout: -1s: allowed are 1 ms and more": {Timeout: -time.Second},
		"CollectorConfig.MaxQueues: -1: allowed are 1 and more":   {MaxQueues: -1},
	} {
		if _, err := tasukiprom.NewCollector(e.inspector, &cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
