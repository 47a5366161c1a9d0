package guard

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"strings"
	"testing"
)

// TestPackageComments: the comment of a package is where a reader begins.
func TestPackageComments(t *testing.T) {
	t.Parallel()
	comments := map[string]string{}
	for _, name := range files(t, ".go") {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, read(t, name), parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		pkg := path.Dir(name)
		comment := docOf(f)
		if comment == "" {
			comments[pkg] += ""
			continue
		}
		if comments[pkg] != "" {
			t.Errorf("%s: package %s has a comment in another file too", name, pkg)
		}
		comments[pkg] = comment
		if f.Name.Name != "main" && !strings.HasPrefix(comment, "Package "+f.Name.Name+" ") {
			t.Errorf("%s: the comment begins %.40q, not %q", name, comment, "Package "+f.Name.Name+" ")
		}
	}
	for pkg, comment := range comments {
		if comment == "" {
			t.Errorf("%s: no file has a comment that says what the package is for", pkg)
		}
	}
}

func docOf(f *ast.File) string {
	if f.Doc == nil {
		return ""
	}
	return f.Doc.Text()
}
