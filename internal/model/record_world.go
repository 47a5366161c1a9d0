package model

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// RecordWorld is a queue of recorded jobs with all that acts on it: two workers with a slot
// each, a sweeper, and clients who move and end jobs. Its limits say how much of what it can do
// without end it does.
type RecordWorld struct {
	Q       *Records
	ToPut   []RecordPut
	Workers [2]Incarnation
	Next    Tag
	Opened  map[Tag]RecordOpened // what a worker was told of what it holds
	Portion RecordSweep          // what the sweeper has read
	Late    RecordCall           // that was done, and comes once more

	Acts, Fails, Dies, Lates uint8 // still to come
}

// NewRecordWorld returns a world in which jobs with these locks are to be enqueued.
func NewRecordWorld(acts, fails, dies, lates uint8, keys ...Key) *RecordWorld {
	w := &RecordWorld{Q: NewRecords(len(keys)), Opened: map[Tag]RecordOpened{}, Acts: acts, Fails: fails, Dies: dies, Lates: lates}
	for i, k := range keys {
		w.ToPut = append(w.ToPut, RecordPut{Job: Job(i + 1), Key: k})
	}
	for i := range w.Workers {
		w.Workers[i].Worker = uint8(i)
		w.Q.Do(RecordEnter{w.Workers[i]})
	}
	return w
}

// Clone is a world of its own.
func (w *RecordWorld) Clone() *RecordWorld {
	c, q := *w, *w.Q
	for _, list := range []*[]Pointer{&q.Ready, &q.Suspect} {
		*list = slices.Clone(*list)
	}
	for _, set := range []*[]Waiting{&q.Scheduled, &q.Retry, &q.Dead} {
		*set = slices.Clone(*set)
	}
	q.Ended, q.Jobs, q.Held, q.Alive = slices.Clone(q.Ended), slices.Clone(q.Jobs), slices.Clone(q.Held), slices.Clone(q.Alive)
	q.Owner, q.Running, q.Parked = maps.Clone(q.Owner), maps.Clone(q.Running), maps.Clone(q.Parked)
	for k, list := range q.Parked {
		q.Parked[k] = slices.Clone(list)
	}
	c.Q, c.Opened = &q, maps.Clone(w.Opened)
	return &c
}

// key is what two equal worlds have in common. Tags that nobody holds any more are of no matter.
func (w *RecordWorld) key() string {
	var b strings.Builder
	q := w.Q
	first := w.Next
	for _, h := range q.Held {
		first = min(first, h.Tag)
	}
	fmt.Fprint(&b, q.Ready, q.Suspect, q.Scheduled, q.Retry, q.Dead, q.Ended, q.Owner, q.Running, q.Alive)
	for _, k := range slices.Sorted(maps.Keys(q.Parked)) {
		if len(q.Parked[k]) > 0 {
			fmt.Fprint(&b, k, q.Parked[k])
		}
	}
	for _, r := range q.Jobs {
		r.Seen = false
		body := r.Body
		r.Body = nil
		fmt.Fprintf(&b, "%+v%v", r, body)
	}
	tags := w.Late != nil || len(w.Portion.Back) > 0
	for _, h := range q.Held {
		if !tags {
			h.Tag -= first
		}
		fmt.Fprint(&b, h.Incarnation, uint(h.Tag), h.Pointer, w.Opened[h.Tag].What, w.Opened[h.Tag].Plain)
	}
	fmt.Fprintf(&b, "%d%+v%T%+v%d%d%d%d", len(w.ToPut), w.Portion.Back, w.Late, w.Late, w.Acts, w.Fails, w.Dies, w.Lates)
	return b.String()
}

// RecordStep is one thing that can happen: calls, and what they change of the world.
type RecordStep struct {
	Calls []RecordCall
	costs func(w *RecordWorld) *uint8
	after func(w *RecordWorld, answer any) // of the first call
	late  bool                             // the first call comes once more
}

func acts(w *RecordWorld) *uint8  { return &w.Acts }
func fails(w *RecordWorld) *uint8 { return &w.Fails }
func dies(w *RecordWorld) *uint8  { return &w.Dies }

// steps are all that can happen now.
func (w *RecordWorld) steps() []RecordStep {
	var all []RecordStep
	add := func(c RecordCall, costs func(w *RecordWorld) *uint8, after func(w *RecordWorld, answer any)) {
		if costs != nil && *costs(w) == 0 {
			return
		}
		s := RecordStep{Calls: []RecordCall{c}, costs: costs, after: after}
		all = append(all, s)
		if x, claims := c.(RecordExchange); w.Lates > 0 && w.Late == nil && (!claims || x.Want == 0) {
			s.late = true
			all = append(all, s)
		}
	}
	q := w.Q
	waiting := slices.Concat(q.Scheduled, q.Retry)
	isDue := func(x Waiting) bool { return x.Due }
	if len(w.ToPut) > 0 {
		add(RecordEnqueue{w.ToPut[:1]}, nil, func(w *RecordWorld, _ any) { w.ToPut = w.ToPut[1:] })
	}
	for i, it := range w.Workers {
		holds := slices.ContainsFunc(q.Held, func(h HeldPointer) bool { return h.Incarnation == it })
		if !holds && (len(q.Ready)+len(q.Suspect) > 0 || slices.ContainsFunc(waiting, isDue)) {
			add(RecordExchange{Incarnation: it, Tag: w.Next, Want: 1, Lone: true}, nil, func(w *RecordWorld, _ any) { w.Next++ })
		}
		if holds && len(w.Portion.Back) == 0 && w.Dies > 0 {
			next := Incarnation{it.Worker, it.Epoch + 1}
			all = append(all, RecordStep{Calls: []RecordCall{RecordTombstone{it}, RecordEnter{next}}, costs: dies, after: func(w *RecordWorld, _ any) {
				w.Portion, w.Workers[i] = w.left(it), next
			}})
		}
	}
	for _, h := range q.Held {
		if !slices.Contains(w.Workers[:], h.Incarnation) {
			continue // whose it was is dead
		}
		told := w.Opened[h.Tag].What
		if told == "" {
			add(RecordOpen{h}, nil, func(w *RecordWorld, answer any) { w.Opened[h.Tag] = answer.(RecordOpened) })
		}
		for _, state := range map[string][]string{"": {"release"}, "run": {"done", "retry", "dead", "release"}, "stale": {"stale"}, "parked": {"parked"}}[told] {
			costs := fails
			if state != "release" && state != "retry" && state != "dead" {
				costs = nil
			}
			add(RecordExchange{Incarnation: h.Incarnation, Outcomes: []RecordOutcome{w.outcome(h, state)}}, costs, func(w *RecordWorld, _ any) { delete(w.Opened, h.Tag) })
		}
	}
	for i := range q.Jobs {
		j, r := Job(i+1), &q.Jobs[i]
		if r.Body == nil {
			continue
		}
		mays := []RecordAct{{What: "remove"}}
		if r.Gen != 0 {
			mays = append(mays, RecordAct{What: "edit"}, RecordAct{What: "move"}, RecordAct{What: "move", Later: true}, RecordAct{What: "end", Keep: true})
		}
		for _, a := range mays {
			if r.State != "dead" || a.What != "end" {
				a.Job, a.Was, a.Body, a.Next = j, r.Gen, r.Body, Body{r.Body.Version + 1, r.Body.Crashes}
				add(a, acts, nil)
			}
		}
	}
	for _, d := range q.Dead {
		if r := q.Of(d.Job); r.Gen == d.Gen {
			add(RecordRevive{d.Pointer, *r.Body, Body{r.Body.Version + 1, 0}}, acts, nil)
		}
		add(RecordTrim{d.Pointer}, acts, nil)
	}
	if len(w.Portion.Back) > 0 {
		it := w.Portion.Incarnation
		add(w.Portion, nil, func(w *RecordWorld, _ any) { w.Portion = w.left(it) }) // what was edited since is read again
	}
	if len(waiting) > 0 && !slices.ContainsFunc(waiting, isDue) {
		all = append(all, RecordStep{Calls: []RecordCall{RecordPass{}}})
	}
	if w.Late != nil {
		all = append(all, RecordStep{Calls: []RecordCall{w.Late}, after: func(w *RecordWorld, _ any) { w.Late = nil }})
	}
	return all
}

// outcome is what a worker says of a pointer that it holds.
func (w *RecordWorld) outcome(h HeldPointer, state string) RecordOutcome {
	o := RecordOutcome{Tag: h.Tag, State: state, Job: h.Job, Gen: h.Gen, Next: h.Pointer}
	told := w.Opened[h.Tag]
	if told.What != "run" {
		return o
	}
	switch body := w.Q.Of(h.Job).Body; state {
	case "retry", "dead":
		o.Gen++
		o.Next.Gen++
		o.Body = &Body{body.Version + 1, body.Crashes}
	case "done":
		o.Gen, o.Keep, o.Plain, o.Body = 0, true, told.Plain, body
	default:
		o.Gen = 0
	}
	return o
}

// left is what a sweeper makes of what an incarnation holds.
func (w *RecordWorld) left(it Incarnation) RecordSweep {
	c := RecordSweep{Incarnation: it}
	for _, h := range slices.Backward(w.Q.Held) {
		if h.Incarnation != it {
			continue
		}
		b := RecordBack{HeldPointer: h, To: "ready"}
		if r := w.Q.Of(h.Job); r.Body != nil {
			b.Read, b.Body = r.Body, Body{r.Body.Version + 1, r.Body.Crashes + 1}
		}
		c.Back = append(c.Back, b)
	}
	return c
}

// do does a step, and says what is wrong after it.
func (w *RecordWorld) do(s RecordStep) error {
	if s.costs != nil {
		*s.costs(w)--
	}
	var first any
	for i, c := range s.Calls {
		answer := w.Q.Do(c)
		if i == 0 {
			first = answer
		}
		if o, ok := answer.(RecordOpened); ok && o.What == "missing" {
			return fmt.Errorf("%+v leads to no record, and nobody has taken it", c)
		}
	}
	if s.after != nil {
		s.after(w, first)
	}
	if s.late {
		w.Lates--
		w.Late = s.Calls[0]
	}
	return w.Q.Check(false)
}

// drain lets all go on without a fault. It says what is left then.
func (w *RecordWorld) drain() error {
	w.Acts, w.Fails, w.Dies, w.Lates = 0, 0, 0, 0
	for range 200 {
		steps := w.steps()
		if len(steps) == 0 {
			break
		}
		// The last is what is late, or what lets time pass; the first may be put off for ever by it.
		if err := w.do(steps[0]); err != nil {
			return err
		}
	}
	return w.Q.CheckDrained()
}

// RecordFound is what a search has found.
type RecordFound struct {
	States, Depth, Drained int
	Took                   time.Duration
	Wrong                  error
	Way                    []RecordCall // to what is wrong, or to one of the deepest states
}

// SearchRecords goes through all that can happen in a world, breadth first, until there is no more or
// there are so many states. From each it lets all go on.
func SearchRecords(start *RecordWorld, most int) (f RecordFound) {
	type state struct {
		w     *RecordWorld
		from  int
		calls []RecordCall
		depth int
	}
	begun := time.Now()
	all := []state{{w: start, from: -1}}
	seen := map[string]bool{start.key(): true}
	way := func(i int) (calls []RecordCall) {
		for ; i >= 0; i = all[i].from {
			calls = append(slices.Clone(all[i].calls), calls...)
		}
		return calls
	}
	for i := 0; i < len(all) && len(all) < most && f.Wrong == nil; i++ {
		w := all[i].w
		for _, s := range w.steps() {
			next := w.Clone()
			err := next.do(s)
			if key := next.key(); err == nil && !seen[key] {
				seen[key] = true
				f.Drained++
				if err = next.Clone().drain(); err == nil {
					all = append(all, state{next, i, s.Calls, all[i].depth + 1})
				}
			}
			if err != nil {
				f.Wrong, f.Way = err, append(way(i), s.Calls...)
				break
			}
		}
		all[i].w = nil
	}
	f.States, f.Depth, f.Took = len(all), all[len(all)-1].depth, time.Since(begun)
	if f.Wrong == nil {
		f.Way = way(len(all) - 1)
	}
	return f
}
