package cron_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/cron"
	"github.com/tasuki-dev/tasuki/embedded"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

func TestMain(m *testing.M) { redistest.Main(m) }

// env is a namespace of its own. On the shared server its clients have the least rights: those
// of a worker to schedule, those of an operator for the rest.
type env struct {
	t         testing.TB
	ctx       context.Context
	url       string
	namespace string
	client    *tasuki.Client // of a worker
	table     *cron.Table    // of an operator
	inspector *inspect.Inspector
	redis     rueidis.Client // to look and meddle past the library
	log       *redistest.Buffer
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
		f(t, newEnv(t, s.URL()))
	})
}

func newEnv(t testing.TB, url string) *env {
	t.Helper()
	e := &env{t: t, ctx: t.Context(), namespace: redistest.Namespace(t), log: &redistest.Buffer{}}
	e.url = redistest.As(t, url, "worker", e.namespace)
	e.client = e.open(e.url)
	operator := e.open(redistest.As(t, url, "operator", e.namespace))
	e.table, e.inspector = cron.New(operator), inspect.New(operator)
	opt := rueidis.MustParseURL(url)
	opt.DisableCache, opt.ForceSingleClient = true, true
	redis, err := rueidis.NewClient(opt)
	if err != nil {
		t.Fatal(err)
	}
	e.redis = redis
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log:\n%s", e.log)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		problems, err := e.inspector.Check(ctx)
		for _, p := range problems {
			t.Errorf("check: %v", p)
		}
		if err != nil {
			t.Errorf("check: %v", err)
		}
		redis.Close()
	})
	return e
}

func (e *env) open(url string) *tasuki.Client {
	e.t.Helper()
	return e.openWith(url)
}

func (e *env) openWith(url string, use ...tasuki.EnqueueMiddleware) *tasuki.Client {
	e.t.Helper()
	client, err := tasuki.Open(url, &tasuki.ClientConfig{Namespace: e.namespace, Logger: slog.New(slog.NewTextHandler(e.log, nil)), Use: use})
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(client.Close)
	return client
}

// run runs something until stop is called, or the test ends.
func (e *env) run(s tasuki.Service) (stop func()) { return redistest.Run(e.t, s.Run) }

// schedule runs a scheduler.
func (e *env) schedule(declared ...cron.Declared) (stop func()) {
	e.t.Helper()
	return e.run(cron.New(e.client, declared...))
}

// work runs a worker with a handler for kind.
func (e *env) work(handle func(ctx context.Context, job *tasuki.Job[json.RawMessage]) error) {
	e.t.Helper()
	w, err := tasuki.NewWorker(e.client, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	tasuki.Handle(w, kind, handle)
	e.run(w)
}

var kind = tasuki.Define[json.RawMessage]("report")

// began is one time for all of daily, so that a minute that ends in between changes no entry.
var began = time.Now().UTC()

// daily is an entry that does not run while the tests do.
func daily(name string) cron.Entry {
	then := began.Add(-2 * time.Hour)
	return cron.Entry{Name: name, Expr: fmt.Sprintf("%d %d * * *", then.Minute(), then.Hour()), Kind: kind.Name()}
}

// often is an entry that runs every second, in jobs without records.
func often(name string) cron.Entry {
	return cron.Entry{Name: name, Expr: "@every 1s", Kind: kind.Name(), Overlap: cron.OverlapAllow, Opts: tasuki.Opts{Keep: -1}}
}

func (e *env) set(entry cron.Entry) *cron.Status {
	e.t.Helper()
	s, err := e.table.Set(e.ctx, entry)
	if err != nil {
		e.t.Fatal(err)
	}
	return s
}

func (e *env) get(name string) *cron.Status {
	e.t.Helper()
	s, err := e.table.Get(e.ctx, name)
	if err != nil {
		e.t.Fatal(err)
	}
	return s
}

func (e *env) history(name string) []cron.Run {
	e.t.Helper()
	runs, err := e.table.History(e.ctx, name)
	if err != nil {
		e.t.Fatal(err)
	}
	return runs
}

// await waits until the history of an entry is as wanted.
func (e *env) await(name, what string, ok func(runs []cron.Run) bool) []cron.Run {
	e.t.Helper()
	var runs []cron.Run
	redistest.WaitFor(e.t, what, func() error {
		runs = e.history(name)
		if !ok(runs) {
			return fmt.Errorf("the history is %+v", runs)
		}
		return nil
	})
	return runs
}

// jobs are the ready jobs of a queue.
func (e *env) jobs(queue string) []string {
	e.t.Helper()
	jobs, err := e.do("LRANGE", e.namespace+":{"+queue+"}", "0", "-1").AsStrSlice()
	if err != nil {
		e.t.Fatal(err)
	}
	return jobs
}

// do sends a command past the library.
func (e *env) do(words ...string) rueidis.RedisResult {
	e.t.Helper()
	return e.redis.Do(context.Background(), e.redis.B().Arbitrary(words...).Build())
}

// key is a key of the entries.
func (e *env) key(part string) string { return e.namespace + ":cron:{cron}:" + part }

// behind moves the next tick of an entry into the past, as if no scheduler had been there.
func (e *env) behind(name string, next time.Time) {
	e.t.Helper()
	var state map[string]any
	text, err := e.do("HGET", e.key("entry:"+name), "state").ToString()
	if err = errors.Join(err, json.Unmarshal([]byte(text), &state)); err != nil {
		e.t.Fatal(err)
	}
	state["next"] = next.UnixMilli()
	changed, _ := json.Marshal(state)
	turn := fmt.Sprint(next.UnixMilli())
	for _, words := range [][]string{{"HSET", e.key("entry:" + name), "state", string(changed), "turn", turn}, {"ZADD", e.key("due"), turn, name}} {
		if err := e.do(words...).Error(); err != nil {
			e.t.Fatal(err)
		}
	}
}

// awaitThere waits until an entry is there.
func (e *env) awaitThere(name string) {
	e.t.Helper()
	redistest.WaitFor(e.t, name, func() error {
		_, err := e.table.Get(e.ctx, name)
		return err
	})
}
