package embedded

import (
	"fmt"
	"strings"

	"github.com/alicebob/miniredis/v2/server"
)

// run runs one command of a client and all that follows from it. It returns a waiter if the client has to wait.
func (s *Server) run(c *conn, args []string) *waiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() {
		if r := recover(); r != nil {
			s.survive(c, r)
		}
		c.out.put(c.replies())
		c.port.reset()
	}()
	s.client = c
	s.decide(c, args)
	s.serveReady()
	return c.waiter
}

// decide has a command refused, queued or done.
func (s *Server) decide(c *conn, args []string) {
	name := strings.ToUpper(args[0])
	cmd, known := commands[name]
	switch {
	case !known:
		c.refuse(refusal(name, args))
	case !cmd.fits(len(args)):
		c.refuse("ERR wrong number of arguments for '" + strings.ToLower(args[0]) + "' command")
	case c.subscriptions() > 0 && !c.Resp3 && cmd.is&subscribed == 0:
		c.refuse(fmt.Sprintf("ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context", strings.ToLower(args[0])))
	case c.tx != nil && cmd.is&unqueued == 0:
		c.tx.queue = append(c.tx.queue, queued{cmd, args})
		c.WriteInline("QUEUED")
	default:
		s.do(c, &c.port, cmd, args)
	}
}

// do runs a command for c. The reply goes to p: the connection's own port, or one that a script reads.
func (s *Server) do(c *conn, p *port, cmd command, args []string) {
	if cmd.fills > 0 {
		s.mark(args[cmd.fills])
	}
	if cmd.run != nil {
		cmd.run(c, p, args)
		return
	}
	s.dispatch(p.Peer, args)
}

// dispatch has miniredis run a command.
func (s *Server) dispatch(p *server.Peer, args []string) {
	defer func(before *server.Peer) { s.running = before }(s.running) // also when Lua catches a panic
	s.running = p
	s.engine.Dispatch(p, args)
}

// ask runs a command for its reply, which does not go out.
func (s *Server) ask(p *port, args ...string) string {
	start := len(p.replies())
	s.dispatch(p.Peer, args)
	reply := string(p.replies()[start:])
	p.buf.Truncate(start)
	return reply
}

func isNull(reply string) bool { return reply == "$-1\r\n" || reply == "*-1\r\n" || reply == "_\r\n" }

// hook is called by miniredis before every command: those of dispatch, which it lets pass, and those that a script
// calls, which come on a peer of the script's own while everything is locked.
func (s *Server) hook(p *server.Peer, name string, args ...string) bool {
	if p == s.running {
		return false
	}
	cmd, known := commands[name]
	switch {
	case !known && supportable[name]:
		p.WriteError(refusal(name, nil))
	case !known:
		p.WriteError("ERR Unknown Redis command called from script")
	case !cmd.fits(1 + len(args)):
		p.WriteError("ERR Wrong number of args calling Redis command from script")
	case cmd.is&noScript != 0:
		p.WriteError("ERR This Redis command is not allowed from script")
	case cmd.run == nil:
		if cmd.fills > 0 {
			s.mark(args[cmd.fills-1])
		}
		return false
	default:
		var in port
		in.init()
		in.Ctx = p.Ctx // says that it is a script's: miniredis must not lock itself again
		s.do(s.client, &in, cmd, append([]string{name}, args...))
		p.WriteRaw(string(in.replies()))
	}
	return true
}

// survive makes an error reply of a panic in miniredis, such as a script that returns a function causes: a mistake in
// a client must not end the process that the server lives in.
func (s *Server) survive(c *conn, panicked any) {
	// miniredis leaves itself locked then. Nobody else can have locked it, for we hold mu.
	s.data.TryLock()
	s.data.Unlock()
	s.running, s.ready = nil, nil
	c.tx, c.inExec = nil, false
	c.port.reset()
	c.WriteError(fmt.Sprintf("ERR the embedded server could not do this: %v", panicked))
}
