package tasuki_test

import (
	"context"
	"fmt"
	"time"

	"github.com/tasuki-dev/tasuki"
)

// A search index is brought up to date when nobody has typed for a while.
func ExampleUnique_debounce() {
	index := tasuki.Define[string]("index").With(tasuki.Opts{
		Unique: tasuki.Unique{Mode: tasuki.UniqueDebounce, Key: "page 7", For: 50 * time.Millisecond},
	})

	client, end := exampleClient()
	defer end()
	ctx := context.Background()
	var address string
	for _, text := range []string{"t", "ta", "tas", "tasuki"} {
		info, err := index.Enqueue(ctx, client, text)
		check(err)
		address = info.Address()
	}
	worker, err := tasuki.NewWorker(client, nil)
	check(err)
	tasuki.Handle(worker, index, func(_ context.Context, job *tasuki.Job[string]) error {
		fmt.Println(job.Args)
		return nil
	})
	defer exampleRun(worker)()
	_, err = client.Wait(ctx, address)
	check(err)
	// Output:
	// tasuki
}
