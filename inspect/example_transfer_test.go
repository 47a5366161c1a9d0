package inspect_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/embedded"
	"github.com/tasuki-dev/tasuki/inspect"
)

// exampleServers are two servers, the first with three jobs in the queue mail.
func exampleServers() (old, new *inspect.Inspector, end func()) {
	var clients []*tasuki.Client
	var ends []func()
	for range 2 {
		server, err := embedded.Start("127.0.0.1:0")
		if err != nil {
			log.Fatal(err)
		}
		client, err := tasuki.Open(server.URL(), nil)
		if err != nil {
			log.Fatal(err)
		}
		clients = append(clients, client)
		ends = append(ends, client.Close, func() { server.Close() })
	}
	welcome := tasuki.Define[int]("email.welcome").With(tasuki.Opts{Queue: "mail"})
	for user := range 3 {
		if _, err := welcome.Enqueue(context.Background(), clients[0], user); err != nil {
			log.Fatal(err)
		}
	}
	return inspect.New(clients[0]), inspect.New(clients[1]), func() {
		for _, f := range ends {
			f()
		}
	}
}

// What was cut is finished by the same call.
func ExampleInspector_Transfer() {
	old, new, end := exampleServers()
	defer end()
	done, err := old.Transfer(context.Background(), "mail", new, nil)
	if err != nil {
		log.Fatal(err)
	}
	there, err := new.Queue(context.Background(), "mail")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(done.Moved, "moved,", there.Ready, "are there")
	// Output: 3 moved, 3 are there
}

// An export comes into a queue once.
func ExampleInspector_Import() {
	old, new, end := exampleServers()
	defer end()
	ctx := context.Background()
	var file bytes.Buffer
	if _, err := old.Export(ctx, &file, &inspect.ExportConfig{Query: inspect.Query{Queues: []string{"mail"}}}); err != nil {
		log.Fatal(err)
	}
	export := file.Bytes()
	for range 2 {
		done, err := new.Import(ctx, bytes.NewReader(export), nil)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(done.Jobs, "put in,", done.Again, "were in already")
	}
	// Output:
	// 3 put in, 0 were in already
	// 0 put in, 3 were in already
}
