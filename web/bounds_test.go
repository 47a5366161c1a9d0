package web_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/legible"
	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/web"
)

// names are all parameters of all routes.
var names = []string{"name", "id", "q", "cursor", "limit", "page", "sort", "find", "queue", "kind", "span", "back", "lang", "theme", "job", "all", "to", "count", "typed", "confirmed", "args",
	"max_attempts", "timeout", "sum", "lock", "done", "did", "cut", "skipped", "refused", "fingerprint", "from", "enqueued", "existed", "in", "at", "record", "unique.mode", "unique.key", "unique.for", "meta"}

// TestBounds: whatever a parameter is, no route fails, hangs, or sends it back as it is.
func TestBounds(t *testing.T) {
	t.Parallel()
	e := setupOn(t, redistest.Start(t), &web.Config{Authorize: all})
	e.enqueue(tasuki.Opts{Queue: "mail", ID: "a"}, 1)
	for _, value := range []string{"", "-1", "0", "999999999999999999999999", "1e9", strings.Repeat("9", 100_000), strings.Repeat("a/", 50_000), "\x00", "\xff\xfe", evil, "../../etc/passwd", "mail/\x00", "mail/%", "%s%d%n", "1--100000000", "list:", "{", `"`, "args.a[999999999999]:1"} {
		for _, rt := range web.Routes() {
			method, page := parts(rt.Pattern)
			if page == "live" {
				continue
			}
			form := url.Values{}
			for _, name := range names {
				form.Set(name, value)
			}
			query, body := "?"+form.Encode(), ""
			if method == http.MethodPost {
				query, body = "", form.Encode()
			}
			a := e.do(e.request(method, page+query, body))
			if a.StatusCode >= 500 && a.StatusCode != http.StatusGatewayTimeout {
				t.Errorf("%s with %.40q: %s: %s", rt.Pattern, value, a.Status, text(a.body))
			}
			if strings.Contains(a.body, "<img src=x") {
				t.Errorf("%s: not escaped", rt.Pattern)
			}
			if strings.ContainsAny(a.Header.Get("Location"), "<>\x00") || strings.HasPrefix(a.Header.Get("Location"), "//") {
				t.Errorf("%s leads to %q", rt.Pattern, a.Header.Get("Location"))
			}
		}
	}
	many := strings.Repeat("job=mail/a&", 1500)
	if a := e.do(e.request(http.MethodPost, "jobs-remove", many+"confirmed=yes")); a.StatusCode != http.StatusBadRequest {
		t.Errorf("1,500 jobs: %s", a.Status)
	}
	if a := e.do(e.request(http.MethodPost, "jobs-remove", strings.Repeat("x", 3<<20))); a.StatusCode != http.StatusBadRequest {
		t.Errorf("3 MiB: %s", a.Status)
	}
	if q := e.queueNow("mail"); q.Ready != 1 {
		t.Errorf("%+v", q)
	}
}

// text is what an error page says.
func text(body string) string {
	_, body, _ = strings.Cut(body, `role="alert"`)
	body, _, _ = strings.Cut(body, "</div>")
	return body
}

// TestCost: no page costs Redis 200 commands with 100 queues.
func TestCost(t *testing.T) {
	t.Parallel()
	e := setupOn(t, redistest.Start(t), &web.Config{Authorize: all})
	for n := range 100 {
		e.enqueue(tasuki.Opts{Queue: fmt.Sprintf("q%02d", n), ID: "a"}, 20)
	}
	m := watch(t, e.server)
	known := map[string][]string{
		"queue": {"?name=q01"}, "locks": {"?queue=q01"}, "job": {"?id=q01%2Fa1"}, "job-edit": {"?id=q01%2Fa1"}, "schedule": {"?name=none"}, "worker": {"?id=none"}, "operation": {"?id=none"},
		"jobs":    {"", "?q=state:ready", "?limit=500", "?q=kind:none", "?q=error:none", "?q=age:%3E300d"},
		"metrics": {"?span=3h", "?span=1h", "?span=7d", "?span=90d", "?span=7d&queue=q01"}, // what one has read serves the next: the dearest first
	}
	for _, rt := range web.Routes() {
		method, page := parts(rt.Pattern)
		if method != http.MethodGet || page == "live" || page == "redis" {
			continue // doctor is asked once a minute at most
		}
		queries := known[page]
		if len(queries) == 0 {
			queries = []string{""}
		}
		for _, query := range queries {
			e.dashboard.ForgetAll()
			m.sent(t)
			a := e.do(e.request(method, page+query, ""))
			n := m.sent(t)
			t.Logf("%4d commands: %s %s %s", n, rt.Pattern, query, a.Status)
			if n >= 200 {
				t.Errorf("%s %s costs %d commands", rt.Pattern, query, n)
			}
		}
	}
}

// monitor counts the commands that clients send to a server. What scripts run is part of one.
type monitor struct {
	server *redistest.Server
	lines  *bufio.Scanner
	asked  int
}

func watch(t *testing.T, s *redistest.Server) *monitor {
	t.Helper()
	conn, err := net.Dial("unix", s.Socket())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := conn.Write([]byte("MONITOR\r\n")); err != nil {
		t.Fatal(err)
	}
	m := &monitor{server: s, lines: bufio.NewScanner(conn)}
	m.lines.Buffer(nil, 16<<20)
	m.lines.Scan() // +OK
	return m
}

// sent is how many commands there were since it was asked last.
func (m *monitor) sent(t *testing.T) int {
	t.Helper()
	m.asked++
	mark := fmt.Sprintf("mark-%d", m.asked)
	m.server.Do(t, "ECHO", mark)
	n := 0
	for m.lines.Scan() {
		line := m.lines.Text()
		if strings.Contains(line, mark) {
			return n
		}
		if !strings.Contains(line, " lua] ") {
			n++
		}
	}
	t.Fatal("the server sends no more: ", m.lines.Err())
	return 0
}

// TestLegible: no page has what controls a terminal, turns the direction of writing or is not seen,
// whoever has put it where.
func TestLegible(t *testing.T) {
	t.Parallel()
	e := setupOn(t, redistest.Start(t), &web.Config{Authorize: all})
	_, pages := e.visits(e.populate())
	e.do_("HSET", e.namespace+":cron:{cron}:entry:nightly", "entry", `{"expr":`+quote(evilLine)+`,"zone":`+quote(evilLine)+`,"kind":`+quote(evilLine)+`,"missed":`+quote(evilLine)+`,"overlap":`+quote(evilLine)+`,"opts":{"queue":`+quote(evilLine)+`}}`)
	texts := regexp.MustCompile(`(?s)<textarea.*?</textarea>`) // what is edited is all there
	look := func(page string) {
		body := texts.ReplaceAllString(e.do(e.request(http.MethodGet, page, "")).body, "")
		if !strings.Contains(body, "</html>") || body != legible.Lines(body) {
			t.Errorf("%s: %s", page, body)
		}
	}
	for _, page := range append(pages, "schedule?name=nightly") {
		look(page)
	}
	e.dashboard.Close()
	e.serve(e.server.As(t, "operator", e.namespace), &web.Config{Authorize: all})
	e.dashboard.ShowEverywhere(evilLine)
	e.get("redis") // which begins to look at what is found
	redistest.WaitFor(t, "what is found", func() error {
		if !strings.Contains(e.get("redis"), "<strong>rights</strong>") {
			return errors.New("nothing yet")
		}
		return nil
	})
	for _, page := range []string{"", "redis", "workers", "worker?id=w1", "schedules"} {
		if body := e.get(page); !strings.Contains(body, "S3CRET") {
			t.Errorf("%s: %s", page, body)
		}
		look(page)
	}
}
