package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/cron"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/web"
)

var hidden = regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)">`)

// yes answers a question: it sends the form that it has, and more.
func (e *env) yes(page string, a answer, pairs ...string) answer {
	e.t.Helper()
	if a.StatusCode != http.StatusOK || !strings.Contains(a.body, `name="confirmed" value="yes"`) {
		e.t.Fatalf("%s: no question, but %s: %s", page, a.Status, a.body)
	}
	_, form, _ := strings.Cut(a.body, `action="`+page+`"`)
	form, _, _ = strings.Cut(form, "</form>")
	for _, m := range hidden.FindAllStringSubmatch(form, -1) {
		pairs = append(pairs, m[1], strings.NewReplacer("&#34;", `"`, "&amp;", "&", "&#39;", "'", "&lt;", "<", "&gt;", ">", "&#43;", "+").Replace(m[2]))
	}
	return e.post(page, pairs...)
}

// sees is where an action leads to.
func (e *env) sees(a answer, want string) {
	e.t.Helper()
	if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), want) {
		e.t.Fatalf("%s to %q, want %q: %s", a.Status, a.Header.Get("Location"), want, a.body)
	}
}

func (e *env) enqueue(opts tasuki.Opts, n int) []string {
	e.t.Helper()
	var specs []tasuki.Spec
	for i := range n {
		o := opts
		if o.ID != "" && n > 1 {
			o.ID += strconv.Itoa(i)
		}
		specs = append(specs, number.With(o).Spec(i))
	}
	infos, err := e.client.EnqueueMany(e.t.Context(), specs)
	if err != nil {
		e.t.Fatal(err)
	}
	addresses := make([]string, n)
	for i, info := range infos {
		addresses[i] = info.Address()
	}
	return addresses
}

func (e *env) queueNow(name string) inspect.Queue {
	e.t.Helper()
	q, err := e.inspector.Queue(e.t.Context(), name)
	if err != nil {
		e.t.Fatal(err)
	}
	return q
}

func TestPauseQueue(t *testing.T) {
	e := setup(t, &web.Config{Authorize: all})
	e.enqueue(tasuki.Opts{Queue: "mail"}, 1)
	e.get("queue?name=mail")
	e.sees(e.post("queue-pause", "name", "mail"), "./queue?name=mail")
	if q := e.queueNow("mail"); !q.Paused || q.PausedBy != "ada" {
		t.Fatalf("%+v", q)
	}
	// What was changed is seen at once.
	if body := e.get("queue?name=mail"); !strings.Contains(body, "Paused by ada") {
		t.Errorf("%s", body)
	}
	e.sees(e.post("queue-resume", "name", "mail", "back", "./queues?sort=dead"), "./queues?sort=dead")
	if q := e.queueNow("mail"); q.Paused {
		t.Fatalf("%+v", q)
	}
	if a := e.post("queue-pause", "name", "a b"); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a queue that cannot be: %s", a.Status)
	}
}

// TestOneJob does everything to single jobs, with a record and without.
func TestOneJob(t *testing.T) {
	for _, recorded := range []bool{true, false} {
		t.Run(fmt.Sprint(recorded), func(t *testing.T) {
			e := setup(t, &web.Config{Authorize: all})
			job := e.enqueue(tasuki.Opts{Queue: "mail", ID: "a", In: 1e12, Record: recorded}, 1)[0]
			page := "job?id=" + url.QueryEscape(job)
			if body := e.get(page); !strings.Contains(body, "Run now") || strings.Contains(body, "job-edit") != recorded {
				t.Errorf("%s", body)
			}
			e.sees(e.post("jobs-retry", "job", job), "./job?id=mail%2Fa")
			if q := e.queueNow("mail"); q.Ready != 1 || q.Scheduled != 0 {
				t.Fatalf("%+v", q)
			}
			if a := e.post("jobs-retry", "job", job); a.StatusCode != http.StatusConflict {
				t.Errorf("ready already: %s", a.Status)
			}
			if recorded {
				e.sees(e.yes("jobs-move", e.post("jobs-move", "job", job, "to", "other")), "./job")
				if q := e.queueNow("other"); q.Ready != 1 {
					t.Fatalf("%+v", q)
				}
				if body := e.get(page); !strings.Contains(body, "It was moved here") {
					t.Errorf("%s", body)
				}
				job = "other/a"
			}
			e.sees(e.yes("jobs-cancel", e.post("jobs-cancel", "job", job)), "./job")
			queue, _, _ := strings.Cut(job, "/")
			if q := e.queueNow(queue); q.Ready != 0 || q.Counts["cancelled"]+q.Counts["withdrawn"] == 0 {
				t.Fatalf("%+v", q)
			}
			if recorded {
				e.sees(e.yes("jobs-remove", e.post("jobs-remove", "job", job)), "./queue?name=other")
			}
			if a := e.do(e.request(http.MethodGet, "job?id="+url.QueryEscape(job), "")); a.StatusCode != http.StatusNotFound {
				t.Errorf("a job that is gone: %s", a.Status)
			}
		})
	}
}

func TestEditJob(t *testing.T) {
	e := setup(t, &web.Config{Authorize: all})
	job := e.enqueue(tasuki.Opts{ID: "a", In: 1e12, Record: true}, 1)[0]
	form := e.get("job-edit?id=default%2Fa")
	sum := regexp.MustCompile(`name="sum" value="([0-9a-f]+)"`).FindStringSubmatch(form)[1]
	const args = `{"big": 12345678901234567890.1}`
	e.sees(e.post("job-edit", "id", job, "sum", sum, "args", args, "max_attempts", "7", "timeout", "1m30s"), "./job?id=default%2Fa")
	r, err := e.client.Get(t.Context(), job)
	if err != nil || string(r.Args) != `{"big":12345678901234567890.1}` || r.MaxAttempts != 7 || r.Timeout.String() != "1m30s" {
		t.Fatalf("%+v %v", r, err)
	}
	if body := e.get("job?id=default%2Fa"); !strings.Contains(body, "12345678901234567890.1") {
		t.Errorf("%s", body)
	}
	for want, pairs := range map[int][]string{
		409: {"sum", sum, "args", "2"}, // somebody has changed them since
		400: {"sum", sum, "args", "{"},
	} {
		if a := e.post("job-edit", append([]string{"id", job}, pairs...)...); a.StatusCode != want {
			t.Errorf("%v: %s", pairs, a.Status)
		}
	}
	for _, pairs := range [][]string{{"max_attempts", "-2"}, {"max_attempts", "x"}, {"timeout", "1"}, {"timeout", "-1s"}, {"timeout", "1000000h"}} {
		if a := e.post("job-edit", append([]string{"id", job}, pairs...)...); a.StatusCode != http.StatusBadRequest || !strings.Contains(a.body, pairs[0]+": allowed") {
			t.Errorf("%v: %s: %s", pairs, a.Status, a.body)
		}
	}
}

// TestManyJobs: few are done after a question, many after the number was typed.
func TestManyJobs(t *testing.T) {
	e := setup(t, &web.Config{Authorize: all})
	jobs := e.enqueue(tasuki.Opts{Queue: "mail"}, 150)
	e.enqueue(tasuki.Opts{Queue: "other"}, 3)

	selected := []string{"q", "queue:mail"}
	for _, job := range jobs[:2] {
		selected = append(selected, "job", job)
	}
	a := e.post("jobs-remove", selected...)
	if !strings.Contains(a.body, "Remove 2 jobs for good?") || !strings.Contains(a.body, jobs[0]) {
		t.Fatalf("%s", a.body)
	}
	if q := e.queueNow("mail"); q.Ready != 150 {
		t.Fatalf("%+v", q)
	}
	a = e.yes("jobs-remove", a)
	e.sees(a, "./jobs?")
	if body := e.get(strings.TrimPrefix(a.Header.Get("Location"), "./")); !strings.Contains(body, "done: 2, skipped as they had moved: 0") {
		t.Errorf("%s", body)
	}

	a = e.post("jobs-cancel", "q", "queue:mail", "all", "1")
	if !strings.Contains(a.body, "Cancel 148 jobs?") || !strings.Contains(a.body, "Type 148 to go on") {
		t.Fatalf("%s", a.body)
	}
	if again := e.yes("jobs-cancel", a, "typed", "147"); !strings.Contains(again.body, "That was something else") {
		t.Fatalf("%s", again.body)
	}
	if q := e.queueNow("mail"); q.Ready != 148 {
		t.Fatalf("%+v", q)
	}
	a = e.yes("jobs-cancel", a, "typed", "148")
	e.sees(a, "./operation?id=")
	operation := strings.TrimPrefix(a.Header.Get("Location"), "./")
	ends := func(page, want string) {
		t.Helper()
		redistest.WaitFor(t, "the end of the operation", func() error {
			if body := e.get(page); !strings.Contains(body, want) {
				return errors.New(body)
			}
			return nil
		})
	}
	ends(operation, "done: 148, skipped as they had moved: 0")
	if q := e.queueNow("mail"); q.Ready != 0 {
		t.Fatalf("%+v", q)
	}
	id, _ := url.QueryUnescape(strings.TrimPrefix(operation, "operation?id="))
	ends(operation, "Undo for 148 jobs")
	a = e.post("operation-undo", "id", id)
	e.sees(a, "./operation?id=")
	ends(strings.TrimPrefix(a.Header.Get("Location"), "./"), "done: 148")
	if q := e.queueNow("mail"); q.Ready != 148 {
		t.Fatalf("%+v", q)
	}
	if body := e.get("operations"); strings.Count(body, "<tr data-row>") != 2 {
		t.Errorf("%s", body)
	}
	if body := e.get("audit"); !strings.Contains(body, "ada") || !strings.Contains(body, "queue:mail") {
		t.Errorf("%s", body)
	}
	if q := e.queueNow("other"); q.Ready != 3 {
		t.Fatalf("those of another queue: %+v", q)
	}
}

func TestSchedules(t *testing.T) {
	e := setup(t, &web.Config{Authorize: all})
	table := cron.New(e.client)
	if _, err := table.Set(t.Context(), cron.Entry{Name: "nightly", Expr: "30 2 * * *", Zone: "Asia/Tokyo", Kind: "report", Args: json.RawMessage(`{"n":1}`)}); err != nil {
		t.Fatal(err)
	}
	if body := e.get("schedules"); !strings.Contains(body, "02:30") || !strings.Contains(body, "schedule?name=nightly") {
		t.Errorf("%s", body)
	}
	e.sees(e.post("schedule-pause", "name", "nightly"), "./schedule?name=nightly")
	s, err := table.Get(t.Context(), "nightly")
	if err != nil || !s.Paused || s.PausedBy != "ada" {
		t.Fatalf("%+v %v", s, err)
	}
	if body := e.get("schedules"); !strings.Contains(body, "Paused") {
		t.Errorf("%s", body)
	}
	e.sees(e.post("schedule-resume", "name", "nightly"), "./")
	e.sees(e.post("schedule-run", "name", "nightly"), "./")
	if a := e.post("schedule-run", "name", "none"); a.StatusCode != http.StatusNotFound {
		t.Errorf("%s", a.Status)
	}
}

func TestWorkers(t *testing.T) {
	t.Parallel()
	e := setupOn(t, redistest.Start(t), &web.Config{Authorize: all})
	e.populate()
	id := e.workerID()
	redistest.WaitFor(t, "what it runs", func() error {
		if body := e.get("worker?id=" + id); !strings.Contains(body, "job?id=mail%2Fruns") {
			return fmt.Errorf("%s", body)
		}
		return nil
	})
	if a := e.post("worker-dump", "id", id); !strings.Contains(a.body, "goroutine ") {
		t.Errorf("%s: %s", a.Status, a.body)
	}
	e.sees(e.yes("worker-quiet", e.post("worker-quiet", "id", id)), "./worker?id="+id)
	redistest.WaitFor(t, "the worker to be quiet", func() error {
		all, err := e.inspector.Workers(context.Background())
		for _, w := range all {
			if w.ID == id && w.State == inspect.WorkerQuiet {
				return nil
			}
		}
		return fmt.Errorf("%+v %v", all, err)
	})
	if a := e.post("worker-stop", "id", "none", "confirmed", "yes"); a.StatusCode != http.StatusNotFound {
		t.Errorf("%s", a.Status)
	}
}

func TestUnlock(t *testing.T) {
	e := setup(t, &web.Config{Authorize: all})
	e.enqueue(tasuki.Opts{In: 1e12, Unique: tasuki.Unique{Mode: "until_done", Key: "customer-7"}}, 1)
	body := e.get("locks?queue=default")
	m := regexp.MustCompile(`name="lock" value="([^"]+)"`).FindStringSubmatch(body)
	if m == nil || !strings.Contains(body, "customer-7") {
		t.Fatalf("%s", body)
	}
	e.sees(e.yes("lock-free", e.post("lock-free", "queue", "default", "lock", m[1])), "./locks?queue=default")
	if body := e.get("locks?queue=default"); !strings.Contains(body, "No job has one.") {
		t.Errorf("%s", body)
	}
}

// TestRedact: nothing that a program has said leaves but through the hook.
func TestRedact(t *testing.T) {
	t.Parallel()
	rights := []web.Right{web.View, web.Unlock, web.Cron, web.Control}
	e := setupOn(t, redistest.Start(t), &web.Config{
		Authorize: func(*http.Request) (web.Actor, error) { return web.Actor{Rights: rights}, nil },
		Redact: func(kind string, part web.Part, text []byte) []byte {
			if part == web.PartArgs {
				return []byte(`{"redacted":true}`)
			}
			return nil
		},
	})
	addresses := e.populate()
	_, pages := e.visits(addresses)
	for _, page := range pages {
		body := e.do(e.request(http.MethodGet, page, "")).body
		for _, secret := range []string{"12345678901234567890", "\u202e", "S3CRET"} {
			if strings.Contains(body, secret) {
				t.Errorf("%s has %q", page, secret)
			}
		}
	}
	if body := e.get("job?id=mail%2Fretries"); !strings.Contains(body, "redacted") || !strings.Contains(body, ">hidden<") {
		t.Errorf("%s", body)
	}
	// A search would tell what is hidden, bit by bit.
	for _, q := range []string{"args.big:1", "trip", "error:trip", "-trip", "tag:a=b"} {
		if a := e.do(e.request(http.MethodGet, "jobs?q="+url.QueryEscape(q), "")); a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", q, a.Status)
		}
	}
	rights = web.Rights
	if a := e.do(e.request(http.MethodGet, "jobs?q=trip", "")); a.StatusCode != http.StatusOK {
		t.Errorf("with the right to edit: %s", a.Status)
	}
	if body := e.get("job-edit?id=mail%2Fretries"); strings.Contains(body, "12345678901234567890") {
		t.Errorf("%s", body)
	}
	e.sees(e.post("job-edit", "id", "mail/retries", "max_attempts", "9"), "./job")
	r, err := e.client.Get(t.Context(), "mail/retries")
	if err != nil || r.MaxAttempts != 9 || !strings.Contains(string(r.Args), "12345678901234567890") {
		t.Errorf("%+v %v", r, err)
	}
}
