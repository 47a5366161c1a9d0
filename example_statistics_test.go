package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

// What workers have done is counted by kind, and what attempts have failed with by its
// fingerprint: errors that differ only in numbers, ids and names are the same.
func Example_statistics() {
	client, end := exampleClient()
	defer end()
	ctx := context.Background()
	invoice := tasuki.Define[int]("invoice").With(tasuki.Opts{MaxAttempts: 1})
	worker, err := tasuki.NewWorker(client, nil)
	check(err)
	settled := make(chan bool)
	tasuki.Handle(worker, invoice, func(_ context.Context, job *tasuki.Job[int]) error {
		defer func() { settled <- true }()
		if job.Args > 1 {
			return fmt.Errorf("no customer %d", job.Args)
		}
		return nil
	})
	stop := exampleRun(worker)
	for number := range 4 {
		_, err := invoice.Enqueue(ctx, client, number)
		check(err)
		<-settled
	}
	stop() // else it is there after ten seconds

	inspector := inspect.New(client)
	kinds, _, err := inspector.Kinds(ctx, "", time.Now().Add(-24*time.Hour))
	check(err)
	for _, k := range kinds {
		fmt.Println(k.Kind, "done:", k.Done, "failed:", k.Failed, "quick:", k.Run.Quantile(0.99) < time.Minute)
	}
	failures, err := inspector.Failures(ctx, inspect.FailureQuery{})
	check(err)
	for _, f := range failures {
		fmt.Println(f.Count, "times:", f.Sample.Error)
		fmt.Println(f.Fingerprint == inspect.Fingerprint("invoice", errors.New("no customer 4711").Error()))
	}
	// Output:
	// invoice done: 2 failed: 2 quick: true
	// 2 times: no customer 3
	// true
}
