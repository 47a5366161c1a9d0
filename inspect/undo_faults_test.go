package inspect_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// halfDone is an operation that has removed half of n jobs, and then failed.
func (e *env) halfDone(n int) inspect.Operation {
	e.t.Helper()
	e.push(n)
	o, err := e.inspector.Operate(e.t.Context(), inspect.Task{Action: inspect.Remove}, inspect.Query{Kinds: []string{"k"}, Limit: n / 2})
	if err != nil {
		e.t.Fatal(err)
	}
	if o = e.await(o.ID); o.Done != n/2 || o.Undoable != n/2 {
		e.t.Fatalf("%+v", o)
	}
	e.server.Do(e.t, "EVAL", `
local state = redis.call('HGET', KEYS[1], ARGV[1])
state = string.gsub(string.gsub(state, '"state":"done"', '"state":"failed"'), '"limit":%d+,', '')
return redis.call('HSET', KEYS[1], ARGV[1], state)`, "1", e.namespace+":operations", o.ID)
	if o = e.await(o.ID); o.State != inspect.OperationFailed || o.Limit != 0 {
		e.t.Fatalf("%+v", o)
	}
	return o
}

// held is an Inspector whose first step of that kind waits on its way to Redis until goOn is called.
func (e *env) held(step string) (i *inspect.Inspector, waits <-chan struct{}, goOn func()) {
	e.t.Helper()
	proxy := redistest.StartProxy(e.t, e.server)
	i = inspect.New(e.open(proxy.URL()))
	e.t.Cleanup(i.Close)
	arrived, release, once := make(chan struct{}), make(chan struct{}), sync.Once{}
	proxy.Decide(func(command []string) redistest.Fate {
		if slices.Contains(command, step) {
			once.Do(func() {
				close(arrived)
				<-release
			})
		}
		return redistest.Pass
	})
	return i, arrived, sync.OnceFunc(func() { close(release) })
}

// thereOnce demands that n jobs are there, each once.
func (e *env) thereOnce(n int) {
	e.t.Helper()
	ids := map[string]bool{}
	jobs := e.jobs("default", inspect.Query{})
	for _, j := range jobs {
		ids[j.ID] = true
	}
	if len(jobs) != n || len(ids) != n {
		e.t.Errorf("%d jobs are there with %d ids, want %d", len(jobs), len(ids), n)
	}
	e.checked()
}

// TestUndoBesideOthers: who undoes an operation has read it before another undoes or continues it.
//
//fault:process two undo an operation at once, or one undoes and another continues it | one of them goes first; who comes later is refused with the id of the undo, or undoes all that was done: what is undone is there once, and is not taken away again
func TestUndoBesideOthers(t *testing.T) {
	t.Parallel()
	const n = 400
	type answer struct {
		o   inspect.Operation
		err error
	}
	for name, c := range map[string]struct {
		step  string
		late  func(i *inspect.Inspector, e *env, id string) (inspect.Operation, error)
		first func(e *env, id string) string
		want  error // of the late one; nil: it undoes it
	}{
		"undo beside undo": {
			"begin",
			func(i *inspect.Inspector, e *env, id string) (inspect.Operation, error) {
				return i.Undo(e.t.Context(), id)
			},
			func(e *env, id string) string { return e.undo(id).ID }, inspect.ErrNotUndoable,
		},
		"undo beside continue": {
			"begin",
			func(i *inspect.Inspector, e *env, id string) (inspect.Operation, error) {
				return i.Undo(e.t.Context(), id)
			},
			func(e *env, id string) string {
				if _, err := e.inspector.Continue(e.t.Context(), id); err != nil {
					e.t.Error(err)
				}
				if o := e.await(id); o.Done != n || o.Undoable != n {
					e.t.Errorf("%+v", o)
				}
				return ""
			}, nil,
		},
		"continue beside undo": {
			"take",
			func(i *inspect.Inspector, e *env, id string) (inspect.Operation, error) {
				return i.Continue(e.t.Context(), id)
			},
			func(e *env, id string) string { return e.undo(id).ID }, tasuki.ErrEnded,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			e := on(t, server.URL())
			e.server = server
			o := e.halfDone(n)
			i, waits, goOn := e.held(c.step)
			defer goOn()
			late := make(chan answer, 1)
			go func() {
				o, err := c.late(i, e, o.ID)
				late <- answer{o, err}
			}()
			<-waits
			first := c.first(e, o.ID)
			goOn()
			a := <-late
			if !errors.Is(a.err, c.want) || c.want != nil && !strings.Contains(a.err.Error(), "undone by operation "+first) {
				t.Fatalf("%v, want %v", a.err, c.want)
			}
			if c.want == nil {
				if u, err := i.Await(t.Context(), a.o.ID); err != nil || u.State != inspect.OperationDone || u.Done != n {
					t.Errorf("%+v, %v", u, err)
				}
				first = a.o.ID
			}
			if o = e.await(o.ID); o.UndoneBy != first {
				t.Errorf("it is undone by %s, want %s", o.UndoneBy, first)
			}
			e.thereOnce(n)
		})
	}
}

// TestUndosAtOnce: of some that undo an operation at once one does.
func TestUndosAtOnce(t *testing.T) {
	e := setup(t)
	const n = 200
	o := e.halfDone(n)
	ids := make(chan string, 8)
	var wg sync.WaitGroup
	for range cap(ids) {
		i := e.operator()
		wg.Go(func() {
			u, err := i.Undo(t.Context(), o.ID)
			switch {
			case err == nil:
				ids <- u.ID
			case !errors.Is(err, inspect.ErrNotUndoable):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	close(ids)
	var began []string
	for id := range ids {
		began = append(began, id)
	}
	if len(began) != 1 {
		t.Fatalf("%v undo it", began)
	}
	if u := e.await(began[0]); u.State != inspect.OperationDone || u.Done != n/2 {
		t.Errorf("%+v", u)
	}
	e.thereOnce(n)
}

// TestUndoerIsGone: who undoes an operation has taken it, and does nothing more.
//
//fault:process the process that undoes an operation ends as soon as it has begun | the undo is seen as interrupted, and another continues it; until then the operation is neither continued nor undone once more
func TestUndoerIsGone(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	e := on(t, server.URL())
	e.server = server
	const n = 200
	o := e.halfDone(n)
	proxy := redistest.StartProxy(t, server)
	i := inspect.New(e.open(proxy.URL()))
	began := proxy.Once(redistest.Swallow, func(command []string) bool { return slices.Contains(command, "begin") })
	ctx, gone := context.WithCancel(t.Context())
	go func() {
		<-began
		gone()
	}()
	if _, err := i.Undo(ctx, o.ID); err == nil {
		t.Fatal("it has seen the answer")
	}
	redistest.WaitFor(t, "the undo to have begun", func() error { // the call ends before Redis has done it
		if o = e.await(o.ID); o.UndoneBy == "" {
			return fmt.Errorf("%+v", o)
		}
		return nil
	})
	for what, err := range map[string]error{
		"undone":    func() error { _, err := e.inspector.Undo(t.Context(), o.ID); return err }(),
		"continued": func() error { _, err := e.inspector.Continue(t.Context(), o.ID); return err }(),
	} {
		if err == nil || !strings.Contains(err.Error(), "undone by operation "+o.UndoneBy) {
			t.Errorf("it is %s once more: %v", what, err)
		}
	}
	e.do("HSET", "%s:operations", o.UndoneBy+":lease", "1 gone")
	u, err := e.inspector.Operation(t.Context(), o.UndoneBy)
	if err != nil || u.State != inspect.OperationInterrupted {
		t.Fatalf("%+v, %v", u, err)
	}
	if _, err := e.inspector.Continue(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	if u = e.await(u.ID); u.State != inspect.OperationDone || u.Done != n/2 {
		t.Errorf("%+v", u)
	}
	e.thereOnce(n)
}
