package proof

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tasuki-dev/tasuki"
)

// workerConfig is what a worker process does.
type workerConfig struct {
	URL         string
	Namespace   string
	Ledger      string
	Queues      []tasuki.Queue
	Concurrency int
	Grace       time.Duration
}

func (c *workerConfig) main() int {
	ledger, err := openLedger(c.Ledger)
	if err != nil {
		panic(err)
	}
	ledger.note("up %d", micros())
	log := slog.New(&witness{Handler: slog.NewTextHandler(os.Stderr, nil), ledger: ledger})
	client, err := tasuki.Open(c.URL, &tasuki.ClientConfig{Namespace: c.Namespace, Logger: log})
	if err != nil {
		panic(err)
	}
	w, err := tasuki.NewWorker(client, &tasuki.WorkerConfig{
		Queues: c.Queues, Concurrency: c.Concurrency, Grace: c.Grace,
		Backoff: func(tasuki.Info, error) time.Duration { return 200 * time.Millisecond },
	})
	if err != nil {
		panic(err)
	}
	var runs atomic.Int64
	tasuki.Handle(w, kind, func(ctx context.Context, job *tasuki.Job[task]) error {
		r := runs.Add(1)
		ledger.note("start %d %d %d", r, job.Args.N, micros())
		if job.Args.Exit {
			ledger.note("exit %d", micros())
			os.Exit(3)
		}
		ledger.note("fence %d %d", r, job.Fence())
		how, err := perform(ctx, job)
		ledger.note("end %d %d %s", r, micros(), how)
		return err
	})
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	err = w.Run(ctx)
	ledger.note("down %d", micros())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// perform does what a job asks for, and says how it ends.
func perform(ctx context.Context, job *tasuki.Job[task]) (how string, err error) {
	a := &job.Args
	if a.Ms > 0 && (a.Slow || job.Crashes == 0) {
		timer := time.NewTimer(time.Duration(a.Ms) * time.Millisecond)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, tasuki.ErrLeaseLost):
		return howLost, cause
	case errors.Is(cause, tasuki.ErrStopping):
		return howStopped, cause
	case cause != nil:
		return howCancelled, cause
	case a.Snooze && job.Reason == "":
		return howSnoozed, tasuki.Snooze(100*time.Millisecond, "put off")
	case job.Attempt <= a.Fail:
		return howFailed, errors.New("this attempt is to fail")
	case a.Kill:
		return howKilled, tasuki.Kill(errors.New("this job is to be dead"))
	}
	return howDone, nil
}

// How a run ends, as its handler sees it.
const (
	howDone      = "ok"
	howFailed    = "fail"
	howSnoozed   = "snooze"
	howKilled    = "kill"
	howLost      = "lost"      // its context ended with ErrLeaseLost
	howStopped   = "stop"      // with ErrStopping
	howCancelled = "cancelled" // with anything else
)

// witness writes into the ledger what a worker says of deaths: nothing else tells
// who was taken for dead by whom.
type witness struct {
	slog.Handler
	ledger *ledger
}

func (w *witness) Handle(ctx context.Context, record slog.Record) error {
	worker := ""
	record.Attrs(func(a slog.Attr) bool {
		if a.Key == "worker" {
			worker = a.Value.String()
		}
		return worker == ""
	})
	switch record.Message {
	case "tasuki: worker started":
		w.ledger.note("id %s", worker)
	case "tasuki: a worker is dead; its jobs were put back":
		w.ledger.note("took %s %d", worker, micros())
	case "tasuki: this worker was taken for dead in a queue; its handlers there are cancelled, and it goes on under a new lease":
		w.ledger.note("gone %d", micros())
	}
	return w.Handler.Handle(ctx, record)
}

// WithAttrs and WithGroup keep the witness when a logger is derived.
func (w *witness) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &witness{w.Handler.WithAttrs(attrs), w.ledger}
}

func (w *witness) WithGroup(name string) slog.Handler {
	return &witness{w.Handler.WithGroup(name), w.ledger}
}
