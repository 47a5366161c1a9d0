package store

import (
	"context"
	"time"

	"github.com/redis/rueidis"
)

// Rank returns the index of an element in a list, counted from its left end, and how long
// the list is. It compares at most so many elements from either end: -1 says that it is not
// among these.
func (s *Store) Rank(ctx context.Context, key, element string, most int64) (index, length int64, err error) {
	replies, err := s.doMulti(ctx, "rank in "+key, func(b rueidis.Builder) []rueidis.Completed {
		return []rueidis.Completed{
			b.Lpos().Key(key).Element(element).Maxlen(most).Build(),
			b.Lpos().Key(key).Element(element).Rank(-1).Maxlen(most).Build(),
			b.Llen().Key(key).Build(),
		}
	})
	if err != nil {
		return -1, 0, err
	}
	if length, err = replies[2].AsInt64(); err != nil {
		return -1, 0, explain("rank in "+key, err)
	}
	for _, reply := range replies[:2] {
		switch index, err = reply.AsInt64(); {
		case err == nil:
			return index, length, nil
		case !rueidis.IsRedisNil(err):
			return -1, length, explain("rank in "+key, err)
		}
	}
	return -1, length, nil
}

// Seen returns when a queue has remembered an id; the zero time if it does not.
func (s *Store) Seen(ctx context.Context, q *Queue, id string) (time.Time, error) {
	reply, err := s.do(ctx, "seen", func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Zscore().Key(q.Seen).Member(id).Build())
	})
	if err != nil {
		return time.Time{}, err
	}
	ms, err := reply.AsFloat64()
	if rueidis.IsRedisNil(err) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, explain("seen", err)
	}
	return time.UnixMilli(int64(ms)), nil
}
