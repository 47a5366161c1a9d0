package model

import (
	"bytes"
	"testing"
)

// TestCanonicalNames: a world under its canonical names keeps them, and what is read
// back from its bytes has the same bytes.
func TestCanonicalNames(t *testing.T) {
	t.Parallel()
	start := NewWorld(1, 2, 32, nil, []Element{{Job: 1, Crashes: 2, Token: 1}, {Job: 2, Crashes: 2, Token: 2}}, 1,
		Limits{Lost: 2, Buried: 1, Failed: 1, Killed: 1})
	frontier, seen := [][]byte{start.code()}, map[string]bool{}
	for range 7 {
		var next [][]byte
		for _, code := range frontier {
			var w World
			w.decode(start, code)
			if again := w.code(); !bytes.Equal(again, code) {
				var other World
				w.decode(start, code)
				other.decode(start, again)
				t.Fatalf("%v\nbecomes\n%v", &w, &other)
			}
			w.decode(start, code)
			for _, a := range w.Actions() {
				w.decode(start, code)
				if err := w.Do(a); err != nil {
					t.Fatal(err)
				}
				if code := w.code(); !seen[string(code)] {
					seen[string(code)] = true
					next = append(next, code)
				}
			}
		}
		frontier = next
	}
	if len(seen) < 500 {
		t.Errorf("only %d worlds were seen", len(seen))
	}
}
