package store

import (
	"context"
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
	if len(ids) == 0 {
		return nil, nil
	}
	replies, err := s.doMulti(ctx, "records", func(b rueidis.Builder) []rueidis.Completed {
		commands := make([]rueidis.Completed, len(ids))
		for i, id := range ids {
			commands[i] = b.Hmget().Key(q.Record(id)).Field(recordFields...).Build()
		}
		return commands
	})
	if err != nil {
		return nil, err
	}
	records := make([]map[string]string, len(ids))
	for i, reply := range replies {
		// A key of another type is no record.
		if records[i], err = fieldsOf(reply); err != nil && !IsRedis(err) {
			return nil, err
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
	return fields, nil
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
