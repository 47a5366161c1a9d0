package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// maxText is how long an error may be that quotes what somebody else wrote.
const maxText = 1000

// elements are what each target that reads elements begins with.
var elements = []string{
	``, `ping`, `{}`, `{"id":"a","kind":"k","args":{}}`, `{"v":2}`, `{"id":"a","raw":"cGluZw=="}`, "\xff", `{"kind":"k","args":[[[[`,
	`{"kind":"k","x":"\u0000","y":{}}`, `{"id":"a","kind":"k","deadline":7,"expire_at":8,"args":nul}`, `{"id":"a","kind":"k","meta":{"a":"\ud800"}}`, `{"kind":"k","args":nul}`,
	`{"kind":"k","meta":{}}`, `{"kind":"k","meta":{"a":"b","c":"d"},"args":1}`, `{"kind":"k","meta":{"a":"b","a":"c"}}`, `{"kind":"k","meta":{"a":"b",}}`,
	`{"id":"a","kind":"k","attempts":007,"args":1}`, `{"id":"a","kind":"k","attempts":+7,"args":1}`, `{"kind":"k","args":"\"}"}`,
	`{"id":"a","kind":"email.welcome","enqueued_at":1763850000000,"attempts":1,"crashes":2,"stops":3,"hosts":["h:1"],"unknown":4,"unknown_since":5,` +
		`"max_attempts":-1,"timeout_ms":6,"deadline":7,"expire_at":8,"meta":{"a":"b"},"reason":"failed","error":"e","token":"t","other":[1],"args":{"x":1}}`,
}

// FuzzParse reads any bytes. Whatever they are, the job can be kept, and is the same
// when it is read again.
func FuzzParse(f *testing.F) {
	for _, s := range elements {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, element string) {
		j, err := Parse(element)
		if j.ID == "" {
			t.Fatal("no id")
		}
		var notJob *NotJobError
		switch {
		case err == nil:
		case !j.IsRaw:
			t.Fatalf("error %v, but no raw job", err)
		case !errors.As(err, &notJob) && !errors.Is(err, ErrFuture):
			t.Fatalf("error %v is neither of the two", err)
		case len(err.Error()) > maxText || !utf8.ValidString(err.Error()):
			t.Fatalf("the error has %d bytes: %.200q", len(err.Error()), err)
		case notJob != nil && string(j.Raw) != element:
			t.Fatalf("raw bytes %q, want %q", j.Raw, element)
		}
		if !j.IsRaw && (CheckKind(j.Kind) != nil || len(j.Args) == 0) {
			t.Fatalf("kind %q, args %q", j.Kind, j.Args)
		}
		written := j.Element()
		again, err2 := Parse(written)
		if errors.Is(err, ErrFuture) != errors.Is(err2, ErrFuture) || errors.As(err2, &notJob) {
			t.Fatalf("%q → %q: first %v, then %v", element, written, err, err2)
		}
		j.IsNew = false
		if diff := cmp.Diff(j, again, cmpopts.EquateEmpty()); diff != "" && !j.IsRaw {
			t.Fatalf("%q → %q (-first +second):\n%s", element, written, diff)
		}
		if j.IsRaw && (!again.IsRaw && !canBeJob(j.Raw) || again.IsRaw && !bytes.Equal(j.Raw, again.Raw)) {
			t.Fatalf("raw bytes %q became %q", j.Raw, again.Raw)
		}
		if got := again.Element(); got != written {
			t.Fatalf("%q is written as %s, then as %s", element, written, got)
		}
	})
}

// canBeJob tells whether a raw job is unwrapped when it is read again.
func canBeJob(raw []byte) bool {
	j, err := Parse(string(raw))
	return err == nil && !j.IsRaw
}

// FuzzShape holds the quick reader against the general one: what it does not leave
// to that it reads the same. Only of the arguments it may take what is no JSON.
func FuzzShape(f *testing.F) {
	for _, s := range elements {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, element string) {
		var quick Job
		if !quick.parseShape(element) {
			return
		}
		general, err := parseAny(element)
		if err != nil {
			if validJSON(quick.Args) {
				t.Fatalf("%q: the general reader says %v; the quick one reads %+v", element, err, quick)
			}
			return
		}
		if diff := cmp.Diff(general, quick); diff != "" {
			t.Fatalf("%q (-general +quick):\n%s", element, diff)
		}
	})
}

func validJSON(data []byte) bool {
	return jsontext.Value(data).IsValid(lenient...)
}

// FuzzKeep does to an element what workers do: an attempt fails, a process dies, the
// job is written anew. Nothing of what the producer said may change.
func FuzzKeep(f *testing.F) {
	for _, s := range elements {
		f.Add(s, `invalid character "x"`, "w0hn5zk2v8xq", "host:1")
	}
	f.Add(`{"kind":"k","args":nul}`, "\xff\x00\u2028", "", "")
	f.Fuzz(func(t *testing.T, element, text, token, host string) {
		first, err := Parse(element)
		j := first
		j.Attempts++
		j.Crashes++
		j.Hosts = append(slices.Clip(j.Hosts), host)
		j.Reason, j.Error, j.Token = text, text, token
		kept := j.Element()
		again, err2 := Parse(kept)
		if errors.Is(err, ErrFuture) != errors.Is(err2, ErrFuture) || err2 != nil && !errors.Is(err2, ErrFuture) {
			t.Fatalf("%q is kept as %q: first %v, then %v", element, kept, err, err2)
		}
		if !json.Valid([]byte(kept)) && !validJSON([]byte(kept)) {
			t.Fatalf("%q is kept as %q, which is no JSON", element, kept)
		}
		if again.Attempts != min(first.Attempts+1, maxNumber) || again.Crashes != min(first.Crashes+1, maxNumber) || again.Token != toUTF8(token) || again.IsNew {
			t.Fatalf("%q is kept as %q: %+v", element, kept, again)
		}
		if len(again.Error) > MaxError || len(again.Reason) > MaxError {
			t.Fatalf("an error of %d bytes, a reason of %d", len(again.Error), len(again.Reason))
		}
		// What the producer said.
		for _, j := range []*Job{&first, &again} {
			j.IsNew, j.Attempts, j.Crashes, j.Hosts, j.Reason, j.Error, j.Token = false, 0, 0, nil, "", "", ""
		}
		if first.IsRaw && !again.IsRaw && canBeJob(first.Raw) {
			return
		}
		if diff := cmp.Diff(first, again, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%q is kept as %q (-before +after):\n%s", element, kept, diff)
		}
	})
}

// FuzzWrite writes a job that a program has filled in: the element is JSON on one
// line, every reader finds in it what went in, and raw bytes come back as they were.
func FuzzWrite(f *testing.F) {
	f.Add("a", "k", int64(1), 1, 2, 3, "h:1", int64(-1), 20, "name", "value", "reason", "error", "token", []byte(`{"a":1}`), false)
	f.Add("a", "", int64(0), 0, 0, 0, "", int64(0), 0, "", "", "\xff", strings.Repeat("\xffa", 3000), "", []byte("\x00\xff"), true)
	f.Fuzz(func(t *testing.T, id, kind string, at int64, attempts, crashes, stops int, host string, timeout int64, most int,
		name, value, reason, text, token string, data []byte, raw bool) {
		j := Job{
			ID: id, EnqueuedAt: at, Attempts: attempts, Crashes: crashes, Stops: stops,
			Timeout: timeout, MaxAttempts: most, Reason: reason, Error: text, Token: token, IsRaw: raw,
		}
		if host != "" {
			j.Hosts = []string{host, "other"}
		}
		if name != "" {
			j.Meta = map[string]string{name: value, "z": ""}
		}
		if raw {
			j.Raw = data
		} else {
			j.Kind, j.Args = kind, data
		}
		for _, n := range []int64{at, int64(attempts), int64(crashes), int64(stops)} {
			if n < 0 || n > 1<<53 {
				return
			}
		}
		if timeout < -1 || timeout > 1<<53 || most < -1 || most > 1<<53 || id == "" || len(id) > 128 || !isPrintable(id) ||
			!raw && (CheckKind(kind) != nil || !json.Valid(data)) {
			return // no program of ours makes such a job
		}
		element := j.Element()
		var members map[string]json.RawMessage
		if err := json.Unmarshal([]byte(element), &members); err != nil {
			t.Fatalf("%q: %v", element, err)
		}
		if !raw && string(members["args"]) != string(data) && strings.TrimSpace(string(data)) == string(data) {
			t.Fatalf("args %q became %q", data, members["args"])
		}
		got, err := Parse(element)
		if errors.Is(err, ErrFuture) && raw {
			return // what is wrapped is of a newer version, and stays wrapped
		}
		if err != nil {
			t.Fatalf("%q: %v", element, err)
		}
		if raw && !got.IsRaw {
			if !canBeJob(data) {
				t.Fatalf("%q became a job: %+v", data, got)
			}
			return
		}
		if raw && !bytes.Equal(got.Raw, data) {
			t.Fatalf("raw %q became %q", data, got.Raw)
		}
		if got.ID != id || got.Kind != j.Kind || got.EnqueuedAt != at || got.Attempts != attempts || got.Crashes != crashes || got.Stops != stops ||
			got.Timeout != timeout || got.MaxAttempts != most || got.Token != toUTF8(token) {
			t.Fatalf("%q is read as %+v", element, got)
		}
		if len(got.Error) > MaxError || !strings.HasPrefix(toUTF8(text), strings.TrimSuffix(got.Error, Mark)) || len(toUTF8(text)) <= MaxError && got.Error != toUTF8(text) || len(toUTF8(text)) > MaxError && !strings.HasSuffix(got.Error, Mark) {
			t.Fatalf("error %.100q became %.100q", text, got.Error)
		}
		if host != "" && !slices.Equal(got.Hosts, []string{toUTF8(host), "other"}) {
			t.Fatalf("hosts became %q", got.Hosts)
		}
		if name != "" && utf8.ValidString(name) && name != "z" && (len(got.Meta) != 2 || got.Meta[name] != toUTF8(value)) {
			t.Fatalf("meta %q: %q became %q", name, value, got.Meta)
		}
		if again := got.Element(); again != element && !raw {
			if second, err := Parse(again); err != nil || second.Element() != again {
				t.Fatalf("%q is written as %q", element, again)
			}
		}
	})
}

// FuzzNames: what passes can stand in a key, an address and a URL; what does not
// is told in a short error.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"", "a", "a:b", "x}{y", "../..", "a\x00b", "\u202e", strings.Repeat("a", 128), strings.Repeat("a", 129), strings.Repeat("\xff", 200)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		queue, id, kind := CheckQueue("Namespace", s), CheckID(s), CheckKind(s)
		for field, err := range map[string]error{"Namespace": queue, "id": id, "kind": kind} {
			if err == nil {
				if len(s) == 0 || len(s) > 128 || strings.ContainsAny(s, "{} \n\r\t\x00\"'\\<>&%?#*[]") || !isPlain(s) {
					t.Fatalf("%s: %q is taken", field, s)
				}
				continue
			}
			if text := err.Error(); !strings.HasPrefix(text, field+": ") || !strings.Contains(text, "allowed are") || len(text) > maxText || !utf8.ValidString(text) {
				t.Fatalf("%q: %v", s, err)
			}
		}
		if queue == nil && strings.ContainsAny(s, ":/") {
			t.Fatalf("queue %q", s)
		}
		if id == nil && strings.Contains(s, "/") {
			t.Fatalf("id %q", s)
		}
		if queue == nil && (id != nil || kind != nil) {
			t.Fatalf("queue %q has characters that an id or a kind may not have", s)
		}
	})
}
