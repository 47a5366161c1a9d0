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
	seeds = flag.Int("sim.seeds", 0, "how many seeds to run: as many as fit into the time of CI unless told")
	seed  = flag.Uint64("sim.seed", 0, "run this seed only, and show what happens")
	times = flag.Int("sim.times", 1, "run the seed of -sim.seed that often")
	first = flag.Uint64("sim.first", 1, "the first seed of many")
	hours = flag.Int("sim.hours", 500, "one seed of so many has jobs that take hours; 0: none")
	logs  = flag.Bool("sim.log", false, "with -sim.seed: show the log of the library too")
)

// stuckAfter is how long a seed may take, of real time: most take a tenth of a second.
const stuckAfter = 2 * time.Minute

// simulate runs one seed. It returns the violations and the trace.
func simulate(t *testing.T, seed uint64, rep *report, log *slog.Logger) (failures []string, trace string) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(os.Stderr, "seed %d panicked; again: %s\n", seed, again(seed))
			panic(r)
		}
	}()
	w := &world{
		scenario: newScenario(seed, *hours > 0 && seed%uint64(*hours) == uint64(*hours)/2),
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
	return fmt.Sprintf("go test ./internal/sim -run TestSimulation -sim.seed=%d -sim.times=20 -sim.hours=%d", seed, *hours)
}

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // a seed leaves little behind
	os.Exit(m.Run())
}

func TestSimulation(t *testing.T) {
	t.Parallel()
	rep := newReport()
	begun := realNow()
	if *seed != 0 {
		for range *times {
			var log redistest.Buffer
			failures, trace := simulate(t, *seed, rep, slog.New(slog.NewTextHandler(&log, nil)))
			if *times == 1 || len(failures) > 0 {
				fmt.Print(trace)
				if *logs {
					fmt.Print(log.String())
				}
			}
			for _, f := range failures {
				t.Error(f)
			}
		}
		return
	}
	n := *seeds
	if n == 0 {
		n = 300
	}
	var next atomic.Uint64
	next.Store(*first - 1)
	last := *first + uint64(n) - 1
	t.Run("shards", func(t *testing.T) {
		for range runtime.GOMAXPROCS(0) {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for s := next.Add(1); s <= last && rep.failed.Load() < 10; s = next.Add(1) {
					failures, trace := simulate(t, s, rep, slog.New(rep))
					if len(failures) == 0 {
						continue
					}
					rep.failed.Add(1)
					t.Errorf("seed %d (%s):\n  %s\nrun it again (the order of goroutines differs from run to run, so it may take some):\n  %s\n%s",
						s, weatherNames[s%uint64(weathers)], strings.Join(failures, "\n  "), again(s), tail(trace))
				}
			})
		}
	})
	took := realNow() - begun
	count, p50, p99, most := rep.recovery()
	t.Logf("%d seeds in %v (%.0f a second, CPU %v), %v of fake time, %d runs; %d recoveries: %v %v %v",
		rep.seeds.Load(), took.Round(time.Millisecond), float64(rep.seeds.Load())/took.Seconds(), cpu(), time.Duration(rep.virtual.Load()).Round(time.Second), rep.runs.Load(), count, p50, p99, most)
}

func tail(trace string) string {
	lines := strings.Split(trace, "\n")
	return strings.Join(lines[max(0, len(lines)-60):], "\n")
}

// realNow is a clock that no bubble stops.
func realNow() time.Duration {
	var tv syscall.Timeval
	syscall.Gettimeofday(&tv)
	return time.Duration(tv.Nano())
}

func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Round(time.Millisecond)
}
