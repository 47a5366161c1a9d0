package tasuki

import (
	"context"
	"time"

	"github.com/tasuki-dev/tasuki/internal/store"
)

// Waits tells whether a running worker is blocked in a queue, with nothing under
// way there that would end the wait or ask Redis.
func (w *Worker) Waits(queue string) bool {
	s, err := w.running("Waits")
	if err != nil {
		return false
	}
	s.fetcher.mu.Lock()
	defer s.fetcher.mu.Unlock()
	for _, q := range s.fetcher.queues {
		if q.name == queue {
			return q.stopWait != nil && q.inflight == 0
		}
	}
	return false
}

// Rests tells whether a running worker knows that a queue is paused, and has nothing
// under way there: no wait and no exchange.
func (w *Worker) Rests(queue string) bool {
	s, err := w.running("Rests")
	if err != nil {
		return false
	}
	s.fetcher.mu.Lock()
	defer s.fetcher.mu.Unlock()
	for _, q := range s.fetcher.queues {
		if q.name == queue {
			return q.paused && !q.waiting && !q.hands && q.inflight == 0
		}
	}
	return false
}

// DecodeArgs is how arguments are decoded.
var DecodeArgs = decodeArgs

// WaitLook waits until the worker has looked at the health of the server.
func (w *Worker) WaitLook() {
	w.mu.Lock()
	s := w.session
	w.mu.Unlock()
	s.looking.Wait()
}

// AddStatistics adds what a running worker has counted to the statistics.
func (w *Worker) AddStatistics(ctx context.Context) error {
	s, err := w.running("AddStatistics")
	if err != nil {
		return err
	}
	return s.fetcher.stats.flush(ctx, s.id)
}

// Store is what the client reaches Redis with.
func (c *Client) Store() *store.Store { return c.store }

// Hang makes a running worker stand still until go is called, as a deadlock would.
func (w *Worker) Hang() (resume func()) {
	w.mu.Lock()
	s := w.session
	w.mu.Unlock()
	s.fetcher.mu.Lock()
	return s.fetcher.mu.Unlock
}

// Age makes a client believe that it has known a queue for longer.
func (c *Client) Age(queue string, by time.Duration) error {
	q, err := c.queue(queue)
	if err == nil {
		q.made = q.made.Add(-by)
	}
	return err
}
