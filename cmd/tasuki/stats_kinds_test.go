//go:build unix

package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestStatistics: what a worker has counted is shown by kind, over time, and by failure.
func TestStatistics(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.tasuki("enqueue", "good", "--queue", "mail").want(t, exitOK)
		e.tasuki("stats", "kinds").want(t, exitOK, "QUEUE", "since 20")
		e.tasuki("failures", "ls").want(t, exitOK, "FINGERPRINT")
		e.tasuki("stats", "history", "-o", "json").want(t, exitOK, `"done": 0`)
		e.tasuki("enqueue", "bad", "--queue", "mail").want(t, exitOK)
		stop := e.handle("mail", func(_ context.Context, job *tasuki.RawJob) error {
			if job.Kind == "bad" {
				return tasuki.Kill(errors.New("no user\x1b[31m 4711"))
			}
			return nil
		})
		redistest.WaitFor(t, "both to be settled", func() error {
			if q, err := e.inspector.Queue(t.Context(), "mail"); err != nil || q.Counts["done"]+q.Counts["dead"] < 2 {
				return errors.Join(err, errors.New("they are not"))
			}
			return nil
		})
		stop()

		r := e.tasuki("stats", "kinds", "--since", "1h", "--queue", "mail").want(t, exitOK, "RUN P50", "µs")
		fields := strings.Fields(strings.Split(r.stdout, "\n")[1])
		if len(fields) != 11 || strings.Join(fields[:5], " ") != "mail bad 0 1 0" {
			t.Errorf("it prints\n%s", r.stdout)
		}
		kinds := decode[shownKinds](t, e.tasuki("stats", "kinds", "-o", "json").want(t, exitOK).stdout)
		if len(kinds.Kinds) != 2 || kinds.Kinds[1].Kind != "good" || kinds.Kinds[1].Done != 1 || kinds.Kinds[1].Run.Quantile(0.5) <= 0 || time.Since(kinds.From) > 62*time.Minute {
			t.Errorf("kinds: %+v", kinds)
		}
		for _, args := range [][]string{{}, {"--queue", "mail", "--kind", "bad"}, {"--since", "72h"}, {"--step", "24h"}} {
			points := decode[[]inspect.Point](t, e.tasuki(append([]string{"stats", "history", "-o", "json"}, args...)...).want(t, exitOK).stdout)
			failed := int64(0)
			for _, p := range points {
				failed += p.Failed
			}
			if failed != 1 || len(points) > 75 {
				t.Errorf("%v: %d failed in %d points", args, failed, len(points))
			}
		}
		e.tasuki("stats", "history").want(t, exitOK, "WAIT P50")

		r = e.tasuki("failures", "ls", "--kind", "bad", "--since", "1h", "--queue", "mail").want(t, exitOK, "no user�[31m 4711", "mail/")
		seen := decode[[]inspect.Failure](t, e.tasuki("failures", "ls", "-o", "json").want(t, exitOK).stdout)
		if len(seen) != 1 || seen[0].Count != 1 || seen[0].Fingerprint != inspect.Fingerprint("bad", "no user\x1b[31m 5") || !strings.Contains(r.stdout, seen[0].Fingerprint) {
			t.Errorf("failures: %+v", seen)
		}
		if none := e.tasuki("failures", "ls", "--kind", "good", "-o", "json").want(t, exitOK).stdout; none != "[]\n" {
			t.Errorf("of another kind: %s", none)
		}
		e.tasuki("failures", "rm", seen[0].Fingerprint).want(t, exitOK, "is forgotten")
		e.tasuki("failures", "rm", seen[0].Fingerprint).want(t, exitNotFound, "tasuki failures ls lists them")
	})
}

// TestStatisticsFlags: what cannot be asked is an error that says what can.
func TestStatisticsFlags(t *testing.T) {
	t.Parallel()
	e := setup(t)
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"stats", "history", "--step", "5m"}, exitUsage, "--step: 5m0s: allowed are 1m, 1h, 24h"},
		{[]string{"stats", "history", "--kind", "no kind"}, exitUsage, `kind: "no kind": allowed are`},
		{[]string{"stats", "history", "--since", "2999-01-01T00:00:00Z"}, exitUsage, "--since: it is in the future"},
		{[]string{"stats", "kinds", "--queue", "nobody"}, exitNotFound, "nobody"},
		{[]string{"stats", "kinds", "--since", "x"}, exitUsage, "allowed"},
		{[]string{"stats", "bogus"}, exitUsage, "bogus"},
		{[]string{"failures", "ls", "--limit", "0"}, exitUsage, "--limit: 0: allowed are 1 and more"},
		{[]string{"failures", "rm"}, exitUsage, "FINGERPRINT"},
	} {
		e.tasuki(test.args...).want(t, test.code, test.want)
	}
}
