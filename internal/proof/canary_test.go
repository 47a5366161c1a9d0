package proof

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// canary counts in a server, hundreds of times a second. It knows nothing of tasuki:
// if the server gives it a number again after it was killed, it has lost what it had
// answered, and jobs perhaps.
type canary struct {
	server *redistest.Server
	quit   chan struct{}
	done   sync.WaitGroup

	// Its goroutine's, until end has returned.
	answered int64 // the last number
	lost     int   // times that it was given one again
}

const canaryKey = "canary"

func startCanary(s *redistest.Server) *canary {
	c := &canary{server: s, quit: make(chan struct{})}
	c.done.Go(func() {
		for {
			c.sing()
			select {
			case <-c.quit:
				return
			case <-time.After(time.Millisecond):
			}
		}
	})
	return c
}

// sing counts until the connection ends.
func (c *canary) sing() {
	conn, err := net.Dial("unix", c.server.Socket())
	if err != nil {
		return
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	for first := true; ; {
		select {
		case <-c.quit:
			return
		case <-time.After(time.Millisecond):
		}
		if _, err := fmt.Fprintf(conn, "INCR %s\r\n", canaryKey); err != nil {
			return
		}
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		n, err := strconv.ParseInt(strings.Trim(line, ":\r\n"), 10, 64)
		if err != nil {
			continue // it loads its file
		}
		if first && n <= c.answered {
			c.lost++
		}
		c.answered, first = n, false
	}
}

// end returns how many times the server has lost what it had answered.
func (c *canary) end() int {
	close(c.quit)
	c.done.Wait()
	return c.lost
}
