package tasuki_test

import (
	"context"
	"fmt"

	"github.com/tasuki-dev/tasuki"
)

// The trace of a request goes on in the jobs that it enqueues, and in those that their
// handlers enqueue. Two small functions tie it to a tracer; here a span is no more than
// its traceparent. docs/context.md has those for OpenTelemetry.
func ExampleCarryTrace() {
	type span struct{} // the key of the context
	inject := func(ctx context.Context) (traceparent, tracestate string) {
		traceparent, _ = ctx.Value(span{}).(string)
		return traceparent, ""
	}
	extract := func(ctx context.Context, traceparent, tracestate string) context.Context {
		return context.WithValue(ctx, span{}, traceparent)
	}

	plain, end := exampleClient()
	defer end()
	client := tasuki.CarryTrace(inject)(plain) // or in ClientConfig.Use
	worker, err := tasuki.NewWorker(plain, &tasuki.WorkerConfig{Use: []tasuki.Middleware{tasuki.ContinueTrace(extract)}})
	check(err)
	order, mail := tasuki.Define[int]("order"), tasuki.Define[int]("mail")
	tasuki.Handle(worker, order, func(ctx context.Context, job *tasuki.Job[int]) error {
		fmt.Println("order of trace", job.TraceID())
		_, err := mail.Enqueue(ctx, client, job.Args) // the handler's ctx is all it takes
		return err
	})
	done := make(chan bool)
	tasuki.Handle(worker, mail, func(ctx context.Context, job *tasuki.Job[int]) error {
		fmt.Println("mail of trace ", job.TraceID())
		close(done)
		return nil
	})

	request := context.WithValue(context.Background(), span{}, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	_, err = order.Enqueue(request, client, 7)
	check(err)
	stop := exampleRun(worker)
	<-done
	stop()
	// Output:
	// order of trace 0af7651916cd43dd8448eb211c80319c
	// mail of trace  0af7651916cd43dd8448eb211c80319c
}
