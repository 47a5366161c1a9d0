package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// openPTY returns the two ends of a pseudo-terminal: see pty(7).
func openPTY(t testing.TB) (master, terminal *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	raw, err := master.SyscallConn() // Fd would have Close wait for a Read
	if err != nil {
		t.Fatal(err)
	}
	var number, locked int32
	err = raw.Control(func(fd uintptr) {
		for request, arg := range map[uintptr]*int32{syscall.TIOCGPTN: &number, syscall.TIOCSPTLCK: &locked} {
			if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(unsafe.Pointer(arg))); errno != 0 {
				t.Errorf("ioctl %x of a pseudo-terminal: %v", request, errno)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := resize(master, 80, 24); err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, terminal
}

// resize gives a pseudo-terminal a size, in cells: who is on it gets SIGWINCH.
func resize(master *os.File, w, h int) error {
	raw, err := master.SyscallConn()
	if err != nil {
		return err
	}
	var errno syscall.Errno
	size := [4]uint16{uint16(h), uint16(w)} // rows, columns, and pixels that nobody knows
	err = raw.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCSWINSZ, uintptr(unsafe.Pointer(&size)))
	})
	if err == nil && errno != 0 {
		err = errno
	}
	return err
}

// startOnPTY starts a command on a terminal of its own: its input, its output and
// what Ctrl-C reaches. Its errors go elsewhere.
func startOnPTY(t testing.TB, cmd *exec.Cmd) (p *process, keyboard io.Writer) {
	t.Helper()
	master, terminal := openPTY(t)
	p = &process{t: t, cmd: cmd, stdout: &redistest.Buffer{}, stderr: &redistest.Buffer{}, ended: make(chan struct{})}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, p.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	terminal.Close()
	go func() {
		defer close(p.ended)
		io.Copy(p.stdout, master) //nolint:errcheck // EIO, when nobody has the terminal any more
		cmd.Wait()                //nolint:errcheck // its exit code is looked at
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%v\nterminal: %s\nstderr: %s", cmd.Args[1:], p.stdout, p.stderr)
		}
	})
	return p, master
}

// screen is what the terminal shows.
func (p *process) screen() string { return strings.ReplaceAll(p.stdout.String(), "\r\n", "\n") }
