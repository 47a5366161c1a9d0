package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/legible"
)

const (
	mostEnqueued      = 1000
	mostEnqueuedBytes = 16 << 20
)

func (d *Dashboard) apiEnqueue() []endpoint {
	one := post("/enqueue", Enqueue, "Put in one job: 201; 200 if its id or uniqueness key was there already", d.postEnqueue, http.StatusCreated, http.StatusOK)
	many := post("/enqueue-many", Enqueue, "Put in up to 1,000 jobs, each accepted or not by itself: 200 if all were, else 207", d.postEnqueueMany, http.StatusOK, http.StatusMultiStatus)
	many.mostBody = mostEnqueuedBytes
	return []endpoint{one, many}
}

// apiSpec is a tasuki.Spec.
type apiSpec struct {
	Kind string          `json:"kind"`
	Args json.RawMessage `json:"args,omitempty"` // any JSON; null unless given
	Opts apiOpts         `json:"opts,omitzero"`
}

// apiOpts are tasuki.Opts, with durations as people write them.
type apiOpts struct {
	Queue       string            `json:"queue,omitempty"`
	ID          string            `json:"id,omitempty"`
	In          span              `json:"in,omitempty"`
	At          time.Time         `json:"at,omitzero"`
	MaxAttempts int               `json:"max_attempts,omitempty"`
	Timeout     span              `json:"timeout,omitempty"`
	Deadline    time.Time         `json:"deadline,omitzero"`
	ExpireIn    span              `json:"expire_in,omitempty"`
	ExpireAt    time.Time         `json:"expire_at,omitzero"`
	Record      bool              `json:"record,omitempty"`
	Unique      apiUnique         `json:"unique,omitzero"`
	Keep        span              `json:"keep,omitempty"`
	Meta        map[string]string `json:"meta,omitempty"`
}

// apiUnique is a tasuki.Unique.
type apiUnique struct {
	Mode       tasuki.UniqueMode `json:"mode,omitempty"`
	Key        string            `json:"key,omitempty"`
	Fields     []string          `json:"fields,omitempty"`
	For        span              `json:"for,omitempty"`
	Most       span              `json:"most,omitempty"`
	OnConflict tasuki.Conflict   `json:"on_conflict,omitempty"`
}

func (s *apiSpec) spec() tasuki.Spec {
	return tasuki.Spec{Kind: s.Kind, Args: s.Args, Opts: s.Opts.opts()}
}

func (o *apiOpts) opts() tasuki.Opts {
	u := &o.Unique
	return tasuki.Opts{
		Queue: o.Queue, ID: o.ID, In: time.Duration(o.In), At: o.At, MaxAttempts: o.MaxAttempts, Timeout: time.Duration(o.Timeout), Deadline: o.Deadline,
		ExpireIn: time.Duration(o.ExpireIn), ExpireAt: o.ExpireAt, Record: o.Record, Keep: time.Duration(o.Keep), Meta: o.Meta,
		Unique: tasuki.Unique{Mode: u.Mode, Key: u.Key, Fields: u.Fields, For: time.Duration(u.For), Most: time.Duration(u.Most), OnConflict: u.OnConflict},
	}
}

func (d *Dashboard) postEnqueue(q *request, body *apiSpec) (*apiInfo, error) {
	info, err := d.put(q.r.Context(), body.spec())
	if err != nil {
		return nil, d.refusedEnqueue([]tasuki.Info{info}, 0, err)
	}
	if q.status = http.StatusCreated; info.Existed {
		q.status = http.StatusOK
	}
	return d.apiInfo(info), nil
}

// refusedEnqueue is why a job was not enqueued, with the job that is in the way, or that is in
// all the same.
func (d *Dashboard) refusedEnqueue(infos []tasuki.Info, n int, err error) *fault {
	f := faultOf(err).ofOpts()
	var duplicate *tasuki.DuplicateError
	switch {
	case errors.As(err, &duplicate):
		f.Job = d.apiInfo(duplicate.Info)
	case errors.Is(err, tasuki.ErrNotReplicated) && n < len(infos):
		f.Job = d.apiInfo(infos[n])
	}
	return f
}

type apiSpecs struct {
	Jobs []apiSpec `json:"jobs"`
}

// apiEnqueued says what has become of each job of a call.
type apiEnqueued struct {
	Accepted int          `json:"accepted"` // are in
	Existed  int          `json:"existed"`  // of these, whose id or uniqueness key was there already
	Refused  int          `json:"refused"`  // are not in, or it is not known
	Jobs     []apiOutcome `json:"jobs"`     // in the order of the call
}

// apiOutcome is what has become of one: an Info if it is in, and else an error.
type apiOutcome struct {
	Info  *apiInfo `json:"info,omitempty"`
	Code  string   `json:"code,omitempty"` // as that of a problem
	Error string   `json:"error,omitempty"`
	Field string   `json:"field,omitempty"`
	Job   *apiInfo `json:"job,omitempty"` // that is in the way
}

func (d *Dashboard) postEnqueueMany(q *request, body *apiSpecs) (*apiEnqueued, error) {
	if len(body.Jobs) == 0 || len(body.Jobs) > mostEnqueued {
		return nil, invalid("jobs", fmt.Sprintf("jobs: %d: allowed are 1 to %d", len(body.Jobs), mostEnqueued))
	}
	specs := make([]tasuki.Spec, len(body.Jobs))
	for n := range specs {
		specs[n] = body.Jobs[n].spec()
	}
	infos, err := d.client.EnqueueMany(q.r.Context(), specs)
	var many *tasuki.ManyError
	if err != nil && !errors.As(err, &many) {
		return nil, err
	}
	answer := &apiEnqueued{Jobs: make([]apiOutcome, len(specs))}
	for n := range specs {
		if many != nil && many.Errs[n] != nil {
			f := d.refusedEnqueue(infos, n, many.Errs[n])
			answer.Refused++
			answer.Jobs[n] = apiOutcome{Code: f.Code, Error: legible.Lines(f.Detail), Field: f.Field, Job: f.Job}
			q.status = http.StatusMultiStatus
			continue
		}
		answer.Accepted++
		if infos[n].Existed {
			answer.Existed++
		}
		answer.Jobs[n].Info = d.apiInfo(infos[n])
	}
	return answer, nil
}
