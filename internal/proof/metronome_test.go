package proof

import (
	"bufio"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// metronome asks a server for a sign of life twenty times a second, and remembers when
// the answer was late: then the machine stood still, for all of its processes. An
// observer does not judge by such time (docs/decisions/0017-bad-rounds.md), and what
// it takes to notice a death cannot be measured in it.
type metronome struct {
	quit chan struct{}
	done sync.WaitGroup

	mu   sync.Mutex
	late []interval
}

const (
	beat = 50 * time.Millisecond
	// An observer calls a round bad when the answer takes half a second. Another
	// process than this one may have been late by a little more.
	lateBy = 400 * time.Millisecond
)

// metronome runs until the test ends.
func (r *row) metronome(s *redistest.Server) *metronome {
	r.t.Helper()
	conn, err := net.Dial("unix", s.Socket())
	if err != nil {
		r.t.Fatal(err)
	}
	m := &metronome{quit: make(chan struct{})}
	m.done.Go(func() {
		defer conn.Close()
		answers := bufio.NewReader(conn)
		for {
			from := micros()
			select {
			case <-m.quit:
				return
			case <-time.After(beat):
			}
			if _, err := fmt.Fprint(conn, "PING\r\n"); err != nil {
				return
			}
			if _, err := answers.ReadString('\n'); err != nil {
				return
			}
			if to := micros(); to-from > (beat + lateBy).Microseconds() {
				m.mu.Lock()
				m.late = append(m.late, interval{from, to})
				m.mu.Unlock()
			}
		}
	})
	r.t.Cleanup(func() {
		close(m.quit)
		m.done.Wait()
	})
	return m
}

// keptUp tells whether the machine did not stand still between two times.
func (m *metronome) keptUp(from, to int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, late := range m.late {
		if late.from <= to && late.to >= from {
			return false
		}
	}
	return true
}
