package tasuki_test

import (
	"context"
	"fmt"
	"time"

	"github.com/tasuki-dev/tasuki"
)

// A customer gets a reminder once a day at most, also when the first was sent long ago.
func ExampleUnique_window() {
	remind := tasuki.Define[string]("remind").With(tasuki.Opts{
		Record: true,
		Unique: tasuki.Unique{Mode: tasuki.UniqueWindow, Key: "ann", For: 24 * time.Hour},
	})

	client, end := exampleClient()
	defer end()
	ctx := context.Background()
	worker, err := tasuki.NewWorker(client, nil)
	check(err)
	tasuki.Handle(worker, remind, func(_ context.Context, job *tasuki.Job[string]) error {
		fmt.Println("to ann:", job.Args)
		return nil
	})
	first, err := remind.Enqueue(ctx, client, "your cart waits")
	check(err)
	stop := exampleRun(worker)
	_, err = client.Wait(ctx, first.Address())
	check(err)
	stop()

	second, err := remind.Enqueue(ctx, client, "your cart waits still")
	check(err)
	fmt.Println(second.Existed, second.ID == first.ID, second.State)
	// Output:
	// to ann: your cart waits
	// true true done
}
