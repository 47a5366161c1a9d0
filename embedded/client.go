package embedded

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// databases is how many there are to SELECT, as in an unconfigured Redis.
const databases = 16

// HELLO [2|3 [AUTH user password] [SETNAME name]]
func hello(c *conn, p *port, args []string) {
	proto, name := 2, p.ClientName
	if p.Resp3 {
		proto = 3
	}
	if len(args) > 1 {
		var err error
		if proto, err = strconv.Atoi(args[1]); err != nil {
			p.WriteError("ERR Protocol version is not an integer or out of range")
			return
		}
		if proto != 2 && proto != 3 {
			p.WriteError("NOPROTO unsupported protocol version")
			return
		}
	}
	for i := 2; i < len(args); {
		switch option := strings.ToUpper(args[i]); {
		case option == "AUTH" && i+2 < len(args):
			if args[i+1] != "default" {
				p.WriteError("WRONGPASS invalid username-password pair or user is disabled.")
				return
			}
			i += 3 // the default user may come with any password
		case option == "SETNAME" && i+1 < len(args):
			name = args[i+1]
			i += 2
		default:
			p.WriteError(fmt.Sprintf("ERR Syntax error in HELLO option '%s'", args[i]))
			return
		}
	}
	p.Resp3, p.ClientName = proto == 3, name

	p.WriteMapLen(7)
	for _, text := range []string{"server", "redis", "version", version, "mode", "standalone", "role", "master", "proto"} {
		p.WriteBulk(text)
	}
	p.WriteInt(proto)
	p.WriteBulk("id")
	p.WriteInt(c.id)
	p.WriteBulk("modules")
	p.WriteLen(0)
}

// CLIENT ID | GETNAME | SETNAME name | SETINFO … | NO-EVICT on|off | NO-TOUCH on|off | UNBLOCK id [TIMEOUT|ERROR]
func client(c *conn, p *port, args []string) {
	switch sub, n := subcommand(args), len(args); {
	case sub == "ID" && n == 2:
		p.WriteInt(c.id)
	case sub == "GETNAME" && n == 2, sub == "SETNAME" && n == 3:
		c.srv.dispatch(p.Peer, args)
	case sub == "SETINFO" && n == 4, sub == "NO-EVICT" && n == 3, sub == "NO-TOUCH" && n == 3:
		p.WriteOK()
	case sub == "UNBLOCK" && (n == 3 || n == 4):
		c.srv.unblock(p, args[2:])
	case slices.Contains([]string{"ID", "GETNAME", "SETNAME", "SETINFO", "NO-EVICT", "NO-TOUCH", "UNBLOCK"}, sub):
		p.WriteError("ERR wrong number of arguments for 'client|" + strings.ToLower(sub) + "' command")
	default:
		p.WriteError("ERR " + unsupported("CLIENT "+sub))
	}
}

// unblock answers 1 if it has ended a wait, and 0 if there was none: the blocking command may also be still on its way.
func (s *Server) unblock(p *port, args []string) {
	id, err := strconv.Atoi(args[0])
	if err != nil {
		p.WriteError("ERR value is not an integer or out of range")
		return
	}
	failing := false
	if len(args) == 2 {
		switch strings.ToUpper(args[1]) {
		case "TIMEOUT":
		case "ERROR":
			failing = true
		default:
			p.WriteError("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
			return
		}
	}
	blocked := s.conns[id]
	if blocked == nil || blocked.waiter == nil {
		p.WriteInt(0)
		return
	}
	reply := blocked.nullArray()
	if failing {
		reply = "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"
	}
	s.release(blocked.waiter, reply)
	p.WriteInt(1)
}

// SELECT index
func selectDB(c *conn, p *port, args []string) {
	n, err := strconv.Atoi(args[1])
	switch {
	case err != nil:
		p.WriteError("ERR value is not an integer or out of range")
		return
	case n < 0 || n >= databases:
		p.WriteError("ERR DB index is out of range")
		return
	}
	if p == &c.port { // in a script it holds for the script only
		c.db = n
	}
	c.srv.dispatch(p.Peer, args)
}

// PING [message]
func ping(c *conn, p *port, args []string) {
	if p != &c.port || p.Resp3 || c.subscriptions() == 0 || len(args) > 2 {
		c.srv.dispatch(p.Peer, args)
		return
	}
	p.WriteStrings([]string{"pong", strings.Join(args[1:], "")}) // so that it cannot be taken for a message
}

// QUIT
func quit(c *conn, p *port, args []string) {
	c.quit = true
	p.WriteOK()
}

// INFO [section …]; what there is to tell is told whatever was asked for.
func info(c *conn, p *port, args []string) {
	s := c.srv
	blocked := 0
	for _, other := range s.conns {
		if other.waiter != nil {
			blocked++
		}
	}
	p.WriteBulk(fmt.Sprintf("# Server\r\nredis_version:%s\r\nredis_mode:standalone\r\ntasuki_embedded:1\r\nuptime_in_seconds:%d\r\n\r\n"+
		"# Clients\r\nconnected_clients:%d\r\nblocked_clients:%d\r\n",
		version, int(time.Since(s.started).Seconds()), len(s.conns), blocked))
}

// COMMAND
func listCommands(c *conn, p *port, args []string) {
	if len(args) > 1 {
		p.WriteError("ERR " + unsupported("COMMAND "+subcommand(args)))
		return
	}
	c.srv.dispatch(p.Peer, args)
}
