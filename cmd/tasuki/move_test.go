package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// far is an env on a server of its own.
func far(t testing.TB) *env {
	t.Helper()
	e := &env{t: t, namespace: redistest.Namespace(t), urls: map[string]string{}}
	s := redistest.Start(t)
	for _, role := range []string{"producer", "worker", "operator"} {
		e.urls[role] = s.As(t, role, e.namespace)
	}
	e.begin(s.URL())
	return e
}

// ids counts the jobs of a queue by their ids.
func (e *env) ids(queue string) map[string]int {
	e.t.Helper()
	ids := map[string]int{}
	for j, err := range e.inspector.Jobs(context.Background(), inspect.Query{Queues: []string{queue}}) {
		if err != nil {
			e.t.Fatal(err)
		}
		ids[j.ID]++
	}
	return ids
}

// TestMoveKilled: tasuki move is killed again and again. Every job is in one of both places at
// any time, and in the end each is there, once.
//
//fault:process tasuki move is killed while jobs are under way to another server | each job is in one of both places at least; the same call again finishes the move, and puts nothing in twice
func TestMoveKilled(t *testing.T) {
	t.Parallel()
	e, o := setup(t), far(t)
	const jobs = 30_000
	for n := 0; n < jobs; n += 5000 {
		specs := make([]tasuki.Spec, 5000)
		for k := range specs {
			specs[k] = tasuki.Spec{Kind: "k", Args: json.RawMessage("1"), Opts: tasuki.Opts{Queue: "mail", Record: n == 0}}
			if k%10 == 0 {
				specs[k].Opts.In = time.Duration(k) * time.Second
			}
		}
		if _, err := e.client.EnqueueMany(t.Context(), specs); err != nil {
			t.Fatal(err)
		}
	}
	all := e.ids("mail")
	if len(all) != jobs {
		t.Fatalf("there are %d jobs", len(all))
	}
	args := []string{"move", "--queue", "mail", "--to-redis", o.urls["operator"], "--to-namespace", o.namespace, "--yes", "-o", "json"}
	kills, moved := 0, int64(0)
	for {
		p := start(t, e.command(args...))
		redistest.WaitFor(t, "some more to come in", func() error {
			q := o.queue("mail")
			if n := q.Ready + q.Scheduled; n < moved+2000 {
				select {
				case <-p.ended:
				default:
					return fmt.Errorf("%d are there", n)
				}
			}
			return nil
		})
		if kills < 6 {
			p.kill()
			kills++
			q := o.queue("mail")
			moved = q.Ready + q.Scheduled
			here, there := e.ids("mail"), o.ids("mail")
			for id := range all {
				if here[id]+there[id] == 0 || there[id] > 1 {
					t.Fatalf("%s is here %d times, and there %d times", id, here[id], there[id])
				}
			}
			continue
		}
		if code := p.wait(); code != exitOK {
			t.Fatalf("it exits with %d: %s", code, p.stderr)
		}
		break
	}
	if here, there := e.ids("mail"), o.ids("mail"); len(here) != 0 || len(there) != jobs {
		t.Errorf("%d are here, %d there", len(here), len(there))
	}
	t.Logf("killed %d times", kills)
}

func TestMove(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.some()
	e.tasuki("move", "--queue", "mail", "--to", "bulk", "--dry-run").want(t, exitOK, "mail: 9 would be moved to bulk")
	e.tasuki("move", "--queue", "mail", "--to", "bulk", "--kind", "email.ready", "--yes").want(t, exitOK, "mail: 2 moved to bulk\n")
	e.tasuki("move", "--queue", "mail", "--to", "bulk", "--state", "dead", "--yes", "-o", "json").want(t, exitOK, `"moved": 2`, `"to": "bulk"`)
	e.tasuki("move", "--queue", "mail", "--to", "bulk", "--yes").want(t, exitOK, "mail: 5 moved to bulk\n")
	if ids := e.ids("bulk"); len(ids) != 9 || len(e.ids("mail")) != 0 {
		t.Errorf("there are %v", ids)
	}
	for want, args := range map[string][]string{
		"which queue?":                                     {"--to", "x", "--yes"},
		"allowed are --to with another queue":              {"--queue", "mail", "--yes"},
		"nobody can be asked here":                         {"--queue", "mail", "--to", "x"},
		`--to: "a b"`:                                      {"--queue", "mail", "--to", "a b", "--yes"},
		"--state: \"running\": allowed are suspect, ready": {"--queue", "mail", "--to", "x", "--state", "running", "--yes"},
	} {
		e.tasuki(append([]string{"move"}, args...)...).want(t, exitUsage, want)
	}
	e.tasuki("move", "--queue", "nope", "--to", "x", "--yes").want(t, exitNotFound, `"nope"`)
	e.tasuki("move", "--queue", "mail", "--to-redis", "redis://127.0.0.1:1", "--yes").want(t, exitRedis)
}

func TestExportImport(t *testing.T) {
	t.Parallel()
	e, o := setup(t), setup(t)
	e.some()
	file := filepath.Join(t.TempDir(), "jobs.jsonl")
	e.tasuki("export", "--queue", "mail", "--file", file).want(t, exitOK, "9 jobs written")
	e.tasuki("export", "--queue", "mail", "--file", file).want(t, exitUsage, "--file: ", "exists")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(text), "\n"); lines != 11 {
		t.Errorf("%d lines", lines)
	}
	o.tasuki("import", file, "--dry-run").want(t, exitOK, "9 jobs would be put in")
	o.tasuki("import", file).want(t, exitOK, "9 jobs put in\n")
	o.tasuki("import", file, "-o", "json").want(t, exitOK, `"jobs": 0`, `"again": 9`)
	if got, want := o.ids("mail"), e.ids("mail"); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("there are %v, want %v", got, want)
	}
	in := o.command("import", "-", "--to", "bulk", "--keep-going")
	in.Stdin = strings.NewReader(string(text) + "")
	run(t, in).want(t, exitOK, "9 jobs put in")
	broken := filepath.Join(t.TempDir(), "broken.jsonl")
	half := strings.SplitAfter(string(text), "\n")
	if err := os.WriteFile(broken, []byte(half[0]+half[1]+"bad\n"+half[2]), 0o600); err != nil {
		t.Fatal(err)
	}
	o.tasuki("import", broken, "--to", "list:b").want(t, exitUsage, "--to", "the list of another program")
	o.tasuki("move", "--queue", "b2", "--to", "list:b", "--yes").want(t, exitUsage, "--to", "the list of another program")
	o.tasuki("import", broken, "--to", "b2").want(t, exitFailed, "1 job put in, 1 bad line", "line 3: it is no JSON object of a job")
	o.tasuki("import", broken, "--to", "b2", "--keep-going").want(t, exitFailed, "1 job put in, 1 were in already, 1 bad line", "line 3: ", "the last line of the export is missing")
	o.tasuki("import", filepath.Join(t.TempDir(), "nothing")).want(t, exitUsage, "nothing")
	o.tasuki("import").want(t, exitUsage, "the FILE is missing: tasuki import FILE, which may be - for the standard input")
	o.tasuki("import", file, "--to", "a b").want(t, exitUsage, `--to: "a b"`)
	o.tasuki("import").want(t, exitUsage, "the FILE is missing")
	e.tasuki("export", "--queue", "nope").want(t, exitNotFound, `"nope"`)
	e.tasuki("export", "--state", "done").want(t, exitUsage, `--state: "done": allowed are suspect`)
	e.tasuki("export", "--state", "dead", "--kind", "email.dead").want(t, exitOK, `"state":"dead"`, "2 jobs written")
}

// TestImportInterrupted: an import that waits for its input ends when it is told to.
func TestImportInterrupted(t *testing.T) {
	t.Parallel()
	e := setup(t)
	cmd := e.command("import", "-", "--keep-going")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	p := start(t, cmd)
	if _, err := in.Write([]byte(`{"tasuki":"export","version":1,"id":"x"}` + "\nno job\nno end")); err != nil {
		t.Fatal(err)
	}
	p.waitOutput("line 2: ")
	p.signal(os.Interrupt)
	if code := p.wait(); code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
}
