package inspect

import (
	"sync"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

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
		if isRefused(imported[n]) {
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
	if err := t.takeAway(all, gone, away); err != nil {
		return left, err
	}
	if err := t.putBack(all, back); err != nil {
		return left, err
	}
	err = t.each(recorded, func(n int) error { return t.finishRecorded(n, &all[n], isRefused(imported[n]), away) })
	if err != nil {
		return left, err
	}
	// What is gone here cannot come again.
	return left, t.dst.store.ForgetNames(t.ctx, t.to, names)
}

func isRefused(i store.Imported) bool { return i == store.ImportThere || i == store.ImportLocked }

// takeAway takes away bare jobs that have come in, and tells of each whether it was still here.
func (t *transfer) takeAway(all []parcel, which []int, away func(n int, was bool)) error {
	if len(which) == 0 {
		return nil
	}
	moving := make([]store.Moving, len(which))
	for k, n := range which {
		moving[k] = all[n].lies()
	}
	done, err := t.store.Move(t.ctx, t.from, time.Time{}, true, moving)
	if err != nil {
		return err
	}
	for k, n := range which {
		away(n, done[k])
	}
	return nil
}

// putBack has bare jobs lie again as they did before they were set aside.
func (t *transfer) putBack(all []parcel, which []int) error {
	for _, n := range which { // each has a time of its own
		p := &all[n]
		j, _ := wire.Parse(p.now)
		j.Extra, _ = unmark(j.Extra)
		j.Token = wire.NewToken()
		moving := p.lies()
		moving.Kept = j.Element()
		if _, err := t.store.Move(t.ctx, t.from, p.at, false, []store.Moving{moving}); err != nil {
			return err
		}
	}
	return nil
}

// lies says where a bare job is now.
func (p *parcel) lies() store.Moving {
	from := p.job.State
	if p.leased {
		from = tasuki.StateScheduled
	}
	return store.Moving{From: string(from), Far: 1, Element: p.now}
}

// finishRecorded takes a recorded job away, or puts it back if it was refused.
func (t *transfer) finishRecorded(n int, p *parcel, refused bool, away func(n int, was bool)) error {
	if refused && !p.leased {
		return nil
	}
	job, _ := wire.Parse(p.fields["job"])
	job.ID = p.id
	act := store.Act{What: "remove", ID: p.id, Lock: p.lock, Gen: p.gen, Was: p.fields["job"], Old: job.Pointer(p.lock, p.gen), State: "moved"}
	if refused {
		job.Extra, _ = unmark(job.Extra)
		act.What, act.Job, act.New, act.When = "move", job.Body(), job.Pointer(p.lock, p.gen+1), store.Put{At: p.at}
	}
	err := t.store.Act(t.ctx, t.from, &act)
	if !refused && (err == nil || isGone(err)) {
		away(n, err == nil)
	}
	if isGone(err) {
		return nil
	}
	return err
}
