package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/rueidis"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// onDemoServers runs a test of the demo on a redis-server of its own, as the list
// has one name for all, and on the embedded one.
func onDemoServers(t *testing.T, f func(t *testing.T, d *demoTest)) {
	t.Parallel()
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		d := &demoTest{t: t, url: redistest.Start(t).URL(), cmd: command(t, "demo")}
		d.cmd.Env = append(d.cmd.Env, "TASUKI_REDIS_URL="+d.url)
		f(t, d)
		d.check()
	})
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		f(t, &demoTest{t: t, cmd: command(t, "demo")})
	})
}

// demoTest is a demo that a test looks at.
type demoTest struct {
	*process
	t   *testing.T
	url string // of the embedded server once the demo is ready
	cmd *exec.Cmd
}

// ready waits until the demo's workers wait.
func (d *demoTest) ready(p *process) {
	d.t.Helper()
	d.process = p
	p.waitOutput("two workers wait on the list \"queue\"")
	if d.url == "" {
		d.url = regexp.MustCompile(`redis://127\.0\.0\.1:\d+`).FindString(p.stderr.String())
	}
}

// feed starts the demo with a pipe as its input.
func (d *demoTest) feed() (input io.WriteCloser) {
	d.t.Helper()
	in, input, err := os.Pipe()
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { input.Close() })
	d.cmd.Stdin = in
	d.ready(start(d.t, d.cmd))
	in.Close()
	return input
}

// do sends a command as another program does.
func (d *demoTest) do(words ...string) rueidis.RedisResult {
	d.t.Helper()
	option := rueidis.MustParseURL(d.url)
	option.DisableCache, option.ForceSingleClient = true, true
	c, err := rueidis.NewClient(option)
	if err != nil {
		d.t.Fatal(err)
	}
	defer c.Close()
	return c.Do(context.Background(), c.B().Arbitrary(words...).Build())
}

// inspector looks at the demo's namespace.
func (d *demoTest) inspector() *inspect.Inspector {
	d.t.Helper()
	client, err := tasuki.Open(d.url, &tasuki.ClientConfig{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(client.Close)
	return inspect.New(client)
}

// check demands that the namespace is in order, when no worker is amid a job.
func (d *demoTest) check() {
	d.t.Helper()
	i := d.inspector()
	redistest.WaitFor(d.t, "order in the namespace", func() error {
		problems, err := i.Check(context.Background())
		if err != nil || len(problems) == 0 {
			return err
		}
		return fmt.Errorf("problems: %v", problems)
	})
}

// ends waits for the end of the demo, and wants what it printed to be like this.
func (d *demoTest) ends(printed func() string, like string) []string {
	d.t.Helper()
	if code := d.wait(); code != exitOK {
		d.t.Errorf("exit code %d", code)
	}
	match := regexp.MustCompile("^" + like + "$").FindStringSubmatch(printed())
	if match == nil {
		d.t.Fatalf("it prints %q, want it like %q", printed(), like)
	}
	return match
}

const demoStops = "waiting for workers to stop\nstopped in \\d+ ms\n"

func TestDemoPipe(t *testing.T) {
	onDemoServers(t, func(t *testing.T, d *demoTest) {
		in := d.feed()
		fmt.Fprintln(in, "A")
		d.waitOutput(": (queue, A)\n")
		fmt.Fprintln(in, "B")
		d.waitOutput(": (queue, B)\n")
		d.check()
		in.Close()
		ids := d.ends(d.stdout.String, `(\d+): \(queue, A\)\n(\d+): \(queue, B\)\n`+demoStops)
		if ids[1] == ids[2] || ids[1] == "0" || ids[2] == "0" {
			t.Errorf("the ids are %s", ids[1:])
		}
	})
}

func TestDemoEmptyLine(t *testing.T) {
	onDemoServers(t, func(t *testing.T, d *demoTest) {
		in := d.feed()
		fmt.Fprintln(in, "A")
		d.waitOutput(": (queue, A)\n")
		d.check()
		fmt.Fprint(in, "\nB\n") // the input goes on
		d.ends(d.stdout.String, `\d+: \(queue, A\)\n`+demoStops)
	})
}

func TestDemoInterrupt(t *testing.T) {
	onDemoServers(t, func(_ *testing.T, d *demoTest) {
		d.feed()
		d.check()
		d.signal(os.Interrupt)
		d.ends(d.stdout.String, demoStops)
	})
}

// Any program that pushes to the list feeds the demo's workers.
func TestDemoSecondProgram(t *testing.T) {
	onDemoServers(t, func(t *testing.T, d *demoTest) {
		in := d.feed()
		if err := d.do("RPUSH", "queue", "hello", "you").Error(); err != nil {
			t.Fatal(err)
		}
		d.waitOutput(": (queue, hello)\n")
		d.waitOutput(": (queue, you)\n")
		cmd := command(t, "enqueue", "--raw", "--list", "queue", "there", "--redis", d.url)
		run(t, cmd).want(t, exitOK)
		d.waitOutput(": (queue, there)\n")
		d.check()
		in.Close()
		if code := d.wait(); code != exitOK {
			t.Errorf("exit code %d", code)
		}
	})
}

// What nobody took stays in the list, and the demo says how much.
func TestDemoLeavesTheRest(t *testing.T) {
	onDemoServers(t, func(t *testing.T, d *demoTest) {
		in := d.feed()
		i := d.inspector()
		if err := i.Pause(t.Context(), "list:queue", "test"); err != nil {
			t.Fatal(err)
		}
		const n = 10
		for range n {
			fmt.Fprintln(in, "A")
		}
		left := int64(0)
		redistest.WaitFor(t, "all lines to be pushed", func() error {
			q, err := i.Queue(t.Context(), "list:queue")
			if err != nil {
				return err
			}
			// Every worker may take one that was being handed to it.
			if left = q.Ready; q.Running > 0 || left+q.Counts["done"] != n {
				return fmt.Errorf("it is %+v", q)
			}
			return nil
		})
		if left < n-2 {
			t.Errorf("two workers of a paused queue have taken %d", n-left)
		}
		d.check()
		in.Close()
		said := d.ends(d.stdout.String, `(?:\d+: \(queue, A\)\n)*`+demoStops+`(\d+) left in the list "queue", (.*)\n`)
		if said[1] != strconv.FormatInt(left, 10) {
			t.Errorf("it says %s, there were %d", said[1], left)
		}
		if d.cmd.Env[len(d.cmd.Env)-1] != "TASUKI_REDIS_URL="+d.url {
			if !strings.Contains(said[2], "ends with this process") {
				t.Errorf("of the embedded server it says %q", said[2])
			}
			return
		}
		if got, err := d.do("LLEN", "queue").AsInt64(); err != nil || got != left {
			t.Errorf("the list has %d, want %d (%v)", got, left, err)
		}
	})
}

// An input that is faster than the workers: all lines are taken or counted.
func TestDemoFastInput(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	cmd := command(t, "demo", "--redis", server.URL())
	const n = 2000
	cmd.Stdin = strings.NewReader(strings.Repeat("A\n", n))
	r := run(t, cmd).want(t, exitOK)
	taken := strings.Count(r.stdout, ": (queue, A)\n")
	left := n - taken
	if got := server.Do(t, "LLEN", "queue"); got != fmt.Sprintf(":%d", left) {
		t.Errorf("%d were taken of %d, the list has %s", taken, n, got)
	}
	if says := strings.Contains(r.stdout, fmt.Sprintf("\n%d left in the list \"queue\", where any worker", left)); says != (left > 0) {
		t.Errorf("%d are left: %.300s", left, r.stdout)
	}
	(&demoTest{t: t, url: server.URL()}).check()
}

func TestDemoWithoutRedis(t *testing.T) {
	t.Parallel()
	r := run(t, command(t, "demo", "--redis", "redis://127.0.0.1:1")).want(t, exitRedis, "127.0.0.1:1")
	if r.stdout != "" {
		t.Errorf("it prints %q", r.stdout)
	}
}
