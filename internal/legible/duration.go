package legible

import (
	"fmt"
	"strings"
	"time"
)

const day = 24 * time.Hour

// Duration is a duration as it is read, rounded: of three digits up to a minute, as 32µs, 5.63ms
// and 59.9s, and in its two largest units from then on, as 9m56s, 1h5m and 2d.
func Duration(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "-", d.Abs()
	}
	if d < time.Minute {
		d = digits(d, 3)
	} else if d = d.Round(time.Second); d >= day {
		d = d.Round(time.Hour)
	} else if d >= time.Hour {
		d = d.Round(time.Minute)
	}
	text := ""
	switch {
	case d < time.Minute:
		return sign + d.String()
	case d < time.Hour:
		text = fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d < day:
		text = fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	default:
		text = fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
	}
	for _, nothing := range []string{"m0s", "h0m", "d0h"} {
		if whole, ok := strings.CutSuffix(text, nothing); ok {
			text = whole + nothing[:1]
		}
	}
	return sign + text
}

// Rough is a duration of which no more than two digits are known: a quantile, or an estimate.
func Rough(d time.Duration) string { return Duration(digits(d, 2)) }

// digits rounds a duration to its first n digits.
func digits(d time.Duration, n int) time.Duration {
	most := time.Duration(1)
	for range n {
		most *= 10
	}
	unit := time.Duration(1)
	for d/unit >= most {
		unit *= 10
	}
	return d.Round(unit)
}
