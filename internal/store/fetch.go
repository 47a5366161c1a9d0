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

// FirstTag is the lowest tag that an incarnation uses. From here on tags have the
// same number of digits for 9·10¹² jobs, so that they sort by age as text.
const FirstTag source.Tag = 1_000_000_000_000

// tagDigits is how long every tag from FirstTag to 10·FirstTag is.
const tagDigits = 13

// Exchange is what an incarnation wants of fetch.lua.
type Exchange struct {
	Incarnation string
	Tag         source.Tag // the first for what is claimed: up to Tag+Want-1
	source.Request
	Earlier []source.Tag // for Handed: those that calls have brought which were lost
}

// Exchanged is what fetch.lua answers.
type Exchanged struct {
	Alive    bool // false: the incarnation may not claim, and its jobs are lost
	Now      time.Time
	Settled  int
	Accepted bool
	As       source.Tag // under which Handed is held, when it was accepted
	Fence    int64      // of the last of Elements, or of what was accepted if there are none
	Held     int
	Paused   bool
	First    bool      // the incarnation has the queue's timer
	Due      time.Time // of the next job; zero when there is none, or it was not asked
	Lone     bool      // the first of Elements is a suspect
	Trouble  error
	Refused  []source.Tag
	Elements []string
}

// exchangeKeys are the keys of fetch.lua.
func (q *Queue) exchangeKeys(incarnation string) []string {
	return []string{
		q.Ready, q.List, q.Hand(incarnation), q.Held(incarnation), q.Workers, q.Suspect,
		q.Scheduled, q.Retry, q.Dead, q.Alarm, q.Rules, q.Count, q.Ended,
	}
}

// Fetch is the exchange: see fetch.lua. It goes over the connection of w if nobody
// waits on it, else over one of a pool: a call that has a connection to itself
// is written and read by its own goroutine, which saves two changes between
// goroutines, a third of the time of a short job.
func (s *Store) Fetch(ctx context.Context, q *Queue, x *Exchange, w *Waiter) (*Exchanged, error) {
	args := make([]string, 0, 12+len(x.Done)+4*len(x.Outcomes))
	args = append(args, x.Incarnation, strconv.Itoa(x.Want), x.tags(), q.head(), flag(x.Lone), q.Channel, flag(x.Strays))
	if x.Handed != nil {
		handed := formatTag(x.Handed.Tag)
		for _, tag := range x.Earlier {
			handed += formatTag(tag)
		}
		args = append(args, handed, x.Handed.Element)
	} else {
		args = append(args, "", "")
	}
	args = append(args, strconv.Itoa(len(x.Done)), strconv.Itoa(len(x.Outcomes)))
	args = appendTags(args, x.Done)
	for i := range x.Outcomes {
		o := &x.Outcomes[i]
		state := string(o.State)
		switch {
		case o.State == source.Release && o.Suspect:
			state = "suspect"
		case o.State == source.Release && o.Found:
			state = "undo"
		}
		args = append(args, state, formatTag(o.Tag), strconv.FormatInt(ceilMillis(o.Delay), 10), o.Element)
	}
	keys := q.exchangeKeys(x.Incarnation)
	for i := range x.Outcomes {
		if r := x.Outcomes[i].Record; r != nil {
			if r.Lock == "" {
				keys = append(keys, q.Record(r.ID))
			} else {
				keys = append(keys, q.recordKeys(r.ID, r.Lock)...)
			}
			gen := generation(r.Gen)
			if r.Plain && r.Ended {
				gen = "plain"
			}
			args = append(args, strconv.Itoa(i+1), r.ID, flag(r.Lock != ""), gen, keep(r), strconv.Itoa(len(r.Fields)))
			args = append(args, r.Fields...)
		}
	}
	var got *Exchanged
	var strange error
	read := func(reply rueidis.RedisResult) bool {
		got, strange = nil, nil
		if err := reply.Error(); err == nil || rueidis.IsRedisNil(err) {
			got, strange = parseExchanged(reply, x)
		}
		return strange == nil
	}
	_, err := s.do(ctx, "fetch", func(shared context.Context, c rueidis.Client) rueidis.RedisResult {
		if c.Mode() == rueidis.ClientModeCluster {
			reply := scriptFetch.exec(shared, c, keys, args) // only there are redirections followed
			if !read(reply) {
				s.distrust(c)
			}
			return reply
		}
		if reply, ok := w.run(ctx, scriptFetch, keys, args, read); ok {
			return reply
		}
		alone, cancel := context.WithTimeout(ctx, replyTimeout)
		defer cancel()
		if was := master(c); was != "" {
			defer follow(c, was, cancel)()
			alone = undated{alone} // with a deadline that is seen it would not look for another end
		}
		reply := scriptFetch.execAlone(alone, c, keys, args)
		if !read(reply) {
			s.distrust(c)
		}
		return reply
	})
	if err == nil && strange != nil {
		err = odd("fetch", strange)
	}
	if err != nil {
		return nil, err
	}
	return got, nil
}

// generation is that of a record as the scripts take it.
func generation(gen int64) string {
	if gen == 0 {
		return ""
	}
	return strconv.FormatInt(gen, 10)
}

// keep is what becomes of a record, as the scripts take it.
func keep(r *source.Record) string {
	if !r.Ended {
		return ""
	}
	return strconv.FormatInt(max(r.Keep.Milliseconds(), 0), 10)
}

// tags are those for what is claimed, as fetch.lua takes them.
func (x *Exchange) tags() string {
	block := make([]byte, 0, tagDigits*x.Want)
	for i := range x.Want {
		block = strconv.AppendUint(block, uint64(x.Tag)+uint64(i), 10)
	}
	return string(block)
}

func parseExchanged(reply rueidis.RedisResult, asked *Exchange) (*Exchanged, error) {
	fields, err := exactly(13, reply.ToArray)
	if err != nil {
		return nil, err
	}
	var n [10]int64
	for i := range n {
		if n[i], err = fields[i].AsInt64(); err != nil {
			return nil, fmt.Errorf("field %d: %w", i, err)
		}
	}
	x := &Exchanged{
		Alive: n[0] == 1, Now: time.UnixMilli(n[1]), Settled: int(n[2]), Accepted: n[3] > 0, Fence: n[4],
		Held: int(n[5]), Paused: n[6] == 1, First: n[7] == 1, Lone: n[9] == 1,
	}
	if x.Accepted {
		if asked.Handed == nil || n[3] > int64(1+len(asked.Earlier)) {
			return nil, fmt.Errorf("accepted under tag %d of %d", n[3], 1+len(asked.Earlier))
		}
		x.As = asked.Handed.Tag
		if n[3] > 1 {
			x.As = asked.Earlier[n[3]-2]
		}
	}
	if n[8] >= 0 {
		x.Due = time.UnixMilli(n[8])
	}
	if text, err := fields[10].ToString(); err != nil {
		return nil, fmt.Errorf("trouble: %w", err)
	} else if text != "" {
		x.Trouble = errors.New(text)
		if kind := errorKind(text); kind != nil {
			x.Trouble = fmt.Errorf("%w (%s)", kind, text)
		}
	}
	refused, err := fields[11].AsStrSlice()
	if err != nil {
		return nil, fmt.Errorf("refused: %w", err)
	}
	if x.Refused, err = parseTags(refused); err != nil {
		return nil, err
	}
	if x.Elements, err = fields[12].AsStrSlice(); err != nil {
		return nil, fmt.Errorf("elements: %w", err)
	}
	if len(x.Elements) > asked.Want {
		return nil, fmt.Errorf("%d elements where %d were wanted", len(x.Elements), asked.Want)
	}
	return x, nil
}

// Register enters an incarnation among the workers of a queue. It answers false
// when that one has a tombstone, and another has to be taken. old, if not empty,
// is the one before it: it gets a tombstone.
func (s *Store) Register(ctx context.Context, q *Queue, incarnation, old string) (bool, error) {
	n, err := s.evalInt(ctx, scriptRegister, []string{q.Workers}, []string{incarnation, old})
	return n == 1, err
}

// Due makes ready what is due and tells when the next is, if the incarnation
// has the queue's timer (first). rung says that it has heard an alarm, which is
// passed on if it was meant for another.
func (s *Store) Due(ctx context.Context, q *Queue, incarnation string, most int, rung bool) (now time.Time, first bool, moved int, next time.Time, err error) {
	var n []int64
	err = s.eval(ctx, scriptDue, []string{q.Ready, q.List, q.Scheduled, q.Retry, q.Workers, q.Alarm},
		[]string{incarnation, strconv.Itoa(most), q.Channel, flag(rung)}, func(reply rueidis.RedisResult) (err error) {
			n, err = exactly(4, reply.AsIntSlice)
			return err
		})
	if err != nil {
		return now, false, 0, next, err
	}
	if n[3] >= 0 {
		next = time.UnixMilli(n[3])
	}
	return time.UnixMilli(n[0]), n[1] == 1, int(n[2]), next, nil
}

// Held returns what an incarnation holds in a queue, the oldest first. The
// fence of each is the last that was given in the queue: its own is not higher,
// and that of its next run will be.
func (s *Store) Held(ctx context.Context, q *Queue, incarnation string) ([]source.Delivery, error) {
	replies, err := s.doMulti(ctx, "held", func(b rueidis.Builder) []rueidis.Completed {
		return []rueidis.Completed{b.Hgetall().Key(q.Held(incarnation)).Build(), b.Hget().Key(q.Count).Field("claimed").Build()}
	})
	if err != nil {
		return nil, err
	}
	all, err := replies[0].AsStrMap()
	if err != nil {
		return nil, explain("held", err)
	}
	fence, _ := replies[1].AsInt64()
	held := make([]source.Delivery, 0, len(all))
	for text, element := range all {
		tag, err := parseTag(text)
		if err != nil {
			return nil, err
		}
		held = append(held, source.Delivery{Tag: tag, Element: element, Fence: fence})
	}
	slices.SortFunc(held, func(a, b source.Delivery) int { return cmpTag(a.Tag, b.Tag) })
	return held, nil
}

func cmpTag(a, b source.Tag) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func formatTag(tag source.Tag) string { return strconv.FormatUint(uint64(tag), 10) }

func parseTag(text string) (source.Tag, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%.40q is no delivery tag", text)
	}
	return source.Tag(n), nil
}

func parseTags(texts []string) ([]source.Tag, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	tags := make([]source.Tag, len(texts))
	for i, text := range texts {
		tag, err := parseTag(text)
		if err != nil {
			return nil, err
		}
		tags[i] = tag
	}
	return tags, nil
}

// appendTags appends the text of each tag, all of them cut from one string: one
// of its own would be an allocation for every job.
func appendTags(args []string, tags []source.Tag) []string {
	block := make([]byte, 0, (tagDigits+1)*len(tags))
	for _, tag := range tags {
		block = append(strconv.AppendUint(block, uint64(tag), 10), ' ')
	}
	text := string(block)
	for range tags {
		tag, rest, _ := strings.Cut(text, " ")
		args, text = append(args, tag), rest
	}
	return args
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}
