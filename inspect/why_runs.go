package inspect

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki/internal/legible"
	"github.com/tasuki-dev/tasuki/internal/store"
)

// When the jobs of a dead worker are put back, at the latest: its counter stands still for
// 30 s, or it is in no list, which somebody looks at every minute, for so long.
const (
	sweptAfter  = 30 * time.Second
	missedAfter = time.Minute + 30*time.Second
)

// runs is for a job that a worker has.
func (w *asker) runs() error {
	j := w.job
	all, err := w.store.About(w.ctx)
	if err != nil {
		return err
	}
	id := ""
	if j.Worker != "" {
		holder := store.Member{Incarnation: j.Worker}
		id = holder.Worker()
	} else {
		for name, says := range all {
			if says.Place() == j.Place && slices.Contains(says.Queues, w.q.Name) {
				id = name // one of several in a process: they live and die together
			}
		}
	}
	var holder *Worker
	if id != "" {
		known, err := w.known([]string{id})
		if err != nil {
			return err
		}
		if len(known) > 0 {
			holder = &known[0]
		}
	}
	r := Reason{Cause: CauseRunning, Since: j.StartedAt, Attempt: j.Attempt, MaxAttempts: max(j.MaxAttempts, 0)}
	if holder != nil {
		r.Workers = briefs([]Worker{*holder})
		for _, run := range holder.Runs {
			if run.ID == j.ID && run.Queue == j.Queue && r.Since.IsZero() {
				r.Since = run.Since
			}
		}
	} else {
		r.Workers = []WorkerBrief{{ID: id, Place: j.Place}}
	}
	on := "a worker"
	if place := r.Workers[0].Place; place != "" {
		on = place
	}
	since := ""
	if !r.Since.IsZero() {
		since = " since " + clock(r.Since)
	}
	others := w.others(all, id)
	putBack := fmt.Sprintf("Its job is put back at %s at the latest, and that counts as a crash.", clock(w.why.At.Add(sweptAfter)))
	switch {
	case holder == nil:
		r.Cause, r.Until = CauseHeldGone, w.why.At.Add(missedAfter)
		r.Text = fmt.Sprintf("The worker that had it, on %s%s, is in no list any more: another puts the job back at %s at the latest.", on, since, clock(r.Until))
		if !others {
			r.Until = time.Time{}
			r.Text = fmt.Sprintf("The worker that had it, on %s%s, is in no list any more, and no other is there to put the job back: start one.", on, since)
		}
	case holder.State == WorkerUnheard:
		r.Cause, r.Until = CauseHeldDead, w.why.At.Add(sweptAfter)
		r.Text = fmt.Sprintf("The worker that has it, on %s%s, has not beaten for %v: it is dead, frozen or cut off. %s", on, since, watchFor, putBack)
		if !others {
			r.Until = time.Time{}
			r.Text = fmt.Sprintf("The worker that has it, on %s%s, has not beaten for %v: it is dead, frozen or cut off. No other is there to put the job back: start one.", on, since, watchFor)
		}
	case j.at.kind == "held" && strings.Contains(j.at.key, ":hand:"):
		r.Cause, r.Text = CauseHanded, fmt.Sprintf("It was handed to a worker on %s just now.", on)
	case holder.State == WorkerStopping:
		r.Cause, r.Text = CauseHeldQuiet, fmt.Sprintf("It runs on %s%s. The worker stops: if the job has not ended when its grace is over, it is put back, and the attempt does not count.", on, since)
	default:
		r.Text = fmt.Sprintf("It runs on %s%s, attempt %d", on, since, j.Attempt)
		if j.MaxAttempts > 0 {
			r.Text += fmt.Sprintf(" of %d", j.MaxAttempts)
		}
		r.Text += "."
		if !j.Recorded {
			r.Text = fmt.Sprintf("It runs on %s%s.", on, since)
		}
	}
	w.add(r)
	if w.fields["cancel"] != "" {
		w.add(Reason{Cause: CauseCancel, Text: "Somebody has asked to cancel it: its context has ended, or ends within 20 s, and its handler has to heed that."})
	}
	if j.Timeout > 0 && !r.Since.IsZero() {
		at := r.Since.Add(j.Timeout)
		w.add(Reason{Cause: CauseTimeout, Until: at, Text: fmt.Sprintf("Its attempt has until %s (%v).", clock(at), legible.Duration(j.Timeout))})
	}
	if at := j.Deadline; !at.IsZero() {
		w.add(Reason{Cause: CauseDeadline, Until: at, Text: fmt.Sprintf("It has to be done by %s; then its context ends.", clock(at))})
	}
	return nil
}

// others tells whether there is a worker beside one.
func (w *asker) others(all map[string]store.About, id string) bool {
	for other := range all {
		if other != id {
			return true
		}
	}
	return false
}
