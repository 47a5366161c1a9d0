package inspect

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/tasuki-dev/tasuki/internal/store"
)

// Event is a change of a recorded job.
type Event struct {
	At    time.Time `json:"at"` // when it was heard, by the clock of this program
	Queue string    `json:"queue,omitempty"`
	ID    string    `json:"id,omitempty"`
	// What is the state that the job has now; "edited", of one that was changed while it
	// waited; or "note": the handler has said something, such as how far it has come. It
	// is Missed when nothing was heard for a while.
	What string `json:"what"`
}

// Address is QUEUE/ID; empty of Missed.
func (e *Event) Address() string {
	if e.ID == "" {
		return ""
	}
	return e.Queue + "/" + e.ID
}

// Missed is the Event.What of no job: the connection was lost and is there again, and what
// has changed in between nobody says.
const Missed = "missed"

// Events yields the changes of all recorded jobs of a queue, or of all queues if it is "",
// from now on until ctx ends: see Client.Watch for those of one job. An error is the last
// that is yielded. A job without a record tells nothing of itself, as that would cost it as
// much as all else that Redis does for it.
//
// An enqueue is not told, nor that a job is due: the first change is as a rule that the job
// runs. Nothing is kept for who listens later, and who reads too slowly is cut off by the
// server, and gets Missed.
func (i *Inspector) Events(ctx context.Context, queue string) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if queue != "" {
			if _, err := i.store.Queue(queue); err != nil {
				yield(Event{}, fmt.Errorf("events: %w", err))
				return
			}
		}
		ctx, stop := context.WithCancel(ctx)
		events := make(chan Event)
		var failed error
		go func() {
			defer close(events)
			failed = i.hear(ctx, queue, events)
		}()
		defer func() {
			stop()
			for range events { // until it has ended
			}
		}()
		for e := range events {
			if !yield(e, nil) {
				return
			}
		}
		if failed != nil {
			yield(Event{}, fmt.Errorf("events: %w", failed))
		}
	}
}

// hear sends what is told until ctx ends, also after its connection was lost.
func (i *Inspector) hear(ctx context.Context, queue string, events chan<- Event) error {
	send := func(e Event) {
		e.At = time.Now()
		select {
		case events <- e:
		case <-ctx.Done():
		}
	}
	before := false // it was subscribed
	for {
		err := i.store.HearRecords(ctx, func() {
			if before {
				send(Event{What: Missed})
			}
			before = true
		}, func(q, id, what string) {
			if queue == "" || q == queue {
				send(Event{Queue: q, ID: id, What: what})
			}
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case !before, store.IsRedis(err) && !store.IsPassing(err), errors.Is(err, store.ErrClosed):
			return err
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}
