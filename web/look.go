package web

import (
	"context"
	"sync"
	"time"
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
	asked   time.Time     // when the last read ended, well or not
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

// get returns what is fresh, or waits for a new read: at most for wait, and then returns what
// there is.
func (l *look[T]) get(ctx context.Context, wait time.Duration) seen[T] {
	l.mu.Lock()
	if time.Since(l.asked) < l.fresh {
		defer l.mu.Unlock()
		return l.seen
	}
	if l.running == nil {
		done := make(chan struct{})
		l.running = done
		l.spawn(func(ctx context.Context) {
			ctx, stop := context.WithTimeout(ctx, l.limit)
			defer stop()
			value, err := l.read(ctx)
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.asked = time.Now(); err == nil {
				l.seen = seen[T]{Value: value, At: l.asked}
			} else if l.seen.Err == nil {
				l.seen.Err, l.seen.Since = err, l.asked
			} else {
				l.seen.Err = err
			}
			l.running = nil
			close(done)
		})
	}
	running := l.running
	l.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-running:
	case <-timer.C:
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen
}

// peek returns what there is, without a look.
func (l *look[T]) peek() seen[T] {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen
}
