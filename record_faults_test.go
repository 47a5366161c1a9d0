package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// waited is what a Wait that was begun has returned.
type waited struct {
	record *tasuki.Record
	err    error
}

// waiting begins to wait for a job.
func (e *env) waiting(c *tasuki.Client, address string) func() (*tasuki.Record, error) {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.ctx, 50*time.Second)
	e.t.Cleanup(cancel)
	came := make(chan waited, 1)
	go func() {
		r, err := c.Wait(ctx, address)
		came <- waited{r, err}
	}()
	return func() (*tasuki.Record, error) {
		e.t.Helper()
		w := <-came
		return w.record, w.err
	}
}

// listens tells whether somebody is subscribed to a job.
func (e *env) listens(id string) error {
	channels, err := e.do("PUBSUB", "CHANNELS").AsStrSlice()
	if err == nil && !slices.Contains(channels, e.key("default", "rec", id)) {
		err = fmt.Errorf("channels %q", channels)
	}
	return err
}

func outcomes(r *tasuki.Record) string {
	var words []string
	for _, run := range r.Runs {
		words = append(words, string(run.Outcome))
	}
	return strings.Join(words, " ")
}

// TestLostRecordedEnqueue loses the reply of an enqueue.
//
//fault:network the reply of an enqueue with a record is lost | with an id calling again changes nothing; without one it is ErrUncertain
func TestLostRecordedEnqueue(t *testing.T) {
	t.Parallel()
	e, _, proxy := proxied(t)
	k := number.With(recorded)
	if _, err := k.Enqueue(e.ctx, e.client, 1); err != nil {
		t.Fatal(err)
	}
	own := k.With(tasuki.Opts{ID: "mine"})
	for i, k := range []tasuki.Kind[int]{k, own} {
		hit := proxy.Once(redistest.Cut, isScript(t, "enqueue_record"))
		if _, err := k.Enqueue(e.ctx, e.client, 1); !errors.Is(err, tasuki.ErrUncertain) {
			t.Errorf("%d: %v", i, err)
		}
		<-hit
	}
	if info, err := own.Enqueue(e.ctx, e.client, 2); err != nil || !info.Existed {
		t.Errorf("again: %+v, %v", info, err)
	}
	if q := e.queue("default"); q.Ready != 3 {
		t.Errorf("%+v", q)
	}
	if r, err := e.client.Get(e.ctx, "default/mine"); err != nil || string(r.Args) != "1" {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestLostOpen loses the reply of the call that reads the records of claimed jobs.
//
//fault:network the reply of the call that reads the records of claimed jobs is lost, with the connection or without, or it gets into a hole | each job runs once, and its record says so
func TestLostOpen(t *testing.T) {
	for _, fate := range []redistest.Fate{redistest.Cut, redistest.Swallow, redistest.Hole} {
		t.Run(fmt.Sprint(fate), func(t *testing.T) {
			t.Parallel()
			e, _, proxy := proxied(t)
			hit := proxy.Once(fate, isScript(t, "fetch_open"))
			infos := e.enqueue(number.With(recorded), 5)
			w := e.worker(tasuki.WorkerConfig{})
			got := collect(w, number)
			e.run(w)
			<-hit
			for _, info := range infos {
				if r, err := e.waiting(e.client, info.Address())(); err != nil || r.State != tasuki.StateDone || outcomes(r) != "done" {
					t.Errorf("%+v, %v", r, err)
				}
			}
			if n := len(got.get()); n != 5 {
				t.Errorf("%d runs", n)
			}
		})
	}
}

// TestLostRecordedSettle loses the reply of the exchange that writes results.
//
//fault:network the reply of the exchange that writes the result of a job is lost | result and history are written once
func TestLostRecordedSettle(t *testing.T) {
	for _, fate := range []redistest.Fate{redistest.Cut, redistest.Swallow} {
		t.Run(fmt.Sprint(fate), func(t *testing.T) {
			t.Parallel()
			e, _, proxy := proxied(t)
			isFetch := isScript(t, "fetch")
			hit := proxy.Once(fate, func(c []string) bool { return isFetch(c) && c[2] != "13" }) // with the record of a job
			f := tasuki.DefineFunc[int, string]("text")
			w := e.worker(tasuki.WorkerConfig{})
			var runs atomic.Int64
			tasuki.HandleFunc(w, f, func(_ context.Context, job *tasuki.Job[int]) (string, error) {
				return fmt.Sprint("run ", runs.Add(1)), nil
			})
			e.run(w)
			info, err := f.Enqueue(e.ctx, e.client, 1)
			if err != nil {
				t.Fatal(err)
			}
			<-hit
			r, err := e.waiting(e.client, info.Address())()
			if err != nil || outcomes(r) != "done" || string(r.Result) != `"run 1"` {
				t.Errorf("%+v, %v", r, err)
			}
			proxy.CutAll() // and it is sent again
			e.waitQueue("default", func(q inspect.Queue) bool { return q.Running == 0 && q.Counts["done"] == 1 })
			if n := len(must(e.do("LRANGE", e.key("default", "ended"), "0", "-1").AsStrSlice())); n != 1 {
				t.Errorf("it has ended %d times", n)
			}
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestNoteUnderWay ends a job while a note of it is under way that does not arrive.
//
//fault:network a note of progress or a checkpoint is under way when its job ends, and gets lost | what it carried is written with the outcome
func TestNoteUnderWay(t *testing.T) {
	t.Parallel()
	e, _, proxy := proxied(t)
	hit := proxy.Once(redistest.Hole, isScript(t, "run_note"))
	w := e.worker(tasuki.WorkerConfig{})
	tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
		job.SetProgress(3, 4, "nearly")
		err := job.Checkpoint(3)
		<-hit
		return errors.Join(err, tasuki.Snooze(time.Hour, "later"))
	})
	e.run(w)
	info, err := number.With(recorded).Enqueue(e.ctx, e.client, 1)
	if err != nil {
		t.Fatal(err)
	}
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Retry == 1 })
	if r, err := e.client.Get(e.ctx, info.Address()); err != nil || r.Progress.Done != 3 || string(r.Cursor) != "3" {
		t.Errorf("%+v, %v", r, err)
	}
	proxy.CutAll() // for the worker to stop in order
}

// TestStopWithoutNotes stops a worker while none of its notes is taken.
//
//fault:server notes of progress and checkpoints are refused (NOPERM), and the worker is stopped | what they carried is written with the outcome
func TestStopWithoutNotes(t *testing.T) {
	t.Parallel()
	e, _, proxy := proxied(t)
	isNote := isScript(t, "run_note")
	proxy.Answer(func(command []string) string {
		if isNote(command) {
			return "-NOPERM not now\r\n"
		}
		return ""
	})
	w := e.worker(tasuki.WorkerConfig{Grace: -1})
	noted := make(chan error)
	tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
		job.SetProgress(3, 4, "nearly")
		noted <- job.Checkpoint(3)
		<-ctx.Done()
		return ctx.Err()
	})
	stop := e.run(w)
	info, err := number.With(recorded).Enqueue(e.ctx, e.client, 1)
	if err := errors.Join(err, <-noted, stop()); err != nil {
		t.Fatal(err)
	}
	if r, err := e.client.Get(e.ctx, info.Address()); err != nil || r.State != tasuki.StateReady || r.Progress.Done != 3 || string(r.Cursor) != "3" {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestRecordOfKilled kills the process that runs a recorded job.
//
//fault:process the process that runs a recorded job is killed | it runs again elsewhere; its record has both runs, and Wait goes on
func TestRecordOfKilled(t *testing.T) {
	t.Parallel()
	e := newEnv(t, redistest.Shared(t).URL())
	p := e.startProcess(processConfig{Concurrency: 1, Do: "hold"})
	p.wait("up", 1)
	info, err := number.With(recorded).Enqueue(e.ctx, e.client, 1)
	if err != nil {
		t.Fatal(err)
	}
	wait := e.waiting(e.client, info.Address())
	p.wait("start", 1)
	p.kill()
	w := e.worker(tasuki.WorkerConfig{})
	got := collect(w, number)
	e.run(w)
	r, err := wait()
	if err != nil || r.State != tasuki.StateDone || outcomes(r) != "crashed done" || r.Crashes != 1 || r.Attempt != 0 || len(got.get()) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	if first := r.Runs[0]; first.Place == "" || first.At.IsZero() || first.Duration < time.Millisecond {
		t.Errorf("%+v", first)
	}
}

// TestRecordOfPoison has a recorded job kill three processes.
//
//fault:process a recorded job kills every process that runs it | it is dead after three, its record says so, and Wait returns
func TestRecordOfPoison(t *testing.T) {
	t.Parallel()
	e := newEnv(t, redistest.Shared(t).URL())
	info, err := number.With(recorded).Enqueue(e.ctx, e.client, -1)
	if err != nil {
		t.Fatal(err)
	}
	wait := e.waiting(e.client, info.Address())
	e.run(e.worker(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "other"}}})) // it sweeps
	for range 3 {
		select {
		case <-e.startProcess(processConfig{Concurrency: 5, Do: "poison"}).Ended():
		case <-time.After(45 * time.Second): // what no message has told of is found in 22 s
			t.Fatalf("it does not run: %v, %v", e.queue("default"), must(e.client.Get(e.ctx, info.Address())))
		}
	}
	r, err := wait()
	if err != nil || r.State != tasuki.StateDead || outcomes(r) != "crashed crashed crashed" || r.Crashes != 3 || r.EndedAt.IsZero() ||
		r.Reason != "poison: 3 processes died while they ran it" {
		t.Errorf("%+v, %v", r, err)
	}
	if n, err := e.inspector.Revive(e.ctx, "default"); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if r, err := e.client.Get(e.ctx, info.Address()); err != nil || r.State != tasuki.StateReady || r.Crashes != 0 {
		t.Errorf("revived: %+v, %v", r, err)
	}
}

// TestRecordOfStopped stops a worker while it runs a job with a checkpoint.
//
//fault:process a worker is stopped while it runs a job that keeps checkpoints | the job goes back with the last of them, and no attempt is counted
func TestRecordOfStopped(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		k := number.With(recorded)
		info, err := k.Enqueue(e.ctx, e.client, 1)
		if err != nil {
			t.Fatal(err)
		}
		w := e.worker(tasuki.WorkerConfig{Grace: -1})
		started := make(chan struct{})
		tasuki.Handle(w, k, func(ctx context.Context, job *tasuki.Job[int]) error {
			for i := range 1001 {
				if err := job.Checkpoint(i); err != nil {
					t.Error(err)
				}
			}
			close(started)
			<-ctx.Done()
			return ctx.Err()
		})
		stop := e.run(w)
		<-started
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if r, err := e.client.Get(e.ctx, info.Address()); err != nil || r.State != tasuki.StateReady || string(r.Cursor) != "1000" || r.Attempt != 0 || r.Place != "" {
			t.Fatalf("%+v, %v", r, err)
		}
		w = e.worker(tasuki.WorkerConfig{})
		tasuki.Handle(w, k, func(ctx context.Context, job *tasuki.Job[int]) error {
			at := 0
			if ok, err := job.Cursor(&at); !ok || err != nil || at != 1000 || job.Attempt != 1 {
				t.Errorf("%v, %v, %d, attempt %d", ok, err, at, job.Attempt)
			}
			return nil
		})
		e.run(w)
		if r, err := e.client.Wait(e.ctx, info.Address()); err != nil || r.State != tasuki.StateDone || r.Attempt != 0 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// TestFullServerWithRecords is TestFullServer for recorded jobs.
//
//fault:server the server is full (noeviction), and jobs have records | enqueue answers ErrFull with nothing half done; they drain, and their outcomes are written
func TestFullServerWithRecords(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--maxmemory", "20mb", "--maxmemory-policy", "noeviction")
	e := newEnv(t, s.URL())
	k := tasuki.Define[string]("big").With(recorded)
	payload := strings.Repeat("x", 20_000)
	var infos []tasuki.Info
	for {
		info, err := k.Enqueue(e.ctx, e.client, payload)
		if errors.Is(err, tasuki.ErrFull) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		infos = append(infos, info)
	}
	for _, o := range []tasuki.Opts{{ID: "x"}, {In: time.Hour}, {ID: "y", Unique: tasuki.Unique{Mode: tasuki.UniqueQueued, Key: "k"}}} {
		if _, err := k.With(o).Enqueue(e.ctx, e.client, payload); !errors.Is(err, tasuki.ErrFull) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	s.Do(t, "CONFIG", "SET", "maxmemory", "1mb")
	cancelled := infos[len(infos)-1].Address()
	if err := e.client.Cancel(e.ctx, cancelled); err != nil {
		t.Errorf("Cancel: %v", err)
	}
	w := e.worker(tasuki.WorkerConfig{MaxAttempts: 3, Backoff: soon})
	var n atomic.Int64
	tasuki.Handle(w, k, func(_ context.Context, job *tasuki.Job[string]) error {
		job.SetProgress(1, 2, "half")
		if job.Attempt == 1 && n.Add(1)%5 == 0 {
			return errors.New("retry on a full server")
		}
		return nil
	})
	e.run(w)
	redistest.WaitLong(t, 2*time.Minute, "all to be done", func() error { // the server is the slower for it
		if q := e.queue("default"); q.Counts["done"] != int64(len(infos)-1) {
			return fmt.Errorf("%+v", q)
		}
		return nil
	})
	for _, info := range infos {
		want := tasuki.StateDone
		if info.Address() == cancelled {
			want = tasuki.StateCancelled
		}
		if r, err := e.client.Get(e.ctx, info.Address()); err != nil || r.State != want || want == tasuki.StateDone && (len(r.Runs) == 0 || r.Progress.Done != 1) {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	t.Logf("%d recorded jobs drained on a full server", len(infos))
	s.Do(t, "CONFIG", "SET", "maxmemory", "0")
}

// TestSpoiltRecords takes away and spoils records under jobs that are ready, and under jobs
// that run.
//
//fault:data a record is deleted, overwritten with a value of another type, or its job garbled, while the job is ready or runs | the job is dead with a reason, or done; the others run, and no slot hangs
func TestSpoiltRecords(t *testing.T) {
	spoil := map[string]func(e *env, key string){
		"deleted":      func(e *env, key string) { e.do("DEL", key) },
		"another type": func(e *env, key string) { e.do("SET", key, "x") },
		"garbled":      func(e *env, key string) { e.do("HSET", key, "job", "\x00{") },
		"emptied":      func(e *env, key string) { e.do("HDEL", key, "job") },
		"pointer":      func(e *env, key string) { e.do("HSET", key, "job", `{"id":"x","rec":7}`) },
		"no gen":       func(e *env, key string) { e.do("HDEL", key, "gen") },
	}
	for name, spoil := range spoil {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, e *env) {
				k := number.With(recorded)
				w := e.worker(tasuki.WorkerConfig{Concurrency: 3, MaxAttempts: 2, Backoff: soon})
				goOn := make(chan struct{})
				var running atomic.Int64
				tasuki.Handle(w, k, func(_ context.Context, job *tasuki.Job[int]) error {
					if job.Args < 3 {
						running.Add(1)
						<-goOn
					}
					if job.Args == 1 && job.Attempt == 1 {
						return errors.New("not yet")
					}
					if job.Args == 2 {
						return tasuki.Kill(errors.New("never"))
					}
					return nil
				})
				e.run(w)
				infos := e.enqueue(k, 8) // 0 to 2 run, the rest is ready
				e.waitQueue("default", func(q inspect.Queue) bool { return running.Load() == 3 && q.Ready == 5 })
				spoilt := []int{0, 1, 2, 5}
				for _, i := range spoilt {
					spoil(e, e.key("default", "rec", infos[i].ID))
				}
				close(goOn)
				e.waitQueue("default", func(q inspect.Queue) bool {
					return q.Ready+q.Running+q.Retry+q.Suspect == 0 && q.Counts["done"] >= 5
				})
				for i, info := range infos {
					if r, err := e.client.Get(e.ctx, info.Address()); !slices.Contains(spoilt, i) && (err != nil || r.State != tasuki.StateDone) {
						t.Errorf("%d: %+v, %v", i, r, err)
					}
				}
				if name == "another type" {
					for _, i := range spoilt {
						e.do("DEL", e.key("default", "rec", infos[i].ID))
					}
				} else if r, err := e.client.Get(e.ctx, infos[5].Address()); err != nil || r.State != tasuki.StateDead || r.Reason == "" {
					t.Errorf("5: %+v, %v", r, err)
				}
				if !strings.Contains(e.log.String(), infos[5].ID) {
					t.Error("the log does not name it")
				}
			})
		})
	}
}

// TestWaitInOutages cuts and silences connections of a client that waits.
//
//fault:network the connection on which a client waits for a job is cut, again and again, or falls silent, or there is a hole where it subscribes | a Wait returns when the job has ended
func TestWaitInOutages(t *testing.T) {
	ways := map[string]func(t *testing.T, proxy *redistest.Proxy){
		"cut": func(t *testing.T, proxy *redistest.Proxy) {
			for range 5 {
				proxy.CutAll()
				time.Sleep(20 * time.Millisecond)
			}
		},
		"silent": func(t *testing.T, proxy *redistest.Proxy) {
			proxy.Alter(func(command []string, reply []byte) []byte {
				if strings.Contains(string(reply), "$7\r\nmessage\r\n") {
					return nil
				}
				return reply
			})
		},
	}
	for name, break_ := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, s, proxy := proxied(t)
			k := number.With(recorded)
			info, err := k.Enqueue(e.ctx, e.client, 1)
			if err != nil {
				t.Fatal(err)
			}
			wait := e.waiting(e.client, info.Address())
			redistest.WaitFor(t, "a subscription", func() error {
				return e.listens(info.ID)
			})
			break_(t, proxy)
			w, err := tasuki.NewWorker(e.openAt(s.URL()), nil)
			if err != nil {
				t.Fatal(err)
			}
			collect(w, number)
			e.run(w)
			if r, err := wait(); err != nil || r.State != tasuki.StateDone {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	t.Run("hole", func(t *testing.T) {
		t.Parallel()
		e, s, proxy := proxied(t)
		info, err := number.With(recorded).Enqueue(e.ctx, e.client, 1)
		if err != nil {
			t.Fatal(err)
		}
		proxy.Once(redistest.Hole, isCommand("SUBSCRIBE"))
		wait := e.waiting(e.client, info.Address())
		w, err := tasuki.NewWorker(e.openAt(s.URL()), nil)
		if err != nil {
			t.Fatal(err)
		}
		collect(w, number)
		e.run(w)
		if r, err := wait(); err != nil || r.State != tasuki.StateDone {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// TestWaitWithoutSubscribe waits on a server that has no SUBSCRIBE, and cancels a job there.
//
//fault:server SUBSCRIBE is refused, and somebody waits for a job, or cancels one that runs | a Wait reads the record now and then; the worker sees the cancel within seconds
func TestWaitWithoutSubscribe(t *testing.T) {
	t.Parallel()
	e := newEnv(t, redistest.Start(t, "--rename-command", "SUBSCRIBE", "").URL())
	k := number.With(recorded)
	w := e.worker(tasuki.WorkerConfig{})
	started := make(chan struct{})
	tasuki.Handle(w, k, func(ctx context.Context, job *tasuki.Job[int]) error {
		close(started)
		<-ctx.Done()
		return context.Cause(ctx)
	})
	e.run(w)
	info, err := k.Enqueue(e.ctx, e.client, 1)
	if err != nil {
		t.Fatal(err)
	}
	wait := e.waiting(e.client, info.Address())
	<-started
	if err := e.client.Cancel(e.ctx, info.Address()); err != nil {
		t.Fatal(err)
	}
	if r, err := wait(); err != nil || r.State != tasuki.StateCancelled {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestWaitListensLater has SUBSCRIBE refused at first.
//
//fault:network the first SUBSCRIBE of a Wait or Watch fails | it is tried again, and the Wait stops asking
func TestWaitListensLater(t *testing.T) {
	t.Parallel()
	e, s, proxy := proxied(t)
	info, err := number.With(tasuki.Opts{Record: true, In: time.Hour}).Enqueue(e.ctx, e.client, 1)
	if err != nil {
		t.Fatal(err)
	}
	refused := make(chan struct{})
	once := sync.OnceFunc(func() { close(refused) })
	proxy.Answer(func(command []string) string {
		if command[0] == "SUBSCRIBE" {
			once()
			return "-NOPERM not now\r\n"
		}
		return ""
	})
	wait := e.waiting(e.client, info.Address())
	<-refused
	proxy.Answer(nil)
	redistest.WaitLong(t, 20*time.Second, "a subscription", func() error { return e.listens(info.ID) })
	if err := e.openAt(s.URL()).Cancel(e.ctx, info.Address()); err != nil {
		t.Fatal(err)
	}
	if r, err := wait(); err != nil || r.State != tasuki.StateCancelled {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestRestartUnderWait restarts the server under a Wait.
//
//fault:server the server is killed and started again while somebody waits for a job | a Wait goes on and returns when the job has ended
func TestRestartUnderWait(t *testing.T) {
	t.Parallel()
	args := redistest.Durable(t)
	s := redistest.Start(t, args...)
	e := newEnv(t, s.URL())
	info, err := number.With(recorded).Enqueue(e.ctx, e.client, 1)
	if err != nil {
		t.Fatal(err)
	}
	wait := e.waiting(e.client, info.Address())
	redistest.WaitFor(t, "a subscription", func() error {
		return e.listens(info.ID)
	})
	s.Kill()
	time.Sleep(2 * time.Second)
	s.Restart(t, args...)
	w := e.worker(tasuki.WorkerConfig{})
	collect(w, number)
	e.run(w)
	if r, err := wait(); err != nil || r.State != tasuki.StateDone {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestCancelWhileReconnecting cancels a job whose worker has just no connection.
//
//fault:network a running job with a record is cancelled while its worker has no connection | the worker sees it when it has one again
func TestCancelWhileReconnecting(t *testing.T) {
	t.Parallel()
	e, s, proxy := proxied(t)
	k := number.With(recorded)
	w := e.worker(tasuki.WorkerConfig{})
	started, ended := make(chan struct{}), make(chan error, 1)
	tasuki.Handle(w, k, func(ctx context.Context, job *tasuki.Job[int]) error {
		close(started)
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return ctx.Err()
	})
	e.run(w)
	info, err := k.Enqueue(e.ctx, e.client, 1)
	if err != nil {
		t.Fatal(err)
	}
	<-started
	direct := e.openAt(s.URL())
	proxy.Down(true)
	if err := direct.Cancel(e.ctx, info.Address()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	proxy.Down(false)
	select {
	case cause := <-ended:
		if cause != tasuki.ErrCancelled {
			t.Errorf("cause %v", cause)
		}
	case <-time.After(15 * time.Second):
		t.Fatal("it does not hear of it")
	}
	if r, err := e.waiting(direct, info.Address())(); err != nil || r.State != tasuki.StateCancelled {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestManyActAtOnce has clients move, edit and cancel the same jobs while workers run them.
//
//fault:data several clients reschedule, edit, cancel and remove the same jobs at once while workers run them | each has one fate, and nothing is left behind
func TestManyActAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		const n = 12
		k := number.With(recorded)
		var runs [n]atomic.Int64
		for range 2 {
			w := e.worker(tasuki.WorkerConfig{Concurrency: 2, MaxAttempts: 1})
			tasuki.Handle(w, k, func(ctx context.Context, job *tasuki.Job[int]) error {
				runs[job.Args%n].Add(1)
				select {
				case <-ctx.Done():
					return context.Cause(ctx)
				case <-time.After(time.Millisecond):
					return nil
				}
			})
			e.run(w)
		}
		var infos []tasuki.Info
		for i := range n {
			keep := time.Duration(0)
			if i%3 == 0 {
				keep = -1
			}
			info, err := k.With(tasuki.Opts{In: 30 * time.Millisecond, Keep: keep}).Enqueue(e.ctx, e.client, i)
			if err != nil {
				t.Fatal(err)
			}
			infos = append(infos, info)
		}
		clients := []*tasuki.Client{e.client, e.open(nil)}
		var all sync.WaitGroup
		for g := range 8 {
			all.Go(func() {
				c := clients[g%2]
				for i := range 60 {
					at := infos[(i*7+g)%n].Address()
					var err error
					switch (i + g) % 5 {
					case 0:
						err = c.Reschedule(e.ctx, at, time.Now().Add(20*time.Millisecond))
					case 1:
						err = c.RunNow(e.ctx, at)
					case 2:
						err = c.Edit(e.ctx, at, func(s *tasuki.Spec) error {
							s.Args = fmt.Appendf(nil, "%d", (i*7+g)%n+n*(g+1))
							return nil
						})
					case 3:
						_, err = c.Get(e.ctx, at)
					case 4:
						if i > 40 {
							err = c.Cancel(e.ctx, at)
						}
					}
					if err != nil && !errors.Is(err, tasuki.ErrEnded) && !errors.Is(err, tasuki.ErrNotFound) && !errors.Is(err, tasuki.ErrRunning) && !errors.Is(err, tasuki.ErrChanged) {
						t.Errorf("%s: %v", at, err)
					}
				}
			})
		}
		all.Wait()
		q := e.waitQueue("default", func(q inspect.Queue) bool { return q.Ready+q.Running+q.Scheduled+q.Retry+q.Suspect == 0 })
		if q.Dead != 0 {
			t.Errorf("%+v", q)
		}
		if fates := q.Counts["done"] + q.Counts["cancelled"] + q.Counts["withdrawn"]; fates != n {
			t.Errorf("%d fates of %d jobs: %v", fates, n, q.Counts)
		}
		for i := range runs {
			if runs[i].Load() > 1 {
				t.Errorf("job %d has run %d times", i, runs[i].Load())
			}
		}
		for i, info := range infos {
			r, err := e.client.Get(e.ctx, info.Address())
			if i%3 == 0 && !errors.Is(err, tasuki.ErrNotFound) || i%3 != 0 && (err != nil || !r.State.HasEnded()) {
				t.Errorf("%d: %+v, %v", i, r, err)
			}
		}
	})
}

// TestReviveOfEdited edits a dead job while it is revived.
//
//fault:data a dead job is edited between the steps of reviving it | it is revived with the new arguments
func TestReviveOfEdited(t *testing.T) {
	t.Parallel()
	e, s, proxy := proxied(t)
	k := number.With(recorded)
	w := e.worker(tasuki.WorkerConfig{})
	got := make(chan int, 10)
	tasuki.Handle(w, k, func(_ context.Context, job *tasuki.Job[int]) error {
		got <- job.Args
		if job.Args < 10 {
			return tasuki.Kill(errors.New("too small"))
		}
		return nil
	})
	e.run(w)
	infos := e.enqueue(k, 3)
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Dead == 3 })
	direct := e.openAt(s.URL())
	for range 3 {
		<-got
	}
	isRevive, edited := isScript(t, "settle_revive"), false
	proxy.Decide(func(command []string) redistest.Fate {
		if !edited && isRevive(command) {
			edited = true
			if err := direct.Edit(e.ctx, infos[1].Address(), func(s *tasuki.Spec) error { s.Args = []byte("11"); return nil }); err != nil {
				t.Error(err)
			}
		}
		return redistest.Pass
	})
	if n, err := inspect.New(e.client).Revive(e.ctx, "default"); n != 3 || err != nil || !edited {
		t.Errorf("%d, %v", n, err)
	}
	proxy.Decide(nil)
	if r, err := e.waiting(direct, infos[1].Address())(); err != nil || r.State != tasuki.StateDone || string(r.Args) != "11" {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestLostAct loses the replies of what is done to a job: each is done once, and says so.
//
//fault:network the reply of Cancel, Reschedule, RunNow, Edit or Remove is lost | it is done once, and the call says so
func TestLostAct(t *testing.T) {
	t.Parallel()
	e, s, proxy := proxied(t)
	direct := e.openAt(s.URL())
	k := number.With(tasuki.Opts{Record: true, In: time.Hour})
	if info, err := k.Enqueue(e.ctx, direct, 0); err != nil || direct.Cancel(e.ctx, info.Address()) != nil { // from now on the server knows the script
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		act  func(address string) error
		want tasuki.State
	}{
		"cancel":     {func(at string) error { return e.client.Cancel(e.ctx, at) }, tasuki.StateCancelled},
		"reschedule": {func(at string) error { return e.client.Reschedule(e.ctx, at, time.Now().Add(time.Minute)) }, tasuki.StateScheduled},
		"run now":    {func(at string) error { return e.client.RunNow(e.ctx, at) }, tasuki.StateReady},
		"edit": {func(at string) error {
			return e.client.Edit(e.ctx, at, func(s *tasuki.Spec) error { s.Args = []byte("2"); return nil })
		}, tasuki.StateScheduled},
		"remove": {func(at string) error { return e.client.Remove(e.ctx, at) }, ""},
	} {
		info, err := k.Enqueue(e.ctx, direct, 1)
		if err != nil {
			t.Fatal(err)
		}
		hit := proxy.Once(redistest.Cut, isScript(t, "settle_act"))
		if err := tt.act(info.Address()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		<-hit
		r, err := direct.Get(e.ctx, info.Address())
		if tt.want == "" && !errors.Is(err, tasuki.ErrNotFound) || tt.want != "" && (err != nil || r.State != tt.want) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// TestChangedEachTime has somebody change a job each time that it is about to be changed.
func TestChangedEachTime(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		info, err := number.With(recorded).Enqueue(e.ctx, e.client, 1)
		if err != nil {
			t.Fatal(err)
		}
		tries := 0
		err = e.client.Edit(e.ctx, info.Address(), func(*tasuki.Spec) error {
			tries++
			return e.client.Edit(e.ctx, info.Address(), func(s *tasuki.Spec) error {
				s.Args = fmt.Append(nil, 100+tries)
				return nil
			})
		})
		if !errors.Is(err, tasuki.ErrChanged) {
			t.Errorf("%v after %d tries", err, tries)
		}
	})
}

// TestRecordsFlushed empties the server under recorded jobs.
//
//fault:server FLUSHALL while recorded jobs run and somebody waits for them | a Wait says ErrNotFound, handlers are told, and new jobs run
func TestRecordsFlushed(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	e := newEnv(t, s.URL())
	k := number.With(recorded)
	w := e.worker(tasuki.WorkerConfig{Concurrency: 2})
	var started atomic.Int64
	tasuki.Handle(w, k, func(ctx context.Context, job *tasuki.Job[int]) error {
		if job.Args < 2 {
			started.Add(1)
			for i := int64(0); ctx.Err() == nil; i++ {
				job.SetProgress(i, 0, "")
				time.Sleep(time.Millisecond)
			}
			return ctx.Err()
		}
		return nil
	})
	e.run(w)
	infos := e.enqueue(k, 2)
	wait := e.waiting(e.client, infos[0].Address())
	redistest.WaitFor(t, "both to run", func() error {
		if started.Load() != 2 {
			return errors.New("not yet")
		}
		return nil
	})
	s.Do(t, "FLUSHALL")
	if r, err := wait(); !errors.Is(err, tasuki.ErrNotFound) {
		t.Errorf("%+v, %v", r, err)
	}
	info, err := k.Enqueue(e.ctx, e.client, 7)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := e.waiting(e.client, info.Address())(); err != nil || r.State != tasuki.StateDone {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestEndedAreTrimmedSoon: a queue in which many jobs end keeps about KeepMax records, long
// before the next patrol.
func TestEndedAreTrimmedSoon(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		k := number.With(recorded)
		w := e.worker(tasuki.WorkerConfig{KeepMax: 20})
		collect(w, number)
		e.run(w)
		e.enqueue(k, 300)
		e.settled("default", 300)
		time.Sleep(1100 * time.Millisecond) // once a second
		e.enqueue(k, 1)
		e.settled("default", 301)
		redistest.WaitLong(t, 10*time.Second, "the records", func() error {
			n, err := e.do("LLEN", e.key("default", "ended")).AsInt64()
			if err != nil || n != 20 {
				return fmt.Errorf("%d, %v", n, err)
			}
			return nil
		})
		keys, _ := e.do("KEYS", e.key("default", "rec", "*")).AsStrSlice()
		if len(keys) != 20 {
			t.Errorf("%d records", len(keys))
		}
	})
}

// TestLeftBehindForLong: the pointer of a job that has ended lies in a long list for longer
// than its record is kept.
//
//fault:data a job is cancelled while its pointer lies deep in a long list, and claimed when the time of its record is long over | the pointer is dropped; no job is dead
func TestLeftBehindForLong(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		k := number.With(tasuki.Opts{Record: true, Keep: 10 * time.Millisecond})
		infos := e.enqueue(k, 2)
		e.do("EVAL", "for i = 1, 10001 do redis.call('RPUSH', KEYS[1], 'x'); redis.call('LPUSH', KEYS[1], 'x') end return 1", "1", e.key("default"))
		for _, info := range infos {
			if err := e.client.Cancel(e.ctx, info.Address()); err != nil {
				t.Fatal(err)
			}
		}
		e.do("LTRIM", e.key("default"), "10001", "10002") // the pointers, which nobody has looked for in the middle
		e.do("EVAL", "if redis.call('PTTL', KEYS[1]) > 0 then redis.call('PEXPIRE', KEYS[1], 1) end return 1", "1", e.key("default", "rec", infos[0].ID))
		time.Sleep(50 * time.Millisecond)
		q, err := e.client.Store().Queue("default")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.client.Store().TrimEnded(e.ctx, q, 0); err != nil {
			t.Fatal(err)
		}
		for _, info := range infos {
			if r, err := e.client.Get(e.ctx, info.Address()); !errors.Is(err, tasuki.ErrNotFound) {
				t.Errorf("%+v, %v: there are too many", r, err)
			}
		}
		w := e.worker(tasuki.WorkerConfig{})
		collect(w, number)
		e.run(w)
		if q := e.waitQueue("default", func(q inspect.Queue) bool { return q.Counts["stale"]+q.Counts["dead"] == 2 }); q.Dead != 0 {
			t.Errorf("%+v", q)
		}
		if keys, _ := e.do("KEYS", e.key("default", "rec", "*")).AsStrSlice(); len(keys) != 0 {
			t.Errorf("%q are left", keys)
		}
	})
}
