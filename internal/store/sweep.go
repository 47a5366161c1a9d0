package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/tasuki-dev/tasuki/internal/source"
)

// Member is an incarnation among the workers of a queue.
type Member struct {
	Incarnation string
	Ended       time.Time // when its lease ended; zero while it may claim
}

// Worker is the id of the worker whose incarnation it is: see native.Source.
func (m Member) Worker() string {
	worker, _, _ := strings.Cut(m.Incarnation, ".")
	return worker
}

// Members returns the incarnations of a queue and their tombstones.
func (s *Store) Members(ctx context.Context, q *Queue) ([]Member, error) {
	reply, err := s.do(ctx, "workers of "+q.Name, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Zrange().Key(q.Workers).Min("0").Max("-1").Withscores().Build())
	})
	if err != nil {
		return nil, err
	}
	scores, err := reply.AsZScores()
	if err != nil {
		return nil, explain("workers of "+q.Name, err)
	}
	members := make([]Member, len(scores))
	for i, z := range scores {
		members[i].Incarnation = z.Member
		if z.Score != 0 {
			members[i].Ended = time.UnixMilli(int64(z.Score))
		}
	}
	return members, nil
}

// Tombstone ends an incarnation's lease in a queue.
func (s *Store) Tombstone(ctx context.Context, q *Queue, incarnation string) error {
	_, err := s.evalInt(ctx, scriptTombstone, []string{q.Workers}, []string{incarnation, q.Channel})
	return err
}

// Forget removes a tombstone of at least that age if nothing is left behind it.
func (s *Store) Forget(ctx context.Context, q *Queue, incarnation string, age time.Duration) error {
	_, err := s.evalInt(ctx, scriptForget, []string{q.Workers, q.Hand(incarnation), q.Held(incarnation)},
		[]string{incarnation, itoa(age.Milliseconds())})
	return err
}

// Left is a job that a dead incarnation left behind.
type Left struct {
	Tag     source.Tag // 0: it lies in the hand list
	Element string
}

// Orphans returns at most n of what an incarnation left behind in a queue, the
// newest first.
func (s *Store) Orphans(ctx context.Context, q *Queue, incarnation string, n int) ([]Left, error) {
	reply, err := s.do(ctx, "orphans", func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Lrange().Key(q.Hand(incarnation)).Start(int64(-n)).Stop(-1).Build())
	})
	if err != nil {
		return nil, err
	}
	hand, err := reply.AsStrSlice()
	if err == nil && len(hand) > n {
		err = fmt.Errorf("%d elements where %d were wanted", len(hand), n)
	}
	if err != nil {
		return nil, explain("orphans", err)
	}
	var left []Left
	for _, element := range slices.Backward(hand) {
		left = append(left, Left{Element: element})
	}
	if n -= len(left); n <= 0 {
		return left, nil
	}
	reply, err = s.do(ctx, "orphans", func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Hkeys().Key(q.Held(incarnation)).Build())
	})
	if err != nil {
		return nil, err
	}
	texts, err := reply.AsStrSlice()
	if err != nil {
		return nil, explain("orphans", err)
	}
	tags, err := parseTags(texts)
	if err != nil || len(tags) == 0 {
		return left, err
	}
	slices.SortFunc(tags, func(a, b source.Tag) int { return cmpTag(b, a) })
	tags = tags[:min(n, len(tags))]
	reply, err = s.do(ctx, "orphans", func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Hmget().Key(q.Held(incarnation)).Field(appendTags(nil, tags)...).Build())
	})
	if err != nil {
		return nil, err
	}
	values, err := exactly(len(tags), reply.ToArray)
	if err != nil {
		return nil, explain("orphans", err)
	}
	for i, v := range values {
		if element, err := v.ToString(); err == nil { // not there any more: it was settled in between
			left = append(left, Left{tags[i], element})
		}
	}
	return left, nil
}

// PutBack is what becomes of a job that a dead incarnation left behind.
type PutBack struct {
	Left
	To      string // "ready", "suspect" or "dead"
	As      string // how it is counted: "crashed" or "stopped"
	Element string // as it is to be kept

	// Of a recorded job: Element is its next pointer.
	ID, Lock string
	Was, Gen int64  // its generation as it is there, as it will be
	Read     string // its job as it was read
	Job      string // as it is to be kept
}

// Sweep puts back what a dead incarnation left behind, each job once: at most
// 500, and none whose record has changed since it was read. It returns how many were moved, and false if the incarnation may
// still claim.
func (s *Store) Sweep(ctx context.Context, q *Queue, incarnation string, back []PutBack) (int, bool, error) {
	args := make([]string, 0, 2+5*len(back))
	args = append(args, incarnation, "", strconv.Itoa(len(back)))
	for _, b := range back {
		tag := ""
		if b.Tag != 0 {
			tag = formatTag(b.Tag)
		}
		if b.To == "suspect" || q.Foreign {
			args[1] = q.Channel
		}
		args = append(args, tag, b.Left.Element, b.To, b.As, b.Element)
	}
	keys := []string{q.Ready, q.Suspect, q.Dead, q.Workers, q.Hand(incarnation), q.Held(incarnation), q.Count}
	for i, b := range back {
		if b.Was != 0 {
			keys = append(keys, q.recordKeys(b.ID, b.Lock)...)
			args = append(args, strconv.Itoa(i+1), b.ID, itoa(b.Was), itoa(b.Gen), b.Read, b.Job)
		}
	}
	n, err := s.evalInt(ctx, scriptSweep, keys, args)
	return int(max(n, 0)), n >= 0, err
}

// DeadOverflow returns at most 100 dead jobs that the caps have no room for, the
// oldest first.
func (s *Store) DeadOverflow(ctx context.Context, q *Queue, most int, age time.Duration) ([]string, error) {
	now, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	replies, err := s.doMulti(ctx, "dead", func(b rueidis.Builder) []rueidis.Completed {
		return []rueidis.Completed{b.Zcard().Key(q.Dead).Build(), b.Zcount().Key(q.Dead).Min("-inf").Max("(" + itoa(now.Add(-age).UnixMilli())).Build()}
	})
	if err != nil {
		return nil, err
	}
	have, err := replies[0].AsInt64()
	if err != nil {
		return nil, explain("dead", err)
	}
	old, err := replies[1].AsInt64()
	if err != nil {
		return nil, explain("dead", err)
	}
	over := min(max(have-int64(most), old), 100)
	if over <= 0 {
		return nil, nil
	}
	dead, err := s.Dead(ctx, q, 0, over-1)
	if err != nil {
		return nil, err
	}
	elements := make([]string, len(dead))
	for i := range dead {
		elements[i] = dead[i].Element
	}
	return elements, nil
}

// Trimmed is a dead job that goes.
type Trimmed struct {
	Element string
	ID      string // of a recorded job, whose record goes too
	Gen     int64  // its generation; 0 of a bare job
}

// Trim removes dead jobs and counts them: at most 500.
func (s *Store) Trim(ctx context.Context, q *Queue, jobs []Trimmed) (int, error) {
	keys := []string{q.Dead, q.Count}
	args := make([]string, 0, 1+len(jobs))
	args = append(args, strconv.Itoa(len(jobs)))
	for _, j := range jobs {
		args = append(args, j.Element)
	}
	for i, j := range jobs {
		if j.Gen != 0 {
			keys = append(keys, q.Record(j.ID))
			args = append(args, strconv.Itoa(i+1), itoa(j.Gen))
		}
	}
	n, err := s.evalInt(ctx, scriptTrim, keys, args)
	return int(n), err
}

// Now is the server's clock.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	reply, err := s.do(ctx, "time", func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Time().Build())
	})
	if err != nil {
		return time.Time{}, err
	}
	parts, err := exactly(2, reply.AsIntSlice)
	if err != nil {
		return time.Time{}, explain("time", err)
	}
	return time.Unix(parts[0], parts[1]*1000), nil
}

// Beats is the counter of a worker: 0 if it is not in the list.
func (s *Store) Beats(ctx context.Context, worker string) (int64, error) {
	reply, err := s.do(ctx, "beats", func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Hget().Key(s.workersKey()).Field(worker).Build())
	})
	if err != nil {
		return 0, err
	}
	beats, err := reply.AsInt64()
	if rueidis.IsRedisNil(err) {
		return 0, nil
	}
	return beats, explain("beats", err)
}

// Retire removes a worker from the lists of workers.
func (s *Store) Retire(ctx context.Context, worker string) error {
	for _, key := range []string{s.workersKey(), s.infoKey()} {
		_, err := s.do(ctx, "retire", func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
			return c.Do(ctx, c.B().Hdel().Key(key).Field(worker).Build())
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Queues returns the names in the directory of queues.
func (s *Store) Queues(ctx context.Context) ([]string, error) {
	reply, err := s.do(ctx, "queues", func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Smembers().Key(s.queuesKey()).Build())
	})
	if err != nil {
		return nil, err
	}
	names, err := reply.AsStrSlice()
	slices.Sort(names)
	return names, explain("queues", err)
}

// Elect puts a worker in the place of an observer, if that still is old.
func (s *Store) Elect(ctx context.Context, old, worker string) (bool, error) {
	n, err := s.evalInt(ctx, scriptElect, []string{s.workersKey()}, []string{old, worker})
	return n == 1, err
}

// numsub is the subcommand of PUBSUB that counts subscriptions to a worker's
// channel: in Cluster, the plain one knows only its own node.
func numsub(c rueidis.Client) string {
	if c.Mode() == rueidis.ClientModeCluster {
		return "SHARDNUMSUB"
	}
	return "NUMSUB"
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
