package inspect

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// step is one step of a path into arguments: a field of an object, or an element of an array.
type step struct {
	name  string
	index int // -1: a field
}

// maxSteps bounds how deep a path goes.
const maxSteps = 20

// parsePath reads a path: user.id, list[0].name, [2], "a name".x; a name that has a dot, a
// bracket, a colon, a quote or a space is quoted.
func parsePath(path string) ([]step, error) {
	var steps []step
	for rest := path; rest != "" || len(steps) == 0; {
		switch {
		case len(steps) == maxSteps:
			return nil, fmt.Errorf("more than %d steps", maxSteps)
		case strings.HasPrefix(rest, "["):
			digits, after, ok := strings.Cut(rest[1:], "]")
			n, err := strconv.ParseUint(digits, 10, 31)
			if !ok || err != nil {
				return nil, errors.New("allowed in brackets is the number of an element, from 0 on")
			}
			steps, rest = append(steps, step{"", int(n)}), after
			continue
		case len(steps) > 0:
			if rest[0] != '.' {
				return nil, errors.New("a dot or a bracket is missing between two steps")
			}
			rest = rest[1:]
		}
		name := rest
		if strings.HasPrefix(rest, `"`) {
			quote, err := strconv.QuotedPrefix(rest)
			if err != nil {
				return nil, errors.New("a name in quotes does not end, or has an escape that does not exist")
			}
			rest = rest[len(quote):]
			if name, err = strconv.Unquote(quote); err != nil {
				return nil, err
			}
		} else {
			if end := strings.IndexAny(rest, ".["); end >= 0 {
				name = rest[:end]
			}
			rest = rest[len(name):]
			if name == "" || name != bareName(name) {
				return nil, errors.New("allowed is a path such as user.id, list[0] or \"a name\".x")
			}
		}
		steps = append(steps, step{name, -1})
	}
	return steps, nil
}

// bareName is a name as it stands in a path.
func bareName(name string) string { return quoted(name, ".[]:,") }

// formatPath is a path as it stands behind args: with the dot before the first name.
func formatPath(path string) string {
	steps, err := parsePath(path)
	if err != nil {
		return "." + path
	}
	var b strings.Builder
	for _, s := range steps {
		if s.index >= 0 {
			fmt.Fprintf(&b, "[%d]", s.index)
		} else {
			b.WriteString("." + bareName(s.name))
		}
	}
	return b.String()
}

// decodeArgs reads arguments; nil when they are none.
func decodeArgs(args json.RawMessage) any {
	var value any
	d := json.NewDecoder(strings.NewReader(string(args)))
	d.UseNumber()
	if d.Decode(&value) != nil {
		return nil
	}
	return value
}

// lookup returns a value as a text; false if it is not there, or is an object or an array that a
// text cannot be.
func lookup(value any, path []step) (string, bool) {
	for _, s := range path {
		switch in := value.(type) {
		case map[string]any:
			var ok bool
			if value, ok = in[s.name]; !ok || s.index >= 0 {
				return "", false
			}
		case []any:
			if s.index < 0 || s.index >= len(in) {
				return "", false
			}
			value = in[s.index]
		default:
			return "", false
		}
	}
	switch v := value.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	case nil:
		return "null", true
	}
	text, err := json.Marshal(value)
	return string(text), err == nil
}
