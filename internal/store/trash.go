package store

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

// Trash is the list of what an operation has taken away from a queue.
func (q *Queue) Trash(operation string) string { return q.prefix + ":trash:" + operation + q.suffix }

// Discard is settle_discard.lua: it puts at most 500 entries into the trash of an operation, which is
// emptied after a while. before is how many it had before.
func (s *Store) Discard(ctx context.Context, q *Queue, operation string, keep time.Duration, before int64, entries []string) error {
	_, err := s.evalInt(ctx, scriptDiscard, []string{q.Trash(operation)}, append([]string{itoa(keep.Milliseconds()), itoa(before)}, entries...))
	return err
}

// Discarded returns n entries of the trash of an operation, from an index on.
func (s *Store) Discarded(ctx context.Context, q *Queue, operation string, from, n int64) ([]string, error) {
	entries, _, _, err := s.Page(ctx, q.Trash(operation), "list", from, from+n-1)
	return entries, err
}

// Kept returns how many entries are in the trash of an operation.
func (s *Store) Kept(ctx context.Context, q *Queue, operation string) (int64, error) {
	_, _, n, err := s.Page(ctx, q.Trash(operation), "list", 0, 0)
	return n, err
}

// Unkeep takes the first n entries out of the trash of an operation; all, if n is negative.
func (s *Store) Unkeep(ctx context.Context, q *Queue, operation string, n int64) error {
	key := q.Trash(operation)
	_, err := s.do(ctx, "empty the trash", func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		if n < 0 {
			return c.Do(ctx, c.B().Del().Key(key).Build())
		}
		return c.Do(ctx, c.B().Ltrim().Key(key).Start(n).Stop(-1).Build())
	})
	return err
}

// Restored is a job that was taken away: its entry, where it was, and as what it is put there.
type Restored struct {
	Entry   string
	From    string // ready, suspect, scheduled, retry or dead
	At      int64  // its score there, ms
	Element string

	ID, Lock string            // of a recorded job: Element is a pointer
	Fields   map[string]string // of its record
}

// What became of a Restored.
const (
	RestoredGone   = 0 // it is not in the trash any more
	RestoredDone   = 1
	RestoredThere  = 2 // another job has its id
	RestoredLocked = 3 // another job has its uniqueness key
)

// Restore is settle_restore.lua: it puts back at most 100 jobs.
func (s *Store) Restore(ctx context.Context, q *Queue, operation string, jobs []Restored) ([]int64, error) {
	keys := []string{q.Trash(operation), q.Ready, q.Suspect, q.Scheduled, q.Retry, q.Dead, q.Alarm, q.Count}
	args := []string{q.bell(), strconv.Itoa(len(jobs))}
	for i := range jobs {
		j := &jobs[i]
		args = append(args, j.Entry, j.From, itoa(j.At), j.Element)
	}
	for i := range jobs {
		j := &jobs[i]
		if j.ID == "" {
			continue
		}
		keys = append(keys, q.recordKeys(j.ID, j.Lock)[:2]...)
		args = append(args, strconv.Itoa(i+1), j.ID, strconv.Itoa(2*len(j.Fields)))
		for name, value := range j.Fields {
			args = append(args, name, value)
		}
	}
	var done []int64
	err := s.eval(ctx, scriptRestore, keys, args, func(reply rueidis.RedisResult) (err error) {
		done, err = exactly(len(jobs), reply.AsIntSlice)
		return err
	})
	return done, err
}
