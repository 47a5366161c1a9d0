package store

import (
	"context"
	"slices"
	"strconv"

	"github.com/redis/rueidis"
)

// doMulti sends several commands at once; the error is that of the connection,
// an answer can still be an error of its own.
func (s *Store) doMulti(ctx context.Context, op string, build func(b rueidis.Builder) []rueidis.Completed) ([]rueidis.RedisResult, error) {
	if ctx.Err() != nil {
		return nil, notSent(op, ctx)
	}
	c, err := s.client(ctx, false)
	if err != nil {
		return nil, err
	}
	replies := c.DoMulti(undated{ctx}, build(c.B())...)
	for _, reply := range replies {
		if err := reply.NonRedisError(); err != nil {
			return nil, explain(op, err)
		}
	}
	return replies, nil
}

// SetRule sets a rule of a queue, or removes it if the value is empty, and tells
// the queue's workers. isChanged: the rule was not there before, or was removed.
func (s *Store) SetRule(ctx context.Context, q *Queue, rule, value string) (isChanged bool, err error) {
	reply, err := s.do(ctx, rule+" "+q.Name, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		if value == "" {
			return c.Do(ctx, c.B().Hdel().Key(q.Rules).Field(rule).Build())
		}
		return c.Do(ctx, c.B().Hset().Key(q.Rules).FieldValue().FieldValue(rule, value).Build())
	})
	if err != nil {
		return false, err
	}
	if isChanged, err = reply.AsBool(); err != nil {
		return false, odd(rule, err)
	}
	_, err = s.Tell(ctx, q, rule)
	return isChanged, err
}

// Tally is what a queue has counted, and what its incarnations hold, at one
// moment.
type Tally struct {
	Counts map[string]int64
	Odd    map[string]string // counters that are no numbers
	Hand   map[string]int64  // by incarnation
	Held   map[string]int64
}

// Tally reads counters and holdings in one step.
func (s *Store) Tally(ctx context.Context, q *Queue) (*Tally, error) {
	var known []string
	for {
		keys := []string{q.Workers, q.Count}
		for _, incarnation := range known {
			keys = append(keys, q.Hand(incarnation), q.Held(incarnation))
		}
		var members, counts []string
		var lengths []int64
		err := s.eval(ctx, scriptTally, keys, nil, func(reply rueidis.RedisResult) error {
			fields, err := exactly(3, reply.ToArray)
			if err == nil {
				members, err = fields[0].AsStrSlice()
			}
			if err == nil {
				counts, err = fields[1].AsStrSlice()
			}
			if err == nil {
				lengths, err = exactly(2*len(known), fields[2].AsIntSlice)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if !slices.Equal(members, known) {
			known = members
			continue
		}
		t := &Tally{Counts: map[string]int64{}, Odd: map[string]string{}, Hand: map[string]int64{}, Held: map[string]int64{}}
		for i := 0; i+1 < len(counts); i += 2 {
			if t.Counts[counts[i]], err = strconv.ParseInt(counts[i+1], 10, 64); err != nil {
				t.Odd[counts[i]] = counts[i+1]
			}
		}
		for i, incarnation := range known {
			t.Hand[incarnation], t.Held[incarnation] = lengths[2*i], lengths[2*i+1]
		}
		return t, nil
	}
}

// Each calls f with every element of a key of a queue: the members of a list, a
// sorted set (with their scores) or the values of a hash. What moves meanwhile
// may be seen twice or not at all.
func (s *Store) Each(ctx context.Context, key, kind string, f func(element string, score float64)) error {
	const page = 1000
	for start := int64(0); ; start += page {
		reply, err := s.do(ctx, "read "+key, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
			switch kind {
			case "list":
				return c.Do(ctx, c.B().Lrange().Key(key).Start(start).Stop(start+page-1).Build())
			case "zset":
				return c.Do(ctx, c.B().Zrange().Key(key).Min(itoa(start)).Max(itoa(start+page-1)).Withscores().Build())
			default:
				return c.Do(ctx, c.B().Hvals().Key(key).Build())
			}
		})
		if err != nil {
			return err
		}
		n := 0
		if kind == "zset" {
			scores, err := reply.AsZScores()
			if err != nil {
				return explain("read "+key, err)
			}
			for _, z := range scores {
				f(z.Member, z.Score)
			}
			n = len(scores)
		} else {
			elements, err := reply.AsStrSlice()
			if err != nil {
				return explain("read "+key, err)
			}
			for _, element := range elements {
				f(element, 0)
			}
			n = len(elements)
		}
		if n < page || kind == "hash" {
			return nil
		}
	}
}

// Type returns the type of a key, "none" if there is none.
func (s *Store) Type(ctx context.Context, key string) (string, error) {
	reply, err := s.do(ctx, "type of "+key, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Type().Key(key).Build())
	})
	if err != nil {
		return "", err
	}
	kind, err := reply.ToString()
	return kind, explain("type of "+key, err)
}

// NamespaceKeys are the keys that belong to no queue, with their types.
func (s *Store) NamespaceKeys() map[string]string {
	return map[string]string{
		s.workersKey(): "hash", s.infoKey(): "hash", s.queuesKey(): "set",
		s.operationsKey(): "hash", s.logKey(LogAudit): "list", s.logKey(LogMarks): "list",
		s.cronKey("due"): "zset", s.cronKey("names"): "zset", s.cronKey("sets"): "hash",
	}
}

// Workers returns the workers that are in the list, with their beats, and who
// observes.
func (s *Store) Workers(ctx context.Context) (beats map[string]int64, observer string, err error) {
	reply, err := s.do(ctx, "workers", func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Hgetall().Key(s.workersKey()).Build())
	})
	if err != nil {
		return nil, "", err
	}
	all, err := reply.AsStrMap()
	if err != nil {
		return nil, "", explain("workers", err)
	}
	beats = map[string]int64{}
	for name, value := range all {
		if name == "@observer" {
			observer = value
			continue
		}
		beats[name], _ = strconv.ParseInt(value, 10, 64)
	}
	return beats, observer, nil
}

// Keys returns all keys of the namespace on all nodes, with SCAN.
func (s *Store) Keys(ctx context.Context) ([]string, error) { return s.keysLike(ctx, s.ns+":*") }

// lockPattern is what the keys of locks are like: unique, running, parked. Few others are like them.
func (q *Queue) lockPattern() string { return q.prefix + ":[urp][nua][inr]*" }

// keysLike goes through all keys. A step of 1,000 takes the server up to 2 ms.
func (s *Store) keysLike(ctx context.Context, pattern string) ([]string, error) {
	c, err := s.client(ctx, false)
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, node := range c.Nodes() {
		for cursor := uint64(0); ; {
			entry, err := node.Do(ctx, node.B().Scan().Cursor(cursor).Match(pattern).Count(1000).Build()).AsScanEntry()
			if err != nil {
				return nil, explain("scan", err)
			}
			keys = append(keys, entry.Elements...)
			if cursor = entry.Cursor; cursor == 0 {
				break
			}
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil
}
