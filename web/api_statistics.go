package web

import (
	"cmp"
	"time"

	"github.com/tasuki-dev/tasuki/inspect"
)

func (d *Dashboard) apiStatistics() []endpoint {
	queue, kind := param{"queue", "string", "only this one"}, param{"kind", "string", "only this one"}
	return []endpoint{
		get("/failures", View, "What attempts have failed with: all with the same fingerprint together, the last first", d.getFailures, queue, kind,
			param{"since", "string", "only those that were seen since: a time, or a duration such as 24h until now"}, param{"limit", "integer", "1 to 1000, 100 unless given"}),
		post("/failures/{fingerprint}/forget", Remove, "Take a failure away, until it is seen again", d.postForget),
		get("/statistics/kinds", View, "What was counted of each kind in each queue since a time", d.getKinds, queue,
			param{"since", "string", "a time, or a duration such as 24h until now; an hour unless given, 90 days at most"}),
		get("/statistics/history", View, "What was counted in each minute, hour or day, 180 at most", d.getHistory, queue, kind,
			param{"step", "string", "1m, 1h or 24h; unless given, the shortest that reaches back so far"},
			param{"from", "date-time", "an hour before to unless given"}, param{"to", "date-time", "now unless given"},
			param{"timeless", "boolean", "without run and wait"}),
	}
}

type apiFailures struct {
	Failures []inspect.Failure `json:"failures"`
}

func (d *Dashboard) getFailures(q *request) (*apiFailures, error) {
	asked := inspect.FailureQuery{Queue: q.text("queue", mostText), Kind: q.text("kind", mostText), Since: q.since(), Limit: q.within("limit", 1, mostRows, 100)}
	if err := q.refused(); err != nil {
		return nil, err
	}
	found, err := d.inspector.Failures(q.r.Context(), asked)
	if err != nil {
		return nil, err
	}
	for n := range found {
		found[n] = d.apiFailure(found[n])
	}
	return &apiFailures{listed(found)}, nil
}

func (d *Dashboard) postForget(q *request, _ *none) (*none, error) {
	fingerprint := q.checked("fingerprint", q.r.PathValue("fingerprint"), 64)
	if err := q.refused(); err != nil {
		return nil, err
	}
	return &none{}, q.acts().Forget(q.r.Context(), fingerprint)
}

type apiKinds struct {
	From  time.Time           `json:"from"` // since when it is
	Kinds []inspect.KindStats `json:"kinds"`
}

func (d *Dashboard) getKinds(q *request) (*apiKinds, error) {
	queue, since := q.text("queue", mostText), q.since()
	if queue != "" {
		queue = q.queueNamed("queue", queue)
	}
	if since.IsZero() {
		since = time.Now().Add(-time.Hour)
	}
	if err := q.refused(); err != nil {
		return nil, err
	}
	kinds, from, err := d.inspector.Kinds(q.r.Context(), queue, since)
	if err != nil {
		return nil, err
	}
	return &apiKinds{from, listed(kinds)}, nil
}

type apiHistory struct {
	Points []inspect.Point `json:"points"`
}

// mostPoints is how many points a history has, each of which is a command.
const mostPoints = 180

func (d *Dashboard) getHistory(q *request) (*apiHistory, error) {
	asked := inspect.HistoryQuery{
		Queue: q.text("queue", mostText), Kind: q.text("kind", mostText), From: q.moment("from"), To: q.moment("to"),
		Step: q.spanOf("step", time.Minute, 24*time.Hour), Timeless: q.yes("timeless"),
	}
	if asked.Queue != "" {
		asked.Queue = q.queueNamed("queue", asked.Queue)
	}
	if err := q.refused(); err != nil {
		return nil, err
	}
	if err := asked.Validate(); err != nil {
		return nil, invalid(cmp.Or(fieldOf(err), "step"), err.Error())
	}
	to := asked.To
	if to.IsZero() {
		to = time.Now()
	}
	from := asked.From
	if from.IsZero() {
		from = to.Add(-time.Hour)
	}
	back, step := to.Sub(from), asked.Step
	if step == 0 {
		if step = time.Minute; back > mostPoints*time.Minute {
			step = time.Hour
		}
		if back > 7*24*time.Hour-time.Hour {
			step = 24 * time.Hour
		}
		if since := time.Since(from); step == time.Minute && since > 4*time.Hour-time.Minute {
			step = time.Hour
		}
		if since := time.Since(from); step == time.Hour && since > 7*24*time.Hour-time.Hour {
			step = 24 * time.Hour
		}
		asked.Step = step
	}
	switch {
	case back < 0:
		return nil, invalid("from", "from: allowed are times before to")
	case back > mostPoints*step:
		return nil, invalid("from", "from: allowed are 180 steps before to")
	}
	asked.From, asked.To = from, to
	points, err := d.inspector.History(q.r.Context(), asked)
	if err != nil {
		return nil, err
	}
	return &apiHistory{listed(points)}, nil
}
