// Package redisserver runs real redis-servers for tests, those of tasuki and those of its
// users: each a process on a unix socket of its own, which dies with the test binary.
package redisserver

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Program is the environment variable that names the server to run, as valkey-server or as
// a path; redis-server unless it is set.
const Program = "TASUKI_TEST_REDIS_SERVER"

// Server is a redis-server process, or what is left of one: it may be killed and started
// again.
type Server struct {
	Log Buffer // what it prints

	dir string
	env []string // beside that of the test

	mu  sync.Mutex
	cmd *exec.Cmd // nil while it does not run
}

// New makes the directory of a server, which Start starts and Close ends.
func New(env []string) (*Server, error) {
	// A socket's path may have 107 bytes, on some systems 103; those of t.TempDir can have more.
	dir, err := os.MkdirTemp("", "redis")
	if err != nil {
		return nil, err
	}
	return &Server{dir: dir, env: env}, nil
}

// Dir is the server's working directory, where its persistence lies.
func (s *Server) Dir() string { return s.dir }

// Socket is the path of the server's unix socket.
func (s *Server) Socket() string { return filepath.Join(s.dir, "redis.sock") }

// URL is where the server can be reached.
func (s *Server) URL() string { return "unix://" + s.Socket() }

// Start starts the server and returns when it answers. It has no persistence unless args
// say so.
func (s *Server) Start(args []string) error {
	if err := s.Launch(args); err != nil {
		return err
	}
	return Poll(30*time.Second, s.ping)
}

// Launch is Start, and does not wait for an answer.
func (s *Server) Launch(args []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd != nil {
		return errors.New("the server runs")
	}
	program := os.Getenv(Program)
	if program == "" {
		program = "redis-server"
	}
	cmd := exec.Command(program, append([]string{
		"--port", "0", "--unixsocket", s.Socket(), "--dir", s.dir, "--save", "", "--appendonly", "no",
		"--maxclients", "4000", "--loglevel", "warning",
	}, args...)...)
	cmd.Env = append(os.Environ(), s.env...)
	cmd.Stdout, cmd.Stderr = &s.Log, &s.Log
	cmd.SysProcAttr = Attr()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%w: install redis-server (apt-get install redis-server, brew install redis), or name another in %s", err, Program)
	}
	s.cmd = cmd
	return nil
}

func (s *Server) ping() error {
	conn, err := net.Dial("unix", s.Socket())
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	fmt.Fprint(conn, "PING\r\n")
	reply := make([]byte, 64)
	n, err := conn.Read(reply)
	if err != nil {
		return err
	}
	// One that wants a password answers as well.
	if got := string(reply[:n]); !strings.HasPrefix(got, "+PONG") && !strings.HasPrefix(got, "-NOAUTH") && !strings.HasPrefix(got, "-NOPERM") {
		return errors.New(got)
	}
	return nil
}

// Process is that of a server which runs.
func (s *Server) Process() *os.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cmd.Process
}

// Kill ends the server with SIGKILL. It is no error if it has ended.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Kill() //nolint:errcheck // it may have ended by itself
	s.cmd.Wait()         //nolint:errcheck // it was killed
	s.cmd = nil
}

// Close kills the server and removes its directory.
func (s *Server) Close() {
	s.Kill()
	os.RemoveAll(s.dir)
}

// Buffer collects what a process or a log prints. It is safe for concurrent use.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *Buffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String is all that was written so far.
func (l *Buffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Poll calls f until it returns nil, and returns its last error when the limit has passed.
func Poll(limit time.Duration, f func() error) error {
	deadline := time.Now().Add(limit)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := f()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(pause)
	}
}
