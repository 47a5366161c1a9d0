package inspect

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// Query says which jobs are meant. The zero value of a field leaves out nothing, but for
// States; a job has to fit all fields. ParseQuery reads one from a text, such as a person types
// it, and String writes that text.
//
// Texts are looked for whatever the case of their letters.
type Query struct {
	Queues []string // one of these; none: all queues
	// States are all but parked, done, cancelled and expired unless told. Those who are
	// parked are found with SCAN, which goes through all keys of the server.
	States []tasuki.State
	Kinds  []string // one of these; email.* are all that begin with "email."
	IDs    []string // one of these

	Tags    []Match  // of Opts.Meta: all of these; the Name is that of the tag
	Args    []Match  // all of these; the Name is a path: user.id, list[0].name
	Errors  []string // each is in the last error or in the reason
	Reasons []string // each is in the reason
	// Fingerprints are of the last failure, as FingerprintOf has it: one of these.
	Fingerprints []string
	Text         []string // each is in the arguments, the bytes of a raw job, an error, a reason, the kind, the id or a tag

	MinAttempt   int // Attempt is not lower
	AttemptBelow int // Attempt is lower; 0: no limit

	// A job that does not say when it was enqueued is not between these, and has no age.
	EnqueuedAfter, EnqueuedBefore time.Time
	OlderThan, YoungerThan        time.Duration // since it was enqueued

	// Not leaves out the jobs that fit any value of its fields. It has no numbers, times and Not of
	// its own.
	Not *Query

	Limit int // not more than these; 0: no limit. It is no part of the text
}

// Match says what a tag or an argument has to be.
type Match struct {
	Name   string
	Value  string // of an argument that is a number, true, false or null, as JSON has it
	Prefix bool   // it begins with Value; with "" it only has to be there
}

// States are those that a job can be listed in: all of them.
var States = []tasuki.State{
	tasuki.StateRunning, tasuki.StateSuspect, tasuki.StateReady, tasuki.StateRetry, tasuki.StateScheduled, tasuki.StateParked, tasuki.StateDead,
	tasuki.StateDone, tasuki.StateCancelled, tasuki.StateExpired,
}

var (
	usualStates = []tasuki.State{tasuki.StateRunning, tasuki.StateSuspect, tasuki.StateReady, tasuki.StateRetry, tasuki.StateScheduled, tasuki.StateDead}
	endedStates = []tasuki.State{tasuki.StateDone, tasuki.StateCancelled, tasuki.StateExpired}
)

// What a Query may have at most.
const (
	maxQueryText   = 4096
	maxQueryValues = 100
)

// validate says which field cannot be.
func (q *Query) validate() error {
	if q.Limit < 0 {
		return fmt.Errorf("limit: %d: allowed are 0 and more", q.Limit)
	}
	for _, n := range []struct {
		name  string
		value int64
	}{
		{"attempt", int64(q.MinAttempt)}, {"attempt", int64(q.AttemptBelow)},
		{"age", int64(q.OlderThan)}, {"age", int64(q.YoungerThan)},
	} {
		if n.value < 0 {
			return fmt.Errorf("%s: %d: allowed are 0 and more", n.name, n.value)
		}
	}
	if err := q.validateValues(); err != nil {
		return err
	}
	if n := q.Not; n != nil {
		if n.Not != nil || n.MinAttempt != 0 || n.AttemptBelow != 0 || n.OlderThan != 0 || n.YoungerThan != 0 || !n.EnqueuedAfter.IsZero() || !n.EnqueuedBefore.IsZero() || n.Limit != 0 {
			return errors.New("not: allowed are queues, states, kinds, ids, tags, args, errors, reasons, fingerprints and text")
		}
		if err := n.validateValues(); err != nil {
			return fmt.Errorf("not: %w", err)
		}
	}
	return nil
}

func (q *Query) validateValues() error {
	n := len(q.Tags) + len(q.Args)
	for _, texts := range [][]string{q.Queues, q.Kinds, q.IDs, q.Errors, q.Reasons, q.Fingerprints, q.Text} {
		n += len(texts)
		for _, text := range texts {
			if text == "" {
				return errors.New("an empty text means every job: leave it out")
			}
		}
	}
	if n += len(q.States); n > maxQueryValues {
		return fmt.Errorf("%d values: allowed are %d", n, maxQueryValues)
	}
	for _, s := range q.States {
		if !slices.Contains(States, s) {
			return fmt.Errorf("state: %.40q: allowed are %s", s, stateNames())
		}
	}
	for _, m := range q.Tags {
		if m.Name == "" {
			return errors.New("tag: the name is missing")
		}
	}
	for _, m := range q.Args {
		if _, err := parsePath(m.Name); err != nil {
			return fmt.Errorf("args.%.80s: %w", m.Name, err)
		}
	}
	return nil
}

func stateNames() string {
	names := make([]string, len(States))
	for i := range States {
		names[i] = string(States[i])
	}
	return strings.Join(names, ", ")
}

// states are those that are looked through.
func (q *Query) states() []tasuki.State {
	states := q.States
	if len(states) == 0 {
		states = usualStates
	}
	if q.Not == nil {
		return states
	}
	return slices.DeleteFunc(slices.Clone(states), func(s tasuki.State) bool { return slices.Contains(q.Not.States, s) })
}

// hasQueue tells whether jobs of a queue are meant.
func (q *Query) hasQueue(name string) bool {
	return (len(q.Queues) == 0 || slices.Contains(q.Queues, name)) && (q.Not == nil || !slices.Contains(q.Not.Queues, name))
}

// isOfPlace tells whether the place of a job says all that the query asks for.
func (q *Query) isOfPlace() bool {
	rest := *q
	rest.Queues, rest.States = nil, nil
	if q.Not != nil {
		not := *q.Not
		not.Queues, not.States = nil, nil
		rest.Not = &not
	}
	return rest.String() == ""
}

// matcher is a Query that is ready to look at many jobs. It is not safe for concurrent use.
type matcher struct {
	*Query
	now                   time.Time
	errors, reasons, text []string // in small letters
	args                  [][]step
	not                   *matcher
}

func newMatcher(q *Query, now time.Time) *matcher {
	lower := func(texts []string) []string {
		small := make([]string, len(texts))
		for i := range texts {
			small[i] = strings.ToLower(texts[i])
		}
		return small
	}
	m := &matcher{Query: q, now: now, errors: lower(q.Errors), reasons: lower(q.Reasons), text: lower(q.Text)}
	for _, a := range q.Args {
		path, _ := parsePath(a.Name) // validate has seen it
		m.args = append(m.args, path)
	}
	if q.Not != nil {
		m.not = newMatcher(q.Not, now)
	}
	return m
}

// fits looks at all but the queue and the state.
func (m *matcher) fits(j *Job) bool {
	switch {
	case len(m.Kinds) > 0 && !isKind(m.Kinds, j.Kind),
		len(m.IDs) > 0 && !slices.Contains(m.IDs, j.ID),
		len(m.Fingerprints) > 0 && !slices.Contains(m.Fingerprints, FingerprintOf(&j.Info)),
		j.Attempt < m.MinAttempt,
		m.AttemptBelow > 0 && j.Attempt >= m.AttemptBelow,
		!m.EnqueuedAfter.IsZero() && !j.EnqueuedAt.After(m.EnqueuedAfter),
		!m.EnqueuedBefore.IsZero() && (j.EnqueuedAt.IsZero() || !j.EnqueuedAt.Before(m.EnqueuedBefore)),
		m.OlderThan > 0 && (j.EnqueuedAt.IsZero() || m.now.Sub(j.EnqueuedAt) <= m.OlderThan),
		m.YoungerThan > 0 && (j.EnqueuedAt.IsZero() || m.now.Sub(j.EnqueuedAt) >= m.YoungerThan):
		return false
	}
	f := folded{job: j}
	for _, tag := range m.Tags {
		if !hasTag(j, tag) {
			return false
		}
	}
	for i := range m.Args {
		if !f.hasArg(m.args[i], m.Args[i]) {
			return false
		}
	}
	for _, text := range m.errors {
		if !f.hasError(text) {
			return false
		}
	}
	for _, text := range m.reasons {
		if !f.hasReason(text) {
			return false
		}
	}
	for _, text := range m.text {
		if !f.hasText(text) {
			return false
		}
	}
	return m.not == nil || !m.not.fitsAny(&f)
}

// fitsAny tells whether a job fits any one value.
func (m *matcher) fitsAny(f *folded) bool {
	j := f.job
	if isKind(m.Kinds, j.Kind) || slices.Contains(m.IDs, j.ID) || len(m.Fingerprints) > 0 && slices.Contains(m.Fingerprints, FingerprintOf(&j.Info)) {
		return true
	}
	for i := range m.Args {
		if f.hasArg(m.args[i], m.Args[i]) {
			return true
		}
	}
	return slices.ContainsFunc(m.Tags, func(tag Match) bool { return hasTag(j, tag) }) ||
		slices.ContainsFunc(m.errors, f.hasError) || slices.ContainsFunc(m.reasons, f.hasReason) || slices.ContainsFunc(m.text, f.hasText)
}

func isKind(kinds []string, kind string) bool {
	return slices.ContainsFunc(kinds, func(k string) bool {
		if prefix, ok := strings.CutSuffix(k, "*"); ok {
			return strings.HasPrefix(kind, prefix)
		}
		return k == kind
	})
}

func (m *Match) is(value string) bool {
	if m.Prefix {
		return strings.HasPrefix(value, m.Value)
	}
	return value == m.Value
}

func hasTag(j *Job, m Match) bool {
	value, ok := j.Meta[m.Name]
	return ok && m.is(value)
}

// folded is a job with its texts in small letters and its arguments decoded, each when it is
// asked for.
type folded struct {
	job           *Job
	error, reason string
	hasErrors     bool
	args          any
	decoded       bool
}

func (f *folded) fold() {
	if !f.hasErrors {
		f.error, f.reason, f.hasErrors = strings.ToLower(f.job.Error), strings.ToLower(f.job.Reason), true
	}
}

func (f *folded) hasReason(text string) bool {
	f.fold()
	return strings.Contains(f.reason, text)
}

func (f *folded) hasError(text string) bool {
	return f.hasReason(text) || strings.Contains(f.error, text)
}

func (f *folded) hasText(text string) bool {
	j := f.job
	for _, in := range []string{string(j.Args), string(j.Raw), j.Kind, j.ID} {
		if strings.Contains(strings.ToLower(in), text) {
			return true
		}
	}
	for name, value := range j.Meta {
		if strings.Contains(strings.ToLower(name), text) || strings.Contains(strings.ToLower(value), text) {
			return true
		}
	}
	return f.hasError(text)
}

func (f *folded) hasArg(path []step, m Match) bool {
	// To decode them takes ten times as long as to see that what is wanted is not there. With a
	// backslash it may be there in other letters, and objects may have their fields in any order.
	if raw := string(f.job.Args); !strings.Contains(raw, `\`) && !strings.ContainsAny(m.Value, "{[\"<>&") && !strings.Contains(raw, m.Value) {
		return false
	}
	if !f.decoded {
		f.decoded = true
		f.args = decodeArgs(f.job.Args)
	}
	value, ok := lookup(f.args, path)
	return ok && m.is(value)
}

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

// isQueueName tells whether a text can be the name of a queue, for an error at the right time.
func isQueueName(name string) error {
	if strings.HasPrefix(name, "list:") {
		return nil // the store says more of the key of a list
	}
	return wire.CheckQueue("queue", name)
}
