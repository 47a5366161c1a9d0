package embedded

// tx is what a connection has queued since MULTI.
type tx struct {
	queue  []queued
	broken bool // a command was refused: EXEC runs none
}

type queued struct {
	cmd  command
	args []string
}

// MULTI
func multi(c *conn, p *port, args []string) {
	if c.tx != nil {
		p.WriteError("ERR MULTI calls can not be nested")
		return
	}
	c.tx = &tx{}
	p.WriteOK()
}

// DISCARD
func discard(c *conn, p *port, args []string) {
	if c.tx == nil {
		p.WriteError("ERR DISCARD without MULTI")
		return
	}
	c.tx = nil
	c.srv.ask(p, "UNWATCH")
	p.WriteOK()
}

// EXEC
func exec(c *conn, p *port, args []string) {
	s, tx := c.srv, c.tx
	c.tx = nil
	switch {
	case tx == nil:
		p.WriteError("ERR EXEC without MULTI")
		return
	case tx.broken:
		s.ask(p, "UNWATCH")
		p.WriteError("EXECABORT Transaction discarded because of previous errors.")
		return
	}
	// miniredis knows the watched keys. An empty transaction of its own tells whether one has changed, and ends the watch.
	s.ask(p, "MULTI")
	if isNull(s.ask(p, "EXEC")) {
		p.writeNullArray()
		return
	}
	p.WriteLen(len(tx.queue))
	c.inExec = true
	for _, q := range tx.queue {
		s.do(c, p, q.cmd, q.args)
	}
	c.inExec = false
}

// WATCH key [key …]
func watch(c *conn, p *port, args []string) {
	if c.tx != nil {
		p.WriteError("ERR WATCH inside MULTI is not allowed")
		return
	}
	c.srv.dispatch(p.Peer, args)
}
