package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/web"
)

// TestAPIRights goes through all endpoints: none lets in who has not its right, and none is content
// with View and changes something.
func TestAPIRights(t *testing.T) {
	var rights []web.Right
	var refuse error
	e := setup(t, &web.Config{Authorize: func(*http.Request) (web.Actor, error) { return web.Actor{Rights: rights}, refuse }})
	for _, p := range web.Endpoints() {
		if p.Method != http.MethodGet && p.Right == web.View {
			t.Errorf("%s %s: it is for everybody who may look", p.Method, p.Path)
		}
		others := slices.DeleteFunc(slices.Clone(web.Rights), func(r web.Right) bool { return r == p.Right })
		for _, test := range []struct {
			rights []web.Right
			refuse error
			status int
			code   string
		}{
			{nil, nil, 403, "forbidden"},
			{others, nil, 403, "forbidden"},
			{web.Rights, web.ErrUnknown, 401, "unauthorized"},
		} {
			rights, refuse = test.rights, test.refuse
			e.fails(p.Method, filled(p.Path), "", test.status, test.code, "")
		}
	}
}

// TestAPIReadOnly: who may only look gets every GET that needs no more, and no POST.
func TestAPIReadOnly(t *testing.T) {
	t.Parallel()
	accounts, err := web.ReadAccounts(strings.NewReader("reader view a-token-for-reading\n"))
	if err != nil {
		t.Fatal(err)
	}
	e := setupOn(t, redistest.Start(t), &web.Config{Authorize: accounts.Authorize}) // the doctor asks for what the operator need not be let
	e.enqueue(tasuki.Opts{Queue: "mail", ID: "a", Record: true}, 1)
	for _, p := range web.Endpoints() {
		r := e.request(p.Method, "api/v1"+filled(p.Path), "")
		r.Header.Set("Authorization", "Bearer a-token-for-reading")
		a := e.do(r)
		switch {
		case p.Right != web.View && a.StatusCode != http.StatusForbidden:
			t.Errorf("%s %s: %s: %s", p.Method, p.Path, a.Status, a.body)
		case p.Right == web.View && a.StatusCode != http.StatusOK && a.StatusCode != http.StatusNotFound:
			t.Errorf("%s %s: %s: %s", p.Method, p.Path, a.Status, a.body)
		}
		r = e.request(p.Method, "api/v1"+filled(p.Path), "")
		r.Header.Set("Authorization", "Bearer another-token-for")
		if a := e.do(r); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s %s with a wrong token: %s", p.Method, p.Path, a.Status)
		}
	}
}

func TestAPICrossOrigin(t *testing.T) {
	e := setup(t, &web.Config{Authorize: all, Hosts: []string{"127.0.0.1"}})
	for _, p := range web.Endpoints() {
		if p.Method == http.MethodGet {
			continue
		}
		r := e.request(p.Method, "api/v1"+filled(p.Path), "{}")
		r.Header.Set("Origin", "https://example.com")
		r.Header.Set("Content-Type", "application/json")
		if a := e.do(r); a.StatusCode != http.StatusForbidden {
			t.Errorf("%s %s: %s", p.Method, p.Path, a.Status)
		}
	}
	r := e.request(http.MethodGet, "api/v1/queues", "")
	r.Host = "example.com"
	if a := e.do(r); a.StatusCode != http.StatusMisdirectedRequest || !strings.Contains(a.body, `"host"`) {
		t.Errorf("%s: %s", a.Status, a.body)
	}
}

func TestAPIAddresses(t *testing.T) {
	e := setup(t, &web.Config{Authorize: all})
	e.fails("GET", "/nothing", "", 404, "no_route", "")
	e.fails("GET", "/", "", 404, "no_route", "")
	e.fails("GET", "", "", 404, "no_route", "")
	e.fails("DELETE", "/queues", "", 405, "method", "")
	a := e.fails("POST", "/queues", "", 405, "method", "")
	if a.Header.Get("Allow") != "GET" {
		t.Errorf("%v", a.Header)
	}
	e.fails("GET", "/queues?x=1", "", 400, "unknown_field", "x")
	e.fails("GET", "/jobs?limit=1&limit=2", "", 400, "invalid", "limit")
	e.fails("GET", "/queues?x=%zz", "", 400, "invalid", "")
	e.fails("GET", "/queues/a%20b", "", 400, "invalid", "queue")
	e.fails("GET", "/jobs/mail/"+url.PathEscape("a/b../%"), "", 404, "not_found", "") // it comes as one name
}

func TestAPIBodies(t *testing.T) {
	e := setup(t, &web.Config{Authorize: all})
	for body, want := range map[string][2]string{
		`{"kind":"a","kinds":1}`:                                   {"unknown_field", "kinds"},
		`{"kind":"a","opts":{"queu":"x"}}`:                         {"unknown_field", "opts.queu"},
		`{"kind":1}`:                                               {"invalid", "kind"},
		`{"kind":"a","opts":{"queue":7}}`:                          {"invalid", "opts.queue"},
		`{"kind":"a","opts":{"in":"soon"}}`:                        {"invalid", "opts.in"},
		`{"kind":"a b"}`:                                           {"invalid", "kind"},
		`{"kind":"a","opts":{"id":"/"}}`:                           {"invalid", "opts.id"},
		`{"kind":"a","opts":{"max_attempts":-7}}`:                  {"invalid", "opts.max_attempts"},
		`{"kind":"a","opts":{"unique":{"mode":"x"}}}`:              {"invalid", "opts.unique.mode"},
		`{"kind":"a","opts":{"in":1,"at":"2100-01-01T00:00:00Z"}}`: {"invalid", "opts.in"},
		`{"kind":"a","kind":"b"}`:                                  {"invalid", "kind"},
		`{"kind":"a","opts":{"meta":{"a":"b","a":"c"}}}`:           {"invalid", "opts.meta.a"},
		`{"kind":"a","opts":{"meta":{"a":["b"]}}}`:                 {"invalid", "opts.meta.a"},
		`{"kind":"a","opts":{"meta":["a"]}}`:                       {"invalid", "opts.meta"},
		`{"kind":"a","Opts":{}}`:                                   {"unknown_field", "Opts"},
		`{"kind":"a","opts":{"max_attempts":1e999}}`:               {"invalid", "opts.max_attempts"},
		`{"kind":"a","opts":{"in":99999999999999999999}}`:          {"invalid", "opts.in"},
		`{"kind":"a","opts":{"at":"tomorrow"}}`:                    {"invalid", "opts.at"},
		`{"kind":"a","opts":{"unique":{"fields":["a",1]}}}`:        {"invalid", "opts.unique.fields[1]"},
		"{\"kind\":\"a\",\"opts\":{\"id\":\"\xff\"}}":              {"invalid", ""},
		`{}`:             {"invalid", "kind"},
		`[]`:             {"invalid", ""},
		`null`:           {"invalid", ""},
		`{"kind":"a"}{}`: {"invalid", ""},
		`{"kind":"a"`:    {"invalid", ""},
		"\xff":           {"invalid", ""},
		`{"kind":"a","args":` + strings.Repeat("[", 20_000): {"invalid", ""},
	} {
		e.fails("POST", "/enqueue", body, 400, want[0], want[1])
	}
	e.fails("POST", "/enqueue", `{"kind":"`+strings.Repeat("a", 3<<20)+`"}`, 413, "too_large", "")
	e.fails("POST", "/enqueue-many", `{"jobs":[{"kind":"a"},{"kind":"a","kinds":1}]}`, 400, "unknown_field", "jobs[1].kinds")
	e.fails("POST", "/enqueue-many", `{"jobs":[]}`, 400, "invalid", "jobs")
	e.fails("POST", "/enqueue-many", `{"jobs":[`+strings.Repeat(`{"kind":"a"},`, 1000)+`{"kind":"a"}]}`, 400, "invalid", "jobs")
	r := e.request("POST", "api/v1/enqueue", `{"kind":"a"}`)
	r.Header.Set("Content-Type", "text/plain")
	if a := e.do(r); a.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("%s", a.Status)
	}
	if q := e.queueNow("default"); q.Ready != 0 {
		t.Errorf("%+v", q)
	}
}

// TestAPIEnqueue: what a program sends is what the job gets, byte for byte.
func TestAPIEnqueue(t *testing.T) {
	e := setup(t, &web.Config{Authorize: all})
	const args = `{"big":12345678901234567890.123456789012345678,"text":"<&>\u2028","e":1E+2}`
	var info tasuki.Info
	a := e.good("POST", "/enqueue", `{"kind":"email.welcome","args":`+args+`,"opts":{"queue":"mail","id":"a","record":true,"in":"1h","timeout":"1m30s","meta":{"tenant":"42"}}}`, &info)
	if a.StatusCode != http.StatusCreated || info.State != tasuki.StateScheduled || info.Existed || info.Timeout.Seconds() != 90 {
		t.Fatalf("%s: %s", a.Status, a.body)
	}
	r, err := e.client.Get(t.Context(), "mail/a")
	if err != nil || string(r.Args) != args {
		t.Fatalf("%s %v", r.Args, err)
	}
	if a = e.good("GET", "/jobs/mail/a", "", nil); !strings.Contains(a.body, `"args":`+args) {
		t.Errorf("%s", a.body)
	}
	a = e.good("POST", "/enqueue", `{"kind":"email.welcome","opts":{"queue":"mail","id":"a","record":true}}`, &info)
	if a.StatusCode != http.StatusOK || !info.Existed {
		t.Errorf("%s: %s", a.Status, a.body)
	}
	unique := `{"kind":"email.welcome","opts":{"queue":"mail","unique":{"mode":"until_done","key":"k","on_conflict":"error"}}}`
	e.good("POST", "/enqueue", unique, &info)
	a = e.fails("POST", "/enqueue", unique, 409, "duplicate", "")
	if !strings.Contains(a.body, info.ID) {
		t.Errorf("%s", a.body)
	}

	var many struct {
		Accepted, Existed, Refused int
		Jobs                       []struct {
			Info        *tasuki.Info
			Code, Field string
		}
	}
	a = e.good("POST", "/enqueue-many", `{"jobs":[{"kind":"a"},{"kind":"a b"},{"kind":"a","opts":{"queue":"mail","id":"a","record":true}},`+unique+`]}`, &many)
	if a.StatusCode != http.StatusMultiStatus || many.Accepted != 2 || many.Existed != 1 || many.Refused != 2 || many.Jobs[0].Info == nil || many.Jobs[1].Field != "kind" || many.Jobs[3].Code != "duplicate" {
		t.Errorf("%s: %s", a.Status, a.body)
	}
	if a = e.good("POST", "/enqueue-many", `{"jobs":[{"kind":"a"},{"kind":"a"}]}`, &many); a.StatusCode != http.StatusOK || many.Accepted != 2 {
		t.Errorf("%s: %s", a.Status, a.body)
	}
}

// TestAPIOpts: every option of a job can be said, and none is lost on the way.
func TestAPIOpts(t *testing.T) {
	t.Parallel()
	want := tasuki.Spec{Kind: "k", Args: json.RawMessage(`{"a":1}`)}
	filledIn(t, reflect.ValueOf(&want.Opts).Elem(), "Opts")
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := web.SpecOf(text)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v (%v)", got, want, err)
	}
	// Durations as people write them.
	const texts = `{"kind":"k","opts":{"in":"1s","timeout":"2s","expire_in":"3s","keep":"4s","unique":{"for":"5s","most":"6s"}}}`
	got, err = web.SpecOf([]byte(texts))
	o := got.Opts
	if sum := o.In + 10*o.Timeout + 100*o.ExpireIn + 1000*o.Keep + 10_000*o.Unique.For + 100_000*o.Unique.Most; err != nil || sum != 654_321*time.Second {
		t.Errorf("%+v %v", got, err)
	}
}

// filledIn gives every field of a struct a value that is not its zero value, and not that of another.
func filledIn(t *testing.T, v reflect.Value, at string) {
	t.Helper()
	n := int64(len(at)) // of a path, of which no two are as long as each other and of one type
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2100, 1, 1, 0, 0, int(n), 0, time.UTC)))
		return
	case map[string]string:
		v.Set(reflect.ValueOf(map[string]string{at: "x"}))
		return
	case []string:
		v.Set(reflect.ValueOf([]string{at}))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			filledIn(t, v.Field(i), at+"."+v.Type().Field(i).Name+strings.Repeat("x", i))
		}
	case reflect.String:
		v.SetString(at)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(n)
	default:
		t.Fatalf("%s: %v: this test does not know what it can be", at, v.Type())
	}
}

// TestAPIUncertain: a reply that was lost is told with what to do about it.
func TestAPIUncertain(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	e := setupOn(t, server, nil)
	proxy := redistest.StartProxy(t, server)
	e.serve(proxy.URL(), &web.Config{Authorize: all})
	e.good("POST", "/enqueue", `{"kind":"a"}`, nil)
	proxy.Once(redistest.Cut, func(command []string) bool { return strings.EqualFold(command[0], "RPUSH") })
	a := e.fails("POST", "/enqueue", `{"kind":"a"}`, 503, "uncertain", "")
	if !strings.Contains(a.body, "opts.id") || a.Header.Get("Retry-After") == "" {
		t.Errorf("%s %v", a.body, a.Header)
	}
}

// TestAPIOneJob does everything to a job.
func TestAPIOneJob(t *testing.T) {
	e := setup(t, &web.Config{Authorize: all})
	e.enqueue(tasuki.Opts{Queue: "mail", ID: "a", In: 1e15, Record: true}, 1)
	e.enqueue(tasuki.Opts{Queue: "mail", ID: "bare", In: 1e15}, 1)
	e.good("GET", "/jobs/mail/a/why", "", nil)
	e.good("GET", "/jobs/mail/a/log", "", nil)
	e.good("GET", "/jobs/mail/bare", "", nil)
	e.fails("GET", "/jobs/mail/none", "", 404, "not_found", "")
	e.fails("GET", "/jobs/mail/none/log", "", 404, "not_found", "")
	e.good("POST", "/jobs/mail/a/edit", `{"args":{"n":1.50},"max_attempts":7,"timeout":"1m","tags":{"x":"y"}}`, nil)
	r, err := e.client.Get(t.Context(), "mail/a")
	if err != nil || string(r.Args) != `{"n":1.50}` || r.MaxAttempts != 7 || r.Timeout.Seconds() != 60 || r.Meta["x"] != "y" {
		t.Fatalf("%+v %v", r, err)
	}
	e.fails("POST", "/jobs/mail/a/edit", `{"max_attempts":-9}`, 400, "invalid", "max_attempts")
	e.good("POST", "/jobs/mail/a/edit", `{"deadline":"2090-01-02T03:04:05Z","expire_at":"2080-01-02T03:04:05Z"}`, nil)
	if r, err = e.client.Get(t.Context(), "mail/a"); err != nil || r.Deadline.Unix() != 3787009445 || r.ExpireAt.Unix() != 3471390245 {
		t.Fatalf("%+v %v", r, err)
	}
	e.good("POST", "/jobs/edit", `{"jobs":["mail/a"],"changes":{"deadline":"","expire_at":""}}`, nil)
	if r, err = e.client.Get(t.Context(), "mail/a"); err != nil || !r.Deadline.IsZero() || !r.ExpireAt.IsZero() {
		t.Fatalf("%+v %v", r, err)
	}
	e.fails("POST", "/jobs/mail/a/edit", `{"deadline":"2020-01-02T03:04:05Z"}`, 400, "invalid", "deadline")
	e.fails("POST", "/jobs/mail/a/edit", `{"expire_at":"2020-01-02T03:04:05Z"}`, 400, "invalid", "expire_at")
	e.fails("POST", "/jobs/mail/a/edit", `{"expire_at":"tomorrow"}`, 400, "invalid", "expire_at")
	e.fails("POST", "/jobs/mail/bare/edit", `{"max_attempts":9}`, 409, "no_record", "")
	e.good("POST", "/jobs/mail/a/reschedule", `{"in":"2h"}`, nil)
	e.fails("POST", "/jobs/mail/a/reschedule", `{"in":"-2h"}`, 400, "invalid", "in")
	e.fails("POST", "/jobs/mail/a/reschedule", `{"in":"2h","at":"2100-01-01T00:00:00Z"}`, 400, "invalid", "at")
	for _, body := range []string{`{}`, `{"at":"0001-01-01T00:00:00Z"}`, `{"at":null,"in":null}`} {
		e.fails("POST", "/jobs/mail/a/reschedule", body, 400, "invalid", "at")
	}
	e.fails("POST", "/jobs/mail/a/edit", `{}`, 400, "invalid", "changes")
	if r, err = e.client.Get(t.Context(), "mail/a"); err != nil || r.State != tasuki.StateScheduled {
		t.Fatalf("%+v %v", r, err)
	}
	e.good("POST", "/jobs/mail/a/reschedule", `{"in":0}`, nil) // who says now means it
	if r, err = e.client.Get(t.Context(), "mail/a"); err != nil || time.Until(r.DueAt) > time.Minute {
		t.Fatalf("%+v %v", r, err)
	}
	e.good("POST", "/jobs/mail/a/reschedule", `{"in":"2h"}`, nil)
	e.good("POST", "/jobs/mail/a/retry", "", nil)
	e.fails("POST", "/jobs/mail/a/retry", "", 409, "ready", "")
	e.fails("POST", "/jobs/mail/a/move", `{"to":"a b"}`, 400, "invalid", "to")
	var acted struct{ Address string }
	if e.good("POST", "/jobs/mail/a/move", `{"to":"other"}`, &acted); acted.Address != "other/a" {
		t.Errorf("%+v", acted)
	}
	e.good("GET", "/jobs/mail/a", "", &acted) // its old address leads there
	if acted.Address != "other/a" {
		t.Errorf("%+v", acted)
	}
	e.good("POST", "/jobs/other/a/cancel", "{}", nil)
	e.good("POST", "/jobs/other/a/remove", "", nil)
	e.fails("POST", "/jobs/other/a/remove", "", 404, "not_found", "")
	e.fails("POST", "/jobs/other/a/remove", `{"x":1}`, 400, "unknown_field", "x")
}

func TestAPIManyJobs(t *testing.T) {
	e := setup(t, &web.Config{Authorize: all})
	e.enqueue(tasuki.Opts{Queue: "mail", ID: "j", In: 1e15, Record: true}, 5)
	var page struct {
		Jobs   []struct{ Address string }
		Cursor string
		Total  int
	}
	seen := 0
	for cursor := ""; ; cursor = page.Cursor {
		page.Cursor = ""
		e.good("GET", "/jobs?q=queue:mail&limit=2&cursor="+url.QueryEscape(cursor), "", &page)
		if seen += len(page.Jobs); page.Cursor == "" {
			break
		}
	}
	if seen != 5 || page.Total != 5 {
		t.Errorf("%d %+v", seen, page)
	}
	for path, field := range map[string]string{"q=nothing:x": "q", "limit=0": "limit", "limit=501": "limit", "cursor=x": "cursor", "q=" + strings.Repeat("a", 5000): "q", "q=%00": "q"} {
		e.fails("GET", "/jobs?"+path, "", 400, "invalid", field)
	}
	e.good("GET", "/jobs/count?q=queue:mail", "", nil)
	var results struct {
		Done, Skipped, Refused int
		Results                []struct{ Address, Code string }
	}
	e.good("POST", "/jobs/retry", `{"jobs":["mail/j0","mail/none","mail/j1"]}`, &results)
	if results.Done != 2 || results.Skipped != 1 || results.Results[1].Code != "not_found" || results.Results[2].Address != "mail/j1" {
		t.Errorf("%+v", results)
	}
	e.good("POST", "/jobs/move", `{"jobs":["mail/j0","mail/j1"],"to":"other"}`, &results)
	if results.Done != 2 || results.Results[0].Address != "other/j0" {
		t.Errorf("%+v", results)
	}
	e.good("POST", "/jobs/reschedule", `{"jobs":["other/j0"],"in":"1h"}`, nil)
	e.fails("POST", "/jobs/reschedule", `{"jobs":["other/j0"]}`, 400, "invalid", "at")
	e.good("POST", "/jobs/edit", `{"jobs":["other/j0"],"changes":{"max_attempts":3}}`, nil)
	e.fails("POST", "/jobs/edit", `{"jobs":["other/j0"],"changes":{}}`, 400, "invalid", "changes")
	e.fails("POST", "/jobs/edit", `{"jobs":["other/j0"],"changes":{"timeout":"-5s"}}`, 400, "invalid", "timeout")
	e.fails("POST", "/jobs/edit", `{"jobs":["other/j0"]}`, 400, "invalid", "changes")
	e.good("POST", "/jobs/cancel", `{"jobs":["other/j0"]}`, nil)
	e.good("POST", "/jobs/remove", `{"jobs":["other/j1"]}`, nil)
	for _, body := range []string{`{"jobs":[]}`, `{}`, `{"jobs":["x"]}`, `{"jobs":["mail/a","mail/a"]}`, `{"jobs":[` + strings.Repeat(`"mail/a",`, 1000) + `"mail/b"]}`} {
		e.fails("POST", "/jobs/remove", body, 400, "invalid", "jobs")
	}
}

func TestAPIOperations(t *testing.T) {
	rights := web.Rights
	e := setup(t, &web.Config{Authorize: func(*http.Request) (web.Actor, error) { return web.Actor{Name: "ada", Rights: rights}, nil }})
	e.enqueue(tasuki.Opts{Queue: "mail", ID: "j", In: 1e15, Record: true}, 5)
	var preview struct{ Meant struct{ Jobs int } }
	e.good("POST", "/operations/cancel/preview", `{"q":"queue:mail"}`, &preview)
	if preview.Meant.Jobs != 5 {
		t.Errorf("%+v", preview)
	}
	e.fails("POST", "/operations/cancel", `{"q":""}`, 400, "invalid", "q")
	e.fails("POST", "/operations/cancel", `{"q":"nothing:x"}`, 400, "invalid", "q")
	e.fails("POST", "/operations/cancel", `{"q":"queue:mail","expect":4}`, 409, "count", "expect")
	e.fails("POST", "/operations/cancel", `{"q":"queue:mail","limit":-4}`, 400, "invalid", "limit")
	e.fails("POST", "/operations/move", `{"q":"queue:mail"}`, 400, "invalid", "to")
	for _, preview := range []string{"", "/preview"} {
		e.fails("POST", "/operations/reschedule"+preview, `{"q":"state:dead"}`, 400, "invalid", "at")
		e.fails("POST", "/operations/edit"+preview, `{"q":"state:dead"}`, 400, "invalid", "changes")
		e.fails("POST", "/operations/edit"+preview, `{"q":"state:dead","changes":{}}`, 400, "invalid", "changes")
		e.fails("POST", "/operations/edit"+preview, `{"q":"state:dead","changes":{"max_attempts":-9}}`, 400, "invalid", "max_attempts")
		e.fails("POST", "/operations/edit"+preview, `{"q":"state:dead","changes":{"deadline":"2020-01-02T03:04:05Z"}}`, 400, "invalid", "deadline")
	}
	var o struct{ ID, State, By, Undoes string }
	a := e.good("POST", "/operations/cancel", `{"q":"queue:mail","expect":5}`, &o)
	if a.StatusCode != http.StatusAccepted || o.By != "ada" {
		t.Errorf("%s: %s", a.Status, a.body)
	}
	ended := func() {
		t.Helper()
		redistest.WaitFor(t, "the operation", func() error {
			if e.good("GET", "/operations/"+o.ID, "", &o); o.State == "running" {
				return fmt.Errorf("%+v", o)
			}
			return nil
		})
	}
	ended()
	if q := e.queueNow("mail"); q.Scheduled != 0 {
		t.Errorf("%+v", q)
	}
	for _, what := range []string{"cancel", "continue"} {
		if a := e.fails("POST", "/operations/"+o.ID+"/"+what, "", 409, "ended", ""); !strings.Contains(a.body, "the operation has ended") {
			t.Errorf("%s", a.body)
		}
	}
	e.good("GET", "/operations", "", nil)
	e.fails("GET", "/operations/none", "", 404, "not_found", "")
	// The right to look does not do, nor does that for another action.
	for _, lacks := range []web.Right{web.Cancel, web.Undo} {
		rights = slices.DeleteFunc(slices.Clone(web.Rights), func(r web.Right) bool { return r == lacks })
		for _, what := range []string{"undo", "cancel", "continue"} {
			e.fails("POST", "/operations/"+o.ID+"/"+what, "", 403, "forbidden", "")
		}
	}
	rights = web.Rights
	first := o.ID
	if e.good("POST", "/operations/"+o.ID+"/undo", "", &o); o.Undoes != first {
		t.Errorf("%+v", o)
	}
	ended()
	if q := e.queueNow("mail"); q.Scheduled != 5 {
		t.Errorf("%+v", q)
	}
	e.fails("POST", "/operations/"+first+"/undo", "", 409, "not_undoable", "")
}

// TestAPIRescheduleDead: what makes dead jobs live again needs the right for that, however it is called.
func TestAPIRescheduleDead(t *testing.T) {
	rights := []web.Right{web.View, web.Edit, web.Undo}
	e := setup(t, &web.Config{Authorize: func(*http.Request) (web.Actor, error) { return web.Actor{Name: "ada", Rights: rights}, nil }})
	e.enqueue(tasuki.Opts{Queue: "mail"}, 2)
	e.working(func(context.Context, *tasuki.RawJob) error { return tasuki.Kill(errors.New("no")) })
	redistest.WaitFor(t, "the dead", func() error {
		if q := e.queueNow("mail"); q.Dead != 2 {
			return fmt.Errorf("%+v", q)
		}
		return nil
	})
	var page struct{ Jobs []struct{ Address string } }
	e.good("GET", "/jobs?q=state:dead", "", &page)
	one := page.Jobs[0].Address
	e.enqueue(tasuki.Opts{Queue: "mail", ID: "later", In: 1e15}, 1)
	calls := map[string]string{
		"/jobs/" + one + "/reschedule":   `{"in":"1h"}`,
		"/jobs/reschedule":               `{"jobs":["` + one + `","mail/later"],"in":"1h"}`,
		"/operations/reschedule":         `{"q":"state:dead,scheduled","in":"1h"}`,
		"/operations/reschedule/preview": `{"q":"state:dead","in":"1h"}`,
	}
	for path, body := range calls {
		if a := e.fails("POST", path, body, 403, "forbidden", ""); !strings.Contains(a.body, "retry") {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	e.good("POST", "/jobs/mail/later/reschedule", `{"in":"1h"}`, nil) // it is not dead
	e.good("POST", "/operations/reschedule", `{"q":"queue:none","in":"1h"}`, nil)
	rights = append(rights, web.Retry)
	var o struct{ ID string }
	e.good("POST", "/operations/reschedule", calls["/operations/reschedule"], &o)
	if _, err := inspect.New(e.client).Await(t.Context(), o.ID); err != nil {
		t.Fatal(err)
	}
	rights = []web.Right{web.View, web.Edit, web.Undo}
	for _, what := range []string{"undo", "cancel", "continue"} {
		e.fails("POST", "/operations/"+o.ID+"/"+what, "", 403, "forbidden", "")
	}
}
