package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/tasuki-dev/tasuki"
)

// A job that does one item after the other goes on behind the last one that was done.
func ExampleEach() {
	words := []string{"one", "two", "three"}
	behind := func(after *int) iter.Seq2[int, string] {
		return func(yield func(int, string) bool) {
			next := 0
			if after != nil {
				next = *after + 1
			}
			for ; next < len(words) && yield(next, words[next]); next++ {
			}
		}
	}
	say := tasuki.Define[string]("say").With(tasuki.Opts{Record: true})

	client, end := exampleClient()
	defer end()
	worker, err := tasuki.NewWorker(client, nil)
	check(err)
	tasuki.Handle(worker, say, func(ctx context.Context, job *tasuki.Job[string]) error {
		return tasuki.Each(ctx, job, behind, func(_ context.Context, word string) error {
			if word == "three" && job.Attempt == 1 {
				return tasuki.RetryIn(time.Millisecond, errors.New("hoarse"))
			}
			fmt.Println(word)
			return nil
		})
	})
	defer exampleRun(worker)()

	ctx := context.Background()
	info, err := say.Enqueue(ctx, client, "")
	check(err)
	_, err = client.Wait(ctx, info.Address())
	check(err)
	// Output:
	// one
	// two
	// three
}
