package tasuki_test

import (
	"context"
	"sync"
	"testing"

	"github.com/tasuki-dev/tasuki"
)

// TestEndedWaitsBringNothing ends waits as fast as it goes, many before their call
// is sent. None may be taken for one that has brought an empty element.
//
//fault:network waits ended as fast as it goes, many before they are sent | none is taken for one that has brought a job
func TestEndedWaitsBringNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		w := e.worker(tasuki.WorkerConfig{})
		var got recorder[string]
		tasuki.HandleRaw(w, "default", func(_ context.Context, job *tasuki.RawJob) error {
			got.add(string(job.Args))
			return nil
		})
		e.run(w)
		var tellers sync.WaitGroup
		for range 4 {
			tellers.Go(func() {
				for range 500 {
					// Whatever is told on the channel of a queue has its
					// workers look for jobs.
					if err := e.do("PUBLISH", e.key("default", "channel"), "look").Error(); err != nil {
						t.Error(err)
					}
				}
			})
		}
		tellers.Wait()
		if err := e.client.Push(e.ctx, tasuki.Queue{Name: "default"}, []byte("job")); err != nil {
			t.Fatal(err)
		}
		got.wait(t, 1)
		e.settled("default", 1)
		if all := got.get(); len(all) != 1 || all[0] != "job" {
			t.Errorf("handled were %q; there was one job", all)
		}
	})
}
