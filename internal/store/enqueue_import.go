package store

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

// Import is one job that comes from another server, queue or file.
type Import struct {
	Line int64  // its line in the run, from 1 on; or
	Name string // what it is known by when it comes again

	ID         string
	Remembered time.Time // when its id was, where it comes from; zero if it was not
	Place      string    // ready, suspect, scheduled, retry, dead
	At         time.Time // when it is due, or has died
	Element    string    // of a recorded one its pointer

	// Of a recorded one.
	Gen    int64
	Lock   string
	Fields map[string]string
}

// Imported is what has become of one.
type Imported string

// What can become of one.
const (
	ImportDone   Imported = "done"
	ImportAgain  Imported = "again"  // it has come in before
	ImportThere  Imported = "there"  // another job has its id
	ImportLocked Imported = "locked" // another job has its uniqueness key
)

// Import is enqueue_import.lua: it puts in at most 500 jobs, lines of a run in their order, or
// such with names. It may be repeated.
func (s *Store) Import(ctx context.Context, q *Queue, window time.Duration, most int, run string, jobs []Import) ([]Imported, error) {
	keys := []string{q.Ready, q.Suspect, q.Scheduled, q.Retry, q.Dead, q.Alarm, q.Seen, q.Imports}
	args := []string{itoa(window.Milliseconds()), strconv.Itoa(most), run}
	for n := range jobs {
		j := &jobs[n]
		line, remembered, at, gen := "", "", "", ""
		if j.Line > 0 {
			line = itoa(j.Line)
		}
		if !j.Remembered.IsZero() {
			remembered = itoa(j.Remembered.UnixMilli())
		}
		if j.Place == "scheduled" || j.Place == "retry" || j.Place == "dead" {
			at = itoa(max(j.At.UnixMilli(), 0))
		}
		if j.Gen > 0 {
			gen = generation(j.Gen)
			keys = append(keys, q.recordKeys(j.ID, j.Lock)[:2]...)
		}
		args = append(args, line, j.Name, j.ID, remembered, j.Place, at, j.Element, gen, strconv.Itoa(2*len(j.Fields)))
		body, recorded := j.Fields["job"]
		for name, value := range j.Fields {
			if name != "job" {
				args = append(args, name, value)
			}
		}
		if recorded {
			args = append(args, "job", body)
		}
	}
	var imported []Imported
	err := s.eval(ctx, scriptImport, keys, args, func(reply rueidis.RedisResult) error {
		answers, err := exactly(len(jobs), reply.AsStrSlice)
		imported = make([]Imported, len(answers))
		for n, answer := range answers {
			switch is := Imported(answer); is {
			case ImportDone, ImportAgain, ImportThere, ImportLocked:
				imported[n] = is
			default:
				return fmt.Errorf("%.40q", answer)
			}
		}
		return err
	})
	return imported, err
}

// ForgetNames forgets that jobs have come in, when they cannot come again.
func (s *Store) ForgetNames(ctx context.Context, q *Queue, names []string) error {
	if len(names) == 0 {
		return nil
	}
	_, err := s.do(ctx, "forget names", func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Zrem().Key(q.Seen).Member(names...).Build())
	})
	return err
}

// SeenAll returns when a queue has remembered ids; the zero time where it does not.
func (s *Store) SeenAll(ctx context.Context, q *Queue, ids []string) ([]time.Time, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	reply, err := s.do(ctx, "seen", func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Zmscore().Key(q.Seen).Member(ids...).Build())
	})
	if err != nil {
		return nil, err
	}
	values, err := exactly(len(ids), reply.ToArray)
	if err != nil {
		return nil, explain("seen", err)
	}
	times := make([]time.Time, len(ids))
	for n := range values {
		if ms, err := values[n].AsFloat64(); err == nil {
			times[n] = time.UnixMilli(int64(ms))
		}
	}
	return times, nil
}

// WholeRecords returns all fields of records, also the lines of their logs; nil where there is
// none.
func (s *Store) WholeRecords(ctx context.Context, q *Queue, ids []string) ([]map[string]string, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	replies, err := s.doMulti(ctx, "records", func(b rueidis.Builder) []rueidis.Completed {
		commands := make([]rueidis.Completed, len(ids))
		for n, id := range ids {
			commands[n] = b.Hgetall().Key(q.Record(id)).Build()
		}
		return commands
	})
	if err != nil {
		return nil, err
	}
	records := make([]map[string]string, len(ids))
	for n, reply := range replies {
		fields, err := reply.AsStrMap()
		if err = explain("record", err); err != nil && !IsRedis(err) {
			return nil, err
		}
		if len(fields) > 0 {
			records[n] = fields
		}
	}
	return records, nil
}
