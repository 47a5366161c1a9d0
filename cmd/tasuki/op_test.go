package main

import (
	"strings"
	"testing"

	"github.com/tasuki-dev/tasuki/inspect"
)

func TestOp(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.some()
		e.tasuki("op", "ls").want(t, exitOK, "OPERATION")
		e.tasuki("op", "get", "nobody").want(t, exitNotFound, "the last 100 are kept")
		r := e.tasuki("job", "rm", "--query", "queue:mail state:dead,retry", "--yes", "--by", "ann").want(t, exitOK, "mail: 4 removed", "undoes it for 4 jobs")
		_, rest, _ := strings.Cut(r.stderr, "tasuki op undo ")
		id, _, _ := strings.Cut(rest, " ")
		e.tasuki("op", "ls").want(t, exitOK, id, "ann", "remove", "done", "queue:mail state:retry,dead")
		if o := decode[inspect.Operation](t, e.tasuki("op", "get", id, "-o", "json").want(t, exitOK).stdout); o.Done != 4 || o.Undoable != 4 || o.By != "ann" {
			t.Errorf("%+v", o)
		}
		if got := e.listed("state:dead,retry"); got != "" {
			t.Errorf("%s are left", got)
		}
		e.tasuki("op", "continue", id).want(t, exitFailed, "the operation has ended")
		e.tasuki("op", "cancel", id).want(t, exitFailed)
		e.tasuki("op", "undo", id).want(t, exitOK, "undoes", id)
		if got := e.listed("state:dead,retry"); got != "dead dead-rec retry retry-rec" {
			t.Errorf("%s are there", got)
		}
		e.tasuki("op", "undo", id).want(t, exitFailed, "it was undone")
		e.tasuki("audit").want(t, exitOK, "AT", "ann", "remove", "undo", "operation "+id+": done")
		e.tasuki("audit", "--limit", "-1").want(t, exitUsage, "allowed are 1 and more")
		e.tasuki("job", "rm", "--query", "colour:red", "--yes").want(t, exitUsage, "there is no field")
		e.tasuki("job", "rm", "--query", "state:running", "--yes").want(t, exitUsage, "--state")
	})
}

func TestMark(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.tasuki("mark", "deploy", "--version", "v1", "--by", "ci").want(t, exitOK, "ci", "v1", "deploy")
		e.tasuki("mark", "--since", "1h").want(t, exitOK, "ci", "v1", "deploy")
		if r := e.tasuki("mark", "-o", "json", "--since", "2999-01-01T00:00:00Z").want(t, exitOK); len(decode[[]inspect.MarkEntry](t, r.stdout)) != 0 {
			t.Error(r.stdout)
		}
		e.tasuki("mark", "a", "b").want(t, exitUsage, "put it in quotes")
		e.tasuki("mark", strings.Repeat("x", 501)).want(t, exitUsage, "allowed are 500")
	})
}
