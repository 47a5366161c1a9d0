package tasuki

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/tasuki-dev/tasuki/internal/fingerprint"
	"github.com/tasuki-dev/tasuki/internal/source"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/tally"
)

const (
	// flushEvery is how often what was counted is added to the statistics in Redis. So much
	// of it goes with a process that is killed.
	flushEvery = 10 * time.Second
	// flushTimeout is how long an addition may take, and lastFlush the one of a stop.
	flushTimeout = 5 * time.Second
	lastFlush    = time.Second

	maxCountedKinds    = 1000 // of all queues, between two additions
	maxCountedFailures = 100  // the same, of failures
	countedPortion     = 20   // kinds in one call: of Redis' time a fraction of a millisecond as a rule, 4 ms at the worst

	maxSampleText  = 512
	maxSampleStack = 1 << 10
)

// statistics are what a worker has counted and not yet added to those in Redis. An attempt
// is counted where its outcome is taken for the next exchange, under the lock that is held
// there in any case.
type statistics struct {
	f   *fetcher
	off bool

	// Guarded by fetcher.mu.
	kinds    map[countedKind]*tally.Counts
	failures map[string]*countedFailure // by fingerprint

	adding  sync.Mutex       // it is taken before fetcher.mu
	pending []*store.Counted // guarded by adding: what was taken and is not added yet
	call    int64            // the same: the number of pending[0]
}

type countedKind struct{ queue, kind string }

type countedFailure struct {
	times  int64
	sample sample
}

// sample is one case of a failure, in Redis as JSON. Package inspect reads it.
type sample struct {
	Kind  string `json:"kind"`
	Queue string `json:"queue"`
	ID    string `json:"id,omitempty"`
	Error string `json:"error"`
	Stack string `json:"stack,omitempty"`
}

// failureOf is how an attempt with an error is counted.
func failureOf(queue, kind, id, text string) (string, sample) {
	message, stack := fingerprint.Split(text)
	return fingerprint.Of(kind, text), sample{
		Kind: kind, Queue: queue, ID: id, Error: cutText(message, maxSampleText), Stack: cutText(stack, maxSampleStack),
	}
}

// noteFailure keeps for settled what the error of an attempt was.
func (s *statistics) noteFailure(r *run, err error) {
	if !s.off && r.isStarted() {
		print, sample := failureOf(r.q.name, kindOf(r.raw.Kind), r.raw.ID, err.Error())
		r.failure = &failure{print, sample}
	}
}

// failure is that of a run.
type failure struct {
	fingerprint string
	sample      sample
}

// kindOf is the kind that a job is counted under.
func kindOf(kind string) string {
	if kind == "" {
		return store.RawKind
	}
	return kind
}

// settled counts a run whose outcome goes to Redis. What is no attempt is not counted: a
// snooze, a release, a cancel, what did not begin. fetcher.mu is held.
func (s *statistics) settled(r *run, state source.State) {
	failed := r.failure != nil && (state == source.Retry || state == source.Dead)
	if s.off || !r.isStarted() || state != source.Done && !failed {
		return
	}
	c := s.of(r.q, r.raw.Kind)
	c.Attempt(failed, r.took)
	if then := s.f.clock.Load(); r.readySince != 0 && then != 0 {
		c.Waited(time.Duration(then-r.readySince) + r.began)
	}
	if failed {
		s.failed(r.failure.fingerprint, r.failure.sample)
	}
}

// of returns the counts of a kind in a queue.
func (s *statistics) of(q *queue, kind string) *tally.Counts {
	if q.counts != nil && q.counted == kind {
		return q.counts
	}
	q.counts, q.counted = s.counts(q.name, kindOf(kind)), kind
	return q.counts
}

func (s *statistics) counts(queue, kind string) *tally.Counts {
	key := countedKind{queue, kind}
	c := s.kinds[key]
	if c == nil && len(s.kinds) >= maxCountedKinds {
		key.kind = store.OtherKinds
		c = s.kinds[key]
	}
	if c == nil {
		c = &tally.Counts{}
		if s.kinds == nil {
			s.kinds = map[countedKind]*tally.Counts{}
		}
		s.kinds[key] = c
	}
	return c
}

func (s *statistics) failed(print string, last sample) {
	f := s.failures[print]
	if f == nil {
		if len(s.failures) >= maxCountedFailures {
			return // the kind has it
		}
		if s.failures == nil {
			s.failures = map[string]*countedFailure{}
		}
		f = &countedFailure{}
		s.failures[print] = f
	}
	f.times++
	f.sample = last
}

// crashed counts a job of a dead worker. fetcher.mu is not held.
func (s *statistics) crashed(queue, kind, id string) {
	if s.off {
		return
	}
	print, sample := failureOf(queue, kindOf(kind), id, fingerprint.Crash)
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	s.counts(queue, kindOf(kind)).Crashed++
	s.failed(print, sample)
}

// run adds what was counted to the statistics, until ctx ends.
func (s *statistics) run(ctx context.Context, worker string) {
	if s.off {
		return
	}
	st := s.f.w.client.store
	timer := time.NewTimer(jitter(st.Paced(flushEvery)))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		call, cancel := context.WithTimeout(ctx, flushTimeout)
		if err := s.flush(call, worker); err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrUncertain) && store.IsRedis(err) {
			s.f.w.warnOnce("statistics "+err.Error(), "tasuki: redis does not take the statistics; trying again", "err", err)
		}
		cancel()
		timer.Reset(jitter(st.Paced(flushEvery)))
	}
}

// flush adds what was counted. What Redis does not take stays for the next time, and until
// it has, nothing more is taken out of the maps, which have bounds.
func (s *statistics) flush(ctx context.Context, worker string) error {
	s.adding.Lock()
	defer s.adding.Unlock()
	if len(s.pending) == 0 {
		s.pending = s.take()
	}
	for len(s.pending) > 0 {
		if err := s.f.w.client.store.AddStats(ctx, worker, s.call, s.f.serverNow(), s.pending[0]); err != nil {
			return err
		}
		s.pending = s.pending[1:]
		s.call++
	}
	return nil
}

// take takes what was counted, in portions.
func (s *statistics) take() []*store.Counted {
	s.f.mu.Lock()
	kinds, failures := s.kinds, s.failures
	s.kinds, s.failures = nil, nil
	for _, q := range s.f.queues {
		q.counts = nil
	}
	s.f.mu.Unlock()

	for key, c := range kinds {
		if key.kind == store.AllKinds {
			continue
		}
		key.kind = store.AllKinds
		for _, queue := range []string{key.queue, store.AllQueues} {
			if key.queue = queue; kinds[key] == nil {
				kinds[key] = &tally.Counts{}
			}
			kinds[key].Add(c)
		}
	}
	var portions []*store.Counted
	for key, c := range kinds {
		if n := len(portions); n == 0 || len(portions[n-1].Kinds) == countedPortion {
			portions = append(portions, &store.Counted{})
		}
		last := portions[len(portions)-1]
		last.Kinds = append(last.Kinds, store.CountedKind{Queue: key.queue, Kind: key.kind, Numbers: string(c.Append(nil))})
	}
	for print, f := range failures { // none without the kind of one
		text, _ := json.Marshal(f.sample) // it has no value that could fail
		portions[0].Failures = append(portions[0].Failures, store.CountedFailure{Fingerprint: print, Times: f.times, Sample: string(text)})
	}
	return portions
}

// end adds what was counted since the last time, if Redis takes it within a moment.
func (s *statistics) end(worker string) {
	ctx, cancel := context.WithTimeout(context.Background(), lastFlush)
	defer cancel()
	_ = s.flush(ctx, worker) // what is lost is a few seconds of statistics
}
