package inspect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki/internal/bridge"
	"github.com/tasuki-dev/tasuki/internal/store"
)

// AuditEntry is one act of a person, or of a program on his behalf.
type AuditEntry struct {
	ID     string    `json:"id"` // they sort by time
	At     time.Time `json:"at"` // by the clock of Redis
	By     string    `json:"by,omitempty"`
	What   string    `json:"what"`             // pause, resume, retry, cancel, move, quiet, unlock and so on
	Target string    `json:"target,omitempty"` // a queue, an address, a worker, a lock, the text of a query
	Detail string    `json:"detail,omitempty"` // what else was said: where to, until when
	Count  int       `json:"count"`            // how many jobs or workers it was done to
	Error  string    `json:"error,omitempty"`  // why not to all
	// Operation is the id of the one that the entry is about. If it begins or ends there, Target is
	// the text of its query.
	Operation string `json:"operation,omitempty"`
}

// How many entries are kept, and how long their texts are.
const (
	auditMost = 10_000
	marksMost = 1000
	auditText = 500 // bytes
)

// As returns an Inspector whose acts are those of by, a person or a program: the audit trail, a
// pause and an operation say so.
func (i *Inspector) As(by string) *Inspector {
	as := *i
	as.by = cutText(strings.ToValidUTF8(by, "\uFFFD"), 200)
	return &as
}

// Note writes an act into the audit trail that was not one of an Inspector, such as a change of
// a periodic entry. It fills in ID, At and, if it is empty, By.
func (i *Inspector) Note(ctx context.Context, e AuditEntry) error {
	e.ID, e.At = "", time.Time{}
	if e.By == "" {
		e.By = i.by
	}
	for _, text := range []*string{&e.What, &e.Target, &e.Detail, &e.Error, &e.By, &e.Operation} {
		*text = cutText(strings.ToValidUTF8(*text, "\uFFFD"), auditText)
	}
	text, err := json.Marshal(e)
	if err == nil {
		_, err = i.store.Append(ctx, store.LogAudit, auditMost, string(text))
	}
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

// Noted is Note for what was done, or not: err is why not, and is returned. An entry that cannot be
// written is logged.
func (i *Inspector) Noted(ctx context.Context, e AuditEntry, err error) error {
	i.noted(ctx, e, err)
	return err
}

// noted writes down an act that was done, or not. That it cannot be written hinders no act: by
// then it is done, and a full or read-only audit must not keep an operator from what he has to
// do. It is logged, but of an act that Redis has refused: nothing was done, and its error is told.
func (i *Inspector) noted(ctx context.Context, e AuditEntry, err error) {
	refused := errors.Is(err, store.ErrRefused) && e.Count <= 1 // of many some may have been done
	if err != nil {
		e.Error = err.Error()
	}
	// Who has given up waiting has acted all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := i.Note(ctx, e); err != nil && !refused {
		bridge.Logger(i.client).Warn("tasuki: an act is not in the audit trail", "what", e.What, "target", e.Target, "by", i.by, "error", err)
	}
}

// countOf is to how many things a single act was done that ended with an error or nil.
func countOf(err error) int {
	if err != nil {
		return 0
	}
	return 1
}

// notedAll is noted for several that it was done to, each with an error or nil.
func (i *Inspector) notedAll(ctx context.Context, what string, targets []string, detail string, errs []error) {
	if len(targets) == 0 {
		return
	}
	target := targets[0]
	if len(targets) > 1 {
		target = fmt.Sprintf("%s and %d others", target, len(targets)-1)
	}
	done := 0
	var failed error
	for _, err := range errs {
		if err == nil {
			done++
		} else {
			failed = err
		}
	}
	i.noted(ctx, AuditEntry{What: what, Target: target, Detail: detail, Count: done}, failed)
}

// cutText leaves most bytes of a text.
func cutText(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-3], "") + "..."
}

// AuditPage is a part of the audit trail.
type AuditPage struct {
	Entries []AuditEntry `json:"entries"`
	Cursor  string       `json:"cursor,omitempty"` // for those that are older; "" when there are none
}

// Audit returns the acts of operators, the last ones first: limit of them, 100 if it is 0, 1,000 at
// most. cursor is "" for the last ones, and the Cursor of the page before for the others. The last
// 10,000 are kept.
func (i *Inspector) Audit(ctx context.Context, cursor string, limit int) (AuditPage, error) {
	if limit == 0 {
		limit = 100
	}
	if limit < 0 || limit > 1000 {
		return AuditPage{}, fmt.Errorf("audit: limit: %d: allowed are 1 to 1000", limit)
	}
	before, err := parseLogID(cursor)
	if err != nil {
		return AuditPage{}, fmt.Errorf("audit: %w", err)
	}
	page := AuditPage{Entries: []AuditEntry{}}
	err = i.entries(ctx, store.LogAudit, func(at store.LogEntry) bool {
		if before != nil && !before.isAfter(&at) {
			return true // it was shown
		}
		if len(page.Entries) == limit {
			page.Cursor = page.Entries[limit-1].ID
			return false
		}
		e := AuditEntry{}
		_ = json.Unmarshal([]byte(at.Text), &e) // what somebody else has put there has no What
		e.ID, e.At = at.ID, at.At
		page.Entries = append(page.Entries, e)
		return true
	})
	if err != nil {
		return AuditPage{}, fmt.Errorf("audit: %w", err)
	}
	return page, nil
}

// entries goes through a log from its end until f has enough.
func (i *Inspector) entries(ctx context.Context, log string, f func(e store.LogEntry) bool) error {
	const portion = 500
	last := ""
	for from := int64(0); ; from += portion {
		some, err := i.store.Entries(ctx, log, from, portion)
		if err != nil {
			return err
		}
		for k := range some {
			// What is put in meanwhile shifts the others.
			if n := &some[k]; last != "" && !idOf(last).isAfter(n) {
				continue
			}
			if last = some[k].ID; !f(some[k]) {
				return nil
			}
		}
		if len(some) < portion {
			return nil
		}
	}
}

// logID is the id of an entry.
type logID struct{ ms, n int64 }

// isAfter tells whether an entry is older than the one with the id.
func (id *logID) isAfter(e *store.LogEntry) bool {
	ms := e.At.UnixMilli()
	return ms < id.ms || ms == id.ms && e.N < id.n
}

func idOf(text string) *logID {
	ms, n, _ := strings.Cut(text, "-")
	id := &logID{}
	id.ms, _ = strconv.ParseInt(ms, 10, 64)
	id.n, _ = strconv.ParseInt(n, 10, 64)
	return id
}

// parseLogID reads a cursor; nil of none.
func parseLogID(cursor string) (*logID, error) {
	if cursor == "" {
		return nil, nil
	}
	ms, n, ok := strings.Cut(cursor, "-")
	_, err := strconv.ParseUint(ms, 10, 62)
	_, err2 := strconv.ParseUint(n, 10, 62)
	if !ok || err != nil || err2 != nil {
		return nil, fmt.Errorf("%w: %.40q", ErrCursor, cursor)
	}
	return idOf(cursor), nil
}

// MarkEntry is something that has happened at a time, such as a deploy: what came after it may have
// to do with it.
type MarkEntry struct {
	ID      string    `json:"id"`
	At      time.Time `json:"at"` // by the clock of Redis
	By      string    `json:"by,omitempty"`
	Text    string    `json:"text"`
	Version string    `json:"version,omitempty"` // of a program
}

// Mark writes down that something happens now, such as a deploy of a version, and returns it. The
// last 1,000 are kept.
func (i *Inspector) Mark(ctx context.Context, text, version string) (MarkEntry, error) {
	m := MarkEntry{By: i.by, Text: text, Version: version}
	switch {
	case text == "" && version == "":
		return m, errors.New("mark: text and version are missing: one is needed")
	case len(text) > auditText || len(version) > auditText:
		return m, fmt.Errorf("mark: %d bytes: allowed are %d", max(len(text), len(version)), auditText)
	}
	written, err := json.Marshal(m)
	if err == nil {
		m.ID, err = i.store.Append(ctx, store.LogMarks, marksMost, string(written))
	}
	if err != nil {
		return m, fmt.Errorf("mark: %w", err)
	}
	m.At = time.UnixMilli(idOf(m.ID).ms)
	return m, nil
}

// Marks returns the marks from one time to another, the oldest first; a zero time is no limit.
func (i *Inspector) Marks(ctx context.Context, from, to time.Time) ([]MarkEntry, error) {
	marks := []MarkEntry{}
	err := i.entries(ctx, store.LogMarks, func(at store.LogEntry) bool {
		if !from.IsZero() && at.At.Before(from) {
			return false
		}
		if to.IsZero() || !at.At.After(to) {
			m := MarkEntry{}
			_ = json.Unmarshal([]byte(at.Text), &m) // what somebody else has put there has no Text
			m.ID, m.At = at.ID, at.At
			marks = append([]MarkEntry{m}, marks...)
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("marks: %w", err)
	}
	return marks, nil
}
