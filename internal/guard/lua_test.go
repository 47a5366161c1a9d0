package guard

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const scripts = "internal/store/lua"

// script is a Lua file in parts.
type script struct {
	name     string
	what     string           // the first line of the header behind the name
	declared map[string]entry // KEYS[1] → its line in the header
	more     map[string]int   // KEYS, ARGV → where a declared range begins: KEYS[3...]
	reserved map[string]bool  // the range is in parentheses: it is for later
	returns  bool
	cost     bool
	body     []string        // its lines, without comments
	fields   map[string]bool // of tables, that hold one of KEYS
}

// field is a part of a table that is set to one of KEYS.
var field = regexp.MustCompile(`\b([a-z]+) = KEYS\[`)

// entry is what the header says of one key or argument.
type entry struct{ name, kind string }

var (
	headerEntry = regexp.MustCompile(`^-- (KEYS|ARGV)\[(\d+)(\.\.\.)?\] (\(?)(\S+)(?: (\S+))?`)
	use         = regexp.MustCompile(`\b(KEYS|ARGV)\[(\d+)\]`)
	dynamic     = regexp.MustCompile(`\b(KEYS|ARGV)\[[^\]]*[a-z][^\]]*\]|unpack\((KEYS|ARGV)\b`)
	call        = regexp.MustCompile(`\b(?:redis\.p?call|try)\(([^()]*(?:\([^()]*\)[^()]*)*)\)`)
	bare        = regexp.MustCompile(`^[a-z_]+$|^KEYS\[[a-z0-9 +]+\]$`)
)

func parseScript(t *testing.T, name string) *script {
	t.Helper()
	s := &script{name: strings.TrimSuffix(path.Base(name), ".lua"), declared: map[string]entry{}, more: map[string]int{}, reserved: map[string]bool{}, fields: map[string]bool{}}
	header := true
	for line := range strings.Lines(read(t, name)) {
		line = strings.TrimRight(line, "\n")
		if header = header && strings.HasPrefix(line, "--"); !header {
			line, _, _ = strings.Cut(line, " -- ")
			if line = strings.TrimRight(line, " "); line != "" && !strings.HasPrefix(strings.TrimSpace(line), "--") {
				s.body = append(s.body, line)
				for _, m := range field.FindAllStringSubmatch(line, -1) {
					s.fields[m[1]] = true
				}
			}
			continue
		}
		if s.what == "" {
			s.what = strings.TrimPrefix(line, "-- "+s.name+".lua: ")
			if s.what == line || !strings.ContainsAny(s.what, " ") {
				t.Errorf("%s: the first line is %q, not -- %s.lua: what it does", name, line, s.name)
			}
		}
		s.returns = s.returns || strings.HasPrefix(line, "-- RETURN ")
		s.cost = s.cost || strings.HasPrefix(line, "-- COST O(")
		if m := headerEntry.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[2])
			if n != 1+s.count(m[1]) || s.more[m[1]] > 0 {
				t.Errorf("%s: %s[%d] is out of order in the header", name, m[1], n)
			}
			if m[3] != "" {
				s.more[m[1]], s.reserved[m[1]] = n, m[4] != ""
			} else {
				s.declared[fmt.Sprintf("%s[%d]", m[1], n)] = entry{m[5], m[6]}
			}
		}
	}
	return s
}

func (s *script) count(array string) int {
	n := 0
	for key := range s.declared {
		if strings.HasPrefix(key, array) {
			n++
		}
	}
	return n
}

// TestLuaHeaders sets the header of every script against its body.
func TestLuaHeaders(t *testing.T) {
	t.Parallel()
	for _, name := range files(t, ".lua") {
		s := parseScript(t, name)
		if path.Dir(name) != scripts {
			t.Errorf("%s: scripts are in %s", name, scripts)
		}
		if !s.returns || !s.cost {
			t.Errorf("%s: the header does not say what it returns (-- RETURN …) and costs (-- COST O(…))", name)
		}
		if s.declared["KEYS[1]"].name == "" {
			t.Errorf("%s: the header names no key", name)
		}
		for key, e := range s.declared {
			if strings.HasPrefix(key, "KEYS") && !slices.Contains([]string{"LIST", "HASH", "ZSET", "SET", "STRING"}, e.kind) {
				t.Errorf("%s: the header says that %s is a %q: want its name, its type in capitals, what it is", name, key, e.kind)
			}
		}
		bound, rest := bindings(t, name, s)
		for key, e := range s.declared {
			if bound[key] != e.name {
				t.Errorf("%s: %s is %q in the header; the first statements call it %q", name, key, e.name, bound[key])
			}
		}
		for key := range bound {
			if s.declared[key].name == "" {
				t.Errorf("%s: %s is not in the header", name, key)
			}
		}
		variable := map[string]bool{}
		for _, line := range rest {
			if m := use.FindString(line); m != "" {
				t.Errorf("%s: %q uses %s by its number: the first statements give it a name", name, line, m)
			}
			for _, m := range dynamic.FindAllStringSubmatch(line, -1) {
				variable[m[1]+m[2]] = true
			}
		}
		for _, array := range []string{"KEYS", "ARGV"} {
			if variable[array] != (s.more[array] > 0 && !s.reserved[array]) {
				t.Errorf("%s: %s is used with a variable index: %t; the header has a line for %s[n...]: %t", name, array, variable[array], array, s.more[array] > 0)
			}
		}
	}
}

// bindings reads the first statements, which give every key and argument the name
// that it has in the header, and returns what follows them.
func bindings(t *testing.T, name string, s *script) (bound map[string]string, rest []string) {
	t.Helper()
	bound = map[string]string{}
	for i, line := range s.body {
		left, right, ok := strings.Cut(strings.TrimPrefix(line, "local "), " = ")
		if !ok || !strings.HasPrefix(line, "local ") || !use.MatchString(right) {
			return bound, s.body[i:]
		}
		names, values := strings.Split(left, ", "), strings.Split(right, ", ")
		if len(names) != len(values) {
			t.Errorf("%s: %q binds %d names to %d values", name, line, len(names), len(values))
			continue
		}
		for n, value := range values {
			bound[use.FindString(value)] = names[n]
		}
	}
	return bound, nil
}

// keyless are the commands that scripts call whose first argument is no key.
var keyless = []string{"'TIME'", "'PUBLISH'", "'PUBSUB'"}

// packs is the script that decodes something: its numbers are no payload, and no job waits for it.
const packs = "settle_stats"

// TestLuaKeys: in Cluster a script may touch only keys that it was given, and
// replicas, proxies and people know them by that. So none makes a name.
func TestLuaKeys(t *testing.T) {
	t.Parallel()
	calls := 0
	for _, name := range files(t, ".lua") {
		s := parseScript(t, name)
		bound, rest := bindings(t, name, s)
		keys, others := map[string]bool{}, map[string]bool{}
		for index, local := range bound {
			if strings.HasPrefix(index, "KEYS") {
				keys[local] = true
			} else {
				others[local] = true
			}
		}
		made := regexp.MustCompile(`\blocal ([a-z_]+) = .*\.\.`)
		for _, line := range rest {
			if (strings.Contains(line, "cjson") || strings.Contains(line, "cmsgpack")) && s.name != packs {
				t.Errorf("%s: %q: payloads are not decoded in scripts", name, line)
			}
			if m := made.FindStringSubmatch(line); m != nil {
				others[m[1]] = true
			}
			for key := range keys {
				if regexp.MustCompile(`\b`+key+` \.\.|\.\. `+key+`\b`).MatchString(line) && !strings.Contains(line, "error_reply(") {
					t.Errorf("%s: %q makes something of the name of a key", name, line)
				}
			}
			for _, m := range call.FindAllStringSubmatch(line, -1) {
				words := strings.SplitN(m[1], ", ", 3)
				if len(words) < 2 || slices.Contains(keyless, words[0]) {
					continue
				}
				calls++
				if _, part, ok := strings.Cut(words[1], "."); ok && s.fields[part] {
					continue
				}
				if !bare.MatchString(words[1]) || others[words[1]] {
					t.Errorf("%s: %q: the key of %s is %s: want a name that stands for one of KEYS", name, line, words[0], words[1])
				}
			}
		}
	}
	if calls < 50 {
		t.Errorf("only %d calls were found", calls)
	}
}

// TestLuaCallers: each script has one variable, and one exported function of
// internal/store that runs it.
func TestLuaCallers(t *testing.T) {
	t.Parallel()
	loaded := map[string]string{}      // variable → script
	callers := map[string][]string{}   // variable → exported functions
	mentioned := map[string][]string{} // variable → all functions
	pkg := path.Dir(scripts)
	for _, name := range files(t, ".go") {
		if path.Dir(name) != pkg || strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, read(t, name), 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range f.Decls {
			if d, ok := decl.(*ast.GenDecl); ok && d.Tok == token.VAR {
				loadedBy(d, loaded)
			}
			d, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			seen := map[string]bool{}
			ast.Inspect(d.Body, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok && strings.HasPrefix(id.Name, "script") && id.Name != "script" && !seen[id.Name] {
					seen[id.Name] = true
					mentioned[id.Name] = append(mentioned[id.Name], d.Name.Name)
					if d.Name.IsExported() {
						callers[id.Name] = append(callers[id.Name], d.Name.Name)
					}
				}
				return true
			})
		}
	}
	variables := map[string]string{}
	for variable, name := range loaded {
		if variables[name] != "" {
			t.Errorf("%s and %s are both %s.lua", variable, variables[name], name)
		}
		variables[name] = variable
		if len(callers[variable]) != 1 {
			t.Errorf("%s (%s.lua) is run by the exported functions %v, and mentioned by %v: want one, which knows its answers", variable, name, callers[variable], mentioned[variable])
		}
	}
	for _, name := range files(t, ".lua") {
		base := strings.TrimSuffix(path.Base(name), ".lua")
		if variables[base] == "" {
			t.Errorf("%s: no variable in %s/scripts.go loads it", name, pkg)
		}
		delete(variables, base)
	}
	for name, variable := range variables {
		t.Errorf("%s loads %s.lua, which is not there", variable, name)
	}
}

// loadedBy notes the variables that a declaration sets to loadScript("…").
func loadedBy(d *ast.GenDecl, loaded map[string]string) {
	for _, spec := range d.Specs {
		v, ok := spec.(*ast.ValueSpec)
		if !ok || len(v.Values) != 1 {
			continue
		}
		load, ok := v.Values[0].(*ast.CallExpr)
		if !ok {
			continue
		}
		if f, ok := load.Fun.(*ast.Ident); !ok || f.Name != "loadScript" {
			continue
		}
		if text, ok := load.Args[0].(*ast.BasicLit); ok {
			loaded[v.Names[0].Name], _ = strconv.Unquote(text.Value)
		}
	}
}
