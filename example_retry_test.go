package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tasuki-dev/tasuki"
)

// A job whose handler returns an error is run again. The kind has its own backoff
// and attempts here; without them it is 20 attempts over about two days.
func Example_retries() {
	charge := tasuki.Define[int]("invoice.charge").
		With(tasuki.Opts{MaxAttempts: 3}).
		WithFuncs(tasuki.Funcs[int]{Backoff: func(job tasuki.Info, err error) time.Duration {
			return time.Duration(job.Attempt) * time.Millisecond
		}})

	client, end := exampleClient()
	defer end()
	worker, err := tasuki.NewWorker(client, nil)
	check(err)
	last := make(chan bool)
	tasuki.Handle(worker, charge, func(ctx context.Context, job *tasuki.Job[int]) error {
		fmt.Printf("attempt %d of %d\n", job.Attempt, job.MaxAttempts)
		if job.Attempt == 3 {
			fmt.Println("the last error was:", job.Error)
			close(last)
			return nil
		}
		return errors.New("the bank is closed")
	})
	defer exampleRun(worker)()

	_, err = charge.Enqueue(context.Background(), client, 1042)
	check(err)
	<-last
	// Output:
	// attempt 1 of 3
	// attempt 2 of 3
	// attempt 3 of 3
	// the last error was: the bank is closed
}
