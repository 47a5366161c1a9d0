package top

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
)

var update = flag.Bool("update", false, "write the screens of testdata")

// golden compares the screen with one in testdata.
func (b *bench) golden(name string) {
	b.t.Helper()
	path := filepath.Join("testdata", name+".txt")
	got := b.screen() + "\n"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			b.t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		b.t.Fatal(err)
	}
	if got != string(want) {
		b.t.Errorf("%s: it is\n%s\nwant (go test -update writes it)\n%s", name, got, want)
	}
}

// progress has jobs be done and fail from look to look.
func (b *bench) progress(looks int) {
	for n := range looks {
		q := b.stats.Queues
		counts := map[string]int64{}
		for name, v := range q[0].Counts {
			counts[name] = v
		}
		counts["done"] += int64(1000 + 100*(n%7))
		q[0].Counts = counts
		counts = map[string]int64{}
		for name, v := range q[1].Counts {
			counts[name] = v
		}
		counts["done"] += 20
		counts["retry"] += 3
		q[1].Counts = counts
		b.wait(time.Second)
	}
}

// Every view as it is at 80×24.
func TestScreens(t *testing.T) {
	onBench(t, false, func(b *bench) {
		b.progress(12)
		for _, s := range []struct {
			name string
			keys []string
		}{
			{"overview", nil},
			{"queues", []string{"2"}},
			{"queue", []string{"down", "enter"}},
			{"jobs", []string{"3"}},
			{"job-retry", []string{"down", "enter"}},
			{"job-dead", []string{"esc", "down", "enter"}},
			{"job-raw", []string{"esc", "down", "enter"}},
			{"workers", []string{"4"}},
			{"worker", []string{"enter"}},
			{"failures", []string{"5"}},
			{"failure", []string{"enter"}},
			{"schedules", []string{"6"}},
			{"schedule", []string{"enter"}},
			{"operations", []string{"7"}},
			{"operation", []string{"down", "enter"}},
			{"kinds", []string{"8"}},
			{"kind", []string{"enter"}},
			{"audit", []string{"9"}},
			{"act", []string{"end", "enter"}},
			{"keys", []string{"3", "?"}},
		} {
			b.press(s.keys...)
			b.golden(s.name)
			for n, l := range strings.Split(b.m.View().Content, "\n") {
				if n >= 24 {
					t.Errorf("%s has more than 24 lines", s.name)
				}
				_ = l
			}
		}
		if len(b.changed) > 0 {
			t.Errorf("looking has changed %q", b.changed)
		}
	})
}

// However small or large the terminal is, no line is longer, and there are not more lines.
func TestSizes(t *testing.T) {
	onBench(t, true, func(b *bench) {
		b.progress(3)
		for _, size := range []tea.WindowSizeMsg{{Width: 300, Height: 60}, {Width: 200, Height: 60}, {Width: 80, Height: 24}, {Width: 60, Height: 20}, {Width: 40, Height: 10}, {Width: 20, Height: 5}, {Width: 7, Height: 3}, {Width: 1, Height: 1}} {
			b.send(size)
			for _, keys := range [][]string{{"1"}, {"2"}, {"enter"}, {"3"}, {"enter"}, {"4"}, {"enter"}, {"5"}, {"enter"}, {"6"}, {"enter"}, {"7"}, {"enter"}, {"U"}, {"esc"}, {"8"}, {"enter"}, {"9"}, {"enter"}, {"?"}, {"esc"}, {"2"}, {"P"}, {"esc"}, {"3"}, {"/"}, {"esc"}} {
				b.press(keys...)
				lines := strings.Split(b.m.View().Content, "\n")
				if len(lines) > size.Height {
					t.Errorf("%v: after %q it has %d lines", size, keys, len(lines))
				}
				for _, l := range lines {
					if w := width(l); w > size.Width {
						t.Errorf("%v: after %q a line has %d cells: %q", size, keys, w, l)
					}
				}
			}
		}
	})
}
