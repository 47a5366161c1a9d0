package embedded

import (
	"bufio"
	"bytes"
	"net"

	"github.com/alicebob/miniredis/v2/server"
)

// conn is one client. Three goroutines serve it: read takes commands from the network, so that a closed connection is
// noticed at once also while a command waits; execute runs them, one after the other; write sends what is in the
// outbox, so that nobody but itself waits for a client that does not read.
type conn struct {
	id  int
	srv *Server
	nc  net.Conn
	out *outbox

	fault protocolError // set by read before it ends, then read by execute

	// Guarded by Server.mu. The port is what miniredis takes for the client; replies collect in it.
	port
	db       int
	quit     bool // after QUIT nothing more is run
	gone     bool // the connection is closed: nobody would get what a blocking command takes
	tx       *tx  // nil outside MULTI
	inExec   bool
	waiter   *waiter // nil unless it waits in a blocking command
	channels map[string]struct{}
	patterns map[string]struct{}
}

// serve starts the goroutines of a connection. It closes nc when the server is closed.
func (s *Server) serve(nc net.Conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		nc.Close()
		return net.ErrClosed
	}
	s.lastID++
	c := &conn{
		id: s.lastID, srv: s, nc: nc, out: newOutbox(),
		channels: map[string]struct{}{}, patterns: map[string]struct{}{},
	}
	c.port.init()
	s.conns[c.id] = c

	// The buffer is how many commands may be sent behind a blocked one without hiding that the connection is closed.
	commands := make(chan []string, 128)
	s.wg.Go(func() { c.read(commands) })
	s.wg.Go(func() { c.execute(commands) })
	s.wg.Go(c.write)
	return nil
}

// read ends when the connection is closed from either side, or with a client that does not speak the protocol: it
// gets the error after the replies to what it sent before.
func (c *conn) read(commands chan<- []string) {
	defer close(commands)
	r := bufio.NewReaderSize(c.nc, 64<<10)
	for {
		args, err := readCommand(r)
		if err != nil {
			c.srv.leave(c)
			c.fault, _ = err.(protocolError)
			return
		}
		if len(args) > 0 {
			commands <- args
		}
	}
}

func (c *conn) execute(commands <-chan []string) {
	for args := range commands {
		if c.quit {
			continue // until read notices that write has closed the connection
		}
		if w := c.srv.run(c, args); w != nil {
			c.srv.await(w)
		}
		if c.quit {
			c.out.end()
		}
	}
	if c.fault != "" {
		c.out.put([]byte("-" + c.fault.Error() + "\r\n"))
	}
	c.out.end()
}

func (c *conn) write() {
	for b, ok := c.out.next(nil); ok; b, ok = c.out.next(b) {
		if _, err := c.nc.Write(b); err != nil {
			break
		}
	}
	c.out.end() // what comes after an error is dropped
	c.nc.Close()
	c.srv.mu.Lock()
	delete(c.srv.conns, c.id)
	c.srv.mu.Unlock()
}

// leave takes a closed connection out of the lines and the topics. What it had sent before is still run.
func (s *Server) leave(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.gone = true
	if c.waiter != nil {
		s.release(c.waiter, "")
	}
	s.unsubscribeAll(c)
}

// port is a peer of miniredis whose replies stay in memory: nothing is sent under the server's lock, and a reply can be
// looked at before the client sees it.
type port struct {
	*server.Peer
	buf bytes.Buffer
}

func (p *port) init() { p.Peer = server.NewPeer(bufio.NewWriterSize(&p.buf, 512)) }

// replies are the bytes written so far; they are valid until the next write.
func (p *port) replies() []byte {
	p.Flush()
	return p.buf.Bytes()
}

// reset drops the replies, and the memory that a big one took.
func (p *port) reset() {
	p.Flush()
	if p.buf.Reset(); p.buf.Cap() > 64<<10 {
		p.buf = bytes.Buffer{}
	}
}

// nullArray is what a command that waits answers when nothing came.
func (p *port) nullArray() string {
	if p.Resp3 {
		return "_\r\n"
	}
	return "*-1\r\n"
}

func (p *port) writeNullArray() { p.WriteRaw(p.nullArray()) }
