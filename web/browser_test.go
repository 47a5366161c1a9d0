package web_test

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/tasuki-dev/tasuki"
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
	t.Run("Live", func(t *testing.T) { testLive(t, browser) })
	t.Run("Keys", func(t *testing.T) { testKeys(t, browser) })
	t.Run("Forms", func(t *testing.T) { testForms(t, browser) })
	t.Run("Marks", func(t *testing.T) { testMarks(t, browser) })
}

// testLive: an open page changes by itself and keeps what is typed into it, and a hidden page
// listens to nothing.
func testLive(t *testing.T, browser *chromium) {
	e := setup(t, &web.Config{Authorize: all})
	e.enqueue(tasuki.Opts{Queue: "mail"}, 1)
	p := browser.open(t, 1280, 800, false, english)
	p.visit(e.url("queues"))
	p.wait("the stream", `document.querySelector('#livestate').textContent === 'Live'`)
	p.eval(`window.kept = document.querySelector('#live table'); document.body.dataset.mark = 'same page'`, nil)
	e.enqueue(tasuki.Opts{Queue: "mail"}, 41)
	p.wait("what is new", `[...document.querySelectorAll('#live td')].some(td => td.textContent === '42')`)
	p.wait("the same page", `document.body.dataset.mark === 'same page' && document.querySelector('#live table') === window.kept`)

	p.eval(`(() => { const find = document.querySelector('[type=search]'); find.focus(); find.value = 'typed' })()`, nil)
	e.enqueue(tasuki.Opts{Queue: "later"}, 1)
	p.eval(`new Promise(done => { const s = new EventSource('live'); let n = 0; s.addEventListener('look', () => { if (++n === 2) { s.close(); done() } }) })`, nil)
	p.wait("what was typed", `document.querySelector('[type=search]').value === 'typed'`)
	p.eval(`document.activeElement.blur()`, nil)
	p.wait("the new queue", `document.querySelector('a[href="queue?name=later"]')`)

	// The page thinks that it is hidden.
	p.eval(`Object.defineProperty(document, 'hidden', { value: true, configurable: true }); document.dispatchEvent(new Event('visibilitychange'))`, nil)
	redistest.WaitFor(t, "the end of the stream", func() error {
		if n := e.dashboard.Streams(); n != 0 {
			return fmt.Errorf("%d streams", n)
		}
		return nil
	})
	p.eval(`delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))`, nil)
	redistest.WaitFor(t, "the stream", func() error {
		if n := e.dashboard.Streams(); n != 1 {
			return fmt.Errorf("%d streams", n)
		}
		return nil
	})
	for _, trouble := range p.troubles() {
		t.Error(trouble)
	}
}

// testKeys goes through the pages without a mouse.
func testKeys(t *testing.T, browser *chromium) {
	e := setup(t, &web.Config{Authorize: all})
	jobs := e.enqueue(tasuki.Opts{Queue: "mail"}, 3)
	p := browser.open(t, 1280, 800, true, english)
	p.visit(e.url(""))
	p.press("g", "j")
	p.waitLoad()
	p.wait("the jobs", `document.querySelectorAll('tr[data-row]').length === 3`)
	p.press("j", "j", "x")
	p.wait("the second", `[...document.querySelectorAll('input[name=job]')].map(b => b.checked).join() === 'false,true,false' && document.querySelector('#selected').textContent === 'selected: 1'`)
	p.press("k", "Enter")
	p.waitLoad()
	p.wait("the first", fmt.Sprintf(`document.querySelector('main .mono').textContent === %q`, jobs[0]))
	p.press("?")
	p.wait("the help", `document.querySelector('#help').open && document.querySelector('#help').contains(document.activeElement)`)
	p.press("Escape")
	p.wait("its end", `!document.querySelector('#help').open`)
	p.press("g", "q")
	p.waitLoad()
	p.press("/")
	p.wait("the search", `document.activeElement.matches('[type=search]')`)
	p.press("m", "a", "i", "Enter")
	p.waitLoad()
	p.wait("what was found", `location.search.includes('find=mai') && document.querySelectorAll('tr[data-row]').length === 1`)
	for _, trouble := range p.troubles() {
		t.Error(trouble)
	}
}

// testForms: a form of ours passes the protection against those of others, and a choice is kept.
func testForms(t *testing.T, browser *chromium) {
	e := setup(t, &web.Config{Authorize: all})
	e.enqueue(tasuki.Opts{Queue: "mail"}, 3)
	p := browser.open(t, 390, 844, false, english)
	p.visit(e.url("queue?name=mail"))
	p.eval(`document.querySelector('form[action=queue-pause] button').click()`, nil)
	p.waitLoad()
	p.wait("the pause", `document.querySelector('form[action=queue-resume]')`)
	p.eval(`(() => { const s = document.querySelector('select[name=theme]'); s.value = 'dark'; s.dispatchEvent(new Event('change', { bubbles: true })) })()`, nil)
	p.waitLoad()
	p.wait("the dark", `document.documentElement.dataset.theme === 'dark' && getComputedStyle(document.body).backgroundColor === 'rgb(20, 23, 28)'`)
	p.visit(e.url("jobs?q=queue:mail"))
	p.wait("times that are not broken", `document.querySelectorAll('td time').length === 3 && [...document.querySelectorAll('td time')].every(time => time.getClientRects().length === 1)`)
	// On a phone all of a job is in sight, and rows are low.
	p.wait("rows in sight", `[...document.querySelectorAll('tr[data-row], tr[data-row] > *')].every(e => e.getBoundingClientRect().right <= innerWidth)`)
	p.wait("low rows", `[...document.querySelectorAll('tr[data-row]')].every(row => row.clientHeight < 110)`)
	p.wait("the word beside the box", `document.querySelector('#select-all').labels[0].clientHeight > 10 && document.querySelector('#select-all').labels[0].clientWidth > 100`)
	p.wait("the whole menu", `[...document.querySelectorAll('header nav a')].every(a => a.getBoundingClientRect().right <= innerWidth)`)
	p.eval(`document.querySelector('#select-all').click(); document.querySelector('button[formaction=jobs-remove]').click()`, nil)
	p.waitLoad()
	p.wait("the question", `document.querySelector('h1').textContent === 'Remove 3 jobs for good?'`)
	p.eval(`document.querySelector('main button').click()`, nil)
	p.waitLoad()
	p.wait("the end", `document.querySelector('.notice').textContent.includes('done: 3')`)
	// A job like one that is there. What an impatient hand sends a second time is not sent.
	e.enqueue(tasuki.Opts{Queue: "other", ID: "a", Record: true}, 1)
	p.visit(e.url("job?id=other/a"))
	p.eval(`document.querySelector('a[href^=enqueue]').click()`, nil)
	p.waitLoad()
	var again bool
	p.eval(`(() => { document.querySelector('#f-args').value = '[1, 2]'; document.querySelector('main button').click(); return document.querySelector('main form').dispatchEvent(new Event('submit', { bubbles: true, cancelable: true })) })()`, &again)
	if again {
		t.Error("a form is sent twice")
	}
	p.waitLoad()
	p.wait("the new job", `location.pathname.endsWith('/job') && document.querySelector('[aria-labelledby=args] pre').textContent.replace(/\s/g, '') === '[1,2]'`)
	if q := e.queueNow("other"); q.Ready != 2 {
		t.Errorf("%+v", q)
	}
	for _, trouble := range p.troubles() {
		t.Error(trouble)
	}
}

// testMarks: a deploy is a line with its name on the charts, drawn with JavaScript and without, and
// a line of text.
func testMarks(t *testing.T, browser *chromium) {
	e := setup(t, nil)
	e.enqueue(tasuki.Opts{Queue: "mail"}, 1)
	if _, err := e.inspector.As("ci").Mark(t.Context(), "deploy of the mailer", "v1.2.3"); err != nil {
		t.Fatal(err)
	}
	body := e.get("metrics")
	if !strings.Contains(body, `<line class="mark" x1="100.00%"`) || !strings.Contains(body, ">v1.2.3</text>") || !strings.Contains(body, "<strong>v1.2.3</strong> deploy of the mailer <small>ci</small>") {
		t.Errorf("%s", body)
	}
	if body := e.get("metrics?queue=mail&span=90d"); !strings.Contains(body, ">v1.2.3</text>") {
		t.Errorf("%s", body)
	}
	p := browser.open(t, 390, 844, false, english)
	p.must(p.session, "Page.addScriptToEvaluateOnNewDocument", map[string]any{"source": `
		window.drawn = []
		const fillText = CanvasRenderingContext2D.prototype.fillText
		CanvasRenderingContext2D.prototype.fillText = function (text, x) { drawn.push(text); fillText.apply(this, arguments) }`}, nil)
	p.must(p.session, "Emulation.setTimezoneOverride", map[string]any{"timezoneId": "Asia/Tokyo"}, nil)
	p.visit(e.url("metrics"))
	// The last hour, in UTC as all times of the pages.
	p.wait("times", `drawn.some(text => /^\d\d:\d\d$/.test(text))`)
	p.wait("times of UTC", `drawn.filter(text => /^\d\d:\d\d$/.test(text)).every(text => (new Date().getUTCHours() - text.slice(0, 2) + 24) % 24 < 2)`)
	p.wait("the name on both charts", `drawn.filter(text => text === 'v1.2.3').length >= 2`)
	p.visit(e.url(""))
	p.wait("a line", `document.querySelector('.spark polyline')`)
	if _, err := e.inspector.Mark(t.Context(), "deploy of the mailer", "v1.2.4"); err != nil {
		t.Fatal(err)
	}
	p.wait("the name on the line", `document.querySelector('.spark text.mark')?.textContent === 'v1.2.4' && document.querySelector('.marks strong').textContent === 'v1.2.4'`)
	p.wait("its place", `(() => { const t = document.querySelector('.spark text.mark').getBoundingClientRect(), s = document.querySelector('.spark').getBoundingClientRect(); return t.left >= s.left && t.right <= s.right && t.width > 20 })()`)
	for _, trouble := range p.troubles() {
		t.Error(trouble)
	}
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
		"queue":     {"?name=mail", "?name=paused", "?name=raw", "?name=none"},
		"queues":    {"", "?sort=dead&find=" + url.QueryEscape("a")},
		"jobs":      {"?q=state:dead,done,parked", "", "?q=" + url.QueryEscape(`"unclosed`), "?q=&did=retry&done=3&skipped=1&refused=1&cut=1", "?q=kind:none"},
		"locks":     {"?queue=mail"},
		"failures":  {"", "?fingerprint=none&queue=mail"},
		"operation": {"?id=" + e.operation},
		"metrics":   {"", "?span=7d&queue=mail"},
		"schedule":  {"?name=nightly"},
		"worker":    {"?id=" + worker, "?id=zz-evil"},
		"job-edit":  {"?id=" + url.QueryEscape(addresses["retry"])},
		"enqueue":   {"?from=" + url.QueryEscape(addresses["panic"]), "", "?kind=" + url.QueryEscape(evil) + "&enqueued=" + url.QueryEscape(addresses["bare"]) + "&existed=1", "?from=raw/none"},
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

var english = map[string]string{"Accept-Language": "en"}
