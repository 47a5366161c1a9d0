package inspect_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// jobs returns what a listing yields.
func (e *env) jobs(queue string, q inspect.Query) []inspect.Job {
	e.t.Helper()
	q.Queues = []string{queue}
	var jobs []inspect.Job
	for j, err := range e.inspector.Jobs(e.t.Context(), q) {
		if err != nil {
			e.t.Fatal(err)
		}
		jobs = append(jobs, j)
	}
	return jobs
}

// actAll does something to all jobs of a queue that a query means.
func (e *env) actAll(what inspect.Action, queue string, q inspect.Query) (inspect.Acted, error) {
	e.t.Helper()
	q.Queues = []string{queue}
	o, err := e.inspector.Operate(e.t.Context(), inspect.Task{Action: what}, q)
	if err == nil {
		o, err = e.inspector.Await(e.t.Context(), o.ID)
	}
	if err == nil && o.Error != "" {
		err = errors.New(o.Error)
	}
	return o.Acted, err
}

// names are states and ids.
func names(jobs []inspect.Job) string {
	words := make([]string, len(jobs))
	for i, j := range jobs {
		words[i] = string(j.State) + ":" + j.ID
	}
	return strings.Join(words, " ")
}

func (e *env) put(spec tasuki.Spec) {
	e.t.Helper()
	if _, err := e.client.EnqueueMany(e.t.Context(), []tasuki.Spec{spec}); err != nil {
		e.t.Fatal(err)
	}
}

// settle runs a worker until n jobs were settled in all.
func (e *env) settle(n int64, f func(ctx context.Context, job *tasuki.RawJob) error) {
	e.t.Helper()
	stop := e.work(f)
	e.wait("default", func(q inspect.Queue) bool {
		return q.Counts["done"]+q.Counts["dead"]+q.Counts["retry"]+q.Counts["snooze"] == n
	})
	stop()
}

// work runs a worker until stop is called.
func (e *env) work(f func(ctx context.Context, job *tasuki.RawJob) error) (stop func()) {
	e.t.Helper()
	w, err := tasuki.NewWorker(e.client, &tasuki.WorkerConfig{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		e.t.Fatal(err)
	}
	tasuki.HandleOther(w, f)
	return redistest.Run(e.t, w.Run)
}

// many has a bare and a recorded job in each state that needs no worker that runs.
func (e *env) many() {
	e.t.Helper()
	for _, recorded := range []bool{false, true} {
		suffix := map[bool]string{false: "-bare", true: "-rec"}[recorded]
		for _, id := range []string{"dead", "retry", "done"} {
			e.put(kind.With(tasuki.Opts{ID: id + suffix, Record: recorded, Meta: map[string]string{"tenant": id}}).Spec(1))
		}
	}
	e.settle(6, func(_ context.Context, job *tasuki.RawJob) error {
		switch id, _, _ := strings.Cut(job.ID, "-"); id {
		case "dead":
			return tasuki.Kill(errors.New("the address is wrong"))
		case "retry":
			return tasuki.RetryIn(time.Hour, errors.New("the server is away"))
		}
		return nil
	})
	for _, recorded := range []bool{false, true} {
		suffix := map[bool]string{false: "-bare", true: "-rec"}[recorded]
		e.put(kind.With(tasuki.Opts{ID: "ready" + suffix, Record: recorded}).Spec(77))
		e.put(tasuki.Define[string]("text").With(tasuki.Opts{ID: "scheduled" + suffix, Record: recorded, In: time.Hour}).Spec("hello"))
	}
	if err := e.client.Push(e.t.Context(), tasuki.Queue{Name: "default"}, []byte("a plain text")); err != nil {
		e.t.Fatal(err)
	}
}

func TestJobs(t *testing.T) {
	e := setup(t)
	begun := time.Now()
	e.many()
	const ready, retry, scheduled, dead = "ready:ready-bare ready:ready-rec ready:", "retry:retry-bare retry:retry-rec", "scheduled:scheduled-bare scheduled:scheduled-rec", "dead:dead-bare dead:dead-rec"
	for want, f := range map[string]inspect.Query{
		ready + " " + retry + " " + scheduled + " " + dead: {},
		ready:                                 {States: []tasuki.State{tasuki.StateReady}},
		retry + " " + dead + " done:done-rec": {States: []tasuki.State{tasuki.StateDone, tasuki.StateRetry, tasuki.StateDead}},
		dead + " ":                            {Errors: []string{"address is"}},
		retry + " ":                           {Tags: []inspect.Match{{Name: "tenant", Value: "retry"}}},
		scheduled:                             {Kinds: []string{"text", "other"}},
		scheduled + "  ":                      {Text: []string{"hell"}},
		retry + " " + dead:                    {MinAttempt: 1},
		dead + "   ":                          {Fingerprints: []string{inspect.Fingerprint("number", "the address is wrong")}},
		"ready:":                              {Text: []string{"plain"}},
		"ready:ready-rec scheduled:scheduled-rec": {IDs: []string{"scheduled-rec", "ready-rec"}},
		"":  {EnqueuedBefore: begun.Add(-time.Hour)},
		" ": {EnqueuedAfter: time.Now().Add(time.Hour)},
		"ready:ready-bare ready:ready-rec " + retry + " " + scheduled + " " + dead: {EnqueuedBefore: time.Now().Add(time.Hour)},
		"  ": {States: []tasuki.State{tasuki.StateParked, tasuki.StateRunning, tasuki.StateSuspect}},
	} {
		got := names(e.jobs("default", f))
		order := func(s string) string {
			words := strings.Fields(s)
			slices.Sort(words) // of one state, those that were settled together have any order
			return strings.Join(words, " ")
		}
		if order(got) != order(want) {
			t.Errorf("%+v: %s, want %s", f, got, want)
		}
	}
	if got := names(e.jobs("default", inspect.Query{Limit: 4})); !strings.HasPrefix(got, ready+" retry:") || len(strings.Fields(got)) != 4 {
		t.Errorf("four: %s", got)
	}
	for _, j := range e.jobs("default", inspect.Query{States: inspect.States}) {
		recorded := strings.HasSuffix(j.ID, "-rec")
		if j.Recorded != recorded || j.Queue != "default" {
			t.Errorf("%+v", j)
		}
		switch {
		case j.ID == "" && string(j.Raw) != "a plain text",
			j.State == tasuki.StateDead && (time.Since(j.EndedAt) > time.Minute || j.Error != "the address is wrong"),
			j.State == tasuki.StateRetry && (time.Until(j.DueAt) < 59*time.Minute || j.Attempt != 1),
			j.State == tasuki.StateScheduled && (time.Until(j.DueAt) < 59*time.Minute || string(j.Args) != `"hello"`):
			t.Errorf("%+v", j)
		}
	}
	for address, want := range map[string]tasuki.State{
		"default/ready-rec": tasuki.StateReady, "default/ready-bare": tasuki.StateReady, "default/dead-bare": tasuki.StateDead, "default/done-rec": tasuki.StateDone,
	} {
		if j, err := e.inspector.Job(t.Context(), address); err != nil || j.State != want || j.Address() != address {
			t.Errorf("%s: %+v, %v", address, j, err)
		}
	}
	for _, address := range []string{"default/done-bare", "default/nobody", "never/nobody"} {
		if j, err := e.inspector.Job(t.Context(), address); !errors.Is(err, inspect.ErrNotFound) {
			t.Errorf("%s: %+v, %v", address, j, err)
		}
	}
	for _, f := range []inspect.Query{{States: []tasuki.State{"asleep"}}, {Limit: -1}} {
		for _, err := range e.inspector.Jobs(t.Context(), f) {
			if err == nil || !strings.Contains(err.Error(), "allowed are ") {
				t.Errorf("%+v: %v", f, err)
			}
		}
	}
}

func TestJobsThatRun(t *testing.T) {
	e := setup(t)
	started, end := make(chan bool, 2), make(chan bool)
	stop := e.work(func(ctx context.Context, job *tasuki.RawJob) error {
		started <- true
		select {
		case <-end:
		case <-ctx.Done():
		}
		return context.Cause(ctx)
	})
	for _, recorded := range []bool{false, true} {
		e.put(kind.With(tasuki.Opts{ID: fmt.Sprint("recorded-", recorded), Record: recorded}).Spec(1))
	}
	<-started
	<-started
	running := e.jobs("default", inspect.Query{})
	if len(running) != 2 {
		t.Fatalf("%s", names(running))
	}
	for _, j := range running {
		if j.State != tasuki.StateRunning || j.Worker == "" || j.Place == "" || j.Attempt != 1 || j.Recorded != (j.ID == "recorded-true") {
			t.Errorf("%+v", j)
		}
	}
	for _, what := range []inspect.Action{inspect.Retry, inspect.Remove} {
		for _, err := range e.inspector.Act(t.Context(), what, running...) {
			if !errors.Is(err, tasuki.ErrRunning) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	if done, err := e.actAll(inspect.Cancel, "default", inspect.Query{}); err != nil || done.Done != 2 {
		t.Errorf("%+v, %v", done, err)
	}
	e.wait("default", func(q inspect.Queue) bool { return q.Counts["cancelled"] == 2 })
	close(end)
	stop()
}

func TestAct(t *testing.T) {
	e := setup(t)
	e.many()
	all := e.jobs("default", inspect.Query{States: inspect.States})
	by := map[string]inspect.Job{}
	for _, j := range all {
		by[j.ID] = j
	}
	act := func(what inspect.Action, id string, want error) {
		t.Helper()
		if err := e.inspector.Act(t.Context(), what, by[id])[0]; !errors.Is(err, want) {
			t.Errorf("%s %s: %v, want %v", what, id, err, want)
		}
	}
	for _, suffix := range []string{"-bare", "-rec"} {
		act(inspect.Retry, "ready"+suffix, inspect.ErrReady)
		act(inspect.Cancel, "dead"+suffix, tasuki.ErrEnded)
		act(inspect.Retry, "dead"+suffix, nil)
		act(inspect.Retry, "retry"+suffix, nil)
		act(inspect.Cancel, "scheduled"+suffix, nil)
	}
	act(inspect.Retry, "done-rec", tasuki.ErrEnded)
	act(inspect.Retry, "dead-bare", inspect.ErrMoved)
	act(inspect.Remove, "scheduled-bare", inspect.ErrMoved)
	act(inspect.Remove, "", nil) // the plain element
	act(inspect.Remove, "", inspect.ErrMoved)
	if err := e.inspector.Act(t.Context(), "melt", by["ready-bare"])[0]; err == nil || !strings.Contains(err.Error(), "allowed are retry, cancel, remove") {
		t.Error(err)
	}
	if got := names(e.jobs("default", inspect.Query{})); strings.Count(got, "ready:") != 6 || len(strings.Fields(got)) != 6 {
		t.Errorf("%s", got)
	}
	if r, err := e.client.Get(t.Context(), "default/scheduled-rec"); err != nil || r.State != tasuki.StateCancelled {
		t.Errorf("%+v, %v", r, err)
	}
	for _, j := range e.jobs("default", inspect.Query{IDs: []string{"dead-bare", "dead-rec"}}) {
		if j.Attempt != 0 || j.Reason != "revived" {
			t.Errorf("%+v", j)
		}
	}
	ready := e.jobs("default", inspect.Query{IDs: []string{"ready-bare", "ready-rec"}})
	for _, err := range e.inspector.Reschedule(t.Context(), time.Now().Add(time.Hour), ready...) {
		if err != nil {
			t.Error(err)
		}
	}
	later := e.jobs("default", inspect.Query{States: []tasuki.State{tasuki.StateScheduled}})
	if len(later) != 2 || time.Until(later[0].DueAt) < 59*time.Minute {
		t.Errorf("%+v", later)
	}
	if done, err := e.actAll(inspect.Remove, "default", inspect.Query{}); err != nil || done != (inspect.Acted{Done: 6}) {
		t.Errorf("%+v, %v", done, err)
	}
}

// TestActAll: all that are meant, of more than a page, once each.
func TestActAll(t *testing.T) {
	e := setup(t)
	const n = 3000
	specs := make([]tasuki.Spec, n)
	for i := range specs {
		specs[i] = kind.With(tasuki.Opts{Record: i%3 == 0, Meta: map[string]string{"even": fmt.Sprint(i%2 == 0)}}).Spec(i)
	}
	if _, err := e.client.EnqueueMany(t.Context(), specs); err != nil {
		t.Fatal(err)
	}
	even := inspect.Query{Tags: []inspect.Match{{Name: "even", Value: "true"}}}
	if got := len(e.jobs("default", even)); got != n/2 {
		t.Fatalf("%d are listed", got)
	}
	some := even
	some.Limit = 10
	if done, err := e.actAll(inspect.Cancel, "default", some); err != nil || done.Done != 10 {
		t.Errorf("%+v, %v", done, err)
	}
	if done, err := e.actAll(inspect.Cancel, "default", even); err != nil || done != (inspect.Acted{Done: n/2 - 10}) {
		t.Errorf("%+v, %v", done, err)
	}
	if got := len(e.jobs("default", inspect.Query{})); got != n/2 {
		t.Errorf("%d are left", got)
	}
	e.settle(n/2, func(context.Context, *tasuki.RawJob) error { return tasuki.Kill(errors.New("no")) })
	if done, err := e.actAll(inspect.Retry, "default", inspect.Query{States: []tasuki.State{tasuki.StateDead}}); err != nil || done != (inspect.Acted{Done: n / 2}) {
		t.Errorf("%+v, %v", done, err)
	}
	if q, err := e.inspector.Queue(t.Context(), "default"); err != nil || q.Dead != 0 || q.Ready != n/2 {
		t.Errorf("%+v, %v", q, err)
	}
}

// TestActBeside: what workers take and producers put in meanwhile is neither lost nor done
// twice.
//
//fault:process an operator retries, cancels and removes jobs while workers take them | each is done, cancelled or taken away, and none twice
func TestActBeside(t *testing.T) {
	e := setup(t)
	const n = 2000
	specs := make([]tasuki.Spec, n)
	for i := range specs {
		specs[i] = kind.With(tasuki.Opts{Record: i%4 == 0}).Spec(i)
	}
	if _, err := e.client.EnqueueMany(t.Context(), specs); err != nil {
		t.Fatal(err)
	}
	ran := make(chan string, 2*n)
	stop := e.work(func(_ context.Context, job *tasuki.RawJob) error {
		ran <- job.ID
		return nil
	})
	states := []tasuki.State{tasuki.StateReady}
	gone := 0
	for range 5 {
		done, err := e.actAll(inspect.Remove, "default", inspect.Query{States: states, Limit: n / 10})
		if err != nil {
			t.Error(err)
		}
		gone += done.Done
	}
	e.wait("default", func(q inspect.Queue) bool { return q.Ready == 0 && q.Running == 0 })
	stop()
	close(ran)
	ids := map[string]bool{}
	for id := range ran {
		if ids[id] {
			t.Errorf("%s ran twice", id)
		}
		ids[id] = true
	}
	if len(ids)+gone != n {
		t.Errorf("%d ran and %d were taken away, of %d", len(ids), gone, n)
	}
}

func TestForeignListIsLeftAlone(t *testing.T) {
	e := setup(t)
	queue := "list:" + e.namespace + "-jobs"
	if err := e.client.Push(t.Context(), tasuki.Queue{List: e.namespace + "-jobs"}, []byte("x"), []byte("y")); err != nil {
		t.Fatal(err)
	}
	if got := e.jobs(queue, inspect.Query{}); len(got) != 2 || string(got[0].Raw) != "x" {
		t.Errorf("%+v", got)
	}
	if done, err := e.actAll(inspect.Remove, queue, inspect.Query{}); err == nil || !strings.Contains(err.Error(), inspect.ErrForeign.Error()) || done.Refused != 2 {
		t.Errorf("%+v, %v", done, err)
	}
}

// TestReviveRecorded: a recorded job that is revived begins anew, as RunNow has it.
func TestReviveRecorded(t *testing.T) {
	e := setup(t)
	e.put(kind.With(tasuki.Opts{ID: "a", Record: true}).Spec(1))
	e.settle(1, func(context.Context, *tasuki.RawJob) error { return tasuki.Kill(errors.New("no")) })
	if n, err := e.inspector.Revive(t.Context(), "default"); n != 1 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if r, err := e.client.Get(t.Context(), "default/a"); err != nil || r.State != tasuki.StateReady || r.Attempt != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	e.settle(2, func(context.Context, *tasuki.RawJob) error { return nil })
	if r, err := e.client.Get(t.Context(), "default/a"); err != nil || r.State != tasuki.StateDone {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestJobOfMoved: an old address is that of the job, as long as there is a job.
func TestJobOfMoved(t *testing.T) {
	e := setup(t)
	e.put(kind.With(tasuki.Opts{ID: "a", Record: true}).Spec(1))
	if _, err := e.client.Move(t.Context(), "default/a", "other"); err != nil {
		t.Fatal(err)
	}
	if j, err := e.inspector.Job(t.Context(), "default/a"); err != nil || j.Address() != "other/a" {
		t.Errorf("%+v, %v", j, err)
	}
	if err := e.client.Remove(t.Context(), "default/a"); err != nil {
		t.Fatal(err)
	}
	if j, err := e.inspector.Job(t.Context(), "default/a"); !errors.Is(err, inspect.ErrNotFound) {
		t.Errorf("%+v, %v", j, err)
	}
	if _, err := e.inspector.Log(t.Context(), "default/a", 0); !errors.Is(err, inspect.ErrNotFound) {
		t.Error(err)
	}
}

func TestLog(t *testing.T) {
	e := setup(t)
	e.put(kind.With(tasuki.Opts{ID: "a", Record: true}).Spec(1))
	e.enqueue("bare")
	e.do("HSET", "%s:{default}:rec:a", "log.2", "2 second", "log.0", "10 tenth", "log.x", "none", "log.1", "1 first")
	lines, err := e.inspector.Log(t.Context(), "default/a", 1)
	if err != nil || len(lines) != 2 || lines[0] != (inspect.LogLine{N: 2, Text: "second"}) || lines[1].N != 10 {
		t.Errorf("%+v, %v", lines, err)
	}
	if _, err := e.client.Move(t.Context(), "default/a", "other"); err != nil {
		t.Fatal(err)
	}
	if lines, err := e.inspector.Log(t.Context(), "default/a", 2); err != nil || len(lines) != 1 || lines[0].N != 10 {
		t.Errorf("of one that was moved: %+v, %v", lines, err)
	}
	for _, address := range []string{"default/bare", "default/nobody"} {
		if _, err := e.inspector.Log(t.Context(), address, 0); !errors.Is(err, inspect.ErrNotFound) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// wait waits until a queue is as is says.
func (e *env) wait(queue string, is func(q inspect.Queue) bool) {
	e.t.Helper()
	redistest.WaitFor(e.t, "queue "+queue, func() error {
		q, err := e.inspector.Queue(e.t.Context(), queue)
		if err == nil && !is(q) {
			err = fmt.Errorf("it is %+v", q)
		}
		return err
	})
}
