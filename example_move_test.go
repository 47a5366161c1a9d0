package tasuki_test

import (
	"context"
	"fmt"
	"log"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/embedded"
)

// A recorded job goes to another queue. Its old address leads to it.
func ExampleClient_Move() {
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

	export := tasuki.Define[int]("export").With(tasuki.Opts{Queue: "quick", ID: "year-2024", Record: true})
	info, err := export.Enqueue(ctx, client, 2024)
	if err != nil {
		log.Fatal(err)
	}
	address, err := client.Move(ctx, info.Address(), "slow")
	if err != nil {
		log.Fatal(err)
	}
	record, err := client.Get(ctx, info.Address())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(address, record.Queue, record.State)
	// Output: slow/year-2024 slow ready
}
