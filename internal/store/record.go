package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/tasuki-dev/tasuki/internal/source"
)

// RecordedPut is one job of an EnqueueRecorded call.
type RecordedPut struct {
	Put                   // Element is the pointer
	Own     bool          // the id is the caller's: it is remembered
	Job     string        // the element of the job itself
	Lock    string        // the name of its lock; "" if it has none
	HoldFor time.Duration // the window of a LockWindow
}

// Placed is what became of a recorded job that was to be put in.
type Placed struct {
	Existed bool   // its id was there already
	Owner   string // the id of the job that has its lock; "" if it was put in
}

// EnqueueRecorded puts in recorded jobs: at most 500.
func (s *Store) EnqueueRecorded(ctx context.Context, q *Queue, window time.Duration, most int, puts []RecordedPut) ([]Placed, error) {
	keys := make([]string, 0, 6+2*len(puts))
	keys = append(keys, q.Ready, q.Count)
	args := make([]string, 0, 2+6*len(puts))
	args = append(args, strconv.FormatInt(window.Milliseconds(), 10), strconv.Itoa(most))
	timed := false
	for i := range puts {
		p := &puts[i]
		record, lock, hold, when := q.Record(p.ID), "", "", p.when()
		if lock = record; p.Lock != "" && p.Lock[0] != LockRunning {
			lock, hold = q.Lock(p.Lock), strconv.FormatInt(ceilMillis(p.HoldFor), 10)
		}
		timed = timed || p.Own || when != ""
		keys = append(keys, record, lock)
		args = append(args, flag(p.Own), p.ID, when, p.Element, p.Job, hold)
	}
	if timed {
		keys = append(keys, q.Scheduled, q.Retry, q.Seen, q.Alarm)
	}
	placed := make([]Placed, len(puts))
	read := func(reply rueidis.RedisResult) error {
		answers, err := exactly(len(puts), reply.AsStrSlice)
		for i, answer := range answers {
			switch answer {
			case "1":
			case "0":
				placed[i].Existed = true
			default:
				placed[i].Owner = answer
			}
		}
		return err
	}
	var err error
	if s.replicas > 0 {
		err = s.confirmed(ctx, scriptRecord.name, q.Ready, func(b rueidis.Builder, whole bool) rueidis.Completed {
			return scriptRecord.command(b, whole, keys, args)
		}, read)
	} else {
		err = s.eval(ctx, scriptRecord, keys, args, read)
	}
	if err != nil {
		return nil, err
	}
	return placed, nil
}

// Open is fetch_open.lua: it reads the records of pointers that an incarnation holds.
func (s *Store) Open(ctx context.Context, q *Queue, incarnation, place string, pointers []source.Pointer) ([]source.Opened, error) {
	keys := make([]string, 0, 2+3*len(pointers))
	keys = append(keys, q.Held(incarnation), q.Workers)
	args := make([]string, 0, 2+4*len(pointers))
	args = append(args, incarnation, place)
	for i := range pointers {
		p := &pointers[i]
		frees := ""
		if p.Lock == "" {
			keys = append(keys, q.Record(p.ID))
		} else {
			keys = append(keys, q.recordKeys(p.ID, p.Lock)[:3]...)
			frees = flag(p.Lock[0] == LockQueued || p.Lock[0] == LockBoth)
		}
		args = append(args, formatTag(p.Tag), p.ID, generation(p.Gen), frees)
	}
	opened := make([]source.Opened, len(pointers))
	err := s.eval(ctx, scriptOpen, keys, args, func(reply rueidis.RedisResult) error {
		answers, err := exactly(len(pointers), reply.ToArray)
		if err != nil {
			return err
		}
		for i := range answers {
			fields, err := answers[i].AsStrSlice()
			if err != nil {
				return err
			}
			if len(fields) == 0 || fields[0] == "run" && len(fields) != 2 && len(fields) != 5 {
				return fmt.Errorf("%d fields of a record", len(fields))
			}
			opened[i] = source.Opened{What: fields[0], Plain: len(fields) == 2}
			if len(fields) > 1 {
				opened[i].Job = fields[1]
			}
			if len(fields) == 5 {
				opened[i].Cursor, opened[i].Cancelled = fields[2], fields[3] != ""
				opened[i].Lines, _ = strconv.ParseInt(fields[4], 10, 64) // none, or what somebody has made of it
			}
		}
		return nil
	})
	return opened, err
}

// Note is run_note.lua. It answers which of the jobs somebody has asked to cancel.
func (s *Store) Note(ctx context.Context, q *Queue, incarnation string, notes []source.Note) ([]bool, error) {
	keys := make([]string, 0, 1+len(notes))
	keys = append(keys, q.Held(incarnation))
	var args []string
	for i := range notes {
		n := &notes[i]
		keys = append(keys, q.Record(n.ID))
		args = append(args, formatTag(n.Tag), strconv.Itoa(len(n.Fields)))
		args = append(args, n.Fields...)
	}
	cancelled := make([]bool, len(notes))
	err := s.eval(ctx, scriptNote, keys, args, func(reply rueidis.RedisResult) error {
		answers, err := exactly(len(notes), reply.AsIntSlice)
		for i := range answers {
			cancelled[i] = answers[i] == 2
		}
		return err
	})
	return cancelled, err
}

// Record returns the fields of a job's record but the lines of its log; nil if there is
// none.
func (s *Store) Record(ctx context.Context, q *Queue, id string) (map[string]string, error) {
	reply, err := s.do(ctx, "record", func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Hmget().Key(q.Record(id)).Field(recordFields...).Build())
	})
	if err != nil {
		return nil, err
	}
	return fieldsOf(reply)
}

// WholeRecord returns all fields of a record, also the lines of its log.
func (s *Store) WholeRecord(ctx context.Context, q *Queue, id string) (map[string]string, error) {
	reply, err := s.do(ctx, "record", func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Hgetall().Key(q.Record(id)).Build())
	})
	if err != nil {
		return nil, err
	}
	fields, err := reply.AsStrMap()
	return fields, explain("record", err)
}

// Act is what settle_act.lua does to a recorded job that does not run.
type Act struct {
	What  string // edit, move, end, remove, leave, left
	ID    string
	Lock  string
	Gen   int64  // of the record as it was read
	Was   string // its job as it was read
	Job   string // as it is to be kept
	Old   string // the pointer; "" of one that leaves
	New   string // the next one
	When  Put    // its times, of a move
	State string // of an end
	Keep  time.Duration
	To    string // of one that leaves: QUEUE/ID
}

// Why an Act was not done, or a Moved.
var (
	ErrRunning = errors.New("the job runs") // after an end: its cancel is noted
	ErrEnded   = errors.New("the job has ended")
	ErrMissing = errors.New("there is no record of the job")
	ErrLocked  = errors.New("another job has its uniqueness key")
	ErrChanged = errors.New("the job was changed meanwhile")
	ErrThere   = errors.New("another job has its id") // or had it lately
)

// answers are what a script about one record says.
var answers = map[string]error{
	"done": nil, "running": ErrRunning, "ended": ErrEnded, "missing": ErrMissing, "locked": ErrLocked, "changed": ErrChanged, "there": ErrThere,
}

// evalAnswer runs a script that says one of answers.
func (s *Store) evalAnswer(ctx context.Context, sc *script, keys, args []string) error {
	var said string
	err := s.eval(ctx, sc, keys, args, func(reply rueidis.RedisResult) (err error) {
		said, err = reply.ToString()
		return err
	})
	if err != nil {
		return err
	}
	err, known := answers[said]
	if !known {
		return odd(sc.name, fmt.Errorf("%.40q", said))
	}
	return err
}

// Act does one thing to a recorded job that does not run.
func (s *Store) Act(ctx context.Context, q *Queue, a *Act) error {
	own := q.recordKeys(a.ID, a.Lock)
	keys := []string{own[0], q.Ready, q.Suspect, q.Scheduled, q.Retry, q.Dead, q.Alarm, q.Count, q.Ended, own[1], own[3], own[2]}
	args := []string{a.What, a.ID, generation(a.Gen), a.Was, a.Job, a.Old, a.New, a.When.when(), a.State, strconv.FormatInt(max(a.Keep.Milliseconds(), 0), 10), a.To}
	return s.evalAnswer(ctx, scriptAct, keys, args)
}

// Coming is a recorded job that has left another queue.
type Coming struct {
	ID, Lock string
	From     string    // the address and generation that it had: it comes in once
	At       time.Time // when it is due
	Gen      int64     // of the record here
	Pointer  string
	Fields   map[string]string // of the record
}

// Moved is enqueue_moved.lua: it puts in a recorded job that has left another queue. It may
// be repeated.
func (s *Store) Moved(ctx context.Context, q *Queue, window time.Duration, most int, c *Coming) error {
	own := q.recordKeys(c.ID, c.Lock)
	keys := []string{q.Ready, q.Scheduled, q.Retry, q.Alarm, q.Seen, own[0], own[1]}
	args := []string{itoa(window.Milliseconds()), strconv.Itoa(most), c.From, c.ID, itoa(c.At.UnixMilli()), itoa(c.Gen), c.Pointer}
	for name, value := range c.Fields {
		args = append(args, name, value)
	}
	return s.evalAnswer(ctx, scriptMoved, keys, args)
}

// Ended returns how many ids of ended jobs are remembered, and the oldest of them.
func (s *Store) Ended(ctx context.Context, q *Queue, most int) (n int64, oldest []string, err error) {
	replies, err := s.doMulti(ctx, "ended", func(b rueidis.Builder) []rueidis.Completed {
		return []rueidis.Completed{b.Llen().Key(q.Ended).Build(), b.Lrange().Key(q.Ended).Start(0).Stop(int64(most) - 1).Build()}
	})
	if err != nil {
		return 0, nil, err
	}
	if n, err = replies[0].AsInt64(); err == nil {
		oldest, err = replies[1].AsStrSlice()
	}
	return n, oldest, explain("ended", err)
}

// Records returns the generation and the job of records, by id; one that is not there is
// missing.
func (s *Store) Records(ctx context.Context, q *Queue, ids []string) (map[string]Recorded, error) {
	replies, err := s.doMulti(ctx, "records", func(b rueidis.Builder) []rueidis.Completed {
		commands := make([]rueidis.Completed, len(ids))
		for i, id := range ids {
			commands[i] = b.Hmget().Key(q.Record(id)).Field("gen", "job", "state", "at", "to").Build()
		}
		return commands
	})
	if err != nil {
		return nil, err
	}
	records := make(map[string]Recorded, len(ids))
	for i, reply := range replies {
		fields, err := exactly(5, reply.ToArray)
		if err != nil {
			if rueidis.IsRedisNil(err) || IsRedis(explain("records", err)) {
				continue // a key of another type is no record
			}
			return nil, explain("records", err)
		}
		var r Recorded
		if gen, err := fields[0].ToString(); err == nil {
			r.Gen, _ = strconv.ParseInt(gen, 10, 64)
		}
		r.Job, _ = fields[1].ToString()
		if r.State, _ = fields[2].ToString(); r.State == "" && r.Gen == 0 {
			r.State = "done"
		}
		if at, err := fields[3].ToString(); err == nil {
			var ms int64
			ms, r.Place = ParseAt(at)
			r.At = time.UnixMilli(ms)
		}
		r.To, _ = fields[4].ToString()
		if r.Job != "" {
			records[ids[i]] = r
		}
	}
	return records, nil
}

// Recorded is what a record says of its job. Of one that has ended the Gen is 0.
type Recorded struct {
	Gen        int64
	Job, State string
	At         time.Time // when it began, or is due
	Place      string    // host:pid of the process in which it runs
	To         string    // the address to which it is leaving
}

// ParseAt reads the field of a record that says when, in ms since 1970, and of a running
// job where.
func ParseAt(field string) (ms int64, place string) {
	when, place, _ := strings.Cut(field, " ")
	ms, _ = strconv.ParseInt(when, 10, 64) // 0 for what somebody has made of it
	return ms, place
}

// TrimEnded forgets ended jobs: the oldest of most ids, with their records while there are
// more than cap, and those whose records are gone. It returns how many.
func (s *Store) TrimEnded(ctx context.Context, q *Queue, cap int) (int, error) {
	n, oldest, err := s.Ended(ctx, q, 500)
	if err != nil || len(oldest) == 0 {
		return 0, err
	}
	keys := []string{q.Ended}
	for _, id := range oldest {
		keys = append(keys, q.Record(id))
	}
	trimmed, err := s.evalInt(ctx, scriptEnded, keys, append([]string{itoa(max(n-int64(cap), 0))}, oldest...))
	return int(trimmed), err
}

// Lock is a uniqueness key that a job has.
type Lock struct {
	Name    string
	Owner   string        // the id of the job that has it; "" if it is free and only some wait
	Running string        // the id of the one that runs under it
	Parked  int64         // how many wait for that one
	Left    time.Duration // until it ends by itself; 0: it does not
}

// Locks returns the locks of a queue, by name. keys are those of the namespace.
func (s *Store) Locks(ctx context.Context, q *Queue, keys []string) ([]Lock, error) {
	var names []string
	for _, key := range keys {
		for _, prefix := range []string{q.Lock(""), q.Running(""), q.Parked("")} {
			if name, ok := strings.CutPrefix(key, prefix); ok {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	replies, err := s.doMulti(ctx, "locks", func(b rueidis.Builder) []rueidis.Completed {
		var commands []rueidis.Completed
		for _, name := range names {
			commands = append(commands, b.Get().Key(q.Lock(name)).Build(), b.Get().Key(q.Running(name)).Build(),
				b.Llen().Key(q.Parked(name)).Build(), b.Pttl().Key(q.Lock(name)).Build())
		}
		return commands
	})
	if err != nil {
		return nil, err
	}
	locks := make([]Lock, 0, len(names))
	for i, name := range names {
		l := Lock{Name: name}
		for n, to := range []*string{&l.Owner, &l.Running} {
			if *to, err = replies[4*i+n].ToString(); err != nil && !rueidis.IsRedisNil(err) {
				return nil, explain("locks", err)
			}
		}
		if l.Parked, err = replies[4*i+2].AsInt64(); err != nil {
			return nil, explain("locks", err)
		}
		ms, err := replies[4*i+3].AsInt64()
		if err != nil {
			return nil, explain("locks", err)
		}
		l.Left = time.Duration(max(ms, 0)) * time.Millisecond
		if l.Owner != "" || l.Running != "" || l.Parked > 0 { // else it was freed meanwhile
			locks = append(locks, l)
		}
	}
	return locks, nil
}

// Owner returns the id of the job that has a lock, or "".
func (s *Store) Owner(ctx context.Context, q *Queue, lock string) (string, error) {
	key := q.recordKeys("", lock)[1]
	if key == q.Record("") {
		return "", nil
	}
	reply, err := s.do(ctx, "lock", func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Get().Key(key).Build())
	})
	if err != nil {
		return "", err
	}
	owner, err := reply.ToString()
	if rueidis.IsRedisNil(err) {
		return "", nil
	}
	return owner, explain("lock", err)
}

// Unlock frees a lock, and false if it was free.
func (s *Store) Unlock(ctx context.Context, q *Queue, name string) (bool, error) {
	n, err := s.evalInt(ctx, scriptUnlock, []string{q.Lock(name), q.Running(name), q.Parked(name), q.Ready}, nil)
	return n > 0, err
}

// Left is for how long the window of a lock goes on.
func (s *Store) Left(ctx context.Context, q *Queue, lock string) (time.Duration, error) {
	reply, err := s.do(ctx, "lock", func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Pttl().Key(q.Lock(lock)).Build())
	})
	if err != nil {
		return 0, err
	}
	ms, err := reply.AsInt64()
	return time.Duration(max(ms, 0)) * time.Millisecond, explain("lock", err)
}

// Hold gives a job the lock of a window, for so long.
func (s *Store) Hold(ctx context.Context, q *Queue, lock, id string, left time.Duration) error {
	_, err := s.do(ctx, "lock", func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Set().Key(q.Lock(lock)).Value(id).PxMilliseconds(ceilMillis(left)).Build())
	})
	return err
}
