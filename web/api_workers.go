package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/tasuki-dev/tasuki/inspect"
)

func (d *Dashboard) apiWorkers() []endpoint {
	return []endpoint{
		get("/workers", View, "All workers, and what their slots do, as they were seen last", d.getWorkers),
		get("/workers/{id}", View, "One worker", d.getWorker),
		post("/workers/{id}/quiet", Control, "It takes no more jobs. It cannot be taken back", d.onWorker(func(q *request, id string) error {
			return q.acts().Quiet(q.r.Context(), id)[0]
		})),
		post("/workers/{id}/stop", Control, "It stops, as by SIGTERM", d.onWorker(func(q *request, id string) error {
			return q.acts().Stop(q.r.Context(), id)[0]
		})),
		post("/workers/{id}/dump", Control, "The stacks of its goroutines, for which its process stands still for a moment", d.postDump),
	}
}

type apiWorkerList struct {
	At      time.Time        `json:"at"` // when they were seen
	Workers []inspect.Worker `json:"workers"`
}

func (q *request) workers() (*seen[[]inspect.Worker], error) {
	s := q.d.askedWorkers(q.call)
	switch {
	case s.Err != nil:
		return nil, s.Err
	case !s.OK():
		return nil, context.DeadlineExceeded
	}
	return &s, nil
}

func (d *Dashboard) getWorkers(q *request) (*apiWorkerList, error) {
	s, err := q.workers()
	if err != nil {
		return nil, err
	}
	return &apiWorkerList{s.At, listed(s.Value)}, nil
}

func (d *Dashboard) getWorker(q *request) (*inspect.Worker, error) {
	id := q.checked("id", q.r.PathValue("id"), mostText)
	if err := q.refused(); err != nil {
		return nil, err
	}
	s, err := q.workers()
	if err != nil {
		return nil, err
	}
	n := slices.IndexFunc(s.Value, func(w inspect.Worker) bool { return w.ID == id })
	if n < 0 {
		return nil, &fault{Status: http.StatusNotFound, Code: "not_found", Detail: fmt.Sprintf("%s: %.200q", q.T("error.noworker"), id)}
	}
	return &s.Value[n], nil
}

// onWorker tells a worker something.
func (d *Dashboard) onWorker(tell func(q *request, id string) error) func(*request, *none) (*none, error) {
	return func(q *request, _ *none) (*none, error) {
		w, err := d.getWorker(q)
		if err != nil {
			return nil, err
		}
		return &none{}, tell(q, w.ID)
	}
}

type apiDump struct {
	Stacks string `json:"stacks"` // the first MiB
	Hidden bool   `json:"hidden,omitempty"`
}

func (d *Dashboard) postDump(q *request, _ *none) (*apiDump, error) {
	w, err := d.getWorker(q)
	if err != nil {
		return nil, err
	}
	dumps, errs := q.acts().Dump(q.r.Context(), w.ID)
	if errs[0] != nil {
		return nil, errs[0]
	}
	v := d.veil("")
	return &apiDump{v.text(PartStack, dumps[0]), v.hidden[PartStack]}, nil
}
