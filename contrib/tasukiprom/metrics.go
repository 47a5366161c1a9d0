package tasukiprom

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tasuki-dev/tasuki"
)

// MetricsConfig says what Metrics keeps. The zero value of a field is its default.
type MetricsConfig struct {
	// Buckets are the upper bounds, in seconds and growing, of classic buckets beside the
	// native histograms: none unless told. A Prometheus that does not scrape native
	// histograms needs them; DefaultBuckets suit most jobs.
	Buckets []float64
	// MaxPairs is how many pairs of queue and kind have series of their own: 500 unless
	// told. All that come later share one, "(other)".
	MaxPairs int
}

// DefaultBuckets are 14 bounds from 5 ms to 1 h, for MetricsConfig.Buckets.
func DefaultBuckets() []float64 {
	return []float64{.005, .025, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600}
}

// other is the queue and the kind of what is more than MaxPairs, and raw the kind of jobs
// that have none: no name of either can be so.
const (
	other = "(other)"
	raw   = "(raw)"
)

// Metrics is a prometheus.Collector of the jobs that this process enqueues and runs. It
// counts what it is told, and never asks Redis:
//
//	clientConfig.Use = append(clientConfig.Use, metrics.Enqueue)
//	workerConfig.OnChange = metrics.OnChange
//
// Several clients and workers may share one. It costs a job about a microsecond.
type Metrics struct {
	max      int
	enqueued *prometheus.CounterVec
	outcomes *prometheus.CounterVec
	running  *prometheus.GaugeVec
	run      *prometheus.HistogramVec
	wait     *prometheus.HistogramVec

	mu    sync.RWMutex
	pairs map[pair]*series
}

var _ prometheus.Collector = (*Metrics)(nil)

// pair is what a series is for.
type pair struct{ queue, kind string }

// series are those of a pair.
type series struct {
	labels pair // as they are told

	ran       sync.Once // guards what follows: a process that only enqueues has none of it
	running   prometheus.Gauge
	run, wait prometheus.Observer
}

// NewMetrics returns Metrics that have counted nothing; cfg may be nil. The error names the
// field of the config and what is allowed.
func NewMetrics(cfg *MetricsConfig) (*Metrics, error) {
	var c MetricsConfig
	if cfg != nil {
		c = *cfg
	}
	if c.MaxPairs == 0 {
		c.MaxPairs = 500
	}
	if c.MaxPairs < 0 {
		return nil, fmt.Errorf("tasukiprom: MetricsConfig.MaxPairs: %d: allowed are 1 and more, and 0 for 500", c.MaxPairs)
	}
	for i, bound := range c.Buckets {
		if bound <= 0 || i > 0 && bound <= c.Buckets[i-1] {
			return nil, fmt.Errorf("tasukiprom: MetricsConfig.Buckets[%d]: %v: allowed are positive seconds, each more than the one before", i, bound)
		}
	}
	histogram := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: name, Help: help, Buckets: c.Buckets,
			// Each bucket is 10 % wider than the one below; beyond 160 of them they are
			// merged, or begun anew if that was not done within the hour.
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
		}, []string{"queue", "kind"})
	}
	return &Metrics{
		max:   c.MaxPairs,
		pairs: map[pair]*series{},
		enqueued: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tasuki_jobs_enqueued_total", Help: "Jobs that this process has enqueued, by what came of it.",
		}, []string{"queue", "kind", "result"}),
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tasuki_job_outcomes_total", Help: "Changes of jobs that workers of this process have made.",
		}, []string{"queue", "kind", "outcome"}),
		running: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tasuki_jobs_in_flight", Help: "Attempts that run in this process.",
		}, []string{"queue", "kind"}),
		run:  histogram("tasuki_job_run_seconds", "How long attempts took, whatever came of them."),
		wait: histogram("tasuki_job_wait_seconds", "From the enqueue of jobs to the begin of their first attempt, with a delay that was asked for."),
	}, nil
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, c := range m.all() {
		c.Describe(to)
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	for _, c := range m.all() {
		c.Collect(to)
	}
}

func (m *Metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.enqueued, m.outcomes, m.running, m.run, m.wait}
}

// OnChange is for tasuki.WorkerConfig.OnChange.
func (m *Metrics) OnChange(c tasuki.Change) {
	s := m.of(c.Queue, c.Kind)
	s.ran.Do(func() {
		s.running = m.running.WithLabelValues(s.labels.queue, s.labels.kind)
		s.run = m.run.WithLabelValues(s.labels.queue, s.labels.kind)
		s.wait = m.wait.WithLabelValues(s.labels.queue, s.labels.kind)
	})
	if c.Outcome == "" { // an attempt begins
		s.running.Inc()
		// A job that has begun before says so: by its attempts, its crashes, or why it was
		// put aside.
		if c.Attempt == 1 && c.Crashes == 0 && c.Reason == "" && !c.EnqueuedAt.IsZero() {
			s.wait.Observe(max(0, c.Time.Sub(c.EnqueuedAt).Seconds())) // two clocks may differ
		}
		return
	}
	m.outcomes.WithLabelValues(s.labels.queue, s.labels.kind, c.Outcome).Inc()
	if c.From == tasuki.StateRunning && c.Outcome != "crashed" && c.Outcome != "stopped" { // those were of another process
		s.running.Dec()
		s.run.Observe(c.Duration.Seconds())
	}
}

// Enqueue is for tasuki.ClientConfig.Use.
func (m *Metrics) Enqueue(next tasuki.Enqueuer) tasuki.Enqueuer {
	return tasuki.EnqueueFunc(func(ctx context.Context, specs []tasuki.Spec) ([]tasuki.Info, error) {
		infos, err := next.EnqueueMany(ctx, specs)
		var many *tasuki.ManyError
		each := errors.As(err, &many) && len(many.Errs) == len(specs)
		for i := range specs {
			failed := err
			if each {
				failed = many.Errs[i]
			}
			queue, result := specs[i].Opts.Queue, "accepted"
			switch {
			case errors.Is(failed, tasuki.ErrNotReplicated): // it is in
			case errors.Is(failed, tasuki.ErrUncertain):
				result = "uncertain"
			case failed != nil:
				result = "failed"
			case i < len(infos) && infos[i].Existed:
				result = "existed"
			}
			if queue == "" {
				queue = tasuki.DefaultQueue
			}
			s := m.of(queue, specs[i].Kind)
			m.enqueued.WithLabelValues(s.labels.queue, s.labels.kind, result).Inc()
		}
		return infos, err
	})
}

// of returns the series of a pair.
func (m *Metrics) of(queue, kind string) *series {
	p := pair{queue, kind}
	m.mu.RLock()
	s := m.pairs[p]
	if s == nil && len(m.pairs) >= m.max {
		s = m.pairs[pair{other, other}]
	}
	m.mu.RUnlock()
	if s != nil {
		return s
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.pairs[p]; s != nil {
		return s
	}
	labels := pair{short(queue), short(kind)}
	switch {
	case len(m.pairs) >= m.max:
		p = pair{other, other}
		labels = p
	case kind == "":
		labels.kind = raw
	}
	if m.pairs[p] == nil {
		m.pairs[p] = &series{labels: labels}
	}
	return m.pairs[p]
}

// maxLabel are bytes: longer than any name, and shorter than what a caller can make up.
const maxLabel = 200

func short(name string) string { return label(name[:min(len(name), maxLabel)]) }
