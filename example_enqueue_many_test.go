package tasuki_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/tasuki-dev/tasuki"
)

// EnqueueMany puts in many jobs in few commands. Each is accepted or not by
// itself.
func ExampleClient_EnqueueMany() {
	resize := tasuki.Define[string]("image.resize").With(tasuki.Opts{Queue: "images"})

	client, end := exampleClient()
	defer end()
	ctx := context.Background()
	infos, err := client.EnqueueMany(ctx, []tasuki.Spec{
		resize.With(tasuki.Opts{ID: "cat"}).Spec("cat.png"),
		resize.With(tasuki.Opts{ID: "no spaces"}).Spec("dog.png"),
		resize.With(tasuki.Opts{ID: "cat"}).Spec("cat.png"),
	})
	var many *tasuki.ManyError
	if errors.As(err, &many) {
		fmt.Println(many.Errs[1])
	}
	fmt.Println(infos[0].Address(), infos[0].State)
	fmt.Println(infos[2].Address(), "existed:", infos[2].Existed)
	// Output:
	// id: "no spaces": allowed are 1 to 128 of A-Z a-z 0-9 . _ : @ = + ~ - beginning with a letter or digit
	// images/cat ready
	// images/cat existed: true
}
