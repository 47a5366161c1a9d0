package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// limitsOf edits the limits of a job, and returns the error.
func (e *env) limitsOf(address string, change func(o *tasuki.Opts)) error {
	return e.client.Edit(e.ctx, address, func(s *tasuki.Spec) error { change(&s.Opts); return nil })
}

// TestEditOfLimits changes the deadline and the expiry of jobs, and runs these.
func TestEditOfLimits(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		k := number.With(recorded)
		passing := time.Now().Add(2 * time.Second)
		late := e.enqueue(k.With(tasuki.Opts{ID: "late"}), 1)[0].Address()
		stale := e.enqueue(k.With(tasuki.Opts{ID: "stale"}), 1)[0].Address()
		kept := e.enqueue(k.With(tasuki.Opts{ID: "kept", Deadline: passing}), 1)[0].Address()
		freed := e.enqueue(k.With(tasuki.Opts{ID: "freed", Deadline: passing, ExpireAt: passing}), 1)[0].Address()
		expired := e.enqueue(k.With(tasuki.Opts{ID: "expired", ExpireAt: passing}), 1)[0].Address()
		longer := e.enqueue(k.With(tasuki.Opts{ID: "longer", Deadline: passing, ExpireAt: passing}), 1)[0].Address()
		for address, change := range map[string]func(o *tasuki.Opts){
			late:  func(o *tasuki.Opts) { o.Deadline = passing },
			stale: func(o *tasuki.Opts) { o.ExpireAt = passing },
		} {
			if err := e.limitsOf(address, change); err != nil {
				t.Fatal(err)
			}
			r, err := e.client.Get(e.ctx, address)
			if is := r.Deadline; err != nil || is.IsZero() == r.ExpireAt.IsZero() || !is.IsZero() && is.Before(passing) || !r.ExpireAt.IsZero() && r.ExpireAt.Before(passing) {
				t.Errorf("%+v, %v", r, err)
			}
		}
		redistest.WaitFor(t, "the limits to pass", func() error {
			if left := time.Until(passing); left > -100*time.Millisecond {
				return fmt.Errorf("%v are left", left)
			}
			return nil
		})
		hour := time.Now().Add(time.Hour)
		for address, change := range map[string]func(o *tasuki.Opts){
			kept:    func(o *tasuki.Opts) { o.MaxAttempts = 7 }, // what has passed and stays is not refused
			expired: func(o *tasuki.Opts) { o.MaxAttempts, o.Deadline = 7, hour },
			freed:   func(o *tasuki.Opts) { o.Deadline, o.ExpireAt = time.Time{}, time.Time{} },
			longer:  func(o *tasuki.Opts) { o.Deadline, o.ExpireAt = hour, hour },
		} {
			if err := e.limitsOf(address, change); err != nil {
				t.Errorf("%s: %v", address, err)
			}
		}
		w := e.worker(tasuki.WorkerConfig{})
		tasuki.Handle(w, number, func(context.Context, *tasuki.Job[int]) error { return nil })
		e.run(w)
		for address, want := range map[string]tasuki.State{
			late: tasuki.StateDead, kept: tasuki.StateDead, stale: tasuki.StateExpired, expired: tasuki.StateExpired,
			freed: tasuki.StateDone, longer: tasuki.StateDone,
		} {
			r, err := e.client.Wait(e.ctx, address)
			if err != nil || r.State != want || want == tasuki.StateDead && r.Reason != "deadline passed" {
				t.Errorf("%+v, %v, want it %s", r, err, want)
			}
		}
	})
}

// TestEditRefuses gives jobs what is not allowed: nothing is changed, and the error names
// the field.
func TestEditRefuses(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		k := number.With(recorded)
		hour := time.Now().Add(time.Hour)
		ready := e.enqueue(k.With(tasuki.Opts{ID: "ready"}), 1)[0].Address()
		scheduled := e.enqueue(k.With(tasuki.Opts{ID: "scheduled", At: hour}), 1)[0].Address()
		limited := e.enqueue(k.With(tasuki.Opts{ID: "limited", Deadline: hour, ExpireAt: hour}), 1)[0].Address()
		failed := e.enqueue(k.With(tasuki.Opts{ID: "failed", Queue: "failing"}), 1)[0].Address()
		dead := e.enqueue(k.With(tasuki.Opts{ID: "dead", Queue: "failing", MaxAttempts: 1}), 1)[0].Address()
		w := e.worker(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "failing"}}})
		tasuki.Handle(w, number, func(context.Context, *tasuki.Job[int]) error {
			return tasuki.RetryIn(time.Hour, errors.New("no"))
		})
		e.run(w)
		for address, state := range map[string]tasuki.State{failed: tasuki.StateRetry, dead: tasuki.StateDead} {
			redistest.WaitFor(t, "the job to fail", func() error {
				if r, err := e.client.Get(e.ctx, address); err != nil || r.State != state {
					return fmt.Errorf("%+v, %v", r, err)
				}
				return nil
			})
		}
		far := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
		for _, c := range []struct {
			address, want string
			change        func(o *tasuki.Opts)
		}{
			{ready, "deadline: 2020-01-02T03:04:05Z: allowed are times after ", func(o *tasuki.Opts) { o.Deadline = time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC) }},
			{ready, "expire_at: 2020-01-02T03:04:05Z: allowed are times after ", func(o *tasuki.Opts) { o.ExpireAt = time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC) }},
			{ready, "deadline: the year 10000: allowed are times until the year 9999", func(o *tasuki.Opts) { o.Deadline = far }},
			{ready, "expire_at: the year 10000: allowed are times until the year 9999", func(o *tasuki.Opts) { o.ExpireAt = far }},
			{scheduled, "expire_at: ", func(o *tasuki.Opts) { o.ExpireAt = hour.Add(-time.Minute) }},
			{scheduled, "deadline: ", func(o *tasuki.Opts) { o.Deadline = hour.Add(-time.Minute) }},
			{scheduled, "when the job expires", func(o *tasuki.Opts) { o.Deadline, o.ExpireAt = hour.Add(time.Minute), hour.Add(time.Hour) }},
			{limited, "when the job expires", func(o *tasuki.Opts) { o.Deadline = hour.Add(-time.Minute) }},
			{limited, "when the job expires", func(o *tasuki.Opts) { o.ExpireAt = hour.Add(time.Minute) }},
			{failed, "expire_at: ", func(o *tasuki.Opts) { o.ExpireAt = hour.Add(time.Hour) }},
			{dead, "deadline: ", func(o *tasuki.Opts) { o.Deadline = hour }},
			{dead, "expire_at: ", func(o *tasuki.Opts) { o.ExpireAt = hour }},
			{ready, "expire_in: it cannot be changed: allowed are MaxAttempts, Timeout, Deadline, ", func(o *tasuki.Opts) { o.ExpireIn = time.Hour }},
			{ready, "record: it cannot be changed", func(o *tasuki.Opts) { o.Record = false }},
			{ready, "unique: it cannot be changed", func(o *tasuki.Opts) { o.Unique.Key = "x" }},
		} {
			before, _ := e.client.Get(e.ctx, c.address)
			if err := e.limitsOf(c.address, c.change); err == nil || !strings.HasPrefix(err.Error(), "edit "+c.address+": ") || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "allowed") {
				t.Errorf("%s: %v, want %q", c.address, err, c.want)
			}
			after, err := e.client.Get(e.ctx, c.address)
			if err != nil || !after.Deadline.Equal(before.Deadline) || !after.ExpireAt.Equal(before.ExpireAt) {
				t.Errorf("%+v, %v, was %+v", after, err, before)
			}
		}
		// What stays is as good as it was, and what is taken away needs no reason.
		for _, address := range []string{scheduled, limited, failed, dead} {
			for _, change := range []func(o *tasuki.Opts){
				func(o *tasuki.Opts) { o.Meta = map[string]string{"a": "b"} },
				func(o *tasuki.Opts) { o.Deadline, o.ExpireAt = time.Time{}, time.Time{} },
			} {
				if err := e.limitsOf(address, change); err != nil {
					t.Error(err)
				}
			}
		}
		if err := e.limitsOf(failed, func(o *tasuki.Opts) { o.Deadline = hour.Add(time.Hour) }); err != nil {
			t.Error(err)
		}
	})
}
