package redistest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Fate is what a Proxy does with a command.
type Fate int

// The fates of a command and its reply.
const (
	Pass    Fate = iota
	Cut          // the server does it; then the connection is closed, the reply unread
	Reset        // the same, with a TCP reset where there is TCP
	Swallow      // the server does it; from now on no reply comes, and the connection stays open
	Refuse       // the server never sees it, the connection is closed
)

// Proxy stands between clients and a server and knows which reply belongs to
// which command.
type Proxy struct {
	socket string
	to     string

	mu    sync.Mutex
	fate  func(command []string) Fate
	conns map[net.Conn]bool
	down  bool
}

// StartProxy starts a proxy for a server, and ends it with the test.
func StartProxy(t testing.TB, s *Server) *Proxy {
	t.Helper()
	dir, err := os.MkdirTemp("", "redisproxy")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{socket: filepath.Join(dir, "proxy.sock"), to: s.Socket(), conns: map[net.Conn]bool{}}
	l, err := net.Listen("unix", p.socket)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.CutAll()
		wg.Wait()
		os.RemoveAll(dir)
	})
	return p
}

// URL is where clients reach the proxy.
func (p *Proxy) URL() string { return "unix://" + p.socket }

// Decide sets what becomes of each command from now on; nil passes all.
func (p *Proxy) Decide(fate func(command []string) Fate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fate = fate
}

// Once lets the first command for which is returns true have that fate. The
// channel is closed when that has happened.
func (p *Proxy) Once(fate Fate, is func(command []string) bool) <-chan struct{} {
	hit := make(chan struct{})
	done := false
	p.Decide(func(command []string) Fate {
		if done || !is(command) {
			return Pass
		}
		done = true
		close(hit)
		return fate
	})
	return hit
}

// CutAll closes all connections.
func (p *Proxy) CutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		conn.Close()
	}
}

// Down refuses connections, and closes those that are there, until it is called
// with false.
func (p *Proxy) Down(down bool) {
	p.mu.Lock()
	p.down = down
	p.mu.Unlock()
	if down {
		p.CutAll()
	}
}

func (p *Proxy) track(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		p.conns[conn] = true
	}
	return !p.down
}

func (p *Proxy) decide(command []string) Fate {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fate == nil {
		return Pass
	}
	return p.fate(command)
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("unix", p.to)
	if err != nil {
		return
	}
	defer server.Close()
	if !p.track(client, server) {
		return
	}
	// A subscription is confirmed by as many pushes as it names channels, and
	// has no reply of another kind; so pushes are passed on and not counted.
	fates := make(chan Fate, 10_000)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer server.Close()
		defer close(fates)
		r := bufio.NewReader(client)
		for {
			raw, command, err := readCommand(r)
			if err != nil {
				return
			}
			fate := p.decide(command)
			if fate == Refuse {
				client.Close()
				return
			}
			if !strings.HasSuffix(strings.ToUpper(command[0]), "SUBSCRIBE") {
				fates <- fate
			}
			if _, err := server.Write(raw); err != nil {
				return
			}
		}
	})
	r := bufio.NewReader(server)
	silent := false
	for {
		raw, push, err := readReply(r)
		if err != nil {
			break
		}
		fate := Pass
		if !push {
			fate = <-fates
		}
		if silent = silent || fate == Swallow; silent {
			continue
		}
		if fate == Cut || fate == Reset {
			break
		}
		if _, err := client.Write(raw); err != nil {
			break
		}
	}
	client.Close()
	server.Close()
	wg.Wait()
}

func readLine(r *bufio.Reader, raw *bytes.Buffer) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	raw.WriteString(line)
	return strings.TrimRight(line, "\r\n"), nil
}

func readBulk(r *bufio.Reader, raw *bytes.Buffer, n int) (string, error) {
	b := make([]byte, n+2)
	if _, err := io.ReadFull(r, b); err != nil {
		return "", err
	}
	raw.Write(b)
	return string(b[:n]), nil
}

func readCommand(r *bufio.Reader) ([]byte, []string, error) {
	var raw bytes.Buffer
	line, err := readLine(r, &raw)
	if err != nil {
		return nil, nil, err
	}
	if !strings.HasPrefix(line, "*") {
		return nil, nil, errors.New("no array")
	}
	n, err := strconv.Atoi(line[1:])
	if err != nil {
		return nil, nil, err
	}
	words := make([]string, n)
	for i := range words {
		line, err := readLine(r, &raw)
		if err != nil {
			return nil, nil, err
		}
		size, err := strconv.Atoi(line[1:])
		if err != nil {
			return nil, nil, err
		}
		if words[i], err = readBulk(r, &raw, size); err != nil {
			return nil, nil, err
		}
	}
	return raw.Bytes(), words, nil
}

// readReply reads one reply of RESP2 or RESP3 as bytes.
// https://github.com/redis/redis-specifications/blob/master/protocol/RESP3.md
func readReply(r *bufio.Reader) (raw []byte, push bool, err error) {
	var b bytes.Buffer
	err = readValue(r, &b)
	return b.Bytes(), b.Len() > 0 && b.Bytes()[0] == '>', err
}

func readValue(r *bufio.Reader, raw *bytes.Buffer) error {
	line, err := readLine(r, raw)
	if err != nil {
		return err
	}
	switch line[0] {
	case '+', '-', ':', '_', '#', ',', '(':
		return nil
	}
	n, err := strconv.Atoi(line[1:])
	if err != nil {
		return fmt.Errorf("%q: %w", line, err)
	}
	switch line[0] {
	case '$', '=', '!':
		if n < 0 {
			return nil
		}
		_, err := readBulk(r, raw, n)
		return err
	case '%', '|':
		n *= 2
	}
	for range n {
		if err := readValue(r, raw); err != nil {
			return err
		}
	}
	return nil
}
