package tasukiotel_test

import (
	"context"
	"fmt"
	"log/slog"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/contrib/tasukiotel"
	"github.com/tasuki-dev/tasuki/embedded"
)

// The job carries the trace of who has enqueued it. The SDK, here one that keeps spans in
// memory, is the program's own.
func Example() {
	check := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	server, err := embedded.Start("127.0.0.1:0")
	check(err)
	defer server.Close()
	spans := tracetest.NewInMemoryExporter()
	telemetry, err := tasukiotel.New(&tasukiotel.Config{TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))})
	check(err)

	clientConfig := tasuki.ClientConfig{Logger: slog.New(slog.DiscardHandler)}
	telemetry.Client(&clientConfig)
	client, err := tasuki.Open(server.URL(), &clientConfig)
	check(err)
	defer client.Close()

	ctx, stop := context.WithCancel(context.Background())
	workerConfig := tasuki.WorkerConfig{}
	telemetry.Worker(&workerConfig)
	worker, err := tasuki.NewWorker(client, &workerConfig)
	check(err)
	welcome := tasuki.Define[string]("email.welcome").With(tasuki.Opts{Queue: "default"})
	tasuki.Handle(worker, welcome, func(context.Context, *tasuki.Job[string]) error { stop(); return nil })
	_, err = welcome.Enqueue(ctx, client, "ada@example.org")
	check(err)
	check(worker.Run(ctx))

	send, process := spans.GetSpans()[0], spans.GetSpans()[1]
	fmt.Println(send.SpanKind, send.Name)
	fmt.Println(process.SpanKind, process.Name)
	fmt.Println("in one trace:", process.SpanContext.TraceID() == send.SpanContext.TraceID())
	// Output:
	// producer send default
	// consumer process default
	// in one trace: true
}
