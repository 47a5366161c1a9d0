package tasuki

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tasuki-dev/tasuki/internal/failpoint"
	"github.com/tasuki-dev/tasuki/internal/source"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// sweeper puts back what dead workers held. Each of its steps is safe to repeat,
// by it or by another at the same time.
type sweeper struct {
	w       *Worker
	store   *store.Store
	crashed func(queue, kind, id string) // is told of each crash; nil: nobody is
	missing map[string]time.Time         // what belongs to no listed worker → since when; of the last patrol
}

// buryAll buries workers that a round has found dead. Until it is a worker's turn it
// may have been buried by the sweep before, or have woken up: then it works again,
// under a lease that is not to be taken.
func (sw *sweeper) buryAll(ctx context.Context, dead map[string]watched) {
	for worker, found := range dead {
		beats, err := sw.store.Beats(ctx, worker)
		if err != nil {
			sw.w.log.Warn("tasuki: a dead worker cannot be swept; trying again", "worker", worker, "err", err)
		} else if beats == found.beats {
			sw.bury(ctx, worker, found.still)
		}
	}
}

// bury takes over from a worker that is dead, or looks so.
func (sw *sweeper) bury(ctx context.Context, worker string, still time.Duration) {
	all, err := sw.store.About(ctx, worker)
	if err != nil {
		sw.w.log.Warn("tasuki: a dead worker cannot be swept; trying again", "worker", worker, "err", err)
		return
	}
	about := all[worker]
	if still < slowDeath && (!about.Known || !about.Subscribed) {
		return // it never had a subscription that could be gone
	}
	queues := about.Queues
	if !about.Known {
		if queues, err = sw.store.Queues(ctx); err != nil {
			sw.w.log.Warn("tasuki: a dead worker cannot be swept; trying again", "worker", worker, "err", err)
			return
		}
	}
	moved := 0
	for _, name := range queues {
		n, err := sw.sweepQueue(ctx, name, worker, &about)
		moved += n
		if err != nil {
			sw.w.log.Warn("tasuki: a dead worker's queue cannot be swept; trying again", "worker", worker, "queue", name, "err", err)
			return
		}
	}
	if err := sw.store.Retire(ctx, worker); err != nil {
		sw.w.log.Warn("tasuki: a dead worker cannot be removed from the list; trying again", "worker", worker, "err", err)
		return
	}
	sw.w.log.Warn("tasuki: a worker is dead; its jobs were put back", "worker", worker, "place", about.Place(),
		"stopping", about.Stopping, "still_for", still, "jobs", moved)
}

// sweepQueue ends a worker's leases in a queue and puts back what it held there.
func (sw *sweeper) sweepQueue(ctx context.Context, name, worker string, about *store.About) (moved int, err error) {
	q, err := sw.store.Queue(name)
	if err != nil {
		return 0, err
	}
	members, err := sw.store.Members(ctx, q)
	if err != nil {
		return 0, err
	}
	if !slices.ContainsFunc(members, func(m store.Member) bool { return m.Incarnation == worker }) {
		// Its registration was lost, perhaps not what it held: nobody else would
		// look there.
		members = append(members, store.Member{Incarnation: worker})
	}
	for _, m := range members {
		if m.Worker() != worker {
			continue
		}
		if m.Ended.IsZero() {
			if err := sw.store.Tombstone(ctx, q, m.Incarnation); err != nil {
				return moved, err
			}
			failpoint.Hit(failpoint.AfterTombstone)
		}
		n, err := sw.sweepIncarnation(ctx, q, m.Incarnation, about)
		moved += n
		if err != nil {
			return moved, err
		}
	}
	return moved, nil
}

// sweepIncarnation puts back what an incarnation with a tombstone held, from the
// newest to the oldest, so that the oldest comes to lie at the head.
func (sw *sweeper) sweepIncarnation(ctx context.Context, q *store.Queue, incarnation string, about *store.About) (moved int, err error) {
	portion, idle := 32, 0
	for {
		left, err := sw.store.Orphans(ctx, q, incarnation, portion)
		if err != nil || len(left) == 0 {
			return moved, err
		}
		records, now, err := sw.records(ctx, q, left)
		if err != nil {
			return moved, err
		}
		back, size := make([]store.PutBack, len(left)), 0
		for i, l := range left {
			back[i] = putBack(l, about, records, now)
			size += len(l.Element) + len(back[i].Job)
		}
		sw.w.tellSwept(q.Name, back)
		n, dead, err := sw.store.Sweep(ctx, q, incarnation, back)
		if err != nil {
			return moved, err
		}
		if !dead {
			return moved, fmt.Errorf("%s may claim again", incarnation)
		}
		moved += n
		sw.countCrashes(q.Name, back, n)
		failpoint.Hit(failpoint.BetweenSwept)
		if idle++; n > 0 {
			idle = 0
		}
		if idle == 10 {
			return moved, fmt.Errorf("%d jobs of %s do not move", len(left), incarnation)
		}
		// About a megabyte at a time, whatever the size of a job.
		switch {
		case size > claimBytes:
			portion = max(1, portion/2)
		case size < claimBytes/4:
			portion = min(2*portion, 500)
		}
	}
}

// countCrashes tells of the crashes among what was put back. Where others have put back some
// of it at the same time, it is not known which: the sum is right.
func (sw *sweeper) countCrashes(queue string, back []store.PutBack, moved int) {
	if sw.crashed == nil {
		return
	}
	for _, b := range back[:min(moved, len(back))] {
		if b.As != "crashed" {
			continue
		}
		job, _ := wire.Parse(b.Element)
		if b.Was != 0 {
			job, _ = wire.Parse(b.Job)
			job.ID = b.ID
		}
		sw.crashed(queue, job.Kind, job.ID)
	}
}

// records reads the records of those among the left that have one, and what time it is.
func (sw *sweeper) records(ctx context.Context, q *store.Queue, left []store.Left) (map[string]store.Recorded, time.Time, error) {
	var ids []string
	for _, l := range left {
		if wire.IsPointer(l.Element) {
			if j, err := wire.Parse(l.Element); err == nil && j.Rec > 0 {
				ids = append(ids, j.ID)
			}
		}
	}
	if len(ids) == 0 {
		return nil, time.Time{}, nil
	}
	now, err := sw.store.Now(ctx)
	if err != nil {
		return nil, now, err
	}
	records, err := sw.store.Records(ctx, q, ids)
	return records, now, err
}

// putBack says what becomes of a job whose worker has died. A pointer that its record does
// not know goes back as it is, or nowhere: the script looks.
func putBack(l store.Left, about *store.About, records map[string]store.Recorded, now time.Time) store.PutBack {
	j, _ := wire.Parse(l.Element) // whatever it is, the job that comes back can be kept
	back := store.PutBack{Left: l, To: "ready", As: "crashed"}
	var record store.Recorded
	if pointer := j; pointer.Rec > 0 {
		back.ID, back.Lock, back.Was, back.Gen = pointer.ID, pointer.Lock, pointer.Rec, pointer.Rec+1
		record = records[pointer.ID]
		j, _ = wire.Parse(record.Job)
		j.ID = pointer.ID
	}
	if about.Stopping {
		j.Stops++
		back.As = "stopped"
		j.Reason = "its worker was killed while stopping"
	} else {
		j.Crashes++
		j.Reason = "its worker died"
		if about.Host != "" {
			j.Hosts = append(j.Hosts, about.Place())
		}
	}
	switch {
	case j.Crashes >= poisonCrashes:
		back.To = "dead"
		j.Reason = fmt.Sprintf("poison: %d processes died while they ran it", j.Crashes)
	case j.Crashes >= suspectCrashes:
		back.To = "suspect"
	}
	j.ExpireAt = 0 // it may have been started
	if back.Was != 0 {
		if record.Place != "" { // it had begun
			rec := recording{began: record.At}
			j.History = rec.history(j.History, now, record.Place, source.State(back.As), nil)
		} else if back.To == "dead" {
			j.EndedAt = now.UnixMilli()
		}
		back.Read, back.Job, back.Element = record.Job, j.Body(), j.Pointer(back.Lock, back.Gen)
		return back
	}
	j.Token = wire.NewToken()
	back.Element = j.Element()
	return back
}

// patrol looks once a minute at what no round sees: incarnations and infos of
// workers that are in no list, what tombstones hold, and dead jobs beyond the caps.
func (sw *sweeper) patrol(ctx context.Context, listed map[string]bool) {
	p := &patrol{sweeper: sw, listed: listed, missing: map[string]time.Time{}}
	names, err := sw.store.Queues(ctx)
	if err == nil {
		p.about, err = sw.store.About(ctx)
	}
	if err != nil {
		sw.w.log.Warn("tasuki: the queues cannot be looked over; trying again", "err", err)
		return
	}
	names = p.announced(ctx, names)
	for _, name := range names {
		if err := p.queue(ctx, name); err != nil && ctx.Err() == nil {
			sw.w.warnOnce("patrol "+name+err.Error(), "tasuki: a queue cannot be looked over; trying again", "queue", name, "err", err)
		}
	}
	for worker := range p.about {
		// It died before its first beat or between two steps of its end, or somebody has
		// taken it out of the lists: then it may hold something.
		if p.isAbsent(worker, worker) {
			sw.bury(ctx, worker, slowDeath)
		}
	}
	sw.missing = p.missing
}

// patrol is one walk over all queues.
type patrol struct {
	*sweeper
	listed  map[string]bool        // workers that are in the list
	about   map[string]store.About // what workers say of themselves
	missing map[string]time.Time   // what takes the place of sweeper.missing
}

// announced enters queues that a worker serves in the directory where they are not, as
// after somebody has removed it, and returns all.
func (p *patrol) announced(ctx context.Context, names []string) []string {
	for _, says := range p.about {
		for _, name := range says.Queues {
			if slices.Contains(names, name) {
				continue
			}
			q, err := p.store.Queue(name)
			if err != nil {
				continue // another program has written it
			}
			if err := p.store.AddQueue(ctx, q); err == nil {
				names = append(names, name)
			}
		}
	}
	return names
}

// isAbsent tells whether the worker to which something belongs has been in no list
// for so long that it is dead.
func (p *patrol) isAbsent(what, worker string) bool {
	if p.listed[worker] {
		return false
	}
	since, ok := p.sweeper.missing[what]
	if !ok {
		since = time.Now()
	}
	p.missing[what] = since
	return time.Since(since) >= slowDeath
}

func (p *patrol) queue(ctx context.Context, name string) error {
	q, err := p.store.Queue(name)
	if err != nil {
		return err
	}
	members, err := p.store.Members(ctx, q)
	if err != nil {
		return err
	}
	for _, m := range members {
		worker := m.Worker()
		says := p.about[worker]
		if m.Ended.IsZero() {
			if p.isAbsent(name+" "+m.Incarnation, worker) {
				if _, err := p.sweepQueue(ctx, name, worker, &says); err != nil {
					return err
				}
			}
			continue
		}
		if _, err := p.sweepIncarnation(ctx, q, m.Incarnation, &says); err != nil {
			return err
		}
		if err := p.store.Forget(ctx, q, m.Incarnation, tombstoneAge); err != nil {
			return err
		}
	}
	if err := p.trim(ctx, q); err != nil {
		return err
	}
	return p.trimEnded(ctx, q)
}

// trimEnded forgets ended jobs that the cap has no room for.
func (sw *sweeper) trimEnded(ctx context.Context, q *store.Queue) error {
	for {
		n, err := sw.store.TrimEnded(ctx, q, sw.w.cfg.KeepMax)
		if err != nil || n < 500 {
			return err
		}
	}
}

// trim removes dead jobs that the caps have no room for.
func (sw *sweeper) trim(ctx context.Context, q *store.Queue) error {
	for {
		over, err := sw.store.DeadOverflow(ctx, q, sw.w.cfg.DeadMax, sw.w.cfg.DeadFor)
		if err != nil || len(over) == 0 {
			return err
		}
		jobs := make([]store.Trimmed, len(over))
		for i, element := range over {
			jobs[i].Element = element
			if j, err := wire.Parse(element); err == nil && j.Rec > 0 {
				jobs[i].ID, jobs[i].Gen = j.ID, j.Rec
			}
		}
		if _, err := sw.store.Trim(ctx, q, jobs); err != nil {
			return err
		}
	}
}
