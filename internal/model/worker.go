package model

import "slices"

// Worker is what a worker knows of one queue: exchange.go, held.go and wait.go of the
// root package, and internal/native. Its exchanges come one after the other.
type Worker struct {
	Killed  bool
	Epoch   uint8
	Entered bool // it is among the workers of the queue, as far as it knows
	Next    Tag  // the first that was not given out
	First   Tag  // of this incarnation
	Open    bool // there may be jobs, or nobody knows
	Lone    bool // the process's place for a suspect is taken

	Wait      Phase
	WaitEpoch uint8   // the incarnation for which it waits
	Given     Element // what the wait was handed, while Wait is Moving
	Hands     bool    // a wait is under way, or what it handed over is not accepted yet

	Runs     []Run
	Done     []Outcome // finished and not sent
	Outcomes []Outcome // the same, other than simply done
	Recent   []Outcome // settled lately

	Reading  bool // what is held is to be compared
	Overtook bool // an exchange has come between
}

// Phase is how far a wait has come.
type Phase uint8

// The phases of a wait.
const (
	Idle     Phase = iota
	Blocked        // BLMOVE is in the server
	Moving         // it has moved an element, and the reply is on its way
	Returned       // the exchange in which the wait ends is to be sent
)

// Run is a job that runs, or that has ended before it is known whether it is held.
type Run struct {
	Tag      Tag
	Element  Element
	Delivery uint32
	Handing  bool  // it was handed over, and its acceptance is to be sent
	Earlier  []Tag // under which its acceptance was sent before
	Accepted bool
	Lost     bool // it belongs to others
	Ended    bool
	Place    bool // it has taken the process's place for a suspect
	Suspect  bool // it came as one
	Outcome  Outcome
}

// fate is what becomes of a call.
type fate uint8

const (
	answered fate = iota
	unheard       // the server does it, and the reply is lost
	late          // no reply comes, and the server may do it at any time later
)

// me is the worker's incarnation.
func (w *World) me(i int) Incarnation { return Incarnation{uint8(i), w.Workers[i].Epoch} }

// free is how many slots have no handler in them.
func (w *World) free(i int) int {
	n := w.Slots
	for _, r := range w.Workers[i].Runs {
		if !r.Ended {
			n--
		}
	}
	return n
}

// enter registers the incarnation.
func (w *World) enter(i int, f fate) {
	k := &w.Workers[i]
	c := Register{Incarnation: w.me(i)}
	if k.Epoch > 0 {
		c.Old = &Incarnation{uint8(i), k.Epoch - 1}
	}
	ok := w.call(c).(bool)
	switch {
	case f != answered:
	case ok:
		k.Entered = true
	default:
		w.renew(i)
	}
}

func (w *World) renew(i int) {
	k := &w.Workers[i]
	k.Epoch++
	k.Entered = false
	k.First = k.Next
}

// exchange sends what there is to settle and to accept, and claims; ends says that it
// is the one in which a wait ends.
func (w *World) exchange(i int, ends bool, f fate) {
	k := &w.Workers[i]
	k.Overtook = true
	c := Exchange{Incarnation: w.me(i), Tag: k.Next, Done: slices.Clone(k.Done), Outcomes: slices.Clone(k.Outcomes)}
	if k.Open || ends {
		c.Want = max(w.free(i), 0)
	}
	c.Lone = c.Want > 0 && (!k.Lone || w.Q.Mistake == SuspectsAnytime)
	c.Strays = ends || !k.Hands || w.Q.Mistake == StraysAnytime
	handed := slices.IndexFunc(k.Runs, func(r Run) bool { return r.Handing })
	if handed >= 0 && k.Runs[handed].Tag >= k.First {
		c.Handed = &Handed{k.Runs[handed].Tag, k.Runs[handed].Element, slices.Clone(k.Runs[handed].Earlier)}
	}
	if ends {
		k.Wait = Idle
	}
	defer func() {
		if ends {
			k.Hands = slices.ContainsFunc(k.Runs, func(r Run) bool { return r.Handing })
		}
	}()
	if f == answered || w.Q.Mistake != ReuseTags {
		k.Next += Tag(c.Want)
	}
	if f == late {
		w.Late = append(w.Late, c)
	}
	if f != answered {
		if f == unheard {
			w.call(c)
		}
		if c.Handed != nil && w.Q.Mistake != AcceptAgain {
			r := &k.Runs[handed]
			r.Earlier = append(r.Earlier, r.Tag)
			r.Tag = k.Next
			k.Next++
		}
		return
	}
	w.finish(i, c, w.call(c).(Exchanged), handed)
}

// finish is what the worker learns from an answer.
func (w *World) finish(i int, c Exchange, x Exchanged, handed int) {
	k := &w.Workers[i]
	k.Recent = append(append(k.Recent, c.Done...), c.Outcomes...)
	k.Done, k.Outcomes = nil, nil
	if !x.Alive && w.Q.Mistake != StayGone {
		w.lose(i)
	}
	if handed >= 0 {
		w.accepted(i, handed, x)
	}
	for j, e := range x.Elements {
		r := Run{Tag: c.Tag + Tag(j), Element: e, Delivery: x.Delivered[j], Accepted: true, Suspect: x.Lone && j == 0}
		r.Place = r.Suspect
		k.Lone = k.Lone || r.Suspect
		k.Runs = append(k.Runs, r)
	}
	if c.Want > 0 {
		k.Open = len(x.Elements) == c.Want || !x.Alive
	}
	w.tidyRuns(i)
	known := len(k.Done) + len(k.Outcomes)
	for _, r := range k.Runs {
		if r.Accepted && !r.Ended && !r.Lost {
			known++
		}
	}
	if x.Alive && x.Held != known && w.Q.Mistake != AdoptNothing {
		k.Reading, k.Overtook = true, false
	}
}

// lose is when the queue has refused the incarnation.
func (w *World) lose(i int) {
	k := &w.Workers[i]
	w.renew(i)
	for j := range k.Runs {
		if k.Runs[j].Tag < k.First {
			k.Runs[j].Lost = true
		}
	}
	k.Open = true
}

// accepted is about the job that was handed over.
func (w *World) accepted(i, handed int, x Exchanged) {
	r := &w.Workers[i].Runs[handed]
	r.Handing, r.Earlier = false, nil
	w.Workers[i].Hands = false
	if !x.Accepted || r.Lost {
		r.Lost = true
		return
	}
	r.Accepted, r.Tag, r.Delivery = true, x.As, x.AcceptedAs
	r.Outcome.Tag, r.Outcome.Delivery = r.Tag, r.Delivery
}

// tidyRuns takes the outcomes of what has ended, and forgets what is lost.
func (w *World) tidyRuns(i int) {
	k := &w.Workers[i]
	k.Runs = slices.DeleteFunc(k.Runs, func(r Run) bool {
		if !r.Ended || !r.Lost && !r.Accepted {
			return false
		}
		if !r.Lost {
			w.settle(i, r.Outcome)
		}
		return true
	})
}

func (w *World) settle(i int, o Outcome) {
	k := &w.Workers[i]
	if Counter(o.State) == Done {
		k.Done = append(k.Done, o)
	} else {
		k.Outcomes = append(k.Outcomes, o)
	}
}

// end is when a handler returns.
func (w *World) end(i, j int, failed bool) {
	k := &w.Workers[i]
	r := &k.Runs[j]
	r.Ended = true
	r.Outcome = Outcome{Tag: r.Tag, State: State(Done), Delivery: r.Delivery}
	if failed {
		r.Outcome.State, r.Outcome.Delay, r.Outcome.Element = State(Retried), delay, r.Element
		r.Outcome.Element.Attempts++
		r.Outcome.Element.Token = w.token()
	}
	if r.Place {
		k.Lone, k.Open = false, true
	}
	w.tidyRuns(i)
}

// mayWait tells whether the worker may begin to wait.
func (w *World) mayWait(i int) bool {
	k := &w.Workers[i]
	return k.Entered && k.Wait == Idle && !k.Open && !k.Hands && !k.Reading && w.free(i) > 0
}

func (w *World) wait(i int) {
	k := &w.Workers[i]
	k.Wait, k.WaitEpoch, k.Hands = Blocked, k.Epoch, true
}

// handOver is the server's side of the wait.
func (w *World) handOver(i int) {
	k := &w.Workers[i]
	k.Given = w.call(Move{Incarnation{uint8(i), k.WaitEpoch}}).(Moved).Element
	k.Wait = Moving
}

// wakeUp is when the wait returns, with a job or with none.
func (w *World) wakeUp(i int) {
	k := &w.Workers[i]
	given, moved := k.Given, k.Wait == Moving
	k.Given, k.Wait = Element{}, Returned
	if !moved {
		return
	}
	tag := k.Next
	k.Next++
	if k.WaitEpoch != k.Epoch {
		w.call(Leave{Incarnation{uint8(i), k.WaitEpoch}})
		return
	}
	if w.free(i) > 0 {
		k.Runs = append(k.Runs, Run{Tag: tag, Element: given, Handing: true})
	}
}

// cut is when the connection of the wait breaks. The server may not have noticed yet.
func (w *World) cut(i int) {
	k := &w.Workers[i]
	if k.Wait == Blocked {
		w.Late = append(w.Late, Move{Incarnation{uint8(i), k.WaitEpoch}})
	}
	k.Wait, k.Given, k.Open, k.Hands = Idle, Element{}, true, false
}

// read compares what is held with what is known.
func (w *World) read(i int) {
	k := &w.Workers[i]
	held := w.call(Look{w.me(i)}).([]Held)
	k.Reading = false
	if k.Overtook {
		return
	}
	known := map[Tag]bool{}
	for _, o := range k.Done {
		known[o.Tag] = true
	}
	for _, o := range k.Outcomes {
		known[o.Tag] = true
	}
	for j := range k.Runs {
		if r := &k.Runs[j]; r.Accepted && !r.Lost {
			known[r.Tag] = true
			r.Lost = !slices.ContainsFunc(held, func(h Held) bool { return h.Tag == r.Tag })
		}
	}
	for _, h := range held {
		if known[h.Tag] {
			continue
		}
		if j := slices.IndexFunc(k.Recent, func(o Outcome) bool { return o.Tag == h.Tag }); j >= 0 {
			w.settle(i, k.Recent[j])
			continue
		}
		r := Run{Tag: h.Tag, Element: h.Element, Delivery: h.Delivery, Accepted: true, Suspect: h.Element.Crashes >= 2}
		if w.free(i) == 0 || r.Suspect && k.Lone && w.Q.Mistake != AdoptAnyway {
			o := Outcome{Tag: h.Tag, State: Undone, Element: h.Element, Delivery: h.Delivery}
			if r.Suspect {
				o.State = Suspected
			}
			w.settle(i, o)
			continue
		}
		r.Place = r.Suspect && !k.Lone
		k.Lone = k.Lone || r.Place
		k.Runs = append(k.Runs, r)
	}
	w.tidyRuns(i)
}

// kill ends the process. What it has sent may still be done.
func (w *World) kill(i int) {
	if k := &w.Workers[i]; k.Wait == Blocked {
		w.Late = append(w.Late, Move{Incarnation{uint8(i), k.WaitEpoch}})
	}
	w.Workers[i] = Worker{Killed: true}
}
