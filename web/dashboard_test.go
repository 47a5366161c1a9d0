package web_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/web"
)

var number = tasuki.Define[int]("number")

func TestOverview(t *testing.T) {
	e := setup(t, nil)
	if _, err := number.With(tasuki.Opts{Queue: "mail"}).Enqueue(t.Context(), e.client, 1); err != nil {
		t.Fatal(err)
	}
	for page, want := range map[string]string{"": "No worker", "queues": "queue?name=mail", "queue?name=mail": "<h1>mail", "about": "go1."} {
		if body := e.get(page); !strings.Contains(body, want) {
			t.Errorf("page %q lacks %q: %s", page, want, body)
		}
	}
	if a := e.do(e.request(http.MethodGet, "queue?name=none", "")); a.StatusCode != http.StatusNotFound {
		t.Errorf("a queue that is not there: %s", a.Status)
	}
}

// TestOverviewNow: what failed lately is there with how long ago, and leads to its jobs; what failed
// before is a number; and what there is no room for is a number with a link.
func TestOverviewNow(t *testing.T) {
	t.Parallel()
	e := setupOn(t, redistest.Start(t), &web.Config{Authorize: all})
	for n := range 13 {
		name := fmt.Sprintf("queue%02d", n)
		e.enqueue(tasuki.Opts{Queue: name}, 1)
		if n < 12 {
			if err := e.inspector.Pause(t.Context(), name, "ada"); err != nil {
				t.Fatal(err)
			}
		}
	}
	now := time.Now()
	e.dashboard.ShowFailures([]inspect.Failure{{Fingerprint: "new", Kind: "fresh", Last: now.Add(-3 * time.Minute)}, {Fingerprint: "old", Kind: "stale", Last: now.Add(-11 * time.Minute)}})
	for lang, wants := range map[string][]string{
		"en": {"Failing in the last 10 minutes", "and 1 failure that was last seen before", "and 2 more queues"},
		"ja": {"直近 10 分間の失敗", "ほか、それ以前の失敗 1 件", "ほか 2 件のキュー"},
	} {
		r := e.request(http.MethodGet, "", "")
		r.Header.Set("Accept-Language", lang)
		body := e.do(r).body
		for _, want := range append(wants, "fingerprint%3Anew", `href="queues?only=paused"`) {
			if !strings.Contains(body, want) {
				t.Errorf("%s: %q is not in %s", lang, want, body)
			}
		}
		if ago := regexp.MustCompile(`UTC">3m[0-9]*s?( ago| 前)</time>`); !ago.MatchString(body) || strings.Contains(body, "stale") {
			t.Errorf("%s: %s", lang, body)
		}
	}
	if body := e.get("queues?only=paused"); strings.Count(body, "<tr data-row") != 12 {
		t.Errorf("%s", body)
	}
	if body := e.get("queues?only=deserted"); strings.Count(body, "<tr data-row") != 1 || !strings.Contains(body, "queue12") {
		t.Errorf("%s", body)
	}
}

// TestWhyLine: of an error of many lines, the sentence of why a job is where it is has the first.
func TestWhyLine(t *testing.T) {
	e := setup(t, nil)
	e.populate()
	_, why, _ := strings.Cut(e.get("job?id=mail%2Fpanics"), `id="why"`)
	if why, _, _ = strings.Cut(why, "</section>"); !strings.Contains(why, "out of attempts: panic: ") || strings.Contains(why, "_test.go") || !strings.Contains(why, " … It runs again") {
		t.Errorf("%s", why)
	}
}
