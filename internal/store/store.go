// Package store is the only code that names a key of tasuki or sends a command
// to Redis. Each operation that is more than one command is a script in lua/
// with a Go function of its name.
//
// A Store repeats only what the server says it has not done. A lost reply it
// reports as ErrUncertain: whoever called knows whether a repetition is safe.
package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// Store reaches one namespace of one server. It dials on the first call.
type Store struct {
	ns   string
	opt  rueidis.ClientOption
	idle time.Duration // how long an unused connection of exchanges is kept; 0: for ever

	replicas   int           // how many have to confirm a put
	within     time.Duration // for this long they may take
	confirming chan struct{} // has room for as many puts as may wait for them at a time
	homes      sync.Map      // key → address of the node of a Cluster that has it, of such puts

	commands atomic.Pointer[rueidis.Client] // concurrent calls share its connections
	blocking atomic.Pointer[rueidis.Client] // connections of one user each: waits, pulses, puts that wait for replicas

	// lock is held by who changes the fields around it; it is a channel so that
	// waiting for a dial of another goroutine ends with ctx.
	lock   chan struct{}
	closed bool
	madeAt time.Time // the younger of both

	ear *ear // listens to jobs

	pace     time.Duration    // see Paced
	closing  sync.WaitGroup   // clients that were dropped
	inBubble bool             // those are closed by Close
	dropped  []rueidis.Client // in a bubble
}

// New checks the options; it does not dial.
func New(o Options) (*Store, error) {
	opt, err := clientOption(&o)
	if err != nil {
		return nil, err
	}
	s := &Store{
		ns: o.Namespace, opt: opt, idle: 30 * time.Second, pace: 1, lock: make(chan struct{}, 1),
		replicas: o.Replicas, within: o.ReplicasTimeout, confirming: make(chan struct{}, maxConfirming),
	}
	s.ear = newEar(s)
	return s, nil
}

// InBubble prepares for a test on the fake time of a bubble, before the first call.
// Connections are kept until Close: rueidis holds a lock over a round trip when it
// closes them, and who waits for a lock there stops the clock. All of them get small
// buffers, as a simulation makes many. pace is for Paced: 1 is that of the clock.
func (s *Store) InBubble(pace int) {
	s.idle, s.inBubble, s.pace = 0, true, time.Duration(pace)
	s.opt.Dialer.KeepAlive = s.Paced(s.opt.Dialer.KeepAlive)
	s.opt.ReadBufferEachConn, s.opt.WriteBufferEachConn, s.opt.RingScaleEachConn = 16<<10, 16<<10, 6
}

// Paced is how long d is for what a worker does again and again without being asked: beats,
// rounds, looks in case that something was missed. It is d, but in a test that lets days
// pass. There nobody is taken for dead: rounds so far apart are not good ones.
func (s *Store) Paced(d time.Duration) time.Duration { return s.pace * d }

// ErrClosed is what calls get after Close.
var ErrClosed = errors.New("the client is closed")

// Close ends all connections. Calls under way end with an error.
func (s *Store) Close() {
	s.ear.close()
	s.lock <- struct{}{}
	defer func() { <-s.lock }()
	s.closed = true
	for _, c := range []*atomic.Pointer[rueidis.Client]{&s.commands, &s.blocking} {
		if client := c.Swap(nil); client != nil {
			(*client).Close()
		}
	}
	for _, c := range s.dropped {
		c.Close()
	}
	s.closing.Wait()
}

// drop closes a client that nobody is given any more. That takes seconds if one of its
// connections is silent, so nobody waits for it. s.lock is held.
func (s *Store) drop(c rueidis.Client) {
	if s.inBubble {
		s.dropped = append(s.dropped, c)
		return
	}
	s.closing.Go(c.Close)
}

// client returns the client for commands, or the one for blocking connections.
func (s *Store) client(ctx context.Context, blocking bool) (rueidis.Client, error) {
	made := &s.commands
	if blocking {
		made = &s.blocking
	}
	if c := made.Load(); c != nil {
		return *c, nil
	}
	select {
	case s.lock <- struct{}{}:
		defer func() { <-s.lock }()
	case <-ctx.Done():
		return nil, notSent("dial", ctx)
	}
	if s.closed {
		return nil, ErrClosed
	}
	if c := made.Load(); c != nil {
		return *c, nil
	}
	opt := s.opt
	opt.BlockingPoolCleanup = s.idle // those of Fetch and of puts
	if blocking {
		// Half a megabyte for each direction of a connection, the default, is
		// for pipelines; here one command is under way at a time.
		opt.ReadBufferEachConn, opt.WriteBufferEachConn = 64<<10, 16<<10
		opt.PipelineMultiplex = -1
	}
	c, err := rueidis.NewClient(opt)
	if err != nil {
		if c != nil {
			c.Close()
		}
		return nil, connectError(opt.InitAddress[0], err)
	}
	s.madeAt = time.Now()
	made.Store(&c)
	return c, nil
}

// patience is how long a call is repeated that the server did not do: a
// failover takes about that long.
const patience = 15 * time.Second

// forget drops the connections to a server that is no master any more: its name may
// lead to another by now. It does so a second after they were made at the soonest,
// as in a failover nobody is master for a while.
func (s *Store) forget(c rueidis.Client) {
	s.lock <- struct{}{}
	defer func() { <-s.lock }()
	is := func(made *rueidis.Client) bool { return made != nil && *made == c }
	if !is(s.commands.Load()) && !is(s.blocking.Load()) || time.Since(s.madeAt) < time.Second {
		return
	}
	for _, made := range []*atomic.Pointer[rueidis.Client]{&s.commands, &s.blocking} {
		if old := made.Swap(nil); old != nil {
			s.drop(*old)
		}
	}
}

// undated is a context whose deadline cannot be seen, only its end. Calls that share
// a connection get one: rueidis may set a deadline on the connection itself, and
// when it passes all calls on it fail, with the error of that one.
type undated struct{ context.Context }

// Deadline says that there is none.
func (undated) Deadline() (time.Time, bool) { return time.Time{}, false }

// do sends a command, and sends it again while the server says that it cannot
// do it now. f builds the command anew each time, as rueidis recycles it; its ctx
// is for calls of the client that it is given.
func (s *Store) do(ctx context.Context, op string, f func(ctx context.Context, c rueidis.Client) rueidis.RedisResult) (rueidis.RedisResult, error) {
	return s.repeat(ctx, op, false, f)
}

// repeat is do with either client.
func (s *Store) repeat(ctx context.Context, op string, blocking bool, f func(ctx context.Context, c rueidis.Client) rueidis.RedisResult) (rueidis.RedisResult, error) {
	start := time.Now()
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		if ctx.Err() != nil {
			return rueidis.RedisResult{}, notSent(op, ctx)
		}
		c, err := s.client(ctx, blocking)
		if err != nil {
			return rueidis.RedisResult{}, err
		}
		reply := f(undated{ctx}, c)
		err = reply.Error()
		if err == nil || rueidis.IsRedisNil(err) {
			return reply, nil
		}
		err = explain(op, err)
		if strings.Contains(err.Error(), "READONLY") && c.Mode() != rueidis.ClientModeCluster {
			s.forget(c)
		}
		if !errors.Is(err, errBusy) || time.Since(start) > patience {
			return reply, err
		}
		// Half of the pause is random, so that those who were refused together
		// do not come back together.
		select {
		case <-time.After(pause/2 + rand.N(pause/2)):
		case <-ctx.Done():
			return reply, err
		}
	}
}

// Repeat calls f again while its reply is lost, until ctx ends. It is for what may be
// done twice: a connection that was cut while nobody used it shows that only to
// its next user.
func Repeat(ctx context.Context, f func(ctx context.Context) error) error {
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		err := f(ctx)
		if !errors.Is(err, ErrUncertain) || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

// eval runs a script with do, and has its answer read.
func (s *Store) eval(ctx context.Context, sc *script, keys, args []string, read func(reply rueidis.RedisResult) error) error {
	var by rueidis.Client
	reply, err := s.do(ctx, sc.name, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		by = c
		return sc.exec(ctx, c, keys, args)
	})
	if err != nil {
		return err
	}
	if err := read(reply); err != nil {
		s.distrust(by)
		return odd(sc.name, err)
	}
	return nil
}

// distrust drops the shared connections: one of them has brought what was not asked
// for, so whatever comes next on it may belong to another call.
func (s *Store) distrust(c rueidis.Client) {
	s.lock <- struct{}{}
	defer func() { <-s.lock }()
	if made := s.commands.Load(); made != nil && *made == c {
		s.commands.Store(nil)
		s.drop(c)
	}
}

// evalInt runs a script that answers with one integer.
func (s *Store) evalInt(ctx context.Context, sc *script, keys, args []string) (n int64, err error) {
	err = s.eval(ctx, sc, keys, args, func(reply rueidis.RedisResult) (err error) {
		n, err = reply.AsInt64()
		return err
	})
	return n, err
}

// Ping dials if need be and asks the server for a sign of life.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.do(ctx, "ping", func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Ping().Build())
	})
	return err
}
