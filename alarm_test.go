package tasuki_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestEarlierJob: an idle worker that waits for a job of tomorrow hears of one that is
// due earlier, and runs it at its time.
func TestEarlierJob(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{})
		got := collect(w, number)
		e.run(w)
		for i, in := range []time.Duration{24 * time.Hour, 300 * time.Millisecond} {
			if _, err := number.With(tasuki.Opts{In: in}).Enqueue(e.ctx, e.client, i); err != nil {
				t.Fatal(err)
			}
			if i > 0 {
				break
			}
			redistest.WaitFor(t, "the first alarm to be heard", func() error {
				if n, err := e.do("LLEN", e.key("default", "alarm")).AsInt64(); n != 0 || err != nil || !w.Waits("default") {
					return errors.Join(errors.New("it lies there"), err)
				}
				return nil
			})
		}
		start := time.Now()
		got.wait(t, 1)
		if took := time.Since(start); took > 10*time.Second { // after up to 20 s it would look by itself
			t.Errorf("it ran after %v", took)
		}
	})
}
