package tasuki

import (
	"errors"
	"testing"

	"github.com/tasuki-dev/tasuki/internal/store"
)

// TestUnfit: of several servers the worst is named, whatever their order is.
func TestUnfit(t *testing.T) {
	t.Parallel()
	fine := store.Server{Address: "fine", Info: map[string]string{"maxmemory_policy": "noeviction", "aof_enabled": "1"}}
	evicts := store.Server{Address: "evicts", Info: map[string]string{"maxmemory_policy": "allkeys-lru", "aof_enabled": "1"}}
	evicted := store.Server{Address: "evicted", Info: map[string]string{"maxmemory_policy": "noeviction", "evicted_keys": "3", "aof_enabled": "1"}}
	away := store.Server{Address: "away", Err: errors.New("away")}
	for _, tt := range []struct {
		servers []store.Server
		want    string
	}{
		{[]store.Server{fine, away}, ""},
		{[]store.Server{away, evicts, fine}, "evicts"},
		{[]store.Server{evicts, evicted}, "evicts"},
		{[]store.Server{evicted, away, evicts}, "evicts"},
		{[]store.Server{fine, evicted, fine}, "evicted"},
	} {
		got := ""
		v, forgets, old := unfit(tt.servers)
		if v != nil {
			got = v.Address
		}
		if got != tt.want || forgets != nil || old != nil {
			t.Errorf("%q of %+v, and %v, %v; want %q", got, tt.servers, forgets, old, tt.want)
		}
	}
}
