package tasuki_test

import (
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestOnBeat: it is called once the worker is in the list of workers, with an error while
// Redis is away, and not at all while the worker hangs.
func TestOnBeat(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Durable(t)...)
	e := newEnv(t, s.URL())
	beats := make(chan error, 1000)
	w := e.worker(tasuki.WorkerConfig{OnBeat: func(err error) { beats <- err }})
	stop := e.run(w)
	next := func() error {
		t.Helper()
		select {
		case err := <-beats:
			return err
		case <-time.After(30 * time.Second):
			t.Fatal("no beat")
		}
		return nil
	}
	if err := next(); err != nil {
		t.Errorf("the first call has %v", err)
	}
	if workers, err := e.inspector.Workers(t.Context()); err != nil || len(workers) != 1 {
		t.Errorf("after the first call these are in the list: %v, %v", workers, err)
	}

	s.Kill()
	for next() == nil { // beats that were under way
	}
	if err := next(); err == nil {
		t.Error("a beat without Redis has no error")
	}
	s.Restart(t)
	for next() != nil {
	}

	resume := w.Hang()
	heard := func() bool {
		select {
		case <-beats:
			return true
		case <-time.After(4 * time.Second): // four beats
			return false
		}
	}
	for n := 0; heard(); n++ { // one may have been under way
		if n > 10 {
			t.Error("a worker that hangs is heard")
			break
		}
	}
	resume()
	for next() != nil {
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	close(beats) // one that comes now panics
}
