package inspect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/legible"
	"github.com/tasuki-dev/tasuki/internal/store"
)

// unknownFor is WorkerConfig.UnknownFor, if nobody has set it.
const unknownFor = 24 * time.Hour

// waits is for a job that is ready, suspect, scheduled or to be retried.
func (w *asker) waits() error {
	j := w.job
	if j.Recorded && w.fields == nil {
		w.add(Reason{Cause: CauseRecordGone, Text: "Its record is gone, and with it what the job was: the worker that claims it has nothing to run."})
		return nil
	}
	timed := j.State == tasuki.StateScheduled || j.State == tasuki.StateRetry
	if timed && j.DueAt.After(w.why.At) {
		w.add(w.due())
	}
	survey, err := w.store.Survey(w.ctx, w.q)
	if err != nil {
		return err
	}
	w.paused(survey)
	free, err := w.workers(survey)
	if err != nil {
		return err
	}
	if timed {
		if late := w.why.At.Sub(j.DueAt); late >= 0 {
			r := Reason{Cause: CauseOverdue, Since: j.DueAt, Text: fmt.Sprintf("It is due since %s, and not in the line yet: a worker of the queue moves it there.", clock(j.DueAt))}
			if late < time.Second {
				r = Reason{Cause: CauseNext, Text: "It is due just now."}
			}
			w.add(r)
		}
	} else if err := w.line(survey, free); err != nil {
		return err
	}
	if err := w.keyRuns(); err != nil {
		return err
	}
	w.limits()
	return nil
}

// due is the reason of one that has its time ahead.
func (w *asker) due() Reason {
	j := w.job
	r := Reason{Cause: CauseScheduled, Until: j.DueAt, Text: fmt.Sprintf("It is scheduled for %s.", clock(j.DueAt))}
	switch {
	case w.body.Unknown > 0:
		r.Cause, r.Since = CauseUnknownKind, moment(float64(w.body.UnknownSince))
		r.Text = fmt.Sprintf("A worker without a handler for its kind has put it back, %s by now: it is tried again at %s.", times(w.body.Unknown), clock(j.DueAt))
		if !r.Since.IsZero() {
			r.Text += fmt.Sprintf(" It is dead if none has taken it by %s, unless WorkerConfig.UnknownFor is not %v there.", clock(r.Since.Add(unknownFor)), legible.Duration(unknownFor))
		}
	case j.State == tasuki.StateRetry:
		said := w.said()
		r.Cause, r.Error, r.Attempt, r.MaxAttempts = CauseRetry, said.Error, j.Attempt, max(j.MaxAttempts, 0)
		why := "It was put off"
		if j.Error != "" {
			why = fmt.Sprintf("Attempt %d has failed", j.Attempt)
			if j.MaxAttempts > 0 {
				why = fmt.Sprintf("Attempt %d of %d has failed", j.Attempt, j.MaxAttempts)
			}
			if said.Error != "" {
				why += ": " + said.Error
			}
		} else if said.Reason != "" {
			why += ": " + said.Reason
		}
		r.Text = fmt.Sprintf("%s. It is tried again at %s.", strings.TrimSuffix(why, "."), clock(j.DueAt))
	}
	return r
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func (w *asker) paused(survey *store.Survey) {
	q := queueOf(w.q.Name, survey)
	if !q.Paused {
		return
	}
	r := Reason{Cause: CausePaused, By: q.PausedBy, Since: q.PausedSince, Text: fmt.Sprintf("The queue %s is paused", w.q.Name)}
	if r.By != "" {
		r.Text += " by " + r.By
	}
	if !r.Since.IsZero() {
		r.Text += " since " + clock(r.Since)
	}
	r.Text += ": nothing is claimed until somebody resumes it."
	w.add(r)
}

// workers says which serve the queue, if that is in the way, and how many slots are free.
func (w *asker) workers(survey *store.Survey) (free int, err error) {
	abouts, err := w.store.About(w.ctx)
	if err != nil {
		return 0, err
	}
	held := map[string]int{} // by worker
	var ids []string
	for _, m := range survey.Members {
		held[m.Worker()] += int(survey.Held[m.Incarnation])
		if m.Ended.IsZero() {
			ids = append(ids, m.Worker())
		}
	}
	for id, about := range abouts {
		if slices.Contains(about.Queues, w.q.Name) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	serving, err := w.known(ids)
	if err != nil {
		return 0, err
	}
	if len(serving) == 0 {
		w.add(Reason{Cause: CauseNoWorker, Text: fmt.Sprintf("No worker serves the queue %s.", w.q.Name)})
		return 0, nil
	}
	var running []Worker
	for _, v := range serving {
		if v.State == WorkerRunning {
			running = append(running, v)
		}
	}
	if len(running) == 0 {
		r := Reason{Cause: CauseQuiet, Workers: briefs(serving), Text: fmt.Sprintf("%s the queue %s and is quiet or stopping: it takes no more jobs.", serve(serving), w.q.Name)}
		if len(serving) > 1 {
			r.Text = fmt.Sprintf("%s the queue %s, and all of them are quiet, stopping or unheard: they take no more jobs.", serve(serving), w.q.Name)
		}
		if !slices.ContainsFunc(serving, func(v Worker) bool { return v.State != WorkerUnheard }) {
			r.Cause, r.Text = CauseUnheard, fmt.Sprintf("%s the queue %s and has not beaten for %v: it is dead, frozen or cut off.", serve(serving), w.q.Name, watchFor)
			if len(serving) > 1 {
				r.Text = fmt.Sprintf("%s the queue %s, and none has beaten for %v: they are dead, frozen or cut off.", serve(serving), w.q.Name, watchFor)
			}
		}
		w.add(r)
		return 0, nil
	}
	if kind := w.job.Kind; kind != "" {
		able := slices.DeleteFunc(slices.Clone(running), func(v Worker) bool {
			says := abouts[v.ID]
			return says.Known && !says.Others && !slices.Contains(says.Kinds, kind)
		})
		if len(able) == 0 {
			w.add(Reason{Cause: CauseNoHandler, Workers: briefs(running), Text: fmt.Sprintf("%s the queue %s, none with a handler for its kind: whoever claims it puts it back for another.", serve(running), w.q.Name)})
			return 0, nil
		}
	}
	busy := Reason{Cause: CauseBusy, Workers: briefs(running), Kinds: map[string]int{}}
	for n := range running {
		v := &running[n]
		has := v.Busy
		if !v.Answered {
			has = held[v.ID] // it may have jobs of other queues besides
		}
		busy.Slots += v.Slots
		busy.Busy += min(has, v.Slots)
		for k := range v.Runs {
			run := &v.Runs[k]
			busy.Kinds[run.Kind]++
			if busy.Oldest == nil || run.Since.Before(busy.Oldest.Since) {
				busy.Oldest = run
			}
		}
	}
	if free = busy.Slots - busy.Busy; free > 0 {
		return free, nil
	}
	busy.Text = fmt.Sprintf("%s the queue %s, and all their slots are busy: %d of %d.", serve(running), w.q.Name, busy.Busy, busy.Slots)
	if busy.Oldest != nil {
		busy.Text += fmt.Sprintf(" The oldest of these jobs is %s (%s), since %s.", busy.Oldest.Address(), cmp.Or(busy.Oldest.Kind, "raw"), clock(busy.Oldest.Since))
	}
	w.add(busy)
	return 0, nil
}

// known returns those workers that are in the list.
func (w *asker) known(ids []string) ([]Worker, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	all := w.cfg.Workers
	if all == nil {
		var err error
		if all, err = w.workersThat(w.ctx, func(id string) bool { return slices.Contains(ids, id) }); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(v Worker) bool { return !slices.Contains(ids, v.ID) }), nil
}

func serve(workers []Worker) string {
	if len(workers) == 1 {
		return "1 worker serves"
	}
	return fmt.Sprintf("%d workers serve", len(workers))
}

// briefs are at most 100 workers in short.
func briefs(workers []Worker) []WorkerBrief {
	var all []WorkerBrief
	for n := range workers[:min(len(workers), 100)] {
		v := &workers[n]
		all = append(all, WorkerBrief{v.ID, v.Place(), v.State})
	}
	return all
}

// keyRuns says that another job runs under its uniqueness key.
func (w *asker) keyRuns() error {
	lock, err := w.lock()
	if err != nil || lock == nil || lock.Running == "" || lock.Running == w.id {
		return err
	}
	other, err := w.other(lock.Running)
	if err == nil {
		w.add(Reason{Cause: CauseKeyRuns, Other: other, Since: other.Since, Text: fmt.Sprintf("%s runs under its uniqueness key: it does not start before that one has ended.", other.Address)})
	}
	return err
}

// lock returns that of its uniqueness key; nil if it has none, or nobody has it.
func (w *asker) lock() (*store.Lock, error) {
	if w.body.Lock == "" || !strings.ContainsRune(string([]rune{store.LockRunning, store.LockBoth}), rune(w.body.Lock[0])) {
		return nil, nil
	}
	locks, err := w.store.Locks(w.ctx, w.q, []string{w.q.Lock(w.body.Lock)})
	if err != nil || len(locks) == 0 {
		return nil, err
	}
	return &locks[0], nil
}

// isParked is for a job that is set aside.
func (w *asker) isParked() error {
	if to := w.fields["to"]; to != "" {
		w.add(Reason{Cause: CauseLeaving, To: to, Text: fmt.Sprintf("It is on its way to %s, and whoever moved it was cut off: to move it again finishes it.", to)})
		return nil
	}
	lock, err := w.lock()
	if err != nil {
		return err
	}
	if lock == nil || lock.Running == "" {
		w.add(Reason{Cause: CauseParked, Text: "It was set aside as another job ran under its uniqueness key. Nobody does any more: it is about to be ready; if it stays, free the key."})
		return nil
	}
	other, err := w.other(lock.Running)
	if err != nil {
		return err
	}
	r := Reason{Cause: CauseParked, Other: other, Since: other.Since, Line: &Line{Length: lock.Parked}}
	r.Text = fmt.Sprintf("It is set aside until %s has ended, which has the same uniqueness key and is %s.", other.Address, other.is())
	at, err := w.rank(w.ctx, w.q.Parked(w.body.Lock), w.pointer(), time.Time{})
	if err != nil {
		return err
	}
	if r.Line.Place = at.index + 1; at.index > 0 {
		r.Text += fmt.Sprintf(" %d others wait for it before this one.", at.index)
		if at.index == 1 {
			r.Text = strings.Replace(r.Text, "1 others wait", "1 other waits", 1)
		}
	}
	w.add(r)
	w.limits()
	return nil
}

// limits are the times until which it must have started, or be done.
func (w *asker) limits() {
	j := w.job
	if at := j.ExpireAt; !at.IsZero() {
		w.add(Reason{Cause: CauseExpires, Until: at, Text: fmt.Sprintf("If it has not started by %s, it is expired.", clock(at))})
	}
	if at := j.Deadline; !at.IsZero() {
		w.add(Reason{Cause: CauseDeadline, Until: at, Text: fmt.Sprintf("If it is not done by %s, it is dead.", clock(at))})
	}
}
