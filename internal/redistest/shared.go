package redistest

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

// shared is the server that the tests of a binary have in common, each in a
// namespace of its own.
var shared struct {
	once   sync.Once
	server atomic.Pointer[Server] // also read by who may not start it
}

// Shared returns a server that all tests of the binary use. The package's
// TestMain has to be Main.
func Shared(t testing.TB) *Server {
	t.Helper()
	shared.once.Do(func() {
		s, err := launch(nil)
		if err != nil {
			t.Errorf("redistest: %v", err)
			return
		}
		shared.server.Store(s)
	})
	s := shared.server.Load()
	if s == nil {
		t.Fatal("redistest: the shared redis-server could not be started")
	}
	return s
}

// Main runs the tests, ends the shared server, and looks for goroutines that
// were left behind, and for commands that the server has refused.
func Main(m *testing.M) {
	code := m.Run()
	if s := shared.server.Load(); s != nil {
		if refused, err := s.refusals(); code == 0 && (err != nil || refused != "") {
			fmt.Fprintf(os.Stderr, "redistest: the users of deploy/acl were refused something: add it there, and to the rights of internal/store: %v\n%s\n", err, refused)
			code = 1
		}
		s.Close()
	}
	// A client of a Cluster looks for its nodes again a second after a redirection,
	// also when it was closed meanwhile, and closes connections to nodes that have
	// changed five seconds later.
	refreshing := goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1")
	closing := goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*clusterClient)._refresh.func2")
	redirected := goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*clusterClient).redirectOrNew.func1")
	if err := goleak.Find(refreshing, closing, redirected); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
