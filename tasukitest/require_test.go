package tasukitest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/tasukitest"
)

// failing is the testing.TB of a test that is expected to fail.
type failing struct {
	testing.TB
	message string
}

type failed struct{}

func (f *failing) Helper() {}
func (f *failing) Fatalf(format string, args ...any) {
	f.message = fmt.Sprintf(format, args...)
	panic(failed{}) // Goexit would end the real test
}

// fails returns with what message f fails; "" if it does not.
func fails(f func(t testing.TB)) string {
	t := &failing{}
	func() {
		defer func() {
			if v := recover(); v != nil && v != any(failed{}) {
				panic(v)
			}
		}()
		f(t)
	}()
	return t.message
}

func TestRequireEnqueued(t *testing.T) {
	t.Parallel()
	var rec tasukitest.Recorder
	named := func(name string) func(*tasuki.Job[welcomeArgs]) bool {
		return func(job *tasuki.Job[welcomeArgs]) bool { return job.Args.Name == name }
	}
	if text := fails(func(t testing.TB) { tasukitest.RequireEnqueued(t, &rec, welcome) }); !strings.Contains(text, "nothing was recorded") {
		t.Errorf("without jobs: %q", text)
	}
	tasukitest.RequireCount(t, &rec, welcome, 0)

	for _, name := range []string{"ann", "bob"} {
		if _, err := welcome.With(tasuki.Opts{Queue: "mail", In: time.Hour}).Enqueue(t.Context(), &rec, welcomeArgs{name}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := number.Enqueue(t.Context(), &rec, 42); err != nil {
		t.Fatal(err)
	}
	if job := tasukitest.RequireEnqueued(t, &rec, number); job.Args != 42 || job.State != tasuki.StateReady || job.Fence() != 0 {
		t.Errorf("%+v", job)
	}
	job := tasukitest.RequireEnqueued(t, &rec, welcome, named("bob"))
	if job.Args.Name != "bob" || job.Queue != "mail" || job.State != tasuki.StateScheduled || time.Until(job.DueAt) < 59*time.Minute {
		t.Errorf("%+v", job)
	}
	if jobs := tasukitest.RequireCount(t, &rec, welcome, 2); jobs[0].Args.Name != "ann" || jobs[1].Args.Name != "bob" {
		t.Errorf("%+v, %+v: want them in order", jobs[0], jobs[1])
	}
	tasukitest.RequireCount(t, &rec, welcome, 0, named("eve"))
	tasukitest.RequireCount(t, &rec, welcome, 0, named("ann"), named("bob"))

	text := fails(func(t testing.TB) { tasukitest.RequireEnqueued(t, &rec, welcome, named("eve")) })
	for _, part := range []string{"0 jobs of kind email.welcome", "not 1", `1  email.welcome  mail/`, `"args":{"name":"bob"}`, "3  number  default/", "not as wanted"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in the message:\n%s", part, text)
		}
	}
	if text := fails(func(t testing.TB) { tasukitest.RequireEnqueued(t, &rec, welcome) }); !strings.Contains(text, "2 jobs") {
		t.Errorf("two are one too many: %q", text)
	}
	if text := fails(func(t testing.TB) { tasukitest.RequireCount(t, &rec, number, 0) }); !strings.Contains(text, "1 jobs") {
		t.Errorf("there is one: %q", text)
	}
}

// TestRequireDecodesAsAWorker: what a worker could not decode is no success.
func TestRequireDecodesAsAWorker(t *testing.T) {
	t.Parallel()
	var rec tasukitest.Recorder
	k := tasuki.Define[int]("hex").WithFuncs(tasuki.Funcs[int]{
		Encode: func(n int) (json.RawMessage, error) { return json.Marshal(fmt.Sprintf("%x", n)) },
		Decode: func(data json.RawMessage) (n int, err error) {
			_, err = fmt.Sscanf(string(data), `"%x"`, &n)
			return n, err
		},
	})
	if _, err := k.Enqueue(t.Context(), &rec, 255); err != nil {
		t.Fatal(err)
	}
	if job := tasukitest.RequireEnqueued(t, &rec, k); job.Args != 255 {
		t.Errorf("args %d", job.Args)
	}
	broken := k.WithFuncs(tasuki.Funcs[int]{Decode: func(json.RawMessage) (int, error) { return 0, errors.New("no such codec") }})
	if text := fails(func(t testing.TB) { tasukitest.RequireEnqueued(t, &rec, broken) }); !strings.Contains(text, "arguments of hex: no such codec") {
		t.Errorf("message %q", text)
	}
}
