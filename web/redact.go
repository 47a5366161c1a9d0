package web

import (
	"context"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

// What pages and the API leave out alike, of what is not one job.

// why is what a job waits for, in words that have nothing which is not to be shown. The job itself
// is as it is.
func (d *Dashboard) why(ctx context.Context, address string, workers []inspect.Worker) (*inspect.Why, error) {
	return d.inspector.Why(ctx, address, &inspect.WhyConfig{Workers: workers, Redact: func(i *tasuki.Info) { d.veil(i.Kind).info(i) }})
}

// shownOperation is what a caller may see of an operation, and the names of the fields that are
// hidden: query, if it asks for what is redacted, error and changes.
func (c *call) shownOperation(o inspect.Operation) (shown inspect.Operation, hidden []string) {
	if !c.mayAskText(o.Query) {
		o.Query, hidden = "", append(hidden, "query")
	}
	v := c.d.veil("")
	if o.Error = v.text(PartError, o.Error); v.hidden[PartError] {
		hidden = append(hidden, "error")
	}
	if o.Changes != nil {
		changes := *o.Changes
		changes.Args, changes.Tags = v.json(PartArgs, changes.Args), v.meta(changes.Tags)
		if o.Changes = &changes; v.hidden[PartArgs] || v.hidden[PartMeta] {
			hidden = append(hidden, "changes")
		}
	}
	return o, hidden
}

// shownEntry is what a caller may see of an entry of the audit trail, and the names of the fields
// that are hidden: target, if it is a query that asks for what is redacted, and error.
func (c *call) shownEntry(e inspect.AuditEntry) (shown inspect.AuditEntry, hidden []string) {
	if e.Operation != "" && e.Target != e.Operation && !c.mayAskText(e.Target) {
		e.Target, hidden = "", append(hidden, "target")
	}
	v := c.d.veil("")
	if e.Error = v.text(PartError, e.Error); v.hidden[PartError] {
		hidden = append(hidden, "error")
	}
	return e, hidden
}

// mayAskText is mayAsk of the text of a query. One that was cut, and cannot be read, may not be
// asked.
func (c *call) mayAskText(text string) bool {
	if c.d.cfg.Redact == nil || c.May(Edit) {
		return true
	}
	q, err := inspect.ParseQuery(text)
	return err == nil && c.mayAsk(&q)
}
