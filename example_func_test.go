package tasuki_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/tasuki-dev/tasuki"
)

// The jobs of a Func return a value, for which a program can wait.
func ExampleFunc_Await() {
	shout := tasuki.DefineFunc[string, string]("shout")

	client, end := exampleClient()
	defer end()
	worker, err := tasuki.NewWorker(client, nil)
	check(err)
	tasuki.HandleFunc(worker, shout, func(_ context.Context, job *tasuki.Job[string]) (string, error) {
		return strings.ToUpper(job.Args), nil
	})
	defer exampleRun(worker)()

	ctx := context.Background()
	info, err := shout.Enqueue(ctx, client, "hello")
	check(err)
	fmt.Println(shout.Await(ctx, client, info.Address()))
	// Output: HELLO <nil>
}
