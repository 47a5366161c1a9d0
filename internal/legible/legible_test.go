package legible

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                           "",
		"plain ~":                    "plain ~",
		"山田太郎 ①":                     "山田太郎 ①",
		"two\nlines\tand\r":          "two lines and ",
		"\x1b[31mred\x1b[m\x00\x7f":  "�[31mred�[m��",
		"\u009b31m\u0085":            "�31m�",
		"\x9b31m\xff\xfe":            "�31m��",
		"a\u202egnp.exe\u2066\u061c": "a�gnp.exe��",
		"a\u200bb\u2060\ufeff\u00ad": "a�b���",
		"a\u3164\u2028\u2029":        "a���",
		"a\U000e0041":                "a�", // a tag spells what nobody sees
		"e\u0301 ☎\ufe0f":            "e\u0301 ☎\ufe0f",
		"👨\u200d👩\u200d👧":            "👨\u200d👩\u200d👧",
		"می\u200cخواهم":              "می\u200cخواهم",
		"pay\u200dpal\u200c":         "pay�pal�",
		"\u200dx":                    "�x",
		"م\u200c\u200cx":             "م\u200c�x",
		"\x1b\u200d\u202e\u200d":     "����",
	} {
		if got := Line(in); got != want {
			t.Errorf("Line(%q) is %q, want %q", in, got, want)
		}
	}
	if got, want := Lines("a\r\n\tb\x1bc\u2028"), "a \n\tb�c�"; got != want {
		t.Errorf("lines are %q, want %q", got, want)
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for n, want := range []string{"", "a", "a", "a", "a日", "a日b", "a日b"} {
		if got := Cut("a日b", n); got != want {
			t.Errorf("of %d bytes it is %q, want %q", n, got, want)
		}
	}
}

// FuzzLine: of whatever a text is, nothing is left that controls a terminal, turns letters around
// or hides, and nothing that was seen is lost.
func FuzzLine(f *testing.F) {
	for _, s := range []string{"plain", "\x1b[2J", "\u202e", "日本語", "\xff", "👨\u200d👩", "a\u200d", "\x9b", "a\tb\r\nc", "\u3164\u2028"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		line, lines := Line(text), Lines(text)
		for _, got := range []string{line, lines} {
			if !utf8.ValidString(got) || utf8.RuneCountInString(got) != utf8.RuneCountInString(text) {
				t.Errorf("%q became %q", text, got)
			}
			for _, r := range strings.NewReplacer("\n", "", "\t", "").Replace(got) {
				if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Bidi_Control, unicode.Zl, unicode.Zp) && !unicode.Is(unicode.Join_Control, r) {
					t.Errorf("%q has %U", got, r)
				}
			}
		}
		if strings.ContainsAny(line, "\n\t") || Line(line) != line || Lines(lines) != lines || Line(lines) != line {
			t.Errorf("%q is %q on one line and %q on several", text, line, lines)
		}
		seen := func(r rune) bool {
			return unicode.IsGraphic(r) && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
		}
		was, is := []rune(text), []rune(line)
		for n, r := range was {
			if seen(r) && is[n] != r {
				t.Errorf("of %q %U is %U", text, r, is[n])
			}
		}
	})
}
