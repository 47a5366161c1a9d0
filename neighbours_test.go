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
