package tasukitest

import (
	"context"
	"testing"

	"github.com/tasuki-dev/tasuki"
)

// Start runs a worker until the test ends. It is stopped then as by a deploy, before what was
// made earlier in the test, such as its client, is closed; an error of its Run is one of the
// test.
func Start(t testing.TB, w *tasuki.Worker) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("tasukitest: the worker: %v", err)
		}
	})
}
