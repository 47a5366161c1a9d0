//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestEvents: each change of a recorded job is a line, until it is interrupted.
func TestEvents(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		e.tasuki("enqueue", "k", "--queue", "mail").want(t, exitOK)
		p := start(t, e.command("events", "--queue", "mail", "-o", "json"))
		n := 0
		redistest.WaitFor(t, "the first line", func() error { // it says nothing when it listens
			n++
			address := e.enqueue("k", "1", tasuki.Opts{Queue: "mail", Record: true, In: 1e12, ID: fmt.Sprint("j", n)}).Address()
			if err := e.client.Cancel(t.Context(), address); err != nil {
				t.Fatal(err)
			}
			if p.stdout.String() == "" {
				return errors.New("it prints nothing")
			}
			return nil
		})
		e.tasuki("enqueue", "k", "--queue", "mail", "--id", "last", "--record").want(t, exitOK)
		e.tasuki("job", "cancel", "mail/last").want(t, exitOK)
		p.waitOutput(`mail/last"`)
		p.signal(os.Interrupt)
		if code := p.wait(); code != exitOK {
			t.Errorf("exit code %d", code)
		}
		for line := range strings.Lines(p.stdout.String()) {
			var ev shownEvent
			if err := json.Unmarshal([]byte(line), &ev); err != nil || ev.What != "cancelled" || ev.Address != "mail/"+ev.ID || ev.At.IsZero() {
				t.Errorf("%q: %+v, %v", line, ev, err)
			}
		}
	})
}

func TestEventsRefused(t *testing.T) {
	t.Parallel()
	setup(t).tasuki("events", "--queue", "nope").want(t, exitNotFound, `queue "nope": not found`)
	s := redistest.Start(t)
	cmd := command(t, "events")
	cmd.Env = append(cmd.Env, "TASUKI_REDIS_URL="+s.As(t, "worker", "tasuki"))
	run(t, cmd).want(t, exitRedis, "NOPERM")
}

func TestEventLine(t *testing.T) {
	t.Parallel()
	e := inspect.Event{What: inspect.Missed}
	if text := eventLine(&e); !strings.HasSuffix(text, "  missed") {
		t.Errorf("%q", text)
	}
	e = inspect.Event{Queue: "mail", ID: "a\x1b[2J", What: "done"}
	if text := eventLine(&e); !strings.HasSuffix(text, "  done       mail/a�[2J") {
		t.Errorf("%q", text)
	}
}
