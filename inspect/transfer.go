package inspect

import (
	"cmp"
	"context"
	"fmt"
	"slices"
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
	t, to := &transfer{Inspector: i, ctx: ctx, dst: dst, cfg: cfg, refused: map[string]bool{}}, cmp.Or(cfg.To, queue)
	err := t.run(queue, to)
	i.noted(ctx, AuditEntry{What: string(Move), Target: queue, Detail: "to " + to, Count: int(t.done.Moved)}, err)
	if !t.near { // those who look after the other place see it too
		dst.noted(ctx, AuditEntry{What: string(Move), Target: to, Detail: "from " + queue + " of another server or namespace", Count: int(t.done.Moved)}, err)
	}
	if err != nil {
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
	t.near = t.store == t.dst.store
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
	case t.near && queue == to:
		return fmt.Errorf("to: %s: the jobs are there", to)
	}
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
