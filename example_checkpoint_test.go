package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tasuki-dev/tasuki"
)

// A long job goes on where its last run has stopped.
func ExampleJob_Checkpoint() {
	index := tasuki.Define[int]("index").With(tasuki.Opts{Record: true})

	client, end := exampleClient()
	defer end()
	worker, err := tasuki.NewWorker(client, nil)
	check(err)
	tasuki.Handle(worker, index, func(_ context.Context, job *tasuki.Job[int]) error {
		var next int
		if _, err := job.Cursor(&next); err != nil {
			return err
		}
		for ; next < job.Args; next++ {
			fmt.Println("document", next)
			if err := job.Checkpoint(next + 1); err != nil {
				return err
			}
			if next == 1 && job.Attempt == 1 {
				return tasuki.RetryIn(time.Millisecond, errors.New("the search engine is away"))
			}
		}
		return nil
	})
	defer exampleRun(worker)()

	ctx := context.Background()
	info, err := index.Enqueue(ctx, client, 4)
	check(err)
	_, err = client.Wait(ctx, info.Address())
	check(err)
	// Output:
	// document 0
	// document 1
	// document 2
	// document 3
}
