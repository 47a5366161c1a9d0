package store

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

// Push puts elements at the tail of a list, which is where producers push; for
// a foreign list whose jobs are taken at the right it is the left end. All are
// put in, or none.
func (s *Store) Push(ctx context.Context, q *Queue, elements []string) error {
	op := "push to " + q.Name
	push := func(b rueidis.Builder, _ bool) rueidis.Completed {
		if q.Tail {
			return b.Lpush().Key(q.List).Element(elements...).Build()
		}
		return b.Rpush().Key(q.List).Element(elements...).Build()
	}
	if s.replicas > 0 {
		return s.confirmed(ctx, op, q.List, push, func(rueidis.RedisResult) error { return nil })
	}
	_, err := s.do(ctx, op, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult { return c.Do(ctx, push(c.B(), false)) })
	return err
}

// Put is one job of an Enqueue call.
type Put struct {
	ID      string // remembered, if it is not empty
	Element string
	In      time.Duration // from now by the server's clock; used if it is positive
	At      time.Time     // used if it is not zero
}

// Enqueue puts in jobs that have a time or an id to be remembered: at most 500.
// It answers for each whether it was put in, or its id was there already.
func (s *Store) Enqueue(ctx context.Context, q *Queue, window time.Duration, most int, puts []Put) ([]bool, error) {
	keys := []string{q.Ready, q.Scheduled, q.Retry, q.Seen, q.Alarm, q.Count}
	args := make([]string, 0, 2+3*len(puts))
	args = append(args, strconv.FormatInt(window.Milliseconds(), 10), strconv.Itoa(most))
	for i := range puts {
		args = append(args, puts[i].ID, puts[i].when(), puts[i].Element)
	}
	put := make([]bool, len(puts))
	read := func(reply rueidis.RedisResult) error {
		numbers, err := exactly(len(puts), reply.AsIntSlice)
		for i := range numbers {
			put[i] = numbers[i] == 1
		}
		return err
	}
	var err error
	if s.replicas > 0 {
		err = s.confirmed(ctx, scriptEnqueue.name, q.Ready, func(b rueidis.Builder, whole bool) rueidis.Completed {
			return scriptEnqueue.command(b, whole, keys, args)
		}, read)
	} else {
		err = s.eval(ctx, scriptEnqueue, keys, args, read)
	}
	if err != nil {
		return nil, err
	}
	return put, nil
}

// when is the time of a job as enqueue.lua takes it, rounded up to milliseconds.
func (p *Put) when() string {
	switch {
	case p.At.IsZero() && p.In > 0:
		return "+" + strconv.FormatInt(ceilMillis(p.In), 10)
	case p.At.IsZero():
		return ""
	case p.At.Unix() < 0:
		return "0" // in milliseconds, what is far enough in the past would come to lie in the future
	}
	return strconv.FormatInt(p.At.Add(time.Millisecond-1).UnixMilli(), 10)
}

// ceilMillis rounds up: nothing becomes due before its time.
func ceilMillis(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}
