package sim

import (
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

var (
	seeds   = flag.Int("sim.seeds", 0, "how many seeds to run; 0: as many as -sim.for allows")
	span    = flag.Duration("sim.for", 50*time.Second, "how long to begin with new seeds, unless -sim.seeds is given")
	first   = flag.Uint64("sim.first", 1, "the first seed")
	seed    = flag.Uint64("sim.seed", 0, "run this seed only, and show what happens")
	times   = flag.Int("sim.times", 1, "run the seed of -sim.seed that often")
	logs    = flag.Bool("sim.log", false, "with -sim.seed: show the log of the library too")
	hours   = flag.Uint64("sim.hours", 1000, "one seed of so many has a job that takes hours; 0: none")
	enough  = flag.Int64("sim.failures", 3, "after how many seeds with violations to give up")
	proveTo = flag.String("sim.proof", "", "write what was done to this file")
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // a seed leaves little behind
	os.Exit(m.Run())
}

// TestSimulation runs whole clients and workers on fake time, with the faults that each seed says, and demands that every
// job has ended as its producer and its handlers say, once; that nothing is left; and that everybody stops.
//
//fault:process several of these faults at once, in random order | no accepted job is lost, none ends twice, all queues drain
//fault:network connections cut at random bytes, in both directions | no accepted job is lost, none ends twice
//fault:network connection that goes silent for up to 30 s, and delivers late | no accepted job is lost; late outcomes have no effect
//fault:network host silent for longer than 30 s | its jobs run elsewhere; its late outcomes are refused
//fault:server -BUSY, -LOADING, -OOM or -READONLY for up to 20 s | enqueue says truly whether the job is in; workers go on after it
//fault:server SCRIPT FLUSH under load | nothing is noticed
//fault:server registrations and lists of workers lost | workers enter again; what was held runs again
//fault:process worker stopped and started again under load | no accepted job is lost, none counts as crashed
func TestSimulation(t *testing.T) {
	t.Parallel()
	rep := newReport()
	if *seed != 0 {
		repeatSeed(t, rep)
		return
	}
	begun := realNow()
	more := func(s uint64) bool { return s < *first+uint64(*seeds) }
	if *seeds == 0 {
		more = func(s uint64) bool { return s < *first+20 || realNow()-begun < *span }
	}
	var next atomic.Uint64
	next.Store(*first - 1)
	t.Run("shards", func(t *testing.T) {
		for range runtime.GOMAXPROCS(0) {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for s := next.Add(1); more(s) && rep.failed.Load() < *enough; s = next.Add(1) {
					failures, trace := simulate(t, s, rep, slog.New(rep))
					if len(failures) == 0 {
						continue
					}
					rep.failed.Add(1)
					t.Errorf("seed %d (%s):\n  %s\nAgain, several times, for goroutines take turns in another order each time:\n  %s\n%s",
						s, weatherNames[s%uint64(weathers)], strings.Join(failures, "\n  "), again(s), tail(trace))
				}
			})
		}
	})
	rep.took = realNow() - begun
	t.Log(rep.String())
	if *proveTo != "" && !t.Failed() {
		if err := os.WriteFile(*proveTo, []byte(rep.proof(t)), 0o644); err != nil {
			t.Error(err)
		}
	}
}

// repeatSeed runs one seed a few times.
func repeatSeed(t *testing.T, rep *report) {
	for range *times {
		var log redistest.Buffer
		failures, trace := simulate(t, *seed, rep, slog.New(slog.NewTextHandler(&log, nil)))
		for _, f := range failures {
			t.Error(f)
		}
		if *times > 1 && len(failures) == 0 {
			continue
		}
		fmt.Print(trace)
		if *logs {
			fmt.Print(log.String())
		}
	}
}

// stuckAfter is how long a seed may take, of real time: most take a tenth of a second.
const stuckAfter = 5 * time.Minute

// simulate runs one seed. It returns the violations and the trace.
func simulate(t *testing.T, seed uint64, rep *report, log *slog.Logger) (failures []string, trace string) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(os.Stderr, "seed %d panicked; again: %s\n", seed, again(seed))
			panic(r)
		}
	}()
	w := &world{
		scenario: newScenario(seed, *hours > 0 && seed%*hours == *hours/2),
		ledger:   &ledger{}, report: rep, rng: rand.New(rand.NewPCG(seed, 1)), log: log,
	}
	// A bubble whose clock does not move on would end with the test binary only, which does not say which it was.
	watchdog := time.AfterFunc(stuckAfter, func() {
		debug.SetTraceback("all")
		panic(fmt.Sprintf("seed %d does not end; again: %s", seed, again(seed)))
	})
	defer watchdog.Stop()
	synctest.Test(t, func(t *testing.T) {
		w.run(t.Context())
		rep.virtual.Add(int64(w.now()))
	})
	rep.seeds.Add(1)
	rep.weathers[w.weather].Add(1)
	return w.failures, w.trace.String()
}

func again(seed uint64) string {
	return fmt.Sprintf("go test ./internal/sim -run TestSimulation -sim.seed=%d -sim.times=20 -sim.hours=%d -sim.log", seed, *hours)
}

func tail(trace string) string {
	lines := strings.Split(trace, "\n")
	return strings.Join(lines[max(0, len(lines)-60):], "\n")
}

// realNow is a clock that no bubble stops.
func realNow() time.Duration {
	var tv syscall.Timeval
	if err := syscall.Gettimeofday(&tv); err != nil {
		panic(err)
	}
	return time.Duration(tv.Nano())
}
