package inspect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/bridge"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// TransferConfig says which jobs go where. The zero value of a field is its default.
type TransferConfig struct {
	// Query means the jobs of the queue; its Queues must be empty. Without States it is all that
	// wait, and the dead: those that run and those that have ended are refused.
	Query Query
	// To is the queue that they go to: that of the same name unless told.
	To string
	// Progress is told after each portion what was done so far; it must not block for long.
	Progress func(Transferred)
}

// Transferred is what has become of jobs that were to go elsewhere.
type Transferred struct {
	// Moved are there, and here no more.
	Moved int64 `json:"moved"`
	// Again of these had come in before: an earlier transfer was cut between the two.
	Again int64 `json:"again"`
	// Refused stay where they were: the other queue has another job with their id, or one with
	// their uniqueness key.
	Refused int64 `json:"refused"`
	// Missed were claimed, or moved by others, before they could leave. They are here.
	Missed int64 `json:"missed"`
	// Doubled are there, and were claimed here after all, which takes that the transfer stood
	// still for minutes. They run in both places.
	Doubled int64 `json:"doubled"`
	// Running were left alone: so many jobs workers held when it began.
	Running int64 `json:"running"`
}

// TransferStates are the states whose jobs can be transferred and exported.
var TransferStates = []tasuki.State{tasuki.StateSuspect, tasuki.StateReady, tasuki.StateRetry, tasuki.StateScheduled, tasuki.StateParked, tasuki.StateDead}

// leaseFor is how long a job that could be claimed is set aside while it is under way. When
// whoever moves it dies, it is ready again after that time.
const leaseFor = 5 * time.Minute

// Transfer has jobs of a queue go to another one, which may be that of another server or
// namespace: bare ones too, with all that they are. cfg may be nil. Those that run stay.
//
// Each job is set aside here for five minutes, put in there, and taken away here when that is
// confirmed; one that is not due for longer, or dead, need not be set aside. So it is in one of
// both places at least, whenever this is cut; and who calls it again finishes what was cut, and
// puts nothing in twice. A job runs twice if it was put in there, and nothing finishes the
// transfer for five minutes. Jobs with an id that a caller has given are remembered there as
// they were here. Within one namespace recorded jobs that wait go as with Client.Move, and their
// old address leads to them.
//
// The error says why it has stopped; what was done until then is returned.
func (i *Inspector) Transfer(ctx context.Context, queue string, dst *Inspector, cfg *TransferConfig) (Transferred, error) {
	if cfg == nil {
		cfg = &TransferConfig{}
	}
	t := &transfer{Inspector: i, ctx: ctx, dst: dst, cfg: cfg, refused: map[string]bool{}}
	if err := t.run(queue, cmp.Or(cfg.To, queue)); err != nil {
		return t.done, fmt.Errorf("transfer of %s: %w", queue, err)
	}
	return t.done, nil
}

// transfer is one call of Transfer.
type transfer struct {
	*Inspector
	ctx  context.Context
	dst  *Inspector
	cfg  *TransferConfig
	q    Query
	from *store.Queue
	to   *store.Queue
	near bool // from one queue of the namespace to another
	done Transferred

	refused map[string]bool // ids
	second  bool            // it goes over them again
	seenFor time.Duration
	seenMax int
}

func (t *transfer) run(queue, to string) (err error) {
	if t.q, err = transferable(t.cfg.Query); err != nil {
		return err
	}
	if len(t.q.Queues) > 0 {
		return fmt.Errorf("Query.Queues: %.200q: allowed is none, as the queue is named beside it", t.q.Queues)
	}
	if t.from, err = t.store.Queue(queue); err != nil {
		return err
	}
	if t.to, err = t.dst.store.Queue(to); err != nil {
		return err
	}
	switch {
	case t.from.Foreign || t.to.Foreign:
		return fmt.Errorf("%s to %s: the list of another program: allowed are queues of tasuki's own", queue, to)
	case t.store == t.dst.store && queue == to:
		return fmt.Errorf("to: %s: the jobs are there", to)
	}
	t.near = t.store == t.dst.store
	t.seenFor, t.seenMax = bridge.Seen(t.dst.client)
	survey, err := t.store.Survey(t.ctx, t.from)
	if err != nil {
		return err
	}
	t.done.Running = running(survey)
	if err := t.dst.store.AddQueue(t.ctx, t.to); err != nil {
		return err
	}
	// What was cut before is finished first: it is marked, and among the next to be due.
	cut := Query{States: []tasuki.State{tasuki.StateScheduled}}
	if err := t.pass(&cut, false, true); err != nil {
		return err
	}
	if err := t.pass(&t.q, false, false); err != nil || t.full() {
		return err
	}
	// From the head on, in their order, it does not see those that it has passed over while
	// workers took others before them.
	t.second = true
	return t.pass(&t.q, true, false)
}

// transferable is a query with the states that it means, or what is wrong with it.
func transferable(q Query) (Query, error) {
	if err := q.validate(); err != nil {
		return q, err
	}
	if len(q.States) == 0 { // those who are parked are found by a search through all keys
		q.States = slices.DeleteFunc(slices.Clone(TransferStates), func(s tasuki.State) bool { return s == tasuki.StateParked })
	}
	for _, s := range q.States {
		if !slices.Contains(TransferStates, s) {
			return q, fmt.Errorf("state: %s: allowed are suspect, ready, retry, scheduled, parked, dead", s)
		}
	}
	return q, nil
}

// full tells whether as many were moved as were wanted.
func (t *transfer) full() bool {
	return t.q.Limit > 0 && t.done.Moved >= int64(t.q.Limit)
}

// pass goes once through the jobs that a query means, or only those that are marked.
func (t *transfer) pass(q *Query, backwards, onlyMarked bool) error {
	var failed error
	err := t.walk(t.ctx, t.from, q, backwards, nil, func(jobs []Job) (left int, more bool) {
		now, err := t.store.Now(t.ctx)
		if err != nil {
			failed = err
			return 0, false
		}
		end := false
		if onlyMarked {
			end = jobs[len(jobs)-1].DueAt.After(now.Add(leaseFor + time.Minute))
			if jobs, err = t.marked(jobs); err != nil {
				failed = err
				return 0, false
			}
		}
		if t.q.Limit > 0 {
			jobs = jobs[:min(len(jobs), max(t.q.Limit-int(t.done.Moved), 0))]
		}
		for some := range slices.Chunk(jobs, 500) {
			n, err := t.portion(some, now)
			if left += n; err != nil {
				failed = err
				return left, false
			}
			if len(t.refused) > refusedMost {
				failed = fmt.Errorf("more than %d jobs were refused: the other queue knows their ids, or has their uniqueness keys", refusedMost)
				return left, false
			}
			if t.cfg.Progress != nil {
				t.cfg.Progress(t.done)
			}
		}
		return left, !end && !t.full()
	})
	return cmp.Or(failed, err)
}

// marked returns those of some jobs that are marked.
func (t *transfer) marked(jobs []Job) ([]Job, error) {
	var marked []Job
	for n := range jobs {
		body := jobs[n].element
		if jobs[n].Recorded {
			records, err := t.store.Records(t.ctx, t.from, []string{jobs[n].ID})
			if err != nil {
				return nil, err
			}
			body = records[jobs[n].ID].Job
		}
		j, _ := wire.Parse(body)
		if _, m := unmark(j.Extra); m.name != "" {
			marked = append(marked, jobs[n])
		}
	}
	return marked, nil
}

// parcel is a job in a transfer.
type parcel struct {
	carried
	job    *Job
	leased bool
	gone   bool   // it is not where it was read any more
	now    string // a bare one, as it lies here now
	lock   string
}

// portion moves some jobs of one place. It returns how many have left that.
func (t *transfer) portion(jobs []Job, now time.Time) (left int, err error) {
	all := make([]parcel, 0, len(jobs))
	var near []int
	for n := range jobs {
		j := &jobs[n]
		if t.refused[j.ID] && j.ID != "" {
			continue // it was put back, and is met again
		}
		if t.near && j.Recorded && j.State != tasuki.StateDead {
			near = append(near, n)
			continue
		}
		p := parcel{job: j, now: j.element}
		p.state, p.id, p.element = j.State, j.ID, j.element
		p.at = j.DueAt
		if j.State == tasuki.StateDead {
			p.at = endOf(j)
		}
		all = append(all, p)
	}
	if left, err = t.moveNear(jobs, near); err != nil {
		return left, err
	}
	if err := t.read(all); err != nil {
		return left, err
	}
	if err := t.lease(all, now); err != nil {
		return left, err
	}
	for n := range all {
		if all[n].leased && all[n].job.at.kind == "list" {
			left++
		}
	}
	imported, err := t.dst.takeIn(t.ctx, t.to, "", now, all, t.seenFor, t.seenMax)
	if err != nil {
		return left, err
	}
	n, err := t.finish(all, imported)
	return left + n, err
}

// moveNear moves recorded jobs within the namespace.
func (t *transfer) moveNear(jobs []Job, which []int) (left int, err error) {
	var lock sync.Mutex
	err = t.each(which, func(n int) error {
		_, err := t.client.Move(t.ctx, jobs[n].Address(), t.to.Name)
		lock.Lock()
		defer lock.Unlock()
		switch {
		case err == nil:
			t.done.Moved++
			left++
		case isMoved(err) || errors.Is(err, tasuki.ErrChanged):
			t.done.Missed++
		case errors.Is(err, tasuki.ErrLocked) || errors.Is(err, tasuki.ErrIDTaken):
			t.refuse(jobs[n].ID)
		default:
			return err
		}
		return nil
	})
	return left, err
}

// refuse notes a job that stays, so that it is not tried again and again.
func (t *transfer) refuse(id string) {
	t.done.Refused++
	t.refused[id] = true
}

// refusedMost is how many may be refused before it is given up.
const refusedMost = 100_000

// read fills in what the records say, and when ids were remembered.
func (t *transfer) read(all []parcel) error {
	var ids []string
	for n := range all {
		ids = append(ids, all[n].id)
	}
	seen, err := t.store.SeenAll(t.ctx, t.from, ids)
	if err != nil {
		return err
	}
	for n := range all {
		all[n].remembered = seen[n]
	}
	return readRecords(t.ctx, t.store, t.from, all)
}

// readRecords reads the records of those that have one, in portions: a record has a megabyte
// at most, as a rule far less.
func readRecords(ctx context.Context, s *store.Store, q *store.Queue, all []parcel) error {
	var which []int
	for n := range all {
		if all[n].job.Recorded {
			which = append(which, n)
		}
	}
	for some := range slices.Chunk(which, 50) {
		ids := make([]string, len(some))
		for k, n := range some {
			ids[k] = all[n].id
		}
		records, err := s.WholeRecords(ctx, q, ids)
		if err != nil {
			return err
		}
		for k, n := range some {
			p := &all[n]
			r := records[k]
			pointer, _ := wire.Parse(p.job.element)
			p.gen = pointer.Rec
			body, _ := wire.Parse(r["job"])
			p.fields, p.lock, p.element = r, body.Lock, ""
			// Its pointer may have been left behind, or it has begun to run.
			p.gone = r["job"] == "" || r["gen"] != fmt.Sprint(p.gen) || r["state"] == string(tasuki.StateRunning) || r["to"] != ""
		}
	}
	return nil
}

// lease names the jobs, and sets those aside that could be claimed.
func (t *transfer) lease(all []parcel, now time.Time) error {
	until := now.Add(leaseFor)
	var bare []int
	var recorded []int
	for n := range all {
		p := &all[n]
		if p.gone {
			continue
		}
		body := p.element
		if p.gen > 0 {
			body = p.fields["job"]
		}
		j, _ := wire.Parse(body)
		extra, m := unmark(j.Extra)
		later := p.state == tasuki.StateScheduled || p.state == tasuki.StateRetry
		switch {
		case p.state == tasuki.StateDead || later && !p.at.Before(until):
			if p.name = m.name; m.name == "" {
				p.name = nameOf(&p.carried)
			}
			continue // nobody claims it meanwhile
		case m.name != "" && p.state == tasuki.StateScheduled:
			// It lies where it was set aside before.
			p.name, p.at = m.name, m.due
			if m.due.IsZero() {
				p.state = tasuki.StateReady
			}
		case m.name != "":
			p.name = m.name // it was not finished in time, and has run here or is about to
		default:
			p.name = wire.NewToken()
		}
		due := time.Time{}
		if p.state == tasuki.StateScheduled || p.state == tasuki.StateRetry {
			due = p.at
		}
		if j.ID != "" && p.id == "" {
			p.id = j.ID // a plain element gets one here
		}
		j.ID, j.Extra = p.id, mark(extra, p.name, due)
		if p.gen > 0 {
			p.now = j.Body()
			recorded = append(recorded, n)
		} else {
			j.Token = wire.NewToken()
			p.now = j.Element()
			bare = append(bare, n)
		}
	}
	if err := t.leaseBare(all, bare, until); err != nil {
		return err
	}
	return t.each(recorded, func(n int) error {
		p := &all[n]
		job, _ := wire.Parse(p.fields["job"])
		job.ID = p.id
		err := t.store.Act(t.ctx, t.from, &store.Act{
			What: "move", ID: p.id, Lock: p.lock, Gen: p.gen, Was: p.fields["job"], Job: p.now,
			Old: job.Pointer(p.lock, p.gen), New: job.Pointer(p.lock, p.gen+1), When: store.Put{At: until},
		})
		switch {
		case err == nil:
			p.leased = true
			p.gen++
			p.fields["job"] = p.now
		case isGone(err):
			p.gone = true
			return nil
		}
		return err
	})
}

// isGone tells whether a recorded job is not as it was read any more.
func isGone(err error) bool {
	return slices.ContainsFunc([]error{store.ErrChanged, store.ErrRunning, store.ErrEnded, store.ErrMissing}, func(is error) bool { return errors.Is(err, is) })
}

func (t *transfer) leaseBare(all []parcel, which []int, until time.Time) error {
	for len(which) > 0 {
		n := 1
		first := all[which[0]].job
		for n < len(which) && abs(all[which[n]].job.far-first.far) < store.MovingSpan {
			n++
		}
		moving := make([]store.Moving, n)
		for k, w := range which[:n] {
			p := &all[w]
			moving[k] = store.Moving{From: string(p.job.State), Far: p.job.far, Element: p.job.element, Kept: p.now}
		}
		done, err := t.store.Move(t.ctx, t.from, until, false, moving)
		if err != nil {
			return err
		}
		for k, w := range which[:n] {
			p := &all[w]
			p.leased, p.gone = done[k], !done[k]
			p.element = p.now
		}
		which = which[n:]
	}
	return nil
}

func abs(n int64) int64 { return max(n, -n) }

// each does something for several jobs, some at a time: one after the other they would wait
// for each other's round trips.
func (t *transfer) each(which []int, do func(n int) error) error {
	var wait sync.WaitGroup
	next, errs := make(chan int), make([]error, 16)
	for w := range errs {
		wait.Go(func() {
			for n := range next {
				if errs[w] == nil {
					errs[w] = do(n)
				}
			}
		})
	}
	for _, n := range which {
		next <- n
	}
	close(next)
	wait.Wait()
	return errors.Join(errs...)
}

// takeIn puts jobs into a queue. Its answers are those of the store; "" for one that is gone.
func (i *Inspector) takeIn(ctx context.Context, q *store.Queue, run string, now time.Time, all []parcel, window time.Duration, most int) ([]store.Imported, error) {
	results := make([]store.Imported, len(all))
	for from := 0; from < len(all); {
		var coming []store.Import
		var which []int
		size, n := 0, from
		for ; n < len(all) && len(coming) < 500 && size < pageBytes; n++ {
			if all[n].gone {
				continue
			}
			in := all[n].arrives(now)
			size += len(in.Element)
			for _, value := range in.Fields {
				size += len(value)
			}
			coming, which = append(coming, in), append(which, n)
		}
		from = n
		if len(coming) == 0 {
			continue
		}
		var imported []store.Imported
		err := store.Repeat(ctx, func(ctx context.Context) (err error) {
			imported, err = i.store.Import(ctx, q, window, most, run, coming)
			return err
		})
		if err != nil {
			return results, err
		}
		for k, w := range which {
			results[w] = imported[k]
		}
	}
	return results, nil
}

// finish takes away what has come in, and puts back what has not. It returns how many of those
// that were not set aside have left their place.
func (t *transfer) finish(all []parcel, imported []store.Imported) (left int, err error) {
	var gone, back, recorded []int
	for n := range all {
		switch {
		case all[n].gone:
			if !t.second {
				t.done.Missed++
			}
		case all[n].gen > 0:
			recorded = append(recorded, n)
		case imported[n] == store.ImportDone || imported[n] == store.ImportAgain:
			gone = append(gone, n)
		case all[n].leased:
			back = append(back, n)
		}
		if imported[n] == store.ImportThere || imported[n] == store.ImportLocked {
			t.refuse(all[n].id)
		}
	}
	var lock sync.Mutex
	var names []string
	away := func(n int, was bool) {
		lock.Lock()
		defer lock.Unlock()
		p := &all[n]
		if !was {
			t.done.Doubled++
			return
		}
		t.done.Moved++
		if imported[n] == store.ImportAgain {
			t.done.Again++
		}
		if names = append(names, p.name); !p.leased || p.job.at.kind == "zset" {
			left++
		}
	}
	for _, some := range [][]int{gone, back} {
		if len(some) == 0 {
			continue
		}
		moving := make([]store.Moving, len(some))
		for k, n := range some {
			p := &all[n]
			from := p.job.State
			if p.leased {
				from = tasuki.StateScheduled
			}
			moving[k] = store.Moving{From: string(from), Far: 1, Element: p.now}
			if len(back) > 0 && &some[0] == &back[0] {
				j, _ := wire.Parse(p.now)
				j.Extra, _ = unmark(j.Extra)
				j.Token = wire.NewToken()
				moving[k].Kept = j.Element()
			}
		}
		if len(gone) > 0 && &some[0] == &gone[0] {
			done, err := t.store.Move(t.ctx, t.from, time.Time{}, true, moving)
			if err != nil {
				return left, err
			}
			for k, n := range some {
				away(n, done[k])
			}
			continue
		}
		// Each has a time of its own.
		for k, n := range some {
			if _, err := t.store.Move(t.ctx, t.from, all[n].at, false, moving[k:k+1]); err != nil {
				return left, err
			}
		}
	}
	err = t.each(recorded, func(n int) error {
		p := &all[n]
		job, _ := wire.Parse(p.fields["job"])
		job.ID = p.id
		act := store.Act{What: "remove", ID: p.id, Lock: p.lock, Gen: p.gen, Was: p.fields["job"], Old: job.Pointer(p.lock, p.gen), State: "moved"}
		if imported[n] == store.ImportThere || imported[n] == store.ImportLocked {
			if !p.leased {
				return nil
			}
			job.Extra, _ = unmark(job.Extra)
			act.What, act.Job, act.New, act.When = "move", job.Body(), job.Pointer(p.lock, p.gen+1), store.Put{At: p.at}
		}
		err := t.store.Act(t.ctx, t.from, &act)
		if act.What == "remove" && (err == nil || isGone(err)) {
			away(n, err == nil)
		}
		if isGone(err) {
			return nil
		}
		return err
	})
	if err != nil {
		return left, err
	}
	// What is gone here cannot come again.
	return left, t.dst.store.ForgetNames(t.ctx, t.to, names)
}
