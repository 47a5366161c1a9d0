package top

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/charmbracelet/x/ansi"

	"github.com/tasuki-dev/tasuki/internal/legible"
)

// clean makes a text harmless that anybody may have written: one legible line, in which as many
// cells are taken as width counts.
func clean(text string) string {
	marks := mostMarks // none before the first character
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Variation_Selector, r): // terminals differ in what width it gives
			return -1
		case unicode.In(r, unicode.Mn, unicode.Me):
			if marks++; marks > mostMarks {
				return -1
			}
			return r
		case unicode.Is(unicode.Join_Control, r): // and it
			r = unicode.ReplacementChar
		}
		marks = 0
		return r
	}, legible.Line(text))
}

// mostMarks is how many marks a character may have: no language needs more, and hundreds
// would grow over the lines around.
const mostMarks = 4

// width is how many cells a clean text takes.
func width(text string) int { return ansi.StringWidthWc(text) }

// cut returns the begin of a clean text that takes w cells at most, with an ellipsis if that
// is not all.
func cut(text string, w int) string {
	if w <= 0 {
		return ""
	}
	return ansi.TruncateWc(text, w, "…")
}

// wrap breaks a text into lines of w cells at most. Each is clean.
func wrap(text string, w int) []string {
	w = max(w, 2) // a wide character has to go somewhere
	var lines []string
	for part := range strings.SplitSeq(strings.TrimRight(text, "\r\n\t "), "\n") {
		part = clean(strings.ReplaceAll(strings.TrimRight(part, "\r"), "\t", "    "))
		for len(part) > w {
			head := ansi.TruncateWc(part, w, "")
			if head == "" || len(head) == len(part) {
				break
			}
			if space := strings.LastIndexByte(head, ' '); space > len(head)/2 && part[len(head)] != ' ' { // words stay whole
				head = head[:space+1]
			}
			lines, part = append(lines, head), part[len(head):]
		}
		lines = append(lines, part)
	}
	return lines
}

// number is a count as it can be read: 10,000,000.
func number(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// perSecond is a rate.
func perSecond(r float64) string {
	if r < 99.95 {
		return strconv.FormatFloat(r, 'f', 1, 64)
	}
	return number(int64(math.Round(r)))
}

// span is a duration, of which the sign does not matter.
func span(d time.Duration) string { return legible.Duration(d.Abs()) }

// since is how a time lies to now: "3m20s ago", "in 5s".
func since(at, now time.Time) string {
	switch {
	case at.IsZero():
		return "-"
	case at.After(now):
		return "in " + span(at.Sub(now))
	}
	return span(now.Sub(at)) + " ago"
}

// size is a number of bytes.
func size(n int64) string {
	const kib = 1 << 10
	switch {
	case n < kib:
		return fmt.Sprintf("%d B", n)
	case n < kib*kib:
		return fmt.Sprintf("%.1f KiB", float64(n)/kib)
	case n < kib*kib*kib:
		return fmt.Sprintf("%.1f MiB", float64(n)/(kib*kib))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(kib*kib*kib))
}

// count is "1 job", "2 jobs".
func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return number(n) + " " + what + "s"
}

var bars = []rune("▁▂▃▄▅▆▇█")

// sparkline draws the last w of some values, the newest at the right, as parts of the highest
// one. Before the first there is space.
func sparkline(values []float64, w int) string {
	if w <= 0 {
		return ""
	}
	values = values[max(0, len(values)-w):]
	high := 0.0
	for _, v := range values {
		high = max(high, v)
	}
	b := []rune(strings.Repeat(" ", w-len(values)))
	for _, v := range values {
		at := 0
		if v > 0 {
			at = min(len(bars)-1, 1+int(v/high*float64(len(bars)-2)+0.5))
		}
		b = append(b, bars[at])
	}
	return string(b)
}
