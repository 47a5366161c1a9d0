package cron_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/cron"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// demandTicks demands that each tick of an entry of @every 1s up to the last of its history is one
// job of the default queue, and that the history has no gap.
func (e *env) demandTicks(name string, first time.Time) {
	e.t.Helper()
	runs := e.history(name)
	times := e.demandNoTwins()
	last := runs[len(runs)-1].Tick
	for tick := first; !tick.After(last); tick = tick.Add(time.Second) {
		if n := times[fmt.Sprintf("cron:%s:%d", name, tick.UnixMilli())]; n != 1 {
			e.t.Errorf("%s: tick %v is %d jobs", name, tick, n)
		}
	}
	for i := 1; i < len(runs); i++ {
		if runs[i].Tick.Sub(runs[i-1].Tick) != time.Second || runs[i].Outcome != "enqueued" {
			e.t.Errorf("%s: the history is %+v", name, runs)
			break
		}
	}
}

// demandNoTwins demands that no id is in the default queue twice, and returns those that are.
func (e *env) demandNoTwins() map[string]int {
	e.t.Helper()
	times := map[string]int{}
	for _, job := range e.jobs("default") {
		var j struct{ ID string }
		if err := json.Unmarshal([]byte(job), &j); err != nil {
			e.t.Fatal(err)
		}
		if times[j.ID]++; times[j.ID] > 1 {
			e.t.Errorf("%s is there %d times", j.ID, times[j.ID])
		}
	}
	return times
}

// TestLostReplies loses the replies of what a scheduler sends, one after the other, and has others
// not come at all.
//
//fault:network the reply to a scheduler that takes, enqueues or moves on periodic entries is lost, or the call never arrives | each tick is enqueued once, at most 3 s late
func TestLostReplies(t *testing.T) {
	t.Parallel()
	for _, script := range []string{"cron_take", "enqueue", "cron_write"} {
		for _, fate := range []redistest.Fate{redistest.Cut, redistest.Refuse, redistest.Swallow} {
			t.Run(fmt.Sprint(script, " ", fate), func(t *testing.T) {
				t.Parallel()
				server := redistest.Start(t)
				proxy := redistest.StartProxy(t, server)
				e := newEnv(t, server.URL())
				first := e.set(often("e")).Next
				e.client = e.open(proxy.URL())
				e.schedule()
				e.await("e", "a run", func(runs []cron.Run) bool { return len(runs) > 0 })
				hit := proxy.Once(fate, redistest.IsScript(t, "../internal/store/lua/"+script+".lua"))
				<-hit
				if fate == redistest.Swallow { // as a server that stands still: the scheduler's own patience ends it
					time.Sleep(3 * time.Second)
					proxy.CutAll()
				}
				n := len(e.history("e"))
				e.await("e", "three more runs", func(runs []cron.Run) bool { return len(runs) >= n+3 })
				e.demandTicks("e", first)
				for _, r := range e.history("e") {
					if late := r.At.Sub(r.Tick); late > 3*time.Second && fate != redistest.Swallow {
						t.Errorf("%v was %v late", r.Tick, late)
					}
				}
			})
		}
	}
}

// TestFrozenScheduler freezes a scheduler between its look at an entry and its enqueue. Meanwhile
// another one fires the entry, and somebody changes it.
//
//fault:process a scheduler is frozen just before it enqueues, and goes on when another has fired the entry and somebody has changed it | each tick is one job, and the change stays
func TestFrozenScheduler(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		first := e.set(often("e")).Next
		frozen, thaw := make(chan struct{}), make(chan struct{})
		var once sync.Once
		e.client = e.openWith(e.url, func(next tasuki.Enqueuer) tasuki.Enqueuer {
			return tasuki.EnqueueFunc(func(ctx context.Context, specs []tasuki.Spec) ([]tasuki.Info, error) {
				once.Do(func() { close(frozen); <-thaw })
				return next.EnqueueMany(ctx, specs)
			})
		})
		e.schedule()
		<-frozen
		e.client = e.open(e.url)
		e.schedule()
		e.await("e", "two runs by the other", func(runs []cron.Run) bool { return len(runs) >= 2 })
		if _, err := e.table.Edit(e.ctx, "e", func(x *cron.Entry) error { x.Args = json.RawMessage("7"); return nil }); err != nil {
			t.Fatal(err)
		}
		close(thaw)
		n := len(e.history("e"))
		e.await("e", "three more runs", func(runs []cron.Run) bool { return len(runs) >= n+3 })
		if args := e.get("e").Args; string(args) != "7" {
			t.Errorf("the arguments are %s", args)
		}
		e.demandTicks("e", first)
		if late := e.history("e")[0]; late.At.Sub(late.Tick) > 3*time.Second {
			t.Errorf("%+v was late", late)
		}
	})
}

// TestEditWhileItFires: whoever is quicker, each tick is one job, and no edit is lost.
//
//fault:process a periodic entry is edited again and again while schedulers fire it | each tick is enqueued once, no edit is lost
func TestEditWhileItFires(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		first := e.set(often("e")).Next
		for range 3 {
			e.schedule()
		}
		const editors, each = 3, 30
		var all sync.WaitGroup
		for range editors {
			all.Go(func() {
				for range each {
					_, err := e.table.Edit(e.ctx, "e", func(x *cron.Entry) error {
						var n int
						_ = json.Unmarshal(x.Args, &n) // null is 0
						x.Args = json.RawMessage(fmt.Sprint(n + 1))
						return nil
					})
					if err != nil {
						t.Error(err)
					}
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		all.Wait()
		if got := string(e.get("e").Args); got != fmt.Sprint(editors*each) {
			t.Errorf("%s edits are there, of %d", got, editors*each)
		}
		e.demandTicks("e", first)
	})
}

// TestRemoveWhileItFires: what is removed is not there again.
func TestRemoveWhileItFires(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		for range 2 {
			e.schedule()
		}
		for i := range 40 {
			name := fmt.Sprint("e", i)
			entry := daily(name)
			entry.Opts.Keep, entry.Overlap = -1, cron.OverlapAllow
			e.set(entry)
			if _, err := e.table.RunNow(e.ctx, name); err != nil {
				t.Fatal(err)
			}
			if err := e.table.Remove(e.ctx, name); err != nil {
				t.Fatal(err)
			}
		}
		for s := range e.table.List(e.ctx) {
			t.Errorf("%+v is there again", s)
		}
	})
}

// TestFullServer: while Redis is full, ticks wait.
//
//fault:server redis is full (noeviction) when periodic entries are due | ticks are late by as long as it is, and not lost; entries can be paused and removed
func TestFullServer(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--maxmemory-policy", "noeviction")
	e := newEnv(t, server.URL())
	first := e.set(often("e")).Next
	e.set(daily("other"))
	e.schedule()
	e.await("e", "a run", func(runs []cron.Run) bool { return len(runs) > 0 })
	server.Do(t, "CONFIG", "SET", "maxmemory", "1mb")
	redistest.WaitFor(t, "a refusal", func() error {
		if !strings.Contains(e.log.String(), "redis is full") {
			return fmt.Errorf("log: %s", e.log)
		}
		return nil
	})
	if err := e.table.Pause(e.ctx, "other", "me"); err != nil {
		t.Error(err)
	}
	if err := e.table.Remove(e.ctx, "other"); err != nil {
		t.Error(err)
	}
	server.Do(t, "CONFIG", "SET", "maxmemory", "0")
	n := len(e.history("e"))
	e.await("e", "three more runs", func(runs []cron.Run) bool { return len(runs) >= n+3 })
	e.demandTicks("e", first)
}

// TestOutage: Redis is away for a while, and comes back with what it had.
//
//fault:server redis is killed and started again while periodic entries are due | ticks are late by as long as it is away, and none is lost or enqueued twice
func TestOutage(t *testing.T) {
	t.Parallel()
	durable := redistest.Durable(t)
	server := redistest.Start(t, durable...)
	e := newEnv(t, server.URL())
	first := e.set(often("e")).Next
	for range 2 {
		e.schedule()
	}
	e.await("e", "a run", func(runs []cron.Run) bool { return len(runs) > 0 })
	server.Kill()
	time.Sleep(2 * time.Second)
	server.Restart(t, durable...)
	n := len(e.history("e"))
	e.await("e", "three more runs", func(runs []cron.Run) bool { return len(runs) >= n+3 })
	e.demandTicks("e", first)
}

// TestStuckQueue: an entry whose job cannot be enqueued, as the call does not come back,
// keeps no other from moving on.
//
//fault:process the call that enqueues the job of one periodic entry hangs | the others run, at most 10 s late
func TestStuckQueue(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		first := e.set(often("good")).Next
		stuck := often("stuck")
		stuck.Opts.Queue = "stuck"
		e.set(stuck)
		e.client = e.openWith(e.url, func(next tasuki.Enqueuer) tasuki.Enqueuer {
			return tasuki.EnqueueFunc(func(ctx context.Context, specs []tasuki.Spec) ([]tasuki.Info, error) {
				if specs[0].Opts.Queue == "stuck" {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				return next.EnqueueMany(ctx, specs)
			})
		})
		e.schedule()
		e.await("good", "runs", func(runs []cron.Run) bool { return len(runs) >= 3 })
		e.demandTicks("good", first)
		for _, r := range e.history("good") {
			if late := r.At.Sub(r.Tick); late > 10*time.Second {
				t.Errorf("%v was %v late", r.Tick, late)
			}
		}
	})
}

// TestCluster: entries and queues lie on different nodes.
func TestCluster(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	client, err := tasuki.Open(cluster.URL(), &tasuki.ClientConfig{Namespace: redistest.Namespace(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	e := &env{t: t, ctx: t.Context(), client: client, table: cron.New(client)}
	var declared []cron.Entry
	for i := range 6 {
		entry := often(fmt.Sprint("e", i))
		entry.Opts.Queue, entry.Opts.Keep = fmt.Sprint("q", i), 0
		declared = append(declared, entry)
	}
	for range 2 {
		e.schedule(cron.Declared{Name: "app", Revision: 1, Entries: declared})
	}
	for _, entry := range declared {
		e.awaitThere(entry.Name)
		e.await(entry.Name, "two runs", func(runs []cron.Run) bool { return len(runs) >= 2 && runs[1].Outcome == "ready" })
	}
}
