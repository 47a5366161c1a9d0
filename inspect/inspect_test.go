package inspect_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

func TestMain(m *testing.M) {
	if text := os.Getenv(workerEnv); text != "" {
		holder(text)
	}
	var operator operatorConfig
	if redistest.Self(operatorEnv, &operator) {
		operator.operates()
	}
	redistest.Main(m)
}

type env struct {
	t         *testing.T
	namespace string
	server    *redistest.Server
	client    *tasuki.Client
	inspector *inspect.Inspector
}

func setup(t *testing.T) *env {
	t.Parallel()
	return setupOn(t, redistest.Shared(t))
}

func setupOn(t *testing.T, server *redistest.Server) *env {
	t.Helper()
	e := &env{t: t, namespace: redistest.Namespace(t), server: server}
	e.client = e.open(e.server.As(t, "worker", e.namespace))
	e.inspector = inspect.New(e.open(e.server.As(t, "operator", e.namespace)))
	return e
}

func (e *env) open(url string) *tasuki.Client {
	e.t.Helper()
	client, err := tasuki.Open(url, &tasuki.ClientConfig{Namespace: e.namespace, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(client.Close)
	return client
}

// do sends a command past the library; %s in it is the namespace.
func (e *env) do(words ...string) {
	e.t.Helper()
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], "%s", e.namespace)
	}
	if answer := e.server.Do(e.t, words...); strings.HasPrefix(answer, "-") {
		e.t.Fatalf("%q: %s", words, answer)
	}
}

var kind = tasuki.Define[int]("number")

func (e *env) enqueue(id string) {
	e.t.Helper()
	if _, err := kind.With(tasuki.Opts{ID: id}).Enqueue(e.t.Context(), e.client, 1); err != nil {
		e.t.Fatal(err)
	}
}

func TestCheck(t *testing.T) {
	const retried = `{"id":"a","kind":"number","attempts":1,"token":"t1","args":1}`
	tests := []struct {
		name string
		do   func(*env)
		want string // in a problem; "" for none
	}{
		{"in order", func(e *env) {}, ""},
		{"wrong type", func(e *env) { e.do("SET", "%s:{default}:retry", "x") },
			"default: %s:{default}:retry: it is a string, not a zset: another program uses this name"},
		{"wrong type in the namespace", func(e *env) { e.do("DEL", "%s:queues"); e.do("SET", "%s:queues", "x") }, "%s:queues: it is a string, not a set"},
		{"unknown worker", func(e *env) { e.do("ZADD", "%s:{default}:workers", "0", "w1") }, "w1 may claim here and is in no list of workers"},
		{"not swept", func(e *env) {
			e.do("ZADD", "%s:{default}:workers", "1000", "w1")
			e.do("HSET", "%s:{default}:held:w1", "0000000000001", strings.Replace(retried, `"a"`, `"z"`, 1))
			e.do("HINCRBY", "%s:{default}:count", "claimed", "1")
		}, "w1 is dead since"},
		{"held by nobody", func(e *env) { e.do("HSET", "%s:{default}:held:w1", "0000000000001", retried) },
			"%s:{default}:held:w1: it belongs to no queue in the directory and to no worker of one"},
		{"lost writes", func(e *env) { e.do("HINCRBY", "%s:{default}:count", "claimed", "2") }, "2 jobs were claimed, but 0 have ended and 0 are held"},
		{"in two places", func(e *env) { e.do("ZADD", "%s:{default}:retry", "99999999999999", retried) }, "a is in ready and in retry"},
		{"twice ready", func(e *env) { e.do("RPUSH", "%s:{default}", `{"id":"a","kind":"number","args":1}`) }, "a is in ready and in ready"},
		{"not ours", func(e *env) { e.do("ZADD", "%s:{default}:scheduled", "1", "what") }, "an element that tasuki did not write"},
		{"no token", func(e *env) { e.do("ZADD", "%s:{default}:scheduled", "1", `{"id":"b","kind":"number","args":1}`) }, "b has no token"},
		{"queue of no name", func(e *env) { e.do("SADD", "%s:queues", "a b") }, "a b: the directory of queues names it"},
		{"a record to which nothing leads", func(e *env) {
			e.do("HSET", "%s:{default}:rec:r", "gen", "7", "state", "ready", "job", `{"kind":"number","args":1}`)
		}, "%s:{default}:rec:r: the job is ready, and nothing leads to it"},
		{"a record of no generation", func(e *env) {
			e.do("HSET", "%s:{default}:rec:r", "gen", "x", "state", "ready", "job", `{"kind":"number","args":1}`)
		}, "%s:{default}:rec:r: the job is ready, and its gen is no number"},
		{"a lock of nobody", func(e *env) { e.do("SET", "%s:{default}:unique:d00000000000000000000000000", "gone") }, "the lock belongs to gone, which does not exist any more"},
		{"plain elements may be equal", func(e *env) { e.do("RPUSH", "%s:{default}", "x", "x") }, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := setup(t)
			e.enqueue("a")
			test.do(e)
			problems, err := e.inspector.Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want := strings.ReplaceAll(test.want, "%s", e.namespace)
			for _, p := range problems {
				if want == "" || !strings.Contains(p.String(), want) {
					t.Errorf("problem: %v; want %q", p, want)
				}
			}
			if want != "" && len(problems) == 0 {
				t.Errorf("no problem; want %q", want)
			}
		})
	}
}

func TestQueue(t *testing.T) {
	e := setup(t)
	if queues, err := e.inspector.Queues(t.Context()); len(queues) != 0 || err != nil {
		t.Errorf("queues at first: %v, %v", queues, err)
	}
	if q, err := e.inspector.Queue(t.Context(), "nothing"); err != nil || q.Ready != 0 || q.Latency != 0 {
		t.Errorf("a queue that was never used: %+v, %v", q, err)
	}
	if _, err := e.inspector.Queue(t.Context(), "no name"); err == nil || !strings.Contains(err.Error(), `"no name"`) {
		t.Errorf("a bad name: %v", err)
	}
	e.enqueue("a")
	if err := e.inspector.Pause(t.Context(), "default", "me"); err != nil {
		t.Fatal(err)
	}
	q, err := e.inspector.Queue(t.Context(), "default")
	if err != nil || q.Ready != 1 || !q.Paused || q.PausedBy != "me" || time.Since(q.PausedSince) > time.Minute || q.Latency <= 0 {
		t.Errorf("paused with a job: %+v, %v", q, err)
	}
	if err := e.inspector.Resume(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	queues, err := e.inspector.Queues(t.Context())
	if err != nil || len(queues) != 1 || queues[0].Name != "default" || queues[0].Paused {
		t.Errorf("queues: %+v, %v", queues, err)
	}
}

// TestReviveEnds: jobs that die again at once are not revived twice by one call.
func TestReviveEnds(t *testing.T) {
	e := setup(t)
	w, err := tasuki.NewWorker(e.client, &tasuki.WorkerConfig{MaxAttempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	tasuki.Handle(w, kind, func(context.Context, *tasuki.Job[int]) error { return errors.New("never") })
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	specs := make([]tasuki.Spec, 1000)
	for i := range specs {
		specs[i] = kind.Spec(i)
	}
	if _, err := e.client.EnqueueMany(t.Context(), specs); err != nil {
		t.Fatal(err)
	}
	dead := func(deaths int64) {
		redistest.WaitFor(t, "all to die", func() error {
			q, err := e.inspector.Queue(t.Context(), "default")
			if err == nil && (q.Dead != 1000 || q.Counts["dead"] != deaths) {
				err = fmt.Errorf("%d are dead, of %d deaths", q.Dead, q.Counts["dead"])
			}
			return err
		})
	}
	dead(1000)
	if n, err := e.inspector.Revive(t.Context(), "default"); n != 1000 || err != nil {
		t.Errorf("Revive: %d, %v", n, err)
	}
	dead(2000)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestPauseOfAnotherWriter: whatever the rule says, it is a pause, and can be shown.
func TestPauseOfAnotherWriter(t *testing.T) {
	e := setup(t)
	e.enqueue("a")
	for _, rule := range []string{"", "x", `{"since":1000000000000000000}`, `{"since":-5,"by":7}`} {
		e.do("HSET", "%s:{default}:rules", "paused", rule)
		q, err := e.inspector.Queue(t.Context(), "default")
		if err != nil || !q.Paused {
			t.Errorf("%q: %+v, %v", rule, q, err)
		}
		if _, err := json.Marshal(q); err != nil {
			t.Errorf("%q: %v", rule, err)
		}
	}
}
