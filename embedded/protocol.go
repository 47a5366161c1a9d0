package embedded

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// The limits of Redis: https://redis.io/docs/latest/develop/reference/protocol-spec/
const (
	maxArgs = 1 << 20
	maxBulk = 512 << 20 // bytes
)

// protocolError is an error that the client gets to read.
type protocolError string

func (e protocolError) Error() string { return "ERR Protocol error: " + string(e) }

// readCommand reads an array of bulk strings, the only form in which clients send commands. The inline form (a line
// of words) is refused on purpose: a web page can make a browser send such lines to a port of its own machine.
func readCommand(r *bufio.Reader) ([]string, error) {
	n, err := readLength(r, '*', maxArgs)
	if err != nil {
		return nil, err
	}
	if n <= 0 {
		return nil, nil
	}
	args := make([]string, 0, min(n, 1024)) // a length is only a claim
	for range n {
		arg, err := readBulk(r)
		if err != nil {
			return nil, err
		}
		args = append(args, arg)
	}
	return args, nil
}

func readBulk(r *bufio.Reader) (string, error) {
	n, err := readLength(r, '$', maxBulk)
	if err != nil {
		return "", err
	}
	if n < 0 {
		return "", protocolError("invalid bulk length")
	}
	if n+2 <= r.Size() {
		b, err := r.Peek(n + 2)
		if err != nil {
			return "", err
		}
		s := string(b[:n])
		_, err = r.Discard(n + 2)
		return s, err
	}
	var s strings.Builder
	if _, err := io.CopyN(&s, r, int64(n)); err != nil {
		return "", err
	}
	_, err = r.Discard(2)
	return s.String(), err
}

func readLength(r *bufio.Reader, kind byte, limit int) (int, error) {
	line, err := r.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		return 0, protocolError("too big a length")
	}
	if err != nil {
		return 0, err
	}
	if line[0] != kind {
		return 0, protocolError(fmt.Sprintf("expected %q, got %q", kind, line[0]))
	}
	n, err := strconv.Atoi(strings.TrimRight(string(line[1:]), "\r\n"))
	if err != nil || n > limit {
		if kind == '*' {
			return 0, protocolError("invalid multibulk length")
		}
		return 0, protocolError("invalid bulk length")
	}
	return n, nil
}
