package web_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/web"
)

// api calls an address below /api/v1. body is JSON; "" is none.
func (e *env) api(method, path, body string) answer {
	e.t.Helper()
	r := e.request(method, "api/v1"+path, body)
	r.Header.Del("Content-Type")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return e.do(r)
}

// good calls an address, which has to answer well, and as the description says.
func (e *env) good(method, path, body string, to any) answer {
	e.t.Helper()
	a := e.api(method, path, body)
	if a.StatusCode >= 300 {
		e.t.Fatalf("%s %s: %s: %s", method, path, a.Status, a.body)
	}
	described(e.t, method, path, a)
	if to != nil {
		if err := json.Unmarshal([]byte(a.body), to); err != nil {
			e.t.Fatalf("%s %s: %v: %s", method, path, err, a.body)
		}
	}
	return a
}

// fails calls an address, which has to answer with a problem.
func (e *env) fails(method, path, body string, status int, code, field string) answer {
	e.t.Helper()
	a := e.api(method, path, body)
	described(e.t, method, path, a)
	var p struct {
		Status              int
		Code, Field, Detail string
	}
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.Header.Get("Content-Type") != "application/problem+json" {
		e.t.Fatalf("%s %s: no problem: %v: %s", method, path, err, a.body)
	}
	if a.StatusCode != status || p.Status != status || p.Code != code || p.Field != field || p.Detail == "" {
		e.t.Errorf("%s %s %s: %s: %s; want %d %s %q", method, path, body, a.Status, a.body, status, code, field)
	}
	return a
}

type object = map[string]any

var description = func() object {
	var d object
	if err := json.Unmarshal(web.Description(), &d); err != nil {
		panic(err)
	}
	return d
}()

// described holds an answer against the description.
func described(t *testing.T, method, path string, a answer) {
	t.Helper()
	path, _, _ = strings.Cut(path, "?")
	var best object
	most := -1
	for pattern, methods := range description["paths"].(object) {
		if fixed := matches(pattern, path); fixed > most && methods.(object)[strings.ToLower(method)] != nil {
			best, most = methods.(object)[strings.ToLower(method)].(object), fixed
		}
	}
	var schema object
	if best == nil {
		schema = object{"$ref": "#/components/schemas/Fault"}
	} else {
		responses := best["responses"].(object)
		response, ok := responses[fmt.Sprint(a.StatusCode)].(object)
		if !ok {
			if a.StatusCode < 300 {
				t.Errorf("%s %s: %s is not described", method, path, a.Status)
			}
			response = responses["default"].(object)
		}
		media, ok := response["content"].(object)[a.Header.Get("Content-Type")].(object)
		if !ok {
			t.Errorf("%s %s: %s: the Content-Type %s is not described", method, path, a.Status, a.Header.Get("Content-Type"))
			return
		}
		schema = media["schema"].(object)
	}
	in := json.NewDecoder(strings.NewReader(a.body))
	in.UseNumber()
	var value any
	if err := in.Decode(&value); err != nil {
		t.Errorf("%s %s: %v: %s", method, path, err, a.body)
		return
	}
	if err := fits(schema, value, "answer"); err != nil {
		t.Errorf("%s %s: %v: %s", method, path, err, a.body)
	}
}

// matches is how many segments of a path are those of a pattern; -1 if it is another one.
func matches(pattern, path string) int {
	want, have, fixed := strings.Split(pattern, "/"), strings.Split(path, "/"), 0
	if len(want) != len(have) {
		return -1
	}
	for i := range want {
		switch {
		case strings.HasPrefix(want[i], "{"):
		case want[i] != have[i]:
			return -1
		default:
			fixed++
		}
	}
	return fixed
}

// fits tells whether a value is as a schema says. It also wants every field to be described, which the
// schema does not ask of a program.
func fits(schema object, value any, at string) error {
	if ref, ok := schema["$ref"].(string); ok {
		name := ref[strings.LastIndexByte(ref, '/')+1:]
		named, ok := description["components"].(object)["schemas"].(object)[name].(object)
		if !ok {
			return fmt.Errorf("%s: there is no schema %s", at, name)
		}
		return fits(named, value, at)
	}
	var kinds []string
	switch kind := schema["type"].(type) {
	case nil:
		return nil
	case string:
		kinds = []string{kind}
	case []any:
		for _, k := range kind {
			kinds = append(kinds, k.(string))
		}
	}
	is := ""
	switch v := value.(type) {
	case nil:
		is = "null"
	case bool:
		is = "boolean"
	case string:
		is = "string"
	case json.Number:
		if is = "number"; !strings.ContainsAny(v.String(), ".eE") && slices.Contains(kinds, "integer") {
			is = "integer"
		}
	case []any:
		is = "array"
	case object:
		is = "object"
	}
	if !slices.Contains(kinds, is) {
		return fmt.Errorf("%s: a %s, not one of %v", at, is, kinds)
	}
	switch v := value.(type) {
	case string:
		if schema["format"] == "date-time" {
			if _, err := time.Parse(time.RFC3339Nano, v); err != nil {
				return fmt.Errorf("%s: %w", at, err)
			}
		}
	case []any:
		for i, item := range v {
			if err := fits(schema["items"].(object), item, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	case object:
		properties, _ := schema["properties"].(object)
		required, _ := schema["required"].([]any)
		for _, name := range required {
			if _, ok := v[name.(string)]; !ok {
				return fmt.Errorf("%s: %s is missing", at, name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			of, ok := properties[name].(object)
			if !ok {
				of, ok = schema["additionalProperties"].(object)
			}
			if !ok {
				return fmt.Errorf("%s: %s is not described", at, name)
			}
			if err := fits(of, v[name], at+"."+name); err != nil {
				return err
			}
		}
	}
	return nil
}

// filled is an endpoint's path with something in place of its parameters.
func filled(path string) string {
	return strings.NewReplacer("{queue}", "mail", "{id}", "a", "{name}", "nightly", "{fingerprint}", "0123456789abcdef").Replace(path)
}
