package tasuki_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/tasukitest"
)

// A program that logs with the context says which job it was, from wherever it logs: by
// LogHandler around its own handler. Logger is for a handler that logs to the worker's
// logger.
func ExampleLogHandler() {
	bake := tasuki.Define[string]("bake")
	json := slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime})
	logger := slog.New(tasuki.LogHandler(json)) // a program gives it to slog.SetDefault

	oven := func(ctx context.Context, what string) { // knows nothing of jobs
		logger.InfoContext(ctx, "the oven is hot", "for", what)
	}
	worker := tasukitest.NewWorker(&tasuki.WorkerConfig{Logger: logger})
	tasuki.Handle(worker, bake, func(ctx context.Context, job *tasuki.Job[string]) error {
		oven(ctx, job.Args)
		tasuki.Logger(ctx).Info("it is done")
		return nil
	})
	_, err := tasukitest.Run(context.Background(), worker, bake.With(tasuki.Opts{ID: "order-7"}).Spec("bread"))
	check(err)
	logger.Info("closed")
	// Output:
	// {"level":"INFO","msg":"the oven is hot","queue":"default","id":"order-7","kind":"bake","attempt":1,"for":"bread"}
	// {"level":"INFO","msg":"it is done","queue":"default","id":"order-7","kind":"bake","attempt":1}
	// {"level":"INFO","msg":"closed"}
}

// Code deep in a call tree knows its job by the context.
func ExampleFromContext() {
	bake := tasuki.Define[string]("bake")
	pay := func(ctx context.Context) { // asks for a key that is the same in all attempts
		if job, ok := tasuki.FromContext(ctx); ok {
			fmt.Println("paid once for", job.Address())
		}
	}
	worker := tasukitest.NewWorker(nil)
	tasuki.Handle(worker, bake, func(ctx context.Context, job *tasuki.Job[string]) error {
		pay(ctx)
		return nil
	})
	_, err := tasukitest.Run(context.Background(), worker, bake.With(tasuki.Opts{ID: "order-7"}).Spec("bread"))
	check(err)
	// Output: paid once for default/order-7
}

func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}
