package tasuki

import (
	"bytes"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// stacks tells where a goroutine is. A job pays nothing for it but that the number of
// its goroutine is noted: only when a handler is stuck are all stacks taken, and its
// own is looked up. That stops the program for some µs for each goroutine, so all who
// ask within a second share one look.
type stacks struct {
	mu   sync.Mutex
	seen map[uint64][]byte // by goroutine; nil when it is old
}

const (
	maxStack  = 64 << 10 // bytes of one
	maxStacks = 64 << 20 // of all; what is beyond is not found
)

// of returns the stack of a goroutine, "" if it is not known.
func (s *stacks) of(goroutine uint64) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[uint64][]byte{}
		for stack := range bytes.SplitSeq(allStacks(), []byte("\n\n")) {
			s.seen[numberOf(stack)] = stack[:min(len(stack), maxStack)]
		}
		delete(s.seen, 0)
		time.AfterFunc(time.Second, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.seen = nil
		})
	}
	return string(s.seen[goroutine])
}

func allStacks() []byte {
	for size := min(4096*(runtime.NumGoroutine()+8), maxStacks); ; size = min(2*size, maxStacks) {
		text := make([]byte, size)
		if n := runtime.Stack(text, true); n < size || size == maxStacks {
			return text[:n]
		}
	}
}

// goroutineID is the number of the calling goroutine, by which it is named in
// stacks. It costs about 1 µs, so who runs many jobs asks once.
func goroutineID() uint64 {
	var text [64]byte
	return numberOf(text[:runtime.Stack(text[:], false)])
}

// numberOf reads the begin of a stack: goroutine 7 [running]:
func numberOf(stack []byte) uint64 {
	_, after, _ := bytes.Cut(stack, []byte("goroutine "))
	number, _, _ := bytes.Cut(after, []byte(" "))
	n, _ := strconv.ParseUint(string(number), 10, 64)
	return n
}
