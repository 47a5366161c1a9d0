package store

import "context"

// AddQueue enters a queue in the directory of queues.
func (s *Store) AddQueue(ctx context.Context, q *Queue) error {
	_, err := s.evalInt(ctx, scriptQueue, []string{s.queuesKey()}, []string{q.Name})
	return err
}
