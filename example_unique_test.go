package tasuki_test

import (
	"context"
	"fmt"

	"github.com/tasuki-dev/tasuki"
)

// A report of a tenant that waits to be made is not enqueued a second time.
func ExampleUnique() {
	type args struct {
		Tenant int    `json:"tenant"`
		By     string `json:"by"`
	}
	report := tasuki.Define[args]("report").With(tasuki.Opts{
		Unique: tasuki.Unique{Mode: tasuki.UniqueQueued, Fields: []string{"tenant"}},
	})

	client, end := exampleClient()
	defer end()
	ctx := context.Background()
	for _, a := range []args{{1, "ann"}, {1, "bob"}, {2, "bob"}} {
		info, err := report.Enqueue(ctx, client, a)
		check(err)
		fmt.Println(a.Tenant, info.Existed, info.State)
	}
	// Output:
	// 1 false ready
	// 1 true ready
	// 2 false ready
}
