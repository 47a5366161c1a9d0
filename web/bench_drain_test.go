package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/web"
)

// drainer measures from the first job to the last of a number of them.
type drainer struct {
	want int64
	end  func()

	n, began, cpu atomic.Int64 // the last two in ns
	took          drained
}

func (d *drainer) one() {
	switch d.n.Add(1) {
	case 1:
		d.began.Store(time.Now().UnixNano())
		d.cpu.Store(int64(processorTime()))
	case d.want:
		d.took = drained{Wall: time.Duration(time.Now().UnixNano() - d.began.Load()), CPU: processorTime() - time.Duration(d.cpu.Load())}
		d.end()
	}
}

// processorTime is what this process has used.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // there is nothing about it that can fail
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func stopOnTerm(stop context.CancelCauseFunc) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	<-c
	stop(nil)
}

// tabsEnv makes the test binary a dashboard with open tabs: its value is a benchTabs.
const tabsEnv = "TASUKI_BENCH_TABS"

// benchTabs is a dashboard with so many tabs, each of another page, in a process of its own. At its
// end it writes how many pages were loaded.
type benchTabs struct {
	URL  string
	Tabs int
}

func (t *benchTabs) main() int {
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	logger := slog.New(slog.DiscardHandler)
	client, err := tasuki.Open(t.URL, &tasuki.ClientConfig{Namespace: benchNamespace, Logger: logger})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer client.Close()
	d, err := web.Handler(client, &web.Config{Authorize: all, Logger: logger})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	end := openTabs(ctx, d, t.Tabs, livePages, func(err error) { fmt.Fprintln(os.Stderr, err) })
	stopOnTerm(stop)
	fmt.Println(end())
	return 0
}

const (
	drainedJobs  = 100_000
	drainedPairs = 120
)

// measurePresence drains 100,000 no-op jobs with 100 slots, beside a dashboard with tabs and without
// one, in turn and in both orders, and reports the median of the ratios of pairs: of jobs per second,
// and of the processor time of the server and of the worker. Without is a dashboard that is stopped by
// a signal.
//
// As a rule a dashboard runs elsewhere: what counts is what it asks of Redis. So server and worker
// have a processor each, and take it from whatever else wants it (chrt, which needs the right to), and
// the dashboard and its clients have what these two leave. pages/s tells that it is not starved: a
// tab loads a page every two seconds.
func (e *bench) measurePresence() {
	run := func(words ...string) {
		if out, err := exec.CommandContext(e.Context(), words[0], words[1:]...).CombinedOutput(); err != nil {
			e.Fatalf("%v: %v: %s", words, err, out)
		}
	}
	place := func(pid, core int) {
		run("taskset", "-a", "-c", "-p", strconv.Itoa(core), strconv.Itoa(pid))
		run("chrt", "-a", "--rr", "-p", "10", strconv.Itoa(pid))
	}
	place(e.server.PID(), 0)
	drain := func() (took drained, redis float64) {
		specs := make([]tasuki.Spec, 10_000)
		for n := range specs {
			specs[n] = tasuki.Spec{Kind: "noop", Args: args(n), Opts: tasuki.Opts{Queue: "drained"}}
		}
		for range drainedJobs / len(specs) {
			if _, err := e.client.EnqueueMany(e.Context(), specs); err != nil {
				e.Fatal(err)
			}
		}
		var out redistest.Buffer
		p := redistest.StartSelf(e, benchEnv, benchWorker{URL: e.server.URL(), Queues: []string{"drained"}, Slots: 100, Drain: drainedJobs}, &out)
		place(p.PID(), 1)
		cpu := e.processor()
		<-p.Ended()
		redis = e.processor() - cpu
		if err := json.Unmarshal([]byte(out.String()), &took); err != nil {
			e.Fatalf("%v: %s", err, out.String())
		}
		return took, redis
	}
	for _, tabs := range []int{1, 5} {
		e.Run(fmt.Sprintf("%d tabs", tabs), func(b *testing.B) {
			e := e.in(b)
			var out redistest.Buffer
			p := redistest.StartSelf(e, tabsEnv, benchTabs{URL: e.server.URL(), Tabs: tabs}, &out)
			run("chrt", "-a", "--other", "-p", "0", strconv.Itoa(p.PID()))
			var beside time.Duration
			e.compare(drain, func(with bool) {
				p.Signal(b, map[bool]syscall.Signal{false: syscall.SIGSTOP, true: syscall.SIGCONT}[with])
			}, &beside)
			p.Signal(b, syscall.SIGCONT)
			p.Signal(b, syscall.SIGTERM)
			<-p.Ended()
			loaded, err := strconv.Atoi(strings.TrimSpace(out.String()))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(loaded)/beside.Seconds(), "pages/s")
		})
	}
}

// compare drains with something and without it, which show makes so. beside is for how long it was.
func (e *bench) compare(drain func() (took drained, redis float64), show func(with bool), beside *time.Duration) {
	b := e.B
	show(false)
	drain() // the first of a server is slower
	for b.Loop() {
		var rate, server, worker []float64
		for n := range drainedPairs {
			var took [2]drained
			var redis [2]float64
			for _, which := range []int{n % 2, 1 - n%2} { // 1 is with
				show(which == 1)
				began := time.Now()
				took[which], redis[which] = drain()
				if which == 1 {
					*beside += time.Since(began)
				}
			}
			rate = append(rate, took[0].Wall.Seconds()/took[1].Wall.Seconds())
			server = append(server, redis[1]/redis[0])
			worker = append(worker, took[1].CPU.Seconds()/took[0].CPU.Seconds())
			b.Logf("without: %6.0f jobs/s, worker %.2f s, server %.2f s; with: %6.0f jobs/s, worker %.2f s, server %.2f s",
				drainedJobs/took[0].Wall.Seconds(), took[0].CPU.Seconds(), redis[0], drainedJobs/took[1].Wall.Seconds(), took[1].CPU.Seconds(), redis[1])
		}
		for what, ratios := range map[string][]float64{"rate": rate, "server": server, "worker": worker} {
			middle, low, high := median(ratios)
			b.ReportMetric(middle, what+"-ratio")
			b.ReportMetric(low, what+"-least")
			b.ReportMetric(high, what+"-most")
		}
		b.ReportMetric(0, "ns/op")
	}
}

// median sorts values and returns their median, and between which of them that of all such values
// lies in 19 cases of 20, whatever their distribution: as many lie below it as of so many coins show
// heads.
func median(values []float64) (middle, low, high float64) {
	slices.Sort(values)
	n := len(values)
	k, chance, below := 0, 1.0, 0.0 // of k heads, in 2^-n
	for all := math.Ldexp(1, n); below+chance <= 0.025*all; k++ {
		below += chance
		chance *= float64(n-k) / float64(k+1)
	}
	k = max(k-1, 0)
	return (values[(n-1)/2] + values[n/2]) / 2, values[k], values[n-1-k]
}
