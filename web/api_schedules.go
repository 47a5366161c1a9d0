package web

import (
	"context"
	"errors"

	"github.com/tasuki-dev/tasuki/cron"
	"github.com/tasuki-dev/tasuki/inspect"
)

func (d *Dashboard) apiSchedules() []endpoint {
	return []endpoint{
		get("/schedules", View, "Periodic entries, the first 1,000 by name", d.getSchedules),
		get("/schedules/{name}", View, "One entry, with what became of its last ticks", d.getSchedule),
		post("/schedules/{name}/pause", Cron, "No more ticks of it", d.onEntry("cron.pause", func(q *request, name string) error {
			return d.crons.Pause(q.r.Context(), name, q.by())
		})),
		post("/schedules/{name}/resume", Cron, "Ticks of it again", d.onEntry("cron.resume", func(q *request, name string) error {
			return d.crons.Resume(q.r.Context(), name)
		})),
		post("/schedules/{name}/run", Cron, "A job of it at once, by the next scheduler that looks", d.postRun),
	}
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
		if err := q.noted(what, name, act(q, name)); err != nil {
			return nil, err
		}
		return d.getSchedule(q)
	}
}

// noted writes down what was done to an entry, if there is one.
func (q *request) noted(what, name string, err error) error {
	if errors.Is(err, cron.ErrNotFound) {
		return err
	}
	e := inspect.AuditEntry{What: what, Target: name, Count: 1}
	if err != nil {
		e.Count, e.Error = 0, err.Error()
	}
	if failed := q.acts().Note(q.r.Context(), e); failed != nil {
		q.d.log.Warn("tasuki: an act is not in the audit trail", "what", what, "target", name, "by", q.by(), "error", failed)
	}
	return err
}

func (d *Dashboard) postRun(q *request, _ *none) (*apiActed, error) {
	name := q.entry()
	if err := q.refused(); err != nil {
		return nil, err
	}
	address, err := d.crons.RunNow(q.r.Context(), name)
	if err := q.noted("cron.run", name, err); err != nil {
		return nil, err
	}
	return &apiActed{address}, nil
}
