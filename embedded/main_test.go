package embedded_test

import (
	"context"
	"crypto/tls"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"go.uber.org/goleak"

	"github.com/tasuki-dev/tasuki/embedded"
)

// Every test closes its server, which waits for all its goroutines; what is left at the end is a leak.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// setup starts a server that ends with the test.
func setup(t testing.TB, addr string) *embedded.Server {
	t.Helper()
	srv, err := embedded.Start(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return srv
}

// connect makes a connection of the kind that the server has: the network, or memory if it does not listen.
func connect(t testing.TB, srv *embedded.Server) *wire {
	t.Helper()
	return newWire(t, dial(t, srv))
}

func dial(t testing.TB, srv *embedded.Server) net.Conn {
	t.Helper()
	network, addr, _ := strings.Cut(srv.URL(), "://")
	var nc net.Conn
	var err error
	switch network {
	case "":
		nc, err = srv.Dial(t.Context(), "", "")
	case "redis":
		nc, err = net.Dial("tcp", addr)
	default:
		nc, err = net.Dial(network, addr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return nc
}

// connect3 makes a RESP3 connection.
func connect3(t testing.TB, srv *embedded.Server) *wire {
	t.Helper()
	w := connect(t, srv)
	w.do("HELLO", "3")
	return w
}

// overTransports runs a test for each way to reach a server.
func overTransports(t *testing.T, test func(t *testing.T, addr string)) {
	for name, addr := range map[string]string{
		"tcp":    "127.0.0.1:0",
		"unix":   "unix:" + filepath.Join(t.TempDir(), "s.sock"),
		"memory": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, addr)
		})
	}
}

// newRueidis makes the client that tasuki uses.
func newRueidis(t testing.TB, srv *embedded.Server) rueidis.Client {
	t.Helper()
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress:       []string{"embedded:0"},
		DisableCache:      true,
		ForceSingleClient: true,
		DialCtxFn: func(ctx context.Context, addr string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
			return dial(t, srv), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// eventually polls until ok is true. It is for what the server does by itself, and so nothing signals.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for range 2000 {
		if ok() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("still not after 10 s: %s", what)
}

// waitBlocked returns when n connections wait in a blocking command.
func waitBlocked(t testing.TB, watcher *wire, n string) {
	t.Helper()
	eventually(t, n+" blocked connections", func() bool {
		return strings.Contains(watcher.do("INFO"), `blocked_clients:`+n+`\r\n`)
	})
}
