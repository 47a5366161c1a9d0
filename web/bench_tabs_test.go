package web_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/web"
)

// livePages are what open tabs show, each of them something else.
var livePages = []string{"", "queues", "queue?name=" + benchQueue(0), "failures", "metrics", "schedules", "workers", "redis"}

// tabs opens so many tabs of a dashboard of its own, and returns what closes them, and how often a
// page was loaded.
func (e *bench) tabs(n int, pages []string) (stop func() int) {
	e.Helper()
	return openTabs(e.Context(), e.dashboard(e.open(e.server.URL())), n, pages, func(err error) { e.Error(err) })
}

// openTabs opens so many tabs as a browser does, which loads its page anew after each look.
func openTabs(ctx context.Context, d *web.Dashboard, n int, pages []string, failed func(error)) (stop func() int) {
	s := httptest.NewServer(d)
	ctx, cancel := context.WithCancel(ctx)
	var loaded atomic.Int64
	var all sync.WaitGroup
	for tab := range n {
		page := pages[tab%len(pages)]
		all.Go(func() {
			stream, err := open(ctx, s, "live")
			if err != nil {
				failed(err)
				return
			}
			defer stream.Body.Close()
			for lines := bufio.NewScanner(stream.Body); lines.Scan(); {
				if lines.Text() != "event: look" {
					continue
				}
				answer, err := open(ctx, s, page)
				if err != nil {
					break
				}
				_, err = io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
				if answer.StatusCode != http.StatusOK {
					failed(fmt.Errorf("GET /%s: %s", page, answer.Status))
				}
				if err == nil {
					loaded.Add(1)
				}
			}
		})
	}
	return func() int {
		cancel()
		all.Wait()
		d.Close()
		s.Close()
		return int(loaded.Load())
	}
}

func open(ctx context.Context, s *httptest.Server, page string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/"+page, http.NoBody)
	if err != nil {
		return nil, err
	}
	return s.Client().Do(r)
}

// number is a field of INFO.
func (e *bench) number(section, field string) float64 {
	e.Helper()
	n, err := strconv.ParseFloat(e.server.Info(e, section, field), 64)
	if err != nil {
		e.Fatal(err)
	}
	return n
}

// processor is what the server has used, in s.
func (e *bench) processor() float64 {
	e.Helper()
	return e.number("cpu", "used_cpu_user") + e.number("cpu", "used_cpu_sys")
}

// measureTabs has some tabs open for 20 s while no worker works, and reports what they cost
// Redis.
func (e *bench) measureTabs() {
	for _, tabs := range []struct {
		name  string
		n     int
		pages []string
	}{
		{"none", 0, nil}, {"2 of the overview", 2, livePages[:1]}, {"50 of the overview", 50, livePages[:1]},
		{"2 of two pages", 2, livePages[:2]}, {"50 of two pages", 50, livePages[:2]},
		{"8 of eight pages", 8, livePages}, {"50 of eight pages", 50, livePages},
	} {
		e.Run(tabs.name, func(b *testing.B) {
			e := e.in(b)
			for b.Loop() {
				stop := func() int { return 0 }
				if tabs.n > 0 {
					stop = e.tabs(tabs.n, tabs.pages)
				}
				began, commands, cpu := time.Now(), e.number("stats", "total_commands_processed"), e.processor()
				select {
				case <-time.After(20 * time.Second):
				case <-b.Context().Done():
				}
				seconds := time.Since(began).Seconds()
				b.ReportMetric((e.number("stats", "total_commands_processed")-commands)/seconds, "commands/s")
				b.ReportMetric((e.processor()-cpu)/seconds*1000, "ms-of-Redis/s")
				b.ReportMetric(float64(stop())/seconds, "pages/s")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}
