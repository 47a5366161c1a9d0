package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// manager is what systemd is to a service: a socket that hears it.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
	name string
}

func newManager(t *testing.T, name string) *manager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &manager{t, conn, name}
}

// hear returns the lines of the next message, or nil if none comes for so long.
func (m *manager) hear(within time.Duration) []string {
	m.t.Helper()
	m.conn.SetReadDeadline(time.Now().Add(within)) //nolint:errcheck // of a socket that is open
	buf := make([]byte, 4096)
	n, err := m.conn.Read(buf)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	} else if err != nil {
		m.t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(buf[:n]), "\n"), "\n")
}

// await hears until a message has a line that begins like this, and returns the message.
func (m *manager) await(begin string) []string {
	m.t.Helper()
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); {
		if lines := m.hear(30 * time.Second); slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, begin) }) {
			return lines
		}
	}
	m.t.Fatalf("no %s", begin)
	return nil
}

// serve starts tasuki work as a service of the manager.
func (m *manager) serve(e *env, script string, flags ...string) *process {
	m.t.Helper()
	cmd := e.workCommand(script, flags...)
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+m.name, "WATCHDOG_USEC=60000000", "WATCHDOG_PID=1")
	return start(m.t, cmd)
}

// TestNotify: systemd is told that the worker is ready, what it does, and how long its
// stop may take; the commands that it runs know nothing of systemd.
func TestNotify(t *testing.T) {
	t.Parallel()
	for kind, name := range map[string]string{"path": filepath.Join(t.TempDir(), "notify"), "abstract": "@" + redistest.Namespace(t)} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			e, m := setup(t), newManager(t, name)
			p := m.serve(e, `echo "run $$"; echo "<$NOTIFY_SOCKET$WATCHDOG_USEC$WATCHDOG_PID>"; trap 'exit 0' TERM; while :; do sleep 0.1 & wait; done`, "--grace", "10m", "--concurrency", "3")
			if lines := m.hear(30 * time.Second); !slices.Contains(lines, "READY=1") || !slices.Contains(lines, "WATCHDOG=1") || !slices.Contains(lines, "STATUS=0 of 3 commands run") {
				t.Errorf("the first message is %q", lines)
			}
			if workers, err := e.inspector.Workers(t.Context()); err != nil || len(workers) != 1 {
				t.Errorf("it is ready, and these are in the list: %v, %v", workers, err)
			}
			e.enqueue("any", "1", tasuki.Opts{})
			if lines := m.await("STATUS=1 of 3"); !slices.Contains(lines, "WATCHDOG=1") || slices.Contains(lines, "READY=1") {
				t.Errorf("while it runs: %q", lines)
			}
			p.pid("run")
			p.stop()
			if lines := m.await("STOPPING=1"); !slices.Contains(lines, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", 630_000_000)) {
				t.Errorf("when it stops: %q", lines)
			}
			if out := p.stdout.String(); !strings.Contains(out, "\n<>\n") {
				t.Errorf("the command knows of systemd: %q", out)
			}
		})
	}
}

// TestNotifyFrozen: the watchdog hears nothing of a worker that hangs.
func TestNotifyFrozen(t *testing.T) {
	t.Parallel()
	e, m := setup(t), newManager(t, filepath.Join(t.TempDir(), "notify"))
	p := m.serve(e, "true")
	m.await("READY=1")
	p.signal(syscall.SIGSTOP)
	for i := 0; m.hear(4*time.Second) != nil; i++ { // what was sent before; then nothing for four beats
		if i > 10 {
			t.Fatal("a frozen worker is heard")
		}
	}
	p.signal(syscall.SIGCONT)
	m.await("WATCHDOG=1")
	p.stop()
}

// TestNotifyWithoutRedis: that Redis is away is no fault of the worker, so the watchdog
// is fed; before it has met Redis, it is not ready.
func TestNotifyWithoutRedis(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	m := newManager(t, filepath.Join(t.TempDir(), "notify"))
	s.Kill()
	cmd := command(t, "work", "--", "true")
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+m.name, "TASUKI_REDIS_URL="+s.URL())
	p := start(t, cmd)
	p.waitOutput("redis cannot be reached yet")
	if lines := m.hear(0); lines != nil {
		t.Errorf("before it has met Redis: %q", lines)
	}
	s.Restart(t)
	m.await("READY=1")
	s.Kill()
	for range 3 {
		if lines := m.await("STATUS=0 of 10 commands run; redis does not answer: "); !slices.Contains(lines, "WATCHDOG=1") {
			t.Errorf("without Redis: %q", lines)
		}
	}
	s.Restart(t)
	for lines := m.await("WATCHDOG=1"); !slices.Contains(lines, "STATUS=0 of 10 commands run"); lines = m.await("WATCHDOG=1") {
	}
	p.stop()
}

// TestNotifyTrouble: without systemd, or with one that does not hear, the worker works.
func TestNotifyTrouble(t *testing.T) {
	t.Parallel()
	e := setup(t)
	for name, want := range map[string]string{filepath.Join(t.TempDir(), "nobody"): "systemd cannot be told", "": ""} {
		cmd := e.workCommand("true", "--queue", "q")
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+name)
		p := start(t, cmd)
		e.enqueue("any", "1", tasuki.Opts{Queue: "q"})
		p.waitOutput("worker started")
		p.stop()
		if !strings.Contains(p.stderr.String(), want) {
			t.Errorf("with %q it says %s", name, p.stderr)
		}
	}
	// A manager that reads nothing does not hold up the beats.
	m := newManager(t, filepath.Join(t.TempDir(), "notify"))
	cmd := e.workCommand("true")
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+m.name, "WATCHDOG_USEC=1000000")
	p := start(t, cmd)
	p.waitOutput("WatchdogSec is short")
	p.waitOutput("worker started")
	conn := dialManager(t, m)
	conn.SetWriteDeadline(time.Now().Add(time.Second)) //nolint:errcheck // of a socket that is open
	for err := error(nil); err == nil; {               // until there is no room
		_, err = conn.Write([]byte("x"))
	}
	e.enqueue("any", "1", tasuki.Opts{})
	e.counted("default", "done")
	p.stop()
}

func dialManager(t *testing.T, m *manager) *net.UnixConn {
	t.Helper()
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: m.name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
