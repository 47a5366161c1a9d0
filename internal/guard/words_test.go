package guard

import (
	"regexp"
	"strings"
	"testing"
)

// TestWords: a path of the machine on which something was written, or a word about
// how it was, means nothing to who reads it elsewhere.
func TestWords(t *testing.T) {
	t.Parallel()
	// In parts, or this file would have them.
	strange := regexp.MustCompile(`(?i)` + strings.Join([]string{
		`/wo` + `rk/`, `/ro` + `ot/`, `/ho` + `me/[a-z]`, `/tm` + `p/[a-z0-9_.-]*(build|go-|claude)`,
		`\bissue ` + `#?[0-9]`, `\b(this|the|previous|next) ` + `(chat|prompt|agent session)\b`,
	}, "|"))
	for _, name := range files(t, ".go", ".lua", ".md", ".sh", ".py", ".json", ".yml", ".yaml", ".html", ".css", ".js", "Makefile", "go.mod", "go.work") {
		n := 0
		for line := range strings.Lines(read(t, name)) {
			n++
			if word := strange.FindString(line); word != "" {
				t.Errorf("%s:%d: %q", name, n, word)
			}
		}
	}
}
