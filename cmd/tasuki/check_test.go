package main

import (
	"testing"

	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.tasuki("enqueue", "k").want(t, exitOK)
	e.tasuki("check").want(t, exitOK, "no problems\n")
	if r := e.tasuki("check", "-o", "json").want(t, exitOK); r.stdout != "[]\n" {
		t.Errorf("it prints %q", r.stdout)
	}
	e.tasuki("check", "extra").want(t, exitUsage, `check takes no arguments: leave out "extra"`)
	stranger := e.namespace + ":stranger"
	redistest.Shared(t).Do(t, "SET", stranger, "x")
	defer redistest.Shared(t).Do(t, "DEL", stranger) // before the end's own check
	if r := e.tasuki("check").want(t, exitProblems, stranger, "problems: 1\n"); r.stderr != "" {
		t.Errorf("it adds %q", r.stderr)
	}
	problems := decode[[]inspect.Problem](t, e.tasuki("check", "-o", "json").want(t, exitProblems).stdout)
	if len(problems) != 1 || problems[0].Key != stranger {
		t.Errorf("they are %+v", problems)
	}
}
