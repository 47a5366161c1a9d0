package web

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/tasuki-dev/tasuki"
)

// look is something that is read from Redis once in a while, however many ask: who asks
// while it is being read waits for that, and what is fresh is not read again. A read goes on
// when who has asked for it has gone, so that one slow answer serves all who come later.
type look[T any] struct {
	read  func(context.Context) (T, error)
	fresh time.Duration // what is younger is not read again
	limit time.Duration // of one read
	spawn func(func(context.Context))

	mu      sync.Mutex
	seen    seen[T]
	began   time.Time     // the last read that has ended
	ended   time.Time     // well or not
	stale   time.Time     // what was read before is not wanted
	running chan struct{} // closed when the read under way has ended; nil: none is
}

// seen is what was read last.
type seen[T any] struct {
	Value T
	At    time.Time // when; zero: never

	// Err is why the last read has failed, and Since when the first of those did that have
	// failed since one went well.
	Err   error
	Since time.Time
}

// OK tells whether there is something, even if it is old.
func (s *seen[T]) OK() bool { return !s.At.IsZero() }

// outage is since when Redis has not answered, or has refused to, and why.
type outage struct {
	Err   error
	Since time.Time
	At    time.Time // when it was seen last
}

// Refused tells whether Redis answers, and does not do what was asked.
func (o *outage) Refused() bool { return errors.Is(o.Err, tasuki.ErrRefused) }

// Text is why.
func (o *outage) Text() string { return unread(o.Err) }

// unread is the text of an error of a read, of which a lost reply leaves nothing open.
func unread(err error) string {
	return strings.NewReplacer(tasuki.ErrUncertain.Error(), "redis does not answer", context.DeadlineExceeded.Error(), "redis does not answer").Replace(err.Error())
}

// outage is nil if the last read went well.
func (s *seen[T]) outage() *outage {
	if s.Err == nil {
		return nil
	}
	return &outage{s.Err, s.Since, s.At}
}

// get returns what is fresh, or waits for a new read: at most for wait, and then returns what
// there is.
func (l *look[T]) get(ctx context.Context, wait time.Duration) seen[T] {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		l.mu.Lock()
		if time.Since(l.ended) < l.fresh && l.began.After(l.stale) {
			defer l.mu.Unlock()
			return l.seen
		}
		if l.running == nil {
			l.begin()
		}
		running := l.running
		l.mu.Unlock()
		select {
		case <-running:
			continue // it may have begun before what was there became stale
		case <-timer.C:
		case <-ctx.Done():
		}
		return l.peek()
	}
}

// begin begins a read. The caller holds the lock.
func (l *look[T]) begin() {
	done, began := make(chan struct{}), time.Now()
	l.running = done
	l.spawn(func(ctx context.Context) {
		ctx, stop := context.WithTimeout(ctx, l.limit)
		defer stop()
		value, err := l.read(ctx)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.began, l.ended = began, time.Now()
		switch {
		case err == nil:
			l.seen = seen[T]{Value: value, At: l.ended}
		case l.seen.Err == nil:
			l.seen.Err, l.seen.Since = err, l.ended
		default:
			l.seen.Err = err
		}
		l.running = nil
		close(done)
	})
}

// peek returns what there is, without a look.
func (l *look[T]) peek() seen[T] {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen
}

// forget has the next get read, as somebody has changed something.
func (l *look[T]) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stale = time.Now()
}

// looks are looks by a name, such as that of a job: those of the last few names.
type looks[T any] struct {
	make func(name string) *look[T]

	mu sync.Mutex
	by map[string]*look[T]
}

const mostLooks = 200

func (l *looks[T]) of(name string) *look[T] {
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.by[name]
	if one == nil {
		if len(l.by) >= mostLooks || l.by == nil {
			l.by = map[string]*look[T]{} // who still wants one reads it again
		}
		one = l.make(name)
		l.by[name] = one
	}
	return one
}

func (l *looks[T]) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.by = nil
}
