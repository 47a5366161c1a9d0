package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// newCluster returns an env of a Cluster. Its queues lie on several nodes.
func newCluster(t *testing.T) (*env, *redistest.Cluster) {
	t.Helper()
	c := redistest.StartCluster(t)
	return clusterEnv(t, c), c
}

func clusterEnv(t *testing.T, c *redistest.Cluster) *env {
	t.Helper()
	e := newEnv(t, c.URL())
	opt := rueidis.MustParseURL(e.url)
	opt.DisableCache = true
	redis, err := rueidis.NewClient(opt)
	if err != nil {
		t.Fatal(err)
	}
	e.redis.Close()
	e.redis = redis // one that follows redirections
	t.Cleanup(redis.Close)
	return e
}

// TestCluster leads jobs of several queues, which lie in several slots, through
// their lives.
func TestCluster(t *testing.T) {
	t.Parallel()
	e, _ := newCluster(t)
	const each = 50
	var (
		names   = []string{"mail", "images", "list:{app}jobs", "list:plain"}
		queues  []tasuki.Queue
		running recorder[string]
		done    recorder[string]
	)
	for _, name := range names {
		q := tasuki.Queue{Name: name}
		if list, ok := strings.CutPrefix(name, "list:"); ok {
			q = tasuki.Queue{List: list}
		}
		queues = append(queues, q)
	}
	w := e.worker(tasuki.WorkerConfig{Queues: queues, Backoff: soon})
	tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
		switch {
		case job.Args == -1:
			running.add(job.ID)
			<-ctx.Done()
			return context.Cause(ctx)
		case job.Args%10 == 0 && job.Attempt == 1:
			return errors.New("once more")
		case job.Fence() == 0:
			t.Error("no fence")
		}
		done.add(job.Address())
		return nil
	})
	for _, name := range names[2:] {
		tasuki.HandleRaw(w, name, func(_ context.Context, job *tasuki.RawJob) error {
			done.add(job.Queue + " " + string(job.Args))
			return nil
		})
	}
	e.run(w)

	// One call for two queues, with every way to enqueue.
	var specs []tasuki.Spec
	for i := range each {
		for _, name := range names[:2] {
			o := tasuki.Opts{Queue: name}
			switch i % 3 {
			case 1:
				o.ID = fmt.Sprint("id", i)
			case 2:
				o.In = 30 * time.Millisecond
			}
			specs = append(specs, number.With(o).Spec(i))
		}
	}
	infos, err := e.client.EnqueueMany(e.ctx, specs)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names[2:] {
		for i := range each {
			if err := e.client.Push(e.ctx, tasuki.Queue{List: strings.TrimPrefix(name, "list:")}, []byte(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
	}
	all := done.wait(t, len(names)*each)
	seen := map[string]bool{}
	for _, address := range all {
		if seen[address] {
			t.Errorf("%s was done twice", address)
		}
		seen[address] = true
	}
	for _, info := range infos {
		if !seen[info.Address()] {
			t.Errorf("%s was not done", info.Address())
		}
	}
	if info, err := number.With(tasuki.Opts{Queue: "mail", ID: "id1"}).Enqueue(e.ctx, e.client, 1); err != nil || !info.Existed {
		t.Errorf("an id that is there: %+v, %v", info, err)
	}
	for _, name := range names[:2] {
		if q := e.settled(name, each); q.Counts["retry"] != each/10 {
			t.Errorf("%s: %+v", name, q)
		}
	}

	// What is told to workers reaches them.
	info, err := number.With(tasuki.Opts{Queue: "mail"}).Enqueue(e.ctx, e.client, -1)
	if err != nil {
		t.Fatal(err)
	}
	running.wait(t, 1)
	if err := e.client.Cancel(e.ctx, info.Address()); err != nil {
		t.Fatal(err)
	}
	e.waitQueue("mail", func(q inspect.Queue) bool { return q.Counts["cancelled"] == 1 })
	if err := e.inspector.Pause(e.ctx, "images", "test"); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the pause", func() error {
		if !w.Rests("images") {
			return errors.New("it does not rest")
		}
		return nil
	})
	if _, err := number.With(tasuki.Opts{Queue: "images"}).Enqueue(e.ctx, e.client, 1); err != nil {
		t.Fatal(err)
	}
	if err := e.inspector.Resume(e.ctx, "images"); err != nil {
		t.Fatal(err)
	}
	e.settled("images", each+1)
	if strings.Contains(e.log.String(), "level=WARN msg=\"tasuki: SUBSCRIBE") {
		t.Error("the worker is not subscribed")
	}
}

// TestClusterStop: idle waits are woken on the node where they are, and what runs
// is put back.
//
//fault:process a worker on a cluster is told to stop while it waits and runs | it stops at once, and what runs goes back to the head
func TestClusterStop(t *testing.T) {
	t.Parallel()
	e, _ := newCluster(t)
	w := e.worker(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "a"}, {Name: "b"}}, Grace: -1})
	began := make(chan struct{})
	tasuki.Handle(w, number, func(ctx context.Context, _ *tasuki.Job[int]) error {
		close(began)
		<-ctx.Done()
		return context.Cause(ctx)
	})
	stop := e.run(w)
	if _, err := number.With(tasuki.Opts{Queue: "a"}).Enqueue(e.ctx, e.client, 1); err != nil {
		t.Fatal(err)
	}
	<-began
	redistest.WaitFor(t, "the waits", func() error {
		if !w.Waits("b") || w.ClientID("b") == 0 {
			return errors.New("it does not wait")
		}
		return nil
	})
	start := time.Now()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the stop took %v: it waited for something", took)
	}
	if q := e.queue("a"); q.Ready != 1 || q.Counts["release"] != 1 || q.Workers != 0 {
		t.Errorf("%+v: want the job back", q)
	}
}

// TestClusterDeath: a process that is killed is noticed by its sharded subscription,
// long before its counter has stood still for half a minute.
//
//fault:process a worker on a cluster is killed with kill -9 | its jobs run again within seconds
func TestClusterDeath(t *testing.T) {
	t.Parallel()
	e, _ := newCluster(t)
	mail := number.With(tasuki.Opts{Queue: "mail"})
	e.enqueue(mail, 5)
	p := e.startProcess(processConfig{Queues: []tasuki.Queue{{Name: "mail"}}, Concurrency: 5, Do: "hold"})
	p.wait("start", 5)
	w := e.worker(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "mail"}, {Name: "images"}}})
	got := collect(w, number)
	e.run(w)
	redistest.WaitFor(t, "the second worker", func() error {
		if n := len(e.workers("mail")); n != 2 {
			return fmt.Errorf("%d workers", n)
		}
		return nil
	})
	p.kill()
	killed := time.Now()
	got.wait(t, 5)
	if took := time.Since(killed); took > 20*time.Second {
		t.Errorf("it took %v: nobody saw that the subscription was gone", took)
	}
	if q := e.settled("mail", 5); q.Counts["crashed"] != 5 {
		t.Errorf("%+v", q)
	}
}

// TestMoveInCluster moves jobs between queues that lie on several nodes.
func TestMoveInCluster(t *testing.T) {
	t.Parallel()
	e, _ := newCluster(t)
	k := number.With(tasuki.Opts{Record: true, Queue: "q0"})
	info, err := k.Enqueue(e.ctx, e.client, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		if _, err := e.client.Move(e.ctx, info.Address(), fmt.Sprint("q", i+1)); err != nil {
			t.Fatal(err)
		}
	}
	wait := e.waiting(e.client, info.Address())
	w := e.worker(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "q6"}}})
	collect(w, number)
	e.run(w)
	if r, err := wait(); err != nil || r.State != tasuki.StateDone || r.Queue != "q6" {
		t.Errorf("%+v, %v", r, err)
	}
}
