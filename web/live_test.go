package web_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/web"
)

// listen opens a stream of events, and returns a channel that gets each look.
func (e *env) listen(ctx context.Context) <-chan bool {
	e.t.Helper()
	r := e.request(http.MethodGet, "live", "").WithContext(ctx)
	response, err := e.http.Client().Do(r)
	if err != nil || response.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
		e.t.Fatal(response, err)
	}
	looks := make(chan bool, 100)
	go func() {
		defer close(looks)
		defer response.Body.Close()
		lines := bufio.NewScanner(response.Body)
		for lines.Scan() {
			if lines.Text() == "event: look" {
				looks <- true
			}
		}
	}()
	return looks
}

// commands are how many a server has run, as often as it was asked for, but for the signs of life
// that connections send by themselves.
func commands(t *testing.T, s *redistest.Server) int {
	t.Helper()
	n, err := strconv.Atoi(s.Info(t, "stats", "total_commands_processed"))
	if err != nil {
		t.Fatal(err)
	}
	pings := 0
	if text := s.Info(t, "commandstats", "cmdstat_ping"); text != "" {
		if _, err := fmt.Sscanf(text, "calls=%d", &pings); err != nil {
			t.Fatal(err)
		}
	}
	return n - pings
}

// TestTabs: fifty open pages cost Redis what one costs, also as each of them is loaded after every
// look, and a dashboard that nobody looks at costs nothing.
func TestTabs(t *testing.T) {
	t.Parallel()
	e := setupOn(t, redistest.Start(t), nil)
	e.enqueue(tasuki.Opts{Queue: "mail"}, 1)
	ctx, stop := context.WithCancel(t.Context())
	cost := func(tabs int) float64 {
		var all []<-chan bool
		for range tabs {
			all = append(all, e.listen(ctx))
		}
		before, began := commands(t, e.server), time.Now()
		for range 3 {
			for _, looks := range all {
				if !<-looks {
					t.Fatal("the stream has ended")
				}
				e.get("")
			}
		}
		return float64(commands(t, e.server)-before) / time.Since(began).Seconds()
	}
	one := cost(1)
	many := cost(49)
	if many > 2*one+5 { // a few for the test's own questions
		t.Errorf("50 pages: %.1f commands per second, one: %.1f", many, one)
	}
	t.Logf("commands per second: one page %.1f, 50 pages %.1f", one, many)
	stop()
	// The sampler sees at its next look that nobody is there.
	redistest.WaitFor(t, "the end of looking", func() error {
		before := commands(t, e.server)
		time.Sleep(2500 * time.Millisecond)
		if n := commands(t, e.server) - before - 2; n > 0 { // its own two questions
			return fmt.Errorf("%d commands", n)
		}
		return nil
	})
}

// TestClose: streams end with the dashboard, so that a server that is shut down need not wait.
func TestClose(t *testing.T) {
	e := setup(t, nil)
	e.http.Config.RegisterOnShutdown(e.dashboard.Close)
	looks := e.listen(t.Context())
	<-looks
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	if err := e.http.Config.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	for range looks { // until it has ended
	}
	e.dashboard.Close()
}

// TestAway: the pages say that Redis is away, show what they have seen, and heal.
func TestAway(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	e := setupOn(t, server, &web.Config{Authorize: all})
	e.enqueue(tasuki.Opts{Queue: "mail"}, 3)
	const away = "Redis does not answer."
	if body := e.get("queue?name=mail"); strings.Contains(body, away) {
		t.Fatalf("%s", body)
	}
	server.Kill()
	redistest.WaitFor(t, "the notice", func() error {
		body := e.get("queue?name=mail")
		if !strings.Contains(body, away) || !strings.Contains(body, "Since") || !strings.Contains(body, ">3</a>") {
			return errors.New(body)
		}
		return nil
	})
	saysSo := func(pages ...string) { // which have nothing to show
		t.Helper()
		for _, page := range pages {
			a := e.do(e.request(http.MethodGet, page, ""))
			if a.StatusCode != http.StatusServiceUnavailable || !strings.Contains(a.body, away) || !strings.Contains(a.body, "Since") || !strings.Contains(a.body, "data-live") || strings.Contains(a.body, "it is not known") {
				t.Errorf("%s: %s: %s", page, a.Status, text(a.body))
			}
		}
		if a := e.fails("GET", "/jobs", "", 503, "redis", ""); strings.Contains(a.body, "it is not known") || strings.Contains(a.body, "opts.id") {
			t.Errorf("%s", a.body)
		}
	}
	saysSo("audit", "operation?id=a")
	for page, want := range map[string]int{"": 200, "queues": 200, "job?id=mail%2Fa": 503, "schedule?name=a": 503, "workers": 503, "about": 200} {
		if a := e.do(e.request(http.MethodGet, page, "")); a.StatusCode != want && (want != 503 || a.StatusCode != 504) || strings.Contains(a.body, "p%40ss") || strings.Contains(a.body, "p@ss") {
			t.Errorf("%s: %s: %s", page, a.Status, a.body)
		}
	}
	if a := e.post("queue-pause", "name", "mail"); a.StatusCode < 500 {
		t.Errorf("%s: %s", a.Status, a.body)
	}
	server.Restart(t)
	server.As(t, "operator", e.namespace) // the server has forgotten its users
	redistest.WaitFor(t, "healing", func() error {
		if body := e.get("queues"); strings.Contains(body, away) {
			return errors.New(body)
		}
		return nil
	})

	// One that is frozen is away too, and no page waits for it long.
	server.Signal(t, syscall.SIGSTOP)
	redistest.WaitFor(t, "the notice", func() error {
		if body := e.get("queues"); !strings.Contains(body, away) {
			return errors.New(body)
		}
		return nil
	})
	saysSo("jobs")
	if body := e.get("queues"); strings.Contains(body, "it is not known") {
		t.Errorf("%s", text(body))
	}
	var reads sync.WaitGroup
	for _, page := range []string{
		"", "queue?name=mail", "jobs?q=kind:x", "job?id=mail%2Fa", "job-edit?id=mail%2Fa", "locks?queue=mail", "failures", "schedules", "workers", "metrics?span=7d", "operations", "audit", "redis",
		"api/v1/jobs", "api/v1/jobs/mail/a", "api/v1/queues/mail", "api/v1/workers", "api/v1/failures", "api/v1/audit", "api/v1/autoscale/mail",
	} {
		reads.Go(func() {
			a, err := e.http.Client().Get(e.url(page))
			if err != nil {
				t.Error(err)
				return
			}
			defer a.Body.Close()
			if body, err := io.ReadAll(a.Body); err != nil || strings.Contains(string(body), "context deadline exceeded") || strings.Contains(string(body), "it is not known") || a.StatusCode == http.StatusInternalServerError {
				t.Errorf("%s: %s, %v: %s", page, a.Status, err, text(string(body)))
			}
		})
	}
	reads.Wait()
	server.Signal(t, syscall.SIGCONT)
	redistest.WaitFor(t, "healing", func() error {
		if body := e.get("queues"); strings.Contains(body, away) {
			return errors.New(body)
		}
		return nil
	})
}
