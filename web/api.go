package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// apiRoot is where the JSON API begins. What is there once stays: see docs/api.md.
const apiRoot = "/api/v1"

// endpoint is a route of the JSON API. The OpenAPI description is made of it.
type endpoint struct {
	method, path string // below apiRoot
	right        Right
	summary      string
	params       []param // in the query
	body, answer reflect.Type
	statuses     []int // of a good answer
	mostBody     int64
	handle       func(*request) (any, error)
}

// param is one in the query of a URL.
type param struct {
	name, is, text string // is: string, integer, boolean, date-time
}

// none is a body without fields, which may be left out.
type none struct{}

func get[A any](path string, right Right, summary string, handle func(*request) (*A, error), params ...param) endpoint {
	return endpoint{
		method: http.MethodGet, path: path, right: right, summary: summary, params: params, answer: reflect.TypeFor[A](), statuses: []int{http.StatusOK},
		handle: func(q *request) (any, error) { return handle(q) },
	}
}

func post[B, A any](path string, right Right, summary string, handle func(*request, *B) (*A, error), statuses ...int) endpoint {
	if statuses == nil {
		statuses = []int{http.StatusOK}
	}
	return endpoint{
		method: http.MethodPost, path: path, right: right, summary: summary, body: reflect.TypeFor[B](), answer: reflect.TypeFor[A](), statuses: statuses, mostBody: mostBody,
		handle: func(q *request) (any, error) {
			body := new(B)
			if err := q.decode(body); err != nil {
				return nil, err
			}
			answer, err := handle(q, body)
			q.forget()
			return answer, err
		},
	}
}

// request is a call of the API.
type request struct {
	*call
	query  url.Values
	status int    // of the answer; 0: 200
	wrong  *fault // the first parameter that is not allowed
}

// endpoints are all of them.
func (d *Dashboard) endpoints() []endpoint {
	return slices.Concat(d.apiQueues(), d.apiJobs(), d.apiEnqueue(), d.apiOperations(), d.apiStatistics(), d.apiWorkers(), d.apiSchedules(), d.apiServer(), d.apiTrail(), d.apiAutoscale(), d.apiDescription())
}

func (d *Dashboard) handleAPI() {
	for _, e := range d.endpoints() {
		d.mux.HandleFunc(e.method+" "+apiRoot+e.path, func(w http.ResponseWriter, r *http.Request) { d.serveAPI(&e, w, r) })
	}
	nowhere := func(w http.ResponseWriter, r *http.Request) {
		d.serveAPI(&endpoint{right: View, handle: func(q *request) (any, error) { return nil, q.nowhere() }}, w, r)
	}
	d.mux.HandleFunc(apiRoot+"/", nowhere)
	d.mux.HandleFunc(apiRoot, nowhere) // else ServeMux would lead to another place
}

// serveAPI answers a call of the API.
func (d *Dashboard) serveAPI(e *endpoint, w http.ResponseWriter, r *http.Request) {
	q := &request{call: &call{d: d, w: w, r: r, lang: "en"}}
	answer, err := q.answer(e)
	if err != nil {
		q.problem(faultOf(err))
		return
	}
	q.write(max(q.status, http.StatusOK), "application/json", answer)
}

func (q *request) answer(e *endpoint) (any, error) {
	if status, err := q.admit(e.right); err != nil {
		return nil, &fault{Status: status, Code: admitCodes[status], Detail: err.Error()}
	}
	var err error
	if q.query, err = url.ParseQuery(q.r.URL.RawQuery); err != nil {
		return nil, invalid("", "the query of the URL cannot be read: "+err.Error())
	}
	for name := range q.query {
		if e.method != "" && !slices.ContainsFunc(e.params, func(p param) bool { return p.name == name }) {
			return nil, &fault{Status: http.StatusBadRequest, Code: "unknown_field", Field: readable([]byte(cut(name, 100))), Detail: "there is no such parameter: allowed are " + e.paramNames()}
		}
	}
	if e.method == http.MethodPost {
		q.r.Body = http.MaxBytesReader(q.w, q.r.Body, e.mostBody)
	}
	return e.handle(q)
}

func (e *endpoint) paramNames() string {
	if len(e.params) == 0 {
		return "none"
	}
	names := make([]string, len(e.params))
	for i, p := range e.params {
		names[i] = p.name
	}
	return strings.Join(names, ", ")
}

// nowhere says that an address is none, or not for this method.
func (q *request) nowhere() error {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		if _, pattern := q.d.mux.Handler(&http.Request{Method: method, URL: q.r.URL, Host: q.r.Host}); pattern != apiRoot+"/" && pattern != apiRoot {
			allowed = append(allowed, method)
		}
	}
	if allowed == nil {
		return &fault{Status: http.StatusNotFound, Code: "no_route", Detail: "there is nothing under this address: GET " + apiRoot + "/openapi.json says what there is"}
	}
	q.w.Header().Set("Allow", strings.Join(allowed, ", "))
	return &fault{Status: http.StatusMethodNotAllowed, Code: "method", Detail: "allowed are " + strings.Join(allowed, ", ")}
}

// decode reads the body, which is one JSON object without fields that are not known.
func (q *request) decode(to any) error {
	body, err := io.ReadAll(q.r.Body)
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return &fault{Status: http.StatusRequestEntityTooLarge, Code: "too_large", Detail: fmt.Sprintf("the body: allowed are %d bytes", tooLarge.Limit)}
	}
	if err != nil {
		return invalid("", "the body cannot be read: "+err.Error())
	}
	if len(body) == 0 && reflect.TypeOf(to).Elem().NumField() == 0 {
		return nil
	}
	if kind, _, err := mime.ParseMediaType(q.r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return &fault{Status: http.StatusUnsupportedMediaType, Code: "media_type", Detail: "the body: allowed is the Content-Type application/json"}
	}
	if text := bytes.TrimLeft(body, " \t\r\n"); len(text) == 0 || text[0] != '{' {
		return invalid("", "the body: allowed is a JSON object")
	}
	in := json.NewDecoder(bytes.NewReader(body))
	in.DisallowUnknownFields()
	if err := in.Decode(to); err != nil {
		return undecodable(err)
	}
	if _, err := in.Token(); err != io.EOF {
		return invalid("", "the body: something stands behind the JSON object")
	}
	return nil
}

// undecodable says what of a body is not as it should be.
func undecodable(err error) *fault {
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return &fault{Status: http.StatusBadRequest, Code: "unknown_field", Field: readable([]byte(cut(strings.Trim(name, `"`), 100))), Detail: "there is no such field"}
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return invalid(wrong.Field, "a JSON "+wrong.Value+" stands where it is not allowed: the description says what is")
	}
	var bad *fault
	if errors.As(err, &bad) {
		return bad
	}
	return invalid("", "the body is no JSON: "+err.Error())
}

// write sends an answer. What jobs carry comes out as it is: no number is made a float, no
// letter is written in another way; only spaces between values are left out.
func (q *request) write(status int, media string, answer any) {
	var text bytes.Buffer
	out := json.NewEncoder(&text)
	out.SetEscapeHTML(false)
	if err := out.Encode(answer); err != nil {
		q.d.log.Error("tasuki: an answer of the API cannot be written", "path", q.r.URL.Path, "error", err)
		status, media = http.StatusInternalServerError, "application/problem+json"
		text.Reset()
		text.WriteString(`{"type":"about:blank","title":"Internal Server Error","status":500,"code":"internal","detail":"the answer cannot be written: the log says why"}` + "\n")
	}
	q.w.Header().Set("Content-Type", media)
	q.w.WriteHeader(status)
	_, _ = q.w.Write(text.Bytes()) // nobody is there to be told
}

// cut is the begin of a text.
func cut(text string, most int) string { return text[:min(len(text), most)] }
