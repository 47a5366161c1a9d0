package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// logs is a worker whose handler logs the rows from to to-1, with a call between them.
func (e *env) logs(from, to int, between func(n int)) {
	e.t.Helper()
	w := e.worker(tasuki.WorkerConfig{Logger: slog.New(tasuki.RecordLog(slog.DiscardHandler))})
	logger := slog.New(tasuki.RecordLog(slog.NewTextHandler(e.log, nil)))
	tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
		for n := from; n < to; n++ {
			logger.InfoContext(ctx, "row", "n", n)
			between(n)
		}
		return nil
	})
	e.run(w)
}

// logOf demands that the log of a job has the rows 0 to n-1, each once and in order.
func (e *env) logOf(address string, n int) error {
	lines, err := e.inspector.Log(e.ctx, address, 0)
	if err != nil || len(lines) != n {
		return fmt.Errorf("%d lines, %v, want %d: %v", len(lines), err, n, lines)
	}
	for i, line := range lines {
		if line.N != int64(i+1) || !strings.HasSuffix(line.Text, fmt.Sprintf("msg=row n=%d", i)) {
			return fmt.Errorf("line %d is %+v", i, line)
		}
	}
	return nil
}

// TestLogOfKilled kills the process of a job that has logged.
//
//fault:process the process of a job that logs to its record is killed | the lines that were written stay, those of the next run come behind them; what was said less than a tenth of a second before can be lost
func TestLogOfKilled(t *testing.T) {
	t.Parallel()
	e := newEnv(t, redistest.Shared(t).URL())
	p := e.startProcess(processConfig{Concurrency: 1, Do: "log"})
	address := e.enqueue(number.With(recorded), 1)[0].Address()
	redistest.WaitFor(t, "three lines", func() error { return e.logOf(address, 3) })
	p.kill()
	e.logs(3, 6, func(int) {})
	if r, err := e.waiting(e.client, address)(); err != nil || outcomes(r) != "crashed done" {
		t.Fatalf("%+v, %v", r, err)
	}
	if err := e.logOf(address, 6); err != nil {
		t.Error(err)
	}
}

// TestLostLog loses the reply of a call that writes lines, while the job goes on to log.
//
//fault:network the reply of the call that writes lines of a job's log is lost, or the call gets into a hole | each line is in the log once, in the order in which it was said
func TestLostLog(t *testing.T) {
	for _, fate := range []redistest.Fate{redistest.Cut, redistest.Swallow, redistest.Hole} {
		t.Run(fmt.Sprint(fate), func(t *testing.T) {
			t.Parallel()
			e, s, proxy := proxied(t)
			hit := proxy.Once(fate, isScript(t, "run_note"))
			address := e.enqueue(number.With(recorded), 1)[0].Address()
			e.logs(0, 6, func(n int) {
				if n == 2 {
					<-hit
					redistest.WaitFor(t, "three lines", func() error { return e.logOf(address, 3) })
				}
			})
			if r, err := e.waiting(e.openAt(s.URL()), address)(); err != nil || outcomes(r) != "done" {
				t.Fatalf("%+v, %v", r, err)
			}
			if err := e.logOf(address, 6); err != nil {
				t.Error(err)
			}
			proxy.CutAll() // for the worker to stop in order
		})
	}
}

// TestLogOnFullServer has a job log on a server that refuses writes.
//
//fault:server the server is full (noeviction), and a job logs to its record | its lines are written, while it runs and with its end
func TestLogOnFullServer(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--maxmemory-policy", "noeviction")
	e := newEnv(t, s.URL())
	address := e.enqueue(number.With(recorded), 1)[0].Address()
	s.Do(t, "CONFIG", "SET", "maxmemory", "1")
	if err := e.do("SET", "x", "x").Error(); err == nil || !strings.HasPrefix(err.Error(), "OOM") {
		t.Fatalf("the server is not full: %v", err)
	}
	written := make(chan struct{})
	e.logs(0, 6, func(n int) {
		if n == 2 {
			select {
			case <-written:
			case <-time.After(20 * time.Second):
				t.Error("the lines are not written while it runs")
			}
		}
	})
	redistest.WaitFor(t, "three lines", func() error { return e.logOf(address, 3) })
	close(written)
	if r, err := e.waiting(e.client, address)(); err != nil || outcomes(r) != "done" {
		t.Fatalf("%+v, %v", r, err)
	}
	if err := errors.Join(e.logOf(address, 6), e.do("SET", "x", "x").Error()); err == nil || !strings.HasPrefix(err.Error(), "OOM") {
		t.Errorf("%v: want the whole log, and a server that is full still", err)
	}
	s.Do(t, "CONFIG", "SET", "maxmemory", "0")
}
