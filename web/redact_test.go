package web_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/web"
)

// TestRedactTrail: what was done to many jobs, and the audit trail of it, say no more of jobs than
// the jobs themselves.
func TestRedactTrail(t *testing.T) {
	rights := []web.Right{web.View, web.Undo}
	redact := true
	e := setup(t, &web.Config{
		Authorize: func(*http.Request) (web.Actor, error) { return web.Actor{Rights: rights}, nil },
		Redact: func(_ string, part web.Part, text []byte) []byte {
			if redact && (part == web.PartArgs || part == web.PartMeta || part == web.PartError) {
				return nil
			}
			return text
		},
	})
	e.enqueue(tasuki.Opts{Queue: "mail", Record: true, In: 1e12}, 1)
	operator := e.inspector.As("ada")
	task := inspect.Task{Action: inspect.Edit, Changes: &inspect.Changes{Args: json.RawMessage(`"S3CRET-args"`), Tags: map[string]string{"customer": "S3CRET-tag"}}}
	ids := map[string]string{}
	for name, q := range map[string]inspect.Query{"names": {Queues: []string{"mail"}}, "text": {Queues: []string{"mail"}, Text: []string{"S3CRET-text"}}} {
		o, err := operator.Operate(t.Context(), task, q)
		if err == nil {
			o, err = operator.Await(t.Context(), o.ID)
		}
		if err != nil {
			t.Fatal(err)
		}
		ids[name] = o.ID
	}
	if err := operator.Note(t.Context(), inspect.AuditEntry{What: "retry", Target: "mail/a", Count: 1, Error: "S3CRET-error"}); err != nil {
		t.Fatal(err)
	}
	everywhere := []string{"operations", "operation?id=" + ids["names"], "operation?id=" + ids["text"], "audit", "api/v1/operations", "api/v1/operations/" + ids["text"], "api/v1/audit"}
	for _, page := range everywhere {
		if body := e.get(page); strings.Contains(body, "S3CRET") {
			t.Errorf("%s: %s", page, body)
		}
	}
	// Names are shown.
	if body := e.get("audit"); !strings.Contains(body, "queue:mail") || !strings.Contains(body, "mail/a") || !strings.Contains(body, "operation?id="+ids["text"]) || !strings.Contains(body, ">hidden<") {
		t.Errorf("%s", body)
	}
	// Who may edit jobs may ask for texts in them, and sees what was asked for; and no more.
	rights = append(rights, web.Edit)
	if body := e.get("audit"); !strings.Contains(body, "S3CRET-text") || strings.Contains(body, "S3CRET-error") {
		t.Errorf("%s", body)
	}
	redact = false
	if body := e.get("operation?id=" + ids["text"]); !strings.Contains(body, "S3CRET-args") || !strings.Contains(body, "S3CRET-tag") || !strings.Contains(body, "S3CRET-text") {
		t.Errorf("%s", body)
	}
}

// TestRedactWhy: the sentences about a job say of its error and reason what may be shown of them,
// and all that is ours.
func TestRedactWhy(t *testing.T) {
	t.Parallel()
	e := setupOn(t, redistest.Start(t), &web.Config{Redact: func(_ string, part web.Part, text []byte) []byte {
		if part == web.PartError {
			return []byte(strings.ReplaceAll(string(text), "S3CRET", "***"))
		}
		return nil
	}})
	addresses := e.populate()
	for _, page := range []string{"job?id=" + url.QueryEscape(addresses["retry"]), "api/v1/jobs/mail/retries/why"} {
		if body := e.get(page); strings.Contains(body, "S3CRET") || !strings.Contains(body, "***") || !strings.Contains(body, "It is tried again at ") {
			t.Errorf("%s: %s", page, body)
		}
	}
	if body := e.get("api/v1/jobs/mail/snoozes/why"); strings.Contains(body, "script") || !strings.Contains(body, "It was put off. It is tried again at ") {
		t.Errorf("%s", body)
	}
}
