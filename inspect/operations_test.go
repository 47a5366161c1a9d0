package inspect_test

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

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// operate does something to all jobs that a query means.
func (e *env) operate(t inspect.Task, query string) inspect.Operation {
	e.t.Helper()
	q, err := inspect.ParseQuery(query)
	if err != nil {
		e.t.Fatal(err)
	}
	o, err := e.inspector.As("ann").Operate(e.t.Context(), t, q)
	if err != nil {
		e.t.Fatal(err)
	}
	return e.await(o.ID)
}

// operator is another process.
func (e *env) operator() *inspect.Inspector {
	i := inspect.New(e.open(e.server.As(e.t, "operator", e.namespace)))
	e.t.Cleanup(i.Close)
	return i
}

func (e *env) await(id string) inspect.Operation {
	e.t.Helper()
	o, err := e.inspector.Await(e.t.Context(), id)
	if err != nil {
		e.t.Fatal(err)
	}
	return o
}

func (e *env) undo(id string) inspect.Operation {
	e.t.Helper()
	o, err := e.inspector.Undo(e.t.Context(), id)
	if err != nil {
		e.t.Fatal(err)
	}
	return e.await(o.ID)
}

// push puts n bare jobs of the kind k into the queue default.
func (e *env) push(n int) {
	e.t.Helper()
	e.server.Do(e.t, "EVAL", `for i = 1, ARGV[1] do redis.call('RPUSH', KEYS[1], '{"id":"' .. i .. '","kind":"k","token":"t","args":1}') end`, "1", e.namespace+":{default}", fmt.Sprint(n))
	e.do("SADD", "%s:queues", "default")
}

// interrupted is an operation that removes n jobs, whose process has gone away in the middle.
func (e *env) interrupted(n int) (*inspect.Inspector, inspect.Operation) {
	e.t.Helper()
	e.push(n)
	i := e.operator()
	o, err := i.Operate(e.t.Context(), inspect.Task{Action: inspect.Remove}, inspect.Query{Kinds: []string{"k"}})
	if err != nil {
		e.t.Fatal(err)
	}
	e.wait("default", func(q inspect.Queue) bool { return q.Ready < int64(n) })
	i.Close()
	return i, o
}

// there are the jobs that are there, with what an Undo has to bring back.
func (e *env) there() []string {
	e.t.Helper()
	var lines []string
	for j, err := range e.inspector.Jobs(e.t.Context(), inspect.Query{}) {
		if err != nil {
			e.t.Fatal(err)
		}
		due := ""
		if !j.DueAt.IsZero() {
			due = j.DueAt.Format(time.RFC3339)
		}
		lines = append(lines, fmt.Sprint(j.Address(), j.State, j.Kind, j.Attempt, j.Error, j.Reason, due, string(j.Args), string(j.Raw), j.Meta, len(j.Runs)))
	}
	slices.Sort(lines)
	return lines
}

func (e *env) checked() {
	e.t.Helper()
	problems, err := e.inspector.Check(e.t.Context())
	if err != nil || len(problems) > 0 {
		e.t.Errorf("%v, %v", problems, err)
	}
}

// TestUndo: what an operation has done is undone, of bare and recorded jobs, in each state.
func TestUndo(t *testing.T) {
	t.Parallel()
	later := time.Now().Add(48 * time.Hour).Truncate(time.Millisecond)
	for _, c := range []struct {
		task  inspect.Task
		query string
		n     int
		undo  int
	}{
		{inspect.Task{Action: inspect.Remove}, "queue:default", 9, 9},
		{inspect.Task{Action: inspect.Remove}, "state:dead", 2, 2},
		{inspect.Task{Action: inspect.Cancel}, "queue:default -kind:text", 5, 5},
		{inspect.Task{Action: inspect.Reschedule, At: later}, "state:scheduled,retry", 4, 4},
		{inspect.Task{Action: inspect.Reschedule, At: later}, "state:ready tag:none,none", 0, 0},
		{inspect.Task{Action: inspect.Move, To: "other"}, "id:ready-rec,scheduled-rec,retry-rec", 3, 3},
	} {
		t.Run(string(c.task.Action)+" "+c.query, func(t *testing.T) {
			e := setup(t)
			e.many()
			before := e.there()
			o := e.operate(c.task, c.query)
			if o.State != inspect.OperationDone || o.Done != c.n || o.Skipped != 0 || o.Refused != 0 || o.By != "ann" || o.Meant.Jobs != int64(c.n) {
				t.Fatalf("%+v", o)
			}
			if o.Undoable != c.undo || (o.NoUndo == "") != (c.undo > 0) {
				t.Fatalf("%d can be undone (%s), want %d", o.Undoable, o.NoUndo, c.undo)
			}
			e.checked()
			if c.undo == 0 {
				if _, err := e.inspector.Undo(t.Context(), o.ID); !errors.Is(err, inspect.ErrNotUndoable) || !strings.Contains(err.Error(), o.NoUndo) {
					t.Error(err)
				}
				return
			}
			if slices.Equal(before, e.there()) {
				t.Fatal("nothing was done")
			}
			u := e.undo(o.ID)
			if u.State != inspect.OperationDone || u.Done != c.undo || u.Skipped != 0 || u.Refused != 0 || u.Undoes != o.ID {
				t.Errorf("%+v", u)
			}
			after := e.there()
			if c.task.Action != inspect.Remove { // what waited for a retry is scheduled
				for i := range before {
					before[i] = strings.ReplaceAll(before[i], "retry", "scheduled")
					after[i] = strings.ReplaceAll(after[i], "retry", "scheduled")
				}
				slices.Sort(before)
				slices.Sort(after)
			}
			if !slices.Equal(before, after) {
				t.Errorf("before\n%s\nafter\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
			}
			e.checked()
			if o = e.await(o.ID); o.UndoneBy != u.ID || o.Undoable != 0 {
				t.Errorf("%+v", o)
			}
			if _, err := e.inspector.Undo(t.Context(), o.ID); !errors.Is(err, inspect.ErrNotUndoable) || !strings.Contains(err.Error(), "it was undone") {
				t.Error(err)
			}
			if _, err := e.inspector.Undo(t.Context(), u.ID); !errors.Is(err, inspect.ErrNotUndoable) {
				t.Error(err)
			}
		})
	}
}

// TestUndoRuns: jobs that come back run, each once.
func TestUndoRuns(t *testing.T) {
	e := setup(t)
	for i := range 10 {
		e.put(kind.With(tasuki.Opts{ID: fmt.Sprint(i), Record: i%2 == 0}).Spec(i))
	}
	o := e.operate(inspect.Task{Action: inspect.Remove}, "state:ready")
	// Another job has taken an id meanwhile.
	e.do("DEL", "%s:{default}:seen")
	e.put(kind.With(tasuki.Opts{ID: "0", Record: true}).Spec(100))
	u := e.undo(o.ID)
	if u.Done != 9 || u.Refused != 1 || !strings.Contains(u.Error, "another job has its id") {
		t.Errorf("%+v", u)
	}
	if n := e.server.Do(t, "LLEN", e.namespace+":{default}:trash:"+o.ID); n != ":1" {
		t.Errorf("one was refused, and %s are in the trash", n)
	}
	ran := make(chan string, 20)
	e.settle(10, func(_ context.Context, job *tasuki.RawJob) error {
		ran <- job.ID
		return nil
	})
	close(ran)
	ids := map[string]bool{}
	for id := range ran {
		if ids[id] {
			t.Errorf("%s ran twice", id)
		}
		ids[id] = true
	}
	if len(ids) != 10 {
		t.Errorf("%d ran", len(ids))
	}
	e.checked()
}

// TestNotUndoable: what cannot be undone is said before and after.
func TestNotUndoable(t *testing.T) {
	e := setup(t)
	e.many()
	for _, task := range []inspect.Task{
		{Action: inspect.Retry}, {Action: inspect.Edit, Changes: &inspect.Changes{Tags: map[string]string{"a": "b"}}}, {Action: inspect.Reschedule, At: time.Now()},
	} {
		q := inspect.Query{Queues: []string{"default"}}
		meant, why, err := e.inspector.Preview(t.Context(), task, q)
		if err != nil || meant.Jobs == 0 || why == "" {
			t.Errorf("%s: %+v, %s, %v", task.Action, meant, why, err)
		}
		o := e.operate(task, q.String())
		if o.State != inspect.OperationDone || o.Done == 0 || o.Undoable != 0 || o.NoUndo != why {
			t.Errorf("%s: %+v", task.Action, o)
		}
		if _, err := e.inspector.Undo(t.Context(), o.ID); !errors.Is(err, inspect.ErrNotUndoable) || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", task.Action, err)
		}
	}
	if j, err := e.inspector.Job(t.Context(), "default/dead-rec"); err != nil || j.Meta["a"] != "b" || j.Meta["tenant"] != "dead" {
		t.Errorf("%+v, %v", j, err)
	}
}

// TestOperationIsContinued: an operation whose process goes away is seen as interrupted, and
// another process goes on with it.
//
//fault:process the process that runs an operation ends in the middle | others see it as interrupted, and continue it: each job is done once
func TestOperationIsContinued(t *testing.T) {
	e := setup(t)
	const n = 20_000
	i, o := e.interrupted(n)
	o, err := e.inspector.Operation(t.Context(), o.ID)
	if err != nil || o.State != inspect.OperationInterrupted {
		t.Fatalf("%+v, %v", o, err)
	}
	first := o.Done
	if _, err := i.Continue(t.Context(), o.ID); err == nil {
		t.Error("a closed inspector continues an operation")
	}
	if _, err = e.inspector.Continue(t.Context(), o.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := e.operator().Continue(t.Context(), o.ID); err == nil {
		t.Error("two continue it")
	}
	if o = e.await(o.ID); o.State != inspect.OperationDone || o.Done != n || first == 0 || first == n {
		t.Errorf("%d, then %+v", first, o)
	}
	if o.Undoable != 10_000 || !strings.Contains(o.NoUndo, "only the first 10000") {
		t.Errorf("%+v", o)
	}
}

// TestContinuedFromNothing: an operation that has failed before it did anything, and is continued, can
// be undone.
func TestContinuedFromNothing(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	e := on(t, server.URL())
	e.enqueue("a")
	proxy := redistest.StartProxy(t, server)
	i := inspect.New(e.open(proxy.URL()))
	t.Cleanup(i.Close)
	proxy.Answer(func(command []string) string {
		if slices.Contains(command, "never") { // as settle_move.lua takes jobs away
			return "-NOPERM no permissions\r\n"
		}
		return ""
	})
	o, err := i.Operate(t.Context(), inspect.Task{Action: inspect.Remove}, inspect.Query{States: []tasuki.State{tasuki.StateReady}})
	if err != nil {
		t.Fatal(err)
	}
	if o, err = i.Await(t.Context(), o.ID); err != nil || o.State != inspect.OperationFailed || o.Done != 0 {
		t.Fatalf("%+v, %v", o, err)
	}
	if _, err := e.inspector.Continue(t.Context(), o.ID); err != nil {
		t.Fatal(err)
	}
	if o = e.await(o.ID); o.State != inspect.OperationDone || o.Done != 1 || o.Undoable != 1 {
		t.Errorf("%+v", o)
	}
	if u := e.undo(o.ID); u.Done != 1 {
		t.Errorf("%+v", u)
	}
}

// TestUndoneIsNotContinued: what was undone in the middle nobody goes on with.
func TestUndoneIsNotContinued(t *testing.T) {
	e := setup(t)
	_, o := e.interrupted(20_000)
	if u := e.undo(o.ID); u.Done == 0 || u.State != inspect.OperationDone {
		t.Fatalf("%+v", u)
	}
	if o, err := e.inspector.Continue(t.Context(), o.ID); !errors.Is(err, tasuki.ErrEnded) || !strings.Contains(err.Error(), "it was undone") {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestCancelOperation: whoever wants it to end ends it.
func TestCancelOperation(t *testing.T) {
	e := setup(t)
	const n = 100_000
	e.push(n)
	o, err := e.inspector.Operate(t.Context(), inspect.Task{Action: inspect.Reschedule, At: time.Now().Add(time.Hour + 3*time.Microsecond)}, inspect.Query{})
	if err != nil || o.Meant.Jobs != n || !o.Meant.Exact {
		t.Fatalf("%+v, %v", o, err)
	}
	if err := e.operator().CancelOperation(t.Context(), o.ID); err != nil {
		t.Fatal(err)
	}
	if o = e.await(o.ID); o.State != inspect.OperationCancelled || o.Done >= n || o.Scanned == 0 {
		t.Errorf("%+v", o)
	}
	if err := e.inspector.CancelOperation(t.Context(), o.ID); !errors.Is(err, tasuki.ErrEnded) {
		t.Error(err)
	}
	if all, err := e.inspector.Operations(t.Context()); err != nil || len(all) != 1 || all[0].ID != o.ID {
		t.Errorf("%+v, %v", all, err)
	}
	for _, id := range []string{"", "nobody", o.ID + ":lease"} {
		if _, err := e.inspector.Operation(t.Context(), id); !errors.Is(err, inspect.ErrNotFound) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

// TestOthersDoNotWaitForABegin: while Redis takes its time to note that an operation begins, calls for
// others go on.
func TestOthersDoNotWaitForABegin(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	e := on(t, server.URL())
	proxy := redistest.StartProxy(t, server)
	i := inspect.New(e.open(proxy.URL()))
	began, goOn, once := make(chan struct{}), make(chan struct{}), sync.Once{}
	proxy.Decide(func(command []string) redistest.Fate {
		if slices.Contains(command, "begin") {
			once.Do(func() {
				close(began)
				<-goOn
			})
		}
		return redistest.Pass
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := i.Operate(t.Context(), inspect.Task{Action: inspect.Retry}, inspect.Query{}); err != nil {
			t.Error(err)
		}
	})
	<-began
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	other := make(chan error)
	go func() {
		_, err := i.Await(ctx, "another")
		other <- err
	}()
	select {
	case err := <-other:
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		close(goOn)
	case <-time.After(10 * time.Second):
		t.Error("a call for another operation waits")
		close(goOn)
		<-other
	}
	wg.Wait()
	i.Close()
}

// TestEditRefusesSome: a job that may not have a change is counted, and the others get it.
func TestEditRefusesSome(t *testing.T) {
	e := setup(t)
	const n = 300 // more than a portion
	for i := range n {
		opts := tasuki.Opts{ID: fmt.Sprint(i), Record: true}
		if i%3 == 0 {
			opts.In = 50 * time.Hour
		}
		e.put(kind.With(opts).Spec(i))
	}
	deadline := time.Now().Add(24 * time.Hour)
	o := e.operate(inspect.Task{Action: inspect.Edit, Changes: &inspect.Changes{Deadline: &deadline}}, "queue:default")
	if o.State != inspect.OperationDone || o.Done != n/3*2 || o.Refused != n/3 || !strings.Contains(o.Error, "deadline: ") || !strings.Contains(o.Error, "when the job is due") {
		t.Errorf("%+v", o)
	}
	for _, j := range e.jobs("default", inspect.Query{}) {
		if (j.State == tasuki.StateReady) == j.Deadline.IsZero() {
			t.Errorf("%s is %s, with the deadline %v", j.ID, j.State, j.Deadline)
		}
	}
}

// TestEditOfWhatWasSeen: arguments that others have changed since they were seen are not overwritten.
func TestEditOfWhatWasSeen(t *testing.T) {
	e := setup(t)
	e.put(kind.With(tasuki.Opts{ID: "a", Record: true}).Spec(1))
	jobs := e.jobs("default", inspect.Query{})
	edit := func(was, args string) error {
		return e.inspector.Edit(t.Context(), inspect.Changes{Was: json.RawMessage(was), Args: json.RawMessage(args)}, jobs...)[0]
	}
	if err := edit(" 1", "2"); err != nil {
		t.Fatal(err)
	}
	if err := edit("1", "3"); !errors.Is(err, inspect.ErrMoved) || !strings.Contains(err.Error(), "others have changed its arguments") {
		t.Errorf("%v", err)
	}
	if j := e.jobs("default", inspect.Query{})[0]; string(j.Args) != "2" {
		t.Errorf("%s", j.Args)
	}
}

func TestBadOperations(t *testing.T) {
	e := setup(t)
	e.put(kind.With(tasuki.Opts{ID: "a", Record: true}).Spec(1))
	jobs := e.jobs("default", inspect.Query{})
	attempts, most, short, long := -9, 2_000_000, -5*time.Second, 101*365*24*time.Hour
	past, soon, later := time.Now().Add(-time.Hour), time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
	never := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	for want, c := range map[string]inspect.Changes{
		"max_attempts: -9: allowed are 1 to 1000000": {MaxAttempts: &attempts},
		"max_attempts: 2000000: allowed are 1":       {MaxAttempts: &most},
		"timeout: -5s: allowed are 1 ms":             {Timeout: &short},
		"timeout: 884760h0m0s: allowed are 1 ms":     {Timeout: &long},
		"keep: -5s: allowed are 1 ms":                {Keep: &short},
		"deadline: the year 10000: allowed are":      {Deadline: &never},
		"expire_at: the year 10000: allowed are":     {ExpireAt: &never},
		"when the job expires":                       {Deadline: &soon, ExpireAt: &later},
		"meta: 5001 bytes: allowed are 4096":         {Tags: map[string]string{"t": strings.Repeat("x", 5000)}},
		"deadline: " + past.Format("2006"):           {Deadline: &past},
	} {
		task := inspect.Task{Action: inspect.Edit, Changes: &c}
		is := map[string]error{}
		_, is["operate"] = e.inspector.Operate(t.Context(), task, inspect.Query{})
		_, _, is["preview"] = e.inspector.Preview(t.Context(), task, inspect.Query{})
		if c.Deadline != &past { // a job that has it may have it again
			is["validate"] = task.Validate()
			is["edit"] = e.inspector.Edit(t.Context(), c, jobs...)[0]
		}
		for call, err := range is {
			if !errors.Is(err, inspect.ErrInvalid) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s", call, err, want)
			}
		}
	}
	if all, err := e.inspector.Operations(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
	for want, task := range map[string]inspect.Task{
		"allowed are retry, cancel": {Action: "melt"},
		"to: the queue is missing":  {Action: inspect.Move},
		"at: allowed for":           {Action: inspect.Cancel, At: time.Now()},
		"to: allowed for":           {Action: inspect.Cancel, To: "x"},
		"changes: they are missing": {Action: inspect.Edit},
		"changes: there is none":    {Action: inspect.Edit, Changes: &inspect.Changes{}},
		"args: allowed is JSON":     {Action: inspect.Edit, Changes: &inspect.Changes{Args: []byte("{")}},
		"at: it is missing":         {Action: inspect.Reschedule},
		"at: the year 10000":        {Action: inspect.Reschedule, At: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		if _, err := e.inspector.Operate(t.Context(), task, inspect.Query{}); !errors.Is(err, inspect.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", task, err, want)
		}
	}
}

// TestOperationsAreBounded: the last ones are kept.
func TestOperationsAreBounded(t *testing.T) {
	e := setup(t)
	first := e.operate(inspect.Task{Action: inspect.Retry}, "queue:none")
	for range 100 {
		e.operate(inspect.Task{Action: inspect.Retry}, "queue:none")
	}
	all, err := e.inspector.Operations(t.Context())
	if err != nil || len(all) != 100 || slices.ContainsFunc(all, func(o inspect.Operation) bool { return o.ID == first.ID }) {
		t.Errorf("%d, %v", len(all), err)
	}
}
