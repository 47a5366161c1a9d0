package store

import (
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
)

// TestKeysPage: docs/redis-keys.md has a row with its type for every key.
func TestKeysPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/redis-keys.md")
	if err != nil {
		t.Fatal(err)
	}
	s := &Store{ns: "tasuki"}
	q, err := s.Queue("Q")
	if err != nil {
		t.Fatal(err)
	}
	keys := q.Keys()
	maps.Copy(keys, s.NamespaceKeys())
	keys[q.Hand("W")], keys[q.Held("W")] = "list", "hash"
	keys[q.Record("ID")], keys[q.Lock("NAME")], keys[q.Running("NAME")], keys[q.Parked("NAME")] = "hash", "string", "string", "list"
	for key, kind := range keys {
		row := fmt.Sprintf("\n| `%s` | %s |", key, strings.ToUpper(kind))
		if !strings.Contains(string(page), row) {
			t.Errorf("no row %q", row)
		}
	}
	for _, name := range []string{q.Channel, q.Record("ID"), s.alivePrefix() + "W"} {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("the channel %s is not named", name)
		}
	}

	// What stands there of foreign lists.
	for list, want := range map[string]string{"{app}jobs": "tasuki:list:{app}:retry:{app}jobs", "jobs": "tasuki:list:{jobs}:retry"} {
		q, err := s.Queue(ListPrefix + list)
		if err != nil {
			t.Fatal(err)
		}
		if q.Retry != want {
			t.Errorf("%s has %s, the page says %s", list, q.Retry, want)
		}
	}
	for _, list := range []string{"a}b", "{}x", "tasuki:{mail}", "", strings.Repeat("a", 513)} {
		if _, err := s.Queue(ListPrefix + list); err == nil {
			t.Errorf("the list %.20q is not refused, as decision 0008 says", list)
		}
	}
}
