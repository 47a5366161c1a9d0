package tasuki_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/embedded"
)

// Example defines a kind of job, enqueues one and works it.
func Example() {
	server, err := embedded.Start("127.0.0.1:0") // in place of a Redis server
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	type WelcomeArgs struct {
		UserID int `json:"user_id"`
	}
	welcome := tasuki.Define[WelcomeArgs]("email.welcome").With(tasuki.Opts{Queue: "mail"})

	client, err := tasuki.Open(server.URL(), &tasuki.ClientConfig{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	ctx, stop := context.WithCancel(context.Background())
	if _, err := welcome.Enqueue(ctx, client, WelcomeArgs{UserID: 42}); err != nil {
		log.Fatal(err)
	}

	worker, err := tasuki.NewWorker(client, &tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "mail"}}})
	if err != nil {
		log.Fatal(err)
	}
	tasuki.Handle(worker, welcome, func(ctx context.Context, job *tasuki.Job[WelcomeArgs]) error {
		fmt.Println("welcome, user", job.Args.UserID)
		stop() // in a program, a signal does that
		return nil
	})
	if err := worker.Run(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: welcome, user 42
}

// exampleClient returns a client of a server inside this process, and a function
// that ends both. It logs nothing.
func exampleClient() (client *tasuki.Client, end func()) {
	server, err := embedded.Start("127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	client, err = tasuki.Open(server.URL(), &tasuki.ClientConfig{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	return client, func() { client.Close(); server.Close() }
}

// exampleRun runs a worker; stop ends it, and returns when it has ended.
func exampleRun(worker *tasuki.Worker) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			log.Fatal(err)
		}
	}
}

// check ends an example that fails.
func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
