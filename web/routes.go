package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki/inspect"
)

// route is what an address answers, and the right that it needs. All lie in one folder, so
// that relative links lead everywhere, whatever path the dashboard is mounted at; names of
// queues and jobs are parameters, as they may have slashes and dots in them.
type route struct {
	pattern string
	right   Right
	handle  func(*call)
}

func (d *Dashboard) routes() []route {
	return []route{
		{"GET /{$}", View, d.overview},
		{"GET /queues", View, d.queues},
		{"GET /queue", View, d.queue},
		{"GET /locks", Unlock, d.locks},
		{"GET /jobs", View, d.jobs},
		{"GET /job", View, d.job},
		{"GET /failures", View, d.failuresPage},
		{"GET /metrics", View, d.metricsPage},
		{"GET /operations", View, d.operationsPage},
		{"GET /operation", View, d.operation},
		{"GET /audit", View, d.audit},
		{"GET /schedules", View, d.schedulesPage},
		{"GET /schedule", View, d.schedule},
		{"GET /workers", View, d.workersPage},
		{"GET /worker", View, d.worker},
		{"GET /redis", View, d.redisPage},
		{"GET /about", View, d.about},
		{"GET /live", View, d.live.serve},
		{"POST /settings", View, d.settings},
		{"POST /queue-pause", Pause, d.pauseQueue},
		{"POST /queue-resume", Pause, d.resumeQueue},
		{"GET /enqueue", Enqueue, d.enqueueForm},
		{"POST /enqueue", Enqueue, d.enqueue},
		{"GET /job-edit", Edit, d.editForm},
		{"POST /job-edit", Edit, d.edit},
		{"POST /jobs-retry", Retry, d.act(inspect.Retry, false)},
		{"POST /jobs-cancel", Cancel, d.act(inspect.Cancel, true)},
		{"POST /jobs-remove", Remove, d.act(inspect.Remove, true)},
		{"POST /jobs-move", Move, d.act(inspect.Move, true)},
		{"POST /operation-undo", Undo, d.onOperation(d.undoOperation)},
		{"POST /operation-cancel", Undo, d.onOperation(d.cancelOperation)},
		{"POST /operation-continue", Undo, d.onOperation(d.continueOperation)},
		{"POST /failure-forget", Remove, d.forgetFailure},
		{"POST /lock-free", Unlock, d.removeLock},
		{"POST /schedule-pause", Cron, d.onSchedule("pause schedule", d.pauseSchedule)},
		{"POST /schedule-resume", Cron, d.onSchedule("resume schedule", d.resumeSchedule)},
		{"POST /schedule-run", Cron, d.onSchedule("run schedule", d.runSchedule)},
		{"POST /worker-quiet", Control, d.quietWorker},
		{"POST /worker-stop", Control, d.stopWorker},
		{"POST /worker-dump", Control, d.dumpWorker},
	}
}

func (d *Dashboard) handle() {
	d.pages = map[string]bool{}
	for _, rt := range d.routes() {
		if page, ok := strings.CutPrefix(rt.pattern, "GET /"); ok && page != "live" {
			d.pages[strings.TrimSuffix(page, "{$}")] = true
		}
		d.mux.HandleFunc(rt.pattern, func(w http.ResponseWriter, r *http.Request) { d.serve(rt, w, r) })
	}
	d.handleAPI()
	d.mux.HandleFunc("GET /static/{name}", serveAsset)
	d.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		d.serve(route{right: View, handle: func(c *call) {
			c.fail(http.StatusNotFound, errors.New(c.T("error.nopage")))
		}}, w, r)
	})
}

// ServeHTTP answers requests for pages and actions.
func (d *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	if r.URL.Path == "" { // mounted without a slash: relative links need one
		to := r.RequestURI
		if u, err := url.ParseRequestURI(to); err == nil {
			to = u.EscapedPath()
		}
		w.Header().Set("Location", to[strings.LastIndexByte(to, '/')+1:]+"/")
		w.WriteHeader(http.StatusTemporaryRedirect)
		return
	}
	d.mux.ServeHTTP(w, r)
}

// secure sets what every answer has.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin") // with no-referrer a form of ours would come with the Origin null
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

const mostBody = 2 << 20

// serve answers a request to a route.
func (d *Dashboard) serve(rt route, w http.ResponseWriter, r *http.Request) {
	c := &call{d: d, w: w, r: r, lang: languageOf(r)}
	if status, err := c.admit(rt.right); err != nil {
		c.fail(status, err)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, mostBody)
	if err := r.ParseForm(); err != nil {
		c.fail(http.StatusBadRequest, err)
		return
	}
	if limit := limitOf(rt.pattern); limit > 0 {
		ctx, stop := context.WithTimeout(r.Context(), limit)
		defer stop()
		c.r = r.WithContext(ctx)
	}
	rt.handle(c)
}

// limitOf is how long an answer may take while Redis is away or frozen; 0: as long as it likes.
func limitOf(pattern string) time.Duration {
	switch {
	case pattern == "GET /live":
		return 0
	case strings.HasPrefix(pattern, "POST /jobs-"):
		return actFor
	case strings.HasPrefix(pattern, "POST "):
		return 10 * time.Second
	}
	return 2 * pageWait
}

// admit tells whether a request came to the right host and from a page of ours, who has sent it,
// and whether that one has a right. Else it says why not, with a status.
func (c *call) admit(right Right) (status int, err error) {
	d := c.d
	if !d.isHost(c.r.Host) {
		return http.StatusMisdirectedRequest, fmt.Errorf("%s %.200q", c.T("error.host"), c.r.Host)
	}
	if err := d.crossing.Check(c.r); err != nil {
		return http.StatusForbidden, fmt.Errorf("%w. %s", err, c.T("error.origin"))
	}
	c.actor = Actor{Rights: []Right{View}}
	if d.cfg.Authorize != nil {
		if c.actor, err = d.cfg.Authorize(c.r); err != nil {
			c.actor = Actor{}
			if !errors.Is(err, ErrUnknown) {
				return http.StatusForbidden, errors.New(c.T("error.unknown"))
			}
			if d.cfg.Challenge {
				c.w.Header().Set("WWW-Authenticate", `Basic realm="tasuki", charset="UTF-8"`)
			}
			return http.StatusUnauthorized, errors.New(c.T("error.unknown"))
		}
	}
	if !c.actor.May(right) {
		return http.StatusForbidden, errors.New(c.T("error.right", right))
	}
	return 0, nil
}

func (d *Dashboard) isHost(given string) bool {
	if len(d.cfg.Hosts) == 0 {
		return true
	}
	host := given
	if h, _, err := net.SplitHostPort(given); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	return slices.ContainsFunc(d.cfg.Hosts, func(name string) bool { return strings.EqualFold(name, host) })
}
