package web

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/tasuki-dev/tasuki/inspect"
)

func (d *Dashboard) apiOperations() []endpoint {
	all := []endpoint{
		get("/operations", View, "The last 100 operations, the last one first", d.getOperations),
		get("/operations/{id}", View, "One operation: how far it has come", d.getOperation),
		// The right of the operation's action, which is not known before it is read, is asked for in addition.
		post("/operations/{id}/cancel", Undo, "End an operation; what it has done stays done. It needs the right of its action too", d.apiOnOperation(func(q *request, id string) (string, error) {
			return id, q.acts().CancelOperation(q.r.Context(), id)
		})),
		post("/operations/{id}/continue", Undo, "Go on with an operation that was cut. It needs the right of its action too", d.apiOnOperation(func(q *request, id string) (string, error) {
			o, err := q.acts().Continue(q.r.Context(), id)
			return o.ID, err
		})),
		post("/operations/{id}/undo", Undo, "Undo an operation by another one, as far as it can be. It needs the right of its action too", d.apiOnOperation(func(q *request, id string) (string, error) {
			o, err := q.acts().Undo(q.r.Context(), id)
			return o.ID, err
		})),
	}
	return slices.Concat(all,
		onAll[apiAll](Retry, inspect.Retry),
		onAll[apiAll](Cancel, inspect.Cancel),
		onAll[apiAll](Remove, inspect.Remove),
		onAll[apiAllTime](Edit, inspect.Reschedule),
		onAll[apiAllTo](Move, inspect.Move),
		onAll[apiAllChanges](Edit, inspect.Edit),
	)
}

type apiOperationList struct {
	Operations []inspect.Operation `json:"operations"`
}

func (d *Dashboard) getOperations(q *request) (*apiOperationList, error) {
	all, err := d.inspector.Operations(q.r.Context())
	if err != nil {
		return nil, err
	}
	for n := range all {
		all[n], _ = q.shownOperation(all[n])
	}
	return &apiOperationList{listed(all)}, nil
}

func (d *Dashboard) getOperation(q *request) (*inspect.Operation, error) {
	id := q.checked("id", q.r.PathValue("id"), mostText)
	if err := q.refused(); err != nil {
		return nil, err
	}
	o, err := d.inspector.Operation(q.r.Context(), id)
	o, _ = q.shownOperation(o)
	return &o, err
}

// apiOnOperation does something to the operation in the path, and answers with the one that follows.
func (d *Dashboard) apiOnOperation(act func(q *request, id string) (string, error)) func(*request, *none) (*inspect.Operation, error) {
	return func(q *request, _ *none) (*inspect.Operation, error) {
		o, err := d.getOperation(q)
		if err != nil {
			return nil, err
		}
		if right := q.lackingFor(o); right != "" {
			return nil, q.forbidden(right)
		}
		id, err := act(q, o.ID)
		if err != nil {
			return nil, err
		}
		after, err := d.inspector.Operation(q.r.Context(), id)
		after, _ = q.shownOperation(after)
		return &after, err
	}
}

// What an operation is begun with.
type (
	apiAll struct {
		Q     string `json:"q"` // may not be empty: all dead jobs are state:dead
		Limit int    `json:"limit,omitempty"`
		// Expect is how many jobs are meant, as a preview has said. If there are others now, it is
		// refused.
		Expect *int64 `json:"expect,omitempty"`
	}
	apiAllTime struct {
		apiAll
		apiTime
	}
	apiAllTo struct {
		apiAll
		apiTo
	}
	apiAllChanges struct {
		apiAll
		Changes apiChanges `json:"changes"`
	}
)

func (*apiAll) fill(*request, *inspect.Task)              {}
func (m *apiAllTime) fill(q *request, t *inspect.Task)    { m.apiTime.fill(q, t) }
func (m *apiAllTo) fill(q *request, t *inspect.Task)      { m.apiTo.fill(q, t) }
func (m *apiAllChanges) fill(q *request, t *inspect.Task) { m.Changes.fill(q, t) }

func (a *apiAll) meant(q *request) inspect.Query {
	if a.Q == "" {
		q.refuse("q", "it is empty, which would be all jobs: allowed is a query such as state:dead")
	}
	if a.Limit < 0 || a.Limit > 1_000_000_000 {
		q.refuse("limit", "allowed are 1 to 1000000000, and 0 for all")
	}
	asked := q.asked(a.Q)
	asked.Limit = a.Limit
	return asked
}

func (a *apiAll) expected() *int64 { return a.Expect }

// apiPreview is what an operation would do.
type apiPreview struct {
	Meant  inspect.Count `json:"meant"`
	NoUndo string        `json:"no_undo,omitempty"` // why it could not be undone
}

// onAll is an action on all jobs that a query means, and what it would do.
func onAll[B any, N interface {
	*B
	needs
	meant(*request) inspect.Query
	expected() *int64
}](right Right, what inspect.Action) []endpoint {
	read := func(q *request, body *B) (inspect.Task, inspect.Query, error) {
		meant, task := N(body).meant(q), inspect.Task{Action: what}
		N(body).fill(q, &task)
		if err := q.refusedTask(&task); err != nil {
			return task, meant, err
		}
		if right := q.lacking(what, meant.States...); right != "" {
			return task, meant, q.forbidden(right)
		}
		return task, meant, nil
	}
	preview := func(q *request, task inspect.Task, meant inspect.Query) (*apiPreview, error) {
		count, noUndo, err := q.d.inspector.Preview(q.r.Context(), task, meant)
		return &apiPreview{count, noUndo}, err
	}
	return []endpoint{
		post("/operations/"+string(what), right, "Begin to "+string(what)+" all jobs that a query means, in the background: 202", func(q *request, body *B) (*inspect.Operation, error) {
			task, meant, err := read(q, body)
			if err != nil {
				return nil, err
			}
			if want := N(body).expected(); want != nil {
				p, err := preview(q, task, meant)
				if err != nil {
					return nil, err
				}
				if p.Meant.Jobs != *want {
					return nil, &fault{Status: http.StatusConflict, Code: "count", Field: "expect", Detail: fmt.Sprintf("expect: %d: the query means %d jobs now", *want, p.Meant.Jobs)}
				}
			}
			o, err := q.acts().Operate(q.r.Context(), task, meant)
			q.status = http.StatusAccepted
			o, _ = q.shownOperation(o)
			return &o, err
		}, http.StatusAccepted),
		post("/operations/"+string(what)+"/preview", right, "What that would do: it changes nothing", func(q *request, body *B) (*apiPreview, error) {
			task, meant, err := read(q, body)
			if err != nil {
				return nil, err
			}
			return preview(q, task, meant)
		}),
	}
}
