package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

// What becomes of the second job with the same key is the mode's matter, or the producer's.
func ExampleConflict() {
	type args struct{ Mail, Text string }
	welcome := tasuki.Define[args]("welcome").WithFuncs(tasuki.Funcs[args]{
		UniqueKey: func(a args) string { return strings.ToLower(a.Mail) },
	})

	client, end := exampleClient()
	defer end()
	ctx := context.Background()
	enqueue := func(u tasuki.Unique, a args) (tasuki.Info, error) {
		return welcome.With(tasuki.Opts{Unique: u}).Enqueue(ctx, client, a)
	}
	first, err := enqueue(tasuki.Unique{Mode: tasuki.UniqueUntilDone}, args{"Ann@example.org", "hello"})
	check(err)

	var duplicate *tasuki.DuplicateError
	_, err = enqueue(tasuki.Unique{Mode: tasuki.UniqueUntilDone, OnConflict: tasuki.ConflictError}, args{"ann@example.org", "hi"})
	fmt.Println(errors.As(err, &duplicate) && duplicate.Info.ID == first.ID)

	_, err = enqueue(tasuki.Unique{Mode: tasuki.UniqueUntilDone, OnConflict: tasuki.ConflictReplace}, args{"ann@example.org", "good morning"})
	check(err)
	record, err := client.Get(ctx, first.Address())
	check(err)
	fmt.Println(string(record.Args))

	// Who has the key can be seen, and the key be freed by hand.
	in := inspect.New(client)
	for lock, err := range in.Locks(ctx, "default") {
		check(err)
		fmt.Println(lock.Kind, lock.Key, lock.State)
		check(in.Unlock(ctx, "default", lock.Name))
	}
	// Output:
	// true
	// {"Mail":"ann@example.org","Text":"good morning"}
	// welcome ann@example.org ready
}
