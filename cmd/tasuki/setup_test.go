package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/embedded"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// commandEnv makes the test binary the command, so that none has to be built.
const commandEnv = "TASUKI_TEST_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(commandEnv) != "" {
		main()
		return
	}
	redistest.Main(m)
}

// command returns the command with these arguments. Of the environment's TASUKI_
// variables it gets none.
func command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "TASUKI_") {
			cmd.Env = append(cmd.Env, pair)
		}
	}
	// The race detector would make every command last a second longer.
	cmd.Env = append(cmd.Env, commandEnv+"=1", "GORACE=atexit_sleep_ms=0")
	return cmd
}

// result is what a command has left.
type result struct {
	stdout, stderr string
	code           int
}

// run runs a command to its end, at most half a minute.
func run(t testing.TB, cmd *exec.Cmd) result {
	t.Helper()
	p := start(t, cmd)
	code := p.wait()
	return result{p.stdout.String(), p.stderr.String(), code}
}

// process is a command that runs. It is killed with the test.
type process struct {
	t              testing.TB
	cmd            *exec.Cmd
	stdout, stderr *redistest.Buffer
	ended          chan struct{}
}

// start starts a command.
func start(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, stdout: &redistest.Buffer{}, stderr: &redistest.Buffer{}, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.stdout, p.stderr
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		cmd.Wait() //nolint:errcheck // its exit code is looked at
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%v\nstdout: %s\nstderr: %s", cmd.Args[1:], p.stdout, p.stderr)
		}
	})
	return p
}

// wait waits for the end and returns the exit code, -1 after a signal.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		p.t.Fatalf("%v does not end", p.cmd.Args[1:])
	}
	return p.cmd.ProcessState.ExitCode()
}

// signal sends a signal.
func (p *process) signal(sig os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
}

// kill is kill -9.
func (p *process) kill() {
	p.cmd.Process.Kill() //nolint:errcheck // it may have ended
	<-p.ended
}

// waitOutput waits for a text in what the command prints.
func (p *process) waitOutput(text string) {
	p.t.Helper()
	redistest.WaitFor(p.t, fmt.Sprintf("%q in the output", text), func() error {
		if !strings.Contains(p.stdout.String(), text) && !strings.Contains(p.stderr.String(), text) {
			return errors.New("it is not there")
		}
		return nil
	})
}

// env is a namespace of its own on the shared server, with the users of deploy/acl,
// and what looks at it past the command. At the end of the test the namespace is
// checked.
type env struct {
	t         testing.TB
	urls      map[string]string // by role
	namespace string
	client    *tasuki.Client // of a worker
	inspector *inspect.Inspector
	redis     rueidis.Client // to look and meddle past the library, with all rights
}

// setup returns an env.
func setup(t testing.TB) *env {
	t.Helper()
	return setupOn(t, redistest.Shared(t))
}

func setupOn(t testing.TB, s *redistest.Server) *env {
	t.Helper()
	e := &env{t: t, namespace: redistest.Namespace(t), urls: map[string]string{}}
	for _, role := range []string{"producer", "worker", "operator"} {
		e.urls[role] = s.As(t, role, e.namespace)
	}
	e.begin(s.URL())
	return e
}

// begin connects with the server, and has the namespace checked at the end.
func (e *env) begin(url string) {
	e.t.Helper()
	t := e.t
	e.client = e.open("worker")
	e.inspector = inspect.New(e.open("operator"))
	opt := rueidis.MustParseURL(url)
	opt.DisableCache, opt.ForceSingleClient = true, true
	var err error
	if e.redis, err = rueidis.NewClient(opt); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer e.redis.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		problems, err := e.inspector.Check(ctx)
		if err != nil {
			t.Errorf("check: %v", err)
		}
		for _, p := range problems {
			t.Errorf("check: %v", p)
		}
	})
}

// onBoth runs a test on a real redis-server and on the embedded one, which has no users.
func onBoth(t *testing.T, f func(t *testing.T, e *env)) {
	t.Parallel()
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		f(t, setup(t))
	})
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		s, err := embedded.Start("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		e := &env{t: t, namespace: redistest.Namespace(t), urls: map[string]string{"producer": s.URL(), "worker": s.URL(), "operator": s.URL()}}
		e.begin(s.URL())
		f(t, e)
	})
}

// open returns a client with the rights of a role.
func (e *env) open(role string) *tasuki.Client {
	e.t.Helper()
	client, err := tasuki.Open(e.urls[role], &tasuki.ClientConfig{Namespace: e.namespace, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(client.Close)
	return client
}

// command returns the command on the env's server and in its namespace, with no
// more rights than it needs.
func (e *env) command(args ...string) *exec.Cmd {
	e.t.Helper()
	cmd := command(e.t, args...)
	role := "operator"
	switch args[0] {
	case "enqueue":
		role = "producer"
	case "work":
		role = "worker"
	}
	cmd.Env = append(cmd.Env, "TASUKI_REDIS_URL="+e.urls[role], "TASUKI_NAMESPACE="+e.namespace)
	return cmd
}

// tasuki runs the command to its end.
func (e *env) tasuki(args ...string) result {
	e.t.Helper()
	return run(e.t, e.command(args...))
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

// waitQueue waits until a queue is as is says.
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

// do sends a command past the library.
func (e *env) do(words ...string) rueidis.RedisResult {
	e.t.Helper()
	return e.redis.Do(context.Background(), e.redis.B().Arbitrary(words...).Build())
}

// enqueue enqueues one job.
func (e *env) enqueue(kind, args string, opts tasuki.Opts) tasuki.Info {
	e.t.Helper()
	infos, err := e.client.EnqueueMany(context.Background(), []tasuki.Spec{{Kind: kind, Args: json.RawMessage(args), Opts: opts}})
	if err != nil {
		e.t.Fatal(err)
	}
	return infos[0]
}

// kept is what an element says of a job that was put aside.
type kept struct {
	Attempts int    `json:"attempts"`
	Reason   string `json:"reason"`
	Error    string `json:"error"`
}

// kept waits for the one job in a sorted set of a queue: retry or dead.
func (e *env) kept(queue, set string) kept {
	e.t.Helper()
	var k kept
	redistest.WaitFor(e.t, "a job in "+queue+" "+set, func() error {
		elements, err := e.do("ZRANGE", e.namespace+":{"+queue+"}:"+set, "0", "-1").AsStrSlice()
		if err != nil {
			return err
		}
		if len(elements) != 1 {
			return fmt.Errorf("%d are there", len(elements))
		}
		return json.Unmarshal([]byte(elements[0]), &k)
	})
	return k
}
