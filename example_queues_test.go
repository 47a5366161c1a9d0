package tasuki_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/tasuki-dev/tasuki"
)

// A worker of several queues asks them in the order given: the second gets a slot
// when the first is empty. With a Weight for each, all get their share.
func Example_queues() {
	task := tasuki.Define[string]("task")

	client, end := exampleClient()
	defer end()
	_, err := client.EnqueueMany(context.Background(), []tasuki.Spec{
		task.With(tasuki.Opts{Queue: "low"}).Spec("low 1"),
		task.With(tasuki.Opts{Queue: "low"}).Spec("low 2"),
		task.With(tasuki.Opts{Queue: "high"}).Spec("high 1"),
		task.With(tasuki.Opts{Queue: "high"}).Spec("high 2"),
	})
	check(err)

	worker, err := tasuki.NewWorker(client, &tasuki.WorkerConfig{
		Queues:      []tasuki.Queue{{Name: "high"}, {Name: "low"}},
		Concurrency: 1,
	})
	check(err)
	var left sync.WaitGroup
	left.Add(4)
	tasuki.Handle(worker, task, func(ctx context.Context, job *tasuki.Job[string]) error {
		fmt.Println(job.Args)
		left.Done()
		return nil
	})
	defer exampleRun(worker)()
	left.Wait()
	// Output:
	// high 1
	// high 2
	// low 1
	// low 2
}
