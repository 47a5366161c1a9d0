package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/legible"
)

// call is a request that is being answered.
type call struct {
	d       *Dashboard
	w       http.ResponseWriter
	r       *http.Request
	actor   Actor
	lang    string
	bad     error  // the first parameter that is not allowed
	badName string // of that one

	live   bool // the page changes by itself
	outage *outage
}

// May tells templates what to offer.
func (c *call) May(r Right) bool { return c.actor.May(r) }

const (
	mostText     = 500     // bytes of a parameter, unless it says otherwise
	mostAddress  = 1024    // of QUEUE/ID
	mostArgs     = 1 << 20 // of arguments that are edited
	mostSelected = 1000    // jobs in a form
	mostRows     = 1000    // of a page
)

func (c *call) refuse(name, allowed string) {
	if c.bad == nil {
		c.bad, c.badName = fmt.Errorf("%s: %s", name, allowed), name
	}
}

// text is a parameter, "" unless given.
func (c *call) text(name string) string { return c.long(name, mostText) }

func (c *call) long(name string, most int) string {
	text := c.r.Form.Get(name)
	if len(text) > most || !utf8.ValidString(text) || strings.Contains(text, "\x00") {
		c.refuse(name, c.T("error.text", most))
		return ""
	}
	return text
}

// number is a parameter within bounds.
func (c *call) number(name string, least, most, unless int) int {
	text := c.r.Form.Get(name)
	if text == "" {
		return unless
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		c.refuse(name, c.T("error.number", least, most))
		return unless
	}
	return n
}

// duration is a parameter; 0 unless given.
func (c *call) duration(name string) time.Duration {
	text := c.text(name)
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Millisecond || d > 100*365*24*time.Hour {
		c.refuse(name, c.T("error.duration"))
	}
	return d
}

// oneOf is a parameter that is one of some words.
func (c *call) oneOf(name string, words ...string) string {
	text := c.r.Form.Get(name)
	if !slices.Contains(words, text) {
		c.refuse(name, c.T("error.words", strings.Join(words, ", ")))
		return words[0]
	}
	return text
}

// many is a parameter that may be there often.
func (c *call) many(name string, most, bytes int) []string {
	values := c.r.Form[name]
	if len(values) > most {
		c.refuse(name, c.T("error.many", most))
		return nil
	}
	for _, v := range values {
		if len(v) > bytes || !utf8.ValidString(v) {
			c.refuse(name, c.T("error.text", bytes))
			return nil
		}
	}
	return values
}

// queueName is the parameter that names a queue.
func (c *call) queueName(name string) string {
	queue := c.long(name, mostText)
	if queue == "" {
		c.refuse(name, c.T("error.missing"))
	} else if of, _, err := tasuki.ParseAddress(queue + "/0"); err != nil {
		c.refuse(name, err.Error())
	} else if of != queue || queue == "list:" {
		c.refuse(name, c.T("error.queue"))
	}
	return queue
}

// refused answers a request with parameters that are not allowed.
func (c *call) refused() bool {
	if c.bad != nil {
		c.fail(http.StatusBadRequest, c.bad)
	}
	return c.bad != nil
}

// see sends the browser to a page of ours.
func (c *call) see(page string) {
	// Relative, as http.Redirect would make it absolute without what StripPrefix has taken.
	c.w.Header().Set("Location", "./"+strings.TrimPrefix(page, "./"))
	c.w.WriteHeader(http.StatusSeeOther)
}

// localPage is a page of ours that a form has named, as "./queues?sort=dead"; another if that is
// none.
func (d *Dashboard) localPage(to, another string) string {
	u, err := url.Parse(to)
	if err != nil || to == "" || u.IsAbs() || u.Host != "" || u.User != nil {
		return another
	}
	page := strings.TrimPrefix(u.Path, "./")
	if !d.pages[page] {
		return another
	}
	if query := u.Query().Encode(); query != "" {
		page += "?" + query
	}
	return "./" + page
}

// failOf answers with an error of Redis, or of what was asked for.
func (c *call) failOf(err error) {
	if (inspect.IsAway(err) || errors.Is(err, context.DeadlineExceeded)) && (c.r.Method == http.MethodGet || c.r.Method == http.MethodHead) {
		c.away(err)
		return
	}
	c.fail(faultOf(err).Status, err)
}

// away answers in place of a page that cannot be shown, as Redis does not answer or has refused to. The
// page comes by itself when Redis is back.
func (c *call) away(err error) {
	c.live = true
	if errors.Is(err, tasuki.ErrRefused) {
		c.failOf(err)
		return
	}
	text := ""
	switch s := c.d.samples.get(c.r.Context(), 0); { // which also looks when it is back
	case !s.OK() && err == nil:
		text = c.T("away.never")
	case !s.OK():
		text = c.T("away.never") + ": " + unread(err)
	case s.Err != nil:
		c.outage = &outage{Err: s.Err, Since: s.Since}
	case err != nil:
		c.outage = &outage{Err: err, Since: time.Now()}
	}
	c.render(http.StatusServiceUnavailable, "away", c.T("away.title"), text)
}

// forbid answers who lacks a right.
func (c *call) forbid(right Right) {
	c.fail(http.StatusForbidden, errors.New(c.T("error.right", right)))
}

// inspector acts as who has sent the request: the audit trail says so.
func (c *call) inspector() *inspect.Inspector { return c.d.inspector.As(c.by()) }

// fail answers with a page that says what went wrong.
func (c *call) fail(status int, err error) {
	c.render(status, "error", c.T("error.title"), struct {
		Status  int
		Text    string
		Refused bool // by Redis
	}{status, legible.Lines(err.Error()), errors.Is(err, tasuki.ErrRefused)})
}
