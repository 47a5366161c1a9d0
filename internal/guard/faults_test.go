package guard

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// faultAreas are the parts of the table of faults, in their order.
var faultAreas = []struct{ name, heading string }{
	{"process", "Processes"},
	{"network", "The network"},
	{"server", "The server"},
	{"time", "Time"},
	{"data", "Data and input"},
}

// fault is a row of the table: what a test says in its comment that it proves.
type fault struct {
	area, what, holds string
	test, pkg         string
	place             string // FILE:LINE
}

const (
	faultPage      = "docs/guarantees.md"
	faultBegin     = "<!-- faults: written by go test ./internal/guard -run TestFaultTable -update -->\n"
	faultEnd       = "<!-- end of faults -->\n"
	faultDirective = "//fault:"
)

// TestFaultTable compares the table of faults in the documentation with what the
// tests say that they prove. So no row is without a test, and no test is renamed
// or taken out without its row.
func TestFaultTable(t *testing.T) {
	t.Parallel()
	rows := faults(t)
	page := read(t, faultPage)
	before, rest, found := strings.Cut(page, faultBegin)
	old, after, ended := strings.Cut(rest, faultEnd)
	if !found || !ended {
		t.Fatalf("%s lacks the lines %q and %q, between which the table goes", faultPage, faultBegin, faultEnd)
	}
	table := faultTable(rows)
	if t.Failed() {
		return
	}
	if *update {
		page = before + faultBegin + table + faultEnd + after
		if err := os.WriteFile(filepath.Join("..", "..", filepath.FromSlash(faultPage)), []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(old, table); diff != "" {
		t.Errorf("the table of faults in %s is not what the tests say: go test ./internal/guard -run TestFaultTable -update\n(-page +tests)\n%s", faultPage, diff)
	}
}

// faults collects the directives of all tests of all modules, and checks each.
func faults(t *testing.T) []fault {
	t.Helper()
	var rows []fault
	for _, name := range files(t, "_test.go") {
		text := read(t, name)
		if !strings.Contains(text, faultDirective) {
			continue
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		tests := map[*ast.CommentGroup]string{}
		for _, decl := range f.Decls {
			if d, ok := decl.(*ast.FuncDecl); ok && d.Doc != nil && d.Recv == nil && strings.HasPrefix(d.Name.Name, "Test") {
				tests[d.Doc] = d.Name.Name
			}
		}
		for _, group := range f.Comments {
			for _, c := range group.List {
				directive, ok := strings.CutPrefix(c.Text, faultDirective)
				if !ok {
					continue
				}
				row, err := parseFault(directive)
				row.test, row.pkg = tests[group], path.Dir(name)
				row.place = fmt.Sprintf("%s:%d", name, set.Position(c.Pos()).Line)
				if err == nil && row.test == "" {
					err = fmt.Errorf("it stands in no comment of a Test function")
				}
				if err != nil {
					t.Errorf("%s: %s: %v", row.place, c.Text, err)
					continue
				}
				rows = append(rows, row)
			}
		}
	}
	seen := map[string]string{}
	for _, row := range rows {
		key := row.area + " " + row.what
		if first, ok := seen[key]; ok {
			t.Errorf("%s: %q is a fault at %s already: say in what they differ", row.place, row.what, first)
		}
		seen[key] = row.place
	}
	if len(rows) == 0 {
		t.Error("no test says which fault it proves")
	}
	return rows
}

// properName begins a sentence in the same way as it stands within one.
var properName = regexp.MustCompile(`^(Redis|Sentinel|Cluster|Lua|Valkey)\b`)

// parseFault reads what stands behind //fault: the area, the fault, and what holds.
func parseFault(directive string) (fault, error) {
	area, rest, _ := strings.Cut(directive, " ")
	what, holds, found := strings.Cut(rest, " | ")
	row := fault{area: area, what: what, holds: holds}
	if !slices.ContainsFunc(faultAreas, func(a struct{ name, heading string }) bool { return a.name == area }) {
		return row, fmt.Errorf("area %q: allowed are those of faultAreas", area)
	}
	if !found {
		return row, fmt.Errorf("no \" | \" between the fault and what holds")
	}
	for _, part := range []string{what, holds} {
		first, size := utf8.DecodeRuneInString(part)
		second, _ := utf8.DecodeRuneInString(part[size:])
		switch {
		case part == "" || part != strings.TrimSpace(part):
			return row, fmt.Errorf("%q: empty, or with spaces around it", part)
		case strings.Contains(part, "|"):
			return row, fmt.Errorf("%q: a | would end the cell of the table", part)
		case strings.HasSuffix(part, "."):
			return row, fmt.Errorf("%q: it ends with a full stop", part)
		case unicode.IsUpper(first) && unicode.IsLower(second) && !properName.MatchString(part):
			return row, fmt.Errorf("%q: it begins with a capital", part)
		}
	}
	return row, nil
}

// faultTable writes a table for each area, the rows in the order of packages,
// files and lines.
func faultTable(rows []fault) string {
	var b strings.Builder
	for _, area := range faultAreas {
		first := true
		for _, row := range rows {
			if row.area != area.name {
				continue
			}
			if first {
				first = false
				fmt.Fprintf(&b, "\n### %s\n\n| fault | what holds | test |\n|---|---|---|\n", area.heading)
			}
			test := "`" + row.test + "`"
			if row.pkg != "." {
				test += " in `" + row.pkg + "`"
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", row.what, row.holds, test)
		}
	}
	return b.String() + "\n"
}

// TestFaultForm: what would spoil the table is refused.
func TestFaultForm(t *testing.T) {
	t.Parallel()
	for directive, want := range map[string]string{
		"process worker killed | nothing is lost":            "",
		"server FLUSHALL under workers | they go on":         "",
		"time Redis' clock jumps | nobody is taken for dead": "",
		"proces worker killed | nothing is lost":             "area",
		"process worker killed, nothing is lost":             "no \" | \"",
		"process worker killed | ":                           "empty",
		"process  worker killed | nothing is lost":           "spaces",
		"process worker killed | nothing | is lost":          "cell",
		"process worker killed | nothing is lost.":           "full stop",
		"process Worker killed | nothing is lost":            "capital",
		"": "area",
	} {
		_, err := parseFault(directive)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", directive, err, want)
		}
	}
}
