package store

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestBusyBehindExchange: an exchange crosses the sign of life for which its connection
// was asked, and the server is busy as soon as it has answered.
//
//fault:server a script of somebody else keeps the server busy from the moment on in which it has answered an exchange | the exchange is done, and the program goes on
func TestBusyBehindExchange(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, "--busy-reply-threshold", "50")
	proxy := redistest.StartProxy(t, srv)
	s, err := New(Options{URL: proxy.URL(), Namespace: "t"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	q, err := s.Queue("mail")
	if err != nil {
		t.Fatal(err)
	}
	fetch := func() {
		t.Helper()
		if _, err := s.Fetch(t.Context(), q, &Exchange{Incarnation: me, Tag: FirstTag}, s.Waiter(q)); err != nil {
			t.Fatal(err)
		}
	}
	fetch()
	var asked atomic.Int64
	proxy.Decide(func(command []string) redistest.Fate {
		if command[0] == "PING" {
			asked.Add(1)
		}
		return redistest.Pass
	})
	proxy.Delay(func() time.Duration { return 300 * time.Millisecond })
	redistest.WaitLong(t, 30*time.Second, "signs of life on the shared connection and on that of the exchange", func() error {
		if asked.Load() < 2 {
			return errors.New("not yet")
		}
		return nil
	})
	isFetch := redistest.IsScript(t, "lua/fetch.lua")
	var blocked sync.WaitGroup
	proxy.Alter(func(command []string, reply []byte) []byte {
		if isFetch(command) {
			blocked.Go(func() { srv.Do(t, "EVAL", "while true do end", "0") })
			redistest.WaitFor(t, "BUSY", func() error {
				if got := srv.Do(t, "PING"); !strings.HasPrefix(got, "-BUSY") {
					return errors.New(got)
				}
				return nil
			})
		}
		return reply
	})
	fetch()
	proxy.Alter(nil)
	if got := srv.Do(t, "PING"); !strings.HasPrefix(got, "-BUSY") {
		t.Errorf("the server is not busy: %s; so this tests nothing", got)
	}
	time.Sleep(400 * time.Millisecond) // what was sent behind the exchange is answered by now
	if got := srv.Do(t, "SCRIPT", "KILL"); got != "+OK" {
		t.Fatal(got)
	}
	blocked.Wait()
	fetch()
}
