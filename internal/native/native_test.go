package native_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/embedded"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/native"
	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/internal/source"
	"github.com/tasuki-dev/tasuki/internal/source/sourcetest"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

func TestMain(m *testing.M) { redistest.Main(m) }

// TestSource holds the source of tasuki's own format to the contract: for a queue
// of its own and for lists of other programs, on Redis and on the embedded server.
func TestSource(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		queue string
		tail  bool
	}{
		"queue":     {"mail", false},
		"list":      {"list:%s-jobs", false},
		"list tail": {"list:%s-jobs", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("redis", func(t *testing.T) {
				t.Parallel()
				sourcetest.Test(t, func(t *testing.T) *sourcetest.Queue {
					return open(t, redistest.Shared(t).URL(), tt.queue, tt.tail)
				})
			})
			t.Run("embedded", func(t *testing.T) {
				t.Parallel()
				sourcetest.Test(t, func(t *testing.T) *sourcetest.Queue {
					srv, err := embedded.Start("127.0.0.1:0")
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { srv.Close() })
					return open(t, srv.URL(), tt.queue, tt.tail)
				})
			})
		})
	}
}

// TestWaitOutlivesLease: what is handed to an incarnation that has ended while it
// waited nobody may run; it goes back, and its successor claims it.
func TestWaitOutlivesLease(t *testing.T) {
	t.Parallel()
	q := open(t, redistest.Shared(t).URL(), "mail", false)
	src := q.Source.(*native.Source)
	type handed struct {
		d   *source.Delivery
		err error
	}
	waited := make(chan handed, 1)
	go func() {
		d, err := src.Wait(context.Background())
		waited <- handed{d, err}
	}()
	redistest.WaitFor(t, "the wait", func() error {
		if src.ClientID() == 0 {
			return errors.New("it is not connected")
		}
		return nil
	})
	q.EndLease(t)
	exchange := func(r source.Request) *source.Reply {
		t.Helper()
		reply, err := src.Exchange(t.Context(), &r)
		if err != nil {
			t.Fatal(err)
		}
		return reply
	}
	lost := exchange(source.Request{}).Lost
	if lost == 0 {
		t.Fatal("the loss of the lease is not told")
	}
	q.Push(t, q.Element(1))
	if got := <-waited; got.d != nil || got.err != nil {
		t.Errorf("Wait has brought %+v, %v: want nothing", got.d, got.err)
	}
	claimed := exchange(source.Request{Want: 1, Strays: true}).Claimed
	if len(claimed) != 1 || claimed[0].Element != q.Element(1) || claimed[0].Tag < lost {
		t.Fatalf("claimed were %+v: want the job, under a tag from %d on", claimed, lost)
	}
	if reply := exchange(source.Request{Done: []source.Tag{claimed[0].Tag}}); reply.Settled != 1 || reply.Held != 0 {
		t.Errorf("%+v: want it done", reply)
	}
	if err := src.Leave(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestLeavesAfterLostEntry: whoever does not know whether it has entered a queue leaves it.
//
//fault:network the reply is lost with which a worker enters a queue, and the queue is removed | the worker is none of its workers
func TestLeavesAfterLostEntry(t *testing.T) {
	t.Parallel()
	proxy, s, q := proxied(t)
	if _, err := s.Register(t.Context(), q, "another", ""); err != nil { // the server knows the script now
		t.Fatal(err)
	}
	cut := proxy.Once(redistest.Cut, func(c []string) bool { return c[0] == "EVALSHA" && slices.Contains(c, "me") })
	src := native.New(s, q, "me", func(message string, err error) { t.Errorf("warned: %s: %v", message, err) })
	if _, err := src.Exchange(t.Context(), &source.Request{}); !errors.Is(err, store.ErrUncertain) {
		t.Fatalf("it has entered: %v", err)
	}
	<-cut
	if err := src.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	members, err := s.Members(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if len(members) != 2 {
		t.Errorf("%+v are registered: want both, this one with the time at which its lease ended", members)
	}
	for _, m := range members {
		if m.Incarnation == "me" && m.Ended.IsZero() {
			t.Error("it is still one of the queue's workers")
		}
	}
}

// TestTagsOfUnsentAcceptances: an acceptance that never left has used up no tag, however
// long Redis was away.
func TestTagsOfUnsentAcceptances(t *testing.T) {
	t.Parallel()
	proxy := redistest.StartProxy(t, redistest.Start(t))
	var down atomic.Bool
	var dialer net.Dialer
	s, err := store.New(store.Options{URL: proxy.URL(), Namespace: "t", Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if down.Load() {
			return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
		}
		return dialer.DialContext(ctx, network, address)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	q, err := s.Queue("mail")
	if err != nil {
		t.Fatal(err)
	}
	src := native.New(s, q, "me", func(message string, err error) { t.Errorf("warned: %s: %v", message, err) })
	if _, err := src.Exchange(t.Context(), &source.Request{}); err != nil {
		t.Fatal(err)
	}
	handed := &source.Request{Handed: &source.Delivery{Tag: store.FirstTag, Element: "x"}}
	down.Store(true)
	proxy.CutAll()
	for i := range 10 {
		if _, err := src.Exchange(t.Context(), handed); err == nil {
			t.Fatalf("exchange %d has worked without a server", i)
		}
	}
	tags := make(chan int, 1)
	proxy.Once(redistest.Pass, func(c []string) bool {
		const keys, argument = 13, 8 // of fetch.lua
		if c[0] != "EVALSHA" || c[2] != fmt.Sprint(keys) {
			return false
		}
		tags <- len(c[2+keys+argument]) / 13
		return true
	})
	down.Store(false)
	redistest.WaitFor(t, "an exchange", func() error {
		_, err := src.Exchange(t.Context(), handed)
		return err
	})
	// The first may have been on a connection that was just being cut.
	if n := <-tags; n < 1 || n > 2 {
		t.Errorf("the acceptance brings %d tags, want one or two", n)
	}
	if err := src.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestAnswersOvertake schedules a job while the answer to an exchange from before is on
// its way: that one knows nothing of the job, and comes after the alarm.
//
//fault:network an answer that knows nothing of a scheduled job overtakes the alarm for it | the job is due in time
func TestAnswersOvertake(t *testing.T) {
	t.Parallel()
	proxy, s, q := proxied(t)
	src := native.New(s, q, "me", func(message string, err error) { t.Errorf("warned: %s: %v", message, err) })
	var running sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer running.Wait()
	defer cancel()
	running.Go(func() { src.Run(ctx) })
	if _, err := src.Exchange(t.Context(), &source.Request{}); err != nil {
		t.Fatal(err)
	}
	const exchangeKeys, dueKeys = "13", "6" // of fetch.lua and fetch_due.lua
	answered, looked := make(chan struct{}), make(chan struct{}, 10)
	var late atomic.Bool
	proxy.Decide(func(c []string) redistest.Fate {
		if len(c) > 2 && c[0] == "EVALSHA" && c[2] == dueKeys {
			looked <- struct{}{}
		}
		return redistest.Pass
	})
	proxy.Alter(func(c []string, reply []byte) []byte {
		if len(c) > 2 && c[0] == "EVALSHA" && c[2] == exchangeKeys && late.CompareAndSwap(false, true) {
			close(answered)
		}
		return reply
	})
	proxy.Delay(func() time.Duration {
		if late.Load() {
			return 0
		}
		return 700 * time.Millisecond
	})
	running.Go(func() {
		if _, err := src.Exchange(t.Context(), &source.Request{}); err != nil {
			t.Error(err)
		}
	})
	<-answered
	const in = 1500 * time.Millisecond
	if _, err := s.Enqueue(t.Context(), q, time.Hour, 100, []store.Put{{Element: `{"id":"x","kind":"k","token":"t"}`, In: in}}); err != nil {
		t.Fatal(err)
	}
	<-looked // the alarm was heard
	redistest.WaitLong(t, 10*time.Second, "the job to be ready", func() error {
		v, err := s.Survey(t.Context(), q)
		if err == nil && v.Ready != 1 {
			err = fmt.Errorf("%d are ready", v.Ready)
		}
		return err
	})
	cancel()
	running.Wait()
	if err := src.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// proxied returns a queue of a server of its own, and the proxy between.
func proxied(t *testing.T) (*redistest.Proxy, *store.Store, *store.Queue) {
	t.Helper()
	proxy := redistest.StartProxy(t, redistest.Start(t))
	s, err := store.New(store.Options{URL: proxy.URL(), Namespace: "t"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	q, err := s.Queue("mail")
	if err != nil {
		t.Fatal(err)
	}
	return proxy, s, q
}

// open returns an empty queue in a namespace of its own, which is checked at the
// end.
func open(t *testing.T, url, name string, tail bool) *sourcetest.Queue {
	namespace := "t" + wire.NewIncarnation()
	if name != "mail" {
		name = fmt.Sprintf(name, namespace)
	}
	s, err := store.New(store.Options{URL: url, Namespace: namespace})
	if err != nil {
		t.Fatal(err)
	}
	q, err := s.Queue(name)
	if err != nil {
		t.Fatal(err)
	}
	q.Tail = tail
	client, err := tasuki.Open(url, &tasuki.ClientConfig{Namespace: namespace})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		problems, err := inspect.New(client).Check(context.Background())
		for _, p := range problems {
			t.Errorf("check: %v", p)
		}
		if err != nil {
			t.Errorf("check: %v", err)
		}
		client.Close()
		s.Close()
	})
	worker := wire.NewIncarnation()
	// Due jobs of a foreign list lie where no wait notices them: its workers are
	// told on the queue's channel.
	var bell chan struct{}
	if q.Foreign {
		bell = make(chan struct{}, 1)
		pulse := s.Pulse(worker, func(string, string) {
			select {
			case bell <- struct{}{}:
			default:
			}
		})
		if _, err := pulse.Beat(t.Context(), true, func() []string { return []string{q.Channel} }); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			pulse.Close()
			if err := s.Retire(context.Background(), worker); err != nil {
				t.Error(err)
			}
		})
	}
	return &sourcetest.Queue{
		Source: native.New(s, q, worker, func(message string, err error) { t.Errorf("warned: %s: %v", message, err) }),
		Element: func(n int) string {
			j := wire.Job{ID: fmt.Sprintf("n%04d", n), Kind: "k", Token: "t"}
			return j.Element()
		},
		Push: func(t testing.TB, elements ...string) {
			t.Helper()
			if err := s.Push(context.Background(), q, elements); err != nil {
				t.Fatal(err)
			}
		},
		Bell: bell,
		EndLease: func(t testing.TB) {
			t.Helper()
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			if err := s.Tombstone(ctx, q, worker); err != nil {
				t.Fatal(err)
			}
			left, err := s.Orphans(ctx, q, worker, 500)
			if err != nil {
				t.Fatal(err)
			}
			var back []store.PutBack
			for _, l := range left {
				back = append(back, store.PutBack{Left: l, To: "ready", As: "crashed", Element: l.Element})
			}
			if n, ended, err := s.Sweep(ctx, q, worker, back); err != nil || !ended || n != len(back) {
				t.Fatalf("%d of %d were swept, %v", n, len(back), err)
			}
		},
	}
}
