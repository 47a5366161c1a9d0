package web

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestLook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var reads, takes atomic.Int64
		var failing atomic.Bool
		l := &look[int64]{fresh: time.Second, limit: 5 * time.Second, spawn: func(f func(context.Context)) { go f(t.Context()) }}
		l.read = func(ctx context.Context) (int64, error) {
			select {
			case <-time.After(time.Duration(takes.Load())):
			case <-ctx.Done():
				return 0, ctx.Err()
			}
			if failing.Load() {
				return 0, errors.New("away")
			}
			return reads.Add(1), nil
		}
		expect := func(what string, s seen[int64], value int64, failed bool) {
			t.Helper()
			if s.Value != value || (s.Err != nil) != failed {
				t.Errorf("%s: %+v, want %d", what, s, value)
			}
		}

		takes.Store(int64(10 * time.Millisecond))
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { expect("of many at once", l.get(t.Context(), time.Second), 1, false) })
		}
		wg.Wait()
		expect("fresh", l.get(t.Context(), time.Second), 1, false)
		time.Sleep(time.Second)
		expect("old", l.get(t.Context(), time.Second), 2, false)

		// What was being read when something changed is read again.
		l.forget()
		go l.get(t.Context(), time.Second)
		synctest.Wait()
		time.Sleep(time.Millisecond)
		l.forget()
		expect("changed meanwhile", l.get(t.Context(), time.Second), 4, false)

		takes.Store(int64(time.Hour))
		time.Sleep(2 * time.Second)
		expect("slow", l.get(t.Context(), time.Second), 4, false)
		time.Sleep(5 * time.Second)
		s := l.get(t.Context(), 0)
		expect("frozen", s, 4, true)
		since := s.Since

		takes.Store(0)
		failing.Store(true)
		time.Sleep(10 * time.Second)
		s = l.get(t.Context(), time.Second)
		expect("away", s, 4, true)
		if !s.Since.Equal(since) || s.Err.Error() != "away" {
			t.Errorf("away since %v (%v), want %v", s.Since, s.Err, since)
		}
		failing.Store(false)
		time.Sleep(time.Second)
		expect("there again", l.get(t.Context(), time.Second), 5, false)
	})
}
