package inspect_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// operatorEnv makes the test binary a process that runs an operation.
const operatorEnv = "TASUKI_TEST_OPERATOR"

type operatorConfig struct {
	URL, Namespace string
	Task           inspect.Task
	Query          string
	Limit          int
}

// operates runs the operation, and stays.
func (c *operatorConfig) operates() {
	client, err := tasuki.Open(c.URL, &tasuki.ClientConfig{Namespace: c.Namespace, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	q, err := inspect.ParseQuery(c.Query)
	if err != nil {
		panic(err)
	}
	q.Limit = c.Limit
	if _, err := inspect.New(client).Operate(context.Background(), c.Task, q); err != nil {
		panic(err)
	}
	select {}
}

// operation is one that goes wrong in the middle.
type brokenOperation struct {
	task  inspect.Task
	query string
	opts  tasuki.Opts
	n     int
	done  func(e *env, j *inspect.Job) bool // it was done to that job; nil: the job is gone
}

func brokenOperations() map[string]brokenOperation {
	at := time.Now().Add(50 * time.Hour).Truncate(time.Millisecond)
	in := func(queue string, state tasuki.State) func(*env, *inspect.Job) bool {
		return func(_ *env, j *inspect.Job) bool { return j.Queue == queue && j.State == state }
	}
	return map[string]brokenOperation{
		"remove":          {inspect.Task{Action: inspect.Remove}, "state:ready", tasuki.Opts{}, 6000, nil},
		"remove recorded": {inspect.Task{Action: inspect.Remove}, "state:ready", tasuki.Opts{Record: true}, 2000, nil},
		"retry":           {inspect.Task{Action: inspect.Retry}, "state:scheduled", tasuki.Opts{In: time.Hour}, 60_000, in("default", tasuki.StateReady)},
		"retry recorded":  {inspect.Task{Action: inspect.Retry}, "state:scheduled", tasuki.Opts{In: time.Hour, Record: true}, 2000, in("default", tasuki.StateReady)},
		"reschedule":      {inspect.Task{Action: inspect.Reschedule, At: at}, "state:ready", tasuki.Opts{}, 6000, in("default", tasuki.StateScheduled)},
		"move":            {inspect.Task{Action: inspect.Move, To: "other"}, "queue:default state:ready", tasuki.Opts{Record: true}, 2000, in("other", tasuki.StateReady)},
		"edit": {inspect.Task{Action: inspect.Edit, Changes: &inspect.Changes{Tags: map[string]string{"edited": "yes"}}}, "state:ready -tag:edited", tasuki.Opts{Record: true}, 2000,
			func(_ *env, j *inspect.Job) bool { return j.Meta["edited"] == "yes" }},
	}
}

// fill puts in the jobs of an operation.
func (b *brokenOperation) fill(e *env) {
	e.t.Helper()
	var specs []tasuki.Spec
	for n := range b.n {
		specs = append(specs, kind.With(b.opts).Spec(n))
	}
	if _, err := e.client.EnqueueMany(e.t.Context(), specs); err != nil {
		e.t.Fatal(err)
	}
}

// state says to how many jobs it was done, and to how many not; none may be there twice. It is for a
// queue that rests.
func (b *brokenOperation) state(e *env) (done, not int) {
	e.t.Helper()
	ids, twice := map[string]bool{}, 0
	for j, err := range e.inspector.Jobs(e.t.Context(), inspect.Query{}) {
		if err != nil {
			e.t.Fatal(err)
		}
		if ids[j.ID] {
			twice++
		}
		ids[j.ID] = true
		if b.done != nil && b.done(e, &j) {
			done++
		} else {
			not++
		}
	}
	if twice > 0 {
		e.t.Errorf("%d jobs are there twice", twice)
	}
	return done, not
}

// finished goes on with an operation until it is done, and demands that it was done to every job once.
func (b *brokenOperation) finished(e *env, id string) inspect.Operation {
	e.t.Helper()
	var o inspect.Operation
	redistest.WaitFor(e.t, "the operation to be done", func() error {
		if _, err := e.inspector.Continue(e.t.Context(), id); err != nil && !errors.Is(err, tasuki.ErrEnded) && !errors.Is(err, inspect.ErrOperationRuns) {
			return err
		}
		if o = e.await(id); o.State != inspect.OperationDone {
			return fmt.Errorf("it is %s: %s", o.State, o.Error)
		}
		return nil
	})
	want := b.n
	if b.done == nil {
		want = 0
	}
	if done, not := b.state(e); done != want || not != 0 {
		e.t.Errorf("it was done to %d of %d, and not to %d: %+v", done, b.n, not, o)
	}
	e.checked()
	return o
}

// undone undoes an operation, and demands that no more than a portion stays as it is.
func (b *brokenOperation) undone(e *env, id string) {
	e.t.Helper()
	const portion = 200
	u := e.undo(id)
	if u.State != inspect.OperationDone || u.Refused > 0 {
		e.t.Errorf("%+v", u)
	}
	done, not := b.state(e)
	if not < b.n-portion || not > b.n || b.done != nil && done+not != b.n {
		e.t.Errorf("of %d jobs %d are as they were, and %d are not", b.n, not, done)
	}
	e.checked()
}

// TestOperationIsKilled kills processes in the middle of an operation.
//
//fault:process kill -9 of a process in the middle of an operation on jobs (retry, remove, reschedule, move, edit) | no job is lost or there twice; it is seen as interrupted after 15 s, another continues it, and it can be undone but for its last portion
func TestOperationIsKilled(t *testing.T) {
	t.Parallel()
	for name, b := range brokenOperations() {
		for _, then := range []string{"continue", "undo"} {
			undoes := b.task.Action != inspect.Retry && b.task.Action != inspect.Edit
			if then == "undo" && !undoes {
				continue
			}
			t.Run(name+" "+then, func(t *testing.T) {
				e := setup(t)
				b.fill(e)
				proxy := redistest.StartProxy(t, e.server)
				proxy.Delay(func() time.Duration { return 2 * time.Millisecond })
				url := strings.Replace(e.server.As(t, "operator", e.namespace), e.server.Socket(), strings.TrimPrefix(proxy.URL(), "unix://"), 1)
				p := redistest.StartSelf(t, operatorEnv, operatorConfig{URL: url, Namespace: e.namespace, Task: b.task, Query: b.query}, os.Stderr)
				redistest.WaitFor(t, "a job to which it was done", func() error {
					all, err := e.inspector.Operations(t.Context())
					if err != nil || len(all) != 1 {
						return fmt.Errorf("%+v, %w", all, err)
					}
					if kept := e.server.Do(t, "LLEN", e.namespace+":{default}:trash:"+all[0].ID); undoes && kept == ":0" || !undoes && all[0].Done == 0 {
						return fmt.Errorf("%s are kept: %+v", kept, all)
					}
					return nil
				})
				p.Kill()
				if _, not := b.state(e); not == 0 {
					t.Fatal("it was done before it was killed")
				}
				all, err := e.inspector.Operations(t.Context())
				if err != nil || len(all) != 1 {
					t.Fatalf("%+v, %v", all, err)
				}
				o := all[0]
				redistest.WaitFor(t, "the end of its lease", func() error {
					if o, err = e.inspector.Operation(t.Context(), o.ID); err != nil || o.State != inspect.OperationInterrupted {
						return fmt.Errorf("it is %s, %v", o.State, err)
					}
					return nil
				})
				if then == "continue" {
					o = b.finished(e, o.ID)
				}
				if undoes {
					b.undone(e, o.ID)
				}
			})
		}
	}
}

// TestOperationIsKilledWithLimit: what an operation with a limit had begun with when its process was
// killed counts as done.
//
//fault:process it is killed in the middle of an operation with a limit | continued, it is done to no more jobs than that, and to at most 200 fewer
func TestOperationIsKilledWithLimit(t *testing.T) {
	t.Parallel()
	for name, b := range brokenOperations() {
		if name != "remove" && name != "move" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			const limit = 1500
			e := setup(t)
			b.fill(e)
			proxy := redistest.StartProxy(t, e.server)
			proxy.Delay(func() time.Duration { return 2 * time.Millisecond })
			url := strings.Replace(e.server.As(t, "operator", e.namespace), e.server.Socket(), strings.TrimPrefix(proxy.URL(), "unix://"), 1)
			p := redistest.StartSelf(t, operatorEnv, operatorConfig{url, e.namespace, b.task, b.query, limit}, os.Stderr)
			var o inspect.Operation
			redistest.WaitFor(t, "a job to which it was done", func() error {
				all, err := e.inspector.Operations(t.Context())
				if err != nil || len(all) != 1 || e.server.Do(t, "LLEN", e.namespace+":{default}:trash:"+all[0].ID) == ":0" {
					return fmt.Errorf("%+v, %w", all, err)
				}
				o = all[0]
				return nil
			})
			p.Kill()
			before, _ := b.state(e)
			if b.done == nil {
				_, not := b.state(e)
				before = b.n - not
			}
			if before >= limit {
				t.Fatal("it was done before it was killed")
			}
			redistest.WaitFor(t, "the end of its lease", func() error {
				_, err := e.inspector.Continue(t.Context(), o.ID)
				return err
			})
			if o = e.await(o.ID); o.State != inspect.OperationDone {
				t.Fatalf("it is %s: %s", o.State, o.Error)
			}
			done, not := b.state(e)
			if b.done == nil {
				done = b.n - not
			}
			if done > limit || done < limit-200 || o.Done+o.Unsure != limit {
				t.Errorf("it was done to %d, to %d before it was killed: %+v", done, before, o)
			}
		})
	}
}

// TestOperationBreaks: what an operation meets of Redis while it runs.
//
//fault:network replies to a process that runs an operation on jobs (retry, remove, reschedule, move, edit) are lost, and its connections cut | no job is lost or there twice; continued, it is done to each once, and what it did can be undone
//fault:server it is killed in the middle of an operation on jobs, and started again with all that was confirmed | the same
//fault:server it becomes full in the middle of an operation on jobs | the operation goes on; what is done from then on cannot be undone, and it says so
func TestOperationBreaks(t *testing.T) {
	t.Parallel()
	for name, b := range brokenOperations() {
		for fault, begin := range map[string]func(t *testing.T, s *redistest.Server, p *redistest.Proxy){
			"cut": func(_ *testing.T, _ *redistest.Server, p *redistest.Proxy) {
				n := 0 // guarded by the proxy
				p.Decide(func(command []string) redistest.Fate {
					if n++; n > 150 || !strings.HasPrefix(command[0], "EVAL") {
						return redistest.Pass
					}
					return map[int]redistest.Fate{7: redistest.Cut, 14: redistest.Refuse}[n%15]
				})
			},
			"restart": func(t *testing.T, s *redistest.Server, _ *redistest.Proxy) {
				s.Kill()
				s.Restart(t)
			},
			"full": func(t *testing.T, s *redistest.Server, _ *redistest.Proxy) {
				s.Do(t, "CONFIG", "SET", "maxmemory", "1")
			},
		} {
			t.Run(name+" "+fault, func(t *testing.T) {
				t.Parallel()
				server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction")
				e := on(t, server.URL())
				e.server = server
				b.fill(e)
				proxy := redistest.StartProxy(t, server)
				proxy.Delay(func() time.Duration { return time.Millisecond })
				i := inspect.New(e.open(proxy.URL()))
				q, err := inspect.ParseQuery(b.query)
				if err != nil {
					t.Fatal(err)
				}
				o, err := i.Operate(t.Context(), b.task, q)
				if err != nil {
					t.Fatal(err)
				}
				begin(t, server, proxy)
				o, err = i.Await(t.Context(), o.ID)
				for n := 0; err != nil && n < 20; n++ {
					o, err = i.Await(t.Context(), o.ID)
				}
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("%s: %d done, %s", o.State, o.Done, o.Error)
				undoes := b.task.Action != inspect.Retry && b.task.Action != inspect.Edit
				if o.State != inspect.OperationDone {
					o = b.finished(e, o.ID)
				}
				server.Do(t, "CONFIG", "SET", "maxmemory", "0")
				switch {
				case fault == "full" && undoes:
					if o.NoUndo == "" || o.Undoable >= b.n {
						t.Errorf("a full server keeps what it removes: %+v", o)
					}
				case undoes:
					b.undone(e, o.ID)
				}
				i.Close()
				e.checked()
			})
		}
	}
}
