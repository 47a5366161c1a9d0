package embedded

import (
	"bufio"
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// The functions here stand before commands of miniredis whose replies differ from those of Redis where a client would
// notice.

// scores runs a command that returns members of a sorted set. In RESP3 Redis gives each member with its score as an
// array of two; miniredis gives them all in a row.
func scores(c *conn, p *port, args []string) {
	start := len(p.replies())
	c.srv.dispatch(p.Peer, args)
	withScores := func(arg string) bool { return strings.EqualFold(arg, "WITHSCORES") }
	popSome := len(args) == 3 // ZPOPMIN or ZPOPMAX with a count; without one the two come in a row in Redis too
	if !p.Resp3 || !popSome && !slices.ContainsFunc(args[min(4, len(args)):], withScores) {
		return
	}
	row := bufio.NewReader(bytes.NewReader(bytes.Clone(p.replies()[start:])))
	n, err := readLength(row, '*', maxArgs)
	if err != nil {
		return // it is an error reply
	}
	p.buf.Truncate(start)
	p.WriteLen(n / 2)
	for range n / 2 {
		member, _ := readBulk(row)
		score, _ := row.ReadString('\n')
		p.WriteLen(2)
		p.WriteBulk(member)
		p.WriteRaw(score)
	}
}

// zscan has miniredis answer in RESP2: in RESP3, too, Redis gives the scores as strings.
func zscan(c *conn, p *port, args []string) {
	resp3 := p.Resp3
	p.Resp3 = false
	c.srv.dispatch(p.Peer, args)
	p.Resp3 = resp3
}

// flush runs FLUSHDB and FLUSHALL, whose option SYNC miniredis does not know. It always is.
func flush(c *conn, p *port, args []string) {
	if len(args) == 2 && strings.EqualFold(args[1], "SYNC") {
		args = args[:1]
	}
	c.srv.dispatch(p.Peer, args)
}

// ttl rounds as Redis does. miniredis cuts, and would answer 9 for a key that was just set to expire in 10.
func ttl(c *conn, p *port, args []string) {
	reply := c.srv.ask(p, "PTTL", args[1])
	ms, err := strconv.Atoi(strings.Trim(reply, ":\r\n"))
	if err != nil || ms < 0 {
		p.WriteRaw(reply)
		return
	}
	p.WriteInt((ms + 500) / 1000)
}
