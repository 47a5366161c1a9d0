package tasukitest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/tasukitest"
)

// signUp is what is tested: it takes an Enqueuer, not a *tasuki.Client.
func signUp(ctx context.Context, jobs tasuki.Enqueuer, name string) error {
	_, err := welcome.With(tasuki.Opts{In: time.Minute}).Enqueue(ctx, jobs, welcomeArgs{Name: name})
	return err
}

func ExampleRequireEnqueued() {
	t := new(testing.T) // that of the test

	var rec tasukitest.Recorder
	if err := signUp(context.Background(), &rec, "ann"); err != nil {
		t.Fatal(err)
	}
	job := tasukitest.RequireEnqueued(t, &rec, welcome)
	fmt.Println(job.Args.Name, job.Queue, job.State)
	// Output: ann default scheduled
}
