package tasukitest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/tasukitest"
)

// staff makes a worker with a handler of number.
func staff(t *testing.T, client *tasuki.Client, cfg *tasuki.WorkerConfig, handle func(ctx context.Context, job *tasuki.Job[int]) error) *tasuki.Worker {
	t.Helper()
	w, err := tasuki.NewWorker(client, cfg)
	if err != nil {
		t.Fatal(err)
	}
	tasuki.Handle(w, number, handle)
	return w
}

func must[T any](t *testing.T) func(value T, err error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// TestDays has a job plan its next run for a month, and another fail until it is out of
// attempts, in between.
func TestDays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, begun := tasukitest.Embedded(t, nil), time.Now()
		const day = 24 * time.Hour
		var runs []time.Duration
		failures := 0
		tasukitest.Start(t, staff(t, client, nil, func(ctx context.Context, job *tasuki.Job[int]) error {
			if job.Args < 0 {
				failures++
				return errors.New("it fails")
			}
			runs = append(runs, time.Since(begun))
			_, err := number.With(tasuki.Opts{At: begun.Add(time.Duration(job.Args+1) * day)}).Enqueue(ctx, client, job.Args+1)
			return err
		}))
		must[tasuki.Info](t)(number.With(tasuki.Opts{At: begun.Add(day)}).Enqueue(t.Context(), client, 1))
		must[tasuki.Info](t)(number.Enqueue(t.Context(), client, -1))
		time.Sleep(30*day + time.Second)
		synctest.Wait()
		if len(runs) != 30 || failures != 20 {
			t.Errorf("%d runs and %d failures in a month, want 30 and 20", len(runs), failures)
		}
		for i, at := range runs {
			if late := at - time.Duration(i+1)*day; late < 0 || late > 5*time.Millisecond {
				t.Errorf("run %d began %v after it was due", i+1, late)
			}
		}
		q := must[inspect.Queue](t)(inspect.New(client).Queue(t.Context(), tasuki.DefaultQueue))
		if q.Dead != 1 || q.Scheduled != 1 {
			t.Errorf("%+v, want one dead and one scheduled", q)
		}
	})
}

// TestToldAtOnce: what a worker is told it does not learn with its next beat.
func TestToldAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := tasukitest.Embedded(t, nil)
		admin := inspect.New(client)
		var took []time.Duration
		begun := time.Now()
		note := func() { took = append(took, time.Since(begun)); begun = time.Now() }
		for range 2 { // no worker is taken for dead by the other
			tasukitest.Start(t, staff(t, client, &tasuki.WorkerConfig{Concurrency: 2}, func(ctx context.Context, job *tasuki.Job[int]) error {
				if job.Args == 0 {
					return nil
				}
				<-ctx.Done()
				return context.Cause(ctx)
			}))
		}
		time.Sleep(10 * time.Hour)
		begun = time.Now()
		long := must[tasuki.Info](t)(number.With(tasuki.Opts{Record: true}).Enqueue(t.Context(), client, 1))
		time.Sleep(10 * time.Hour)
		begun = time.Now()
		if err := client.Cancel(t.Context(), long.Address()); err != nil {
			t.Fatal(err)
		}
		if r := must[*tasuki.Record](t)(client.Wait(t.Context(), long.Address())); r.State != tasuki.StateCancelled {
			t.Errorf("%+v", r)
		}
		note()
		if err := admin.Pause(t.Context(), tasuki.DefaultQueue, "test"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // for the workers to hear it
		waiting := must[tasuki.Info](t)(number.With(tasuki.Opts{Record: true}).Enqueue(t.Context(), client, 0))
		time.Sleep(time.Hour)
		if r := must[*tasuki.Record](t)(client.Get(t.Context(), waiting.Address())); r.State != tasuki.StateReady {
			t.Errorf("while its queue is paused: %+v", r)
		}
		begun = time.Now()
		if err := admin.Resume(t.Context(), tasuki.DefaultQueue); err != nil {
			t.Fatal(err)
		}
		must[*tasuki.Record](t)(client.Wait(t.Context(), waiting.Address()))
		note()
		for _, d := range took {
			if d > time.Second {
				t.Errorf("%v, want each within a second", took)
			}
		}
	})
}

func TestRedis(t *testing.T) {
	t.Parallel()
	urls := []string{tasukitest.Redis(t), tasukitest.Redis(t)}
	var clients []*tasuki.Client
	for _, url := range urls {
		client := must[*tasuki.Client](t)(tasuki.Open(url, nil))
		defer client.Close()
		clients = append(clients, client)
	}
	with := number.With(tasuki.Opts{Record: true})
	info := must[tasuki.Info](t)(with.Enqueue(t.Context(), clients[0], 1))
	if _, err := clients[1].Get(t.Context(), info.Address()); !errors.Is(err, tasuki.ErrNotFound) {
		t.Errorf("the other server: %v", err)
	}
	t.Run("worker", func(t *testing.T) { // ends before the client is closed
		tasukitest.Start(t, staff(t, clients[0], nil, func(context.Context, *tasuki.Job[int]) error { return nil }))
		if r := must[*tasuki.Record](t)(clients[0].Wait(t.Context(), info.Address())); r.State != tasuki.StateDone {
			t.Errorf("%+v", r)
		}
	})
}

func TestNoRedis(t *testing.T) { // not parallel: it sets a variable of the environment
	t.Setenv("TASUKI_TEST_REDIS_SERVER", "no-such-server")
	message := fails(func(t testing.TB) { tasukitest.Redis(t) })
	for _, want := range []string{"no-such-server", "install redis-server", "TASUKI_TEST_REDIS_SERVER", "Embedded"} {
		if !strings.Contains(message, want) {
			t.Errorf("%q does not say %q", message, want)
		}
	}
}

func TestServersOfNoUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		if message := fails(func(t testing.TB) { tasukitest.Redis(t) }); !strings.Contains(message, "use Embedded") {
			t.Errorf("a redis in a bubble: %q", message)
		}
	})
	cfg := &tasuki.ClientConfig{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, io.EOF }}
	if message := fails(func(t testing.TB) { tasukitest.Embedded(t, cfg) }); !strings.Contains(message, "Dial is set") {
		t.Errorf("with a Dial: %q", message)
	}
}

// TestStartReports: a worker that cannot run fails the test.
func TestStartReports(t *testing.T) {
	t.Parallel()
	var message string
	t.Run("worker", func(t *testing.T) {
		w := tasukitest.NewWorker(nil)
		if _, err := tasukitest.Run(t.Context(), w, number.Spec(1)); err != nil {
			t.Fatal(err)
		}
		tasukitest.Start(&reporting{TB: t, message: &message}, w)
	})
	if !strings.Contains(message, "tasukitest: the worker: ") {
		t.Errorf("%q", message)
	}
}

// reporting keeps an error in place of failing the test.
type reporting struct {
	testing.TB
	message *string
}

func (r *reporting) Errorf(format string, args ...any) { *r.message = fmt.Sprintf(format, args...) }
