package tasukiprom_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

func TestMain(m *testing.M) { redistest.Main(m) }

// env is a namespace of its own.
type env struct {
	t         testing.TB
	url       string
	namespace string
	client    *tasuki.Client
	inspector *inspect.Inspector
}

// on has a namespace on a server, whose clients have the rights of deploy/acl if it is the
// shared one.
func on(t testing.TB, url string, use ...tasuki.EnqueueMiddleware) *env {
	t.Helper()
	e := &env{t: t, url: url, namespace: redistest.Namespace(t)}
	e.client = e.open("worker", use...)
	e.inspector = inspect.New(e.open("operator"))
	return e
}

func (e *env) open(role string, use ...tasuki.EnqueueMiddleware) *tasuki.Client {
	e.t.Helper()
	client, err := tasuki.Open(redistest.As(e.t, e.url, role, e.namespace), &tasuki.ClientConfig{Namespace: e.namespace, Use: use, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(client.Close)
	return client
}

// run runs a worker with one handler of all kinds, until stop is called or the test ends.
func (e *env) run(cfg tasuki.WorkerConfig, h tasuki.Handler) (stop func()) {
	e.t.Helper()
	w, err := tasuki.NewWorker(e.client, &cfg)
	if err != nil {
		e.t.Fatal(err)
	}
	tasuki.HandleOther(w, h)
	return redistest.Run(e.t, w.Run)
}

func (e *env) enqueue(kind string, opts tasuki.Opts) {
	e.t.Helper()
	if _, err := e.client.EnqueueMany(e.t.Context(), []tasuki.Spec{{Kind: kind, Args: []byte("1"), Opts: opts}}); err != nil {
		e.t.Fatal(err)
	}
}

// await waits until a queue is as it is meant.
func (e *env) await(queue string, is func(q inspect.Queue) bool) {
	e.t.Helper()
	redistest.WaitLong(e.t, time.Minute, "queue "+queue, func() error {
		q, err := e.inspector.Queue(e.t.Context(), queue)
		if err != nil || !is(q) {
			return fmt.Errorf("%+v, %v", q, err)
		}
		return nil
	})
}
