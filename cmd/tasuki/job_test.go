package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

func TestJobCancel(t *testing.T) {
	t.Parallel()
	e := setup(t)
	worker, err := tasuki.NewWorker(e.client, &tasuki.WorkerConfig{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	cause := make(chan error, 1)
	tasuki.HandleOther(worker, func(ctx context.Context, _ *tasuki.RawJob) error {
		<-ctx.Done()
		cause <- context.Cause(ctx)
		return ctx.Err()
	})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx) }()
	e.tasuki("enqueue", "k", "--id", "endless").want(t, exitOK)
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Running == 1 })
	e.tasuki("job", "cancel", "default/endless").want(t, exitOK, "asked 1 worker of default to cancel endless")
	if err := <-cause; err != tasuki.ErrCancelled {
		t.Errorf("the cause is %v", err)
	}
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Counts["cancelled"] == 1 })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}

	for _, verb := range [][]string{{"cancel"}, {"rm"}, {"retry"}, {"reschedule", "--in", "1h"}, {"edit", "--max-attempts", "3"}, {"mv", "other"}, {"get"}} {
		args := append([]string{"job", verb[0], "default/endless"}, verb[1:]...)
		e.tasuki(args...).want(t, exitNotFound, "default/endless: not found")
	}
	list := e.namespace + "/jobs"
	e.tasuki("enqueue", "--raw", "--list", list, "x").want(t, exitOK)
	e.tasuki("job", "cancel", "list:"+list+"/x").want(t, exitNotFound, "0 workers of list:"+list+" were asked to cancel it all the same")
	e.tasuki("job", "cancel", "nope/x").want(t, exitNotFound, `"nope"`)
	for _, address := range []string{"x", "/x", "default/", ""} {
		e.tasuki("job", "cancel", address).want(t, exitUsage, "QUEUE/ID")
	}
	e.tasuki("job", "get", "a b/x").want(t, exitUsage, `queue: "a b": allowed are`)
	e.tasuki("job", "get", "mail/"+strings.Repeat("x", 129)).want(t, exitUsage, "an id of 129 bytes: allowed are 128")
	e.tasuki("job", "cancel").want(t, exitUsage, "the QUEUE/ID is missing: tasuki job cancel {QUEUE/ID…|--queue NAME}")
	e.tasuki("job", "cancle").want(t, exitUsage, "cancle", "allowed are cancel, edit, get, logs, ls, mv, reschedule, retry, rm, wait")
}

// some has jobs in most states, bare ones and, with -rec, recorded ones, and a plain one.
func (e *env) some() {
	e.t.Helper()
	for _, suffix := range []string{"", "-rec"} {
		for _, id := range []string{"dead", "retry", "done"} {
			e.enqueue("email."+id, `{"to":"ann"}`, tasuki.Opts{Queue: "mail", ID: id + suffix, Record: suffix != "", Meta: map[string]string{"tenant": id}})
		}
	}
	stop := e.handle("mail", func(_ context.Context, job *tasuki.RawJob) error {
		switch id, _, _ := strings.Cut(job.ID, "-"); id {
		case "dead":
			return tasuki.Kill(errors.New("the address\x1b[2J is wrong"))
		case "retry":
			return tasuki.RetryIn(time.Hour, errors.New("the server is away"))
		}
		return nil
	})
	e.waitQueue("mail", func(q inspect.Queue) bool { return q.Dead == 2 && q.Retry == 2 && q.Counts["done"] == 2 })
	stop()
	for _, suffix := range []string{"", "-rec"} {
		e.enqueue("email.ready", "1", tasuki.Opts{Queue: "mail", ID: "ready" + suffix, Record: suffix != ""})
		e.enqueue("email.later", "1", tasuki.Opts{Queue: "mail", ID: "later" + suffix, Record: suffix != "", In: time.Hour})
	}
	if err := e.client.Push(context.Background(), tasuki.Queue{Name: "mail"}, []byte("plain")); err != nil {
		e.t.Fatal(err)
	}
}

// handle runs a worker of a queue until stop is called.
func (e *env) handle(queue string, f func(ctx context.Context, job *tasuki.RawJob) error) (stop func()) {
	e.t.Helper()
	worker, err := tasuki.NewWorker(e.client, &tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: queue}}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		e.t.Fatal(err)
	}
	tasuki.HandleOther(worker, f)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			e.t.Error(err)
		}
	}
}

// listed are the ids that ls shows, sorted.
func (e *env) listed(args ...string) string {
	e.t.Helper()
	r := e.tasuki(append([]string{"job", "ls", "--queue", "mail", "-o", "json"}, args...)...).want(e.t, exitOK)
	var ids []string
	for line := range strings.Lines(r.stdout) {
		ids = append(ids, decode[shownJob](e.t, line).ID)
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

// times are times of day as they are shown.
var times = regexp.MustCompile(`20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[-+]\d\d:\d\d)`)

func TestJobLs(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.some()
		r := e.tasuki("job", "ls", "--queue", "mail", "--state", "ready", "--state", "dead").want(t, exitOK)
		lines := strings.Split(times.ReplaceAllString(r.stdout, "TIME"), "\n")
		for i := range lines {
			lines[i] = strings.Join(strings.Fields(lines[i]), " ")
		}
		slices.Sort(lines[4:6]) // they have died together
		const golden = `ADDRESS STATE KIND ATTEMPT WHEN WHY
mail/ready ready email.ready 0 TIME
mail/ready-rec ready email.ready 0 TIME
mail/- ready (5 bytes) 0 -
mail/dead dead email.dead 1 TIME the address�[2J is wrong
mail/dead-rec dead email.dead 1 TIME the address�[2J is wrong
`
		if got := strings.Join(lines, "\n"); got != golden {
			t.Errorf("it prints\n%s", got)
		}
		for want, args := range map[string][]string{
			"dead dead-rec later later-rec ready ready-rec retry retry-rec": {"--after", "1h"},
			"dead dead-rec":                  {"--error", "is wrong"},
			"retry retry-rec":                {"--kind", "email.retry"},
			" dead dead-rec ready ready-rec": {"--state", "dead", "--state", "ready"},
			"done-rec":                       {"--state", "done"},
			"later later-rec":                {"--state", "scheduled"},
			"retry retry-rec ":               {"--meta", "tenant=retry"},
			"dead dead-rec retry retry-rec":  {"--text", "ann", "--min-attempt", "1"},
			"":                               {"--before", "24h"},
			"dead dead-rec ":                 {`state:dead,retry tag:tenant=dead args.to:ann`},
			"retry retry-rec  ":              {"ann -kind:email.dead"},
		} {
			if got := e.listed(args...); strings.TrimSpace(got) != strings.TrimSpace(want) || want == " dead dead-rec ready ready-rec" && got != want {
				t.Errorf("%q: %q, want %q", args, got, want)
			}
		}
		e.tasuki("job", "ls", "--queue", "mail", "--limit", "2").want(t, exitOK, "there are more than 2: --limit 0 lists all")
		e.tasuki("job", "ls").want(t, exitNotFound, `"default"`)
		for _, bad := range [][]string{
			{"--state", "asleep", "allowed are running, suspect, ready"}, {"--limit", "-1", "allowed are 1 and more"}, {"--before", "yesterday", "a duration such as 24h"},
			{"--meta", "x", "NAME=VALUE"}, {"--min-attempt", "-1", "allowed are 0 and more"}, {"-o", "xml", "text and json"}, {"--limit", "x", "allowed are 1"}, {"state:asleep", "", "it is no state"},
			{"a", "kind:", "a value of kind is missing"}, {"queue:bulk", "", "allowed is one of them"},
		} {
			e.tasuki(append([]string{"job", "ls", "--queue", "mail"}, bad[:2]...)...).want(t, exitUsage, bad[2])
		}
	})
}

func TestJobGet(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.some()
		text := e.tasuki("job", "get", "mail/dead-rec").want(t, exitOK).stdout
		for _, line := range []string{"address mail/dead-rec", "kind email.dead", "state dead", "recorded yes", "attempt 1", "error the address�[2J is wrong", "meta tenant dead", `args {"to":"ann"}`, "run 1 20"} {
			if !strings.Contains(strings.Join(strings.Fields(text), " "), line) {
				t.Errorf("%q is not in\n%s", line, text)
			}
		}
		if j := decode[shownJob](t, e.tasuki("job", "get", "mail/retry", "-o", "json").want(t, exitOK).stdout); j.Address != "mail/retry" || j.Recorded || j.State != tasuki.StateRetry || j.DueAt.IsZero() {
			t.Errorf("%+v", j)
		}
		e.tasuki("job", "get", "mail/done-rec").want(t, exitOK, "done")
		e.tasuki("job", "get", "mail/done").want(t, exitNotFound, "not in the queue")
		e.tasuki("job", "get", "nope/x").want(t, exitNotFound, `"nope"`)
		for _, address := range []string{"x", "/x", "mail/", ""} {
			e.tasuki("job", "get", address).want(t, exitUsage, "QUEUE/ID")
		}
		e.tasuki("job", "get").want(t, exitUsage, "the QUEUE/ID is missing")
	})
}

func TestJobActOnOne(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.some()
		e.tasuki("job", "retry", "mail/dead", "mail/dead-rec", "mail/retry", "mail/later-rec").want(t, exitOK,
			"mail/dead: retried\nmail/dead-rec: retried\nmail/retry: retried\nmail/later-rec: retried\n")
		e.tasuki("job", "retry", "mail/ready").want(t, exitFailed, "mail/ready: the job is ready already")
		e.tasuki("job", "retry", "mail/done-rec").want(t, exitFailed, "the job has ended")
		e.tasuki("job", "cancel", "mail/dead", "mail/dead-rec").want(t, exitOK, "mail/dead: cancelled\nmail/dead-rec: cancelled\n")
		e.tasuki("job", "cancel", "mail/retry", "-o", "json").want(t, exitOK, `"state": "cancelled"`, `"workers": 0`)
		e.tasuki("job", "cancel", "mail/done-rec").want(t, exitFailed, "the job has ended")
		e.tasuki("job", "rm", "mail/ready", "mail/nobody", "mail/ready-rec").want(t, exitNotFound, "mail/ready: removed\nmail/ready-rec: removed\n", "mail/nobody")
		e.tasuki("job", "rm", "mail/later", "-o", "json").want(t, exitOK, `"did": "removed"`)
		e.tasuki("job", "rm", "mail/done-rec").want(t, exitOK, "removed")
		if got := e.listed(); got != " later-rec retry-rec" {
			t.Errorf("left are %q", got)
		}
		for _, verb := range []string{"retry", "cancel", "rm"} {
			e.tasuki("job", verb).want(t, exitUsage, "the QUEUE/ID is missing: tasuki job "+verb+" {QUEUE/ID…|--queue NAME}")
			e.tasuki("job", verb, "x").want(t, exitUsage, "QUEUE/ID")
			e.tasuki("job", verb, "mail/x", "--state", "dead").want(t, exitUsage, "mail/x", "--state", "allowed are addresses")
			e.tasuki("job", verb, "nope/x").want(t, exitNotFound, `"nope"`)
		}
	})
}

func TestJobActOnMany(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.some()
		for _, verb := range []string{"retry", "cancel", "rm"} {
			e.tasuki("job", verb, "--queue", "mail").want(t, exitUsage, "--all, or a filter")
			e.tasuki("job", verb, "--queue", "mail", "--all").want(t, exitUsage, "--yes does it, --dry-run shows")
			e.tasuki("job", verb, "--queue", "mail", "--state", "asleep", "--yes").want(t, exitUsage, "--state", "allowed are ")
			e.tasuki("job", verb, "--queue", "nope", "--all", "--yes").want(t, exitNotFound, `"nope"`)
			e.tasuki("job", verb, "--all", "--yes").want(t, exitUsage, "QUEUE/ID is missing")
		}
		e.tasuki("job", "retry", "--queue", "mail", "--state", "ready", "--yes").want(t, exitUsage, "allowed are retry, scheduled, dead")
		r := e.tasuki("job", "retry", "--queue", "mail", "--kind", "email.dead", "--dry-run").want(t, exitOK, "mail/dead ", "mail/dead-rec", "mail: 2 would be retried\n")
		if strings.Contains(r.stdout, "mail/retry") {
			t.Errorf("it prints\n%s", r.stdout)
		}
		lines := strings.Split(e.tasuki("job", "rm", "--queue", "mail", "--all", "--dry-run", "-o", "json").want(t, exitOK).stdout, "\n")
		if len(lines) != 11 || lines[9] != `{"queue":"mail","dry_run":true,"meant":9}` {
			t.Errorf("it prints %q", lines)
		}
		e.tasuki("job", "retry", "--queue", "mail", "--error", "wrong", "--yes").want(t, exitOK, "mail: 2 retried\n")
		e.tasuki("job", "cancel", "--queue", "mail", "--kind", "email.dead", "--yes", "-o", "json").want(t, exitOK, `"queue": "mail"`, `"done": 2`, `"skipped": 0`)
		e.tasuki("job", "rm", "--queue", "mail", "--state", "retry", "--limit", "1", "--yes").want(t, exitOK, "mail: 1 removed\n")
		e.tasuki("job", "rm", "--queue", "mail", "--before", "24h", "--yes").want(t, exitOK, "mail: 0 removed\n")
		e.tasuki("job", "rm", "--queue", "mail", "--all", "--yes").want(t, exitOK, "mail: 6 removed\n")
		e.tasuki("job", "rm", "--queue", "mail", "--state", "cancelled", "--state", "done", "--yes").want(t, exitOK, "mail: 2 removed\n")
		if got := e.listed(); got != "" {
			t.Errorf("left are %q", got)
		}
	})
}

func TestJobMv(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.some()
	e.tasuki("job", "mv", "mail/ready-rec", "bulk").want(t, exitOK, "mail/ready-rec: moved to bulk/ready-rec")
	e.tasuki("job", "mv", "mail/ready-rec", "bulk", "-o", "json").want(t, exitOK, `"to": "bulk/ready-rec"`)
	e.tasuki("job", "get", "mail/ready-rec").want(t, exitOK, "bulk/ready-rec")
	e.tasuki("job", "mv", "mail/ready", "bulk").want(t, exitFailed, "no record")
	e.tasuki("job", "mv", "mail/dead-rec", "bulk").want(t, exitFailed, "has ended")
	e.tasuki("job", "mv").want(t, exitUsage, "the queue to which they go is missing")
	e.tasuki("job", "mv", "bulk").want(t, exitUsage, "the QUEUE/ID is missing")
	e.tasuki("job", "mv", "mail/ready").want(t, exitUsage, `TO: "mail/ready": allowed is the name of a queue`)
	e.tasuki("job", "mv", "--queue", "mail", "--all", "--yes", "b b").want(t, exitUsage, `TO: "b b": allowed is the name of a queue`)
	e.tasuki("job", "mv", "--queue", "mail", "bulk").want(t, exitUsage, "--all")
	e.tasuki("job", "mv", "--queue", "mail", "--kind", "email.later", "--dry-run", "bulk").want(t, exitOK, "mail: 2 would be moved to bulk")
	e.tasuki("job", "mv", "--queue", "mail", "--all", "--yes", "bulk").want(t, exitFailed, "mail: 2 moved to bulk, 4 refused", "no record")
	e.tasuki("job", "ls", "--queue", "bulk").want(t, exitOK, "bulk/later-rec", "bulk/ready-rec", "bulk/retry-rec")
	e.tasuki("job", "cancel", "mail/ready-rec").want(t, exitOK)
	e.tasuki("job", "wait", "mail/ready-rec").want(t, exitNotDone, "bulk/ready-rec: cancelled")
	e.tasuki("job", "wait", "mail/ready-rec", "-o", "json").want(t, exitNotDone, `"address": "bulk/ready-rec"`)
}

func TestJobReschedule(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.some()
		e.tasuki("job", "reschedule", "mail/ready-rec", "--in", "1h").want(t, exitOK, "mail/ready-rec: rescheduled to ")
		e.tasuki("job", "ls", "--queue", "mail", "--state", "scheduled").want(t, exitOK, "mail/ready-rec")
		e.tasuki("job", "reschedule", "mail/ready-rec", "--at", "2001-01-01T00:00:00Z", "-o", "json").want(t, exitOK, `"did": "rescheduled"`)
		e.tasuki("job", "ls", "--queue", "mail", "--state", "ready").want(t, exitOK, "mail/ready-rec")
		e.tasuki("job", "reschedule", "--queue", "mail", "--kind", "email.later", "--in", "2h", "--yes").want(t, exitOK, "mail: 2 rescheduled to ")
		e.tasuki("job", "reschedule", "mail/nobody", "--in", "1h").want(t, exitNotFound)
		e.tasuki("job", "reschedule", "mail/dead-rec", "--in", "1h").want(t, exitOK, "mail/dead-rec: rescheduled to ")
		e.tasuki("job", "reschedule", "mail/done-rec", "--in", "1h").want(t, exitFailed, "ended")
		e.tasuki("job", "reschedule", "mail/ready-rec").want(t, exitUsage, "allowed is one of --in and --at")
		e.tasuki("job", "reschedule", "mail/ready-rec", "--in", "1h", "--at", "2030-01-01T00:00:00Z").want(t, exitUsage, "allowed is one of --in and --at")
		e.tasuki("job", "reschedule", "mail/ready-rec", "--in", "-1h").want(t, exitUsage, "--in", "allowed are 0 and more")
		e.tasuki("job", "reschedule", "--queue", "mail", "--state", "done", "--in", "1h", "--yes").want(t, exitUsage, "--state", "allowed are suspect")
	})
}

func TestJobEdit(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.some()
		r := e.tasuki("job", "edit", "mail/dead-rec", "--args", `{"to":"bob"}`, "--max-attempts", "7", "--timeout", "90s", "--meta", "why=typo", "--meta", "tenant=", "-o", "json").want(t, exitOK)
		if j := decode[shownJob](t, r.stdout); string(compact(t, j.Args)) != `{"to":"bob"}` || j.MaxAttempts != 7 || j.Timeout != 90*time.Second || len(j.Meta) != 1 || j.Meta["why"] != "typo" {
			t.Errorf("%+v", j)
		}
		e.tasuki("job", "edit", "mail/ready-rec", "--args", "2").want(t, exitOK, "args")
		r = e.tasuki("job", "edit", "mail/ready-rec", "--deadline", "2090-01-02T03:04:05Z", "--expire-at", "2080-01-02T03:04:05Z", "-o", "json").want(t, exitOK)
		if j := decode[shownJob](t, r.stdout); j.Deadline.Unix() != 3787009445 || j.ExpireAt.Unix() != 3471390245 {
			t.Errorf("%+v", j)
		}
		e.tasuki("job", "get", "mail/ready-rec").want(t, exitOK, "expires", "2080-01-0", "deadline", "2090-01-0")
		r = e.tasuki("job", "edit", "mail/ready-rec", "--deadline", "-1", "--expire-at=-1", "-o", "json").want(t, exitOK)
		if j := decode[shownJob](t, r.stdout); !j.Deadline.IsZero() || !j.ExpireAt.IsZero() {
			t.Errorf("%+v", j)
		}
		e.tasuki("job", "edit", "mail/dead-rec", "--deadline", "2090-01-02T03:04:05Z").want(t, exitUsage, "--deadline: 2090-01-02T03:04:05Z: allowed is none for a dead job")
		for _, flag := range []string{"--deadline", "--expire-at"} {
			e.tasuki("job", "edit", "mail/ready-rec", flag, "2020-01-02T03:04:05Z").want(t, exitUsage, flag+": 2020-01-02T03:04:05Z: allowed are times after ")
			e.tasuki("job", "edit", "mail/ready-rec", flag, "tomorrow").want(t, exitUsage, flag, "allowed are a time such as 2030-01-02T15:04:05Z, and -1 for none")
		}
		e.tasuki("job", "edit", "mail/ready", "--args", "2").want(t, exitFailed, "mail/ready: the job has no record")
		e.tasuki("job", "edit", "mail/nobody", "--args", "2").want(t, exitNotFound)
		e.tasuki("job", "edit", "mail/done-rec", "--args", "2").want(t, exitFailed, "the job has ended")
		e.tasuki("job", "edit", "mail/ready-rec", "--meta", "x="+strings.Repeat("x", 5000)).want(t, exitUsage, "--meta", "allowed are 4096")
		for _, bad := range [][]string{{"--args", "{", "allowed is JSON"}, {"--max-attempts", "0", "allowed are 1 to 1000000"}, {"--timeout", "-1s", "allowed are 1 ms"}, {"--meta", "x", "NAME=VALUE"}, {"--max-attempts", "many", "allowed are 1"}} {
			e.tasuki("job", "edit", "mail/ready-rec", bad[0], bad[1]).want(t, exitUsage, bad[0], bad[2])
		}
		e.tasuki("job", "edit", "mail/ready-rec").want(t, exitUsage, "allowed are --args, --max-attempts, --timeout, --deadline, --expire-at, --meta")
		e.tasuki("job", "edit", "x", "--args", "1").want(t, exitUsage, "QUEUE/ID")
	})
}

func TestJobEditMany(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.some()
		edit := func(words ...string) result { return e.tasuki(append([]string{"job", "edit"}, words...)...) }
		edit("--queue", "mail", "--max-attempts", "3").want(t, exitUsage, "--all, or a filter")
		edit("--queue", "mail", "--meta", "x=y").want(t, exitUsage, "--all, or a filter") // it is no filter here
		edit("--queue", "mail", "--kind", "email.later", "--max-attempts", "3").want(t, exitUsage, "--yes does it, --dry-run shows")
		edit("--queue", "mail", "--kind", "email.later", "--yes").want(t, exitUsage, "what is to be changed is missing")
		edit("--queue", "mail", "--state", "done", "--max-attempts", "3", "--yes").want(t, exitUsage, "--state", "allowed are ")
		for flag, value := range map[string]string{"--max-attempts": "-9", "--timeout": "-5s", "--deadline": "2020-01-02T03:04:05Z"} {
			edit("--queue", "mail", "--all", flag, value, "--yes").want(t, exitUsage, flag+": "+value+": allowed are ")
		}
		edit("--queue", "nope", "--all", "--max-attempts", "3", "--yes").want(t, exitNotFound, `"nope"`)
		edit("mail/later-rec", "--max-attempts", "3", "--kind", "email.later").want(t, exitUsage, "mail/later-rec", "--kind", "allowed are addresses")
		edit("--max-attempts", "3").want(t, exitUsage, "the QUEUE/ID is missing: tasuki job edit {QUEUE/ID…|--queue NAME}")

		edit("--queue", "mail", "--kind", "email.later", "--max-attempts", "3", "--dry-run").want(t, exitOK, "mail/later-rec", "mail: 2 would be edited\n")
		if j := decode[shownJob](t, e.tasuki("job", "get", "mail/later-rec", "-o", "json").want(t, exitOK).stdout); j.MaxAttempts == 3 {
			t.Errorf("a dry run has made it %+v", j)
		}
		edit("--query", "queue:mail id:retry-rec,dead-rec tag:tenant=retry", "--max-attempts", "3", "--timeout", "90s", "--meta", "why=typo", "--args", "[1]", "--yes", "-o", "json").want(t, exitOK, `"done": 1`, `"skipped": 0`, `"undoable": 0`)
		if j := decode[shownJob](t, e.tasuki("job", "get", "mail/retry-rec", "-o", "json").want(t, exitOK).stdout); j.MaxAttempts != 3 || j.Timeout != 90*time.Second || j.Meta["why"] != "typo" || string(compact(t, j.Args)) != "[1]" {
			t.Errorf("%+v", j)
		}
		edit("--queue", "mail", "--all", "--max-attempts", "4", "--yes").want(t, exitFailed, "mail: 4 edited, 5 refused", "no record")
		for _, id := range []string{"ready-rec", "retry-rec", "later-rec", "dead-rec"} {
			if j := decode[shownJob](t, e.tasuki("job", "get", "mail/"+id, "-o", "json").want(t, exitOK).stdout); j.MaxAttempts != 4 {
				t.Errorf("%+v", j)
			}
		}
		edit("mail/ready-rec", "mail/later-rec", "--max-attempts", "5").want(t, exitOK, "mail/ready-rec", "mail/later-rec")
	})
}

func compact(t *testing.T, text json.RawMessage) json.RawMessage {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	text, _ = json.Marshal(v)
	return text
}

func TestJobWait(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.some()
		e.tasuki("job", "wait", "mail/done-rec").want(t, exitOK, "mail/done-rec: done\n")
		e.tasuki("job", "wait", "mail/dead-rec").want(t, exitNotDone, "mail/dead-rec: dead\n", "is wrong")
		e.tasuki("job", "wait", "mail/ready").want(t, exitNotFound, "no record")
		e.tasuki("job", "wait", "mail/nobody").want(t, exitNotFound, "no record")
		e.tasuki("job", "wait", "mail/later-rec", "--timeout", "50ms").want(t, exitWaited, "it has not ended in that time: 50ms")
		e.tasuki("job", "wait", "mail/later-rec", "--timeout", "-1s").want(t, exitUsage, "--timeout")
		e.tasuki("job", "wait", "mail").want(t, exitUsage, "QUEUE/ID")
		waits := start(t, e.command("job", "wait", "mail/later-rec", "-o", "json"))
		if code := e.tasuki("job", "cancel", "mail/later-rec").code; code != exitOK {
			t.Errorf("it exits with %d", code)
		}
		if code := waits.wait(); code != exitNotDone {
			t.Errorf("it exits with %d", code)
		}
		if r := decode[shownRecord](t, waits.stdout.String()); r.Address != "mail/later-rec" || r.State != tasuki.StateCancelled {
			t.Errorf("%+v", r)
		}
	})
}

// TestOddTexts: what a handler says reaches a terminal without what that would obey.
func TestOddTexts(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		const odd = "a\x1b[31m\r\nb\u202e\u009b2J"
		e.enqueue("k", `"\u202e"`, tasuki.Opts{ID: "a", Record: true, MaxAttempts: 1})
		stop := e.handle("default", func(context.Context, *tasuki.RawJob) error { return errors.New(odd) })
		defer stop()
		e.tasuki("job", "wait", "default/a").want(t, exitNotDone, "default/a: dead\n", "out of attempts: a�[31m \nb��2J\n")
		for _, call := range [][]string{{"wait", "default/a"}, {"get", "default/a"}, {"ls", "--state", "dead"}, {"get", "default/" + odd}} {
			r := e.tasuki(append([]string{"job"}, call...)...)
			if all := strings.ReplaceAll(r.stdout+r.stderr, "\n", ""); strings.ContainsFunc(all, unicode.IsControl) || strings.Contains(all, "\u202e") {
				t.Errorf("%q: %q", call, all)
			}
		}
	})
}

func TestJobLogs(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.enqueue("k", "1", tasuki.Opts{ID: "a", Record: true})
		record := e.namespace + ":{default}:rec:a"
		e.do("HSET", record, "log.1", "1 first", "log.2", "2 second\x1b[2J")
		e.tasuki("job", "logs", "default/a").want(t, exitOK, "first\nsecond�[2J\n")
		e.tasuki("job", "logs", "default/a", "-o", "json").want(t, exitOK, "{\"n\":1,\"text\":\"first\"}\n{\"n\":2,")
		e.tasuki("job", "logs", "default/nobody").want(t, exitNotFound, "only a recorded job has one")
		follows := start(t, e.command("job", "logs", "default/a", "--follow"))
		follows.waitOutput("second")
		e.do("HSET", record, "log.3", "3 third")
		e.do("PUBLISH", record, "note")
		stop := e.handle("default", func(context.Context, *tasuki.RawJob) error { return nil })
		if code := follows.wait(); code != exitOK || follows.stdout.String() != "first\nsecond�[2J\nthird\n" {
			t.Errorf("it exits with %d and prints %q", code, follows.stdout)
		}
		stop()
	})
}

func TestEnqueueRecord(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.tasuki("enqueue", "k", "--id", "kept", "--keep", "1h").want(t, exitOK)
	e.tasuki("enqueue", "k", "--id", "recorded", "--record").want(t, exitOK)
	e.tasuki("enqueue", "--raw", "x", "--record").want(t, exitUsage, "--record")
	e.tasuki("enqueue", "k", "--keep", "-5m").want(t, exitUsage, "keep")
	e.tasuki("enqueue", "k", "--keep", "soon").want(t, exitUsage, "allowed are a duration, such as 90s or 1h30m, and -1 for none")
	e.tasuki("enqueue", "k", "--id", "unkept", "--record", "--keep", "-1", "--timeout", "-1").want(t, exitOK, "")
	stop := e.handle("default", func(context.Context, *tasuki.RawJob) error { return nil })
	for _, id := range []string{"kept", "recorded"} {
		e.tasuki("job", "wait", "default/"+id).want(t, exitOK, "default/"+id+": done")
	}
	stop()
}
