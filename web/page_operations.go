package web

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/legible"
)

// rightOf is the right that an action needs, by whatever way it is done. What undoes another one needs
// Remove: what undoes a removal puts jobs in.
func rightOf(what inspect.Action) Right {
	switch what {
	case inspect.Retry:
		return Retry
	case inspect.Cancel:
		return Cancel
	case inspect.Move:
		return Move
	case inspect.Edit, inspect.Reschedule:
		return Edit
	}
	return Remove
}

// lacking is a right that somebody lacks for something that is done to jobs in some states, "" if none.
// A dead job that is rescheduled is retried.
func (c *call) lacking(what inspect.Action, states ...tasuki.State) Right {
	if right := rightOf(what); !c.May(right) {
		return right
	}
	if what == inspect.Reschedule && slices.Contains(states, tasuki.StateDead) && !c.May(Retry) {
		return Retry
	}
	return ""
}

// lackingFor is lacking for what an operation does.
func (c *call) lackingFor(o *inspect.Operation) Right {
	q, _ := inspect.ParseQuery(o.Query) // one that cannot be read is not run
	return c.lacking(o.Action, q.States...)
}

// operationRow is an operation as pages show it.
type operationRow struct {
	inspect.Operation
	Asked, Failed, Changed payload // its query, its error, and its changes as JSON
}

func (c *call) operationRow(o *inspect.Operation) operationRow {
	shown, hidden := c.shownOperation(*o)
	r := operationRow{Operation: shown, Asked: shownField("query", shown.Query, hidden), Failed: shownField("error", shown.Error, hidden), Changed: shownField("changes", "", hidden)}
	if shown.Changes != nil {
		if text, err := json.MarshalIndent(shown.Changes, "", "  "); err == nil && string(text) != "{}" {
			r.Changed.Text = legible.Lines(string(text))
		}
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
	c.render(http.StatusOK, "operation", c.T("operation.title"), &operationPage{c.operationRow(&o), time.Now(), c.May(Undo) && c.lackingFor(&o) == ""})
}

// onOperation is something that is done to an operation. Who does it needs the right of its action too.
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
		if right := c.lackingFor(&o); right != "" {
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

// auditRow is an entry as the page shows it.
type auditRow struct {
	inspect.AuditEntry
	Target, Failed payload
	Job            string // its target, if that is the address of a job
}

// ofJobs are acts whose target is a job that is there afterwards.
var ofJobs = []string{string(inspect.Retry), string(inspect.Cancel), string(inspect.Reschedule), string(inspect.Edit), "enqueue"}

func (c *call) auditRow(e inspect.AuditEntry) auditRow {
	shown, hidden := c.shownEntry(e)
	shown.Detail = legible.Lines(shown.Detail)
	row := auditRow{AuditEntry: shown, Target: shownField("target", shown.Target, hidden), Failed: shownField("error", shown.Error, hidden)}
	if _, _, err := tasuki.ParseAddress(shown.Target); err == nil && shown.Operation == "" && slices.Contains(ofJobs, shown.What) {
		row.Job = shown.Target
	}
	return row
}

// shownField is a field that is hidden if its name is among some.
func shownField(name, text string, hidden []string) payload {
	return payload{Text: legible.Lines(text), Hidden: slices.Contains(hidden, name)}
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
		p.Entries = append(p.Entries, c.auditRow(e))
	}
	c.render(http.StatusOK, "audit", c.T("audit.title"), p)
}
