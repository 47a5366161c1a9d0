package fingerprint

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tasuki-dev/tasuki/internal/legible"
)

func TestNormal(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                         "",
		"no such job":              "no such job",
		"user 4711 not found":      "user # not found",
		"  line one\n\tline  two ": "line one line two",
		"dial tcp 10.0.0.1:5432: connect: refused":   "dial tcp #: connect: refused",
		"dial tcp [2001:db8::1]:443: i/o timeout":    "dial tcp #: i/o timeout",
		"lookup db-7.internal: no such host":         "lookup db-#.internal: no such host",
		`strconv.Atoi: parsing "x1": invalid`:        "strconv.Atoi: parsing #: invalid",
		`a "quoted \" quote" and 'one' and ` + "`x`": "a # and # and #",
		"can't find it, it's gone":                   "can't find it, it's gone",
		`an open "quote`:                             `an open "quote`,
		"job 6ba7b810-9dad-11d1-80b4-00c04fd430c8":   "job #",
		"job 01kaq5h8v0abc7efghjkmnpq5s":             "job #",
		"commit deadbeef1":                           "commit #",
		"the cafe was defaced":                       "the cafe was defaced",
		"pointer 0xc000012345 and 0x1F":              "pointer # and #",
		"took 1m30.5s, more than 250ms or -3":        "took #, more than # or -#",
		"offset 12.5%, HTTP 503":                     "offset #%, HTTP #",
		"s3 and x509 and utf8":                       "s# and x# and utf#",
		"2026-11-23T17:20:22Z is over":               "#T#Z is over",
		"日本語 12 です":                                  "日本語 # です",
		"\xff\xfe 1":                                 "\uFFFD #",
	} {
		if got := Normal(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

const panicked = `panic: order 17 is odd
main.(*shop).sum(0xc000112340, 0x11)
	/src/shop.go:41 +0x1d
main.(*shop).order(...)
	/src/shop.go:20
runtime.mapassign_faststr(0xc000112340)
	/usr/local/go/src/runtime/map.go:1 +0x1
main.main.func1({0x1, 0x2}, 0xc000112340)
	/src/main.go:12 +0x1d
main.further()
	/src/main.go:10 +0x1d
github.com/tasuki-dev/tasuki.Handle[...].func1({0x1, 0x2})
	/src/tasuki/worker.go:300 +0x1d`

func TestStack(t *testing.T) {
	t.Parallel()
	message, stack := Split(panicked)
	if message != "panic: order 17 is odd" {
		t.Errorf("the message is %q", message)
	}
	if got, want := Functions(stack), []string{"main.(*shop).sum", "main.(*shop).order", "main.main.func1"}; !slices.Equal(got, want) {
		t.Errorf("the functions are %q, want %q", got, want)
	}
	is := Of("k", panicked)
	same := strings.NewReplacer("17", "18", "shop.go:41", "shop.go:43", "0xc000112340", "0xc000999990").Replace(panicked)
	if Of("k", same) != is {
		t.Error("other numbers and lines give another fingerprint")
	}
	for what, other := range map[string]string{
		"another function": Of("k", strings.Replace(panicked, ".sum(", ".mean(", 1)), "no stack": Of("k", message), "another kind": Of("l", panicked),
	} {
		if other == is {
			t.Errorf("%s gives the same fingerprint", what)
		}
	}
	// What calls the handler is not the user's.
	_, stack = Split("no\nmain.handle()\n\t/src/main.go:1 +0x1\ngithub.com/tasuki-dev/tasuki.call()\n\t/src/run.go:1\nmain.main()\n\t/src/main.go:2")
	if got := Functions(stack); !slices.Equal(got, []string{"main.handle"}) {
		t.Errorf("the functions are %q", got)
	}
	if message, stack := Split("a list:\n\tone (1)\n\ttwo (2)"); stack != "" || !strings.Contains(message, "two") {
		t.Errorf("it splits %q from %q", message, stack)
	}
}

// FuzzOf: whatever an error says, its fingerprint is that of what is kept of it, and has the
// same form; what is normal has no digits and stays as it is.
func FuzzOf(f *testing.F) {
	for _, text := range []string{"", "user 4711", panicked, `a "b" 'c' 0x12 1.5s`, "\xff'\"`", "a\n\tb.go:1", "x)\n\ta.go:1"} {
		f.Add("kind", text)
	}
	f.Fuzz(func(t *testing.T, kind, text string) {
		is := Of(kind, text)
		if len(is) != 16 || strings.Trim(is, "0123456789abcdefghjkmnpqrstvwxyz") != "" {
			t.Fatalf("the fingerprint is %q", is)
		}
		if again := Of(kind, legible.Cut(strings.ToValidUTF8(text, "\uFFFD"), MaxText)); again != is {
			t.Errorf("what an element keeps has the fingerprint %s, and the whole %s", again, is)
		}
		message, stack := Split(text)
		normal := Normal(message)
		if strings.ContainsAny(normal, "0123456789\n\t") || strings.Contains(normal, "##") || !utf8.ValidString(normal) {
			t.Errorf("normal is %q", normal)
		}
		if len(normal) > maxMessage {
			t.Errorf("normal has %d bytes", len(normal))
		}
		if len(Functions(stack)) > maxFrames {
			t.Errorf("there are %d functions", len(Functions(stack)))
		}
	})
}
