package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/cron"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// evil runs a script wherever it is not escaped, and says so: see tripwire.
const evil = `</script></textarea></pre><script>trip("script")</script><img src=x onerror='trip("img")'><svg onload=trip("svg")>"' onmouseover="trip('attribute')" autofocus onfocus=trip("focus") x='{{trip}}${trip()}javascript:trip(1)`

// evilLine has what turns letters around, and what ends lines.
const evilLine = evil + "S3CRET\u202e\u0000\r\n\x1b[31m\u2028"

// populate has a job in every state, with hostile strings in every field that a job, a worker or a
// periodic entry can carry. It returns addresses by what they are.
func (e *env) populate() map[string]string {
	e.t.Helper()
	t := e.t
	ctx, cancel := context.WithCancel(context.Background())
	e.do_("RPUSH", e.namespace+":{raw}", evil, fmt.Sprintf(`{"id":"x","kind":%q,"args":1}`, evil), fmt.Sprintf(`{"id":%s,"kind":"odd.id","args":%s}`, quote(evil), quote(evil)))
	e.do_("SADD", e.namespace+":queues", "raw", evil)
	e.do_("HSET", e.namespace+":workers:info", "zz-evil", `{"host":`+quote(evil)+`,"pid":1,"started":1,"queues":["mail",`+quote(evil)+`],"concurrency":3,"version":`+quote(evil)+`}`)
	e.do_("HSET", e.namespace+":workers", "zz-evil", "1")

	args := json.RawMessage(`{"text":` + quote(evilLine) + `,"big":12345678901234567890.123456789012345678}`)
	meta := map[string]string{evil: evilLine, "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
	spec := func(kind string, o tasuki.Opts) tasuki.Spec {
		o.Meta, o.ID, o.Queue = meta, strings.ReplaceAll(kind, "/", "-"), "mail"
		return tasuki.Spec{Kind: kind, Args: args, Opts: o}
	}
	specs := []tasuki.Spec{
		spec("dies", tasuki.Opts{Record: true}), spec("dies.bare", tasuki.Opts{}), spec("panics", tasuki.Opts{Record: true, MaxAttempts: 1}), spec("retries", tasuki.Opts{Record: true}),
		spec("returns", tasuki.Opts{Record: true, Keep: time.Hour}), spec("runs", tasuki.Opts{Record: true}), spec("snoozes", tasuki.Opts{Record: true}),
		spec("later", tasuki.Opts{Record: true, In: time.Hour}),
	}
	if infos, err := e.client.EnqueueMany(ctx, specs); err != nil {
		t.Fatal(infos, err)
	}
	worker, err := tasuki.NewWorker(e.client, &tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "mail"}}, Concurrency: 5, Grace: 10 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(tasuki.RecordLog(slog.DiscardHandler))
	runs := make(chan struct{}, 1)
	tasuki.HandleFunc(worker, tasuki.DefineFunc[json.RawMessage, string]("returns"), func(context.Context, *tasuki.Job[json.RawMessage]) (string, error) { return evilLine, nil })
	tasuki.HandleOther(worker, func(ctx context.Context, job *tasuki.RawJob) error {
		switch job.Kind {
		case "dies", "dies.bare":
			return tasuki.Kill(errors.New(evilLine))
		case "panics":
			panic(evilLine)
		case "retries":
			return tasuki.RetryIn(time.Hour, errors.New(evilLine))
		case "snoozes":
			return tasuki.Snooze(time.Hour, evil)
		case "runs":
			job.SetProgress(3, 10, evilLine)
			logger.InfoContext(ctx, evilLine, evil, evil)
			if err := job.Checkpoint(evilLine); err != nil {
				return err
			}
			runs <- struct{}{}
			<-ctx.Done()
		}
		return ctx.Err()
	})
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	<-runs
	redistest.WaitFor(t, "the jobs", func() error {
		q, err := e.inspector.Queue(context.Background(), "mail")
		if err == nil && (q.Counts["done"] != 1 || q.Dead != 3 || q.Retry != 2 || q.Scheduled != 1) {
			err = fmt.Errorf("%+v", q)
		}
		return err
	})
	unique := spec("unique", tasuki.Opts{Unique: tasuki.Unique{Mode: "until_done", Key: evil}, In: time.Hour})
	if _, err := e.client.EnqueueMany(ctx, []tasuki.Spec{unique, {Kind: "waits", Args: args, Opts: tasuki.Opts{Queue: "paused", ID: "waits", Record: true}}, {Kind: "waits", Args: args, Opts: tasuki.Opts{Queue: "paused", ID: "bare"}}}); err != nil {
		t.Fatal(err)
	}
	if err := e.inspector.Pause(ctx, "paused", evil); err != nil {
		t.Fatal(err)
	}
	table := cron.New(e.client)
	for _, entry := range []cron.Entry{
		{Name: "nightly", Expr: "30 2 * * *", Zone: "Asia/Tokyo", Kind: "report", Args: args, Opts: tasuki.Opts{Queue: "reports"}},
		{Name: "odd", Expr: "0 0 30 2 *", Kind: "never"},
	} {
		if _, err := table.Set(ctx, entry); err != nil && entry.Name != "odd" {
			t.Fatal(err)
		}
	}
	if err := table.Pause(ctx, "nightly", evil); err != nil {
		t.Fatal(err)
	}
	operator := e.inspector.As(evil)
	o, err := operator.Operate(ctx, inspect.Task{Action: inspect.Remove}, inspect.Query{Queues: []string{"none"}, Text: []string{evil}})
	if err == nil {
		_, err = operator.Await(ctx, o.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	e.operation = o.ID
	for range 3 { // on one another
		if _, err := operator.Mark(ctx, evil, evil); err != nil {
			t.Fatal(err)
		}
	}
	return map[string]string{"dead": "mail/dies", "bare": "mail/dies.bare", "panic": "mail/panics", "retry": "mail/retries", "done": "mail/returns", "running": "mail/runs", "snoozed": "mail/snoozes",
		"scheduled": "mail/later", "ready": "paused/waits", "odd": "raw/" + evil}
}

// do_ sends a command past the library.
func (e *env) do_(words ...string) {
	e.t.Helper()
	if answer := e.server.Do(e.t, words...); strings.HasPrefix(answer, "-") {
		e.t.Fatalf("%q: %s", words, answer)
	}
}

func quote(text string) string {
	b, _ := json.Marshal(text)
	return string(b)
}

// workerID is the worker that runs.
func (e *env) workerID() string {
	e.t.Helper()
	id := ""
	redistest.WaitFor(e.t, "a worker", func() error {
		all, err := e.inspector.Workers(context.Background())
		for _, w := range all {
			if w.State == inspect.WorkerRunning {
				id = w.ID
				return nil
			}
		}
		return errors.Join(err, errors.New("there is none"))
	})
	return id
}
