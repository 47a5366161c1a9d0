package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

var number = tasuki.Define[int]("number")

func TestEnqueue(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		info, err := number.With(tasuki.Opts{Queue: "mail", MaxAttempts: 3, Timeout: time.Second, Meta: map[string]string{"a": "b"}}).Enqueue(e.ctx, e.producer(), 42)
		if err != nil {
			t.Fatal(err)
		}
		if info.Queue != "mail" || info.Kind != "number" || info.State != tasuki.StateReady || info.Address() != "mail/"+info.ID {
			t.Errorf("info %+v", info)
		}
		got, err := e.do("LRANGE", e.key("mail"), "0", "-1").AsStrSlice()
		want := regexp.MustCompile(`^{"id":"` + info.ID + `","kind":"number","enqueued_at":\d{13},"max_attempts":3,"timeout_ms":1000,"meta":{"a":"b"},"args":42}$`)
		if err != nil || len(got) != 1 || !want.MatchString(got[0]) {
			t.Errorf("the list holds %q, %v; want %v", got, err, want)
		}
	})
}

func TestEnqueueMany(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		const n = 3000
		specs := make([]tasuki.Spec, n)
		for i := range specs {
			k := number
			switch {
			case i%1000 == 7:
				k = k.With(tasuki.Opts{Queue: "no queue"})
			case i%10 == 3:
				k = k.With(tasuki.Opts{Queue: "other"})
			case i%10 == 4:
				k = k.With(tasuki.Opts{In: time.Hour})
			}
			specs[i] = k.Spec(i)
		}
		infos, err := e.producer().EnqueueMany(e.ctx, specs)
		var many *tasuki.ManyError
		if !errors.As(err, &many) || len(many.Errs) != n || len(infos) != n {
			t.Fatalf("%d infos, error %v; want a ManyError for %d jobs", len(infos), err, n)
		}
		for i := range specs {
			if bad := i%1000 == 7; bad != (many.Errs[i] != nil) || bad != (infos[i].ID == "") {
				t.Fatalf("job %d: %+v, %v", i, infos[i], many.Errs[i])
			}
		}
		if !strings.HasPrefix(err.Error(), "3 of 3000 jobs were not enqueued, the first: queue: ") {
			t.Errorf("error %v", err)
		}
		for queue, want := range map[string]int64{"default": 2397, "other": 300} {
			if q := e.queue(queue); q.Ready != want {
				t.Errorf("%s has %d ready, want %d", queue, q.Ready, want)
			}
		}
		if q := e.queue("default"); q.Scheduled != 300 {
			t.Errorf("%d scheduled, want 300", q.Scheduled)
		}
		// In the order in which they were given.
		list, err := e.do("LRANGE", e.key("default"), "0", "-1").AsStrSlice()
		if err != nil {
			t.Fatal(err)
		}
		last := -1
		for _, element := range list {
			var i int
			if _, err := fmt.Sscanf(element[strings.LastIndexByte(element, ':')+1:], "%d", &i); err != nil || i <= last {
				t.Fatalf("%s after %d", element, last)
			}
			last = i
		}
	})
}

// TestEnqueueLarge: sizes up to the limit, and beyond it.
func TestEnqueueLarge(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		k := tasuki.Define[string]("large")
		specs := make([]tasuki.Spec, 12)
		for i := range specs {
			specs[i] = k.Spec(strings.Repeat("x", 300_000))
		}
		if _, err := e.producer().EnqueueMany(e.ctx, specs); err != nil {
			t.Fatal(err)
		}
		if q := e.queue("default"); q.Ready != 12 {
			t.Errorf("%d ready, want 12", q.Ready)
		}
	})
}

func TestEnqueueNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		if infos, err := e.producer().EnqueueMany(e.ctx, nil); len(infos) != 0 || err != nil {
			t.Errorf("%v, %v", infos, err)
		}
	})
}

// TestOwnID: an id of the caller's own is put in once.
//
//fault:data the same id is enqueued again | nothing is put in, and the caller is told that it existed
func TestOwnID(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		k := number.With(tasuki.Opts{ID: "order:42"})
		first, err := k.Enqueue(e.ctx, e.producer(), 1)
		if err != nil || first.Existed || first.ID != "order:42" {
			t.Fatalf("first: %+v, %v", first, err)
		}
		for _, again := range []tasuki.Kind[int]{k, k.With(tasuki.Opts{In: time.Hour})} {
			info, err := again.Enqueue(e.ctx, e.producer(), 2)
			if err != nil || !info.Existed || info.ID != "order:42" {
				t.Fatalf("again: %+v, %v", info, err)
			}
		}
		if q := e.queue("default"); q.Ready != 1 || q.Scheduled != 0 || q.Counts["existed"] != 2 {
			t.Errorf("queue %+v: want one job", q)
		}
		// In another queue it is another job.
		if info, err := k.With(tasuki.Opts{Queue: "other"}).Enqueue(e.ctx, e.producer(), 2); err != nil || info.Existed {
			t.Errorf("other queue: %+v, %v", info, err)
		}
		// Twice in one call.
		specs := []tasuki.Spec{number.With(tasuki.Opts{ID: "x"}).Spec(1), number.With(tasuki.Opts{ID: "y"}).Spec(2), number.With(tasuki.Opts{ID: "x"}).Spec(3)}
		infos, err := e.producer().EnqueueMany(e.ctx, specs)
		if err != nil || infos[0].Existed || infos[1].Existed || !infos[2].Existed {
			t.Errorf("in one call: %+v, %v", infos, err)
		}
		// It is remembered also when the job is long done.
		var done recorder[int]
		w := e.worker(tasuki.WorkerConfig{})
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
			done.add(job.Args)
			return nil
		})
		e.run(w)
		done.wait(t, 3)
		if info, err := k.Enqueue(e.ctx, e.producer(), 4); err != nil || !info.Existed {
			t.Errorf("when done: %+v, %v", info, err)
		}
	})
}

func TestSeenIsForgotten(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		short := e.open(&tasuki.ClientConfig{SeenFor: 30 * time.Millisecond})
		put := func(c *tasuki.Client, id string) tasuki.Info {
			info, err := number.With(tasuki.Opts{ID: id}).Enqueue(e.ctx, c, 1)
			if err != nil {
				t.Fatal(err)
			}
			return info
		}
		put(short, "a")
		redistest.WaitFor(t, "the id to be forgotten", func() error {
			if put(short, "a").Existed {
				return errors.New("it exists")
			}
			return nil
		})
		few := e.open(&tasuki.ClientConfig{SeenMax: 10})
		for i := range 100 {
			put(few, fmt.Sprint("n", i))
		}
		if n, err := e.do("ZCARD", e.key("default", "seen")).AsInt64(); err != nil || n > 10 {
			t.Errorf("%d ids are remembered, %v; want at most 10", n, err)
		}
		if !put(few, "n99").Existed {
			t.Error("the youngest id is forgotten")
		}
		e.do("DEL", e.key("default")) // a was forgotten and enqueued again: two jobs of one id
	})
}

func TestPush(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		list := e.namespace + "-plain"
		if err := e.producer().Push(e.ctx, tasuki.Queue{List: list}, []byte("a"), []byte(""), []byte("\xff\x00")); err != nil {
			t.Fatal(err)
		}
		got, err := e.do("LRANGE", list, "0", "-1").AsStrSlice()
		if err != nil || strings.Join(got, "|") != "a||\xff\x00" {
			t.Errorf("%q, %v", got, err)
		}
		for name, payloads := range map[string][][]byte{
			"none": nil, "501": make([][]byte, 501), "too large": {make([]byte, 2<<20)}, "too much": {make([]byte, 1<<20), make([]byte, 1<<20)},
		} {
			if err := e.producer().Push(e.ctx, tasuki.Queue{List: list}, payloads...); err == nil || !strings.Contains(err.Error(), "allowed") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestEnqueueMiddleware(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		var calls recorder[string]
		trace := func(name string) tasuki.EnqueueMiddleware {
			return func(next tasuki.Enqueuer) tasuki.Enqueuer {
				return tasuki.EnqueueFunc(func(ctx context.Context, specs []tasuki.Spec) ([]tasuki.Info, error) {
					calls.add(name)
					for i := range specs {
						specs[i].Opts.Meta = map[string]string{"by": name}
					}
					return next.EnqueueMany(ctx, specs)
				})
			}
		}
		c := e.open(&tasuki.ClientConfig{Use: []tasuki.EnqueueMiddleware{trace("outer"), trace("inner")}})
		info, err := number.Enqueue(e.ctx, c, 1)
		if err != nil || info.Meta["by"] != "inner" || strings.Join(calls.get(), " ") != "outer inner" {
			t.Errorf("%+v, %v, calls %v", info, err, calls.get())
		}
	})
}

// TestEnqueueIntoWrongType: nothing is remembered of what was refused.
//
//fault:data a job is enqueued into a key of another type | an error says so, and nothing is half done
func TestEnqueueIntoWrongType(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		for _, part := range []string{"", "scheduled", "seen"} {
			queue := "broken" + part
			key := e.key(queue)
			if part != "" {
				key = e.key(queue, part)
			}
			if err := e.do("SET", key, "x").Error(); err != nil {
				t.Fatal(err)
			}
			defer e.do("DEL", key)
			k := number.With(tasuki.Opts{Queue: queue})
			switch part {
			case "scheduled":
				k = k.With(tasuki.Opts{In: time.Hour})
			case "seen":
				k = k.With(tasuki.Opts{ID: "a"})
			}
			if _, err := k.Enqueue(e.ctx, e.producer(), 1); err == nil || !strings.Contains(err.Error(), "WRONGTYPE") {
				t.Errorf("%q: %v", part, err)
			}
		}
		// What was refused is not remembered: the caller may try again.
		if n, err := e.do("EXISTS", e.key("brokenseen"), e.key("brokenscheduled")).AsInt64(); err != nil || n != 0 {
			t.Errorf("%d keys were written, %v", n, err)
		}
		e.do("DEL", e.key("broken"), e.key("brokenscheduled", "scheduled"), e.key("brokenseen", "seen"))
	})
}

// TestIDOfRefusedJob: the id of a job that was refused is not remembered: it would be
// lost to who calls again.
//
//fault:data jobs with ids of the caller's own are enqueued, and the key of one of them has another type | none is put in; the same call when the key is gone puts in all
func TestIDOfRefusedJob(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		for queue, parts := range map[string][]string{"noready": nil, "noscheduled": {"scheduled"}} {
			k := number.With(tasuki.Opts{Queue: queue})
			specs := []tasuki.Spec{
				k.With(tasuki.Opts{ID: "now"}).Spec(1),
				k.With(tasuki.Opts{ID: "later", In: time.Hour}).Spec(2),
			}
			key := e.key(queue, parts...)
			if err := e.do("SET", key, "in the way").Error(); err != nil {
				t.Fatal(err)
			}
			if _, err := e.producer().EnqueueMany(e.ctx, specs); err == nil || !strings.Contains(err.Error(), "WRONGTYPE") {
				t.Errorf("%s: %v", queue, err)
			}
			e.do("DEL", key)
			if q := e.queue(queue); q.Ready+q.Scheduled != 0 {
				t.Errorf("%s: of what was refused there is %+v", queue, q)
			}
			infos, err := e.producer().EnqueueMany(e.ctx, specs)
			if err != nil {
				t.Fatal(err)
			}
			for _, info := range infos {
				if info.Existed {
					t.Errorf("%s is remembered, though it was refused", info.Address())
				}
			}
			if q := e.queue(queue); q.Ready != 1 || q.Scheduled != 1 {
				t.Errorf("%s: %+v; want both jobs", queue, q)
			}
		}
	})
}

func TestEnqueueEndedContext(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		ctx, cancel := context.WithCancel(e.ctx)
		cancel()
		_, err := number.Enqueue(ctx, e.producer(), 1)
		if !errors.Is(err, context.Canceled) || errors.Is(err, tasuki.ErrUncertain) {
			t.Errorf("%v: want context.Canceled, and certainty that nothing was sent", err)
		}
	})
}

// TestNoServer: an error that names the address.
//
//fault:network nothing listens at the address | an error with the address, and certainty that nothing was sent
func TestNoServer(t *testing.T) {
	t.Parallel()
	c, err := tasuki.Open("redis://127.0.0.1:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = number.Enqueue(t.Context(), c, 1)
	if err == nil || errors.Is(err, tasuki.ErrUncertain) || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("Enqueue: %v: want an error with the address, and certainty that nothing was sent", err)
	}
	if err := c.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("Ping: %v", err)
	}
	c.Close()
	if _, err := number.Enqueue(t.Context(), c, 1); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("after Close: %v", err)
	}
}
