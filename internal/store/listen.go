package store

import (
	"context"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// Listener hears what is told on one channel. Only the latest message is kept, until it is
// taken from C; an empty one says that some may have been missed.
type Listener struct {
	C       chan string
	ear     *ear
	channel string
}

// ear is the connection on which a program listens to channels of jobs. All its listeners
// share it; it is made for the first and closed some time after the last.
type ear struct {
	s *Store

	mu        sync.Mutex
	listeners map[string]map[*Listener]bool // by channel
	have      map[string]bool               // channels that conn is subscribed to

	// busy is held by who sends commands on conn or replaces it. It is a channel so that
	// waiting for it ends with a context.
	busy    chan struct{}
	conn    rueidis.DedicatedClient
	release func()
	idle    *time.Timer
	ctx     context.Context // until the store is closed
	quit    context.CancelFunc
	going   sync.WaitGroup
}

const (
	earIdle  = 10 * time.Second
	earLimit = 5 * time.Second // of a call on its connection
)

func newEar(s *Store) *ear {
	e := &ear{s: s, listeners: map[string]map[*Listener]bool{}, have: map[string]bool{}, busy: make(chan struct{}, 1)}
	e.ctx, e.quit = context.WithCancel(context.Background())
	return e
}

// Listen begins to listen to a channel. When it returns without an error, everything that
// is told from then on is heard.
func (s *Store) Listen(ctx context.Context, channel string) (*Listener, error) {
	e := s.ear
	l := &Listener{C: make(chan string, 1), ear: e, channel: channel}
	e.mu.Lock()
	if e.listeners[channel] == nil {
		e.listeners[channel] = map[*Listener]bool{}
	}
	e.listeners[channel][l] = true
	e.mu.Unlock()
	if err := e.tune(ctx); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Close ends the listening.
func (l *Listener) Close() {
	e := l.ear
	e.mu.Lock()
	delete(e.listeners[l.channel], l)
	defer e.mu.Unlock()
	if len(e.listeners[l.channel]) > 0 {
		return
	}
	delete(e.listeners, l.channel)
	if e.ctx.Err() == nil { // close ends ctx under the lock
		e.going.Go(func() {
			ctx, cancel := context.WithTimeout(e.ctx, 5*time.Second)
			defer cancel()
			_ = e.tune(ctx) // else a message too many is heard, until the next change
		})
	}
}

// tune makes the subscriptions those that are listened to.
func (e *ear) tune(ctx context.Context) error {
	if ctx.Err() != nil {
		return notSent("subscribe", ctx)
	}
	select {
	case e.busy <- struct{}{}:
		defer func() { <-e.busy }()
	case <-ctx.Done():
		return notSent("subscribe", ctx)
	}
	// The connection is that of all: what one of them asks for is not given up halfway.
	call, cancel := context.WithTimeout(e.ctx, earLimit)
	defer cancel()
	return e.tuneNow(call)
}

// tuneNow is tune with busy held.
func (e *ear) tuneNow(ctx context.Context) error {
	if e.ctx.Err() != nil {
		return ErrClosed
	}
	var more, less []string
	e.mu.Lock()
	for channel := range e.listeners {
		if !e.have[channel] {
			more = append(more, channel)
		}
	}
	for channel := range e.have {
		if e.listeners[channel] == nil {
			less = append(less, channel)
		}
	}
	none := len(e.listeners) == 0
	e.mu.Unlock()
	if e.idle != nil {
		e.idle.Stop()
	}
	if none {
		e.idle = time.AfterFunc(earIdle, e.rest)
	}
	if e.conn == nil {
		if none {
			return nil
		}
		if err := e.connect(ctx); err != nil {
			return err
		}
	}
	for len(more) > 0 {
		n := min(len(more), 500)
		if err := e.send(ctx, e.conn.B().Subscribe().Channel(more[:n]...).Build()); err != nil {
			return err
		}
		e.note(more[:n], true)
		more = more[n:]
	}
	if len(less) > 0 {
		if err := e.send(ctx, e.conn.B().Unsubscribe().Channel(less...).Build()); err != nil {
			return err
		}
		e.note(less, false)
	}
	return nil
}

func (e *ear) send(ctx context.Context, command rueidis.Completed) error {
	err := explain("subscribe", e.conn.Do(ctx, command).Error())
	if err != nil && !IsRedis(err) {
		e.conn.Close() // its end is heard, and another is made
	}
	return err
}

func (e *ear) note(channels []string, have bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, channel := range channels {
		if have {
			e.have[channel] = true
		} else {
			delete(e.have, channel)
		}
	}
}

// connect makes the connection. busy is held.
func (e *ear) connect(ctx context.Context) error {
	c, err := e.s.client(ctx, true)
	if err != nil {
		return err
	}
	conn, release := c.Dedicate()
	lost := conn.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: e.heard})
	e.conn, e.release = conn, release
	e.going.Go(func() {
		select {
		case <-lost:
			e.remake(conn)
		case <-e.ctx.Done():
		}
	})
	return nil
}

// drop forgets the connection. busy is held.
func (e *ear) drop() {
	e.conn.Close()
	e.release()
	e.conn, e.release = nil, nil
	e.mu.Lock()
	clear(e.have)
	e.mu.Unlock()
}

// remake makes a connection in place of one that was lost, while there are listeners, and
// tells them that they may have missed something.
func (e *ear) remake(lost rueidis.DedicatedClient) {
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		select {
		case e.busy <- struct{}{}:
		case <-e.ctx.Done():
			return
		}
		if e.conn == lost {
			e.drop()
		}
		ctx, cancel := context.WithTimeout(e.ctx, 5*time.Second)
		err := e.tuneNow(ctx)
		cancel()
		<-e.busy
		if err == nil {
			e.mu.Lock()
			for _, all := range e.listeners {
				tell(all, "")
			}
			e.mu.Unlock()
			return
		}
		select {
		case <-time.After(pause):
		case <-e.ctx.Done():
			return
		}
	}
}

// rest closes a connection that nobody has needed for a while.
func (e *ear) rest() {
	e.busy <- struct{}{}
	defer func() { <-e.busy }()
	e.mu.Lock()
	none := len(e.listeners) == 0
	e.mu.Unlock()
	if none && e.conn != nil {
		e.drop()
	}
}

func (e *ear) heard(m rueidis.PubSubMessage) {
	e.mu.Lock()
	defer e.mu.Unlock()
	tell(e.listeners[m.Channel], m.Message)
}

// tell gives a message to listeners, in place of one that was not taken yet.
func tell(listeners map[*Listener]bool, message string) {
	for l := range listeners {
		latest := message
		select {
		case before := <-l.C:
			if message == "" {
				latest = before // what was told says more
			}
		default:
		}
		l.C <- latest
	}
}

// close ends everything. Nothing is listened to any more.
func (e *ear) close() {
	e.mu.Lock()
	e.quit()
	e.mu.Unlock()
	e.busy <- struct{}{}
	if e.idle != nil {
		e.idle.Stop()
	}
	if e.conn != nil {
		e.drop()
	}
	<-e.busy
	e.going.Wait()
}
