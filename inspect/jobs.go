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
	far     int64 // in a list: from its tail, from 1 on
	element string
}

// JobFilter says which jobs are meant. The zero value of a field leaves out nothing, but
// for States.
type JobFilter struct {
	// States are all but parked, done, cancelled and expired unless told. Those who are
	// parked are found with SCAN, which goes through all keys of the server.
	States []tasuki.State
	Kinds  []string
	IDs    []string
	Meta   map[string]string // all of these

	Text          string // is in the arguments, or in the bytes of a raw job
	ErrorContains string // is in the last error or in the reason
	MinAttempt    int    // Attempt is not lower

	// A job that does not say when it was enqueued is not between them.
	EnqueuedAfter, EnqueuedBefore time.Time

	Limit int // not more than these; 0: no limit
}

// States are those that a job can be listed in: all of them.
var States = []tasuki.State{
	tasuki.StateRunning, tasuki.StateSuspect, tasuki.StateReady, tasuki.StateRetry, tasuki.StateScheduled, tasuki.StateParked, tasuki.StateDead,
	tasuki.StateDone, tasuki.StateCancelled, tasuki.StateExpired,
}

var (
	usualStates = []tasuki.State{tasuki.StateRunning, tasuki.StateSuspect, tasuki.StateReady, tasuki.StateRetry, tasuki.StateScheduled, tasuki.StateDead}
	endedStates = []tasuki.State{tasuki.StateDone, tasuki.StateCancelled, tasuki.StateExpired}
)

func (f *JobFilter) validate() error {
	for _, s := range f.States {
		if !slices.Contains(States, s) {
			names := make([]string, len(States))
			for i := range States {
				names[i] = string(States[i])
			}
			return fmt.Errorf("state: %.40q: allowed are %s", s, strings.Join(names, ", "))
		}
	}
	if f.Limit < 0 {
		return fmt.Errorf("limit: %d: allowed are 0 and more", f.Limit)
	}
	return nil
}

func (f *JobFilter) states() []tasuki.State {
	if len(f.States) == 0 {
		return usualStates
	}
	return f.States
}

// matches looks at all but the state.
func (f *JobFilter) matches(j *Job) bool {
	switch {
	case len(f.Kinds) > 0 && !slices.Contains(f.Kinds, j.Kind),
		len(f.IDs) > 0 && !slices.Contains(f.IDs, j.ID),
		j.Attempt < f.MinAttempt,
		!f.EnqueuedAfter.IsZero() && !j.EnqueuedAt.After(f.EnqueuedAfter),
		!f.EnqueuedBefore.IsZero() && (j.EnqueuedAt.IsZero() || !j.EnqueuedAt.Before(f.EnqueuedBefore)),
		f.ErrorContains != "" && !strings.Contains(j.Error, f.ErrorContains) && !strings.Contains(j.Reason, f.ErrorContains),
		f.Text != "" && !strings.Contains(string(j.Args), f.Text) && !strings.Contains(string(j.Raw), f.Text):
		return false
	}
	for name, value := range f.Meta {
		if have, ok := j.Meta[name]; !ok || have != value {
			return false
		}
	}
	return true
}

// Jobs yields the jobs of a queue that f means, state by state: those that run, then those
// that wait, each place from its head, then the dead, and those that have ended, the oldest
// first. It reads them in small portions as they are asked for. What moves meanwhile is
// yielded twice or not at all. An error is the last that is yielded.
func (i *Inspector) Jobs(ctx context.Context, queue string, f JobFilter) iter.Seq2[Job, error] {
	return func(yield func(Job, error) bool) {
		n := 0
		err := i.walk(ctx, queue, &f, false, func(jobs []Job) (int, bool) {
			for k := range jobs {
				if n++; !yield(jobs[k], nil) || n == f.Limit {
					return 0, false
				}
			}
			return 0, true
		})
		if err != nil {
			yield(Job{}, fmt.Errorf("jobs: %s: %w", queue, err))
		}
	}
}

// Job returns a job by its address, or ErrNotFound. A recorded one is found at once; for a
// bare one all of its queue is read, but what is parked.
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
	for j, err := range i.Jobs(ctx, queue, JobFilter{IDs: []string{id}, Limit: 1}) {
		return j, err
	}
	return Job{}, fmt.Errorf("job %.300s: %w", address, ErrNotFound)
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

// walker goes through jobs of a queue.
type walker struct {
	*Inspector
	ctx       context.Context
	q         *store.Queue
	f         *JobFilter
	backwards bool
	visit     func(jobs []Job) (left int, more bool)
	places    map[string]string // worker → host:pid
}

// walk shows visit the jobs that f means, in portions. visit says how many of them have
// left their place, and whether it wants more. Backwards, what comes to the tail or goes
// from the head meanwhile hides none.
func (i *Inspector) walk(ctx context.Context, queue string, f *JobFilter, backwards bool, visit func(jobs []Job) (left int, more bool)) error {
	if err := f.validate(); err != nil {
		return err
	}
	q, err := i.store.Queue(queue)
	if err != nil {
		return err
	}
	w := &walker{i, ctx, q, f, backwards, visit, map[string]string{}}
	ended := false
	for _, state := range States {
		if !slices.Contains(f.states(), state) {
			continue
		}
		if slices.Contains(endedStates, state) {
			if ended || q.Foreign {
				continue
			}
			ended = true // all of them lie together
		}
		places, err := w.placesOf(state)
		if err != nil {
			return err
		}
		for _, p := range places {
			step := w.pages
			if p.kind == "held" {
				step = w.held
			}
			if more, err := step(p); err != nil || !more {
				return err
			}
		}
	}
	return nil
}

// placesOf returns where jobs of a state lie.
func (w *walker) placesOf(state tasuki.State) ([]place, error) {
	q := w.q
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
		members, err := w.store.Members(w.ctx, q)
		var places []place
		for _, m := range members {
			places = append(places, place{state: state, worker: m.Incarnation, kind: "held"})
		}
		return places, err
	case tasuki.StateParked:
		keys, err := w.store.ParkedLists(w.ctx, q)
		var places []place
		for _, key := range keys {
			places = append(places, place{state: state, key: key, kind: "list"})
		}
		return places, err
	}
	return []place{{state: state, key: q.Ended, kind: "ids"}}, nil
}

// How much is read at a time: about 4 MiB, which the size of what was read before tells.
const (
	firstPage  = 100
	mostOfPage = 1000
	pageBytes  = 4 << 20
)

// pages goes through a list or a sorted set.
func (w *walker) pages(p place) (more bool, err error) {
	kind := p.kind
	if kind == "ids" {
		kind = "list"
	}
	size, most := int64(firstPage), int64(-1)
	for passed, looked := int64(0), int64(0); most < 0 || looked < most; {
		from, to := passed, passed+size-1
		if w.backwards {
			from, to = -passed-size, -passed-1
		}
		elements, scores, length, err := w.store.Page(w.ctx, p.key, kind, from, to)
		if err != nil {
			return false, err
		}
		if len(elements) == 0 {
			return true, nil
		}
		if most < 0 { // so that it ends when others put in as fast as it reads
			most = 4*length + 10_000
		}
		jobs := make([]Job, len(elements))
		for k, element := range elements {
			jobs[k] = Job{at: p, element: element}
			if w.backwards { // what is reached at the head is less than a page
				jobs[k].far = passed + int64(len(elements)-k)
			} else {
				jobs[k].far = length - passed - int64(k)
			}
			if scores != nil {
				jobs[k].DueAt = moment(scores[k])
			}
		}
		n := int64(len(jobs))
		left, bytes, more, err := w.show(jobs)
		if err != nil || !more {
			return false, err
		}
		looked += n
		passed += n - int64(left)
		if w.backwards && length <= passed+int64(left) || !w.backwards && n < size {
			return true, nil
		}
		size = min(max(pageBytes/int64(bytes/len(elements)+1), 10), mostOfPage)
	}
	return true, nil
}

// held goes through what an incarnation holds and what was just handed to it.
func (w *walker) held(p place) (more bool, err error) {
	var jobs []Job
	for _, l := range []struct{ key, kind string }{{w.q.Held(p.worker), "hash"}, {w.q.Hand(p.worker), "list"}} {
		p.key = l.key
		err := w.store.Each(w.ctx, l.key, l.kind, func(element string, _ float64) { jobs = append(jobs, Job{at: p, element: element}) })
		if err != nil {
			return false, err
		}
	}
	if len(jobs) == 0 {
		return true, nil
	}
	worker := store.Member{Incarnation: p.worker}
	if name := worker.Worker(); w.places[name] == "" {
		all, err := w.store.About(w.ctx, name)
		if err != nil {
			return false, err
		}
		if says := all[name]; says.Host != "" { // of one that does not say it, nothing is shown
			w.places[name] = says.Place()
		}
	}
	_, _, more, err = w.show(jobs)
	return more, err
}

// show reads what jobs say, and shows visit those that are meant.
func (w *walker) show(jobs []Job) (left, bytes int, more bool, err error) {
	meant, bytes, err := w.read(jobs)
	if err != nil || len(meant) == 0 {
		return 0, bytes, err == nil, err
	}
	left, more = w.visit(meant)
	return left, bytes, more, nil
}

// read returns those of some jobs that are meant, with what is known of them, and how many
// bytes it has read of all.
func (w *walker) read(jobs []Job) (meant []Job, bytes int, err error) {
	var ids []string  // of records
	var which []int   // whose they are
	var gens []string // of the pointers; "" of an ended job
	for k := range jobs {
		j := &jobs[k]
		bytes += len(j.element)
		switch {
		case j.at.kind == "ids":
			ids, which, gens = append(ids, j.element), append(which, k), append(gens, "")
		case len(w.f.IDs) > 0 && !slices.ContainsFunc(w.f.IDs, func(id string) bool { return strings.Contains(j.element, id) }):
			// most of a long queue need not be read for one
		default:
			if pointer, err := wire.Parse(j.element); err == nil && pointer.Rec > 0 {
				ids, which, gens = append(ids, pointer.ID), append(which, k), append(gens, strconv.FormatInt(pointer.Rec, 10))
				j.Recorded, j.ID = true, pointer.ID
				continue
			}
			w.bare(j)
		}
	}
	var records []map[string]string
	for some := range slices.Chunk(ids, 100) {
		read, err := w.store.Snapshots(w.ctx, w.q, some)
		if err != nil {
			return nil, 0, err
		}
		records = append(records, read...)
	}
	for n, k := range which {
		j, fields := &jobs[k], records[n]
		bytes += len(fields["job"])
		switch {
		case gens[n] == "" && (fields["gen"] != "" || fields["job"] == ""):
			j.Queue = "" // its record is gone, or another job's by now
		case fields["job"] == "":
			j.Queue, j.State, j.Reason = w.q.Name, j.at.state, "its record is gone"
		case fields["gen"] != gens[n]:
			j.Queue = "" // the pointer was left behind by a move
		default:
			at, far, element := j.at, j.far, j.element
			if at.kind != "ids" && fields["state"] != string(at.state) { // its record does not say it yet
				fields["state"], fields["at"] = string(at.state), ""
			}
			*j = recordedJob(w.q, ids[n], fields)
			j.at, j.far, j.element = at, far, element
		}
	}
	meant = jobs[:0]
	for k := range jobs {
		j := &jobs[k]
		if j.Queue == "" || j.at.kind == "ids" && !slices.Contains(w.f.States, j.State) || !w.f.matches(j) {
			continue
		}
		if j.at.kind == "held" {
			j.Worker = j.at.worker
			if j.Place == "" {
				worker := store.Member{Incarnation: j.at.worker}
				j.Place = w.places[worker.Worker()]
			}
		}
		meant = append(meant, *j)
	}
	return meant, bytes, nil
}

// bare fills in what the element and the place of a bare job say.
func (w *walker) bare(j *Job) {
	parsed, _ := wire.Parse(j.element) // what is no job is a raw one
	id, due := parsed.ID, j.DueAt
	if parsed.IsNew {
		id = ""
	}
	r := bridge.Record(w.q.Name, id, map[string]string{"job": j.element, "state": string(j.at.state)})
	j.Record = *r.(*tasuki.Record)
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
	if at := time.UnixMilli(int64(score)); score > 0 && at.Year() <= 9999 {
		return at
	}
	return time.Time{}
}
