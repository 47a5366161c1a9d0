package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

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
	locks, err := in.Locks(ctx, "default")
	check(err)
	for _, lock := range locks {
		fmt.Println(lock.Kind, lock.Key, lock.State)
		check(in.Unlock(ctx, "default", lock.Name))
	}
	// Output:
	// true
	// {"Mail":"ann@example.org","Text":"good morning"}
	// welcome ann@example.org ready
}

// A search index is brought up to date when nobody has typed for a while.
func ExampleUnique_debounce() {
	index := tasuki.Define[string]("index").With(tasuki.Opts{
		Unique: tasuki.Unique{Mode: tasuki.UniqueDebounce, Key: "page 7", For: 50 * time.Millisecond},
	})

	client, end := exampleClient()
	defer end()
	ctx := context.Background()
	var address string
	for _, text := range []string{"t", "ta", "tas", "tasuki"} {
		info, err := index.Enqueue(ctx, client, text)
		check(err)
		address = info.Address()
	}
	worker, err := tasuki.NewWorker(client, nil)
	check(err)
	tasuki.Handle(worker, index, func(_ context.Context, job *tasuki.Job[string]) error {
		fmt.Println(job.Args)
		return nil
	})
	defer exampleRun(worker)()
	_, err = client.Wait(ctx, address)
	check(err)
	// Output:
	// tasuki
}

// An attempt that takes too long has its context ended, and is a failed one.
func ExampleOpts_timeout() {
	slow := tasuki.Define[string]("slow").With(tasuki.Opts{Timeout: 20 * time.Millisecond, MaxAttempts: 1, Record: true})

	client, end := exampleClient()
	defer end()
	ctx := context.Background()
	info, err := slow.Enqueue(ctx, client, "")
	check(err)
	worker, err := tasuki.NewWorker(client, nil)
	check(err)
	tasuki.Handle(worker, slow, func(ctx context.Context, _ *tasuki.Job[string]) error {
		<-ctx.Done()
		return context.Cause(ctx)
	})
	defer exampleRun(worker)()
	record, err := client.Wait(ctx, info.Address())
	check(err)
	fmt.Println(record.State, record.Reason, record.Error)
	// Output:
	// dead out of attempts the attempt took longer than its timeout
}
