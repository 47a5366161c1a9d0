// Command testing is a program whose jobs are tested as docs/testing.md shows.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/tasuki-dev/tasuki"
)

// Person is who signs up.
type Person struct{ Name, Email string }

var (
	Welcome = tasuki.Define[Person]("email.welcome")
	Remind  = tasuki.Define[Person]("email.remind").With(tasuki.Opts{In: 24 * time.Hour})
	Import  = tasuki.DefineFunc[[]Person, int]("people.import")
)

// app is the program. It takes an Enqueuer, so that a test can give it something else than a
// client.
type app struct {
	jobs tasuki.Enqueuer
	send func(to, text string) error
}

func (a *app) signUp(ctx context.Context, p Person) error {
	_, err := Welcome.Enqueue(ctx, a.jobs, p)
	return err
}

// handle sets the handlers of a worker.
func (a *app) handle(w *tasuki.Worker) {
	tasuki.Handle(w, Welcome, a.welcome)
	tasuki.Handle(w, Remind, a.remind)
	tasuki.HandleFunc(w, Import, a.importAll)
}

func (a *app) welcome(ctx context.Context, job *tasuki.Job[Person]) error {
	p := job.Args
	if !strings.Contains(p.Email, "@") {
		return tasuki.Kill(errors.New("no address")) // trying again is of no use
	}
	if err := a.send(p.Email, "Welcome, "+p.Name); err != nil {
		return err
	}
	_, err := Remind.Enqueue(ctx, a.jobs, p)
	return err
}

func (a *app) remind(_ context.Context, job *tasuki.Job[Person]) error {
	return a.send(job.Args.Email, "Are you there, "+job.Args.Name+"?")
}

// importAll signs people up, one after the other; a run goes on where the last has ended.
func (a *app) importAll(ctx context.Context, job *tasuki.Job[[]Person]) (int, error) {
	var done int
	if _, err := job.Cursor(&done); err != nil {
		return 0, err
	}
	for ; done < len(job.Args); done++ {
		if ctx.Err() != nil {
			return 0, errors.Join(job.Checkpoint(done), context.Cause(ctx))
		}
		if err := a.signUp(ctx, job.Args[done]); err != nil {
			return 0, err
		}
		job.SetProgress(int64(done+1), int64(len(job.Args)), "")
	}
	return done, nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C kills it
	client, err := tasuki.Open(cmp.Or(os.Getenv("TASUKI_REDIS_URL"), "redis://localhost:6379"), nil)
	check(err)
	defer client.Close()
	worker, err := tasuki.NewWorker(client, nil)
	check(err)
	a := &app{jobs: client, send: func(to, text string) error {
		_, err := fmt.Printf("to %s: %s\n", to, text)
		return err
	}}
	a.handle(worker)
	check(a.signUp(ctx, Person{"Ada", "ada@example.com"}))
	check(worker.Run(ctx))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
