package web

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	lookEvery    = 2 * time.Second
	beatEvery    = 15 * time.Second
	mostStreams  = 1000
	streamFor    = 10 * time.Minute // then it connects anew, and is authorised anew
	writeTimeout = 10 * time.Second
)

// live tells open pages when there is something new to see. While one is open, it looks every
// two seconds, once for all of them.
type live struct {
	look  func(context.Context) // takes the look that the pages show
	spawn func(func(context.Context))

	mu      sync.Mutex
	streams map[chan struct{}]bool
	running bool
}

// join returns a channel that gets something after each look; false if there are too many.
func (l *live) join() (chan struct{}, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.streams) >= mostStreams {
		return nil, false
	}
	c := make(chan struct{}, 1)
	l.streams[c] = true
	if !l.running {
		l.running = true
		l.spawn(l.run)
	}
	return c, true
}

func (l *live) leave(c chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.streams, c)
}

func (l *live) run(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		l.mu.Lock()
		if len(l.streams) == 0 {
			l.running = false
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		l.look(ctx)
		l.mu.Lock()
		for c := range l.streams {
			select {
			case c <- struct{}{}:
			default: // it has not heard the last one yet
			}
		}
		l.mu.Unlock()
	}
}

// serve is a stream of server-sent events: "look" whenever there is something new.
func (l *live) serve(c *call) {
	looks, ok := l.join()
	if !ok {
		c.w.Header().Set("Retry-After", "30")
		c.fail(http.StatusServiceUnavailable, fmt.Errorf("%d pages are live: no more are allowed", mostStreams))
		return
	}
	defer l.leave(looks)
	h := c.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("X-Accel-Buffering", "no") // for nginx
	out := http.NewResponseController(c.w)
	send := func(text string) bool {
		// A server may have no deadlines; then there is none to move.
		_ = out.SetWriteDeadline(time.Now().Add(writeTimeout))
		_, err := c.w.Write([]byte(text))
		return err == nil && out.Flush() == nil
	}
	if !send("retry: 3000\n: tasuki\n\n") {
		return
	}
	beat, end := time.NewTicker(beatEvery), time.NewTimer(streamFor)
	defer beat.Stop()
	defer end.Stop()
	for {
		text := ":\n\n"
		select {
		case <-looks:
			text = "event: look\ndata:\n\n"
		case <-beat.C:
		case <-end.C:
			return
		case <-c.r.Context().Done():
			return
		case <-c.d.ctx.Done():
			return
		}
		if !send(text) {
			return
		}
	}
}
