package redistest

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
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
	Hole         // the server never sees it nor what follows, and the connection stays open
	Half         // the client reads the end of its connection at once; the server's goes on for two seconds
)

// linger is how long a connection to the server goes on that was closed by half.
const linger = 2 * time.Second

// Proxy stands between clients and a server and knows which reply belongs to
// which command.
type Proxy struct {
	url   string
	to    string // the server's socket
	ended chan struct{}

	mu     sync.Mutex
	fate   func(command []string) Fate
	answer func(command []string) string
	alter  func(command []string, reply []byte) []byte
	delay  func() time.Duration
	conns  map[net.Conn]bool
	dials  []time.Time
	down   bool
}

// call is a command under way.
type call struct {
	command []string
	fate    Fate
	answer  string // in place of the server's reply; the server has not seen the command
}

// reply is one of the server's.
type reply struct {
	raw  []byte
	push bool
	due  time.Time // not to be passed on before
}

// StartProxy starts a proxy for a server, and ends it with the test.
func StartProxy(t testing.TB, s *Server) *Proxy {
	t.Helper()
	dir, err := os.MkdirTemp("", "redisproxy")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return startProxy(t, s, "unix", filepath.Join(dir, "proxy.sock"))
}

// StartTCPProxy starts one that listens on a port of the loopback.
func StartTCPProxy(t testing.TB, s *Server) *Proxy {
	t.Helper()
	return startProxy(t, s, "tcp", "127.0.0.1:0")
}

func startProxy(t testing.TB, s *Server, network, address string) *Proxy {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{url: "redis://" + l.Addr().String(), to: s.Socket(), conns: map[net.Conn]bool{}, ended: make(chan struct{})}
	if network == "unix" {
		p.url = "unix://" + address
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.dials = append(p.dials, time.Now())
			p.mu.Unlock()
			wg.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		close(p.ended)
		p.CutAll()
		wg.Wait()
	})
	return p
}

// URL is where clients reach the proxy.
func (p *Proxy) URL() string { return p.url }

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

// Answer sets what the proxy answers in place of the server, which does not see
// the command then; "" passes it on.
func (p *Proxy) Answer(answer func(command []string) string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

// Alter sets what becomes of the bytes of each reply; nil leaves them.
func (p *Proxy) Alter(alter func(command []string, reply []byte) []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.alter = alter
}

// Delay sets how much longer each reply takes; nil is no longer. They stay in
// order, and do not wait for each other.
func (p *Proxy) Delay(delay func() time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = delay
}

// Dials returns when connections were asked for.
func (p *Proxy) Dials() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.dials)
}

// CutAll closes all connections.
func (p *Proxy) CutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		conn.Close()
	}
}

// ResetAll closes all connections with a reset where there is TCP.
func (p *Proxy) ResetAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		reset(conn)
	}
}

func reset(conn net.Conn) {
	if c, ok := conn.(*net.TCPConn); ok {
		c.SetLinger(0) //nolint:errcheck // it is closed in any case
	}
	conn.Close()
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

func (p *Proxy) forget(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		delete(p.conns, conn)
	}
}

func (p *Proxy) decide(command []string) call {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := call{command: command}
	if p.fate != nil {
		c.fate = p.fate(command)
	}
	if p.answer != nil {
		c.answer = p.answer(command)
	}
	return c
}

func (p *Proxy) delayed(at time.Time) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.delay == nil {
		return at
	}
	return at.Add(p.delay())
}

func (p *Proxy) altered(command []string, raw []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.alter == nil {
		return raw
	}
	return p.alter(command, raw)
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("unix", p.to)
	if err != nil {
		return
	}
	defer server.Close()
	defer p.forget(client, server)
	if !p.track(client, server) {
		return
	}
	// A subscription is confirmed by as many pushes as it names channels, and
	// has no reply of another kind; so pushes are passed on and not counted.
	calls := make(chan call, 10_000)
	replies := make(chan reply, 10_000)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(calls)
		p.readCommands(client, server, calls)
	})
	wg.Go(func() {
		defer close(replies)
		r := bufio.NewReader(server)
		for {
			raw, push, err := readReply(r)
			if err != nil {
				return
			}
			replies <- reply{raw, push, p.delayed(time.Now())}
		}
	})
	p.writeReplies(client, calls, replies)
	client.Close()
	server.Close()
	for range replies { // its reader may wait for room
	}
	for range calls {
	}
	wg.Wait()
}

// readCommands passes on commands until the client has no more.
func (p *Proxy) readCommands(client, server net.Conn, calls chan<- call) {
	half, hole := false, false
	defer func() {
		if half {
			select {
			case <-time.After(linger):
			case <-p.ended:
			}
		}
		server.Close()
	}()
	r := bufio.NewReader(client)
	for {
		raw, command, err := readCommand(r)
		if err != nil {
			return
		}
		c := p.decide(command)
		if hole = hole || c.fate == Hole; hole {
			continue
		}
		if c.fate == Refuse {
			client.Close()
			return
		}
		if c.answer != "" || !strings.HasSuffix(strings.ToUpper(command[0]), "SUBSCRIBE") {
			calls <- c
		}
		if c.answer == "" {
			if _, err := server.Write(raw); err != nil {
				return
			}
		}
		if c.fate == Half {
			half = true
			client.(interface{ CloseWrite() error }).CloseWrite() //nolint:errcheck // the client may have gone first
		}
	}
}

// writeReplies passes on replies, each to the command that it belongs to.
func (p *Proxy) writeReplies(client net.Conn, calls <-chan call, replies <-chan reply) {
	silent := false
	for {
		var c call
		var r reply
		var ok bool
		select {
		case c, ok = <-calls:
			if !ok {
				calls = nil // what is on its way still comes
				continue
			}
		case r, ok = <-replies:
			if !ok {
				return
			}
			if !r.push {
				if calls == nil {
					return
				}
				for c = range calls { // it was put there before the server saw the command
					if c.answer == "" {
						break
					}
					if _, err := client.Write([]byte(c.answer)); err != nil {
						return
					}
				}
			}
		}
		for c.answer == "" && r.raw == nil { // the reply to c
			if r, ok = <-replies; !ok {
				return
			}
			if r.push {
				if !p.pass(client, r, silent) {
					return
				}
				r = reply{}
			}
		}
		if c.answer != "" {
			r.raw = []byte(c.answer)
		}
		if silent = silent || c.fate == Swallow; silent {
			continue
		}
		if c.fate == Reset {
			reset(client)
		}
		if c.fate == Cut || c.fate == Reset {
			return
		}
		if !r.push {
			r.raw = p.altered(c.command, r.raw)
		}
		if !p.pass(client, r, silent) {
			return
		}
	}
}

// pass writes a reply when it is due.
func (p *Proxy) pass(client net.Conn, r reply, silent bool) bool {
	if silent {
		return true
	}
	if wait := time.Until(r.due); wait > 0 {
		select {
		case <-time.After(wait):
		case <-p.ended:
			return false
		}
	}
	_, err := client.Write(r.raw)
	return err == nil
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
	return b.Bytes(), isPush(b.Bytes()), err
}

// isPush tells whether something is no reply to a command. In RESP2 only its words
// show that.
func isPush(raw []byte) bool {
	for _, begin := range []string{">", "*3\r\n$7\r\nmessage\r\n", "*3\r\n$9\r\nsubscribe\r\n", "*3\r\n$11\r\nunsubscribe\r\n"} {
		if bytes.HasPrefix(raw, []byte(begin)) {
			return true
		}
	}
	return false
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

// IsScript recognises the call of the script in a file.
func IsScript(t testing.TB, file string) func(command []string) bool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha1.Sum(text)
	sha := hex.EncodeToString(sum[:])
	return func(command []string) bool {
		return len(command) > 1 && (command[0] == "EVALSHA" && command[1] == sha || command[0] == "EVAL" && command[1] == string(text))
	}
}
