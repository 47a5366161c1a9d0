package web_test

import (
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tasuki-dev/tasuki/web"
)

var verb = regexp.MustCompile(`%[a-z]`)

func TestMessages(t *testing.T) {
	t.Parallel()
	all := web.Messages()
	for key, text := range all["en"] {
		other, ok := all["ja"][key]
		if of, one := strings.CutSuffix(key, ".one"); one && !ok { // a language without a singular
			other, ok = all["ja"][of]
		}
		if !ok || other == "" || text == "" {
			t.Errorf("%s: en %q, ja %q", key, text, other)
		}
		if !slices.Equal(verb.FindAllString(text, -1), verb.FindAllString(other, -1)) {
			t.Errorf("%s: %q and %q do not take the same arguments", key, text, other)
		}
	}
	for key := range all["ja"] {
		if _, ok := all["en"][key]; !ok {
			t.Errorf("%s: it is in ja and not in en", key)
		}
	}

	// What pages ask for is there, and what is there is asked for.
	var sources strings.Builder
	names, _ := fs.Glob(web.Templates(), "templates/*.html")
	for _, name := range names {
		text, _ := fs.ReadFile(web.Templates(), name)
		sources.Write(text)
	}
	goFiles, _ := filepath.Glob("*.go")
	for _, name := range goFiles {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sources.Write(text)
	}
	used := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?:\.T|msg) ?\(?"([a-z.]+)"`).FindAllStringSubmatch(sources.String(), -1) {
		if strings.HasSuffix(m[1], ".") {
			continue // the begin of some
		}
		used[m[1]] = true
		if _, ok := all["en"][m[1]]; !ok {
			t.Errorf("%s: it is asked for, and not in en", m[1])
		}
	}
	// print "state." .State
	prefixes := regexp.MustCompile(`print "([a-z.]+\.)"|T\("([a-z.]+\.)" ?\+`).FindAllStringSubmatch(sources.String(), -1)
	for key := range all["en"] {
		if !used[strings.TrimSuffix(key, ".one")] && !slices.ContainsFunc(prefixes, func(m []string) bool { return strings.HasPrefix(key, m[1]+m[2]) }) {
			t.Errorf("%s: nobody asks for it", key)
		}
	}
}

func TestLanguage(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{"": "en", "ja": "ja", "ja-JP,ja;q=0.9": "ja", "de-DE, ja;q=0.5, en;q=0.4": "ja", "de": "en", "*": "en", strings.Repeat(",", 1000) + "ja": "en"} {
		r, _ := http.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept-Language", header)
		if got := web.LanguageOf(r); got != want {
			t.Errorf("%.50q: %s, want %s", header, got, want)
		}
	}
}

func TestSettings(t *testing.T) {
	e := setup(t, nil)
	for back, want := range map[string]string{
		"./queues?sort=dead": "./queues?sort=dead", "": "./", "./": "./", "https://example.com/": "./", "//example.com": "./", `/\example.com`: "./", `\\example.com`: "./",
		"javascript:alert(1)": "./", "../../x": "./", "queue?name=a%2Fb": "./queue?name=a%2Fb",
		"..": "./", ".": "./", "./..": "./", "..?a=b": "./", "%2e%2e": "./", "nothing": "./", "live": "./", "static": "./", "api/v1/queues": "./", "jobs": "./jobs", "./?a=b": "./?a=b",
		"queues#there": "./queues", "//queues": "./", "/queues": "./", "queues\r\nX: y": "./",
	} {
		a := e.post("settings", "lang", "ja", "theme", "dark", "back", back)
		if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != want || len(a.Cookies()) != 2 {
			t.Errorf("back to %q: %s %q %v", back, a.Status, a.Header.Get("Location"), a.Cookies())
		}
	}
	r := e.request(http.MethodGet, "", "")
	r.AddCookie(&http.Cookie{Name: "tasuki_lang", Value: "ja"})
	r.AddCookie(&http.Cookie{Name: "tasuki_theme", Value: "dark"})
	if body := e.do(r).body; !strings.Contains(body, `<html lang="ja" data-theme="dark">`) || !strings.Contains(body, "概要") {
		t.Errorf("the page is %.300s", body)
	}
	if a := e.post("settings", "lang", "xx", "back", "./"); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a language that is not there: %s", a.Status)
	}
}
