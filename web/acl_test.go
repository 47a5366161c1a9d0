package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/web"
)

// TestViewer: the user of deploy/acl that may only read sees every page, and changes nothing,
// also where the dashboard would let it.
func TestViewer(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	e := setupOn(t, server, &web.Config{Authorize: all})
	addresses := e.populate()
	_, pages := e.visits(addresses)
	e.serve(server.As(t, "viewer", e.namespace), &web.Config{Authorize: all})
	for _, page := range pages {
		if a := e.do(e.request(http.MethodGet, page, "")); a.StatusCode >= 500 {
			t.Errorf("%s: %s: %s", page, a.Status, text(a.body))
		}
	}
	if body := e.get("metrics"); !strings.Contains(body, `<line class="mark"`) {
		t.Errorf("without marks: %s", body)
	}
	for page, form := range map[string][]string{
		"queue-pause": {"name", "mail"}, "jobs-retry": {"job", "mail/later"}, "jobs-remove": {"job", "mail/dies", "confirmed", "yes"}, "schedule-run": {"name", "nightly"},
		"worker-stop": {"id", e.workerID(), "confirmed", "yes"},
	} {
		if a := e.post(page, form...); a.StatusCode != http.StatusBadGateway || !strings.Contains(a.body, "NOPERM") && !strings.Contains(a.body, "The user executing the script") || !strings.Contains(a.body, "deploy/acl") {
			t.Errorf("%s: %s: %s", page, a.Status, text(a.body))
		}
	}
	if q := e.queueNow("mail"); q.Paused || q.Dead != 3 || q.Scheduled != 2 {
		t.Errorf("%+v", q)
	}
}

// TestRefused: a user that has lost its rights is told so, and not that Redis is away.
func TestRefused(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	e := setupOn(t, server, nil)
	e.enqueue(tasuki.Opts{Queue: "mail"}, 1)
	e.get("queues")
	server.Do(t, "ACL", "SETUSER", "operator-"+e.namespace, "-@all")
	e.dashboard.ForgetAll()
	if body := e.get("queues"); !strings.Contains(body, "Redis refuses this.") || !strings.Contains(body, "NOPERM") || !strings.Contains(body, "viewer.acl") || !strings.Contains(body, "name=mail") {
		t.Errorf("%s", text(body))
	}
	for _, page := range []string{"failures", "operations", "audit", "jobs", "metrics"} { // which it has never seen
		if a := e.do(e.request(http.MethodGet, page, "")); a.StatusCode != http.StatusBadGateway || !strings.Contains(a.body, "NOPERM") || !strings.Contains(a.body, "deploy/acl") {
			t.Errorf("%s: %s: %s", page, a.Status, text(a.body))
		}
	}
	if a := e.do(e.request(http.MethodGet, "api/v1/failures", "")); a.StatusCode != http.StatusBadGateway || !strings.Contains(a.body, `"code":"refused"`) {
		t.Errorf("%s: %s", a.Status, a.body)
	}
}
