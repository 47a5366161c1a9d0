package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/tasuki-dev/tasuki"
)

// linger is how long what a command has left behind may go on when the command
// has ended by itself, such as a tee that writes the last lines of its output.
const linger = time.Second

// child is one run of a command, and whatever that starts in its process group.
type child struct {
	cmd    *exec.Cmd
	copied chan struct{} // closed when nobody writes to tail any more
	stderr *os.File      // from which it is read
	tail   tail
	ended  chan error // gets what Wait has returned
}

// child starts a command, in a group of its own and with an eye on what it writes
// to cmd.Stderr.
func (s *starter) child(cmd *exec.Cmd) (*child, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer write.Close()
	c := &child{cmd: cmd, stderr: read, copied: make(chan struct{}), ended: make(chan error, 1)}
	to := io.MultiWriter(&c.tail, deaf{cmd.Stderr})
	cmd.Stderr = write
	cmd.SysProcAttr = groupOfItsOwn()
	cmd.WaitDelay = linger // what it has left behind may hold its standard input, and not read it
	if err := s.start(cmd); err != nil {
		read.Close()
		return nil, err
	}
	go func() {
		defer close(c.copied)
		io.Copy(to, read) //nolint:errcheck // the pipe may be closed under it
	}()
	go func() { c.ended <- cmd.Wait() }()
	return c, nil
}

// deaf is a Writer whose errors nobody hears: when this process can print no more,
// that is no fault of the job.
type deaf struct{ io.Writer }

func (d deaf) Write(p []byte) (int, error) {
	d.Writer.Write(p) //nolint:errcheck // see the type
	return len(p), nil
}

// finish is for a child that has ended by itself with what Wait has returned: it
// ends what that has left behind.
func (c *child) finish(waited error) outcome { return c.clear(waited, time.Now().Add(linger), nil) }

// end ends the child and everything in its group: with SIGTERM, and what is there
// after the grace or at the end of hurry with SIGKILL.
func (c *child) end(grace time.Duration, hurry <-chan struct{}) outcome {
	until := time.Now().Add(grace)
	terminate(c.cmd.Process)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case err := <-c.ended:
		// A shell dies at once, and what it has started has the grace as well.
		return c.clear(err, until, hurry)
	case <-timer.C:
	case <-hurry:
	}
	kill(c.cmd.Process)
	return c.clear(<-c.ended, until, hurry)
}

// clear waits until nothing is left in the group, kills at that time what is, and
// tells how the child has ended.
func (c *child) clear(waited error, until time.Time, hurry <-chan struct{}) outcome {
	over := time.NewTimer(time.Until(until))
	defer over.Stop()
	for pause := time.Millisecond; groupLives(c.cmd.Process); pause = min(2*pause, 50*time.Millisecond) {
		select {
		case <-time.After(pause):
			continue
		case <-over.C:
		case <-hurry:
		}
		kill(c.cmd.Process)
		break
	}
	// Somebody who has left the group may hold the pipe for ever.
	timer := time.NewTimer(linger)
	defer timer.Stop()
	select {
	case <-c.copied:
	case <-timer.C:
	}
	c.stderr.Close()
	<-c.copied
	return outcome{state: c.cmd.ProcessState, waited: waited, tail: &c.tail}
}

// outcome is how a child has ended.
type outcome struct {
	state  *os.ProcessState // nil if nobody knows
	waited error
	tail   *tail
}

// later is when a job runs again whose command has ended with exitLater, and
// exitLater is EX_TEMPFAIL of sysexits.h.
const (
	later     = 30 * time.Second
	exitLater = 75
)

// err is what a handler returns: nil for success. cause is why the child was
// ended, if it was.
func (o outcome) err(cause error) error {
	what := ""
	switch {
	case o.state == nil:
		what = o.waited.Error()
	case o.state.Success():
		return nil // what Wait finds fault with is an input that was not read
	case o.state.ExitCode() == exitLater:
		return tasuki.Snooze(later, o.state.String())
	default:
		what = o.state.String() // "exit status 3", "signal: killed"
	}
	if cause != tasuki.ErrTimeout && cause != tasuki.ErrDeadline {
		return errors.New(o.report(what, tailBytes))
	}
	return fmt.Errorf("%w: %s", cause, o.report(what, tailBytes-len(cause.Error())-len(": ")))
}

// report is what has happened and the end of the command's standard error, in at
// most n bytes. Of a longer text a job would keep the beginning, and here the end
// matters.
func (o outcome) report(what string, n int) string {
	if said := o.tail.text(n - len(what) - len(": ")); said != "" {
		return what + ": " + said
	}
	return what
}

// starter starts processes, all from one thread. Linux ends a child with its
// parent (Pdeathsig) and takes for the parent the thread that has made it, so that
// thread must live as long as the child does. One for all of them costs less than
// one for each, as forks wait for one another in any case.
type starter struct {
	requests chan func()
}

func newStarter() *starter {
	s := &starter{requests: make(chan func())}
	go func() {
		// It is not unlocked: the thread ends with the goroutine, and whatever
		// was started and still lives ends with the thread.
		runtime.LockOSThread()
		for f := range s.requests {
			f()
		}
	}()
	return s
}

func (s *starter) start(cmd *exec.Cmd) error {
	started := make(chan error, 1)
	s.requests <- func() { started <- cmd.Start() }
	return <-started
}

// close ends the thread. No child may be left.
func (s *starter) close() { close(s.requests) }
