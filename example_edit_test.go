package tasuki_test

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tasuki-dev/tasuki"
)

// A recorded job that does not run can be changed, put off and brought forward.
func ExampleClient_Edit() {
	mail := tasuki.Define[string]("mail").With(tasuki.Opts{Record: true, In: time.Hour})

	client, end := exampleClient()
	defer end()
	ctx := context.Background()
	info, err := mail.Enqueue(ctx, client, "see you on Monday")
	check(err)

	check(client.Edit(ctx, info.Address(), func(s *tasuki.Spec) error {
		s.Args = json.RawMessage(`"see you on Tuesday"`)
		s.Opts.MaxAttempts = 3
		return nil
	}))
	check(client.Reschedule(ctx, info.Address(), time.Now().Add(24*time.Hour)))
	record, err := client.Get(ctx, info.Address())
	check(err)
	fmt.Println(record.State, string(record.Args), record.MaxAttempts)

	check(client.RunNow(ctx, info.Address()))
	record, err = client.Get(ctx, info.Address())
	check(err)
	fmt.Println(record.State)
	// Output:
	// scheduled "see you on Tuesday" 3
	// ready
}
