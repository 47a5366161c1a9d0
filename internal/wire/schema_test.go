package wire

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestSchema holds docs/job.schema.json against the code: it names the members
// that Append writes, and Parse takes and refuses what the schema says of each.
func TestSchema(t *testing.T) {
	t.Parallel()
	type property struct {
		Type      string `json:"type"`
		Ref       string `json:"$ref"`
		Pattern   string `json:"pattern"`
		MaxLength int    `json:"maxLength"`
	}
	var schema struct {
		Properties map[string]json.RawMessage `json:"properties"`
		Defs       map[string]struct {
			Minimum, Maximum int64
		} `json:"$defs"`
	}
	text, err := os.ReadFile("../../docs/job.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}

	names := map[string]bool{"v": true} // read, and not written
	full := Job{
		ID: "i", Kind: "k", EnqueuedAt: 1, Attempts: 1, Crashes: 1, Stops: 1, Hosts: []string{"h"}, Unknown: 1, UnknownSince: 1,
		MaxAttempts: 1, Timeout: 1, Deadline: 1, ExpireAt: 1, Meta: map[string]string{"a": "b"},
		Unique: "u", Keep: 1, EndedAt: 1, History: []byte("[]"), Result: []byte("1"), Reason: "r", Error: "e", Token: "t", Args: []byte("1"),
	}
	raw := Job{ID: "i", IsRaw: true, Raw: []byte("x")}
	pointer := Job{ID: "i", Rec: 1, Lock: "l", Crashes: 1}
	for _, j := range []Job{full, raw, pointer} {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(j.Append(nil), &members); err != nil {
			t.Fatal(err)
		}
		for name := range members {
			names[name] = true
		}
	}
	if got, want := slices.Sorted(maps.Keys(schema.Properties)), slices.Sorted(maps.Keys(names)); !slices.Equal(got, want) {
		t.Fatalf("the schema names %v, the code %v", got, want)
	}

	takes := func(name, value string) bool {
		element := `{"kind":"k","` + name + `":` + value + `}`
		if name == "kind" {
			element = `{"kind":` + value + `}`
		}
		_, err := Parse(element)
		return err == nil
	}
	try := func(name, value string, want bool) {
		t.Helper()
		if got := takes(name, value); got != want {
			t.Errorf("%s: %.60s: taken is %v, by the schema %v", name, value, got, want)
		}
	}
	for name, text := range schema.Properties {
		if fieldOf(name) == fieldOther {
			t.Errorf("%s is not read", name)
		}
		var p property
		if err := json.Unmarshal(text, &p); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		switch kind, of, _ := strings.Cut(p.Ref, "s/"); {
		case name == "v" || name == "rec" || name == "raw" || name == "args" || name == "history" || name == "result":
		case kind == "#/$def":
			limits := schema.Defs[of]
			for value, want := range map[int64]bool{limits.Minimum: true, limits.Minimum - 1: false, limits.Maximum: true, limits.Maximum + 1: false} {
				number, _ := json.Marshal(value)
				try(name, string(number), want)
			}
			try(name, `1.5`, false)
			try(name, `"1"`, false)
		case p.Type == "string":
			try(name, `1`, false)
			try(name, `null`, false)
			try(name, `"Ab1"`, true)
			if p.Pattern == "" {
				continue
			}
			// The pattern is one of ECMAScript: \u0000 is \x{0000} in Go.
			pattern := regexp.MustCompile(regexp.MustCompile(`\\u([0-9a-f]{4})`).ReplaceAllString(p.Pattern, `\x{$1}`))
			for _, sample := range []string{"", "a", "a b", "-a", "a/b:c.d_e-f", "ä", "a\n", "a\x7f", strings.Repeat("a", 128), strings.Repeat("a", 129)} {
				text, _ := json.Marshal(sample)
				try(name, string(text), pattern.MatchString(sample) && (p.MaxLength == 0 || len(sample) <= p.MaxLength))
			}
		case p.Type == "array":
			try(name, `["a"]`, true)
			try(name, `[1]`, false)
			try(name, `"a"`, false)
		case p.Type == "object":
			try(name, `{"a":"b"}`, true)
			try(name, `{"a":1}`, false)
			try(name, `[]`, false)
		default:
			t.Errorf("%s: the test does not know what to try: %s", name, text)
		}
	}
}
