package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

// The keys of the periodic entries of a namespace. They share a slot.

func (s *Store) cronKey(part string) string { return s.ns + ":cron:{cron}:" + part }

// CronEntry is the hash of a periodic entry.
func (s *Store) CronEntry(name string) string { return s.cronKey("entry:" + name) }

// CronChannel is where schedulers are told that an entry is due earlier than they knew.
func (s *Store) CronChannel() string { return s.cronKey("channel") }

// CronEntry is a periodic entry as it is kept.
type CronEntry struct {
	Version int64  // 0: it is not there
	Turn    string // when a scheduler looks at it next, ms; empty: never
	Entry   string // JSON
	State   string // JSON
	Err     error  // why it cannot be read: its key has another type, or its version is none
}

// CronTake takes entries whose turn it is, at most so many. Nobody else takes them until the
// lease is over. It also returns the time of the server, and how long until the next turn of
// any entry; a negative one says that there is none.
func (s *Store) CronTake(ctx context.Context, most int, lease time.Duration) (now time.Time, left time.Duration, names []string, err error) {
	args := []string{strconv.Itoa(most), strconv.FormatInt(lease.Milliseconds(), 10)}
	err = s.eval(ctx, scriptCronTake, []string{s.cronKey("due")}, args, func(reply rueidis.RedisResult) error {
		values, err := reply.ToArray()
		if err == nil && len(values) < 2 {
			values, err = exactly(2, reply.ToArray)
		}
		if err != nil {
			return err
		}
		ms, err := values[0].AsInt64()
		if err != nil {
			return err
		}
		rest, err := values[1].AsInt64()
		if err != nil {
			return err
		}
		now, left, names = time.UnixMilli(ms), time.Duration(rest)*time.Millisecond, make([]string, len(values)-2)
		for i, v := range values[2:] {
			if names[i], err = v.ToString(); err != nil {
				return err
			}
		}
		return nil
	})
	return now, left, names, err
}

// CronEntries reads entries by their names.
func (s *Store) CronEntries(ctx context.Context, names []string) ([]CronEntry, error) {
	if len(names) == 0 {
		return nil, nil
	}
	replies, err := s.doMulti(ctx, "cron entries", func(b rueidis.Builder) []rueidis.Completed {
		commands := make([]rueidis.Completed, len(names))
		for i, name := range names {
			commands[i] = b.Hmget().Key(s.CronEntry(name)).Field("version", "turn", "entry", "state").Build()
		}
		return commands
	})
	if err != nil {
		return nil, err
	}
	entries := make([]CronEntry, len(names))
	for i, reply := range replies {
		fields, err := exactly(4, reply.ToArray)
		if err = explain("cron entry", err); errors.Is(err, ErrWrongType) {
			entries[i].Err = err
			continue
		}
		if err != nil {
			return nil, err
		}
		version, _ := fields[0].ToString() // nil: it is not there
		if version != "" {
			if entries[i].Version, err = strconv.ParseInt(version, 10, 64); err != nil {
				entries[i].Err = fmt.Errorf("version: %.40q is no number", version)
			}
		}
		entries[i].Turn, _ = fields[1].ToString()
		entries[i].Entry, _ = fields[2].ToString()
		entries[i].State, _ = fields[3].ToString()
	}
	return entries, nil
}

// CronNames returns the names of entries that come after one, by the alphabet, at most n.
func (s *Store) CronNames(ctx context.Context, after string, n int64) ([]string, error) {
	reply, err := s.do(ctx, "cron names", func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Zrange().Key(s.cronKey("names")).Min("("+after).Max("+").Bylex().Limit(0, n).Build())
	})
	if err != nil {
		return nil, err
	}
	names, err := reply.AsStrSlice()
	return names, explain("cron names", err)
}

// CronDue are the names of all entries that have a turn.
func (s *Store) CronDue(ctx context.Context) (map[string]bool, error) {
	due := map[string]bool{}
	err := s.Each(ctx, s.cronKey("due"), "zset", func(name string, _ float64) { due[name] = true })
	return due, err
}

// CronSet returns what is kept of a declared set; "" if it is not there.
func (s *Store) CronSet(ctx context.Context, set string) (string, error) {
	reply, err := s.do(ctx, "cron set", func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Hget().Key(s.cronKey("sets")).Field(set).Build())
	})
	if err != nil {
		return "", err
	}
	text, err := reply.ToString()
	if rueidis.IsRedisNil(err) {
		return "", nil
	}
	return text, explain("cron set", err)
}

// CronWrite is a change of one entry.
type CronWrite struct {
	Name    string
	Version int64     // that was read
	Turn    time.Time // when a scheduler looks at it next; zero: never
	Entry   string    // JSON; empty: it is removed
	State   string    // JSON
}

// CronDeclared is a declared set that is written together with its entries: with all or none.
type CronDeclared struct {
	Name    string
	Was, Is string
}

// What CronWrites answers of an entry that it has not written. Else it is the new version.
const (
	CronChanged = 0  // it is not as it was read
	CronTaken   = -1 // a scheduler has it at the moment
)

// CronWrites changes entries that are as they were read: at most 2,000. If patient, it does not
// change one that a scheduler has just taken.
func (s *Store) CronWrites(ctx context.Context, patient bool, declared *CronDeclared, writes []CronWrite) ([]int64, error) {
	keys := []string{s.cronKey("due"), s.cronKey("names"), s.cronKey("sets")}
	args := []string{s.CronChannel(), "0", "", "", ""}
	if patient {
		args[1] = "1"
	}
	if declared != nil {
		args[2], args[3], args[4] = declared.Name, declared.Was, declared.Is
	}
	for i := range writes {
		w := &writes[i]
		turn := ""
		if !w.Turn.IsZero() {
			turn = strconv.FormatInt(w.Turn.Add(time.Millisecond-1).UnixMilli(), 10) // not before its time
		}
		keys = append(keys, s.CronEntry(w.Name))
		args = append(args, w.Name, strconv.FormatInt(w.Version, 10), turn, w.Entry, w.State)
	}
	var versions []int64
	err := s.eval(ctx, scriptCronWrite, keys, args, func(reply rueidis.RedisResult) (err error) {
		versions, err = exactly(len(writes), reply.AsIntSlice)
		return err
	})
	return versions, err
}
