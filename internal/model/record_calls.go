package model

import (
	"cmp"
	"slices"
)

// RecordCall is a call to the server that Records knows. Do answers what the server does.
type RecordCall interface{ do(q *Records) any }

// Do does a call.
func (q *Records) Do(c RecordCall) any { return c.do(q) }

// RecordEnqueue is enqueue_record.lua, of jobs with ids of their own.
type RecordEnqueue struct{ Puts []RecordPut }

// RecordPut is one of them.
type RecordPut struct {
	Job   Job
	Key   Key
	Body  Body
	Later bool
}

// do answers for each "put", "existed" or the id of who has its lock.
func (c RecordEnqueue) do(q *Records) any {
	answers := make([]string, len(c.Puts))
	for i, p := range c.Puts {
		r := q.Of(p.Job)
		r.Key = p.Key
		owner, taken := q.Owner[p.Key]
		locks := p.Key.held() || p.Key != "" && p.Key[0] == 'w'
		switch {
		case r.Seen:
			answers[i] = "existed"
			continue
		case locks && taken:
			answers[i] = owner.ID()
			continue
		case locks:
			q.Owner[p.Key] = p.Job
		}
		*r = Record{Key: p.Key, Seen: true, Gen: 1, State: "ready", Body: &p.Body}
		if next := (Pointer{p.Job, 1}); p.Later {
			r.State, r.At = "scheduled", Time
			q.Scheduled = append(q.Scheduled, Waiting{next, false})
		} else {
			q.Ready = append(q.Ready, next)
		}
		answers[i] = "put"
	}
	return answers
}

// RecordExchange is fetch.lua.
type RecordExchange struct {
	Incarnation
	Tag      Tag // of the first claim
	Want     int
	Lone     bool
	Outcomes []RecordOutcome
}

// RecordOutcome is what became of a pointer that was held.
type RecordOutcome struct {
	Tag   Tag
	State string // done, cancelled, retry, dead, release, suspect, stale, parked
	Job   Job
	Gen   uint8 // of the pointer that is kept; of a release of what was opened 0
	Next  Pointer
	Keep  bool  // of an end
	Plain bool  // of an end: the record has nothing but the job
	Body  *Body // nil: it stays
}

// RecordExchanged is the answer.
type RecordExchanged struct {
	Alive   bool
	Refused []Tag
	Claimed []Pointer
}

func (c RecordExchange) do(q *Records) any {
	a := RecordExchanged{Alive: slices.Contains(q.Alive, c.Incarnation)}
	for _, o := range c.Outcomes {
		i := q.holds(c.Incarnation, o.Tag)
		if i < 0 {
			a.Refused = append(a.Refused, o.Tag)
			continue
		}
		q.Held = slices.Delete(q.Held, i, i+1)
		q.settle(o)
	}
	if !a.Alive {
		return a
	}
	for _, set := range []*[]Waiting{&q.Scheduled, &q.Retry} {
		var due []Waiting
		*set = slices.DeleteFunc(*set, func(w Waiting) bool {
			if w.Due {
				due = append(due, w)
			}
			return w.Due
		})
		slices.SortFunc(due, func(a, b Waiting) int { return cmp.Compare(a.String(), b.String()) })
		for _, w := range due {
			q.Ready = append(q.Ready, w.Pointer)
		}
	}
	if c.Lone && c.Want > 0 && len(q.Suspect) > 0 {
		a.Claimed, q.Suspect = append(a.Claimed, q.Suspect[0]), q.Suspect[1:]
	}
	for len(a.Claimed) < c.Want && len(q.Ready) > 0 {
		a.Claimed, q.Ready = append(a.Claimed, q.Ready[0]), q.Ready[1:]
	}
	for i, p := range a.Claimed {
		q.Held = append(q.Held, HeldPointer{c.Incarnation, c.Tag + Tag(i), p})
	}
	return a
}

// settle writes an outcome of a tag that was held.
func (q *Records) settle(o RecordOutcome) {
	r, state := q.Of(o.Job), o.State
	moved := o.Gen != 0 && r.Gen != o.Gen && (state == "parked" || state == "release" || state == "suspect")
	if moved && state == "parked" {
		state = "stale"
	}
	ends := state == "done" || state == "cancelled"
	if o.Plain {
		r.Left = 0 // nobody looks
	}
	switch {
	case state == "stale":
		q.forget(o.Job)
		return
	case moved: // the pointer goes back, to be found left behind by whoever claims it
	case ends && o.Keep:
		r.ended(state, *o.Body)
		q.Ended = append(q.Ended, o.Job)
	case ends:
		r.gone(state)
	default:
		r.State, r.At = state, Time
		if state == "release" {
			r.State = "ready"
		}
		if o.Body != nil {
			r.Body = o.Body
		}
		if o.Gen != 0 {
			r.Gen = o.Gen
		}
	}
	if !moved {
		if ends || state == "dead" {
			q.free(o.Job)
		}
		if state == "release" || state == "suspect" {
			q.lock(o.Job)
		}
		if state != "parked" {
			q.pass(o.Job, true)
		}
	}
	switch state {
	case "retry":
		q.Retry = append(q.Retry, Waiting{o.Next, false})
	case "dead":
		q.Dead = append(q.Dead, Waiting{o.Next, true})
	case "release":
		q.Ready = slices.Insert(q.Ready, 0, o.Next)
	case "suspect":
		q.Suspect = slices.Insert(q.Suspect, 0, o.Next)
	case "parked":
		owner, taken := q.Running[r.Key]
		if owner == o.Job { // it was opened once more since, by a call that came late
			delete(q.Running, r.Key)
			taken = false
		}
		if taken {
			q.Parked[r.Key] = append(slices.Clone(q.Parked[r.Key]), o.Next)
		} else { // who was before it has ended
			q.Ready = slices.Insert(q.Ready, 0, o.Next)
			r.State = "ready"
		}
	}
}

// RecordOpen is fetch_open.lua.
type RecordOpen struct{ HeldPointer }

// RecordOpened is the answer.
type RecordOpened struct {
	What   string
	Body   string
	Cursor string
	Cancel bool
	Plain  bool
}

func (c RecordOpen) do(q *Records) any {
	r := q.Of(c.Job)
	k := r.Key
	runs, taken := q.Running[k]
	switch {
	case !slices.Contains(q.Alive, c.Incarnation) || q.holds(c.Incarnation, c.Tag) < 0:
		return RecordOpened{What: "gone"}
	case r.State == "":
		return RecordOpened{What: "missing"}
	case r.Gen != c.Gen:
		return RecordOpened{What: "stale"}
	case k.turns() && taken && runs != c.Job:
		return RecordOpened{What: "parked"}
	}
	if k.turns() {
		q.Running[k] = c.Job
	}
	if k.frees() && q.Owner[k] == c.Job {
		delete(q.Owner, k)
	}
	r.State, r.At = "running", TimeAndPlace
	return RecordOpened{"run", r.Body.String(), r.Cursor, r.Cancel, r.plain()}
}

// RecordNote is run_note.lua, of a checkpoint.
type RecordNote struct {
	HeldPointer
	Cursor string
}

// do answers whether somebody has asked to cancel the job.
func (c RecordNote) do(q *Records) any {
	r := q.Of(c.Job)
	if q.holds(c.Incarnation, c.Tag) < 0 || r.State == "" {
		return false
	}
	r.Cursor = c.Cursor
	return r.Cancel
}

// RecordAct is settle_act.lua.
type RecordAct struct {
	What  string // edit, move, end, remove
	Job   Job
	Was   uint8 // the generation that was read
	Body  *Body // the same; nil where there is none
	Next  Body
	Later bool // of a move
	Keep  bool // of an end
}

func (c RecordAct) do(q *Records) any {
	r := q.Of(c.Job)
	k := r.Key
	switch {
	case r.State == "" || r.Body == nil:
		return "missing"
	case r.Gen == 0 && c.What != "remove":
		return "ended"
	case r.Gen == 0 && c.Was != 0:
		return "changed"
	case r.Gen == 0:
		r.gone(r.State)
		return "done"
	case r.Gen != c.Was || c.Body == nil || *r.Body != *c.Body:
		return "changed"
	case r.State == "running":
		r.Cancel = r.Cancel || c.What == "end"
		return "running"
	}
	if owner, taken := q.Owner[k]; r.State == "dead" && c.What == "move" && k.held() && taken && owner != c.Job {
		return "locked"
	}
	if c.What == "edit" {
		r.Body = &c.Next
		return "done"
	}
	p, parked := Pointer{c.Job, r.Gen}, q.Parked[k]
	parked = slices.Clone(parked)
	if !withdraw(&q.Scheduled, p) && !withdraw(&q.Retry, p) && !withdraw(&q.Dead, p) && !take(&q.Ready, p) && !take(&q.Suspect, p) && !take(&parked, p) {
		r.Left++
	}
	if k.turns() {
		if _, taken := q.Running[k]; !taken && len(parked) > 0 {
			q.Ready, parked = append(q.Ready, parked[0]), parked[1:]
		}
		q.Parked[k] = parked
	}
	if c.What != "move" {
		q.free(c.Job)
		if c.Keep && c.What == "end" {
			r.ended("cancelled", c.Next)
			q.Ended = append(q.Ended, c.Job)
		} else {
			r.gone("cancelled")
		}
		return "done"
	}
	if r.State == "dead" {
		r.Cancel = false
		if k.held() {
			q.Owner[k] = c.Job
		}
	}
	r.Gen++
	r.Body, r.State, r.At = &c.Next, "ready", Time
	if p.Gen++; c.Later {
		r.State = "scheduled"
		q.Scheduled = append(q.Scheduled, Waiting{p, false})
	} else {
		q.Ready = append(q.Ready, p)
	}
	return "done"
}

// RecordRevive is settle_revive.lua.
type RecordRevive struct {
	Dead       Pointer
	Read, Next Body
}

// RecordRevived is the answer.
type RecordRevived struct{ Moved, Stay int }

func (c RecordRevive) do(q *Records) any {
	r := q.Of(c.Dead.Job)
	owner, taken := q.Owner[r.Key]
	switch {
	case r.Key.held() && taken && owner != c.Dead.Job || r.Gen != c.Dead.Gen:
		if slices.ContainsFunc(q.Dead, func(w Waiting) bool { return w.Pointer == c.Dead }) {
			return RecordRevived{Stay: 1}
		}
		return RecordRevived{}
	case *r.Body != c.Read || !withdraw(&q.Dead, c.Dead):
		return RecordRevived{}
	}
	r.State, r.At, r.Body, r.Cancel = "ready", Time, &c.Next, false
	r.Gen++
	if r.Key.held() {
		q.Owner[r.Key] = c.Dead.Job
	}
	q.Ready = append(q.Ready, Pointer{c.Dead.Job, r.Gen})
	return RecordRevived{Moved: 1}
}

// RecordSweep is sweep.lua.
type RecordSweep struct {
	Incarnation
	Back []RecordBack
}

// RecordBack is what becomes of a pointer that was left behind by the dead.
type RecordBack struct {
	HeldPointer
	To   string // ready, suspect or dead
	Read *Body  // nil where there was none
	Body Body
}

// do answers how many were moved, or -1.
func (c RecordSweep) do(q *Records) any {
	if slices.Contains(q.Alive, c.Incarnation) {
		return -1
	}
	moved := 0
	for _, b := range c.Back {
		r, next := q.Of(b.Job), Pointer{b.Job, b.Gen + 1}
		i := q.holds(c.Incarnation, b.Tag)
		if i < 0 || r.Gen == b.Gen && (b.Read == nil || *r.Body != *b.Read) {
			continue
		}
		q.Held = slices.Delete(q.Held, i, i+1)
		moved++
		switch {
		case r.State == "":
			q.Ready = slices.Insert(q.Ready, 0, b.Pointer)
			continue
		case r.Gen != b.Gen:
			q.forget(b.Job)
			continue
		}
		r.State, r.At, r.Gen, r.Body = b.To, Time, next.Gen, &b.Body
		if b.To == "dead" {
			q.free(b.Job)
		}
		q.pass(b.Job, b.To == "dead")
		switch b.To {
		case "dead":
			q.Dead = append(q.Dead, Waiting{next, true})
		case "suspect":
			q.Suspect = slices.Insert(q.Suspect, 0, next)
		default:
			q.Ready = slices.Insert(q.Ready, 0, next)
		}
	}
	return moved
}

// RecordTrim is sweep_trim.lua.
type RecordTrim struct{ Dead Pointer }

// do answers how many were removed.
func (c RecordTrim) do(q *Records) any {
	if !withdraw(&q.Dead, c.Dead) {
		return 0
	}
	if r := q.Of(c.Dead.Job); r.Gen == c.Dead.Gen {
		r.gone("dead")
	}
	return 1
}

// RecordTrimEnded is sweep_ended.lua: it keeps so many records of ended jobs.
type RecordTrimEnded struct{ Most int }

// do answers how many were forgotten.
func (c RecordTrimEnded) do(q *Records) any {
	n, over := 0, max(len(q.Ended)-c.Most, 0)
	for _, j := range slices.Clone(q.Ended) {
		r := q.Of(j)
		if r.State != "" && r.Gen == 0 && n >= over {
			break
		}
		q.Ended = q.Ended[1:]
		if r.Gen == 0 {
			r.gone(r.State)
		}
		n++
	}
	return n
}

// RecordUnlock is settle_unlock.lua.
type RecordUnlock struct{ Key Key }

// do answers whether there was something to free.
func (c RecordUnlock) do(q *Records) any {
	_, owned := q.Owner[c.Key]
	_, runs := q.Running[c.Key]
	delete(q.Owner, c.Key)
	delete(q.Running, c.Key)
	next := q.Parked[c.Key]
	if len(next) > 0 {
		q.Ready, q.Parked[c.Key] = append(q.Ready, next[0]), next[1:]
	}
	return owned || runs || len(next) > 0
}

// RecordEnter is fetch_register.lua.
type RecordEnter struct{ Incarnation }

func (c RecordEnter) do(q *Records) any {
	q.Alive = append(q.Alive, c.Incarnation)
	return nil
}

// RecordTombstone is sweep_tombstone.lua.
type RecordTombstone struct{ Incarnation }

func (c RecordTombstone) do(q *Records) any {
	take(&q.Alive, c.Incarnation)
	return nil
}

// RecordPass lets time pass: all that waits is due, and windows are over.
type RecordPass struct{}

func (RecordPass) do(q *Records) any {
	for _, set := range [][]Waiting{q.Scheduled, q.Retry} {
		for i := range set {
			set[i].Due = true
		}
	}
	for k := range q.Owner {
		if k[0] == 'w' {
			delete(q.Owner, k)
		}
	}
	return nil
}
