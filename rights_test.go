package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestFewRights runs workers whose user may not do what makes them quick. They
// say so once, and work.
//
//fault:server the user may not CLIENT, SUBSCRIBE, PUBSUB, BLMOVE, PUBLISH or MULTI | a worker says so once and works, later by seconds
func TestFewRights(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	for name, tt := range map[string]struct {
		rule []string
		says string
	}{
		"unblock":   {[]string{"-client|unblock"}, "cannot be woken"},
		"id":        {[]string{"-client|id"}, "cannot be woken"},
		"multi":     {[]string{"-multi"}, "cannot be woken"},
		"subscribe": {[]string{"-subscribe"}, "SUBSCRIBE is refused"},
		"numsub":    {[]string{"-pubsub"}, ""},
		"channels":  {[]string{"resetchannels"}, "SUBSCRIBE is refused"},
		"blmove":    {[]string{"-blmove"}, "blmove"},
		"all":       {[]string{"-client", "-subscribe", "-pubsub", "-blmove", "-publish", "resetchannels"}, "cannot be woken"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, s.URL())
			user := "u" + name[len(name)-2:] + fmt.Sprint(len(name))
			if got := s.Do(t, append([]string{"ACL", "SETUSER", user, "on", ">pw", "~*", "&*", "+@all"}, tt.rule...)...); got != "+OK" {
				t.Fatal(got)
			}
			e.url = fmt.Sprintf("unix://%s:pw@%s", user, s.Socket())
			limited := e.open(nil)
			w, err := tasuki.NewWorker(limited, &tasuki.WorkerConfig{Concurrency: 3})
			if err != nil {
				t.Fatal(err)
			}
			got := collect(w, number)
			stop := e.run(w)
			e.enqueue(number, 5)
			got.wait(t, 5)
			e.enqueue(number.With(tasuki.Opts{In: 50 * time.Millisecond}), 2)
			got.wait(t, 7)
			e.settled("default", 7)
			start := time.Now()
			if err := stop(); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took > 8*time.Second {
				t.Errorf("the stop took %v", took)
			}
			if tt.says != "" {
				lines := strings.Split(e.log.String(), "\n")
				n := len(slices.DeleteFunc(lines, func(l string) bool { return !strings.Contains(l, tt.says) }))
				if n != 1 {
					t.Errorf("%q was said %d times, want once", tt.says, n)
				}
			}
		})
	}
}

// TestProbeIsPutOff: a server that loads its data, or that somebody's script keeps busy,
// answers the question whether a wait may be woken with an error. That is no refusal.
//
//fault:server the server is loading or busy while a worker asks whether its waits may be woken (EXECABORT) | that is no refusal: the worker asks again, and its waits can be woken
func TestProbeIsPutOff(t *testing.T) {
	t.Parallel()
	for name, said := range map[string]string{
		"loading": "-LOADING Redis is loading the dataset in memory\r\n",
		"busy":    "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, _, proxy := proxied(t)
			answers := map[string]string{
				"MULTI": "+OK\r\n", "CLIENT UNBLOCK": said, "EXEC": "-EXECABORT Transaction discarded because of previous errors.\r\n",
			}
			left := 3 // guarded by the proxy
			proxy.Answer(func(c []string) string {
				command := c[0]
				if command == "CLIENT" {
					command += " " + c[1]
				}
				if left == 0 {
					return ""
				}
				if command == "EXEC" {
					left--
				}
				return answers[command]
			})
			w := e.workerOf(number)
			stop := e.run(w)
			redistest.WaitFor(t, "a wait that can be woken", func() error {
				if !w.Waits("default") || w.ClientID("default") == 0 {
					return errors.New("there is none")
				}
				return nil
			})
			if err := stop(); err != nil {
				t.Error(err)
			}
			proxy.Answer(nil)
			if left > 0 {
				t.Errorf("%d more answers were to be put off", left)
			}
			if strings.Contains(e.log.String(), "cannot be woken") {
				t.Errorf("%s was taken for a refusal", said)
			}
		})
	}
}

// TestRightsTakenAway takes the rights of a running worker's user away, and gives them
// back: it says so, does not hammer at the server, and goes on.
//
//fault:server the rights of a running worker's user are taken away, all or some, and given back (NOPERM, NOAUTH) | it logs why, asks a few times a second, keeps what it holds, and goes on; each job runs once
func TestRightsTakenAway(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for name, rules := range map[string][]string{
		"scripts":    {"-evalsha", "-eval"},
		"writes":     {"-@write"},
		"keys":       {"resetkeys"},
		"everything": {"nocommands"},
		"the user":   {"off"},
	} {
		s := redistest.Start(t)
		e := newEnv(t, s.URL())
		allow := func(rules ...string) {
			if got := s.Do(t, append([]string{"ACL", "SETUSER", "worker"}, rules...)...); got != "+OK" {
				t.Fatal(got)
			}
		}
		allow("on", ">pw", "~*", "&*", "+@all")
		client := e.openAt("unix://worker:pw@" + s.Socket())
		w, err := tasuki.NewWorker(client, &tasuki.WorkerConfig{Concurrency: 5})
		if err != nil {
			t.Fatal(err)
		}
		hold, runs := make(chan struct{}), recorder[int]{}
		tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
			if job.Args < 5 {
				<-hold
			}
			runs.add(job.Args)
			return nil
		})
		e.run(w)
		e.enqueue(number, 10)
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Running == 5 })
		wg.Go(func() {
			allow(rules...)
			if name == "the user" {
				s.Do(t, "CLIENT", "KILL", "USER", "worker")
			}
			close(hold)
			stat := func(name string) int64 {
				info, err := e.do("INFO", "stats").ToString()
				if err != nil {
					t.Error(err)
				}
				_, text, _ := strings.Cut(info, name+":")
				text, _, _ = strings.Cut(text, "\r")
				n, err := strconv.ParseInt(text, 10, 64)
				if err != nil {
					t.Error(err)
				}
				return n
			}
			e.waitLog("redis refuses the command")
			commands, connections := stat("total_error_replies"), stat("total_connections_received")
			time.Sleep(2 * time.Second)
			commands, connections = stat("total_error_replies")-commands, stat("total_connections_received")-connections
			if commands > 100 || connections > 60 {
				t.Errorf("%s: %d refusals and %d connections in 2 s: that is hammering", name, commands, connections)
			}
			t.Logf("%s: %d refusals and %d connections in 2 s", name, commands, connections)
			if _, err := number.With(tasuki.Opts{ID: "x"}).Enqueue(e.ctx, client, 1); err == nil || errors.Is(err, tasuki.ErrUncertain) && name != "the user" {
				t.Errorf("%s: enqueue: %v", name, err)
			}
			allow("on", "~*", "&*", "+@all")
			given := time.Now()
			q := e.settled("default", 10)
			t.Logf("%s: it went on within %v", name, time.Since(given))
			if len(runs.get()) != 10 || q.Counts["crashed"] != 0 {
				t.Errorf("%s: %d runs, %+v", name, len(runs.get()), q)
			}
		})
	}
	wg.Wait()
}

// TestPasswordIsRotated gives the server a new password under a running worker, whose
// Credentials learn of it a while later.
//
//fault:server the password is changed under a running worker, and connections with the old one are cut (WRONGPASS) | it goes on as soon as Credentials gives the new one; each job runs once
func TestPasswordIsRotated(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	e := newEnv(t, s.URL())
	set := func(password string) {
		if got := s.Do(t, "ACL", "SETUSER", "worker", "reset", "on", ">"+password, "~*", "&*", "+@all"); got != "+OK" {
			t.Fatal(got)
		}
	}
	var password atomic.Value
	password.Store("first")
	set("first")
	client := e.open(&tasuki.ClientConfig{Credentials: func(context.Context) (string, string, error) {
		return "worker", password.Load().(string), nil
	}})
	w, err := tasuki.NewWorker(client, &tasuki.WorkerConfig{Concurrency: 5})
	if err != nil {
		t.Fatal(err)
	}
	got := collect(w, number)
	e.run(w)
	e.enqueue(number, 5)
	got.wait(t, 5)
	for i, next := range []string{"second", "third"} {
		set(next) // as it resets the user, its connections are cut
		s.Do(t, "CLIENT", "KILL", "USER", "worker")
		e.enqueue(number, 5)
		e.waitLog("WRONGPASS")
		if _, err := number.Enqueue(e.ctx, client, 1); err == nil || strings.Contains(err.Error(), "first") {
			t.Errorf("enqueue with the old password: %v", err)
		}
		password.Store(next)
		got.wait(t, 5*(i+2))
	}
	redistest.WaitFor(t, "an enqueue", func() error {
		_, err := number.Enqueue(e.ctx, client, 1)
		return err
	})
	if q := e.settled("default", 16); q.Counts["crashed"] != 0 {
		t.Errorf("%+v", q)
	}
}

// TestRenamedCommands runs on servers on which commands have other names, as with
// those that others run for us.
//
//fault:server CONFIG, INFO, CLIENT, SUBSCRIBE, PUBSUB, SCRIPT or HELLO have no name (rename-command) | a worker needs none of them: it works, without HELLO over RESP2
func TestRenamedCommands(t *testing.T) {
	t.Parallel()
	sets := [][]string{
		{"CONFIG", "INFO", "DEBUG", "SCRIPT", "MONITOR", "KEYS", "FLUSHALL", "SAVE"},
		{"CLIENT", "PUBSUB"},
		{"SUBSCRIBE"},
		{"HELLO"},
		{"HELLO", "CLIENT", "CONFIG", "INFO", "SUBSCRIBE", "PUBSUB"},
	}
	var wg sync.WaitGroup
	for _, names := range sets {
		var args []string
		for _, name := range names {
			args = append(args, "--rename-command", name, "")
		}
		s := redistest.Start(t, args...)
		e := newEnvOn(t, s.URL(), slices.Contains(names, "HELLO"))
		w := e.worker(tasuki.WorkerConfig{Concurrency: 3})
		got := collect(w, number)
		wg.Go(func() {
			if err := withCommands(e, w, got); err != nil {
				t.Errorf("without %q: %v\n%s", names, err, e.log)
			}
		})
	}
	wg.Wait()
}

// TestNoScripts: without Lua there are no workers, and they say so.
//
//fault:server scripts are refused (EVAL) | a worker and an enqueue with an id or a time say so at once; plain enqueues work
func TestNoScripts(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--rename-command", "EVAL", "", "--rename-command", "EVALSHA", "")
	e := newEnv(t, s.URL())
	if _, err := number.Enqueue(e.ctx, e.client, 1); err != nil {
		t.Errorf("a plain one: %v", err)
	}
	for name, k := range map[string]tasuki.Kind[int]{"id": number.With(tasuki.Opts{ID: "x"}), "time": number.With(tasuki.Opts{In: time.Hour})} {
		if _, err := k.Enqueue(e.ctx, e.client, 1); err == nil || !strings.Contains(err.Error(), "refuses the command") || errors.Is(err, tasuki.ErrUncertain) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := e.workerOf(number).Run(e.ctx); err == nil || !strings.Contains(err.Error(), "refuses the command") {
		t.Errorf("Run: %v", err)
	}
	e.do("DEL", e.key("default"))
}

// TestDatabases keeps namespaces of equal names in two databases of a server apart, but
// for what is said on channels, which databases share.
//
//fault:server two programs use the same names in two databases of a server | neither touches the jobs of the other, and a death in one is no death in the other
func TestDatabases(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	var got [2]*recorder[int]
	var envs [2]*env
	for db := range 2 {
		e := newEnv(t, fmt.Sprintf("%s?db=%d", s.URL(), db))
		if db == 1 {
			e.namespace = envs[0].namespace
			e.client = e.open(nil)
			other := e.inspector
			e.inspector = inspect.New(e.client)
			t.Cleanup(func() { // while the client is open
				e.check()
				e.inspector = other
			})
		}
		envs[db] = e
		w := e.worker(tasuki.WorkerConfig{})
		got[db] = collect(w, number)
		e.run(w)
		e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 1 })
	}
	for i := range 20 {
		if _, err := number.Enqueue(t.Context(), envs[i%2].client, i); err != nil {
			t.Fatal(err)
		}
	}
	for db, e := range envs {
		for _, i := range got[db].wait(t, 10) {
			if i%2 != db {
				t.Errorf("job %d has run in database %d", i, db)
			}
		}
		if q := e.settled("default", 10); q.Counts["crashed"] != 0 {
			t.Errorf("%+v", q)
		}
	}
	far, err := tasuki.Open(s.URL()+"?db=99", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	if err := far.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "out of range") {
		t.Errorf("Ping of a database that is not there: %v", err)
	}
}
