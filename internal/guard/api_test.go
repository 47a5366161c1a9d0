package guard

import (
	"bytes"
	"flag"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the lists of what is exported anew")

// TestExported compares what each public package exports with a list. A change is
// no mistake, but nobody should make one without seeing it.
func TestExported(t *testing.T) {
	t.Parallel()
	for _, pkg := range slices.Concat(public, contrib) {
		if !exists(pkg) {
			continue // it will come
		}
		name := path.Base(pkg)
		if pkg == "." {
			name = path.Base(module)
		}
		golden := filepath.Join("testdata", "api", name+".txt")
		got := exported(t, pkg)
		if *update {
			if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Errorf("%v: run go test ./internal/guard -run TestExported -update", err)
			continue
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("what package %s exports has changed. If that is meant: go test ./internal/guard -run TestExported -update\n(-list +now)\n%s", name, diff)
		}
	}
}

// exported returns the exported declarations of a package without comments and
// bodies, sorted.
func exported(t *testing.T, pkg string) string {
	t.Helper()
	names, err := fs.Glob(tree, path.Join(pkg, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: no Go files, %v", pkg, err)
	}
	var all []string
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, name, read(t, name), parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.FileExports(f)
		for _, decl := range f.Decls {
			switch d := decl.(type) {
			case *ast.GenDecl:
				if d.Tok == token.IMPORT {
					continue
				}
				for _, spec := range d.Specs {
					all = append(all, source(t, files, &ast.GenDecl{Tok: d.Tok, Specs: []ast.Spec{spec}}))
				}
			case *ast.FuncDecl:
				if d.Recv != nil && !ast.IsExported(receiver(d)) {
					continue
				}
				d.Body = nil
				all = append(all, source(t, files, d))
			}
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n") + "\n"
}

// receiver is the name of the type that has the method: Job of *Job[A].
func receiver(d *ast.FuncDecl) string {
	for e := d.Recv.List[0].Type; ; {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

func source(t *testing.T, files *token.FileSet, node ast.Node) string {
	t.Helper()
	var b bytes.Buffer
	if err := (&printer.Config{Mode: printer.UseSpaces, Tabwidth: 4}).Fprint(&b, files, node); err != nil {
		t.Fatal(err)
	}
	// What stood between fields were comments.
	var lines []string
	for line := range strings.Lines(b.String()) {
		if strings.TrimSpace(line) != "" {
			lines = append(lines, strings.TrimRight(line, "\n"))
		}
	}
	return strings.Join(lines, "\n")
}
