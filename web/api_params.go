package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tasuki-dev/tasuki"
)

func (q *request) refuse(name, allowed string) {
	if q.wrong == nil {
		q.wrong = invalid(name, name+": "+allowed)
	}
}

// refused is the error of the first parameter that is not allowed.
func (q *request) refused() error {
	if q.wrong == nil {
		return nil
	}
	return q.wrong
}

func (q *request) checked(name, text string, most int) string {
	if len(text) > most || !utf8.ValidString(text) || strings.Contains(text, "\x00") {
		q.refuse(name, fmt.Sprintf("allowed are %d bytes of UTF-8", most))
		return ""
	}
	return text
}

// text is a parameter, "" unless given.
func (q *request) text(name string, most int) string {
	return q.checked(name, q.query.Get(name), most)
}

// within is a parameter that is a whole number.
func (q *request) within(name string, least, most, unless int) int {
	text := q.query.Get(name)
	if text == "" {
		return unless
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		q.refuse(name, fmt.Sprintf("allowed are %d to %d", least, most))
		return unless
	}
	return n
}

// moment is a parameter that is a time; the zero time unless given.
func (q *request) moment(name string) time.Time {
	text := q.query.Get(name)
	if text == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		q.refuse(name, "allowed is a time such as 2026-05-04T12:00:00Z")
	}
	return at
}

// since is a parameter that is a time, or a duration until now; the zero time unless given.
func (q *request) since() time.Time {
	text := q.query.Get("since")
	if d, err := parseDuration(text); err == nil && d > 0 {
		return time.Now().Add(-d)
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil && text != "" {
		q.refuse("since", "allowed is a time such as 2026-05-04T12:00:00Z, or a duration until now such as 24h")
	}
	return at
}

// spanOf is a parameter that is a duration; 0 unless given.
func (q *request) spanOf(name string, least, most time.Duration) time.Duration {
	text := q.query.Get(name)
	if text == "" {
		return 0
	}
	d, err := parseDuration(text)
	if err != nil || d < least || d > most {
		q.refuse(name, fmt.Sprintf("allowed are durations from %v to %v, such as 90s", least, most))
		return 0
	}
	return d
}

// yes is a parameter that is true or false.
func (q *request) yes(name string) bool {
	switch q.query.Get(name) {
	case "", "false":
		return false
	case "true":
		return true
	}
	q.refuse(name, "allowed are true and false")
	return false
}

// queue is the queue in the path.
func (q *request) queue() string { return q.queueNamed("queue", q.r.PathValue("queue")) }

func (q *request) queueNamed(field, name string) string {
	name = q.checked(field, name, mostText)
	if name == "" {
		q.refuse(field, "the name of a queue is missing")
	} else if of, _, err := tasuki.ParseAddress(name + "/0"); err != nil || of != name || name == "list:" {
		q.refuse(field, fmt.Sprintf("%.140q: allowed are letters, digits and . _ - beginning with a letter or digit, or list:KEY", name))
	}
	return name
}

// address is that of the job in the path.
func (q *request) address() string {
	address := q.queue() + "/" + q.checked("id", q.r.PathValue("id"), mostAddress)
	if q.wrong == nil {
		if _, _, err := tasuki.ParseAddress(address); err != nil {
			q.refuse("id", err.Error())
		}
	}
	return address
}

// span is a time.Duration in a body: a whole number of nanoseconds, or a text such as 1h30m.
type span time.Duration

// UnmarshalJSON implements json.Unmarshaler.
func (d *span) UnmarshalJSON(text []byte) error {
	var n int64
	if json.Unmarshal(text, &n) == nil {
		*d = span(n)
		return nil
	}
	var s string
	if json.Unmarshal(text, &s) == nil {
		if parsed, err := parseDuration(s); err == nil {
			*d = span(parsed)
			return nil
		}
	}
	return &fault{Status: http.StatusBadRequest, Code: "invalid", Detail: fmt.Sprintf("%.40s is no duration: allowed are a whole number of nanoseconds, and a text such as \"1h30m\"", text)}
}

// limit is a time in a body, or "" for none.
type limit time.Time

// UnmarshalJSON implements json.Unmarshaler.
func (l *limit) UnmarshalJSON(text []byte) error {
	*l = limit{}
	if string(text) == `""` || (*time.Time)(l).UnmarshalJSON(text) == nil {
		return nil
	}
	return &fault{Status: http.StatusBadRequest, Code: "invalid", Detail: fmt.Sprintf("%.40s is no time: allowed are a text such as \"2030-01-02T15:04:05Z\", and \"\" for none", text)}
}

// parseDuration reads what time.ParseDuration does, or whole nanoseconds.
func parseDuration(text string) (time.Duration, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Duration(n), nil
	}
	return time.ParseDuration(text)
}
