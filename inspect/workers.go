package inspect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// WorkerState is what a worker does on the whole.
type WorkerState string

// The states of a worker.
const (
	// WorkerRunning: it takes jobs and runs them.
	WorkerRunning WorkerState = "running"
	// WorkerQuiet: it takes no more jobs, and runs those that it has.
	WorkerQuiet WorkerState = "quiet"
	// WorkerStopping: it was told to stop, and its handlers have the grace to end.
	WorkerStopping WorkerState = "stopping"
	// WorkerUnheard: it did not beat for 2.5 s. It is dead, frozen or cut off; when it has
	// been taken for dead it is not in the list any more.
	WorkerUnheard WorkerState = "unheard"
)

// Worker is one that is in the list of workers.
type Worker struct {
	ID      string      `json:"id"`
	Host    string      `json:"host"`
	PID     int         `json:"pid"`
	State   WorkerState `json:"state"`
	Queues  []string    `json:"queues"`
	Slots   int         `json:"slots"`
	Started time.Time   `json:"started,omitzero"` // by its clock
	Version string      `json:"version,omitempty"`
	// Observes: it watches over all workers.
	Observes bool `json:"observes,omitempty"`

	// Answered: it was asked what it does, and has said. Else it is unheard, or may not
	// SUBSCRIBE, or who asks may not PUBLISH, and nothing is known of what follows.
	Answered bool        `json:"answered"`
	LastBeat time.Time   `json:"last_beat,omitzero"` // by the clock of this program
	Busy     int         `json:"busy"`               // slots with a job
	Runs     []WorkerRun `json:"runs,omitempty"`     // these jobs, the oldest first, at most 1,000
}

// Place is the worker's process, as records of jobs have it: host:pid.
func (w *Worker) Place() string { return fmt.Sprintf("%s:%d", w.Host, w.PID) }

// WorkerRun is a job in a slot of a worker.
type WorkerRun struct {
	Queue string    `json:"queue"`
	ID    string    `json:"id"`
	Kind  string    `json:"kind,omitempty"` // none of a raw job
	Since time.Time `json:"since"`          // when it was claimed, by the worker's clock
}

// Address is QUEUE/ID.
func (r *WorkerRun) Address() string { return r.Queue + "/" + r.ID }

// ErrUnanswered says that a worker has not answered: it is gone, frozen or cut off, or it may
// not SUBSCRIBE. What it was asked it may have heard all the same.
var ErrUnanswered = errors.New("the worker has not answered")

// answerIn is how long an answer is waited for: as long as it takes to see that a worker does
// not beat. The stacks of a large process take longer.
func answerIn(what string) time.Duration {
	if what == store.AskDump {
		return 10 * time.Second
	}
	return watchFor
}

// Workers returns all that are in the list of workers, by host, process and id, and asks each
// what it does. That takes milliseconds, and 2.5 s if one does not answer.
func (i *Inspector) Workers(ctx context.Context) ([]Worker, error) {
	return i.workersThat(ctx, func(string) bool { return true })
}

// workersThat returns those of Workers whose ids are meant.
func (i *Inspector) workersThat(ctx context.Context, are func(id string) bool) ([]Worker, error) {
	isNot := func(id string, _ int64) bool { return !are(id) }
	before, observer, err := i.store.Workers(ctx)
	if err != nil {
		return nil, fmt.Errorf("workers: %w", err)
	}
	maps.DeleteFunc(before, isNot)
	answers, err := i.ask(ctx, store.AskLook, slices.Collect(maps.Keys(before)))
	if store.IsRedis(err) && !store.IsPassing(err) { // it may not PUBLISH: only beats tell who lives, and they take time
		select {
		case <-time.After(answerIn(store.AskLook)):
			err = nil
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("workers: %w", err)
	}
	// Behind the time for answers, so that it shows who has beaten meanwhile.
	after, _, err := i.store.Workers(ctx)
	if err != nil {
		return nil, fmt.Errorf("workers: %w", err)
	}
	maps.DeleteFunc(after, isNot)
	abouts, err := i.store.About(ctx)
	if err != nil {
		return nil, fmt.Errorf("workers: %w", err)
	}
	workers := []Worker{}
	for id, beats := range after {
		said := abouts[id] // else only its id is known
		a := answers[id]
		if a != nil {
			said = a.About
		}
		w := Worker{
			ID: id, Host: said.Host, PID: said.PID, State: WorkerRunning, Queues: append([]string{}, said.Queues...), Slots: said.Concurrency,
			Started: moment(float64(said.Started)), Version: said.Version, Observes: id == observer,
		}
		was, known := before[id]
		switch {
		case a == nil && known && was == beats:
			w.State = WorkerUnheard
		case said.Stopping:
			w.State = WorkerStopping
		case said.Quiet:
			w.State = WorkerQuiet
		}
		if a != nil {
			w.Answered, w.LastBeat, w.Busy = true, time.Now().Add(-time.Duration(a.Beat)*time.Millisecond), a.Busy
			for _, r := range a.Runs {
				w.Runs = append(w.Runs, WorkerRun{r.Queue, r.ID, r.Kind, moment(float64(r.Since))})
			}
		}
		workers = append(workers, w)
	}
	slices.SortFunc(workers, func(a, b Worker) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.PID, b.PID), cmp.Compare(a.ID, b.ID))
	})
	return workers, nil
}

// Quiet has workers claim nothing more: they run what they have, and go on to beat, until
// they are stopped. It cannot be taken back. The errors are one for each, or nil:
// ErrUnanswered.
func (i *Inspector) Quiet(ctx context.Context, workers ...string) []error {
	_, errs := i.tell(ctx, store.AskQuiet, workers)
	i.notedAll(ctx, store.AskQuiet, workers, "", errs)
	return errs
}

// Stop has workers stop, as when the context of their Run has ended; WorkerConfig.OnStop can
// make more of it. They have heard it when it returns, and not stopped yet. The errors are
// those of Quiet.
func (i *Inspector) Stop(ctx context.Context, workers ...string) []error {
	_, errs := i.tell(ctx, store.AskStop, workers)
	i.notedAll(ctx, store.AskStop, workers, "", errs)
	return errs
}

// Dump returns the stacks of all goroutines in the processes of workers, for each the first
// MiB. It stops such a process for some µs for each goroutine, and takes 10 s if one does not
// answer. The errors are those of Quiet.
func (i *Inspector) Dump(ctx context.Context, workers ...string) ([]string, []error) {
	answers, errs := i.tell(ctx, store.AskDump, workers)
	dumps := make([]string, len(workers))
	for n, id := range workers {
		if a := answers[id]; a != nil {
			dumps[n] = a.Stacks
		}
	}
	i.notedAll(ctx, store.AskDump, workers, "", errs)
	return dumps, errs
}

func (i *Inspector) tell(ctx context.Context, what string, workers []string) (map[string]*store.Answer, []error) {
	answers, err := i.ask(ctx, what, workers)
	errs := make([]error, len(workers))
	for n, id := range workers {
		switch {
		case answers[id] != nil:
		case err != nil:
			errs[n] = fmt.Errorf("%s %s: %w", what, id, err)
		default:
			errs[n] = fmt.Errorf("%s %s: %w within %v", what, id, ErrUnanswered, answerIn(what))
		}
	}
	return answers, errs
}

// ask asks workers something, and returns the answers of those that have given one in time.
func (i *Inspector) ask(ctx context.Context, what string, workers []string) (map[string]*store.Answer, error) {
	if len(workers) == 0 {
		return nil, nil
	}
	limited, stop := context.WithTimeout(ctx, answerIn(what))
	id := wire.NewToken()
	ready, heard, ended := make(chan struct{}, 1), make(chan *store.Answer), make(chan error, 1)
	go func() {
		defer close(ended)
		ended <- i.store.HearAnswers(limited, id, func() { ready <- struct{}{} }, func(a *store.Answer) {
			select {
			case heard <- a:
			case <-limited.Done():
			}
		})
	}()
	defer func() {
		stop()
		for range ended { // until it has
		}
	}()
	answers := map[string]*store.Answer{}
	for len(answers) < len(workers) {
		select {
		case <-ready:
			if err := i.store.Ask(limited, id, what, workers); err != nil {
				return nil, err
			}
		case a := <-heard:
			if slices.Contains(workers, a.Worker) {
				answers[a.Worker] = a
			}
		case err := <-ended:
			return answers, cmp.Or(err, ctx.Err())
		}
	}
	return answers, nil
}
