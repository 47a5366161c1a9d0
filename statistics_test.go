package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// counted returns what was counted in the last hour of the kinds of all queues, by
// QUEUE KIND.
func (e *env) counted() map[string]inspect.Counts {
	e.t.Helper()
	kinds, _, err := e.inspector.Kinds(e.ctx, "", time.Now().Add(-time.Hour))
	if err != nil {
		e.t.Fatal(err)
	}
	all := map[string]inspect.Counts{}
	for _, k := range kinds {
		all[k.Queue+" "+k.Kind] = k.Counts
	}
	return all
}

// waitCounted waits until so much was counted of a kind: done, failed, crashed.
func (e *env) waitCounted(kind string, done, failed, crashed int64) {
	e.t.Helper()
	redistest.WaitFor(e.t, "counts of "+kind, func() error {
		if c := e.counted()[kind]; c.Done != done || c.Failed != failed || c.Crashed != crashed {
			return fmt.Errorf("%d done, %d failed, %d crashed: want %d, %d, %d", c.Done, c.Failed, c.Crashed, done, failed, crashed)
		}
		return nil
	})
}

// failures returns what was seen, by kind and message.
func (e *env) failures() map[string]inspect.Failure {
	e.t.Helper()
	all, err := e.inspector.Failures(e.ctx, inspect.FailureQuery{})
	if err != nil {
		e.t.Fatal(err)
	}
	byText := map[string]inspect.Failure{}
	for _, f := range all {
		byText[f.Kind+": "+f.Sample.Error] = f
	}
	return byText
}

type order struct{ items []int }

// sum panics if there is no such item.
//
//go:noinline
func (o *order) sum(n int) int { return o.items[n] }

// TestStatistics: what ends well and what fails is counted by kind and queue when the worker
// has stopped, and nothing else is.
func TestStatistics(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "mail"}, {Name: "other"}}, Grace: -1})
		started := make(chan string, 100)
		snoozed := 0
		tasuki.HandleOther(w, func(ctx context.Context, job *tasuki.RawJob) error {
			started <- job.ID
			switch job.Kind {
			case "fails":
				if job.Attempt == 1 {
					return tasuki.RetryIn(time.Millisecond, fmt.Errorf("no user %d", len(job.ID)))
				}
				return tasuki.Kill(fmt.Errorf("no user %d", 4711))
			case "panics":
				return fmt.Errorf("sum is %d", (&order{}).sum(len(job.ID)))
			case "snoozes":
				if snoozed++; snoozed < 3 {
					return tasuki.Snooze(time.Millisecond)
				}
			case "waits":
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		})
		tasuki.HandleRaw(w, "mail", func(context.Context, *tasuki.RawJob) error { return nil })
		stop := e.run(w)
		put := func(kind, queue string, opts tasuki.Opts) tasuki.Info {
			opts.Queue = queue
			infos, err := e.producer().EnqueueMany(e.ctx, []tasuki.Spec{{Kind: kind, Args: []byte("1"), Opts: opts}})
			if err != nil {
				t.Fatal(err)
			}
			return infos[0]
		}
		// The first exchange has to be over, which tells what Redis' clock shows.
		e.waitQueue("other", func(q inspect.Queue) bool { return q.Workers == 1 })
		put("quick", "mail", tasuki.Opts{})
		put("quick", "mail", tasuki.Opts{Record: true})
		put("quick", "mail", tasuki.Opts{In: time.Millisecond})
		put("quick", "other", tasuki.Opts{})
		put("fails", "mail", tasuki.Opts{})
		put("panics", "mail", tasuki.Opts{MaxAttempts: 1})
		put("panics", "other", tasuki.Opts{MaxAttempts: 1, Record: true})
		put("snoozes", "mail", tasuki.Opts{})
		e.do("RPUSH", e.key("mail"), "plain")
		cancelled := put("waits", "other", tasuki.Opts{ID: "c"})
		for id := ""; id != "c"; id = <-started {
		}
		if err := e.client.Cancel(e.ctx, cancelled.Address()); err != nil {
			t.Fatal(err)
		}
		e.settled("mail", 7)
		e.settled("other", 3)
		put("waits", "mail", tasuki.Opts{ID: "released"}) // what the stop interrupts
		for id := ""; id != "released"; id = <-started {
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}

		all := e.counted()
		for kind, want := range map[string][2]int64{
			"mail quick": {3, 0}, "other quick": {1, 0}, "mail fails": {0, 2}, "mail panics": {0, 1}, "other panics": {0, 1},
			"mail snoozes": {1, 0}, "mail " + inspect.RawKind: {1, 0},
		} {
			c := all[kind]
			if c.Done != want[0] || c.Failed != want[1] || c.Crashed != 0 || c.Run.Count() != want[0]+want[1] {
				t.Errorf("%s: %d done, %d failed, %d crashed, %d runs; want %v", kind, c.Done, c.Failed, c.Crashed, c.Run.Count(), want)
			}
			delete(all, kind)
		}
		if len(all) > 0 {
			t.Errorf("counted was also %v", all)
		}
		if c := e.counted()["mail quick"]; c.Wait.Count() != 1 || c.Wait.Sum() > time.Minute || c.Run.Sum() > time.Minute || c.Run.Sum() <= 0 {
			t.Errorf("%d waits of %v, runs of %v: want that of the one that was ready at once", c.Wait.Count(), c.Wait.Sum(), c.Run.Sum())
		}
		for _, step := range []time.Duration{0, time.Minute, time.Hour, 24 * time.Hour} {
			points, err := e.inspector.History(e.ctx, inspect.HistoryQuery{Step: step})
			if err != nil {
				t.Fatal(err)
			}
			var sum inspect.Counts
			for i := range points {
				sum.Merge(&points[i].Counts)
			}
			if sum.Done != 6 || sum.Failed != 4 || sum.Run.Count() != 10 {
				t.Errorf("steps of %v: %d done, %d failed", step, sum.Done, sum.Failed)
			}
		}

		// A failure is found by the error of a dead job.
		seen := e.failures()
		if f := seen["fails: no user 4711"]; f.Count != 2 || f.Sample.Queue != "mail" || time.Since(f.First) > time.Minute || f.Hourly[23]+f.Hourly[22] != 2 {
			t.Errorf("fails: %+v", f)
		}
		panics := seen["panics: panic: runtime error: index out of range [26] with length 0"]
		if panics.Count != 2 || !strings.Contains(panics.Sample.Stack, "order).sum") || len(seen) != 2 {
			t.Errorf("panics: %+v of %d", panics, len(seen))
		}
		for _, queue := range []string{"mail", "other"} {
			for job, err := range e.inspector.Jobs(e.ctx, inspect.Query{Queues: []string{queue}, States: []tasuki.State{tasuki.StateDead}}) {
				if err != nil {
					t.Fatal(err)
				}
				print := inspect.FingerprintOf(&job.Info)
				if print == "" || print != inspect.Fingerprint(job.Kind, job.Error) ||
					!slices.Contains([]string{panics.Fingerprint, seen["fails: no user 4711"].Fingerprint}, print) {
					t.Errorf("%s: its fingerprint is %q", job.Error, print)
				}
			}
		}
		if err := e.inspector.Forget(e.ctx, panics.Fingerprint); err != nil || len(e.failures()) != 1 {
			t.Errorf("forgotten: %v, and there are %v", err, e.failures())
		}
		if err := e.inspector.Forget(e.ctx, panics.Fingerprint); !errors.Is(err, inspect.ErrNotFound) {
			t.Errorf("forgotten again: %v", err)
		}
	})
}

// counting runs a worker that has done one job, failed with another, and was not asked to add
// that to the statistics. do does as much once more.
func (e *env) counting() (w *tasuki.Worker, do func()) {
	e.t.Helper()
	w = e.worker(tasuki.WorkerConfig{})
	tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
		if job.Args > 0 {
			return tasuki.Kill(errors.New("above zero"))
		}
		return nil
	})
	e.run(w)
	n := int64(0)
	do = func() {
		e.t.Helper()
		n += 2
		e.enqueue(number, 2)
		e.settled("default", n)
	}
	do()
	return w, do
}

// demandCounted demands that so much is in the statistics of what counting has done.
func (e *env) demandCounted(done int64) {
	e.t.Helper()
	c, f := e.counted()["default number"], e.failures()["number: above zero"]
	if c.Done != done || c.Failed != done || f.Count != done {
		e.t.Errorf("%d done, %d failed, %d in the failure; want %d", c.Done, c.Failed, f.Count, done)
	}
}

// TestStatisticsReplyLost: what was added and not answered is not added twice.
//
//fault:network the reply to a worker that adds to the statistics is lost, or the call never arrives | all is counted, and once
func TestStatisticsReplyLost(t *testing.T) {
	t.Parallel()
	for _, fate := range []redistest.Fate{redistest.Cut, redistest.Refuse} {
		s := redistest.Shared(t)
		p := redistest.StartProxy(t, s)
		e := newEnv(t, s.URL())
		e.client = e.openAt(p.URL())
		w, do := e.counting()
		if err := w.AddStatistics(e.ctx); err != nil { // and the server has the script
			t.Fatal(err)
		}
		do()
		met := p.Once(fate, redistest.IsScript(t, "internal/store/lua/settle_stats.lua"))
		if err := w.AddStatistics(e.ctx); !errors.Is(err, tasuki.ErrUncertain) {
			t.Errorf("an addition without an answer: %v", err)
		}
		<-met
		do()
		for range 2 { // what was not answered, and what has come since
			if err := w.AddStatistics(e.ctx); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.AddStatistics(e.ctx); err != nil {
			t.Fatal(err)
		}
		e.demandCounted(3)
	}
}

// TestStatisticsRedisAway: they wait until Redis is back.
//
//fault:server redis cannot be reached when a worker adds to the statistics, again and again | what was counted is added when it is back, at its time then
func TestStatisticsRedisAway(t *testing.T) {
	t.Parallel()
	s := redistest.Shared(t)
	p := redistest.StartProxy(t, s)
	e := newEnv(t, s.URL())
	e.client = e.openAt(p.URL())
	w, do := e.counting()
	for range 3 {
		p.Down(true)
		ctx, cancel := context.WithTimeout(e.ctx, 300*time.Millisecond)
		if err := w.AddStatistics(ctx); err == nil {
			t.Error("it was added while redis was away")
		}
		cancel()
		p.Down(false)
		do()
	}
	for range 2 {
		if err := w.AddStatistics(e.ctx); err != nil {
			t.Fatal(err)
		}
	}
	e.demandCounted(4)
}

// TestStatisticsRedisFull: jobs go on, and what was counted waits.
//
//fault:server redis is full (noeviction) when a worker adds to the statistics | it is refused, jobs go on, and nothing is lost when there is room again
func TestStatisticsRedisFull(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--maxmemory-policy", "noeviction")
	e := newEnv(t, s.URL())
	w, do := e.counting()
	e.do("CONFIG", "SET", "maxmemory", "1")
	for range 2 {
		if err := w.AddStatistics(e.ctx); err == nil || !strings.Contains(err.Error(), "redis is full") {
			t.Errorf("a full redis: %v", err)
		}
	}
	e.do("CONFIG", "SET", "maxmemory", "0")
	do()
	for range 2 {
		if err := w.AddStatistics(e.ctx); err != nil {
			t.Fatal(err)
		}
	}
	e.demandCounted(2)
}

// TestStatisticsOfKilled: a kill takes what was not added yet, and nothing else; and it is seen
// as a crash of the job that ran.
//
//fault:process a worker is killed with kill -9 between two additions to the statistics | they lack its last ten seconds; the counters of the queue lack nothing, and its crashes are counted
func TestStatisticsOfKilled(t *testing.T) {
	t.Parallel()
	e := newEnv(t, redistest.Shared(t).URL())
	p := e.startProcess(processConfig{Concurrency: 1, Do: "hold"})
	e.enqueue(number, 1)
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Running == 1 })
	p.kill()
	w := e.worker(tasuki.WorkerConfig{})
	tasuki.Handle(w, number, func(context.Context, *tasuki.Job[int]) error { return nil })
	stop := e.run(w)
	e.settled("default", 1)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	e.waitCounted("default number", 1, 0, 1)
	for _, f := range e.failures() {
		if f.Count != 1 || f.Sample.Error != "the process died while it had the job" || f.Fingerprint != inspect.FingerprintOf(&tasuki.Info{Kind: "number", Crashes: 1}) {
			t.Errorf("the crash is seen as %+v", f)
		}
	}
	if len(e.failures()) != 1 {
		t.Errorf("there are %d failures", len(e.failures()))
	}

	quick := e.startProcess(processConfig{Concurrency: 1, Do: "quick"})
	e.enqueue(number, 3)
	e.settled("default", 4)
	quick.kill()
	if c := e.counted()["default number"]; c.Done > 4 || c.Done < 1 {
		t.Errorf("%d done are counted", c.Done)
	}
}

// TestStatisticsOff: nothing is counted.
func TestStatisticsOff(t *testing.T) {
	t.Parallel()
	e := newEnv(t, redistest.Shared(t).URL())
	w := e.worker(tasuki.WorkerConfig{NoStatistics: true})
	tasuki.Handle(w, number, func(context.Context, *tasuki.Job[int]) error { return tasuki.Kill(errors.New("no")) })
	stop := e.run(w)
	e.enqueue(number, 1)
	e.settled("default", 1)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if n := len(e.counted()) + len(e.failures()); n != 0 {
		t.Errorf("%d are there", n)
	}
}

// TestStatisticsCluster: they are in one slot, wherever the queues are.
func TestStatisticsCluster(t *testing.T) {
	t.Parallel()
	e, _ := newCluster(t)
	w, _ := e.counting()
	if err := w.AddStatistics(e.ctx); err != nil {
		t.Fatal(err)
	}
	e.demandCounted(1)
	for print := range e.failures() {
		if err := e.inspector.Forget(e.ctx, e.failures()[print].Fingerprint); err != nil || len(e.failures()) != 0 {
			t.Errorf("forgotten: %v", err)
		}
	}
}
