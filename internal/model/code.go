package model

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// Two worlds that differ only in names behave alike: in which of two workers is the
// first, which number a job, a tag, a token or a delivery has, and by how much a time
// lies before another. canonical gives them their names anew, in an order that does not
// depend on the old ones, so that such worlds become equal bytes.

// code returns the bytes of a world under its canonical names.
func (w *World) code() []byte {
	w.rename()
	order := 0
	if len(w.Workers) == 2 {
		order = cmp.Compare(w.standing(0), w.standing(1))
	}
	if order > 0 {
		w.swapWorkers()
	}
	var best []byte
	for again := range 2 {
		if again == 1 {
			if order != 0 || len(w.Workers) != 2 {
				break
			}
			w.swapWorkers() // nothing tells which is the first: both are tried
		}
		if again == 1 || order > 0 {
			w.rename()
		}
		c := coder{buf: make([]byte, 0, 256)}
		w.fields(&c)
		if best == nil || bytes.Compare(c.buf, best) < 0 {
			best = c.buf
		}
	}
	return best
}

// standing is a number by which two workers that differ can mostly be told apart.
func (w *World) standing(i int) int {
	k := &w.Workers[i]
	n := int(k.Epoch)*4 + int(k.Wait)
	for j, is := range []bool{k.Killed, k.Entered, k.Open, k.Lone, k.Hands, k.Reading, k.Overtook, w.Q.MayClaim(w.me(i))} {
		if is {
			n += 64 << j
		}
	}
	n = n*8 + len(k.Runs)
	n = n*8 + len(k.Done)
	n = n*8 + len(k.Outcomes)
	n = n*64 + int(k.Next)
	for _, h := range w.Q.Holds {
		if int(h.Worker) == i {
			n += (len(h.Held)*4 + len(h.Hand) + 1) << 40
		}
	}
	return n
}

// decode is the reverse. shape is any world of the search: what never changes is taken
// from it.
func (w *World) decode(shape *World, code []byte) {
	*w = World{Slots: shape.Slots, Portion: shape.Portion, Calm: shape.Calm, Equal: shape.Equal}
	w.Q.Mistake, w.Q.Now = shape.Q.Mistake, clock
	w.fields(&coder{buf: code, reading: true})
}

// coder writes fields, or reads them in the same order.
type coder struct {
	buf     []byte
	reading bool
}

func number[T ~int | ~int64 | ~uint8 | ~uint16 | ~uint32](c *coder, v *T) {
	if !c.reading {
		c.buf = binary.AppendUvarint(c.buf, uint64(*v))
		return
	}
	n, size := binary.Uvarint(c.buf)
	c.buf, *v = c.buf[size:], T(n)
}

// flags codes at most eight booleans in a byte.
func flags(c *coder, all ...*bool) {
	var b uint8
	for i, v := range all {
		if *v {
			b |= 1 << i
		}
	}
	number(c, &b)
	for i, v := range all {
		*v = b&(1<<i) != 0
	}
}

func list[T any](c *coder, s *[]T, f func(*coder, *T)) {
	n := len(*s)
	number(c, &n)
	if c.reading && n > 0 {
		*s = make([]T, n)
	}
	for i := range *s {
		f(c, &(*s)[i])
	}
}

func (e *Element) fields(c *coder) {
	number(c, &e.Job)
	if e.Job == 0 {
		return // there is none
	}
	marks := e.Attempts | e.Crashes<<2 | e.Stops<<4
	number(c, &marks)
	e.Attempts, e.Crashes, e.Stops = marks&3, marks>>2&3, marks>>4
	number(c, &e.Token)
}

func (i *Incarnation) fields(c *coder) {
	number(c, &i.Worker)
	number(c, &i.Epoch)
}

func (o *Outcome) fields(c *coder) {
	number(c, &o.Tag)
	number(c, &o.State)
	number(c, &o.Delay)
	o.Element.fields(c)
	number(c, &o.Delivery)
}

func elements(c *coder, e *Element)    { e.fields(c) }
func outcomes(c *coder, o *Outcome)    { o.fields(c) }
func timedFields(c *coder, t *Timed)   { number(c, &t.At); t.Element.fields(c) }
func memberFields(c *coder, m *Member) { m.Incarnation.fields(c); number(c, &m.Ended) }
func heldFields(c *coder, h *Held) {
	number(c, &h.Tag)
	h.Element.fields(c)
	number(c, &h.Delivery)
}

func holdFields(c *coder, h *Hold) {
	h.Incarnation.fields(c)
	list(c, &h.Hand, elements)
	list(c, &h.Held, heldFields)
}

func runFields(c *coder, r *Run) {
	number(c, &r.Tag)
	r.Element.fields(c)
	number(c, &r.Delivery)
	flags(c, &r.Handing, &r.Accepted, &r.Lost, &r.Ended, &r.Place, &r.Suspect)
	if r.Handing {
		list(c, &r.Earlier, number[Tag])
	}
	if r.Ended {
		r.Outcome.fields(c)
	}
}

func workerFields(c *coder, k *Worker) {
	flags(c, &k.Killed, &k.Entered, &k.Open, &k.Lone, &k.Hands, &k.Reading, &k.Overtook)
	if k.Killed {
		return
	}
	number(c, &k.Epoch)
	number(c, &k.Next)
	number(c, &k.First)
	number(c, &k.Wait)
	number(c, &k.WaitEpoch)
	k.Given.fields(c)
	list(c, &k.Runs, runFields)
	list(c, &k.Done, outcomes)
	list(c, &k.Outcomes, outcomes)
	list(c, &k.Recent, outcomes)
}

func leftFields(c *coder, l *Left) {
	number(c, &l.Tag)
	flags(c, &l.InHand)
	l.Element.fields(c)
}

func putBackFields(c *coder, b *PutBack) {
	leftFields(c, &b.Left)
	number(c, &b.To)
	number(c, &b.As)
	b.Kept.fields(c)
}

func sweeperFields(c *coder, s *Sweeper) {
	list(c, &s.Todo, memberFields)
	list(c, &s.Put, putBackFields)
}

// lateFields is of the two calls that can come late.
func lateFields(c *coder, call *Call) {
	m, moves := (*call).(Move)
	flags(c, &moves)
	if moves {
		m.Incarnation.fields(c)
		*call = m
		return
	}
	x, _ := (*call).(Exchange)
	x.Incarnation.fields(c)
	number(c, &x.Tag)
	number(c, &x.Want)
	handed := x.Handed != nil
	flags(c, &x.Lone, &x.Strays, &handed)
	if handed {
		h := Handed{}
		if x.Handed != nil {
			h = *x.Handed
		}
		number(c, &h.Tag)
		h.Element.fields(c)
		list(c, &h.Earlier, number[Tag])
		x.Handed = &h
	}
	list(c, &x.Done, outcomes)
	list(c, &x.Outcomes, outcomes)
	*call = x
}

func (w *World) fields(c *coder) {
	q := &w.Q
	list(c, &q.Ready, elements)
	list(c, &q.Suspect, elements)
	list(c, &q.Retry, timedFields)
	list(c, &q.Dead, timedFields)
	number(c, &q.Alarm)
	list(c, &q.Members, memberFields)
	list(c, &q.Holds, holdFields)
	number(c, &q.deliveries)
	list(c, &w.Workers, workerFields)
	list(c, &w.Sweepers, sweeperFields)
	list(c, &w.Late, lateFields)
	number(c, &w.ToPush)
	list(c, &w.Left, number[uint8])
	l := &w.Limits
	for _, n := range []*uint8{&l.Lost, &l.Killed, &l.Buried, &l.Stopped, &l.Forgot, &l.Failed, &l.Deleted} {
		number(c, n)
	}
}

// swapWorkers gives each of two workers the name of the other.
func (w *World) swapWorkers() {
	swap := func(i *Incarnation) { i.Worker = 1 - i.Worker }
	w.Workers[0], w.Workers[1] = w.Workers[1], w.Workers[0]
	for i := range w.Q.Members {
		swap(&w.Q.Members[i].Incarnation)
	}
	for i := range w.Q.Holds {
		swap(&w.Q.Holds[i].Incarnation)
	}
	for i := range w.Sweepers {
		s := &w.Sweepers[i]
		s.Todo = slices.Clone(s.Todo)
		for j := range s.Todo {
			swap(&s.Todo[j].Incarnation)
		}
	}
	for i, c := range w.Late {
		switch c := c.(type) {
		case Move:
			swap(&c.Incarnation)
			w.Late[i] = c
		case Exchange:
			swap(&c.Incarnation)
			w.Late[i] = c
		}
	}
	slices.SortFunc(w.Q.Members, compareMembers)
	slices.SortFunc(w.Q.Holds, func(a, b Hold) int { return compareIncarnations(a.Incarnation, b.Incarnation) })
}

// rename gives everything its canonical name but the workers.
func (w *World) rename() {
	w.forgetRecent()
	for i := range w.Q.Members {
		if m := &w.Q.Members[i]; m.Ended != 0 {
			m.Ended = 1
		}
	}
	for i := range w.Sweepers {
		for j := range w.Sweepers[i].Todo {
			if m := &w.Sweepers[i].Todo[j]; m.Ended != 0 {
				m.Ended = 1
			}
		}
	}
	slices.SortFunc(w.Q.Members, compareMembers)
	w.retime()
	for i := range w.Workers {
		w.renameTags(uint8(i))
	}
	slices.SortStableFunc(w.Late, func(a, b Call) int { return cmp.Compare(lateKey(a), lateKey(b)) })
	var jobs names[uint16]
	var tokens, deliveries names[uint32]
	left := w.Left
	w.Left = []uint8{0}
	rename := func(e *Element) {
		if e.Job == 0 {
			return
		}
		if was := e.Job; jobs.rename(&e.Job) {
			w.Left = append(w.Left, left[was])
		}
		tokens.rename(&e.Token)
	}
	w.each(rename)
	// What has died by one call has no order of its own.
	slices.SortStableFunc(w.Q.Dead, func(a, b Timed) int {
		return cmp.Or(cmp.Compare(jobs.find(a.Job), jobs.find(b.Job)), cmp.Compare(a.Attempts, b.Attempts), cmp.Compare(a.Crashes, b.Crashes))
	})
	w.Q.eachDead(rename)
	w.retime()
	w.eachDelivery(func(d *uint32) { deliveries.rename(d) })
	w.Q.deliveries = uint32(deliveries.count)
}

// retime writes the times of jobs anew: the order is kept, and so is what is due;
// whatever comes is later.
func (w *World) retime() {
	for _, set := range [][]Timed{w.Q.Retry, w.Q.Dead} {
		for i := range set {
			if set[i].At > clock {
				set[i].At = clock + delay - int64(len(set)-i)
			} else {
				set[i].At = clock - int64(len(set)-i)
			}
		}
	}
}

// forgetRecent removes what was settled lately and cannot come back: only a call that
// comes late brings a tag a second time.
func (w *World) forgetRecent() {
	for i := range w.Workers {
		k := &w.Workers[i]
		k.Recent = slices.DeleteFunc(k.Recent, func(o Outcome) bool {
			for _, c := range w.Late {
				if x, ok := c.(Exchange); ok && int(x.Worker) == i && x.Handed != nil && x.Handed.Tag == o.Tag {
					return false
				}
			}
			for _, h := range w.Q.Holds {
				if int(h.Worker) == i && h.find(o.Tag) >= 0 {
					return false
				}
			}
			return true
		})
	}
}

// lateKey orders calls by what does not depend on names.
func lateKey(c Call) int {
	switch c := c.(type) {
	case Move:
		return int(c.Worker)*16 + int(c.Epoch)
	case Exchange:
		return 1000 + (int(c.Worker)*16+int(c.Epoch))*100 + int(c.Tag)
	}
	return -1
}

// names are old names in the order in which they are asked for, which gives them new
// ones from 1 on. Zero stays zero.
type names[T ~uint16 | ~uint32] struct {
	old   [16]T
	count int
}

// find returns the place of an old name, or the next if it has none.
func (n *names[T]) find(v T) int {
	i := 0
	for i < n.count && n.old[i] != v {
		i++
	}
	return i
}

func (n *names[T]) rename(v *T) (isNew bool) {
	if *v == 0 {
		return false
	}
	i := n.find(*v)
	if isNew = i == n.count; isNew {
		n.old[i] = *v
		n.count++
	}
	*v = T(i + 1)
	return isNew
}

// renameTags numbers the tags of a worker without gaps.
func (w *World) renameTags(worker uint8) {
	all := make([]Tag, 0, 32)
	w.eachTag(worker, func(t *Tag) { all = append(all, *t) })
	slices.Sort(all)
	all = slices.Compact(all)
	w.eachTag(worker, func(t *Tag) {
		i, _ := slices.BinarySearch(all, *t)
		*t = Tag(i)
	})
}

// eachTag calls f with every tag of a worker.
func (w *World) eachTag(worker uint8, f func(*Tag)) {
	k := &w.Workers[worker]
	all := func(outcomes []Outcome) {
		for i := range outcomes {
			f(&outcomes[i].Tag)
		}
	}
	if !k.Killed {
		f(&k.Next)
		f(&k.First)
	}
	for i := range k.Runs {
		f(&k.Runs[i].Tag)
		for j := range k.Runs[i].Earlier {
			f(&k.Runs[i].Earlier[j])
		}
		if k.Runs[i].Ended {
			f(&k.Runs[i].Outcome.Tag)
		}
	}
	all(k.Done)
	all(k.Outcomes)
	all(k.Recent)
	for i := range w.Q.Holds {
		if h := &w.Q.Holds[i]; h.Worker == worker {
			for j := range h.Held {
				f(&h.Held[j].Tag)
			}
		}
	}
	for i, c := range w.Late {
		x, ok := c.(Exchange)
		if !ok || x.Worker != worker {
			continue
		}
		// Its claims have tags one behind the other, and all of them are its own.
		first := x.Tag
		for n := range x.Want {
			t := first + Tag(n)
			if f(&t); n == 0 {
				x.Tag = t
			}
		}
		if x.Want == 0 {
			x.Tag = 0
		}
		if x.Handed != nil {
			h := *x.Handed
			f(&h.Tag)
			h.Earlier = slices.Clone(h.Earlier)
			for j := range h.Earlier {
				f(&h.Earlier[j])
			}
			x.Handed = &h
		}
		x.Done, x.Outcomes = slices.Clone(x.Done), slices.Clone(x.Outcomes)
		all(x.Done)
		all(x.Outcomes)
		w.Late[i] = x
	}
	for i := range w.Sweepers {
		s := &w.Sweepers[i]
		for j := range s.Put {
			if !s.Put[j].InHand && s.Todo[0].Worker == worker {
				f(&s.Put[j].Tag)
			}
		}
	}
}

// all calls f with every element.
func (w *World) all(f func(*Element)) {
	w.each(f)
	w.Q.eachDead(f)
}

// each calls f with every element but the dead, in an order that does not depend on
// which job is which.
func (w *World) each(f func(*Element)) {
	all := func(outcomes []Outcome) {
		for i := range outcomes {
			f(&outcomes[i].Element)
		}
	}
	w.Q.each(f)
	for i := range w.Workers {
		k := &w.Workers[i]
		f(&k.Given)
		for j := range k.Runs {
			f(&k.Runs[j].Element)
			if k.Runs[j].Ended {
				f(&k.Runs[j].Outcome.Element)
			}
		}
		all(k.Done)
		all(k.Outcomes)
		all(k.Recent)
	}
	for i := range w.Sweepers {
		for j := range w.Sweepers[i].Put {
			b := &w.Sweepers[i].Put[j]
			f(&b.Left.Element)
			f(&b.Kept)
		}
	}
	for i, c := range w.Late {
		x, ok := c.(Exchange)
		if !ok {
			continue
		}
		if x.Handed != nil {
			h := *x.Handed
			f(&h.Element)
			x.Handed = &h
		}
		all(x.Done)
		all(x.Outcomes)
		w.Late[i] = x
	}
}

// eachDelivery calls f with every number of a delivery.
func (w *World) eachDelivery(f func(*uint32)) {
	all := func(outcomes []Outcome) {
		for i := range outcomes {
			f(&outcomes[i].Delivery)
		}
	}
	for i := range w.Q.Holds {
		for j := range w.Q.Holds[i].Held {
			f(&w.Q.Holds[i].Held[j].Delivery)
		}
	}
	for i := range w.Workers {
		k := &w.Workers[i]
		for j := range k.Runs {
			f(&k.Runs[j].Delivery)
			if k.Runs[j].Ended {
				f(&k.Runs[j].Outcome.Delivery)
			}
		}
		all(k.Done)
		all(k.Outcomes)
		all(k.Recent)
	}
	for _, c := range w.Late {
		if x, ok := c.(Exchange); ok {
			all(x.Done)
			all(x.Outcomes)
		}
	}
}
