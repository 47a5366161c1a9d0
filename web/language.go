package web

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

//go:embed lang
var langFiles embed.FS

// languages are those of the pages, the first unless a browser asks for another.
var languages = []string{"en", "ja"}

// messages are language → key → text.
var messages = func() map[string]map[string]string {
	all := map[string]map[string]string{}
	for _, lang := range languages {
		text, err := langFiles.ReadFile("lang/" + lang + ".json")
		if err == nil {
			var m map[string]string
			err = json.Unmarshal(text, &m)
			all[lang] = m
		}
		if err != nil {
			panic(fmt.Sprintf("web: lang/%s.json: %v", lang, err))
		}
	}
	return all
}()

// T is a text in the language of who has asked. args go where it has verbs, as in fmt. Of one thing,
// the first of args, the text of key with .one is taken, where a language has it.
func (c *call) T(key string, args ...any) string {
	text, ok := messages[c.lang][key]
	if len(args) > 0 && fmt.Sprint(args[0]) == "1" {
		if one, has := messages[c.lang][key+".one"]; has {
			text = one
		}
	}
	if !ok {
		return "[" + key + "]"
	}
	if len(args) > 0 {
		return fmt.Sprintf(text, args...)
	}
	return text
}

const (
	cookieLang  = "tasuki_lang"
	cookieTheme = "tasuki_theme"
)

// languageOf is the language that was chosen, or the first of those that the browser asks
// for and there is.
func languageOf(r *http.Request) string {
	if cookie, err := r.Cookie(cookieLang); err == nil && slices.Contains(languages, cookie.Value) {
		return cookie.Value
	}
	for i, part := range strings.SplitN(r.Header.Get("Accept-Language"), ",", 20) {
		if i == 20 {
			break
		}
		tag, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		base, _, _ := strings.Cut(strings.ToLower(tag), "-")
		if slices.Contains(languages, base) {
			return base
		}
	}
	return languages[0]
}

var themes = []string{"auto", "light", "dark"}

func themeOf(r *http.Request) string {
	if cookie, err := r.Cookie(cookieTheme); err == nil && slices.Contains(themes, cookie.Value) {
		return cookie.Value
	}
	return themes[0]
}

// settings keeps what was chosen in cookies, and goes back to the page.
func (d *Dashboard) settings(c *call) {
	for _, s := range []struct {
		field, cookie string
		allowed       []string
	}{{"lang", cookieLang, languages}, {"theme", cookieTheme, themes}} {
		if c.r.PostForm.Has(s.field) {
			value := c.oneOf(s.field, s.allowed...)
			if c.bad == nil {
				http.SetCookie(c.w, &http.Cookie{Name: s.cookie, Value: value, MaxAge: 365 * 24 * 3600, HttpOnly: true, SameSite: http.SameSiteLaxMode})
			}
		}
	}
	back := c.long("back", 4000)
	if c.refused() {
		return
	}
	c.see(d.localPage(back, "./"))
}
