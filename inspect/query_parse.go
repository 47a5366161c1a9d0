package inspect

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tasuki-dev/tasuki"
)

// QueryError says where a text is no query, and what is allowed there.
type QueryError struct {
	At   int    // the byte of the text, from 0 on
	Near string // what stands there
	Why  string
}

// Error implements error.
func (e *QueryError) Error() string {
	if e.Near == "" {
		return fmt.Sprintf("query: at byte %d: %s", e.At+1, e.Why)
	}
	return fmt.Sprintf("query: at byte %d, %s: %s", e.At+1, strconv.Quote(e.Near), e.Why)
}

// ParseQuery reads a query from its text: terms with spaces between them, all of which a job has
// to fit. docs/queries.md tells of each.
//
//	queue:mail state:dead,retry kind:email.* tag:tenant=42 error:"connection refused"
//	args.user.id:123 attempt:>3 age:>2h id:abc -kind:email.test "any text"
//
// The error is a *QueryError.
func ParseQuery(text string) (Query, error) {
	if len(text) > maxQueryText {
		return Query{}, &QueryError{maxQueryText, "", fmt.Sprintf("a query of %d bytes: allowed are %d", len(text), maxQueryText)}
	}
	p := parser{text: text}
	for p.space(); p.at < len(text); p.space() {
		if err := p.term(); err != nil {
			return Query{}, err
		}
	}
	if err := p.q.validate(); err != nil {
		return Query{}, &QueryError{len(text), "", err.Error()}
	}
	return p.q, nil
}

type parser struct {
	text  string
	at    int
	start int // of the term that is read
	not   bool
	q     Query
}

func (p *parser) rest() string { return p.text[p.at:] }

func (p *parser) space() {
	p.at = len(p.text) - len(strings.TrimLeftFunc(p.rest(), unicode.IsSpace))
}

// fail is an error of what is read at a place.
func (p *parser) fail(at int, why string) error {
	near := p.text[at:]
	if end := strings.IndexFunc(near, unicode.IsSpace); end > 0 {
		near = near[:end]
	}
	if len(near) > 40 {
		near = near[:40]
	}
	return &QueryError{at, near, why}
}

const queryFields = "queue, state, kind, id, tag, args.PATH, error, reason, fingerprint, attempt, age and enqueued"

// term reads one term.
func (p *parser) term() error {
	p.start, p.not = p.at, false
	if strings.HasPrefix(p.rest(), "-") {
		p.not = true
		p.at++
		if r, _ := utf8.DecodeRuneInString(p.rest()); p.at == len(p.text) || unicode.IsSpace(r) {
			return p.fail(p.start, "a term has to follow at once, which is then left out")
		}
	}
	if strings.HasPrefix(p.rest(), `"`) {
		return p.plain()
	}
	rest := p.rest()
	name := rest
	if end := strings.IndexFunc(rest, func(r rune) bool { return !(r >= 'a' && r <= 'z') }); end >= 0 {
		name = rest[:end]
	}
	after := rest[len(name):]
	if name == "args" && (strings.HasPrefix(after, ".") || strings.HasPrefix(after, "[")) {
		return p.args()
	}
	if !strings.HasPrefix(after, ":") || name == "" {
		return p.plain()
	}
	if !slices.Contains([]string{"queue", "state", "kind", "id", "tag", "error", "reason", "fingerprint", "attempt", "age", "enqueued"}, name) {
		if name == "args" {
			return p.fail(p.start, `allowed is a path, as args.user.id:123 or args[0]:"a text"`)
		}
		return p.fail(p.start, fmt.Sprintf("there is no field %q: allowed are %s; a text with a colon is quoted", name, queryFields))
	}
	p.at += len(name) + 1
	return p.field(name)
}

// target is where the values of the term go.
func (p *parser) target() *Query {
	if !p.not {
		return &p.q
	}
	if p.q.Not == nil {
		p.q.Not = &Query{}
	}
	return p.q.Not
}

func (p *parser) field(name string) error {
	switch name {
	case "queue", "state", "kind", "id", "fingerprint":
		return p.list(name)
	case "tag":
		return p.tag()
	case "error", "reason":
		value, err := p.whole()
		if err != nil {
			return err
		}
		if value == "" {
			return p.fail(p.start, `a text is missing, as `+name+`:"connection refused"`)
		}
		to := p.target()
		if name == "error" {
			to.Errors = append(to.Errors, value)
		} else {
			to.Reasons = append(to.Reasons, value)
		}
		return nil
	}
	if p.not {
		return p.fail(p.start, "there is no - before "+name+": turn the < or > round")
	}
	return p.bound(name)
}

// list reads values with commas between them.
func (p *parser) list(name string) error {
	to := p.target()
	for {
		at := p.at
		value, isQuoted, err := p.value(",")
		if err != nil {
			return err
		}
		if value == "" {
			return p.fail(p.start, fmt.Sprintf("a value of %s is missing", name))
		}
		switch name {
		case "queue":
			if err := isQueueName(value); err != nil {
				return p.fail(at, strings.TrimPrefix(err.Error(), "queue: "))
			}
			to.Queues = appendNew(to.Queues, value)
		case "state":
			if !slices.Contains(States, tasuki.State(value)) {
				return p.fail(at, "it is no state: allowed are "+stateNames())
			}
			to.States = appendNew(to.States, tasuki.State(value))
		case "kind":
			if i := strings.IndexByte(value, '*'); i >= 0 && (isQuoted || i != len(value)-1) {
				return p.fail(at, "a star stands at the end only, as in email.*")
			}
			to.Kinds = appendNew(to.Kinds, value)
		case "id":
			to.IDs = appendNew(to.IDs, value)
		case "fingerprint":
			to.Fingerprints = appendNew(to.Fingerprints, value)
		}
		if !strings.HasPrefix(p.rest(), ",") {
			return p.ends()
		}
		p.at++
	}
}

func appendNew[T comparable](values []T, value T) []T {
	if slices.Contains(values, value) {
		return values
	}
	return append(values, value)
}

// tag reads NAME=VALUE, NAME=VALUE* or NAME.
func (p *parser) tag() error {
	name, _, err := p.value("=")
	if err != nil {
		return err
	}
	if name == "" {
		return p.fail(p.start, "allowed are tag:NAME=VALUE, tag:NAME=VALUE* and tag:NAME")
	}
	m := Match{Name: name, Prefix: true}
	if strings.HasPrefix(p.rest(), "=") {
		p.at++
		if m, err = p.match(name); err != nil {
			return err
		}
	} else if err := p.ends(); err != nil {
		return err
	}
	to := p.target()
	to.Tags = appendNew(to.Tags, m)
	return nil
}

// args reads a path and its value.
func (p *parser) args() error {
	p.at += len("args")
	if p.text[p.at] == '.' {
		p.at++
	}
	begin := p.at
	for inQuotes := false; ; p.at++ {
		if p.at == len(p.text) {
			return p.fail(p.start, "a colon and a value are missing, as in args.user.id:123")
		}
		c := p.text[p.at]
		if c == ':' && !inQuotes {
			break
		}
		switch {
		case c == '\\' && inQuotes && p.at+1 < len(p.text):
			p.at++
		case c == '"':
			inQuotes = !inQuotes
		case !inQuotes && (c == ' ' || c == '\t' || c == '\n'):
			return p.fail(p.start, "a colon and a value are missing, as in args.user.id:123")
		}
	}
	path := p.text[begin:p.at]
	if _, err := parsePath(path); err != nil {
		return p.fail(begin, err.Error())
	}
	p.at++
	m, err := p.match(strings.TrimPrefix(formatPath(path), "."))
	if err != nil {
		return err
	}
	to := p.target()
	to.Args = appendNew(to.Args, m)
	return nil
}

// match reads the value of a tag or an argument.
func (p *parser) match(name string) (Match, error) {
	m := Match{Name: name}
	var err error
	m.Value, _, err = p.value("*")
	if err != nil {
		return m, err
	}
	if strings.HasPrefix(p.rest(), "*") {
		m.Prefix = true
		p.at++
	}
	if r, _ := utf8.DecodeRuneInString(p.rest()); p.at < len(p.text) && !unicode.IsSpace(r) {
		return m, p.fail(p.start, "a star stands at the end only, and a quote around the whole value")
	}
	return m, nil
}

// plain reads a text that is looked for anywhere.
func (p *parser) plain() error {
	value, err := p.whole()
	if err != nil {
		return err
	}
	if value == "" {
		return p.fail(p.start, "an empty text is in every job")
	}
	if strings.Contains(value, ":") && p.text[p.at-1] != '"' {
		return p.fail(p.start, fmt.Sprintf("no field has such a name: allowed are %s; a text with a colon is quoted", queryFields))
	}
	to := p.target()
	to.Text = appendNew(to.Text, value)
	return nil
}

// whole reads a value that ends the term.
func (p *parser) whole() (string, error) {
	value, _, err := p.value("")
	if err != nil {
		return "", err
	}
	return value, p.ends()
}

// ends demands that the term has ended.
func (p *parser) ends() error {
	if r, _ := utf8.DecodeRuneInString(p.rest()); p.at < len(p.text) && !unicode.IsSpace(r) {
		return p.fail(p.start, "a space is missing behind a quote")
	}
	return nil
}

// value reads a value in quotes, or until a space or one of some characters.
func (p *parser) value(until string) (value string, isQuoted bool, err error) {
	rest := p.rest()
	if strings.HasPrefix(rest, `"`) {
		quote, err := strconv.QuotedPrefix(rest)
		if err == nil {
			value, err = strconv.Unquote(quote)
		}
		if err != nil {
			return "", true, p.fail(p.at, `a text in quotes does not end, has a line break, or an escape other than \" \\ \n \t \xNN \uNNNN`)
		}
		p.at += len(quote)
		return value, true, nil
	}
	end := strings.IndexFunc(rest, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(until, r) })
	if end < 0 {
		end = len(rest)
	}
	value = rest[:end]
	if bad := strings.IndexAny(value, "\"\\"); bad >= 0 {
		return "", false, p.fail(p.at+bad, "a quote or a backslash inside of a word: put all of it in quotes")
	}
	if !utf8.ValidString(value) {
		return "", false, p.fail(p.at, `it is no UTF-8: allowed is "\xNN" in quotes`)
	}
	p.at += end
	return value, false, nil
}

// bound reads a number, an age or a time with its sign.
func (p *parser) bound(name string) error {
	rest := p.rest()
	word := rest
	if end := strings.IndexFunc(rest, unicode.IsSpace); end >= 0 {
		word = rest[:end]
	}
	p.at += len(word)
	sign := word[:len(word)-len(strings.TrimLeft(word, "<>="))]
	value := word[len(sign):]
	switch name {
	case "attempt":
		n, err := strconv.ParseUint(value, 10, 30)
		if err != nil || !slices.Contains([]string{"", "=", "<", "<=", ">", ">="}, sign) {
			return p.fail(p.start, "allowed are attempt:3, attempt:>3, attempt:>=3, attempt:<3 and attempt:<=3")
		}
		return p.attempt(sign, int(n))
	case "age":
		d, err := parseAge(value)
		if err != nil || sign != "<" && sign != ">" {
			return p.fail(p.start, "allowed are age:>2h and age:<2h, with the units s, m, h and d")
		}
		if sign == ">" {
			p.q.OlderThan = max(p.q.OlderThan, d)
		} else if p.q.YoungerThan == 0 || d < p.q.YoungerThan {
			p.q.YoungerThan = d
		}
	default:
		at, err := parseTime(value)
		if err != nil || sign != "<" && sign != ">" {
			return p.fail(p.start, "allowed are enqueued:>2030-01-02, enqueued:<2030-01-02T15:04:05Z and the like")
		}
		if sign == ">" && at.After(p.q.EnqueuedAfter) {
			p.q.EnqueuedAfter = at
		} else if sign == "<" && (p.q.EnqueuedBefore.IsZero() || at.Before(p.q.EnqueuedBefore)) {
			p.q.EnqueuedBefore = at
		}
	}
	return nil
}

func (p *parser) attempt(sign string, n int) error {
	from, below := 0, 0
	switch sign {
	case ">":
		from = n + 1
	case ">=":
		from = n
	case "<":
		if below = n; n == 0 {
			return p.fail(p.start, "no job has fewer than 0 attempts")
		}
	case "<=":
		below = n + 1
	default:
		from, below = n, n+1
	}
	p.q.MinAttempt = max(p.q.MinAttempt, from)
	if below > 0 && (p.q.AttemptBelow == 0 || below < p.q.AttemptBelow) {
		p.q.AttemptBelow = below
	}
	return nil
}

// parseAge reads a duration, which may have days.
func parseAge(text string) (time.Duration, error) {
	var days time.Duration
	if n, rest, ok := strings.Cut(text, "d"); ok {
		count, err := strconv.ParseUint(n, 10, 32)
		if err != nil || count > 36500 {
			return 0, errors.New("allowed are up to 36500 days")
		}
		if days, text = time.Duration(count)*24*time.Hour, rest; rest == "" {
			text = "0"
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, err
	}
	if d += days; d <= 0 || strings.ContainsAny(text, "+-") {
		return 0, errors.New("allowed are more than 0")
	}
	return d, nil
}

// parseTime reads a day, or a time in RFC 3339.
func parseTime(text string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		at, err = time.Parse(time.DateOnly, text)
	}
	if err == nil && (at.UTC().Year() < 1 || at.UTC().Year() > 9999 || at.IsZero()) {
		err = errors.New("allowed are years from 1 to 9999")
	}
	return at.UTC(), err
}
