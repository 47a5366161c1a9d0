package inspect

import (
	"slices"
	"strings"
	"time"
)

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
