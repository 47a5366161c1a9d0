package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestWorkHealth asks a process over HTTP, whose Redis is frozen for a while.
func TestWorkHealth(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	cmd := command(t, "work", "--health", ":0", "--", "true")
	cmd.Env = append(cmd.Env, "TASUKI_REDIS_URL="+server.URL())
	p := start(t, cmd)
	p.waitOutput("probes are answered")
	at := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(p.stderr.String())
	if at == "" {
		t.Fatalf("it does not listen on the loopback: %s", p.stderr)
	}
	answers := func(path string, code int, text string) {
		t.Helper()
		redistest.WaitFor(t, fmt.Sprintf("%s to answer %d", path, code), func() error {
			r, err := http.Get(at + path)
			if err != nil {
				return err
			}
			defer r.Body.Close()
			body, err := io.ReadAll(r.Body)
			if err != nil || r.StatusCode != code || !strings.Contains(string(body), text) {
				return fmt.Errorf("%d %s, %v", r.StatusCode, body, err)
			}
			return nil
		})
	}
	answers("/startupz", 200, `{"ok":true}`)
	answers("/readyz", 200, `{"ok":true}`)
	server.Signal(t, syscall.SIGSTOP)
	answers("/readyz", 503, "redis cannot be reached")
	answers("/livez", 200, `{"ok":true}`)
	server.Signal(t, syscall.SIGCONT)
	answers("/readyz", 200, `{"ok":true}`)
	p.stop()
	if _, err := http.Get(at + "/livez"); err == nil {
		t.Error("it is answered still")
	}
	// A port that somebody has is told at once.
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if r := run(t, command(t, "work", "--health", taken.Addr().String(), "--", "true")); r.code != exitUsage || !strings.Contains(r.stderr, "--health") {
		t.Errorf("%d %s", r.code, r.stderr)
	}
}
