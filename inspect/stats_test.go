package inspect_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

func TestStats(t *testing.T) {
	e := setup(t)
	h, runs, let := blocked()
	stop, ended := e.begin(tasuki.WorkerConfig{Concurrency: 3}, h)
	e.put(tasuki.Spec{Kind: "k", Args: []byte("1")})
	e.put(tasuki.Spec{Kind: "k", Args: []byte("1"), Opts: tasuki.Opts{Queue: "other", In: time.Hour}})
	<-runs
	s, err := e.inspector.Stats(t.Context())
	if err != nil || s.Workers != 1 || s.Slots != 3 || s.Busy != 1 || len(s.Queues) != 2 || s.Queues[1].Scheduled != 1 || time.Since(s.At) > time.Minute {
		t.Errorf("%+v, %v", s, err)
	}
	if v := s.Servers[0]; len(s.Servers) != 1 || v.Product != "Redis" || v.Version == "" || v.Used < 1000 || v.Policy == "" || v.Error != "" {
		t.Errorf("servers: %+v", s.Servers)
	}
	close(let)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if s, err = e.inspector.Stats(t.Context()); err != nil || s.Workers != 0 || s.Slots != 0 || s.Busy != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	// A queue that cannot be looked at does not hide the others.
	e.do("SET", "%s:{other}:dead", "x")
	if s, err = e.inspector.Stats(t.Context()); err == nil || s == nil || len(s.Queues) != 1 || s.Queues[0].Name != "default" {
		t.Errorf("%+v, %v", s, err)
	}
	e.do("DEL", "%s:{other}:dead")
}

// TestStatsDisk: what the server says of its disk.
func TestStatsDisk(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes", "--maxmemory", "100mb", "--dbfilename", "in-the-way")
	e := on(t, server.URL())
	look := func() inspect.Server {
		s, err := e.inspector.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s.Servers[0]
	}
	if v := look(); !v.AOF || v.Max != 100<<20 || !v.SavedAt.IsZero() || v.Failing {
		t.Errorf("it is %+v", v)
	}
	failSnapshot(t, server)
	redistest.WaitFor(t, "a failed snapshot", func() error {
		if v := look(); !v.Failing {
			return fmt.Errorf("it is %+v", v)
		}
		return nil
	})
}

func TestRates(t *testing.T) {
	t.Parallel()
	at := time.Now()
	queue := func(name string, counts map[string]int64) inspect.Queue {
		return inspect.Queue{Name: name, Counts: counts}
	}
	before := &inspect.Stats{At: at, Queues: []inspect.Queue{
		queue("a", map[string]int64{"done": 10, "retry": 1}), queue("reset", map[string]int64{"done": 50}), queue("gone", nil),
	}}
	now := &inspect.Stats{At: at.Add(2 * time.Second), Queues: []inspect.Queue{
		// Of five dead jobs, three were convicted by their third crash.
		queue("a", map[string]int64{"done": 40, "retry": 3, "dead": 5, "crashed": 4, "poison": 3, "snooze": 9}),
		queue("new", map[string]int64{"done": 7}), queue("reset", map[string]int64{"done": 5}),
	}}
	want := map[string]inspect.Rate{"a": {Done: 15, Failed: 4}, "reset": {}}
	if got := now.Rates(before); !maps.Equal(got, want) {
		t.Errorf("they are %+v, want %+v", got, want)
	}
	if got := now.Rates(now); len(got) != 0 {
		t.Errorf("in no time they are %+v", got)
	}
}

// TestRatesOfWorkers: what fails is counted as it is in Redis.
func TestRatesOfWorkers(t *testing.T) {
	e := setup(t)
	e.enqueue("first") // there is the queue
	before, err := e.inspector.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e.put(tasuki.Spec{Kind: "bad", Args: []byte("1")})
	e.put(tasuki.Spec{Kind: "worse", Args: []byte("1"), Opts: tasuki.Opts{MaxAttempts: 1}})
	e.settle(3, func(_ context.Context, job *tasuki.RawJob) error {
		if job.Kind == "number" {
			return nil
		}
		return errors.New("no")
	})
	now, err := e.inspector.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r, took := now.Rates(before)["default"], now.At.Sub(before.At).Seconds()
	if done, failed := r.Done*took, r.Failed*took; done < 0.99 || done > 1.01 || failed < 1.99 || failed > 2.01 {
		t.Errorf("%v done and %v failed, want 1 and 2", done, failed)
	}
}
