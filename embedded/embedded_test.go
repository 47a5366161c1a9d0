package embedded_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tasuki-dev/tasuki/embedded"
)

func TestStartListensOnlyWhereNoOtherMachineCanConnect(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{
		"0.0.0.0:0", ":6379", ":0", "example.com:1", "192.0.2.1:0", "[::]:0", "127.0.0.1", "127.0.0.1.example.com:0", "nowhere", "redis://127.0.0.1:0",
	} {
		srv, err := embedded.Start(addr)
		if err == nil {
			srv.Close()
			t.Errorf("Start(%q) listens on %s", addr, srv.URL())
			continue
		}
		for _, part := range []string{addr, "loopback", "unix:/path"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("Start(%q): the error %q does not say %q", addr, err, part)
			}
		}
	}
}

func TestURL(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.sock")
	for addr, prefix := range map[string]string{
		"127.0.0.1:0":    "redis://127.0.0.1:",
		"127.8.7.6:0":    "redis://127.8.7.6:",
		"localhost:0":    "redis://127.0.0.1:",
		"[::1]:0":        "redis://[::1]:",
		"unix:" + path:   "unix://" + path,
		"unix://" + path: "unix://" + path,
		"unix:rel.sock":  "unix:///",
	} {
		srv, err := embedded.Start(addr)
		if err != nil && strings.Contains(err.Error(), "cannot assign requested address") {
			t.Logf("this machine has no %s", addr)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(srv.URL(), prefix) || strings.HasSuffix(srv.URL(), ":0") {
			t.Errorf("Start(%q).URL() = %q", addr, srv.URL())
		}
		connect(t, srv).wantDo("+PONG", "PING")
		srv.Close()
	}
	if srv := setup(t, ""); srv.URL() != "" {
		t.Errorf("a server without a listener has the URL %q", srv.URL())
	}
}

func TestSocketFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "s.sock")
	srv := setup(t, "unix:"+path)

	if other, err := embedded.Start("unix:" + path); err == nil {
		other.Close()
		t.Error("a second server took the socket of a running one")
	}
	connect(t, srv).wantDo("+PONG", "PING")
	srv.Close()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Close the socket is still there: %v", err)
	}

	// What a killed server leaves behind.
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	connect(t, setup(t, "unix:"+path)).wantDo("+PONG", "PING")

	file := filepath.Join(dir, "precious")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if other, err := embedded.Start("unix:" + file); err == nil {
		other.Close()
		t.Error("a server took the place of a file")
	}
	if b, err := os.ReadFile(file); string(b) != "x" {
		t.Errorf("the file was touched: %q, %v", b, err)
	}
}

func TestAddressInUse(t *testing.T) {
	t.Parallel()
	srv := setup(t, "127.0.0.1:0")
	if other, err := embedded.Start(strings.TrimPrefix(srv.URL(), "redis://")); err == nil {
		other.Close()
		t.Error("two servers listen on one port")
	}
}

func TestDialFailsWhenTheContextHasEnded(t *testing.T) {
	t.Parallel()
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := setup(t, "").Dial(ctx, "tcp", "ignored:1"); !errors.Is(err, cause) {
		t.Errorf("Dial: %v", err)
	}
}

func TestCloseEndsEveryConnection(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, addr string) {
		srv := setup(t, addr)
		watcher, idle, blocked, popper, subscribed := connect(t, srv), connect(t, srv), connect(t, srv), connect(t, srv), connect3(t, srv)
		deaf := connect(t, srv) // does not read what it asked for
		deaf.do("SET", "big", strings.Repeat("x", 1<<20))
		for range 8 {
			deaf.send("GET", "big")
		}
		idle.wantDo("+PONG", "PING")
		blocked.send("BLMOVE", "q", "h", "LEFT", "RIGHT", "0")
		popper.send("BLPOP", "q", "q2", "0")
		subscribed.do("SUBSCRIBE", "c")
		subscribed.send("BRPOP", "q3", "0")
		waitBlocked(t, watcher, "3")

		if err := errors.Join(srv.Close(), srv.Close()); err != nil {
			t.Errorf("close: %v", err)
		}
		for _, w := range []*wire{watcher, idle, blocked, popper, subscribed} {
			w.wantClosed()
		}
		if _, err := srv.Dial(t.Context(), "", ""); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Dial after Close: %v", err)
		}
	})
}

func TestCloseFromSeveralGoroutinesWhileClientsCome(t *testing.T) {
	t.Parallel()
	srv := setup(t, "127.0.0.1:0")
	done := make(chan error)
	for range 4 {
		go func() {
			for {
				nc, err := srv.Dial(context.Background(), "", "")
				if err != nil {
					done <- nil
					return
				}
				go nc.Write([]byte("*1\r\n$4\r\nPING\r\n"))
				nc.Close()
			}
		}()
	}
	for range 2 {
		go func() { done <- srv.Close() }()
	}
	for range 6 {
		if err := <-done; err != nil {
			t.Errorf("close: %v", err)
		}
	}
}
