package tasuki

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/tasuki-dev/tasuki/internal/native"
	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/internal/source"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// TestPatrolRemovesInfos: what a worker says of itself goes when it has been in no
// list of workers for long, and not before.
//
//fault:process worker killed between two steps of its start or end | what it said of itself is removed
func TestPatrolRemovesInfos(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	client, err := Open(redistest.Shared(t).URL(), &ClientConfig{Namespace: "t" + wire.NewIncarnation()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	w, err := NewWorker(client, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, worker := range []string{"listed", "absent"} {
		if err := client.store.Announce(ctx, worker, &store.About{Host: worker}); err != nil {
			t.Fatal(err)
		}
	}
	sw := sweeper{w: w, store: client.store}
	infos := func() []string {
		sw.patrol(ctx, map[string]bool{"listed": true})
		all, err := client.store.About(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Sorted(maps.Keys(all))
	}
	for range 2 { // it may be about to enter the list
		if got := infos(); !slices.Equal(got, []string{"absent", "listed"}) {
			t.Errorf("after a patrol there are %v: want both", got)
		}
	}
	sw.missing["absent"] = time.Now().Add(-slowDeath)
	if got := infos(); !slices.Equal(got, []string{"listed"}) {
		t.Errorf("after a patrol long after there are %v: want the one that is listed", got)
	}
	if err := client.store.Retire(ctx, "listed"); err != nil {
		t.Error(err)
	}
}

// sweepers returns n sweepers, each of a client of its own, on a namespace of its own.
func sweepers(t *testing.T, n int) []*sweeper {
	t.Helper()
	namespace := "t" + wire.NewIncarnation()
	var all []*sweeper
	for range n {
		client, err := Open(redistest.Shared(t).URL(), &ClientConfig{Namespace: namespace, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		w, err := NewWorker(client, nil)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &sweeper{w: w, store: client.store})
	}
	return all
}

// enter makes a worker known in a queue, as its start does.
func (sw *sweeper) enter(ctx context.Context, t *testing.T, q *store.Queue, worker string) {
	t.Helper()
	if err := sw.store.Announce(ctx, worker, &store.About{Host: worker, Queues: []string{q.Name}, Subscribed: true}); err != nil {
		t.Fatal(err)
	}
	if err := sw.store.AddQueue(ctx, q); err != nil {
		t.Fatal(err)
	}
	if ok, err := sw.store.Register(ctx, q, worker, ""); err != nil || !ok {
		t.Fatalf("register: %v, %v", ok, err)
	}
}

// TestManySweepers has several observers bury one worker at the same time, step
// beside step. Each job is put back by one of them.
//
//fault:process several observers bury the same worker at the same moment | every job is put back once, with one crash
func TestManySweepers(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	all := sweepers(t, 4)
	sw := all[0]
	const n = 1000
	for round := range 5 {
		q, err := sw.store.Queue(fmt.Sprint("q", round))
		if err != nil {
			t.Fatal(err)
		}
		worker := fmt.Sprint("dead", round)
		sw.enter(ctx, t, q, worker)
		sw.claim(ctx, t, q, worker, n)
		var wg sync.WaitGroup
		for _, sw := range all {
			wg.Go(func() { sw.bury(ctx, worker, slowDeath) })
		}
		wg.Wait()
		ready := map[string]int{}
		err = sw.store.Each(ctx, q.Ready, "list", func(element string, _ float64) {
			j, err := wire.Parse(element)
			if ready[j.ID]++; err != nil || j.Crashes != 1 || ready[j.ID] > 1 {
				t.Errorf("%s: put back %d times, %v", element, ready[j.ID], err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if tally, err := sw.store.Tally(ctx, q); err != nil || len(ready) != n || tally.Counts["crashed"] != n || tally.Held[worker] != 0 {
			t.Errorf("%d jobs are ready, %v, %+v", len(ready), err, tally)
		}
	}
}

// TestSweepOfEdited: a job that is edited while a sweep has read it keeps what the edit has
// made of it, and its crash is counted.
//
//fault:data a job whose worker died before it began is edited, or gets new arguments from a keep_last, between the steps of a sweep | it runs with the new arguments, and its crash is counted
func TestSweepOfEdited(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server := redistest.Start(t)
	proxy := redistest.StartProxy(t, server)
	open := func(url string) *Client {
		client, err := Open(url, &ClientConfig{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		return client
	}
	direct, swept := open(server.URL()), open(proxy.URL())
	w, err := NewWorker(swept, nil)
	if err != nil {
		t.Fatal(err)
	}
	sw := &sweeper{w: w, store: swept.store}
	k := Define[int]("k").With(Opts{Unique: Unique{Mode: UniqueKeepLast, Key: "x"}})
	change := map[string]func(address string) error{
		"edit": func(address string) error {
			return direct.Edit(ctx, address, func(s *Spec) error { s.Args = []byte("2"); return nil })
		},
		"keep_last": func(string) error {
			_, err := k.With(Opts{Queue: "keep_last"}).Enqueue(ctx, direct, 2)
			return err
		},
	}
	isSweep := redistest.IsScript(t, "internal/store/lua/sweep.lua")
	for name, change := range change {
		q, err := sw.store.Queue(name)
		if err != nil {
			t.Fatal(err)
		}
		info, err := k.With(Opts{Queue: name}).Enqueue(ctx, direct, 1)
		if err != nil {
			t.Fatal(err)
		}
		sw.enter(ctx, t, q, "dead"+name)
		waiter := sw.store.Waiter(q)
		x := &store.Exchange{Incarnation: "dead" + name, Tag: store.FirstTag, Request: source.Request{Want: 1}}
		if got, err := sw.store.Fetch(ctx, q, x, waiter); err != nil || len(got.Elements) != 1 {
			t.Fatalf("%+v, %v", got, err)
		}
		waiter.Close()
		done := false
		proxy.Decide(func(command []string) redistest.Fate {
			if !done && isSweep(command) {
				done = true
				if err := change(info.Address()); err != nil {
					t.Error(err)
				}
			}
			return redistest.Pass
		})
		sw.bury(ctx, "dead"+name, slowDeath)
		proxy.Decide(nil)
		if r, err := direct.Get(ctx, info.Address()); err != nil || !done || string(r.Args) != "2" || r.Crashes != 1 || r.State != StateReady {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// claim has a worker claim n jobs.
func (sw *sweeper) claim(ctx context.Context, t *testing.T, q *store.Queue, worker string, n int) {
	t.Helper()
	w := sw.store.Waiter(q)
	defer w.Close()
	for tag := range source.Tag(n) {
		if err := sw.store.Push(ctx, q, []string{fmt.Sprintf(`{"id":"j%d","kind":"k","args":1}`, tag)}); err != nil {
			t.Fatal(err)
		}
		x := &store.Exchange{Incarnation: worker, Tag: store.FirstTag + tag, Request: source.Request{Want: 1}}
		if got, err := sw.store.Fetch(ctx, q, x, w); err != nil || len(got.Elements) != 1 {
			t.Fatalf("%+v, %v", got, err)
		}
	}
}

// TestManyIncarnations: of a thousand workers that came and died nothing is left in
// the end.
//
//fault:process a thousand workers start and die | nothing of them is left, once their tombstones are ten minutes old
func TestManyIncarnations(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	sw := sweepers(t, 1)[0]
	q, err := sw.store.Queue(DefaultQueue)
	if err != nil {
		t.Fatal(err)
	}
	const n = 1000
	for i := range n {
		sw.enter(ctx, t, q, fmt.Sprint("w", i))
	}
	for i := range n {
		sw.bury(ctx, fmt.Sprint("w", i), slowDeath)
	}
	infos, err := sw.store.About(ctx)
	if err != nil || len(infos) != 0 {
		t.Errorf("%d infos are left, %v", len(infos), err)
	}
	members, err := sw.store.Members(ctx, q)
	if err != nil || len(members) != n {
		t.Errorf("%d members, %v; want a tombstone of each", len(members), err)
	}
	sw.patrol(ctx, nil)
	if members, err = sw.store.Members(ctx, q); err != nil || len(members) != n {
		t.Errorf("after a patrol %d members, %v; want a tombstone of each, as they are young", len(members), err)
	}
	const age = `for _, m in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do redis.call('ZINCRBY', KEYS[1], -600000, m) end return 'done'`
	redistest.Shared(t).Do(t, "EVAL", age, "1", q.Workers)
	sw.patrol(ctx, nil)
	if members, err = sw.store.Members(ctx, q); err != nil || len(members) != 0 {
		t.Errorf("in the end %d members, %v", len(members), err)
	}
}

// unregistered returns the source of a worker that holds a job, and whose registration
// in the queue was lost, and a sweeper.
func unregistered(t *testing.T) (*native.Source, *sweeper, *store.Queue) {
	t.Helper()
	ctx, sw := t.Context(), sweepers(t, 1)[0]
	q := sw.w.queue[DefaultQueue]
	src := native.New(sw.store, q, "dead", func(string, error) {})
	if _, err := Define[int]("k").Enqueue(ctx, sw.w.client, 1); err != nil {
		t.Fatal(err)
	}
	if r, err := src.Exchange(ctx, &source.Request{Want: 1}); err != nil || len(r.Claimed) != 1 {
		t.Fatalf("claimed %+v, %v", r, err)
	}
	redis := rawClient(t)
	if err := redis.Do(ctx, redis.B().Zrem().Key(q.Workers).Member("dead").Build()).Error(); err != nil {
		t.Fatal(err)
	}
	return src, sw, q
}

// isReady demands that the job is back.
func isReady(t *testing.T, q *store.Queue) {
	t.Helper()
	redis := rawClient(t)
	if n, err := redis.Do(t.Context(), redis.B().Llen().Key(q.Ready).Build()).AsInt64(); n != 1 || err != nil {
		t.Errorf("%d jobs are ready, %v; want 1", n, err)
	}
}

// TestSweepsWhoIsNotRegistered: a worker that dies when its registration in a queue was
// lost is swept there all the same.
//
//fault:process worker killed right after Redis has lost its registration in a queue | what it held runs again
func TestSweepsWhoIsNotRegistered(t *testing.T) {
	t.Parallel()
	_, sw, q := unregistered(t)
	if n, err := sw.sweepQueue(t.Context(), DefaultQueue, "dead", &store.About{}); n != 1 || err != nil {
		t.Errorf("%d jobs were put back, %v; want 1", n, err)
	}
	isReady(t, q)
}

// TestSweepsWhoIsInNoList: a dead worker whose registrations were all lost, also that in
// the list of workers, is known by what it has said of itself.
//
//fault:server worker killed, and its registration in the queue and in the list of workers is lost | what it held runs again, within two minutes
func TestSweepsWhoIsInNoList(t *testing.T) {
	t.Parallel()
	_, sw, q := unregistered(t)
	if err := sw.store.Announce(t.Context(), "dead", &store.About{Queues: []string{"default"}}); err != nil {
		t.Fatal(err)
	}
	sw.patrol(t.Context(), nil) // since now it is missing
	sw.missing["dead"] = time.Now().Add(-slowDeath)
	sw.patrol(t.Context(), nil)
	isReady(t, q)
}

// TestLeavesWithoutRegistration: a worker that has learnt of that and leaves before it has
// entered anew leaves a tombstone, for the patrol to find what it held.
//
//fault:server registration of a worker lost while it leaves a queue or stops | what it held there runs again
func TestLeavesWithoutRegistration(t *testing.T) {
	t.Parallel()
	src, sw, q := unregistered(t)
	if r, err := src.Exchange(t.Context(), &source.Request{}); err != nil || r.Lost == 0 {
		t.Fatalf("it was not told: %+v, %v", r, err)
	}
	if err := src.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	sw.patrol(t.Context(), nil)
	isReady(t, q)
}

// rawClient reaches the shared server past the library.
func rawClient(t *testing.T) rueidis.Client {
	t.Helper()
	opt := rueidis.MustParseURL(redistest.Shared(t).URL())
	opt.DisableCache, opt.ForceSingleClient = true, true
	redis, err := rueidis.NewClient(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(redis.Close)
	return redis
}

// TestWokenWorkerIsNotBuried: a worker beats after the round that has found it dead,
// and before it is its turn to be buried.
//
//fault:process worker frozen for longer than 30 s wakes up while others are being taken over | it keeps its lease
func TestWokenWorkerIsNotBuried(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	sw := sweepers(t, 1)[0]
	q, err := sw.store.Queue(DefaultQueue)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]watched{}
	pulses := map[string]*store.Pulse{}
	for _, worker := range []string{"dead", "woken"} {
		sw.enter(ctx, t, q, worker)
		pulse := sw.store.Pulse(worker, func(string, string) {})
		defer pulse.Close()
		if _, err := pulse.Beat(ctx, true, func() []string { return nil }); err != nil {
			t.Fatal(err)
		}
		beats, err := sw.store.Beats(ctx, worker)
		if err != nil || beats == 0 {
			t.Fatalf("%d beats, %v", beats, err)
		}
		found[worker], pulses[worker] = watched{beats: beats, still: slowDeath}, pulse
	}
	if _, err := pulses["woken"].Beat(ctx, false, nil); err != nil {
		t.Fatal(err)
	}
	sw.buryAll(ctx, found)
	members, err := sw.store.Members(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	ended := map[string]bool{}
	for _, m := range members {
		ended[m.Incarnation] = !m.Ended.IsZero()
	}
	if want := map[string]bool{"dead": true, "woken": false}; !maps.Equal(ended, want) {
		t.Errorf("leases that have ended: %v, want %v", ended, want)
	}
	// Buried already, it may work under a new lease, which a sweep that comes late
	// has to leave alone.
	if ok, err := sw.store.Register(ctx, q, "dead.1", "dead"); err != nil || !ok {
		t.Fatalf("register: %v, %v", ok, err)
	}
	sw.buryAll(ctx, found)
	if members, err = sw.store.Members(ctx, q); err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		if m.Incarnation == "dead.1" && !m.Ended.IsZero() {
			t.Error("the new lease of a worker that was buried has ended too")
		}
	}
}
