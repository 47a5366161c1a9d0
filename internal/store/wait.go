package store

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// waitLimit is how long a blocking call stays in the server at most. Never
// without a limit: the call of a worker that is frozen or cut off goes on
// waiting there and takes the next job, whatever a tombstone says. After 20 s it
// has ended, before its worker can be taken for dead (30 s).
const waitLimit = 20 * time.Second

// shortLimit takes its place where a waiting call cannot be woken.
const shortLimit = time.Second

// wakeLimit is how long a waiting call that is to end may go on: then its server
// stands still, and the connection is closed.
const wakeLimit = 3 * time.Second

// Waiter is a connection of its own on which one goroutine at a time waits. It
// connects when it first waits, and anew after an error.
type Waiter struct {
	s    *Store
	q    *Queue
	id   atomic.Int64 // CLIENT ID of conn; 0 when there is none or it is not told
	mute atomic.Bool  // CLIENT ID or CLIENT UNBLOCK is refused

	// lock is held while the connection is used, and guards the following fields. It is
	// a channel so that a wait which is told to end does not wait for an exchange.
	lock    chan struct{}
	conn    rueidis.DedicatedClient
	release func()
	client  rueidis.Client // from which conn is
	master  string         // when conn was made
}

// Waiter returns a connection to wait on in a queue.
func (s *Store) Waiter(q *Queue) *Waiter { return &Waiter{s: s, q: q, lock: make(chan struct{}, 1)} }

// ID is the CLIENT ID of the connection, as CLIENT LIST shows it; 0 while there
// is none, or when the server does not tell.
func (w *Waiter) ID() int64 { return w.id.Load() }

// Mute tells whether a waiting call cannot be woken here, because CLIENT ID or
// CLIENT UNBLOCK is refused. Waits are short then. It is known after a wait.
func (w *Waiter) Mute() bool { return w.mute.Load() }

// Move waits until BLMOVE hands over an element into hand, for about 20 s. When
// ctx ends the call is woken with CLIENT UNBLOCK; its reply is read in any case,
// for it may bring an element all the same.
func (w *Waiter) Move(ctx context.Context, hand string) (element string, ok bool, err error) {
	from := w.q.head()
	reply, ok, err := w.block(ctx, "wait in "+w.q.Name, func(limit float64) rueidis.Completed {
		b := w.conn.B().Blmove().Source(w.q.List).Destination(hand)
		if from == "RIGHT" {
			return b.Right().Right().Timeout(limit).Build()
		}
		return b.Left().Right().Timeout(limit).Build()
	}, w.s.Paced(waitLimit))
	if !ok {
		return "", false, err
	}
	if element, err = reply.ToString(); err != nil {
		w.Close()
		return "", false, odd("wait in "+w.q.Name, err)
	}
	return element, true, nil
}

// Alarm waits until somebody leaves a token in the queue's alarm list, for about 20 s.
func (w *Waiter) Alarm(ctx context.Context) (rung bool, err error) {
	_, rung, err = w.block(ctx, "alarm of "+w.q.Name, func(limit float64) rueidis.Completed {
		return w.conn.B().Blpop().Key(w.q.Alarm).Timeout(limit).Build()
	}, w.s.Paced(waitLimit))
	return rung, err
}

// block sends a blocking call and reads its reply; ok says that there is one which
// is not nil.
func (w *Waiter) block(ctx context.Context, op string, build func(limit float64) rueidis.Completed, limit time.Duration) (reply rueidis.RedisResult, ok bool, err error) {
	select {
	case w.lock <- struct{}{}:
		defer w.unlock()
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return reply, false, nil
	}
	if w.conn == nil {
		if err := w.connect(ctx); err != nil {
			return reply, false, err
		}
	}
	if w.mute.Load() {
		limit = min(limit, shortLimit)
	}
	// Two seconds more than the server may take: then it does not answer, and
	// whatever it does later, it does for a connection that is gone.
	deadline, cancel := context.WithTimeout(context.Background(), limit+2*time.Second)
	defer cancel()
	answered, woken := make(chan struct{}), make(chan struct{})
	conn := w.conn
	stop := context.AfterFunc(ctx, func() {
		defer close(woken)
		// A server that stands still wakes nobody. What it hands over later lies
		// in the hand list, and is found there.
		cut := time.AfterFunc(wakeLimit, conn.Close)
		defer cut.Stop()
		w.wake(answered)
	})
	unfollow := follow(w.client, w.master, conn.Close)
	// Redis takes 0 for no limit at all.
	reply = conn.Do(deadline, build(max(limit, time.Millisecond).Seconds()))
	close(answered)
	unfollow()
	if !stop() {
		// The connection may be given to another only after the last UNBLOCK.
		<-woken
	}
	err = reply.Error()
	if err == nil || rueidis.IsRedisNil(err) {
		return reply, err == nil, nil
	}
	err = explain(op, err)
	if !IsRedis(err) {
		// It is gone, or its server is no master any more.
		w.closeLocked()
	}
	return reply, false, err
}

// connect makes the connection and learns its CLIENT ID, which is valid for this
// connection on this node only.
func (w *Waiter) connect(ctx context.Context) error {
	c, err := w.s.client(ctx, true)
	if err != nil {
		return err
	}
	was := master(c)
	conn, release := c.Dedicate()
	deadline, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	defer follow(c, was, conn.Close)()
	// In Cluster the first command chooses the node, so it has a key.
	replies := conn.DoMulti(deadline, conn.B().Llen().Key(w.q.List).Build(), conn.B().ClientId().Build())
	if err := explain("connect to wait in "+w.q.Name, replies[0].Error()); errors.Is(err, ErrRefused) {
		// There may be no connection: then every command on it is answered with why it
		// could not be made, for ever.
		conn.Close()
		release()
		return err
	}
	id, err := replies[1].AsInt64()
	if err == nil {
		err = w.unblock(deadline, c, 0) // no client has this id: it tells whether it is allowed
	}
	// What the server does not do now, and what has failed on the way, is no refusal.
	if err = explain("connect to wait in "+w.q.Name, err); err != nil && !IsRedis(err) {
		conn.Close()
		release()
		return err
	}
	w.mute.Store(err != nil)
	if err != nil {
		id = 0
	}
	w.conn, w.release, w.client, w.master = conn, release, c, was
	w.id.Store(id)
	return nil
}

// run runs a script over the connection, if that is made and nobody waits on it. read
// tells whether its answer makes sense: after one that does not, the connection is
// closed.
func (w *Waiter) run(ctx context.Context, sc *script, keys, args []string, read func(rueidis.RedisResult) bool) (reply rueidis.RedisResult, ok bool) {
	select {
	case w.lock <- struct{}{}:
		defer w.unlock()
	default:
		return reply, false
	}
	if w.conn == nil {
		return reply, false
	}
	unfollow := follow(w.client, w.master, w.conn.Close)
	reply = sc.exec(ctx, w.conn, keys, args)
	unfollow()
	if err := reply.Error(); !read(reply) || err != nil && !IsRedis(explain("fetch", err)) {
		w.closeLocked()
	}
	return reply, true
}

// Close ends the connection. The next wait makes another.
func (w *Waiter) Close() {
	w.lock <- struct{}{}
	defer w.unlock()
	w.closeLocked()
}

func (w *Waiter) unlock() { <-w.lock }

func (w *Waiter) closeLocked() {
	if w.conn == nil {
		return
	}
	w.id.Store(0)
	w.conn.Close()
	w.release()
	w.conn, w.release, w.client = nil, nil, nil
}

// wake unblocks the waiting call until it has answered. An UNBLOCK that comes
// before the call has reached the server finds nothing to wake.
func (w *Waiter) wake(answered <-chan struct{}) {
	if w.mute.Load() {
		return // the wait is short
	}
	for {
		ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
		pause := 5 * time.Millisecond
		if c, err := w.s.client(ctx, true); err == nil {
			if errors.Is(w.unblock(ctx, c, w.id.Load()), errNobody) {
				pause = 200 * time.Microsecond
			}
		}
		cancel()
		select {
		case <-answered:
			return
		case <-time.After(pause):
		}
	}
}

var errNobody = errors.New("nobody was waiting")

// unblock wakes the client with that id, on the node where w waits. 0 is no client: it
// tells whether this is allowed.
//
// The UNBLOCK is in a transaction with a write that does nothing. While writes are
// paused (CLIENT PAUSE WRITE, also in a manual failover) the whole of it waits: for
// Redis up to 7.0 crashes on an UNBLOCK of a client whose BLMOVE it has put off,
// and answers it twice on UNBLOCK ERROR.
func (w *Waiter) unblock(ctx context.Context, c rueidis.Client, id int64) error {
	commands := rueidis.Commands{c.B().Multi().Build(), c.B().ClientUnblock().ClientId(id).Build()}
	if id != 0 {
		commands = append(commands, c.B().Hdel().Key(w.q.Rules).Field("").Build())
	} else if c.Mode() == rueidis.ClientModeCluster {
		// A command without a key goes to any node; beside one with a key it
		// goes along.
		commands = append(commands, c.B().Llen().Key(w.q.List).Build())
	}
	replies := c.DoMulti(ctx, append(commands, c.B().Exec().Build())...)
	results, err := replies[len(replies)-1].ToArray()
	for _, reply := range replies[:len(replies)-1] {
		if e := reply.Error(); e != nil {
			err = e // why; the EXEC says only that there was one
			break
		}
	}
	if err == nil && len(results) == 0 {
		err = errors.New("the transaction was not done")
	}
	var n int64
	if err == nil {
		n, err = results[0].AsInt64()
	}
	if err != nil {
		return fmt.Errorf("unblock: %w", err)
	}
	if n == 0 && id != 0 {
		return errNobody
	}
	return nil
}
