package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// uniqueModes are all modes, with a time that a test does not outlast; that of debounce is short.
func uniqueModes() map[string]tasuki.Unique {
	modes := map[string]tasuki.Unique{}
	for _, mode := range []tasuki.UniqueMode{tasuki.UniqueQueued, tasuki.UniqueUntilDone, tasuki.UniqueRunning, tasuki.UniqueQueuedAndRunning, tasuki.UniqueKeepLast} {
		modes[string(mode)] = tasuki.Unique{Mode: mode, Key: "x"}
	}
	modes["window"] = tasuki.Unique{Mode: tasuki.UniqueWindow, Key: "x", For: time.Hour}
	modes["throttle"] = tasuki.Unique{Mode: tasuki.UniqueThrottle, Key: "x", For: time.Hour}
	modes["debounce"] = tasuki.Unique{Mode: tasuki.UniqueDebounce, Key: "x", For: 20 * time.Millisecond}
	return modes
}

// uniqueIn is number as a unique job with a record, in a queue that is called as its mode.
func uniqueIn(u tasuki.Unique) tasuki.Kind[int] {
	return number.With(tasuki.Opts{Queue: string(u.Mode), Unique: u, Record: true})
}

// oneByOne is a handler that notes what has run in each queue, and demands that two jobs run
// at once only where the mode has no lock on what runs.
func oneByOne(t *testing.T, runs *recorder[string]) func(ctx context.Context, job *tasuki.Job[int]) error {
	active := map[string]*atomic.Int64{"until_done": {}, "running": {}, "queued_and_running": {}}
	return func(_ context.Context, job *tasuki.Job[int]) error {
		if n := active[job.Queue]; n != nil {
			if n.Add(1) > 1 {
				t.Errorf("two jobs of %s run at once", job.Queue)
			}
			defer n.Add(-1)
			time.Sleep(20 * time.Millisecond) // the other would have begun
		}
		runs.add(fmt.Sprint(job.Queue, " ", job.Args))
		return nil
	}
}

// freed demands that nobody has a key any more, but for the modes whose time goes on.
func (e *env) freed(queue string) {
	e.t.Helper()
	want := 0
	if queue == "window" || queue == "throttle" {
		want = 1
	}
	redistest.WaitFor(e.t, "the locks of "+queue, func() error {
		locks, err := redistest.All(e.inspector.Locks(e.ctx, queue))
		if err != nil || len(locks) != want || want == 1 && (locks[0].Left <= 0 || locks[0].Running != "") {
			return fmt.Errorf("%+v, %v", locks, err)
		}
		return nil
	})
}

// TestUniqueOfKilled kills the process that runs unique jobs of all modes.
//
//fault:process the process that runs unique jobs is killed, one for each mode, with seconds of the same key behind them | until the sweep a job has its lock; each job runs again, two never at once where that is not allowed, and no lock is left that has no job or time
func TestUniqueOfKilled(t *testing.T) {
	t.Parallel()
	e := newEnv(t, redistest.Shared(t).URL())
	modes := uniqueModes()
	var queues []tasuki.Queue
	for queue := range modes {
		queues = append(queues, tasuki.Queue{Name: queue})
	}
	p := e.startProcess(processConfig{Concurrency: 20, Do: "hold", Queues: queues})
	p.wait("up", 1)
	jobs := map[string][]tasuki.Info{}
	put := func(u tasuki.Unique, args int) tasuki.Info {
		t.Helper()
		info, err := uniqueIn(u).Enqueue(e.ctx, e.producer(), args)
		if err != nil {
			t.Fatal(err)
		}
		if !info.Existed {
			jobs[info.Queue] = append(jobs[info.Queue], info)
		}
		return info
	}
	for _, u := range modes {
		if info := put(u, 1); info.Existed {
			t.Errorf("%+v", info)
		}
	}
	p.wait("start", len(modes))
	for queue, u := range modes {
		if queue == "throttle" { // the second would run in an hour
			continue
		}
		info := put(u, 2)
		if exists := queue == "until_done" || queue == "window"; info.Existed != exists {
			t.Errorf("the second of %s: %+v", queue, info)
		}
	}
	// Of four modes the second runs beside the first or waits without a slot.
	p.wait("start", len(modes)+3)
	for _, queue := range []string{"running", "queued_and_running"} {
		redistest.WaitFor(t, "the second of "+queue, func() error {
			if r, err := e.client.Get(e.ctx, jobs[queue][1].Address()); err != nil || r.State != tasuki.StateParked {
				return fmt.Errorf("%+v, %v", r, err)
			}
			return nil
		})
	}
	p.kill()
	if info := put(modes["until_done"], 3); !info.Existed || info.ID != jobs["until_done"][0].ID {
		t.Errorf("the lock of a job whose process is gone: %+v", info)
	}
	if info := put(modes["queued_and_running"], 3); !info.Existed || info.ID != jobs["queued_and_running"][1].ID {
		t.Errorf("the lock of one that waits for it: %+v", info)
	}
	w := e.worker(tasuki.WorkerConfig{Queues: queues, Concurrency: 20})
	var runs recorder[string]
	tasuki.Handle(w, number, oneByOne(t, &runs))
	e.run(w)
	for queue, infos := range jobs {
		for i, info := range infos {
			want := "crashed done"
			if i == 1 && modes[queue].Mode != tasuki.UniqueQueued && modes[queue].Mode != tasuki.UniqueKeepLast && modes[queue].Mode != tasuki.UniqueDebounce {
				want = "done" // it had not begun
			}
			if r, err := e.waiting(e.client, info.Address())(); err != nil || outcomes(r) != want {
				t.Errorf("%s: %+v, %v, want %s", queue, r, err, want)
			}
		}
		e.freed(queue)
		if again := put(modes[queue], 4); again.Existed != (queue == "window") {
			t.Errorf("when all is done, %s: %+v", queue, again)
		}
	}
	for queue, infos := range jobs {
		if queue == "throttle" {
			continue // the second is due in an hour
		}
		e.waitQueue(queue, func(q inspect.Queue) bool { return q.Counts["done"] == int64(len(infos)) })
		e.freed(queue)
	}
	if got := runs.get(); len(slices.Compact(slices.Sorted(slices.Values(got)))) != len(got) {
		t.Errorf("some have run twice: %v", got)
	}
}

// TestLostUniqueEnqueue loses the reply of an enqueue of a unique job of each mode.
//
//fault:network the reply of the enqueue of a unique job is lost | it is `ErrUncertain`; calling again meets the job that is there by its id, or by its key if the mode keeps a second out; each runs once, and no lock is left
func TestLostUniqueEnqueue(t *testing.T) {
	for queue, u := range uniqueModes() {
		t.Run(queue, func(t *testing.T) {
			t.Parallel()
			e, s, proxy := proxied(t)
			direct := e.openAt(s.URL())
			if _, err := number.With(recorded).Enqueue(e.ctx, direct, 0); err != nil { // from now on the server knows the script
				t.Fatal(err)
			}
			lose := func(k tasuki.Kind[int]) tasuki.Info {
				t.Helper()
				hit := proxy.Once(redistest.Cut, isScript(t, "enqueue_record"))
				if _, err := k.Enqueue(e.ctx, e.client, 1); !errors.Is(err, tasuki.ErrUncertain) {
					t.Errorf("%v, want ErrUncertain", err)
				}
				<-hit
				info, err := k.Enqueue(e.ctx, e.client, 1)
				if err != nil {
					t.Fatal(err)
				}
				return info
			}
			if u.Mode == tasuki.UniqueDebounce {
				u.For = time.Second
			}
			k := uniqueIn(u)
			want := int64(1)
			switch info := lose(k); queue {
			case "running", "throttle": // these let a second in
				if want = 2; info.Existed {
					t.Errorf("%+v", info)
				}
			default:
				if !info.Existed {
					t.Errorf("%+v, want the first", info)
				}
			}
			own := k.With(tasuki.Opts{ID: "mine", Unique: tasuki.Unique{Key: "y"}})
			if info := lose(own); !info.Existed || info.ID != "mine" {
				t.Errorf("with an id: %+v", info)
			}
			want++
			if q := e.queue(queue); q.Ready+q.Scheduled != want {
				t.Errorf("%+v, want %d jobs", q, want)
			}
			w := e.worker(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: queue}, {Name: "default"}}, Concurrency: 1}) // there are two keys
			var runs recorder[string]
			tasuki.Handle(w, number, oneByOne(t, &runs))
			e.run(w)
			if queue == "throttle" {
				want-- // in an hour
			}
			e.waitQueue(queue, func(q inspect.Queue) bool { return q.Counts["done"] == want })
			if queue != "window" && queue != "throttle" {
				e.freed(queue)
			}
		})
	}
}

// TestLostUniqueSettle loses the reply of the exchange that ends a unique job.
//
//fault:network the reply of the exchange that ends a unique job is lost, with the connection or without | its lock is freed once: who waits behind it has its turn, once, and the key is free for the next
func TestLostUniqueSettle(t *testing.T) {
	for _, fate := range []redistest.Fate{redistest.Cut, redistest.Swallow} {
		for queue, u := range uniqueModes() {
			if u.Mode == tasuki.UniqueThrottle || u.Mode == tasuki.UniqueDebounce {
				continue // when it runs it has no lock but a time
			}
			t.Run(fmt.Sprint(queue, " ", fate), func(t *testing.T) {
				t.Parallel()
				e, s, proxy := proxied(t)
				direct := e.openAt(s.URL())
				k := uniqueIn(u)
				w := e.worker(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: queue}}})
				var runs recorder[string]
				handle, begun, end := oneByOne(t, &runs), make(chan struct{}, 1), make(chan struct{})
				tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
					if job.Args == 1 {
						begun <- struct{}{}
						<-end
					}
					return handle(ctx, job)
				})
				e.run(w)
				put := func(args int) tasuki.Info {
					t.Helper()
					info, err := k.Enqueue(e.ctx, direct, args)
					if err != nil {
						t.Fatal(err)
					}
					return info
				}
				infos := []tasuki.Info{put(1)}
				<-begun
				if second := put(2); !second.Existed {
					infos = append(infos, second)
				}
				if u.Mode == tasuki.UniqueRunning || u.Mode == tasuki.UniqueQueuedAndRunning {
					redistest.WaitFor(t, "the second to park", func() error {
						if r, err := direct.Get(e.ctx, infos[1].Address()); err != nil || r.State != tasuki.StateParked {
							return fmt.Errorf("%+v, %v", r, err)
						}
						return nil
					})
				} else if len(infos) > 1 {
					e.waitQueue(queue, func(q inspect.Queue) bool { return q.Counts["done"] == 1 })
				}
				isFetch := isScript(t, "fetch")
				hit := proxy.Once(fate, func(c []string) bool { return isFetch(c) && c[2] != "13" }) // with the record of a job
				close(end)
				<-hit
				for _, info := range infos {
					if r, err := e.waiting(direct, info.Address())(); err != nil || outcomes(r) != "done" {
						t.Errorf("%+v, %v", r, err)
					}
				}
				e.freed(queue)
				if third := put(3); third.Existed != (queue == "window") {
					t.Errorf("%+v", third)
				} else if !third.Existed {
					infos = append(infos, third)
				}
				e.waitQueue(queue, func(q inspect.Queue) bool { return q.Counts["done"] == int64(len(infos)) && q.Running == 0 })
				e.freed(queue)
				if got := runs.get(); len(got) != len(infos) {
					t.Errorf("%v, want each once", got)
				}
				proxy.CutAll() // for the worker to stop in order
			})
		}
	}
}
