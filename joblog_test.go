package tasuki_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

func TestRecordLog(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		var out bytes.Buffer
		logger := slog.New(tasuki.RecordLog(slog.NewTextHandler(&out, nil))).With("app", "shop")
		k := tasuki.Define[int]("k").With(recorded)
		w := e.worker(tasuki.WorkerConfig{})
		tasuki.Handle(w, k, func(ctx context.Context, job *tasuki.Job[int]) error {
			for i := range 300 {
				logger.InfoContext(ctx, "row", "n", i, "attempt", job.Attempt)
			}
			logger.InfoContext(ctx, strings.Repeat("x", 5000))
			logger.DebugContext(ctx, "nobody wants it")
			logger.Info("of no job")
			if job.Attempt == 1 {
				return tasuki.RetryIn(time.Millisecond, errors.New("again"))
			}
			return nil
		})
		e.run(w)
		info, err := k.Enqueue(e.ctx, e.client, 1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.client.Wait(e.ctx, info.Address()); err != nil {
			t.Fatal(err)
		}
		lines, err := inspect.New(e.client).Log(e.ctx, info.Address(), 0)
		if err != nil || len(lines) != 500 {
			t.Fatalf("%d lines, %v, want the last 500", len(lines), err)
		}
		for i, line := range lines {
			if line.N != int64(103+i) {
				t.Fatalf("line %d has the number %d", i, line.N)
			}
		}
		if first := lines[0].Text; !strings.Contains(first, `msg=row app=shop n=102 attempt=1`) {
			t.Errorf("the first: %s", first)
		}
		if last := lines[499].Text; len(last) > 1100 || !strings.HasSuffix(last, "…(cut)") {
			t.Errorf("the last: %s", last)
		}
		if n := strings.Count(out.String(), "\n"); n != 604 {
			t.Errorf("%d lines were passed on, want 604", n)
		}
	})
}

// The worker's own logger knows its job where the call has no context.
func TestRecordLogOfLogger(t *testing.T) {
	e := newEnv(t, redistest.Shared(t).URL())
	var out bytes.Buffer
	w := e.worker(tasuki.WorkerConfig{Logger: slog.New(tasuki.RecordLog(tasuki.LogHandler(slog.NewTextHandler(&out, nil))))})
	k := tasuki.Define[int]("k").With(recorded)
	tasuki.Handle(w, k, func(ctx context.Context, _ *tasuki.Job[int]) error {
		tasuki.Logger(ctx).With("app", "shop").Info("exported", "rows", 3)
		return nil
	})
	stop := e.run(w)
	info, err := k.Enqueue(e.ctx, e.client, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.client.Wait(e.ctx, info.Address()); err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	lines, err := inspect.New(e.client).Log(e.ctx, info.Address(), 0)
	if err != nil || len(lines) != 1 || !strings.Contains(lines[0].Text, "msg=exported app=shop rows=3") {
		t.Errorf("%+v, %v", lines, err)
	}
	for line := range strings.Lines(out.String()) {
		if strings.Contains(line, "msg=exported") && strings.Count(line, "id="+info.ID) != 1 {
			t.Errorf("the fields of the job, once: %s", line)
		}
	}
}

func TestRecordLogIsAHandler(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		out.Reset()
		return tasuki.RecordLog(slog.NewJSONHandler(&out, nil))
	}, func(t *testing.T) map[string]any {
		line := map[string]any{}
		if err := json.Unmarshal(out.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		return line
	})
}

func TestEach(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		k := tasuki.Define[int]("copy").With(recorded)
		w := e.worker(tasuki.WorkerConfig{})
		var done recorder[string]
		rows := func(after *int) iter.Seq2[int, string] {
			return func(yield func(int, string) bool) {
				from := 0
				if after != nil {
					from = *after + 1
				}
				for i := from; i < 5; i++ {
					if !yield(i, fmt.Sprint("row ", i)) {
						return
					}
				}
			}
		}
		tasuki.Handle(w, k, func(ctx context.Context, job *tasuki.Job[int]) error {
			return tasuki.Each(ctx, job, rows, func(_ context.Context, row string) error {
				if row == "row 3" && job.Attempt == 1 {
					return tasuki.RetryIn(time.Millisecond, errors.New("not now"))
				}
				done.add(row)
				return nil
			})
		})
		e.run(w)
		info, err := k.Enqueue(e.ctx, e.client, 1)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := e.client.Wait(e.ctx, info.Address()); err != nil || r.State != tasuki.StateDone {
			t.Fatalf("%+v, %v", r, err)
		}
		if got := fmt.Sprint(done.get()); got != "[row 0 row 1 row 2 row 3 row 4]" {
			t.Error(got)
		}
		bare := tasuki.Define[int]("copy")
		if _, err := bare.With(tasuki.Opts{MaxAttempts: 1}).Enqueue(e.ctx, e.client, 1); err != nil {
			t.Fatal(err)
		}
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Dead == 1 }) // it has no record, and says so
		if got := done.get(); len(got) != 5 {
			t.Errorf("without a record it has done %q", got[5:])
		}
	})
}
