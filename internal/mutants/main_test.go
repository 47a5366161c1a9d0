package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"testing"
)

// TestPatches: every patch applies to the tree as it is, and names tests that are
// there. Whoever changes the code under one makes the mistake anew, or takes the
// patch away if it cannot be made any more.
func TestPatches(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	mutants, err := load(root)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string][]string{} // of the tests of a package
	for _, m := range mutants {
		if _, err := output(root, "git", "apply", "--check", m.patch); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
		for _, c := range m.tests {
			if names[c.pkg] == nil {
				names[c.pkg] = tests(t, filepath.Join(root, c.pkg))
			}
			pattern, err := regexp.Compile(c.run)
			if err != nil {
				t.Errorf("%s: %v", m.name, err)
				continue
			}
			found := false
			for _, name := range names[c.pkg] {
				found = found || pattern.MatchString(name)
			}
			if !found {
				t.Errorf("%s: there is no test %v", m.name, c)
			}
		}
	}
}

// tests are the names of the tests and fuzz targets in a directory.
func tests(t *testing.T, dir string) (names []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
				names = append(names, f.Name.Name)
			}
		}
	}
	return names
}
