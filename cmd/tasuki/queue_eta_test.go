package main

import (
	"context"
	"fmt"
	"testing"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

func TestQueueEta(t *testing.T) {
	t.Parallel()
	e := setup(t)
	for _, id := range []string{"a", "b", "c"} {
		e.enqueue("slow", "1", tasuki.Opts{Queue: "mail", ID: id, Record: true})
	}
	e.tasuki("queue", "eta", "mail", "--over", "100ms").want(t, exitOK, "3 wait, 0 run, 0 are for later", "eta      No worker takes jobs of the queue: the 3 jobs wait until one is started.")
	let := make(chan bool)
	stop := e.handle("mail", func(context.Context, *tasuki.RawJob) error { <-let; return nil })
	for n := range 30 {
		e.enqueue("slow", "1", tasuki.Opts{Queue: "mail", ID: fmt.Sprintf("many%d", n), Record: true})
	}
	e.waitQueue("mail", func(q inspect.Queue) bool { return q.Running == 10 })
	eta := start(t, e.command("queue", "eta", "mail", "--over", "3s", "--workers", "+1", "--within", "1h", "-o", "json"))
	line := start(t, e.command("why", "mail/many20", "--over", "3s"))
	for range 4 {
		let <- true
		e.tasuki("queue", "get", "mail").want(t, exitOK) // takes its time
	}
	if code := eta.wait(); code != exitOK {
		t.Fatal(code)
	}
	got := decode[shownEta](t, eta.stdout.String())
	if len(got.Estimates) != 2 || got.Workers != 1 || got.Slots != 10 || got.Estimates[1].More != 1 {
		t.Errorf("%+v", got)
	}
	if code := line.wait(); code != exitOK {
		t.Fatal(code)
	}
	line.waitOutput("It is number ")
	close(let)
	e.waitQueue("mail", func(q inspect.Queue) bool { return q.Counts["done"] == 33 })
	stop()
	e.tasuki("queue", "eta", "mail", "--over", "100ms", "--within", "1m").want(t, exitOK, "Nothing waits.", "that cannot be told")
	e.tasuki("queue", "eta", "mail", "--workers", "3").want(t, exitUsage, "--workers", "allowed are numbers with a sign, such as +3")
	e.tasuki("queue", "eta", "mail", "--over", "1ms").want(t, exitUsage, "--over: 1ms: allowed are 100ms to 1h")
	e.tasuki("queue", "eta", "nope").want(t, exitNotFound, `"nope"`)
}
