package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// isScript recognises the call of a script.
func isScript(t testing.TB, name string) func(command []string) bool {
	t.Helper()
	return redistest.IsScript(t, "internal/store/lua/"+name+".lua")
}

func isCommand(name string) func(command []string) bool {
	return func(command []string) bool { return command[0] == name }
}

// claims tells whether a call of fetch is the first that a new server does, for it does
// not know the script before, and wants jobs: that is the second of ARGV.
func claims(command []string) bool { return command[0] == "EVAL" && command[17] != "0" }

// proxied returns an env whose client reaches a server of its own through a
// proxy; redis-cli and inspect go past it.
func proxied(t *testing.T, args ...string) (*env, *redistest.Server, *redistest.Proxy) {
	t.Helper()
	s := redistest.Start(t, args...)
	p := redistest.StartProxy(t, s)
	e := newEnv(t, s.URL())
	e.url = p.URL()
	e.client = e.open(nil)
	return e, s, p
}

// TestLostClaim loses the reply of a claim: the worker finds what it was given
// and runs it, once.
//
//fault:network the reply of a claim is lost, with the connection or without | the same worker finds what it was given, and runs each job once
func TestLostClaim(t *testing.T) {
	for _, fate := range []redistest.Fate{redistest.Cut, redistest.Swallow} {
		t.Run(fmt.Sprint(fate), func(t *testing.T) {
			t.Parallel()
			e, _, proxy := proxied(t)
			isFetch := isScript(t, "fetch")
			hit := proxy.Once(fate, func(c []string) bool { return isFetch(c) && claims(c) })
			e.enqueue(number, 10)
			w := e.worker(tasuki.WorkerConfig{Concurrency: 10})
			got := collect(w, number)
			e.run(w)
			<-hit
			got.wait(t, 10)
			q := e.settled("default", 10)
			if n := len(got.get()); n != 10 || q.Counts["crashed"] != 0 {
				t.Errorf("%d runs, %+v; want each job once, by the same worker", n, q)
			}
		})
	}
}

// TestLostHandOver loses the reply of a BLMOVE that has moved a job.
//
//fault:network the reply of a wait that has brought a job is lost | the same worker finds the job and runs it once
func TestLostHandOver(t *testing.T) {
	t.Parallel()
	e, _, proxy := proxied(t)
	w := e.worker(tasuki.WorkerConfig{})
	got := collect(w, number)
	e.run(w)
	for i := range 10 {
		hit := proxy.Once(redistest.Cut, isCommand("BLMOVE"))
		redistest.WaitFor(t, "a wait", func() error {
			if !w.Waits("default") || w.ClientID("default") == 0 {
				return errors.New("it does not wait")
			}
			return nil
		})
		e.enqueue(number, 1) // it ends the wait that is under way, or the next
		got.wait(t, i+1)
		select {
		case <-hit:
		default: // the fate comes to the next one
		}
	}
	proxy.Decide(nil)
	q := e.settled("default", 10)
	if n := len(got.get()); n != 10 || q.Counts["crashed"] != 0 {
		t.Errorf("%d runs, %+v", n, q)
	}
}

// TestLostClaimOfSuspect loses the reply that brought a job with two crashes behind it,
// so that the worker claims the next of them before it finds the first.
//
//fault:process the claim of a job with two crashes behind it is lost | its worker still runs one of these at a time
func TestLostClaimOfSuspect(t *testing.T) { // alone: the process has one place for all its tests
	e, server, proxy := proxied(t)
	isFetch := isScript(t, "fetch")
	proxy.Once(redistest.Cut, func(c []string) bool { return isFetch(c) && claims(c) })
	for i := range 2 {
		e.do("RPUSH", e.key("default", "suspect"), fmt.Sprintf(`{"id":"s%d","kind":"number","crashes":2,"token":"t%d","args":%d}`, i, i, i))
	}
	w := e.worker(tasuki.WorkerConfig{Concurrency: 5})
	var running, most atomic.Int64
	goOn := make(chan struct{})
	tasuki.Handle(w, number, func(context.Context, *tasuki.Job[int]) error {
		most.Store(max(running.Add(1), most.Load()))
		<-goOn
		running.Add(-1)
		return nil
	})
	e.run(w)
	redistest.WaitFor(t, "the other to be put back", func() error {
		if most.Load() == 2 {
			return nil // too late
		}
		if n := server.Do(t, "LLEN", e.key("default", "suspect")); running.Load() != 1 || n != ":1" {
			return fmt.Errorf("%d run, %s are left", running.Load(), n)
		}
		return nil
	})
	close(goOn)
	e.settled("default", 2)
	if most.Load() != 1 {
		t.Errorf("%d suspects at a time", most.Load())
	}
}

// TestLateAcceptance holds up the call that accepts what was handed over, on a
// connection that the worker has given up, until another job with the same bytes is
// handed over: it must not take that one for the first, which is done.
//
//fault:network a packet of a connection that was given up comes late | no job is lost, also not one of several with the same bytes
func TestLateAcceptance(t *testing.T) {
	t.Parallel()
	e, server, proxy := proxied(t)
	w := e.worker(tasuki.WorkerConfig{Concurrency: 1})
	var runs atomic.Int64
	tasuki.HandleRaw(w, "default", func(ctx context.Context, _ *tasuki.RawJob) error {
		if runs.Add(1) == 2 {
			<-ctx.Done() // it does not end before the late call is there
			return context.Cause(ctx)
		}
		return nil
	})
	const handed = 22 // where this of ARGV is in the command
	isFetch := isScript(t, "fetch")
	var held, sent atomic.Pointer[[]string]
	proxy.Decide(func(c []string) redistest.Fate {
		if !isFetch(c) || c[handed] == "" {
			return redistest.Pass
		}
		if held.CompareAndSwap(nil, &c) {
			return redistest.Refuse
		}
		if runs.Load() > 1 && sent.CompareAndSwap(nil, &c) {
			server.Do(t, (*held.Load())...)
		}
		return redistest.Pass
	})
	e.run(w)
	push := func() {
		redistest.WaitFor(t, "a wait", func() error {
			if !w.Waits("default") || w.ClientID("default") == 0 {
				return errors.New("it does not wait")
			}
			return nil
		})
		server.Do(t, "RPUSH", e.namespace+":{default}", "x")
	}
	push()
	e.settled("default", 1)
	push()
	e.settled("default", 2)
	if n := runs.Load(); n != 3 || sent.Load() == nil {
		t.Errorf("%d runs: want the first job's, one of the second that was lost, and one that ended", n)
	}
}

// TestLostSettle loses the reply of a call that settles: it is sent again, and
// changes nothing.
//
//fault:network the reply of a call that settles is lost | it is sent again and changes nothing more; no job runs again
func TestLostSettle(t *testing.T) {
	t.Parallel()
	e, _, proxy := proxied(t)
	w := e.worker(tasuki.WorkerConfig{Concurrency: 5, MaxAttempts: 2, Backoff: soon})
	var runs atomic.Int64
	tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
		runs.Add(1)
		if job.Args%2 == 0 {
			return errors.New("no")
		}
		return nil
	})
	e.run(w)
	isFetch := isScript(t, "fetch")
	var cut atomic.Int64
	proxy.Decide(func(c []string) redistest.Fate {
		if isFetch(c) && len(c) > 26 && rand.IntN(3) == 0 { // it carries outcomes
			cut.Add(1)
			return redistest.Cut
		}
		return redistest.Pass
	})
	e.enqueue(number, 200)
	q := e.settled("default", 200)
	if q.Dead != 100 || q.Counts["done"] != 100 || q.Counts["retry"] != 100 || runs.Load() != 300 {
		t.Errorf("%d runs, %+v; want 100 done, 100 retried once and dead", runs.Load(), q)
	}
	if cut.Load() == 0 {
		t.Error("no reply was cut")
	}
	t.Logf("%d replies were cut", cut.Load())
}

// TestLostEnqueue loses the reply of an enqueue in every form.
//
//fault:network the reply of an enqueue is lost | it answers ErrUncertain; with an id of your own a second call is safe and puts nothing in twice
func TestLostEnqueue(t *testing.T) {
	t.Parallel()
	e, _, proxy := proxied(t)
	isEnqueue := isScript(t, "enqueue")
	if _, err := number.With(tasuki.Opts{ID: "first"}).Enqueue(e.ctx, e.client, 0); err != nil { // the script is loaded now
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		opts tasuki.Opts
		is   func([]string) bool
		safe bool // it can be called again
	}{
		{"bare", tasuki.Opts{}, isCommand("RPUSH"), false},
		{"with an id", tasuki.Opts{ID: "a"}, isEnqueue, true},
		{"scheduled", tasuki.Opts{In: time.Hour}, isEnqueue, false},
		{"scheduled with an id", tasuki.Opts{In: time.Hour, ID: "b"}, isEnqueue, true},
	} {
		for _, fate := range []redistest.Fate{redistest.Cut, redistest.Refuse} {
			queue := strings.ReplaceAll(tt.name, " ", "-") + fmt.Sprint(fate)
			k := number.With(tt.opts).With(tasuki.Opts{Queue: queue})
			proxy.Once(fate, tt.is)
			_, err := k.Enqueue(e.ctx, e.client, 1)
			if !errors.Is(err, tasuki.ErrUncertain) {
				t.Errorf("%s: %v, want ErrUncertain", queue, err)
			}
			if tt.safe {
				info, err := k.Enqueue(e.ctx, e.client, 1)
				if err != nil || info.Existed != (fate == redistest.Cut) {
					t.Errorf("%s again: %+v, %v", queue, info, err)
				}
			}
			q := e.queue(queue)
			want := int64(1)
			if !tt.safe && fate == redistest.Refuse {
				want = 0
			}
			if q.Ready+q.Scheduled != want {
				t.Errorf("%s: %+v, want %d jobs", queue, q, want)
			}
		}
	}
	proxy.Decide(nil)
	// In the middle of a large batch: what came before was accepted, one portion
	// is uncertain, the rest was not sent.
	n := 0
	proxy.Decide(func(c []string) redistest.Fate {
		if c[0] == "RPUSH" && strings.Contains(c[1], "{batch}") {
			if n++; n == 3 {
				return redistest.Cut
			}
		}
		return redistest.Pass
	})
	specs := make([]tasuki.Spec, 2500)
	for i := range specs {
		specs[i] = number.With(tasuki.Opts{Queue: "batch"}).Spec(i)
	}
	_, err := e.client.EnqueueMany(e.ctx, specs)
	var many *tasuki.ManyError
	if !errors.As(err, &many) {
		t.Fatalf("EnqueueMany: %v", err)
	}
	for i, err := range many.Errs {
		uncertain := errors.Is(err, tasuki.ErrUncertain)
		if (err == nil) != (i < 1000) || uncertain != (i >= 1000 && i < 1500) {
			t.Fatalf("job %d: %v", i, err)
		}
	}
	if q := e.queue("batch"); q.Ready != 1500 {
		t.Errorf("%d ready, want 1500", q.Ready)
	}
}

// TestCutsUnderLoad cuts replies of all kinds at random while jobs are enqueued
// and run, and counts.
//
//fault:network replies and commands of all kinds are cut at random under load | no job is lost, the worker is not taken for dead
func TestCutsUnderLoad(t *testing.T) {
	t.Parallel()
	e, s, proxy := proxied(t)
	const n = 3000
	var l ledger
	w := e.worker(tasuki.WorkerConfig{Concurrency: 20, Backoff: soon})
	tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
		if job.Attempt == 1 && job.Args%10 == 0 {
			return errors.New("once more")
		}
		l.add(job.Args)
		return nil
	})
	e.run(w)
	var cut atomic.Int64
	proxy.Decide(func(c []string) redistest.Fate {
		if (c[0] == "EVALSHA" || c[0] == "BLMOVE" || c[0] == "BLPOP") && rand.IntN(40) == 0 {
			cut.Add(1)
			return []redistest.Fate{redistest.Cut, redistest.Refuse}[rand.IntN(2)]
		}
		return redistest.Pass
	})
	// Producers reach the server itself: what they were told is certain.
	direct := e.openAt(s.URL())
	var wg sync.WaitGroup
	for g := range 3 {
		wg.Go(func() {
			for i := g; i < n; i += 3 {
				k := number
				if i%7 == 0 {
					k = k.With(tasuki.Opts{In: 10 * time.Millisecond})
				}
				if _, err := k.Enqueue(e.ctx, direct, i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	q := e.settled("default", n)
	extra := l.check(t, n)
	t.Logf("%d replies were cut; %d runs above one for each job; %+v", cut.Load(), extra, q.Counts)
	if q.Counts["crashed"] != 0 {
		t.Errorf("%+v: the worker was taken for dead", q)
	}
	if cut.Load() == 0 {
		t.Error("nothing was cut")
	}
	proxy.Decide(nil)
}

// TestDeadlineIsOnesOwn: what is called with a short deadline while Redis stands
// still fails alone; what others have on the same connection goes through.
//
//fault:network a call ends with its deadline while others are under way on the same connection | only that call fails
func TestDeadlineIsOnesOwn(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	e := newEnv(t, s.URL())
	var wg sync.WaitGroup
	// The connection is there, and nobody has used it whose deadline is not to be
	// seen: else it would be read by a goroutine of its own, whatever comes.
	dated, cancel := context.WithTimeout(e.ctx, time.Minute)
	defer cancel()
	for i := range 20 {
		if _, err := number.Enqueue(dated, e.client, i); err != nil {
			t.Fatal(err)
		}
	}
	s.Signal(t, syscall.SIGSTOP)
	short, cancel := context.WithTimeout(e.ctx, 100*time.Millisecond)
	defer cancel()
	hasty := make(chan error, 1)
	wg.Go(func() {
		_, err := number.Enqueue(short, e.client, 0)
		hasty <- err
	})
	time.Sleep(20 * time.Millisecond) // so that the hasty one is first on the connection
	for i := range 20 {
		wg.Go(func() {
			if _, err := number.Enqueue(e.ctx, e.client, i); err != nil {
				t.Errorf("with no deadline: %v", err)
			}
		})
	}
	if err := <-hasty; !errors.Is(err, tasuki.ErrUncertain) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the hasty one: %v", err)
	}
	s.Signal(t, syscall.SIGCONT)
	wg.Wait()
}

// TestRepliesStayWithTheirCalls ends calls in the middle by their deadlines, on a slow
// way: what the others are told is theirs.
//
//fault:network calls are given up while their replies are on the way | no other call gets such a reply
func TestRepliesStayWithTheirCalls(t *testing.T) {
	t.Parallel()
	e, _, proxy := proxied(t)
	known := number.With(tasuki.Opts{ID: "known"})
	if _, err := known.Enqueue(e.ctx, e.client, 0); err != nil {
		t.Fatal(err)
	}
	proxy.Delay(func() time.Duration { return rand.N(4 * time.Millisecond) })
	var wg sync.WaitGroup
	var given atomic.Int64
	for g := range 10 {
		wg.Go(func() {
			for i := range 100 {
				ctx, cancel := e.ctx, func() {}
				if i%3 == 0 {
					ctx, cancel = context.WithTimeout(e.ctx, rand.N(4*time.Millisecond))
				}
				k, existed := known, true
				if i%2 == 0 {
					k, existed = number.With(tasuki.Opts{ID: fmt.Sprint("new", g, ".", i)}), false
				}
				info, err := k.Enqueue(ctx, e.client, i)
				cancel()
				switch {
				case err == nil && info.Existed != existed:
					t.Errorf("%s: existed is %v: that is the answer to another call", info.ID, info.Existed)
				case err != nil && i%3 != 0:
					t.Errorf("without a deadline: %v", err)
				case err != nil:
					given.Add(1)
				}
			}
		})
	}
	wg.Wait()
	proxy.Delay(nil)
	if given.Load() == 0 {
		t.Error("none was given up")
	}
}

// garbage is what may come in place of a reply: what is no RESP, and what is none of
// what was asked for.
var garbage = []string{
	"$3\r\n", // the first is one whose rest is waited for
	"HTTP/1.1 400 Bad Request\r\n\r\n", "\x00\x00\x00\x00\r\n", "220 mail ESMTP\r\n", "*x\r\n",
	"+OK\r\n", ":1\r\n", "_\r\n", "*0\r\n", "*1\r\n$3\r\nabc\r\n", "$5\r\n\xff\x00\xfe\r\n\r\n", "*2\r\n*0\r\n*0\r\n",
	"*13\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n+\r\n*0\r\n:7\r\n", "-ERR what is this\r\n", "%1\r\n+a\r\n:1\r\n",
}

// TestGarbage gives the clients replies that make no sense. They fail, and go on with
// a connection that does.
//
//fault:network replies are garbage: no RESP, or not what was asked for | calls fail with an error, nothing crashes, and no job is lost
func TestGarbage(t *testing.T) {
	t.Parallel()
	e, s, proxy := proxied(t)
	w := e.worker(tasuki.WorkerConfig{Concurrency: 5})
	var l ledger
	l.note(w)
	e.run(w)
	e.waitQueue("default", func(inspect.Queue) bool { return w.Waits("default") })
	var altered atomic.Int64
	proxy.Alter(func(c []string, reply []byte) []byte {
		if c[0] != "EVALSHA" && c[0] != "EVAL" && c[0] != "BLMOVE" && c[0] != "BLPOP" || rand.IntN(4) != 0 {
			return reply
		}
		altered.Add(1)
		return []byte(garbage[1+rand.IntN(len(garbage)-1)])
	})
	direct := e.openAt(s.URL())
	const n = 300
	for i := range n {
		if _, err := number.Enqueue(e.ctx, direct, i); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond) // so that some find it waiting
	}
	proxy.Alter(nil)
	e.settled("default", n)
	extra := l.check(t, n)
	t.Logf("%d replies were garbage, %d runs above one for each job", altered.Load(), extra)
	// Nor does a producer take one for an answer.
	if _, err := number.With(tasuki.Opts{Queue: "other", ID: "y"}).Enqueue(e.ctx, e.client, 1); err != nil { // the script is loaded now
		t.Fatal(err)
	}
	for _, text := range garbage {
		proxy.Alter(func(c []string, reply []byte) []byte {
			if c[0] == "EVALSHA" && strings.Contains(c[3], "{other}") { // not the worker's: see the first of garbage
				return []byte(text)
			}
			return reply
		})
		producer := e.open(nil)
		ctx, cancel := context.WithTimeout(e.ctx, time.Second)
		_, err := number.With(tasuki.Opts{Queue: "other", ID: "x"}).Enqueue(ctx, producer, 1)
		cancel()
		if err == nil {
			t.Errorf("%q is taken for an answer", text)
		}
	}
	proxy.Alter(nil)
	if info, err := number.With(tasuki.Opts{Queue: "other", ID: "x"}).Enqueue(e.ctx, e.client, 1); err != nil || !info.Existed {
		t.Errorf("%+v, %v", info, err)
	}
}
