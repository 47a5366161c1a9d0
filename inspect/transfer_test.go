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

// other is a second namespace, which stands for another server.
func (e *env) other() *env {
	e.t.Helper()
	o := &env{t: e.t, namespace: redistest.Namespace(e.t), server: e.server}
	o.client = o.open(o.server.As(e.t, "worker", o.namespace))
	o.inspector = inspect.New(o.open(o.server.As(e.t, "operator", o.namespace)))
	return o
}

func (e *env) transfer(queue string, to *env, cfg *inspect.TransferConfig) inspect.Transferred {
	e.t.Helper()
	done, err := e.inspector.Transfer(e.t.Context(), queue, to.inspector, cfg)
	if err != nil {
		e.t.Fatal(err)
	}
	return done
}

// sorted are states and ids of all jobs of a queue.
func (e *env) sorted(queue string) string {
	e.t.Helper()
	words := strings.Fields(names(e.jobs(queue, inspect.Query{})))
	slices.Sort(words)
	return strings.Join(words, " ")
}

// TestTransfer: jobs in all states go to another server, bare ones and recorded ones, with all
// that they are.
func TestTransfer(t *testing.T) {
	e := setup(t)
	o := e.other()
	e.many()
	e.put(kind.With(tasuki.Opts{ID: "unique", Unique: tasuki.Unique{Mode: tasuki.UniqueUntilDone, Key: "x"}}).Spec(1))
	before := map[string]inspect.Job{}
	for _, j := range e.jobs("default", inspect.Query{}) {
		before[j.ID] = j
	}
	var told []inspect.Transferred
	done := e.transfer("default", o, &inspect.TransferConfig{To: "there", Progress: func(done inspect.Transferred) { told = append(told, done) }})
	if want := (inspect.Transferred{Moved: 10}); done != want || len(told) == 0 || told[len(told)-1] != want {
		t.Errorf("%+v, want %+v; told %+v", done, want, told)
	}
	if left := e.sorted("default"); left != "" {
		t.Errorf("left are %s", left)
	}
	got := o.jobs("there", inspect.Query{})
	if len(got) != 10 {
		t.Errorf("there are %s", names(got))
	}
	plain := 0
	for _, j := range got {
		was, ok := before[j.ID]
		if j.Raw != nil && string(j.Raw) == "a plain text" {
			plain++
			continue
		}
		if !ok || j.State != was.State || j.Recorded != was.Recorded || string(j.Args) != string(was.Args) || j.Attempt != was.Attempt || j.Error != was.Error ||
			!j.DueAt.Equal(was.DueAt) || !j.EnqueuedAt.Equal(was.EnqueuedAt) || len(j.Runs) != len(was.Runs) || fmt.Sprint(j.Meta) != fmt.Sprint(was.Meta) {
			t.Errorf("it was %+v\nand is %+v", was, j)
		}
		if j.Recorded {
			if _, err := e.client.Get(t.Context(), "default/"+j.ID); !errors.Is(err, tasuki.ErrNotFound) {
				t.Errorf("%s: %v", j.ID, err)
			}
		}
	}
	if plain != 1 {
		t.Errorf("%d plain elements", plain)
	}
	// Ids that callers have given are known there, and the key is taken there and free here.
	infos, err := o.client.EnqueueMany(t.Context(), []tasuki.Spec{kind.With(tasuki.Opts{ID: "ready-bare", Queue: "there"}).Spec(1)})
	if err != nil || !infos[0].Existed {
		t.Errorf("%+v, %v", infos, err)
	}
	if locks, err := redistest.All(o.inspector.Locks(t.Context(), "there")); err != nil || len(locks) != 1 || locks[0].Owner != "unique" {
		t.Errorf("%+v, %v", locks, err)
	}
	if locks, err := redistest.All(e.inspector.Locks(t.Context(), "default")); err != nil || len(locks) != 0 {
		t.Errorf("%+v, %v", locks, err)
	}
	e.checked()
	o.checked()

	// They run there, and what was dead can be revived.
	if n, err := o.inspector.Revive(t.Context(), "there"); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	ran := make(chan string, 100)
	w, err := tasuki.NewWorker(o.client, &tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "there"}}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	h := func(_ context.Context, job *tasuki.RawJob) error { ran <- job.ID; return nil }
	tasuki.HandleOther(w, h)
	tasuki.HandleRaw(w, "there", h)
	stop := redistest.Run(t, w.Run)
	o.wait("there", func(q inspect.Queue) bool { return q.Counts["done"] == 6 })
	stop()
	if len(ran) != 6 {
		t.Errorf("%d ran", len(ran))
	}
	if done := e.transfer("default", o, &inspect.TransferConfig{To: "there"}); done != (inspect.Transferred{}) {
		t.Errorf("again: %+v", done)
	}
}

// TestTransferWithin: to another queue of the namespace; old addresses of recorded jobs lead on.
func TestTransferWithin(t *testing.T) {
	e := setup(t)
	e.many()
	done := e.transfer("default", e, &inspect.TransferConfig{To: "bulk"})
	if want := (inspect.Transferred{Moved: 9}); done != want {
		t.Errorf("%+v", done)
	}
	if left := e.sorted("default"); left != "" {
		t.Errorf("left are %s", left)
	}
	if r, err := e.client.Get(t.Context(), "default/ready-rec"); err != nil || r.Address() != "bulk/ready-rec" {
		t.Errorf("%+v, %v", r, err)
	}
	if got := e.sorted("bulk"); !strings.HasPrefix(got, "dead:dead-bare dead:dead-rec ready: ready:ready-bare ready:ready-rec retry:retry-bare") {
		// The plain one has got an id.
		if !strings.Contains(got, "dead:dead-bare dead:dead-rec ready:") || len(strings.Fields(got)) != 9 {
			t.Errorf("there are %s", got)
		}
	}
	e.checked()
}

// TestTransferRefused: what the other queue has already stays, and is where it was.
func TestTransferRefused(t *testing.T) {
	e := setup(t)
	o := e.other()
	for _, recorded := range []bool{false, true} {
		id := fmt.Sprint("same-", recorded)
		e.put(kind.With(tasuki.Opts{ID: id, Record: recorded}).Spec(1))
		e.put(kind.With(tasuki.Opts{ID: "later-" + id, Record: recorded, In: time.Hour}).Spec(1))
		e.put(kind.With(tasuki.Opts{ID: "soon-" + id, Record: recorded, In: time.Minute}).Spec(1))
		for _, prefix := range []string{"", "later-", "soon-"} {
			o.put(kind.With(tasuki.Opts{ID: prefix + id, Record: recorded}).Spec(2))
		}
	}
	e.put(kind.With(tasuki.Opts{ID: "locked", Unique: tasuki.Unique{Mode: tasuki.UniqueQueued, Key: "x"}}).Spec(1))
	o.put(kind.With(tasuki.Opts{ID: "owner", Unique: tasuki.Unique{Mode: tasuki.UniqueQueued, Key: "x"}}).Spec(1))
	e.put(kind.With(tasuki.Opts{ID: "goes"}).Spec(1))
	before := map[string]time.Time{}
	for _, j := range e.jobs("default", inspect.Query{}) {
		before[j.ID] = j.DueAt
	}
	if done := e.transfer("default", o, nil); done != (inspect.Transferred{Moved: 1, Refused: 7}) {
		t.Errorf("%+v", done)
	}
	for _, j := range e.jobs("default", inspect.Query{}) {
		if due, ok := before[j.ID]; !ok || !due.Equal(j.DueAt) {
			t.Errorf("%s was due at %v, and is %s at %v", j.ID, due, j.State, j.DueAt)
		}
	}
	if got := e.sorted("default"); got != "ready:locked ready:same-false ready:same-true scheduled:later-same-false scheduled:later-same-true scheduled:soon-same-false scheduled:soon-same-true" {
		t.Errorf("there are %s", got)
	}
	e.checked()
	o.checked()
}

// TestTransferFilter: only what is meant goes, in its order.
func TestTransferFilter(t *testing.T) {
	e := setup(t)
	o := e.other()
	var want []string
	var specs []tasuki.Spec
	for n := range 3000 {
		k := kind
		if n%3 == 0 {
			k = tasuki.Define[int]("other")
		}
		spec := k.With(tasuki.Opts{ID: fmt.Sprintf("j%05d", n), Record: n%7 == 0}).Spec(n)
		specs = append(specs, spec)
	}
	if _, err := e.client.EnqueueMany(t.Context(), specs); err != nil {
		t.Fatal(err)
	}
	for _, j := range e.jobs("default", inspect.Query{Kinds: []string{kind.Name()}}) {
		want = append(want, j.ID)
	}
	f := inspect.Query{Kinds: []string{kind.Name()}, Limit: 1500}
	if done := e.transfer("default", o, &inspect.TransferConfig{Query: f}); done.Moved != 1500 {
		t.Errorf("%+v", done)
	}
	f.Limit = 0
	if done := e.transfer("default", o, &inspect.TransferConfig{Query: f}); done.Moved != 500 {
		t.Errorf("%+v", done)
	}
	var got []string
	for _, j := range o.jobs("default", inspect.Query{}) {
		got = append(got, j.ID)
	}
	if !slices.Equal(got, want) {
		at := 0
		for at < min(len(got), len(want)) && got[at] == want[at] {
			at++
		}
		t.Errorf("%d came in, want %d; they differ at %d", len(got), len(want), at)
	}
	if q, err := e.inspector.Queue(t.Context(), "default"); err != nil || q.Ready != 1000 {
		t.Errorf("%+v, %v", q, err)
	}
	for _, test := range []struct {
		queue, want string
		cfg         inspect.TransferConfig
	}{
		{"a b", `"a b"`, inspect.TransferConfig{}},
		{"default", `"a b"`, inspect.TransferConfig{To: "a b"}},
		{"default", "state: running: allowed are suspect, ready", inspect.TransferConfig{Query: inspect.Query{States: []tasuki.State{tasuki.StateRunning}}}},
		{"list:x", "the list of another program", inspect.TransferConfig{To: "y"}},
	} {
		if _, err := e.inspector.Transfer(t.Context(), test.queue, o.inspector, &test.cfg); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v", test, err)
		}
	}
	if _, err := e.inspector.Transfer(t.Context(), "default", e.inspector, nil); err == nil || !strings.Contains(err.Error(), "the jobs are there") {
		t.Errorf("onto itself: %v", err)
	}
}
