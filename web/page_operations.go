package web

import (
	"net/http"
	"time"

	"github.com/tasuki-dev/tasuki/inspect"
)

// rightOf is the right that an action on many jobs needs.
func rightOf(what inspect.Action) Right {
	switch what {
	case inspect.Retry, inspect.Reschedule:
		return Retry
	case inspect.Cancel:
		return Cancel
	case inspect.Move:
		return Move
	case inspect.Edit:
		return Edit
	}
	return Remove
}

// operationRow is an operation as pages show it.
type operationRow struct {
	inspect.Operation
	Failed payload
	Text   string // of its query
	Hidden bool
}

// operationRow leaves out a query that asks for what is hidden.
func (c *call) operationRow(o *inspect.Operation) operationRow {
	r := operationRow{Operation: *o, Failed: c.d.redacted("", PartError, []byte(o.Error))}
	if q, err := inspect.ParseQuery(o.Query); err == nil && c.mayAsk(&q) {
		r.Text = o.Query
	} else {
		r.Hidden = true
	}
	return r
}

// Looked is how far it has come, 0 to 100.
func (r *operationRow) Looked() int64 {
	return percent(int64(r.Done+r.Skipped+r.Refused), r.Meant.Jobs)
}

type operationsPage struct {
	At         time.Time
	Operations []operationRow
}

func (d *Dashboard) operationsPage(c *call) {
	s := d.operations.get(c.r.Context(), pageWait)
	if !s.OK() {
		c.away(s.Err)
		return
	}
	p := &operationsPage{At: s.At}
	for n := range s.Value {
		p.Operations = append(p.Operations, c.operationRow(&s.Value[n]))
	}
	c.live, c.outage = true, s.outage()
	c.render(http.StatusOK, "operations", c.T("operations.title"), p)
}

type operationPage struct {
	operationRow
	At   time.Time
	Mine bool // who looks may do it
}

func (d *Dashboard) operation(c *call) {
	id := c.text("id")
	if c.refused() {
		return
	}
	o, err := d.inspector.Operation(c.r.Context(), id)
	if err != nil {
		c.failOf(err)
		return
	}
	c.live = !o.HasEnded()
	c.render(http.StatusOK, "operation", c.T("operation.title"), &operationPage{c.operationRow(&o), time.Now(), c.May(Undo) && c.May(rightOf(o.Action))})
}

// onOperation is something that is done to an operation. Who does it needs the right of its action
// too: what undoes a removal puts jobs in.
func (d *Dashboard) onOperation(act func(c *call, id string) (string, error)) func(*call) {
	return func(c *call) {
		id := c.text("id")
		if id == "" {
			c.refuse("id", c.T("error.missing"))
		}
		if c.refused() {
			return
		}
		o, err := d.inspector.Operation(c.r.Context(), id)
		if err != nil {
			c.failOf(err)
			return
		}
		if right := rightOf(o.Action); !c.May(right) {
			c.forbid(right)
			return
		}
		if id, err = act(c, id); err != nil {
			c.failOf(err)
			return
		}
		c.forget()
		c.see("operation" + string(query("id", id)))
	}
}

func (d *Dashboard) undoOperation(c *call, id string) (string, error) {
	o, err := c.inspector().Undo(c.r.Context(), id)
	return o.ID, err
}

func (d *Dashboard) cancelOperation(c *call, id string) (string, error) {
	return id, c.inspector().CancelOperation(c.r.Context(), id)
}

func (d *Dashboard) continueOperation(c *call, id string) (string, error) {
	o, err := c.inspector().Continue(c.r.Context(), id)
	return o.ID, err
}

type auditPage struct {
	Entries []auditRow
	Cursor  string
	First   bool
	At      time.Time
}

type auditRow struct {
	inspect.AuditEntry
	Target, Detail, Failed payload
}

func (d *Dashboard) audit(c *call) {
	cursor := c.long("cursor", mostCursor)
	if c.refused() {
		return
	}
	found, err := d.inspector.Audit(c.r.Context(), cursor, 100)
	if err != nil && cursor != "" && d.samples.get(c.r.Context(), pageWait).Err == nil { // Redis answers: it is the cursor
		c.fail(http.StatusBadRequest, err)
		return
	}
	if err != nil {
		c.failOf(err)
		return
	}
	p := &auditPage{Cursor: found.Cursor, First: cursor == "", At: time.Now()}
	for _, e := range found.Entries {
		row := auditRow{AuditEntry: e, Target: payload{Text: readable([]byte(e.Target))}, Detail: payload{Text: readable([]byte(e.Detail))}, Failed: d.redacted("", PartError, []byte(e.Error))}
		// What was asked for may say what is hidden.
		if d.cfg.Redact != nil && !c.May(Edit) {
			if q, err := inspect.ParseQuery(e.Target); err != nil || !c.mayAsk(&q) {
				row.Target = payload{Hidden: true}
			}
		}
		p.Entries = append(p.Entries, row)
	}
	c.render(http.StatusOK, "audit", c.T("audit.title"), p)
}
