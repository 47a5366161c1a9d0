package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tasuki-dev/tasuki/internal/legible"
)

//go:embed templates
var templateFiles embed.FS

// pages are the templates, each with the layout around it.
var pages = sync.OnceValue(func() map[string]*template.Template {
	funcs := template.FuncMap{"asset": assetURL, "count": count, "bytes": size, "rate": rate, "duration": legible.Duration, "quantile": legible.Rough, "query": query, "since": since,
		"stamp": stamp, "clock": clock, "short": short, "percent": percent, "term": term,
		"bytes64": func(n int) string { return size(int64(n)) }, "sub": func(a, b int) int { return a - b }}
	base := template.Must(template.New("layout.html").Funcs(funcs).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html"))
	all := map[string]*template.Template{}
	names, _ := fs.Glob(templateFiles, "templates/*.html")
	for _, name := range names {
		if key := strings.TrimSuffix(path.Base(name), ".html"); key != "layout" && key != "parts" {
			all[key] = template.Must(template.Must(base.Clone()).ParseFS(templateFiles, name))
		}
	}
	return all
})

// view is what a template sees.
type view struct {
	*call
	Name  string // of the template
	Title string
	Data  any
}

// link is an entry of the navigation.
type link struct{ Page, Href, Key string }

// navigation is in the order of the pages; with g and Key one goes there.
var navigation = []link{
	{"overview", "./", "o"},
	{"queues", "queues", "q"},
	{"jobs", "jobs", "j"},
	{"failures", "failures", "f"},
	{"schedules", "schedules", "s"},
	{"workers", "workers", "w"},
	{"metrics", "metrics", "m"},
	{"operations", "operations", "p"},
	{"audit", "audit", "u"},
	{"redis", "redis", "r"},
	{"about", "about", "a"},
}

func (v *view) Navigation() []link { return navigation }

// of are pages that belong to one of the navigation.
var of = map[string]string{"queue": "queues", "locks": "queues", "job": "jobs", "edit": "jobs", "enqueue": "jobs", "schedule": "schedules", "worker": "workers", "operation": "operations"}

// Here tells whether a link of the navigation is that of this page.
func (v *view) Here(page string) bool {
	return page == v.Name || page == of[v.Name]
}

func (v *view) Config() *Config     { return &v.d.cfg }
func (v *view) Live() bool          { return v.live }
func (v *view) Away() *outage       { return v.outage }
func (v *view) Lang() string        { return v.lang }
func (v *view) Languages() []string { return languages }
func (v *view) Themes() []string    { return themes }
func (v *view) Theme() string       { return themeOf(v.r) }
func (v *view) Actor() *Actor       { return &v.actor }

// Ago is how long ago a time is, to the second.
func (v *view) Ago(t time.Time) string {
	return v.T("page.ago", legible.Duration(max(0, since(t)).Round(time.Second)))
}

// Word is a word of Redis, such as what became of a run, as readers have it, if there is a text for it.
func (v *view) Word(prefix string, word any) string {
	text := fmt.Sprint(word)
	if _, ok := messages[v.lang][prefix+text]; ok {
		return v.T(prefix + text)
	}
	return short(100, text)
}

// payloadView is a payload with its name.
type payloadView struct {
	V     *view
	Label string
	P     payload
}

// Payload is for the template of that name.
func (v *view) Payload(label string, p payload) payloadView { return payloadView{v, v.T(label), p} }

// Color is that of the badge.
func (v *view) Color() string {
	if v.d.cfg.Color == "" {
		return colors[0]
	}
	return v.d.cfg.Color
}

// Back is this page, for forms that return to it.
func (v *view) Back() string {
	if v.r.Method != http.MethodGet {
		return "./"
	}
	back := "./" + strings.TrimPrefix(v.r.URL.Path, "/")
	if v.r.URL.RawQuery != "" {
		back += "?" + v.r.URL.RawQuery
	}
	return back
}

func (c *call) render(status int, name, title string, data any) {
	v := &view{call: c, Name: name, Title: title, Data: data}
	var out bytes.Buffer
	if err := pages()[name].ExecuteTemplate(&out, "layout.html", v); err != nil {
		c.d.log.Error("tasuki: the dashboard cannot show a page", "page", name, "error", err)
		http.Error(c.w, "this page cannot be shown: the log says why", http.StatusInternalServerError)
		return
	}
	h := c.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", c.lang)
	h.Set("Vary", "Cookie, Accept-Language")
	h.Set("Content-Length", strconv.Itoa(out.Len()))
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead {
		_, _ = c.w.Write(out.Bytes()) // who has gone away needs nothing
	}
}

// query makes ?name=value&… of names and values.
func query(pairs ...string) template.URL {
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			values.Add(pairs[i], pairs[i+1])
		}
	}
	return template.URL("?" + values.Encode()) //nolint:gosec // Encode leaves nothing that could end an attribute
}
