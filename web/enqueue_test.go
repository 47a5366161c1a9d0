package web_test

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/web"
)

// lastAudit is what was done last.
func (e *env) lastAudit() inspect.AuditEntry {
	e.t.Helper()
	page, err := e.inspector.Audit(e.t.Context(), "", 1)
	if err != nil || len(page.Entries) != 1 {
		e.t.Fatalf("%+v %v", page, err)
	}
	return page.Entries[0]
}

func TestEnqueue(t *testing.T) {
	e := setup(t, &web.Config{Authorize: all})
	a := e.post("enqueue", "kind", "mail.send", "queue", "mail", "args", `{"big": 12345678901234567890.1}`, "in", "1h", "max_attempts", "7", "timeout", "1m30s", "record", "1",
		"unique.mode", "until_done", "unique.key", "customer-7", "meta", `{"tenant": "42"}`)
	e.sees(a, "./job?id=mail%2F")
	address := locationID(t, a, "id")
	r, err := e.client.Get(t.Context(), address)
	if err != nil || r.Kind != "mail.send" || string(r.Args) != `{"big":12345678901234567890.1}` || r.MaxAttempts != 7 || r.Timeout != 90*time.Second || r.Meta["tenant"] != "42" || time.Until(r.DueAt) < 59*time.Minute {
		t.Fatalf("%+v %v", r, err)
	}
	if entry := e.lastAudit(); entry.What != "enqueue" || entry.Target != address || entry.By != "ada" || entry.Detail != "mail.send" {
		t.Errorf("%+v", entry)
	}
	if body := e.get("audit"); !strings.Contains(body, `href="job`+strings.TrimPrefix(a.Header.Get("Location"), "./job")+`"`) {
		t.Errorf("%s", body)
	}
	// Another one of that key is none, and is not in the trail.
	e.sees(e.post("enqueue", "kind", "mail.send", "queue", "mail", "record", "1", "unique.mode", "until_done", "unique.key", "customer-7"), "./job?id="+url.QueryEscape(address))
	if page, err := e.inspector.Audit(t.Context(), "", 0); err != nil || len(page.Entries) != 1 {
		t.Errorf("%+v %v", page, err)
	}

	for mode, span := range map[string]string{"queued": "", "until_done": "", "running": "", "queued_and_running": "", "window": "1h", "throttle": "1h", "debounce": "1h", "keep_last": ""} {
		for range 2 {
			if a := e.post("enqueue", "kind", "mail.send", "queue", mode, "args", "1", "unique.mode", mode, "unique.key", "k", "unique.for", span); a.StatusCode != http.StatusSeeOther {
				t.Errorf("%s: %s: %s", mode, a.Status, text(a.body))
			}
		}
	}

	// Without a record it may be gone by now: the form says that it is in.
	a = e.post("enqueue", "kind", "mail.send", "id", "mine", "at", "2000-01-01T00:00:00+09:00")
	e.sees(a, "./enqueue?enqueued=default%2Fmine&kind=mail.send")
	if body := e.get(strings.TrimPrefix(a.Header.Get("Location"), "./")); !strings.Contains(body, "It is in:") || !strings.Contains(body, `href="job?id=default%2fmine"`) && !strings.Contains(body, `href="job?id=default%2Fmine"`) {
		t.Errorf("%s", body)
	}
	a = e.post("enqueue", "kind", "mail.send", "id", "mine")
	if body := e.get(strings.TrimPrefix(a.Header.Get("Location"), "./")); !strings.Contains(body, "It was there already") {
		t.Errorf("%s", body)
	}
	if q := e.queueNow("default"); q.Ready != 1 {
		t.Errorf("%+v", q)
	}
}

// TestEnqueueAgain: a form that is sent twice puts in one job, and another form another.
func TestEnqueueAgain(t *testing.T) {
	e := setup(t, &web.Config{Authorize: all})
	once := regexp.MustCompile(`name="once" value="([0-9A-Z]+)"`)
	send := func(form, args string) string {
		t.Helper()
		a := e.post("enqueue", "kind", "mail.send", "args", args, "once", form)
		e.sees(a, "./enqueue?enqueued=")
		return e.get(strings.TrimPrefix(a.Header.Get("Location"), "./"))
	}
	first, second := once.FindStringSubmatch(e.get("enqueue")), once.FindStringSubmatch(e.get("enqueue"))
	send(first[1], "1")
	if body := send(first[1], "1"); !strings.Contains(body, "It was there already") {
		t.Errorf("%s", body)
	}
	send(first[1], "2") // the same form, filled in anew
	send(second[1], "1")
	if q := e.queueNow("default"); q.Ready != 3 {
		t.Errorf("%d jobs", q.Ready)
	}
	for range 10 { // what is wrong first is said
		if a := e.post("enqueue", "kind", "k", "queue", strings.Repeat("q", 3000), "meta", strings.Repeat("m", 9000), "unique.for", strings.Repeat("f", 3000)); !strings.Contains(a.body, `href="#f-queue"`) {
			t.Errorf("%s", a.body)
		}
	}
}

// TestEnqueueRefused: what cannot be is said beside the field, and what was typed is not lost.
func TestEnqueueRefused(t *testing.T) {
	e := setup(t, &web.Config{Authorize: all})
	for _, test := range []struct{ field, value, want string }{
		{"kind", "", "kind: is missing"},
		{"kind", "a b", "kind: "},
		{"queue", "a b", "queue: "},
		{"args", "{", "args: allowed is JSON"},
		{"in", "soon", "in: allowed is a duration"},
		{"at", "tomorrow", "at: allowed is a time"},
		{"max_attempts", "-2", "max_attempts: allowed are -1"},
		{"timeout", "1", "timeout: allowed is a duration"},
		{"id", "a b", "id: "},
		{"unique.mode", "sometimes", "unique.mode: "},
		{"unique.for", "x", "unique.for: allowed is a duration"},
		{"meta", "[1]", "meta: allowed is a JSON object"},
	} {
		form := map[string]string{"kind": "mail.send", "args": `"what was typed"`, "record": "1", "unique.key": "k", test.field: test.value}
		if test.field == "unique.for" {
			form["unique.mode"] = "window"
		}
		var pairs []string
		for name, value := range form {
			pairs = append(pairs, name, value)
		}
		a := e.post("enqueue", pairs...)
		body := html.UnescapeString(a.body)
		field := regexp.MustCompile(`id="f-` + regexp.QuoteMeta(test.field) + `"[^>]*aria-invalid="true"`)
		if a.StatusCode != http.StatusBadRequest || !strings.Contains(body, test.want) || !field.MatchString(a.body) || strings.Count(a.body, "aria-invalid") != 1 || test.field != "args" && !strings.Contains(body, "what was typed") {
			t.Errorf("%s %q: %s: %s", test.field, test.value, a.Status, body)
		}
	}
	if a := e.post("enqueue", "kind", "k", "in", "1h", "at", "2030-01-01T00:00:00Z"); a.StatusCode != http.StatusBadRequest {
		t.Errorf("in and at: %s", a.Status)
	}
	if all, err := e.inspector.Queues(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%+v %v", all, err)
	}
}

// TestReplay fills the form from jobs in all states: what is sent is what they have.
func TestReplay(t *testing.T) {
	t.Parallel()
	e := setupOn(t, redistest.Start(t), &web.Config{Authorize: all})
	addresses := e.populate()
	for _, name := range []string{"dead", "bare", "done", "retry", "running"} {
		address := addresses[name]
		if body := e.get("job?id=" + url.QueryEscape(address)); !strings.Contains(body, "Replay as new") {
			t.Errorf("%s: %s", name, body)
		}
		form := fieldsOf(e.get("enqueue?from=" + url.QueryEscape(address)))
		if form["from"] != address || form["meta"] == "" || strings.Contains(form["meta"], "traceparent") {
			t.Errorf("%s: %+v", name, form)
		}
		form["queue"] = "again"
		var pairs []string
		for field, value := range form {
			pairs = append(pairs, field, value)
		}
		a := e.post("enqueue", append(pairs, "record", "1")...)
		e.sees(a, "./job?id=again%2F")
		again := locationID(t, a, "id")
		r, err := e.client.Get(context.Background(), again)
		if err != nil || r.Meta[evil] == "" || !bytes.Contains(r.Args, []byte("12345678901234567890.123456789012345678")) || !bytes.Contains(r.Args, []byte(`\u0000`)) {
			t.Errorf("%s: %+v %v", name, r, err)
		}
		if entry := e.lastAudit(); entry.Target != again || !strings.HasSuffix(entry.Detail, ", as "+address) {
			t.Errorf("%+v", entry)
		}
	}
	for address, want := range map[string]int{"mail/none": http.StatusNotFound, "mail": http.StatusBadRequest} {
		if a := e.do(e.request(http.MethodGet, "enqueue?from="+address, "")); a.StatusCode != want {
			t.Errorf("%s: %s", address, a.Status)
		}
	}
	if a := e.post("enqueue", "kind", "k", "from", "mail/dies", "args", ""); a.StatusCode != http.StatusBadRequest || !strings.Contains(a.body, "args: is missing") {
		t.Errorf("without arguments: %s", a.Status)
	}
}

// TestReplayRedacted: what is not shown as it is, is not put in for it.
func TestReplayRedacted(t *testing.T) {
	e := setup(t, &web.Config{Authorize: all, Redact: func(_ string, part web.Part, text []byte) []byte {
		switch {
		case bytes.Contains(text, []byte("card")):
			return []byte(`{"card":"***"}`)
		case part == web.PartMeta && bytes.HasPrefix(text, []byte("secret=")):
			return nil
		}
		return text
	}})
	for n, args := range []string{`{"card":"4111"}`, `{"user":7}`} {
		spec := tasuki.Spec{Kind: "pay", Args: []byte(args), Opts: tasuki.Opts{ID: fmt.Sprint(n), Meta: map[string]string{"secret": "S3CRET", "tenant": "42"}}}
		if _, err := e.client.EnqueueMany(t.Context(), []tasuki.Spec{spec}); err != nil {
			t.Fatal(err)
		}
	}
	body := e.get("enqueue?from=default/0")
	if form := fieldsOf(body); form["args"] != "" || !strings.Contains(form["meta"], "42") || strings.Contains(body, "S3CRET") || strings.Contains(body, "***") || strings.Count(body, "is redacted, and not what the job has") != 2 {
		t.Errorf("%+v %s", form, body)
	}
	if form := fieldsOf(e.get("enqueue?from=default/1")); !strings.Contains(form["args"], `"user": 7`) {
		t.Errorf("%+v", form)
	}
}

// locationID is a parameter of the address that an answer leads to.
func locationID(t *testing.T, a answer, name string) string {
	t.Helper()
	u, err := url.Parse(a.Header.Get("Location"))
	if err != nil || u.Query().Get(name) == "" {
		t.Fatalf("%q: %v", a.Header.Get("Location"), err)
	}
	return u.Query().Get(name)
}

var (
	inputs    = regexp.MustCompile(`<input [^>]*name="([a-z._]+)" value="([^"]*)"`)
	textareas = regexp.MustCompile(`(?s)<textarea [^>]*name="([a-z]+)"[^>]*>(.*?)</textarea>`)
)

// fieldsOf are the fields of the form for a job, without the box for a record.
func fieldsOf(body string) map[string]string {
	_, form, _ := strings.Cut(body, `action="enqueue"`)
	fields := map[string]string{}
	for _, m := range append(inputs.FindAllStringSubmatch(form, -1), textareas.FindAllStringSubmatch(form, -1)...) {
		if m[1] != "record" {
			fields[m[1]] = html.UnescapeString(m[2])
		}
	}
	return fields
}
