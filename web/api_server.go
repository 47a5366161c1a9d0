package web

import (
	"context"

	"github.com/tasuki-dev/tasuki/inspect"
)

func (d *Dashboard) apiServer() []endpoint {
	return []endpoint{
		get("/stats", View, "Queues with their rates, workers, and the servers", d.getStats),
		get("/doctor", View, "What doctor finds, at most a minute old, without the check of the jobs", d.getDoctor),
		get("/check", Control, "What should not be there. It reads every job, at most once a minute, and answers 504 until it is done", d.getCheck),
	}
}

// apiStats is inspect.Stats, with what the queues have done per second since the look before.
type apiStats struct {
	*inspect.Stats
	Rates   map[string]inspect.Rate `json:"rates,omitempty"`
	Warning string                  `json:"warning,omitempty"` // why some of it is missing
}

func (d *Dashboard) getStats(q *request) (*apiStats, error) {
	s, err := q.sampled()
	if err != nil {
		return nil, err
	}
	return &apiStats{s.Stats, s.Rates, warningOf(s.Warning)}, nil
}

type apiFindings struct {
	Worst    inspect.Level     `json:"worst"`
	Findings []inspect.Finding `json:"findings"`
}

func (d *Dashboard) getDoctor(q *request) (*apiFindings, error) {
	s := d.findings.get(q.r.Context(), actFor)
	switch {
	case s.Err != nil:
		return nil, s.Err
	case !s.OK():
		return nil, context.DeadlineExceeded
	}
	return &apiFindings{inspect.Worst(s.Value), listed(s.Value)}, nil
}

type apiProblems struct {
	Problems []inspect.Problem `json:"problems"`
}

func (d *Dashboard) getCheck(q *request) (*apiProblems, error) {
	s := d.problems.get(q.r.Context(), actFor)
	switch {
	case s.Err != nil:
		return nil, s.Err
	case !s.OK():
		return nil, context.DeadlineExceeded
	}
	shown := make([]inspect.Problem, len(s.Value))
	for n, p := range s.Value {
		p.What = d.veil("").text(PartReason, p.What) // it may have a part of an element
		shown[n] = p
	}
	return &apiProblems{shown}, nil
}
