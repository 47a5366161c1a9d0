//go:build unix

package main

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestMain runs the program itself when the test binary is started as one.
func TestMain(m *testing.M) {
	if os.Getenv("README_PROGRAM") != "" {
		main()
		return
	}
	redistest.Main(m)
}

// TestProgram runs it against a server, and ends it as Ctrl-C does.
func TestProgram(t *testing.T) {
	t.Parallel()
	program := exec.Command(os.Args[0])
	program.Env = append(os.Environ(), "README_PROGRAM=1", "TASUKI_REDIS_URL="+redistest.Shared(t).URL())
	program.Stderr = os.Stderr
	out, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	defer program.Process.Kill() //nolint:errcheck // it has ended, or the test has failed
	lines := bufio.NewScanner(out)
	for _, want := range []string{"writes to Ada, crashes so far: 0", "is done"} {
		if !lines.Scan() || !strings.Contains(lines.Text(), want) {
			t.Fatalf("it prints %q, want %q", lines.Text(), want)
		}
	}
	if err := program.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := program.Wait(); err != nil {
		t.Errorf("ended by SIGINT: %v", err)
	}
}
