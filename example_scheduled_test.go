package tasuki_test

import (
	"context"
	"fmt"
	"time"

	"github.com/tasuki-dev/tasuki"
)

// A job can be enqueued for later: In a while, or At a time.
func Example_scheduled() {
	remind := tasuki.Define[string]("remind")

	client, end := exampleClient()
	defer end()
	ctx := context.Background()
	later := remind.With(tasuki.Opts{In: 30 * time.Millisecond})
	info, err := later.Enqueue(ctx, client, "later")
	check(err)
	fmt.Println(info.State)
	info, err = remind.With(tasuki.Opts{At: time.Now().Add(-time.Hour)}).Enqueue(ctx, client, "an hour ago")
	check(err)
	fmt.Println(info.State) // a time in the past means now

	worker, err := tasuki.NewWorker(client, &tasuki.WorkerConfig{Concurrency: 1})
	check(err)
	ran := make(chan string, 2)
	tasuki.Handle(worker, remind, func(ctx context.Context, job *tasuki.Job[string]) error {
		ran <- job.Args
		return nil
	})
	defer exampleRun(worker)()
	fmt.Println(<-ran)
	fmt.Println(<-ran)
	// Output:
	// scheduled
	// ready
	// an hour ago
	// later
}
