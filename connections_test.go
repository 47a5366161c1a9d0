package tasuki_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"regexp"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/embedded"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/bridge"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestAllConnectionsCut cuts every connection of a worker again and again: it
// makes them anew before it can be taken for dead.
//
//fault:network all connections of a worker are cut, again and again | it is not taken for dead; each job runs once
func TestAllConnectionsCut(t *testing.T) {
	t.Parallel()
	e, s, proxy := proxied(t)
	w, err := tasuki.NewWorker(e.openAt(s.URL()), &tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "elsewhere"}}})
	if err != nil {
		t.Fatal(err)
	}
	e.run(w) // the observer, past the proxy
	e.waitQueue("elsewhere", func(q inspect.Queue) bool { return q.Workers == 1 })
	victim := e.worker(tasuki.WorkerConfig{Concurrency: 10})
	runs, release := e.runHeld(victim, 10)
	for range 20 { // the storm lasts 6 s, longer than the quick rule; between two cuts it has beaten
		before := e.beats("default")
		proxy.CutAll()
		time.Sleep(300 * time.Millisecond)
		redistest.WaitFor(t, "a beat", func() error {
			if n := e.beats("default"); n == before {
				return fmt.Errorf("still %d", n)
			}
			return nil
		})
	}
	release()
	q := e.settled("default", 10)
	if runs.Load() != 10 || q.Counts["crashed"] != 0 {
		t.Errorf("%d runs, %+v: want each once", runs.Load(), q)
	}
}

// runHeld runs a worker with n jobs until all of them run. They go on until release is
// called, or their context ends.
func (e *env) runHeld(w *tasuki.Worker, n int) (runs *atomic.Int64, release func()) {
	e.t.Helper()
	runs = &atomic.Int64{}
	held := make(chan struct{})
	tasuki.Handle(w, number, func(ctx context.Context, _ *tasuki.Job[int]) error {
		runs.Add(1)
		select {
		case <-held:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	e.run(w)
	e.enqueue(number, n)
	e.waitQueue("default", func(q inspect.Queue) bool { return int(q.Running) == n && int(runs.Load()) == n })
	return runs, func() { close(held) }
}

// TestRemoveQueueWhileDown removes a queue while Redis cannot be reached: the worker
// leaves it when it can. As it goes on, nobody would sweep there what came late.
//
//fault:network Redis cannot be reached while a running worker leaves a queue | it has left once Redis can
func TestRemoveQueueWhileDown(t *testing.T) {
	t.Parallel()
	e, _, proxy := proxied(t)
	w := e.worker(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "default"}, {Name: "late"}}})
	got := collect(w, number)
	e.run(w)
	e.waitQueue("late", func(q inspect.Queue) bool { return q.Workers == 1 })
	proxy.Down(true)
	if err := w.RemoveQueue("late"); err != nil {
		t.Fatal(err)
	}
	e.waitLog("a queue that was removed cannot be left; trying again")
	if n := len(e.workers("late")); n != 1 {
		t.Fatalf("%d workers may claim: it has left, so this tests nothing", n)
	}
	proxy.Down(false)
	e.waitQueue("late", func(q inspect.Queue) bool { return q.Workers == 0 })
	redistest.WaitFor(t, "the queue to be served anew", func() error { return w.AddQueue(tasuki.Queue{Name: "late"}) })
	e.enqueue(number.With(tasuki.Opts{Queue: "late"}), 1)
	got.wait(t, 1)
}

// goroutines counts those that f has started, and these in turn, and that are
// there still: those of other tests do not count.
func goroutines(t testing.TB, f func()) (count func() int) {
	t.Helper()
	pprof.Do(t.Context(), pprof.Labels("of", t.Name()), func(context.Context) { f() })
	group := regexp.MustCompile(`(?m)^([0-9]+) @.*\n# labels: \{"of":` + regexp.QuoteMeta(strconv.Quote(t.Name())) + `\}$`)
	return func() int {
		var text bytes.Buffer
		if err := pprof.Lookup("goroutine").WriteTo(&text, 1); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, found := range group.FindAllStringSubmatch(text.String(), -1) {
			k, _ := strconv.Atoi(found[1])
			n += k
		}
		return n
	}
}

// TestResetStorm resets every connection each 200 ms while jobs are enqueued and
// run: all are done, and nothing piles up.
//
//fault:network every connection is reset each 200 ms for seconds | all jobs are done; goroutines and connections do not pile up
func TestResetStorm(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	proxy := redistest.StartTCPProxy(t, s)
	e := newEnv(t, s.URL())
	e.client = e.openAt(proxy.URL())
	w := e.worker(tasuki.WorkerConfig{Concurrency: 20})
	var l ledger
	l.note(w)
	const n = 1000
	enqueue := func(from, to int) {
		for i := from; i < to; i++ {
			k := number.With(tasuki.Opts{ID: fmt.Sprint("n", i)})
			for {
				if _, err := k.Enqueue(e.ctx, e.client, i); err == nil {
					break
				}
				time.Sleep(time.Millisecond) // the next connection may be cut too
			}
		}
	}
	// All slots at once, so that each has its goroutine before they are counted.
	busy := tasuki.Define[int]("busy")
	var all sync.WaitGroup
	all.Add(20)
	tasuki.Handle(w, busy, func(context.Context, *tasuki.Job[int]) error {
		all.Done()
		all.Wait()
		return nil
	})
	count := goroutines(t, func() { e.run(w) })
	e.enqueue(busy, 20)
	enqueue(0, n/10)
	e.settled("default", 20+n/10)
	before := count()
	var wg sync.WaitGroup
	wg.Go(func() { enqueue(n/10, n) })
	start := len(proxy.Dials())
	const storms = 25
	for range storms {
		proxy.ResetAll()
		time.Sleep(200 * time.Millisecond)
	}
	dials := len(proxy.Dials()) - start
	wg.Wait()
	q := e.settled("default", 20+n)
	extra := l.check(t, n)
	t.Logf("%d resets of all, %d connections made, %d runs above one for each job, goroutines %d → %d", storms, dials, extra, before, count())
	if q.Counts["crashed"] != 0 {
		t.Errorf("%+v: the worker was taken for dead", q)
	}
	if dials > storms*20 {
		t.Errorf("%d connections were made in %d storms", dials, storms)
	}
	redistest.WaitFor(t, "the goroutines to be as many as before", func() error {
		if now := count(); now > before+10 {
			return fmt.Errorf("%d → %d", before, now)
		}
		return nil
	})
}

// TestBlackHole lets a reply, or a command, vanish without a sign that anything
// is wrong: the connection stays open and nothing comes any more. Each kind of call
// meets that once, all at the same time.
//
//fault:network a connection goes silent without being closed | every call ends within half a minute; what Redis has done is found, and each job runs once
func TestBlackHole(t *testing.T) {
	t.Parallel()
	e, _, proxy := proxied(t)
	isFetch, isBeat := isScript(t, "fetch"), isScript(t, "sweep_beat")
	kinds := []string{"hand-", "claim-", "settle-", "enqueue-"}
	fates := map[string]redistest.Fate{"swallow": redistest.Swallow, "hole": redistest.Hole}
	hit, started := map[string]bool{}, false // guarded by the proxy
	proxy.Decide(func(c []string) redistest.Fate {
		started = started || c[0] == "BLMOVE"
		for name, fate := range fates {
			is := map[string]bool{
				"hand-":    c[0] == "BLMOVE" && strings.Contains(c[1], "{hand-"+name+"}"),
				"claim-":   isFetch(c) && strings.Contains(c[3], "{claim-"+name+"}") && c[17] != "0",
				"settle-":  isFetch(c) && strings.Contains(c[3], "{settle-"+name+"}") && c[25] != "0",
				"enqueue-": c[0] == "RPUSH" && strings.Contains(c[1], "{enqueue-"+name+"}"),
				"beat-":    isBeat(c) && started,
			}
			for kind, yes := range is {
				if yes && !hit[kind+name] {
					hit[kind+name] = true
					return fate
				}
			}
		}
		return redistest.Pass
	})
	var queues []tasuki.Queue
	for name := range fates {
		for _, kind := range kinds {
			queues = append(queues, tasuki.Queue{Name: kind + name, Weight: 1})
		}
	}
	w := e.worker(tasuki.WorkerConfig{Concurrency: 20, Queues: queues})
	var runs recorder[string]
	tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
		runs.add(job.Queue)
		return nil
	})
	const n = 5
	put := func(kind, name string) error {
		client := e.open(nil) // of its own: who shares the connection would be silenced too
		_, err := client.EnqueueMany(e.ctx, slices.Repeat([]tasuki.Spec{number.With(tasuki.Opts{Queue: kind + name}).Spec(1)}, n))
		return err
	}
	for name := range fates {
		if err := put("claim-", name); err != nil {
			t.Fatal(err)
		}
	}
	e.run(w)
	for name := range fates {
		e.waitQueue("hand-"+name, func(inspect.Queue) bool { return w.Waits("hand-" + name) })
		for _, kind := range []string{"hand-", "settle-"} {
			if err := put(kind, name); err != nil {
				t.Fatal(err)
			}
		}
	}
	var wg sync.WaitGroup
	for name := range fates {
		wg.Go(func() {
			start := time.Now()
			if err := put("enqueue-", name); !errors.Is(err, tasuki.ErrUncertain) {
				t.Errorf("enqueue, %s: %v: want ErrUncertain", name, err)
			}
			t.Logf("enqueue, %s: ErrUncertain after %v", name, time.Since(start))
		})
	}
	wg.Wait()
	for name, fate := range fates {
		for _, kind := range kinds {
			want := int64(n)
			if kind == "enqueue-" && fate == redistest.Hole {
				want = 0 // it was told to be uncertain, and was not done
			}
			if q := e.settled(kind+name, want); q.Counts["crashed"] != 0 {
				t.Errorf("%s%s: %+v: the worker was taken for dead", kind, name, q)
			}
		}
	}
	if got := len(runs.get()); got != n*len(kinds)*len(fates)-n {
		t.Errorf("%d runs, want each job once", got)
	}
	proxy.Decide(nil)
	if len(hit) != 2*(len(kinds)+1) {
		t.Errorf("it happened only to %v", hit)
	}
}

// TestLatency delays each reply by up to a second, each by another time.
//
//fault:network replies take up to a second, each another time | nobody is taken for dead; each job runs once
func TestLatency(t *testing.T) {
	t.Parallel()
	e, s, proxy := proxied(t)
	proxy.Delay(func() time.Duration { return rand.N(time.Second) })
	observer, err := tasuki.NewWorker(e.openAt(s.URL()), &tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "elsewhere"}}})
	if err != nil {
		t.Fatal(err)
	}
	e.run(observer) // past the proxy: its rounds are good ones
	e.waitQueue("elsewhere", func(q inspect.Queue) bool { return q.Workers == 1 })
	var l ledger
	for range 2 {
		w := e.worker(tasuki.WorkerConfig{Concurrency: 5})
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
			time.Sleep(50 * time.Millisecond)
			l.add(job.Args)
			return nil
		})
		e.run(w)
	}
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 2 })
	const n = 30
	direct := e.openAt(s.URL())
	for i := range n {
		if _, err := number.Enqueue(e.ctx, direct, i); err != nil {
			t.Fatal(err)
		}
	}
	q := e.settled("default", n)
	if extra := l.check(t, n); extra != 0 || q.Counts["crashed"] != 0 {
		t.Errorf("%d runs too many, %+v", extra, q)
	}
	proxy.Delay(nil)
}

// TestHalfClosed closes connections on the side of the client only: the server
// goes on for two seconds, and so does a BLMOVE that nobody hears of any more. What
// that takes is found.
//
//fault:network a connection is closed on one side only, and the server goes on with it | jobs that it hands to nobody are found; none is lost
func TestHalfClosed(t *testing.T) {
	t.Parallel()
	e, s, proxy := proxied(t)
	w := e.worker(tasuki.WorkerConfig{Concurrency: 5})
	var l ledger
	l.note(w)
	e.run(w)
	e.waitQueue("default", func(inspect.Queue) bool { return w.Waits("default") })
	var half atomic.Int64
	proxy.Decide(func(c []string) redistest.Fate {
		if (c[0] == "BLMOVE" || c[0] == "EVALSHA") && rand.IntN(4) == 0 {
			half.Add(1)
			return redistest.Half
		}
		return redistest.Pass
	})
	direct := e.openAt(s.URL())
	const n = 200
	for i := range n {
		if _, err := number.Enqueue(e.ctx, direct, i); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond) // so that most find it waiting
	}
	proxy.Decide(nil)
	q := e.settled("default", n)
	if extra := l.check(t, n); q.Counts["crashed"] != 0 || half.Load() == 0 {
		t.Errorf("%d runs too many, %+v, %d half closed", extra, q, half.Load())
	}
	t.Logf("%d were half closed", half.Load())
}

// TestSilentServer: something accepts connections and never answers.
//
//fault:network something accepts connections and never answers | enqueue ends with an error, a worker keeps trying, and both go on when it answers
func TestSilentServer(t *testing.T) {
	t.Parallel()
	e, _, proxy := proxied(t)
	proxy.Decide(func([]string) redistest.Fate { return redistest.Hole })
	w := e.worker(tasuki.WorkerConfig{})
	got := collect(w, number)
	e.run(w)
	start := time.Now()
	_, err := number.Enqueue(e.ctx, e.client, 1)
	if err == nil || errors.Is(err, tasuki.ErrUncertain) {
		t.Errorf("%v: want an error, and certainty that nothing was sent", err)
	}
	if took := time.Since(start); took > 25*time.Second {
		t.Errorf("it took %v", took)
	}
	e.waitLog("cannot be reached yet")
	proxy.Decide(nil)
	redistest.WaitFor(t, "an enqueue", func() error {
		_, err := number.Enqueue(e.ctx, e.client, 2)
		return err
	})
	if all := got.wait(t, 1); all[0] != 2 {
		t.Errorf("got %v", all)
	}
	e.settled("default", 1)
}

// TestReconnectsAreFew takes the server away from many workers, and gives it back:
// while it is away none of them hammers at it.
//
//fault:network the server is away and comes back, for many workers at once | each asks for it a few times a second at most, and goes on when it is back
func TestReconnectsAreFew(t *testing.T) {
	t.Parallel()
	e, _, proxy := proxied(t)
	const workers = 20
	var (
		all   []*tasuki.Worker
		stops []func() error
	)
	for range workers {
		// A client for each, as if each were a process.
		w, err := tasuki.NewWorker(e.open(nil), nil)
		if err != nil {
			t.Fatal(err)
		}
		collect(w, number)
		all = append(all, w)
		stops = append(stops, e.run(w))
	}
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == workers })
	proxy.Down(true)
	start := time.Now()
	const away = 4 * time.Second
	time.Sleep(away)
	var late []time.Time // without the first attempts, which are at once
	for _, dial := range proxy.Dials() {
		if dial.Sub(start) > time.Second {
			late = append(late, dial)
		}
	}
	rate := float64(len(late)) / (away - time.Second).Seconds() / workers
	t.Logf("%.1f attempts a second and worker", rate)
	if rate > 10 || rate < 0.2 {
		t.Errorf("%.1f attempts a second and worker: want a few", rate)
	}
	proxy.Down(false)
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == workers })
	e.enqueue(number, 100)
	e.settled("default", 100)
	for _, w := range all {
		redistest.WaitLong(t, time.Minute, "every worker to wait again", func() error {
			if !w.Waits("default") {
				return errors.New("one does not")
			}
			return nil
		})
	}
	var wg sync.WaitGroup
	for _, stop := range stops {
		wg.Go(func() {
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestReconnectsAreSpread takes the server away from many workers that were started at
// the same moment, and that a bubble keeps in step: only their jitter sets them apart.
//
//fault:network many workers lose the server at the same moment | they do not ask for it in step
func TestReconnectsAreSpread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, err := embedded.Start("")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var (
			mu    sync.Mutex
			conns []net.Conn
			away  time.Time       // since when; zero while it is there
			tries []time.Duration // after away
		)
		dial := func(ctx context.Context, network, address string) (net.Conn, error) {
			mu.Lock()
			defer mu.Unlock()
			if !away.IsZero() {
				tries = append(tries, time.Since(away))
				return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
			}
			conn, err := s.Dial(ctx, network, address)
			conns = append(conns, conn)
			return conn, err
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for range 20 {
			// A client for each, as if each were a process.
			client, err := tasuki.Open("redis://bubble", &tasuki.ClientConfig{Dial: dial, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			bridge.Store(client).InBubble(1)
			w, err := tasuki.NewWorker(client, nil)
			if err != nil {
				t.Fatal(err)
			}
			collect(w, number)
			running.Go(func() {
				if err := w.Run(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(10 * time.Second)
		mu.Lock()
		away = time.Now()
		for _, conn := range conns {
			conn.Close()
		}
		mu.Unlock()
		time.Sleep(20 * time.Second)
		mu.Lock()
		away = time.Time{}
		mu.Unlock()
		time.Sleep(10 * time.Second)
		stop()
		running.Wait()

		// All of them try about 30 times a second. If each chose its moment by itself,
		// 0.3 of them fell into a hundredth of a second on the average, and the
		// hundredths with any were (1-e^-0.3)/0.3 = 86% as many as the attempts. Measured
		// are 80% ± 1.3, as the jitter has to add up first; 64% when only beats have
		// it, 32% when only exchanges do, and 15% when none do.
		late, hundredths := 0, map[time.Duration]bool{}
		for _, try := range tries {
			if try > time.Second { // without the first ones, which are at once
				late++
				hundredths[try/(10*time.Millisecond)] = true
			}
		}
		t.Logf("%d attempts in %d hundredths of a second", late, len(hundredths))
		if late < 300 || len(hundredths)*100 < late*72 {
			t.Errorf("%d attempts are in %d hundredths of a second: they are in step", late, len(hundredths))
		}
	})
}

// TestStopBesideOutage stops workers while connections to Redis are cut as soon as
// they are made, which ends a moment later: they leave in order all the same.
//
//fault:network a worker is told to stop while its connections are cut | it leaves in order if they can be made again within seconds
func TestStopBesideOutage(t *testing.T) {
	t.Parallel()
	e, _, proxy := proxied(t)
	for range 5 {
		w := e.worker(tasuki.WorkerConfig{})
		collect(w, number)
		stop := e.run(w)
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 1 && w.Waits("default") })
		proxy.Down(true)
		back := time.AfterFunc(300*time.Millisecond, func() { proxy.Down(false) })
		if err := stop(); err != nil {
			t.Error(err)
		}
		if back.Stop() {
			t.Error("it has stopped without Redis")
		}
		proxy.Down(false)
	}
}

// TestNoRoomForConnections: the server has as many clients as it may.
//
//fault:network the server has as many clients as it may (maxclients) | a worker waits for room and goes on; enqueue says that nothing was sent
func TestNoRoomForConnections(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--maxclients", "20")
	e := newEnv(t, s.URL())
	w := e.worker(tasuki.WorkerConfig{})
	got := collect(w, number)
	e.run(w)
	e.enqueue(number, 3)
	got.wait(t, 3)
	e.settled("default", 3)
	var crowd []net.Conn
	defer func() {
		for _, conn := range crowd {
			conn.Close()
		}
	}()
	fill := func() {
		for full := false; !full; {
			conn, err := net.Dial("unix", s.Socket())
			if err != nil {
				t.Fatal(err)
			}
			crowd = append(crowd, conn)
			fmt.Fprint(conn, "PING\r\n")
			answer := make([]byte, 64)
			n, _ := conn.Read(answer)
			full = strings.HasPrefix(string(answer[:n]), "-ERR max number of clients")
		}
	}
	fill()
	late := e.open(nil)
	if _, err := number.Enqueue(e.ctx, late, 1); err == nil || errors.Is(err, tasuki.ErrUncertain) {
		t.Errorf("enqueue: %v: want an error, and certainty that nothing was sent", err)
	}
	// A worker that starts now waits, and one that has its connections works.
	second, err := tasuki.NewWorker(e.open(nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	collect(second, number)
	e.run(second)
	e.waitLog("cannot be reached yet")
	e.enqueue(number, 3)
	got.wait(t, 6)
	// Now it loses them, and there is room for others only.
	if err := e.do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Error(); err != nil {
		t.Fatal(err)
	}
	fill()
	time.Sleep(time.Second) // it tries in vain
	for _, conn := range crowd {
		conn.Close()
	}
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 2 })
	e.enqueue(number, 3)
	if q := e.settled("default", 9); q.Counts["crashed"] != 0 {
		t.Errorf("%+v", q)
	}
}

// TestSubscriberIsCut has the server close a worker's subscription again and again,
// because it reads its messages too slowly: the worker is not taken for dead.
//
//fault:network the server closes a worker's subscription (client-output-buffer-limit) | it is not taken for dead; each job runs once
func TestSubscriberIsCut(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--client-output-buffer-limit", "pubsub 100kb 0 0")
	e := newEnv(t, s.URL())
	observer, err := tasuki.NewWorker(e.open(nil), &tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "elsewhere"}}})
	if err != nil {
		t.Fatal(err)
	}
	e.run(observer)
	e.waitQueue("elsewhere", func(q inspect.Queue) bool { return q.Workers == 1 })
	victim := e.worker(tasuki.WorkerConfig{Concurrency: 5})
	runs, release := e.runHeld(victim, 5)
	subscribers := func() string {
		list, err := e.do("CLIENT", "LIST", "TYPE", "pubsub").ToString()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(regexp.MustCompile(`(?m)^id=[0-9]+`).FindAllString(list, -1), " ")
	}
	channel, message := e.key("default", "channel"), strings.Repeat("x", 1<<20)
	cut := 0
	for range 12 {
		before := subscribers()
		if err := e.do("PUBLISH", channel, message).Error(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond) // the storm lasts longer than the quick rule
		if subscribers() != before {
			cut++
		}
	}
	release()
	q := e.settled("default", 5)
	if runs.Load() != 5 || q.Counts["crashed"] != 0 {
		t.Errorf("%d runs, %+v: want each once", runs.Load(), q)
	}
	if cut < 6 {
		t.Errorf("only %d of 12 messages have cut the subscription", cut)
	}
}

// TestHandlersShareTheClient: a thousand handlers at once call Redis through the
// client of their worker, which beats and settles all the same.
//
//fault:network a thousand handlers use the worker's client at once | the worker beats, settles and claims beside them
func TestHandlersShareTheClient(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	e := newEnv(t, s.URL())
	w := e.worker(tasuki.WorkerConfig{Concurrency: 1000})
	child := number.With(tasuki.Opts{Queue: "children"})
	var together sync.WaitGroup
	const n = 1000
	together.Add(n)
	tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
		together.Done()
		together.Wait() // all of them run at the same time
		for range 5 {
			if _, err := child.Enqueue(ctx, e.client, job.Args); err != nil {
				return err
			}
		}
		return nil
	})
	e.enqueue(number, n)
	e.run(w)
	if q := e.settled("default", n); q.Counts["done"] != n {
		t.Errorf("%+v", q)
	}
	if q := e.queue("children"); q.Ready != 5*n {
		t.Errorf("children: %+v", q)
	}
	if strings.Contains(e.log.String(), "cannot beat") {
		t.Error("it could not beat")
	}
}
