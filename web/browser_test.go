package web_test

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/web"
)

// TestBrowser is everything that needs a real browser, which is started once.
func TestBrowser(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it starts a browser")
	}
	browser := startChromium(t)
	t.Run("Pages", func(t *testing.T) { testPages(t, browser) })
}

// testPages looks at every page, full of hostile strings, on a phone and on a desktop, dark and
// light: no script of theirs runs, axe finds nothing, and a phone need not scroll sideways.
func testPages(t *testing.T, browser *chromium) {
	t.Parallel()
	// A server of its own: doctor asks for settings, which the user of the dashboard may not read.
	e := setupOn(t, redistest.Start(t), &web.Config{Authorize: all, Name: "production", Color: "red", TraceURL: "https://traces.example.com/{trace}?a=b"})
	addresses := e.populate()
	visits, everything := e.visits(addresses)
	axe, err := os.ReadFile("testdata/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, view := range []struct {
		name          string
		width, height int
		dark          bool
		lang          string
		everything    bool // also what differs in parameters only
	}{{"phone-light", 360, 800, false, "ja", false}, {"phone-dark", 390, 844, true, "en", true}, {"desktop-light", 1280, 800, false, "en", false}, {"desktop-dark", 1280, 800, true, "ja", false}} {
		t.Run(view.name, func(t *testing.T) {
			t.Parallel()
			visits := visits
			p := browser.open(t, view.width, view.height, view.dark, map[string]string{"Accept-Language": view.lang})
			p.must(p.session, "Page.addScriptToEvaluateOnNewDocument", map[string]any{"source": string(axe)}, nil)
			if view.everything {
				visits = everything
			}
			for _, page := range visits {
				p.visit(e.url(page))
				var seen struct {
					Title, Heading, Lang string
					Wide                 int
				}
				p.eval(`({title: document.title, heading: document.querySelector('h1')?.textContent || '', lang: document.documentElement.lang, wide: document.documentElement.scrollWidth - innerWidth})`, &seen)
				if seen.Lang != view.lang || strings.TrimSpace(seen.Heading) == "" || strings.Contains(seen.Title, "[") {
					t.Errorf("%s: %+v", page, seen)
				}
				if seen.Wide > 0 {
					t.Errorf("%s: it is %d pixels too wide", page, seen.Wide)
				}
				var violations []string
				p.eval(`axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.map(v => v.id + ': ' + v.help + ': ' + v.nodes.slice(0, 3).map(n => n.html.slice(0, 200) + ' ' + n.failureSummary).join(' | ')))`, &violations)
				for _, v := range violations {
					t.Errorf("%s: axe: %s", page, v)
				}
				for _, trouble := range p.troubles() {
					t.Errorf("%s: %s", page, trouble)
				}
			}
			for _, u := range p.requests {
				if !strings.HasPrefix(u, e.http.URL) {
					t.Errorf("it fetches %s", u)
				}
			}
		})
	}
}

// visits are all pages, and all pages with what their parameters can be.
func (e *env) visits(addresses map[string]string) (visits, everything []string) {
	e.t.Helper()
	worker := e.workerID()
	known := map[string][]string{
		"queue":    {"?name=mail", "?name=paused", "?name=raw", "?name=none"},
		"queues":   {"", "?sort=dead&find=" + url.QueryEscape("a")},
		"jobs":     {"?q=state:dead,done,parked", "", "?q=" + url.QueryEscape(`"unclosed`), "?q=&did=retry&done=3&skipped=1&refused=1&cut=1", "?q=kind:none"},
		"locks":    {"?queue=mail"},
		"schedule": {"?name=nightly"},
		"worker":   {"?id=" + worker, "?id=zz-evil"},
		"job-edit": {"?id=" + url.QueryEscape(addresses["retry"])},
	}
	known["job"] = []string{"?id=" + url.QueryEscape(addresses["panic"])}
	for _, address := range addresses {
		known["job"] = append(known["job"], "?id="+url.QueryEscape(address))
	}
	for _, rt := range web.Routes() {
		method, page := parts(rt.Pattern)
		if method != "GET" || page == "live" {
			continue
		}
		queries := known[page]
		if queries == nil {
			queries = []string{""}
		}
		visits = append(visits, page+queries[0])
		for _, query := range queries {
			everything = append(everything, page+query)
		}
	}
	return visits, append(everything, "nothing", fmt.Sprintf("queue?name=%s", url.QueryEscape(evil)))
}
