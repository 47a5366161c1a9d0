package redistest

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/tasuki-dev/tasuki/internal/redisserver"
)

// Process is the test binary run once more, to be something that a test can kill,
// stop and start again.
type Process struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// StartSelf runs the test binary once more, with config in its environment as the
// JSON value of a variable, beside what env adds. Its TestMain has to look for that
// first: see Self. What it prints goes to output. The process is killed with the test
// at the latest.
func StartSelf(t testing.TB, variable string, config any, output io.Writer, env ...string) *Process {
	t.Helper()
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(append(os.Environ(), variable+"="+string(text)), env...)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = redisserver.Attr()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &Process{cmd: cmd, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		cmd.Wait() //nolint:errcheck // it is killed as a rule
	}()
	t.Cleanup(p.Kill)
	return p
}

// Self tells whether this process was started by StartSelf with that variable, and
// decodes its config.
func Self(variable string, config any) bool {
	text := os.Getenv(variable)
	if text == "" {
		return false
	}
	if err := json.Unmarshal([]byte(text), config); err != nil {
		panic(err)
	}
	return true
}

// PID is the id of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// State is how the process has ended; nil before Ended is closed.
func (p *Process) State() *os.ProcessState { return p.cmd.ProcessState }

// Signal sends a signal to the process. It is no error if it has ended.
func (p *Process) Signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("redistest: signal: %v", err)
	}
}

// Kill is kill -9, also of a process that is stopped. It returns when the process
// has ended.
func (p *Process) Kill() {
	p.cmd.Process.Kill() //nolint:errcheck // it may have ended
	<-p.ended
}
