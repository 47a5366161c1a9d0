package sim

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// report is what a test has seen of all its seeds.
type report struct {
	seeds    atomic.Int64
	virtual  atomic.Int64 // ns
	runs     atomic.Int64
	answers  [3]atomic.Int64 // of enqueues, by acceptance
	deeds    [deeds]atomic.Int64
	failed   atomic.Int64
	weathers [weathers]atomic.Int64

	mu         sync.Mutex
	recoveries []time.Duration
	counts     map[string]int64 // of the queues' counters
	said       map[string]int64 // lines of the library's log
}

func newReport() *report { return &report{counts: map[string]int64{}, said: map[string]int64{}} }

func (r *report) enqueued(a acceptance) { r.answers[a].Add(1) }

func (r *report) recovered(after []time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recoveries = append(r.recoveries, after...)
}

func (r *report) count(what string, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[what] += n
}

// recovery returns how long it took until the jobs of a killed process ran again.
func (r *report) recovery() (n int, p50, p99, most time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.Sort(r.recoveries)
	if n = len(r.recoveries); n == 0 {
		return 0, 0, 0, 0
	}
	return n, r.recoveries[n/2], r.recoveries[n*99/100], r.recoveries[n-1]
}

// Enabled, Handle, WithAttrs and WithGroup make it the handler of the library's log: it counts the lines.
func (r *report) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

// Handle counts a line.
func (r *report) Handle(_ context.Context, line slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said[line.Message]++
	return nil
}

// WithAttrs returns r: attributes are not counted.
func (r *report) WithAttrs([]slog.Attr) slog.Handler { return r }

// WithGroup returns r.
func (r *report) WithGroup(string) slog.Handler { return r }
