package tasuki

import "time"

// Status is how a worker is by what it knows itself: it asks nobody. Package health makes
// probes of it.
type Status struct {
	ID string // of the worker in the list of workers; empty before Run and after it

	Entered  bool // it has entered itself in the list of workers, and takes jobs since
	Listed   bool // it is in that list, as of its last beat
	Quiet    bool // it was asked to take no more jobs
	Stopping bool
	Ended    bool // Run has returned

	LastBeat time.Time // when Redis answered its last beat; zero before the first
	Slots    int
	Busy     int // slots with a job

	// Queues are those that it takes jobs of, in the order of WorkerConfig.Queues. Those
	// that RemoveQueue has taken away are missing.
	Queues []QueueStatus
	// Stuck are the handlers that have ignored the end of their context for a while (a
	// fifth of Grace, at least 1 s and at most 5 s), by the address of their job: since
	// when the context has ended.
	Stuck map[string]time.Time
}

// QueueStatus is how a queue of a worker is.
type QueueStatus struct {
	Name   string
	Weight int
	Paused bool // nothing may be claimed: by Redis' last answer, or as the queue cannot be served as it is
	// Failing: Redis has not done what the last exchange asked for, or not all of it. It is
	// tried again.
	Failing   bool
	LastClaim time.Time // zero before the first
}

// Status returns how the worker is at this moment. It takes microseconds.
func (w *Worker) Status() Status {
	w.mu.Lock()
	s, ran := w.session, w.ran
	w.mu.Unlock()
	if s == nil {
		return Status{Slots: w.cfg.Concurrency, Ended: ran}
	}
	s.mu.Lock()
	v := Status{ID: s.id, Entered: s.entered, Listed: s.listed, Stopping: s.about.Stopping}
	s.mu.Unlock()
	s.fetcher.status(&v)
	return v
}

// entry notes whether the worker is in the list of workers.
func (s *session) entry(listed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listed = listed
	s.entered = s.entered || listed
}

// status fills in what the fetcher knows.
func (f *fetcher) status(v *Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v.Quiet, v.Stopping = f.quiet, v.Stopping || f.stopping
	v.Slots, v.Busy = f.w.cfg.Concurrency, len(f.active)
	if v.Entered {
		v.LastBeat = f.lastBeat
	}
	for _, q := range f.queues {
		if q.removed {
			continue
		}
		one := QueueStatus{
			Name: q.name, Weight: q.weight, Paused: q.paused || q.saidPaused,
			Failing: q.failures > 0 || q.single || len(q.stuck) > 0,
		}
		if q.claimed > 0 {
			one.LastClaim = f.epoch.Add(q.claimed)
		}
		v.Queues = append(v.Queues, one)
	}
	for r, since := range f.late {
		if v.Stuck == nil {
			v.Stuck = make(map[string]time.Time, len(f.late))
		}
		v.Stuck[r.address()] = since
	}
}
