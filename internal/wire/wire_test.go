package wire

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestParse: what is a job, what is not, and why.
//
//fault:data an element is cut off, has a member twice, wrong types, invalid UTF-8, or a version of the future | it is read, or kept whole as a raw job with the reason
func TestParse(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		element string
		want    Job
		wantErr string // "" none, "future", or a part of a NotJobError
	}{
		"as written": {
			element: `{"id":"a1","kind":"mail","enqueued_at":5,"attempts":2,"args":{"n":1}}`,
			want:    Job{ID: "a1", Kind: "mail", EnqueuedAt: 5, Attempts: 2, Args: []byte(`{"n":1}`)},
		},
		"all members": {
			element: `{"id":"a","kind":"k","enqueued_at":1,"attempts":2,"crashes":3,"stops":4,"hosts":["h:1","h:2"],"unknown":5,"unknown_since":6,"max_attempts":-1,"timeout_ms":8,"deadline":9,"expire_at":10,"meta":{"a":"b"},"reason":"r","error":"e\n","token":"t","x":[1,2],"args":[]}`,
			want: Job{ID: "a", Kind: "k", EnqueuedAt: 1, Attempts: 2, Crashes: 3, Stops: 4, Hosts: []string{"h:1", "h:2"}, Unknown: 5, UnknownSince: 6,
				MaxAttempts: -1, Timeout: 8, Deadline: 9, ExpireAt: 10, Meta: map[string]string{"a": "b"}, Reason: "r", Error: "e\n", Token: "t", Extra: []byte(`"x":[1,2]`), Args: []byte(`[]`)},
		},
		"of another writer": {
			element: ` { "args": {"b": [1, 2]}, "priority": 3, "kind": "mail", "who": "me", "id": "a" } `,
			want:    Job{ID: "a", Kind: "mail", Args: []byte(`{"b": [1, 2]}`), Extra: []byte(`"priority":3,"who":"me"`)},
		},
		"args are not the last": {
			element: `{"id":"a","kind":"k","args":{"x":"}"},"meta":{"a":"b"}}`,
			want:    Job{ID: "a", Kind: "k", Args: []byte(`{"x":"}"}`), Meta: map[string]string{"a": "b"}},
		},
		"no args":            {element: `{"id":"a","kind":"k"}`, want: Job{ID: "a", Kind: "k", Args: []byte("null")}},
		"explicit version":   {element: `{"v":1,"id":"a","kind":"k"}`, want: Job{ID: "a", Kind: "k", Args: []byte("null")}},
		"escaped id":         {element: `{"id":"a\u0062","kind":"k"}`, want: Job{ID: "ab", Kind: "k", Args: []byte("null")}},
		"unicode id":         {element: `{"id":"é","kind":"k"}`, want: Job{ID: "é", Kind: "k", Args: []byte("null")}},
		"escaped quote":      {element: `{"id":"a","kind":"k","args":"\"}"}`, want: Job{ID: "a", Kind: "k", Args: []byte(`"\"}"`)}},
		"names twice":        {element: `{"id":"a","kind":"k","meta":{"\"":"b"},"args":{"x":1,"x":[{"y":1,"y":2}]}}`, want: Job{ID: "a", Kind: "k", Meta: map[string]string{`"`: "b"}, Args: []byte(`{"x":1,"x":[{"y":1,"y":2}]}`)}},
		"wrapped raw":        {element: `{"id":"a","attempts":1,"raw":"cGluZw=="}`, want: Job{ID: "a", Attempts: 1, IsRaw: true, Raw: []byte("ping")}},
		"wrapped empty":      {element: `{"id":"a","raw":""}`, want: Job{ID: "a", IsRaw: true, Raw: []byte{}}},
		"wrapped job":        {element: `{"id":"a","unknown":3,"unknown_since":9,"raw":"eyJpZCI6ImIiLCJraW5kIjoiayJ9"}`, want: Job{ID: "b", Kind: "k", Unknown: 3, UnknownSince: 9, Args: []byte("null")}},
		"future":             {element: `{"v":2,"id":"a","what":{}}`, want: Job{ID: "a"}, wantErr: "future"},
		"future, odd":        {element: `{"v":2,"id":7,"kind":[]}`, wantErr: "future"},
		"pointer":            {element: `{"id":"a","rec":3}`, want: Job{ID: "a", Rec: 3}},
		"pointer with lock":  {element: `{"id":"a","rec":3,"lock":"x"}`, want: Job{ID: "a", Rec: 3, Lock: "x"}},
		"wrapped future":     {element: `{"id":"a","raw":"eyJ2IjoyfQ=="}`, want: Job{ID: "a", IsRaw: true, Raw: []byte(`{"v":2}`)}, wantErr: "future"},
		"plain text":         {element: `ping`, wantErr: "invalid"},
		"empty":              {element: ``, wantErr: "EOF"},
		"number":             {element: `42`, wantErr: "no object"},
		"string":             {element: `"ping"`, wantErr: "no object"},
		"array":              {element: `[{"id":"a","kind":"k"}]`, wantErr: "no object"},
		"cut off":            {element: `{"id":"a","kind":"k","args":{"x":1`, wantErr: "EOF"},
		"two objects":        {element: `{"id":"a","kind":"k"}{}`, wantErr: "behind"},
		"two kinds":          {element: `{"id":"a","kind":"k","kind":"l"}`, wantErr: "kind is there twice"},
		"no kind":            {element: `{"id":"a","args":{}}`, wantErr: "no kind"},
		"bad kind":           {element: `{"id":"a","kind":"<b>"}`, wantErr: "allowed"},
		"kind is a number":   {element: `{"id":"a","kind":1}`, wantErr: "kind is no string"},
		"id is a number":     {element: `{"id":1,"kind":"k"}`, wantErr: "id is no string"},
		"long id":            {element: `{"id":"` + strings.Repeat("x", 129) + `","kind":"k"}`, wantErr: "129 bytes"},
		"id with controls":   {element: `{"id":"a\nb","kind":"k"}`, wantErr: "printable"},
		"negative":           {element: `{"id":"a","kind":"k","attempts":-1}`, wantErr: "not allowed"},
		"no deadline":        {element: `{"id":"a","kind":"k","deadline":-1}`, wantErr: "not allowed"},
		"fraction":           {element: `{"id":"a","kind":"k","attempts":1.5}`, wantErr: "not allowed"},
		"huge":               {element: `{"id":"a","kind":"k","enqueued_at":9007199254740993}`, wantErr: "not allowed"},
		"bad version":        {element: `{"v":0,"id":"a","kind":"k"}`, wantErr: "version"},
		"meta of numbers":    {element: `{"id":"a","kind":"k","meta":{"a":1}}`, wantErr: "meta"},
		"meta twice":         {element: `{"id":"a","kind":"k","meta":{"a":"b","a":"c"}}`, wantErr: "meta"},
		"raw beside kind":    {element: `{"id":"a","kind":"k","raw":"cGluZw=="}`, wantErr: "beside"},
		"raw is no base64":   {element: `{"id":"a","raw":"%"}`, wantErr: "base64"},
		"invalid UTF-8":      {element: "\xff\xfe", wantErr: "invalid"},
		"invalid UTF-8 args": {element: "{\"id\":\"a\",\"kind\":\"k\",\"args\":\"\xff\"}", want: Job{ID: "a", Kind: "k", Args: []byte("\"\xff\"")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Parse(tt.element)
			var notJob *NotJobError
			switch {
			case tt.wantErr == "" && err != nil:
				t.Fatalf("Parse: %v", err)
			case tt.wantErr == "future" && !errors.Is(err, ErrFuture):
				t.Fatalf("Parse: %v, want ErrFuture", err)
			case tt.wantErr != "" && tt.wantErr != "future" && (!errors.As(err, &notJob) || !strings.Contains(err.Error(), tt.wantErr)):
				t.Fatalf("Parse: %v, want a NotJobError with %q", err, tt.wantErr)
			}
			if got.ID == "" {
				t.Error("no id")
			}
			if err != nil {
				// Whatever it is, the job holds the element, so that it can be kept.
				if !got.IsRaw || string(got.Raw) != tt.element && !tt.want.IsRaw {
					t.Errorf("raw = %v %q, want the element", got.IsRaw, got.Raw)
				}
				if tt.want.ID != "" && got.ID != tt.want.ID {
					t.Errorf("id = %q, want %q", got.ID, tt.want.ID)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Parse (-want +got):\n%s", diff)
			}
			again, err := Parse(got.Element())
			if err != nil {
				t.Fatalf("Parse of the written element: %v", err)
			}
			if diff := cmp.Diff(got, again); diff != "" {
				t.Errorf("written and read (-first +second):\n%s", diff)
			}
		})
	}
}

// TestShapeIsTheSame demands of the quick reader that it gives what the general
// one gives, for everything that it does not leave to it.
func TestShapeIsTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		j := anyJob(t)
		element := j.Element()
		var quick Job
		ok := quick.parseShape(element)
		general, err := parseAny(element)
		if err != nil {
			t.Fatalf("parseAny(%s): %v", element, err)
		}
		if !ok {
			return
		}
		if diff := cmp.Diff(general, quick); diff != "" {
			t.Fatalf("%s (-general +quick):\n%s", element, diff)
		}
	})
}

func TestWriteRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		j := anyJob(t)
		got, err := Parse(j.Element())
		if err != nil {
			t.Fatalf("Parse(%s): %v", j.Element(), err)
		}
		if diff := cmp.Diff(j, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

func anyJob(t *rapid.T) Job {
	name := rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._:-]{0,20}`)
	text := rapid.OneOf(rapid.Just(""), rapid.StringN(1, 20, 60))
	number := rapid.Int64Range(0, 1<<53)
	small := rapid.IntRange(0, 1000)
	j := Job{
		ID: name.Draw(t, "id"), EnqueuedAt: number.Draw(t, "at"),
		Attempts: small.Draw(t, "attempts"), Crashes: small.Draw(t, "crashes"), Stops: small.Draw(t, "stops"),
		Unknown: small.Draw(t, "unknown"), UnknownSince: number.Draw(t, "since"),
		Reason: text.Draw(t, "reason"), Error: text.Draw(t, "error"), Token: name.Draw(t, "token"),
	}
	if hosts := rapid.SliceOfN(text, 0, 3).Draw(t, "hosts"); len(hosts) > 0 {
		j.Hosts = hosts
	}
	if rapid.Bool().Draw(t, "raw?") {
		j.IsRaw, j.Raw = true, rapid.SliceOfN(rapid.ByteRange(0x80, 0xff), 0, 30).Draw(t, "raw")
		return j
	}
	j.Kind = name.Draw(t, "kind")
	j.MaxAttempts = rapid.IntRange(-1, 1000).Draw(t, "max")
	j.Timeout = rapid.Int64Range(-1, 1<<40).Draw(t, "timeout")
	j.Deadline, j.ExpireAt = number.Draw(t, "deadline"), number.Draw(t, "expire")
	if meta := rapid.MapOfN(text, text, 0, 3).Draw(t, "meta"); len(meta) > 0 {
		j.Meta = meta
	}
	j.Args = []byte(rapid.SampledFrom([]string{"null", "0", `"x"`, `{"a":[1,{"b":"}\""}]}`, "[]"}).Draw(t, "args"))
	return j
}

// TestGolden reads the elements that earlier versions wrote: what lies in a list
// outlives the program that put it there. A file is added with every change of
// the format and never altered.
//
//fault:data elements that earlier versions wrote | they are read, and written again to the byte
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/v*/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		element := string(bytes.TrimSuffix(data, []byte("\n")))
		j, err := Parse(element)
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if got := j.Element(); got != element {
			t.Errorf("%s is written again as\n%s\nwant\n%s", file, got, element)
		}
	}
}

func TestIDs(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1763850000000)
	earlier, later := NewID(now), NewID(now.Add(time.Millisecond))
	if len(earlier) != 26 || earlier >= later {
		t.Errorf("NewID: %q then %q, want 26 characters in the order of time", earlier, later)
	}
	if err := CheckID(earlier); err != nil {
		t.Error(err)
	}
	seen := map[string]bool{}
	for range 10000 {
		for _, s := range []string{NewID(now), NewToken(), NewIncarnation()} {
			if seen[s] {
				t.Fatalf("%q came twice", s)
			}
			seen[s] = true
		}
	}
}

// TestNames: names and ids, and what is none.
//
//fault:data names of queues and kinds, and ids, that are empty, too long, or have other characters | they are refused with what is allowed
func TestNames(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		check func(string) error
		good  []string
		bad   []string
	}{
		{CheckKind, []string{"a", "email.welcome", "A/b:c-d_9", strings.Repeat("x", 128)},
			[]string{"", ".a", "a b", "a{b", "ä", "a\x00", "a@b", strings.Repeat("x", 129)}},
		{func(s string) error { return CheckQueue("queue", s) }, []string{"a", "mail-1", "A.b_c"},
			[]string{"", "-a", "a:b", "a/b", "x}{y", "{}", "a b", "a\n", strings.Repeat("x", 300)}},
		{CheckID, []string{"a", "order:42", "me@example.org", "a=b+c~d"}, []string{"", "a/b", "a b", "=a", "é", strings.Repeat("x", 10000)}},
	} {
		for _, s := range tt.good {
			if err := tt.check(s); err != nil {
				t.Errorf("%q: %v", s, err)
			}
		}
		for _, s := range tt.bad {
			if err := tt.check(s); err == nil {
				t.Errorf("%q is accepted", s)
			} else if !strings.Contains(err.Error(), "allowed") || len(err.Error()) > 400 {
				t.Errorf("%q: %v: want a short error that says what is allowed", s, err)
			}
		}
	}
}

// TestParseIsBounded reads what would take a careless decoder its stack, its memory, or
// the square of its length in time.
//
//fault:data elements nested a million deep, with a hundred thousand members, with a member again and again, with numbers of a million digits | each is read or refused in time that grows as its length, and kept whole
func TestParseIsBounded(t *testing.T) {
	t.Parallel()
	var members, meta, hosts strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&members, `"m%d":%d,`, i, i)
		fmt.Fprintf(&meta, `"m%d":"%d",`, i, i)
		fmt.Fprintf(&hosts, `"h%d",`, i)
	}
	for name, element := range map[string]string{
		"arrays":        strings.Repeat("[", 1_000_000),
		"closed arrays": `{"kind":"k","args":` + strings.Repeat("[", 1_000_000) + strings.Repeat("]", 1_000_000) + `}`,
		"in x":          `{"kind":"k","x":` + strings.Repeat(`{"a":`, 300_000) + "1" + strings.Repeat("}", 300_000) + `}`,
		"objects":       strings.Repeat(`{"kind":`, 300_000),
		"members":       `{"kind":"k",` + members.String() + `"args":1}`,
		"meta":          `{"kind":"k","meta":{` + strings.TrimSuffix(meta.String(), ",") + `}}`,
		"hosts":         `{"kind":"k","hosts":[` + strings.TrimSuffix(hosts.String(), ",") + `]}`,
		"same member":   `{"kind":"k",` + strings.Repeat(`"x":1,`, 300_000) + `"args":1}`,
		"same in args":  `{"kind":"k","args":{` + strings.Repeat(`"x":1,`, 300_000) + `"x":2}}`,
		"long number":   `{"kind":"k","attempts":` + strings.Repeat("9", 1_000_000) + `}`,
		"long exponent": `{"kind":"k","attempts":1e999999999,"args":1e999999999}`,
		"escapes":       `{"kind":"k","args":"` + strings.Repeat(`\\`, 500_000) + `"}`,
		"quotes":        `{"kind":"k","args":` + strings.Repeat(`"`, 1_000_001) + `}`,
		"spaces":        strings.Repeat(" ", 1_000_000) + `{"kind":"k"}`,
		"wrapped often": wrapped(12, `{"kind":"k"}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			j, err := Parse(element)
			if err != nil && (!j.IsRaw || string(j.Raw) != element) {
				t.Errorf("%v, and it is not kept whole", err)
			}
			again, err2 := Parse(j.Element())
			if err == nil && err2 != nil || again.Element() != j.Element() {
				t.Errorf("written and read again it is another: %v, %v", err, err2)
			}
			if took := time.Since(start); took > time.Minute {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// wrapped is an element in as many wrappers.
func wrapped(n int, element string) string {
	for range n {
		element = `{"id":"a","raw":"` + base64.StdEncoding.EncodeToString([]byte(element)) + `"}`
	}
	return element
}

var element = Job{ID: NewID(time.Now()), Kind: "bench.five", EnqueuedAt: 1763850000000,
	Args: []byte(`{"user_id":123456,"email":"someone@example.org","name":"Some One","plan":"premium","source":"website"}`)}.element()

func (j Job) element() string { return j.Element() }

func BenchmarkParse(b *testing.B) {
	traced, _ := Parse(element)
	traced.Meta = map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
	for name, element := range map[string]string{"bare": element, "traced": traced.Element()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(element)))
			for b.Loop() {
				if _, err := Parse(element); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	j, _ := Parse(element)
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		j.ID = NewID(time.Now())
		buf = j.Append(buf[:0])
	}
}
