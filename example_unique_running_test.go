package tasuki_test

import (
	"context"
	"fmt"

	"github.com/tasuki-dev/tasuki"
)

// Of the jobs of one account only one runs at a time. The next waits without a slot, and starts
// when that one has ended.
func ExampleUnique_running() {
	type args struct {
		Account int    `json:"account"`
		Do      string `json:"do"`
	}
	sync := tasuki.Define[args]("sync").With(tasuki.Opts{
		Unique: tasuki.Unique{Mode: tasuki.UniqueRunning, Fields: []string{"account"}},
	})

	client, end := exampleClient()
	defer end()
	ctx := context.Background()
	worker, err := tasuki.NewWorker(client, nil)
	check(err)
	begun, goOn := make(chan args), make(chan bool)
	tasuki.Handle(worker, sync, func(_ context.Context, job *tasuki.Job[args]) error {
		begun <- job.Args
		<-goOn
		return nil
	})
	defer exampleRun(worker)()

	_, err = sync.Enqueue(ctx, client, args{1, "orders"})
	check(err)
	fmt.Println(<-begun)
	second, err := sync.Enqueue(ctx, client, args{1, "prices"})
	check(err)
	for record, err := range client.Watch(ctx, second.Address()) {
		check(err)
		if record.State == tasuki.StateParked {
			break
		}
	}
	fmt.Println("the second is parked")
	_, err = sync.Enqueue(ctx, client, args{2, "orders"})
	check(err)
	fmt.Println(<-begun)

	goOn <- true
	goOn <- true
	fmt.Println(<-begun)
	goOn <- true
	// Output:
	// {1 orders}
	// the second is parked
	// {2 orders}
	// {1 prices}
}
