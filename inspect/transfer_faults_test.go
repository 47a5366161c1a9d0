package inspect_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestTransferCut: connections to both servers are cut, and replies are lost, again and again.
// Every job is in one of both places all the time, and in the end once in the other.
//
//fault:network a connection is cut, or a reply is lost, while jobs move to another server | each job is in one of both places at least; the same call again finishes the move, and puts nothing in twice
func TestTransferCut(t *testing.T) {
	t.Parallel()
	near, far := redistest.Start(t), redistest.Start(t)
	e, o := on(t, near.URL()), on(t, far.URL())
	proxies := []*redistest.Proxy{redistest.StartProxy(t, near), redistest.StartProxy(t, far)}
	cut := []*env{{t: t, namespace: e.namespace}, {t: t, namespace: o.namespace}}
	for n, p := range proxies {
		cut[n].client = cut[n].open(p.URL())
		cut[n].inspector = inspect.New(cut[n].client)
	}
	const jobs = 6000
	var specs []tasuki.Spec
	for n := range jobs {
		opts := tasuki.Opts{Record: n%10 == 0}
		if n%4 == 0 {
			opts.In = 1 << 42 // more than an hour
		}
		if n%4 == 1 {
			opts.In = 1 << 37 // some minutes
		}
		specs = append(specs, kind.With(opts).Spec(n))
	}
	infos, err := e.client.EnqueueMany(t.Context(), specs)
	if err != nil {
		t.Fatal(err)
	}
	due := map[string]int64{}
	for _, j := range e.jobs("default", inspect.Query{}) {
		if !j.DueAt.IsZero() {
			due[j.ID] = j.DueAt.UnixMilli()
		}
	}
	where := func(e *env) map[string]int {
		ids := map[string]int{}
		for _, j := range e.jobs("default", inspect.Query{}) {
			ids[j.ID]++
		}
		return ids
	}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	var lock sync.Mutex
	doom := func(command []string) redistest.Fate {
		lock.Lock()
		defer lock.Unlock()
		one := 5000 // of what only reads, of which there is more
		if strings.HasPrefix(strings.ToUpper(command[0]), "EVAL") {
			one = 40
		}
		switch random.IntN(one) {
		case 0:
			return redistest.Cut
		case 1:
			return redistest.Refuse
		}
		return redistest.Pass
	}
	failures := 0
	for runs := 0; ; runs++ {
		if runs < 12 {
			for _, p := range proxies {
				p.Decide(doom)
			}
		} else {
			for _, p := range proxies {
				p.Decide(nil)
			}
		}
		_, err := cut[0].inspector.Transfer(t.Context(), "default", cut[1].inspector, nil)
		here, there := where(e), where(o)
		for _, info := range infos {
			if here[info.ID]+there[info.ID] == 0 {
				t.Fatalf("seed %d: %s is nowhere after %d runs: %v", seed, info.ID, runs, err)
			}
			if there[info.ID] > 1 {
				t.Fatalf("seed %d: %s is there %d times", seed, info.ID, there[info.ID])
			}
		}
		if err == nil && runs >= 3 {
			break
		}
		if err != nil {
			failures++
		}
		if runs > 30 {
			t.Fatalf("it does not end: %v", err)
		}
	}
	if failures == 0 {
		t.Error("nothing was cut")
	}
	for _, p := range proxies {
		p.Decide(nil)
	}
	e.transfer("default", o, nil)
	if left := where(e); len(left) != 0 {
		t.Errorf("seed %d: left are %v", seed, fmt.Sprint(left)[:min(len(fmt.Sprint(left)), 300)])
	}
	got := map[string]int64{}
	for _, j := range o.jobs("default", inspect.Query{}) {
		if !j.DueAt.IsZero() {
			got[j.ID] = j.DueAt.UnixMilli()
		}
	}
	if there := where(o); len(there) != jobs {
		t.Errorf("seed %d: %d are there", seed, len(there))
	}
	if !maps.Equal(got, due) {
		t.Errorf("seed %d: they are due at other times: %d and %d", seed, len(got), len(due))
	}
	e.checked()
	o.checked()
	t.Logf("%d runs failed", failures)
}

// TestTransferBesideWorkers: while workers run on both sides, each job runs once, here or there.
func TestTransferBesideWorkers(t *testing.T) {
	e := setup(t)
	o := e.other()
	const jobs = 4000
	var lock sync.Mutex
	var once sync.Once
	runs, moving := map[string]int{}, make(chan struct{})
	h := func(ctx context.Context, job *tasuki.RawJob) error {
		// One in ten waits, so that workers that are quicker leave something to move.
		if bytes.HasSuffix(job.Args, []byte("0")) {
			select {
			case <-moving:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		lock.Lock()
		defer lock.Unlock()
		runs[job.ID]++
		return nil
	}
	var specs []tasuki.Spec
	for n := range jobs {
		opts := tasuki.Opts{Record: n%8 == 0}
		if n%4 == 0 {
			opts.In = time.Millisecond * time.Duration(n)
		}
		specs = append(specs, kind.With(opts).Spec(n))
	}
	if _, err := e.client.EnqueueMany(t.Context(), specs); err != nil {
		t.Fatal(err)
	}
	stopHere, stopThere := e.work(h), o.work(h)
	var total inspect.Transferred
	redistest.WaitFor(t, "all to have run", func() error {
		done := e.transfer("default", o, &inspect.TransferConfig{Progress: func(done inspect.Transferred) {
			if done.Moved > 0 {
				once.Do(func() { close(moving) })
			}
		}})
		total.Moved += done.Moved
		total.Doubled += done.Doubled
		total.Refused += done.Refused
		lock.Lock()
		defer lock.Unlock()
		if len(runs) < jobs {
			return fmt.Errorf("%d have", len(runs))
		}
		return nil
	})
	stopHere()
	stopThere()
	for id, n := range runs {
		if n != 1 {
			t.Errorf("%s has run %d times", id, n)
		}
	}
	if total.Moved == 0 || total.Doubled > 0 || total.Refused > 0 {
		t.Errorf("%+v", total)
	}
	e.checked()
	o.checked()
}
