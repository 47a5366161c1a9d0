package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// maxConfirming is how many puts wait for replicas at a time, each on a connection
// of its own. What comes beyond that queues up: replicas that confirm within a
// millisecond let 64,000 a second pass.
const maxConfirming = 64

// confirmed sends a command that puts in jobs over a connection of its own, has its
// answer read, and sends WAIT behind it. It returns nil only when as many replicas as
// Options.Replicas have it. WAIT counts those that have what its own connection has
// written, and all calls behind it on that connection stand still meanwhile.
func (s *Store) confirmed(ctx context.Context, op string, put func(ctx context.Context, c rueidis.CommandClient) rueidis.RedisResult, read func(rueidis.RedisResult) error) error {
	select {
	case s.confirming <- struct{}{}:
		defer func() { <-s.confirming }()
	case <-ctx.Done():
		return notSent(op, ctx)
	}
	p := confirming{replicas: s.replicas, within: s.within, put: put, read: read}
	_, err := s.repeat(ctx, op, true, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		reply := p.once(ctx, c, false)
		// rueidis follows no redirection on such a connection.
		for range 3 {
			address, ask := redirection(reply.Error())
			node, known := rueidis.Client(nil), false
			if address != "" {
				node, known = c.Nodes()[address]
			}
			if !known {
				break // it is looked for, and asked when the call is repeated
			}
			reply = p.once(ctx, node, ask)
		}
		return reply
	})
	if err == nil && p.err != nil {
		err = fmt.Errorf("%s: %w", op, p.err)
	}
	return err
}

// confirming is a put that replicas have to confirm.
type confirming struct {
	replicas int
	within   time.Duration
	put      func(ctx context.Context, c rueidis.CommandClient) rueidis.RedisResult
	read     func(rueidis.RedisResult) error
	err      error // what is wrong although the reply is no error
}

func (p *confirming) once(ctx context.Context, c rueidis.Client, ask bool) rueidis.RedisResult {
	was := master(c)
	conn, release := c.Dedicate()
	defer release()
	defer follow(c, conn, was)()
	limited, cancel := context.WithTimeout(ctx, replyTimeout+p.within)
	defer cancel()
	// Without a deadline that is seen, the connection is read all the time: so one
	// that the server has closed meanwhile is not given out again.
	ctx = undated{limited}
	var reply rueidis.RedisResult
	if ask {
		reply = p.put(ctx, asking{conn})
	} else {
		reply = p.put(ctx, conn)
	}
	p.err = nil
	if err := reply.Error(); err != nil {
		if reply.NonRedisError() != nil {
			conn.Close() // a reply may still come
		}
		return reply
	}
	if err := p.read(reply); err != nil {
		conn.Close() // whose answers the next ones are is not known
		p.err = odd("put", err)
		return reply
	}
	n, err := conn.Do(ctx, conn.B().Wait().Numreplicas(int64(p.replicas)).Timeout(max(p.within.Milliseconds(), 1)).Build()).AsInt64()
	if _, said := rueidis.IsRedisErr(err); err != nil && !said {
		conn.Close()
	}
	switch {
	case err != nil:
		p.err = fmt.Errorf("%w (WAIT: %w)", ErrNotReplicated, err)
	case n < int64(p.replicas):
		p.err = fmt.Errorf("%w (%d of %d within %v)", ErrNotReplicated, n, p.replicas, p.within)
	}
	return reply
}

// asking is a connection to the node of a Cluster that is just being given the slot.
// It serves only what is announced, command by command.
type asking struct{ rueidis.DedicatedClient }

// Do sends ASKING before the command.
func (a asking) Do(ctx context.Context, command rueidis.Completed) rueidis.RedisResult {
	return a.DoMulti(ctx, a.B().Arbitrary("ASKING").Build(), command)[1]
}

// redirection is where in a Cluster the slot is, if err says that, and whether it is
// still on its way.
func redirection(err error) (address string, ask bool) {
	var reply *rueidis.RedisError
	if !errors.As(err, &reply) {
		return "", false
	}
	if address, ok := reply.IsMoved(); ok {
		return address, false
	}
	address, ask = reply.IsAsk()
	return strings.TrimSpace(address), ask
}
