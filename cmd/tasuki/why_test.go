package main

import (
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

func TestWhy(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.some()
	e.tasuki("why", "mail/dead").want(t, exitOK, "mail/dead: dead, email.dead\nIt is dead since 20", "the address [2J is wrong. It runs again when somebody revives it.\n")
	e.tasuki("why", "mail/retry-rec").want(t, exitOK, "Attempt 1 has failed: the server is away. It is tried again at 20", "\nalso: No worker serves the queue mail.\n")
	e.tasuki("why", "mail/ready-rec").want(t, exitOK, "mail/ready-rec: ready, email.ready\nNo worker serves the queue mail.\nalso: It is number 2 of 3 in the queue.")
	why := decode[inspect.Why](t, e.tasuki("why", "mail/later", "-o", "json").want(t, exitOK).stdout)
	if why.State != tasuki.StateScheduled || why.Reasons[0].Cause != inspect.CauseScheduled || time.Until(why.Reasons[0].Until) < 50*time.Minute || why.Job == nil {
		t.Errorf("%+v", why)
	}
	e.tasuki("why", "mail/nope").want(t, exitNotFound, "mail/nope: not found: It is not in the queue")
	e.tasuki("why", "mail/nope", "-o", "json").want(t, exitNotFound, `"cause": "not_found"`)
	e.tasuki("why", "nope/x").want(t, exitNotFound, "The queue nope was never used")
	e.tasuki("why").want(t, exitUsage, "the QUEUE/ID is missing")
	e.tasuki("why", "x").want(t, exitUsage, "allowed is QUEUE/ID")
}
