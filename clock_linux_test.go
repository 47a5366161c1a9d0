package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// demandClock demands that Redis' clock differs from that of this machine by d.
func (e *env) demandClock(d time.Duration) {
	e.t.Helper()
	now, err := e.do("TIME").AsIntSlice()
	if err != nil {
		e.t.Fatal(err)
	}
	if off := time.Until(time.Unix(now[0], now[1]*1000)) - d; off.Abs() > 10*time.Second {
		e.t.Fatalf("the clock of redis is %v away from where it was set", off)
	}
}

// TestClockJumps sets the clock of Redis while workers wait, run jobs, and watch
// each other. Whatever it does, they go by their own for how long something lasts.
//
//fault:time Redis' clock jumps an hour ahead under workers | nobody is taken for dead, nothing is lost; what is due by the new time runs within 25 s
//fault:time Redis' clock jumps an hour back under workers | nobody is taken for dead, nothing is lost; what is scheduled from then on runs in time
func TestClockJumps(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			t.Parallel()
			s, clock := redistest.StartWithClock(t)
			e := newEnv(t, s.URL())
			release := make(chan struct{})
			var runs atomic.Int64
			for range 3 {
				w := e.worker(tasuki.WorkerConfig{Concurrency: 5, Backoff: soon, Queues: []tasuki.Queue{{Name: "default"}, {Name: "idle"}}})
				tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
					runs.Add(1)
					switch {
					case job.Args < 6: // held over the jump
						select {
						case <-release:
						case <-ctx.Done():
							return ctx.Err()
						}
					case job.Args%10 == 0 && job.Attempt == 1:
						return errors.New("once more")
					}
					return nil
				})
				e.run(w)
			}
			e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 3 })
			e.enqueue(number, 6)
			e.waitQueue("default", func(q inspect.Queue) bool { return q.Running == 6 })
			// In a queue in which nothing else happens.
			later := number.With(tasuki.Opts{Queue: "idle", In: 30 * time.Minute})
			if _, err := later.Enqueue(e.ctx, e.client, 7); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second) // an observer is at work
			clock.Set(t, jump)
			e.demandClock(jump)
			start := time.Now()
			enqueued := int64(6)
			more := func(in time.Duration, n int) {
				for i := range n {
					if _, err := number.With(tasuki.Opts{In: in}).Enqueue(e.ctx, e.client, 10+i); err != nil {
						t.Fatal(err)
					}
				}
				enqueued += int64(n)
			}
			// Longer than a wait, and than every limit but that of a frozen worker.
			for time.Since(start) < 25*time.Second {
				more(0, 20)
				more(300*time.Millisecond, 5)
				time.Sleep(500 * time.Millisecond)
			}
			close(release)
			late := time.Now()
			q := e.settled("default", enqueued)
			if took := time.Since(late); took > 10*time.Second {
				t.Errorf("the last were done after %v", took)
			}
			idle := e.queue("idle")
			if q.Counts["crashed"] != 0 || q.Workers != 3 || runs.Load() != q.Counts["claimed"]+idle.Counts["claimed"] {
				t.Errorf("%d runs, %+v", runs.Load(), q)
			}
			if jump > 0 && idle.Counts["done"] != 1 || jump < 0 && idle.Scheduled != 1 {
				t.Errorf("what was due in half an hour: %+v", idle)
			}
		})
	}
}

// TestClockSteps sets the clock of Redis by seconds, forth and back, while jobs are
// enqueued, run, retried and made ready.
//
//fault:time Redis' clock is set forth and back by up to 5 s all the time, as around a leap second or by a bad time server | nothing is lost, nothing runs twice, nobody is taken for dead
func TestClockSteps(t *testing.T) {
	t.Parallel()
	s, clock := redistest.StartWithClock(t)
	e := newEnv(t, s.URL())
	const n = 1500
	var l ledger
	for range 2 {
		w := e.worker(tasuki.WorkerConfig{Concurrency: 5, Backoff: soon})
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
			if job.Attempt == 1 && job.Args%10 == 0 {
				return errors.New("once more")
			}
			l.add(job.Args)
			return nil
		})
		e.run(w)
	}
	for i := range n {
		k := number
		if i%3 == 0 {
			k = k.With(tasuki.Opts{In: time.Duration(i%500) * time.Millisecond})
		}
		if _, err := k.Enqueue(e.ctx, e.client, i); err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 {
			clock.Set(t, rand.N(10*time.Second)-5*time.Second)
			time.Sleep(20 * time.Millisecond) // so that it lasts as long as an observer needs
		}
	}
	q := e.settled("default", n)
	if extra := l.check(t, n); extra != 0 || q.Counts["crashed"] != 0 || q.Counts["retry"] != n/10 || q.Workers != 2 {
		t.Errorf("%d runs too many, %+v", extra, q)
	}
}

// TestClocksDiffer runs workers and producers whose clocks differ from that of
// Redis by much, in either direction: for them it is the same as if theirs were
// wrong. Redis has one that all agree on, and times are compared with that.
//
//fault:time clocks of workers and producers are ten minutes or a day wrong | delays, retries and snoozes last as long as they should; a time of day is that of Redis
func TestClocksDiffer(t *testing.T) {
	t.Parallel()
	for _, wrong := range []time.Duration{10 * time.Minute, -10 * time.Minute, 24 * time.Hour, -24 * time.Hour} {
		t.Run(wrong.String(), func(t *testing.T) {
			t.Parallel()
			s, clock := redistest.StartWithClock(t)
			clock.Set(t, -wrong) // that of the others is ahead by so much
			e := newEnv(t, s.URL())
			e.demandClock(-wrong)
			const delay = 400 * time.Millisecond
			w := e.worker(tasuki.WorkerConfig{Backoff: func(tasuki.Info, error) time.Duration { return delay }})
			var starts recorder[time.Time]
			tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
				starts.add(time.Now())
				switch len(starts.get()) {
				case 1:
					return errors.New("once more")
				case 2:
					return tasuki.Snooze(delay)
				}
				return nil
			})
			e.run(w)
			e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 1 })
			last := time.Now()
			if _, err := number.With(tasuki.Opts{In: delay}).Enqueue(e.ctx, e.client, 1); err != nil {
				t.Fatal(err)
			}
			for i, start := range starts.wait(t, 3) {
				if took := start.Sub(last); took < delay-10*time.Millisecond || took > delay+10*time.Second {
					t.Errorf("run %d came after %v, want %v", i+1, took, delay)
				}
				last = start
			}
			e.settled("default", 1)
			// A time of day that is past by Redis' clock runs, one that is to come waits.
			redisNow := time.Now().Add(-wrong)
			for name, at := range map[string]time.Time{"past": redisNow.Add(-time.Second), "future": redisNow.Add(time.Minute)} {
				queue := fmt.Sprint("at-", name)
				if _, err := number.With(tasuki.Opts{Queue: queue, At: at}).Enqueue(e.ctx, e.client, 1); err != nil {
					t.Fatal(err)
				}
				if err := w.AddQueue(tasuki.Queue{Name: queue}); err != nil {
					t.Fatal(err)
				}
			}
			e.settled("at-past", 1)
			if q := e.queue("at-future"); q.Scheduled != 1 || q.Counts["claimed"] != 0 {
				t.Errorf("%+v", q)
			}
		})
	}
}

// TestLimitsByClockOfRedis has a worker whose clock is ten minutes wrong: what has
// passed is judged by that of Redis.
//
//fault:time the clock of a worker is ten minutes wrong, and jobs have a deadline or an expiry | what counts is Redis' clock
func TestLimitsByClockOfRedis(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{10 * time.Minute, -10 * time.Minute} { // of Redis
		t.Run(ahead.String(), func(t *testing.T) {
			t.Parallel()
			s, clock := redistest.StartWithClock(t)
			clock.Set(t, ahead)
			e := newEnv(t, s.URL())
			e.demandClock(ahead)
			limit := time.Now().Add(300 * time.Millisecond)
			if ahead > 0 {
				limit = time.Now().Add(5 * time.Minute)
			}
			e.enqueue(number.With(tasuki.Opts{Queue: "deadline", Deadline: limit}), 1)
			e.enqueue(number.With(tasuki.Opts{Queue: "expiry", ExpireAt: limit}), 1)
			if ahead < 0 {
				time.Sleep(time.Until(limit))
			}
			w := e.worker(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "deadline"}, {Name: "expiry"}}})
			tasuki.Handle(w, number, func(ctx context.Context, _ *tasuki.Job[int]) error { return ctx.Err() })
			e.run(w)
			for queue, late := range map[string]string{"deadline": "dead", "expiry": "expired"} {
				q := e.waitQueue(queue, func(q inspect.Queue) bool { return q.Counts["done"]+q.Counts[late] == 1 })
				if wasLate := q.Counts[late] == 1; wasLate != (ahead > 0) {
					t.Errorf("%+v", q)
				}
			}
		})
	}
}

// TestDebounceByRedisClock: how long a debounced job is put off does not depend on the clock
// of who enqueues.
//
//fault:time the clock of a producer differs from Redis' by an hour, and it enqueues debounced jobs | they are put off by as long as they say
func TestDebounceByRedisClock(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(off.String(), func(t *testing.T) {
			t.Parallel()
			s, clock := redistest.StartWithClock(t)
			clock.Set(t, off)
			e := newEnv(t, s.URL())
			e.demandClock(off)
			k := number.With(tasuki.Opts{Unique: tasuki.Unique{Mode: tasuki.UniqueDebounce, Key: "x", For: 20 * time.Second, Most: 30 * time.Second}})
			for i := range 3 {
				info, err := k.Enqueue(e.ctx, e.client, i)
				if err != nil {
					t.Fatal(err)
				}
				r, err := e.client.Get(e.ctx, info.Address())
				if err != nil || info.Existed != (i > 0) {
					t.Fatalf("%+v, %v", r, err)
				}
				if in := time.Until(r.DueAt) - off; r.State != tasuki.StateScheduled || in < 15*time.Second || in > 21*time.Second {
					t.Errorf("%d: %s, in %v", i, r.State, in)
				}
			}
			// When it has been put off for long, Most is the limit.
			clock.Set(t, off+15*time.Second)
			info, err := k.Enqueue(e.ctx, e.client, 3)
			if err != nil {
				t.Fatal(err)
			}
			r, err := e.client.Get(e.ctx, info.Address())
			if in := time.Until(r.DueAt) - off; err != nil || in < 25*time.Second || in > 31*time.Second {
				t.Errorf("%+v, %v: in %v", r, err, in)
			}
			if err := e.client.Remove(e.ctx, info.Address()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestStatisticsClock: what was counted is at the time that Redis' clock shows.
//
//fault:time the clock of a worker is an hour from that of Redis when it adds to the statistics | what was counted is at the time that Redis' clock shows
func TestStatisticsClock(t *testing.T) {
	t.Parallel()
	s, clock := redistest.StartWithClock(t)
	e := newEnv(t, s.URL())
	w, _ := e.counting()
	clock.Set(t, time.Hour) // the worker has the time before from its last exchange
	if err := w.AddStatistics(e.ctx); err != nil {
		t.Fatal(err)
	}
	points, err := e.inspector.History(e.ctx, inspect.HistoryQuery{Step: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	done := int64(0)
	for _, p := range points[len(points)-2:] {
		done += p.Done
	}
	if at := time.Until(points[len(points)-1].At); done != 1 || at < 58*time.Minute || at > time.Hour {
		t.Errorf("%d are in the last two minutes, of which the last begins in %v", done, at)
	}
}
