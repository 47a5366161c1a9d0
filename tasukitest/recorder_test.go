package tasukitest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/embedded"
	"github.com/tasuki-dev/tasuki/tasukitest"
)

// TestRecorderAnswersAsAClient gives the same jobs, good and bad, to both.
func TestRecorderAnswersAsAClient(t *testing.T) {
	t.Parallel()
	srv, err := embedded.Start("")
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	client, err := tasuki.Open("redis://localhost", &tasuki.ClientConfig{Dial: srv.Dial, MaxPayload: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	at := time.Now().Add(time.Hour).Round(time.Second)
	with := func(o tasuki.Opts) tasuki.Spec { return number.With(o).Spec(1) }
	specs := []tasuki.Spec{
		number.Spec(1),
		with(tasuki.Opts{Queue: "mail", MaxAttempts: 3, Timeout: time.Second, Meta: map[string]string{"a": "b"}}),
		with(tasuki.Opts{ID: "x"}),
		with(tasuki.Opts{ID: "x", In: time.Hour}),
		with(tasuki.Opts{ID: "x", Queue: "mail"}),
		with(tasuki.Opts{At: at}),
		with(tasuki.Opts{At: time.Now().Add(-time.Hour)}),
		with(tasuki.Opts{Queue: "no queue"}),
		with(tasuki.Opts{ID: "a b"}),
		with(tasuki.Opts{In: -time.Hour}),
		with(tasuki.Opts{In: time.Hour, At: at}),
		with(tasuki.Opts{MaxAttempts: -2}),
		with(tasuki.Opts{Timeout: -2}),
		with(tasuki.Opts{Meta: map[string]string{"a": strings.Repeat("x", 5000)}}),
		{Kind: "no kind"},
		{Kind: "number", Args: json.RawMessage("{")},
		tasuki.Define[string]("text").Spec(strings.Repeat("x", 100)),
		tasuki.Define[chan int]("channel").Spec(nil),
	}
	want, wantErr := client.EnqueueMany(t.Context(), slices.Clone(specs))
	rec := tasukitest.Recorder{MaxPayload: 100}
	got, gotErr := rec.EnqueueMany(t.Context(), slices.Clone(specs))

	var wantMany, gotMany *tasuki.ManyError
	if !errors.As(wantErr, &wantMany) || !errors.As(gotErr, &gotMany) {
		t.Fatalf("the client: %v\nthe recorder: %v\nwant a ManyError of both", wantErr, gotErr)
	}
	accepted := 0
	for i := range specs {
		if w, g := fmt.Sprint(wantMany.Errs[i]), fmt.Sprint(gotMany.Errs[i]); w != g {
			t.Errorf("job %d\nthe client:   %s\nthe recorder: %s", i, w, g)
		}
		for _, info := range []*tasuki.Info{&want[i], &got[i]} {
			if info.ID != "" && specs[i].Opts.ID == "" {
				info.ID = "new"
			}
			info.EnqueuedAt = info.EnqueuedAt.Truncate(time.Hour)
		}
		if diff := cmp.Diff(want[i], got[i]); diff != "" {
			t.Errorf("job %d (-client +recorder):\n%s", i, diff)
		}
		if gotMany.Errs[i] == nil && !got[i].Existed {
			accepted++
		}
	}
	if n := len(rec.All()); n != accepted || n != 6 {
		t.Errorf("%d jobs were recorded, %d accepted: want 6", n, accepted)
	}
}

func TestRecorderKeepsItsOwn(t *testing.T) {
	t.Parallel()
	var rec tasukitest.Recorder
	spec := number.With(tasuki.Opts{Meta: map[string]string{"a": "b"}}).Spec(7)
	if _, err := rec.EnqueueMany(t.Context(), []tasuki.Spec{spec}); err != nil {
		t.Fatal(err)
	}
	spec.Args[0], spec.Opts.Meta["a"] = '8', "changed"
	got := rec.All()[0]
	if string(got.Spec.Args) != "7" || got.Spec.Opts.Meta["a"] != "b" || got.Info.Meta["a"] != "b" || !strings.HasSuffix(got.Element, `"args":7}`) {
		t.Errorf("%+v", got)
	}
}

func TestRecorderForgets(t *testing.T) {
	t.Parallel()
	var rec tasukitest.Recorder
	k := number.With(tasuki.Opts{ID: "x"})
	for i := range 3 {
		info, err := k.Enqueue(t.Context(), &rec, i)
		if err != nil || info.Existed != (i == 1) {
			t.Errorf("enqueue %d: %+v, %v", i, info, err)
		}
		if i == 1 {
			rec.Reset()
		}
	}
	if n := len(rec.All()); n != 1 {
		t.Errorf("%d jobs, want 1", n)
	}
}

func TestRecorderWithEndedContext(t *testing.T) {
	t.Parallel()
	var rec tasukitest.Recorder
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := number.Enqueue(ctx, &rec, 1); !errors.Is(err, context.Canceled) || len(rec.All()) != 0 {
		t.Errorf("%v, %d recorded", err, len(rec.All()))
	}
}

func TestRecorderByManyGoroutines(t *testing.T) {
	t.Parallel()
	var rec tasukitest.Recorder
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 50 {
				if _, err := number.With(tasuki.Opts{ID: fmt.Sprint("n", i)}).Enqueue(t.Context(), &rec, i); err != nil {
					t.Error(err)
				}
				rec.All()
			}
		})
	}
	wg.Wait()
	if n := len(rec.All()); n != 50 {
		t.Errorf("%d jobs, want each id once: 50", n)
	}
}
