package store

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

var (
	// A word in capitals and quotes is a command, or a word of one.
	luaWord  = regexp.MustCompile(`'([A-Z]{3,})'`)
	luaWords = []string{"LEFT", "RIGHT", "LIMIT", "WITHSCORES", "TIME", "WRONGTYPE"}
	// Commands are built with methods that have their names: b.Llen(), conn.B().ClientId().
	goCall  = regexp.MustCompile(`\b(?:b|B\(\))\.([A-Z][a-z]+(?:[A-Z][a-z]+)*)\(`)
	goCalls = []string{"Build", "Arbitrary", "Ssubscribe", "Spublish", "ConfigGet", "Left", "Right"} // words of others, and what only some servers have or allow
)

// sent are the commands that the code of this package sends, by their names in an
// ACL file.
func sent(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for pattern, find := range map[string]func(text string){
		"lua/*.lua": func(text string) {
			for _, m := range luaWord.FindAllStringSubmatch(text, -1) {
				if !slices.Contains(luaWords, m[1]) || m[1] == "TIME" {
					all[strings.ToLower(m[1])] = true
				}
			}
		},
		"*.go": func(text string) {
			for _, m := range goCall.FindAllStringSubmatch(text, -1) {
				name := strings.ToLower(m[1])
				for _, group := range []string{"client", "acl"} {
					if rest, ok := strings.CutPrefix(name, group); ok && rest != "" {
						name = group + "|" + rest
					}
				}
				if !slices.Contains(goCalls, m[1]) {
					all[name] = true
				}
			}
		},
	} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			find(string(text))
		}
	}
	if all["pubsub"] {
		delete(all, "pubsub")
		all["pubsub|numsub"] = true
	}
	all["cluster|slots"] = true // by the client library
	return all
}

// TestRightsAreComplete: the list of commands that a role needs has every command
// that is sent anywhere, and none besides; and the users of deploy/acl may send
// those of their role, and nothing else.
func TestRightsAreComplete(t *testing.T) {
	t.Parallel()
	code, listed := sent(t), map[string]bool{}
	roles := map[Role]map[string]bool{Producer: {}, Worker: {}, Operator: {}}
	for i := range rights {
		name := strings.ReplaceAll(strings.ToLower(rights[i].name()), " ", "|")
		listed[name] = true
		for role, names := range roles {
			if rights[i].roles&role != 0 {
				names[name] = true
			}
		}
	}
	for name := range code {
		if !listed[name] {
			t.Errorf("%s is sent, and is not in rights", name)
		}
	}
	for name := range listed {
		if !code[name] {
			t.Errorf("%s is in rights, and nobody sends it", name)
		}
	}
	for role, file := range map[Role]string{Producer: "producer", Worker: "worker", Operator: "operator"} {
		granted := map[string]bool{}
		for _, word := range redistest.ACL(t, file) {
			if name, ok := strings.CutPrefix(word, "+"); ok && name != "hello" && name != "cluster|shards" { // what the client library sends, to newer servers
				granted[name] = true
			} else if strings.HasPrefix(word, "+@") || word == "allkeys" || word == "~*" || word == "allcommands" {
				t.Errorf("%s.acl has %s: want single commands and keys", file, word)
			}
		}
		if !maps.Equal(granted, roles[role]) {
			t.Errorf("%s.acl grants\n%v\nand the role needs\n%v", file, slices.Sorted(maps.Keys(granted)), slices.Sorted(maps.Keys(roles[role])))
		}
	}
}
