package sim

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/tasuki-dev/tasuki/embedded"
)

// network is what lies between the hosts and the server. It is in memory, as only that lets the clock of a bubble
// move on, and it breaks where and when it is told to.
type network struct {
	srv *embedded.Server

	mu      sync.Mutex
	hosts   []*host
	refusal refusal // what the server is made to refuse now
	refused int
}

// host is where one process runs: all its connections share their fate.
type host struct {
	net     *network
	name    string
	latency func() time.Duration

	mu     sync.Mutex
	change sync.Cond // silent or down has changed, for those who dial
	links  []*link   // that are not closed on both sides, in the order of their making
	silent bool      // no packet arrives, in either direction, and none is lost: they come when it is over
	down   bool      // connections are refused
}

func (n *network) host(name string, rng *rand.Rand, typical time.Duration) *host {
	h := &host{net: n, name: name}
	h.change.L = &h.mu
	r := rand.New(rand.NewPCG(rng.Uint64(), 0))
	var mu sync.Mutex
	h.latency = func() time.Duration {
		if typical == 0 {
			return 0
		}
		mu.Lock()
		defer mu.Unlock()
		return typical/2 + time.Duration(r.Int64N(int64(typical)))
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts = append(n.hosts, h)
	return h
}

// dialPatience is how long the connect of a silent network takes to fail, as in the library's own dialer.
const dialPatience = 5 * time.Second

// Dial is what the client of the host's process has in ClientConfig.Dial.
func (h *host) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	failed := func(err error) (net.Conn, error) { return nil, &net.OpError{Op: "dial", Net: "sim", Err: err} }
	ctx, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.change.Broadcast()
	})
	defer stop()
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.silent && !h.down && ctx.Err() == nil {
		h.change.Wait()
	}
	switch {
	case ctx.Err() != nil:
		return failed(context.Cause(ctx))
	case h.down:
		return failed(syscall.ECONNREFUSED)
	}
	far, err := h.net.srv.Dial(ctx, network, addr)
	if err != nil {
		return failed(err)
	}
	l := &link{h: h, far: far}
	l.toClient.L, l.toServer.L = &h.mu, &h.mu
	h.links = append(h.links, l)
	go l.carryUp()
	go l.carryDown()
	return l, nil
}

// live are the connections of the host.
func (h *host) live() []*link {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.links)
}

// setSilent begins or ends a silence of all connections.
func (h *host) setSilent(silent bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.silent = silent
	h.wake()
}

// setDown cuts all connections and refuses new ones, or allows them again.
func (h *host) setDown(down bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = down
	if down {
		for _, l := range slices.Clone(h.links) {
			l.cut()
		}
	}
	h.wake()
}

func (h *host) wake() {
	h.change.Broadcast()
	for _, l := range h.links {
		l.toClient.Broadcast()
		l.toServer.Broadcast()
	}
}

// trap is what happens to a connection with the next bytes that pass.
type trap int

const (
	noTrap      trap = iota
	halfRequest      // half of the next request reaches the server, then it is cut
	noRequest        // it is cut and nothing of the next request reaches the server
	noReply          // the server does what it is asked next, and its answer is lost in a cut
	halfReply        // the same, when half of the answer has come
	mute             // the same, and the connection stays: nothing comes on it any more
)

// link is a connection. The client has this end; far is the one at the server.
type link struct {
	h   *host
	far net.Conn

	// Guarded by h.mu.
	up, down           []byte // sent and not arrived yet
	toServer, toClient sync.Cond
	closed             bool // by the client: what it has sent before still goes
	dead               bool // cut: nothing goes
	ended              bool // by the server, after what is in down
	silent, muted      bool
	trap               trap
	deadline           time.Time
	timer              *time.Timer
}

var errReset = &net.OpError{Op: "read", Net: "sim", Err: syscall.ECONNRESET}

// set puts a trap, or makes the link silent.
func (l *link) set(f func()) {
	l.h.mu.Lock()
	defer l.h.mu.Unlock()
	f()
	l.toClient.Broadcast()
	l.toServer.Broadcast()
}

// cut ends the connection for both sides; what was on its way is lost. h.mu is held.
func (l *link) cut() {
	if l.dead {
		return
	}
	l.dead, l.up, l.down = true, nil, nil
	l.far.Close()
	l.toClient.Broadcast()
	l.toServer.Broadcast()
	l.forget()
}

func (l *link) forget() {
	l.h.links = slices.DeleteFunc(l.h.links, func(other *link) bool { return other == l })
}

// Read is the client's.
func (l *link) Read(b []byte) (int, error) {
	l.h.mu.Lock()
	defer l.h.mu.Unlock()
	for {
		switch {
		case l.closed:
			return 0, net.ErrClosed
		case len(l.down) > 0:
			n := copy(b, l.down)
			if l.down = l.down[n:]; len(l.down) == 0 {
				l.down = nil
			}
			return n, nil
		case l.dead:
			return 0, errReset
		case l.ended:
			return 0, io.EOF
		case !l.deadline.IsZero() && !time.Now().Before(l.deadline):
			return 0, os.ErrDeadlineExceeded
		}
		l.toClient.Wait()
	}
}

// Write is the client's; it never blocks.
func (l *link) Write(b []byte) (int, error) {
	l.h.mu.Lock()
	defer l.h.mu.Unlock()
	switch {
	case l.closed:
		return 0, net.ErrClosed
	case l.dead:
		return 0, errReset
	}
	l.up = append(l.up, b...)
	l.toServer.Signal()
	return len(b), nil
}

// Close is the client's.
func (l *link) Close() error {
	l.h.mu.Lock()
	defer l.h.mu.Unlock()
	if l.closed {
		return net.ErrClosed
	}
	l.closed = true
	if l.timer != nil {
		l.timer.Stop()
	}
	l.toClient.Broadcast()
	l.toServer.Broadcast()
	return nil
}

// SetDeadline is the client's.
func (l *link) SetDeadline(t time.Time) error {
	l.h.mu.Lock()
	defer l.h.mu.Unlock()
	l.deadline = t
	switch {
	case l.closed:
		return net.ErrClosed
	case t.IsZero():
		if l.timer != nil {
			l.timer.Stop()
		}
	case l.timer == nil:
		l.timer = time.AfterFunc(time.Until(t), l.wakeReader)
	default:
		l.timer.Reset(time.Until(t))
	}
	return nil
}

func (l *link) wakeReader() {
	l.h.mu.Lock()
	defer l.h.mu.Unlock()
	l.toClient.Broadcast()
}

// SetReadDeadline is as SetDeadline: writes never block.
func (l *link) SetReadDeadline(t time.Time) error { return l.SetDeadline(t) }

// SetWriteDeadline does nothing: writes never block.
func (l *link) SetWriteDeadline(time.Time) error { return nil }

type simAddr struct{}

func (simAddr) Network() string { return "sim" }
func (simAddr) String() string  { return "sim" }

// LocalAddr names nobody.
func (l *link) LocalAddr() net.Addr { return simAddr{} }

// RemoteAddr names nobody.
func (l *link) RemoteAddr() net.Addr { return simAddr{} }

// still waits while nothing may pass. h.mu is held.
func (l *link) still(until *sync.Cond, more func() bool) {
	for !l.dead && (l.silent || l.h.silent || more()) {
		until.Wait()
	}
}

// carryUp brings to the server what the client writes, a command at a time.
func (l *link) carryUp() {
	var partial []byte
	for {
		l.h.mu.Lock()
		l.still(&l.toServer, func() bool { return len(l.up) == 0 && !l.closed })
		request := l.up
		l.up = nil
		closing := l.closed && len(request) == 0
		if l.dead || closing {
			l.dead = true
			l.far.Close()
			l.toClient.Broadcast()
			l.forget()
			l.h.mu.Unlock()
			return
		}
		cutting := false
		switch l.trap {
		case noRequest:
			l.cut()
			l.h.mu.Unlock()
			return
		case halfRequest:
			request, cutting = request[:len(request)/2], true
		}
		l.h.mu.Unlock()
		if d := l.h.latency(); d > 0 {
			time.Sleep(d)
		}
		partial = append(partial, request...)
		whole := l.h.net.rewrite(partial)
		if partial = partial[len(partial)-left(partial):]; cutting {
			whole = append(whole[:len(whole):len(whole)], partial...)
		}
		l.h.mu.Lock()
		l.still(&l.toServer, func() bool { return false }) // it was on its way when the silence began
		dead := l.dead
		l.h.mu.Unlock()
		if len(whole) > 0 && !dead {
			l.far.Write(whole) //nolint:errcheck // the other direction notices
		}
		if cutting {
			l.set(l.cut)
		}
	}
}

// carryDown brings to the client what the server writes.
func (l *link) carryDown() {
	b := make([]byte, 4<<10)
	for {
		n, err := l.far.Read(b)
		if n > 0 {
			if d := l.h.latency(); d > 0 {
				time.Sleep(d)
			}
		}
		l.h.mu.Lock()
		reply := b[:n]
		if n > 0 {
			switch l.trap {
			case noReply:
				l.cut()
			case mute:
				l.muted = true
			case halfReply:
				reply = reply[:n/2]
			}
		}
		l.still(&l.toClient, func() bool { return false })
		if !l.dead && !l.muted && n > 0 {
			l.down = append(l.down, reply...)
			l.toClient.Broadcast()
		}
		if len(reply) < n { // the client has half of it, and then nothing
			l.far.Close()
			err = errReset
		}
		if err != nil {
			if !l.muted {
				l.ended = true
				l.toClient.Broadcast()
			}
			l.h.mu.Unlock()
			return
		}
		l.h.mu.Unlock()
	}
}
