package tasukitest_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/tasukitest"
)

// sendWelcome is what is tested.
func sendWelcome(_ context.Context, job *tasuki.Job[welcomeArgs]) error {
	switch {
	case job.Args.Name == "":
		return tasuki.Kill(errors.New("nobody to greet"))
	case job.Attempt == 1:
		return tasuki.RetryIn(time.Minute, errors.New("the mail server is away"))
	}
	return nil
}

func ExampleRun() {
	ctx := context.Background()
	w := tasukitest.NewWorker(nil)
	tasuki.Handle(w, welcome, sendWelcome)

	result, err := tasukitest.Run(ctx, w, welcome.Spec(welcomeArgs{}))
	fmt.Println(result.Outcome, result.Err, err)

	result, err = tasukitest.Run(ctx, w, welcome.Spec(welcomeArgs{Name: "ann"}))
	fmt.Println(result.Outcome, result.Delay, result.Err, err)
	result, err = result.Next(ctx)
	fmt.Println(result.Outcome, result.Err, err)
	// Output:
	// dead nobody to greet <nil>
	// retry 1m0s the mail server is away <nil>
	// done <nil> <nil>
}
