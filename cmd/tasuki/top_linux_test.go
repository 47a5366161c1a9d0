package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/cmd/tasuki/internal/top"
	"github.com/tasuki-dev/tasuki/cron"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// top starts tasuki top on a terminal of 80×24.
func (e *env) top(args ...string) *screen {
	e.t.Helper()
	cmd := e.command(append([]string{"top", "--interval", "200ms"}, args...)...)
	cmd.Env = append(cmd.Env, "TERM=xterm-256color", "TZ=UTC")
	return startOnScreen(e.t, cmd)
}

// leaves presses q, and looks at what is left of the terminal.
func (s *screen) leaves() {
	s.t.Helper()
	s.keys("q")
	if code := s.wait(); code != exitOK {
		s.t.Errorf("it exits with %d", code)
	}
	s.restored()
}

// restored demands that the terminal is as it was before.
func (s *screen) restored() {
	s.t.Helper()
	s.text()
	if s.vt.IsAltScreen() {
		s.t.Error("it leaves its own screen on the terminal")
	}
	if s.vt.CursorHidden() {
		s.t.Error("it leaves the cursor hidden")
	}
	out := s.stdout.String()
	for _, mode := range []string{"2004", "1000", "1002", "1003", "1004"} { // pasting, the mouse, the focus
		if on, off := strings.LastIndex(out, "\x1b[?"+mode+"h"), strings.LastIndex(out, "\x1b[?"+mode+"l"); on > off {
			s.t.Errorf("it leaves mode %s", mode)
		}
	}
	if now := attributes(s.t, s.master); now != s.before {
		s.t.Errorf("the terminal was %+v, and is %+v", s.before, now)
	}
}

// attributes are those of a terminal: see termios(3).
func attributes(t testing.TB, f *os.File) (a syscall.Termios) {
	t.Helper()
	raw, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TCGETS, uintptr(unsafe.Pointer(&a))); errno != 0 {
			t.Errorf("the attributes of a terminal: %v", errno)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// masks are what differs from run to run.
var masks = []struct {
	what *regexp.Regexp
	to   string
}{
	{regexp.MustCompile(`(?m)^tasuki top .*`), "HEAD"},
	{regexp.MustCompile(`Redis    .*`), "Redis REDIS"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`), "TIME"},
	{regexp.MustCompile(`\b\d+(?:\.\d+)?(?:µs|ms|s|m|h|d)(?:\d+[smh])?\b`), "AGE"},
	{regexp.MustCompile(`no worker take.*…`), "no worker takes …"}, // cut where the ages leave no room
	{regexp.MustCompile(`\b\d+\.\d\b`), "RATE"},
	{regexp.MustCompile(`[▁▂▃▄▅▆▇█]+`), "SPARK"},
	{regexp.MustCompile(` +`), " "},
	{regexp.MustCompile(`(?m) $`), ""},
}

// golden compares the screen, with its masks, with one in testdata.
func (s *screen) golden(name string, secrets map[string]string) {
	s.t.Helper()
	path := filepath.Join("testdata", "top", name+".txt")
	masked := func() string {
		text := s.text()
		for is, to := range secrets {
			text = strings.ReplaceAll(text, is, to)
		}
		for _, m := range masks {
			text = m.what.ReplaceAllString(text, m.to)
		}
		return text + "\n"
	}
	if os.Getenv("TASUKI_TEST_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(masked()), 0o644); err != nil {
			s.t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	got := ""
	redistest.WaitFor(s.t, "the screen of "+path, func() error {
		if got = masked(); got != string(want) {
			return errors.New("it is\n" + got + "\nwant\n" + string(want))
		}
		return nil
	})
}

// Every view, of jobs that real workers have.
func TestTopTour(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		ctx := t.Context()
		began, let := make(chan bool, 10), make(chan bool)
		stop := e.handle("mail", func(ctx context.Context, job *tasuki.RawJob) error {
			if job.Kind == "email.broken" {
				return tasuki.Kill(errors.New("550 mailbox unavailable"))
			}
			began <- true
			<-let
			return nil
		})
		e.enqueue("email.slow", `{"to":"山田太郎"}`, tasuki.Opts{Queue: "mail", ID: "slow", Record: true})
		<-began
		e.enqueue("email.broken", `{"to":"x"}`, tasuki.Opts{Queue: "mail", ID: "broken"})
		e.enqueue("email.later", `{}`, tasuki.Opts{Queue: "mail", ID: "later", In: 24 * time.Hour, Record: true})
		e.enqueue("report.nightly", `{}`, tasuki.Opts{Queue: "reports", ID: "alone"})
		e.waitQueue("mail", func(q inspect.Queue) bool { return q.Dead == 1 && q.Running == 1 })
		workers := e.waitWorkers(haveAnswered(1))
		if _, err := cron.New(e.open("operator")).Set(ctx, cron.Entry{Name: "nightly", Expr: "30 2 * * *", Kind: "report.nightly"}); err != nil {
			t.Fatal(err)
		}
		if _, err := e.inspector.As("ci").Mark(ctx, "deploy of mail", "v1.4.0"); err != nil {
			t.Fatal(err)
		}
		s := e.top()
		short := workers[0].ID[:4] + "…" + workers[0].ID[len(workers[0].ID)-8:]
		secrets := map[string]string{waitFailure(e).Fingerprint: "FINGERPRINT", workers[0].ID: "WORKER", short: "WORKER", workers[0].Place(): "PLACE"}
		s.waitFor("Wrong now", "reports", "OLDEST")
		for _, step := range []struct {
			keys, name string
			texts      []string
		}{
			{"2", "queues", []string{"Queues\n", "mail", "reports", "▁"}},
			{"\r", "queue", []string{"Queues › mail", "claimed", "▁"}},
			{"\r", "jobs-of-queue", []string{"Jobs: queue:mail", "email.slow", "email.later", "email.broken"}},
			{"jj\r", "job-dead", []string{"mail/broken", "It is dead since", "550 mailbox", "Arguments"}},
			{"\x1bkk\r", "job-running", []string{"mail/slow", "It runs on", "山田太郎", "running"}},
			{"4", "workers", []string{"WORKER", workers[0].ID[:4], "running"}},
			{"\r", "worker", []string{"RUNS", "mail/slow"}},
			{"\r", "job-of-worker", []string{"mail/slow", "It runs on", "山田太郎"}},
			{"5", "failures", []string{"email.broken", "550 mailbox"}},
			{"\r", "failure", []string{"Failures › email.broken", "24 hours"}},
			{"6", "schedules", []string{"nightly", "30 2 * * *"}},
			{"\r", "schedule", []string{"Schedules › nightly", "report.nightly"}},
			{"8", "", []string{"Kinds by failed, over 1h", "email.broken"}}, // its columns differ with the times
			{"\r", "", []string{"email.broken in mail, over 1h", "deploy of mail  v1.4.0  by ci"}},
			{"9", "", []string{"deploy of mail", "page 1"}},
			{"7", "operations", []string{"nothing was done"}},
			{"1", "overview", []string{"Wrong now", "▁"}},
			{"?", "keys", []string{"Small letters move and look"}},
		} {
			for _, key := range strings.SplitAfter(step.keys, "\x1b") { // an escape ends where nothing follows soon
				s.keys(key)
				if strings.HasSuffix(key, "\x1b") {
					s.waitFor("Jobs: queue:mail\n")
				}
			}
			s.waitFor(step.texts...)
			if step.name != "" {
				s.golden(step.name, secrets)
			}
		}
		s.keys("x") // the help goes
		s.waitFor("Wrong now")
		s.leaves()
		close(let)
		stop()
	})
}

// waitFailure waits until the worker has told of a failure.
func waitFailure(e *env) (f inspect.Failure) {
	e.t.Helper()
	redistest.WaitFor(e.t, "a failure", func() error {
		all, err := e.inspector.Failures(context.Background(), inspect.FailureQuery{})
		if err == nil && len(all) != 1 {
			err = fmt.Errorf("there are %+v", all)
		}
		if err == nil {
			f = all[0]
		}
		return err
	})
	return f
}

// What is asked for with --write is done, and nothing without.
func TestTopWrite(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		var mended atomic.Bool
		ran := make(chan string, 10)
		stop := e.handle("mail", func(_ context.Context, job *tasuki.RawJob) error {
			ran <- job.ID
			if !mended.Load() {
				return tasuki.Kill(errors.New("550 mailbox unavailable"))
			}
			return nil
		})
		e.enqueue("email.welcome", `{}`, tasuki.Opts{Queue: "mail", ID: "a", Record: true})
		e.enqueue("email.welcome", `{}`, tasuki.Opts{Queue: "mail", ID: "b"})
		<-ran
		<-ran
		e.waitQueue("mail", func(q inspect.Queue) bool { return q.Dead == 2 })
		mended.Store(true)

		s := e.top()
		s.keys("3")
		s.waitFor("email.welcome", "read-only")
		s.keys("R")
		s.waitFor("nothing can be changed: start tasuki top with --write")
		s.keys("y")
		s.leaves()
		if q := e.queue("mail"); q.Dead != 2 {
			t.Fatalf("without --write it has changed %+v", q)
		}

		s = e.top("--write")
		s.keys("3")
		s.waitFor("email.welcome", "CAN WRITE")
		s.keys("R")
		s.waitFor("Retry mail/", " (email.welcome)? [y/N]")
		s.keys("n")
		s.waitFor("nothing was done")
		s.keys("*") // both
		s.waitFor("all that match are meant")
		s.keys("R")
		s.waitFor("Retry 2 jobs of all queues? [y/N]")
		s.keys("y")
		s.waitFor("retried 2 jobs")
		<-ran
		<-ran
		e.waitQueue("mail", func(q inspect.Queue) bool { return q.Counts["done"] == 2 })

		s.keys("2")
		s.waitFor("QUEUE")
		s.keys("P")
		s.waitFor("Pause mail?")
		s.keys("y")
		s.waitFor("paused mail", "P  mail")
		e.waitQueue("mail", func(q inspect.Queue) bool { return q.Paused && q.PausedBy == whoami() })
		s.keys("P")
		s.waitFor("Resume mail?")
		s.keys("y")
		e.waitQueue("mail", func(q inspect.Queue) bool { return !q.Paused })
		s.keys("4")
		s.waitFor("running")
		s.keys("Q")
		s.waitFor("It takes no more jobs")
		s.keys("y")
		s.waitFor("quieted", " quiet ")
		s.leaves()
		stop()
	})
}

// Whatever a job carries, nothing of it reaches the terminal but harmless characters.
func TestTopHostile(t *testing.T) {
	t.Parallel()
	e := setup(t)
	bad := "\x1b]0;owned\x07\x1b[2J\x1b[31m\x1b]52;c;b3duZWQ=\x07\u009b31m\u202egnp\r\n\x00\x1bP\x1b\\\x1b[?1049l日本語"
	stop := e.handle("mail", func(context.Context, *tasuki.RawJob) error { return tasuki.Kill(errors.New(bad)) })
	e.enqueue("email.welcome", `{"a":"\u001b[2J","b":"`+"\u009b31m\u202e"+`"}`, tasuki.Opts{Queue: "mail", ID: "a", Record: true, Meta: map[string]string{"tag": bad}})
	e.waitQueue("mail", func(q inspect.Queue) bool { return q.Dead == 1 })
	stop()
	e.do("RPUSH", e.namespace+":{mail}", bad)
	s := e.top("--write")
	s.keys("3")
	s.waitFor("email.welcome")
	s.keys("\r")
	s.waitFor("Bytes, 70 B")
	s.keys("\x7f")
	s.waitFor("email.welcome")
	s.keys("j\r")
	s.waitFor("mail/a", "killed", "Error")
	s.keys("e") // its end
	s.keys("R")
	s.waitFor("mail/a (email.welcome)? [y/N]")
	s.keys("n\x7f")
	s.waitFor("email.welcome")
	s.keys("/\x1b[200~" + bad + "\x1b[201~") // pasted
	s.waitFor("filter: ", "gnp", "日本語")
	s.keys("\x03")
	if code := s.wait(); code != exitOK {
		t.Errorf("it exits with %d", code)
	}
	s.restored()
	out := s.stdout.String()
	for _, sequence := range []string{"\x1b]0;", "\x1b]52;", "\u009b", "\u202e", "\x1bP", "\x00"} {
		if strings.Contains(out, sequence) {
			t.Errorf("%q has reached the terminal", sequence)
		}
	}
	// Its own are at the begin and at the end.
	if strings.Count(out, "\x1b[2J") != strings.Count(out, "\x1b[H\x1b[2J") || strings.Count(out, "\x1b[?1049l") != 1 {
		t.Error("what clears the screen, or leaves it, has reached the terminal")
	}
}

// Redis goes, and comes back.
func TestTopOutage(t *testing.T) {
	t.Parallel()
	e := setup(t)
	proxy := redistest.StartTCPProxy(t, redistest.Shared(t))
	e.enqueue("k", "1", tasuki.Opts{Queue: "mail"})
	cmd := command(t, "top", "--interval", "200ms", "--namespace", e.namespace, "--redis", proxy.URL())
	s := startOnScreen(t, cmd)
	s.waitFor("mail")
	proxy.Down(true)
	proxy.CutAll()
	s.waitFor("Redis cannot be asked", "what is shown is old; trying again", "mail")
	s.keys("3") // it goes on to answer
	s.waitFor("Jobs")
	proxy.Down(false)
	redistest.WaitFor(t, "the end of the outage", func() error {
		if text := s.text(); strings.Contains(text, "Redis cannot be asked") || !strings.Contains(text, "ready") {
			return errors.New("it is still there")
		}
		return nil
	})
	s.leaves()
}

// The size changes while it draws, ten times a second, and there are ten thousand queues.
func TestTopResize(t *testing.T) {
	t.Parallel()
	e := setup(t)
	names := []string{"SADD", e.namespace + ":queues"}
	for n := range 10_000 {
		names = append(names, fmt.Sprintf("queue-%04d", n))
	}
	e.do(names...)
	s := e.top()
	s.waitFor("Overview", "queue-0000")
	s.keys("2e")
	s.waitFor("QUEUE", "queue-9999")
	for w := 20; w < 300; w += 7 { // it is drawing the one while the next is there
		s.resize(w, 5+w%40)
	}
	for _, size := range [][2]int{{300, 60}, {200, 50}, {40, 12}, {20, 5}, {20, 4}, {80, 24}} {
		s.resize(size[0], size[1])
		redistest.WaitFor(t, "a screen of another size", func() error {
			lines := strings.Split(s.text(), "\n")
			if !strings.HasPrefix(lines[len(lines)-1], "? keys") || len(lines) != size[1] {
				return errors.New("its last line is not the last")
			}
			if text := strings.Join(lines, "\n"); !strings.Contains(text, "queue-9999") {
				return errors.New("the cursor's row is not seen")
			}
			return nil
		})
	}
	s.keys("/5678\r\r")
	s.waitFor("queue-5678\n", "ready")
	s.leaves()
	e.do("DEL", e.namespace+":queues") // none of them has a key, and the check would look for each
}

// A worker that is killed while somebody looks at it.
func TestTopWorkerKilled(t *testing.T) {
	t.Parallel()
	e := setup(t)
	w := e.work("true", "--queue", "mail")
	all := e.waitWorkers(haveAnswered(1))
	s := e.top()
	s.keys("4")
	s.waitFor("running", w.place())
	s.keys("\r")
	s.waitFor("Workers › "+all[0].ID, "running", w.place())
	w.kill()
	s.waitFor("unheard")
	s.leaves()
}

func TestTopSignals(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		e := setup(t)
		s := e.top()
		s.waitFor("Overview", "Redis")
		s.signal(sig)
		if code := s.wait(); code != exitOK {
			t.Errorf("after %v it exits with %d", sig, code)
		}
		s.restored()
	}
}

// Ctrl-Z gives the terminal back to the shell, and fg the screen to it.
func TestTopSuspend(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.enqueue("k", "1", tasuki.Opts{Queue: "mail"})
	cmd := e.command("top", "--interval", "200ms")
	shell := exec.Command("sh", "-c", `set -m; "$@"; echo "stopped with $?"; stty -a | grep -o -e ' -\?icanon'; read line; fg >/dev/null; echo "left with $?"`, "sh")
	shell.Args, shell.Env, shell.Dir = append(shell.Args, cmd.Args...), append(cmd.Env, "TERM=xterm-256color", "PATH="+os.Getenv("PATH")), cmd.Dir
	s := startOnScreen(t, shell)
	s.waitFor("Overview", "mail")
	s.keys("\x1a")
	s.waitFor("stopped with ", "\n icanon")
	if s.vt.IsAltScreen() || s.vt.CursorHidden() {
		t.Error("its screen stays")
	}
	e.enqueue("k", "2", tasuki.Opts{Queue: "reports"})
	s.keys("\r")
	s.waitFor("Overview", "mail", "reports")
	if !s.vt.IsAltScreen() {
		t.Error("it writes over what the shell has written")
	}
	s.keys("2")
	s.waitFor("Queues\n", "reports")
	s.keys("q")
	s.waitFor("left with 0")
	s.wait()
	s.restored()
}

// Where no shell has started it, as in a container, it would never go on.
func TestTopSuspendAlone(t *testing.T) {
	t.Parallel()
	s := setup(t).top()
	s.waitFor("Overview")
	s.keys("\x1a")
	s.waitFor("there is no shell to go back to")
	s.leaves()
}

// Redis hangs while nothing but looks goes on.
func TestTopLeavesHungLook(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	e := setupOn(t, server)
	t.Cleanup(func() { server.Signal(t, syscall.SIGCONT) })
	s := e.top()
	s.waitFor("Overview", "Redis")
	server.Signal(t, syscall.SIGSTOP)
	began := time.Now()
	s.leaves()
	if took := time.Since(began); took > 1500*time.Millisecond || s.stderr.String() != "" {
		t.Errorf("it took %v, and says %q", took, s.stderr)
	}
}

// Redis hangs amid an operation. Whoever leaves does not wait for it, and is told how to go on.
func TestTopLeavesHungRedis(t *testing.T) {
	t.Parallel()
	for _, leave := range []string{"qy", "\x03"} {
		t.Run(fmt.Sprintf("%q", leave), func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			e := setupOn(t, server)
			t.Cleanup(func() { server.Signal(t, syscall.SIGCONT) })
			proxy := redistest.StartProxy(t, server)
			specs := slices.Repeat([]tasuki.Spec{{Kind: "email.welcome", Opts: tasuki.Opts{Queue: "mail"}}}, 10_000)
			if _, err := e.client.EnqueueMany(t.Context(), specs); err != nil {
				t.Fatal(err)
			}
			cmd := command(t, "top", "--write", "--interval", "200ms", "--namespace", e.namespace, "--redis", proxy.URL())
			cmd.Env = append(cmd.Env, "TERM=xterm-256color")
			s := startOnScreen(t, cmd)
			s.keys("3")
			s.waitFor("email.welcome", "10,000 jobs")
			s.keys("*D")
			s.waitFor("Delete 10,000 jobs of all queues?")
			proxy.Delay(func() time.Duration { return 50 * time.Millisecond }) // at least fifty portions, one after the other
			s.keys("y")
			s.waitFor("remove: ")
			server.Signal(t, syscall.SIGSTOP)
			began := time.Now()
			s.keys(leave)
			if code := s.wait(); code != exitOK {
				t.Errorf("it exits with %d", code)
			}
			if took := time.Since(began); took > 5*time.Second { // under a second where nothing else goes on
				t.Errorf("it took %v", took)
			}
			s.restored()
			text := s.stderr.String()
			m := regexp.MustCompile(`operation (\S+) is interrupted: tasuki op continue (\S+) goes on with it\. Redis does not answer`).FindStringSubmatch(text)
			if m == nil {
				t.Fatalf("it says %q", text)
			}
			server.Signal(t, syscall.SIGCONT)
			redistest.WaitFor(t, "the operation to be interrupted", func() error {
				if o, err := e.inspector.Operation(t.Context(), m[1]); err != nil || o.State != inspect.OperationInterrupted {
					return fmt.Errorf("it is %s, %v", o.State, err)
				}
				return nil
			})
			e.tasuki("op", "continue", m[2]).want(t, exitOK)
			if q := e.queue("mail"); q.Ready != 0 {
				t.Errorf("there are %d ready jobs", q.Ready)
			}
		})
	}
}

// What is done to all that match is an operation: it is seen, noted, and undone.
func TestTopOperations(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		for n := range 30 {
			e.enqueue("email.welcome", "{}", tasuki.Opts{Queue: "mail", ID: fmt.Sprint("job-", n)})
		}
		if _, err := cron.New(e.open("operator")).Set(t.Context(), cron.Entry{Name: "nightly", Expr: "30 2 * * *", Kind: "report.nightly"}); err != nil {
			t.Fatal(err)
		}
		s := e.top("--write")
		s.keys("6")
		s.waitFor("nightly")
		s.keys("P")
		s.waitFor("Pause nightly?")
		s.keys("y")
		s.waitFor("paused nightly")
		s.keys("3")
		s.waitFor("email.welcome", "30 jobs")
		s.keys("*D")
		s.waitFor("Delete 30 jobs of all queues? It can be undone for an hour. [y/N]")
		s.keys("y")
		s.waitFor("deleted 30 jobs; it can be undone in Operations", "there are no such jobs")
		if q := e.queue("mail"); q.Ready != 0 {
			t.Fatalf("there are %d ready jobs", q.Ready)
		}
		s.keys("7")
		s.waitFor("remove", "done", "state:")
		s.keys("\r")
		s.waitFor("remove: 30 of 30 jobs", "by         "+whoami())
		s.keys("U")
		s.waitFor("30 jobs would", "[y/N]")
		s.keys("y")
		s.waitFor("brought back 30 jobs", "undone by")
		if q := e.queue("mail"); q.Ready != 30 {
			t.Errorf("there are %d ready jobs, want all 30 again", q.Ready)
		}
		s.keys("R")
		s.waitFor("nothing to do: it was undone")
		s.keys("9")
		s.waitFor("remove", "undo", "operation ", "pause schedule")
		s.leaves()
		trail, err := e.inspector.Audit(t.Context(), "", 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range trail.Entries {
			if a.By != whoami() {
				t.Errorf("%+v was not done by %s", a, whoami())
			}
		}
	})
}

// Arguments are changed in an editor, which has the terminal meanwhile; and the job is moved.
func TestTopEditMove(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.enqueue("email.welcome", `{"user":42}`, tasuki.Opts{Queue: "mail", ID: "a", Record: true})
	editor := filepath.Join(t.TempDir(), "editor")
	script := "#!/bin/sh\nprintf 'what instead of '; cat \"$1\"; read line; echo \"$line\" >\"$1\"\n"
	if err := os.WriteFile(editor, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := e.command("top", "--write", "--interval", "200ms")
	cmd.Env = append(cmd.Env, "TERM=xterm-256color", "EDITOR="+editor, "VISUAL=", "TMPDIR="+t.TempDir(), "PATH="+os.Getenv("PATH"))
	s := startOnScreen(t, cmd)
	s.keys("3")
	s.waitFor("email.welcome")
	s.keys("\r")
	s.waitFor("mail/a", "Arguments")
	s.keys("E")
	s.waitFor("what instead of {")
	if s.vt.IsAltScreen() {
		t.Error("the editor gets its screen")
	}
	s.keys("{\"user\": 43}\r")
	s.waitFor("Change the arguments of mail/a (email.welcome)? [y/N]")
	s.keys("y")
	s.waitFor("changed 1 job", "\"user\": 43")
	s.keys("M")
	s.waitFor("move to queue:")
	s.keys("bulk\r")
	s.waitFor("Move mail/a (email.welcome) to bulk? [y/N]")
	s.keys("y")
	s.waitFor("moved 1 job to bulk")
	redistest.WaitFor(t, "the job in its other queue", func() error {
		if j, err := e.inspector.Job(t.Context(), "bulk/a"); err != nil || string(j.Args) != `{"user":43}` {
			return fmt.Errorf("it is %+v, %v", j, err)
		}
		return nil
	})
	s.leaves()
}

func TestTopColours(t *testing.T) {
	t.Parallel()
	colour := regexp.MustCompile(`\x1b\[[0-9;]*\b(3|4|9|10)[0-9]\b[0-9;:]*m`)
	for _, c := range []struct {
		env  string
		want bool
	}{{"TERM=xterm-256color", true}, {"NO_COLOR=1", false}} {
		e := setup(t)
		cmd := e.command("top")
		cmd.Env = append(cmd.Env, "TERM=xterm-256color", c.env)
		s := startOnScreen(t, cmd)
		s.waitFor("Nothing is wrong", "Redis")
		s.leaves()
		if got := colour.MatchString(s.stdout.String()); got != c.want {
			t.Errorf("with %s: colours: %v", c.env, got)
		}
		if strings.Contains(s.stdout.String(), "38;") {
			t.Errorf("with %s: more than sixteen colours", c.env)
		}
	}
}

func TestTopRefuses(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.tasuki("top").want(t, exitUsage, "top needs a terminal for its input and output: tasuki stats prints")
	e.tasuki("top", "--interval", "1ms").want(t, exitUsage, "--interval: 1ms: allowed are 100ms to 24h")
	e.tasuki("top", "mail").want(t, exitUsage, "top takes no arguments")
	cmd := e.command("top")
	cmd.Env = append(cmd.Env, "TERM=dumb")
	p, _ := startOnPTY(t, cmd)
	if code := p.wait(); code != exitUsage || !strings.Contains(p.stderr.String(), "TERM is dumb") {
		t.Errorf("on a dumb terminal it exits with %d: %s", code, p.stderr)
	}
	cmd = command(t, "top", "--redis", "redis://127.0.0.1:1")
	p, _ = startOnPTY(t, cmd)
	if code := p.wait(); code != exitRedis || strings.Contains(p.stdout.String(), "\x1b[?1049h") {
		t.Errorf("without Redis it exits with %d: %s", code, p.stderr)
	}
}

// panicking is a Source that has a mistake.
type panicking struct{ top.Source }

func (panicking) Stats(context.Context) (*inspect.Stats, error) { panic("a mistake") }

// The terminal is as it was also after a panic.
func TestTopPanic(t *testing.T) {
	if os.Getenv("TASUKI_TEST_PANIC") != "" {
		if err := top.Run(t.Context(), top.Config{Source: panicking{}, Interval: time.Second, Input: os.Stdin, Output: os.Stdout, Environ: os.Environ()}); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(exitFailed)
	}
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestTopPanic$")
	cmd.Env = append(os.Environ(), "TASUKI_TEST_PANIC=1", "TERM=xterm")
	s := startOnScreen(t, cmd)
	if code := s.wait(); code != exitFailed {
		t.Errorf("it exits with %d", code)
	}
	s.restored()
	if err := s.stderr.String(); !strings.Contains(err, "it has panicked: a mistake") || !strings.Contains(err, "panicking.Stats") {
		t.Errorf("it says %s", err)
	}
}
