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
)

// MostOperations is how many operations are remembered.
const MostOperations = 100

// OperationStep is what inspect_operate.lua does with the state of an operation.
type OperationStep struct {
	What   string // begin, take, step, end, cancel
	ID     string
	Runner string // who runs it; of a cancel, who wants it to end
	Lease  time.Duration
	State  string // JSON
	// Was is the state, as it was read, of what a take, or a begin with Other, takes. Other is
	// the operation that a begin undoes, and Becomes its state from then on.
	Was, Other, Becomes string
}

// Why an OperationStep was not done.
var (
	ErrLost = errors.New("another runs the operation")
	ErrHeld = errors.New("the operation is run")
)

// Operate writes the state of an operation. It returns who wants it to end. ErrLost, ErrHeld,
// ErrChanged, ErrMissing and ErrEnded say why it was not written.
func (s *Store) Operate(ctx context.Context, o *OperationStep) (cancelled string, err error) {
	var answer []string
	err = s.eval(ctx, scriptOperate, []string{s.operationsKey()},
		[]string{o.What, o.ID, o.Runner, itoa(o.Lease.Milliseconds()), o.State, strconv.Itoa(MostOperations), o.Other, o.Was, o.Becomes},
		func(reply rueidis.RedisResult) (err error) {
			answer, err = reply.AsStrSlice()
			if err == nil && len(answer) == 0 {
				err = errors.New("nothing")
			}
			return err
		})
	if err != nil {
		return "", err
	}
	switch answer[0] {
	case "done":
		if len(answer) > 1 {
			cancelled = answer[1]
		}
		return cancelled, nil
	case "lost":
		return "", ErrLost
	case "held":
		return "", ErrHeld
	case "changed":
		return "", ErrChanged
	case "missing":
		return "", ErrMissing
	case "ended":
		return "", ErrEnded
	}
	return "", odd("inspect_operate", fmt.Errorf("%.40q", answer[0]))
}

// Operated is an operation as it is written down.
type Operated struct {
	State     string
	Till      time.Time // until when somebody runs it; the zero time: it has ended
	Cancelled bool      // somebody wants it to end
}

// Operations returns all operations that are remembered, by id: those with some ids, or all.
func (s *Store) Operations(ctx context.Context, ids ...string) (map[string]Operated, error) {
	var fields map[string]string
	if len(ids) == 0 {
		reply, err := s.do(ctx, "operations", func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
			return c.Do(ctx, c.B().Hgetall().Key(s.operationsKey()).Build())
		})
		if err == nil {
			fields, err = reply.AsStrMap()
			err = explain("operations", err)
		}
		if err != nil {
			return nil, err
		}
	} else {
		var names []string
		for _, id := range ids {
			names = append(names, id, id+":lease", id+":cancel")
		}
		reply, err := s.do(ctx, "operations", func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
			return c.Do(ctx, c.B().Hmget().Key(s.operationsKey()).Field(names...).Build())
		})
		if err != nil {
			return nil, err
		}
		values, err := exactly(len(names), reply.ToArray)
		if err != nil {
			return nil, explain("operations", err)
		}
		fields = map[string]string{}
		for i := range values {
			if text, err := values[i].ToString(); err == nil {
				fields[names[i]] = text
			}
		}
	}
	all := map[string]Operated{}
	for name, text := range fields {
		if name == "" || strings.Contains(name, ":") {
			continue
		}
		o := Operated{State: text}
		if lease, _, ok := strings.Cut(fields[name+":lease"], " "); ok {
			ms, _ := strconv.ParseInt(lease, 10, 64) // 0 of what somebody has made of it: nobody runs it
			o.Till = time.UnixMilli(ms)
		}
		_, o.Cancelled = fields[name+":cancel"]
		all[name] = o
	}
	return all, nil
}

// The logs of a namespace.
const (
	LogAudit = "audit"
	LogMarks = "marks"
)

// LogEntry is one entry of a log.
type LogEntry struct {
	ID   string // MS-N
	At   time.Time
	N    int64 // among those of one ms
	Text string
}

// Append puts an entry at the end of a log, of which most are kept, and returns its id.
func (s *Store) Append(ctx context.Context, log string, most int, text string) (id string, err error) {
	err = s.eval(ctx, scriptAppend, []string{s.logKey(log)}, []string{strconv.Itoa(most), text}, func(reply rueidis.RedisResult) (err error) {
		id, err = reply.ToString()
		return err
	})
	return id, err
}

// Entries returns entries of a log from an index on, counted from its end, the youngest first.
func (s *Store) Entries(ctx context.Context, log string, from, n int64) ([]LogEntry, error) {
	texts, _, _, err := s.Page(ctx, s.logKey(log), "list", -from-n, -from-1)
	if err != nil {
		return nil, err
	}
	slices.Reverse(texts)
	entries := make([]LogEntry, len(texts))
	for i, text := range texts {
		id, entry, _ := strings.Cut(text, " ")
		ms, number, _ := strings.Cut(id, "-")
		at, _ := strconv.ParseInt(ms, 10, 64) // 0 of what somebody else has put there
		nth, _ := strconv.ParseInt(number, 10, 64)
		entries[i] = LogEntry{id, time.UnixMilli(at), nth, entry}
	}
	return entries, nil
}
