package web_test

import (
	"errors"
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/legible"
	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/web"
)

// TestFingerprint goes from a job to all attempts that have failed as it has, and from these to
// the jobs.
func TestFingerprint(t *testing.T) {
	t.Parallel()
	e := setupOn(t, redistest.Start(t), &web.Config{Authorize: all})
	addresses := e.populate()
	link := regexp.MustCompile(`href="(failures\?fingerprint=[0-9a-z]+)"`).FindStringSubmatch(e.get("job?id=" + url.QueryEscape(addresses["dead"])))
	if link == nil {
		t.Fatal("a job that has failed does not say where others are")
	}
	var page string
	redistest.WaitFor(t, "the statistics", func() error {
		if page = e.get(link[1]); strings.Count(page, `<section class="failure"`) != 1 || !strings.Contains(page, ">dies</a>") {
			return errors.New(page)
		}
		return nil
	})
	jobs := regexp.MustCompile(`href="(jobs\?q=[^"]*fingerprint[^"]*)"`).FindStringSubmatch(page)
	if jobs == nil {
		t.Fatalf("%s", page)
	}
	if body := e.get(html.UnescapeString(jobs[1])); strings.Count(body, "<tr data-row") != 1 || !strings.Contains(body, "mail/dies<") {
		t.Errorf("%s: %s", jobs[1], body)
	}
	if body := e.get(""); !strings.Contains(body, link[1]) {
		t.Errorf("%s", body)
	}
	if body := e.get("failures?fingerprint=none"); strings.Contains(body, `class="failure"`) || !strings.Contains(body, "No such failure") {
		t.Errorf("%s", body)
	}
}

// TestQuantiles: the page of metrics writes times as the command does.
func TestQuantiles(t *testing.T) {
	t.Parallel()
	e := setupOn(t, redistest.Start(t), &web.Config{Authorize: all})
	e.populate()
	var kinds []inspect.KindStats
	redistest.WaitFor(t, "the statistics", func() (err error) {
		if kinds, _, err = e.inspector.Kinds(t.Context(), "mail", time.Now().Add(-time.Hour)); err == nil && len(kinds) == 0 {
			err = errors.New("none")
		}
		return err
	})
	page := e.get("metrics?queue=mail")
	for n := range kinds {
		if k := &kinds[n]; k.Run.Count() > 0 {
			if cell := `<td class="n">` + legible.Rough(k.Run.Quantile(0.5)) + `</td>`; !strings.Contains(page, cell) {
				t.Errorf("%s: %s is not in %s", k.Kind, cell, page)
			}
		}
	}
}
