package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/charmbracelet/x/vt"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// screen is what a command on a terminal has made of it: an emulator reads what it writes,
// and answers what it asks.
type screen struct {
	*process
	master *os.File
	before syscall.Termios // the attributes of the terminal
	vt     *vt.SafeEmulator

	mu   sync.Mutex
	read int // of the output
}

// startOnScreen starts a command on a terminal of 80×24.
func startOnScreen(t testing.TB, cmd *exec.Cmd) *screen {
	t.Helper()
	_, fresh := openPTY(t)
	before := attributes(t, fresh)
	fresh.Close()
	p, keyboard := startOnPTY(t, cmd)
	s := &screen{process: p, master: keyboard.(*os.File), before: before, vt: vt.NewSafeEmulator(80, 24)}
	answers := make(chan struct{})
	go func() {
		defer close(answers)
		io.Copy(keyboard, s.vt) //nolint:errcheck // the terminal is gone
	}()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the screen:\n%s", s.text())
		}
		s.vt.InputPipe().(io.Closer).Close() //nolint:errcheck // it has no errors; Close of the emulator races with Read
		<-answers
	})
	return s
}

// text is the screen now, without the blanks at the ends of lines.
func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.stdout.String()
	s.vt.Write([]byte(out[s.read:])) //nolint:errcheck // it has no errors
	s.read = len(out)
	var lines []string
	for y := range s.vt.Height() {
		var b strings.Builder
		for x := 0; x < s.vt.Width(); x++ {
			c := s.vt.CellAt(x, y)
			switch {
			case c == nil || c.Content == "":
				b.WriteByte(' ')
			default:
				b.WriteString(c.Content)
				x += max(c.Width, 1) - 1
			}
		}
		lines = append(lines, strings.TrimRight(b.String(), " "))
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

// keys presses keys.
func (s *screen) keys(keys string) {
	s.t.Helper()
	if _, err := io.WriteString(s.master, keys); err != nil {
		s.t.Fatal(err)
	}
}

// waitFor waits until the screen shows all of some texts, and returns it.
func (s *screen) waitFor(texts ...string) string {
	s.t.Helper()
	var shown string
	redistest.WaitFor(s.t, fmt.Sprintf("%q on the screen", texts), func() error {
		shown = s.text()
		for _, text := range texts {
			if !strings.Contains(shown, text) {
				return errors.New("it is not there")
			}
		}
		return nil
	})
	return shown
}

// resize changes the size of the terminal.
func (s *screen) resize(w, h int) {
	s.t.Helper()
	s.text()
	s.vt.Resize(w, h)
	if err := resize(s.master, w, h); err != nil {
		s.t.Fatal(err)
	}
}
