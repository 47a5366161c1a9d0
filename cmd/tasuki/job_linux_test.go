package main

import (
	"fmt"
	"strings"
	"testing"
)

// Who is at a terminal is asked before anything is done to many jobs.
func TestJobActAsks(t *testing.T) {
	t.Parallel()
	for answer, code := range map[string]int{"y\n": exitOK, "Yes\n": exitOK, "n\n": exitFailed, "\n": exitFailed, "\x04": exitFailed} {
		e := setup(t)
		e.tasuki("enqueue", "k", "--queue", "mail").want(t, exitOK)
		e.tasuki("enqueue", "k", "--queue", "mail").want(t, exitOK)
		p, keyboard := startOnPTY(t, e.command("job", "rm", "--queue", "mail", "--all"))
		p.waitOutput("2 jobs of mail will be removed. Go on? [y/N] ")
		fmt.Fprint(keyboard, answer)
		if got := p.wait(); got != code {
			t.Errorf("after %q it exits with %d", answer, got)
		}
		left := map[int]int64{exitOK: 0, exitFailed: 2}[code]
		if q := e.queue("mail"); q.Ready != left {
			t.Errorf("after %q: %+v", answer, q)
		}
		if code == exitFailed && !strings.Contains(p.stderr.String(), "nothing was done") {
			t.Errorf("after %q: %s", answer, p.stderr)
		}
	}
}

func TestWorkerStopAsks(t *testing.T) {
	t.Parallel()
	e := setup(t)
	w := e.work("true")
	e.waitWorkers(haveAnswered(1))
	for answer, code := range map[string]int{"y\n": exitOK, "n\n": exitFailed} {
		p, keyboard := startOnPTY(t, e.command("worker", "quiet", "--all"))
		p.waitOutput("1 worker will be quieted. Go on? [y/N] ")
		fmt.Fprint(keyboard, answer)
		if got := p.wait(); got != code {
			t.Errorf("after %q it exits with %d", answer, got)
		}
	}
	w.stop()
}
