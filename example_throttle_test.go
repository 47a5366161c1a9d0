package tasuki_test

import (
	"context"
	"fmt"
	"time"

	"github.com/tasuki-dev/tasuki"
)

// A customer hears of the first change at once, and of those that follow within a second once, at
// its end.
func ExampleUnique_throttle() {
	notify := tasuki.Define[string]("notify").With(tasuki.Opts{
		Unique: tasuki.Unique{Mode: tasuki.UniqueThrottle, Key: "customer 7", For: time.Second},
	})

	client, end := exampleClient()
	defer end()
	ctx := context.Background()
	for _, text := range []string{"paid", "packed", "sent"} {
		info, err := notify.Enqueue(ctx, client, text)
		check(err)
		fmt.Println(text, info.Existed, info.State)
	}
	worker, err := tasuki.NewWorker(client, nil)
	check(err)
	told := make(chan string, 3)
	tasuki.Handle(worker, notify, func(_ context.Context, job *tasuki.Job[string]) error {
		told <- job.Args
		return nil
	})
	defer exampleRun(worker)()
	fmt.Println(<-told)
	fmt.Println(<-told)
	// Output:
	// paid false ready
	// packed false scheduled
	// sent true scheduled
	// paid
	// sent
}
