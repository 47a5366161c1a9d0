// Package health answers the probes of a supervisor, such as a kubelet: whether a program
// with workers is alive, ready and started. It is for net/http, and nothing is served
// before the program does so.
//
//	probes, err := health.New(client, &health.Config{Workers: []*tasuki.Worker{worker}})
//	…
//	go http.ListenAndServe("127.0.0.1:8081", probes)
package health

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

const (
	// idleFor is how long a queue with jobs, a free slot, and no claim are taken for chance.
	// A worker claims within a round trip.
	idleFor = 5 * time.Second
	// unseenFor is how old the last beat of a worker is that others take for dead.
	unseenFor = 30 * time.Second
	// answersFor is how long Redis has answered before a worker that does not beat is to
	// blame: it tries once a second, and one try takes 8 s at most.
	answersFor = 10 * time.Second
	// missedFor is how old the last beat of a worker may be that is ready: a few beats.
	missedFor = 5 * time.Second
	// askFor is how long a look may ask Redis: a kubelet waits one second for an answer
	// unless it is told otherwise.
	askFor = 500 * time.Millisecond
	// lookEvery is how old an answer may be: so many probes cost Redis no more than one.
	lookEvery = 250 * time.Millisecond
)

// Config is what Health looks at. The zero value of a field is its default.
type Config struct {
	// Workers are those of this process that are of the client; none for a program that
	// only enqueues.
	Workers []*tasuki.Worker
	// StuckFor is how long a handler may ignore the end of its context before the program
	// is not alive: a minute unless told, -1 for as long as it likes. Its slot is lost
	// until the process ends. Less than 5 s are as 5 s, for a worker with a Grace of 25 s:
	// see tasuki.Status.Stuck.
	StuckFor time.Duration
}

// Health is an http.Handler of three probes:
//
//	/livez     fails when a restart of the process would help
//	/readyz    fails while no jobs are taken, or Redis does not answer
//	/startupz  fails until every worker was in the list of workers once
//
// Live, Ready and Started are the same without a path. Each answers 200 or 503, with
//
//	{"ok":false,"reasons":["redis cannot be reached: …"]}
//
// within about half a second. It is safe for concurrent use.
//
// What takes time to be seen (a queue that is left alone, a worker that does not beat) is
// seen by probes that follow each other, of whatever kind: the first notes it, and a later
// one fails.
type Health struct {
	cfg       Config
	client    *tasuki.Client
	inspector *inspect.Inspector
	mux       *http.ServeMux

	mu      sync.Mutex // held during a look
	looked  time.Time
	last    look
	answers time.Time            // since when Redis answers; zero while it does not
	reached bool                 // Redis has answered once
	alone   map[string]suspicion // by worker and queue
}

// suspicion is a queue with jobs that a worker has not claimed from, though it has a slot.
type suspicion struct {
	since     time.Time // when it was first seen
	lastClaim time.Time // by then
}

// look is what one look has found: why not, of each probe.
type look struct {
	live, ready, started []string
}

// New returns the probes of a program; cfg may be nil. The error names the field of the
// config and what is allowed.
func New(client *tasuki.Client, cfg *Config) (*Health, error) {
	h := &Health{client: client, inspector: inspect.New(client), mux: http.NewServeMux(), alone: map[string]suspicion{}}
	if cfg != nil {
		h.cfg = *cfg
	}
	for i, w := range h.cfg.Workers {
		if w == nil {
			return nil, fmt.Errorf("health: Config.Workers[%d]: nil: allowed are workers", i)
		}
	}
	switch {
	case h.cfg.StuckFor == 0:
		h.cfg.StuckFor = time.Minute
	case h.cfg.StuckFor < -1:
		return nil, fmt.Errorf("health: Config.StuckFor: %v: allowed are 1 ns and more, -1 for no limit, and 0 for a minute", h.cfg.StuckFor)
	}
	h.mux.Handle("/livez", h.Live())
	h.mux.Handle("/readyz", h.Ready())
	h.mux.Handle("/startupz", h.Started())
	return h, nil
}

// ServeHTTP implements http.Handler.
func (h *Health) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// Live fails when only a new process helps: a worker leaves a queue alone that has jobs,
// with a free slot, for 5 s; it does not beat though Redis answers; a handler ignores the
// end of its context; or its Run has returned and the process goes on. A Redis that is
// away, a pause, and slots that are all taken are no reason.
func (h *Health) Live() http.Handler {
	return h.probe(func(l *look) []string { return l.live })
}

// Ready fails while this program takes no jobs: Redis does not answer, or a worker is not
// in the list of workers, does not beat, is quiet, stops or has ended. Of a Cluster one node is
// asked: when that of one queue is away, workers go on with the others, and the doctor tells.
func (h *Health) Ready() http.Handler {
	return h.probe(func(l *look) []string { return l.ready })
}

// Started fails until every worker was in the list of workers once. Without workers, it
// fails until Redis has answered.
func (h *Health) Started() http.Handler {
	return h.probe(func(l *look) []string { return l.started })
}

// ping returns when ctx ends, also while the client waits for a connection: a server that hangs accepts
// one, and says nothing.
func (h *Health) ping(ctx context.Context) error {
	answered := make(chan error, 1)
	go func() { answered <- h.client.Ping(ctx) }()
	select {
	case err := <-answered:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// look looks at everything, unless that was done a moment ago.
func (h *Health) look(ctx context.Context) look {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.looked) < lookEvery {
		return h.last
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askFor) // others wait for it too
	defer cancel()
	var l look
	began := time.Now()
	if err := h.ping(ctx); err != nil {
		h.answers = time.Time{}
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("no answer within %v", askFor)
		}
		l.ready = append(l.ready, fmt.Sprintf("redis cannot be reached: %v", err))
	} else if h.answers.IsZero() {
		h.answers = began
	}
	alone := map[string]suspicion{}
	for i, w := range h.cfg.Workers {
		v := &view{Status: w.Status(), name: fmt.Sprintf("worker %d", i+1), now: time.Now()}
		if v.ID != "" {
			v.name = "worker " + v.ID
		}
		l.started = append(l.started, v.notStarted()...)
		l.ready = append(l.ready, v.notReady()...)
		l.live = append(l.live, v.notAlive(h.answers, h.cfg.StuckFor)...)
		l.live = append(l.live, v.leftAlone(func(queue string) bool { return h.hasJobs(ctx, queue) }, h.alone, alone)...)
	}
	h.alone = alone
	h.reached = h.reached || !h.answers.IsZero()
	if len(h.cfg.Workers) == 0 && !h.reached {
		l.started = l.ready
	}
	h.last, h.looked = l, time.Now()
	return l
}
