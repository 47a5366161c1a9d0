package web

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki/inspect"
)

func (d *Dashboard) apiDescription() []endpoint {
	return []endpoint{get("/openapi.json", View, "This description", func(*request) (*json.RawMessage, error) {
		text := d.description()
		return &text, nil
	})}
}

// describe is the API as OpenAPI 3.1 describes it: of the table of endpoints and the Go types of
// their bodies and answers.
func describe(endpoints []endpoint) json.RawMessage {
	s := schemas{all: map[string]any{}, types: map[string]reflect.Type{}}
	paths := map[string]map[string]any{}
	for _, e := range endpoints {
		if paths[e.path] == nil {
			paths[e.path] = map[string]any{}
		}
		paths[e.path][strings.ToLower(e.method)] = s.operation(&e)
	}
	s.of(reflect.TypeFor[fault](), false) // every endpoint can answer with it
	text, err := json.Marshal(map[string]any{
		"openapi": "3.1.0",
		"info": map[string]any{
			"title": "tasuki", "version": "1",
			"description": "Queues and jobs of tasuki. Version 1 only grows: answers get new fields, which a program must pass over. Times are RFC 3339. Durations in answers are whole nanoseconds; in bodies they can be texts such as 1h30m.",
		},
		"servers":  []any{map[string]any{"url": "../v1", "description": "beside this description, whatever the path at which the dashboard is mounted"}},
		"security": []any{map[string]any{"token": []any{}}, map[string]any{"password": []any{}}},
		"paths":    paths,
		"components": map[string]any{
			"schemas": s.all,
			"securitySchemes": map[string]any{
				"token": map[string]any{"type": "http", "scheme": "bearer"}, "password": map[string]any{"type": "http", "scheme": "basic"},
			},
		},
	})
	if err != nil {
		panic("web: the description: " + err.Error()) // it is made of maps and texts
	}
	return text
}

var pathParam = regexp.MustCompile(`\{([a-z]+)\}`)

func (s *schemas) operation(e *endpoint) map[string]any {
	var params []any
	for _, m := range pathParam.FindAllStringSubmatch(e.path, -1) {
		params = append(params, map[string]any{"name": m[1], "in": "path", "required": true, "schema": map[string]any{"type": "string"}})
	}
	for _, p := range e.params {
		schema := map[string]any{"type": p.is}
		if p.is == "date-time" {
			schema = map[string]any{"type": "string", "format": p.is}
		}
		params = append(params, map[string]any{"name": p.name, "in": "query", "description": p.text, "schema": schema})
	}
	content := func(media string, schema any) map[string]any {
		return map[string]any{media: map[string]any{"schema": schema}}
	}
	responses := map[string]any{"default": map[string]any{"description": "what went wrong", "content": content("application/problem+json", reference("Fault"))}}
	for _, status := range e.statuses {
		responses[strconv.Itoa(status)] = map[string]any{"description": http.StatusText(status), "content": content("application/json", s.of(e.answer, false))}
	}
	operation := map[string]any{"summary": e.summary, "operationId": operationID(e), "x-right": e.right, "responses": responses}
	if params != nil {
		operation["parameters"] = params
	}
	if e.body != nil {
		operation["requestBody"] = map[string]any{"required": e.body.NumField() > 0, "content": content("application/json", s.of(e.body, true))}
	}
	return operation
}

// operationID is the method and the words of the path.
func operationID(e *endpoint) string {
	words := strings.FieldsFunc(e.path, func(r rune) bool { return strings.ContainsRune("/{}-.", r) })
	return strings.ToLower(e.method) + "-" + strings.Join(words, "-")
}

// schemas are those of Go types, as encoding/json writes them.
type schemas struct {
	all   map[string]any
	types map[string]reflect.Type
}

func reference(name string) map[string]any {
	return map[string]any{"$ref": "#/components/schemas/" + name}
}

// schemaName is a type's name in the description; what a program sends has one of its own.
func schemaName(t reflect.Type, closed bool) string {
	switch t {
	case reflect.TypeFor[fault]():
		return "Fault"
	case reflect.TypeFor[none]():
		return "None"
	}
	name := strings.TrimPrefix(t.Name(), "api")
	if path.Base(t.PkgPath()) == "cron" {
		name = "Schedule" + name
	}
	if closed {
		name += "Input"
	}
	return name
}

// of is the schema of a type. closed has no fields but those that it names: what a program sends.
func (s *schemas) of(t reflect.Type, closed bool) map[string]any {
	switch t {
	case reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case reflect.TypeFor[time.Duration]():
		return map[string]any{"type": "integer", "format": "int64", "description": "nanoseconds"}
	case reflect.TypeFor[span]():
		return map[string]any{"type": []string{"integer", "string"}, "description": "nanoseconds, or a text such as 1h30m"}
	case reflect.TypeFor[limit]():
		return map[string]any{"type": "string", "description": "a time as in RFC 3339, or \"\" for none"}
	case reflect.TypeFor[json.RawMessage]():
		return map[string]any{"description": "any JSON"}
	case reflect.TypeFor[[]byte]():
		return map[string]any{"type": "string", "contentEncoding": "base64"}
	case reflect.TypeFor[inspect.Histogram]():
		if s.all["Histogram"] == nil {
			number := map[string]any{"type": "integer", "format": "int64"}
			properties := map[string]any{"count": number, "buckets": map[string]any{"type": []string{"array", "null"}, "items": s.of(reflect.TypeFor[inspect.Bucket](), false)}}
			for _, name := range []string{"mean_ns", "p50_ns", "p95_ns", "p99_ns", "sum_ns"} {
				properties[name] = number
			}
			s.all["Histogram"] = map[string]any{"type": "object", "properties": properties}
		}
		return reference("Histogram")
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem(), closed)
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer", "format": "int64"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": s.of(t.Elem(), closed)}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": s.of(t.Elem(), closed)}
	case reflect.Struct:
		return s.object(t, closed)
	}
	panic(fmt.Sprintf("web: there is no schema for %v", t))
}

func (s *schemas) object(t reflect.Type, closed bool) map[string]any {
	name := schemaName(t, closed)
	if known := s.types[name]; known == t {
		return reference(name)
	} else if known != nil {
		panic(fmt.Sprintf("web: %v and %v have one name in the description", known, t))
	}
	s.types[name] = t
	properties, required := map[string]any{}, map[string]bool{}
	s.fields(t, closed, properties, required)
	schema := map[string]any{"type": "object", "properties": properties}
	if len(required) > 0 {
		schema["required"] = slices.Sorted(maps.Keys(required))
	}
	if closed {
		schema["additionalProperties"] = false
	}
	s.all[name] = schema
	return reference(name)
}

// fields adds those of a struct, and of those that are embedded in it.
func (s *schemas) fields(t reflect.Type, closed bool, properties map[string]any, required map[string]bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		if f.Anonymous && tag == "" {
			embedded := f.Type
			if embedded.Kind() == reflect.Pointer {
				embedded = embedded.Elem()
			}
			s.fields(embedded, closed, properties, required)
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		if !f.IsExported() || name == "-" {
			continue
		}
		schema := s.of(f.Type, closed)
		if !strings.Contains(options, "omit") {
			required[name] = true
			// What others have made has null for an empty list.
			if kind := schema["type"]; !closed && !strings.HasSuffix(t.PkgPath(), "/web") && (kind == "array" || f.Type.Kind() == reflect.Map) {
				schema["type"] = []any{kind, "null"}
			}
		}
		properties[name] = schema
	}
}
