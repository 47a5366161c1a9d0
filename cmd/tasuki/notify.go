package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	// notifyFor is how long a message to systemd may wait for room: it is sent by the
	// goroutine that beats.
	notifyFor = 100 * time.Millisecond
	// shortWatchdog is less than the time between two beats can be while Redis stalls,
	// with as much again.
	shortWatchdog = 40 * time.Second
	// stopSlack is more than a stop takes beside the grace when Redis does not answer:
	// 2 s to note it, a second until what a command has left behind is killed and another
	// until handlers have ended, 5 s each to write outcomes and to leave the queues and the
	// connections, 2 s to leave the list. 20 s were measured.
	stopSlack = 30 * time.Second
)

// notifier tells systemd how this process is, by the protocol of sd_notify(3):
// datagrams of lines NAME=VALUE to the socket that NOTIFY_SOCKET names. nil tells
// nobody.
type notifier struct {
	conn    *net.UnixConn
	started bool // READY was said; of the goroutine that beats
}

// newNotifier returns nil if nobody wants to be told.
func newNotifier() *notifier {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		slog.Warn("tasuki: systemd cannot be told how the worker is; with Type=notify it ends it", "err", err)
		return nil
	}
	if us, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64); err == nil && us > 0 && time.Duration(us)*time.Microsecond < shortWatchdog {
		slog.Warn("tasuki: WatchdogSec is short: while redis stalls, systemd may end a worker that is fine", "is", time.Duration(us)*time.Microsecond, "least", shortWatchdog)
	}
	return &notifier{conn: conn}
}

// say sends one message. What cannot be sent is dropped: systemd has the next in a
// second, and a watchdog if none comes.
func (n *notifier) say(lines ...string) {
	if n == nil {
		return
	}
	n.conn.SetWriteDeadline(time.Now().Add(notifyFor))     //nolint:errcheck // of a socket that is open
	n.conn.Write([]byte(strings.Join(lines, "\n") + "\n")) //nolint:errcheck // see above
}

// beat is the OnBeat of the worker. busy is how many commands run.
func (n *notifier) beat(err error, busy, slots int) {
	status := fmt.Sprintf("STATUS=%d of %d commands run", busy, slots)
	if err != nil {
		status += "; redis does not answer: " + strings.Join(strings.Fields(err.Error()), " ")
	}
	lines := []string{"WATCHDOG=1", status}
	if n != nil && !n.started {
		n.started = true
		lines = append(lines, "READY=1")
	}
	n.say(lines...)
}

// stopping says that the process ends, and until when it may take: longer than
// TimeoutStopSec=, if the grace is.
func (n *notifier) stopping(grace time.Duration) {
	n.say("STOPPING=1", fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", (grace+stopSlack).Microseconds()))
}

func (n *notifier) close() {
	if n != nil {
		n.conn.Close()
	}
}
