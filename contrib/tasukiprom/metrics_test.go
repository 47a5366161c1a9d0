package tasukiprom_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/contrib/tasukiprom"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

func newMetrics(t testing.TB, cfg tasukiprom.MetricsConfig) *tasukiprom.Metrics {
	t.Helper()
	m, err := tasukiprom.NewMetrics(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestMetrics has a real worker tell of jobs that end in all ways.
func TestMetrics(t *testing.T) {
	t.Parallel()
	m := newMetrics(t, tasukiprom.MetricsConfig{})
	e := on(t, redistest.Shared(t).URL(), m.Enqueue)
	let := make(chan struct{})
	snoozed := false
	stop := e.run(tasuki.WorkerConfig{
		OnChange: m.OnChange, Concurrency: 1,
		Backoff: func(tasuki.Info, error) time.Duration { return time.Millisecond },
	}, func(_ context.Context, job *tasuki.RawJob) error {
		switch {
		case job.Kind == "slow":
			<-let
		case job.Kind == "bad", job.Kind == "once" && job.Attempt == 1:
			return errors.New("no")
		case job.Kind == "later" && !snoozed:
			snoozed = true
			return tasuki.Snooze(time.Millisecond, "not now")
		}
		return nil
	})
	for range 3 {
		e.enqueue("quick", tasuki.Opts{})
	}
	e.enqueue("bad", tasuki.Opts{MaxAttempts: 3})
	e.enqueue("once", tasuki.Opts{})
	e.enqueue("later", tasuki.Opts{})
	e.enqueue("quick", tasuki.Opts{ID: "a"})
	e.enqueue("quick", tasuki.Opts{ID: "a"})
	if _, err := e.client.EnqueueMany(t.Context(), []tasuki.Spec{{Kind: "quick"}, {Kind: "a b"}}); err == nil {
		t.Error("a kind with a space is accepted")
	}
	e.await("default", func(q inspect.Queue) bool { return q.Counts["done"] == 7 && q.Dead == 1 })
	e.enqueue("slow", tasuki.Opts{})
	redistest.WaitFor(t, "an attempt in flight", func() error {
		if got := exposition(t, m)[`tasuki_jobs_in_flight{kind="slow",queue="default"}`]; got != 1 {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	close(let)
	e.await("default", func(q inspect.Queue) bool { return q.Counts["done"] == 8 && q.Running == 0 })
	stop()
	got := exposition(t, m)
	equal(t, got, map[string]float64{
		`tasuki_job_outcomes_total{kind="quick",outcome="done",queue="default"}`:     5,
		`tasuki_job_outcomes_total{kind="bad",outcome="retry",queue="default"}`:      2,
		`tasuki_job_outcomes_total{kind="bad",outcome="dead",queue="default"}`:       1,
		`tasuki_job_outcomes_total{kind="once",outcome="retry",queue="default"}`:     1,
		`tasuki_job_outcomes_total{kind="once",outcome="done",queue="default"}`:      1,
		`tasuki_job_outcomes_total{kind="later",outcome="snooze",queue="default"}`:   1,
		`tasuki_jobs_in_flight{kind="quick",queue="default"}`:                        0,
		`tasuki_jobs_in_flight{kind="slow",queue="default"}`:                         0,
		`tasuki_job_run_seconds{kind="bad",queue="default"} count`:                   3,
		`tasuki_job_run_seconds{kind="bad",queue="default"} buckets`:                 0,
		`tasuki_job_wait_seconds{kind="bad",queue="default"} count`:                  1, // of the first attempt
		`tasuki_job_wait_seconds{kind="later",queue="default"} count`:                1,
		`tasuki_job_wait_seconds{kind="quick",queue="default"} count`:                5,
		`tasuki_jobs_enqueued_total{kind="quick",queue="default",result="accepted"}`: 5,
		`tasuki_jobs_enqueued_total{kind="quick",queue="default",result="existed"}`:  1,
		`tasuki_jobs_enqueued_total{kind="a b",queue="default",result="failed"}`:     1,
		`tasuki_jobs_enqueued_total{kind="slow",queue="default",result="accepted"}`:  1,
	})
	if v := got[`tasuki_job_run_seconds{kind="slow",queue="default"} spans`]; v == 0 {
		t.Error("there is no native histogram")
	}
	if problems, err := testutil.CollectAndLint(m); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	if _, ok := got[`tasuki_job_run_seconds{kind="a b",queue="default"} count`]; ok {
		t.Error("who only enqueues has series of attempts")
	}
}

// TestMetricsOfASweep: what a dead worker held is counted by who sweeps it, and was never in
// flight here.
func TestMetricsOfASweep(t *testing.T) {
	t.Parallel()
	m := newMetrics(t, tasukiprom.MetricsConfig{})
	info := tasuki.Info{Queue: "q", Kind: "k", ID: "1"}
	info.State = tasuki.StateReady
	m.OnChange(tasuki.Change{Info: info, From: tasuki.StateRunning, Outcome: "crashed"})
	m.OnChange(tasuki.Change{Info: info, From: tasuki.StateReady, Outcome: "unknown"})
	got := exposition(t, m)
	equal(t, got, map[string]float64{
		`tasuki_job_outcomes_total{kind="k",outcome="crashed",queue="q"}`: 1,
		`tasuki_job_outcomes_total{kind="k",outcome="unknown",queue="q"}`: 1,
		`tasuki_jobs_in_flight{kind="k",queue="q"}`:                       0,
		`tasuki_job_run_seconds{kind="k",queue="q"} count`:                0,
	})
}

// TestMetricsBounds: no number of kinds makes more series than was said, and none breaks a
// scrape.
func TestMetricsBounds(t *testing.T) {
	t.Parallel()
	m := newMetrics(t, tasukiprom.MetricsConfig{MaxPairs: 3})
	done := func(queue, kind string) {
		m.OnChange(tasuki.Change{Info: tasuki.Info{Queue: queue, Kind: kind, State: tasuki.StateRunning, Attempt: 1}, From: tasuki.StateReady})
		m.OnChange(tasuki.Change{Info: tasuki.Info{Queue: queue, Kind: kind, State: tasuki.StateDone}, From: tasuki.StateRunning, Outcome: "done"})
	}
	done("q", "")
	done("list:\xff", "k")
	done("q", strings.Repeat("x", 1<<20))
	for i := range 1000 {
		done("q", fmt.Sprint("kind", i))
	}
	got := exposition(t, m)
	equal(t, got, map[string]float64{
		`tasuki_job_outcomes_total{kind="(raw)",outcome="done",queue="q"}`:                            1,
		`tasuki_job_outcomes_total{kind="k",outcome="done",queue="list:\\xff"}`:                       1,
		`tasuki_job_outcomes_total{kind="` + strings.Repeat("x", 200) + `",outcome="done",queue="q"}`: 1,
		`tasuki_job_outcomes_total{kind="(other)",outcome="done",queue="(other)"}`:                    1000,
		`tasuki_jobs_in_flight{kind="(other)",queue="(other)"}`:                                       0,
	})
	if n := testutil.CollectAndCount(m, "tasuki_job_outcomes_total"); n != 4 {
		t.Errorf("%d series of outcomes, want 4", n)
	}
}

// TestMetricsExposition reads what a Prometheus reads: text with classic buckets.
func TestMetricsExposition(t *testing.T) {
	t.Parallel()
	m := newMetrics(t, tasukiprom.MetricsConfig{Buckets: tasukiprom.DefaultBuckets()})
	m.OnChange(tasuki.Change{Info: tasuki.Info{Queue: "q", Kind: "k", State: tasuki.StateRunning, Attempt: 1, EnqueuedAt: time.Unix(100, 0)}, From: tasuki.StateReady, Time: time.Unix(102, 0)})
	m.OnChange(tasuki.Change{Info: tasuki.Info{Queue: "q", Kind: "k", State: tasuki.StateDone}, From: tasuki.StateRunning, Outcome: "done", Duration: 40 * time.Millisecond})
	registry := prometheus.NewRegistry()
	registry.MustRegister(m)
	server := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	defer server.Close()
	r, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# TYPE tasuki_job_run_seconds histogram",
		`tasuki_job_run_seconds_bucket{kind="k",queue="q",le="0.025"} 0`,
		`tasuki_job_run_seconds_bucket{kind="k",queue="q",le="0.1"} 1`,
		`tasuki_job_run_seconds_bucket{kind="k",queue="q",le="+Inf"} 1`,
		`tasuki_job_run_seconds_sum{kind="k",queue="q"} 0.04`,
		`tasuki_job_wait_seconds_sum{kind="k",queue="q"} 2`,
		`tasuki_job_outcomes_total{kind="k",outcome="done",queue="q"} 1`,
	} {
		if !strings.Contains(string(body), want+"\n") {
			t.Errorf("it lacks %s", want)
		}
	}
	if t.Failed() {
		t.Logf("%s", body)
	}
}

func TestMetricsRefuses(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]tasukiprom.MetricsConfig{
		"MetricsConfig.MaxPairs: -1: allowed are 1 and more":        {MaxPairs: -1},
		"MetricsConfig.Buckets[0]: 0: allowed are positive seconds": {Buckets: []float64{0, 1}},
		"MetricsConfig.Buckets[2]: 1: allowed are positive seconds": {Buckets: []float64{1, 2, 1}},
	} {
		if _, err := tasukiprom.NewMetrics(&cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// BenchmarkOnChange is what a job pays: the begin and the end of an attempt.
func BenchmarkOnChange(b *testing.B) {
	m := newMetrics(b, tasukiprom.MetricsConfig{})
	now := time.Now()
	begin := tasuki.Change{Info: tasuki.Info{Queue: "default", Kind: "email.welcome", State: tasuki.StateRunning, Attempt: 1, EnqueuedAt: now}, From: tasuki.StateReady, Time: now.Add(time.Millisecond)}
	end := begin
	end.State, end.From, end.Outcome, end.Duration = tasuki.StateDone, tasuki.StateRunning, "done", 3*time.Millisecond
	b.ReportAllocs()
	for b.Loop() {
		m.OnChange(begin)
		m.OnChange(end)
	}
}
