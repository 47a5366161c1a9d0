// Command readme is the program that the README shows.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/tasuki-dev/tasuki"
)

var Welcome = tasuki.Define[string]("email.welcome")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C kills it
	client, err := tasuki.Open(cmp.Or(os.Getenv("TASUKI_REDIS_URL"), "redis://localhost:6379"), nil)
	check(err)
	defer client.Close()
	worker, err := tasuki.NewWorker(client, nil)
	check(err)
	tasuki.Handle(worker, Welcome, welcome)
	_, err = Welcome.Enqueue(ctx, client, "Ada")
	check(err)
	check(worker.Run(ctx))
}

func welcome(ctx context.Context, job *tasuki.Job[string]) error {
	fmt.Printf("process %d writes to %s, crashes so far: %d\n", os.Getpid(), job.Args, job.Crashes)
	select {
	case <-time.After(5 * time.Second): // stands for the work
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	fmt.Printf("process %d is done\n", os.Getpid())
	return nil
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
