package web_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/web"
)

func TestMain(m *testing.M) {
	var w benchWorker
	if redistest.Self(benchEnv, &w) {
		os.Exit(w.main())
	}
	var t benchTabs
	if redistest.Self(tabsEnv, &t) {
		os.Exit(t.main())
	}
	redistest.Main(m)
}

// env is a dashboard over a namespace of its own, as the user whom deploy/acl has for it.
type env struct {
	t         *testing.T
	namespace string
	server    *redistest.Server
	client    *tasuki.Client // a worker's
	inspector *inspect.Inspector
	dashboard *web.Dashboard
	http      *httptest.Server
	operation string // that populate has begun
}

// all may do everything.
func all(*http.Request) (web.Actor, error) { return web.Actor{Name: "ada", Rights: web.Rights}, nil }

func setup(t *testing.T, cfg *web.Config) *env {
	t.Helper()
	t.Parallel()
	return setupOn(t, redistest.Shared(t), cfg)
}

func setupOn(t *testing.T, server *redistest.Server, cfg *web.Config) *env {
	t.Helper()
	e := &env{t: t, namespace: redistest.Namespace(t), server: server}
	e.client = e.open(e.server.As(t, "worker", e.namespace))
	e.inspector = inspect.New(e.open(e.server.As(t, "operator", e.namespace)))
	e.serve(e.server.As(t, "operator", e.namespace), cfg)
	return e
}

// serve starts a dashboard with the server's user of a URL, in place of the one that there is.
func (e *env) serve(redisURL string, cfg *web.Config) {
	e.t.Helper()
	if cfg == nil {
		cfg = &web.Config{}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	client := e.open(redisURL)
	var err error
	if e.dashboard, err = web.Handler(client, cfg); err != nil {
		e.t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/deep/down/", http.StripPrefix("/deep/down", e.dashboard))
	e.http = httptest.NewServer(mux)
	e.t.Cleanup(e.http.Close)
	e.t.Cleanup(e.dashboard.Close)
}

func (e *env) open(url string) *tasuki.Client {
	e.t.Helper()
	client, err := tasuki.Open(url, &tasuki.ClientConfig{Namespace: e.namespace, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(client.Close)
	return client
}

// url is where a page is.
func (e *env) url(page string) string { return e.http.URL + "/deep/down/" + page }

// answer is what came back.
type answer struct {
	*http.Response
	body string
}

func (e *env) do(r *http.Request) answer {
	e.t.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Transport: e.http.Client().Transport}
	response, err := client.Do(r)
	if err != nil {
		e.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return answer{response, string(body)}
}

func (e *env) request(method, page, body string) *http.Request {
	e.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, e.url(page), strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

// get returns a page, which has to be there.
func (e *env) get(page string) string {
	e.t.Helper()
	a := e.do(e.request(http.MethodGet, page, ""))
	if a.StatusCode != http.StatusOK {
		e.t.Fatalf("GET %s: %s: %s", page, a.Status, a.body)
	}
	return a.body
}

// post sends a form: names and values.
func (e *env) post(page string, pairs ...string) answer {
	e.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return e.do(e.request(http.MethodPost, page, form.Encode()))
}
