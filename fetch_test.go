package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// collect sets a handler that records the arguments.
func collect(w *tasuki.Worker, k tasuki.Kind[int]) *recorder[int] {
	var got recorder[int]
	tasuki.Handle(w, k, func(_ context.Context, job *tasuki.Job[int]) error {
		got.add(job.Args)
		return nil
	})
	return &got
}

//fault:time many jobs pushed in the same millisecond | they start in the order in which they were pushed
func TestFirstInFirstStarted(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{Concurrency: 1})
		got := collect(w, number)
		e.enqueue(number, 700)
		e.run(w)
		all := got.wait(t, 700)
		for i, n := range all {
			if n != i {
				t.Fatalf("job %d was run as number %d", n, i)
			}
		}
		e.settled("default", 700)
	})
}

func TestIdleWorkerIsWoken(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{})
		got := collect(w, number)
		e.run(w)
		for i := range 50 {
			e.enqueue(number, 1)
			got.wait(t, i+1)
		}
		e.settled("default", 50)
		// Pushed by another program.
		if err := e.do("RPUSH", e.key("default"), `{"kind":"number","args":7}`).Error(); err != nil {
			t.Fatal(err)
		}
		got.wait(t, 51)
		e.settled("default", 51)
	})
}

// TestConcurrency holds all slots and looks at what is claimed.
func TestConcurrency(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{Concurrency: 7})
		var running, most atomic.Int64
		step := make(chan struct{})
		tasuki.Handle(w, number, func(context.Context, *tasuki.Job[int]) error {
			n := running.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			<-step
			running.Add(-1)
			return nil
		})
		e.enqueue(number, 100)
		e.run(w)
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Running == 7 && running.Load() == 7 })
		for range 50 {
			step <- struct{}{}
		}
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Running == 7 && q.Ready == 43 })
		close(step)
		e.settled("default", 100)
		if most.Load() != 7 {
			t.Errorf("%d handlers ran at a time, want 7", most.Load())
		}
	})
}

func TestStrictOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{Concurrency: 1, Queues: []tasuki.Queue{{Name: "high"}, {Name: "middle"}, {Name: "low"}}})
		var got recorder[string]
		first := make(chan struct{})
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
			if job.Queue == "low" && job.Args == -1 {
				<-first
				return nil
			}
			got.add(job.Queue)
			return nil
		})
		e.run(w)
		for _, queue := range []string{"high", "middle", "low"} {
			redistest.WaitFor(t, "the worker to wait", func() error {
				if w.ClientID(queue) == 0 {
					return errors.New("it is not connected")
				}
				return nil
			})
		}
		// The worker is busy with one while the others come in.
		if _, err := number.With(tasuki.Opts{Queue: "low"}).Enqueue(e.ctx, e.client, -1); err != nil {
			t.Fatal(err)
		}
		e.waitQueue("low", func(q inspect.Queue) bool { return q.Running == 1 })
		for _, queue := range []string{"low", "middle", "high"} {
			e.enqueue(number.With(tasuki.Opts{Queue: queue}), 20)
		}
		close(first)
		all := got.wait(t, 60)
		if !slices.IsSorted(all) { // high, low, middle …
			want := append(append(slices.Repeat([]string{"high"}, 20), slices.Repeat([]string{"middle"}, 20)...), slices.Repeat([]string{"low"}, 20)...)
			if !slices.Equal(all, want) {
				t.Errorf("order %v", all)
			}
		} else {
			t.Errorf("order %v", all)
		}
		for _, queue := range []string{"high", "middle"} {
			e.settled(queue, 20)
		}
		e.settled("low", 21)
	})
}

func TestWeights(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{Concurrency: 1, Queues: []tasuki.Queue{{Name: "a", Weight: 6}, {Name: "b", Weight: 3}, {Name: "c", Weight: 1}}})
		var got recorder[string]
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
			got.add(job.Queue)
			return nil
		})
		for _, queue := range []string{"a", "b", "c"} {
			e.enqueue(number.With(tasuki.Opts{Queue: queue}), 1000)
		}
		e.run(w)
		count := map[string]int{}
		for _, queue := range got.wait(t, 1000)[:1000] {
			count[queue]++
		}
		// Expected are 600, 300 and 100; a claim of several at once from one
		// queue makes the deviation larger than that of single draws.
		if count["a"] < 450 || count["b"] < 180 || count["b"] > 450 || count["c"] < 30 || count["c"] > 220 {
			t.Errorf("of the first 1000: %v, want about 600, 300, 100", count)
		}
	})
}

// TestBusyWorkerStillHears has every slot taken for a while, so that no queue is
// waited on; when one is free again, all queues are served.
func TestBusyWorkerStillHears(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{Concurrency: 1, Queues: []tasuki.Queue{{Name: "a"}, {Name: "b"}, {Name: "c"}}})
		var got recorder[string]
		step := make(chan struct{})
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
			got.add(job.Queue)
			<-step
			return nil
		})
		e.run(w)
		for i, queue := range []string{"b", "c", "a", "c", "b", "a"} {
			e.enqueue(number.With(tasuki.Opts{Queue: queue}), 1)
			got.wait(t, i+1)
			redistest.WaitFor(t, "the waits to end", func() error {
				for _, queue := range []string{"a", "b", "c"} {
					if w.Waits(queue) {
						return errors.New("it waits in " + queue)
					}
				}
				return nil
			})
			step <- struct{}{}
		}
		for _, queue := range []string{"a", "b", "c"} {
			e.settled(queue, 2)
		}
	})
}

func TestAddAndRemoveQueue(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{})
		got := collect(w, number)
		if err := w.AddQueue(tasuki.Queue{Name: "late"}); err == nil || !strings.Contains(err.Error(), "does not run") {
			t.Errorf("before Run: %v", err)
		}
		e.run(w)
		e.enqueue(number, 1)
		got.wait(t, 1)

		late := number.With(tasuki.Opts{Queue: "late"})
		e.enqueue(late, 3)
		if err := w.AddQueue(tasuki.Queue{Name: "late"}); err != nil {
			t.Fatal(err)
		}
		got.wait(t, 4)
		if err := w.AddQueue(tasuki.Queue{Name: "late"}); err == nil || !strings.Contains(err.Error(), "served already") {
			t.Errorf("twice: %v", err)
		}
		if err := w.AddQueue(tasuki.Queue{Name: "bad name"}); err == nil || !strings.Contains(err.Error(), "allowed") {
			t.Errorf("bad: %v", err)
		}
		e.settled("late", 3)

		if err := w.RemoveQueue("late"); err != nil {
			t.Fatal(err)
		}
		if err := w.RemoveQueue("late"); err == nil || !strings.Contains(err.Error(), "not served") {
			t.Errorf("removed twice: %v", err)
		}
		e.waitQueue("late", func(q inspect.Queue) bool { return q.Workers == 0 })
		e.enqueue(late, 2)
		e.enqueue(number, 1)
		got.wait(t, 5)
		if q := e.queue("late"); q.Ready != 2 {
			t.Errorf("removed queue: %+v, want both ready", q)
		}
		// And once more.
		if err := w.AddQueue(tasuki.Queue{Name: "late"}); err != nil {
			t.Fatal(err)
		}
		got.wait(t, 7)
		e.settled("late", 5)
	})
}

// TestForeignList serves a plain list that other programs fill, at both ends, in
// the order of its programs.
func TestForeignList(t *testing.T) {
	for name, tail := range map[string]bool{"head": false, "tail": true} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, e *env) {
				key := e.namespace + "-jobs"
				push := "RPUSH"
				if tail {
					push = "LPUSH"
				}
				for i := range 10 {
					e.do(push, key, fmt.Sprint("p", i))
				}
				w := e.worker(tasuki.WorkerConfig{Concurrency: 1, Queues: []tasuki.Queue{{List: key, Tail: tail}}})
				var got recorder[string]
				tasuki.HandleRaw(w, "list:"+key, func(_ context.Context, job *tasuki.RawJob) error {
					if job.Queue != "list:"+key || job.ID == "" || job.Kind != "" {
						t.Errorf("job %+v", job.Info)
					}
					got.add(string(job.Args))
					return nil
				})
				e.run(w)
				got.wait(t, 10)
				e.do(push, key, "last")
				if all := got.wait(t, 11); strings.Join(all, " ") != "p0 p1 p2 p3 p4 p5 p6 p7 p8 p9 last" {
					t.Errorf("order %v", all)
				}
				e.settled("list:"+key, 11)
			})
		})
	}
}

// TestForeignListUndo demands that a stop puts back into a foreign list the bytes
// that were there, at the end from which they were taken.
func TestForeignListUndo(t *testing.T) {
	for name, tail := range map[string]bool{"head": false, "tail": true} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, e *env) {
				key := e.namespace + "-jobs"
				push, want := "RPUSH", `a|{"kind":"x"}|b|c`
				if tail {
					push, want = "LPUSH", `c|b|{"kind":"x"}|a`
				}
				for _, element := range []string{"a", `{"kind":"x"}`, "b", "c"} {
					e.do(push, key, element)
				}
				w := e.worker(tasuki.WorkerConfig{Concurrency: 3, Grace: -1, Queues: []tasuki.Queue{{List: key, Tail: tail}}})
				wait := func(ctx context.Context, _ *tasuki.RawJob) error {
					<-ctx.Done()
					return ctx.Err()
				}
				tasuki.HandleRaw(w, "list:"+key, wait)
				tasuki.HandleOther(w, wait)
				stop := e.run(w)
				e.waitQueue("list:"+key, func(q inspect.Queue) bool { return q.Running == 3 })
				if err := stop(); err != nil {
					t.Fatal(err)
				}
				got, err := e.do("LRANGE", key, "0", "-1").AsStrSlice()
				if err != nil || strings.Join(got, "|") != want {
					t.Errorf("the list holds %q, %v; want %q", got, err, want)
				}
				if q := e.queue("list:" + key); q.Counts["release"] != 3 || q.Workers != 0 {
					t.Errorf("queue %+v", q)
				}
			})
		})
	}
}

// TestForeignListFailures: 100 equal plain elements that all fail are 100 jobs in
// retry, and then 100 dead ones.
func TestForeignListFailures(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		key := e.namespace + "-jobs"
		words := append([]string{"RPUSH", key}, slices.Repeat([]string{"ping"}, 100)...)
		e.do(words...)
		var fail atomic.Bool
		w := e.worker(tasuki.WorkerConfig{Concurrency: 20, MaxAttempts: 2, Queues: []tasuki.Queue{{List: key}},
			Backoff: func(tasuki.Info, error) time.Duration { return time.Hour }})
		tasuki.HandleRaw(w, "list:"+key, func(_ context.Context, job *tasuki.RawJob) error {
			if string(job.Args) != "ping" {
				t.Errorf("args %q", job.Args)
			}
			if job.Attempt == 2 && !fail.Load() {
				t.Error("a retry came before its time")
			}
			return errors.New("no")
		})
		e.run(w)
		e.waitQueue("list:"+key, func(q inspect.Queue) bool { return q.Retry == 100 || q.Dead > 0 })
		fail.Store(true)
		o, err := e.inspector.Operate(e.ctx, inspect.Task{Action: inspect.Retry}, inspect.Query{Queues: []string{"list:" + key}})
		if err != nil {
			t.Fatal(err)
		}
		if o, err = e.inspector.Await(e.ctx, o.ID); o.Done != 100 || err != nil {
			t.Errorf("%+v, %v", o, err)
		}
		q := e.waitQueue("list:"+key, func(q inspect.Queue) bool { return q.Dead == 100 })
		if q.Ready+q.Retry+q.Running != 0 || q.Counts["retry"] != 100 || q.Counts["dead"] != 100 {
			t.Errorf("queue %+v", q)
		}
		if n, err := e.do("LLEN", key).AsInt64(); err != nil || n != 0 {
			t.Errorf("the foreign list has %d elements, %v", n, err)
		}
	})
}

func TestPause(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "a"}, {Name: "b"}}})
		got := collect(w, number)
		e.run(w)
		a, b := number.With(tasuki.Opts{Queue: "a"}), number.With(tasuki.Opts{Queue: "b"})
		e.enqueue(a, 1)
		got.wait(t, 1)
		if err := e.inspector.Pause(e.ctx, "a", "me"); err != nil {
			t.Fatal(err)
		}
		redistest.WaitFor(t, "the worker to leave a", func() error {
			if !w.Rests("a") {
				return errors.New("it waits, or has not heard of the pause yet")
			}
			return nil
		})
		e.enqueue(a, 5)
		e.enqueue(b, 1)
		got.wait(t, 2)
		if q := e.queue("a"); q.Ready != 5 || !q.Paused || q.PausedBy != "me" || time.Since(q.PausedSince) > time.Minute {
			t.Errorf("paused: %+v", q)
		}
		if err := e.inspector.Resume(e.ctx, "a"); err != nil {
			t.Fatal(err)
		}
		got.wait(t, 7) // at once, not after the 20 s in which it would ask again
		e.settled("a", 6)
		if q := e.queue("a"); q.Paused {
			t.Errorf("resumed: %+v", q)
		}
	})
}

// TestPauseWhileIdle pauses before the worker starts, which hears of it from the
// first exchange, and takes nothing with it.
func TestPauseWhileIdle(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.enqueue(number, 3)
		if err := e.inspector.Pause(e.ctx, "default", ""); err != nil {
			t.Fatal(err)
		}
		w := e.worker(tasuki.WorkerConfig{})
		got := collect(w, number)
		e.run(w)
		redistest.WaitFor(t, "the worker to hear of the pause", func() error {
			if !w.Rests("default") {
				return errors.New("it has not asked yet")
			}
			return nil
		})
		if q := e.queue("default"); q.Ready != 3 || q.Counts["claimed"] != 0 {
			t.Errorf("paused before a worker came: %+v", q)
		}
		if err := e.inspector.Resume(e.ctx, "default"); err != nil {
			t.Fatal(err)
		}
		got.wait(t, 3)
		e.settled("default", 3)
	})
}

func TestSeveralWorkersInOneProcess(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		var all recorder[int]
		for range 4 {
			w := e.worker(tasuki.WorkerConfig{Concurrency: 3})
			tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
				all.add(job.Args)
				return nil
			})
			e.run(w)
		}
		e.enqueue(number, 2000)
		got := all.wait(t, 2000)
		slices.Sort(got)
		for i, n := range got {
			if i != n {
				t.Fatalf("%d where %d was expected", n, i)
			}
		}
		e.settled("default", 2000)
	})
}

// TestFenceGrows runs one job again and again, in every way in which that can be.
//
//fault:process a job runs again after a failure, a snooze or a retry | its fencing number has grown
func TestFenceGrows(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{Concurrency: 1, Backoff: func(tasuki.Info, error) time.Duration { return 0 }})
		var fences recorder[int64]
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
			fences.add(job.Fence())
			switch len(fences.get()) {
			case 1, 2:
				return errors.New("again")
			case 3:
				return tasuki.Snooze(0)
			case 4:
				return tasuki.RetryIn(0, errors.New("again"))
			}
			return nil
		})
		e.run(w)
		e.enqueue(number, 1)
		got := fences.wait(t, 5)
		for i, fence := range got {
			if fence <= 0 || i > 0 && fence <= got[i-1] {
				t.Errorf("fences %v do not grow", got)
			}
		}
		e.settled("default", 1)
	})
}

//fault:time jobs scheduled each earlier than those before, and in the past | none starts before its time, none waits for a tick
func TestScheduled(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{})
		var got recorder[time.Duration]
		due := tasuki.Define[time.Time]("due")
		tasuki.Handle(w, due, func(_ context.Context, job *tasuki.Job[time.Time]) error {
			got.add(time.Since(job.Args))
			return nil
		})
		e.run(w)
		// Each is due earlier than those before it, so that every one of them
		// rings the alarm; the last is the one that is due already.
		for i := range 20 {
			in := time.Duration(20-i) * 20 * time.Millisecond
			at := time.Now().Add(in)
			k := due.With(tasuki.Opts{At: at})
			if i%2 == 0 {
				k = due.With(tasuki.Opts{In: in})
			}
			info, err := k.Enqueue(e.ctx, e.client, at)
			if err != nil || info.State != tasuki.StateScheduled || info.DueAt.IsZero() {
				t.Fatalf("%+v, %v", info, err)
			}
		}
		if _, err := due.With(tasuki.Opts{At: time.Now().Add(-time.Hour)}).Enqueue(e.ctx, e.client, time.Now()); err != nil {
			t.Fatal(err)
		}
		for _, late := range got.wait(t, 21) {
			if late < -2*time.Millisecond {
				t.Errorf("a job started %v before its time", -late)
			}
			if late > 5*time.Second { // the figures are the benchmark's; this finds one that was forgotten until the 20 s
				t.Errorf("a job started %v after its time", late)
			}
		}
		e.settled("default", 21)
		if n, err := e.do("LLEN", e.key("default", "alarm")).AsInt64(); err != nil || n > 1 {
			t.Errorf("%d tokens in the alarm list, %v", n, err)
		}
	})
}

// TestScheduledTwins schedules a job again whose id was forgotten, in the same moment:
// a sorted set keeps one of two equal members.
//
//fault:data a job with a time is enqueued again after its id was forgotten, in the same millisecond | both are kept, and run
func TestScheduledTwins(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		const n = 20
		at := time.Now().Add(2 * time.Second)
		for i := range n {
			opts := tasuki.Opts{ID: fmt.Sprint("twin", i), At: at}
			if i%2 == 0 {
				opts.At, opts.In = time.Time{}, 2*time.Second
			}
			for range 2 {
				if info, err := number.With(opts).Enqueue(e.ctx, e.client, i); err != nil || info.Existed {
					t.Fatalf("%+v, %v", info, err)
				}
				e.do("DEL", e.key("default", "seen"))
			}
		}
		problems, err := e.inspector.Check(e.ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			if strings.Contains(p.What, "token") { // that they are twins it says too
				t.Errorf("check: %v", p)
			}
		}
		if q := e.queue("default"); q.Ready+q.Scheduled != 2*n {
			t.Fatalf("%+v: want %d jobs", q, 2*n)
		}
		w := e.worker(tasuki.WorkerConfig{})
		got := collect(w, number)
		e.run(w)
		got.wait(t, 2*n)
		e.settled("default", 2*n)
	})
}

// TestTimerIsTakenOver stops the worker that holds the timer.
//
//fault:process the worker stops that holds a queue's timer | another takes it over, and due jobs are in time
func TestTimerIsTakenOver(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		first, second := e.worker(tasuki.WorkerConfig{}), e.worker(tasuki.WorkerConfig{})
		got := collect(second, number)
		collect(first, number)
		stop := e.run(first)
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 1 })
		e.run(second)
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 2 })
		if _, err := number.With(tasuki.Opts{In: 300 * time.Millisecond}).Enqueue(e.ctx, e.client, 1); err != nil {
			t.Fatal(err)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		got.wait(t, 1)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("the job came after %v: it was found by chance", took)
		}
		e.settled("default", 1)
	})
}

// TestTimerOfFullWorker: the first worker of a queue takes a job with every slot as
// soon as it is there, and has the timer all the same.
//
//fault:process every slot of the worker that has a queue's timer is taken from its start on | due jobs are in time for others
func TestTimerOfFullWorker(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.enqueue(number, 3)
		full := e.worker(tasuki.WorkerConfig{Concurrency: 3})
		release := make(chan struct{})
		tasuki.Handle(full, number, func(context.Context, *tasuki.Job[int]) error {
			<-release
			return nil
		})
		e.run(full)
		t.Cleanup(func() { close(release) })
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Running == 3 })
		other := e.worker(tasuki.WorkerConfig{})
		got := collect(other, number)
		e.run(other)
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 2 && other.Waits("default") })
		if _, err := number.With(tasuki.Opts{In: 300 * time.Millisecond}).Enqueue(e.ctx, e.client, 1); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		got.wait(t, 1)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("the job came after %v: it was found by chance", took)
		}
	})
}

// TestManyDue has more due at once than one call moves.
//
//fault:time thousands of jobs due in the same millisecond | all run, moved in portions
func TestManyDue(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.enqueue(number.With(tasuki.Opts{In: time.Millisecond}), 3000)
		w := e.worker(tasuki.WorkerConfig{Concurrency: 50})
		got := collect(w, number)
		e.run(w)
		got.wait(t, 3000)
		e.settled("default", 3000)
	})
}

// TestElementsOfAllKinds fills a list with what other programs may push.
//
//fault:data elements of another writer: other order, no id, unknown members, no JSON, no job, nested 20,000 deep | those that are jobs are run; the others are dead, whole and with the reason
func TestElementsOfAllKinds(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{})
		got := collect(w, number)
		for _, element := range []string{
			`{"kind":"number","args":1}`,                     // no id
			` { "args" : 2 , "id" : "x" , "kind":"number" }`, // another order, white space
			`{"id":"y","kind":"number","args":3,"priority":7}`,
			"ping", "", "\xff\xfe", `{"kind":`, `[]`, `"x"`, `{"no":"kind"}`, `{"kind":"<b>"}`, strings.Repeat("[", 20000),
		} {
			e.do("RPUSH", e.key("default"), element)
		}
		e.run(w)
		got.wait(t, 3)
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Dead == 9 && q.Counts["done"] == 3 })
		dead, err := e.do("ZRANGE", e.key("default", "dead"), "0", "-1").AsStrSlice()
		if err != nil {
			t.Fatal(err)
		}
		for _, element := range dead {
			if !strings.Contains(element, `"reason":"no handler for raw jobs: element is not a job object: `) {
				t.Errorf("dead without a reason: %s", element)
			}
		}
	})
}

// TestBrokenQueueIsAlone: a queue whose keys have the wrong type does not stop
// the others, and works again when it is mended.
//
//fault:data the list of a queue is no list | other queues go on, and it works again when it is mended
func TestBrokenQueueIsAlone(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "broken"}, {Name: "whole"}}})
		got := collect(w, number)
		e.do("SET", e.key("broken"), "x")
		e.run(w)
		e.enqueue(number.With(tasuki.Opts{Queue: "whole"}), 10)
		got.wait(t, 10)
		e.waitLog("WRONGTYPE")
		e.do("DEL", e.key("broken"))
		e.enqueue(number.With(tasuki.Opts{Queue: "broken"}), 5)
		got.wait(t, 15)
		e.settled("broken", 5)
	})
}

// TestAddWhileLeaving: a queue whose last jobs still run cannot be added again, as
// one incarnation cannot be in it twice.
func TestAddWhileLeaving(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{})
		started, end := make(chan struct{}, 1), make(chan struct{})
		tasuki.Handle(w, number, func(context.Context, *tasuki.Job[int]) error {
			started <- struct{}{}
			<-end
			return nil
		})
		e.run(w)
		e.enqueue(number, 1)
		<-started
		if err := w.RemoveQueue("default"); err != nil {
			t.Fatal(err)
		}
		add := func() error { return w.AddQueue(tasuki.Queue{Name: "default"}) }
		if err := add(); err == nil || !strings.Contains(err.Error(), "last jobs have not ended") {
			t.Errorf("while its job runs: %v", err)
		}
		close(end)
		redistest.WaitFor(t, "the queue to be added again", add)
		e.enqueue(number, 1)
		e.settled("default", 2)
	})
}

// TestAddAtOnce: of several who add a queue one does.
func TestAddAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{})
		e.run(w)
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 1 })
		var wg sync.WaitGroup
		var added atomic.Int64
		for range 8 {
			wg.Go(func() {
				if w.AddQueue(tasuki.Queue{Name: "late"}) == nil {
					added.Add(1)
				}
			})
		}
		wg.Wait()
		if added.Load() != 1 {
			t.Errorf("added %d times", added.Load())
		}
		if err := w.AddQueue(tasuki.Queue{Name: "heavy", Weight: 2}); err == nil || !strings.Contains(err.Error(), "Weight") {
			t.Errorf("weighted beside strict: %v", err)
		}
	})
}

// TestRawOfListAddedLater: its handler is set before Run, the list comes after.
func TestRawOfListAddedLater(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		list := e.namespace + "later"
		w := e.worker(tasuki.WorkerConfig{})
		var got recorder[string]
		tasuki.HandleRaw(w, "list:"+list, func(_ context.Context, job *tasuki.RawJob) error {
			got.add(string(job.Args))
			return nil
		})
		e.run(w)
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 1 })
		q := tasuki.Queue{List: list, Tail: true}
		if err := w.AddQueue(q); err != nil {
			t.Fatal(err)
		}
		// Pushed at the end at which they are not taken.
		if err := e.client.Push(e.ctx, q, []byte("a"), []byte("b"), []byte("c")); err != nil {
			t.Fatal(err)
		}
		got.wait(t, 3)
		e.settled("list:"+list, 3)
		slow := tasuki.Queue{List: list + "2", Tail: true}
		if err := e.client.Push(e.ctx, slow, []byte("a"), []byte("b")); err != nil {
			t.Fatal(err)
		}
		if next, err := e.do("LINDEX", list+"2", "-1").ToString(); next != "a" || err != nil {
			t.Errorf("at the right lies %q, %v; want what was pushed first", next, err)
		}
	})
}
