package tasuki_test

import (
	"context"
	"fmt"

	"github.com/tasuki-dev/tasuki"
)

// A recorded job can be found under its address: before it runs, while it does and after
// its end.
func ExampleClient_Wait() {
	export := tasuki.Define[int]("export").With(tasuki.Opts{Record: true})

	client, end := exampleClient()
	defer end()
	ctx := context.Background()
	info, err := export.Enqueue(ctx, client, 1)
	check(err)
	record, err := client.Get(ctx, info.Address())
	check(err)
	fmt.Println(record.State, string(record.Args))

	worker, err := tasuki.NewWorker(client, nil)
	check(err)
	tasuki.Handle(worker, export, func(_ context.Context, job *tasuki.Job[int]) error {
		for row := range int64(300) {
			job.SetProgress(row+1, 300, "rows")
		}
		return nil
	})
	defer exampleRun(worker)()
	record, err = client.Wait(ctx, info.Address())
	check(err)
	fmt.Println(record.State, record.Progress.Done, record.Progress.Note, len(record.Runs))
	// Output:
	// ready 1
	// done 300 rows 1
}
