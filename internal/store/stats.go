package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// The keys of the statistics of a namespace. They share a slot.

func (s *Store) statsKey(part string) string { return s.ns + ":stats:{stats}:" + part }

// Span is a length of time that statistics are kept by.
type Span struct {
	part string
	Long time.Duration
	Kept time.Duration // for so long after its last change
}

// The spans. A day is one of UTC.
var (
	Minutes = Span{"minute:", time.Minute, 4 * time.Hour}
	Hours   = Span{"hour:", time.Hour, 7 * 24 * time.Hour}
	Days    = Span{"day:", 24 * time.Hour, 90 * 24 * time.Hour}
)

const (
	maxCounted  = 1200 // kinds and queues in a span; others are counted together, by queue
	maxFailures = 1000

	failuresKept = 48 * time.Hour // by the hour
)

// key is that of the span in which a time is.
func (s *Store) spanKey(span Span, at time.Time) string {
	return s.statsKey(span.part + strconv.FormatInt(at.UnixMilli()/span.Long.Milliseconds(), 10))
}

func (s *Store) hourlyKey(at time.Time) string {
	return s.statsKey("failures:hour:" + strconv.FormatInt(at.UnixMilli()/time.Hour.Milliseconds(), 10))
}

// failureKeys are those of what is known of failures, as the scripts take them.
func (s *Store) failureKeys() []string {
	return []string{s.statsKey("failures"), s.statsKey("failures:first"), s.statsKey("failures:times"), s.statsKey("failures:samples")}
}

// IsStats tells whether a key is of statistics, and its type.
func (s *Store) IsStats(key string) (kind string, ok bool) {
	part, ok := strings.CutPrefix(key, s.statsKey(""))
	switch {
	case !ok:
		return "", false
	case part == "failures":
		return "zset", true
	case strings.HasPrefix(part, "last:"):
		return "string", true
	}
	for _, known := range []string{"failures:", Minutes.part, Hours.part, Days.part} {
		if strings.HasPrefix(part, known) {
			return "hash", true
		}
	}
	return "", false
}

// What is counted has a field for each kind in each queue.
const (
	// AllKinds is the kind of a queue's sum, and AllQueues the queue of the sum of those.
	AllKinds  = ""
	AllQueues = ""
	// RawKind is that of jobs that have none, and OtherKinds that of those for which there
	// was no room.
	RawKind    = "(raw)"
	OtherKinds = "(other)"
)

// CountField is the field of a kind in a queue.
func CountField(queue, kind string) string { return kind + " " + queue }

// ParseCountField is the inverse of CountField: no kind has a space.
func ParseCountField(field string) (queue, kind string) {
	kind, queue, _ = strings.Cut(field, " ")
	return queue, kind
}

// Counted is what a worker has counted.
type Counted struct {
	Kinds    []CountedKind
	Failures []CountedFailure
}

// CountedKind are the numbers of a kind in a queue: see internal/tally.
type CountedKind struct {
	Queue, Kind string
	Numbers     string
}

// CountedFailure is how often a failure was seen.
type CountedFailure struct {
	Fingerprint string
	Times       int64
	Sample      string // JSON
}

// AddStats adds to the statistics what a worker has counted since its call before, about
// 20 kinds at most. guess is what Redis' clock may show. A repetition has the number of
// the first call: then it is not added twice.
func (s *Store) AddStats(ctx context.Context, worker string, call int64, guess time.Time, c *Counted) error {
	for range 3 {
		keys := []string{s.spanKey(Minutes, guess), s.spanKey(Hours, guess), s.spanKey(Days, guess)}
		keys = append(keys, s.failureKeys()...)
		keys = append(keys, s.hourlyKey(guess), s.statsKey("last:"+worker))
		minute := guess.UnixMilli() / 60_000
		args := []string{itoa(minute), itoa(call), strconv.Itoa(maxCounted), strconv.Itoa(maxFailures)}
		for _, kept := range []time.Duration{Minutes.Kept, Hours.Kept, Days.Kept, failuresKept} {
			args = append(args, itoa(kept.Milliseconds()))
		}
		args = append(args, strconv.Itoa(len(c.Kinds)))
		for _, k := range c.Kinds {
			others := ""
			if k.Kind != AllKinds && k.Kind != OtherKinds {
				others = CountField(k.Queue, OtherKinds)
			}
			args = append(args, CountField(k.Queue, k.Kind), others, k.Numbers)
		}
		for _, f := range c.Failures {
			args = append(args, f.Fingerprint, itoa(f.Times), f.Sample)
		}
		now, err := s.evalInt(ctx, scriptStats, keys, args)
		if err != nil || now == minute {
			return err
		}
		guess = time.UnixMilli(now * 60_000)
	}
	return errors.New("statistics: redis' clock does not go on as it should")
}

// Spans returns the numbers of some fields, or, if there are none, of all, in the spans in which
// some times are.
func (s *Store) Spans(ctx context.Context, span Span, at []time.Time, fields []string) ([]map[string]string, error) {
	if len(at) == 0 {
		return nil, nil
	}
	keys := make([]string, len(at))
	for i := range at {
		keys[i] = s.spanKey(span, at[i])
	}
	replies, err := s.doMulti(ctx, "statistics", func(b rueidis.Builder) []rueidis.Completed {
		commands := make([]rueidis.Completed, len(keys))
		for i, key := range keys {
			if len(fields) == 0 {
				commands[i] = b.Hgetall().Key(key).Build()
			} else {
				commands[i] = b.Hmget().Key(key).Field(fields...).Build()
			}
		}
		return commands
	})
	if err != nil {
		return nil, err
	}
	spans := make([]map[string]string, len(replies))
	for i, reply := range replies {
		if len(fields) == 0 {
			if spans[i], err = reply.AsStrMap(); err != nil {
				return nil, explain("statistics", err)
			}
			continue
		}
		values, err := exactly(len(fields), reply.ToArray)
		if err != nil {
			return nil, explain("statistics", err)
		}
		spans[i] = map[string]string{}
		for n := range values {
			if text, err := values[n].ToString(); err == nil {
				spans[i][fields[n]] = text
			}
		}
	}
	return spans, nil
}

// SeenFailure is a failure as it is kept.
type SeenFailure struct {
	Fingerprint string
	First, Last time.Time
	Times       int64
	Sample      string  // JSON
	Hourly      []int64 // how often in each hour, the last one last
}

// Failures returns those that were seen, the last one first, and how often in each of the
// last hours.
func (s *Store) Failures(ctx context.Context, hours int) ([]SeenFailure, error) {
	reply, err := s.do(ctx, "failures", func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Zrange().Key(s.statsKey("failures")).Min("0").Max("-1").Withscores().Build())
	})
	if err != nil {
		return nil, err
	}
	scores, err := reply.AsZScores()
	if err != nil {
		return nil, explain("failures", err)
	}
	if len(scores) == 0 {
		return nil, nil
	}
	now, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	keys := s.failureKeys()[1:]
	for n := range hours {
		keys = append(keys, s.hourlyKey(now.Add(-time.Duration(hours-1-n)*time.Hour)))
	}
	replies, err := s.doMulti(ctx, "failures", func(b rueidis.Builder) []rueidis.Completed {
		commands := make([]rueidis.Completed, len(keys))
		for i, key := range keys {
			commands[i] = b.Hgetall().Key(key).Build()
		}
		return commands
	})
	if err != nil {
		return nil, err
	}
	hashes := make([]map[string]string, len(keys))
	for i, reply := range replies {
		if hashes[i], err = reply.AsStrMap(); err != nil {
			return nil, explain(fmt.Sprintf("failures (%s)", keys[i]), err)
		}
	}
	failures := make([]SeenFailure, len(scores))
	for i, z := range scores {
		f := &failures[len(scores)-1-i]
		number := func(hash int) int64 {
			n, _ := strconv.ParseInt(hashes[hash][z.Member], 10, 64) // none: 0
			return n
		}
		*f = SeenFailure{Fingerprint: z.Member, Last: time.UnixMilli(int64(z.Score)), First: time.UnixMilli(number(0)), Times: number(1), Sample: hashes[2][z.Member]}
		for n := range hours {
			f.Hourly = append(f.Hourly, number(3+n))
		}
	}
	return failures, nil
}

// ForgetFailure removes what is known of a failure; false if nothing is.
func (s *Store) ForgetFailure(ctx context.Context, fingerprint string) (bool, error) {
	now, err := s.Now(ctx)
	if err != nil {
		return false, err
	}
	keys := s.failureKeys()
	for ago := time.Duration(0); ago <= failuresKept; ago += time.Hour {
		keys = append(keys, s.hourlyKey(now.Add(-ago)))
	}
	n, err := s.evalInt(ctx, scriptForgetFailure, keys, []string{fingerprint})
	return n == 1, err
}
