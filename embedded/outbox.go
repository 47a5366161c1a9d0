package embedded

import "sync"

// outbox holds what a client has yet to be sent. It has no limit for replies, as in Redis: a client has asked for them.
type outbox struct {
	mu      sync.Mutex
	changed *sync.Cond
	pending []byte
	ended   bool
}

func newOutbox() *outbox {
	o := &outbox{}
	o.changed = sync.NewCond(&o.mu)
	return o
}

// put copies b, and returns how many bytes are now pending. After end it does nothing.
func (o *outbox) put(b []byte) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.ended {
		o.pending = append(o.pending, b...)
		o.changed.Signal()
	}
	return len(o.pending)
}

// end lets next return false when all that is pending has been taken.
func (o *outbox) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	o.changed.Signal()
}

// next waits for something to send, and returns all there is. It takes over the memory of used.
func (o *outbox) next(used []byte) ([]byte, bool) {
	const keep = 1 << 20 // bytes: one big reply does not stay in memory for as long as its connection lasts
	if cap(used) > keep {
		used = nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.pending) == 0 && !o.ended {
		o.changed.Wait()
	}
	b := o.pending
	o.pending = used[:0]
	return b, len(b) > 0
}
