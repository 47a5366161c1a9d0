package web

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/tasuki-dev/tasuki/internal/legible"
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

// as is an endpoint with another method.
func as(method string, e endpoint) endpoint {
	e.method = method
	return e
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
	if e.method == http.MethodGet {
		ctx, stop := context.WithTimeout(r.Context(), 2*pageWait)
		defer stop()
		r = r.WithContext(ctx)
	}
	q := &request{call: &call{d: d, w: w, r: r, lang: "en"}}
	answer, err := q.answer(e)
	switch {
	case err != nil && e.method == http.MethodGet:
		q.problem(faultOfReading(err))
		return
	case err != nil:
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
	for name, values := range q.query {
		if len(values) > 1 {
			return nil, invalid(legible.Lines(legible.Cut(name, 100)), "it is there twice")
		}
		if e.method != "" && !slices.ContainsFunc(e.params, func(p param) bool { return p.name == name }) {
			return nil, &fault{Status: http.StatusBadRequest, Code: "unknown_field", Field: legible.Lines(legible.Cut(name, 100)), Detail: "there is no such parameter: allowed are " + e.paramNames()}
		}
	}
	if e.body != nil {
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
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
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
