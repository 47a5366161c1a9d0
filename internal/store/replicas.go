package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/rueidis"
)

// maxConfirming is how many puts wait for replicas at a time, each on a connection
// of its own. What comes beyond that queues up: replicas that confirm within a
// millisecond let 64,000 a second pass.
const maxConfirming = 64

// confirmed sends a command that puts in jobs, and WAIT behind it on the same
// connection, which nobody else uses meanwhile: WAIT counts the replicas that have
// what its own connection has written, and holds up what comes behind it. It returns
// nil only when as many as Options.Replicas have it. put builds the command for a
// key, and anew with whole for a server that does not know the script; read reads its
// answer.
func (s *Store) confirmed(ctx context.Context, op, key string, put func(b rueidis.Builder, whole bool) rueidis.Completed, read func(rueidis.RedisResult) error) error {
	select {
	case s.confirming <- struct{}{}:
		defer func() { <-s.confirming }()
	case <-ctx.Done():
		return notSent(op, ctx)
	}
	var missing error
	_, err := s.repeat(ctx, op, true, func(ctx context.Context, c rueidis.Client) (reply rueidis.RedisResult) {
		// A redirection that rueidis follows leaves WAIT with the node that was
		// asked first, which has nothing to wait for: so each node is asked by itself.
		nodes := c.Nodes()
		address, _ := s.homes.Load(key)
		node, known := nodes[fmt.Sprint(address)]
		for _, any := range nodes {
			if !known {
				node, known = any, true // it says where the key is
			}
		}
		ask, whole := false, false
		for range 5 {
			if node == nil {
				return c.Do(ctx, put(c.B(), whole)) // nobody is known: this finds out, and is repeated
			}
			reply, missing = s.confirm(ctx, c, node, ask, put(c.B(), whole))
			if said, ok := rueidis.IsRedisErr(reply.Error()); ok && said.IsNoScript() {
				whole = true
				continue
			}
			to, asked := redirection(reply.Error())
			if to == "" {
				break
			}
			if node, ask = nodes[to], asked; node == nil {
				break // a new one, which is known when the call is repeated
			}
			if !ask {
				s.homes.Store(key, to)
			}
		}
		if reply.Error() == nil {
			if err := read(reply); err != nil {
				missing = odd(op, err)
			}
		}
		return reply
	})
	if err == nil && missing != nil {
		err = fmt.Errorf("%s: %w", op, missing)
	}
	return err
}

// confirm sends a command and WAIT to a node; ask is for one that is just being given
// the slot. It returns the reply, and if that is no error what is missing of the
// replicas' confirmation.
func (s *Store) confirm(ctx context.Context, c, node rueidis.Client, ask bool, command rueidis.Completed) (reply rueidis.RedisResult, missing error) {
	limited, cancel := context.WithTimeout(ctx, replyTimeout+s.within)
	defer cancel()
	defer follow(c, master(c), cancel)()
	wait := c.B().Wait().Numreplicas(int64(s.replicas)).Timeout(max(s.within.Milliseconds(), 1)).Build()
	commands := []rueidis.Completed{command, wait}
	if ask {
		commands = []rueidis.Completed{c.B().Arbitrary("ASKING").Build(), command, wait}
	}
	// WAIT sends them to a connection of their own. Without a deadline that is
	// seen, that is read all the time: so one that the server has closed meanwhile is
	// not given out again.
	replies := node.DoMulti(undated{limited}, commands...)
	reply = replies[len(replies)-2]
	if reply.Error() != nil {
		return reply, nil
	}
	n, err := replies[len(replies)-1].AsInt64()
	switch {
	case err != nil:
		return reply, fmt.Errorf("%w (WAIT: %w)", ErrNotReplicated, err)
	case n < int64(s.replicas):
		return reply, fmt.Errorf("%w (%d of %d within %v)", ErrNotReplicated, n, s.replicas, s.within)
	}
	return reply, nil
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
