package inspect_test

import (
	"context"
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

// begin runs a worker of all kinds. ended gets what its Run returns.
func (e *env) begin(cfg tasuki.WorkerConfig, f tasuki.Handler) (stop context.CancelFunc, ended chan error) {
	e.t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	w, err := tasuki.NewWorker(e.client, &cfg)
	if err != nil {
		e.t.Fatal(err)
	}
	tasuki.HandleOther(w, f)
	tasuki.HandleRaw(w, "default", f)
	ctx, stop := context.WithCancel(context.Background())
	ended = make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	e.t.Cleanup(stop)
	return stop, ended
}

// workers waits until the list of workers is as is says.
func (e *env) workers(is func(all []inspect.Worker) bool) (all []inspect.Worker) {
	e.t.Helper()
	redistest.WaitFor(e.t, "workers", func() (err error) {
		if all, err = e.inspector.Workers(e.t.Context()); err == nil && !is(all) {
			err = fmt.Errorf("they are %+v", all)
		}
		return err
	})
	return all
}

func answered(n int) func([]inspect.Worker) bool {
	return func(all []inspect.Worker) bool {
		count := 0
		for _, w := range all {
			if w.Answered {
				count++
			}
		}
		return len(all) == n && count == n
	}
}

// blocked is a handler that tells of each job, and returns when it is let go.
func blocked() (h tasuki.Handler, runs chan string, let chan struct{}) {
	runs, let = make(chan string, 100), make(chan struct{})
	return func(ctx context.Context, job *tasuki.RawJob) error {
		runs <- job.ID
		select {
		case <-let:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}, runs, let
}

func TestWorkers(t *testing.T) {
	e := setup(t)
	if all, err := e.inspector.Workers(t.Context()); err != nil || all == nil || len(all) != 0 {
		t.Errorf("without workers: %v, %v", all, err)
	}
	h, runs, let := blocked()
	begun := time.Now()
	stop, ended := e.begin(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "default"}, {Name: "other"}}, Concurrency: 3}, h)
	e.put(tasuki.Spec{Kind: "bare", Args: []byte("1"), Opts: tasuki.Opts{ID: "a"}})
	<-runs
	e.put(tasuki.Spec{Kind: "kept", Args: []byte("1"), Opts: tasuki.Opts{ID: "b", Queue: "other", Record: true}})
	<-runs
	e.do("RPUSH", "%s:{default}", "plain")
	plain := <-runs
	host, _ := os.Hostname()
	w := e.workers(answered(1))[0]
	if w.Host != host || w.PID != os.Getpid() || w.Place() != fmt.Sprintf("%s:%d", host, os.Getpid()) || strings.Join(w.Queues, " ") != "default other" ||
		w.State != inspect.WorkerRunning || !w.Observes || w.Slots != 3 || w.Busy != 3 || w.Version == "" ||
		w.Started.Before(begun.Add(-time.Second)) || w.LastBeat.Before(begun) || time.Since(w.LastBeat) > 20*time.Second {
		t.Errorf("it is %+v", w)
	}
	for n, want := range []string{"default/a bare", "other/b kept", "default/" + plain + " "} {
		if n >= len(w.Runs) {
			t.Fatalf("it runs %+v", w.Runs)
		}
		r := w.Runs[n]
		if got := r.Address() + " " + r.Kind; got != want || r.Since.Before(begun.Add(-time.Millisecond)) || r.Since.After(time.Now()) {
			t.Errorf("run %d is %q since %v, want %q", n, got, r.Since, want)
		}
	}
	close(let)
	e.workers(func(all []inspect.Worker) bool { return answered(1)(all) && all[0].Busy == 0 && len(all[0].Runs) == 0 })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	e.workers(func(all []inspect.Worker) bool { return len(all) == 0 })
}

// TestQuiet: a quiet worker claims nothing more, neither of what is ready nor of what is
// handed to who waits, and ends what it runs.
func TestQuiet(t *testing.T) {
	e := setup(t)
	h, runs, let := blocked()
	stop, ended := e.begin(tasuki.WorkerConfig{Concurrency: 5}, h)
	e.put(tasuki.Spec{Kind: "k", Args: []byte("1")})
	<-runs
	w := e.workers(answered(1))[0]
	for range 2 { // it is safe to repeat
		if err := errors.Join(e.inspector.Quiet(t.Context(), w.ID)...); err != nil {
			t.Fatal(err)
		}
	}
	if w := e.workers(answered(1))[0]; w.State != inspect.WorkerQuiet || w.Busy != 1 {
		t.Errorf("it is %+v", w)
	}
	// All others go to a worker with one slot, however many the quiet one has free.
	other := make(chan string, 100)
	stopOther, endedOther := e.begin(tasuki.WorkerConfig{Concurrency: 1}, func(_ context.Context, job *tasuki.RawJob) error {
		other <- job.ID
		return nil
	})
	for range 50 {
		e.put(tasuki.Spec{Kind: "k", Args: []byte("1")})
	}
	for range 50 {
		<-other
	}
	close(let)
	e.wait("default", func(q inspect.Queue) bool { return q.Counts["done"] == 51 })
	if len(runs) > 0 {
		t.Errorf("the quiet worker has run %d", len(runs))
	}
	stop()
	stopOther()
	if err := errors.Join(<-ended, <-endedOther); err != nil {
		t.Error(err)
	}
}

// TestStop: who is asked to stop gives its handlers the grace, and Run returns nil; with
// OnStop the program decides.
func TestStop(t *testing.T) {
	e := setup(t)
	h, runs, let := blocked()
	_, ended := e.begin(tasuki.WorkerConfig{}, h)
	e.put(tasuki.Spec{Kind: "k", Args: []byte("1")})
	<-runs
	w := e.workers(answered(1))[0]
	for range 2 {
		if err := errors.Join(e.inspector.Stop(t.Context(), w.ID)...); err != nil {
			t.Fatal(err)
		}
	}
	e.workers(func(all []inspect.Worker) bool { return answered(1)(all) && all[0].State == inspect.WorkerStopping })
	close(let)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	e.wait("default", func(q inspect.Queue) bool { return q.Counts["done"] == 1 })

	asked := make(chan struct{})
	stop, ended := e.begin(tasuki.WorkerConfig{OnStop: func() { close(asked) }}, h) // a second call would panic
	w = e.workers(answered(1))[0]
	for range 2 {
		if err := errors.Join(e.inspector.Stop(t.Context(), w.ID)...); err != nil {
			t.Fatal(err)
		}
	}
	<-asked
	e.put(tasuki.Spec{Kind: "k", Args: []byte("1")})
	<-runs // it goes on
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestDump(t *testing.T) {
	e := setup(t)
	h, runs, let := blocked()
	stop, ended := e.begin(tasuki.WorkerConfig{}, h)
	e.put(tasuki.Spec{Kind: "k", Args: []byte("1")})
	<-runs
	w := e.workers(answered(1))[0]
	dumps, errs := e.inspector.Dump(t.Context(), "nobody", w.ID)
	if !errors.Is(errs[0], inspect.ErrUnanswered) || dumps[0] != "" || errs[1] != nil || !strings.Contains(dumps[1], ".blocked.func") {
		t.Errorf("%.1000q, %v", dumps, errs)
	}
	// A large one is cut. Its goroutines have deep stacks.
	var deep func(n int)
	deep = func(n int) {
		if n == 0 {
			<-let
			return
		}
		deep(n - 1)
	}
	for range 500 {
		go deep(40)
	}
	dumps, errs = e.inspector.Dump(t.Context(), w.ID)
	if errs[0] != nil || len(dumps[0]) < 1<<20-10 || len(dumps[0]) > 1<<20+10 || !strings.HasSuffix(dumps[0], "…(cut)") {
		t.Errorf("%d bytes, %v", len(dumps[0]), errs)
	}
	close(let)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestAskedAfterReconnect: a worker whose connections were cut answers on new ones.
func TestAskedAfterReconnect(t *testing.T) {
	e := setup(t)
	p := redistest.StartProxy(t, e.server)
	e.client = e.open(p.URL())
	h, _, _ := blocked()
	stop, ended := e.begin(tasuki.WorkerConfig{}, h)
	w := e.workers(answered(1))[0]
	p.CutAll()
	if again := e.workers(answered(1))[0]; again.ID != w.ID {
		t.Errorf("it is %+v, and was %+v", again, w)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestWorkersThatCannotAnswer: of a worker that may not SUBSCRIBE it is known that it beats,
// and that it is silent of one that does not.
func TestWorkersThatCannotAnswer(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	e := on(t, server.URL())
	e.server = server
	url := server.As(t, "worker", e.namespace)
	server.Do(t, "ACL", "SETUSER", "worker-"+e.namespace, "-subscribe")
	e.client = e.open(url)
	h, _, _ := blocked()
	stop, ended := e.begin(tasuki.WorkerConfig{}, h)
	e.workers(func(all []inspect.Worker) bool {
		return len(all) == 1 && !all[0].Answered && all[0].State == inspect.WorkerRunning && all[0].Slots == 10
	})
	e.do("HSET", "%s:workers", "dead", "7")
	all := e.workers(func(all []inspect.Worker) bool { return len(all) == 2 })
	if w := all[0]; w.ID != "dead" || w.State != inspect.WorkerUnheard || w.Answered || !w.LastBeat.IsZero() || w.Queues == nil {
		t.Errorf("it is %+v", w)
	}
	if errs := e.inspector.Quiet(t.Context(), all[1].ID); !errors.Is(errs[0], inspect.ErrUnanswered) {
		t.Error(errs)
	}
	e.do("HDEL", "%s:workers", "dead")
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
