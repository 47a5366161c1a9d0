package guard

import (
	"slices"
	"strings"
	"testing"
)

// TestRootRequires: whoever imports tasuki gets what it requires, so that is
// little.
func TestRootRequires(t *testing.T) {
	t.Parallel()
	allowed := []string{
		"github.com/redis/rueidis",
		"github.com/alicebob/miniredis/v2",
		"github.com/go-json-experiment/json",
		// For tests.
		"pgregory.net/rapid",
		"go.uber.org/goleak",
		"github.com/google/go-cmp",
	}
	var required []string
	inside := false
	for line := range strings.Lines(read(t, "go.mod")) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
			continue
		case words[0] == "replace":
			t.Errorf("go.mod: %q: who imports tasuki does not see it", strings.TrimSpace(line))
		case words[0] == "require" && words[1] == "(":
			inside = true
			continue
		case words[0] == ")":
			inside = false
		case words[0] == "require":
			words = words[1:]
		case !inside:
			continue
		}
		if len(words) < 2 || strings.HasSuffix(strings.TrimSpace(line), "// indirect") {
			continue
		}
		required = append(required, words[0])
		if !slices.Contains(allowed, words[0]) {
			t.Errorf("go.mod requires %s; allowed are %v. A feature that needs more is a module of its own", words[0], allowed)
		}
	}
	if len(required) < 3 {
		t.Errorf("only %v were found in go.mod", required)
	}
}
