package top

import (
	"fmt"
	"strings"
)

// style is how a piece of text looks: bits. Only the sixteen colours that every terminal has
// are used, and none that is hard to read on a dark or on a light one; what matters is said
// in words too, for a screen without colours.
type style uint8

const (
	bold style = 1 << iota
	faint
	reverse
	red
	green
	magenta
	cyan

	plain style = 0
)

// codes are those of the bits: ECMA-48, "select graphic rendition".
var codes = []string{"1", "2", "7", "31", "32", "35", "36"}

func (s style) paint(text string) string {
	if s == plain || text == "" {
		return text
	}
	var set []string
	for bit, code := range codes {
		if s&(1<<bit) != 0 {
			set = append(set, code)
		}
	}
	return "\x1b[" + strings.Join(set, ";") + "m" + text + "\x1b[m"
}

// piece is a text in one style. The text may come from anywhere.
type piece struct {
	text  string
	style style
}

// line is a line of the screen. What is shown is made of lines, and render is the only place
// that writes them: so no text of a job can reach the terminal but through clean.
type line []piece

func words(s string) line            { return line{{s, plain}} }
func styled(s string, as style) line { return line{{s, as}} }

// render returns the line in w cells exactly. If it is chosen, all of it is reversed.
func (l line) render(w int, chosen bool) string {
	var b strings.Builder
	left := w
	for n, p := range l {
		t := clean(p.text)
		if taken := width(t); taken > left || taken == left && n < len(l)-1 && l[n+1:].width() > 0 {
			t = cut(t+"…", left)
		}
		as := p.style
		if chosen {
			as = as&bold | reverse
		}
		b.WriteString(as.paint(t))
		left -= width(t)
		if left <= 0 {
			break
		}
	}
	pad := plain
	if chosen {
		pad = reverse
	}
	b.WriteString(pad.paint(strings.Repeat(" ", max(left, 0))))
	return b.String()
}

// width is how many cells the line would like.
func (l line) width() int {
	n := 0
	for _, p := range l {
		n += width(clean(p.text))
	}
	return n
}

// field is a value with its name before it, in w cells: as many lines as it takes, and none of an
// empty one.
func field(name, value string, w int) (lines []line) {
	if value == "" {
		return nil
	}
	for n, part := range wrap(value, w-11) {
		if n > 0 {
			name = ""
		}
		lines = append(lines, line{{fmt.Sprintf("%-11s", name), cyan}, {part, plain}})
	}
	return lines
}
