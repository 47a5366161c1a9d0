package web

import (
	"context"
	"time"

	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/legible"
)

func (d *Dashboard) apiQueues() []endpoint {
	return []endpoint{
		get("/queues", View, "All queues", d.getQueues),
		get("/queues/{queue}", View, "One queue; one that was never used is empty", d.getQueue),
		post("/queues/{queue}/pause", Pause, "Workers take no more jobs of it", d.postPause),
		post("/queues/{queue}/resume", Pause, "Workers take its jobs again", d.postResume),
		get("/queues/{queue}/eta", View, "When what waits will be done. It looks twice", d.getETA,
			param{"over", "string", "the time between the looks, 2.5s unless given, 30s at most"},
			param{"more", "integer", "how many workers more there are; fewer if it is negative"},
			param{"within", "string", "a time in which it should be done: the answer says how many workers more that takes"}),
		get("/queues/{queue}/locks", Unlock, "A page of the uniqueness keys that jobs have. There is no list of them: each page goes through some keys of the server", d.getLocks,
			param{"cursor", "string", "that of the page before; none for the first"}),
		post("/queues/{queue}/unlock", Unlock, "Free a uniqueness key", d.postUnlock),
	}
}

// apiQueueList is all queues.
type apiQueueList struct {
	At     time.Time       `json:"at"` // when they were looked at
	Queues []inspect.Queue `json:"queues"`
	// Warning is why some of them are missing.
	Warning string `json:"warning,omitempty"`
}

// sampled is the last look at queues and the server, which all callers and pages share.
func (q *request) sampled() (*sample, error) {
	s := q.d.samples.get(q.r.Context(), pageWait)
	switch {
	case s.Err != nil:
		return nil, s.Err
	case !s.OK():
		return nil, context.DeadlineExceeded
	}
	return s.Value, nil
}

func warningOf(err error) string {
	if err == nil {
		return ""
	}
	return legible.Lines(err.Error())
}

func (d *Dashboard) getQueues(q *request) (*apiQueueList, error) {
	s, err := q.sampled()
	if err != nil {
		return nil, err
	}
	return &apiQueueList{s.At, listed(s.Queues), warningOf(s.Warning)}, nil
}

// listed is a list that is [] in JSON when it is empty.
func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (d *Dashboard) getQueue(q *request) (*inspect.Queue, error) {
	name := q.queue()
	if err := q.refused(); err != nil {
		return nil, err
	}
	found, err := d.inspector.Queue(q.r.Context(), name)
	return &found, err
}

// acts is the Inspector whose acts are those of who has sent the request.
func (q *request) acts() *inspect.Inspector { return q.d.inspector.As(q.by()) }

func (d *Dashboard) postPause(q *request, _ *none) (*inspect.Queue, error) {
	return q.onQueue(func(name string) error { return q.acts().Pause(q.r.Context(), name, q.by()) })
}

func (d *Dashboard) postResume(q *request, _ *none) (*inspect.Queue, error) {
	return q.onQueue(func(name string) error { return q.acts().Resume(q.r.Context(), name) })
}

func (q *request) onQueue(act func(name string) error) (*inspect.Queue, error) {
	name := q.queue()
	if err := q.refused(); err != nil {
		return nil, err
	}
	if err := act(name); err != nil {
		return nil, err
	}
	return q.d.getQueue(q)
}

// apiETA is a backlog, and when it will be done.
type apiETA struct {
	Backlog  *inspect.Backlog `json:"backlog"`
	Estimate inspect.Estimate `json:"estimate"`
	// Needed is how many workers more it takes for it to be done within the time that was asked
	// for; nothing if that was not asked, or cannot be told.
	Needed *int `json:"needed,omitempty"`
}

func (d *Dashboard) getETA(q *request) (*apiETA, error) {
	name, over, more := q.queue(), q.spanOf("over", 100*time.Millisecond, 30*time.Second), q.within("more", -10_000, 10_000, 0)
	within := q.spanOf("within", time.Second, 365*24*time.Hour)
	if err := q.refused(); err != nil {
		return nil, err
	}
	b, err := d.inspector.Backlog(q.r.Context(), name, &inspect.BacklogConfig{Over: over})
	if err != nil {
		return nil, err
	}
	eta := &apiETA{Backlog: b, Estimate: b.Estimate(more)}
	if within > 0 {
		if n, ok := b.Within(within); ok {
			eta.Needed = &n
		}
	}
	return eta, nil
}

// apiLocks is a page of the uniqueness keys that jobs of a queue have. One may be on two pages.
type apiLocks struct {
	Locks  []inspect.Lock `json:"locks"`
	Cursor string         `json:"cursor,omitempty"` // for the next page; none when this is the last
}

func (d *Dashboard) getLocks(q *request) (*apiLocks, error) {
	name, cursor := q.queue(), q.text("cursor", mostCursor)
	if err := q.refused(); err != nil {
		return nil, err
	}
	ctx, stop := context.WithTimeout(q.r.Context(), pageWait)
	defer stop()
	found, next, err := d.inspector.LocksSome(ctx, name, cursor)
	if err != nil {
		return nil, err
	}
	answer := &apiLocks{Locks: listed(found), Cursor: next}
	for n := range answer.Locks {
		l := &answer.Locks[n]
		l.Key = d.veil(l.Kind).text(PartKey, l.Key)
	}
	return answer, nil
}

// apiLockName names a uniqueness key, as the list of them does.
type apiLockName struct {
	Lock string `json:"lock"`
}

func (d *Dashboard) postUnlock(q *request, body *apiLockName) (*none, error) {
	name, lock := q.queue(), q.checked("lock", body.Lock, mostText)
	if lock == "" {
		q.refuse("lock", "the name of the key is missing")
	}
	if err := q.refused(); err != nil {
		return nil, err
	}
	return &none{}, q.acts().Unlock(q.r.Context(), name, lock)
}
