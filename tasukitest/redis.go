package tasukitest

import (
	"testing"
	"testing/synctest"

	"github.com/tasuki-dev/tasuki/internal/redisserver"
)

// Redis starts a redis-server for this test alone, on a unix socket and without persistence,
// and returns its URL for tasuki.Open. The server ends with the test. It takes some
// milliseconds and megabytes, so each of many parallel tests may have one of its own.
//
// It runs redis-server, or what the environment variable TASUKI_TEST_REDIS_SERVER names, such
// as valkey-server. If there is none, the test fails: a test that is skipped says nothing.
// Embedded needs none.
func Redis(t testing.TB) (url string) {
	t.Helper()
	if inBubble() {
		t.Fatalf("tasukitest: Redis: the clock of a testing/synctest bubble stands still while a socket is read: use Embedded there")
	}
	s, err := redisserver.New(nil)
	if err != nil {
		t.Fatalf("tasukitest: Redis: %v", err)
	}
	if err := s.Start(nil); err != nil {
		s.Close()
		t.Fatalf("tasukitest: Redis: %v; Embedded is a server in the process, and needs neither\n%s", err, s.Log.String())
	}
	t.Cleanup(s.Close)
	return s.URL()
}

// inBubble tells whether the caller is in a bubble: Wait panics where none is.
func inBubble() (is bool) {
	defer func() { is = recover() == nil }()
	synctest.Wait()
	return
}
