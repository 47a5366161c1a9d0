package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

// When the context of Run ends, the worker takes no more jobs, and gives those
// that run some time. After it their contexts end. A job whose handler returns an
// error then goes back to the head of its queue, and no attempt is counted.
func ExampleWorker_Run() {
	long := tasuki.Define[int]("long")

	client, end := exampleClient()
	defer end()
	worker, err := tasuki.NewWorker(client, &tasuki.WorkerConfig{Grace: 20 * time.Millisecond})
	check(err)
	running := make(chan bool)
	tasuki.Handle(worker, long, func(ctx context.Context, job *tasuki.Job[int]) error {
		close(running)
		<-ctx.Done()
		fmt.Println("stopping:", errors.Is(context.Cause(ctx), tasuki.ErrStopping))
		return ctx.Err()
	})
	_, err = long.Enqueue(context.Background(), client, 1)
	check(err)

	ctx, stop := context.WithCancel(context.Background()) // or signal.NotifyContext
	ended := make(chan error)
	go func() { ended <- worker.Run(ctx) }()
	<-running
	stop()
	fmt.Println("Run:", <-ended)

	queue, err := inspect.New(client).Queue(context.Background(), "default")
	check(err)
	fmt.Println("ready:", queue.Ready)
	// Output:
	// stopping: true
	// Run: <nil>
	// ready: 1
}
