// Package tasukitest is for tests of programs that use tasuki. Most of it needs no Redis.
//
// What a program enqueues: give it a Recorder where it takes a tasuki.Enqueuer,
// and look at what was recorded.
//
//	var rec tasukitest.Recorder
//	signUp(ctx, &rec, "ann")
//	job := tasukitest.RequireEnqueued(t, &rec, Welcome)
//	// job.Args.Name, job.Queue, job.DueAt, …
//
// What a handler does: run it on a job, and look at what becomes of that.
//
//	w := tasukitest.NewWorker(nil)
//	tasuki.Handle(w, Welcome, sendWelcome)
//	result, err := tasukitest.Run(ctx, w, Welcome.Spec(WelcomeArgs{Name: "ann"}))
//	// result.Outcome, result.Err, result.Delay, …
//
// Inline runs jobs where they are enqueued, and Recorder.Drain those that were recorded.
//
// All these go the ways of a Client and a Worker, short of Redis: the same checks, the
// same encoding, the same middlewares, the same decision. What is between them, such as the
// order of jobs, delays or uniqueness, a real Client and a real Worker show: on the fake
// time of testing/synctest with Embedded, or with Redis, a redis-server for one test. Start
// runs the Worker.
package tasukitest

import (
	"bytes"
	"context"
	"maps"
	"sync"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/bridge"
)

// Recorder is an Enqueuer that keeps the jobs and has nobody run them. What a
// Client refuses before it asks Redis, a Recorder refuses with the same error. The
// zero value is ready to use, by several goroutines at a time.
//
// Its ids (Opts.ID) are never forgotten. Nothing becomes due.
type Recorder struct {
	// MaxPayload is that of the ClientConfig: 1 MiB unless told.
	MaxPayload int

	mu   sync.Mutex
	jobs []Recorded
	seen map[string]bool // QUEUE/ID of the caller's own ids
}

var _ tasuki.Enqueuer = (*Recorder)(nil)

// Recorded is a job that a Recorder has accepted.
type Recorded struct {
	Spec tasuki.Spec // as it was given
	Info tasuki.Info // as it was answered
	// Element is what a Client would have put into Redis.
	Element string
}

// EnqueueMany records what a Client would accept, and returns a *tasuki.ManyError
// if that is not everything. A job whose id was recorded before is not recorded
// again: its Info says that it existed.
func (r *Recorder) EnqueueMany(ctx context.Context, specs []tasuki.Spec) ([]tasuki.Info, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	infos, errs, failed := make([]tasuki.Info, len(specs)), make([]error, len(specs)), false
	now := time.Now()
	for i := range specs {
		infos[i], errs[i] = r.enqueue(ctx, &specs[i], now)
		failed = failed || errs[i] != nil
	}
	if failed {
		return infos, &tasuki.ManyError{Errs: errs}
	}
	return infos, nil
}

func (r *Recorder) enqueue(ctx context.Context, spec *tasuki.Spec, now time.Time) (tasuki.Info, error) {
	made, element, err := bridge.RehearseEnqueue(spec, r.MaxPayload, now)
	if err == nil {
		err = context.Cause(ctx) // a Client sends nothing then
	}
	if err != nil {
		return tasuki.Info{}, err
	}
	info := made.(tasuki.Info)
	if spec.Opts.ID != "" {
		if r.seen[info.Address()] {
			return bridge.Existed(info).(tasuki.Info), nil
		}
		if r.seen == nil {
			r.seen = map[string]bool{}
		}
		r.seen[info.Address()] = true
	}
	kept := *spec
	kept.Args = bytes.Clone(kept.Args)
	kept.Opts.Meta = maps.Clone(kept.Opts.Meta)
	own := info
	own.Meta = kept.Opts.Meta
	r.jobs = append(r.jobs, Recorded{Spec: kept, Info: own, Element: element})
	return info, nil
}

// All returns what was recorded, in order.
func (r *Recorder) All() []Recorded {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Recorded(nil), r.jobs...)
}

// Drain has a worker run what was recorded, in order and each until it has ended, then what
// these have enqueued with the same Recorder, until nothing is left. It returns the results
// in the order in which the jobs were run, and leaves the Recorder without jobs; ids are
// remembered. Times are not waited for. An error, such as that the worker takes no jobs of a
// queue, ends it.
func (r *Recorder) Drain(ctx context.Context, w *tasuki.Worker) ([]*Result, error) {
	var results []*Result
	for {
		r.mu.Lock()
		jobs := r.jobs
		r.jobs = nil
		r.mu.Unlock()
		if len(jobs) == 0 {
			return results, nil
		}
		for _, job := range jobs {
			result, err := run(ctx, w, job.Info.Queue, job.Element, bridge.IsRecorded(&job.Spec), nil)
			if err == nil {
				result, err = result.Finish(ctx)
			}
			if err != nil {
				return results, err
			}
			results = append(results, result)
		}
	}
}

// Reset forgets everything, ids too.
func (r *Recorder) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.jobs, r.seen = nil, nil
}
