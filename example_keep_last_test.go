package tasuki_test

import (
	"context"
	"fmt"

	"github.com/tasuki-dev/tasuki"
)

// A page is drawn as it was said last, however often that was before it is its turn.
func ExampleUnique_keepLast() {
	draw := tasuki.Define[string]("draw").With(tasuki.Opts{
		Unique: tasuki.Unique{Mode: tasuki.UniqueKeepLast, Key: "page 7"},
	})

	client, end := exampleClient()
	defer end()
	ctx := context.Background()
	for _, colour := range []string{"red", "green", "blue"} {
		info, err := draw.Enqueue(ctx, client, colour)
		check(err)
		fmt.Println(colour, info.Existed, info.State)
	}
	worker, err := tasuki.NewWorker(client, nil)
	check(err)
	drawn := make(chan string, 3)
	tasuki.Handle(worker, draw, func(_ context.Context, job *tasuki.Job[string]) error {
		drawn <- job.Args
		return nil
	})
	defer exampleRun(worker)()
	fmt.Println(<-drawn)
	// Output:
	// red false ready
	// green true ready
	// blue true ready
	// blue
}
