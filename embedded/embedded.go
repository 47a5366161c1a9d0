// Package embedded is a Redis-compatible server inside the process: for a first try of tasuki without anything to
// install, and for tests.
//
//	srv, err := embedded.Start("127.0.0.1:0")
//	if err != nil { … }
//	defer srv.Close()
//	client, err := tasuki.Open(srv.URL(), nil)
//
// It speaks RESP2 and RESP3 and knows the commands that background jobs need: lists with blocking moves and pops in
// strict order of arrival, hashes, sets, sorted sets, strings, expiry, Lua scripts, transactions, publish and
// subscribe, CLIENT ID and CLIENT UNBLOCK. Every command, script and transaction is atomic, as in Redis. A command
// that it does not have is refused with an error that says so; it is never ignored.
//
// What it gives up: there is no persistence (all is gone when the process ends), no replication, no cluster, no
// access control (hence it listens on loopback addresses and unix sockets only), no memory limit and no eviction. It
// is slower than Redis: LPUSH copies its list, a range of a sorted set sorts the set, a script call builds a Lua state
// (which has cjson, but not bit, struct and cmsgpack). A script that never returns stops the server, and Close with it.
// For work that matters use Redis or Valkey.
//
// The data and the scripts are those of github.com/alicebob/miniredis; connections, blocking, transactions and
// publish/subscribe are this package's own.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
)

// version is what the server says it is: the version that miniredis models.
const version = "8.4.0"

// Server is a running server. Make one with Start, end it with Close. All methods are safe for concurrent use.
type Server struct {
	data     *miniredis.Miniredis
	engine   *server.Server // of data: runs one command
	listener net.Listener   // nil: only Dial
	url      string
	started  time.Time
	close    func() error
	wg       sync.WaitGroup // every goroutine of the server

	// mu makes the server what Redis is: one command at a time. A command, a script or a transaction holds it from
	// the first read to the last write, and so does all that follows from it: serving those who wait, publishing.
	//
	// Order of locks: mu, then those of miniredis (taken inside dispatch), then that of an outbox. Nothing under mu
	// waits for a client: replies and messages go to outboxes, which other goroutines write out. A command that a
	// script calls comes back through hook while the same goroutine holds mu and miniredis' lock; so neither hook
	// nor a command's function takes mu.
	mu       sync.Mutex
	closed   bool
	lastID   int
	conns    map[int]*conn
	client   *conn        // whose command is being run
	running  *server.Peer // the peer that dispatch runs a command for; another one in hook is a script's
	waiting  map[string][]*waiter
	ready    []string // keys of waiting that the command being run may have filled, in that order
	channels topics
	patterns topics
}

// Start starts a server that listens on addr:
//
//	127.0.0.1:0, localhost:6379, [::1]:0    TCP on a loopback address; port 0 takes a free one
//	unix:/path/to.sock                      a unix socket; Close removes it
//	""                                      no listener, only Dial
//
// Any other address is refused: the server asks nobody for a password. A socket file that nobody answers on is
// replaced.
//
// In a testing/synctest bubble start it without a listener, and use Dial.
func Start(addr string) (*Server, error) {
	listener, err := listen(addr)
	if err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	s := &Server{
		data:     miniredis.NewMiniRedis(),
		listener: listener,
		started:  time.Now(),
		conns:    map[int]*conn{},
		waiting:  map[string][]*waiter{},
		channels: topics{},
		patterns: topics{},
	}
	s.close = sync.OnceValue(s.shutdown)
	s.data.ClockTTL(true) // else keys expire only when told to

	// miniredis registers its commands when it is first dialled; the connection itself is not used. It also drops an
	// earlier hook then.
	nc, err := s.data.Dial()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("embedded: %w", err), s.Close())
	}
	nc.Close()
	s.engine = s.data.Server()
	s.engine.SetPreHook(s.hook)

	if listener != nil {
		s.url = urlOf(listener.Addr())
		s.wg.Go(s.accept)
	}
	return s, nil
}

// URL is where the server listens, as clients take it: redis://127.0.0.1:41234 or unix:///path/to.sock. It is empty
// for a server without a listener.
func (s *Server) URL() string { return s.url }

// Dial makes a connection in memory. It fits the dial function of a client: network and addr are ignored. It fails
// when ctx has ended or the server is closed.
func (s *Server) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	client, end := net.Pipe()
	if err := s.serve(end); err != nil {
		client.Close()
		return nil, fmt.Errorf("embedded: dial: %w", err)
	}
	return client, nil
}

// Close ends all connections, those that wait in a blocking command too, and returns when their goroutines have
// ended. All data is gone then. Calling it again does nothing and returns the same error.
func (s *Server) Close() error { return s.close() }

func (s *Server) shutdown() error {
	var err error
	s.mu.Lock()
	s.closed = true
	if s.listener != nil {
		err = s.listener.Close()
	}
	for _, c := range s.conns {
		c.nc.Close() // its reader notices, and takes it out of the line that it may wait in
	}
	s.mu.Unlock()
	s.wg.Wait()
	s.data.Close()
	return err
}

func (s *Server) accept() {
	for {
		nc, err := s.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond) // out of file descriptors, most likely; others may give one back
			continue
		}
		s.serve(nc)
	}
}
