package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/embedded"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/bridge"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// env is what a test needs: clients in a namespace of its own. On the shared server
// each has the least rights that deploy/acl gives it. At its end the namespace is
// checked.
type env struct {
	t         testing.TB
	ctx       context.Context
	url       string
	namespace string
	embedded  bool
	client    *tasuki.Client // of a worker
	least     *tasuki.Client // of a producer; nil unless producers have fewer rights
	inspector *inspect.Inspector
	redis     rueidis.Client // to look and meddle past the library, with all rights
	log       *redistest.Buffer
	lossy     bool // the server has lost writes: counters and jobs need not agree
}

// onBoth runs a test on a real redis-server and on the embedded one.
func onBoth(t *testing.T, f func(t *testing.T, e *env)) {
	t.Parallel()
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		f(t, newEnv(t, redistest.Shared(t).URL()))
	})
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		s, err := embedded.Start("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		e := newEnv(t, s.URL())
		e.embedded = true
		f(t, e)
	})
}

func newEnv(t testing.TB, url string) *env {
	t.Helper()
	return newEnvOn(t, url, false)
}

// newEnvOn is newEnv for a server that may have no HELLO.
func newEnvOn(t testing.TB, url string, resp2 bool) *env {
	t.Helper()
	e := &env{t: t, ctx: t.Context(), namespace: redistest.Namespace(t), log: &redistest.Buffer{}}
	e.url = redistest.As(t, url, "worker", e.namespace)
	e.client = e.open(nil)
	e.inspector = inspect.New(e.openAt(redistest.As(t, url, "operator", e.namespace)))
	if e.url != url {
		e.least = e.openAt(redistest.As(t, url, "producer", e.namespace))
	}
	opt := rueidis.MustParseURL(url)
	opt.DisableCache, opt.ForceSingleClient, opt.AlwaysRESP2 = true, true, resp2
	redis, err := rueidis.NewClient(opt)
	if err != nil {
		t.Fatal(err)
	}
	e.redis = redis
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log:\n%s", e.log)
		}
		e.check()
		redis.Close()
	})
	return e
}

// open returns one more client of the namespace.
func (e *env) open(cfg *tasuki.ClientConfig) *tasuki.Client {
	e.t.Helper()
	return e.openWith(e.url, cfg)
}

// producer is a client that may enqueue, and as little else as can be.
func (e *env) producer() *tasuki.Client {
	if e.least != nil {
		return e.least
	}
	return e.client
}

// openAt returns one that reaches it at another URL.
func (e *env) openAt(url string) *tasuki.Client {
	e.t.Helper()
	return e.openWith(url, nil)
}

func (e *env) openWith(url string, cfg *tasuki.ClientConfig) *tasuki.Client {
	e.t.Helper()
	var c tasuki.ClientConfig
	if cfg != nil {
		c = *cfg
	}
	c.Namespace = e.namespace
	c.Logger = slog.New(slog.NewTextHandler(e.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	client, err := tasuki.Open(url, &c)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(client.Close)
	return client
}

// check demands that the namespace is in order.
func (e *env) check() {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	problems, err := e.inspector.Check(ctx)
	if err != nil {
		e.t.Errorf("check: %v", err)
	}
	for _, p := range problems {
		if e.lossy && strings.Contains(p.What, "were claimed, but") {
			continue
		}
		e.t.Errorf("check: %v", p)
	}
}

// do sends a command past the library.
func (e *env) do(words ...string) rueidis.RedisResult {
	e.t.Helper()
	return e.redis.Do(context.Background(), e.redis.B().Arbitrary(words...).Build())
}

// key is the key of a part of a queue: key("mail", "retry").
func (e *env) key(queue string, part ...string) string {
	return strings.Join(append([]string{e.namespace + ":{" + queue + "}"}, part...), ":")
}

// worker returns a worker of the client; its config has defaults for tests.
func (e *env) worker(cfg tasuki.WorkerConfig) *tasuki.Worker {
	e.t.Helper()
	w, err := tasuki.NewWorker(e.client, &cfg)
	if err != nil {
		e.t.Fatal(err)
	}
	bridge.OneProcess(w) // a suspect of another test is none of its business
	return w
}

// run runs a worker until stop is called, or the test ends. An error of Run is the
// caller's if stop was called, and else fails the test.
func (e *env) run(w *tasuki.Worker) (stop func() error) {
	e.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(e.ctx))
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	end := sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(40 * time.Second):
			return errors.New("the worker does not stop")
		}
	})
	called := false
	e.t.Cleanup(func() {
		if err := end(); err != nil && !called {
			e.t.Errorf("worker: %v", err)
		}
	})
	return func() error {
		called = true
		return end()
	}
}

// enqueue enqueues jobs of a kind with the arguments 0 to n-1.
func (e *env) enqueue(k tasuki.Kind[int], n int) []tasuki.Info {
	e.t.Helper()
	specs := make([]tasuki.Spec, n)
	for i := range specs {
		specs[i] = k.Spec(i)
	}
	infos, err := e.producer().EnqueueMany(e.ctx, specs)
	if err != nil {
		e.t.Fatal(err)
	}
	return infos
}

// queue returns what inspect says of a queue.
func (e *env) queue(name string) inspect.Queue {
	e.t.Helper()
	q, err := e.inspector.Queue(context.Background(), name)
	if err != nil {
		e.t.Fatal(err)
	}
	return q
}

// waitQueue waits until a queue is as is says, which returns what is missing.
func (e *env) waitQueue(name string, is func(q inspect.Queue) bool) inspect.Queue {
	e.t.Helper()
	var q inspect.Queue
	redistest.WaitFor(e.t, "queue "+name, func() error {
		if q = e.queue(name); !is(q) {
			return fmt.Errorf("it is %+v", q)
		}
		return nil
	})
	return q
}

// waitQueueRaw waits for counters of a queue that inspect cannot look at.
func (e *env) waitQueueRaw(name string, want map[string]int64) {
	e.t.Helper()
	redistest.WaitFor(e.t, "counters of "+name, func() error {
		counts, err := e.do("HGETALL", e.key(name, "count")).AsIntMap()
		if err != nil {
			return err
		}
		for k, v := range want {
			if counts[k] != v {
				return fmt.Errorf("they are %v, want %v", counts, want)
			}
		}
		return nil
	})
}

// workers returns the incarnations that may claim from a queue.
func (e *env) workers(name string) []string {
	e.t.Helper()
	ids, err := e.do("ZRANGEBYSCORE", e.key(name, "workers"), "0", "0").AsStrSlice()
	if err != nil {
		e.t.Fatal(err)
	}
	return ids
}

// heldBy returns the incarnation that holds jobs of a queue.
func (e *env) heldBy(name string) string {
	e.t.Helper()
	for _, id := range e.workers(name) {
		if n, err := e.do("HLEN", e.key(name, "held", id)).AsInt64(); err == nil && n > 0 {
			return id
		}
	}
	e.t.Fatal("nobody holds jobs of " + name)
	return ""
}

// settled waits until n jobs of a queue were claimed and none is left.
func (e *env) settled(name string, n int64) inspect.Queue {
	e.t.Helper()
	return e.waitQueue(name, func(q inspect.Queue) bool {
		return q.Ready+q.Running+q.Scheduled+q.Retry+q.Suspect == 0 && q.Counts["done"]+q.Counts["dead"]+q.Counts["cancelled"] == n
	})
}

// waitLog waits until the log has a line with the text.
func (e *env) waitLog(text string) {
	e.t.Helper()
	redistest.WaitFor(e.t, "a log line", func() error {
		if !strings.Contains(e.log.String(), text) {
			return fmt.Errorf("no %q in the log", text)
		}
		return nil
	})
}

// waitStopNoted waits until a worker has noted that it stops.
func (e *env) waitStopNoted() {
	e.t.Helper()
	redistest.WaitFor(e.t, "the stop to be noted", func() error {
		about, err := e.do("HVALS", e.namespace+":workers:info").AsStrSlice()
		if err != nil || !strings.Contains(strings.Join(about, ""), `"stopping":true`) {
			return fmt.Errorf("%v, %v", about, err)
		}
		return nil
	})
}

// recorder collects values in the order in which they come.
type recorder[T any] struct {
	mu  sync.Mutex
	all []T
}

func (r *recorder[T]) add(v T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, v)
}

func (r *recorder[T]) get() []T {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]T(nil), r.all...)
}

// wait waits for n values.
func (r *recorder[T]) wait(t testing.TB, n int) []T {
	t.Helper()
	redistest.WaitFor(t, fmt.Sprintf("%d values", n), func() error {
		if got := len(r.get()); got < n {
			return fmt.Errorf("%d so far", got)
		}
		return nil
	})
	return r.get()
}
