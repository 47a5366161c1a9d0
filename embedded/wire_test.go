package embedded_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// wire is a client that hides nothing: replies are shown as they came.
type wire struct {
	t        testing.TB
	nc       net.Conn
	r        *bufio.Reader
	patience time.Duration // how long it waits for a reply
}

func newWire(t testing.TB, nc net.Conn) *wire {
	t.Helper()
	t.Cleanup(func() { nc.Close() })
	return &wire{t: t, nc: nc, r: bufio.NewReader(nc), patience: 30 * time.Second}
}

func (w *wire) send(args ...string) {
	w.t.Helper()
	b := fmt.Appendf(nil, "*%d\r\n", len(args))
	for _, arg := range args {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(arg), arg)
	}
	w.sendRaw(string(b))
}

func (w *wire) sendRaw(s string) {
	w.t.Helper()
	if _, err := io.WriteString(w.nc, s); err != nil {
		w.t.Fatalf("send %.60q: %v", s, err)
	}
}

// do sends a command and returns its reply.
func (w *wire) do(args ...string) string {
	w.t.Helper()
	w.send(args...)
	return w.reply()
}

// reply reads one reply or push: (int), "text", +status, -error, nil, [array], {map}, <set>, >[push].
func (w *wire) reply() string {
	w.t.Helper()
	w.nc.SetReadDeadline(time.Now().Add(w.patience))
	s, err := readReply(w.r)
	if err != nil {
		w.t.Fatalf("read a reply: %v", err)
	}
	return s
}

// want fails unless the next reply is s.
func (w *wire) want(s string) {
	w.t.Helper()
	if got := w.reply(); got != s {
		w.t.Fatalf("got %s, want %s", got, s)
	}
}

// wantDo fails unless the reply to a command is s.
func (w *wire) wantDo(s string, args ...string) {
	w.t.Helper()
	if got := w.do(args...); got != s {
		w.t.Fatalf("%.120q: got %s, want %s", args, got, s)
	}
}

// wantClosed fails unless the server has closed the connection.
func (w *wire) wantClosed() {
	w.t.Helper()
	w.nc.SetReadDeadline(time.Now().Add(w.patience))
	if s, err := readReply(w.r); err == nil {
		w.t.Fatalf("got %s, want a closed connection", s)
	} else if ne, ok := err.(net.Error); ok && ne.Timeout() {
		w.t.Fatal("the connection is still open")
	}
}

func readReply(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSuffix(line, "\r\n")
	kind, rest := line[0], line[1:]
	switch kind {
	case '+', '-':
		return line, nil
	case ':':
		return "(" + rest + ")", nil
	case ',':
		return "," + rest, nil
	case '_':
		return "nil", nil
	case '$', '*', '~', '>', '%':
	default:
		return "", fmt.Errorf("not a reply: %q", line)
	}
	n, err := strconv.Atoi(rest)
	if err != nil {
		return "", err
	}
	if n < 0 {
		return "nil" + string(kind), nil
	}
	if kind == '$' {
		b := make([]byte, n+2)
		_, err := io.ReadFull(r, b)
		return strconv.Quote(string(b[:n])), err
	}
	var parts []string
	for range n {
		part, err := readReply(r)
		if err != nil {
			return "", err
		}
		if kind == '%' {
			value, err := readReply(r)
			if err != nil {
				return "", err
			}
			part += ": " + value
		}
		parts = append(parts, part)
	}
	open, close := "[", "]"
	switch kind {
	case '>':
		open = ">["
	case '%':
		open, close = "{", "}"
		slices.Sort(parts) // maps and sets have no order
	case '~':
		open, close = "<", ">"
		slices.Sort(parts)
	}
	return open + strings.Join(parts, " ") + close, nil
}
