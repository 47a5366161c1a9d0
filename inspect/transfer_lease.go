package inspect

import (
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

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
