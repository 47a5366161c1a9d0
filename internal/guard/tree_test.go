package guard

import (
	"io/fs"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/tasuki-dev/tasuki"

// tree is the checkout. Paths in it have slashes and begin below its root.
var tree = os.DirFS("../..")

// files returns the paths of all files whose name ends in one of the suffixes,
// but for hidden directories, test data and what is built.
func files(t *testing.T, suffixes ...string) []string {
	t.Helper()
	var found []string
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		if d.IsDir() {
			if name != "." && (strings.HasPrefix(base, ".") || base == "testdata" || name == "bin") {
				return fs.SkipDir
			}
			return nil
		}
		if slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(base, s) }) {
			found = append(found, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatalf("no files %v", suffixes)
	}
	return found
}

// mostFile is how large a file of the project may be: everybody who clones it pays for it.
const mostFile = 1 << 20

func TestFileSizes(t *testing.T) {
	names, err := exec.CommandContext(t.Context(), "git", "-C", "../..", "ls-files", "-z").Output()
	if err != nil {
		t.Skip("not a checkout of git: ", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		if info, err := fs.Stat(tree, name); err == nil && info.Size() > mostFile { // else it is being removed
			t.Errorf("%s has %d bytes: allowed are %d", name, info.Size(), mostFile)
		}
	}
}

// read returns the text of a file.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := fs.ReadFile(tree, name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// exists tells whether there is a file or directory with that path.
func exists(name string) bool {
	_, err := fs.Stat(tree, name)
	return err == nil
}
