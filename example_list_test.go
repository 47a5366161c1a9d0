package tasuki_test

import (
	"context"
	"fmt"

	"github.com/tasuki-dev/tasuki"
)

// A list of another program can be a queue. Its elements are bytes that tasuki
// does not know: raw jobs. What fails is kept in keys of tasuki's own, and never
// written into the list.
func Example_foreignList() {
	client, end := exampleClient()
	defer end()
	worker, err := tasuki.NewWorker(client, &tasuki.WorkerConfig{
		Queues: []tasuki.Queue{{List: "orders"}}, // Tail: true for programs that LPUSH
	})
	check(err)
	done := make(chan bool)
	tasuki.HandleRaw(worker, "list:orders", func(ctx context.Context, job *tasuki.RawJob) error {
		fmt.Printf("%s from %s\n", job.Args, job.Queue)
		close(done)
		return nil
	})
	defer exampleRun(worker)()

	// Stands for the other program: RPUSH orders 4711
	check(client.Push(context.Background(), tasuki.Queue{List: "orders"}, []byte("4711")))
	<-done
	// Output: 4711 from list:orders
}
