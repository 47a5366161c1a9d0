package cron

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/store"
)

// Run is what became of a tick.
type Run struct {
	Tick    time.Time `json:"tick"`            // or when it was asked for
	Asked   bool      `json:"asked,omitempty"` // by RunNow
	At      time.Time `json:"at"`              // when it was seen to
	Outcome Outcome   `json:"outcome"`
	Address string    `json:"address,omitempty"` // of its job, or of the job that was in its way
	Error   string    `json:"error,omitempty"`   // why it failed
}

// Outcome is what became of a tick. Once its job is enqueued, it is the job's state.
type Outcome string

// The outcomes beside the states of a job (tasuki.State).
const (
	OutcomeEnqueued Outcome = "enqueued" // it is a job; of one without a record nothing more is known
	OutcomeSkipped  Outcome = "skipped"  // the job at Address was still there
	OutcomeReplaced Outcome = "replaced" // the job at Address waited, and became that of this tick
	OutcomeMissed   Outcome = "missed"   // from this tick on no scheduler was there
	OutcomeFailed   Outcome = "failed"   // it could not be enqueued
	OutcomeUnknown  Outcome = "unknown"  // its job is gone, and so is the record
)

// keptRuns is how many runs the history of an entry has.
const keptRuns = 20

// run is a Run as it is kept: what can be said in other words is left out.
type run struct {
	Tick    int64   `json:"t"`
	At      int64   `json:"a"` // after the tick, ms
	Asked   bool    `json:"n,omitempty"`
	Outcome Outcome `json:"o,omitempty"` // enqueued
	Queue   string  `json:"q,omitempty"` // of its job
	ID      string  `json:"i,omitempty"` // that of the tick
	Bare    bool    `json:"b,omitempty"` // its job has no record
	Error   string  `json:"e,omitempty"`
}

// job is the id of the run's job.
func (k *kept) job(r *run) string { return cmp.Or(r.ID, k.id(at(r.Tick), r.Asked)) }

// shown is r for others.
func (k *kept) shown(r *run) Run {
	to := Run{Tick: at(r.Tick), Asked: r.Asked, At: at(r.Tick + r.At), Outcome: cmp.Or(r.Outcome, OutcomeEnqueued), Error: r.Error}
	if r.Queue != "" {
		to.Address = r.Queue + "/" + k.job(r)
	}
	return to
}

// add notes runs, in place of the oldest ones.
func (k *kept) add(runs ...run) {
	k.Runs = append(k.Runs, runs...)
	k.Runs = k.Runs[max(len(k.Runs)-keptRuns, 0):]
}

// isOpen tells whether the outcome of a run is still to be read from the record of its job.
func (r *run) isOpen() bool { return !r.Bare && r.Outcome == "" }

// follow reads what became of the jobs of entries, as far as that is not noted, and notes what
// does not change any more. now, if it is not nil, gets the state of the others.
func (t *Table) follow(ctx context.Context, all []*kept, now func(k *kept, r *run, state tasuki.State)) error {
	type place struct {
		k *kept
		r *run
	}
	ids, open := map[string][]string{}, map[string][]place{}
	for _, k := range all {
		for i := range k.Runs {
			if r := &k.Runs[i]; r.isOpen() {
				ids[r.Queue] = append(ids[r.Queue], k.job(r))
				open[r.Queue] = append(open[r.Queue], place{k, r})
			}
		}
	}
	for name, places := range open {
		q, err := t.store.Queue(name)
		if err != nil { // somebody has written it by hand
			for _, p := range places {
				p.r.Outcome = OutcomeUnknown
			}
			continue
		}
		var records map[string]store.Recorded
		err = store.Repeat(ctx, func(ctx context.Context) (err error) {
			records, err = t.store.Records(ctx, q, ids[name])
			return err
		})
		if err != nil {
			return err
		}
		for i, p := range places {
			record, ok := records[ids[name][i]]
			switch state := tasuki.State(record.State); {
			case !ok:
				p.r.Outcome = OutcomeUnknown
			case state.HasEnded():
				p.r.Outcome = Outcome(state)
			case now != nil:
				now(p.k, p.r, state)
			}
		}
	}
	return nil
}

// History returns the last runs of an entry, at most 20, the oldest first, with what became of
// their jobs. What a job has become is read from its record, and noted with the entry when the
// history is read and when its next tick is due.
func (t *Table) History(ctx context.Context, name string) ([]Run, error) {
	all, err := t.read(ctx, name)
	if err == nil {
		err = all[0].there()
	}
	var runs []Run
	if err == nil {
		runs, err = t.history(ctx, all[0])
	}
	if err != nil {
		return nil, fmt.Errorf("cron: history of %.120q: %w", name, err)
	}
	return runs, nil
}

func (t *Table) history(ctx context.Context, k *kept) ([]Run, error) {
	before := k.write()
	states := map[*run]tasuki.State{}
	if err := t.follow(ctx, []*kept{k}, func(_ *kept, r *run, state tasuki.State) { states[r] = state }); err != nil {
		return nil, err
	}
	runs := make([]Run, len(k.Runs))
	for i := range k.Runs {
		r := &k.Runs[i]
		runs[i] = k.shown(r)
		if state := states[r]; state != "" {
			runs[i].Outcome = Outcome(state)
		}
	}
	if w := k.write(); w.State != before.State {
		// If a scheduler or somebody else is quicker, it is noted the next time.
		_, _ = t.store.CronWrites(ctx, true, nil, []store.CronWrite{w})
	}
	return runs, nil
}
