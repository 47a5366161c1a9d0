// Package fingerprint tells which failures are the same one: it takes out of the text
// of an error what differs from case to case. It is pure, so that a worker that counts
// a failure and whoever reads a dead job come to the same.
package fingerprint

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"unicode/utf8"

	"github.com/tasuki-dev/tasuki/internal/legible"
)

// Crash stands for the text of the error where there is none, as the process has died.
const Crash = "the process died while it had the job"

// MaxText is how many bytes of an error count: as many as an element keeps of it.
const MaxText = 4096

const (
	maxMessage = 512 // bytes of the message that count
	maxFrames  = 3   // functions of a stack that count, from where it panicked
)

// Of returns the fingerprint of an error of a kind: 16 digits and small letters. The text is
// that of the error; of a panic its message, and the stack as package runtime prints it on
// the lines behind it.
func Of(kind, text string) string {
	message, stack := Split(text)
	h := sha256.New()
	h.Write([]byte(kind))
	h.Write([]byte{0})
	h.Write([]byte(Normal(message)))
	for _, name := range Functions(stack) {
		h.Write([]byte{0})
		h.Write([]byte(name))
	}
	return encoding.EncodeToString(h.Sum(nil)[:10])
}

var encoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz")

// Split parts the text of an error from the stack behind it, "" if there is none.
func Split(text string) (message, stack string) {
	text = legible.Cut(strings.ToValidUTF8(text, "\uFFFD"), MaxText)
	// A stack begins with a line without an indent, of which the next is its file.
	for at := 0; ; {
		n := strings.Index(text[at:], "\n\t")
		if n < 0 {
			return text, ""
		}
		at += n
		line := strings.LastIndexByte(text[:at], '\n') + 1
		if line > 0 && strings.HasSuffix(text[line:at], ")") && isPlace(text[at+2:]) {
			return text[:line-1], text[line:]
		}
		at++
	}
}

// isPlace tells whether a text begins as /path/file.go:12 does.
func isPlace(text string) bool {
	line, _, _ := strings.Cut(text, "\n")
	file, number, ok := strings.Cut(line, ".go:")
	return ok && file != "" && number != "" && isDigit(number[0])
}

// Functions are those of a stack that count: the first ones from where it panicked, without
// the runtime's and without what has called the handler. The lines are left out: they move
// with each version of a program.
func Functions(stack string) []string {
	var names []string
	lines := strings.Split(stack, "\n")
	for i := 0; i+1 < len(lines) && len(names) < maxFrames; i++ {
		open := strings.LastIndexByte(lines[i], '(')
		if open <= 0 || !strings.HasPrefix(lines[i+1], "\t") {
			continue
		}
		name := lines[i][:open]
		i++ // the line of its file
		switch {
		case strings.HasPrefix(name, "runtime.") || strings.HasPrefix(name, "runtime/") || name == "panic":
			continue
		case strings.HasPrefix(name, "github.com/tasuki-dev/tasuki."):
			return names
		}
		names = append(names, name)
	}
	return names
}

// Normal is a message without what differs from case to case. In this order:
//
//   - what stands in quotes (", ` or '), but for apostrophes, becomes #; so does an address of
//     IPv6 in brackets
//   - a word of letters, digits, - and _ that looks like an id becomes #: one of hexadecimal
//     digits and dashes, 8 or more, of which one is a digit 0 to 9; one of 16 or more in
//     which letters and digits change at least three times
//   - digits that follow each other become #; 0x and a sign before them, a point between
//     them, and a unit of time behind them belong to them
//   - several # become one, also with . : - / , _ or [ ] between them
//   - white space becomes a single space, and what is before the first and behind the last
//     word goes
//
// Of a longer message the first 512 bytes count.
func Normal(message string) string {
	s := strings.Join(strings.Fields(legible.Cut(strings.ToValidUTF8(message, "\uFFFD"), maxMessage)), " ")
	return joined(numbered(unquoted(s)))
}

// unquoted puts # in the place of what stands in quotes, and of [fe80::1].
func unquoted(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		c := s[i]
		if c == '"' || c == '`' || c == '\'' && (i == 0 || !isWord(s[i-1])) {
			if end := closing(s, i); end > 0 {
				b.WriteByte('#')
				i = end
				continue
			}
		}
		if end := strings.IndexByte(s[i:], ']'); c == '[' && end > 0 && isIPv6(s[i+1:i+end]) {
			b.WriteByte('#')
			i += end + 1
			continue
		}
		b.WriteByte(c)
		i++
	}
	return b.String()
}

// isIPv6 tells whether a text looks like an address of IPv6.
func isIPv6(text string) bool {
	return strings.Count(text, ":") > 1 && strings.Trim(text, "0123456789abcdefABCDEF:.") == ""
}

// closing is where what begins with the quote at i ends: behind the next such quote; 0 if
// there is none.
func closing(s string, i int) int {
	for n := i + 1; n < len(s); n++ {
		switch {
		case s[n] == '\\' && s[i] == '"':
			n++
		case s[n] == s[i] && (s[i] != '\'' || n+1 == len(s) || !isWord(s[n+1])):
			return n + 1
		}
	}
	return 0
}

// numbered puts # in the place of ids and numbers.
func numbered(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		if !isWord(s[i]) {
			b.WriteByte(s[i])
			i++
			continue
		}
		end := i
		for end < len(s) && (isWord(s[end]) || s[end] == '-') {
			end++
		}
		if isID(s[i:end]) {
			b.WriteByte('#')
		} else {
			writeNumbered(&b, s[i:end])
		}
		i = end
	}
	return b.String()
}

// writeNumbered writes a word with # in the place of its numbers.
func writeNumbered(b *strings.Builder, word string) {
	for i := 0; i < len(word); {
		if !isDigit(word[i]) {
			b.WriteByte(word[i])
			i++
			continue
		}
		if i == 0 && strings.HasPrefix(word, "0x") {
			i = len(word)
		}
		for i < len(word) && isDigit(word[i]) {
			i++
		}
		b.WriteByte('#')
		i += unit(word[i:])
	}
}

// units are those of a time.Duration.
var units = []string{"ns", "us", "ms", "s", "m", "h"}

// unit is how long the unit of time is with which a text begins, behind a number: 0 if none
// does.
func unit(text string) int {
	for _, u := range units {
		if strings.HasPrefix(text, u) && (len(text) == len(u) || isDigit(text[len(u)])) {
			return len(u)
		}
	}
	return 0
}

// isID tells whether a word looks like one that was made by a machine.
func isID(word string) bool {
	hex, digits, changes := true, 0, 0
	last := byte(0)
	for i := range len(word) {
		c := word[i]
		class := byte('a')
		switch {
		case isDigit(c):
			digits++
			class = '0'
		case c == '-' || c == '_':
			hex = hex && c == '-'
			continue
		case 'a' <= c|0x20 && c|0x20 <= 'f':
		default:
			hex = false
		}
		if last != 0 && class != last {
			changes++
		}
		last = class
	}
	return digits > 0 && (hex && len(word) >= 8 || len(word) >= 16 && changes >= 3)
}

// joined makes one # of several, and takes what is between them.
func joined(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		b.WriteByte(s[i])
		if s[i] != '#' {
			i++
			continue
		}
		i++
		for n := i; n < len(s); n++ {
			if s[n] == '#' {
				i = n + 1
			} else if !strings.ContainsRune(".:-+/,_[]", rune(s[n])) {
				break
			}
		}
	}
	return b.String()
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isWord tells whether a byte is of a word: a letter, a digit, _, or part of a character that
// is not ASCII.
func isWord(c byte) bool {
	return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' || c >= utf8.RuneSelf
}
