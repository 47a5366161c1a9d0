package guard

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const logPage = "docs/log-lines.md"

// logCalls are the functions that log, and the level of those that have one: the
// methods of slog and the functions that tasuki has around them.
var logCalls = map[string]string{
	"Debug": "debug", "Info": "info", "Warn": "warn", "Error": "error",
	"DebugContext": "debug", "InfoContext": "info", "WarnContext": "warn", "ErrorContext": "error",
	"Log": "", "LogAttrs": "", "logOutcome": "",
	"warnOnce": "warn once",
	"warn":     "warn once", // what a source tells its worker, which logs it once
}

// unlogged are packages in which such names mean something else, or that only tests
// and developers run.
var unlogged = regexp.MustCompile(`^(examples|tasukitest|embedded|internal/(source|redis|proof|sim|mutants|fuzzing|model|guard))`)

// TestLogLines: docs/log-lines.md has every line that is logged, with its level and what
// to do, and no other.
func TestLogLines(t *testing.T) {
	t.Parallel()
	logged := map[string]string{} // line → level
	for _, name := range files(t, ".go") {
		if strings.HasSuffix(name, "_test.go") || unlogged.MatchString(name) {
			continue
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, name, read(t, name), 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			level, ok := logCalls[calledName(call)]
			if !ok {
				return true
			}
			for _, arg := range call.Args {
				// The key of warnOnce is another text, and others pass the level or a context first.
				line, begins := strings.CutPrefix(textOf(arg), "tasuki: ")
				if !begins && calledName(call) != "warn" {
					if lit, ok := arg.(*ast.BasicLit); ok && calledName(call) != "warnOnce" && arg == call.Args[0] {
						t.Errorf("%v: %s is logged: begin it with \"tasuki: \", so that one sees in a log whose it is", fset.Position(call.Pos()), lit.Value)
						break
					}
					continue
				}
				if line == "…" {
					continue
				}
				if level == "" {
					level = levelIn(call)
				}
				if before := logged[line]; before != "" && before != level {
					t.Errorf("%v: %q is logged as %s and as %s", fset.Position(call.Pos()), line, before, level)
				}
				logged[line] = level
				break
			}
			return true
		})
	}
	if len(logged) < 50 {
		t.Errorf("%d lines were found in the code: the search is wrong", len(logged))
	}

	told := map[string]string{}
	row := regexp.MustCompile("(?m)^\\| (\\w+(?: once)?) \\| `([^`]+)` \\| (.+) \\| (.+) \\|$")
	for _, found := range row.FindAllStringSubmatch(read(t, logPage), -1) {
		if told[found[2]] != "" {
			t.Errorf("%s has %q twice", logPage, found[2])
		}
		told[found[2]] = found[1]
	}
	for _, line := range slices.Sorted(maps.Keys(logged)) {
		switch told[line] {
		case logged[line]:
		case "":
			t.Errorf("%s lacks a row with what it means and what to do: | %s | `%s` | … | … |", logPage, logged[line], line)
		default:
			t.Errorf("%s says that %q is %s, and it is %s", logPage, line, told[line], logged[line])
		}
	}
	for _, line := range slices.Sorted(maps.Keys(told)) {
		if logged[line] == "" {
			t.Errorf("%s has %q, which is not logged any more", logPage, line)
		}
	}
}

// calledName is the name of the function or method that is called.
func calledName(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

// levelIn is the level among the arguments of a call.
func levelIn(call *ast.CallExpr) string {
	for _, arg := range call.Args {
		if s, ok := arg.(*ast.SelectorExpr); ok && strings.HasPrefix(s.Sel.Name, "Level") {
			return strings.ToLower(strings.TrimPrefix(s.Sel.Name, "Level"))
		}
	}
	return ""
}

// textOf is a string as it stands in the code, with … for what it is put together of.
func textOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return text
		}
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			return textOf(e.X) + textOf(e.Y)
		}
	}
	return "…"
}
