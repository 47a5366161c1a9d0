package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// livePages are what open tabs show, each of them something else.
var livePages = []string{"", "queues", "queue?name=" + benchQueue(0), "failures", "metrics", "schedules", "workers", "redis"}

// tabs opens so many tabs of a dashboard as a browser does, which loads its page anew after each
// look, and returns what closes them, and how often a page was loaded.
func (e *bench) tabs(n int, pages []string) (stop func() int) {
	e.Helper()
	d := e.dashboard(e.server.URL())
	s := httptest.NewServer(d)
	ctx, cancel := context.WithCancel(e.Context())
	var loaded sync.Map
	var all sync.WaitGroup
	for tab := range n {
		page := pages[tab%len(pages)]
		all.Go(func() {
			stream, err := open(ctx, s, "live")
			if err != nil {
				e.Error(err)
				return
			}
			defer stream.Body.Close()
			count := 0
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
					e.Errorf("GET /%s: %s", page, answer.Status)
				}
				if err == nil {
					count++
				}
			}
			loaded.Store(tab, count)
		})
	}
	return func() int {
		cancel()
		all.Wait()
		d.Close()
		s.Close()
		sum := 0
		for _, n := range loaded.Range {
			sum += n.(int)
		}
		return sum
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

const drainedJobs = 300_000

// measurePresence drains 300,000 no-op jobs with 100 slots, with and without a dashboard that has
// tabs open, in turn and in both orders. It reports the ratios of with over without: of jobs
// per second, and of the processor time of the server and of the worker.
func (e *bench) measurePresence() {
	drain := func() (took drained, redis float64) {
		specs := make([]tasuki.Spec, 10_000)
		for n := range specs {
			specs[n] = tasuki.Spec{Kind: "noop", Args: args(n), Opts: tasuki.Opts{Queue: "drained"}}
		}
		for range drainedJobs / len(specs) {
			if _, err := e.client.EnqueueMany(e.Context(), specs); err != nil {
				e.Fatal(err)
			}
		}
		var out redistest.Buffer
		cpu := e.processor()
		p := redistest.StartSelf(e, benchEnv, benchWorker{URL: e.server.URL(), Queues: []string{"drained"}, Slots: 100, Drain: drainedJobs}, &out)
		<-p.Ended()
		redis = e.processor() - cpu
		if err := json.Unmarshal([]byte(out.String()), &took); err != nil {
			e.Fatalf("%v: %s", err, out.String())
		}
		return took, redis
	}
	drain() // the first of a server is slower
	e.Run("1 of the overview", func(b *testing.B) { e.in(b).compare(drain, 1) })
	e.Run("5 of five pages", func(b *testing.B) { e.in(b).compare(drain, 5) })
}

// compare drains with so many tabs and with none.
func (e *bench) compare(drain func() (took drained, redis float64), tabs int) {
	b := e.B
	with := func() (took drained, redis float64) {
		stop := e.tabs(tabs, livePages)
		defer stop()
		return drain()
	}
	for b.Loop() {
		var rate, server, worker []float64
		for n := range 12 {
			var took, took0 drained
			var redis, redis0 float64
			if n%2 == 0 {
				took, redis = with()
			}
			took0, redis0 = drain()
			if n%2 == 1 {
				took, redis = with()
			}
			rate = append(rate, took0.Wall.Seconds()/took.Wall.Seconds())
			server = append(server, redis/redis0)
			worker = append(worker, took.CPU.Seconds()/took0.CPU.Seconds())
			b.Logf("without: %6.0f jobs/s, worker %.2f s, server %.2f s; with: %6.0f jobs/s, worker %.2f s, server %.2f s",
				drainedJobs/took0.Wall.Seconds(), took0.CPU.Seconds(), redis0, drainedJobs/took.Wall.Seconds(), took.CPU.Seconds(), redis)
		}
		for what, ratios := range map[string][]float64{"rate": rate, "server": server, "worker": worker} {
			slices.Sort(ratios)
			b.ReportMetric((ratios[5]+ratios[6])/2, what+"-ratio")
			b.Log(what, fmt.Sprintf("%.3f", ratios))
		}
		b.ReportMetric(0, "ns/op")
	}
}
