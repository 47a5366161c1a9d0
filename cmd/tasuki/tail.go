package main

import (
	"strings"
	"unicode/utf8"
)

// tailBytes is how much of what was written a tail keeps: as much as a job keeps
// of an error's text.
const tailBytes = 4 << 10

// tail keeps the end of what is written to it, and no more memory than that. Its
// zero value is empty. One goroutine at a time may use it.
type tail struct{ kept []byte }

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	p = p[max(0, n-tailBytes):]
	over := max(0, len(t.kept)+len(p)-tailBytes)
	t.kept = append(t.kept[:copy(t.kept, t.kept[over:])], p...)
	return n, nil
}

// text is the end of what was written, without the white space around it: valid
// UTF-8 of at most n bytes, that begins with a whole character.
func (t *tail) text(n int) string {
	kept := t.kept
	if len(kept) == tailBytes {
		// The first character may have lost its beginning.
		for i := 0; i < utf8.UTFMax-1 && !utf8.RuneStart(kept[0]); i++ {
			kept = kept[1:]
		}
	}
	s := strings.TrimSpace(strings.ToValidUTF8(string(kept), "\uFFFD"))
	if from := len(s) - max(n, 0); from > 0 { // a replacement is longer than what it replaces
		for from < len(s) && !utf8.RuneStart(s[from]) {
			from++
		}
		s = s[from:]
	}
	return s
}
