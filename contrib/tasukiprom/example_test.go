package tasukiprom_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/contrib/tasukiprom"
	"github.com/tasuki-dev/tasuki/embedded"
	"github.com/tasuki-dev/tasuki/inspect"
)

// A program serves the metrics of its own jobs, and those of all queues.
func Example() {
	server, err := embedded.Start("127.0.0.1:0")
	check(err)
	defer server.Close()
	metrics, err := tasukiprom.NewMetrics(&tasukiprom.MetricsConfig{Buckets: tasukiprom.DefaultBuckets()})
	check(err)
	client, err := tasuki.Open(server.URL(), &tasuki.ClientConfig{
		Use: []tasuki.EnqueueMiddleware{metrics.Enqueue}, Logger: slog.New(slog.DiscardHandler),
	})
	check(err)
	defer client.Close()
	collector, err := tasukiprom.NewCollector(inspect.New(client), nil)
	check(err)
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics, collector)
	handler := promhttp.HandlerFor(registry, promhttp.HandlerOpts{}) // for http.Handle("/metrics", handler)

	ctx, stop := context.WithCancel(context.Background())
	worker, err := tasuki.NewWorker(client, &tasuki.WorkerConfig{OnChange: func(c tasuki.Change) {
		metrics.OnChange(c)
		if c.State == tasuki.StateDone {
			stop()
		}
	}})
	check(err)
	welcome := tasuki.Define[string]("email.welcome")
	tasuki.Handle(worker, welcome, func(context.Context, *tasuki.Job[string]) error { return nil })
	_, err = welcome.Enqueue(ctx, client, "ada@example.org")
	check(err)
	check(worker.Run(ctx))

	scrape := httptest.NewRecorder()
	handler.ServeHTTP(scrape, httptest.NewRequest("GET", "/metrics", nil))
	text, err := io.ReadAll(scrape.Body)
	check(err)
	for line := range strings.Lines(string(text)) {
		switch name, _, _ := strings.Cut(line, "{"); {
		case strings.HasPrefix(name, "#"):
		case strings.HasPrefix(name, "tasuki_up "), name == "tasuki_job_outcomes_total", name == "tasuki_jobs_enqueued_total", strings.Contains(line, `outcome="done"`):
			fmt.Print(line)
		}
	}
	// Output:
	// tasuki_job_outcomes_total{kind="email.welcome",outcome="done",queue="default"} 1
	// tasuki_jobs_enqueued_total{kind="email.welcome",queue="default",result="accepted"} 1
	// tasuki_queue_outcomes_total{outcome="done",queue="default"} 1
	// tasuki_up 1
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
