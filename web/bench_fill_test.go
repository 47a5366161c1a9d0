package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/cron"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/tally"
)

// bench is a namespace with many jobs: TASUKI_BENCH_JOBS of them ready, a tenth of that scheduled,
// and a hundredth dead, in 100 queues, of
// which the first has half of what is ready and scheduled.
type bench struct {
	*testing.B
	server    *redistest.Server
	client    *tasuki.Client
	inspector *inspect.Inspector
	jobs      int

	bare     string // the address of a job in the middle of the longest list
	recorded string // that of a scheduled one
}

const (
	benchNamespace = "bench"
	benchQueues    = 100
	benchKinds     = 8
	deadError      = "connection to mail-%d.example.com:587: i/o timeout after %d ms"
)

func benchQueue(n int) string { return fmt.Sprintf("queue-%02d", n) }
func benchKind(n int) string {
	return []string{"mail.send", "mail.digest", "image.resize", "invoice.create", "invoice.remind", "search.index", "webhook.deliver", "report.build"}[n%benchKinds]
}

// share is how many of n jobs are in a queue.
func share(n, queue int) int {
	if queue == 0 {
		return n - n/2/(benchQueues-1)*(benchQueues-1)
	}
	return n / 2 / (benchQueues - 1)
}

func newBench(b *testing.B) *bench {
	b.Helper()
	e := &bench{B: b, server: redistest.Start(b), jobs: 20_000}
	if text := os.Getenv("TASUKI_BENCH_JOBS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 20_000 {
			b.Fatalf("TASUKI_BENCH_JOBS: %q: allowed are numbers from 20000 on", text)
		}
		e.jobs = n
	}
	e.client = e.open(e.server.URL())
	e.inspector = inspect.New(e.client)
	b.Cleanup(e.inspector.Close)
	return e
}

// in is the same for a part of the benchmark.
func (e *bench) in(b *testing.B) *bench {
	part := *e
	part.B = b
	return &part
}

// BenchmarkDashboard measures what docs/benchmarks.md has of the dashboard.
func BenchmarkDashboard(b *testing.B) {
	e := newBench(b)
	e.fill()
	b.Run("page", func(b *testing.B) { e.in(b).measurePages() })
	b.Run("tabs", func(b *testing.B) { e.in(b).measureTabs() })
	b.Run("presence", func(b *testing.B) { e.in(b).measurePresence() })
}

func (e *bench) open(url string) *tasuki.Client {
	e.Helper()
	client, err := tasuki.Open(url, &tasuki.ClientConfig{Namespace: benchNamespace, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		e.Fatal(err)
	}
	e.Cleanup(client.Close)
	return client
}

// fill puts everything into the namespace that a page can show.
func (e *bench) fill() {
	e.Helper()
	began := time.Now()
	e.die()
	var both sync.WaitGroup
	for side := range 2 {
		both.Go(func() {
			for q := side; q < benchQueues; q += 2 {
				e.enqueue(benchQueue(q), share(e.jobs, q), share(e.jobs/10, q))
			}
		})
	}
	both.Wait()
	e.count()
	table := cron.New(e.client)
	for n := range 50 {
		if _, err := table.Set(e.Context(), cron.Entry{Name: fmt.Sprintf("nightly-%d", n), Expr: "30 2 * * *", Kind: benchKind(n), Args: args(n), Opts: tasuki.Opts{Queue: benchQueue(n)}}); err != nil {
			e.Fatal(err)
		}
	}
	for n := range 100 { // audited
		if err := e.inspector.Pause(e.Context(), benchQueue(n), "ada"); err != nil {
			e.Fatal(err)
		}
		if err := e.inspector.Resume(e.Context(), benchQueue(n)); err != nil {
			e.Fatal(err)
		}
	}
	stats, err := e.inspector.Stats(e.Context())
	if err != nil {
		e.Fatal(err)
	}
	var ready, scheduled, dead int64
	for _, q := range stats.Queues {
		ready, scheduled, dead = ready+q.Ready, scheduled+q.Scheduled, dead+q.Dead
	}
	e.Logf("%d ready, %d scheduled, %d dead in %d queues, %.1f GB, in %v", ready, scheduled, dead, len(stats.Queues), float64(stats.Servers[0].Used)/1e9, time.Since(began).Round(time.Second))
}

// args are 200 bytes.
func args(n int) json.RawMessage {
	return fmt.Appendf(nil, `{"user":{"id":%d,"name":"Ada Lovelace","mail":"ada.lovelace.%07d@example.com"},"order":%d,"lang":"en","template":"welcome-back-after-a-year","tags":["a","b","c"],"note":"%040d"}`, n%1000, n, n*7, n)
}

// enqueue puts jobs into a queue, of which every tenth is recorded.
func (e *bench) enqueue(queue string, ready, scheduled int) {
	specs := make([]tasuki.Spec, 0, 5000)
	for n := range ready + scheduled {
		o := tasuki.Opts{Queue: queue, Record: n%10 == 0}
		if n >= ready {
			o.In = time.Hour + time.Duration(rand.Int64N(int64(720*time.Hour)))
		}
		specs = append(specs, tasuki.Spec{Kind: benchKind(rand.IntN(benchKinds)), Args: args(n), Opts: o})
		if len(specs) == cap(specs) || n == ready+scheduled-1 {
			infos, err := e.client.EnqueueMany(e.Context(), specs)
			if err != nil {
				e.Error(err)
				return
			}
			if first := n + 1 - len(specs); queue == benchQueue(0) {
				if at := ready/2/10*10 + 1; first <= at && at <= n {
					e.bare = infos[at-first].Address()
				}
				if at := (ready + scheduled - 1) / 10 * 10; first <= at && at <= n {
					e.recorded = infos[at-first].Address()
				}
			}
			specs = specs[:0]
		}
	}
}

// die has workers bury what is dead.
func (e *bench) die() {
	e.Helper()
	each := e.jobs / 100 / benchQueues
	for q := range benchQueues {
		specs := make([]tasuki.Spec, each)
		for n := range specs {
			specs[n] = tasuki.Spec{Kind: benchKind(n), Args: args(n), Opts: tasuki.Opts{Queue: benchQueue(q), Record: n%10 == 0, Meta: map[string]string{"dies": "yes"}}}
		}
		if _, err := e.client.EnqueueMany(e.Context(), specs); err != nil {
			e.Fatal(err)
		}
	}
	stop := e.work()
	redistest.WaitLong(e, 10*time.Minute, "the dead", func() error {
		all, err := e.inspector.Queues(e.Context())
		dead := int64(0)
		for _, q := range all {
			dead += q.Dead
		}
		if err == nil && dead != int64(each*benchQueues) {
			err = fmt.Errorf("%d are dead", dead)
		}
		return err
	})
	stop()
}

// count adds the statistics of all kinds in half of the queues for as long as they are kept, as a
// worker counts them: 20 attempts a minute of each.
func (e *bench) count() {
	e.Helper()
	draw := rand.New(rand.NewPCG(1, 2))
	now := time.Now()
	for _, span := range []struct {
		part string
		store.Span
	}{{"minute", store.Minutes}, {"hour", store.Hours}, {"day", store.Days}} {
		values := make([]string, 32)
		for i := range values {
			attempts := 20 * int(span.Long/time.Minute)
			var c tally.Counts
			for i := range min(attempts, 1000) {
				c.Attempt(i%50 == 0, time.Duration(20e6*math.Exp(draw.NormFloat64())))
				c.Waited(time.Duration(5e6 * math.Exp(draw.NormFloat64())))
			}
			values[i] = string(c.Append(nil))
		}
		for ago := range int64(span.Kept / span.Long) {
			key := fmt.Sprintf("%s:stats:{stats}:%s:%d", benchNamespace, span.part, now.UnixMilli()/span.Long.Milliseconds()-ago-1)
			words := []string{"HSET", key, store.CountField(store.AllQueues, store.AllKinds), values[draw.IntN(len(values))]}
			for q := range benchQueues / 2 {
				words = append(words, store.CountField(benchQueue(q), ""), values[draw.IntN(len(values))])
				for k := range benchKinds {
					words = append(words, store.CountField(benchQueue(q), benchKind(k)), values[draw.IntN(len(values))])
				}
			}
			e.server.Do(e, words...)
			e.server.Do(e, "PEXPIRE", key, "100000000")
		}
	}
}

// benchEnv makes the test binary a worker: its value is a benchWorker.
const benchEnv = "TASUKI_BENCH_WORKER"

// benchWorker is a worker in a process of its own. It takes what is there, or, with Drain, so
// many jobs, and then writes a drained to its output.
type benchWorker struct {
	URL    string
	Queues []string
	Slots  int
	Drain  int64
}

// drained is what a drain took, from the first job to the last.
type drained struct {
	Wall, CPU time.Duration
}

// work starts the workers that all queues need, of which each has 50, and returns what ends them.
func (e *bench) work() (stop func()) {
	e.Helper()
	var all []*redistest.Process
	for first := 0; first < benchQueues; first += 50 {
		w := benchWorker{URL: e.server.URL(), Slots: 20}
		for q := range 50 {
			w.Queues = append(w.Queues, benchQueue(first+q))
		}
		all = append(all, redistest.StartSelf(e, benchEnv, w, os.Stderr))
	}
	return func() {
		for _, p := range all {
			p.Signal(e, syscall.SIGTERM)
			<-p.Ended()
		}
	}
}

func (w *benchWorker) main() int {
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	client, err := tasuki.Open(w.URL, &tasuki.ClientConfig{Namespace: benchNamespace, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer client.Close()
	cfg := &tasuki.WorkerConfig{Concurrency: w.Slots, Grace: time.Second, Logger: slog.New(slog.DiscardHandler)}
	for _, name := range w.Queues {
		cfg.Queues = append(cfg.Queues, tasuki.Queue{Name: name})
	}
	worker, err := tasuki.NewWorker(client, cfg)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	drain := drainer{want: w.Drain, end: func() { stop(nil) }}
	tasuki.HandleOther(worker, func(ctx context.Context, job *tasuki.RawJob) error {
		switch {
		case w.Drain > 0:
			drain.one()
			return nil
		case job.Meta["dies"] != "":
			return tasuki.Kill(fmt.Errorf(deadError, rand.IntN(9), rand.IntN(9999)))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(rand.ExpFloat64() * 2e8)):
		}
		if rand.IntN(50) == 0 {
			return tasuki.RetryIn(time.Hour, errors.New("no route to host"))
		}
		return nil
	})
	go stopOnTerm(stop)
	if err := worker.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if w.Drain > 0 {
		_ = json.NewEncoder(os.Stdout).Encode(drain.took)
	}
	return 0
}
