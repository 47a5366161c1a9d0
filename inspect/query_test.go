package inspect_test

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

func TestParseQuery(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]inspect.Query{
		"":                                    {},
		"queue:mail,bulk":                     {Queues: []string{"mail", "bulk"}},
		"queue:list:jobs":                     {Queues: []string{"list:jobs"}},
		"state:dead state:retry":              {States: []tasuki.State{"dead", "retry"}},
		"kind:email.*,sms":                    {Kinds: []string{"email.*", "sms"}},
		`id:abc,"a b"`:                        {IDs: []string{"abc", "a b"}},
		"tag:tenant=42":                       {Tags: []inspect.Match{{Name: "tenant", Value: "42"}}},
		"tag:tenant":                          {Tags: []inspect.Match{{Name: "tenant", Prefix: true}}},
		`tag:"a=b"="c d"*`:                    {Tags: []inspect.Match{{Name: "a=b", Value: "c d", Prefix: true}}},
		`tag:a= tag:b="*"`:                    {Tags: []inspect.Match{{Name: "a"}, {Name: "b", Value: "*"}}},
		"args.user.id:123":                    {Args: []inspect.Match{{Name: "user.id", Value: "123"}}},
		`args[2]."a:b".c:""`:                  {Args: []inspect.Match{{Name: `[2]."a:b".c`}}},
		"args.list[0]:http://x*":              {Args: []inspect.Match{{Name: "list[0]", Value: "http://x", Prefix: true}}},
		`error:"is away" error:a`:             {Errors: []string{"is away", "a"}},
		"reason:failed":                       {Reasons: []string{"failed"}},
		"attempt:3":                           {MinAttempt: 3, AttemptBelow: 4},
		"attempt:>3 attempt:<=7":              {MinAttempt: 4, AttemptBelow: 8},
		"attempt:0":                           {AttemptBelow: 1},
		"age:>2h age:<1d12h":                  {OlderThan: 2 * time.Hour, YoungerThan: 36 * time.Hour},
		"enqueued:>2030-01-02":                {EnqueuedAfter: time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC)},
		"enqueued:<2030-01-02T03:04:05+01:00": {EnqueuedBefore: time.Date(2030, 1, 2, 2, 4, 5, 0, time.UTC)},
		"free  text \"with: a colon\"":        {Text: []string{"free", "text", "with: a colon"}},
		"-kind:a -x -\"-y\" b-c":              {Text: []string{"b-c"}, Not: &inspect.Query{Kinds: []string{"a"}, Text: []string{"x", "-y"}}},
		"-tag:a=1 -args.b:2 -queue:c":         {Not: &inspect.Query{Queues: []string{"c"}, Tags: []inspect.Match{{Name: "a", Value: "1"}}, Args: []inspect.Match{{Name: "b", Value: "2"}}}},
		"\u3000襷 \"\\\"\"":                    {Text: []string{"襷", `"`}},
	} {
		got, err := inspect.ParseQuery(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v, want %+v", text, got, err, want)
		}
		again, err := inspect.ParseQuery(got.String())
		if err != nil || again.String() != got.String() {
			t.Errorf("%s: %s, and of that %s, %v", text, got.String(), again.String(), err)
		}
	}
}

func TestQueryString(t *testing.T) {
	t.Parallel()
	const text = `b "a:b" state:dead,retry queue:mail -state:ready age:>120m id:x,x error:"a b" attempt:>3 tag:a="" args.a.b:1`
	q, err := inspect.ParseQuery(text)
	const want = `queue:mail state:retry,dead id:x tag:a="" args.a.b:1 error:"a b" b "a:b" attempt:>=4 age:>2h -state:ready`
	if got := q.String(); err != nil || got != want {
		t.Errorf("%s, %v\nwant %s", got, err, want)
	}
}

func TestParseQueryErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"colour:red":                             `at byte 1, "colour:red": there is no field "colour": allowed are queue, state, kind, id, tag, args.PATH, error, reason, fingerprint, attempt, age and enqueued`,
		"a b:c":                                  `at byte 3, "b:c": there is no field "b"`,
		"x Kind:a":                               `at byte 3, "Kind:a": no field has such a name`,
		"state:asleep":                           `at byte 7, "asleep": it is no state: allowed are running, suspect`,
		"state:dead,":                            "a value of state is missing",
		"kind:":                                  "a value of kind is missing",
		"kind:*.x":                               "a star stands at the end only",
		"queue:a/b":                              "allowed are",
		"tag:=x":                                 "allowed are tag:NAME=VALUE",
		"tag:a=b*c":                              "a star stands at the end only",
		"args:1":                                 "allowed is a path",
		"args.a":                                 "a colon and a value are missing",
		"args.a b:1":                             "a colon and a value are missing",
		"args..a:1":                              "allowed is a path such as user.id",
		"args[x]:1":                              "allowed in brackets is the number",
		"args[0]a:1":                             "a dot or a bracket is missing",
		`args."a:1`:                              "a colon and a value are missing",
		"error:":                                 "a text is missing",
		`"open`:                                  "does not end",
		`"a\qb"`:                                 "an escape other than",
		`a"b`:                                    "put all of it in quotes",
		`"a"b`:                                   "a space is missing behind a quote",
		`""`:                                     "an empty text is in every job",
		"-":                                      "a term has to follow",
		"- a":                                    "a term has to follow",
		"attempt:many":                           "allowed are attempt:3, attempt:>3",
		"attempt:<0":                             "fewer than 0",
		"age:2h":                                 "allowed are age:>2h and age:<2h",
		"age:>-2h":                               "allowed are age:>2h",
		"age:>99999999d":                         "allowed are age:>2h",
		"enqueued:>tomorrow":                     "allowed are enqueued:>2030-01-02",
		"-age:>2h":                               "turn the < or > round",
		"a\xffb":                                 "it is no UTF-8",
		manyWords(101):                           "101 values: allowed are 100",
		strings.Repeat("a", 4097):                "4097 bytes: allowed are 4096",
		"args" + strings.Repeat(".a", 21) + ":1": "more than 20 steps",
	} {
		_, err := inspect.ParseQuery(text)
		var at *inspect.QueryError
		if !errors.As(err, &at) || !strings.Contains(err.Error(), want) || at.At > len(text) || len(err.Error()) > 600 {
			t.Errorf("%.80q: %v, want %s", text, err, want)
		}
	}
}

func manyWords(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "w%d ", i)
	}
	return b.String()
}

// FuzzQuery: what is read and written is read as the same, and no text stops the program.
func FuzzQuery(f *testing.F) {
	for _, text := range []string{
		`queue:mail state:dead,retry kind:email.* tag:tenant=42 error:"connection refused" args.user.id:123 attempt:>3 age:>2h id:abc free text`,
		`-args."a b"[3].c:"x"* -tag:a -"x" reason:y enqueued:<2030-01-02T03:04:05.6Z age:<90s "\xff\n"`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := inspect.ParseQuery(text)
		if err != nil {
			return
		}
		canonical := q.String()
		again, err := inspect.ParseQuery(canonical)
		if err != nil && len(canonical) <= 4096 || err == nil && again.String() != canonical {
			t.Fatalf("%q: %q, and of that %q, %v", text, canonical, again.String(), err)
		}
	})
}

// TestQueriesOfTheDocs: each term that docs/queries.md shows is one.
func TestQueriesOfTheDocs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/queries.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		for _, term := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(line, -1) {
			if term[1] == "-" || term[1] == "Opts.Meta" {
				continue
			}
			if _, err := inspect.ParseQuery(term[1]); err != nil {
				t.Error(err)
			}
			n++
		}
	}
	if n < 25 {
		t.Errorf("%d terms were found", n)
	}
}
