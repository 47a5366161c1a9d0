//go:build !failpoint || !unix

package failpoint

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestNothingIsLeft has the compiler say what becomes of each call: it is inlined,
// and what is inlined is empty.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	call := regexp.MustCompile(`failpoint\.(Hit|Err)\(`)
	for _, pkg := range []string{"../..", "../native"} {
		files, err := filepath.Glob(filepath.Join(pkg, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		calls := 0
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			calls += len(call.FindAll(text, -1))
		}
		cmd := exec.Command("go", "build", "-gcflags=-m", ".")
		cmd.Dir = pkg
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		inlined := len(regexp.MustCompile(`inlining call to failpoint\.(Hit|Err)\b`).FindAll(out, -1))
		if calls == 0 || inlined != calls {
			t.Errorf("%s: %d of %d calls are inlined", pkg, inlined, calls)
		}
	}
}
