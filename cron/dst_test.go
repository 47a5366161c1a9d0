package cron_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/cron"
	"github.com/tasuki-dev/tasuki/embedded"
	"github.com/tasuki-dev/tasuki/internal/bridge"
)

// TestClocksGoForwardAndBack runs schedulers on fake time over the days on which the clocks of
// Berlin are changed. What names an hour runs once on each day; what does not follows the time.
//
//fault:time the clocks of an entry's zone go forward, or back, while schedulers run | an entry with fixed hours runs once that day; others follow elapsed time
func TestClocksGoForwardAndBack(t *testing.T) {
	t.Parallel()
	for name, day := range map[string]time.Time{
		"forward": time.Date(2000, 3, 26, 0, 0, 0, 0, time.UTC),  // at 1:00 UTC from 2:00 to 3:00
		"back":    time.Date(2000, 10, 29, 0, 0, 0, 0, time.UTC), // at 1:00 UTC from 3:00 to 2:00
	} {
		want := map[string][]string{
			"forward": {"fixed 1:00", "quarter 0:30", "quarter 0:45", "quarter 1:00", "quarter 1:15", "quarter 1:30"},
			"back":    {"fixed 0:30", "quarter 0:30", "quarter 0:45", "quarter 1:00", "quarter 1:15", "quarter 1:30"},
		}[name]
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { dst(t, day, want) })
		})
	}
}

// dst runs schedulers from 0:20 to 1:40 of a day, in UTC.
func dst(t *testing.T, day time.Time, want []string) {
	srv, err := embedded.Start("")
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	open := func() *tasuki.Client {
		client, err := tasuki.Open("redis://fake:1", &tasuki.ClientConfig{Dial: srv.Dial, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		bridge.Store(client).InBubble()
		return client
	}
	time.Sleep(time.Until(day.Add(20 * time.Minute)))
	declared := cron.Declared{Name: "app", Revision: 1, Entries: []cron.Entry{
		{Name: "fixed", Expr: "30 2 * * *", Zone: "Europe/Berlin", Kind: "k", Overlap: cron.OverlapAllow, Opts: tasuki.Opts{Keep: -1}},
		{Name: "quarter", Expr: "*/15 * * * *", Zone: "Europe/Berlin", Kind: "k", Overlap: cron.OverlapAllow, Opts: tasuki.Opts{Keep: -1}},
	}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 3)
	for range cap(ended) {
		client := open()
		defer client.Close()
		go func() { ended <- cron.New(client, declared).Run(ctx) }()
	}
	time.Sleep(80 * time.Minute)
	client := open()
	defer client.Close()
	var got []string
	queue, err := bridge.Store(client).Queue("default")
	if err != nil {
		t.Fatal(err)
	}
	err = bridge.Store(client).Each(t.Context(), queue.Ready, "list", func(element string, _ float64) {
		var job struct {
			Meta       map[string]string
			EnqueuedAt int64 `json:"enqueued_at"`
		}
		if err := json.Unmarshal([]byte(element), &job); err != nil {
			t.Error(err)
		}
		tick, err := time.Parse(time.RFC3339Nano, job.Meta[cron.MetaTick])
		if late := time.UnixMilli(job.EnqueuedAt).Sub(tick); err != nil || late < 0 || late > 5*time.Millisecond {
			t.Errorf("%v: %v late, %v", tick, late, err)
		}
		got = append(got, fmt.Sprint(job.Meta[cron.MetaEntry], " ", tick.Format("15:04")[1:]))
	})
	if err != nil {
		t.Error(err)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	cancel()
	for range cap(ended) {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
