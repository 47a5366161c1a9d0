//go:build unix

package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// noAct are the commands that leave nothing in the audit trail, and why.
var noAct = map[string][]string{
	"it only looks": {"audit", "check", "cron explain", "cron get", "cron history", "cron ls", "cron next", "doctor", "events", "exit-codes", "export", "failures ls", "job get", "job logs", "job ls", "job wait",
		"op get", "op ls", "queue eta", "queue get", "queue locks", "queue ls", "stats", "stats history", "stats kinds", "version", "why", "worker ls"},
	"enqueuing and running jobs is no act": {"enqueue", "work", "bench", "demo"},
	"it acts by package inspect":           {"top", "web"},
	"it has a list of its own":             {"mark"},
	"it lists its commands":                {"cron", "failures", "help", "job", "op", "queue", "worker"},
}

// TestEveryAct: each command that changes something leaves an entry in the audit trail, with what it did
// and to what, and whose it was. A new command has to be in one of both lists.
func TestEveryAct(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.some()
	lock, err := e.client.EnqueueMany(t.Context(), []tasuki.Spec{{Kind: "k", Opts: tasuki.Opts{Queue: "locked", Unique: tasuki.Unique{Mode: tasuki.UniqueUntilDone, Key: "k"}}}})
	if err != nil || lock[0].ID == "" {
		t.Fatal(err)
	}
	locks, err := redistest.All(e.inspector.Locks(t.Context(), "locked"))
	if err != nil || len(locks) != 1 {
		t.Fatal(locks, err)
	}
	failures, err := e.inspector.Failures(t.Context(), inspect.FailureQuery{})
	if err != nil || len(failures) == 0 {
		t.Fatal(failures, err)
	}
	e.handle("idle", func(context.Context, *tasuki.RawJob) error { return nil })
	worker := e.waitWorkers(haveAnswered(1))[0].ID
	export := filepath.Join(t.TempDir(), "jobs")
	if err := os.WriteFile(export, []byte(e.tasuki("export", "--queue", "mail", "--state", "scheduled").want(t, exitOK).stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := e.inspector.Operate(t.Context(), inspect.Task{Action: inspect.Reschedule, At: time.Now().Add(2 * time.Hour)}, inspect.Query{Queues: []string{"mail"}, States: []tasuki.State{tasuki.StateScheduled}})
	if err == nil {
		_, err = e.inspector.Await(t.Context(), o.ID)
	}
	if err != nil {
		t.Fatal(err)
	}

	tried := map[string]bool{}
	for _, test := range []struct {
		call         string
		what, target string
	}{
		{"queue pause mail", "pause", "mail"},
		{"queue resume mail", "resume", "mail"},
		{"queue revive mail dead", "revive", "mail"},
		{"queue unlock locked " + locks[0].Name, "unlock", "locked"},
		{"job retry mail/retry", "retry", "mail/retry"},
		{"job reschedule mail/later-rec --in 2h", "reschedule", "mail/later-rec"},
		{"job edit mail/later-rec --max-attempts 3", "edit", "mail/later-rec"},
		{"job cancel mail/later", "cancel", "mail/later"},
		{"job mv mail/ready-rec other", "move", "mail/ready-rec"},
		{"job rm mail/dead-rec", "remove", "mail/dead-rec"},
		{"failures rm " + failures[0].Fingerprint, "forget failure", failures[0].Fingerprint},
		{"cron set nightly --expr @daily --kind k", "set schedule", "nightly"},
		{"cron pause nightly", "pause schedule", "nightly"},
		{"cron resume nightly", "resume schedule", "nightly"},
		{"cron run nightly", "run schedule", "nightly"},
		{"cron rm nightly", "remove schedule", "nightly"},
		{"op undo " + o.ID, "undo", "queue:mail state:scheduled"},
		{"op cancel " + o.ID, "cancel operation", o.ID}, // has ended: an entry with why not
		{"op continue " + o.ID, "continue operation", o.ID},
		{"import --to again " + export, "import", "again"},
		{"move --queue mail --to other --state retry --yes", "move", "mail"},
		{"worker dump " + worker, "dump", worker},
		{"worker quiet " + worker, "quiet", worker},
		{"worker stop " + worker, "stop", worker},
	} {
		words := strings.Fields(test.call)
		cmd, _, err := newRoot().Find(words)
		if err != nil {
			t.Fatal(err)
		}
		tried[shortPath(cmd)] = true
		before := e.entries()
		r := e.tasuki(words...)
		after := e.entries()
		after = after[:len(after)-len(before)] // the last ones come first
		if !slices.ContainsFunc(after, func(a inspect.AuditEntry) bool {
			return a.What == test.what && a.Target == test.target && a.By == whoami() && (a.Error == "") == (r.code == exitOK)
		}) {
			t.Errorf("tasuki %s (%d: %s%s) has left %+v", test.call, r.code, r.stdout, r.stderr, after)
		}
	}
	for _, names := range noAct {
		for _, name := range names {
			if tried[name] {
				t.Errorf("%s is in both lists", name)
			}
			tried[name] = true
		}
	}
	var all func(cmd *cobra.Command)
	all = func(cmd *cobra.Command) {
		if cmd.RunE != nil && cmd.HasParent() || cmd.Run != nil {
			if name := shortPath(cmd); !tried[name] {
				t.Errorf("%s: what does it leave in the audit trail?", name)
			}
		}
		for _, below := range cmd.Commands() {
			all(below)
		}
	}
	all(newRoot())
}

// entries are those of the audit trail, the last first.
func (e *env) entries() []inspect.AuditEntry {
	e.t.Helper()
	page, err := e.inspector.Audit(context.Background(), "", 1000)
	if err != nil {
		e.t.Fatal(err)
	}
	return page.Entries
}
