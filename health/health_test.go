package health_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/health"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

func TestMain(m *testing.M) { redistest.Main(m) }

// env is a program with one worker, and its probes.
type env struct {
	t         *testing.T
	client    *tasuki.Client
	inspector *inspect.Inspector
	worker    *tasuki.Worker
	probes    *health.Health
	log       *redistest.Buffer
}

var number = tasuki.Define[int]("number")

// on has a worker of a server, which does not run yet.
func on(t *testing.T, url string, cfg tasuki.WorkerConfig, probes health.Config) *env {
	t.Helper()
	e := &env{t: t, log: &redistest.Buffer{}}
	namespace := redistest.Namespace(t)
	open := func(role string) *tasuki.Client {
		client, err := tasuki.Open(redistest.As(t, url, role, namespace), &tasuki.ClientConfig{
			Namespace: namespace, Logger: slog.New(slog.NewTextHandler(e.log, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		return client
	}
	e.client, e.inspector = open("worker"), inspect.New(open("operator"))
	var err error
	if e.worker, err = tasuki.NewWorker(e.client, &cfg); err != nil {
		t.Fatal(err)
	}
	probes.Workers = []*tasuki.Worker{e.worker}
	if e.probes, err = health.New(e.client, &probes); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log:\n%s", e.log)
		}
	})
	return e
}

// run runs the worker until stop is called or the test ends.
func (e *env) run() (stop func()) { return redistest.Run(e.t, e.worker.Run) }

// probe asks one, and returns the reasons for a red answer; "" if it is green.
func (e *env) probe(path string) string {
	e.t.Helper()
	w := httptest.NewRecorder()
	e.probes.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	var a struct {
		OK      bool
		Reasons []string
	}
	body, err := io.ReadAll(w.Body)
	if err == nil {
		err = json.Unmarshal(body, &a)
	}
	if err != nil || a.OK != (w.Code == http.StatusOK) || a.OK != (len(a.Reasons) == 0) || !a.OK && w.Code != http.StatusServiceUnavailable {
		e.t.Fatalf("%s: %d %s, %v", path, w.Code, body, err)
	}
	return strings.Join(a.Reasons, "; ")
}

// wait polls a probe until it is green, with want "", or tells want.
func (e *env) wait(path, want string) {
	e.t.Helper()
	redistest.WaitLong(e.t, time.Minute, fmt.Sprintf("%s to say %q", path, want), func() error {
		if got := e.probe(path); (got == "") != (want == "") || !strings.Contains(got, want) {
			return fmt.Errorf("it says %q", got)
		}
		return nil
	})
}

// staysAlive probes for longer than a queue may be left alone.
func (e *env) staysAlive() {
	e.t.Helper()
	for end := time.Now().Add(7 * time.Second); time.Now().Before(end); time.Sleep(300 * time.Millisecond) { // what is not to be seen takes time
		if got := e.probe("/livez"); got != "" {
			e.t.Fatalf("it is not alive: %s", got)
		}
	}
}

func (e *env) enqueue(n int) {
	e.t.Helper()
	for i := range n {
		if _, err := number.Enqueue(e.t.Context(), e.client, i); err != nil {
			e.t.Fatal(err)
		}
	}
}

func (e *env) ready(want int64) {
	e.t.Helper()
	redistest.WaitFor(e.t, "ready jobs", func() error {
		if q, err := e.inspector.Queue(e.t.Context(), "default"); err != nil || q.Ready != want {
			return fmt.Errorf("%+v, %v", q, err)
		}
		return nil
	})
}

// blocked has the worker's handler wait for let, or for the end of the test.
func (e *env) blocked() (let chan struct{}) {
	let = make(chan struct{})
	tasuki.Handle(e.worker, number, func(ctx context.Context, _ *tasuki.Job[int]) error {
		select {
		case <-let:
		case <-ctx.Done():
		}
		return nil
	})
	return let
}

// TestLife follows the probes of a worker from before its begin to its end.
func TestLife(t *testing.T) {
	t.Parallel()
	e := on(t, redistest.Shared(t).URL(), tasuki.WorkerConfig{}, health.Config{})
	e.wait("/startupz", "was not in the list of workers yet")
	e.wait("/readyz", "was not in the list of workers yet")
	e.wait("/livez", "")
	stop := e.run()
	for _, path := range []string{"/startupz", "/readyz", "/livez"} {
		e.wait(path, "")
	}
	workers, err := e.inspector.Workers(t.Context())
	if err != nil || len(workers) != 1 {
		t.Fatalf("%+v, %v", workers, err)
	}
	if err := e.inspector.Quiet(t.Context(), workers[0].ID)[0]; err != nil {
		t.Fatal(err)
	}
	e.wait("/readyz", "is quiet")
	e.enqueue(1)
	e.staysAlive()
	stop()
	e.wait("/readyz", "has ended")
	e.wait("/livez", "has ended, and its process has not")
	e.wait("/startupz", "")
}

// TestStopping: while handlers have their grace the program is alive, and not ready.
func TestStopping(t *testing.T) {
	t.Parallel()
	e := on(t, redistest.Shared(t).URL(), tasuki.WorkerConfig{}, health.Config{})
	let := make(chan struct{})
	tasuki.Handle(e.worker, number, func(context.Context, *tasuki.Job[int]) error { <-let; return nil })
	stop := e.run()
	e.wait("/readyz", "")
	e.enqueue(1)
	e.ready(0)
	go stop()
	e.wait("/readyz", "stops")
	e.wait("/livez", "")
	close(let)
	e.wait("/readyz", "has ended")
}

// TestSlotsFull: a worker that has enough to do is alive, however much waits.
func TestSlotsFull(t *testing.T) {
	t.Parallel()
	e := on(t, redistest.Shared(t).URL(), tasuki.WorkerConfig{Concurrency: 2}, health.Config{})
	let := e.blocked()
	e.run()
	e.enqueue(5)
	e.ready(3)
	e.staysAlive()
	e.wait("/readyz", "")
	close(let)
	e.ready(0)
}

// TestPaused: what nobody may take waits by somebody's wish.
func TestPaused(t *testing.T) {
	t.Parallel()
	e := on(t, redistest.Shared(t).URL(), tasuki.WorkerConfig{}, health.Config{})
	close(e.blocked())
	if err := e.inspector.Pause(t.Context(), "default", "the test"); err != nil {
		t.Fatal(err)
	}
	e.run()
	e.wait("/readyz", "")
	e.enqueue(3)
	e.staysAlive()
	e.wait("/readyz", "")
	if err := e.inspector.Resume(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	e.ready(0)
}

// TestFrozen: a Redis that does not answer is a reason to send no work here, and none to
// begin anew.
//
//fault:server Redis is frozen while a supervisor probes | the program is alive and not ready, and each probe answers in time
func TestFrozen(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	e := on(t, server.URL(), tasuki.WorkerConfig{}, health.Config{})
	close(e.blocked())
	e.run()
	e.wait("/readyz", "")
	server.Signal(t, syscall.SIGSTOP)
	e.wait("/readyz", "redis cannot be reached: no answer within 500ms")
	e.wait("/readyz", "has not beaten for")
	e.staysAlive()
	e.wait("/startupz", "")
	server.Signal(t, syscall.SIGCONT)
	e.wait("/readyz", "")
	e.wait("/livez", "")
	server.Kill()
	e.wait("/readyz", "redis cannot be reached")
	e.wait("/livez", "")
	server.Restart(t)
	e.wait("/readyz", "")
}

// TestSilent: a server that accepts connections and says nothing does not hold up a probe.
func TestSilent(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	go func() {
		for {
			conn, err := silent.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
		}
	}()
	client, err := tasuki.Open("redis://"+silent.Addr().String(), &tasuki.ClientConfig{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	probes, err := health.New(client, nil)
	if err != nil {
		t.Fatal(err)
	}
	w, began := httptest.NewRecorder(), time.Now()
	probes.Ready().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", http.NoBody))
	if took := time.Since(began); took > 4*time.Second { // a connection is given up after five
		t.Errorf("it took %v", took)
	}
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "no answer within 500ms") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestLeftAlone has the call in which the worker waits vanish on its way: nobody takes what
// is pushed then, until that call is given up after 22 s.
//
//fault:network a waiting worker's call vanishes, and its connection stays open | it is seen not to be alive after 5 s with jobs
func TestLeftAlone(t *testing.T) {
	t.Parallel()
	proxy := redistest.StartProxy(t, redistest.Shared(t))
	e := on(t, proxy.URL(), tasuki.WorkerConfig{}, health.Config{})
	close(e.blocked())
	vanished := proxy.Once(redistest.Hole, func(command []string) bool { return strings.EqualFold(command[0], "BLMOVE") })
	e.run()
	<-vanished
	e.wait("/readyz", "")
	e.wait("/livez", "")
	e.enqueue(3)
	began := time.Now()
	e.wait("/livez", "queue default has jobs and 10 of 10 slots are free, and nothing was claimed for 5s")
	if took := time.Since(began); took < 5*time.Second {
		t.Errorf("after %v", took)
	}
	e.wait("/readyz", "") // Redis answers, and the worker is in its list
	e.ready(0)            // when the call was given up
	e.wait("/livez", "")
}

// TestUnseen refuses the beats of a worker, and nothing else: others take it for dead, and
// only a new process can change that.
func TestUnseen(t *testing.T) {
	t.Parallel()
	proxy := redistest.StartProxy(t, redistest.Shared(t))
	e := on(t, proxy.URL(), tasuki.WorkerConfig{}, health.Config{})
	close(e.blocked())
	e.run()
	e.wait("/readyz", "")
	isBeat := redistest.IsScript(t, "../internal/store/lua/sweep_beat.lua")
	proxy.Decide(func(command []string) redistest.Fate {
		if isBeat(command) {
			return redistest.Refuse
		}
		return redistest.Pass
	})
	e.wait("/readyz", "has not beaten for")
	e.wait("/livez", "though redis answers")
	proxy.Decide(nil)
	e.wait("/livez", "")
	e.wait("/readyz", "")
}

// TestStuck: a handler that does not heed the end of its context has a slot until the
// process ends.
func TestStuck(t *testing.T) {
	t.Parallel()
	e := on(t, redistest.Shared(t).URL(), tasuki.WorkerConfig{Grace: time.Second, Timeout: time.Millisecond}, health.Config{StuckFor: time.Nanosecond})
	let := make(chan struct{})
	tasuki.Handle(e.worker, number, func(context.Context, *tasuki.Job[int]) error { <-let; return nil })
	patient, err := health.New(e.client, &health.Config{Workers: []*tasuki.Worker{e.worker}})
	if err != nil {
		t.Fatal(err)
	}
	e.run()
	e.enqueue(1)
	e.wait("/livez", "the handler of default/")
	w := httptest.NewRecorder()
	if patient.Live().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil)); w.Code != http.StatusOK {
		t.Errorf("within a minute: %d %s", w.Code, w.Body)
	}
	close(let)
	e.wait("/livez", "")
}

// TestProducer: a program without workers is ready when Redis answers.
func TestProducer(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Kill()
	client, err := tasuki.Open(server.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	e := &env{t: t, client: client}
	if e.probes, err = health.New(client, nil); err != nil {
		t.Fatal(err)
	}
	e.wait("/startupz", "redis cannot be reached")
	e.wait("/readyz", "redis cannot be reached")
	e.wait("/livez", "")
	server.Restart(t)
	e.wait("/startupz", "")
	e.wait("/readyz", "")
	server.Kill()
	e.wait("/readyz", "redis cannot be reached")
	e.wait("/startupz", "")
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	e := on(t, redistest.Shared(t).URL(), tasuki.WorkerConfig{}, health.Config{})
	for want, cfg := range map[string]health.Config{
		"Config.Workers[0]: nil: allowed are workers":      {Workers: []*tasuki.Worker{nil}},
		"Config.StuckFor: -2ns: allowed are 1 ns and more": {StuckFor: -2},
	} {
		if _, err := health.New(e.client, &cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodDelete} {
		w := httptest.NewRecorder()
		if e.probes.ServeHTTP(w, httptest.NewRequest(method, "/livez", nil)); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
	w := httptest.NewRecorder()
	if e.probes.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil)); w.Code != http.StatusNotFound {
		t.Errorf("/: %d", w.Code)
	}
}
