package wire

import (
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tasuki-dev/tasuki/internal/legible"
)

// Append appends the element of j to dst: one JSON object without white space,
// its members in the order of Job's fields, the arguments last.
func (j *Job) Append(dst []byte) []byte {
	dst = append(dst, `{"id":`...)
	dst = appendString(dst, j.ID)
	dst = appendInt(dst, `,"rec":`, j.Rec)
	dst = appendText(dst, `,"lock":`, j.Lock)
	if j.Rec > 0 {
		return append(appendInt(dst, `,"crashes":`, int64(j.Crashes)), '}')
	}
	if j.Kind != "" {
		dst = append(dst, `,"kind":`...)
		dst = appendString(dst, j.Kind)
	}
	dst = appendInt(dst, `,"enqueued_at":`, j.EnqueuedAt)
	dst = appendInt(dst, `,"attempts":`, int64(j.Attempts))
	dst = appendInt(dst, `,"crashes":`, int64(j.Crashes))
	dst = appendInt(dst, `,"stops":`, int64(j.Stops))
	if len(j.Hosts) > 0 {
		dst = append(dst, `,"hosts":[`...)
		for i, host := range j.Hosts {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendString(dst, host)
		}
		dst = append(dst, ']')
	}
	dst = appendInt(dst, `,"unknown":`, int64(j.Unknown))
	dst = appendInt(dst, `,"unknown_since":`, j.UnknownSince)
	dst = appendInt(dst, `,"max_attempts":`, int64(j.MaxAttempts))
	dst = appendInt(dst, `,"timeout_ms":`, j.Timeout)
	dst = appendInt(dst, `,"deadline":`, j.Deadline)
	dst = appendInt(dst, `,"expire_at":`, j.ExpireAt)
	if len(j.Meta) > 0 {
		dst = append(dst, `,"meta":`...)
		dst = appendMeta(dst, j.Meta)
	}
	dst = appendText(dst, `,"unique":`, j.Unique)
	dst = appendInt(dst, `,"keep_ms":`, j.Keep)
	dst = appendInt(dst, `,"ended_at":`, j.EndedAt)
	dst = appendJSON(dst, `,"history":`, j.History)
	dst = appendJSON(dst, `,"result":`, j.Result)
	dst = appendText(dst, `,"reason":`, cut(toUTF8(j.Reason), MaxError))
	dst = appendText(dst, `,"error":`, cut(toUTF8(j.Error), MaxError))
	dst = appendText(dst, `,"token":`, j.Token)
	if len(j.Extra) > 0 {
		dst = append(dst, ',')
		dst = append(dst, j.Extra...)
	}
	if j.IsRaw {
		dst = append(dst, `,"raw":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, j.Raw)
		return append(dst, `"}`...)
	}
	dst = append(dst, `,"args":`...)
	if len(j.Args) == 0 {
		dst = append(dst, "null"...)
	} else {
		dst = append(dst, j.Args...)
	}
	return append(dst, '}')
}

// Element returns the element of j as a string of its own. Arguments that are no
// JSON, which the quick reader has not looked at, are kept all the same: the job is
// wrapped as a raw one is.
func (j *Job) Element() string {
	if !j.IsRaw && len(j.Args) > 0 && !jsontext.Value(j.Args).IsValid(lenient...) {
		j = j.wrapped()
	}
	return string(j.Append(make([]byte, 0, 160+len(j.Args)+len(j.Raw)*4/3+len(j.Extra)+len(j.Error))))
}

// Pointer is the element that leads to the record of j, of a generation.
func (j *Job) Pointer(lock string, gen int64) string {
	pointer := Job{ID: j.ID, Rec: gen, Lock: lock, Crashes: j.Crashes}
	return string(pointer.Append(make([]byte, 0, 64+len(j.ID)+len(lock))))
}

// wrapped is a raw job that holds j as it was put in. Parse unwraps it.
func (j *Job) wrapped() *Job {
	inner := Job{
		ID: j.ID, Kind: j.Kind, EnqueuedAt: j.EnqueuedAt, MaxAttempts: j.MaxAttempts, Timeout: j.Timeout,
		Deadline: j.Deadline, ExpireAt: j.ExpireAt, Meta: j.Meta, Extra: j.Extra, Args: j.Args,
	}
	wrapper := *j
	wrapper.Kind, wrapper.EnqueuedAt, wrapper.MaxAttempts, wrapper.Timeout = "", 0, 0, 0
	wrapper.Deadline, wrapper.ExpireAt, wrapper.Meta, wrapper.Extra, wrapper.Args = 0, 0, nil, nil, nil
	wrapper.IsRaw, wrapper.Raw = true, inner.Append(nil)
	return &wrapper
}

// AppendBody appends the element of j without its id, as it lies in a record: the key has
// the id.
func (j *Job) AppendBody(dst []byte) []byte {
	start := len(dst)
	return j.unnamed(j.Append(dst), start)
}

// Body is Element without the id: see AppendBody.
func (j *Job) Body() string { return string(j.unnamed([]byte(j.Element()), 0)) }

// unnamed takes the id out of the element of j at dst[start:].
func (j *Job) unnamed(dst []byte, start int) []byte {
	var id [140]byte
	n := len(`{"id":`) + len(appendString(id[:0], j.ID)) + len(",")
	return dst[:start+1+copy(dst[start+1:], dst[start+n:])]
}

// Cut cuts elements that were appended one behind the other into strings; ends are
// their ends. They share the memory of buf, which must not be written to any more.
func Cut(buf []byte, ends []int) []string {
	all := unsafe.String(unsafe.SliceData(buf), len(buf))
	elements := make([]string, len(ends))
	start := 0
	for i, end := range ends {
		elements[i] = all[start:end]
		start = end
	}
	return elements
}

func appendInt(dst []byte, name string, v int64) []byte {
	if v == 0 {
		return dst
	}
	return strconv.AppendInt(append(dst, name...), min(v, maxNumber), 10)
}

func appendText(dst []byte, name, s string) []byte {
	if s == "" {
		return dst
	}
	return appendString(append(dst, name...), s)
}

func appendJSON(dst []byte, name string, v []byte) []byte {
	if len(v) == 0 {
		return dst
	}
	return append(append(dst, name...), v...)
}

// appendMeta writes the pairs in the order of their names, so that equal jobs
// have equal elements.
func appendMeta(dst []byte, meta map[string]string) []byte {
	dst = append(dst, '{')
	for i, name := range slices.Sorted(maps.Keys(meta)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, name)
		dst = append(dst, ':')
		dst = appendString(dst, meta[name])
	}
	return append(dst, '}')
}

// appendString writes s as a JSON string; bytes that are not UTF-8 become U+FFFD.
func appendString(dst []byte, s string) []byte {
	if isPlain(s) {
		dst = append(dst, '"')
		dst = append(dst, s...)
		return append(dst, '"')
	}
	dst, _ = jsontext.AppendQuote(dst, toUTF8(s)) // the error would be invalid UTF-8
	return dst
}

func toUTF8(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// isPlain tells whether s is its own JSON encoding: ASCII without quotes,
// backslashes and control characters.
func isPlain(s string) bool {
	for i := range len(s) {
		if !plain[s[i]] {
			return false
		}
	}
	return true
}

var plain = func() (table [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		table[c] = c != '"' && c != '\\'
	}
	return table
}()

// Mark stands behind what was cut.
const Mark = "…(cut)"

// cut shortens s to at most n bytes, with the mark, without splitting a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return legible.Cut(s, n-len(Mark)) + Mark
}
