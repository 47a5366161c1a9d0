package main

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/tasuki-dev/tasuki"
)

// recordedDrain is drain for recorded jobs that are not kept, over bare jobs.
func (b *bench) recordedDrain() {
	const n = 20_000
	none := func(context.Context, *tasuki.Job[benchArgs]) error { return nil }
	b.enqueue(n)
	bare := b.work(n, 100, none)
	b.enqueueWith(n, tasuki.Opts{Record: true, Keep: -1})
	ours := b.work(n, 100, none)
	b.ratio("recorded_drain", "drain_beside_recorded", rate(n, ours), rate(n, bare))
}

func (b *bench) enqueueWith(n int, o tasuki.Opts) []tasuki.Info {
	k := benchKind.With(o)
	specs := make([]tasuki.Spec, n)
	for i := range specs {
		specs[i] = k.Spec(benchValue)
	}
	infos, err := b.client.EnqueueMany(b.ctx, specs)
	must(err)
	return infos
}

// uniqueSingly is enqueueSingly for unique jobs, over bare ones.
func (b *bench) uniqueSingly() {
	const n = 20_000
	bare := spread(64, n, func() error {
		_, err := benchKind.Enqueue(b.ctx, b.client, benchValue)
		return err
	})
	b.drop("default")
	k := benchKind.With(tasuki.Opts{Queue: "unique"})
	var next atomic.Int64
	ours := spread(64, n, func() error {
		u := tasuki.Unique{Mode: tasuki.UniqueUntilDone, Key: strconv.FormatInt(next.Add(1), 10)}
		_, err := k.With(tasuki.Opts{Unique: u}).Enqueue(b.ctx, b.client, benchValue)
		return err
	})
	b.ratio("unique_enqueue", "enqueue_beside_unique", rate(n, ours), rate(n, bare))
	b.clean()
}

// waits has a program wait for jobs whose handlers say when they return.
func (b *bench) waits() {
	const n = 100
	returned := make(chan time.Time, 1)
	stop := b.worker(b.client, []string{"default"}, 10, func(context.Context, *tasuki.Job[benchArgs]) error {
		time.Sleep(2 * time.Millisecond) // so that somebody waits
		returned <- time.Now()
		return nil
	})
	defer stop()
	for i := range n {
		info := b.enqueueWith(1, tasuki.Opts{Record: true})[0]
		r, err := b.client.Wait(b.ctx, info.Address())
		now := time.Now()
		must(err)
		if r.State != tasuki.StateDone {
			must(fmt.Errorf("%s is %s", info.Address(), r.State))
		}
		if d := now.Sub(<-returned); i > 5 {
			b.note("wait_us", float64(d.Nanoseconds())/1e3)
		}
	}
}

// cancels cancels running jobs.
func (b *bench) cancels() {
	const n = 50
	began, ended := make(chan bool, 1), make(chan time.Time, 1)
	stop := b.worker(b.client, []string{"default"}, 10, func(ctx context.Context, _ *tasuki.Job[benchArgs]) error {
		began <- true
		<-ctx.Done()
		ended <- time.Now()
		return context.Cause(ctx)
	})
	defer stop()
	for range n {
		info := b.enqueueWith(1, tasuki.Opts{Record: true})[0]
		<-began
		start := time.Now()
		must(b.client.Cancel(b.ctx, info.Address()))
		b.note("cancel_us", float64((<-ended).Sub(start).Nanoseconds())/1e3)
	}
}

// progress is what a call of SetProgress costs in a loop.
func (b *bench) progress() {
	const n = 2_000_000
	took := make(chan time.Duration, 1)
	stop := b.worker(b.client, []string{"default"}, 10, func(_ context.Context, job *tasuki.Job[benchArgs]) error {
		start := time.Now()
		for i := range int64(n) {
			job.SetProgress(i, n, "rows")
		}
		took <- time.Since(start)
		return nil
	})
	defer stop()
	b.enqueueWith(1, tasuki.Opts{Record: true})
	b.note("set_progress_ns", float64((<-took).Nanoseconds())/n)
}

// kept is the memory of recorded jobs that have ended.
func (b *bench) kept() {
	const n = 10_000 // as many as a queue keeps
	if b.memory() == 0 {
		return
	}
	b.clean()
	none := func(context.Context, *tasuki.Job[benchArgs]) error { return nil }
	b.enqueueWith(1000, tasuki.Opts{Record: true, Keep: -1}) // scripts and connections are there
	b.work(1000, 100, none)
	before := b.memory()
	b.enqueueWith(n, tasuki.Opts{Record: true})
	b.work(n, 100, none)
	args := len(benchElement) - len(`{"id":"01kaq5h8v0abcdefghjkmnpqrs","kind":"bench.five","enqueued_at":1763850000000,"args":`) - 1
	b.note("bytes_per_kept_over_args", (b.memory()-before)/n-float64(args))
	b.clean()
}
