package tasuki_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestMove moves jobs in each state in which that is allowed: they run in the other queue, and
// the old address leads to them.
func TestMove(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		k := number.With(recorded)
		work := func(queue string) (stop func() error) {
			w := e.worker(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: queue}}})
			tasuki.Handle(w, k, func(_ context.Context, job *tasuki.Job[int]) error {
				var at string
				if ok, err := job.Cursor(&at); job.Queue == "a" {
					if err := job.Checkpoint("half"); err != nil {
						t.Error(err)
					}
					return tasuki.RetryIn(time.Hour, errors.New("not here"))
				} else if job.Args == 3 && (!ok || err != nil || at != "half" || job.Attempt != 2) {
					t.Errorf("cursor %q, %v, attempt %d", at, err, job.Attempt)
				}
				return nil
			})
			return e.run(w)
		}
		in := func(o tasuki.Opts, i int) tasuki.Info {
			o.Queue = "a"
			info, err := k.With(o).Enqueue(e.ctx, e.client, i)
			if err != nil {
				t.Fatal(err)
			}
			return info
		}
		retry := in(tasuki.Opts{}, 3)
		stop := work("a")
		e.waitQueue("a", func(q inspect.Queue) bool { return q.Retry == 1 })
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		ready, scheduled := in(tasuki.Opts{ID: "mine"}, 1), in(tasuki.Opts{In: time.Hour}, 2)
		wait := e.waiting(e.client, ready.Address())
		redistest.WaitFor(t, "a subscription", func() error {
			channels, err := e.do("PUBSUB", "CHANNELS", e.key("a", "rec", ready.ID)).AsStrSlice()
			if err == nil && len(channels) == 0 {
				err = errors.New("none")
			}
			return err
		})
		for _, info := range []tasuki.Info{ready, scheduled, retry} {
			before, err := e.client.Get(e.ctx, info.Address())
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // repeated, it changes nothing
				if to, err := e.client.Move(e.ctx, info.Address(), "b"); err != nil || to != "b/"+info.ID {
					t.Fatalf("%s: %q, %v", info.ID, to, err)
				}
			}
			r, err := e.client.Get(e.ctx, info.Address())
			if err != nil || r.Queue != "b" || !r.DueAt.Equal(before.DueAt) || r.Attempt != before.Attempt || len(r.Runs) != len(before.Runs) {
				t.Errorf("%+v, %v; it was %+v", r, err, before)
			}
		}
		if q := e.queue("a"); q.Ready+q.Scheduled+q.Retry != 0 || q.Counts["moved"] != 3 {
			t.Errorf("%+v", q)
		}
		work("b")
		if r, err := wait(); err != nil || r.State != tasuki.StateDone || r.Queue != "b" {
			t.Errorf("%+v, %v", r, err)
		}
		if err := e.client.RunNow(e.ctx, retry.Address()); err != nil {
			t.Error(err)
		}
		if r, err := e.waiting(e.client, retry.Address())(); err != nil || r.State != tasuki.StateDone || len(r.Runs) != 2 {
			t.Errorf("%+v, %v", r, err)
		}
		if err := e.client.Cancel(e.ctx, scheduled.Address()); err != nil {
			t.Error(err)
		}
		if r, err := e.client.Get(e.ctx, "b/"+scheduled.ID); err != nil || r.State != tasuki.StateCancelled {
			t.Errorf("%+v, %v", r, err)
		}
		if _, err := e.client.Move(e.ctx, scheduled.Address(), "c"); !errors.Is(err, tasuki.ErrEnded) {
			t.Errorf("one that has ended: %v", err)
		}
		if _, err := e.client.Move(e.ctx, "b/nobody", "c"); !errors.Is(err, tasuki.ErrNotFound) {
			t.Errorf("nobody: %v", err)
		}
	})
}

// TestMoveThereAndBack: a job may come back, and the addresses of all its places lead to it.
func TestMoveThereAndBack(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		first, err := number.With(tasuki.Opts{Record: true, Queue: "a", ID: "x"}).Enqueue(e.ctx, e.client, 1)
		if err != nil {
			t.Fatal(err)
		}
		for i, queue := range []string{"b", "a", "b", "c"} {
			if to, err := e.client.Move(e.ctx, first.Address(), queue); err != nil || to != queue+"/x" {
				t.Fatalf("%d: %q, %v", i, to, err)
			}
		}
		for _, at := range []string{"a/x", "b/x", "c/x"} {
			if r, err := e.client.Get(e.ctx, at); err != nil || r.Address() != "c/x" || r.State != tasuki.StateReady {
				t.Errorf("%s: %+v, %v", at, r, err)
			}
		}
		for i := range 8 {
			if _, err := e.client.Move(e.ctx, "c/x", fmt.Sprint("q", i)); err != nil && i < 7 {
				t.Fatal(err)
			}
		}
		if _, err := e.client.Get(e.ctx, "q7/x"); err != nil {
			t.Error(err)
		}
		if r, err := e.client.Get(e.ctx, "a/x"); err == nil {
			t.Errorf("%+v after so many moves", r)
		}
	})
}

// TestMoveOfOneThatIsTaken moves a job whose pointer a worker is just taking. The pointer is left
// behind, and the old address leads to the job also when it was dropped.
func TestMoveOfOneThatIsTaken(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		info, err := number.With(tasuki.Opts{Record: true, Queue: "a"}).Enqueue(e.ctx, e.client, 1)
		if err != nil {
			t.Fatal(err)
		}
		pointer, err := e.do("LPOP", e.key("a")).ToString()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.client.Move(e.ctx, info.Address(), "b"); err != nil {
			t.Fatal(err)
		}
		if err := e.do("RPUSH", e.key("a"), pointer).Error(); err != nil {
			t.Fatal(err)
		}
		e.run(e.worker(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "a"}}}))
		e.waitQueue("a", func(q inspect.Queue) bool { return q.Counts["stale"] == 1 })
		if r, err := e.client.Get(e.ctx, info.Address()); err != nil || r.Address() != "b/"+info.ID {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// TestMoveIsForgotten: where too many jobs have ended since, the old address leads nowhere.
func TestMoveIsForgotten(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		info, err := number.With(tasuki.Opts{Record: true, Queue: "a"}).Enqueue(e.ctx, e.client, 1)
		if err != nil {
			t.Fatal(err)
		}
		pointer, err := e.do("LPOP", e.key("a")).ToString() // by a worker that does not come to open it
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.client.Move(e.ctx, info.Address(), "b"); err != nil {
			t.Fatal(err)
		}
		ended := number.With(tasuki.Opts{Record: true, Queue: "a"})
		w := e.worker(tasuki.WorkerConfig{KeepMax: 1, Queues: []tasuki.Queue{{Name: "a"}}})
		tasuki.Handle(w, ended, func(context.Context, *tasuki.Job[int]) error { return nil })
		e.run(w)
		e.enqueue(ended, 1)
		redistest.WaitFor(t, "the end of the old address", func() error {
			if _, err := e.client.Get(e.ctx, info.Address()); !errors.Is(err, tasuki.ErrNotFound) {
				return cmp.Or(err, errors.New("it leads to the job"))
			}
			return nil
		})
		if err := e.do("RPUSH", e.key("a"), pointer).Error(); err != nil {
			t.Fatal(err)
		}
		e.waitQueue("a", func(q inspect.Queue) bool { return q.Counts["stale"] == 1 })
		if n, err := e.do("EXISTS", e.key("a", "rec", info.ID)).AsInt64(); n != 0 || err != nil {
			t.Errorf("%d, %v: something is left", n, err)
		}
	})
}

// TestMoveFinishedLate: a move that was cut is finished by who acts on the job, also when the
// queue has forgotten its id.
func TestMoveFinishedLate(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		c := e.openWith(e.url, &tasuki.ClientConfig{Namespace: e.namespace, SeenFor: time.Millisecond})
		info, err := number.With(tasuki.Opts{Record: true, Queue: "a"}).Enqueue(e.ctx, c, 1)
		if err != nil {
			t.Fatal(err)
		}
		job, err := e.do("HGET", e.key("a", "rec", info.ID), "job").ToString()
		if err != nil {
			t.Fatal(err)
		}
		to, err := c.Move(e.ctx, info.Address(), "b")
		if err != nil {
			t.Fatal(err)
		}
		// As it was before the last step.
		if err := e.do("HSET", e.key("a", "rec", info.ID), "state", "parked", "gen", "2", "job", job).Error(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
		if err := c.Cancel(e.ctx, info.Address()); err != nil {
			t.Fatal(err)
		}
		for _, address := range []string{info.Address(), to} {
			if r, err := c.Get(e.ctx, address); err != nil || r.Address() != to || r.State != tasuki.StateCancelled {
				t.Errorf("%s: %+v, %v", address, r, err)
			}
		}
	})
}

// TestMoveRefused: what may not come into the other queue stays where it is.
func TestMoveRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		k := number.With(tasuki.Opts{Record: true, In: time.Hour, Unique: tasuki.Unique{Mode: tasuki.UniqueUntilDone, Key: "x"}})
		put := func(o tasuki.Opts) string {
			info, err := k.With(o).Enqueue(e.ctx, e.client, 1)
			if err != nil {
				t.Fatal(err)
			}
			return info.Address()
		}
		a := put(tasuki.Opts{Queue: "a", ID: "a"})
		put(tasuki.Opts{Queue: "b", ID: "b"})
		put(tasuki.Opts{Queue: "c", ID: "a"})
		if _, err := e.client.Move(e.ctx, a, "b"); !errors.Is(err, tasuki.ErrLocked) {
			t.Errorf("another has its key: %v", err)
		}
		if _, err := e.client.Move(e.ctx, a, "c"); !errors.Is(err, tasuki.ErrIDTaken) {
			t.Errorf("another has its id: %v", err)
		}
		if _, err := e.client.Move(e.ctx, a, "list:jobs"); err == nil {
			t.Error("into the list of another program")
		}
		if r, err := e.client.Get(e.ctx, a); err != nil || r.Address() != a || r.State != tasuki.StateScheduled {
			t.Errorf("%+v, %v", r, err)
		}
		if to, err := e.client.Move(e.ctx, a, "d"); err != nil || to != "d/a" {
			t.Errorf("%q, %v", to, err)
		}
		if again := put(tasuki.Opts{Queue: "a", ID: "again"}); again != "a/again" {
			t.Errorf("its key was not freed: %s", again)
		}
		if _, err := e.client.Move(e.ctx, "a/again", "d"); !errors.Is(err, tasuki.ErrLocked) {
			t.Errorf("its key was not taken: %v", err)
		}
	})
}

// TestMoveCutOff loses a call of a move, or its reply, at each of its steps; then somebody goes
// on with the job.
//
//fault:network a step of moving a job to another queue is not done, or its reply is lost, and nobody repeats the move | the next call for the job finishes it; it runs once
func TestMoveCutOff(t *testing.T) {
	after := map[string]func(e *env, c *tasuki.Client, at string) error{
		"move":    func(e *env, c *tasuki.Client, at string) error { _, err := c.Move(e.ctx, at, "b"); return err },
		"run now": func(e *env, c *tasuki.Client, at string) error { return c.RunNow(e.ctx, at) },
	}
	for name, goOn := range after {
		for step := range 3 {
			for _, done := range []bool{false, true} {
				t.Run(fmt.Sprint(name, step, done), func(t *testing.T) {
					t.Parallel()
					e, s, proxy := proxied(t)
					direct := e.openAt(s.URL())
					k := number.With(tasuki.Opts{Record: true, Queue: "a"})
					if _, err := k.With(tasuki.Opts{ID: "before", Keep: -1}).Enqueue(e.ctx, direct, 0); err != nil {
						t.Fatal(err)
					}
					if _, err := direct.Move(e.ctx, "a/before", "b"); err != nil { // now the server knows the scripts
						t.Fatal(err)
					}
					info, err := k.Enqueue(e.ctx, direct, 1)
					if err != nil {
						t.Fatal(err)
					}
					isStep := [](func([]string) bool){isScript(t, "settle_act"), isScript(t, "enqueue_moved"), isScript(t, "settle_act")}
					seen := 0
					isCut := func(command []string) bool { // from that step on
						if seen <= step && isStep[seen](command) {
							seen++
						}
						return seen > step
					}
					ctx, cancel := context.WithCancel(e.ctx)
					defer cancel()
					if done { // the step is, and its reply is lost
						proxy.Decide(func(command []string) redistest.Fate {
							if isCut(command) {
								return redistest.Cut
							}
							return redistest.Pass
						})
					} else {
						proxy.Answer(func(command []string) string {
							if isCut(command) {
								return "-MISCONF not now\r\n"
							}
							return ""
						})
					}
					go func() {
						time.Sleep(300 * time.Millisecond)
						cancel()
					}()
					if _, err := e.client.Move(ctx, info.Address(), "b"); err == nil {
						t.Error("it knows nothing of the cut")
					}
					var runs atomic.Int64
					for _, queue := range []string{"a", "b"} {
						w, err := tasuki.NewWorker(direct, &tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: queue}}})
						if err != nil {
							t.Fatal(err)
						}
						tasuki.Handle(w, k, func(_ context.Context, job *tasuki.Job[int]) error {
							runs.Add(int64(job.Args))
							return nil
						})
						e.run(w)
					}
					if err := goOn(e, direct, info.Address()); err != nil && !errors.Is(err, tasuki.ErrEnded) && !errors.Is(err, tasuki.ErrRunning) {
						t.Error(err)
					}
					if r, err := e.waiting(direct, info.Address())(); err != nil || r.State != tasuki.StateDone || runs.Load() != 1 {
						t.Errorf("%+v, %v; %d runs", r, err, runs.Load())
					}
				})
			}
		}
	}
}

// TestMoveWhileClaimed moves jobs to and fro while workers of both queues take them.
//
//fault:data several clients move jobs between two queues while workers of both claim them | each runs once
func TestMoveWhileClaimed(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		const n = 40
		k := number.With(tasuki.Opts{Record: true, Queue: "a"})
		var runs [n]atomic.Int64
		var all sync.WaitGroup
		infos := e.enqueue(k, n)
		for _, queue := range []string{"a", "b"} {
			w := e.worker(tasuki.WorkerConfig{Concurrency: 2, Queues: []tasuki.Queue{{Name: queue}}})
			tasuki.Handle(w, k, func(_ context.Context, job *tasuki.Job[int]) error {
				runs[job.Args].Add(1)
				time.Sleep(time.Millisecond)
				return nil
			})
			e.run(w)
		}
		for g := range 3 {
			all.Go(func() {
				for i := range n {
					_, err := e.client.Move(e.ctx, infos[n-1-i].Address(), []string{"b", "a", "b"}[g])
					if err != nil && !errors.Is(err, tasuki.ErrRunning) && !errors.Is(err, tasuki.ErrEnded) && !errors.Is(err, tasuki.ErrChanged) {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		for i, info := range infos {
			if r, err := e.waiting(e.client, info.Address())(); err != nil || r.State != tasuki.StateDone {
				t.Errorf("%d: %+v, %v", i, r, err)
			}
		}
		moved := e.queue("a").Counts["moved"] + e.queue("b").Counts["moved"]
		for i := range runs {
			if runs[i].Load() != 1 {
				t.Errorf("job %d has run %d times", i, runs[i].Load())
			}
		}
		t.Logf("%d moves", moved)
	})
}
