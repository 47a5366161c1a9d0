package store

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzQueueKeys: all keys of a queue are in one slot of a Cluster, those of two
// queues never meet, and none is a key of the namespace.
func FuzzQueueKeys(f *testing.F) {
	for _, s := range [][2]string{
		{"mail", "mail2"}, {"x}{y", "{}"}, {"list:jobs", "list:jobs:retry"}, {"list:{app}jobs", "list:app"}, {"list:{}a", "list:}"}, {"list:{a}b}", "list:a{b"},
		{"list:tasuki:{mail}", "mail"}, {"list:", ""}, {"list:\x00\xff", "list:" + strings.Repeat("x", 600)}, {"list:{t}x", "list:t"}, {"list:list", "list"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		s := &Store{ns: "tasuki"}
		taken := map[string]string{}
		for key := range s.NamespaceKeys() {
			taken[key] = "the namespace"
		}
		for _, name := range []string{a, b} {
			q, err := s.Queue(name)
			if err != nil {
				if text := err.Error(); !strings.HasPrefix(text, "queue: ") || len(text) > 1000 || !utf8.ValidString(text) {
					t.Fatalf("%q: %v", name, err)
				}
				continue
			}
			if q.Name != name {
				t.Fatalf("%q is named %q", name, q.Name)
			}
			const incarnation = "0123456789abcdefghjkmnpqrs.again1.2"
			keys := []string{q.Hand(incarnation), q.Held(incarnation), q.Channel, q.Record("x"), q.Lock("qx"), q.Running("bx"), q.Parked("bx")}
			for key := range q.Keys() {
				keys = append(keys, key)
			}
			if wants := 19; len(keys) != wants && (!q.Foreign || len(keys) != wants+1) {
				t.Fatalf("%q has %d keys: %q", name, len(keys), keys)
			}
			for _, key := range keys {
				if hashed(key) != hashed(q.List) {
					t.Fatalf("%q: %q and %q are not in one slot", name, key, q.List)
				}
				if key != q.List && !strings.HasPrefix(key, "tasuki:") {
					t.Fatalf("%q: %q is outside of the namespace", name, key)
				}
				if of := taken[key]; of != "" && a != b {
					t.Fatalf("%q: %q belongs to %q too", name, key, of)
				}
				taken[key] = name
			}
		}
	})
}

// hashed is what Redis Cluster hashes of a key, after the words of its specification:
// what is between the first { and the first } behind it, if that is not nothing.
func hashed(key string) string {
	for i := range len(key) {
		if key[i] != '{' {
			continue
		}
		for k := i + 1; k < len(key); k++ {
			if key[k] == '}' {
				if k > i+1 {
					return key[i+1 : k]
				}
				return key
			}
		}
		return key
	}
	return key
}
