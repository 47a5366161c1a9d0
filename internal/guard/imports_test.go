package guard

import (
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// public are the packages that a user of the library sees. "." is the root.
var public = []string{".", "cron", "inspect", "health", "embedded", "tasukitest", "web"}

// contrib are packages in modules of their own, for users who want what they bind to.
var contrib = []string{"contrib/tasukiotel", "contrib/tasukiprom"}

// arrow is a rule for one package.
type arrow struct {
	pkg string // a name that ends in /... is for everything below
	may []string
	why string
}

// arrows says which packages of tasuki a package may import. They point one way:
// cmd → web → inspect → tasuki → internal/store → internal/wire.
var arrows = []arrow{
	{"internal/legible", nil, "it is pure: whoever shows a text shows the same"},
	{"internal/wire", []string{"internal/legible"}, "the format is pure: no Redis, no I/O, so that it can be fuzzed and stays the same for all"},
	{"internal/failpoint", nil, "what is called everywhere depends on nothing"},
	{"internal/source", nil, "a seam knows neither of its sides"},
	{"internal/tally", nil, "it is numbers: whoever counts and whoever reads come to the same"},
	{"internal/fingerprint", []string{"internal/legible"}, "it is pure: whoever counts a failure and whoever reads a dead job come to the same"},
	{"internal/store", []string{"internal/legible", "internal/source", "internal/wire"}, "it names keys and sends commands; what a worker or a queue's owner decides is not its own"},
	{"internal/native", []string{"internal/failpoint", "internal/source", "internal/store"}, "a source knows its format and Redis, and nothing of handlers"},
	{"internal/source/sourcetest", []string{"internal/source"}, "the suite is for every source, and so knows none"},
	{"internal/holes", nil, "it is a list"},
	{"internal/bridge", []string{"internal/source", "internal/store"}, "the root imports it"},
	{".", []string{"internal/bridge", "internal/failpoint", "internal/fingerprint", "internal/holes", "internal/legible", "internal/native", "internal/source", "internal/store", "internal/tally", "internal/wire"},
		"a feature imports the core, and the core never learns of it: give it one general primitive instead"},
	{"inspect", []string{".", "internal/bridge", "internal/fingerprint", "internal/holes", "internal/legible", "internal/store", "internal/tally", "internal/wire"}, "it is beside the core and below the dashboard and the command"},
	{"tasukitest", []string{".", "embedded", "internal/bridge", "internal/legible", "internal/redisserver", "internal/source"}, "what it tells of a job is what the core decides, not what it reads out of Redis"},
	{"cron", []string{".", "internal/bridge", "internal/legible", "internal/store", "internal/wire"}, "it is a feature: it enqueues as everybody does, and keeps its entries beside the queues"},
	{"health", []string{".", "inspect"}, "it is for who supervises, and asks as everybody can"},
	{"embedded", nil, "it is a server, and knows nothing of jobs"},
	{"web", []string{".", "cron", "inspect", "internal/legible"}, "what the dashboard can do, the admin API and the table of periodic entries can do for everybody"},
	{"cmd/tasuki/internal/top", []string{".", "cron", "inspect", "internal/legible"}, "what it shows and does, the admin API can show and do for everybody"},
	{"cmd/tasuki", slices.Concat(public, []string{"cmd/tasuki/internal/top", "internal/legible"}), "the command is a user of the library, and has the terminal UI beside it"},
	{"contrib/tasukiotel", []string{"."}, "it sees a job as its handler does"},
	{"contrib/tasukiprom", []string{".", "inspect"}, "it tells what everybody can see"},
	{"cmd/...", public, "the command is a user of the library: what it needs is exported"},
	{"examples/...", public, "an example uses what its reader can use"},
	{"internal/model", nil, "it says what the scripts do, and must not learn it from them"},
	{"internal/redisserver", nil, "it runs a process, for tests of ours and of others"},
	{"internal/redistest", []string{"internal/redisserver"}, "every package's tests use it"},
	{"internal/sim", nil, "it has only tests"},
	{"internal/guard", nil, "it reads, and runs nothing"},
	{"internal/proof", nil, "it is all tests"},
	{"internal/fuzzing", nil, "it runs go test, and knows of the code what its source says"},
	{"internal/mutants", nil, "it runs go test on copies of the tree"},
}

// others says which packages may import what is not tasuki's. What is missing
// here nobody in the root module may import.
var others = []struct {
	prefix string
	pkgs   []string
	why    string
}{
	{"github.com/redis/rueidis", []string{"internal/store", "cmd/..."}, "only internal/store sends commands (and the bench, for comparison)"},
	{"github.com/alicebob/miniredis", []string{"embedded"}, "only who starts an embedded server pays for it, and tests"},
	{"github.com/go-json-experiment/json", []string{".", "internal/wire"}, "it goes when encoding/json can do the same: the fewer places the better"},
	{"charm.land/bubbletea", []string{"cmd/tasuki/internal/top"}, "only the terminal UI is one"},
	{"github.com/charmbracelet/x/ansi", []string{"cmd/tasuki/internal/top"}, "it says how wide a text is on a terminal, as bubbletea does"},
	{"go.uber.org/goleak", []string{"internal/redistest"}, "it is for tests"},
}

func TestImports(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, name := range files(t, ".go") {
		if strings.HasSuffix(name, "_test.go") {
			continue // tests may use whatever helps
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, read(t, name), parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		pkg := path.Dir(name)
		rule := slices.IndexFunc(arrows, func(a arrow) bool { return covers(a.pkg, pkg) })
		if rule < 0 {
			t.Errorf("%s: the package is new: give it a line in arrows that says what of tasuki it may import, and why not more", pkg)
			continue
		}
		for _, imported := range f.Imports {
			to, err := strconv.Unquote(imported.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if to == module || strings.HasPrefix(to, module+"/") {
				to = path.Clean("." + strings.TrimPrefix(to, module))
				if !slices.Contains(arrows[rule].may, to) {
					t.Errorf("%s imports %s, and may import %v: %s", name, to, arrows[rule].may, arrows[rule].why)
				}
				continue
			}
			if !strings.Contains(strings.Split(to, "/")[0], ".") {
				continue // the standard library
			}
			known := false
			for _, o := range others {
				if !strings.HasPrefix(to, o.prefix) {
					continue
				}
				known, used[o.prefix] = true, true
				if !slices.ContainsFunc(o.pkgs, func(p string) bool { return covers(p, pkg) }) {
					t.Errorf("%s imports %s, which only %v may: %s", name, to, o.pkgs, o.why)
				}
			}
			if !known && !ownModule(pkg) {
				t.Errorf("%s imports %s, which is not in the list of what the root module may import", name, to)
			}
		}
	}
	for _, o := range others {
		if !used[o.prefix] {
			t.Errorf("nobody imports %s: take its line out", o.prefix)
		}
	}
}

func covers(pattern, pkg string) bool {
	if below, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == below || strings.HasPrefix(pkg, below+"/")
	}
	return pattern == pkg
}

// ownModule tells whether a package is not of the root module.
func ownModule(pkg string) bool {
	for ; pkg != "."; pkg = path.Dir(pkg) {
		if exists(pkg + "/go.mod") {
			return true
		}
	}
	return false
}
