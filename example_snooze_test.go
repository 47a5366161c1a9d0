package tasuki_test

import (
	"context"
	"fmt"
	"time"

	"github.com/tasuki-dev/tasuki"
)

// Snooze puts a job off without an attempt: what it needs is not there yet.
func ExampleSnooze() {
	publish := tasuki.Define[string]("video.publish")

	client, end := exampleClient()
	defer end()
	worker, err := tasuki.NewWorker(client, nil)
	check(err)
	done := make(chan bool)
	looks := 0
	tasuki.Handle(worker, publish, func(ctx context.Context, job *tasuki.Job[string]) error {
		looks++
		fmt.Printf("attempt %d, reason %q\n", job.Attempt, job.Reason)
		if looks < 3 {
			return tasuki.Snooze(time.Millisecond, "still encoding")
		}
		close(done)
		return nil
	})
	defer exampleRun(worker)()

	_, err = publish.Enqueue(context.Background(), client, "cats.mp4")
	check(err)
	<-done
	// Output:
	// attempt 1, reason ""
	// attempt 1, reason "still encoding"
	// attempt 1, reason "still encoding"
}
