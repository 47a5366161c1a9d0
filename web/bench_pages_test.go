package web_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/web"
)

// measurePages asks a dashboard for every page that there is, while workers work. Each is asked for
// by the first who comes after a start ("first"), when what was read for it is old ("later"), and
// again at once ("next"). Commands and bytes are what went over the connections of a dashboard of
// its own, whose commands a proxy has counted: what a script does is one.
func (e *bench) measurePages() {
	b := e.B
	stop := e.work()
	defer stop()
	redistest.WaitFor(e, "workers", func() error {
		all, err := e.inspector.Workers(e.Context())
		if err == nil && len(all) < 2 {
			err = fmt.Errorf("%d", len(all))
		}
		return err
	})
	client := e.open(e.server.URL())
	proxy := redistest.StartProxy(e, e.server)
	var commands, bytes atomic.Int64
	proxy.Decide(func([]string) redistest.Fate { commands.Add(1); return redistest.Pass })
	proxy.Alter(func(_ []string, reply []byte) []byte { bytes.Add(int64(len(reply))); return reply })
	watched := e.open(proxy.URL())

	for _, page := range e.pages() {
		direct, counted := e.dashboard(client), e.dashboard(watched)
		get(b, counted, page) // it has its connections and scripts now
		for _, which := range []string{"first", "later", "next"} {
			again := func(d **web.Dashboard, client *tasuki.Client) {
				switch which {
				case "first":
					(*d).Close()
					*d = e.dashboard(client)
				case "later":
					(*d).ForgetAll()
				}
			}
			b.Run(which+"/"+strings.ReplaceAll("GET /"+page, " ", "_"), func(b *testing.B) {
				var took []time.Duration
				for b.Loop() {
					again(&direct, client)
					began := time.Now()
					get(b, direct, page)
					took = append(took, time.Since(began))
				}
				again(&counted, watched)
				commands.Store(0)
				bytes.Store(0)
				size := get(b, counted, page)
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-median")
				b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "ms-worst")
				b.ReportMetric(float64(commands.Load()), "commands")
				b.ReportMetric(float64(bytes.Load())/1000, "kB-of-Redis")
				b.ReportMetric(float64(size)/1000, "kB-of-page")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

func (e *bench) dashboard(client *tasuki.Client) *web.Dashboard {
	e.Helper()
	d, err := web.Handler(client, &web.Config{Authorize: all, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		e.Fatal(err)
	}
	e.Cleanup(d.Close)
	return d
}

// get returns the size of a page, which has to be there.
func get(b *testing.B, d *web.Dashboard, page string) int {
	b.Helper()
	w := httptest.NewRecorder()
	d.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/"+page, http.NoBody))
	if w.Code != http.StatusOK {
		text, _ := io.ReadAll(w.Body)
		b.Fatalf("GET /%s: %d: %.2000s", page, w.Code, text)
	}
	return w.Body.Len()
}

// address is that of the first job that a query means.
func (e *bench) address(text string) string {
	e.Helper()
	q, err := inspect.ParseQuery(text)
	if err != nil {
		e.Fatal(err)
	}
	for job, err := range e.inspector.Jobs(e.Context(), q) {
		if err != nil {
			e.Fatal(err)
		}
		return job.Address()
	}
	e.Fatalf("%s: there is none", text)
	return ""
}

// pages are all that there are, by the table of routes, with what they are asked for.
func (e *bench) pages() []string {
	e.Helper()
	queries := map[string][]string{
		"queue":    {"name=" + benchQueue(0)},
		"queues":   {"", "sort=ready&find=queue-0"},
		"locks":    {"queue=" + benchQueue(0)},
		"failures": {"", "kind=" + benchKind(0)},
		"metrics":  {"span=1h", "span=3h", "span=7d", "span=90d", "span=7d&queue=" + benchQueue(0)},
		"schedule": {"name=nightly-7"},
		"job-edit": {"id=" + e.recorded},
	}
	workers, err := e.inspector.Workers(e.Context())
	if err != nil || len(workers) == 0 {
		e.Fatal(workers, err)
	}
	queries["worker"] = []string{"id=" + url.QueryEscape(workers[0].ID)}
	began, err := e.inspector.Operate(e.Context(), inspect.Task{Action: inspect.Retry}, inspect.Query{Queues: []string{benchQueue(1)}, States: []tasuki.State{tasuki.StateDead}, Kinds: []string{"none"}})
	if err != nil {
		e.Fatal(err)
	}
	queries["operation"] = []string{"id=" + began.ID}
	for _, q := range []string{"", "state:ready", "state:dead", "state:scheduled", "queue:queue-00", "queue:queue-00 state:ready kind:report.build", "queue:queue-00 args.user.id:17", "args.user.id:nobody", "error:timeout", "error:nowhere", "age:>300d"} {
		if _, err := inspect.ParseQuery(q); err != nil {
			e.Fatal(err)
		}
		queries["jobs"] = append(queries["jobs"], "q="+url.QueryEscape(q))
	}
	queries["jobs"] = append(queries["jobs"], "limit=500")
	for _, q := range []string{"state:scheduled queue:queue-00", "state:dead queue:queue-00"} {
		queries["job"] = append(queries["job"], "id="+e.address(q))
	}
	queries["job"] = append(queries["job"], "id="+e.recorded, "id="+e.bare)
	var all []string
	for _, rt := range web.Routes() {
		method, page := parts(rt.Pattern)
		if method != http.MethodGet || page == "live" {
			continue
		}
		asked, known := queries[page]
		if !known {
			asked = []string{""}
		}
		for _, query := range asked {
			all = append(all, strings.TrimSuffix(page+"?"+query, "?"))
		}
	}
	return all
}
