package inspect

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// String is the query as a text that ParseQuery reads, in one form for all that mean the same:
// the terms in the order of the fields.
func (q *Query) String() string {
	var b strings.Builder
	q.write(&b, "")
	for _, r := range []struct {
		value int
		term  string
	}{{q.MinAttempt, "attempt:>="}, {q.AttemptBelow, "attempt:<"}} {
		if r.value > 0 {
			term(&b, r.term+strconv.Itoa(r.value))
		}
	}
	for _, r := range []struct {
		value time.Time
		term  string
	}{{q.EnqueuedAfter, "enqueued:>"}, {q.EnqueuedBefore, "enqueued:<"}} {
		if !r.value.IsZero() {
			term(&b, r.term+r.value.UTC().Format(time.RFC3339Nano))
		}
	}
	for _, r := range []struct {
		value time.Duration
		term  string
	}{{q.OlderThan, "age:>"}, {q.YoungerThan, "age:<"}} {
		if r.value > 0 {
			term(&b, r.term+formatAge(r.value))
		}
	}
	if q.Not != nil {
		q.Not.write(&b, "-")
	}
	return b.String()
}

func term(b *strings.Builder, text string) {
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	b.WriteString(text)
}

// write writes what has values.
func (q *Query) write(b *strings.Builder, not string) {
	list := func(field string, values []string, quote func(string) string) {
		var words []string
		for _, v := range values {
			if word := quote(v); !slices.Contains(words, word) {
				words = append(words, word)
			}
		}
		if len(words) > 0 {
			term(b, not+field+":"+strings.Join(words, ","))
		}
	}
	each := func(field string, values []string) {
		for i, v := range values {
			if !slices.Contains(values[:i], v) {
				term(b, not+field+quoted(v, ""))
			}
		}
	}
	inList := func(v string) string { return quoted(v, ",") }
	list("queue", q.Queues, inList)
	var states []string
	for _, s := range States { // in one order
		if slices.Contains(q.States, s) {
			states = append(states, string(s))
		}
	}
	list("state", states, inList)
	list("kind", q.Kinds, inList)
	list("id", q.IDs, inList)
	for i, m := range q.Tags {
		if !slices.Contains(q.Tags[:i], m) {
			name := quoted(m.Name, "=*")
			if !m.Prefix || m.Value != "" {
				name += "=" + m.quoted()
			}
			term(b, not+"tag:"+name)
		}
	}
	for i, m := range q.Args {
		if !slices.Contains(q.Args[:i], m) {
			term(b, not+"args"+formatPath(m.Name)+":"+m.quoted())
		}
	}
	each("error:", q.Errors)
	each("reason:", q.Reasons)
	list("fingerprint", q.Fingerprints, inList)
	for i, v := range q.Text {
		if slices.Contains(q.Text[:i], v) {
			continue
		}
		if strings.HasPrefix(v, "-") || strings.HasPrefix(v, "args.") || strings.HasPrefix(v, "args[") {
			term(b, not+strconv.Quote(v))
		} else {
			term(b, not+quoted(v, ":"))
		}
	}
}

// quoted is a value as it stands in a text: with quotes where it would mean something else without.
func quoted(value, special string) string {
	for _, r := range value {
		if r == '"' || r == '\\' || r <= ' ' || !strconv.IsPrint(r) || strings.ContainsRune(special, r) || r == '\uFFFD' {
			return strconv.Quote(value)
		}
	}
	if value == "" {
		return `""`
	}
	return value
}

// quoted is the value of a Match, with its star.
func (m *Match) quoted() string {
	if m.Prefix {
		if m.Value == "" {
			return "*"
		}
		return quoted(m.Value, "*") + "*"
	}
	return quoted(m.Value, "*")
}

// formatAge writes a duration as people do: 90m, 2h, 7d.
func formatAge(d time.Duration) string {
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if d%unit.of == 0 {
			return strconv.FormatInt(int64(d/unit.of), 10) + unit.name
		}
	}
	return d.String()
}
