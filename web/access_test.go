package web_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tasuki-dev/tasuki/web"
)

func nobody(*http.Request) (web.Actor, error) { return web.Actor{}, web.ErrUnknown }

func parts(pattern string) (method, page string) {
	method, path, _ := strings.Cut(pattern, " /")
	return method, strings.TrimSuffix(path, "{$}")
}

// TestRights goes through all routes: none lets in who has not its right, and none that
// changes something is content with View.
func TestRights(t *testing.T) {
	var rights []web.Right
	var refuse error
	e := setup(t, &web.Config{Authorize: func(*http.Request) (web.Actor, error) { return web.Actor{Rights: rights}, refuse }})
	harmless := []string{"POST /settings"}
	for _, rt := range web.Routes() {
		method, page := parts(rt.Pattern)
		if method != http.MethodGet && rt.Right == web.View && !slices.Contains(harmless, rt.Pattern) {
			t.Errorf("%s: it is for everybody who may look", rt.Pattern)
		}
		if !slices.Contains(web.Rights, rt.Right) {
			t.Errorf("%s: its right is %q", rt.Pattern, rt.Right)
		}
		for _, test := range []struct {
			rights []web.Right
			refuse error
			want   int
		}{
			{nil, nil, 403},
			{slices.DeleteFunc(slices.Clone(web.Rights), func(r web.Right) bool { return r == rt.Right }), nil, 403},
			{[]web.Right{rt.Right}, map[bool]error{true: errors.New("not from there"), false: nil}[rt.Right == web.View], 403}, // another right without View is none
			{web.Rights, web.ErrUnknown, 401},
		} {
			rights, refuse = test.rights, test.refuse
			if a := e.do(e.request(method, page, "")); a.StatusCode != test.want {
				t.Errorf("%s with %v (%v): %s, want %d", rt.Pattern, test.rights, test.refuse, a.Status, test.want)
			}
		}
	}
}

// TestReadOnly: without an Authorize nobody changes anything.
func TestReadOnly(t *testing.T) {
	e := setup(t, nil)
	for _, rt := range web.Routes() {
		method, page := parts(rt.Pattern)
		if rt.Right == web.View {
			continue
		}
		if a := e.do(e.request(method, page, "")); a.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s", rt.Pattern, a.Status)
		}
	}
}

func TestCrossOrigin(t *testing.T) {
	e := setup(t, &web.Config{Authorize: all, TrustedOrigins: []string{"https://jobs.example.com"}})
	for _, rt := range web.Routes() {
		method, page := parts(rt.Pattern)
		if method == http.MethodGet {
			continue
		}
		for name, value := range map[string]string{"Origin": "https://example.com", "Sec-Fetch-Site": "cross-site"} {
			r := e.request(method, page, "")
			r.Header.Set(name, value)
			if a := e.do(r); a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "docs/dashboard.md") {
				t.Errorf("%s from %s: %s", rt.Pattern, value, a.Status)
			}
		}
		r := e.request(method, page, "")
		r.Header.Set("Origin", "https://jobs.example.com")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		if a := e.do(r); a.StatusCode == http.StatusForbidden {
			t.Errorf("%s from a trusted origin: %s", rt.Pattern, a.Status)
		}
	}
}

func TestHosts(t *testing.T) {
	e := setup(t, &web.Config{Hosts: []string{"localhost", "::1"}})
	for host, want := range map[string]int{"localhost": 200, "LocalHost:8270": 200, "[::1]:80": 200, "[::1]": 200, "example.com": 421, "localhost.example.com": 421, "127.0.0.1:80": 421, "": 200} {
		r := e.request(http.MethodGet, "about", "")
		r.Host = host
		if host == "" { // as the client fills it in
			r.Host = "localhost"
		}
		if a := e.do(r); a.StatusCode != want {
			t.Errorf("%q: %s", host, a.Status)
		}
	}
}

func TestHeaders(t *testing.T) {
	e := setup(t, &web.Config{Authorize: nobody, Challenge: true})
	for _, page := range []string{"", "nothing", "static/none", "live"} {
		a := e.do(e.request(http.MethodGet, page, ""))
		for name, want := range map[string]string{"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "same-origin"} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%q: %s is %q", page, name, got)
			}
		}
		csp := a.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'; script-src 'self'; style-src 'self';") || strings.Contains(csp, "unsafe") {
			t.Errorf("%q: %s", page, csp)
		}
		if page == "" && !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("nobody is asked for a password: %v", a.Header)
		}
	}
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	const sum = "sha256:5b722b307fce6c944905d132691d5e4a2214b7fe92b738920eb3fce3a90420a19" // one digit too many
	for text, want := range map[string]string{
		"":                               "there is none",
		"# only a comment":               "there is none",
		"ada all":                        "line 1: 2 words",
		"\nada everything correct-horse": `line 2: right "everything": allowed are all, or some of view,pause`,
		"ada view short":                 "secret: allowed are 12 to 1024 bytes",
		"ada view correct-horse\nada view correct-horse2": "twice",
		"a:b view correct-horse":                          "colon",
		"ada view " + sum:                                 "64 hexadecimal digits",
		"ada view sha256:12":                              "64 hexadecimal digits",
	} {
		_, err := web.ReadAccounts(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "correct") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	accounts, err := web.ReadAccounts(strings.NewReader(fmt.Sprintf("ada all correct-horse\n\n# programs\ngrafana view,retry sha256:%x\nbob view password-of-bob\n", sha256.Sum256([]byte("long-token")))))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, password, token, want string
		rights                      int
	}{
		{"ada", "correct-horse", "", "ada", len(web.Rights)},
		{"bob", "password-of-bob", "", "bob", 1},
		{"bob", "correct-horse", "", "", 0},
		{"ada", "", "", "", 0},
		{"", "correct-horse", "", "", 0},
		{"", "", "correct-horse", "ada", len(web.Rights)},
		{"", "", "long-token", "grafana", 2},
		{"", "", "correct-hors", "", 0},
		{"", "", strings.Repeat("x", 5000), "", 0},
		{"", "", "", "", 0},
	} {
		r, _ := http.NewRequest(http.MethodGet, "/", nil)
		switch {
		case test.token != "":
			r.Header.Set("Authorization", "bearer "+test.token)
		case test.name+test.password != "":
			r.SetBasicAuth(test.name, test.password)
		}
		actor, err := accounts.Authorize(r)
		if actor.Name != test.want || len(actor.Rights) != test.rights || (test.want == "") != errors.Is(err, web.ErrUnknown) {
			t.Errorf("%+v: %+v, %v", test, actor, err)
		}
	}
}

func TestConfig(t *testing.T) {
	e := setup(t, nil)
	for want, cfg := range map[string]web.Config{
		`Color: "pink": allowed are gray, red`: {Color: "pink"},
		"Name: 41 bytes":                       {Name: strings.Repeat("x", 41)},
		"TraceURL":                             {TraceURL: "javascript:{trace}"},
		"TrustedOrigins":                       {TrustedOrigins: []string{"example.com"}},
	} {
		if _, err := web.Handler(e.client, &cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}
