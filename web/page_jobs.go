package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

const (
	mostQuery  = 4096 // bytes, as ParseQuery has it
	mostCursor = 4096
)

type jobsPage struct {
	Text    string // of the query
	Wrong   string // why it is none
	Jobs    []jobRow
	Page    inspect.Page
	First   bool
	Facets  []facet
	Notice  *actedNotice
	Queries bool // texts in jobs may be asked for
}

// jobRow is a job in a list. What a template asks for or looks up takes 2 µs each time, and a page
// may have 500 rows: so what is shown is chosen here.
type jobRow struct {
	State                  tasuki.State
	StateText              string
	Address, Select, Short string // "" if it cannot be named
	Kind, Queue, Attempt   string
	Failed, What, Code     string // of which one is shown
	Hidden                 bool   // what would be
	Time, Stamp            string
}

func (c *call) jobRow(j *shownJob) jobRow {
	r := jobRow{State: j.State, StateText: c.T("state." + string(j.State)), Address: j.Address, Kind: j.Kind, Queue: j.Queue, Attempt: strconv.Itoa(j.Attempt)}
	if r.Address != "" {
		r.Short = short(100, r.Address)
		r.Select = c.T("jobs.select", r.Short)
	}
	if r.Kind == "" {
		r.Kind = c.T("job.raw")
	}
	if j.MaxAttempts > 0 {
		r.Attempt += "/" + strconv.Itoa(j.MaxAttempts)
	}
	switch {
	case j.Error.Text != "":
		r.Failed = short(200, j.Error.Text)
	case j.Reason.Text != "":
		r.What = short(200, j.Reason.Text)
	case j.Raw.Text != "":
		r.Code = short(120, j.Raw.Text)
	case j.Args.Text != "":
		r.Code = short(120, j.Args.Text)
	default:
		r.Hidden = j.Args.Hidden
	}
	for _, at := range []time.Time{j.EndedAt, j.DueAt, j.StartedAt, j.EnqueuedAt} {
		if !at.IsZero() {
			r.Time, r.Stamp = clock(at), stamp(at)
			break
		}
	}
	return r
}

// facet is a link to the jobs of one state, the rest of the query being as it is.
type facet struct {
	State tasuki.State
	Text  string
	Here  bool
}

// actedNotice is what an action on many jobs has come to.
type actedNotice struct {
	Did                    inspect.Action
	Done, Skipped, Refused int
	Cut                    bool // by time
}

// mayAsk tells whether somebody may look for what jobs have in them. Where that is redacted, the
// answers would tell it bit by bit.
func (c *call) mayAsk(q *inspect.Query) bool {
	if c.d.cfg.Redact == nil || c.May(Edit) {
		return true
	}
	for _, q := range []*inspect.Query{q, q.Not} {
		if q != nil && len(q.Args)+len(q.Text)+len(q.Errors)+len(q.Reasons)+len(q.Tags) > 0 {
			return false
		}
	}
	return true
}

func (d *Dashboard) jobs(c *call) {
	p := &jobsPage{Text: c.long("q", mostQuery)}
	cursor := c.long("cursor", mostCursor)
	limit := c.number("limit", 1, 500, inspect.UsualPage)
	notice := actedNotice{Done: c.number("done", 0, 1<<40, 0), Skipped: c.number("skipped", 0, 1<<40, 0), Refused: c.number("refused", 0, 1<<40, 0), Cut: c.number("cut", 0, 1, 0) == 1}
	if did := c.text("did"); slices.Contains(bulkActions, inspect.Action(did)) {
		notice.Did = inspect.Action(did)
		p.Notice = &notice
	}
	if c.refused() {
		return
	}
	p.First = cursor == ""
	q, err := inspect.ParseQuery(p.Text)
	if err == nil && !c.mayAsk(&q) {
		err = errors.New(c.T("jobs.redacted"))
	}
	if err != nil {
		p.Wrong = err.Error()
		c.render(http.StatusBadRequest, "jobs", c.T("jobs.title"), p)
		return
	}
	q.Limit = limit
	ctx, stop := context.WithTimeout(c.r.Context(), pageWait)
	defer stop()
	p.Page, err = d.inspector.Find(ctx, q, cursor)
	switch {
	case errors.Is(err, inspect.ErrCursor):
		c.fail(http.StatusBadRequest, err)
		return
	case err != nil:
		c.failOf(err)
		return
	}
	for n := range p.Page.Jobs {
		p.Jobs = append(p.Jobs, c.jobRow(d.brief(&p.Page.Jobs[n])))
	}
	all := q
	all.States = nil
	p.Facets = append(p.Facets, facet{"", all.String(), len(q.States) == 0})
	for _, state := range inspect.States {
		if state == tasuki.StateParked {
			continue // they are found with SCAN: who wants it types it
		}
		of := q
		of.States = []tasuki.State{state}
		p.Facets = append(p.Facets, facet{state, of.String(), len(q.States) == 1 && q.States[0] == state})
	}
	c.render(http.StatusOK, "jobs", c.T("jobs.title"), p)
}

// bulkActions are those that many jobs can be selected for.
var bulkActions = []inspect.Action{inspect.Retry, inspect.Cancel, inspect.Remove, inspect.Move}
