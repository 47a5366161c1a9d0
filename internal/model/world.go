package model

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// World is a queue with all that acts on it. What a process does not do, it does not
// do yet: one that is frozen is one that takes no step for a while.
type World struct {
	Q        Queue
	Slots    int // of each worker
	Portion  int // of a sweep
	Workers  []Worker
	Sweepers []Sweeper
	Late     []Call  // that were sent, and that the server has not done
	ToPush   int     // jobs that are still to come
	Left     []uint8 // by job: in how many places it has to be
	Limits   Limits
	Calm     bool // no call is ever lost or late
	Equal    bool // all jobs that are pushed have the same bytes

	// Of the last step.

	calls   []Call
	answers []any
	wrong   error
}

// Limits are how many faults of each kind are still to come.
type Limits struct {
	Lost    uint8 // replies, connections and late calls
	Killed  uint8
	Buried  uint8 // how often somebody is taken for dead, or a patrol passes
	Stopped uint8 // sweepers that stop where they are
	Forgot  uint8
	Failed  uint8 // handlers
	Deleted uint8 // lists of workers
}

// Sweeper is one that puts back what dead workers held: sweep.go of the root package.
type Sweeper struct {
	Todo []Member // as it has read them
	Put  []PutBack
}

// NewWorld returns a world in which the workers have entered, and have not asked for
// jobs yet.
func NewWorld(workers, slots, portion int, ready, suspect []Element, toPush int, l Limits) *World {
	w := &World{Slots: slots, Portion: portion, Sweepers: make([]Sweeper, 2), ToPush: toPush, Limits: l, Calm: l.Lost == 0}
	w.Q.Now = clock
	for i := range workers {
		w.Workers = append(w.Workers, Worker{Open: true, Entered: true})
		w.Q.enter(w.me(i), 0)
	}
	w.Q.Ready, w.Q.Suspect = slices.Clone(ready), slices.Clone(suspect)
	w.Left = make([]uint8, 2+len(ready)+len(suspect))
	w.all(func(e *Element) { w.Left[e.Job]++ })
	w.Left[0] = 0
	return w
}

// delay is that of a retry, ms.
const delay = 1_000_000

// clock is the time of every state: times are written anew after each step.
const clock = 1 << 40

// Action is one step of a world.
type Action struct {
	Verb    Verb
	A, B, C uint8
}

// Verb says what is done.
type Verb uint8

// The verbs, with their operands. A fate is answered, unheard or late.
const (
	Pushes     Verb = iota
	Enters          // worker, fate
	Exchanges       // worker, fate
	Waits           // worker
	HandsOver       // worker
	WakesUp         // worker
	EndsWait        // worker, fate
	Cuts            // worker
	Ends            // worker, run, 1 for failed
	Reads           // worker
	Kills           // worker
	ComesLate       // which
	Buries          // sweeper, worker
	Patrols         // sweeper
	Sweeps          // sweeper
	Stops           // sweeper
	Forgets         // member
	TimePasses      //
	TimerMoves      //
	Deletes         //
)

var fates = []string{"", ", and the reply is lost", ", and the call may come late"}

// Describe is an action in words.
func (a Action) Describe(w *World) string {
	switch a.Verb {
	case Pushes:
		return "a job is pushed"
	case Enters:
		return fmt.Sprintf("w%d enters%s", a.A, fates[a.B])
	case Exchanges:
		return fmt.Sprintf("w%d exchanges%s", a.A, fates[a.B])
	case Waits:
		return fmt.Sprintf("w%d begins to wait", a.A)
	case HandsOver:
		return fmt.Sprintf("a job is handed to w%d", a.A)
	case WakesUp:
		return fmt.Sprintf("the wait of w%d returns", a.A)
	case EndsWait:
		return fmt.Sprintf("w%d ends its wait with an exchange%s", a.A, fates[a.B])
	case Cuts:
		return fmt.Sprintf("the waiting connection of w%d is cut", a.A)
	case Ends:
		return fmt.Sprintf("w%d: %v %s", a.A, w.Workers[a.A].Runs[a.B].Element, []string{"is done", "fails"}[a.C])
	case Reads:
		return fmt.Sprintf("w%d reads what it holds", a.A)
	case Kills:
		return fmt.Sprintf("w%d is killed", a.A)
	case ComesLate:
		return "late: " + Show(w.Late[a.A])
	case Buries:
		return fmt.Sprintf("sweeper %d takes w%d for dead", a.A, a.B)
	case Patrols:
		return fmt.Sprintf("sweeper %d looks at the tombstones", a.A)
	case Sweeps:
		return fmt.Sprintf("sweeper %d goes on", a.A)
	case Stops:
		return fmt.Sprintf("sweeper %d stops", a.A)
	case Forgets:
		return fmt.Sprintf("the tombstone of %v is old", w.Q.Members[a.A].Incarnation)
	case TimePasses:
		return "retries become due"
	case Deletes:
		return "the list of workers is deleted"
	}
	return "the timer makes due jobs ready"
}

// Actions are all that can happen now.
func (w *World) Actions() []Action {
	all := make([]Action, 0, 16)
	add := func(v Verb, operands ...uint8) {
		var n [3]uint8
		copy(n[:], operands)
		all = append(all, Action{v, n[0], n[1], n[2]})
	}
	// tried adds an action with each fate that a call may have.
	tried := func(v Verb, i uint8) {
		add(v, i, uint8(answered))
		if w.Limits.Lost > 0 {
			add(v, i, uint8(unheard))
			if v != Enters {
				add(v, i, uint8(late))
			}
		}
	}
	if w.ToPush > 0 {
		add(Pushes)
	}
	for n := range w.Workers {
		i, k := uint8(n), &w.Workers[n]
		if k.Killed {
			continue
		}
		if !k.Entered {
			tried(Enters, i)
		} else if k.Wait == Returned {
			tried(EndsWait, i)
		}
		if k.Entered && !k.Reading && w.exchangeMatters(n) {
			tried(Exchanges, i)
		}
		if w.mayWait(n) {
			add(Waits, i)
		}
		if k.Wait == Blocked && len(*w.Q.source()) > 0 {
			add(HandsOver, i)
		}
		if k.Wait == Blocked || k.Wait == Moving {
			add(WakesUp, i)
			if w.Limits.Lost > 0 {
				add(Cuts, i)
			}
		}
		for j, r := range k.Runs {
			if !r.Ended {
				add(Ends, i, uint8(j), 0)
				if w.Limits.Failed > 0 && !r.Lost {
					add(Ends, i, uint8(j), 1)
				}
			}
		}
		if k.Reading {
			add(Reads, i)
		}
		if w.Limits.Killed > 0 {
			add(Kills, i)
		}
	}
	for n, c := range w.Late {
		if _, moves := c.(Move); !moves || len(*w.Q.source()) > 0 {
			add(ComesLate, uint8(n))
		}
	}
	for n := range w.Sweepers {
		i := uint8(n)
		if len(w.Sweepers[n].Todo) > 0 {
			add(Sweeps, i)
			if w.Limits.Stopped > 0 {
				add(Stops, i)
			}
			continue
		}
		if n > 0 && len(w.Sweepers[n-1].Todo) == 0 || w.Limits.Buried == 0 {
			continue // the first of those that are idle
		}
		for worker := range w.Workers {
			if len(w.membersOf(worker)) > 0 {
				add(Buries, i, uint8(worker))
			}
		}
		if len(w.ended()) > 0 {
			add(Patrols, i)
		}
	}
	if w.Limits.Forgot > 0 {
		for n, m := range w.Q.Members {
			if m.Ended != 0 && w.isOver(m.Incarnation) {
				add(Forgets, uint8(n))
			}
		}
	}
	if w.Limits.Deleted > 0 {
		add(Deletes)
	}
	if due := w.Q.nextDue(); due > clock {
		add(TimePasses)
	} else if due >= 0 && w.timed() >= 0 {
		add(TimerMoves)
	}
	return all
}

// exchangeMatters leaves out those exchanges that would only ask.
func (w *World) exchangeMatters(i int) bool {
	k := &w.Workers[i]
	if k.Open && w.free(i) > 0 || len(k.Done)+len(k.Outcomes) > 0 {
		return true
	}
	if k.Wait == Idle && slices.ContainsFunc(k.Runs, func(r Run) bool { return r.Handing }) {
		return true
	}
	// One that is sent every 20 s: it compares.
	if !w.Q.MayClaim(w.me(i)) {
		return true
	}
	held := 0
	for _, h := range w.Q.Holds {
		if h.Incarnation == w.me(i) {
			held = len(h.Held) + len(h.Hand)
		}
	}
	for _, r := range k.Runs {
		if r.Accepted && !r.Lost && !r.Ended {
			held--
		}
	}
	return held != 0 || w.Q.Mistake == StraysAnytime
}

func (w *World) membersOf(worker int) []Member {
	var all []Member
	for _, m := range w.Q.Members {
		if int(m.Worker) == worker {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b Member) int { return compareIncarnations(a.Incarnation, b.Incarnation) })
	return all
}

func (w *World) ended() []Member {
	var all []Member
	for _, m := range w.Q.Members {
		if m.Ended != 0 {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b Member) int { return compareIncarnations(a.Incarnation, b.Incarnation) })
	return all
}

// isOver tells whether a tombstone may be ten minutes old: no wait of its incarnation
// lasts so long, and whoever sends for it has been told that it is gone.
func (w *World) isOver(it Incarnation) bool {
	if w.Q.Mistake == ForgetAtOnce {
		return true
	}
	for _, c := range w.Late {
		switch c := c.(type) {
		case Move:
			if c.Incarnation == it {
				return false
			}
		case Exchange:
			if c.Incarnation == it {
				return false
			}
		}
	}
	k := &w.Workers[it.Worker]
	return k.Killed || k.Epoch != it.Epoch && (k.Wait == Idle || k.WaitEpoch != it.Epoch)
}

// timed is a worker whose timer may move what is due, or -1.
func (w *World) timed() int {
	return slices.IndexFunc(w.Workers, func(k Worker) bool { return !k.Killed && k.Entered })
}

// call does a call and notes it.
func (w *World) call(c Call) any {
	before := w.places()
	answer := w.Q.Do(c)
	w.calls, w.answers = append(w.calls, c), append(w.answers, answer)
	switch c := c.(type) {
	case Exchange:
		x := answer.(Exchanged)
		for _, e := range x.Ended {
			w.Left[e.Job]--
		}
		for _, o := range x.Strange {
			w.fault("an outcome is written for a job that it was not meant for: %+v", o)
		}
		if (len(x.Elements) > 0 || x.Accepted) && !w.Q.MayClaim(c.Incarnation) {
			w.fault("%v was given a job, and may not claim", c.Incarnation)
		}
	case Sweep:
		if s := answer.(Swept); s.Moved > 0 && w.Q.MayClaim(c.Incarnation) {
			w.fault("%v was swept, and may still claim", c.Incarnation)
		}
		for job, n := range w.places() {
			if n > before[job] {
				w.fault("job %d is in %d places, and was in %d before the sweep", job, n, before[job])
			}
		}
	}
	return answer
}

func (w *World) fault(format string, args ...any) {
	w.wrong = cmp.Or(w.wrong, fmt.Errorf(format, args...))
}

// Do does one step, and returns what is wrong after it.
func (w *World) Do(a Action) error {
	w.calls, w.answers, w.wrong = nil, nil, nil
	w.Q.Count = Counts{}
	w.Q.Now = clock
	held := w.held()
	i, f := int(a.A), fate(a.B)
	switch a.Verb {
	case Pushes:
		w.ToPush--
		w.push(Element{Job: w.newJob()})
	case Enters:
		w.lossOf(f)
		w.enter(i, f)
	case Exchanges:
		w.lossOf(f)
		w.exchange(i, false, f)
	case Waits:
		w.wait(i)
	case HandsOver:
		w.handOver(i)
	case WakesUp:
		w.wakeUp(i)
	case EndsWait:
		w.lossOf(f)
		w.exchange(i, true, f)
	case Cuts:
		w.Limits.Lost--
		w.cut(i)
	case Ends:
		if a.C == 1 {
			w.Limits.Failed--
		}
		w.end(i, int(a.B), a.C == 1)
	case Reads:
		w.read(i)
	case Kills:
		w.Limits.Killed--
		w.kill(i)
	case ComesLate:
		c := w.Late[a.A]
		w.Late = slices.Delete(w.Late, int(a.A), int(a.A)+1)
		w.call(c)
	case Buries:
		w.Limits.Buried--
		w.Sweepers[i].Todo = w.membersOf(int(a.B))
	case Patrols:
		w.Limits.Buried--
		w.Sweepers[i].Todo = w.ended()
	case Sweeps:
		w.sweep(i)
	case Stops:
		w.Limits.Stopped--
		w.Sweepers[i] = Sweeper{}
	case Forgets:
		w.Limits.Forgot--
		w.call(Forget{w.Q.Members[a.A].Incarnation, 0})
	case Deletes:
		w.Limits.Deleted--
		w.call(Disband{})
	case TimePasses:
		w.call(Pass{2 * delay})
	case TimerMoves:
		// Which of the workers is the first is of no matter here.
		if first, ok := w.Q.first(); ok {
			w.call(Due{Incarnation: first, Most: 500})
		}
	}
	return w.check(held)
}

func (w *World) lossOf(f fate) {
	if f != answered {
		w.Limits.Lost--
	}
}

// push puts in a job, which has to be in one place more from now on.
func (w *World) push(e Element) {
	for len(w.Left) <= int(e.Job) {
		w.Left = append(w.Left, 0)
	}
	w.Left[e.Job]++
	w.call(Push{[]Element{e}})
}

// newJob is a number that no job has.
func (w *World) newJob() uint16 {
	if w.Equal {
		return 1
	}
	highest := uint16(0)
	w.all(func(e *Element) { highest = max(highest, e.Job) })
	return highest + 1
}

func (w *World) token() uint32 {
	highest := uint32(0)
	w.all(func(e *Element) { highest = max(highest, e.Token) })
	return highest + 1
}

// sweep is the next step of a sweeper: a tombstone, or to read a portion and to put
// it back.
func (w *World) sweep(i int) {
	s := &w.Sweepers[i]
	it := s.Todo[0].Incarnation
	switch {
	case s.Todo[0].Ended == 0:
		s.Todo = slices.Clone(s.Todo)
		s.Todo[0].Ended = clock
		w.call(Tombstone{it})
	case len(s.Put) == 0:
		left := w.call(Orphans{it, w.Portion}).([]Left)
		if len(left) == 0 {
			s.Todo = slices.Clone(s.Todo[1:])
		}
		for n, l := range left {
			s.Put = append(s.Put, Rewrite(l, false, w.token()+uint32(n)))
		}
	default:
		swept := w.call(Sweep{it, s.Put}).(Swept)
		s.Put = nil
		if !swept.Ended {
			*s = Sweeper{}
		}
	}
}

// places are in how many places of the queue each job is.
func (w *World) places() (places [16]uint8) {
	count := func(e *Element) { places[e.Job]++ }
	w.Q.each(count)
	w.Q.eachDead(count)
	return places
}

func (w *World) held() int {
	n := 0
	for _, h := range w.Q.Holds {
		n += len(h.Held)
	}
	return n
}

// check says what is wrong; held is what was held before the step.
func (w *World) check(held int) error {
	if w.wrong != nil {
		return w.wrong
	}
	places := w.places()
	for job, n := range w.Left {
		if got := places[job]; got != n {
			return fmt.Errorf("job %d is in %d places, and has to be in %d", job, got, n)
		}
	}
	if claimed, ended, now := w.Q.Count[Claimed], w.Q.Count.Ended(), w.held(); held+claimed != ended+now {
		return fmt.Errorf("%d were held and %d claimed, %d claims have ended and %d are held", held, claimed, ended, now)
	}
	for _, t := range w.Q.Dead {
		if t.Crashes > 3 {
			return fmt.Errorf("%v has crashed more often than it can", t.Element)
		}
	}
	for i := range w.Workers {
		if err := w.checkWorker(i); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) checkWorker(i int) error {
	suspects, running := 0, 0
	for _, r := range w.Workers[i].Runs {
		if r.Ended {
			continue
		}
		running++
		if r.Suspect {
			suspects++
		}
	}
	if suspects > 1 {
		return fmt.Errorf("w%d runs %d suspects", i, suspects)
	}
	if running > w.Slots {
		return fmt.Errorf("w%d has %d slots and runs %d jobs", i, w.Slots, running)
	}
	if k := &w.Workers[i]; w.Calm && k.Epoch == 0 && w.Q.MayClaim(w.me(i)) {
		for _, r := range k.Runs {
			if r.Lost {
				return fmt.Errorf("w%d has lost %v, and nothing was lost or late", i, r.Element)
			}
		}
	}
	return nil
}

// errStuck is when a world does not drain.
var errStuck = errors.New("it does not drain")

// Heal lets everything go on without a fault: whoever was killed is swept, and all
// jobs have to end.
func (w *World) Heal() error {
	w.Limits = Limits{}
	w.Late = nil
	w.Sweepers = make([]Sweeper, 1)
	if !slices.ContainsFunc(w.Workers, func(k Worker) bool { return !k.Killed }) {
		w.Workers = append(w.Workers, Worker{Open: true})
	}
	for range 40 {
		if w.isDrained() {
			return nil
		}
		for i := range w.Workers {
			for _, a := range w.healing(i) {
				if err := w.Do(a); err != nil {
					return err
				}
			}
		}
		w.patrolAll()
		if w.wrong != nil {
			return w.wrong
		}
		for range 2 {
			if due := w.Q.nextDue(); due >= 0 {
				if err := w.Do(Action{Verb: TimePasses}); err != nil {
					return err
				}
			}
		}
	}
	return errStuck
}

func (w *World) isDrained() bool {
	q := &w.Q
	return len(q.Ready)+len(q.Suspect)+len(q.Scheduled)+len(q.Retry)+len(q.Holds)+w.ToPush == 0
}

// healing is what a worker does next when nothing goes wrong.
func (w *World) healing(n int) []Action {
	i, k := uint8(n), &w.Workers[n]
	switch {
	case k.Killed:
		return nil
	case !k.Entered:
		return []Action{{Enters, i, 0, 0}}
	case k.Wait == Blocked && len(*w.Q.source()) > 0:
		return []Action{{HandsOver, i, 0, 0}, {WakesUp, i, 0, 0}}
	case k.Wait == Blocked || k.Wait == Moving:
		return []Action{{WakesUp, i, 0, 0}}
	case k.Wait == Returned:
		return []Action{{EndsWait, i, 0, 0}}
	case k.Reading:
		return []Action{{Reads, i, 0, 0}}
	}
	for j, r := range k.Runs {
		if !r.Ended {
			return []Action{{Ends, i, uint8(j), 0}}
		}
	}
	if w.ToPush > 0 {
		return []Action{{Pushes, 0, 0, 0}}
	}
	if w.mayWait(n) && len(k.Done)+len(k.Outcomes) == 0 {
		return []Action{{Waits, i, 0, 0}}
	}
	return []Action{{Exchanges, i, 0, 0}}
}

// patrolAll sweeps whoever is dead, and what tombstones hold.
func (w *World) patrolAll() {
	s := &w.Sweepers[0]
	for i := range w.Workers {
		if w.Workers[i].Killed {
			s.Todo = append(s.Todo, w.membersOf(i)...)
		}
	}
	s.Todo = append(s.Todo, w.ended()...)
	for n := 0; len(s.Todo) > 0 && n < 200; n++ {
		w.sweep(0)
	}
}
