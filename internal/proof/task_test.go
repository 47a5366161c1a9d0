package proof

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki"
)

// task is what a job of a proof asks its handler to do.
type task struct {
	N      int    `json:"n"`
	Ms     int    `json:"ms,omitempty"`     // takes that long, unless a process has died of it already
	Slow   bool   `json:"slow,omitempty"`   // takes it in every run
	Fail   int    `json:"fail,omitempty"`   // that many attempts fail
	Snooze bool   `json:"snooze,omitempty"` // is put off once
	Kill   bool   `json:"kill,omitempty"`   // says that the job is to be dead
	Exit   bool   `json:"exit,omitempty"`   // ends the process
	Pad    string `json:"pad,omitempty"`
}

var kind = tasuki.Define[task]("proof")

// mix says how many jobs in a thousand are of which sort. A job is of a sort by its
// number and the seed alone, so that a producer which is started again makes the
// same one.
type mix struct {
	Seed    uint64
	Queues  []string // one of them each; "default" if none is given
	ShortMs int
	Long    int // take LongMs, or up to a half more or less
	LongMs  int
	Delayed int // are scheduled, up to DelayMs ahead
	DelayMs int
	Failing int // fail once or twice
	Snoozed int
	Killed  int // end as dead
	IDs     int // have an id of the caller's own
	Pad     int // bytes
}

// spec is job number n.
func (m *mix) spec(n int) tasuki.Spec {
	rng := rand.New(rand.NewPCG(m.Seed, uint64(n)))
	of := func(perMille int) bool { return rng.IntN(1000) < perMille }
	a, o := task{N: n, Ms: m.ShortMs}, tasuki.Opts{}
	if of(m.Long) {
		a.Ms = m.LongMs/2 + rng.IntN(m.LongMs+1)
	}
	if of(m.Delayed) {
		o.In = time.Duration(1+rng.IntN(m.DelayMs)) * time.Millisecond
	}
	if of(m.Failing) {
		a.Fail = 1 + rng.IntN(2)
	}
	a.Snooze = of(m.Snoozed)
	a.Kill = of(m.Killed)
	a.Pad = strings.Repeat("x", m.Pad)
	if m.hasID(n) {
		o.ID = fmt.Sprint("n", n)
	}
	if len(m.Queues) > 0 {
		o.Queue = m.Queues[rng.IntN(len(m.Queues))]
	}
	return kind.With(o).Spec(a)
}

// hasID tells whether job n has an id of the caller's own: only such a job may be
// enqueued again when nobody knows whether it is in.
func (m *mix) hasID(n int) bool {
	return rand.New(rand.NewPCG(m.Seed+1, uint64(n))).IntN(1000) < m.IDs
}

// numberOf is the number of the job with these arguments.
func numberOf(args []byte) (int, bool) {
	var a struct {
		N *int `json:"n"`
	}
	if json.Unmarshal(args, &a) != nil || a.N == nil {
		return 0, false
	}
	return *a.N, true
}
