package web

import (
	"github.com/tasuki-dev/tasuki/inspect"
)

func (d *Dashboard) apiTrail() []endpoint {
	return []endpoint{
		get("/audit", View, "What was done by whom, the last first", d.getAudit,
			param{"cursor", "string", "that of the page before; none for the first"}, param{"limit", "integer", "1 to 1000, 100 unless given"}),
		get("/marks", View, "What has happened when, such as deploys, the oldest first", d.getMarks,
			param{"from", "date-time", "no older ones"}, param{"to", "date-time", "no younger ones"}),
		post("/marks", Enqueue, "Write down that something happens now, such as a deploy", d.postMark),
	}
}

func (d *Dashboard) getAudit(q *request) (*inspect.AuditPage, error) {
	cursor, limit := q.text("cursor", mostCursor), q.within("limit", 1, mostRows, 100)
	if err := q.refused(); err != nil {
		return nil, err
	}
	page, err := d.inspector.Audit(q.r.Context(), cursor, limit)
	for n := range page.Entries {
		page.Entries[n], _ = q.shownEntry(page.Entries[n])
	}
	page.Entries = listed(page.Entries)
	return &page, err
}

type apiMarks struct {
	Marks []inspect.MarkEntry `json:"marks"`
}

func (d *Dashboard) getMarks(q *request) (*apiMarks, error) {
	from, to := q.moment("from"), q.moment("to")
	if err := q.refused(); err != nil {
		return nil, err
	}
	marks, err := d.inspector.Marks(q.r.Context(), from, to)
	return &apiMarks{listed(marks)}, err
}

type apiMark struct {
	Text    string `json:"text"`
	Version string `json:"version,omitempty"`
}

func (d *Dashboard) postMark(q *request, body *apiMark) (*inspect.MarkEntry, error) {
	text, version := q.checked("text", body.Text, mostText), q.checked("version", body.Version, 100)
	if text == "" {
		q.refuse("text", "it is missing")
	}
	if err := q.refused(); err != nil {
		return nil, err
	}
	mark, err := q.acts().Mark(q.r.Context(), text, version)
	return &mark, err
}
