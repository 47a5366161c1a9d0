package main

import (
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

func TestWhy(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.some()
	e.tasuki("why", "mail/dead").want(t, exitOK, "mail/dead: dead, email.dead\nIt is dead since 20", "the address�[2J is wrong. It runs again when somebody revives it.\n")
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

// TestHints: what other commands say of it.
func TestHints(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.some()
	e.tasuki("job", "get", "mail/ready-rec").want(t, exitOK, "why       No worker serves the queue mail.\n")
	e.tasuki("job", "get", "mail/01kbr5").want(t, exitNotFound, "the id looks shortened, and the whole is needed")
	if r := e.tasuki("job", "get", "mail/nope").want(t, exitNotFound); strings.Contains(r.stderr, "shortened") {
		t.Error(r.stderr)
	}
	const hint = "those that are parked, done, cancelled or expired are listed when their --state is named"
	e.tasuki("job", "ls", "--queue", "mail", "--kind", "none").want(t, exitOK, hint)
	for _, more := range [][]string{{"--state", "done", "--kind", "none"}, {"-o", "json", "--kind", "none"}, nil} {
		if r := e.tasuki(append([]string{"job", "ls", "--queue", "mail"}, more...)...).want(t, exitOK); strings.Contains(r.stderr, hint) {
			t.Errorf("%v: %s", more, r.stderr)
		}
	}
}

// TestLeft: how long it is until a time is written as all durations are.
func TestLeft(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for d, want := range map[time.Duration]string{
		90 * time.Minute: " (in 1h30m)", 49 * time.Hour: " (in 2d1h)", 12345 * time.Millisecond: " (in 12.3s)", 0: " (in 0s)", -time.Minute: " (1m ago)",
	} {
		if got := left(now.Add(d), now); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	if got := left(time.Time{}, now); got != "" {
		t.Errorf("of no time: %q", got)
	}
}
