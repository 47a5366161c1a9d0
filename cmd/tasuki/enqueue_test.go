package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// decode reads what a command has printed as JSON.
func decode[T any](t testing.TB, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return v
}

// want demands an exit code, and texts in the output.
func (r result) want(t testing.TB, code int, texts ...string) result {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d\nstdout: %s\nstderr: %s", r.code, code, r.stdout, r.stderr)
	}
	for _, text := range texts {
		if !strings.Contains(r.stdout+r.stderr, text) {
			t.Errorf("%q is missing\nstdout: %s\nstderr: %s", text, r.stdout, r.stderr)
		}
	}
	return r
}

// fed runs the command with an input.
func (e *env) fed(input io.Reader, args ...string) result {
	e.t.Helper()
	cmd := e.command(args...)
	cmd.Stdin = input
	return run(e.t, cmd)
}

// drain has a worker take n jobs of a queue and returns them in their order.
func (e *env) drain(q tasuki.Queue, n int) []tasuki.RawJob {
	e.t.Helper()
	worker, err := tasuki.NewWorker(e.client, &tasuki.WorkerConfig{Queues: []tasuki.Queue{q}, Concurrency: 1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		e.t.Fatal(err)
	}
	var mu sync.Mutex
	var jobs []tasuki.RawJob
	ctx, stop := context.WithCancel(context.Background())
	take := func(_ context.Context, job *tasuki.RawJob) error {
		mu.Lock()
		defer mu.Unlock()
		jobs = append(jobs, tasuki.RawJob{Info: job.Info, Args: bytes.Clone(job.Args)})
		return nil
	}
	name := q.Name
	if q.List != "" {
		name = "list:" + q.List
	}
	tasuki.HandleOther(worker, take)
	tasuki.HandleRaw(worker, name, take)
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx) }()
	e.waitQueue(name, func(q inspect.Queue) bool { return q.Counts["done"] == int64(n) && q.Ready+q.Running == 0 })
	stop()
	if err := <-ended; err != nil {
		e.t.Error(err)
	}
	return jobs
}

func TestEnqueueOne(t *testing.T) {
	t.Parallel()
	e := setup(t)
	r := e.tasuki("enqueue", "email.welcome", `{"user_id": 42}`, "--queue", "mail", "--max-attempts", "3", "--timeout", "90s",
		"--meta", "who=me, you", "--meta", "why=a=b").want(t, exitOK)
	jobs := e.drain(tasuki.Queue{Name: "mail"}, 1)
	if len(jobs) != 1 || r.stdout != jobs[0].Address()+"\n" {
		t.Fatalf("printed %q, the jobs are %+v", r.stdout, jobs)
	}
	j := jobs[0]
	if j.Kind != "email.welcome" || string(j.Args) != `{"user_id": 42}` || j.MaxAttempts != 3 || j.Timeout != 90*time.Second ||
		len(j.Meta) != 2 || j.Meta["who"] != "me, you" || j.Meta["why"] != "a=b" {
		t.Errorf("the job is %+v", j)
	}
	e.tasuki("enqueue", "nothing", "--queue", "null").want(t, exitOK)
	if jobs := e.drain(tasuki.Queue{Name: "null"}, 1); string(jobs[0].Args) != "null" {
		t.Errorf("without arguments they are %q", jobs[0].Args)
	}
}

func TestEnqueueLater(t *testing.T) {
	t.Parallel()
	e := setup(t)
	type printed struct {
		Address string
		State   tasuki.State
		Due     time.Time `json:"due_at"`
	}
	p := decode[printed](t, e.tasuki("enqueue", "k", "--at", "2090-01-02T03:04:05+02:00", "-o", "json").want(t, exitOK).stdout)
	if !p.Due.Equal(time.Date(2090, 1, 2, 1, 4, 5, 0, time.UTC)) || p.State != tasuki.StateScheduled {
		t.Errorf("--at gives %+v", p)
	}
	p = decode[printed](t, e.tasuki("enqueue", "k", "--in", "1h30m", "-o", "json").want(t, exitOK).stdout)
	if d := time.Until(p.Due); d < time.Hour+29*time.Minute || d > time.Hour+30*time.Minute {
		t.Errorf("--in gives %+v", p)
	}
	if q := e.queue("default"); q.Scheduled != 2 || q.Ready != 0 {
		t.Errorf("the queue is %+v", q)
	}
}

func TestEnqueueLimited(t *testing.T) {
	t.Parallel()
	e := setup(t)
	p := decode[tasuki.Info](t, e.tasuki("enqueue", "k", "--expire-in", "1h30m", "--deadline", "2090-01-02T03:04:05+02:00", "-o", "json").want(t, exitOK).stdout)
	if d := time.Until(p.ExpireAt); d < time.Hour+29*time.Minute || d > time.Hour+30*time.Minute || !p.Deadline.Equal(time.Date(2090, 1, 2, 1, 4, 5, 0, time.UTC)) {
		t.Errorf("--expire-in and --deadline give %+v", p)
	}
	e.fed(strings.NewReader("1\n2\n"), "enqueue", "k", "-", "--expire-at", "2090-01-02T03:04:05Z").want(t, exitOK)
	jobs := e.drain(tasuki.Queue{Name: "default"}, 3)
	at := time.Date(2090, 1, 2, 3, 4, 5, 0, time.UTC)
	if !jobs[0].Deadline.Equal(p.Deadline) || !jobs[0].ExpireAt.Equal(p.ExpireAt) || !jobs[1].ExpireAt.Equal(at) || !jobs[2].ExpireAt.Equal(at) {
		t.Errorf("the jobs are %+v", jobs)
	}
}

func TestEnqueueExisted(t *testing.T) {
	t.Parallel()
	e := setup(t)
	if r := e.tasuki("enqueue", "k", "--id", "order-7").want(t, exitOK); r.stdout != "default/order-7\n" || r.stderr != "" {
		t.Errorf("the first says %+v", r)
	}
	if r := e.tasuki("enqueue", "k", "--id", "order-7").want(t, exitOK, "existed"); r.stdout != "default/order-7\n" {
		t.Errorf("the second says %+v", r)
	}
	if p := decode[tasuki.Info](t, e.tasuki("enqueue", "k", "--id", "order-7", "-o", "json").stdout); !p.Existed {
		t.Errorf("the third says %+v", p)
	}
	if q := e.queue("default"); q.Ready != 1 {
		t.Errorf("the queue is %+v", q)
	}
}

func TestEnqueueUnique(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		enqueue := func(args ...string) result { return e.tasuki(append([]string{"enqueue"}, args...)...) }
		first := strings.TrimSpace(enqueue("index", `{"doc": 7, "n": 1}`, "--unique", "queued", "--unique-field", "doc").want(t, exitOK).stdout)
		enqueue("index", `{"doc": 7, "n": 2}`, "--unique", "queued", "--unique-field", "doc").want(t, exitOK, first, first+" means the same: no other was put in")
		enqueue("index", `{"doc": 8, "n": 3}`, "--unique", "queued", "--unique-field", "doc").want(t, exitOK)
		enqueue("index", `{"doc": 7, "n": 4}`, "--unique", "queued", "--unique-field", "doc", "--on-conflict", "error").want(t, exitFailed, first+" means the same and is ready")
		// To change the one that waits takes more than a producer's rights.
		args := []string{"enqueue", "index", `{"doc": 7, "n": 5}`, "--unique", "queued", "--unique-field", "doc", "--on-conflict", "replace"}
		run(t, command(t, append(args, "--redis", e.urls["worker"], "--namespace", e.namespace)...)).want(t, exitOK, first)
		e.tasuki("job", "get", first).want(t, exitOK, `"n": 5`)
		enqueue("index", "1", "--unique", "debounce", "--unique-key", "k", "--unique-for", "1h", "--unique-most", "2h", "-o", "json").want(t, exitOK, `"state": "scheduled"`)
		for _, bad := range [][]string{{"--unique", "often", "--unique-key", "k"}, {"--unique", "queued"}, {"--unique-key", "k"}, {"--unique", "window", "--unique-key", "k"}, {"--unique", "queued", "--unique-key", "k", "--on-conflict", "x"}} {
			enqueue(append([]string{"index", "1"}, bad...)...).want(t, exitUsage, "nique")
		}
		enqueue("--raw", "x", "--unique", "queued").want(t, exitUsage, "--unique", "plain element")
	})
}

func TestEnqueueRefuses(t *testing.T) {
	t.Parallel()
	e := setup(t)
	for _, c := range []struct {
		args []string
		text string
	}{
		{[]string{}, "KIND"},
		{[]string{"bad kind"}, "bad kind"},
		{[]string{"k", "{"}, `'{"user_id": 42}'`},
		{[]string{"k", "hello"}, `a string is written '"hello"'`},
		{[]string{"k", "-5"}, "stands behind two: -- -5"},
		{[]string{"k", ""}, "empty"},
		{[]string{"k", "1", "2"}, `"2" is too much: allowed is one JSON behind the KIND; quote it`},
		{[]string{"k", "--queue", "a b"}, "queue"},
		{[]string{"k", "--queue", ""}, "--queue"},
		{[]string{"k", "--id", ""}, "--id"},
		{[]string{"k", "--id", "a/b"}, "id"},
		{[]string{"k", "-", "--id", "x"}, "--id"},
		{[]string{"k", "-", "--queue", "a b"}, "queue"},
		{[]string{"k", "--in", "-1h"}, "in: "},
		{[]string{"k", "--in", "1h", "--at", "2090-01-01T00:00:00Z"}, "in and at"},
		{[]string{"k", "--at", "tomorrow"}, `--at: "tomorrow": allowed is a time such as 2030-01-02T15:04:05Z`},
		{[]string{"k", "--in", "soon"}, `--in: "soon": allowed is a duration, such as 90s or 1h30m`},
		{[]string{"k", "--deadline", "2001-01-01T00:00:00Z"}, "deadline: 2001-01-01T00:00:00Z: allowed are times after"},
		{[]string{"k", "--deadline", "soon"}, `--deadline: "soon": allowed is a time such as`},
		{[]string{"k", "--expire-in", "-1h"}, "expire_in: -1h0m0s: allowed"},
		{[]string{"k", "--expire-in", "1h", "--in", "2h"}, "expire_in: 1h0m0s: allowed are times after 2h0m0s"},
		{[]string{"k", "--expire-in", "1h", "--expire-at", "2090-01-01T00:00:00Z"}, "expire_in and expire_at"},
		{[]string{"k", "--expire-at", "2001-01-01T00:00:00Z"}, "expire_at: 2001-01-01T00:00:00Z: allowed"},
		{[]string{"--raw", "x", "--expire-in", "1h"}, "--expire-in: a plain element carries no options"},
		{[]string{"k", "--max-attempts", "many"}, `--max-attempts: "many": allowed are 1 to 1000000, and -1 for no limit`},
		{[]string{"k", "--raw=perhaps"}, `--raw: "perhaps": allowed are true and false`},
		{[]string{"k", "--nosuch"}, "tasuki enqueue --help"},
		{[]string{"k", "--max-attempts", "0"}, "max-attempts"},
		{[]string{"k", "--meta", "x"}, "NAME=VALUE"},
		{[]string{"k", "--list", "jobs"}, "--raw"},
		{[]string{"k", "-o", "xml"}, "text and json"},
		{[]string{"--raw"}, "PAYLOAD"},
		{[]string{"--raw", "k", "x"}, "PAYLOAD"},
		{[]string{"--raw", "x", "--in", "1h"}, "--in"},
		{[]string{"--raw", "x", "--queue", "a", "--list", "b"}, "--list"},
		{[]string{"--raw", "x", "--list", e.namespace + ":x"}, "tasuki's own"},
	} {
		if r := e.tasuki(append([]string{"enqueue"}, c.args...)...).want(t, exitUsage, c.text); r.stdout != "" {
			t.Errorf("%q prints %q", c.args, r.stdout)
		}
	}
	if names, err := e.inspector.Names(t.Context()); err != nil || len(names) != 0 {
		t.Errorf("there are queues: %q, %v", names, err)
	}
}

// Raw jobs, given and read.
//
//fault:data the input of tasuki enqueue has CRLF, empty lines, and no end of the last line | each line is one job, without its line end
func TestEnqueueRaw(t *testing.T) {
	t.Parallel()
	e := setup(t)
	list := "jobs:" + e.namespace // outside of the namespace, so of all tests
	e.tasuki("enqueue", "--raw", "--list", list, `{"plain`).want(t, exitOK, "list:"+list+": 1 accepted")
	e.fed(strings.NewReader("a\r\n\n b \n-\nlast"), "enqueue", "--raw", "--list", list, "-").want(t, exitOK, ": 4 accepted")
	e.tasuki("enqueue", "--raw", "--queue", "own", "x").want(t, exitOK, "own: 1 accepted")
	var got []string
	for _, j := range e.drain(tasuki.Queue{List: list}, 5) {
		got = append(got, string(j.Args))
	}
	if want := `["{\"plain" "a" " b " "-" "last"]`; fmt.Sprintf("%q", got) != want {
		t.Errorf("taken %q, want %s", got, want)
	}
	e.drain(tasuki.Queue{Name: "own"}, 1)
}

func TestEnqueueBulk(t *testing.T) {
	t.Parallel()
	e := setup(t)
	const n = 2345
	var in strings.Builder
	for i := range n {
		fmt.Fprintf(&in, "{\"n\": %d}\n", i)
		if i%100 == 0 {
			in.WriteString(" \t\r\n\n")
		}
	}
	e.fed(strings.NewReader(in.String()), "enqueue", "k", "-").want(t, exitOK, fmt.Sprintf("default: %d accepted\n", n))
	jobs := e.drain(tasuki.Queue{Name: "default"}, n)
	for i, j := range jobs {
		if string(j.Args) != fmt.Sprintf(`{"n": %d}`, i) {
			t.Fatalf("job %d has %q", i, j.Args)
		}
	}
	e.fed(strings.NewReader(""), "enqueue", "k", "-", "--queue", "none").want(t, exitOK, "none: 0 accepted\n")
}

// A line may be as long as the arguments of a job, and several of these are more
// than a command carries.
//
//fault:data lines of the input of tasuki enqueue are longer than a job may be | they are refused with their numbers and not kept in memory; the others are put in
func TestEnqueueLongLines(t *testing.T) {
	t.Parallel()
	e := setup(t)
	text := func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }
	in := strings.Join([]string{text(maxPayload), text(maxPayload) + "\r", text(maxPayload + 1), text(3 * maxPayload), text(100), text(300_000), text(maxPayload)}, "\n")
	r := e.fed(strings.NewReader(in), "enqueue", "k", "-", "-o", "json").want(t, exitFailed, "line 3: ", "line 4: ", "2 of 7 lines")
	if p := decode[bulkReport](t, r.stdout); p.Accepted != 5 || p.Refused != 2 || p.UnsentFrom != 0 {
		t.Errorf("the report is %+v", p)
	}
	var sizes []int
	for _, j := range e.drain(tasuki.Queue{Name: "default"}, 5) {
		sizes = append(sizes, len(j.Args))
	}
	if want := []int{maxPayload, maxPayload, 100, 300_000, maxPayload}; fmt.Sprint(sizes) != fmt.Sprint(want) {
		t.Errorf("taken %v, want %v", sizes, want)
	}
}

// Lines that are no JSON.
//
//fault:data lines of the input of tasuki enqueue are no JSON | they are refused with their numbers; the others are put in
func TestEnqueueBadLines(t *testing.T) {
	t.Parallel()
	e := setup(t)
	r := e.fed(strings.NewReader("1\n\nnul\n2\n{\"a\":\n3\n[4"), "enqueue", "k", "-").
		want(t, exitFailed, "line 3: ", "line 5: ", "line 7: ", "3 of 7 lines", "accepted: 3")
	if r.stdout != "default: 3 accepted\n" {
		t.Errorf("printed %q", r.stdout)
	}
	if jobs := e.drain(tasuki.Queue{Name: "default"}, 3); string(jobs[2].Args) != "3" {
		t.Errorf("the last is %q", jobs[2].Args)
	}
}

// Input of any bytes: every line of it is a raw job, whatever is in it, and none of it
// is a job object.
//
//fault:data the input of tasuki enqueue is binary | as raw jobs each line arrives as it is; as arguments each is refused, and the terminal gets no control character
func TestEnqueueBinary(t *testing.T) {
	t.Parallel()
	e := setup(t)
	random := rand.New(rand.NewPCG(1, 2))
	var lines []string
	for n := range 300 {
		line := []byte{'#', byte(n), byte(n >> 8)}
		for range random.IntN(100) {
			line = append(line, byte(random.Uint32()))
		}
		lines = append(lines, strings.TrimRight(strings.ReplaceAll(string(line), "\n", "."), "\r"))
	}
	in := strings.Join(lines, "\n")
	e.fed(strings.NewReader(in), "enqueue", "--raw", "-").want(t, exitOK, "default: 300 accepted")
	var got []string
	for _, j := range e.drain(tasuki.Queue{Name: "default"}, len(lines)) {
		got = append(got, string(j.Args))
	}
	if diff := slices.Compare(lines, got); diff != 0 {
		t.Errorf("%q were put in, %q arrived", lines, got)
	}
	r := e.fed(strings.NewReader(in), "enqueue", "k", "-", "--queue", "none").want(t, exitFailed, "line 1: ")
	if strings.ContainsFunc(strings.ReplaceAll(r.stdout+r.stderr, "\n", ""), unicode.IsControl) || !utf8.ValidString(r.stderr) {
		t.Errorf("it prints %q", r.stderr)
	}
}

// Names that are none, at every subcommand.
//
//fault:data a subcommand is given a queue's name that is another key, a path, or has control characters | it refuses it with what is allowed, and shows it escaped
func TestOddNames(t *testing.T) {
	t.Parallel()
	e := setup(t)
	for _, name := range []string{"a:b", "}{", "a b", "a\x1b[31m", "../x", "a\u202eb", "\xff", strings.Repeat("x", 200)} {
		for _, args := range [][]string{
			{"enqueue", "k", "--queue", name}, {"enqueue", "--raw", "x", "--queue", name},
			{"queue", "get", name}, {"queue", "pause", name}, {"queue", "resume", name}, {"queue", "revive", name, "--all"},
			{"job", "cancel", name + "/id"}, {"work", "--queue", name, "--", "true"},
		} {
			r := e.tasuki(args...)
			if r.code == exitOK {
				t.Errorf("%q takes %q", args, name)
			}
			if all := strings.ReplaceAll(r.stdout+r.stderr, "\n", ""); strings.ContainsFunc(all, unicode.IsControl) || strings.Contains(all, "\u202e") || !utf8.ValidString(all) {
				t.Errorf("%q prints %q", args, all)
			}
		}
	}
	if names, err := e.inspector.Names(t.Context()); err != nil || len(names) != 0 {
		t.Errorf("there are queues: %q, %v", names, err)
	}
}

// What the input has given so far is put in while it lets us wait; then a signal
// ends it, and it says where.
func TestEnqueueInterrupted(t *testing.T) {
	t.Parallel()
	e := setup(t)
	in, feed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	cmd := e.command("enqueue", "k", "-", "-o", "json")
	cmd.Stdin = in
	p := start(t, cmd)
	in.Close()
	fmt.Fprint(feed, "1\n2\n3\n")
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Ready == 3 })
	fmt.Fprint(feed, "4\n5") // which is no line yet
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Ready == 4 })
	p.signal(os.Interrupt)
	result{p.stdout.String(), p.stderr.String(), p.wait()}.want(t, exitInterrupted)
	if text := "interrupted; accepted: 4; not sent: line 5 "; !strings.Contains(p.stderr.String(), text) {
		t.Errorf("%q is missing: %s", text, p.stderr)
	}
	if got := decode[bulkReport](t, p.stdout.String()); got != (bulkReport{Queue: "default", Accepted: 4, UnsentFrom: 5}) {
		t.Errorf("the report is %+v", got)
	}
	if q := e.queue("default"); q.Ready != 4 {
		t.Errorf("the queue is %+v", q)
	}
}

// On a server that gets full it says where it stopped, and from there on it can go
// on: nothing is lost or doubled.
//
//fault:server Redis gets full while tasuki enqueue reads its input | it says at which line it stopped, and from there it can go on: nothing is lost or doubled
func TestEnqueueFull(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--maxmemory", "6mb")
	tasuki := func(in string, args ...string) result {
		cmd := command(t, args...)
		cmd.Env = append(cmd.Env, "TASUKI_REDIS_URL="+server.URL())
		cmd.Stdin = strings.NewReader(in)
		return run(t, cmd)
	}
	const n = 20_000
	var lines []string
	for i := range n {
		lines = append(lines, fmt.Sprintf(`{"n": %d, "text": "%s"}`, i, strings.Repeat("x", 500)))
	}
	r := tasuki(strings.Join(lines, "\n"), "enqueue", "k", "-", "-o", "json").want(t, exitFull, "redis is full", "not sent: line ")
	got := decode[bulkReport](t, r.stdout)
	if got.Accepted == 0 || got.Accepted >= n || got.UnsentFrom != got.Accepted+1 || got.Uncertain != 0 {
		t.Errorf("the report is %+v", got)
	}
	if ready := server.Do(t, "LLEN", "tasuki:{default}"); ready != fmt.Sprintf(":%d", got.Accepted) {
		t.Errorf("it says %d, the list has %s", got.Accepted, ready)
	}
	server.Do(t, "CONFIG", "SET", "maxmemory", "1") // what a client leaves free may be room for one
	tasuki("", "enqueue", "k").want(t, exitFull, "nothing was enqueued")
	tasuki("", "enqueue", "--raw", "k").want(t, exitFull, "nothing was enqueued")
	server.Do(t, "CONFIG", "SET", "maxmemory", "0")
	tasuki(strings.Join(lines[got.UnsentFrom-1:], "\n"), "enqueue", "k", "-").want(t, exitOK, fmt.Sprintf(": %d accepted", n-got.Accepted))
	if ready := server.Do(t, "LLEN", "tasuki:{default}"); ready != fmt.Sprintf(":%d", n) {
		t.Errorf("in the end the list has %s", ready)
	}
	tasuki("", "check").want(t, exitOK, "no problems")
}

// Lost replies, and a server that is away.
//
//fault:network the reply to a portion of tasuki enqueue is lost | it says which lines are uncertain and which were not sent
func TestEnqueueUncertain(t *testing.T) {
	t.Parallel()
	e := setup(t)
	proxy := redistest.StartProxy(t, redistest.Shared(t))
	through := func(in string, args ...string) result {
		cmd := e.command(args...)
		cmd.Env = append(cmd.Env, "TASUKI_REDIS_URL="+proxy.URL())
		cmd.Stdin = strings.NewReader(in)
		return run(t, cmd)
	}
	pushes := 0
	proxy.Decide(func(command []string) redistest.Fate { // the proxy's lock guards pushes
		if command[0] == "RPUSH" {
			if pushes++; pushes == 2 {
				return redistest.Cut
			}
		}
		return redistest.Pass
	})
	r := through(strings.Repeat("1\n", 4*bulkLines), "enqueue", "k", "-", "-o", "json").
		want(t, exitUncertain, fmt.Sprintf("lines %d to %d", bulkLines+1, 2*bulkLines), fmt.Sprintf("not sent: line %d ", 2*bulkLines+1))
	want := bulkReport{Queue: "default", Accepted: bulkLines, Uncertain: bulkLines, UncertainFrom: bulkLines + 1, UnsentFrom: 2*bulkLines + 1}
	if got := decode[bulkReport](t, r.stdout); got != want {
		t.Errorf("the report is %+v, want %+v", got, want)
	}
	if q := e.queue("default"); q.Ready != 2*bulkLines {
		t.Errorf("the queue is %+v", q)
	}

	cut := func(name string) { // the first such command
		proxy.Once(redistest.Cut, func(command []string) bool { return strings.HasPrefix(command[0], name) })
	}
	cut("RPUSH")
	through("", "enqueue", "k", "--queue", "one").want(t, exitUncertain, "may run twice")
	cut("EVAL")
	through("", "enqueue", "k", "--queue", "own", "--id", "x").want(t, exitUncertain, "same --id")
	proxy.Decide(nil)
	through("", "enqueue", "k", "--queue", "own", "--id", "x").want(t, exitOK)
	if q := e.queue("own"); q.Ready != 1 {
		t.Errorf("the queue is %+v", q)
	}
	proxy.Down(true)
	through("1\n", "enqueue", "k", "-").want(t, exitRedis)
}

// A signal while a portion is on its way: its reply is waited for, and the lines
// behind it are not sent.
func TestEnqueueInterruptedAmidAPortion(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	b := &bulk{ctx: ctx, out: io.Discard, err: io.Discard, put: func(payloads [][]byte) []error {
		interrupt()
		return make([]error, len(payloads))
	}}
	err := b.read(strings.NewReader(strings.Repeat("1\n\n", 3*bulkLines)))
	var coded *exitError
	if !errors.As(err, &coded) || coded.code != exitInterrupted {
		t.Errorf("the error is %v", err)
	}
	if want := (bulkReport{Accepted: bulkLines, UnsentFrom: 2*bulkLines + 1}); b.report != want {
		t.Errorf("the report is %+v, want %+v", b.report, want)
	}
}

// TestEnqueueReplicas: a server without replicas confirms nothing, and the job is in.
func TestEnqueueReplicas(t *testing.T) {
	t.Parallel()
	e := setup(t)
	r := e.tasuki("enqueue", "number", "1", "--id", "a", "--replicas", "1").want(t, exitUncertain, "0 of 1 within 1s", "again with the same --id")
	if r.stdout != "default/a\n" {
		t.Errorf("it prints %q", r.stdout)
	}
	e.tasuki("enqueue", "number", "1", "--id", "a").want(t, exitOK, "default/a", "existed")
	r = e.tasuki("enqueue", "number", "2", "-o", "json", "--replicas", "1").want(t, exitUncertain, "it is in redis", "do not enqueue it again")
	printed := decode[struct{ Address string }](t, r.stdout)
	if strings.Contains(r.stderr, "may be in the queue") || strings.Contains(r.stderr, "may run twice") {
		t.Errorf("it contradicts itself: %s", r.stderr)
	}
	r = e.fed(strings.NewReader("3\n\n4\n"), "enqueue", "number", "-", "-o", "json", "--replicas", "1").
		want(t, exitUncertain, "in, but not confirmed: those of lines 1 to 3, do not send them again; not sent: line 4 ")
	want := bulkReport{Queue: "default", Unconfirmed: 2, UnconfirmedFrom: 1, UnsentFrom: 4}
	if got := decode[bulkReport](t, r.stdout); got != want {
		t.Errorf("the report is %+v, want %+v", got, want)
	}
	e.tasuki("enqueue", "--raw", "5", "--replicas", "1").want(t, exitUncertain, "do not enqueue it again")
	if jobs := e.drain(tasuki.Queue{Name: "default"}, 5); jobs[1].Address() != printed.Address {
		t.Errorf("printed %q, the jobs are %+v", printed.Address, jobs)
	}
	for _, n := range []string{"-1", "101", "abc", "1.5", "", "99999999999999999999"} {
		e.tasuki("enqueue", "number", "1", "--replicas", n).want(t, exitUsage, "tasuki: --replicas: ", n, ": allowed are 0 to 100\n")
	}
	e.with([]string{"TASUKI_REPLICAS=abc"}, "enqueue", "number", "1").want(t, exitUsage, `tasuki: TASUKI_REPLICAS: "abc": allowed are 0 to 100`+"\n")
}

// TestEnqueueMayNotWait: a user that may enqueue and not WAIT is told what it lacks.
func TestEnqueueMayNotWait(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	s.Do(t, "ACL", "SETUSER", "me", "on", ">secret", "~*", "&*", "+@all", "-wait")
	cmd := command(t, "enqueue", "k", "--replicas", "1")
	cmd.Env = append(cmd.Env, "TASUKI_REDIS_URL="+strings.Replace(s.URL(), "unix://", "unix://me:secret@", 1))
	run(t, cmd).want(t, exitUncertain, "default/", "it is in redis", "the user may not WAIT")
}
