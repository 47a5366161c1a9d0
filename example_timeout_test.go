package tasuki_test

import (
	"context"
	"fmt"
	"time"

	"github.com/tasuki-dev/tasuki"
)

// An attempt that takes too long has its context ended, and is a failed one.
func ExampleOpts_timeout() {
	slow := tasuki.Define[string]("slow").With(tasuki.Opts{Timeout: 20 * time.Millisecond, MaxAttempts: 1, Record: true})

	client, end := exampleClient()
	defer end()
	ctx := context.Background()
	info, err := slow.Enqueue(ctx, client, "")
	check(err)
	worker, err := tasuki.NewWorker(client, nil)
	check(err)
	tasuki.Handle(worker, slow, func(ctx context.Context, _ *tasuki.Job[string]) error {
		<-ctx.Done()
		return context.Cause(ctx)
	})
	defer exampleRun(worker)()
	record, err := client.Wait(ctx, info.Address())
	check(err)
	fmt.Println(record.State, record.Reason, record.Error)
	// Output:
	// dead out of attempts the attempt took longer than its timeout
}
