//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

func TestStats(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.tasuki("enqueue", "k", "--queue", "mail").want(t, exitOK)
		r := e.tasuki("stats", "--interval", "100ms").want(t, exitOK, "DONE/S", "\n0 workers, 0 of 0 slots busy\n", "MiB")
		lines := strings.Split(r.stdout, "\n")
		if got := strings.Join(strings.Fields(lines[1]), " "); !strings.HasPrefix(got, "mail 1 0 0 0 0 0 0.0 0.0 0 ") {
			t.Errorf("it prints\n%s", r.stdout)
		}
		s := decode[shownStats](t, e.tasuki("stats", "--interval", "100ms", "-o", "json").want(t, exitOK).stdout)
		if len(s.Queues) != 1 || s.Queues[0].Ready != 1 || len(s.Servers) != 1 || s.Rates["mail"] != (inspect.Rate{}) || len(s.Rates) != 1 {
			t.Errorf("it is %+v", s)
		}
		e.tasuki("stats", "--interval", "1ms").want(t, exitUsage, "--interval: 1ms: allowed are 100ms to 24h")
	})
}

// TestStatsWatch: it goes on, with the rates between two looks, until it is interrupted.
func TestStatsWatch(t *testing.T) {
	t.Parallel()
	e := setup(t)
	stop := e.handle("mail", func(context.Context, *tasuki.RawJob) error { return tasuki.Kill(errors.New("no")) })
	e.enqueue("k", "1", tasuki.Opts{Queue: "mail"}) // there is the queue
	p := start(t, e.command("stats", "--watch", "--interval", "100ms", "-o", "json"))
	p.waitOutput(`"name":"mail"`)
	redistest.WaitFor(t, "failures in a line", func() error {
		e.enqueue("k", "1", tasuki.Opts{Queue: "mail"})
		for line := range strings.Lines(p.stdout.String()) {
			var s shownStats
			if strings.HasSuffix(line, "\n") {
				if err := json.Unmarshal([]byte(line), &s); err != nil {
					t.Fatalf("%q: %v", line, err)
				}
				if r := s.Rates["mail"]; r.Failed > 0 && r.Done == 0 && s.Workers == 1 && s.Slots > 0 {
					return nil
				}
			}
		}
		return fmt.Errorf("it prints\n%s", p.stdout)
	})
	p.signal(os.Interrupt)
	if code := p.wait(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	text := start(t, e.command("stats", "--watch", "--interval", "100ms"))
	redistest.WaitFor(t, "two looks", func() error {
		if strings.Count(text.stdout.String(), "DONE/S") < 2 {
			return errors.New("there are fewer")
		}
		return nil
	})
	if strings.Contains(text.stdout.String(), "\x1b") {
		t.Errorf("it clears what is no terminal: %q", text.stdout)
	}
	text.signal(os.Interrupt)
	text.wait()
	stop()
}

// TestStatsOutage: while Redis does not answer it says so, and then goes on.
//
//fault:server redis-server is frozen while tasuki stats --watch looks | it says so after 5 s, and goes on when the server answers again
func TestStatsOutage(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	cmd := command(t, "stats", "--watch", "--interval", "100ms", "-o", "json")
	cmd.Env = append(cmd.Env, "TASUKI_REDIS_URL="+s.As(t, "operator", "tasuki"))
	p := start(t, cmd)
	p.waitOutput(`"servers":`)
	s.Signal(t, syscall.SIGSTOP)
	p.waitOutput("redis has not answered for 5s")
	before := len(p.stdout.String())
	s.Signal(t, syscall.SIGCONT)
	redistest.WaitFor(t, "another look", func() error {
		if len(p.stdout.String()) == before {
			return errors.New(p.stderr.String())
		}
		return nil
	})
	p.signal(os.Interrupt)
	if code := p.wait(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// TestStatsBesideBroken: one queue that cannot be looked at does not hide the others.
func TestStatsBesideBroken(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.tasuki("enqueue", "k", "--queue", "broken").want(t, exitOK)
	e.tasuki("enqueue", "k", "--queue", "whole").want(t, exitOK)
	dead := e.namespace + ":{broken}:dead"
	e.do("SET", dead, "x")
	if r := e.tasuki("stats", "--interval", "100ms").want(t, exitRedis, "broken", "WRONGTYPE"); !strings.Contains(r.stdout, "\nwhole ") {
		t.Errorf("it prints\n%s", r.stdout)
	}
	e.do("DEL", dead)
}
