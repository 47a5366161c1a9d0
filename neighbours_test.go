package tasuki_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestNeighbours runs the enqueuers in other languages that the docs show: what
// they push is a job like any other, with the id that they say.
func TestNeighbours(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t) // its own, as they push to the default namespace
	e := newEnv(t, s.URL())
	e.namespace = "tasuki"
	e.client = e.open(nil)
	other := e.inspector
	e.inspector = inspect.New(e.client)
	t.Cleanup(func() { // while the client is open
		e.check()
		e.inspector = other
	})
	w := e.worker(tasuki.WorkerConfig{})
	var got recorder[tasuki.Job[string]]
	tasuki.Handle(w, tasuki.Define[string]("email.welcome"), func(_ context.Context, job *tasuki.Job[string]) error {
		got.add(*job)
		return nil
	})
	e.run(w)
	for i, command := range [][]string{
		{"sh", "examples/enqueue.sh", "-s", s.Socket()},
		{"python3", "examples/enqueue.py", s.Socket()},
	} {
		out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s(make setup installs what is missing)", command, err, out)
		}
		job := got.wait(t, i+1)[i]
		if id := strings.TrimSpace(string(out)); job.ID != id || job.Args != "Ada" || job.EnqueuedAt.IsZero() || job.Attempt != 1 {
			t.Errorf("%v said %q, and the job is %+v", command, id, job)
		}
	}
	e.settled("default", 2)
}

// TestOthersTakeWhatIsPushed: a plain list is fed by tasuki and emptied by another
// program, which gets the bytes as they are; and the other way round.
func TestOthersTakeWhatIsPushed(t *testing.T) {
	t.Parallel()
	s := redistest.Shared(t)
	e := newEnv(t, s.URL())
	cli := func(words ...string) string {
		t.Helper()
		out, err := exec.Command("redis-cli", append([]string{"-s", s.Socket()}, words...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("redis-cli %q: %v\n%s(make setup installs it)", words, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	list := e.namespace + "-plain"
	if err := e.client.Push(e.ctx, tasuki.Queue{List: list}, []byte("first"), []byte(`{"two": 2}`)); err != nil {
		t.Fatal(err)
	}
	if first, second := cli("LPOP", list), cli("LPOP", list); first != "first" || second != `{"two": 2}` {
		t.Errorf("redis-cli took %q and %q", first, second)
	}

	w := e.worker(tasuki.WorkerConfig{Queues: []tasuki.Queue{{List: list}}})
	var got recorder[string]
	tasuki.HandleRaw(w, "list:"+list, func(_ context.Context, job *tasuki.RawJob) error {
		got.add(string(job.Args))
		return nil
	})
	e.run(w)
	cli("RPUSH", list, "from outside")
	if all := got.wait(t, 1); all[0] != "from outside" {
		t.Errorf("the worker got %q", all)
	}
	e.settled("list:"+list, 1)
}

// TestDocsShowTheFiles demands that what the docs show is what is run.
func TestDocsShowTheFiles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ page, file, from string }{
		{"docs/wire-format.md", "examples/enqueue.sh", ""},
		{"docs/wire-format.md", "examples/enqueue.py", ""},
		{"README.md", "examples/readme/main.go", "package main"},
		{"README.md", "examples/readme/main_test.go", "func TestWelcome"},
	} {
		page, err := os.ReadFile(tt.page)
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.ReadFile(tt.file)
		if err != nil {
			t.Fatal(err)
		}
		if i := bytes.Index(file, []byte(tt.from)); i < 0 || !bytes.Contains(page, append([]byte("\n"), file[i:]...)) {
			t.Errorf("%s does not show %s as it is: copy one to the other", tt.page, tt.file)
		}
	}
}
