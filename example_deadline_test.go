package tasuki_test

import (
	"context"
	"fmt"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

// A job can have a deadline, after which it is dead if it is not done, and a time
// until which it has to be started, else it is dropped.
func ExampleOpts_deadline() {
	report := tasuki.Define[string]("report")
	alert := tasuki.Define[string]("alert").With(tasuki.Opts{ExpireIn: 10 * time.Millisecond})

	client, end := exampleClient()
	defer end()
	ctx := context.Background()
	_, err := alert.Enqueue(ctx, client, "low on coffee")
	check(err)
	_, err = report.With(tasuki.Opts{Deadline: time.Now().Add(2 * time.Second)}).Enqueue(ctx, client, "May")
	check(err)
	time.Sleep(20 * time.Millisecond) // the worker starts too late for the alert

	worker, err := tasuki.NewWorker(client, nil)
	check(err)
	ended := make(chan error)
	tasuki.Handle(worker, alert, func(ctx context.Context, job *tasuki.Job[string]) error {
		fmt.Println(job.Args)
		return nil
	})
	tasuki.Handle(worker, report, func(ctx context.Context, job *tasuki.Job[string]) error {
		<-ctx.Done() // it takes long
		ended <- context.Cause(ctx)
		return ctx.Err()
	})
	stop := exampleRun(worker)
	fmt.Println("report:", <-ended)
	stop()

	queue, err := inspect.New(client).Queue(ctx, "default")
	check(err)
	fmt.Println("expired:", queue.Counts["expired"], "dead:", queue.Dead)
	// Output:
	// report: the deadline of the job has passed
	// expired: 1 dead: 1
}
