package main

import (
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

// with runs the command with more variables.
func (e *env) with(variables []string, args ...string) result {
	e.t.Helper()
	cmd := e.command(args...)
	cmd.Env = append(cmd.Env, variables...)
	return run(e.t, cmd)
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	e := setup(t)
	info := decode[tasuki.Info](t, e.with([]string{"TASUKI_OUTPUT=json", "TASUKI_QUEUE=mail", "TASUKI_ID=x", "TASUKI_IN=1h", "TASUKI_MAX_ATTEMPTS=-1",
		"TASUKI_TIMEOUT=2m", "TASUKI_META=a=1, 2\nb=c=d\n"}, "enqueue", "k").want(t, exitOK).stdout)
	if info.Address() != "mail/x" || info.DueAt.IsZero() || info.MaxAttempts != -1 || info.Timeout != 2*time.Minute ||
		len(info.Meta) != 2 || info.Meta["a"] != "1, 2" || info.Meta["b"] != "c=d" {
		t.Errorf("the job is %+v", info)
	}
	info = decode[tasuki.Info](t, e.with([]string{"TASUKI_OUTPUT=json", "TASUKI_AT=2090-01-01T00:00:00Z"}, "enqueue", "k").want(t, exitOK).stdout)
	if info.DueAt.Year() != 2090 {
		t.Errorf("the job is %+v", info)
	}
	list := "jobs:" + e.namespace
	e.with([]string{"TASUKI_RAW=true", "TASUKI_LIST=" + list}, "enqueue", "x").want(t, exitOK, "list:"+list+": 1 accepted")
	e.drain(tasuki.Queue{List: list}, 1)
	e.with([]string{"TASUKI_BY=cron"}, "queue", "pause", "mail").want(t, exitOK, "by cron")
	e.with([]string{"TASUKI_ALL=1"}, "queue", "revive", "mail").want(t, exitOK, "mail: 0 revived")

	// A flag comes before the variable, an empty variable is none, and a wrong one
	// is named.
	e.with([]string{"TASUKI_QUEUE=mail", "TASUKI_IN="}, "enqueue", "k", "--queue", "flag").want(t, exitOK, "flag/")
	e.with([]string{"TASUKI_MAX_ATTEMPTS=many"}, "enqueue", "k").want(t, exitUsage, `TASUKI_MAX_ATTEMPTS: "many": allowed are 1 to`)
	e.with([]string{"TASUKI_OUTPUT=xml"}, "queue", "ls").want(t, exitUsage, "TASUKI_OUTPUT", "text and json")
	e.with([]string{"TASUKI_META=x"}, "enqueue", "k").want(t, exitUsage, "NAME=VALUE")

	// In a command of tasuki work they are those of its job.
	job := []string{"TASUKI_ADDRESS=mail/x", "TASUKI_QUEUE=mail", "TASUKI_ID=x", "TASUKI_MAX_ATTEMPTS=3"}
	e.with(job, "enqueue", "next", "--queue", "next").want(t, exitOK, "next/")
	e.with(job, "enqueue", "next").want(t, exitOK, "default/")
	if q := e.waitQueue("next", func(q inspect.Queue) bool { return q.Ready == 1 }); q.Counts["existed"] != 0 {
		t.Errorf("it is %+v", q)
	}
}
