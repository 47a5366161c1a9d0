package web_test

import (
	"net/http"
	"testing"

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
	for page, form := range map[string][]string{
		"queue-pause": {"name", "mail"}, "jobs-retry": {"job", "mail/later"}, "jobs-remove": {"job", "mail/dies", "confirmed", "yes"}, "schedule-run": {"name", "nightly"},
		"worker-stop": {"id", e.workerID(), "confirmed", "yes"},
	} {
		if a := e.post(page, form...); a.StatusCode < 400 {
			t.Errorf("%s: %s", page, a.Status)
		}
	}
	if q := e.queueNow("mail"); q.Paused || q.Dead != 3 || q.Scheduled != 2 {
		t.Errorf("%+v", q)
	}
}
