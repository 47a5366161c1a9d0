package tasukiotel_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/contrib/tasukiotel"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// workerVariable makes a process of the test binary a worker.
const workerVariable = "TASUKIOTEL_TEST_WORKER"

func TestMain(m *testing.M) {
	var c processConfig
	if redistest.Self(workerVariable, &c) {
		c.work()
		return
	}
	redistest.Main(m)
}

// processConfig is what a worker process is told.
type processConfig struct{ URL, Namespace string }

// span is what a process tells of a span, a line of JSON for each.
type span struct{ Name, Trace, Span, Parent, Link, Kind, Outcome string }

// work runs a worker until a job is done, and prints its spans.
func (c *processConfig) work() {
	exporter := tracetest.NewInMemoryExporter()
	check := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	t, err := tasukiotel.New(&tasukiotel.Config{TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))})
	check(err)
	client, err := tasuki.Open(c.URL, &tasuki.ClientConfig{Namespace: c.Namespace})
	check(err)
	ctx, stop := context.WithCancel(context.Background())
	cfg := tasuki.WorkerConfig{OnChange: func(c tasuki.Change) {
		if c.Outcome == "done" {
			stop()
		}
	}}
	t.Worker(&cfg)
	w, err := tasuki.NewWorker(client, &cfg)
	check(err)
	tasuki.HandleOther(w, func(context.Context, *tasuki.RawJob) error { return nil })
	check(w.Run(ctx))
	for _, s := range exporter.GetSpans() {
		one := span{
			Name: s.Name, Trace: s.SpanContext.TraceID().String(), Span: s.SpanContext.SpanID().String(), Parent: s.Parent.SpanID().String(),
			Kind: s.SpanKind.String(), Outcome: text(s, "tasuki.job.outcome"),
		}
		if len(s.Links) == 1 {
			one.Link = s.Links[0].SpanContext.TraceID().String() + "-" + s.Links[0].SpanContext.SpanID().String()
		}
		check(json.NewEncoder(os.Stdout).Encode(one))
	}
}

// env is a namespace of its own with a client and a worker, whose spans and metrics are
// kept.
type env struct {
	t         *testing.T
	url       string
	namespace string
	telemetry *tasukiotel.Telemetry
	tracer    trace.Tracer
	spans     *tracetest.InMemoryExporter
	reader    *metric.ManualReader
	client    *tasuki.Client
	inspector *inspect.Inspector
}

func setup(t *testing.T, cfg tasukiotel.Config) *env {
	t.Helper()
	t.Parallel()
	e := &env{t: t, url: redistest.Shared(t).URL(), namespace: redistest.Namespace(t), spans: tracetest.NewInMemoryExporter(), reader: metric.NewManualReader()}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(e.spans))
	e.tracer = provider.Tracer("test")
	cfg.TracerProvider, cfg.MeterProvider = provider, metric.NewMeterProvider(metric.WithReader(e.reader))
	var err error
	if e.telemetry, err = tasukiotel.New(&cfg); err != nil {
		t.Fatal(err)
	}
	open := func(role string, with func(*tasuki.ClientConfig)) *tasuki.Client {
		c := tasuki.ClientConfig{Namespace: e.namespace, Logger: slog.New(slog.DiscardHandler)}
		with(&c)
		client, err := tasuki.Open(redistest.As(t, e.url, role, e.namespace), &c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		return client
	}
	e.client = open("worker", e.telemetry.Client)
	e.inspector = inspect.New(open("operator", func(*tasuki.ClientConfig) {}))
	return e
}

// run runs a worker with one handler of all kinds until stop is called or the test ends.
func (e *env) run(cfg tasuki.WorkerConfig, h tasuki.Handler) (stop func()) {
	e.t.Helper()
	e.telemetry.Worker(&cfg)
	w, err := tasuki.NewWorker(e.client, &cfg)
	if err != nil {
		e.t.Fatal(err)
	}
	tasuki.HandleOther(w, h)
	return redistest.Run(e.t, w.Run)
}

// await waits for n spans of a name, and returns them as they ended.
func (e *env) await(name string, n int) []tracetest.SpanStub {
	e.t.Helper()
	var found []tracetest.SpanStub
	redistest.WaitLong(e.t, time.Minute, "spans", func() error {
		found = slices.DeleteFunc(slices.Clone(e.spans.GetSpans()), func(s tracetest.SpanStub) bool { return s.Name != name })
		if len(found) < n {
			return fmt.Errorf("%d of %d are named %q", len(found), len(e.spans.GetSpans()), name)
		}
		return nil
	})
	if len(found) != n {
		e.t.Fatalf("%d spans are named %q, want %d", len(found), name, n)
	}
	return found
}

// value is an attribute of a span; empty if it has none.
func value(s tracetest.SpanStub, key string) attribute.Value {
	for _, a := range s.Attributes {
		if string(a.Key) == key {
			return a.Value
		}
	}
	return attribute.Value{}
}

// text is one as it can be read; "-" if there is none.
func text(s tracetest.SpanStub, key string) string {
	if v := value(s, key); v.Type() != attribute.EMPTY {
		return v.String()
	}
	return "-"
}

// has demands attributes of a span.
func has(t *testing.T, s tracetest.SpanStub, want map[string]string) {
	t.Helper()
	for key, v := range want {
		if got := text(s, key); got != v {
			t.Errorf("%s: %s is %q, want %q", s.Name, key, got, v)
		}
	}
}

// metrics are the counts of all instruments, by name and attributes.
func (e *env) metrics() map[string]uint64 {
	e.t.Helper()
	var all metricdata.ResourceMetrics
	if err := e.reader.Collect(e.t.Context(), &all); err != nil {
		e.t.Fatal(err)
	}
	counts := map[string]uint64{}
	name := func(m metricdata.Metrics, set attribute.Set) string {
		return m.Name + " " + m.Unit + " " + set.Encoded(attribute.DefaultEncoder())
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					counts[name(m, p.Attributes)] = uint64(p.Value)
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					counts[name(m, p.Attributes)] = p.Count
				}
			}
		}
	}
	return counts
}
