package store

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestScriptsAreAllowed: who runs a script may send each of its commands, to all of its keys. Redis asks
// for each command anew, so a script without one right fails in the middle; it is asked of the server here,
// as a call that is rare may come in no other test.
//
//fault:server a role of deploy/acl runs a script that it may run | it may send every command of it to every key of it, also in cases that are rare
func TestScriptsAreAllowed(t *testing.T) {
	t.Parallel()
	b := newBox(t, redistest.Shared(t).URL(), "mail")
	for _, role := range []string{"producer", "worker", "operator"} {
		redistest.Shared(t).As(t, role, b.s.ns)
	}
	header := regexp.MustCompile(`(?m)^-- BY ([a-z, ]+)$`)
	parts, kinds, keys := b.parts(), b.kinds(), map[string]map[string]bool{}
	for _, op := range operations {
		if keys[op.script] == nil {
			keys[op.script] = map[string]bool{}
		}
		for part, key := range parts {
			if op.gets(part) || isNamed(loadScript(op.script).text, part, kinds[key]) {
				keys[op.script][key] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		text := loadScript(name).text
		by := header.FindStringSubmatch(text)
		if by == nil {
			t.Errorf("%s: the header does not say whose script it is: -- BY producer, worker, operator", name)
			continue
		}
		commands := map[string]bool{}
		for _, m := range luaWord.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(luaWords, m[1]) || m[1] == "TIME" {
				commands[m[1]] = true
			}
		}
		for _, command := range slices.Sorted(maps.Keys(commands)) {
			asked := 0
			for key := range keys[name] {
				if kind := kindOf(command); kind != "" && kinds[key] != kind {
					continue
				}
				asked++
				for role := range strings.SplitSeq(by[1], ", ") {
					words := append([]string{"ACL", "DRYRUN", role + "-" + b.s.ns}, b.wordsWith(command, key)...)
					if answer, err := b.do(words...).ToString(); err != nil || answer != "OK" {
						t.Errorf("%s: %q: %s, %v", name, words[2:], answer, err)
					}
				}
			}
			if asked == 0 {
				t.Errorf("%s: it has no key for %s: the operations of this test give it none", name, command)
			}
		}
	}
}

// isNamed tells whether the header of a script names a part of the box with its type.
func isNamed(header, part, kind string) bool {
	names := strings.Split(part, ":")
	names = append(names, map[string]string{"unique": "lock", "rec": "record", "parked": "that", "all": "log"}[names[0]])
	return slices.ContainsFunc(names, func(name string) bool {
		return name != "" && strings.Contains(header, " "+name+" "+strings.ToUpper(kind))
	})
}

// kindOf is the type of key that a command needs; "" if it is any, or none.
func kindOf(command string) string {
	switch command {
	case "SADD", "SREM", "SMEMBERS":
		return "set"
	case "GET", "SET":
		return "string"
	case "RPUSH", "RPOP":
		return "list"
	}
	switch {
	case slices.Contains([]string{"TYPE", "EXISTS", "DEL", "PEXPIRE", "PTTL", "TIME", "PUBLISH", "PUBSUB"}, command):
		return ""
	case command[0] == 'H':
		return "hash"
	case command[0] == 'L':
		return "list"
	case command[0] == 'Z':
		return "zset"
	}
	return "unknown"
}

// wordsWith are those of the list of rights for a command, with another key.
func (b *box) wordsWith(command, key string) []string {
	for i := range rights {
		words := strings.Fields(rights[i].words)
		if words[0] != command {
			continue
		}
		for k, word := range words {
			if word == "{channel}" {
				words[k] = b.q.Channel
			} else if strings.HasPrefix(word, "{") {
				words[k] = key
			}
		}
		return words
	}
	b.t.Errorf("%s is not in rights", command)
	return []string{command}
}
