// Package legible makes of a text that anybody may have written one that can be shown: what a
// terminal obeys, what turns the direction of writing, and what is there and not seen becomes
// the symbol U+FFFD. It writes durations too. It is pure, so that the command, its terminal UI and
// the dashboard show the same.
package legible

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line is a text on one line, of valid UTF-8: a space stands for what ends a line, and for a tab.
func Line(text string) string { return show(text, false) }

// Lines is a text with its lines and tabs, of valid UTF-8. A carriage return is a space.
func Lines(text string) string { return show(text, true) }

func show(text string, lines bool) string {
	var before rune
	return strings.Map(func(r rune) rune {
		switch {
		case lines && (r == '\n' || r == '\t'):
		case r == '\n' || r == '\t' || r == '\r':
			r = ' '
		case unicode.Is(unicode.Join_Control, r) && joins(before):
		case hides(r):
			r = unicode.ReplacementChar
		}
		before = r
		return r
	}, text)
}

// hides tells whether a reader does not see a character for what it is: it controls a terminal,
// turns the direction of writing, ends a line, or has no shape.
func hides(r rune) bool {
	return unicode.IsControl(r) || r >= utf8.RuneSelf && unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point)
}

// joins tells whether a joiner can belong to the character before it, as in emoji, Persian and
// the scripts of India.
func joins(before rune) bool {
	return before >= utf8.RuneSelf && before != unicode.ReplacementChar && !unicode.Is(unicode.Join_Control, before)
}

// Cut shortens a text to at most n bytes, without splitting a character.
func Cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
