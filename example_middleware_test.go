package tasuki_test

import (
	"context"
	"fmt"

	"github.com/tasuki-dev/tasuki"
)

// A middleware stands before every handler of a worker: for metrics, traces, or
// values in the context. The first of the list is the outermost.
func ExampleMiddleware() {
	say := tasuki.Define[string]("say")
	named := func(name string) tasuki.Middleware {
		return func(next tasuki.Handler) tasuki.Handler {
			return func(ctx context.Context, job *tasuki.RawJob) error {
				fmt.Println(name, "before", job.Kind)
				err := next(ctx, job)
				fmt.Println(name, "after:", err)
				return err
			}
		}
	}

	client, end := exampleClient()
	defer end()
	worker, err := tasuki.NewWorker(client, &tasuki.WorkerConfig{Use: []tasuki.Middleware{named("outer"), named("inner")}})
	check(err)
	running := make(chan bool)
	tasuki.Handle(worker, say, func(ctx context.Context, job *tasuki.Job[string]) error {
		fmt.Println(job.Args)
		close(running)
		return nil
	})

	_, err = say.Enqueue(context.Background(), client, "hello")
	check(err)
	stop := exampleRun(worker)
	<-running
	stop() // waits for what runs
	// Output:
	// outer before say
	// inner before say
	// hello
	// inner after: <nil>
	// outer after: <nil>
}
