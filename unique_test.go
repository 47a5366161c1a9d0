package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

type report struct {
	Tenant int    `json:"tenant"`
	Text   string `json:"text"`
}

func unique(u tasuki.Unique) tasuki.Opts { return tasuki.Opts{Unique: u} }

// put enqueues a report, and returns what came of it.
func (e *env) put(u tasuki.Unique, tenant int, text string) (tasuki.Info, error) {
	k := tasuki.Define[report]("report").With(tasuki.Opts{Unique: u})
	return k.Enqueue(e.ctx, e.client, report{tenant, text})
}

// mustPut is put for one that has no error.
func (e *env) mustPut(u tasuki.Unique, tenant int, text string) tasuki.Info {
	e.t.Helper()
	info, err := e.put(u, tenant, text)
	if err != nil {
		e.t.Fatal(err)
	}
	return info
}

// reports starts a worker whose handlers say what they begin with and end when they are told.
func (e *env) reports(concurrency int) (begun chan string, end chan error) {
	begun, end = make(chan string, 100), make(chan error, 100)
	w := e.worker(tasuki.WorkerConfig{Concurrency: concurrency})
	tasuki.Handle(w, tasuki.Define[report]("report"), func(ctx context.Context, job *tasuki.Job[report]) error {
		begun <- job.Args.Text
		select {
		case err := <-end:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	e.run(w)
	return begun, end
}

func begins(t *testing.T, begun chan string, want string) {
	t.Helper()
	select {
	case got := <-begun:
		if got != want {
			t.Fatalf("%q begins, want %q", got, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("%q does not begin", want)
	}
}

func nothingBegins(t *testing.T, begun chan string, d time.Duration) {
	t.Helper()
	select {
	case got := <-begun:
		t.Fatalf("%q begins, want nothing", got)
	case <-time.After(d):
	}
}

func TestUniqueQueued(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		u := tasuki.Unique{Mode: tasuki.UniqueQueued, Fields: []string{"tenant"}}
		first, other := e.mustPut(u, 1, "a"), e.mustPut(u, 2, "b")
		if other.Existed {
			t.Error("another tenant is in the way")
		}
		again := e.mustPut(u, 1, "c")
		if !again.Existed || again.ID != first.ID || again.State != tasuki.StateReady {
			t.Errorf("%+v, want that %s is ready", again, first.ID)
		}
		u.OnConflict = tasuki.ConflictError
		var dup *tasuki.DuplicateError
		if _, err := e.put(u, 1, "d"); !errors.As(err, &dup) || dup.Info.ID != first.ID {
			t.Errorf("%v, want a DuplicateError", err)
		}
		u.OnConflict = tasuki.ConflictReplace
		if info := e.mustPut(u, 1, "e"); !info.Existed || info.ID != first.ID {
			t.Errorf("%+v, want that the job is replaced", info)
		}
		begun, end := e.reports(1)
		begins(t, begun, "e")
		if info := e.mustPut(u, 1, "f"); info.Existed {
			t.Errorf("%+v while the first runs, want a new job", info)
		}
		end <- nil
		begins(t, begun, "b")
		end <- nil
		begins(t, begun, "f")
		end <- nil
		e.settled("default", 3)
	})
}

// TestUniqueQueuedPutBack: a job that a stop puts back waits again, and is the one that waits.
func TestUniqueQueuedPutBack(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		k := tasuki.Define[report]("report")
		w := e.worker(tasuki.WorkerConfig{Grace: -1})
		began := make(chan bool, 2)
		tasuki.Handle(w, k, func(ctx context.Context, job *tasuki.Job[report]) error {
			began <- true
			<-ctx.Done()
			return ctx.Err()
		})
		a := tasuki.Unique{Mode: tasuki.UniqueQueued, Key: "a"}
		b := tasuki.Unique{Mode: tasuki.UniqueQueued, Key: "b"}
		first := e.mustPut(a, 1, "first")
		e.mustPut(b, 1, "first")
		stop := e.run(w)
		<-began
		<-began
		second := e.mustPut(b, 1, "second")
		if second.Existed {
			t.Fatalf("%+v", second)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if info := e.mustPut(a, 1, "again"); !info.Existed || info.ID != first.ID {
			t.Errorf("%+v, want that %s waits", info, first.ID)
		}
		if info := e.mustPut(b, 1, "again"); !info.Existed || info.ID != second.ID {
			t.Errorf("%+v, want that %s waits", info, second.ID)
		}
	})
}

func TestUniqueUntilDone(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		u := tasuki.Unique{Mode: tasuki.UniqueUntilDone, Key: "x"}
		first := e.mustPut(u, 1, "a")
		begun, end := e.reports(2)
		begins(t, begun, "a")
		if info := e.mustPut(u, 1, "b"); !info.Existed || info.State != tasuki.StateRunning || info.ID != first.ID {
			t.Errorf("%+v, want that it runs", info)
		}
		u.OnConflict = tasuki.ConflictReplace
		var dup *tasuki.DuplicateError
		if _, err := e.put(u, 1, "b"); !errors.As(err, &dup) || dup.Info.State != tasuki.StateRunning {
			t.Errorf("%v, want a DuplicateError", err)
		}
		end <- tasuki.RetryIn(time.Hour, errors.New("later"))
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Retry == 1 })
		if info := e.mustPut(u, 1, "c"); !info.Existed || info.State != tasuki.StateRetry {
			t.Errorf("%+v, want that it is to be retried, with new arguments", info)
		}
		if err := e.client.RunNow(e.ctx, first.Address()); err != nil {
			t.Fatal(err)
		}
		begins(t, begun, "c")
		end <- tasuki.Kill(errors.New("no"))
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Dead == 1 })
		second := e.mustPut(u, 1, "d")
		if second.Existed {
			t.Errorf("%+v, want a new job when the first is dead", second)
		}
		if err := e.client.RunNow(e.ctx, first.Address()); !errors.Is(err, tasuki.ErrLocked) {
			t.Errorf("reviving the first beside the second: %v", err)
		}
		begins(t, begun, "d")
		if err := e.client.Cancel(e.ctx, second.Address()); err != nil {
			t.Fatal(err)
		}
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Counts["cancelled"] == 1 })
		if err := e.client.RunNow(e.ctx, first.Address()); err != nil {
			t.Fatal(err)
		}
		begins(t, begun, "c")
		end <- nil
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Counts["done"] == 1 })
	})
}

func TestUniqueRunning(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		u := tasuki.Unique{Mode: tasuki.UniqueRunning, Fields: []string{"tenant"}}
		infos := []tasuki.Info{e.mustPut(u, 1, "a"), e.mustPut(u, 1, "b"), e.mustPut(u, 1, "c"), e.mustPut(u, 2, "d")}
		begun, end := e.reports(2)
		begins(t, begun, "a")
		begins(t, begun, "d") // the parked ones take no slot
		for r, err := range e.client.Watch(e.ctx, infos[2].Address()) {
			if err != nil {
				t.Fatal(err)
			}
			if r.State == tasuki.StateParked {
				break
			}
		}
		end <- nil
		end <- nil
		begins(t, begun, "b")
		nothingBegins(t, begun, 50*time.Millisecond)
		end <- tasuki.RetryIn(time.Hour, errors.New("later")) // it waits, and nobody waits for it
		begins(t, begun, "c")
		if err := e.client.RunNow(e.ctx, infos[1].Address()); err != nil {
			t.Fatal(err)
		}
		nothingBegins(t, begun, 50*time.Millisecond)
		if err := e.client.Cancel(e.ctx, infos[1].Address()); err != nil {
			t.Fatal(err)
		}
		end <- nil
		e.settled("default", 3)
		nothingBegins(t, begun, 50*time.Millisecond)
	})
}

func TestUniqueQueuedAndRunning(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		u := tasuki.Unique{Mode: tasuki.UniqueQueuedAndRunning, Fields: []string{"*"}}
		e.mustPut(u, 1, "a")
		begun, end := e.reports(3)
		begins(t, begun, "a")
		if info := e.mustPut(u, 1, "a"); info.Existed {
			t.Errorf("%+v, want one that waits", info)
		}
		if info := e.mustPut(u, 1, "a"); !info.Existed {
			t.Errorf("%+v, want that one waits already", info)
		}
		nothingBegins(t, begun, 50*time.Millisecond)
		end <- nil
		begins(t, begun, "a")
		end <- nil
		e.settled("default", 2)
	})
}

func TestUniqueWindow(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		u := tasuki.Unique{Mode: tasuki.UniqueWindow, Key: "x", For: time.Hour}
		begun, end := e.reports(3)
		first := e.mustPut(u, 1, "a")
		begins(t, begun, "a")
		end <- nil
		e.settled("default", 1)
		if info := e.mustPut(u, 1, "b"); !info.Existed || info.ID != first.ID {
			t.Errorf("%+v, want the first, though it is done", info)
		}
		locks := must(e.do("KEYS", e.key("default", "unique", "*")).AsStrSlice())
		if len(locks) != 1 {
			t.Fatalf("locks %q", locks)
		}
		if left := must(e.do("PTTL", locks[0]).AsInt64()); left <= 0 || left > time.Hour.Milliseconds() {
			t.Fatalf("the window goes on for %d ms", left)
		}
		e.do("PEXPIRE", locks[0], "1")
		time.Sleep(50 * time.Millisecond)
		if info := e.mustPut(u, 1, "c"); info.Existed {
			t.Errorf("%+v, want a new one", info)
		}
		begins(t, begun, "c")
		end <- nil
		e.settled("default", 2)
	})
}

func TestUniqueThrottle(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		u := tasuki.Unique{Mode: tasuki.UniqueThrottle, Key: "x", For: 1500 * time.Millisecond}
		begun, end := e.reports(3)
		start := time.Now()
		for i := range 5 {
			e.mustPut(u, 1, fmt.Sprint(i))
			end <- nil
		}
		begins(t, begun, "0")
		begins(t, begun, "4")
		if d := time.Since(start); d < 1490*time.Millisecond {
			t.Errorf("the second after %v", d)
		}
		e.mustPut(u, 1, "5") // in the time of the second
		nothingBegins(t, begun, 200*time.Millisecond)
		begins(t, begun, "5")
		e.settled("default", 3)
	})
}

// TestThrottleEndsMeanwhile has the time of a throttle end between the steps of an enqueue
// that comes second: then this one is the first of the next time, or goes on with it.
//
//fault:time the time of a throttle ends between the steps of the second enqueue | it begins the next time, and no two jobs run in one
func TestThrottleEndsMeanwhile(t *testing.T) {
	for name, is := range map[string]func(command []string) bool{
		"before it is looked at": isCommand("PTTL"),
		"before it goes on":      func(c []string) bool { return c[0] == "PEXPIRE" || c[0] == "SET" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, s, proxy := proxied(t)
			u := tasuki.Unique{Mode: tasuki.UniqueThrottle, Key: "x", For: time.Hour}
			first := e.mustPut(u, 1, "a")
			locks, err := redistest.All(e.inspector.Locks(e.ctx, "default"))
			if err != nil || len(locks) != 1 {
				t.Fatalf("%+v, %v", locks, err)
			}
			lock := e.key("default", "unique", locks[0].Name)
			done := false
			proxy.Decide(func(command []string) redistest.Fate {
				if !done && is(command) {
					done = true
					s.Do(t, "DEL", lock)
				}
				return redistest.Pass
			})
			second := e.mustPut(u, 1, "b")
			proxy.Decide(nil)
			if !done || second.Existed || second.ID == first.ID {
				t.Errorf("the second is %+v", second)
			}
			if left, err := e.do("PTTL", lock).AsInt64(); err != nil || left < 1000 {
				t.Errorf("the lock goes on for %d ms, %v", left, err)
			}
			if third := e.mustPut(u, 1, "c"); third.State != tasuki.StateScheduled {
				t.Errorf("the third is %+v, want it scheduled", third)
			}
		})
	}
}

func TestUniqueDebounce(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		u := tasuki.Unique{Mode: tasuki.UniqueDebounce, Key: "x", For: 300 * time.Millisecond, Most: 900 * time.Millisecond}
		begun, end := e.reports(3)
		start := time.Now()
		var last atomic.Value
		for i := 0; len(begun) == 0; i++ {
			text := fmt.Sprint(i)
			last.Store(text)
			if info := e.mustPut(u, 1, text); i == 0 && (info.State != tasuki.StateScheduled || info.DueAt.IsZero()) {
				t.Errorf("%+v, want it scheduled", info)
			}
			if time.Since(start) > 5*time.Second {
				t.Fatal("it is put off for ever")
			}
			time.Sleep(50 * time.Millisecond)
		}
		<-begun
		if d := time.Since(start); d < 850*time.Millisecond || d > 3*time.Second {
			t.Errorf("put off for %v, want 900ms", d)
		}
		end <- nil
		// What was enqueued when the first had begun.
		select {
		case <-begun:
			end <- nil
		case <-time.After(500 * time.Millisecond):
		}
	})
}

func TestUniqueInBulk(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		k := tasuki.Define[report]("report").With(unique(tasuki.Unique{Mode: tasuki.UniqueKeepLast, Fields: []string{"tenant"}}))
		var specs []tasuki.Spec
		for i := range 1000 {
			specs = append(specs, k.With(tasuki.Opts{In: time.Duration(i%2) * time.Millisecond}).Spec(report{i % 10, fmt.Sprint(i)}))
		}
		infos, err := e.client.EnqueueMany(e.ctx, specs)
		if err != nil {
			t.Fatal(err)
		}
		ids := map[string]int{}
		for i, info := range infos {
			if info.Existed != (i >= 10) {
				t.Fatalf("job %d: %+v", i, info)
			}
			ids[info.ID]++
		}
		if len(ids) != 10 {
			t.Errorf("%d jobs, want 10", len(ids))
		}
		r, err := e.client.Get(e.ctx, infos[3].Address())
		if err != nil || string(r.Args) != `{"tenant":3,"text":"993"}` {
			t.Errorf("%+v, %v", r, err)
		}
		got := make(chan string, 100)
		w := e.worker(tasuki.WorkerConfig{})
		tasuki.Handle(w, k, func(_ context.Context, job *tasuki.Job[report]) error { got <- job.Args.Text; return nil })
		e.run(w)
		for range 10 {
			if text := <-got; !strings.HasPrefix(text, "99") {
				t.Errorf("%s has run, want the last of each", text)
			}
		}
		e.settled("default", 10)
	})
}

func TestUniqueRefuses(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		for want, u := range map[string]tasuki.Unique{
			"unique.mode: empty":                         {Key: "x"},
			`unique.mode: "never": allowed are "queued"`: {Mode: "never", Key: "x"},
			"unique.key and unique.fields: both":         {Mode: tasuki.UniqueQueued},
			"allowed is one of them":                     {Mode: tasuki.UniqueQueued, Key: "x", Fields: []string{"tenant"}},
			"unique.key: 2000 bytes":                     {Mode: tasuki.UniqueQueued, Key: strings.Repeat("x", 2000)},
			`"nobody" is no member`:                      {Mode: tasuki.UniqueQueued, Fields: []string{"nobody"}},
			`unique.on_conflict: "fight"`:                {Mode: tasuki.UniqueQueued, Key: "x", OnConflict: "fight"},
			"unique.for: 0s":                             {Mode: tasuki.UniqueWindow, Key: "x"},
			"unique.for: 1s: it is allowed only":         {Mode: tasuki.UniqueQueued, Key: "x", For: time.Second},
			"unique.most: 1s: it is allowed only":        {Mode: tasuki.UniqueWindow, Key: "x", For: time.Second, Most: time.Second},
			"unique.most: 1s: allowed are":               {Mode: tasuki.UniqueDebounce, Key: "x", For: time.Minute, Most: time.Second},
			"nothing is in the way":                      {Mode: tasuki.UniqueRunning, Key: "x", OnConflict: tasuki.ConflictError},
			"gets the new arguments":                     {Mode: tasuki.UniqueKeepLast, Key: "x", OnConflict: tasuki.ConflictError},
		} {
			if _, err := e.put(u, 1, "a"); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: %v, want %q", u, err, want)
			}
		}
		k := tasuki.Define[report]("report").With(tasuki.Opts{In: time.Second, Unique: tasuki.Unique{Mode: tasuki.UniqueDebounce, Key: "x", For: time.Second}})
		if _, err := k.Enqueue(e.ctx, e.client, report{}); err == nil || !strings.Contains(err.Error(), "debounce has a time of its own") {
			t.Errorf("debounce with a time: %v", err)
		}
		n := tasuki.Define[int]("n").With(unique(tasuki.Unique{Mode: tasuki.UniqueQueued, Fields: []string{"x"}}))
		if _, err := n.Enqueue(e.ctx, e.client, 1); err == nil || !strings.Contains(err.Error(), "no object") {
			t.Errorf("fields of a number: %v", err)
		}
	})
}

// TestUniqueRunningTurn: the turn of a job that is ended while it waits for it goes to the next.
//
//fault:data the next that may run under a uniqueness key is cancelled, removed or put off before it runs | the one behind it runs
func TestUniqueRunningTurn(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		for name, leave := range map[string]func(address string) error{
			"cancel": func(address string) error { return e.client.Cancel(e.ctx, address) },
			"remove": func(address string) error { return e.client.Remove(e.ctx, address) },
			"later":  func(address string) error { return e.client.Reschedule(e.ctx, address, time.Now().Add(time.Hour)) },
		} {
			u := tasuki.Unique{Mode: tasuki.UniqueRunning, Key: name}
			k := tasuki.Define[report]("report").With(tasuki.Opts{Queue: name, Unique: u})
			began, end := make(chan string, 10), make(chan bool)
			work := func() (w *tasuki.Worker, stop func() error) {
				w = e.worker(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: name}}})
				tasuki.Handle(w, k, func(_ context.Context, job *tasuki.Job[report]) error {
					began <- job.Args.Text
					<-end
					return nil
				})
				return w, e.run(w)
			}
			w, stop := work()
			var infos []tasuki.Info
			for i := range 3 {
				info, err := k.Enqueue(e.ctx, e.client, report{1, fmt.Sprint(i)})
				if err != nil {
					t.Fatal(err)
				}
				infos = append(infos, info)
				if i == 0 {
					begins(t, began, "0")
				}
			}
			e.waitQueue(name, func(q inspect.Queue) bool { return q.Counts["parked"] == 2 })
			if err := e.inspector.Pause(e.ctx, name, "test"); err != nil {
				t.Fatal(err)
			}
			redistest.WaitFor(t, "the worker to rest", func() error { // a wait, or a fetch that knows nothing of the pause, would bring it one more
				if !w.Rests(name) {
					return errors.New("it does not")
				}
				return nil
			})
			close(end)
			e.waitQueue(name, func(q inspect.Queue) bool { return q.Counts["done"] == 1 && q.Ready == 1 })
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			if err := leave(infos[1].Address()); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if err := e.inspector.Resume(e.ctx, name); err != nil {
				t.Fatal(err)
			}
			work()
			begins(t, began, "2")
			e.waitQueue(name, func(q inspect.Queue) bool { return q.Counts["done"] == 2 })
		}
	})
}
