package inspect_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestAudit: every act leaves an entry that says who, what, to what and how it went.
func TestAudit(t *testing.T) {
	e := setup(t)
	e.many()
	ann := e.inspector.As("ann")
	job, err := ann.Job(t.Context(), "default/retry-rec")
	if err != nil {
		t.Fatal(err)
	}
	later := time.Date(2050, 1, 2, 3, 4, 5, 0, time.UTC)
	for want, act := range map[string]func() error{
		"ann pause default bob 1": func() error { return ann.Pause(t.Context(), "default", "bob") },
		"ann resume default  1": func() error {
			e.do("HSET", "%s:{default}:rules", "paused", "{}")
			return ann.Resume(t.Context(), "default")
		},
		" resume other  0":                                           func() error { return e.inspector.Resume(t.Context(), "other") },
		"ann unlock default nobody 0 not found":                      func() error { _ = ann.Unlock(t.Context(), "default", "nobody"); return nil },
		"ann revive default dead-bare 1":                             func() error { _, err := ann.Revive(t.Context(), "default", "dead-bare"); return err },
		"ann reschedule default/retry-rec to 2050-01-02T03:04:05Z 1": func() error { return ann.Reschedule(t.Context(), later, job)[0] },
		"ann edit default/retry-rec args, max_attempts 9, timeout 1m0s, tag token 1": func() error {
			attempts, timeout := 9, time.Minute
			return ann.Edit(t.Context(), inspect.Changes{Args: []byte(`"secret"`), MaxAttempts: &attempts, Timeout: &timeout, Tags: map[string]string{"token": "secret"}}, job)[0]
		},
		"ann edit default/retry-rec no deadline, expire_at 2050-01-02T03:04:05Z 0 edit default/retry-rec: expire_at: 2050-01-02T03:04:05Z: allowed is none for a job that has had a run: only what was never started expires": func() error {
			_ = ann.Edit(t.Context(), inspect.Changes{Deadline: &time.Time{}, ExpireAt: &later}, job)
			return nil
		},
		"ann cron set nightly every hour 0": func() error {
			return ann.Note(t.Context(), inspect.AuditEntry{What: "cron set", Target: "nightly", Detail: "every hour"})
		},
	} {
		if err := act(); err != nil {
			t.Errorf("%s: %v", want, err)
		}
		page, err := e.inspector.Audit(t.Context(), "", 1)
		if err != nil || len(page.Entries) != 1 {
			t.Fatalf("%+v, %v", page, err)
		}
		is := page.Entries[0]
		got := strings.TrimSpace(fmt.Sprintf("%s %s %s %s %d %s", is.By, is.What, is.Target, is.Detail, is.Count, is.Error))
		if got != strings.TrimSpace(want) || time.Since(is.At).Abs() > time.Minute || is.ID == "" {
			t.Errorf("%s, want %s", got, want)
		}
	}
	o := e.operate(inspect.Task{Action: inspect.Remove}, "state:dead")
	page, err := e.inspector.Audit(t.Context(), "", 2)
	if err != nil || len(page.Entries) != 2 || page.Entries[0].Count != o.Done || !strings.Contains(page.Entries[0].Detail, "operation "+o.ID+": done") ||
		!strings.Contains(page.Entries[1].Detail, "begins") || page.Entries[1].Target != "state:dead" || page.Entries[1].By != "ann" {
		t.Errorf("%+v, %v", page, err)
	}
	errs := ann.Act(t.Context(), inspect.Retry, job, inspect.Job{Record: tasuki.Record{Info: tasuki.Info{Queue: "default", ID: "x", State: tasuki.StateReady}}})
	if page, err = e.inspector.Audit(t.Context(), "", 1); err != nil || page.Entries[0].Target != "default/retry-rec and 1 others" || page.Entries[0].Error != errs[1].Error() {
		t.Errorf("%+v, %v, %v", page, err, errs)
	}
}

// TestAuditPages: all entries, once each, while others come.
func TestAuditPages(t *testing.T) {
	e := setup(t)
	const n = 1200
	for i := range n {
		if err := e.inspector.Note(t.Context(), inspect.AuditEntry{What: "x", Count: i}); err != nil {
			t.Fatal(err)
		}
	}
	next := n - 1
	for cursor := ""; ; {
		page, err := e.inspector.Audit(t.Context(), cursor, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range page.Entries {
			if entry.Count != next {
				t.Fatalf("%d, want %d", entry.Count, next)
			}
			next--
		}
		if cursor = page.Cursor; cursor == "" {
			break
		}
		if next%50 == 0 {
			_ = e.inspector.Note(t.Context(), inspect.AuditEntry{What: "later", Count: -1})
		}
	}
	if next != -1 {
		t.Errorf("%d are left", next)
	}
	for _, cursor := range []string{"x", "1", "1-x", "-1-1", strings.Repeat("9", 40) + "-1"} {
		if _, err := e.inspector.Audit(t.Context(), cursor, 0); err == nil || !strings.Contains(err.Error(), "allowed is the Cursor") {
			t.Errorf("%s: %v", cursor, err)
		}
	}
	if _, err := e.inspector.Audit(t.Context(), "", 1001); err == nil || !strings.Contains(err.Error(), "allowed are 1 to 1000") {
		t.Error(err)
	}
}

// TestAuditRefused: an act that cannot be written down is done.
func TestAuditRefused(t *testing.T) {
	e := setup(t)
	e.do("SET", "%s:audit", "taken")
	if err := e.inspector.Pause(t.Context(), "default", "ann"); err != nil {
		t.Error(err)
	}
	if q, err := e.inspector.Queue(t.Context(), "default"); err != nil || !q.Paused {
		t.Errorf("%+v, %v", q, err)
	}
	if err := e.inspector.Note(t.Context(), inspect.AuditEntry{What: "x"}); err == nil {
		t.Error("it was written")
	}
	e.do("DEL", "%s:audit")
}

func TestMarks(t *testing.T) {
	e := setup(t)
	ann := e.inspector.As("ann")
	for n := range 3 {
		m, err := ann.Mark(t.Context(), fmt.Sprint("deploy ", n), fmt.Sprint("v", n))
		if err != nil || m.ID == "" || time.Since(m.At).Abs() > time.Minute {
			t.Fatalf("%+v, %v", m, err)
		}
	}
	marks, err := e.inspector.Marks(t.Context(), time.Time{}, time.Time{})
	if err != nil || len(marks) != 3 || marks[0].Text != "deploy 0" || marks[2].Version != "v2" || marks[1].By != "ann" {
		t.Errorf("%+v, %v", marks, err)
	}
	if some, err := e.inspector.Marks(t.Context(), marks[2].At.Add(time.Millisecond), time.Time{}); err != nil || len(some) != 0 {
		t.Errorf("%+v, %v", some, err)
	}
	if some, err := e.inspector.Marks(t.Context(), time.Time{}, marks[0].At.Add(-time.Millisecond)); err != nil || len(some) != 0 {
		t.Errorf("%+v, %v", some, err)
	}
	for _, text := range []string{"", strings.Repeat("x", 501)} {
		if _, err := ann.Mark(t.Context(), text, ""); err == nil {
			t.Errorf("%d bytes", len(text))
		}
	}
}

// TestRefusedActIsNotLogged: its error is told, and nothing was done that the trail lacks.
func TestRefusedActIsNotLogged(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	e := setupOn(t, server)
	var log strings.Builder
	client, err := tasuki.Open(server.As(t, "viewer", e.namespace), &tasuki.ClientConfig{Namespace: e.namespace, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	err = inspect.New(client).Pause(t.Context(), "default", "ann")
	client.Close()
	if !errors.Is(err, tasuki.ErrRefused) || strings.Contains(log.String(), "audit") {
		t.Errorf("%v: %s", err, log.String())
	}
}
