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
		address, _ := s.homes.Load(key)
		home, _ := address.(string)
		ask, whole := false, false
		for range 5 {
			node := nodeAt(c, home)
			if node == nil {
				// It is new, or gone. To ask for the key has rueidis look for nodes.
				if reply = c.Do(ctx, c.B().Type().Key(key).Build()); reply.Error() != nil {
					return reply
				}
				if node = nodeAt(c, home); node == nil {
					home, ask = "", false
				}
				if node = nodeAt(c, home); node == nil {
					missing = fmt.Errorf("%w: there is no node", errNotSent)
					return reply
				}
			}
			reply, missing = s.confirm(ctx, c, node, ask, put(c.B(), whole))
			err := reply.Error()
			said, ok := rueidis.IsRedisErr(err)
			to, asked := redirection(err)
			switch {
			case ok && said.IsNoScript():
				whole = true
			case to != "":
				if home, ask = to, asked; !ask {
					s.homes.Store(key, to)
				}
			case err != nil && !ok:
				s.homes.Store(key, goneNode)
				home = goneNode
				if !IsUnsent(err) {
					return reply
				}
			case err != nil:
				return reply
			default:
				if err := read(reply); err != nil {
					missing = odd(op, err)
				}
				return reply
			}
		}
		return reply
	})
	if err == nil && missing != nil {
		err = fmt.Errorf("%s: %w", op, missing)
	}
	return err
}

// goneNode is the address of a node that is not there, so that the next call looks
// where the key is now.
const goneNode = "gone"

// nodeAt is the node with an address, nil if it is not known; or any, which says where
// a key is, if the address is "".
func nodeAt(c rueidis.Client, address string) rueidis.Client {
	nodes := c.Nodes()
	if address == "" {
		for _, node := range nodes {
			return node
		}
	}
	return nodes[address]
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
