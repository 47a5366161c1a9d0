package tasuki_test

import (
	"context"
	"fmt"

	"github.com/tasuki-dev/tasuki"
)

// Who watches a job sees each change of it, until it has ended.
func ExampleClient_Watch() {
	export := tasuki.Define[int]("export").With(tasuki.Opts{Record: true})

	client, end := exampleClient()
	defer end()
	ctx := context.Background()
	info, err := export.Enqueue(ctx, client, 1)
	check(err)
	worker, err := tasuki.NewWorker(client, nil)
	check(err)
	seen := make(chan struct{})
	tasuki.Handle(worker, export, func(context.Context, *tasuki.Job[int]) error {
		<-seen
		return nil
	})

	stop := func() {}
	for record, err := range client.Watch(ctx, info.Address()) {
		check(err)
		fmt.Println(record.State)
		switch record.State {
		case tasuki.StateReady:
			stop = exampleRun(worker)
		case tasuki.StateRunning:
			close(seen)
		}
	}
	stop()
	// Output:
	// ready
	// running
	// done
}
