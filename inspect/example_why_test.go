package inspect_test

import (
	"context"
	"fmt"
	"log"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/embedded"
	"github.com/tasuki-dev/tasuki/inspect"
)

// The first reason decides. Each has a cause for programs, a sentence for people, and its facts
// in fields.
func ExampleInspector_Why() {
	server, err := embedded.Start("127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	client, err := tasuki.Open(server.URL(), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx := context.Background()

	welcome := tasuki.Define[string]("email.welcome").With(tasuki.Opts{Queue: "mail"})
	for _, to := range []string{"ann", "bob"} {
		if _, err := welcome.With(tasuki.Opts{ID: to}).Enqueue(ctx, client, to); err != nil {
			log.Fatal(err)
		}
	}
	inspector := inspect.New(client)
	if err := inspector.Pause(ctx, "mail", ""); err != nil {
		log.Fatal(err)
	}

	why, err := inspector.Why(ctx, "mail/bob", nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(why.State, why.Kind)
	for _, r := range why.Reasons {
		switch r.Cause {
		case inspect.CausePaused:
			fmt.Println(r.Cause, "for how long:", why.At.Sub(r.Since) >= 0)
		case inspect.CauseLine:
			fmt.Println(r.Cause, r.Line.Place, "of", r.Line.Length)
		default:
			fmt.Println(r.Cause, r.Text)
		}
	}
	// Output:
	// ready email.welcome
	// paused for how long: true
	// no_worker No worker serves the queue mail.
	// line 2 of 2
}
