package guard

import (
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	link      = regexp.MustCompile(`\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)`)
	reference = regexp.MustCompile(`^\[[^\]]+\]:\s+(\S+)`)
	code      = regexp.MustCompile("`[^`]*`")
	anchor    = regexp.MustCompile(`<a (?:id|name)="([^"]+)"`)
)

// TestLinks follows every relative link of every Markdown file.
func TestLinks(t *testing.T) {
	t.Parallel()
	for _, name := range markdown(t) {
		fenced := false
		n := 0
		for line := range strings.Lines(read(t, name)) {
			n++
			if isFence(line) {
				fenced = !fenced
			}
			if fenced {
				continue
			}
			line = code.ReplaceAllString(line, "")
			for _, found := range append(link.FindAllStringSubmatch(line, -1), reference.FindAllStringSubmatch(line, -1)...) {
				if err := follow(t, name, found[1]); err != nil {
					t.Errorf("%s:%d: %v", name, n, err)
				}
			}
		}
	}
}

// markdown returns all Markdown files; none is no mistake yet.
func markdown(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, name := range files(t, ".md", "go.mod") {
		if strings.HasSuffix(name, ".md") {
			found = append(found, name)
		}
	}
	return found
}

func isFence(line string) bool { return strings.HasPrefix(strings.TrimSpace(line), "```") }

func follow(t *testing.T, from, to string) error {
	if strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") {
		return nil
	}
	to, fragment, _ := strings.Cut(to, "#")
	target := from
	if to != "" {
		target = path.Join(path.Dir(from), to)
	}
	if !exists(target) {
		return fmt.Errorf("a link to %s, which is not there", target)
	}
	if fragment != "" && strings.HasSuffix(target, ".md") && !anchors(read(t, target))[fragment] {
		return fmt.Errorf("a link to %s#%s: there is no such heading", target, fragment)
	}
	return nil
}

// anchors are the fragments of a page's headings, as GitHub makes them.
func anchors(text string) map[string]bool {
	all := map[string]bool{}
	fenced := false
	for line := range strings.Lines(text) {
		if isFence(line) {
			fenced = !fenced
		}
		for _, found := range anchor.FindAllStringSubmatch(line, -1) {
			all[found[1]] = true
		}
		heading := strings.TrimLeft(line, "#")
		if fenced || heading == line || !strings.HasPrefix(heading, " ") {
			continue
		}
		heading = link.ReplaceAllString(heading, "]")
		slug := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(heading))
		unique := slug
		for n := 1; all[unique]; n++ {
			unique = fmt.Sprintf("%s-%d", slug, n)
		}
		all[unique] = true
	}
	return all
}

// block is a piece of Go in a Markdown file.
type block struct {
	place string // FILE:LINE
	text  string
}

// programs returns the blocks marked go that are whole files: they begin with
// their package clause.
func programs(t *testing.T, name string) []block {
	t.Helper()
	var (
		all    []block
		text   strings.Builder
		inside bool
		n      int
		start  int
	)
	for line := range strings.Lines(read(t, name)) {
		n++
		switch fence := strings.TrimSpace(line); {
		case !inside && (fence == "```go" || strings.HasPrefix(fence, "```go ")):
			inside, start = true, n
			text.Reset()
		case inside && fence == "```":
			inside = false
			whole := regexp.MustCompile(`(?m)\A(//[^\n]*\n|\s*\n)*package \w+$`)
			if whole.MatchString(text.String()) {
				all = append(all, block{fmt.Sprintf("%s:%d", name, start), text.String()})
			}
		case inside:
			text.WriteString(line)
		}
	}
	return all
}

// TestPrograms compiles and vets the Go files that documentation shows.
func TestPrograms(t *testing.T) {
	t.Parallel()
	for _, name := range markdown(t) {
		for _, b := range programs(t, name) {
			formatted, err := format.Source([]byte(b.text))
			if err != nil {
				t.Errorf("%s: %v", b.place, err)
				continue
			}
			if string(formatted) != b.text {
				t.Errorf("%s: it is not formatted as gofmt does it", b.place)
			}
			file := "main.go"
			if strings.Contains(b.text, "\t\"testing\"\n") {
				file = "main_test.go"
			}
			file = filepath.Join(t.TempDir(), file)
			if err := os.WriteFile(file, []byte(b.text), 0o644); err != nil {
				t.Fatal(err)
			}
			// A file that is named on the command line has its imports
			// resolved by the module of the working directory.
			cmd := exec.Command("go", "vet", file)
			cmd.Dir = filepath.Join("..", "..")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: go vet: %v\n%s", b.place, err, out)
			}
		}
	}
}

// TestReadmeProgram: the first program of the README is a file that anybody can
// run as it is.
func TestReadmeProgram(t *testing.T) {
	t.Parallel()
	if !exists("README.md") {
		return
	}
	const file = "examples/readme/main.go"
	all := programs(t, "README.md")
	switch {
	case len(all) == 0:
		t.Error("README.md shows no whole program")
	case !exists(file):
		t.Errorf("%s is not there; it should be the first program of README.md", file)
	case withoutComment(all[0].text) != withoutComment(read(t, file)):
		t.Errorf("%s and %s differ: copy one to the other", all[0].place, file)
	}
}

// TestTestingChapter: what docs/testing.md shows is in examples/testing, where it runs.
func TestTestingChapter(t *testing.T) {
	t.Parallel()
	source := read(t, "examples/testing/main.go") + read(t, "examples/testing/main_test.go")
	pieces := strings.Split(read(t, "docs/testing.md"), "```go\n")[1:]
	if len(pieces) == 0 {
		t.Error("docs/testing.md shows no code")
	}
	for _, piece := range pieces {
		if piece, _, _ = strings.Cut(piece, "```\n"); !strings.Contains(source, piece) {
			t.Errorf("this is in docs/testing.md, and not in examples/testing:\n%s", piece)
		}
	}
}

// withoutComment leaves out what stands before the package clause: a command has a
// comment there, which a README does not need.
func withoutComment(text string) string {
	if i := strings.Index("\n"+text, "\npackage "); i >= 0 {
		text = text[i:]
	}
	return strings.TrimSpace(text)
}
