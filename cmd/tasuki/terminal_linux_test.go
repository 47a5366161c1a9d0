package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// The session that the documentation shows, on a real terminal.
func TestDemoTerminal(t *testing.T) {
	onDemoServers(t, func(t *testing.T, d *demoTest) {
		p, keyboard := startOnPTY(t, d.cmd)
		d.ready(p)
		fmt.Fprint(keyboard, "A\n")
		p.waitOutput(": (queue, A)\r\n")
		fmt.Fprint(keyboard, "B\n")
		p.waitOutput(": (queue, B)\r\n")
		d.check()
		fmt.Fprint(keyboard, "\n")
		ids := d.ends(p.screen, `A\n(\d+): \(queue, A\)\nB\n(\d+): \(queue, B\)\n\n`+demoStops)
		if ids[1] == ids[2] {
			t.Errorf("one worker has taken both: %s", ids[1:])
		}
	})
}

func TestDemoTerminalCtrlC(t *testing.T) {
	onDemoServers(t, func(_ *testing.T, d *demoTest) {
		p, keyboard := startOnPTY(t, d.cmd)
		d.ready(p)
		fmt.Fprint(keyboard, "\x03")
		d.ends(p.screen, `\^C`+demoStops)
	})
}

func TestDemoTerminalEnd(t *testing.T) {
	onDemoServers(t, func(_ *testing.T, d *demoTest) {
		p, keyboard := startOnPTY(t, d.cmd)
		d.ready(p)
		fmt.Fprint(keyboard, "\x04") // Ctrl-D
		d.ends(p.screen, demoStops)
	})
}

// On a terminal progress is shown, and taken away at the end.
func TestEnqueueProgress(t *testing.T) {
	t.Parallel()
	e := setup(t)
	master, terminal := openPTY(t)
	shown := &redistest.Buffer{}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for b := make([]byte, 4096); ; {
			n, err := master.Read(b)
			shown.Write(b[:n]) //nolint:errcheck // it has no errors
			if err != nil {
				return
			}
		}
	}()
	cmd := e.command("enqueue", "k", "-")
	cmd.Stdin = strings.NewReader(strings.Repeat("1\n", bulkLines+1) + "x\n2\n")
	cmd.Stderr = terminal
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.Output()
	terminal.Close()
	<-ended
	if err == nil || string(out) != "default: 502 accepted\n" {
		t.Errorf("it prints %q, %v", out, err)
	}
	text := shown.String()
	for _, part := range []string{"accepted: 500", "\r\x1b[Kline 502: ", "\r\x1b[Ktasuki: 1 of 503 lines"} {
		at := strings.Index(text, part)
		if at < 0 {
			t.Fatalf("%q is missing in %q", part, shown)
		}
		text = text[at:]
	}
}
