package tasuki_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

// soon is a backoff for tests that do not look at it.
func soon(tasuki.Info, error) time.Duration { return time.Millisecond }

func TestDefaultBackoff(t *testing.T) {
	t.Parallel()
	total := 0.0
	for attempt := 1; attempt < 20; attempt++ {
		var sum time.Duration
		for range 2000 {
			sum += tasuki.DefaultBackoff(tasuki.Info{Attempt: attempt}, nil)
		}
		total += (sum / 2000).Hours()
	}
	if total < 45 || total > 50 {
		t.Errorf("20 attempts spread over %.1f hours, want about two days", total)
	}
	for _, tt := range []struct {
		attempt  int
		min, max time.Duration
	}{
		{1, 4 * time.Second, 6 * time.Second},
		{2, 6800 * time.Millisecond, 10200 * time.Millisecond},
		{10, 470 * time.Second, 715 * time.Second},
		{19, 15 * time.Hour, 24 * time.Hour},
		{1000, 19 * time.Hour, 29 * time.Hour},
		{0, 4 * time.Second, 6 * time.Second},
	} {
		for range 1000 {
			if d := tasuki.DefaultBackoff(tasuki.Info{Attempt: tt.attempt}, nil); d < tt.min || d > tt.max {
				t.Errorf("after attempt %d: %v, want %v to %v", tt.attempt, d, tt.min, tt.max)
			}
		}
	}
}

func TestRetriesThenDead(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{MaxAttempts: 4, Backoff: soon})
		var seen recorder[string]
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
			seen.add(fmt.Sprintf("%d of %d after %q", job.Attempt, job.MaxAttempts, job.Error))
			return fmt.Errorf("failure %d", job.Attempt)
		})
		e.run(w)
		e.enqueue(number, 1)
		q := e.settled("default", 1)
		want := `1 of 4 after "", 2 of 4 after "failure 1", 3 of 4 after "failure 2", 4 of 4 after "failure 3"`
		if got := strings.Join(seen.get(), ", "); got != want {
			t.Errorf("attempts\n%s\nwant\n%s", got, want)
		}
		if q.Dead != 1 || q.Counts["retry"] != 3 || q.Counts["dead"] != 1 || q.Counts["claimed"] != 4 {
			t.Errorf("%+v", q)
		}
		dead, _ := e.do("ZRANGE", e.key("default", "dead"), "0", "-1").AsStrSlice()
		if !strings.Contains(dead[0], `"attempts":4,"reason":"out of attempts","error":"failure 4"`) {
			t.Errorf("dead %s", dead)
		}
	})
}

// TestKeptAsEnqueued: a job that is written anew for a retry has the arguments and
// the meta that it was enqueued with, however odd they are.
func TestKeptAsEnqueued(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		meta := map[string]string{`"quoted"`: `\"\\`, "": "\x00\n", "\u2028": "日本 <&>"}
		k := tasuki.Define[json.RawMessage]("odd")
		w := e.worker(tasuki.WorkerConfig{Backoff: soon})
		var seen recorder[string]
		tasuki.Handle(w, k, func(_ context.Context, job *tasuki.Job[json.RawMessage]) error {
			if !maps.Equal(job.Meta, meta) {
				t.Errorf("meta %q in attempt %d, want %q", job.Meta, job.Attempt, meta)
			}
			seen.add(string(job.Args))
			if job.Attempt < 3 {
				return errors.New(`a "quoted" error`)
			}
			return nil
		})
		e.run(w)
		args := []string{`{"a":1,"a":2}`, `[{"b":{"c":1,"c":null}}]`, `"\"}\\"`}
		var want []string
		for _, text := range args {
			want = append(want, text, text, text)
			if _, err := k.With(tasuki.Opts{Meta: meta}).Enqueue(e.ctx, e.client, json.RawMessage(text)); err != nil {
				t.Fatal(err)
			}
		}
		q := e.settled("default", int64(len(args)))
		if q.Counts["done"] != 3 || q.Counts["retry"] != 6 {
			t.Errorf("%+v: want each done in the third attempt", q)
		}
		got := seen.get()
		slices.Sort(got)
		if slices.Sort(want); !slices.Equal(got, want) {
			t.Errorf("arguments %q, want %q", got, want)
		}
	})
}

func TestBackoffOfKind(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		for name, backoff := range map[string]func(tasuki.Info, error) time.Duration{
			"own":      func(job tasuki.Info, err error) time.Duration { return time.Duration(job.Attempt) * time.Hour },
			"negative": func(tasuki.Info, error) time.Duration { return -time.Hour },
			"endless":  func(tasuki.Info, error) time.Duration { return 1<<63 - 1 },
			"panics":   func(tasuki.Info, error) time.Duration { panic("backoff") },
		} {
			queue := "q" + name
			w := e.worker(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: queue}}, Backoff: func(tasuki.Info, error) time.Duration { return 42 * time.Hour }})
			var runs atomic.Int64
			k := number.With(tasuki.Opts{Queue: queue}).WithFuncs(tasuki.Funcs[int]{Backoff: backoff})
			tasuki.Handle(w, k, func(_ context.Context, job *tasuki.Job[int]) error {
				if runs.Add(1) == 3 {
					return nil
				}
				return errors.New("no")
			})
			e.run(w)
			e.enqueue(k, 1)
			if name == "negative" {
				e.settled(queue, 1)
				continue
			}
			e.waitQueue(queue, func(q inspect.Queue) bool { return q.Retry == 1 })
			due, err := e.do("ZRANGE", e.key(queue, "retry"), "0", "0", "WITHSCORES").AsZScores()
			if err != nil {
				t.Fatal(err)
			}
			in := time.Until(time.UnixMilli(int64(due[0].Score)))
			want := map[string]time.Duration{"own": time.Hour, "endless": 100 * 365 * 24 * time.Hour, "panics": 5 * time.Second}[name]
			if in < want/10*7 || in > want/10*13 && want < 1000*time.Hour {
				t.Errorf("%s: due in %v, want about %v", name, in, want)
			}
		}
	})
}

func TestSnooze(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{MaxAttempts: 1})
		var attempts recorder[int]
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
			attempts.add(job.Attempt)
			if n := len(attempts.get()); n < 5 {
				return fmt.Errorf("not yet: %w", tasuki.Snooze(time.Millisecond, "waits", "for rain"))
			}
			if job.Reason != "waits for rain" {
				t.Errorf("reason %q", job.Reason)
			}
			return nil
		})
		e.run(w)
		e.enqueue(number, 1)
		for _, n := range attempts.wait(t, 5) {
			if n != 1 {
				t.Errorf("attempt %d: a snooze is not counted", n)
			}
		}
		if q := e.settled("default", 1); q.Counts["snooze"] != 4 || q.Counts["done"] != 1 {
			t.Errorf("%+v", q)
		}
	})
}

func TestRetryInAndKill(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{MaxAttempts: 3, Backoff: func(tasuki.Info, error) time.Duration { return time.Hour }})
		var attempts recorder[int]
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
			if job.Args == 0 {
				return tasuki.Kill(fmt.Errorf("never: %w", errors.ErrUnsupported))
			}
			attempts.add(job.Attempt)
			return tasuki.RetryIn(time.Millisecond, errors.New("soon"))
		})
		e.run(w)
		e.enqueue(number, 2)
		attempts.wait(t, 3) // not after an hour each
		q := e.settled("default", 2)
		if q.Dead != 2 || q.Counts["retry"] != 2 {
			t.Errorf("%+v", q)
		}
		dead, _ := e.do("ZRANGE", e.key("default", "dead"), "0", "-1").AsStrSlice()
		if !strings.Contains(strings.Join(dead, "\n"), `"attempts":1,"reason":"killed","error":"never: unsupported operation"`) {
			t.Errorf("dead %s", dead)
		}
	})
}

func TestRevive(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{MaxAttempts: 1})
		var mended atomic.Bool
		var got recorder[string]
		handle := func(text string, attempt int) error {
			if !mended.Load() {
				return errors.New("not yet")
			}
			got.add(fmt.Sprint(text, " ", attempt))
			return nil
		}
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error { return handle(fmt.Sprint(job.Args), job.Attempt) })
		tasuki.HandleRaw(w, "default", func(_ context.Context, job *tasuki.RawJob) error { return handle(string(job.Args), job.Attempt) })
		e.run(w)
		infos := e.enqueue(number, 300)
		e.do("RPUSH", e.key("default"), "plain")
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Dead == 301 })
		mended.Store(true)

		n, err := e.inspector.Revive(e.ctx, "default", infos[7].ID, infos[250].ID, "nobody")
		if n != 2 || !errors.Is(err, inspect.ErrNotFound) || !strings.Contains(err.Error(), `"nobody"`) {
			t.Errorf("Revive of three: %d, %v", n, err)
		}
		got.wait(t, 2)
		if n, err := e.inspector.Revive(e.ctx, "default"); n != 299 || err != nil {
			t.Errorf("Revive of all: %d, %v", n, err)
		}
		all := strings.Join(got.wait(t, 301), ", ")
		if !strings.Contains(all, "plain 1") || !strings.Contains(all, "299 1") {
			t.Errorf("revived: %s: want each as a first attempt", all)
		}
		e.waitQueue("default", func(q inspect.Queue) bool {
			return q.Counts["done"] == 301 && q.Counts["revived"] == 301 && q.Dead == 0
		})
		if n, err := e.inspector.Revive(e.ctx, "default"); n != 0 || err != nil {
			t.Errorf("Revive of none: %d, %v", n, err)
		}
	})
}

// TestDeadIsCapped has more dead jobs than there is room for.
//
//fault:data more dead jobs than there is room for | the oldest are removed, and counted
func TestDeadIsCapped(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{MaxAttempts: 1, DeadMax: 50, Concurrency: 50})
		tasuki.Handle(w, number, func(context.Context, *tasuki.Job[int]) error { return errors.New("no") })
		e.run(w)
		e.enqueue(number, 700)
		e.waitQueue("default", func(q inspect.Queue) bool {
			return q.Counts["dead"] == 700 && q.Dead == 50 && q.Counts["trimmed"] == 650
		})
		dead, _ := e.do("ZRANGE", e.key("default", "dead"), "0", "-1").AsStrSlice()
		if !strings.Contains(strings.Join(dead, "\n"), `"args":699`) {
			t.Error("the youngest dead job was trimmed")
		}
	})
}

// TestLongError is cut, and what it holds does no harm.
//
//fault:data an error of many bytes, with control characters | kept, cut short, with a mark
func TestLongError(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{MaxAttempts: 2, Backoff: soon})
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
			if job.Attempt == 2 && (len(job.Error) > 4096 || !strings.HasPrefix(job.Error, "\x1b[31m\x00\"\uFFFD日本日本") || !strings.HasSuffix(job.Error, "日本…(cut)") && !strings.HasSuffix(job.Error, "本日…(cut)")) {
				t.Errorf("%d bytes: %.30q", len(job.Error), job.Error)
			}
			return errors.New("\x1b[31m\x00\"\xff" + strings.Repeat("日本", 5000))
		})
		e.run(w)
		e.enqueue(number, 1)
		e.settled("default", 1)
	})
}

// TestUnwritableOutcome: of outcomes that come together, the one that Redis will
// not take does not hold up the others, and is written when it can be.
//
//fault:server one outcome of several that Redis will not take | the others are written; that one stays held until it can be
func TestUnwritableOutcome(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		if err := e.do("SET", e.key("default", "dead"), "in the way").Error(); err != nil {
			t.Fatal(err)
		}
		w := e.worker(tasuki.WorkerConfig{Concurrency: 20, Backoff: func(tasuki.Info, error) time.Duration { return time.Hour }})
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
			switch job.Args % 3 {
			case 0:
				return tasuki.Kill(errors.New("dead"))
			case 1:
				return errors.New("retry")
			}
			return nil
		})
		stop := e.run(w)
		e.enqueue(number, 9)
		e.waitQueueRaw("default", map[string]int64{"done": 3, "retry": 3})
		e.waitLog("an outcome cannot be written")
		e.do("DEL", e.key("default", "dead"))
		if n, err := e.do("HLEN", e.key("default", "held", e.workers("default")[0])).AsInt64(); err != nil || n != 3 {
			t.Errorf("%d held, %v; want the three that could not be written", n, err)
		}
		if err := stop(); err != nil { // it tries again at the end
			t.Error(err)
		}
		if q := e.queue("default"); q.Dead != 3 || q.Running != 0 {
			t.Errorf("%+v", q)
		}
	})
}

// TestServedBesideUnwritable: a queue in which an outcome cannot be written is
// served all the same, at once, also when every slot was taken by then.
//
//fault:server every slot held outcomes that Redis will not take | the queue is served all the same
func TestServedBesideUnwritable(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		if err := e.do("SET", e.key("default", "dead"), "in the way").Error(); err != nil {
			t.Fatal(err)
		}
		w := e.worker(tasuki.WorkerConfig{Concurrency: 1})
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
			if job.Args == 0 {
				return tasuki.Kill(errors.New("dead"))
			}
			return nil
		})
		e.enqueue(number, 4)
		stop := e.run(w)
		e.waitLog("an outcome cannot be written")
		start := time.Now()
		e.waitQueueRaw("default", map[string]int64{"done": 3})
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("the others were done after %v: the queue was found by chance", took)
		}
		e.do("DEL", e.key("default", "dead"))
		if err := stop(); err != nil {
			t.Error(err)
		}
		if q := e.queue("default"); q.Dead != 1 || q.Running != 0 {
			t.Errorf("%+v", q)
		}
	})
}

// TestLongSnooze: a reason is kept as an error is, cut short.
func TestLongSnooze(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{})
		tasuki.Handle(w, number, func(context.Context, *tasuki.Job[int]) error {
			return tasuki.Snooze(time.Hour, strings.Repeat("x", 1<<20))
		})
		e.run(w)
		e.enqueue(number, 1)
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Retry == 1 })
		kept, err := e.do("ZRANGE", e.key("default", "retry"), "0", "0").AsStrSlice()
		if err != nil || len(kept[0]) > 5000 {
			t.Errorf("%d bytes are kept, %v", len(kept[0]), err)
		}
	})
}
