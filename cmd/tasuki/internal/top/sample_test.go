package top

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSampler(t *testing.T) {
	onBench(t, false, func(b *bench) {
		b.asked = nil
		b.wait(10 * time.Second)
		if n := strings.Count(strings.Join(b.asked, " "), "stats"); n != 10 {
			t.Errorf("it has looked %d times in 10 s", n)
		}
		if len(b.asked) != 10 { // the overview needs nothing else
			t.Errorf("it has asked %q", b.asked)
		}
		b.press("4")
		b.asked = nil
		b.wait(3 * time.Second)
		slices.Sort(b.asked)
		if got := strings.Join(b.asked, " "); got != "stats stats stats workers workers workers" {
			t.Errorf("it has asked %q", b.asked)
		}
		// A look that takes long is not begun again, and is ended with its page.
		b.hang = true
		b.wait(time.Second)
		b.asked = nil
		b.wait(5 * time.Second)
		if got := strings.Join(b.asked, " "); got != "stats stats stats stats stats" {
			t.Errorf("it has asked %q", b.asked)
		}
		b.press("3")
		b.shows("email.welcome")
		b.press("4")
		b.wait(readLimit + time.Second)
		b.shows("deadline exceeded")
		b.hang = false
		b.wait(readLimit + 2*time.Second) // there is another one by now
		b.shuns("deadline exceeded")
	})
}

func TestHold(t *testing.T) {
	onBench(t, false, func(b *bench) {
		b.press("3", "space")
		b.shows("HELD")
		b.asked = nil
		b.wait(5 * time.Second)
		if len(b.asked) > 0 {
			t.Errorf("it has asked %q", b.asked)
		}
		b.press("r") // looks all the same
		if len(b.asked) != 2 {
			t.Errorf("it has asked %q", b.asked)
		}
		b.press("space")
		b.wait(2 * time.Second)
		if len(b.asked) < 4 {
			t.Errorf("it has asked %q", b.asked)
		}
		b.shuns("HELD")
	})
}

// Redis goes away and comes back: it says so, and goes on.
func TestAway(t *testing.T) {
	onBench(t, false, func(b *bench) {
		b.press("3")
		b.wait(time.Second)
		b.statsErr, b.jobsErr = errAway, errAway
		b.wait(3 * time.Second)
		b.shows("Redis cannot be asked for 2", "dial tcp 127.0.0.1:6379", "what is shown is old", "email.welcome") // what was seen stays
		b.press("2")
		b.shows("images")
		b.press("1")
		b.shows("Redis cannot be asked")
		b.statsErr, b.jobsErr = nil, nil
		b.wait(2 * time.Second)
		b.shuns("Redis cannot be asked", "what is shown is old")
		b.press("3")
		b.shuns("127.0.0.1")
	})
}

// The first look fails.
func TestAwayAtFirst(t *testing.T) {
	onBench(t, false, func(b *bench) {
		b.statsErr, b.jobsErr = errAway, errAway
		b.m.stats = nil
		b.wait(time.Second)
		for _, key := range []string{"1", "2", "enter", "3", "enter", "4", "5", "6"} {
			b.press(key)
			b.shows("Redis cannot be asked")
		}
	})
}

func TestRates(t *testing.T) {
	onBench(t, false, func(b *bench) {
		b.progress(100)
		b.shows("failed in the last 1m")
		if n := len(b.m.tracks["images"].done); n != tracked {
			t.Errorf("%d looks are kept", n)
		}
		b.stats.Queues = b.stats.Queues[1:]
		b.wait(2 * time.Second)
		if b.m.tracks["images"] != nil {
			t.Error("what was seen of a queue stays when the queue is gone")
		}
	})
}
