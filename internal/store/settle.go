package store

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/tasuki-dev/tasuki/internal/wire"
)

// Leave ends an incarnation's lease in a queue and puts back what was still
// handed to it.
func (s *Store) Leave(ctx context.Context, q *Queue, incarnation string) error {
	_, err := s.evalInt(ctx, scriptLeave, []string{q.List, q.Hand(incarnation), q.Workers}, []string{incarnation, q.head(), q.Channel})
	return err
}

// Aged is a member of a sorted set with the time that is its score: when it is
// due, or when it died.
type Aged struct {
	Element string
	At      time.Time
}

// Dead returns dead jobs of a queue, the oldest first, from one index to
// another, both included; negative ones count from the youngest.
func (s *Store) Dead(ctx context.Context, q *Queue, from, to int64) ([]Aged, error) {
	reply, err := s.do(ctx, "dead", func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Zrange().Key(q.Dead).Min(itoa(from)).Max(itoa(to)).Withscores().Build())
	})
	if err != nil {
		return nil, err
	}
	scores, err := reply.AsZScores()
	if err != nil {
		return nil, explain("dead", err)
	}
	aged := make([]Aged, len(scores))
	for i, z := range scores {
		aged[i] = Aged{z.Member, time.UnixMilli(int64(z.Score))}
	}
	return aged, nil
}

// Revival is a dead job as it is there and as it is to be ready again.
type Revival struct {
	Dead, Ready string

	// Of a recorded job: Dead and Ready are pointers.
	ID, Lock string
	Gen      int64  // of Ready, one more than that of Dead; 0 of a bare job
	Read     string // its job as it was read
	Job      string // as it is to be kept
}

// Revive makes dead jobs ready, each once: at most 500, and none whose record has changed
// since it was read. It returns how many it has moved, and how many stay dead: another job
// has their lock, or their record does not know them.
func (s *Store) Revive(ctx context.Context, q *Queue, revivals []Revival) (moved, stay int, err error) {
	args := make([]string, 0, 1+2*len(revivals))
	args = append(args, q.bell(), strconv.Itoa(len(revivals)))
	for _, r := range revivals {
		args = append(args, r.Dead, r.Ready)
	}
	keys := []string{q.Ready, q.Dead, q.Count}
	for i, r := range revivals {
		if r.Gen != 0 {
			keys = append(keys, q.recordKeys(r.ID, r.Lock)[:2]...)
			args = append(args, strconv.Itoa(i+1), r.ID, itoa(r.Gen-1), itoa(r.Gen), r.Read, r.Job)
		}
	}
	err = s.eval(ctx, scriptRevive, keys, args, func(reply rueidis.RedisResult) error {
		n, err := exactly(2, reply.AsIntSlice)
		if err == nil {
			moved, stay = int(n[0]), int(n[1])
		}
		return err
	})
	return moved, stay, err
}

// Moving is a bare job that is to go elsewhere: where it is, and as what.
type Moving struct {
	From    string // ready, suspect, scheduled, retry or dead
	Far     int64  // in a list: how far from its tail it was seen, from 1 on
	Element string // as it is there
	Kept    string // as it is to be kept; "" if it goes away
}

// How many jobs one call moves at most, and how far from each other those of a list may lie.
const (
	MovingMost = 1000
	MovingSpan = 2000
)

// Move makes bare jobs ready, or schedules them, or, if gone, takes them away: at most
// MovingMost, of each list within MovingSpan. It answers for each whether it was still there. to is
// used as Put.At is.
func (s *Store) Move(ctx context.Context, q *Queue, to time.Time, gone bool, jobs []Moving) ([]bool, error) {
	when := (&Put{At: to}).when()
	if gone {
		when = "never"
	}
	args := make([]string, 0, 3+4*len(jobs))
	args = append(args, q.bell(), when, "taken "+wire.NewIncarnation())
	for i := range jobs {
		j := &jobs[i]
		args = append(args, j.From, itoa(max(j.Far, 1)), j.Element, j.Kept)
	}
	keys := []string{q.Ready, q.Suspect, q.Scheduled, q.Retry, q.Dead, q.Alarm, q.Count}
	done := make([]bool, len(jobs))
	err := s.eval(ctx, scriptMove, keys, args, func(reply rueidis.RedisResult) error {
		answers, err := exactly(len(jobs), reply.AsIntSlice)
		for i := range answers {
			done[i] = answers[i] == 1
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return done, nil
}
