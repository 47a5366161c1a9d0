package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

// Page returns elements of a list or a sorted set of a queue, with their scores, from one
// index to another, both included; negative ones count from the end. length is how many
// there are in all.
func (s *Store) Page(ctx context.Context, key, kind string, from, to int64) (elements []string, scores []float64, length int64, err error) {
	replies, err := s.doMulti(ctx, "read "+key, func(b rueidis.Builder) []rueidis.Completed {
		if kind == "zset" {
			return []rueidis.Completed{b.Zcard().Key(key).Build(), b.Zrange().Key(key).Min(itoa(from)).Max(itoa(to)).Withscores().Build()}
		}
		return []rueidis.Completed{b.Llen().Key(key).Build(), b.Lrange().Key(key).Start(from).Stop(to).Build()}
	})
	if err != nil {
		return nil, nil, 0, err
	}
	if length, err = replies[0].AsInt64(); err != nil {
		return nil, nil, 0, explain("read "+key, err)
	}
	if kind != "zset" {
		elements, err = replies[1].AsStrSlice()
		return elements, nil, length, explain("read "+key, err)
	}
	all, err := replies[1].AsZScores()
	if err != nil {
		return nil, nil, 0, explain("read "+key, err)
	}
	for _, z := range all {
		elements, scores = append(elements, z.Member), append(scores, z.Score)
	}
	return elements, scores, length, nil
}

// Snapshots returns the fields of records as Record does, in one round trip; nil where there
// is none.
func (s *Store) Snapshots(ctx context.Context, q *Queue, ids []string) ([]map[string]string, error) {
	const together = 100
	calls := slices.Collect(slices.Chunk(ids, together))
	replies, err := s.look(ctx, scriptRecords, len(calls), func(n int) (keys, args []string) {
		for _, id := range calls[n] {
			keys = append(keys, q.Record(id))
		}
		return keys, recordFields
	})
	if err != nil {
		return nil, err
	}
	records := make([]map[string]string, 0, len(ids))
	for n, reply := range replies {
		if err := reply.Error(); err != nil {
			return nil, explain("records", err)
		}
		answers, err := exactly(len(calls[n]), reply.ToArray)
		if err != nil {
			return nil, odd("inspect_records", err)
		}
		for i := range answers {
			values, err := answers[i].ToArray()
			if err == nil && len(values) > 0 && len(values) != len(recordFields) {
				err = fmt.Errorf("%d fields of a record", len(values))
			}
			if err != nil {
				return nil, odd("inspect_records", err)
			}
			records = append(records, recordOf(values))
		}
	}
	return records, nil
}

// recordFields are those of a record but the lines of its log.
var recordFields = []string{"state", "gen", "at", "job", "progress", "cursor", "cancel", "to"}

// fieldsOf reads an answer that has a value for each of recordFields; nil if none is there.
func fieldsOf(reply rueidis.RedisResult) (map[string]string, error) {
	values, err := exactly(len(recordFields), reply.ToArray)
	if err != nil {
		return nil, explain("record", err)
	}
	return recordOf(values), nil
}

// recordOf names the values of a record; nil if none is there.
func recordOf(values []rueidis.RedisMessage) map[string]string {
	var fields map[string]string
	for i := range values {
		if text, err := values[i].ToString(); err == nil {
			if fields == nil {
				fields = map[string]string{}
			}
			fields[recordFields[i]] = text
		}
	}
	if fields["job"] != "" && fields["gen"] == "" && fields["state"] == "" {
		fields["state"] = "done" // one that is has nothing more
	}
	return fields
}

// ParkedLists returns the keys of the lists of those that wait to run under a uniqueness
// key. It asks all nodes with SCAN.
func (s *Store) ParkedLists(ctx context.Context, q *Queue) ([]string, error) {
	prefix := q.Parked("")
	if q.Foreign {
		return nil, nil
	}
	all, err := s.keysLike(ctx, prefix+"*")
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, key := range all {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// Place is one in a SCAN of all keys; the zero value is the begin.
type Place struct {
	Node   int
	Cursor uint64
}

// ParkedSome is ParkedLists in steps: it returns the names of the locks of lists among about n keys
// from a place on, and the next place, or false at the end.
func (s *Store) ParkedSome(ctx context.Context, q *Queue, at Place, n int) (names []string, next Place, more bool, err error) {
	return s.namesSome(ctx, q.Parked("")+"*", at, n, q.Parked(""))
}

// LocksSome is ParkedSome for the names of locks that somebody has or waits for.
func (s *Store) LocksSome(ctx context.Context, q *Queue, at Place, n int) (names []string, next Place, more bool, err error) {
	return s.namesSome(ctx, q.lockPattern(), at, n, q.Lock(""), q.Running(""), q.Parked(""))
}

// namesSome returns the names behind prefixes of keys that are like a pattern, sorted.
func (s *Store) namesSome(ctx context.Context, pattern string, at Place, n int, prefixes ...string) (names []string, next Place, more bool, err error) {
	c, err := s.client(ctx, false)
	if err != nil {
		return nil, at, false, err
	}
	nodes := c.Nodes()
	addresses := slices.Sorted(maps.Keys(nodes))
	if at.Node >= len(addresses) {
		return nil, at, false, nil
	}
	on := nodes[addresses[at.Node]]
	entry, err := on.Do(undated{ctx}, on.B().Scan().Cursor(at.Cursor).Match(pattern).Count(int64(n)).Build()).AsScanEntry()
	if err != nil {
		return nil, at, false, explain("scan", err)
	}
	for _, key := range entry.Elements {
		for _, prefix := range prefixes {
			if name, ok := strings.CutPrefix(key, prefix); ok {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	if at.Cursor = entry.Cursor; at.Cursor == 0 {
		at.Node++
	}
	return slices.Compact(names), at, at.Node < len(addresses), nil
}

// Before returns how many members of a sorted set have a lower score; a higher one, if backwards.
func (s *Store) Before(ctx context.Context, key string, score float64, backwards bool) (int64, error) {
	low, high := "-inf", "("+strconv.FormatFloat(score, 'f', -1, 64)
	if backwards {
		low, high = high, "+inf"
	}
	reply, err := s.do(ctx, "read "+key, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Zcount().Key(key).Min(low).Max(high).Build())
	})
	if err != nil {
		return 0, err
	}
	n, err := reply.AsInt64()
	return n, explain("read "+key, err)
}
