package web

import (
	"fmt"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/legible"
)

// count sets a whole number, int or int64, in groups of three digits.
func count(n any) string {
	text := fmt.Sprint(n)
	text, negative := strings.CutPrefix(text, "-")
	sign := ""
	if negative {
		sign = "-"
	}
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return sign + text
}

// size is bytes in the unit that leaves one to four digits.
func size(n int64) string {
	value, unit := float64(n), "B"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if value < 1024 {
			break
		}
		value, unit = value/1024, next
	}
	if unit == "B" || value >= 100 {
		return fmt.Sprintf("%.0f %s", value, unit)
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}

// rate is something per second.
func rate(n float64) string {
	switch {
	case n == 0:
		return "0"
	case n < 10:
		return fmt.Sprintf("%.1f", n)
	}
	return count(int64(n + 0.5))
}

// since is how long ago a time is; negative if it is to come.
func since(t time.Time) time.Duration { return time.Since(t) }

// stamp is a time as HTML has it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// clock is a time as it is read.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") + " UTC" }

// short is the begin of a text, of about n bytes.
func short(n int, text string) string {
	text = legible.Lines(text)
	if len(text) <= n {
		return text
	}
	return legible.Cut(text, n) + "…"
}

// percent is a part of a whole, 0 to 100.
func percent(part, whole int64) int64 {
	if whole <= 0 {
		return 0
	}
	return min(100*part/whole, 100)
}

// term is a value as a query has it.
func term(value string) string {
	q := inspect.Query{Queues: []string{value}}
	return strings.TrimPrefix(q.String(), "queue:")
}
