package inspect

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/bridge"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// Job is a job as it lies in a queue, or the record of one that has ended.
type Job struct {
	// Record is all that is known of a recorded job. Of a bare one it is what its element
	// and its place say: there are no runs, no progress, cursor and result.
	tasuki.Record

	Recorded bool   `json:"recorded,omitempty"`
	Raw      []byte `json:"raw,omitempty"`    // of a raw job, which may have no ID, its bytes; in JSON base64
	Worker   string `json:"worker,omitempty"` // the incarnation that holds a bare one

	at      place
	far     int64   // in a list: from its tail, from 1 on
	nth     int64   // of its place, in the order in which it was read, from 0 on
	score   float64 // in a sorted set
	element string
	kept    string // as it is kept where an action has put it
}

// When is the time that matters most in the job's state: when it has ended, began, is due, or was
// enqueued. It is zero if the job does not say.
func (j *Job) When() time.Time {
	switch {
	case j.State.HasEnded():
		return j.EndedAt
	case j.State == tasuki.StateRunning:
		return j.StartedAt
	case j.State == tasuki.StateScheduled || j.State == tasuki.StateRetry:
		return j.DueAt
	}
	return j.EnqueuedAt
}

// Jobs yields the jobs that q means, as Find does: page by page, as they are asked for, and so
// that each page is one call for a small portion. It goes on until it has looked at all jobs in
// the states of q, which takes seconds for millions. An error is the last that is yielded.
func (i *Inspector) Jobs(ctx context.Context, q Query) iter.Seq2[Job, error] {
	return func(yield func(Job, error) bool) {
		limit := q.Limit
		if err := q.validate(); err != nil {
			yield(Job{}, fmt.Errorf("jobs: %w", err))
			return
		}
		for n, cursor := 0, ""; ; {
			q.Limit = MaxPage
			if limit > 0 {
				q.Limit = min(limit-n, MaxPage)
			}
			page, err := i.find(ctx, &q, cursor)
			if err != nil {
				yield(Job{}, fmt.Errorf("jobs: %w", err))
				return
			}
			for k := range page.Jobs {
				if n++; !yield(page.Jobs[k], nil) || n == limit {
					return
				}
			}
			if cursor = page.Cursor; cursor == "" {
				return
			}
		}
	}
}

// ErrNotLooked says that a job without a record was not found among those that were looked at,
// and that there are more: Jobs, or Find with a Query of its id, looks at all.
var ErrNotLooked = errors.New("not found among the first: there are more than are looked at")

// Job returns a job by its address, or ErrNotFound. A recorded one is found at once; for a
// bare one up to 50,000 jobs of its queue are looked at, or 50 MiB, and if there are more the
// error is ErrNotLooked. What is parked is not looked at.
func (i *Inspector) Job(ctx context.Context, address string) (Job, error) {
	queue, id, err := tasuki.ParseAddress(address)
	if err != nil {
		return Job{}, err
	}
	q, err := i.store.Queue(queue)
	if err != nil {
		return Job{}, err
	}
	fields, err := i.store.Record(ctx, q, id)
	if err != nil && !errors.Is(err, store.ErrWrongType) {
		return Job{}, fmt.Errorf("job %s: %w", address, err)
	}
	if fields["job"] != "" && fields["state"] != "" {
		return recordedJob(q, id, fields), nil
	}
	if fields["state"] == "moved" {
		if address, err = i.movedTo(ctx, address); err != nil {
			return Job{}, fmt.Errorf("job %w", err)
		}
		return i.Job(ctx, address)
	}
	looked := int64(0)
	query := Query{Queues: []string{queue}, IDs: []string{id}, Limit: 1}
	for cursor, n := "", 0; n < portions; n++ {
		page, err := i.find(ctx, &query, cursor)
		if err != nil {
			return Job{}, fmt.Errorf("job %.300s: %w", address, err)
		}
		if len(page.Jobs) > 0 {
			return page.Jobs[0], nil
		}
		looked += page.Scanned
		if cursor = page.Cursor; cursor == "" {
			return Job{}, fmt.Errorf("job %.300s: %w", address, ErrNotFound)
		}
	}
	return Job{}, fmt.Errorf("job %.300s: %w (%d)", address, ErrNotLooked, looked)
}

// movedTo returns where a job is that an old address leads to.
func (i *Inspector) movedTo(ctx context.Context, address string) (string, error) {
	r, err := i.client.Get(ctx, address)
	if errors.Is(err, tasuki.ErrNotFound) {
		return "", fmt.Errorf("%s: %w: it was moved, and its record is gone", address, ErrNotFound)
	}
	if err != nil {
		return "", err
	}
	return r.Address(), nil
}

// place is where jobs lie: a list, a sorted set or, of those that are held, a hash.
type place struct {
	state   tasuki.State
	key     string
	kind    string // list, zset; held; ids: a list of ids of ended jobs
	worker  string
	foreign bool // the list of another program
}

// reader reads what jobs of a queue say.
type reader struct {
	*Inspector
	ctx    context.Context
	q      *store.Queue
	m      *matcher
	places map[string]string // worker → host:pid
}

func (i *Inspector) reader(ctx context.Context, q *store.Queue, m *matcher) *reader {
	return &reader{i, ctx, q, m, map[string]string{}}
}

// placesOf returns where jobs of a state lie.
func (r *reader) placesOf(state tasuki.State) ([]place, error) {
	q := r.q
	switch state {
	case tasuki.StateSuspect:
		return []place{{state: state, key: q.Suspect, kind: "list"}}, nil
	case tasuki.StateReady:
		places := []place{{state: state, key: q.Ready, kind: "list"}}
		if q.Foreign {
			places = append(places, place{state: state, key: q.List, kind: "list", foreign: true})
		}
		return places, nil
	case tasuki.StateRetry:
		return []place{{state: state, key: q.Retry, kind: "zset"}}, nil
	case tasuki.StateScheduled:
		return []place{{state: state, key: q.Scheduled, kind: "zset"}}, nil
	case tasuki.StateDead:
		return []place{{state: state, key: q.Dead, kind: "zset"}}, nil
	case tasuki.StateRunning:
		members, err := r.store.Members(r.ctx, q)
		var places []place
		for _, m := range members {
			places = append(places, place{state: state, worker: m.Incarnation, kind: "held"})
		}
		return places, err
	case tasuki.StateParked:
		keys, err := r.store.ParkedLists(r.ctx, q)
		var places []place
		for _, key := range keys {
			places = append(places, place{state: state, key: key, kind: "list"})
		}
		return places, err
	}
	return []place{{state: state, key: q.Ended, kind: "ids"}}, nil
}

// held returns what an incarnation holds and what was just handed to it, the oldest first.
func (r *reader) held(p place) ([]Job, error) {
	var jobs []Job
	for _, l := range []struct{ key, kind string }{{r.q.Held(p.worker), "hash"}, {r.q.Hand(p.worker), "list"}} {
		p.key = l.key
		err := r.store.Each(r.ctx, l.key, l.kind, func(element string, _ float64) { jobs = append(jobs, Job{at: p, element: element}) })
		if err != nil {
			return nil, err
		}
	}
	if len(jobs) == 0 {
		return nil, nil
	}
	worker := store.Member{Incarnation: p.worker}
	if name := worker.Worker(); r.places[name] == "" {
		all, err := r.store.About(r.ctx, name)
		if err != nil {
			return nil, err
		}
		if says := all[name]; says.Host != "" { // of one that does not say it, nothing is shown
			r.places[name] = says.Place()
		}
	}
	return jobs, nil
}

// read returns those of some jobs that are meant, with what is known of them, and how many
// bytes it has read of all.
func (r *reader) read(jobs []Job) (meant []Job, bytes int, err error) {
	var ids []string  // of records
	var which []int   // whose they are
	var gens []string // of the pointers; "" of an ended job
	for k := range jobs {
		j := &jobs[k]
		bytes += len(j.element)
		switch {
		case j.at.kind == "ids":
			ids, which, gens = append(ids, j.element), append(which, k), append(gens, "")
		case len(r.m.IDs) > 0 && !slices.ContainsFunc(r.m.IDs, func(id string) bool { return strings.Contains(j.element, id) }):
			// most of a long queue need not be read for one
		default:
			if pointer, err := wire.Parse(j.element); err == nil && pointer.Rec > 0 {
				ids, which, gens = append(ids, pointer.ID), append(which, k), append(gens, strconv.FormatInt(pointer.Rec, 10))
				j.Recorded, j.ID = true, pointer.ID
				continue
			}
			r.bare(j)
		}
	}
	var records []map[string]string
	if len(ids) > 0 {
		if records, err = r.store.Snapshots(r.ctx, r.q, ids); err != nil {
			return nil, 0, err
		}
	}
	for n, k := range which {
		j, fields := &jobs[k], records[n]
		bytes += len(fields["job"])
		switch {
		case gens[n] == "" && (fields["gen"] != "" || fields["job"] == ""):
			j.Queue = "" // its record is gone, or another job's by now
		case fields["job"] == "":
			j.Queue, j.State, j.Reason = r.q.Name, j.at.state, "its record is gone"
		case fields["gen"] != gens[n]:
			j.Queue = "" // the pointer was left behind by a move
		default:
			at, far, nth, score, element := j.at, j.far, j.nth, j.score, j.element
			if at.kind != "ids" && fields["state"] != string(at.state) { // its record does not say it yet
				fields["state"], fields["at"] = string(at.state), ""
			}
			*j = recordedJob(r.q, ids[n], fields)
			j.at, j.far, j.nth, j.score, j.element = at, far, nth, score, element
		}
	}
	meant = jobs[:0]
	for k := range jobs {
		j := &jobs[k]
		if j.Queue == "" || j.at.kind == "ids" && !slices.Contains(r.m.states(), j.State) || !r.m.fits(j) {
			continue
		}
		if j.at.kind == "held" {
			j.Worker = j.at.worker
			if j.Place == "" {
				worker := store.Member{Incarnation: j.at.worker}
				j.Place = r.places[worker.Worker()]
			}
		}
		meant = append(meant, *j)
	}
	return meant, bytes, nil
}

// bare fills in what the element and the place of a bare job say.
func (r *reader) bare(j *Job) {
	parsed, _ := wire.Parse(j.element) // what is no job is a raw one
	id, due := parsed.ID, j.DueAt
	if parsed.IsNew {
		id = ""
	}
	record := bridge.Record(r.q.Name, id, map[string]string{"job": j.element, "state": string(j.at.state)})
	j.Record = *record.(*tasuki.Record)
	switch j.State {
	case tasuki.StateDead:
		j.EndedAt = due
	case tasuki.StateScheduled, tasuki.StateRetry:
		j.DueAt = due
	}
	if parsed.IsRaw {
		j.Raw = parsed.Raw
	}
}

func recordedJob(q *store.Queue, id string, fields map[string]string) Job {
	r := bridge.Record(q.Name, id, fields)
	return Job{Record: *r.(*tasuki.Record), Recorded: true}
}

// moment is the time of a score, ms since 1970; JSON has none after the year 9999.
func moment(score float64) time.Time {
	const year10000 = 253_402_300_800_000
	if score > 0 && score < year10000 {
		return time.UnixMilli(int64(score))
	}
	return time.Time{}
}
