package cron_test

import (
	"context"
	"fmt"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/cron"
	"github.com/tasuki-dev/tasuki/embedded"
)

type reportArgs struct {
	Tenant int `json:"tenant"`
}

var report = tasuki.Define[reportArgs]("report.nightly")

// A program declares its entries, and its worker runs the scheduler. Any number of instances may:
// each run is one job.
func Example() {
	server, err := embedded.Start("127.0.0.1:0")
	check(err)
	defer server.Close()
	client, err := tasuki.Open(server.URL(), nil)
	check(err)
	defer client.Close()

	spec := report.Spec(reportArgs{Tenant: 42})
	ctx, cancel := context.WithCancel(context.Background())
	table := cron.New(client)
	_, err = table.Declare(ctx, cron.Declared{ // as Run does with those that New is given
		Name: "reports", Revision: 1, // a change of the entries needs a higher one
		Entries: []cron.Entry{{
			Name: "nightly", Expr: "30 2 * * *", Zone: "Europe/Berlin",
			Kind: spec.Kind, Args: spec.Args, Opts: spec.Opts, Jitter: 10 * time.Minute,
		}},
	})
	check(err)
	_, err = table.RunNow(ctx, "nightly") // as half past two is not now
	check(err)
	worker, err := tasuki.NewWorker(client, nil)
	check(err)
	worker.Attach(table)
	tasuki.Handle(worker, report, func(_ context.Context, job *tasuki.Job[reportArgs]) error {
		fmt.Printf("%s: tenant %d\n", job.Meta[cron.MetaEntry], job.Args.Tenant)
		cancel()
		return nil
	})
	check(worker.Run(ctx))
	// Output:
	// nightly: tenant 42
}

// Entries can be set by hand too, as the command tasuki cron does.
func ExampleTable_Set() {
	server, err := embedded.Start("127.0.0.1:0")
	check(err)
	defer server.Close()
	client, err := tasuki.Open(server.URL(), nil)
	check(err)
	defer client.Close()
	ctx, table := context.Background(), cron.New(client)

	_, err = table.Set(ctx, cron.Entry{Name: "poll", Expr: "@every 30s", Kind: "poll", Overlap: cron.OverlapQueue})
	check(err)
	_, err = table.Edit(ctx, "poll", func(e *cron.Entry) error { e.Missed = cron.MissedNone; return nil })
	check(err)
	check(table.Pause(ctx, "poll", "ada"))
	for s, err := range table.List(ctx) {
		check(err)
		fmt.Println(s.Name, s.Expr, s.Overlap, s.Missed, "paused by", s.PausedBy)
	}
	_, err = table.Set(ctx, cron.Entry{Name: "poll", Expr: "@every 30s", Kind: "poll", Jitter: time.Minute})
	fmt.Println(err)
	// Output:
	// poll @every 30s queue none paused by ada
	// cron: entry "poll": jitter: 1m0s: allowed is less than 30s, the time between two ticks
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
