package tasuki_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// slowWaits is a connection on which each BLMOVE is held until a value comes.
type slowWaits struct {
	net.Conn
	held    chan struct{} // told of each
	release chan struct{}
}

func (c *slowWaits) Write(data []byte) (int, error) {
	if bytes.Contains(data, []byte("\r\nBLMOVE\r\n")) {
		c.held <- struct{}{}
		<-c.release
	}
	return c.Conn.Write(data)
}

// TestWokenBeforeItWaits: an UNBLOCK that comes before the call has reached the server
// wakes nobody, so it is repeated. Else the wait would go on, and its connection be cut.
//
//fault:network the call of a wait is on its way when the wait is to end | it ends when it has arrived, and the connection stays
func TestWokenBeforeItWaits(t *testing.T) {
	t.Parallel()
	e := newEnv(t, redistest.Shared(t).URL())
	held, release := make(chan struct{}, 1000), make(chan struct{}, 1000)
	e.client = e.open(&tasuki.ClientConfig{Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		return &slowWaits{conn, held, release}, err
	}})
	t.Cleanup(func() { close(release) }) // before the worker stops
	w := e.worker(tasuki.WorkerConfig{})
	collect(w, number)
	stop := e.run(w)
	waits := func() {
		redistest.WaitFor(t, "a wait", func() error {
			if !w.Waits("default") || w.ClientID("default") == 0 {
				return errors.New("it does not wait")
			}
			return nil
		})
	}
	tell := func() {
		if err := e.do("PUBLISH", e.key("default", "channel"), "look").Error(); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		<-held
		id := w.ClientID("default")
		waits()
		tell() // it is to end before it has begun
		redistest.WaitFor(t, "the wait to be ended", func() error {
			if w.Waits("default") {
				return errors.New("it waits")
			}
			return nil
		})
		time.Sleep(300 * time.Millisecond) // an UNBLOCK or more finds nobody meanwhile
		release <- struct{}{}
		select {
		case <-held: // it has ended: this is the next one
		case <-time.After(10 * time.Second):
			t.Fatal("it goes on: nobody has woken it since it has arrived")
		}
		if now := w.ClientID("default"); now != id {
			t.Errorf("the wait is on the connection %d, then on %d: it was cut", id, now)
		}
		// The next round begins with this one.
		held <- struct{}{}
	}
	<-held
	release <- struct{}{}
	waits()
	for range 100 {
		release <- struct{}{}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
