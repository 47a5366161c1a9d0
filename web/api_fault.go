package web

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"regexp"
	"strings"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/cron"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/legible"
)

// fault is an error as RFC 9457 has it. Code does not change from version to version; Detail is
// for people, and may.
type fault struct {
	Type   string `json:"type"`  // about:blank: the title is that of the status
	Title  string `json:"title"` // of the status
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Field  string `json:"field,omitempty"` // the parameter or field that is wrong
	// Job is the one that is in the way of an enqueue, or one that is in all the same.
	Job *apiInfo `json:"job,omitempty"`
}

func (f *fault) Error() string { return f.Detail }

func invalid(field, detail string) *fault {
	return &fault{Status: http.StatusBadRequest, Code: "invalid", Field: field, Detail: detail}
}

// forbidden is for who lacks a right.
func (q *request) forbidden(right Right) *fault {
	return &fault{Status: http.StatusForbidden, Code: "forbidden", Detail: q.T("error.right", right)}
}

var admitCodes = map[int]string{
	http.StatusMisdirectedRequest: "host",
	http.StatusUnauthorized:       "unauthorized",
	http.StatusForbidden:          "forbidden",
}

// codes are those of errors that mean the same wherever they come from; the first that fits counts.
var codes = []struct {
	err    error
	status int
	code   string
}{
	{inspect.ErrNotLooked, http.StatusNotFound, "not_looked"},
	{inspect.ErrNotFound, http.StatusNotFound, "not_found"},
	{tasuki.ErrNotFound, http.StatusNotFound, "not_found"},
	{cron.ErrNotFound, http.StatusNotFound, "not_found"},
	{cron.ErrInvalid, http.StatusBadRequest, "invalid"},
	{inspect.ErrInvalid, http.StatusBadRequest, "invalid"},
	{cron.ErrDeclared, http.StatusConflict, "declared"},
	{inspect.ErrMoved, http.StatusConflict, "moved"},
	{inspect.ErrReady, http.StatusConflict, "ready"},
	{inspect.ErrBare, http.StatusConflict, "no_record"},
	{inspect.ErrForeign, http.StatusConflict, "foreign"},
	{inspect.ErrNotUndoable, http.StatusConflict, "not_undoable"},
	{inspect.ErrOperationRuns, http.StatusConflict, "operation_runs"},
	{tasuki.ErrRunning, http.StatusConflict, "running"},
	{tasuki.ErrEnded, http.StatusConflict, "ended"},
	{tasuki.ErrLocked, http.StatusConflict, "locked"},
	{tasuki.ErrIDTaken, http.StatusConflict, "id_taken"},
	{tasuki.ErrFull, http.StatusInsufficientStorage, "full"},
	{tasuki.ErrNotReplicated, http.StatusServiceUnavailable, "not_replicated"}, // before ErrUncertain, which it is too
	{tasuki.ErrUncertain, http.StatusServiceUnavailable, "uncertain"},
	{tasuki.ErrRefused, http.StatusBadGateway, "refused"},
	{inspect.ErrUnanswered, http.StatusGatewayTimeout, "unanswered"},
	{context.DeadlineExceeded, http.StatusGatewayTimeout, "timeout"},
}

// faultOf is what an error means to a caller.
func faultOf(err error) *fault {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	var duplicate *tasuki.DuplicateError
	if errors.As(err, &duplicate) {
		return &fault{Status: http.StatusConflict, Code: "duplicate", Detail: err.Error()}
	}
	var query *inspect.QueryError
	if errors.As(err, &query) {
		return invalid("q", err.Error())
	}
	if errors.Is(err, inspect.ErrCursor) {
		return invalid("cursor", err.Error())
	}
	for _, c := range codes {
		if errors.Is(err, c.err) {
			f := &fault{Status: c.status, Code: c.code, Detail: detailOf(c.code, err)}
			if c.code == "invalid" {
				f.Field = fieldOf(err)
			}
			return f
		}
	}
	if field := fieldOf(err); field != "" {
		return invalid(field, err.Error())
	}
	if inspect.IsAway(err) {
		return &fault{Status: http.StatusServiceUnavailable, Code: "redis", Detail: err.Error()}
	}
	return &fault{Status: http.StatusInternalServerError, Code: "internal", Detail: err.Error()}
}

// faultOfReading is faultOf for what changes nothing: of that a lost reply leaves nothing open.
func faultOfReading(err error) *fault {
	if inspect.IsAway(err) {
		return &fault{Status: http.StatusServiceUnavailable, Code: "redis", Detail: unread(err)}
	}
	f := faultOf(err)
	f.Detail = strings.ReplaceAll(f.Detail, context.DeadlineExceeded.Error(), "redis has not answered in time")
	return f
}

func detailOf(code string, err error) string {
	switch code {
	case "uncertain":
		return err.Error() + ". Of an enqueue: repeat it with the same opts.id, and it is done once; without an id it may be done twice. Everything else may be repeated"
	case "not_replicated":
		return err.Error() + ". Repeat it with the same opts.id to wait for them again"
	}
	return err.Error()
}

// named is an error that begins with the field that is wrong, or with what was done to which job.
var named = regexp.MustCompile(`^(?:cron: )?(?:[a-z]+(?: \S+)?: )?([a-z][a-z_.]*)(?: and [a-z][a-z_.]*)?: `)

// fieldOf is the field of a job, or of a change, that an error is about; "" if it is about something
// else.
func fieldOf(err error) string {
	match := named.FindStringSubmatch(err.Error())
	if match == nil {
		return ""
	}
	if field := match[1]; fieldNames[field] {
		return field
	}
	return ""
}

// fieldNames are those that errors of the library name.
var fieldNames = func() map[string]bool {
	names := map[string]bool{"over": true, "since": true, "from": true, "to": true, "step": true, "text": true, "version": true, "limit": true, "changes": true, "tags": true, "lock": true, "action": true}
	var add func(prefix string, t reflect.Type)
	add = func(prefix string, t reflect.Type) {
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			if name == "" || name == "-" {
				continue
			}
			names[prefix+name] = true
			if name == "unique" {
				add(prefix+name+".", t.Field(i).Type)
			}
		}
	}
	add("", reflect.TypeFor[tasuki.Spec]())
	add("", reflect.TypeFor[cron.Entry]())
	add("", reflect.TypeFor[tasuki.Opts]())
	return names
}()

// ofOpts names a field of tasuki.Opts as it is named where these are a part.
func (f *fault) ofOpts() *fault {
	first, _, _ := strings.Cut(f.Field, ".")
	for _, field := range reflect.VisibleFields(reflect.TypeFor[tasuki.Opts]()) {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); first == name {
			f.Field = "opts." + f.Field
		}
	}
	return f
}

// problem answers with an error.
func (q *request) problem(f *fault) {
	answer := *f
	answer.Type, answer.Title = "about:blank", http.StatusText(f.Status)
	answer.Detail = legible.Lines(f.Detail)
	if f.Status == http.StatusServiceUnavailable {
		q.w.Header().Set("Retry-After", "1")
	}
	q.write(f.Status, "application/problem+json", &answer)
}
