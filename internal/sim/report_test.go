package sim

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// report is what a test has seen of all its seeds.
type report struct {
	seeds    atomic.Int64
	took     time.Duration // of real time
	virtual  atomic.Int64  // ns
	runs     atomic.Int64
	answers  [3]atomic.Int64 // of enqueues, by acceptance
	deeds    [deeds]atomic.Int64
	failed   atomic.Int64
	weathers [weathers]atomic.Int64
	refused  atomic.Int64 // commands that the server was made to refuse

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

// recovery says how long it took until the jobs of a killed process ran again.
func (r *report) recovery() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.Sort(r.recoveries)
	n := len(r.recoveries)
	if n == 0 {
		return "none was timed"
	}
	return fmt.Sprintf("%d were timed: %.1f s (p50), %.1f s (p99), %.1f s at most",
		n, r.recoveries[n/2].Seconds(), r.recoveries[n*99/100].Seconds(), r.recoveries[n-1].Seconds())
}

func (r *report) String() string {
	return fmt.Sprintf("%d seeds in %v, %.1f a second; %.1f hours of fake time, %d jobs, %d runs; recoveries: %s",
		r.seeds.Load(), r.took.Round(time.Second), float64(r.seeds.Load())/r.took.Seconds(),
		time.Duration(r.virtual.Load()).Hours(), r.answers[accepted].Load(), r.runs.Load(), r.recovery())
}

// Enabled says that Info and above are of interest. The report is the handler of the library's log: it counts lines.
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

// proof is the page docs/proof/simulation.md.
func (r *report) proof(t *testing.T) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	commit, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		t.Error(err)
	}
	b.WriteString(introduction)
	line("## One long run\n")
	line("Commit `%s`, %s, %d processors, %v.\n", strings.TrimSpace(string(commit)), runtime.Version(), runtime.GOMAXPROCS(0), r.took.Round(time.Second))
	many := fmt.Sprintf("-sim.seeds=%d", *seeds)
	if *seeds == 0 {
		many = fmt.Sprintf("-sim.for=%v", *span)
	}
	line("    go test ./internal/sim -run TestSimulation -timeout 0 -sim.first=%d %s -sim.hours=%d\n", *first, many, *hours)
	line("| | |\n|---|---|")
	line("| seeds | %d, of them with violations: %d |", r.seeds.Load(), r.failed.Load())
	line("| fake time | %.1f hours |", time.Duration(r.virtual.Load()).Hours())
	line("| enqueues | %d accepted, %d uncertain, %d refused |", r.answers[accepted].Load(), r.answers[uncertain].Load(), r.answers[refusedIn].Load())
	line("| runs of handlers | %d |", r.runs.Load())
	line("| a seed run again | %s |", repeats(t))
	line("| time until the jobs of a killed process ran again beside others | %s |", r.recovery())
	r.mu.Lock()
	defer r.mu.Unlock()
	line("\nWhat was done to them:\n\n| | times |\n|---|---|")
	for d := cancelJob; d < deeds; d++ {
		line("| %s | %d |", deedNames[d], r.deeds[d].Load())
	}
	line("\nWhat the queues counted:\n\n| | jobs |\n|---|---|")
	for _, what := range slices.Sorted(maps.Keys(r.counts)) {
		line("| %s | %d |", what, r.counts[what])
	}
	line("\nWhat the library said of it, most often first:\n\n| | times |\n|---|---|")
	said := slices.SortedFunc(maps.Keys(r.said), func(a, b string) int { return int(r.said[b] - r.said[a]) })
	for _, what := range said {
		line("| %s | %d |", strings.TrimPrefix(what, "tasuki: "), r.said[what])
	}
	return b.String()
}

// repeats measures how much of a scenario a seed repeats: each of some seeds is run three times.
func repeats(t *testing.T) string {
	const n, more = 36, 2
	untimed := regexp.MustCompile(`(?m)^ *\S+  `)
	same, order, pairs := 0, 0, 0
	for s := *first; s < *first+n; s++ {
		_, trace := simulate(t, s, newReport(), slog.New(slog.DiscardHandler))
		for range more {
			_, again := simulate(t, s, newReport(), slog.New(slog.DiscardHandler))
			pairs++
			if again == trace {
				same++
			}
			if untimed.ReplaceAllString(again, "") == untimed.ReplaceAllString(trace, "") {
				order++
			}
		}
	}
	return fmt.Sprintf("of %d repetitions of %d seeds, %d had the same trace to the microsecond, and %d the same events in the same order", pairs, n, same, order)
}
