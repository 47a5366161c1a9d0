package inspect_test

import (
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/tally"
)

// BenchmarkStatistics reads the statistics of 100 queues with 10 kinds each, of which all were
// at work for 90 days: 20 attempts a minute of each, whose times differ by a factor of three as
// a rule. It reports what Redis needs for them, and how many commands a look is.
func BenchmarkStatistics(b *testing.B) {
	s := redistest.Start(b)
	client, err := tasuki.Open(s.URL(), &tasuki.ClientConfig{Namespace: "t", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(client.Close)
	used := func() int64 {
		n, err := strconv.ParseInt(s.Info(b, "memory", "used_memory"), 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	commands := func() int64 {
		n, err := strconv.ParseInt(s.Info(b, "stats", "total_commands_processed"), 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	const queues, kinds, aMinute = 100, 10, 20
	draw := rand.New(rand.NewPCG(1, 2))
	some := func(n int) string { // the bytes of n attempts
		var c tally.Counts
		for i := range min(n, 1000) {
			c.Attempt(i%50 == 0, time.Duration(20e6*math.Exp(draw.NormFloat64())))
			c.Waited(time.Duration(5e6 * math.Exp(draw.NormFloat64())))
		}
		for i := range c.Run { // more have no more buckets
			c.Run[i], c.Wait[i] = c.Run[i]*uint32(max(n/1000, 1)), c.Wait[i]*uint32(max(n/1000, 1))
		}
		return string(c.Append(nil))
	}
	before, now := used(), time.Now()
	names := make([]string, queues)
	for q := range names {
		names[q] = fmt.Sprintf("queue-%02d", q)
	}
	s.Do(b, append([]string{"SADD", "t:queues"}, names...)...)
	var bytes []string
	for _, span := range []struct {
		part string
		store.Span
	}{{"minute", store.Minutes}, {"hour", store.Hours}, {"day", store.Days}} {
		was := used()
		values := make([]string, 64)
		for i := range values {
			values[i] = some(aMinute * int(span.Long/time.Minute))
		}
		for at := range int64(span.Kept / span.Long) {
			key := fmt.Sprintf("t:stats:{stats}:%s:%d", span.part, now.UnixMilli()/span.Long.Milliseconds()-at)
			words := []string{"HSET", key, " ", values[draw.IntN(len(values))]}
			for _, queue := range names {
				words = append(words, " "+queue, values[draw.IntN(len(values))])
				for k := range kinds {
					words = append(words, fmt.Sprintf("some.kind-%d %s", k, queue), values[draw.IntN(len(values))])
				}
			}
			s.Do(b, words...)
			s.Do(b, "PEXPIRE", key, "100000000")
		}
		bytes = append(bytes, fmt.Sprintf("%d %ss %.1f MB", span.Kept/span.Long, span.part, float64(used()-was)/1e6))
	}
	b.Log(strings.Join(bytes, ", "))
	mb := float64(used()-before) / 1e6
	i := inspect.New(client)
	for _, look := range []struct {
		name string
		do   func() error
	}{
		{"overview", func() error {
			all, err := i.HistoryByQueue(b.Context(), inspect.HistoryQuery{Step: time.Minute})
			if err == nil && (len(all) != queues || len(all["queue-07"]) != 61) {
				err = fmt.Errorf("%d queues", len(all))
			}
			return err
		}},
		{"overview without times", func() error {
			_, err := i.HistoryByQueue(b.Context(), inspect.HistoryQuery{Step: time.Minute, Timeless: true})
			return err
		}},
		{"queue of 72 h", func() error {
			_, err := i.History(b.Context(), inspect.HistoryQuery{Queue: "queue-07", From: now.Add(-72 * time.Hour)})
			return err
		}},
		{"kind of an hour", func() error {
			_, err := i.History(b.Context(), inspect.HistoryQuery{Queue: "queue-07", Kind: "some.kind-3"})
			return err
		}},
		{"all kinds of an hour", func() error { _, _, err := i.Kinds(b.Context(), "", now.Add(-time.Hour)); return err }},
		{"all kinds of 72 h", func() error { _, _, err := i.Kinds(b.Context(), "", now.Add(-72*time.Hour)); return err }},
		{"first of 3 h", func() error { return first(b, client, now.Add(-3*time.Hour)) }},
		{"first of 90 days", func() error { return first(b, client, now.Add(-90*24*time.Hour)) }},
	} {
		b.Run(look.name, func(b *testing.B) {
			was := commands()
			n := int64(0)
			for b.Loop() {
				if err := look.do(); err != nil {
					b.Fatal(err)
				}
				n++
			}
			b.ReportMetric(float64((commands()-was)/n), "commands/op")
			b.ReportMetric(mb, "MB")
		})
	}
}

// first is what a page of metrics reads when nobody has looked before.
func first(b *testing.B, client *tasuki.Client, since time.Time) error {
	i := inspect.New(client)
	if _, _, err := i.Kinds(b.Context(), "", since); err != nil {
		return err
	}
	_, err := i.History(b.Context(), inspect.HistoryQuery{From: since})
	return err
}
