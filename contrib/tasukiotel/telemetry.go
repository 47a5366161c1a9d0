// Package tasukiotel makes traces and metrics of OpenTelemetry: a span for each enqueue, and
// one for each attempt, which is bound to the first by the trace that the job carries.
//
//	telemetry, err := tasukiotel.New(nil)
//	telemetry.Client(&clientConfig)
//	telemetry.Worker(&workerConfig)
//
// It needs the API of OpenTelemetry only; which SDK there is, the program decides. The
// attributes are those of the semantic conventions for messaging: docs/telemetry.md has a
// table.
package tasukiotel

import (
	"fmt"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/tasuki-dev/tasuki"
)

// scope names who makes spans and metrics.
const scope = "github.com/tasuki-dev/tasuki/contrib/tasukiotel"

// Config says where spans and metrics go. The zero value of a field is its default.
type Config struct {
	TracerProvider trace.TracerProvider // the global one unless told
	MeterProvider  metric.MeterProvider // the same
	// NewTrace begins a trace for each attempt, which is linked to the one of the enqueue.
	// Unless told the attempt is a child in that trace too: so all that comes of a request
	// is in one, also days later.
	NewTrace bool
}

// Telemetry makes spans and metrics for clients and workers, of which any number may share
// it.
type Telemetry struct {
	cfg         Config
	tracer      trace.Tracer
	instruments *instruments

	mu    sync.Mutex
	spans map[attempt][]trace.Span // of attempts whose handlers have begun, the oldest first
}

// attempt is a run of a job. One that was lost may have another of the same number beside
// it.
type attempt struct {
	queue, id string
	number    int
}

// New returns a Telemetry; cfg may be nil. The error is that of a MeterProvider.
func New(cfg *Config) (*Telemetry, error) {
	t := &Telemetry{spans: map[attempt][]trace.Span{}}
	if cfg != nil {
		t.cfg = *cfg
	}
	if t.cfg.TracerProvider == nil {
		t.cfg.TracerProvider = otel.GetTracerProvider()
	}
	if t.cfg.MeterProvider == nil {
		t.cfg.MeterProvider = otel.GetMeterProvider()
	}
	t.tracer = t.cfg.TracerProvider.Tracer(scope, trace.WithSchemaURL(schemaURL))
	var err error
	if t.instruments, err = newInstruments(t.cfg.MeterProvider.Meter(scope, metric.WithSchemaURL(schemaURL))); err != nil {
		return nil, fmt.Errorf("tasukiotel: %w", err)
	}
	return t, nil
}

// Client has the enqueues of a client told, which is opened with cfg then: it adds to Use,
// as the innermost.
func (t *Telemetry) Client(cfg *tasuki.ClientConfig) {
	cfg.Use = append(cfg.Use[:len(cfg.Use):len(cfg.Use)], t.enqueue)
}

// Worker has the attempts of a worker told, which is made with cfg then: it adds to Use, as
// the outermost, so that the other middlewares are within the span, and goes before OnChange,
// which must be set already.
func (t *Telemetry) Worker(cfg *tasuki.WorkerConfig) {
	cfg.Use = append([]tasuki.Middleware{t.process}, cfg.Use...)
	next := cfg.OnChange
	cfg.OnChange = func(c tasuki.Change) {
		t.changed(&c)
		if next != nil {
			next(c)
		}
	}
}
