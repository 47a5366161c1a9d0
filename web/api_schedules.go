package web

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/tasuki-dev/tasuki/cron"
)

func (d *Dashboard) apiSchedules() []endpoint {
	return []endpoint{
		get("/schedules", View, "Periodic entries, the first 1,000 by name", d.getSchedules),
		get("/schedules/{name}", View, "One entry, with what became of its last ticks", d.getSchedule),
		post("/schedules/{name}/pause", Cron, "No more ticks of it", d.onEntry("pause schedule", func(q *request, name string) error {
			return d.crons.Pause(q.r.Context(), name, q.by())
		})),
		post("/schedules/{name}/resume", Cron, "Ticks of it again", d.onEntry("resume schedule", func(q *request, name string) error {
			return d.crons.Resume(q.r.Context(), name)
		})),
		post("/schedules/{name}/run", Cron, "A job of it at once, by the next scheduler that looks", d.postRun),
		as(http.MethodPut, post("/schedules/{name}", Cron, "Make an entry, or make one what the body says: what that leaves out is as usual again. A pause stays. It needs the right enqueue too", d.putSchedule)),
		as(http.MethodDelete, post("/schedules/{name}", Cron, "Remove an entry and its history. One that a program has declared is there again with its next revision", d.deleteSchedule)),
	}
}

// apiEntry is a cron.Entry, with durations as people write them.
type apiEntry struct {
	Expr       string          `json:"expr"`
	Zone       string          `json:"zone,omitempty"`
	Kind       string          `json:"kind"`
	Args       json.RawMessage `json:"args,omitempty"` // any JSON; null unless given
	Opts       apiOpts         `json:"opts,omitzero"`
	Jitter     span            `json:"jitter,omitempty"`
	Missed     cron.Missed     `json:"missed,omitempty"`
	MissedMost int             `json:"missed_most,omitempty"`
	Overlap    cron.Overlap    `json:"overlap,omitempty"`
	Start      time.Time       `json:"start,omitzero"`
	End        time.Time       `json:"end,omitzero"`
}

func (e *apiEntry) entry(name string) cron.Entry {
	return cron.Entry{
		Name: name, Expr: e.Expr, Zone: e.Zone, Kind: e.Kind, Args: e.Args, Opts: e.Opts.opts(), Jitter: time.Duration(e.Jitter),
		Missed: e.Missed, MissedMost: e.MissedMost, Overlap: e.Overlap, Start: e.Start, End: e.End,
	}
}

func (d *Dashboard) putSchedule(q *request, body *apiEntry) (*cron.Status, error) {
	if !q.May(Enqueue) { // else who may only pause and run entries could have any job run
		return nil, q.forbidden(Enqueue)
	}
	name := q.entry()
	if _, err := cron.Parse(body.Expr, body.Zone, name); err != nil {
		field := "expr"
		if _, other := cron.Parse(body.Expr, "", name); other == nil {
			field = "zone"
		}
		q.refuse(field, err.Error())
	}
	if err := q.refused(); err != nil {
		return nil, err
	}
	s, err := d.crons.Set(q.r.Context(), body.entry(name))
	if err := q.noted("set schedule", name, "", err); err != nil {
		return nil, faultOf(err).ofOpts()
	}
	shown := d.apiSchedule(s)
	return &shown, nil
}

func (d *Dashboard) deleteSchedule(q *request, _ *none) (*none, error) {
	name := q.entry()
	if err := q.refused(); err != nil {
		return nil, err
	}
	return &none{}, q.noted("remove schedule", name, "", d.crons.Remove(q.r.Context(), name))
}

type apiScheduleList struct {
	Schedules []cron.Status `json:"schedules"`
	More      bool          `json:"more"` // there may be more than these
}

func (d *Dashboard) getSchedules(q *request) (*apiScheduleList, error) {
	s := d.schedules.get(q.r.Context(), pageWait)
	switch {
	case s.Err != nil:
		return nil, s.Err
	case !s.OK():
		return nil, context.DeadlineExceeded
	}
	answer := &apiScheduleList{Schedules: make([]cron.Status, len(s.Value)), More: len(s.Value) == mostRows}
	for n, entry := range s.Value {
		answer.Schedules[n] = d.apiSchedule(entry)
	}
	return answer, nil
}

func (q *request) entry() string { return q.checked("name", q.r.PathValue("name"), mostText) }

func (d *Dashboard) getSchedule(q *request) (*cron.Status, error) {
	name := q.entry()
	if err := q.refused(); err != nil {
		return nil, err
	}
	s, err := d.crons.Get(q.r.Context(), name)
	if err != nil {
		return nil, err
	}
	shown := d.apiSchedule(s)
	return &shown, nil
}

// onEntry does something to a periodic entry, which stands in the audit trail as what.
func (d *Dashboard) onEntry(what string, act func(q *request, name string) error) func(*request, *none) (*cron.Status, error) {
	return func(q *request, _ *none) (*cron.Status, error) {
		name := q.entry()
		if err := q.refused(); err != nil {
			return nil, err
		}
		if err := q.noted(what, name, "", act(q, name)); err != nil {
			return nil, err
		}
		return d.getSchedule(q)
	}
}

func (d *Dashboard) postRun(q *request, _ *none) (*apiActed, error) {
	name := q.entry()
	if err := q.refused(); err != nil {
		return nil, err
	}
	address, err := d.crons.RunNow(q.r.Context(), name)
	if err := q.noted("run schedule", name, "", err); err != nil {
		return nil, err
	}
	return &apiActed{address}, nil
}
