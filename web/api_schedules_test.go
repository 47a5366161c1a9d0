package web_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/cron"
	"github.com/tasuki-dev/tasuki/web"
)

func TestAPISetSchedule(t *testing.T) {
	rights := web.Rights
	e := setup(t, &web.Config{Authorize: func(*http.Request) (web.Actor, error) { return web.Actor{Name: "ada", Rights: rights}, nil }})
	const whole = `{"expr":"30 2 * * *","zone":"Europe/Berlin","kind":"report","args":{"n":1.50},"opts":{"queue":"reports","timeout":"1m"},"jitter":"10m","missed":"all","missed_most":3,"overlap":"allow","start":"2100-01-01T00:00:00Z","end":"2101-01-01T00:00:00Z"}`
	e.good("PUT", "/schedules/nightly", whole, nil)
	e.good("POST", "/schedules/nightly/pause", "", nil)
	e.good("PUT", "/schedules/nightly", whole, nil)
	table := cron.New(e.client)
	s, err := table.Get(t.Context(), "nightly")
	if err != nil || !s.Paused || s.Zone != "Europe/Berlin" || string(s.Args) != `{"n":1.50}` || s.Opts.Timeout != time.Minute || s.Jitter != 10*time.Minute || s.MissedMost != 3 || s.Overlap != cron.OverlapAllow || s.Start.Year() != 2100 || s.End.Year() != 2101 {
		t.Errorf("%+v %v", s, err)
	}
	e.good("PUT", "/schedules/nightly", `{"expr":"@daily","kind":"report"}`, nil)
	if s, err = table.Get(t.Context(), "nightly"); err != nil || !s.Paused || s.Zone != "" || s.Args != nil || s.Jitter != 0 || !s.End.IsZero() {
		t.Errorf("%+v %v", s, err)
	}
	for body, field := range map[string]string{
		`{}`: "expr", `{"expr":"every day","kind":"k"}`: "expr", `{"expr":"@daily"}`: "kind", `{"expr":"@daily","kind":"k","zone":"Mars/Olympus"}`: "zone",
		`{"expr":"@daily","kind":"k","jitter":"48h"}`: "jitter", `{"expr":"@daily","kind":"k","missed":"x"}`: "missed", `{"expr":"@daily","kind":"k","overlap":"x"}`: "overlap",
		`{"expr":"@daily","kind":"k","opts":{"queue":"a b"}}`: "opts.queue", `{"expr":"@daily","kind":"k","opts":{"id":"a"}}`: "opts", `{"expr":"@daily","kind":"k","opts":{"unique":{"mode":"x"}}}`: "opts.unique.mode",
		`{"expr":"@daily","kind":"k","end":"2000-01-01T00:00:00Z","start":"2001-01-01T00:00:00Z"}`: "end",
	} {
		e.fails("PUT", "/schedules/nightly", body, 400, "invalid", field)
	}
	e.fails("PUT", "/schedules/a%20b", `{"expr":"@daily","kind":"k"}`, 400, "invalid", "name")
	if _, err := table.Declare(t.Context(), cron.Declared{Name: "app", Revision: 1, Entries: []cron.Entry{{Name: "mine", Expr: "@daily", Kind: "k"}}}); err != nil {
		t.Fatal(err)
	}
	e.fails("PUT", "/schedules/mine", `{"expr":"@hourly","kind":"k"}`, 409, "declared", "")
	e.good("DELETE", "/schedules/nightly", "", nil)
	e.fails("DELETE", "/schedules/nightly", "", 404, "not_found", "")
	a := e.fails("PATCH", "/schedules/nightly", "", 405, "method", "")
	if got := a.Header.Get("Allow"); got != "GET, PUT, DELETE" {
		t.Errorf("%q", got)
	}
	// Who may not enqueue cannot have a schedule do it.
	rights = slices.DeleteFunc(slices.Clone(web.Rights), func(r web.Right) bool { return r == web.Enqueue })
	e.fails("PUT", "/schedules/nightly", whole, 403, "forbidden", "")
}
