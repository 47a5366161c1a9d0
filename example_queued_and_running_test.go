package tasuki_test

import (
	"context"
	"fmt"

	"github.com/tasuki-dev/tasuki"
)

// While a sitemap is made one more may wait, for what has changed meanwhile: a third is not
// needed.
func ExampleUnique_queuedAndRunning() {
	sitemap := tasuki.Define[int]("sitemap").With(tasuki.Opts{
		Unique: tasuki.Unique{Mode: tasuki.UniqueQueuedAndRunning, Key: "shop"},
	})

	client, end := exampleClient()
	defer end()
	ctx := context.Background()
	worker, err := tasuki.NewWorker(client, nil)
	check(err)
	begun, goOn := make(chan int), make(chan bool)
	tasuki.Handle(worker, sitemap, func(_ context.Context, job *tasuki.Job[int]) error {
		begun <- job.Args
		<-goOn
		return nil
	})
	defer exampleRun(worker)()

	for n := range 3 {
		info, err := sitemap.Enqueue(ctx, client, n)
		check(err)
		fmt.Println(n, info.Existed)
		if n == 0 {
			fmt.Println("runs:", <-begun)
		}
	}
	goOn <- true
	fmt.Println("runs:", <-begun)
	goOn <- true
	// Output:
	// 0 false
	// runs: 0
	// 1 false
	// 2 true
	// runs: 1
}
