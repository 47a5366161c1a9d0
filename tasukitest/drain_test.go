package tasukitest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/tasukitest"
)

var shout = tasuki.DefineFunc[string, string]("shout")

func TestRunFunc(t *testing.T) {
	t.Parallel()
	logger := slog.New(tasuki.RecordLog(slog.DiscardHandler))
	loud := slog.New(tasuki.RecordLog(slog.NewTextHandler(t.Output(), nil)))
	w := tasukitest.NewWorker(nil)
	tasuki.HandleFunc(w, shout, func(ctx context.Context, job *tasuki.Job[string]) (string, error) {
		logger.InfoContext(ctx, "nobody takes it")
		loud.InfoContext(ctx, "shouting")
		job.SetProgress(1, 2, "half")
		if job.Args == "" {
			return "", tasuki.Kill(errors.New("nothing to shout"))
		}
		return strings.ToUpper(job.Args), nil
	})
	value, result, err := tasukitest.RunFunc(t.Context(), w, shout, "hello")
	if value != "HELLO" || err != nil || result.Outcome != tasukitest.Done || string(result.Value) != `"HELLO"` {
		t.Errorf("%q, %+v, %v", value, result, err)
	}
	if result.Progress.Done != 1 || result.Progress.Note != "half" || len(result.Log) != 1 || !strings.Contains(result.Log[0], "msg=shouting") {
		t.Errorf("%+v, %q", result.Progress, result.Log)
	}
	if value, result, err := tasukitest.RunFunc(t.Context(), w, shout, ""); value != "" || err != nil || result.Outcome != tasukitest.Dead {
		t.Errorf("%q, %+v, %v", value, result, err)
	}
}

func TestNextGoesOn(t *testing.T) {
	t.Parallel()
	w := tasukitest.NewWorker(nil)
	tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
		var at int
		if _, err := job.Cursor(&at); err != nil {
			return err
		}
		if at == job.Args {
			return nil
		}
		return errors.Join(job.Checkpoint(at+1), errors.New("interrupted"))
	})
	result, err := tasukitest.Run(t.Context(), w, number.With(tasuki.Opts{Record: true}).Spec(3))
	if err == nil {
		result, err = result.Finish(t.Context())
	}
	if err != nil || result.Outcome != tasukitest.Done || result.Info.Attempt != 3 {
		t.Errorf("%+v, %v, want it done after three failures", result, err)
	}
	if result, err = tasukitest.Run(t.Context(), w, number.Spec(3)); err != nil || !strings.Contains(fmt.Sprint(result.Err), "set Opts.Record") {
		t.Errorf("without a record: %+v, %v", result, err)
	}
}

// chain enqueues a smaller number until there is none.
func chain(jobs func() tasuki.Enqueuer) *tasuki.Worker {
	w := tasukitest.NewWorker(nil)
	tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
		if job.Attempt == 1 {
			return errors.New("not at first")
		}
		if job.Args == 0 {
			return tasuki.Kill(errors.New("there is no more"))
		}
		_, err := number.With(tasuki.Opts{In: time.Hour}).Enqueue(ctx, jobs(), job.Args-1)
		return err
	})
	return w
}

func TestInline(t *testing.T) {
	t.Parallel()
	var jobs tasukitest.Inline
	jobs.Worker = chain(func() tasuki.Enqueuer { return jobs })
	info, err := number.Enqueue(t.Context(), jobs, 2)
	if err != nil || info.State != tasuki.StateDone || info.Attempt != 1 {
		t.Errorf("%+v, %v", info, err)
	}
	info, err = number.Enqueue(t.Context(), jobs, 0)
	if err != nil || info.State != tasuki.StateDead || info.Error != "there is no more" {
		t.Errorf("%+v, %v", info, err)
	}
	if _, err := number.With(tasuki.Opts{Queue: "other"}).Enqueue(t.Context(), jobs, 0); err == nil || !strings.Contains(err.Error(), "takes no jobs of queue") {
		t.Errorf("another queue: %v", err)
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	var rec tasukitest.Recorder
	w := chain(func() tasuki.Enqueuer { return &rec })
	for _, n := range []int{1, 2} {
		if _, err := number.Enqueue(t.Context(), &rec, n); err != nil {
			t.Fatal(err)
		}
	}
	results, err := rec.Drain(t.Context(), w)
	var got []string
	for _, r := range results {
		got = append(got, string(r.Outcome))
	}
	if err != nil || fmt.Sprint(got) != "[done done dead done dead]" || len(rec.All()) != 0 {
		t.Errorf("%v, %v, %d left", got, err, len(rec.All()))
	}
}
