package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestStalledServer stops the server for longer than the quick rule, twice: when
// it answers again, nobody is taken for dead.
func TestStalledServer(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	e := newEnv(t, s.URL())
	var l ledger
	for range 3 {
		w := e.worker(tasuki.WorkerConfig{Concurrency: 5})
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
			time.Sleep(time.Millisecond)
			l.add(job.Args)
			return nil
		})
		e.run(w)
	}
	const n = 2000
	e.enqueue(number, n)
	for range 2 {
		s.Signal(t, syscall.SIGSTOP)
		time.Sleep(5 * time.Second)
		s.Signal(t, syscall.SIGCONT)
		time.Sleep(time.Second)
	}
	q := e.settled("default", n)
	if extra := l.check(t, n); extra != 0 || q.Counts["crashed"] != 0 {
		t.Errorf("%d runs too many, %+v", extra, q)
	}
}

// TestServerKilledUnderLoad kills the server again and again while jobs are
// enqueued and run; it keeps an append-only file.
func TestServerKilledUnderLoad(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Durable(t)...)
	e := newEnv(t, s.URL())
	var l ledger
	for range 2 {
		w := e.worker(tasuki.WorkerConfig{Concurrency: 10})
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
			time.Sleep(time.Millisecond)
			l.add(job.Args)
			return nil
		})
		e.run(w)
	}
	stop := make(chan struct{})
	accepted, uncertain := 0, map[int]bool{}
	produced := make(chan struct{})
	go func() {
		defer close(produced)
		for n := 0; ; n++ {
			select {
			case <-stop:
				accepted = n
				return
			default:
			}
			k := number.With(tasuki.Opts{ID: fmt.Sprint("n", n)})
			for {
				_, err := k.Enqueue(context.Background(), e.client, n)
				if err == nil {
					break
				}
				if errors.Is(err, tasuki.ErrUncertain) {
					uncertain[n] = true // the id makes it safe to call again
				}
			}
		}
	}()
	const killed = 8
	for range killed {
		time.Sleep(400 * time.Millisecond)
		s.Kill()
		s.Restart(t)
	}
	time.Sleep(300 * time.Millisecond)
	close(stop)
	<-produced
	q := e.settled("default", int64(accepted))
	extra := l.check(t, accepted)
	t.Logf("%d kills, %d jobs, %d enqueues were uncertain and repeated, %d runs above one for each job", killed, accepted, len(uncertain), extra)
	if q.Counts["crashed"] != 0 {
		t.Errorf("%+v: somebody was taken for dead", q)
	}
}
