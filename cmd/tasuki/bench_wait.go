package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tasuki-dev/tasuki"
)

// pickup takes single samples of the two sides in turn.
func (b *bench) pickup(n int) {
	woken := make(chan time.Time)
	stopBare := b.bare.waker(b.ctx, woken)
	defer stopBare()
	picked := make(chan time.Time)
	stop := b.worker(b.client, []string{"default"}, 10, func(context.Context, *tasuki.Job[benchArgs]) error {
		picked <- time.Now()
		return nil
	})
	defer stop()
	push := func(key string) time.Time {
		start := time.Now()
		must(b.bare.client.Do(b.ctx, b.bare.client.B().Rpush().Key(key).Element(benchElement).Build()).Error())
		return start
	}
	rest := func() { time.Sleep(500 * time.Microsecond) }
	for i := range n {
		start := push(b.bare.key("wake"))
		if d := (<-woken).Sub(start); i > 10 {
			b.note("bare_pickup_us", float64(d.Nanoseconds())/1e3)
		}
		rest()
		start = push("tasuki-bench:{default}")
		if d := (<-picked).Sub(start); i > 10 {
			b.note("pickup_us", float64(d.Nanoseconds())/1e3)
		}
		rest()
	}
}

// latencies makes the quantiles of the samples of all runs.
func (b *bench) latencies(key string) {
	ours, bare := b.sample[key+"_us"], b.sample["bare_"+key+"_us"]
	if len(ours) == 0 {
		return
	}
	slices.Sort(ours)
	slices.Sort(bare)
	for name, q := range map[string]float64{"p50": 0.5, "p99": 0.99} {
		b.note("bare_"+key+"_"+name, quantile(bare, q))
		b.note(key+"_"+name+"_ratio", quantile(ours, q)/quantile(bare, q))
	}
}

// tail makes the 99th percentile, in ms, of the samples of all runs.
func (b *bench) tail(key string) {
	if samples := slices.Sorted(slices.Values(b.sample[key+"_us"])); len(samples) > 0 {
		b.note(key+"_p99_ms", quantile(samples, 0.99)/1e3)
	}
}

func (b *bench) stopIdle(n int) {
	for range n {
		stop := b.worker(b.client, []string{"default"}, 10, func(context.Context, *tasuki.Job[benchArgs]) error { return nil })
		b.note("stop_idle_ms", stop().Seconds()*1e3)
	}
}

// scheduled has 100 jobs a second become due, and looks how late they start. Each
// is enqueued 50 to 350 ms before, in mixed order.
func (b *bench) scheduled() {
	const n = 150
	var mu sync.Mutex
	var late []float64
	stop := b.worker(b.client, []string{"default"}, 10, func(_ context.Context, job *tasuki.Job[benchArgs]) error {
		mu.Lock()
		defer mu.Unlock()
		late = append(late, time.Since(time.UnixMilli(int64(job.Args.UserID))).Seconds()*1e3)
		return nil
	})
	type job struct{ put, due time.Duration }
	jobs := make([]job, n)
	for i := range jobs {
		jobs[i].due = 400*time.Millisecond + time.Duration(i)*10*time.Millisecond
		jobs[i].put = jobs[i].due - 50*time.Millisecond - time.Duration(i*37%30)*10*time.Millisecond
	}
	slices.SortFunc(jobs, func(x, y job) int { return cmp.Compare(x.put, y.put) })
	base := time.Now()
	for _, j := range jobs {
		time.Sleep(time.Until(base.Add(j.put)))
		at := base.Add(j.due)
		_, err := benchKind.With(tasuki.Opts{At: at}).Enqueue(b.ctx, b.client, benchArgs{UserID: int(at.UnixMilli())})
		must(err)
	}
	b.until(func() error {
		mu.Lock()
		defer mu.Unlock()
		if len(late) < n {
			return fmt.Errorf("%d of %d scheduled jobs were run", len(late), n)
		}
		return nil
	})
	stop()
	slices.Sort(late)
	b.note("scheduled_late_p99_ms", quantile(late, 0.99))
}

// promote has 100,000 jobs become due at one moment.
func (b *bench) promote() {
	const n = 100_000
	block := make(chan struct{})
	stop := b.worker(b.client, []string{"due"}, 1, func(context.Context, *tasuki.Job[benchArgs]) error {
		<-block
		return nil
	})
	at := time.Now().Add(2000 * time.Millisecond)
	spec := benchKind.With(tasuki.Opts{Queue: "due", At: at}).Spec(benchValue)
	specs := make([]tasuki.Spec, n)
	for i := range specs {
		specs[i] = spec
	}
	_, err := b.client.EnqueueMany(b.ctx, specs)
	must(err)
	slow := b.slowlog()
	if wait := time.Until(at); wait > 0 {
		time.Sleep(wait)
	} else {
		b.say("the 100,000 jobs were not in before they were due; their row has no sample of this run")
		at = time.Time{}
	}
	b.until(func() error {
		if q := b.queue("due"); q.Scheduled != 0 {
			return fmt.Errorf("%d are still scheduled", q.Scheduled)
		}
		return nil
	})
	if !at.IsZero() {
		b.note("promote_100k_ms", time.Since(at).Seconds()*1e3)
		if worst, ok := slow(); ok {
			b.note("promote_worst_call_ms", worst)
		}
	}
	must(b.bare.client.Do(b.ctx, b.bare.client.B().Unlink().Key("tasuki-bench:{due}").Build()).Error())
	close(block)
	stop()
}

// slowlog has the server note its slow calls. The returned function gives the
// longest since then, in ms; false if the server does not tell.
func (b *bench) slowlog() func() (float64, bool) {
	c := b.bare.client
	if !b.own || c.Do(b.ctx, c.B().ConfigSet().ParameterValue().ParameterValue("slowlog-log-slower-than", "500").Build()).Error() != nil {
		return func() (float64, bool) { return 0, false }
	}
	c.Do(b.ctx, c.B().SlowlogReset().Build())
	return func() (float64, bool) {
		entries, err := c.Do(b.ctx, c.B().SlowlogGet().Count(1000).Build()).ToArray()
		worst := int64(0)
		for _, entry := range entries {
			fields, e := entry.ToArray()
			if e != nil || len(fields) < 4 {
				continue
			}
			command, _ := fields[3].AsStrSlice()
			us, _ := fields[2].AsInt64()
			if len(command) > 0 && strings.HasPrefix(command[0], "EVAL") {
				worst = max(worst, us)
			}
		}
		c.Do(b.ctx, c.B().ConfigSet().ParameterValue().ParameterValue("slowlog-log-slower-than", "10000").Build())
		return float64(worst) / 1e3, err == nil
	}
}

// idle counts the commands that workers send which have nothing to do. What the
// observer sends is taken off. The client is a new one,
// for one that was busy keeps connections for a while.
func (b *bench) idle() {
	if !b.own {
		b.say("idle workers are only measured on a server of the benchmark's own")
		return
	}
	client, err := b.open()
	must(err)
	defer client.Close()
	nothing := func(context.Context, *tasuki.Job[benchArgs]) error { return nil }
	observer, ok := b.commands()
	if !ok {
		return
	}
	ten := make([]string, 10)
	for i := range ten {
		ten[i] = fmt.Sprint("idle", i)
	}
	for key, queues := range map[string][]string{"idle_commands_per_s": {"idle"}, "idle_commands_10_per_s": ten} {
		stop := b.worker(client, queues, 10, nothing)
		all, _ := b.commands()
		stop()
		b.note(key, max(all-observer, 0))
	}
}

// commands is how many commands clients send in a second; those that scripts
// call are not counted.
func (b *bench) commands() (float64, bool) {
	count := func() (n float64, ok bool) {
		info, err := b.info("commandstats")
		if err != nil {
			return 0, false
		}
		for name, text := range info {
			switch name {
			case "cmdstat_evalsha", "cmdstat_eval", "cmdstat_blmove", "cmdstat_blpop", "cmdstat_ping", "cmdstat_subscribe",
				"cmdstat_client|unblock", "cmdstat_client|id", "cmdstat_hello":
				calls, _, _ := strings.Cut(strings.TrimPrefix(text, "calls="), ",")
				v, err := strconv.ParseFloat(calls, 64)
				if err != nil {
					return 0, false
				}
				n += v
				ok = true
			}
		}
		return n, ok
	}
	time.Sleep(500 * time.Millisecond) // for what a start sends
	before, ok := count()
	start := time.Now()
	time.Sleep(5 * time.Second) // idle connections are asked for a sign of life this often
	after, _ := count()
	return (after - before) / time.Since(start).Seconds(), ok
}
