package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/cron"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/web"
)

// TestAPILooks asks for everything, where every job state and hostile text is there: all answers are
// as the description says.
func TestAPILooks(t *testing.T) {
	t.Parallel()
	e := setupOn(t, redistest.Start(t), &web.Config{Authorize: all})
	addresses := e.populate()
	if _, err := cron.New(e.client).Set(t.Context(), cron.Entry{Name: "api-nightly", Expr: "30 2 * * *", Kind: "report", Args: json.RawMessage(`{"n":1}`)}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/queues", "/queues/mail", "/queues/mail/eta?over=100ms&more=2&within=1h", "/queues/mail/locks", "/jobs?limit=500", "/jobs?q=" + url.QueryEscape("state:done,cancelled,expired"),
		"/jobs/count", "/operations", "/failures", "/statistics/kinds", "/statistics/history", "/statistics/history?step=1h&timeless=true", "/workers", "/workers/" + e.workerID(), "/schedules", "/schedules/api-nightly",
		"/stats", "/doctor", "/check", "/audit", "/marks", "/autoscale/mail", "/openapi.json"} {
		e.good("GET", path, "", nil)
	}
	for _, address := range addresses {
		queue, id, _ := strings.Cut(address, "/")
		a := e.api("GET", "/jobs/"+url.PathEscape(queue)+"/"+url.PathEscape(id), "")
		if described(t, "GET", "/jobs/q/i", a); a.StatusCode != http.StatusOK && queue != "raw" { // that one has an id that is in no address
			t.Errorf("%s: %s: %s", address, a.Status, a.body)
		}
	}
	if a := e.good("GET", "/jobs/mail/retries", "", nil); !strings.Contains(a.body, "12345678901234567890.123456789012345678") {
		t.Errorf("%s", a.body)
	}
	for _, since := range []string{"24h", "3600000000000", time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)} {
		e.good("GET", "/statistics/kinds?since="+since, "", nil)
		e.good("GET", "/failures?since="+since, "", nil)
	}
	e.fails("GET", "/statistics/kinds?since=-1h", "", 400, "invalid", "since")
	for path, field := range map[string]string{"/queues/mail/eta?over=1h": "over", "/queues/mail/eta?more=x": "more", "/queues/mail/eta?within=soon": "within", "/failures?limit=0": "limit", "/failures?since=x": "since",
		"/statistics/kinds?queue=a%20b": "queue", "/statistics/history?step=2m": "step", "/statistics/history?from=2000-01-01T00:00:00Z": "from", "/statistics/history?timeless=x": "timeless", "/audit?limit=1001": "limit", "/audit?cursor=x": "cursor",
		"/marks?from=x": "from", "/jobs/mail/a/log?behind=-1": "behind"} {
		e.fails("GET", path, "", 400, "invalid", field)
	}
	e.fails("GET", "/workers/none", "", 404, "not_found", "")
	e.fails("GET", "/schedules/none", "", 404, "not_found", "")
	e.fails("POST", "/schedules/none/run", "", 404, "not_found", "")
	e.fails("POST", "/failures/0123456789abcdef/forget", "", 404, "not_found", "")
	e.fails("POST", "/queues/mail/unlock", `{"lock":"none"}`, 404, "not_found", "")
	e.fails("POST", "/queues/mail/unlock", `{}`, 400, "invalid", "lock")
	e.fails("POST", "/marks", `{"text":""}`, 400, "invalid", "text")

	e.good("POST", "/marks", `{"text":"deploy","version":"1.2"}`, nil)
	e.good("POST", "/schedules/api-nightly/pause", "", nil)
	e.good("POST", "/schedules/api-nightly/resume", "", nil)
	e.good("POST", "/schedules/api-nightly/run", "", nil)
	locks, _ := e.locks("mail")
	if len(locks) == 0 {
		t.Fatal("no locks")
	}
	e.good("POST", "/queues/mail/unlock", `{"lock":`+quote(locks[0].Name)+`}`, nil)
	var q struct {
		Paused    bool
		Paused_By string
	}
	if e.good("POST", "/queues/mail/pause", "", &q); !q.Paused || q.Paused_By != "ada" {
		t.Errorf("%+v", q)
	}
	if e.good("POST", "/queues/mail/resume", "", &q); q.Paused {
		t.Errorf("%+v", q)
	}
	if a := e.good("POST", "/workers/"+e.workerID()+"/dump", "", nil); !strings.Contains(a.body, "goroutine ") {
		t.Errorf("%s", a.body)
	}
	e.good("POST", "/workers/"+e.workerID()+"/quiet", "", nil)
	if a := e.good("GET", "/audit", "", nil); !strings.Contains(a.body, "run schedule") || !strings.Contains(a.body, `"by":"ada"`) {
		t.Errorf("%s", a.body)
	}
}

// TestAPIRedact: what is hidden on the pages is hidden here.
func TestAPIRedact(t *testing.T) {
	t.Parallel()
	rights := []web.Right{web.View, web.Unlock, web.Cron}
	e := setupOn(t, redistest.Start(t), &web.Config{
		Authorize: func(*http.Request) (web.Actor, error) { return web.Actor{Rights: rights}, nil },
		Redact: func(_ string, part web.Part, _ []byte) []byte {
			if part == web.PartArgs {
				return []byte("no JSON")
			}
			return nil
		},
	})
	addresses := e.populate()
	paths := []string{"/queues/mail/locks", "/jobs?limit=500", "/failures", "/schedules", "/jobs/mail/runs/log"}
	for _, address := range addresses {
		queue, id, _ := strings.Cut(address, "/")
		paths = append(paths, "/jobs/"+url.PathEscape(queue)+"/"+url.PathEscape(id), "/jobs/"+url.PathEscape(queue)+"/"+url.PathEscape(id)+"/why")
	}
	for _, path := range paths {
		a := e.api("GET", path, "")
		for _, secret := range []string{"12345678901234567890", "S3CRET"} {
			if strings.Contains(a.body, secret) {
				t.Errorf("%s has %q: %s", path, secret, a.Status)
			}
		}
	}
	if a := e.good("GET", "/jobs/mail/retries", "", nil); !strings.Contains(a.body, `"args":"no JSON"`) || !strings.Contains(a.body, `"hidden":["error"`) {
		t.Errorf("%s", a.body)
	}
	e.fails("GET", "/jobs?q=args.big:1", "", 400, "invalid", "q")
	e.fails("GET", "/jobs/count?q=trip", "", 400, "invalid", "q")
}

// TestAPILocks: pages of bounded work have all uniqueness keys, and no page has many.
func TestAPILocks(t *testing.T) {
	e := setup(t, &web.Config{Authorize: all})
	const n = 100
	var specs []tasuki.Spec
	for k := range n {
		specs = append(specs, tasuki.Spec{Kind: "k", Opts: tasuki.Opts{Queue: "mail", Unique: tasuki.Unique{Mode: tasuki.UniqueQueued, Key: fmt.Sprint(k)}}})
	}
	if _, err := e.client.EnqueueMany(t.Context(), specs); err != nil {
		t.Fatal(err)
	}
	locks, cursors := e.locks("mail")
	keys := map[string]bool{}
	for _, l := range locks {
		keys[l.Key] = true
	}
	if len(keys) != n || len(cursors) < 2 {
		t.Fatalf("%d keys, %d cursors", len(keys), len(cursors))
	}
	e.fails("GET", "/queues/bulk/locks?cursor="+url.QueryEscape(cursors[0]), "", 400, "invalid", "cursor")
	e.fails("GET", "/queues/mail/locks?cursor=x", "", 400, "invalid", "cursor")
}

// locks are all that pages of few show of the uniqueness keys of a queue, and the cursors between them.
func (e *env) locks(queue string) (all []inspect.Lock, cursors []string) {
	e.t.Helper()
	for cursor := ""; ; cursors = append(cursors, cursor) {
		var page struct {
			Locks  []inspect.Lock
			Cursor string
		}
		e.good("GET", "/queues/"+queue+"/locks?cursor="+url.QueryEscape(cursor), "", &page)
		if len(page.Locks) > 50 {
			e.t.Fatalf("a page of %d", len(page.Locks))
		}
		all = append(all, page.Locks...)
		if cursor = page.Cursor; cursor == "" {
			return all, cursors
		}
	}
}

// TestAPIAutoscale reads the answer as KEDA does: the number under value.
func TestAPIAutoscale(t *testing.T) {
	t.Parallel()
	e := setupOn(t, redistest.Start(t), nil)
	e.enqueue(tasuki.Opts{Queue: "mail"}, 7)
	e.enqueue(tasuki.Opts{Queue: "mail", In: 1e15}, 3)
	e.enqueue(tasuki.Opts{Queue: "mail", In: time.Millisecond}, 2) // no worker is there to move them
	redistest.WaitFor(t, "due jobs", func() error {
		n, err := e.inspector.Due(t.Context(), "mail")
		if err == nil && n != 2 {
			err = fmt.Errorf("%d are due", n)
		}
		return err
	})
	var load struct{ Value, Due json.Number }
	m := watch(t, e.server)
	m.sent(t)
	e.good("GET", "/autoscale/mail", "", &load)
	if n := m.sent(t); load.Value.String() != "9" || load.Due.String() != "2" || n > 8 {
		t.Errorf("%+v, with %d commands", load, n)
	}
	e.good("GET", "/autoscale/never-used", "", &load)
	if load.Value.String() != "0" {
		t.Errorf("%s", load.Value)
	}
	manifest, err := os.ReadFile("../deploy/kubernetes/scaledobject.yaml")
	if err != nil || !strings.Contains(string(manifest), "/api/v1/autoscale/mail\n") || !strings.Contains(string(manifest), "valueLocation: value\n") {
		t.Errorf("the manifest asks for something else (%v)", err)
	}
}

// TestAPICost: no look costs Redis 200 commands with 100 queues.
func TestAPICost(t *testing.T) {
	t.Parallel()
	e := setupOn(t, redistest.Start(t), &web.Config{Authorize: all})
	for n := range 100 {
		e.enqueue(tasuki.Opts{Queue: fmt.Sprintf("q%02d", n), ID: "a"}, 20)
	}
	m := watch(t, e.server)
	for _, p := range web.Endpoints() {
		if p.Method != http.MethodGet || p.Path == "/check" || p.Path == "/doctor" {
			continue // they are asked once a minute at most
		}
		e.api("POST", "/queues/q00/resume", "") // so that everything is looked at anew
		m.sent(t)
		a := e.api("GET", strings.NewReplacer("{queue}", "q01", "{id}", "a1").Replace(filled(p.Path)), "")
		if n := m.sent(t); n >= 200 {
			t.Errorf("%s costs %d commands: %s", p.Path, n, a.Status)
		}
	}
}

// TestAPIDocs sends the calls of docs/api.md, which are lines of curl.
func TestAPIDocs(t *testing.T) {
	e := setup(t, &web.Config{Authorize: all})
	text, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, script, _ := strings.Cut(string(text), "```sh\n")
	script, _, _ = strings.Cut(script, "```")
	n := 0
	for line := range strings.Lines(script) {
		a := e.do(e.curl(strings.TrimSpace(line)))
		if a.StatusCode >= 300 || !json.Valid([]byte(a.body)) {
			t.Errorf("%s%s: %s", line, a.Status, a.body)
		}
		n++
	}
	if n < 9 {
		t.Errorf("%d calls", n)
	}
}

// shellWord is a word of a line: in quotes, or without blanks.
var shellWord = regexp.MustCompile(`'[^']*'|"[^"]*"|[^\s'"]+`)

// curl is the request that a line of curl sends.
func (e *env) curl(line string) *http.Request {
	e.t.Helper()
	words := shellWord.FindAllString(line, -1)
	method, body, to := http.MethodGet, "", ""
	for words = words[1:]; len(words) > 0; words = words[1:] {
		switch word := words[0]; {
		case word == "-X":
			words = words[1:]
			method = words[0]
		case word == "--json": // as the manual of curl says
			words = words[1:]
			body = strings.Trim(words[0], "'")
			if method == http.MethodGet {
				method = http.MethodPost
			}
		case to == "" && strings.HasPrefix(word, `"$TASUKI/`):
			to = strings.TrimPrefix(strings.Trim(word, `"`), "$TASUKI/")
		default:
			e.t.Fatalf("%s: this test does not know %s", line, word)
		}
	}
	r := e.request(method, to, body)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}
