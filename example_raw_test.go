package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tasuki-dev/tasuki"
)

// Whatever is pushed to a queue is a job. What is no job object goes to the raw
// handler of the queue, and is retried like any other.
func Example_rawJobs() {
	client, end := exampleClient()
	defer end()
	worker, err := tasuki.NewWorker(client, nil)
	check(err)
	done := make(chan bool)
	tasuki.HandleRaw(worker, "default", func(ctx context.Context, job *tasuki.RawJob) error {
		fmt.Printf("attempt %d of %q\n", job.Attempt, job.Args)
		if job.Attempt == 1 {
			return tasuki.RetryIn(time.Millisecond, errors.New("not yet"))
		}
		close(done)
		return nil
	})
	defer exampleRun(worker)()

	// As any program would: RPUSH tasuki:{default} "no job object"
	check(client.Push(context.Background(), tasuki.Queue{Name: "default"}, []byte("no job object")))
	<-done
	// Output:
	// attempt 1 of "no job object"
	// attempt 2 of "no job object"
}
