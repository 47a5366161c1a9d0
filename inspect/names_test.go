package inspect

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestFindingsAreDocumented: docs/operating.md has a section for each finding, in
// their order.
func TestFindingsAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	var sections []string
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "### "); ok {
			sections = append(sections, name)
		}
	}
	if !slices.Equal(sections, names) {
		t.Errorf("it has sections for\n%v, want\n%v", sections, names)
	}
}
