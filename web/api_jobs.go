package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/legible"
)

func (d *Dashboard) apiJobs() []endpoint {
	query := param{"q", "string", "which jobs are meant: see docs/jobs.md; all that have not ended unless given"}
	all := []endpoint{
		get("/jobs", View, "A page of the jobs that a query means", d.getJobs, query,
			param{"cursor", "string", "that of the page before; none for the first"},
			param{"limit", "integer", "1 to 500 jobs, 50 unless given"}),
		get("/jobs/count", View, "How many jobs a query means", d.getCount, query),
		get("/jobs/{queue}/{id}", View, "One job. One without a record is looked for where its id says, and at both ends of its queue", d.getJob),
		get("/jobs/{queue}/{id}/log", View, "The log of a recorded job", d.getLog, param{"behind", "integer", "only lines with a higher number"}),
		get("/jobs/{queue}/{id}/why", View, "What a job waits for, and until when", d.getWhy),
	}
	return append(all,
		onOne[none]("retry", Retry, "Make a job ready that is scheduled, waits for a retry, or is dead", inspect.Retry),
		onOne[none]("cancel", Cancel, "End a job that waits, ask one that runs to end", inspect.Cancel),
		onOne[none]("remove", Remove, "Take a job away that does not run", inspect.Remove),
		onOne[apiTime]("reschedule", Edit, "Move a job that does not run to another time; one that is in the past is now. A dead one has all its attempts before it again, and needs the right retry too", inspect.Reschedule),
		onOne[apiTo]("move", Move, "Put a recorded job that waits into another queue", inspect.Move),
		onOne[apiChanges]("edit", Edit, "Change options and arguments of a recorded job that does not run", inspect.Edit),
		onMany[apiMany]("retry", Retry, "Retry up to 1,000 jobs", inspect.Retry),
		onMany[apiMany]("cancel", Cancel, "Cancel up to 1,000 jobs", inspect.Cancel),
		onMany[apiMany]("remove", Remove, "Remove up to 1,000 jobs", inspect.Remove),
		onMany[apiManyTime]("reschedule", Edit, "Reschedule up to 1,000 jobs. Dead ones need the right retry too", inspect.Reschedule),
		onMany[apiManyTo]("move", Move, "Move up to 1,000 recorded jobs", inspect.Move),
		onMany[apiManyChanges]("edit", Edit, "Edit up to 1,000 recorded jobs", inspect.Edit),
	)
}

// apiPage is a part of the jobs that a query means: see inspect.Page.
type apiPage struct {
	Jobs    []apiJob `json:"jobs"`
	Cursor  string   `json:"cursor,omitempty"` // for the next page; none when this is the last
	Scanned int64    `json:"scanned"`
	Total   int64    `json:"total"`
	Exact   bool     `json:"exact"`
}

// asked is the parameter q.
func (q *request) asked(text string) inspect.Query {
	parsed, err := inspect.ParseQuery(q.checked("q", text, mostQuery))
	if err != nil {
		q.refuse("q", err.Error())
	} else if !q.mayAsk(&parsed) {
		q.refuse("q", q.T("jobs.redacted"))
	}
	return parsed
}

func (d *Dashboard) getJobs(q *request) (*apiPage, error) {
	asked, cursor, limit := q.asked(q.query.Get("q")), q.text("cursor", mostCursor), q.within("limit", 1, 500, inspect.UsualPage)
	if err := q.refused(); err != nil {
		return nil, err
	}
	asked.Limit = limit
	ctx, stop := context.WithTimeout(q.r.Context(), pageWait)
	defer stop()
	found, err := d.inspector.Find(ctx, asked, cursor)
	if err != nil {
		return nil, err
	}
	page := &apiPage{Jobs: make([]apiJob, len(found.Jobs)), Cursor: found.Cursor, Scanned: found.Scanned, Total: found.Total, Exact: found.Exact}
	for n, j := range found.Jobs {
		page.Jobs[n] = d.apiJob(j)
	}
	return page, nil
}

func (d *Dashboard) getCount(q *request) (*inspect.Count, error) {
	asked := q.asked(q.query.Get("q"))
	if err := q.refused(); err != nil {
		return nil, err
	}
	ctx, stop := context.WithTimeout(q.r.Context(), actFor)
	defer stop()
	count, err := d.inspector.Count(ctx, asked)
	return &count, err
}

// apiWhy is what a job waits for: see inspect.Why.
type apiWhy struct {
	Address string           `json:"address"` // where it is now
	At      time.Time        `json:"at"`
	State   tasuki.State     `json:"state,omitempty"`
	Kind    string           `json:"kind,omitempty"`
	Reasons []inspect.Reason `json:"reasons"` // the first decides
}

// why looks for the job in the path.
func (q *request) why() (*inspect.Why, error) {
	address := q.address()
	if err := q.refused(); err != nil {
		return nil, err
	}
	ctx, stop := context.WithTimeout(q.r.Context(), 10*time.Second)
	defer stop()
	workers := q.d.workers.get(ctx, 200*time.Millisecond) // without them it says less
	return q.d.why(ctx, address, listed(workers.Value))
}

func (d *Dashboard) getWhy(q *request) (*apiWhy, error) {
	why, err := q.why()
	if err != nil {
		return nil, err
	}
	return &apiWhy{why.Address, why.At, why.State, why.Kind, why.Reasons}, nil
}

func (d *Dashboard) getJob(q *request) (*apiJob, error) {
	why, err := q.why()
	if err != nil {
		return nil, err
	}
	if why.Job == nil {
		text := why.Address + ": " + inspect.ErrNotFound.Error()
		if len(why.Reasons) > 0 {
			text += ": " + why.Reasons[0].Text
		}
		return nil, &fault{Status: http.StatusNotFound, Code: "not_found", Detail: text}
	}
	shown := d.apiJob(*why.Job)
	return &shown, nil
}

type apiLog struct {
	Lines []inspect.LogLine `json:"lines"`
}

func (d *Dashboard) getLog(q *request) (*apiLog, error) {
	address, behind := q.address(), q.within("behind", 0, 1<<40, 0)
	if err := q.refused(); err != nil {
		return nil, err
	}
	lines, err := d.inspector.Log(q.r.Context(), address, int64(behind))
	if err != nil {
		return nil, err
	}
	kind := ""
	if d.cfg.Redact != nil {
		record, err := d.client.Get(q.r.Context(), address)
		if err != nil {
			return nil, err
		}
		kind = record.Kind
	}
	for n := range lines {
		lines[n].Text = d.veil(kind).text(PartLog, lines[n].Text)
	}
	return &apiLog{listed(lines)}, nil
}

// What an action needs, of one job and of many.
type (
	apiTime struct {
		// At is the time; one in the past is now. In is it from now on. One of them has to be there.
		At time.Time `json:"at,omitzero"`
		In *span     `json:"in,omitempty"`
	}
	apiTo struct {
		To string `json:"to"` // the queue
	}
	apiChanges struct {
		Args        json.RawMessage   `json:"args,omitempty"` // instead of all arguments
		MaxAttempts *int              `json:"max_attempts,omitempty"`
		Timeout     *span             `json:"timeout,omitempty"`
		Keep        *span             `json:"keep,omitempty"`
		Deadline    *limit            `json:"deadline,omitempty"` // "" takes it away
		ExpireAt    *limit            `json:"expire_at,omitempty"`
		Tags        map[string]string `json:"tags,omitempty"` // set in the meta; one with "" is taken away
	}
	apiMany struct {
		Jobs []string `json:"jobs"` // addresses
	}
	apiManyTime struct {
		apiMany
		apiTime
	}
	apiManyTo struct {
		apiMany
		apiTo
	}
	apiManyChanges struct {
		apiMany
		Changes apiChanges `json:"changes"`
	}
)

// needs is a body that fills in a task.
type needs interface {
	fill(q *request, t *inspect.Task)
}

func (*none) fill(*request, *inspect.Task)                 {}
func (*apiMany) fill(*request, *inspect.Task)              {}
func (m *apiManyTime) fill(q *request, t *inspect.Task)    { m.apiTime.fill(q, t) }
func (m *apiManyTo) fill(q *request, t *inspect.Task)      { m.apiTo.fill(q, t) }
func (m *apiManyChanges) fill(q *request, t *inspect.Task) { m.Changes.fill(q, t) }

func (a *apiTime) fill(q *request, t *inspect.Task) {
	const most = 100 * 365 * 24 * time.Hour
	switch {
	case (a.In == nil) == a.At.IsZero():
		q.refuse("at", "allowed is one of at, a time, and in, a duration such as \"1h30m\"")
	case a.In != nil && (*a.In < 0 || time.Duration(*a.In) > most):
		q.refuse("in", "allowed are 0 to 100 years")
	case a.In != nil:
		t.At = time.Now().Add(time.Duration(*a.In))
	default:
		t.At = a.At
	}
}

func (a *apiTo) fill(q *request, t *inspect.Task) { t.To = q.queueNamed("to", a.To) }

func (a *apiChanges) fill(_ *request, t *inspect.Task) {
	t.Changes = &inspect.Changes{Args: a.Args, MaxAttempts: a.MaxAttempts, Timeout: (*time.Duration)(a.Timeout), Keep: (*time.Duration)(a.Keep),
		Deadline: (*time.Time)(a.Deadline), ExpireAt: (*time.Time)(a.ExpireAt), Tags: a.Tags}
}

// apiActed is what has become of an action on one job.
type apiActed struct {
	Address string `json:"address"` // where the job is now, or was
}

// refusedTask is refused, or what of a task is not allowed.
func (q *request) refusedTask(t *inspect.Task) error {
	if err := q.refused(); err != nil {
		return err
	}
	return t.Validate()
}

// onOne is an action on the job in the path.
func onOne[B any, N interface {
	*B
	needs
}](name string, right Right, summary string, what inspect.Action) endpoint {
	return post("/jobs/{queue}/{id}/"+name, right, summary, func(q *request, body *B) (*apiActed, error) {
		address, task := q.address(), inspect.Task{Action: what}
		N(body).fill(q, &task)
		if err := q.refusedTask(&task); err != nil {
			return nil, err
		}
		results, err := q.actOn(task, []string{address})
		if err != nil {
			return nil, err
		}
		if results[0].err != nil {
			return nil, results[0].err
		}
		return &apiActed{results[0].Address}, nil
	})
}

// apiResults is what has become of an action on many jobs.
type apiResults struct {
	inspect.Acted
	Results []apiResult `json:"results"` // in the order of the addresses
}

// apiResult is what has become of one of them.
type apiResult struct {
	Address string `json:"address"`
	Code    string `json:"code,omitempty"` // as that of a problem; none if it was done
	Error   string `json:"error,omitempty"`

	err error
}

// onMany is an action on jobs whose addresses are in the body.
func onMany[B any, N interface {
	*B
	needs
	addresses(*request) []string
}](name string, right Right, summary string, what inspect.Action) endpoint {
	return post("/jobs/"+name, right, summary, func(q *request, body *B) (*apiResults, error) {
		addresses, task := N(body).addresses(q), inspect.Task{Action: what}
		N(body).fill(q, &task)
		if err := q.refusedTask(&task); err != nil {
			return nil, err
		}
		results, err := q.actOn(task, addresses)
		if err != nil {
			return nil, err
		}
		answer := &apiResults{Results: results}
		for n := range results {
			switch r := &results[n]; {
			case r.err == nil:
				answer.Done++
				continue
			case errors.Is(r.err, inspect.ErrMoved), errors.Is(r.err, inspect.ErrReady), errors.Is(r.err, tasuki.ErrEnded), errors.Is(r.err, tasuki.ErrRunning), errors.Is(r.err, inspect.ErrNotFound):
				answer.Skipped++
			default:
				answer.Refused++
			}
			f := faultOf(results[n].err)
			results[n].Code, results[n].Error = f.Code, legible.Lines(f.Detail)
		}
		return answer, nil
	})
}

func (m *apiMany) addresses(q *request) []string {
	if len(m.Jobs) == 0 || len(m.Jobs) > mostSelected {
		q.refuse("jobs", "allowed are 1 to 1000 addresses, QUEUE/ID")
		return nil
	}
	seen := make(map[string]bool, len(m.Jobs))
	for _, address := range m.Jobs {
		if _, _, err := tasuki.ParseAddress(q.checked("jobs", address, mostAddress)); err != nil {
			q.refuse("jobs", err.Error())
		}
		if seen[address] {
			q.refuse("jobs", "an address is there twice")
		}
		seen[address] = true
	}
	return m.Jobs
}

// actOn does something to jobs by their addresses.
func (q *request) actOn(task inspect.Task, addresses []string) ([]apiResult, error) {
	ctx, stop := context.WithTimeout(q.r.Context(), actFor)
	defer stop()
	jobs, _, err := q.d.find(ctx, addresses)
	if err != nil {
		return nil, err
	}
	for n := range jobs { // what is among them is read once: one that dies since has moved
		if right := q.lacking(task.Action, jobs[n].State); right != "" {
			return nil, q.forbidden(right)
		}
	}
	var errs []error
	switch by := q.acts(); task.Action {
	case inspect.Move:
		errs = by.Move(ctx, task.To, jobs...)
	case inspect.Reschedule:
		errs = by.Reschedule(ctx, task.At, jobs...)
	case inspect.Edit:
		errs = by.Edit(ctx, *task.Changes, jobs...)
	default:
		errs = by.Act(ctx, task.Action, jobs...)
	}
	became := map[string]error{}
	for n, j := range jobs {
		became[j.Address()] = errs[n]
	}
	results := make([]apiResult, len(addresses))
	for n, address := range addresses {
		err, found := became[address]
		if !found { // it was moved, and is acted on where it is
			_, id, _ := tasuki.ParseAddress(address)
			if at := slices.IndexFunc(jobs, func(j inspect.Job) bool { return j.ID == id && !slices.Contains(addresses, j.Address()) }); at >= 0 {
				address, err, found = jobs[at].Address(), errs[at], true
			}
		}
		if !found {
			err = inspect.ErrNotFound
		}
		if err != nil {
			results[n] = apiResult{Address: address, err: err}
			continue
		}
		if task.Action == inspect.Move {
			_, id, _ := tasuki.ParseAddress(address)
			address = task.To + "/" + id
		}
		results[n] = apiResult{Address: address}
	}
	return results, nil
}
