package top

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain":                             "plain",
		"山田太郎 ①":                            "山田太郎 ①",
		"two\nlines\tand\r":                 "two lines and ",
		"\x1b[31mred\x1b[m":                 "�[31mred�[m",
		"\x1b]0;title\x07":                  "�]0;title�",
		"\x9b31m":                           "�31m",
		"\u009b31m":                         "�31m",
		"a\u202egnp.exe":                    "a�gnp.exe", // turns the direction
		"zero\u200bwidth":                   "zero�width",
		"\ufeffmark":                        "�mark",
		"line\u2028separator":               "line�separator",
		"\xff\xfe":                          "��",
		"e\u0301":                           "e\u0301",
		"e" + strings.Repeat("\u0301", 500): "e" + strings.Repeat("\u0301", mostMarks),
		"\u0301e":                           "e", // would sit on what stands before
		"☎\ufe0f":                           "☎",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) is %q, want %q", in, got, want)
		}
	}
}

// FuzzClean: whatever a text is, what is left moves nothing and is as wide as it says.
func FuzzClean(f *testing.F) {
	for _, s := range []string{"plain", "\x1b[2J", "\u202e", "日本語", "e\u0301\u0301", "\xff", "👨‍👩‍👧", "\x9b", "a\tb\nc"} {
		f.Add(s, 10)
	}
	f.Fuzz(func(t *testing.T, text string, w int) {
		got := clean(text)
		if !utf8.ValidString(got) {
			t.Errorf("%q is no UTF-8", got)
		}
		for _, r := range got {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
				t.Errorf("%q has %U", got, r)
			}
		}
		if again := clean(got); again != got {
			t.Errorf("clean of %q is %q", got, again)
		}
		w = max(2, min(w, 300))
		if n := width(line{{text, red}, {text, plain}}.render(w, false)); n != w {
			t.Errorf("%q is drawn in %d cells of %d", text, n, w)
		}
		for _, l := range wrap(text, w) {
			if width(l) > w || l != clean(l) {
				t.Errorf("wrapped to %d: %q has %d cells", w, l, width(l))
			}
		}
	})
}

func TestFormats(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct{ got, want string }{
		{number(0), "0"}, {number(999), "999"}, {number(1000), "1,000"}, {number(10_000_000), "10,000,000"}, {number(-1234), "-1,234"}, {number(math.MaxInt64), "9,223,372,036,854,775,807"},
		{perSecond(0), "0.0"}, {perSecond(12.34), "12.3"}, {perSecond(99.96), "100"}, {perSecond(12345.6), "12,346"},
		{span(0), "0s"}, {span(999 * time.Millisecond), "999ms"}, {span(59990 * time.Millisecond), "1m"}, {span(61 * time.Second), "1m1s"}, {span(3 * time.Hour), "3h"}, {span(49 * time.Hour), "2d1h"},
		{since(time.Time{}, now), "-"}, {since(now.Add(time.Second), now), "in 1s"}, {since(now.Add(-time.Minute), now), "1m ago"},
		{size(5), "5 B"}, {size(1536), "1.5 KiB"}, {size(3 << 20), "3.0 MiB"}, {size(5 << 30), "5.0 GiB"},
		{count(1, "job"), "1 job"}, {count(2000, "job"), "2,000 jobs"},
		{sparkline([]float64{0, 1, 2, 4}, 6), "  ▁▄▅█"}, {sparkline([]float64{0, 0}, 2), "▁▁"}, {sparkline([]float64{9, 1, 1}, 2), "██"}, {sparkline(nil, 0), ""},
		{strings.Join(wrap("ab\tc\n\n日本語\r\n", 4), "|"), "ab  |  c||日本|語"},
		{strings.Join(wrap("", 4), "|"), ""},
	} {
		if c.got != c.want {
			t.Errorf("it is %q, want %q", c.got, c.want)
		}
	}
}

func TestRender(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		l    line
		w    int
		want string
	}{
		{words("ab"), 4, "ab  "},
		{words("abcdef"), 4, "abc…"},
		{line{{"ab", plain}, {"cd", plain}}, 3, "ab…"},
		{line{{"ab", plain}, {"cd", plain}}, 2, "a…"},
		{line{{"ab", plain}, {"", plain}}, 2, "ab"},
		{words("日本語"), 5, "日本…"},
		{words("日本語"), 4, "日… "},
		{styled("x", red|bold), 1, "\x1b[1;31mx\x1b[m"},
		{words("x\x1b[m"), 5, "x�[m "},
	} {
		if got := c.l.render(c.w, false); got != c.want {
			t.Errorf("%q in %d: %q, want %q", c.l, c.w, got, c.want)
		}
	}
	if got := (line{{"x", red | bold}}).render(2, true); got != "\x1b[1;7mx\x1b[m\x1b[7m \x1b[m" {
		t.Errorf("chosen it is %q", got)
	}
}
