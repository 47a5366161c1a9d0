package tasuki_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

var recorded = tasuki.Opts{Record: true}

func TestRecordOfDone(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		k := tasuki.Define[welcome]("email.welcome").With(recorded)
		w := e.worker(tasuki.WorkerConfig{})
		tasuki.Handle(w, k, func(_ context.Context, job *tasuki.Job[welcome]) error {
			job.SetProgress(3, 4, "nearly")
			if job.Attempt == 1 {
				return tasuki.RetryIn(time.Millisecond, errors.New("the mail server is away"))
			}
			return nil
		})
		info, err := k.With(tasuki.Opts{MaxAttempts: 7, Meta: map[string]string{"tenant": "7"}}).Enqueue(e.ctx, e.client, welcome{42, "Ann"})
		if err != nil {
			t.Fatal(err)
		}
		r, err := e.client.Get(e.ctx, info.Address())
		if err != nil || r.State != tasuki.StateReady || string(r.Args) != `{"user_id":42,"name":"Ann"}` || r.Meta["tenant"] != "7" || r.MaxAttempts != 7 {
			t.Fatalf("before it runs: %+v, %v", r, err)
		}
		e.run(w)
		if r, err = e.client.Wait(e.ctx, info.Address()); err != nil {
			t.Fatal(err)
		}
		if r.State != tasuki.StateDone || r.Attempt != 1 || r.EndedAt.IsZero() || r.Error != "" || r.Place != "" || r.Kind != "email.welcome" {
			t.Errorf("%+v", r)
		}
		if r.Progress.Done != 3 || r.Progress.Total != 4 || r.Progress.Note != "nearly" || r.Progress.At.IsZero() {
			t.Errorf("progress %+v", r.Progress)
		}
		if len(r.Runs) != 2 || r.Runs[0].Outcome != tasuki.StateRetry || r.Runs[0].Error != "the mail server is away" ||
			r.Runs[1].Outcome != tasuki.StateDone || r.Runs[1].Error != "" || r.Runs[0].Place == "" || r.Runs[0].At.IsZero() {
			t.Errorf("runs %+v", r.Runs)
		}
		if r, err := e.client.Wait(e.ctx, info.Address()); err != nil || r.State != tasuki.StateDone {
			t.Errorf("waiting again: %+v, %v", r, err)
		}
		if err := e.client.Cancel(e.ctx, info.Address()); !errors.Is(err, tasuki.ErrEnded) {
			t.Errorf("Cancel of a done job: %v", err)
		}
		if err := e.client.Remove(e.ctx, info.Address()); err != nil {
			t.Error(err)
		}
		if _, err := e.client.Get(e.ctx, info.Address()); !errors.Is(err, tasuki.ErrNotFound) {
			t.Errorf("after Remove: %v", err)
		}
	})
}

// TestNotesBeforeTheEnd: what a job has said of itself while it ran is there after its end, when nothing
// of it is said again.
func TestNotesBeforeTheEnd(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		next := make(chan struct{})
		w := e.worker(tasuki.WorkerConfig{})
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
			job.SetProgress(3, 4, "nearly")
			<-next
			err := job.Checkpoint(3)
			<-next
			return err
		})
		info, err := number.With(recorded).Enqueue(e.ctx, e.client, 1)
		if err != nil {
			t.Fatal(err)
		}
		e.run(w)
		for _, is := range []func(r *tasuki.Record) bool{
			func(r *tasuki.Record) bool { return r.Progress.Done == 3 },
			func(r *tasuki.Record) bool { return string(r.Cursor) == "3" }, // so the one before was answered
		} {
			redistest.WaitFor(t, "a note", func() error {
				r, err := e.client.Get(e.ctx, info.Address())
				if err == nil && !is(r) {
					err = fmt.Errorf("the record is %+v", r)
				}
				return err
			})
			next <- struct{}{}
		}
		if r, err := e.client.Wait(e.ctx, info.Address()); err != nil || r.State != tasuki.StateDone || r.Progress.Done != 3 || r.Progress.Note != "nearly" {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestRecordOfDead(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		k := tasuki.Define[int]("k").With(recorded)
		w := e.worker(tasuki.WorkerConfig{})
		tasuki.Handle(w, k, func(_ context.Context, job *tasuki.Job[int]) error {
			if job.Args == 1 {
				panic("oh no")
			}
			return nil
		})
		e.run(w)
		info, err := k.With(tasuki.Opts{MaxAttempts: 1}).Enqueue(e.ctx, e.client, 1)
		if err != nil {
			t.Fatal(err)
		}
		r, err := e.client.Wait(e.ctx, info.Address())
		if err != nil || r.State != tasuki.StateDead || r.Reason != "out of attempts" || len(r.Runs) != 1 || r.Runs[0].Error != "panic: oh no" || !strings.Contains(r.Runs[0].Stack, "record_test.go") {
			t.Fatalf("%+v, %v", r, err)
		}
		err = e.client.Edit(e.ctx, info.Address(), func(s *tasuki.Spec) error {
			s.Args = json.RawMessage("2")
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.client.RunNow(e.ctx, info.Address()); err != nil {
			t.Fatal(err)
		}
		if r, err = e.client.Wait(e.ctx, info.Address()); err != nil || r.State != tasuki.StateDone || string(r.Args) != "2" || len(r.Runs) != 2 {
			t.Errorf("after its arguments were mended: %+v, %v", r, err)
		}
	})
}

func TestParseAddress(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"mail/a": "mail a", "mail/a/b c": "mail a/b c", "list:app/jobs/a": "list:app/jobs a", // other programs choose their ids
		"mail": "", "/a": "", "mail/": "", "": "", "list:jobs": "", "a b/c": "", "mail/" + strings.Repeat("x", 129): "",
	} {
		queue, id, err := tasuki.ParseAddress(address)
		if got := strings.TrimSpace(queue + " " + id); got != want || (err == nil) != (want != "") {
			t.Errorf("%.40q: %q, %v, want %q", address, got, err, want)
		}
	}
}

// TestKeepIsRoundedUp: less than a millisecond is not none.
func TestKeepIsRoundedUp(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		info, err := number.With(tasuki.Opts{Keep: time.Microsecond}).Enqueue(e.ctx, e.client, 1)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			err := e.client.Edit(e.ctx, info.Address(), func(s *tasuki.Spec) error {
				if s.Opts.Keep != time.Millisecond {
					t.Errorf("it is kept for %v", s.Opts.Keep)
				}
				s.Opts.Keep = time.Nanosecond
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestRecordMoves(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		k := tasuki.Define[int]("k").With(recorded)
		in := func(d time.Duration) string {
			t.Helper()
			info, err := k.With(tasuki.Opts{In: d}).Enqueue(e.ctx, e.client, 1)
			if err != nil {
				t.Fatal(err)
			}
			return info.Address()
		}
		state := func(address string, want tasuki.State) *tasuki.Record {
			t.Helper()
			r, err := e.client.Get(e.ctx, address)
			if err != nil || r.State != want {
				t.Fatalf("%s: %+v, %v, want it %s", address, r, err, want)
			}
			return r
		}
		scheduled, ready, far, cancelled := in(time.Hour), in(0), in(time.Hour), in(0)
		state(scheduled, tasuki.StateScheduled)
		for range 3 { // each leaves nothing behind
			if err := e.client.Reschedule(e.ctx, scheduled, time.Now().Add(2*time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		if r := state(scheduled, tasuki.StateScheduled); time.Until(r.DueAt) < 119*time.Minute {
			t.Errorf("due %v", r.DueAt)
		}
		if err := e.client.Cancel(e.ctx, scheduled); err != nil {
			t.Fatal(err)
		}
		if err := e.client.Cancel(e.ctx, cancelled); err != nil {
			t.Fatal(err)
		}
		state(scheduled, tasuki.StateCancelled)
		state(cancelled, tasuki.StateCancelled)
		if err := e.client.RunNow(e.ctx, scheduled); !errors.Is(err, tasuki.ErrEnded) {
			t.Errorf("RunNow of a cancelled one: %v", err)
		}
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Ready == 1 && q.Scheduled == 1 })
		if err := e.client.Reschedule(e.ctx, ready, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if err := e.client.RunNow(e.ctx, far); err != nil {
			t.Fatal(err)
		}
		w := e.worker(tasuki.WorkerConfig{})
		started, end := make(chan string, 10), make(chan struct{})
		tasuki.Handle(w, k, func(ctx context.Context, job *tasuki.Job[int]) error {
			started <- job.Address()
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-end:
				return nil
			}
		})
		e.run(w)
		if got := <-started; got != far {
			t.Errorf("%s runs, want %s", got, far)
		}
		r := state(far, tasuki.StateRunning)
		if r.Place == "" || r.StartedAt.IsZero() || r.Attempt != 1 {
			t.Errorf("%+v", r)
		}
		for name, err := range map[string]error{
			"Reschedule": e.client.RunNow(e.ctx, far),
			"Edit":       e.client.Edit(e.ctx, far, func(*tasuki.Spec) error { return nil }),
			"Remove":     e.client.Remove(e.ctx, far),
		} {
			if !errors.Is(err, tasuki.ErrRunning) {
				t.Errorf("%s of a running job: %v", name, err)
			}
		}
		if err := e.client.Cancel(e.ctx, far); err != nil {
			t.Fatal(err)
		}
		if r, err := e.client.Wait(e.ctx, far); err != nil || r.State != tasuki.StateCancelled {
			t.Errorf("%+v, %v", r, err)
		}
		if err := e.client.RunNow(e.ctx, ready); err != nil {
			t.Fatal(err)
		}
		<-started
		close(end)
		if r, err := e.client.Wait(e.ctx, ready); err != nil || r.State != tasuki.StateDone {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestFunc(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		f := tasuki.DefineFunc[int, string]("text")
		w := e.worker(tasuki.WorkerConfig{})
		tasuki.HandleFunc(w, f, func(_ context.Context, job *tasuki.Job[int]) (string, error) {
			switch job.Args {
			case 0:
				return "", tasuki.Kill(errors.New("no"))
			case 1:
				return strings.Repeat("x", 2<<20), nil
			}
			return fmt.Sprint("number ", job.Args), nil
		})
		e.run(w)
		await := func(n int) (string, error) {
			info, err := f.With(tasuki.Opts{MaxAttempts: 1}).Enqueue(e.ctx, e.client, n)
			if err != nil {
				t.Fatal(err)
			}
			return f.Await(e.ctx, e.client, info.Address())
		}
		if value, err := await(7); value != "number 7" || err != nil {
			t.Errorf("%q, %v", value, err)
		}
		var not *tasuki.NotDoneError
		if _, err := await(0); !errors.As(err, &not) || not.Record.State != tasuki.StateDead || not.Record.Error != "no" {
			t.Errorf("%v", err)
		}
		if _, err := await(1); !errors.As(err, &not) || !strings.Contains(err.Error(), "allowed are 1048576") {
			t.Errorf("%v", err)
		}
		info, err := f.With(tasuki.Opts{Keep: -1, In: 200 * time.Millisecond}).Enqueue(e.ctx, e.client, 7)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Await(e.ctx, e.client, info.Address()); !errors.Is(err, tasuki.ErrNoResult) {
			t.Errorf("without Keep: %v", err)
		}
		if _, err := f.Await(e.ctx, e.client, info.Address()); !errors.Is(err, tasuki.ErrNotFound) {
			t.Errorf("when it is gone: %v", err)
		}
	})
}

// TestErrorsOfAddress: an error says what was asked, of which job, in a text that can be read.
func TestErrorsOfAddress(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		_, getErr := e.client.Get(e.ctx, "default/a\x00b")
		_, waitErr := e.client.Wait(e.ctx, "default/a b")
		for want, err := range map[string]error{
			`get "default/a\x00b": `:             getErr,
			`wait for default/a b: `:             waitErr,
			`run now default/a: `:                e.client.RunNow(e.ctx, "default/a"),
			`reschedule "default/a\x1b[2J\nb": `: e.client.Reschedule(e.ctx, "default/a\x1b[2J\nb", time.Now()),
			`remove "default/a\"b": `:            e.client.Remove(e.ctx, `default/a"b`),
			`edit "default/\xff": `:              e.limitsOf("default/\xff", func(*tasuki.Opts) {}),
		} {
			if !errors.Is(err, tasuki.ErrNotFound) || err.Error() != want+"there is no record of this job" {
				t.Errorf("%v, want %s", err, want)
			}
		}
	})
}
