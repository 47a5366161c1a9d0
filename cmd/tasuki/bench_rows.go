package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

// benchArgs are 100 bytes of JSON in five fields.
type benchArgs struct {
	UserID int    `json:"user_id"`
	Email  string `json:"email"`
	Name   string `json:"name"`
	Plan   string `json:"plan"`
	Source string `json:"source"`
}

var (
	benchKind  = tasuki.Define[benchArgs]("bench.five")
	benchValue = benchArgs{123456, "someone@example.org", "Some One", "premium", "website"}
)

// element is one that is as long as tasuki's.
const benchElement = `{"id":"01kaq5h8v0abcdefghjkmnpqrs","kind":"bench.five","enqueued_at":1763850000000,` +
	`"args":{"user_id":123456,"email":"someone@example.org","name":"Some One","plan":"premium","source":"website"}}`

// measure takes all samples. What is compared alternates, so that the machine's
// moods meet both sides. What takes seconds by its nature is sampled twice
// at most.
func (b *bench) measure() {
	steps := []struct {
		key string
		do  func()
	}{
		{"enqueue_many bytes", b.enqueueMany},
		{"enqueue", b.enqueueSingly},
		{"drain cpu", func() { b.drain("drain", 100) }},
		{"drain_400", func() { b.drain("drain_400", 400) }},
		{"drain_1ms", b.drainSlow},
		{"pickup", func() { b.pickup(200) }},
		{"stop_idle", func() { b.stopIdle(4) }},
		{"scheduled", b.scheduled},
		{"promote", b.promote},
		{"recorded_drain", b.recordedDrain},
		{"unique_enqueue", b.uniqueSingly},
		{"wait", b.waits},
		{"cancel", b.cancels},
		{"set_progress", b.progress},
		{"kept", b.kept},
	}
	// A worker of another queue observes all the while, so that it is not one of
	// those that are measured.
	watch, err := b.open()
	must(err)
	defer watch.Close()
	defer b.worker(watch, []string{"observer"}, 1, func(context.Context, *tasuki.Job[benchArgs]) error { return nil })()
	for i := range b.runs {
		b.say("run %d of %d", i+1, b.runs)
		for _, step := range steps {
			if strings.Contains(step.key, b.only) && (i < 2 || step.key != "promote" && step.key != "scheduled") {
				step.do()
			}
		}
	}
	if strings.Contains("idle_commands", b.only) {
		b.say("idle workers")
		b.idle()
	}
	if strings.Contains("redis_benchmark", b.only) {
		b.redisBenchmark()
	}

	r := b.report
	row := func(key, what, unit, aim string) { r.add(&r.Rows, key, what, unit, aim, b.sample[key]) }
	row("enqueue_many_ratio", "EnqueueMany / bare RPUSH of 500", "", "at least 0.5")
	row("enqueue_ratio", "Enqueue from 64 goroutines / bare RPUSH", "", "at least 0.7")
	row("drain_ratio", "drain, 100 slots / bare claim and delete", "", "at least 0.4")
	row("drain_400_ratio", "drain, 400 slots / bare claim and delete", "", "at least 0.6")
	row("drain_1ms_ratio", "drain, 1 ms a job, 100 slots / 100 goroutines that sleep", "", "at least 0.9")
	b.latencies("pickup")
	row("pickup_p50_ratio", "pick-up on an idle worker / bare BLMOVE, p50", "", "at most 1.5")
	row("pickup_p99_ratio", "the same, p99", "", "at most 1.5")
	row("idle_commands_per_s", "commands of an idle worker of one queue", " /s", "at most 3")
	row("idle_commands_10_per_s", "the same, of ten queues", " /s", "at most 6")
	row("scheduled_late_p99_ms", "scheduled jobs, 100 a second: late, p99", " ms", "at most 20")
	row("promote_100k_ms", "100,000 jobs due at once: all ready after", " ms", "at most 1000")
	row("promote_worst_call_ms", "its longest script call", " ms", "at most 5")
	row("stop_idle_ms", "stop of an idle worker", " ms", "at most 20")
	row("bytes_per_job_over_args", "memory of a queued job above its arguments", " B", "at most 120")
	row("cpu_us_per_job", "processor time of worker and server, a no-op job", " µs", "at most 15")
	row("recorded_drain_ratio", "drain of recorded jobs, 100 slots / of bare ones", "", "at least 0.33")
	row("unique_enqueue_ratio", "unique Enqueue from 64 goroutines / bare Enqueue", "", "at least 0.5")
	b.tail("wait")
	row("wait_p99_ms", "Wait returns after the handler, p99", " ms", "at most 5")
	b.tail("cancel")
	row("cancel_p99_ms", "Cancel of a running job reaches its context, p99", " ms", "at most 20")
	row("set_progress_ns", "a call of SetProgress in a loop", " ns", "at most 1000")
	row("bytes_per_kept_over_args", "memory of a recorded, ended job above its arguments", " B", "at most 500")
	bare := func(key, what, unit string) { r.add(&r.Bare, key, what, unit, "", b.sample[key]) }
	bare("bare_push", "bare RPUSH of 500", " /s")
	bare("bare_push_single", "bare RPUSH from 64 goroutines", " /s")
	bare("bare_claim", "bare claim and delete", " /s")
	bare("bare_sleep", "100 goroutines that sleep 1 ms", " /s")
	bare("bare_pickup_p50", "bare BLMOVE woken by RPUSH, p50", " µs")
	bare("bare_pickup_p99", "the same, p99", " µs")
	bare("enqueue_many", "EnqueueMany", " /s")
	bare("enqueue", "Enqueue from 64 goroutines", " /s")
	bare("drain", "drain, 100 slots", " /s")
	bare("drain_400", "drain, 400 slots", " /s")
	bare("drain_1ms", "drain, 1 ms a job", " /s")
	bare("recorded_drain", "drain of recorded jobs", " /s")
	bare("drain_beside_recorded", "the same of bare ones", " /s")
	bare("unique_enqueue", "unique Enqueue from 64 goroutines", " /s")
	bare("redis_benchmark_rpush", "redis-benchmark -P 16 RPUSH", " /s")
	bare("redis_benchmark_lpop", "redis-benchmark -P 16 LPOP", " /s")
}

func (b *bench) note(key string, v float64) { b.sample[key] = append(b.sample[key], v) }

// ratio notes a rate of tasuki's, one of the other side, and their ratio.
func (b *bench) ratio(key, bareKey string, ours, bare float64) {
	b.note(key, ours)
	b.note(bareKey, bare)
	b.note(key+"_ratio", ours/bare)
}

func rate(n int, d time.Duration) float64 { return float64(n) / d.Seconds() }

// enqueue puts n jobs into the default queue. The clock begins with the arguments
// as a struct, as for a caller.
func (b *bench) enqueue(n int) time.Duration {
	start := time.Now()
	specs := make([]tasuki.Spec, n)
	for i := range specs {
		specs[i] = benchKind.Spec(benchValue)
	}
	_, err := b.client.EnqueueMany(b.ctx, specs)
	must(err)
	return time.Since(start)
}

func (b *bench) drop(queue string) {
	must(b.bare.client.Do(b.ctx, b.bare.client.B().Del().Key("tasuki-bench:{"+queue+"}", b.bare.key("list")).Build()).Error())
}

func (b *bench) enqueueMany() {
	const n = 50_000
	memory := b.memory()
	bare := b.bare.push(b.ctx, benchElement, n)
	b.drop("default")
	if memory > 0 {
		memory = b.memory()
	}
	ours := b.enqueue(n)
	if memory > 0 {
		args := len(benchElement) - strings.Index(benchElement, `"args":`) - len(`"args":`) - 1
		b.note("bytes_per_job_over_args", (b.memory()-memory)/n-float64(args))
	}
	b.drop("default")
	b.ratio("enqueue_many", "bare_push", rate(n, ours), rate(n, bare))
}

// memory is the server's, or 0 if it does not tell.
func (b *bench) memory() float64 {
	info, err := b.info("memory")
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseFloat(info["used_memory"], 64)
	return n
}

func (b *bench) enqueueSingly() {
	const n = 20_000
	bare := b.bare.pushSingly(b.ctx, benchElement, n)
	ours := spread(64, n, func() error {
		_, err := benchKind.Enqueue(b.ctx, b.client, benchValue)
		return err
	})
	b.drop("default")
	b.ratio("enqueue", "bare_push_single", rate(n, ours), rate(n, bare))
}

type benchHandler = func(context.Context, *tasuki.Job[benchArgs]) error

// worker runs a worker until stop is called. It has all that workers have, and a
// middleware that does nothing.
func (b *bench) worker(client *tasuki.Client, queues []string, slots int, h benchHandler) (stop func() time.Duration) {
	cfg := &tasuki.WorkerConfig{Concurrency: slots, Use: []tasuki.Middleware{func(next tasuki.Handler) tasuki.Handler { return next }}}
	for _, q := range queues {
		cfg.Queues = append(cfg.Queues, tasuki.Queue{Name: q})
	}
	w, err := tasuki.NewWorker(client, cfg)
	must(err)
	tasuki.Handle(w, benchKind, h)
	ctx, cancel := context.WithCancel(b.ctx)
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	for _, q := range queues {
		b.until(func() error {
			if w.ClientID(q) != 0 {
				return nil
			}
			return errors.New("the worker does not wait")
		})
	}
	return func() time.Duration {
		start := time.Now()
		cancel()
		must(<-ended)
		return time.Since(start)
	}
}

// work has a worker do n jobs that are there. It returns how long that took, from
// the start of the first handler until everything is settled in Redis.
func (b *bench) work(n, slots int, h benchHandler) time.Duration {
	before := b.queue("default").Counts["done"]
	var first sync.Once
	var start time.Time
	var done atomic.Int64
	last := make(chan struct{})
	stop := b.worker(b.client, []string{"default"}, slots, func(ctx context.Context, job *tasuki.Job[benchArgs]) error {
		first.Do(func() { start = time.Now() })
		err := h(ctx, job)
		if done.Add(1) == int64(n) {
			close(last)
		}
		return err
	})
	<-last
	b.until(func() error {
		if q := b.queue("default"); q.Running != 0 {
			return fmt.Errorf("%d jobs are held", q.Running)
		}
		return nil
	})
	took := time.Since(start)
	stop()
	q := b.queue("default")
	if q.Counts["done"]-before != int64(n) || q.Ready != 0 {
		must(fmt.Errorf("%d of %d jobs are counted as done, %d are left", q.Counts["done"]-before, n, q.Ready))
	}
	return took
}

func (b *bench) until(f func() error) {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) || b.ctx.Err() != nil {
			must(errors.Join(err, b.ctx.Err()))
		}
	}
}

func (b *bench) queue(name string) inspect.Queue {
	q, err := inspect.New(b.client).Queue(b.ctx, name)
	must(err)
	return q
}

// drain is about no-op jobs.
func (b *bench) drain(key string, slots int) {
	const n = 50_000
	b.bare.push(b.ctx, benchElement, n)
	bare := b.bare.claim(b.ctx)
	b.enqueue(n)
	cpu := b.cpu()
	ours := b.work(n, slots, func(_ context.Context, job *tasuki.Job[benchArgs]) error {
		if job.Args.UserID != benchValue.UserID {
			return errors.New("wrong arguments")
		}
		return nil
	})
	if cpu > 0 && key == "drain" {
		b.note("cpu_us_per_job", (b.cpu()-cpu).Seconds()*1e6/n)
	}
	b.ratio(key, "bare_claim", rate(n, ours), rate(n, bare))
}

// drainSlow is about jobs that wait.
func (b *bench) drainSlow() {
	const n = 15_000
	bare := sleepers(100, 300*time.Millisecond)
	b.enqueue(n)
	ours := b.work(n, 100, func(context.Context, *tasuki.Job[benchArgs]) error {
		time.Sleep(time.Millisecond)
		return nil
	})
	b.ratio("drain_1ms", "bare_sleep", rate(n, ours), bare)
}

// cpu is the processor time of this process and of the server, or 0 if that does
// not tell.
func (b *bench) cpu() time.Duration {
	info, err := b.info("cpu")
	if err != nil {
		return 0
	}
	server := 0.0
	for _, name := range []string{"used_cpu_sys", "used_cpu_user"} {
		v, err := strconv.ParseFloat(info[name], 64)
		if err != nil {
			return 0
		}
		server += v
	}
	return processCPU() + time.Duration(server*float64(time.Second))
}
