package main

import (
	"context"
	"log/slog"
	"testing"

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
	e.tasuki("job", "cancel", "default/endless").want(t, exitOK, "asked 1 workers of default to cancel endless")
	if err := <-cause; err != tasuki.ErrCancelled {
		t.Errorf("the cause is %v", err)
	}
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Counts["cancelled"] == 1 })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}

	e.tasuki("job", "cancel", "default/endless", "-o", "json").want(t, exitOK, `"workers": 0`)
	list := e.namespace + "/jobs"
	e.tasuki("enqueue", "--raw", "--list", list, "x").want(t, exitOK)
	e.tasuki("job", "cancel", "list:"+list+"/x").want(t, exitOK, "asked 0 workers of list:"+list+" to cancel x")
	e.tasuki("job", "cancel", "nope/x").want(t, exitNotFound, `"nope"`)
	for _, address := range []string{"x", "/x", "default/", ""} {
		e.tasuki("job", "cancel", address).want(t, exitUsage, "QUEUE/ID")
	}
	e.tasuki("job", "cancel").want(t, exitUsage, "the QUEUE/ID is missing: tasuki job cancel QUEUE/ID")
	e.tasuki("job", "cancle").want(t, exitUsage, "cancle")
}
