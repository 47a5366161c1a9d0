package embedded

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// maxUnread is how many bytes may wait for a subscriber before it is cut off: nobody waits for a slow one. Redis cuts at
// 32 MiB, or after a minute above 8 MiB; here the memory is the program's own.
const maxUnread = 8 << 20

// topics are the subscribers of each channel or pattern.
type topics map[string]map[*conn]struct{}

func (t topics) add(name string, c *conn) {
	if t[name] == nil {
		t[name] = map[*conn]struct{}{}
	}
	t[name][c] = struct{}{}
}

func (t topics) remove(name string, c *conn) {
	delete(t[name], c)
	if len(t[name]) == 0 {
		delete(t, name)
	}
}

func (c *conn) subscriptions() int { return len(c.channels) + len(c.patterns) }

func (s *Server) unsubscribeAll(c *conn) {
	for name := range c.channels {
		s.channels.remove(name, c)
	}
	for name := range c.patterns {
		s.patterns.remove(name, c)
	}
	clear(c.channels)
	clear(c.patterns)
}

// topicsOf are the connection's and the server's topics that a command such as SUBSCRIBE or PSUBSCRIBE changes, and its
// name in replies.
func topicsOf(c *conn, args []string) (own map[string]struct{}, all topics, kind string) {
	if kind = strings.ToLower(args[0]); kind[0] == 'p' {
		return c.patterns, c.srv.patterns, kind
	}
	return c.channels, c.srv.channels, kind
}

// SUBSCRIBE channel [channel …], PSUBSCRIBE pattern [pattern …]
func subscribe(c *conn, p *port, args []string) {
	own, all, kind := topicsOf(c, args)
	for _, name := range args[1:] {
		if !c.gone {
			own[name] = struct{}{}
			all.add(name, c)
		}
		p.WritePushLen(3)
		p.WriteBulk(kind)
		p.WriteBulk(name)
		p.WriteInt(c.subscriptions())
	}
}

// UNSUBSCRIBE [channel …], PUNSUBSCRIBE [pattern …]
func unsubscribe(c *conn, p *port, args []string) {
	own, all, kind := topicsOf(c, args)
	names := args[1:]
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(own))
	}
	for _, name := range names {
		delete(own, name)
		all.remove(name, c)
		p.WritePushLen(3)
		p.WriteBulk(kind)
		p.WriteBulk(name)
		p.WriteInt(c.subscriptions())
	}
	if len(names) == 0 {
		p.WritePushLen(3)
		p.WriteBulk(kind)
		p.WriteNull()
		p.WriteInt(c.subscriptions())
	}
}

// PUBLISH channel message
func publish(c *conn, p *port, args []string) {
	s, channel, message := c.srv, args[1], args[2]
	n := 0
	for to := range s.channels[channel] {
		s.send(to, "message", channel, message)
		n++
	}
	for pattern, subscribers := range s.patterns {
		if !matches(pattern, channel) {
			continue
		}
		for to := range subscribers {
			s.send(to, "pmessage", pattern, channel, message)
			n++
		}
	}
	p.WriteInt(n)
}

func (s *Server) send(to *conn, parts ...string) {
	frame := fmt.Appendf(nil, "*%d\r\n", len(parts))
	if to.Resp3 {
		frame[0] = '>'
	}
	for _, part := range parts {
		frame = append(strconv.AppendInt(append(frame, '$'), int64(len(part)), 10), "\r\n"...)
		frame = append(append(frame, part...), "\r\n"...)
	}
	if to.out.put(frame) > maxUnread {
		s.unsubscribeAll(to)
		to.nc.Close()
	}
}

// PUBSUB CHANNELS [pattern] | NUMSUB [channel …] | NUMPAT
func pubsub(c *conn, p *port, args []string) {
	s, rest := c.srv, args[2:]
	switch sub := subcommand(args); {
	case sub == "CHANNELS" && len(rest) < 2:
		names := slices.Sorted(maps.Keys(s.channels))
		if len(rest) == 1 {
			names = slices.DeleteFunc(names, func(name string) bool { return !matches(rest[0], name) })
		}
		p.WriteStrings(names)
	case sub == "NUMSUB":
		p.WriteLen(2 * len(rest))
		for _, name := range rest {
			p.WriteBulk(name)
			p.WriteInt(len(s.channels[name]))
		}
	case sub == "NUMPAT" && len(rest) == 0:
		p.WriteInt(len(s.patterns))
	default:
		p.WriteError("ERR " + unsupported("PUBSUB "+sub))
	}
}

// matches tells whether a glob pattern of Redis matches. path.Match knows the same signs, but would not let * cross a
// slash.
func matches(pattern, name string) bool {
	if strings.Contains(name, "/") {
		pattern, name = strings.ReplaceAll(pattern, "/", "\x00"), strings.ReplaceAll(name, "/", "\x00")
	}
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}
