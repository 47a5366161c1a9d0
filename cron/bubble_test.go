package cron_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/cron"
	"github.com/tasuki-dev/tasuki/tasukitest"
)

// TestDays lets days pass for a program with a periodic job, as its users test theirs.
func TestDays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := tasukitest.Embedded(t, nil)
		worker, err := tasuki.NewWorker(client, nil)
		if err != nil {
			t.Fatal(err)
		}
		report := tasuki.Define[struct{}]("report")
		var at []time.Time
		tasuki.Handle(worker, report, func(context.Context, *tasuki.Job[struct{}]) error {
			at = append(at, time.Now().UTC().Truncate(time.Minute))
			return nil
		})
		worker.Attach(cron.New(client, cron.Declared{Name: "reports", Revision: 1, Entries: []cron.Entry{
			{Name: "daily", Expr: "0 9 * * *", Kind: "report"},
		}}))
		tasukitest.Start(t, worker)
		start := time.Now().UTC().Truncate(24 * time.Hour)
		time.Sleep(3 * 24 * time.Hour)
		synctest.Wait()
		if len(at) != 3 {
			t.Fatalf("it ran at %v, want three times", at)
		}
		for i, at := range at {
			if want := start.Add(time.Duration(24*i+9) * time.Hour); !at.Equal(want) {
				t.Errorf("it ran at %v, want %v", at, want)
			}
		}
	})
}
