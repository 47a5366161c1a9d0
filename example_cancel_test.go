package tasuki_test

import (
	"context"
	"fmt"

	"github.com/tasuki-dev/tasuki"
)

// Cancel ends the context of a job that runs. If its handler returns an error
// then, the job has ended: it is not retried.
func ExampleClient_Cancel() {
	export := tasuki.Define[int]("export")

	client, end := exampleClient()
	defer end()
	worker, err := tasuki.NewWorker(client, nil)
	check(err)
	running, ended := make(chan bool), make(chan error)
	tasuki.Handle(worker, export, func(ctx context.Context, job *tasuki.Job[int]) error {
		close(running)
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return ctx.Err()
	})
	defer exampleRun(worker)()

	ctx := context.Background()
	info, err := export.Enqueue(ctx, client, 1)
	check(err)
	<-running
	check(client.Cancel(ctx, info.Address()))
	fmt.Println(<-ended)
	// Output: the job was cancelled
}
