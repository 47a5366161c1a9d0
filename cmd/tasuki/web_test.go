package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// web starts the dashboard, and returns where it is.
func (e *env) web(vars []string, args ...string) (*process, string) {
	e.t.Helper()
	cmd := e.command(append([]string{"web", "--listen", "127.0.0.1:0"}, args...)...)
	cmd.Env = append(cmd.Env, vars...)
	p := start(e.t, cmd)
	p.waitOutput("the dashboard is at http://")
	url := regexp.MustCompile(`http://\S+`).FindString(p.stdout.String())
	return p, url
}

func fetch(t *testing.T, method, url string, change func(*http.Request)) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader("name=mail"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if change != nil {
		change(r)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestWeb(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.enqueue("email.welcome", "1", tasuki.Opts{Queue: "mail"})
		p, url := e.web(nil, "--name", "staging", "--prefix", "/ops/jobs")
		if !strings.HasSuffix(url, "/ops/jobs/") {
			t.Fatalf("it is at %s", url)
		}
		if status, body := fetch(t, http.MethodGet, url+"queue?name=mail", nil); status != http.StatusOK || !strings.Contains(body, "staging") {
			t.Errorf("%d: %s", status, body)
		}
		if status, _ := fetch(t, http.MethodPost, url+"queue-pause", nil); status != http.StatusForbidden {
			t.Errorf("it is not read-only: %d", status)
		}
		if status, _ := fetch(t, http.MethodGet, url, func(r *http.Request) { r.Host = "evil.example.com" }); status != http.StatusMisdirectedRequest {
			t.Errorf("by another name: %d", status)
		}
		// A live page does not keep it from ending.
		response, err := http.Get(url + "live") //nolint:noctx // it ends with the process
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		p.signal(syscall.SIGTERM)
		if code := p.wait(); code != exitOK {
			t.Errorf("it ends with %d", code)
		}
	})
}

func TestWebWrite(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.enqueue("email.welcome", "1", tasuki.Opts{Queue: "mail"})
	_, url := e.web(nil, "--write")
	if status, body := fetch(t, http.MethodPost, url+"queue-pause", nil); status != http.StatusSeeOther || !e.queue("mail").Paused {
		t.Errorf("%d: %s", status, body)
	}
}

func TestWebAccounts(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.enqueue("email.welcome", "1", tasuki.Opts{Queue: "mail"})
	const accounts = "ada view,pause correct-horse\nbob view password-of-bob\n"
	file := filepath.Join(t.TempDir(), "accounts")
	if err := os.WriteFile(file, []byte(accounts), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, given := range []struct{ vars, args []string }{{[]string{authEnv + "=" + accounts}, nil}, {nil, []string{"--auth-file", file}}} {
		_, url := e.web(given.vars, given.args...)
		for _, test := range []struct {
			name, password, method string
			want                   int
		}{{"", "", http.MethodGet, 401}, {"ada", "wrong-horses", http.MethodGet, 401}, {"bob", "password-of-bob", http.MethodGet, 200}, {"bob", "password-of-bob", http.MethodPost, 403}, {"ada", "correct-horse", http.MethodPost, 303}} {
			page := map[string]string{http.MethodGet: "about", http.MethodPost: "queue-pause"}[test.method]
			status, body := fetch(t, test.method, url+page, func(r *http.Request) {
				if test.name != "" {
					r.SetBasicAuth(test.name, test.password)
				}
			})
			if status != test.want {
				t.Errorf("%+v: %d: %s", test, status, body)
			}
		}
	}
	if q := e.queue("mail"); q.PausedBy != "ada" {
		t.Errorf("%+v", q)
	}
}

func TestWebRefusals(t *testing.T) {
	t.Parallel()
	e := setup(t)
	empty := filepath.Join(t.TempDir(), "accounts")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"--insecure-listen":              {"--listen", "0.0.0.0:0"},
		"without accounts everybody":     {"--listen", ":0"},
		"--listen: \"nothing\": allowed": {"--listen", "nothing"},
		"--color: \"pink\": allowed are": {"--color", "pink"},
		"--name: 50 bytes":               {"--name", strings.Repeat("x", 50)},
		"--prefix: \"/a/../b\": allowed": {"--prefix", "/a/../b"},
		"--auth-file: open":              {"--auth-file", empty + "-not"},
		"there is none: allowed are":     {"--auth-file", empty},
		"--trusted-origin":               {"--trusted-origin", "example.com"},
		"--trace-url":                    {"--trace-url", "https://example.com"},
	} {
		if r := e.tasuki(append([]string{"web"}, args...)...); r.code != exitUsage || !strings.Contains(r.stderr, want) {
			t.Errorf("%q: %d: %s, want %s", args, r.code, r.stderr, want)
		}
	}
}

// TestWebAway: it begins also while Redis is away, shows no password, and heals.
func TestWebAway(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	e := &env{t: t, namespace: redistest.Namespace(t), urls: map[string]string{}}
	e.urls["operator"] = server.As(t, "operator", e.namespace)
	server.Kill()
	_, url := e.web(nil)
	status, body := fetch(t, http.MethodGet, url, nil)
	if status != http.StatusServiceUnavailable || !strings.Contains(body, "Redis does not answer") || strings.Contains(body, "p@ss") || strings.Contains(body, "p%40ss") {
		t.Errorf("%d: %s", status, body)
	}
	server.Restart(t)
	server.As(t, "operator", e.namespace)
	redistest.WaitFor(t, "healing", func() error {
		if status, body := fetch(t, http.MethodGet, url, nil); status != http.StatusOK {
			return fmt.Errorf("%d: %s", status, body)
		}
		return nil
	})
}
