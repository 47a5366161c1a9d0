package embedded

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// waiter is a connection in a blocking command. Whoever releases it first decides its reply: a push, its timeout,
// CLIENT UNBLOCK, or the end of the connection. All of them hold Server.mu.
type waiter struct {
	c       *conn
	keys    []string // it stands in the line of each
	try     attempt
	timeout time.Duration // 0: for ever
	done    chan struct{} // closed when it waits no longer
}

// attempt takes an element from the list key and returns the reply, or "" if there is none.
type attempt func(p *port, key string) string

// block tries each key, and has the connection wait if all of them are empty. In a script or a transaction, which
// cannot wait, it calls nothing instead.
func (s *Server) block(c *conn, p *port, keys []string, limit string, try attempt, nothing func()) {
	timeout, err := parseTimeout(limit)
	if err != nil {
		p.WriteError(err.Error())
		return
	}
	direct := p == &c.port && !c.inExec
	if direct && c.gone {
		return // an element must not go to where nobody reads it
	}
	for _, key := range keys {
		if reply := try(p, key); reply != "" {
			p.WriteRaw(reply)
			return
		}
	}
	if !direct {
		nothing()
		return
	}
	c.waiter = &waiter{c: c, keys: keys, try: try, timeout: timeout, done: make(chan struct{})}
	for _, key := range keys {
		s.waiting[key] = append(s.waiting[key], c.waiter)
	}
}

// await returns when w waits no longer.
func (s *Server) await(w *waiter) {
	var timeout <-chan time.Time
	if w.timeout > 0 {
		timer := time.NewTimer(w.timeout)
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-w.done:
	case <-timeout:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.release(w, w.c.nullArray())
	}
}

// release ends the wait of w with a reply. It does nothing if w was released before.
func (s *Server) release(w *waiter, reply string) {
	if w.c.waiter != w {
		return
	}
	w.c.waiter = nil
	for _, key := range w.keys {
		line := slices.DeleteFunc(s.waiting[key], func(other *waiter) bool { return other == w })
		if len(line) == 0 {
			delete(s.waiting, key)
		} else {
			s.waiting[key] = line
		}
	}
	w.c.out.put([]byte(reply))
	close(w.done)
}

// mark notes that a list may have appeared that others wait for. They are served when the command is done: a script or
// a transaction may push many elements, and take some back.
func (s *Server) mark(key string) {
	if len(s.waiting) > 0 && len(s.waiting[key]) > 0 && !slices.Contains(s.ready, key) {
		s.ready = append(s.ready, key)
	}
}

// serveReady gives elements to those who wait, in order of arrival. A blocking move may fill the next list.
func (s *Server) serveReady() {
	for len(s.ready) > 0 {
		key := s.ready[0]
		s.ready = s.ready[1:]
		var dry [databases]bool // a line is by name: its waiters may look at different databases
		for _, w := range slices.Clone(s.waiting[key]) {
			if dry[w.c.db] || w.c.waiter != w {
				continue
			}
			reply := w.try(&w.c.port, key)
			if strings.HasPrefix(reply, "-") && s.ask(&w.c.port, "TYPE", key) != "+list\r\n" {
				reply = "" // the key is something else now, and so there is no list yet
			}
			if reply == "" {
				dry[w.c.db] = true
				continue
			}
			s.release(w, reply)
		}
	}
	s.ready = nil
}

// LMOVE source destination LEFT|RIGHT LEFT|RIGHT
func lmove(c *conn, p *port, args []string) {
	if !areSides(args[3:5]) { // miniredis finds out when it has taken the element
		p.WriteError("ERR syntax error")
		return
	}
	c.srv.dispatch(p.Peer, args)
}

// BLMOVE source destination LEFT|RIGHT LEFT|RIGHT timeout
func blmove(c *conn, p *port, args []string) {
	if !areSides(args[3:5]) {
		p.WriteError("ERR syntax error")
		return
	}
	move := func(p *port, source string) string {
		reply := c.srv.ask(p, "LMOVE", source, args[2], args[3], args[4])
		if isNull(reply) {
			return ""
		}
		c.srv.mark(args[2])
		return reply
	}
	c.srv.block(c, p, args[1:2], args[5], move, p.WriteNull)
}

// popper makes BLPOP and BRPOP, key [key …] timeout, of LPOP and RPOP.
func popper(name string) func(*conn, *port, []string) {
	return func(c *conn, p *port, args []string) {
		pop := func(p *port, key string) string {
			reply := c.srv.ask(p, name, key)
			switch {
			case isNull(reply):
				return ""
			case reply[0] == '-':
				return reply
			}
			return fmt.Sprintf("*2\r\n$%d\r\n%s\r\n%s", len(key), key, reply)
		}
		last := len(args) - 1
		c.srv.block(c, p, args[1:last], args[last], pop, p.writeNullArray)
	}
}

func areSides(args []string) bool {
	for _, arg := range args {
		if side := strings.ToUpper(arg); side != "LEFT" && side != "RIGHT" {
			return false
		}
	}
	return true
}

// parseTimeout reads seconds, with a fraction. 0 is for ever, and so is what time.Duration cannot hold (292 years).
func parseTimeout(arg string) (time.Duration, error) {
	seconds, err := strconv.ParseFloat(arg, 64)
	switch {
	case err != nil || math.IsNaN(seconds):
		return 0, errors.New("ERR timeout is not a float or out of range")
	case seconds < 0:
		return 0, errors.New("ERR timeout is negative")
	case math.IsInf(seconds, 0):
		return 0, errors.New("ERR timeout is out of range")
	case seconds >= math.MaxInt64/1e9:
		return 0, nil
	}
	return time.Duration(math.Ceil(seconds*1e3)) * time.Millisecond, nil
}
