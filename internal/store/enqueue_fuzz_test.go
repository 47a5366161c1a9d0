package store

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// FuzzWhen: a job is due at its time or within the millisecond behind it, never
// before; a time in the past, however far, is none in the future.
func FuzzWhen(f *testing.F) {
	f.Add(int64(0), int64(0), int64(1))
	f.Add(int64(1763850000), int64(1), int64(0))
	f.Add(int64(-1)<<62, int64(-1), int64(1))
	f.Add(int64(-62135596800), int64(999_999_999), int64(-1))
	f.Fuzz(func(t *testing.T, sec, nsec, in int64) {
		const lastSecond = 253402300799 // of the year 9999: nothing later is enqueued
		at := time.Unix(sec, nsec)
		in = min(max(in, 0), int64(100*365*24*time.Hour))
		if sec > lastSecond || at.Unix() > lastSecond {
			return
		}
		text := (&Put{At: at}).when()
		ms, err := strconv.ParseInt(text, 10, 64)
		switch {
		case at.IsZero():
			if text != "" {
				t.Fatalf("no time is %q", text)
			}
		case err != nil || ms < 0 || ms > 1<<53:
			t.Fatalf("%v is %q", at, text)
		case at.Unix() < 0:
			if ms != 0 {
				t.Fatalf("%v is %q", at, text)
			}
		default:
			if d := time.UnixMilli(ms).Sub(at); d < 0 || d >= time.Millisecond {
				t.Fatalf("%v is %q, %v later", at, text, d)
			}
		}
		delay := (&Put{In: time.Duration(in)}).when()
		if in == 0 {
			if delay != "" {
				t.Fatalf("no delay is %q", delay)
			}
			return
		}
		ms, err = strconv.ParseInt(strings.TrimPrefix(delay, "+"), 10, 64)
		if d := time.Duration(ms)*time.Millisecond - time.Duration(in); err != nil || delay[0] != '+' || d < 0 || d >= time.Millisecond {
			t.Fatalf("%v is %q", time.Duration(in), delay)
		}
	})
}
