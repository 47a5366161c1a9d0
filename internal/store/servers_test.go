package store

import (
	"testing"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestServersOfSentinel: the address is the master's, not that of the sentinel in the URL.
func TestServersOfSentinel(t *testing.T) {
	t.Parallel()
	sentinel := redistest.StartSentinel(t, 0)
	s, err := New(Options{URL: sentinel.URL(), Namespace: "t"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	servers, err := s.Servers(t.Context(), false)
	want := "127.0.0.1:" + sentinel.Master(t).Config(t, "port")
	if err != nil || len(servers) != 1 || servers[0].Address != want {
		t.Errorf("%+v, %v; want %s", servers, err, want)
	}
}
