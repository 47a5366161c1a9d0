package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/tasuki-dev/tasuki/internal/legible"
)

// decode reads the body, which is one JSON object.
func (q *request) decode(to any) error {
	body, err := io.ReadAll(q.r.Body)
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return &fault{Status: http.StatusRequestEntityTooLarge, Code: "too_large", Detail: fmt.Sprintf("the body: allowed are %d bytes", tooLarge.Limit)}
	}
	if err != nil {
		return invalid("", "the body cannot be read: "+err.Error())
	}
	if len(body) == 0 && reflect.TypeOf(to).Elem().NumField() == 0 {
		return nil
	}
	if kind, _, err := mime.ParseMediaType(q.r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return &fault{Status: http.StatusUnsupportedMediaType, Code: "media_type", Detail: "the body: allowed is the Content-Type application/json"}
	}
	return readBody(body, to)
}

func readBody(body []byte, to any) error {
	if text := bytes.TrimLeft(body, " \t\r\n"); len(text) == 0 || text[0] != '{' {
		return invalid("", "the body: allowed is a JSON object")
	}
	if !utf8.Valid(body) { // else other letters would stand in its place
		return invalid("", "the body is not UTF-8")
	}
	r := bodyReader{json.NewDecoder(bytes.NewReader(body))}
	if err := r.value(reflect.ValueOf(to).Elem(), ""); err != nil {
		return err
	}
	if _, err := r.in.Token(); err != io.EOF {
		return invalid("", "the body: something stands behind the JSON object")
	}
	return nil
}

// bodyReader fills in a value as encoding/json does, and refuses what that lets pass: fields that
// are not known, or differ in capitals, and two with one name. Its errors name the field by its
// whole path: opts.unique.mode, jobs[3].kind.
type bodyReader struct{ in *json.Decoder }

func (r bodyReader) value(v reflect.Value, at string) error {
	_, itself := v.Addr().Interface().(json.Unmarshaler)
	switch kind := v.Kind(); {
	case itself:
	case kind == reflect.Struct:
		fields := map[string][]int{}
		for _, f := range reflect.VisibleFields(v.Type()) {
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
				fields[name] = f.Index
			}
		}
		return r.members(at, func(name, at string) error {
			index, ok := fields[name]
			if !ok {
				return &fault{Status: http.StatusBadRequest, Code: "unknown_field", Field: legible.Lines(legible.Cut(at, 100)), Detail: "there is no such field"}
			}
			return r.value(v.FieldByIndex(index), at)
		})
	case kind == reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		return r.members(at, func(name, at string) error {
			one := reflect.New(v.Type().Elem()).Elem()
			err := r.value(one, at)
			v.SetMapIndex(reflect.ValueOf(name), one)
			return err
		})
	case kind == reflect.Slice:
		return r.list(v, at)
	}
	if err := r.in.Decode(v.Addr().Interface()); err != nil {
		return undecodable(at, err)
	}
	return nil
}

// opens takes the delimiter that a value begins with; false is null, which is as good as nothing.
func (r bodyReader) opens(with json.Delim, at string) (bool, error) {
	token, err := r.in.Token()
	switch {
	case err != nil:
		return false, undecodable(at, err)
	case token == nil:
		return false, nil
	case token != with:
		return false, invalid(at, map[json.Delim]string{'{': "allowed is a JSON object", '[': "allowed is a JSON array"}[with])
	}
	return true, nil
}

func (r bodyReader) members(at string, member func(name, at string) error) error {
	if some, err := r.opens('{', at); !some {
		return err
	}
	seen := map[string]bool{}
	for r.in.More() {
		token, err := r.in.Token()
		if err != nil {
			return undecodable(at, err)
		}
		name := token.(string) // the decoder lets nothing else be a name
		below := strings.TrimPrefix(at+"."+name, ".")
		if seen[name] {
			return invalid(legible.Lines(legible.Cut(below, 100)), "it is there twice")
		}
		seen[name] = true
		if err := member(name, below); err != nil {
			return err
		}
	}
	return r.closes(at)
}

func (r bodyReader) list(v reflect.Value, at string) error {
	if some, err := r.opens('[', at); !some {
		return err
	}
	for n := 0; r.in.More(); n++ {
		one := reflect.New(v.Type().Elem()).Elem()
		if err := r.value(one, fmt.Sprintf("%s[%d]", at, n)); err != nil {
			return err
		}
		v.Set(reflect.Append(v, one))
	}
	return r.closes(at)
}

func (r bodyReader) closes(at string) error {
	if _, err := r.in.Token(); err != nil {
		return undecodable(at, err)
	}
	return nil
}

// undecodable says what of a body is not as it should be.
func undecodable(at string, err error) *fault {
	var wrong *json.UnmarshalTypeError
	var bad *fault
	switch at = legible.Lines(legible.Cut(at, 100)); {
	case errors.As(err, &wrong):
		return invalid(at, fmt.Sprintf("a JSON %.80s stands where it is not allowed: the description says what is", wrong.Value))
	case errors.As(err, &bad):
		return invalid(at, bad.Detail)
	case errors.As(err, new(*json.SyntaxError)), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return invalid("", "the body is no JSON: "+err.Error())
	}
	return invalid(at, err.Error()) // such as a time that is none
}
