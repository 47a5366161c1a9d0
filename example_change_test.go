package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tasuki-dev/tasuki"
)

// Somebody wants to know when a job is dead; metrics want to know of all changes. What
// takes long, such as a call of another system, is for a goroutine of one's own: here
// the end of a channel.
func ExampleChange() {
	client, end := exampleClient()
	defer end()
	dead := make(chan tasuki.Change, 100)
	worker, err := tasuki.NewWorker(client, &tasuki.WorkerConfig{
		Backoff: func(tasuki.Info, error) time.Duration { return time.Millisecond },
		OnChange: func(c tasuki.Change) {
			fmt.Printf("attempt %d: %s → %s\n", c.Attempt, c.From, c.State)
			if c.State == tasuki.StateDead {
				select {
				case dead <- c:
				default: // a lost message is better than a worker that waits
				}
			}
		},
	})
	check(err)
	charge := tasuki.Define[int]("charge")
	tasuki.Handle(worker, charge, func(context.Context, *tasuki.Job[int]) error { return errors.New("no such card") })

	_, err = charge.With(tasuki.Opts{ID: "invoice-7", MaxAttempts: 2}).Enqueue(context.Background(), client, 7)
	check(err)
	stop := exampleRun(worker)
	c := <-dead
	stop()
	fmt.Printf("to whom it concerns: %s is dead, %s: %v\n", c.Address(), c.Reason, c.Err)
	// Output:
	// attempt 1: ready → running
	// attempt 1: running → retry
	// attempt 2: ready → running
	// attempt 2: running → dead
	// to whom it concerns: default/invoice-7 is dead, out of attempts: no such card
}
