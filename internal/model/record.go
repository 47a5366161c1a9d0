package model

import (
	"fmt"
	"slices"
)

// Records is what Redis holds of a queue of recorded jobs, each a record, and a pointer to it
// where it waits. It knows no hands, pauses, counters and times: what is to come is due or not.
type Records struct {
	Ready, Suspect         []Pointer
	Scheduled, Retry, Dead []Waiting
	Ended                  []Job // whose records are kept, the oldest first
	Jobs                   []Record
	Held                   []HeldPointer
	Alive                  []Incarnation
	Owner, Running         map[Key]Job
	Parked                 map[Key][]Pointer
}

// Job is the number of a recorded job, from 1 on.
type Job uint16

// ID is the id of a job.
func (j Job) ID() string { return fmt.Sprintf("j%d", j) }

// Key is the name of a lock: its mode, one of q, d, r, b and w, and more; empty for none.
type Key string

// held tells whether a lock is taken at the enqueue and freed by the end at the latest.
func (k Key) held() bool { return k != "" && (k[0] == 'q' || k[0] == 'd' || k[0] == 'b') }

// frees tells whether the start frees it.
func (k Key) frees() bool { return k != "" && (k[0] == 'q' || k[0] == 'b') }

// turns tells whether one job at a time runs under it.
func (k Key) turns() bool { return k != "" && (k[0] == 'r' || k[0] == 'b') }

// Pointer is what lies in a list in the place of a recorded job.
type Pointer struct {
	Job Job
	Gen uint8
}

// String is the pointer as bytes. No script looks into it.
func (p Pointer) String() string { return fmt.Sprintf("p%d.%03d", p.Job, p.Gen) }

// Waiting is a member of a sorted set.
type Waiting struct {
	Pointer
	Due bool
}

// HeldPointer is a pointer that an incarnation holds.
type HeldPointer struct {
	Incarnation
	Tag Tag
	Pointer
}

// Body is a job as its record has it.
type Body struct{ Version, Crashes uint8 }

// String is the body as bytes. No script looks into it.
func (b Body) String() string { return fmt.Sprintf("b%d.%d", b.Version, b.Crashes) }

// Record is the hash of a job. Without a State there is none.
type Record struct {
	Key    Key // is not in the hash, but in the pointers and in the body
	Seen   bool
	Gen    uint8 // 0: it has ended
	State  string
	Body   *Body
	At     At
	Cursor string
	Cancel bool
	Left   uint8 // pointers that were left behind
	TTL    bool
}

// At is the field of that name: none, a time, or a time and where the job runs.
type At uint8

// What at says.
const (
	NoTime At = iota
	Time
	TimeAndPlace
)

// plain tells whether there is nothing but the job in a record.
func (r *Record) plain() bool { return r.Cursor == "" && !r.Cancel && r.Left == 0 }

// NewRecords returns an empty queue, with room for so many jobs.
func NewRecords(jobs int) *Records {
	return &Records{Jobs: make([]Record, jobs), Owner: map[Key]Job{}, Running: map[Key]Job{}, Parked: map[Key][]Pointer{}}
}

// Of is the record of a job.
func (q *Records) Of(j Job) *Record { return &q.Jobs[j-1] }

// gone is a record after its end without anything to keep but what was left behind.
func (r *Record) gone(state string) {
	left := r.Left
	*r = Record{Key: r.Key, Seen: r.Seen, Left: left}
	if left > 0 {
		r.State = state
	}
}

// ended is a record that is kept, without an end if pointers were left behind.
func (r *Record) ended(state string, body Body) {
	*r = Record{Key: r.Key, Seen: r.Seen, Left: r.Left, State: state, Body: &body, TTL: r.Left == 0}
}

// pass lets the next run that waits for this one. One that goes without having run had the turn.
func (q *Records) pass(j Job, gone bool) {
	k := q.Of(j).Key
	if !k.turns() {
		return
	}
	owner, taken := q.Running[k]
	if owner == j {
		delete(q.Running, k)
	}
	if owner == j || gone && !taken {
		q.turn(k)
	}
}

// turn lets the next run that waits.
func (q *Records) turn(k Key) {
	if next := q.Parked[k]; len(next) > 0 {
		q.Parked[k] = next[1:]
		q.Ready = slices.Insert(q.Ready, 0, next[0])
	}
}

// free frees the lock that the end of a job frees.
func (q *Records) free(j Job) {
	if k := q.Of(j).Key; k.held() && q.Owner[k] == j {
		delete(q.Owner, k)
	}
}

// lock takes the lock of a job that waits again, if it is free.
func (q *Records) lock(j Job) {
	if k := q.Of(j).Key; k.held() {
		if _, taken := q.Owner[k]; !taken {
			q.Owner[k] = j
		}
	}
}

// forget is for a pointer that was left behind and is no more. It may have had the turn, but it
// is another one by which its job runs.
func (q *Records) forget(j Job) {
	r := q.Of(j)
	if _, taken := q.Running[r.Key]; r.Key.turns() && !taken {
		q.turn(r.Key)
	}
	if r.Left == 0 {
		return
	}
	if r.Left--; r.Left == 0 && r.Body == nil {
		*r = Record{Key: r.Key, Seen: r.Seen}
	}
}

// take takes an element out of a list.
func take[T comparable](list *[]T, e T) bool {
	i := slices.Index(*list, e)
	if i >= 0 {
		*list = slices.Delete(*list, i, i+1)
	}
	return i >= 0
}

func withdraw(set *[]Waiting, p Pointer) bool {
	i := slices.IndexFunc(*set, func(w Waiting) bool { return w.Pointer == p })
	if i >= 0 {
		*set = slices.Delete(*set, i, i+1)
	}
	return i >= 0
}

// holds is where in Held a tag is, or -1.
func (q *Records) holds(it Incarnation, t Tag) int {
	return slices.IndexFunc(q.Held, func(h HeldPointer) bool { return h.Incarnation == it && h.Tag == t })
}

// Each calls f with every pointer that there is.
func (q *Records) Each(f func(p Pointer)) {
	for _, list := range [][]Pointer{q.Ready, q.Suspect} {
		for _, p := range list {
			f(p)
		}
	}
	for _, set := range [][]Waiting{q.Scheduled, q.Retry, q.Dead} {
		for _, w := range set {
			f(w.Pointer)
		}
	}
	for _, h := range q.Held {
		f(h.Pointer)
	}
	for _, list := range q.Parked {
		for _, p := range list {
			f(p)
		}
	}
}

// Check says what should not be, whatever has happened but that a lock was freed by hand.
func (q *Records) Check(unlocked bool) error {
	live, behind := make([]int, len(q.Jobs)+1), make([]uint8, len(q.Jobs)+1)
	q.Each(func(p Pointer) {
		if r := q.Of(p.Job); r.Gen == p.Gen {
			live[p.Job]++
		} else {
			behind[p.Job]++
		}
	})
	running := map[Key]int{}
	for i := range q.Jobs {
		j, r := Job(i+1), &q.Jobs[i]
		if r.Gen != 0 && live[j] != 1 {
			return fmt.Errorf("%v leads to job %d in %d places", Pointer{j, r.Gen}, j, live[j])
		}
		if behind[j] != r.Left {
			return fmt.Errorf("%d pointers to job %d were left behind, and its record says %d", behind[j], j, r.Left)
		}
		if r.State == "running" && r.Key.turns() {
			running[r.Key]++
		}
		if r.Key != "" && r.Key[0] == 'd' && r.Gen != 0 && r.State != "dead" && q.Owner[r.Key] != j && !unlocked {
			return fmt.Errorf("job %d is %s and has not its lock", j, r.State)
		}
	}
	for k, n := range running {
		if n > 1 && !unlocked {
			return fmt.Errorf("%d jobs run under %s", n, k)
		}
	}
	for k, j := range q.Owner {
		if r := q.Of(j); k[0] != 'w' && (r.Gen == 0 || r.State == "dead") {
			return fmt.Errorf("job %d has the lock %s, and is %s", j, k, r.State)
		}
	}
	for k, j := range q.Running {
		if r := q.Of(j); r.State != "running" {
			return fmt.Errorf("job %d runs under %s, and is %s", j, k, r.State)
		}
	}
	return nil
}

// CheckDrained says what is left when nothing is to be done any more.
func (q *Records) CheckDrained() error {
	if n := len(q.Ready) + len(q.Suspect) + len(q.Scheduled) + len(q.Retry) + len(q.Held); n > 0 {
		return fmt.Errorf("%d pointers are left", n)
	}
	for k, list := range q.Parked {
		if len(list) > 0 {
			return fmt.Errorf("%v wait for their turn under %s for ever", list, k)
		}
	}
	for k, j := range q.Owner {
		if k[0] != 'w' {
			return fmt.Errorf("job %d has the lock %s for ever", j, k)
		}
	}
	for k, j := range q.Running {
		return fmt.Errorf("job %d runs under %s for ever", j, k)
	}
	for i, r := range q.Jobs {
		if r.Left > 0 {
			return fmt.Errorf("of job %d it is said for ever that %d pointers were left behind", i+1, r.Left)
		}
	}
	return nil
}
