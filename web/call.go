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
	"unicode/utf8"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/cron"
	"github.com/tasuki-dev/tasuki/inspect"
)

// call is a request that is being answered.
type call struct {
	d     *Dashboard
	w     http.ResponseWriter
	r     *http.Request
	actor Actor
	lang  string
	bad   error // the first parameter that is not allowed

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
		c.bad = fmt.Errorf("%s: %s", name, allowed)
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

// localPage is a page of ours that a form has named; another if that is none.
func localPage(to, another string) string {
	u, err := url.Parse(to)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || strings.ContainsAny(to, "\\\r\n") {
		return another
	}
	if page := strings.TrimPrefix(u.Path, "./"); page != "" && !strings.ContainsAny(page, "/:") {
		return page + "?" + u.Query().Encode()
	}
	return another
}

// failOf answers with an error of Redis, or of what was asked for.
func (c *call) failOf(err error) { c.fail(statusOf(err), err) }

func statusOf(err error) int {
	is := func(errs ...error) bool {
		return slices.ContainsFunc(errs, func(e error) bool { return errors.Is(err, e) })
	}
	switch {
	case is(inspect.ErrNotFound, tasuki.ErrNotFound, cron.ErrNotFound):
		return http.StatusNotFound
	case is(inspect.ErrNotUndoable, inspect.ErrOperationRuns, inspect.ErrMoved, inspect.ErrReady, inspect.ErrBare, inspect.ErrForeign, tasuki.ErrRunning, tasuki.ErrEnded, tasuki.ErrLocked, cron.ErrDeclared):
		return http.StatusConflict
	case is(cron.ErrInvalid):
		return http.StatusBadRequest
	case is(inspect.ErrUnanswered, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	}
	return http.StatusServiceUnavailable
}

// away answers when Redis has never answered.
func (c *call) away(err error) {
	text := c.T("away.never")
	if err != nil {
		text += ": " + err.Error()
	}
	c.live = true
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
		Status int
		Text   string
	}{status, err.Error()})
}
