//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// work starts tasuki work with flags, and a script that the shell runs for every
// job.
func (e *env) work(script string, flags ...string) *process {
	e.t.Helper()
	return start(e.t, e.workCommand(script, flags...))
}

func (e *env) workCommand(script string, flags ...string) *exec.Cmd {
	e.t.Helper()
	return e.command(append(append([]string{"work"}, flags...), "--", "sh", "-c", script)...)
}

// stop ends it as a supervisor does, and demands a clean end.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		p.t.Errorf("exit code %d, want 0", code)
	}
}

// pid waits for a line "WORD PID" and returns the PID.
func (p *process) pid(word string) int {
	p.t.Helper()
	var pid int
	redistest.WaitFor(p.t, "a pid", func() error {
		for line := range strings.Lines(p.stdout.String()) {
			if text, ok := strings.CutPrefix(strings.TrimSpace(line), word+" "); ok && strings.HasSuffix(line, "\n") {
				var err error
				pid, err = strconv.Atoi(text)
				return err
			}
		}
		return errors.New("it is not there")
	})
	return pid
}

// waitGone waits until no process has the PID.
func waitGone(t testing.TB, pid int) {
	t.Helper()
	redistest.WaitFor(t, "the end of a process", func() error {
		// One that nobody has waited for yet has ended too.
		if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && strings.Contains(string(stat), ") Z ") {
			return nil
		}
		if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
			return fmt.Errorf("process %d lives: %v", pid, err)
		}
		return nil
	})
}

// counted waits until a queue has settled one job in this way.
func (e *env) counted(queue, how string) inspect.Queue {
	e.t.Helper()
	return e.waitQueue(queue, func(q inspect.Queue) bool { return q.Counts[how] == 1 && q.Running == 0 })
}

func TestWorkPayloadAndEnvironment(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.enqueue("mail.send", `{"to":"you"}`, tasuki.Opts{Queue: "mail", ID: "id-1", MaxAttempts: 7})
	cmd := e.workCommand(
		`echo "$TASUKI_ADDRESS|$TASUKI_QUEUE|$TASUKI_ID|$TASUKI_KIND|$TASUKI_ATTEMPT|$TASUKI_MAX_ATTEMPTS|$TASUKI_FENCE|$TASUKI_GRACE|$HELLO|$(cat)"`,
		"--queue", "mail")
	cmd.Env = append(cmd.Env, "TASUKI_GRACE=20s", "TASUKI_KIND=wrong", "HELLO=world")
	p := start(t, cmd)
	e.counted("mail", "done")
	p.stop()
	if got, want := p.stdout.String(), `mail/id-1|mail|id-1|mail.send|1|7|1||world|{"to":"you"}`+"\n"; got != want {
		t.Errorf("the command had %q, want %q", got, want)
	}
}

func TestWorkRaw(t *testing.T) {
	t.Parallel()
	e := setup(t)
	payload := "\x00\xff plain \n"
	e.do("RPUSH", e.namespace+":{default}", payload)
	p := e.work(`printf "<%s>" "$TASUKI_KIND"; cat`)
	e.counted("default", "done")
	p.stop()
	if got := p.stdout.String(); got != "<>"+payload {
		t.Errorf("the command had %q", got)
	}
}

func TestWorkOutcomes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script string
		counts string // how it is settled
		set    string // where it lies then
		kept   kept
	}{
		"success":    {"echo fine >&2", "done", "", kept{}},
		"later":      {"echo busy >&2; exit 75", "snooze", "retry", kept{Reason: "exit status 75"}},
		"failure":    {"echo broken >&2; exit 3", "dead", "dead", kept{1, "out of attempts", "exit status 3: broken"}},
		"silent":     {"exit 1", "dead", "dead", kept{1, "out of attempts", "exit status 1"}},
		"a signal":   {"echo oh >&2; kill -SEGV $$", "dead", "dead", kept{1, "out of attempts", "signal: segmentation fault: oh"}},
		"deadline":   {"trap 'echo late >&2; exit 4' TERM; echo up; while :; do sleep 0.1 & wait; done", "dead", "dead", kept{1, "deadline passed", tasuki.ErrDeadline.Error() + ": exit status 4: late"}},
		"its answer": {"trap 'echo late >&2; exit 4' TERM; echo up; while :; do sleep 0.1 & wait; done", "dead", "dead", kept{1, "out of attempts", tasuki.ErrTimeout.Error() + ": exit status 4: late"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := setup(t)
			opts := tasuki.Opts{MaxAttempts: 1}
			if name == "deadline" {
				opts.Deadline = time.Now().Add(5 * time.Second)
			}
			e.enqueue("any", "1", opts)
			flags := []string{"--grace", "20s"}
			if name == "its answer" {
				flags = append(flags, "--timeout", "300ms")
			}
			p := e.work(c.script, flags...)
			e.counted("default", c.counts)
			if c.set != "" {
				k := e.kept("default", c.set)
				k.Error = strings.Replace(k.Error, " (core dumped)", "", 1)
				if k != c.kept {
					t.Errorf("it is kept as %+v, want %+v", k, c.kept)
				}
			}
			p.stop()
		})
	}
}

func TestWorkKeepsTheEndOfStandardError(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.enqueue("any", "1", tasuki.Opts{MaxAttempts: 1})
	p := e.work(`i=0; while [ $i -lt 1000 ]; do echo "łódź $i"; i=$((i+1)); done >&2; exit 9`)
	k := e.kept("default", "dead")
	if !utf8.ValidString(k.Error) || strings.ContainsRune(k.Error, utf8.RuneError) {
		t.Errorf("no valid UTF-8: %q", k.Error)
	}
	if len(k.Error) > 4096 || len(k.Error) < 4080 || !strings.HasPrefix(k.Error, "exit status 9: ") || !strings.HasSuffix(k.Error, "łódź 999") {
		t.Errorf("%d bytes: %q", len(k.Error), k.Error)
	}
	p.stop()
	if s := p.stderr.String(); !strings.Contains(s, "łódź 0\n") || !strings.Contains(s, "łódź 999\n") {
		t.Errorf("not everything was passed on: %q", s)
	}
}

func TestWorkList(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ key, flag, want string }{
		"head":                  {"jobs", "jobs", "a b c "},
		"tail":                  {"jobs", "jobs:tail", "c b a "},
		"head of a :tail key":   {"jobs:tail", "jobs:tail:head", "a b c "},
		"tail of a :tail key":   {"jobs:tail", "jobs:tail:tail", "c b a "},
		"a key with everything": {"{j},o=b:s", "{j},o=b:s:tail", "c b a "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := setup(t)
			// Lists are outside of the namespace, and the server is shared.
			key, flag := e.namespace+c.key, e.namespace+c.flag
			e.do("RPUSH", key, "a", "b", "c")
			p := e.work(`echo "$TASUKI_QUEUE" >&2; echo "$(cat) "`, "--list", flag, "--concurrency", "1")
			q := e.waitQueue("list:"+key, func(q inspect.Queue) bool { return q.Counts["done"] == 3 })
			p.stop()
			if got := strings.ReplaceAll(p.stdout.String(), "\n", ""); got != c.want || q.Ready != 0 {
				t.Errorf("taken in the order %q, want %q", got, c.want)
			}
			if !strings.Contains(p.stderr.String(), "list:"+key+"\n") {
				t.Errorf("the queue has another name: %q", p.stderr)
			}
		})
	}
}

// Strict order holds across --queue and --list.
func TestWorkQueuesInTheOrderGiven(t *testing.T) {
	t.Parallel()
	e := setup(t)
	list := e.namespace + "jobs"
	e.enqueue("any", `"queue"`, tasuki.Opts{Queue: "low"})
	e.do("RPUSH", list, "list")
	e.enqueue("any", `"env"`, tasuki.Opts{Queue: "high"})
	p := e.work("echo $(cat)", "--list", list, "--queue", "low", "--queue", "high", "--concurrency", "1")
	e.counted("high", "done")
	e.counted("low", "done")
	p.stop()
	if got, want := p.stdout.String(), "list\n\"queue\"\n\"env\"\n"; got != want {
		t.Errorf("the order is %q, want %q", got, want)
	}
}

func TestWorkFlagsOfTheEnvironment(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.enqueue("any", "1", tasuki.Opts{Queue: "a"})
	e.enqueue("any", "1", tasuki.Opts{Queue: "b"})
	cmd := e.workCommand("true")
	cmd.Env = append(cmd.Env, "TASUKI_QUEUE=a=2\nb=1")
	p := start(t, cmd)
	e.counted("a", "done")
	e.counted("b", "done")
	p.stop()
}

// What a command is told of its job is no flag of a tasuki that it calls.
func TestWorkVariablesOfAJobAreNoFlags(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ address, want string }{{"", "TASUKI_QUEUE"}, {"mail/1", "no-such-command"}} {
		cmd := command(t, "work", "--", "no-such-command")
		cmd.Env = append(cmd.Env, "TASUKI_QUEUE=mail=wrong", "TASUKI_ADDRESS="+c.address)
		if r := run(t, cmd); r.code != exitUsage || !strings.Contains(r.stderr, c.want) {
			t.Errorf("%q: %d, %q", c.address, r.code, r.stderr)
		}
	}
}

func TestWorkCommandNeedNotRead(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.enqueue("any", `"`+strings.Repeat("x", 1<<20-2)+`"`, tasuki.Opts{})
	p := e.work("exit 0")
	e.counted("default", "done")
	p.stop()
}

func TestWorkPayloadOfAMegabyte(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.enqueue("any", `"`+strings.Repeat("x", 1<<20-2)+`"`, tasuki.Opts{})
	p := e.work("wc -c")
	e.counted("default", "done")
	p.stop()
	if got := strings.TrimSpace(p.stdout.String()); got != "1048576" {
		t.Errorf("the command has read %s bytes", got)
	}
}

// A job that a stop interrupts is put back where it was.
func TestWorkStopReleases(t *testing.T) {
	t.Parallel()
	for name, trap := range map[string]string{"dies": "", "fails": "trap 'echo told; exit 1' TERM;", "later": "trap 'echo told; exit 75' TERM;"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := setup(t)
			list := e.namespace + "jobs"
			e.do("RPUSH", list, "first", "second")
			p := e.work(trap+"echo up; while :; do sleep 0.1 & wait; done", "--list", list, "--concurrency", "1", "--grace", "1h")
			p.waitOutput("up\n")
			p.stop()
			q := e.queue("list:" + list)
			if q.Ready != 2 || q.Counts["release"] != 1 || q.Counts["retry"]+q.Counts["snooze"]+q.Counts["dead"] != 0 || q.Workers != 0 {
				t.Errorf("the queue is %+v", q)
			}
			if got, err := e.do("LRANGE", list, "0", "-1").AsStrSlice(); err != nil || strings.Join(got, " ") != "first second" {
				t.Errorf("the list is %q, %v", got, err)
			}
			if trap != "" && !strings.Contains(p.stdout.String(), "told\n") {
				t.Errorf("the command was not told: %q", p.stdout)
			}
		})
	}
}

// Those that end well after SIGTERM are done; the others are put back in order.
func TestWorkStopOfMany(t *testing.T) {
	t.Parallel()
	e := setup(t)
	for i := range 6 {
		e.enqueue("any", strconv.Itoa(i), tasuki.Opts{})
	}
	p := e.work(`n=$(cat); trap 'exit $((n % 2))' TERM; echo up; while :; do sleep 0.1 & wait; done`, "--concurrency", "4")
	redistest.WaitFor(t, "four commands", func() error {
		if n := strings.Count(p.stdout.String(), "up\n"); n != 4 {
			return fmt.Errorf("%d so far", n)
		}
		return nil
	})
	p.stop()
	q := e.queue("default")
	if q.Ready != 4 || q.Counts["done"] != 2 || q.Counts["release"] != 2 {
		t.Errorf("the queue is %+v", q)
	}
	elements, err := e.do("LRANGE", e.namespace+":{default}", "0", "-1").AsStrSlice()
	if err != nil {
		t.Fatal(err)
	}
	var order string
	for _, element := range elements {
		order += element[len(element)-2 : len(element)-1]
	}
	if order != "1345" {
		t.Errorf("they lie in the order %s, want 1345", order)
	}
}

func TestWorkStopKillsAfterTheGrace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		grace   string
		signals int
	}{"after the grace": {"300ms", 1}, "without": {"0", 1}, "at the second signal": {"1h", 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := setup(t)
			e.enqueue("any", "1", tasuki.Opts{})
			p := e.work(`trap '' TERM; sleep 1000 & echo "below $!"; echo "itself $$"; while :; do wait; done`, "--grace", c.grace)
			itself, below := p.pid("itself"), p.pid("below")
			p.signal(syscall.SIGTERM)
			if c.signals > 1 {
				p.waitOutput("tasuki: stopping")
				p.signal(syscall.SIGINT)
			}
			if code := p.wait(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			waitGone(t, itself)
			waitGone(t, below)
			if q := e.queue("default"); q.Ready != 1 || q.Counts["release"] != 1 {
				t.Errorf("the queue is %+v", q)
			}
		})
	}
}

// A shell that dies of SIGTERM does not take away the grace of what it has
// started.
func TestWorkGraceIsForTheGroup(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.enqueue("any", "1", tasuki.Opts{MaxAttempts: 1})
	p := e.work(`sh -c "trap 'sleep 1.5; echo cleaned up; echo said >&2; exit 0' TERM; echo up; while :; do sleep 0.1 & wait; done"; true`, "--grace", "30s")
	p.waitOutput("up\n")
	p.stop()
	if !strings.Contains(p.stdout.String(), "cleaned up") || !strings.Contains(p.stderr.String(), "said") {
		t.Errorf("it was killed within the grace: %q", p.stdout)
	}
	if q := e.queue("default"); q.Ready != 1 || q.Counts["release"] != 1 {
		t.Errorf("the queue is %+v", q)
	}
}

func TestWorkCancel(t *testing.T) {
	t.Parallel()
	e := setup(t)
	job := e.enqueue("any", "1", tasuki.Opts{})
	p := e.work("echo up; exec sleep 1000")
	p.waitOutput("up\n")
	if err := e.client.Cancel(t.Context(), job.Address()); err != nil {
		t.Fatal(err)
	}
	e.counted("default", "cancelled")
	p.stop()
}

// What a command leaves behind in its group ends with the job.
func TestWorkLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.enqueue("any", "1", tasuki.Opts{})
	p := e.work(`sleep 1000 & echo "left $!"`)
	e.counted("default", "done")
	waitGone(t, p.pid("left"))
	p.stop()
}

// What has left the group and holds the pipes does not hold the worker.
func TestWorkWaitsForNoDaemon(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("setsid"); err != nil {
		t.Skip("there is no setsid here")
	}
	e := setup(t)
	e.enqueue("any", `"`+strings.Repeat("x", 1<<20-2)+`"`, tasuki.Opts{})
	p := e.work(`setsid sh -c 'echo "away $$"; exec sleep 1000' 3<&0 <&3 &`)
	away := p.pid("away")
	t.Cleanup(func() { syscall.Kill(away, syscall.SIGKILL) }) //nolint:errcheck // it may have ended
	e.counted("default", "done")
	if err := syscall.Kill(away, 0); err != nil {
		t.Errorf("it has ended, and so nothing was tested: %v", err)
	}
	syscall.Kill(away, syscall.SIGKILL) //nolint:errcheck // it lives
	p.stop()
}

// A command ends with its worker, however that ends, and its job runs again.
func TestWorkKilled(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends a process with its parent")
	}
	e := setup(t)
	e.enqueue("any", "1", tasuki.Opts{})
	p := e.work(`echo "itself $$"; exec sleep 1000`)
	pid := p.pid("itself")
	p.kill()
	waitGone(t, pid)
	second := e.work("exit 0")
	e.counted("default", "done")
	second.stop()
}

func TestWorkCommandThatIsNotThere(t *testing.T) {
	t.Parallel()
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"no-such-command", "/no/such/command", plain, t.TempDir()} {
		e := setup(t)
		e.enqueue("any", "1", tasuki.Opts{})
		r := e.tasuki("work", "--", name)
		if r.code != exitUsage || !strings.Contains(r.stderr, name) {
			t.Errorf("%s: exit code %d, %q", name, r.code, r.stderr)
		}
		if q := e.queue("default"); q.Ready != 1 || q.Counts["claimed"] != 0 {
			t.Errorf("%s: the queue is %+v", name, q)
		}
	}
}

// A command that is not there any more says nothing of the job.
func TestWorkCommandThatIsGone(t *testing.T) {
	t.Parallel()
	e := setup(t)
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho up\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	p := start(t, e.command("work", "--", script))
	p.waitOutput("worker started")
	if err := os.Remove(script); err != nil {
		t.Fatal(err)
	}
	e.enqueue("any", "1", tasuki.Opts{MaxAttempts: 1})
	e.counted("default", "snooze")
	if k := e.kept("default", "retry"); k.Attempts != 0 || k.Reason != "the command could not be started" {
		t.Errorf("it is kept as %+v", k)
	}
	p.stop()
	if !strings.Contains(p.stderr.String(), "no such file") {
		t.Errorf("nothing is said of it: %q", p.stderr)
	}
}

func TestWorkRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args string
		want []string
	}{
		{"work", []string{"command is missing"}},
		{"work --", []string{"command is missing"}},
		{"work true", []string{`follow "--"`}},
		{"work some -- true", []string{`follow "--"`}},
		{"work --queue a=0 -- true", []string{"--queue", `"0"`, "1 to"}},
		{"work --queue a= -- true", []string{"--queue", "1 to"}},
		{"work --queue a=x -- true", []string{"--queue", `"x"`}},
		{"work --queue a=-1 -- true", []string{"--queue", `"-1"`}},
		{"work --queue a=1 --queue b -- true", []string{"--queue b", "--queue a=1", "all or for none"}},
		{"work --queue a=1 --list b -- true", []string{"--list b", "--queue a=1"}},
		{"work --queue a --queue a -- true", []string{"--queue a", "twice"}},
		{"work --list k --list k:tail -- true", []string{"--list k:tail", "twice"}},
		{"work --list :tail -- true", []string{"--list", "KEY"}},
		{"work --list tasuki:x -- true", []string{"--list tasuki:x", "tasuki's own"}},
		{"work --queue a/b -- true", []string{"--queue a/b", "A-Z"}},
		{"work --concurrency 0 -- true", []string{"--concurrency", "0", "1 to"}},
		{"work --grace -1s -- true", []string{"--grace", "-1s", "0 to"}},
		{"work --timeout 1us -- true", []string{"--timeout", "1µs", "1ms"}},
		{"work --timeout -1s -- true", []string{"--timeout", "-1s"}},
		{"work --max-attempts 0 -- true", []string{"--max-attempts", "0", "-1"}},
		{"work --health 8081 -- true", []string{"--health", `"8081"`, "HOST:PORT"}},
		{"work --health 127.0.0.1:none -- true", []string{"--health", "none"}},
		{"work --redis http://x -- true", []string{"http"}},
	} {
		r := run(t, command(t, strings.Fields(c.args)...))
		if r.code != exitUsage {
			t.Errorf("%s: exit code %d", c.args, r.code)
		}
		for _, want := range c.want {
			if !strings.Contains(r.stderr, want) {
				t.Errorf("%s: %q does not tell %q", c.args, r.stderr, want)
			}
		}
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", tailBytes)
	for name, c := range map[string]struct {
		writes []string
		n      int
		want   string
	}{
		"nothing":                {nil, 10, ""},
		"white space around it":  {[]string{" \n a b ", "c\n"}, 10, "a b c"},
		"more than fits":         {[]string{"abc", "defg"}, 4, "defg"},
		"half a character":       {[]string{"aé"}, 1, ""},
		"no UTF-8":               {[]string{"a\xffb"}, 10, "a\uFFFDb"},
		"longer when it is":      {[]string{"\xffb\xffb"}, 4, "\uFFFDb"},
		"one long write":         {[]string{"x" + long}, 2 * tailBytes, long},
		"a long one, then more":  {[]string{long, "end"}, 2 * tailBytes, long[3:] + "end"},
		"cut within a character": {[]string{"é" + long[1:]}, 2 * tailBytes, long[1:]},
		"no room":                {[]string{"abc"}, 0, ""},
	} {
		var kept tail
		for _, s := range c.writes {
			if n, err := kept.Write([]byte(s)); n != len(s) || err != nil {
				t.Errorf("%s: Write: %d, %v", name, n, err)
			}
		}
		if got := kept.text(c.n); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if cap(kept.kept) > 4*tailBytes {
			t.Errorf("%s: it keeps %d bytes", name, cap(kept.kept))
		}
	}
}
