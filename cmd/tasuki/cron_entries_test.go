package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/cron"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// schedule runs a scheduler.
func (e *env) schedule(declared ...cron.Declared) {
	e.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	table := cron.New(e.client, declared...)
	go func() { ended <- table.Run(ctx) }()
	e.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			e.t.Error(err)
		}
	})
}

func TestCronEntries(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		hour := time.Now().UTC().Add(-2 * time.Hour).Hour() // not while the test runs
		daily := fmt.Sprintf("30 %d * * *", hour)
		e.tasuki("cron", "ls").want(t, exitOK, "NAME")
		if r := e.tasuki("cron", "ls", "-o", "json").want(t, exitOK); r.stdout != "[]\n" {
			t.Errorf("%q", r.stdout)
		}
		e.tasuki("cron", "set", "nightly", "--expr", daily, "--kind", "report", "--args", `{"a":1}`, "--queue", "reports", "--timeout", "1m",
			"--meta", "by=me", "--overlap", "queue", "--missed", "all", "--missed-most", "3", "--jitter", "10m", "--max-attempts", "5").
			want(t, exitOK, "nightly: made, next ", "tasuki: warning: no worker takes jobs of queue reports")
		s := decode[cron.Status](t, e.tasuki("cron", "get", "nightly", "-o", "json").want(t, exitOK).stdout)
		o := s.Opts
		if s.Expr != daily || s.Kind != "report" || string(s.Args) == "" || o.Queue != "reports" || o.Timeout != time.Minute || o.Meta["by"] != "me" ||
			s.Overlap != "queue" || s.Missed != "all" || s.MissedMost != 3 || s.Jitter != 10*time.Minute || o.MaxAttempts != 5 || s.Next.IsZero() {
			t.Errorf("%+v", s)
		}
		e.tasuki("cron", "set", "nightly", "--timeout", "2m").want(t, exitOK, "nightly: changed, next ")
		e.tasuki("cron", "get", "nightly").want(t, exitOK, "name ", "timeout", "  2m\n", "missed", "all, at most 3", "by=me", "overlap", "queue", "due at")
		e.tasuki("cron", "ls").want(t, exitOK, "nightly", daily, "reports", "never")
		e.tasuki("cron", "pause", "nightly", "--by", "me").want(t, exitOK, "nightly: paused\n")
		e.tasuki("cron", "get", "nightly").want(t, exitOK, "paused by", "me", "paused since")
		address := strings.TrimSpace(e.tasuki("cron", "run", "nightly").want(t, exitOK, "reports/cron:nightly:now:").stdout)
		e.schedule()
		redistest.WaitFor(t, "the run", func() error {
			if r := e.tasuki("cron", "history", "nightly"); !strings.Contains(r.stdout, address) {
				return errors.New(r.stdout)
			}
			return nil
		})
		e.tasuki("cron", "history", "nightly").want(t, exitOK, "TICK", "ready, asked for", address)
		runs := decode[[]cron.Run](t, e.tasuki("cron", "history", "nightly", "-o", "json").want(t, exitOK).stdout)
		if len(runs) != 1 || runs[0].Address != address || !runs[0].Asked {
			t.Errorf("%+v", runs)
		}
		e.tasuki("cron", "resume", "nightly").want(t, exitOK, "nightly: resumed, next 2")
		e.tasuki("job", "get", address).want(t, exitOK, "meta cron ", "nightly", "meta by ")

		e.tasuki("cron", "set", "bad").want(t, exitNotFound, "bad", "--expr and --kind are needed")
		e.tasuki("cron", "set", "bad", "--expr", "every day", "--kind", "k").want(t, exitUsage, `entry "bad"`)
		e.tasuki("cron", "set", "bad", "--expr", daily, "--kind", "k", "--tz", "Mars/Olympus").want(t, exitUsage, `time zone "Mars/Olympus" is unknown`)
		e.tasuki("cron", "set", "a b", "--expr", daily, "--kind", "k").want(t, exitUsage, "name")
		e.tasuki("cron", "set", "nightly", "--args", "{").want(t, exitUsage, "--args", "no JSON")
		e.tasuki("cron", "set", "nightly", "--meta", "x").want(t, exitUsage, "--meta")
		e.tasuki("cron", "set", "nightly", "--overlap", "x").want(t, exitUsage, "overlap")
		e.tasuki("cron", "set").want(t, exitUsage, "NAME is missing")
		for _, words := range [][]string{{"get"}, {"history"}, {"pause"}, {"resume"}, {"rm"}, {"run"}} {
			e.tasuki("cron", words[0], "none").want(t, exitNotFound, `entry`, "none", "tasuki cron ls")
		}
		if _, err := cron.New(e.client).Declare(t.Context(), cron.Declared{Name: "app", Revision: 1, Entries: []cron.Entry{{Name: "mine", Expr: daily, Kind: "k"}}}); err != nil {
			t.Fatal(err)
		}
		e.tasuki("cron", "set", "mine", "--kind", "other").want(t, exitFailed, `the set is "app"`)
		e.tasuki("cron", "rm", "mine").want(t, exitOK, "mine: removed")
		e.tasuki("cron", "rm", "nightly").want(t, exitOK)
		if n := len(decode[[]tasuki.Info](t, e.tasuki("cron", "ls", "-o", "json").want(t, exitOK).stdout)); n != 0 {
			t.Errorf("%d entries are left", n)
		}
	})
}
