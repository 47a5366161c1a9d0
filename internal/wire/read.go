package wire

import (
	"encoding/base64"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Parse reads an element. It always returns a job that can be kept: with
// ErrFuture or a *NotJobError it is a raw job that holds the element's bytes.
//
// An element without an id is given one.
func Parse(element string) (Job, error) {
	j, err := parse(element)
	if err == nil && j.IsRaw {
		return unwrap(j)
	}
	if err != nil {
		j = Job{ID: j.ID, IsRaw: true, Raw: view(element)}
	}
	j.name()
	return j, err
}

// IsPointer is a quick look whether an element may lead to a record: no other begins
// like that.
func IsPointer(element string) bool {
	rest, ok := strings.CutPrefix(element, `{"id":"`)
	if !ok {
		return false
	}
	end := strings.IndexByte(rest, '"')
	return end >= 0 && strings.HasPrefix(rest[end:], `","rec":`)
}

// unwrap reads what a wrapper holds. It may be a job after all: a worker that
// was too old for it has wrapped it. The wrapper's counters stand.
func unwrap(wrapper Job) (Job, error) {
	wrapper.name()
	inner, err := parse(string(wrapper.Raw))
	if errors.Is(err, ErrFuture) {
		return wrapper, err
	}
	if err != nil || inner.IsRaw {
		return wrapper, nil
	}
	if inner.ID == "" {
		inner.ID, inner.IsNew = wrapper.ID, wrapper.IsNew
	}
	inner.Attempts, inner.Crashes, inner.Stops, inner.Hosts = wrapper.Attempts, wrapper.Crashes, wrapper.Stops, wrapper.Hosts
	inner.Unknown, inner.UnknownSince = wrapper.Unknown, wrapper.UnknownSince
	inner.Reason, inner.Error, inner.Token = wrapper.Reason, wrapper.Error, wrapper.Token
	return inner, nil
}

// name gives j an id if it has none.
func (j *Job) name() {
	if j.ID == "" {
		j.ID, j.IsNew = NewID(time.Now()), true
	}
}

func parse(element string) (j Job, err error) {
	if j.parseShape(element) {
		return j, nil
	}
	return parseAny(element)
}

// The members in the order in which Append writes them.
const (
	fieldID = iota
	fieldRecord
	fieldLock
	fieldKind
	fieldEnqueuedAt
	fieldAttempts
	fieldCrashes
	fieldStops
	fieldHosts
	fieldUnknown
	fieldUnknownSince
	fieldMaxAttempts
	fieldTimeout
	fieldDeadline
	fieldExpireAt
	fieldMeta
	fieldUnique
	fieldKeep
	fieldEndedAt
	fieldHistory
	fieldResult
	fieldReason
	fieldError
	fieldToken
	fieldRaw
	fieldArgs
	fieldVersion
	fieldOther
)

func fieldOf(name string) int {
	switch name {
	case "id":
		return fieldID
	case "kind":
		return fieldKind
	case "enqueued_at":
		return fieldEnqueuedAt
	case "attempts":
		return fieldAttempts
	case "crashes":
		return fieldCrashes
	case "stops":
		return fieldStops
	case "hosts":
		return fieldHosts
	case "unknown":
		return fieldUnknown
	case "unknown_since":
		return fieldUnknownSince
	case "max_attempts":
		return fieldMaxAttempts
	case "timeout_ms":
		return fieldTimeout
	case "deadline":
		return fieldDeadline
	case "expire_at":
		return fieldExpireAt
	case "meta":
		return fieldMeta
	case "unique":
		return fieldUnique
	case "keep_ms":
		return fieldKeep
	case "ended_at":
		return fieldEndedAt
	case "history":
		return fieldHistory
	case "result":
		return fieldResult
	case "lock":
		return fieldLock
	case "reason":
		return fieldReason
	case "error":
		return fieldError
	case "token":
		return fieldToken
	case "raw":
		return fieldRaw
	case "args":
		return fieldArgs
	case "v":
		return fieldVersion
	case "rec":
		return fieldRecord
	}
	return fieldOther
}

// parseShape reads an element that has the shape that Append gives it: no white
// space, the members in order, no escapes in the strings that are looked at. It
// is what every job pays, so it is one pass without allocation; whatever it is
// not sure of it leaves to parseAny.
func (j *Job) parseShape(s string) bool {
	if len(s) < 2 || s[0] != '{' {
		return false
	}
	for i, last := 1, -1; ; i++ {
		if i >= len(s) || s[i] != '"' {
			return false
		}
		end := i + 1
		for end < len(s) && s[end] != '"' {
			end++
		}
		if end+1 >= len(s) || s[end+1] != ':' {
			return false
		}
		field := fieldOf(s[i+1 : end])
		if field <= last {
			return false
		}
		last = field
		start := end + 2
		switch field {
		case fieldID, fieldLock, fieldKind, fieldUnique, fieldReason, fieldError, fieldToken:
			text, after, ok := plainString(s, start)
			if !ok || j.setText(field, text) != nil {
				return false
			}
			end = after
		case fieldMeta:
			if j.Meta, end = plainMeta(s, start); end < 0 {
				return false
			}
		case fieldRecord, fieldEnqueuedAt, fieldAttempts, fieldCrashes, fieldStops, fieldUnknown, fieldUnknownSince,
			fieldMaxAttempts, fieldTimeout, fieldDeadline, fieldExpireAt, fieldKeep, fieldEndedAt:
			for end = start; end < len(s) && s[end] != ',' && s[end] != '}'; end++ {
			}
			if !j.setNumber(field, s[start:end]) {
				return false
			}
		case fieldArgs:
			if end = skipValue(s, start); end < 0 {
				return false
			}
			j.Args = view(s[start:end])
		default:
			return false
		}
		switch {
		case end >= len(s):
			return false
		case s[end] == ',':
			i = end
		case s[end] == '}':
			return end+1 == len(s) && j.complete() == nil
		default:
			return false
		}
	}
}

// plainString reads the string at s[i:], if it is one without escapes, and
// returns where it ends.
func plainString(s string, i int) (text string, end int, ok bool) {
	if i >= len(s) || s[i] != '"' {
		return "", 0, false
	}
	n := strings.IndexByte(s[i+1:], '"')
	if n < 0 {
		return "", 0, false
	}
	text = s[i+1 : i+1+n]
	return text, i + n + 2, isPlain(text)
}

// plainMeta reads the object at s[i:], if it is one of strings without escapes, each
// name once, and returns where it ends; else -1.
func plainMeta(s string, i int) (map[string]string, int) {
	if i >= len(s) || s[i] != '{' {
		return nil, -1
	}
	meta := map[string]string{}
	for {
		name, colon, ok := plainString(s, i+1)
		if !ok || colon >= len(s) || s[colon] != ':' {
			return nil, -1
		}
		value, end, ok := plainString(s, colon+1)
		if _, twice := meta[name]; !ok || twice || end >= len(s) {
			return nil, -1
		}
		meta[name] = value
		switch s[end] {
		case '}':
			return meta, end + 1
		case ',':
			i = end
		default:
			return nil, -1
		}
	}
}

// skipValue returns the end of the JSON value at s[i:], or -1. It looks at
// strings and brackets only: a value that it accepts may still be no JSON, which
// the decoder of the arguments will say.
func skipValue(s string, i int) int {
	depth := 0
	for start := i; i < len(s); i++ {
		switch c := s[i]; c {
		case '"':
			if i = skipString(s, i+1); i < 0 {
				return -1
			}
		case '{', '[':
			depth++
		case '}', ']', ',':
			if depth == 0 {
				return nonEmpty(start, i)
			}
			if c != ',' {
				depth--
			}
		case ' ', '\t', '\n', '\r':
			if depth == 0 {
				return -1
			}
		}
	}
	return -1
}

// skipString returns where the string ends whose inside begins at s[i:], or -1.
func skipString(s string, i int) int {
	for {
		n := strings.IndexByte(s[i:], '"')
		if n < 0 {
			return -1
		}
		escapes := 0
		for k := i + n - 1; k >= i && s[k] == '\\'; k-- {
			escapes++
		}
		i += n
		if escapes%2 == 0 {
			return i
		}
		i++
	}
}

func nonEmpty(start, end int) int {
	if start == end {
		return -1
	}
	return end
}

// lenient is what may be in an element: arguments may name a member twice, as
// encoding/json allows it.
var lenient = []jsontext.Options{jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)}

// parseAny reads an element of any writer. Of one of a newer version it reads
// the id, if that is still what it was.
func parseAny(element string) (j Job, err error) {
	future := false
	defer func() {
		if future {
			err = ErrFuture
		}
	}()
	d := jsontext.NewDecoder(strings.NewReader(element), lenient...)
	token, err := d.ReadToken()
	if err != nil {
		return j, notJob("%v", err)
	}
	if token.Kind() != '{' {
		return j, notJob("it is JSON, but no object")
	}
	for seen := 0; d.PeekKind() != '}'; {
		name, err := d.ReadToken()
		if err != nil {
			return j, notJob("%v", err)
		}
		key := name.String()
		field := fieldOf(key)
		if field != fieldOther && seen&(1<<field) != 0 {
			return j, notJob("%s is there twice", key)
		}
		seen |= 1 << field
		value, err := d.ReadValue()
		if err != nil {
			return j, notJob("%v", err)
		}
		switch err := j.set(field, key, value); {
		case errors.Is(err, ErrFuture):
			future = true
		case err != nil && !future:
			return j, err
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return j, notJob("%v", err)
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return j, notJob("there is something behind the object")
	}
	return j, j.complete()
}

// set sets one member.
func (j *Job) set(field int, name string, value jsontext.Value) (err error) {
	switch field {
	case fieldVersion:
		v, err := strconv.Atoi(string(value))
		if err != nil || v < 1 {
			return notJob("v is %.40q, which is no version", value)
		}
		if v > Version {
			return ErrFuture
		}
	case fieldID, fieldLock, fieldKind, fieldUnique, fieldReason, fieldError, fieldToken:
		text, err := unquote(name, value)
		if err != nil {
			return err
		}
		return j.setText(field, text)
	case fieldRaw:
		text, err := unquote(name, value)
		if err != nil {
			return err
		}
		if j.Raw, err = base64.StdEncoding.DecodeString(text); err != nil {
			return notJob("raw is no base64: %v", err)
		}
		j.IsRaw = true
	case fieldMeta:
		err = json.Unmarshal(value, &j.Meta, jsontext.AllowInvalidUTF8(true))
	case fieldHosts:
		err = json.Unmarshal(value, &j.Hosts, jsontext.AllowInvalidUTF8(true))
	case fieldArgs:
		j.Args = value.Clone()
	case fieldHistory:
		if value.Kind() != '[' {
			return notJob("history is no array")
		}
		j.History = value.Clone()
	case fieldResult:
		j.Result = value.Clone()
	case fieldOther:
		if len(j.Extra) > 0 {
			j.Extra = append(j.Extra, ',')
		}
		j.Extra = appendString(j.Extra, name)
		j.Extra = append(j.Extra, ':')
		j.Extra = append(j.Extra, value...)
	default:
		if !j.setNumber(field, string(value)) {
			return notJob("%s is %.40q, which is not allowed: it is a whole number", name, value)
		}
	}
	if err != nil {
		return notJob("%s: %v", name, err)
	}
	return nil
}

func unquote(name string, value jsontext.Value) (string, error) {
	if value.Kind() != '"' {
		return "", notJob("%s is no string", name)
	}
	text, _ := jsontext.AppendUnquote(nil, value) // the error would be invalid UTF-8, replaced
	return string(text), nil
}

func (j *Job) setText(field int, text string) error {
	switch field {
	case fieldID:
		if len(text) > 128 || !isPlain(text) && !isPrintable(text) {
			return notJob("id is %d bytes or not printable: allowed are at most 128 printable ones", len(text))
		}
		j.ID = text
	case fieldKind:
		if err := CheckKind(text); err != nil {
			return notJob("%v", err)
		}
		j.Kind = text
	case fieldLock:
		if len(text) > maxLock || !isPlain(text) {
			return notJob("lock is %d bytes or not printable: allowed are at most %d printable ones", len(text), maxLock)
		}
		j.Lock = text
	case fieldUnique:
		j.Unique = text
	case fieldReason:
		j.Reason = text
	case fieldError:
		j.Error = text
	case fieldToken:
		j.Token = text
	}
	return nil
}

// maxLock is the most bytes of a Lock.
const maxLock = 64

// maxNumber is the highest number in an element: up to it, every reader of JSON has
// the same.
const maxNumber = 1 << 53

// setNumber sets a member that is a number; false if value is none for it.
func (j *Job) setNumber(field int, value string) bool {
	n, err := strconv.ParseInt(value, 10, 64)
	// Only two members have a negative value, -1 for "none".
	if err != nil || !isJSONNumber(value) || n < -1 || n > maxNumber || (n < 0 && field != fieldMaxAttempts && field != fieldTimeout) {
		return false
	}
	switch field {
	case fieldRecord:
		j.Rec = n
	case fieldKeep:
		j.Keep = n
	case fieldEndedAt:
		j.EndedAt = n
	case fieldEnqueuedAt:
		j.EnqueuedAt = n
	case fieldAttempts:
		j.Attempts = int(n)
	case fieldCrashes:
		j.Crashes = int(n)
	case fieldStops:
		j.Stops = int(n)
	case fieldUnknown:
		j.Unknown = int(n)
	case fieldUnknownSince:
		j.UnknownSince = n
	case fieldMaxAttempts:
		j.MaxAttempts = int(n)
	case fieldTimeout:
		j.Timeout = n
	case fieldDeadline:
		j.Deadline = n
	case fieldExpireAt:
		j.ExpireAt = n
	}
	return true
}

// isJSONNumber tells whether what strconv has taken for an integer is one in JSON.
func isJSONNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	return s[0] != '+' && (s[0] != '0' || len(s) == 1)
}

// complete checks what only the whole object can tell.
func (j *Job) complete() error {
	if j.Rec > 0 {
		if j.ID == "" || j.Kind != "" || j.Args != nil || j.IsRaw {
			return notJob("it points to a record, and has no id, or has kind, args or raw")
		}
		return nil
	}
	if j.IsRaw {
		if j.Kind != "" || j.Args != nil {
			return notJob("it has raw beside kind or args")
		}
		return nil
	}
	if j.Kind == "" {
		return notJob("it has no kind")
	}
	if j.Args == nil {
		j.Args = []byte("null")
	}
	return nil
}

func isPrintable(s string) bool {
	for _, r := range s {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return false
		}
	}
	return true
}

// view returns the bytes of s without a copy. Nobody writes to them: see Job.
func view(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
