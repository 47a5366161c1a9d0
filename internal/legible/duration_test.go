package legible

import (
	"math"
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0:                               "0s",
		7:                               "7ns",
		32 * time.Microsecond:           "32µs",
		5632 * time.Microsecond:         "5.63ms",
		5636 * time.Microsecond:         "5.64ms",
		999_600 * time.Microsecond:      "1s",
		1500 * time.Millisecond:         "1.5s",
		59_900 * time.Millisecond:       "59.9s",
		59_960 * time.Millisecond:       "1m",
		61 * time.Second:                "1m1s",
		596 * time.Second:               "9m56s",
		10 * time.Minute:                "10m",
		3599_600 * time.Millisecond:     "1h",
		65*time.Minute + 31*time.Second: "1h6m",
		24*time.Hour - time.Second:      "1d",
		49*time.Hour + 29*time.Minute:   "2d1h",
		-90 * time.Second:               "-1m30s",
		math.MaxInt64:                   "106751d23h",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%d) is %q, want %q", d, got, want)
		}
	}
	for d, want := range map[time.Duration]string{0: "0s", 32_400: "32µs", 5632 * time.Microsecond: "5.6ms", 346 * time.Millisecond: "350ms", 596 * time.Second: "10m"} {
		if got := Rough(d); got != want {
			t.Errorf("Rough(%d) is %q, want %q", d, got, want)
		}
	}
}
