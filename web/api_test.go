package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/web"
)

// TestAPIRights goes through all endpoints: none lets in who has not its right, and none but those
// whose right is that of an operation's action is content with View and changes something.
func TestAPIRights(t *testing.T) {
	var rights []web.Right
	var refuse error
	e := setup(t, &web.Config{Authorize: func(*http.Request) (web.Actor, error) { return web.Actor{Rights: rights}, refuse }})
	for _, p := range web.Endpoints() {
		if p.Method != http.MethodGet && p.Right == web.View && !strings.HasPrefix(p.Path, "/operations/{id}/") {
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
	e.fails("GET", "/queues?x=%zz", "", 400, "invalid", "")
	e.fails("GET", "/queues/a%20b", "", 400, "invalid", "queue")
	e.fails("GET", "/jobs/mail/"+url.PathEscape("a/b../%"), "", 404, "not_found", "") // it comes as one name
}

func TestAPIBodies(t *testing.T) {
	e := setup(t, &web.Config{Authorize: all})
	for body, want := range map[string][2]string{
		`{"kind":"a","kinds":1}`:                                   {"unknown_field", "kinds"},
		`{"kind":"a","opts":{"queu":"x"}}`:                         {"unknown_field", "queu"},
		`{"kind":1}`:                                               {"invalid", "kind"},
		`{"kind":"a","opts":{"queue":7}}`:                          {"invalid", "opts.queue"},
		`{"kind":"a","opts":{"in":"soon"}}`:                        {"invalid", ""},
		`{"kind":"a b"}`:                                           {"invalid", "kind"},
		`{"kind":"a","opts":{"id":"/"}}`:                           {"invalid", "id"},
		`{"kind":"a","opts":{"max_attempts":-7}}`:                  {"invalid", "max_attempts"},
		`{"kind":"a","opts":{"unique":{"mode":"x"}}}`:              {"invalid", "unique.mode"},
		`{"kind":"a","opts":{"in":1,"at":"2100-01-01T00:00:00Z"}}`: {"invalid", "in"},
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
	const text = `{"kind":"k","args":{"a":1},"opts":{"queue":"q","id":"i","in":"1s","at":"2100-01-01T00:00:00Z","max_attempts":3,"timeout":4000,"deadline":"2100-01-02T00:00:00Z","expire_in":"5s","expire_at":"2100-01-03T00:00:00Z","record":true,"unique":{"mode":"window","key":"k","fields":["f"],"for":"6s","most":"7s","on_conflict":"error"},"keep":"8s","meta":{"m":"n"}}}`
	spec, err := web.SpecOf([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer(`"1s"`, "1000000000", `"5s"`, "5000000000", `"6s"`, "6000000000", `"7s"`, "7000000000", `"8s"`, "8000000000").Replace(text)
	if string(got) != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if n := nonZero(spec.Opts); n != 13 {
		t.Errorf("%d options are said: a new one is in no request", n)
	}
}

func nonZero(o tasuki.Opts) int {
	text, _ := json.Marshal(o)
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(text, &fields)
	return len(fields)
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
	e.fails("POST", "/jobs/mail/bare/edit", `{"max_attempts":9}`, 409, "no_record", "")
	e.good("POST", "/jobs/mail/a/reschedule", `{"in":"2h"}`, nil)
	e.fails("POST", "/jobs/mail/a/reschedule", `{"in":"-2h"}`, 400, "invalid", "in")
	e.fails("POST", "/jobs/mail/a/reschedule", `{"in":"2h","at":"2100-01-01T00:00:00Z"}`, 400, "invalid", "at")
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
	e.good("POST", "/jobs/edit", `{"jobs":["other/j0"],"changes":{"max_attempts":3}}`, nil)
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
	e.fails("POST", "/operations/"+o.ID+"/cancel", "", 409, "ended", "")
	e.good("GET", "/operations", "", nil)
	e.fails("GET", "/operations/none", "", 404, "not_found", "")
	// The right to look does not do, nor does that for another action.
	rights = slices.DeleteFunc(slices.Clone(web.Rights), func(r web.Right) bool { return r == web.Cancel })
	for _, what := range []string{"undo", "cancel", "continue"} {
		e.fails("POST", "/operations/"+o.ID+"/"+what, "", 403, "forbidden", "")
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
