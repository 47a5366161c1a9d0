// Package redistest starts real redis-servers for tests, on sockets of their own.
package redistest

import (
	"bufio"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"iter"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/internal/redisserver"
)

// Server is a redis-server process. Its methods fail the test that started it.
type Server struct {
	*redisserver.Server
	args []string
}

// Start starts a redis-server with more arguments, and ends it with the test. It
// has no persistence unless they say so. A missing redis-server is a failure,
// never a skip.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return start(t, nil, args)
}

func start(t testing.TB, env, args []string) *Server {
	t.Helper()
	s, err := launch(env, args...)
	if err != nil {
		t.Fatalf("redistest: %v", err)
	}
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("redis-server:\n%s", s.Log.String())
		}
		s.Close()
	})
	return s
}

// Durable are arguments for a server that loses nothing when its process is killed: it
// syncs its append-only file before it answers, in a directory where that takes no
// time, if the system has one. With everysec Redis answers before it has handed what
// it answers to the system while a sync is under way, and on a busy machine a test
// would find a loss that is Redis' own.
func Durable(t testing.TB) []string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "redistest")
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return []string{"--appendonly", "yes", "--appendfsync", "always", "--dir", dir}
}

func launch(env []string, args ...string) (*Server, error) {
	process, err := redisserver.New(env)
	if err != nil {
		return nil, err
	}
	s := &Server{process, args}
	if err := s.Start(args); err != nil {
		s.Close()
		return nil, fmt.Errorf("%w\n%s", err, s.Log.String())
	}
	return s, nil
}

// PID is the process id of the server.
func (s *Server) PID() int { return s.Process().Pid }

// Restart starts the server again after Kill, with other arguments if some are
// given.
func (s *Server) Restart(t testing.TB, args ...string) {
	t.Helper()
	if len(args) > 0 {
		s.args = args
	}
	if err := s.Start(s.args); err != nil {
		t.Fatalf("redistest: %v\n%s", err, s.Log.String())
	}
}

// Relaunch is Restart, but it does not wait until the server has read its data.
func (s *Server) Relaunch(t testing.TB, args ...string) {
	t.Helper()
	s.args = args
	if err := s.Launch(args); err != nil {
		t.Fatalf("redistest: %v\n%s", err, s.Log.String())
	}
	WaitFor(t, "the server", func() error {
		conn, err := net.Dial("unix", s.Socket())
		if err == nil {
			conn.Close()
		}
		return err
	})
}

// Signal sends a signal, such as SIGSTOP, to the server.
func (s *Server) Signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := s.Process().Signal(sig); err != nil {
		t.Fatalf("redistest: signal: %v", err)
	}
}

// Do sends one command on a connection of its own and returns the first line of
// the answer.
func (s *Server) Do(t testing.TB, words ...string) string {
	t.Helper()
	return s.DoAs(t, "", words...)
}

// DoAs is Do with the password of the server.
func (s *Server) DoAs(t testing.TB, password string, words ...string) string {
	t.Helper()
	reply, err := ask("unix", s.Socket(), password, words...)
	if err != nil {
		t.Fatalf("redistest: %v: %v", words, err)
	}
	line, _, _ := strings.Cut(reply, "\r\n")
	return line
}

// Info returns a field of INFO, "" if there is none of that name.
func (s *Server) Info(t testing.TB, section, field string) string {
	t.Helper()
	for line := range strings.SplitSeq(s.must(t, "INFO", section), "\r\n") {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			return value
		}
	}
	return ""
}

// Config returns a setting.
func (s *Server) Config(t testing.TB, name string) string {
	t.Helper()
	pair := texts(s.must(t, "CONFIG", "GET", name))
	if len(pair) != 2 {
		t.Fatalf("redistest: there is no setting %s", name)
	}
	return pair[1]
}

// must is Ask of a server that is alive.
func (s *Server) must(t testing.TB, words ...string) string {
	t.Helper()
	reply, err := s.Ask(words...)
	if err != nil {
		t.Fatalf("redistest: %v: %v", words, err)
	}
	return reply
}

// Ask sends one command on a connection of its own and returns the answer as it
// was sent. Its error is that of the connection: the server may be dead.
func (s *Server) Ask(words ...string) (string, error) { return ask("unix", s.Socket(), "", words...) }

func ask(network, address, password string, words ...string) (string, error) {
	conn, err := net.Dial(network, address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	r := bufio.NewReader(conn)
	send := func(words ...string) (string, error) {
		var b strings.Builder
		fmt.Fprintf(&b, "*%d\r\n", len(words))
		for _, word := range words {
			fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(word), word)
		}
		io.WriteString(conn, b.String()) //nolint:errcheck // a server that hangs up may have said why
		reply, _, err := readReply(r)
		return string(reply), err
	}
	if password != "" {
		if reply, err := send("AUTH", password); err != nil || reply != "+OK\r\n" {
			return "", fmt.Errorf("AUTH: %s (%v)", reply, err)
		}
	}
	return send(words...)
}

// texts returns the strings of an answer that is one string, or an array of them.
func texts(reply string) []string {
	lines := strings.Split(reply, "\r\n")
	var found []string
	for i := 0; i+1 < len(lines); i++ {
		if strings.HasPrefix(lines[i], "$") && lines[i] != "$-1" {
			i++
			found = append(found, lines[i])
		}
	}
	return found
}

// Buffer collects what a process or a log prints. It is safe for concurrent use.
type Buffer = redisserver.Buffer

// Namespace returns a namespace of a test's own.
func Namespace(t testing.TB) string {
	h := fnv.New64a()
	fmt.Fprint(h, t.Name(), time.Now().UnixNano())
	return fmt.Sprintf("t%x", h.Sum64())
}

// Run runs something, as a worker, beside the test until stop is called or the test ends. Its
// context has the values of the test's; an error of it fails the test, and so does not to stop
// within half a minute.
func Run(t testing.TB, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Error("Run does not end")
		}
	})
	t.Cleanup(stop)
	return stop
}

// All reads to its end what goes through some, or to its first error.
func All[T any](through iter.Seq2[T, error]) (all []T, err error) {
	for one, err := range through {
		if err != nil {
			return all, err
		}
		all = append(all, one)
	}
	return all, nil
}

// WaitFor polls until f returns nil, and fails the test after half a minute.
func WaitFor(t testing.TB, what string, f func() error) {
	t.Helper()
	WaitLong(t, 30*time.Second, what, f)
}

// WaitLong is WaitFor with a limit of the caller's.
func WaitLong(t testing.TB, limit time.Duration, what string, f func() error) {
	t.Helper()
	if err := redisserver.Poll(limit, f); err != nil {
		t.Fatalf("waiting for %s: %v", what, err)
	}
}
