package inspect

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// aheadMost is how many of those that are before a job are looked at for their kinds.
const aheadMost = 50

// line says what is before a ready or suspect job.
func (w *asker) line(survey *store.Survey, free int) error {
	element := w.job.element
	if w.job.Recorded {
		element = w.pointer()
	}
	if w.body.Crashes >= 2 {
		w.add(Reason{
			Cause: CauseSuspect, Crashes: w.body.Crashes, Hosts: w.body.Hosts,
			Text: fmt.Sprintf("It is a suspect: %d processes have died while they ran it (%s). A process runs one such job at a time, and at the third death it is dead.", w.body.Crashes, strings.Join(w.body.Hosts, ", ")),
		})
		if at, err := w.rankOf(w.q.Suspect, element, time.Time{}); err != nil || at.index >= 0 {
			if err == nil {
				w.place(at, w.q.Suspect, 0, 0, "suspects")
			}
			return err
		}
	}
	at, err := w.rankOf(w.q.Ready, element, w.joined())
	if err != nil {
		return err
	}
	if at.index >= 0 || !w.q.Foreign {
		return w.place(at, w.q.Ready, survey.Suspect, free, "in the queue")
	}
	if at, err = w.rankOf(w.q.List, element, w.joined()); err != nil {
		return err
	}
	r := Reason{Cause: CauseForeign, Line: &Line{Length: at.length}, Text: "It lies in the list of another program, which may take it too."}
	if at.index >= 0 {
		r.Text += fmt.Sprintf(" It is number %d of %d from the left; jobs put back by tasuki are served before it.", at.index+1, at.length)
		r.Line.Place = at.index + 1
	}
	w.add(r)
	return nil
}

// rankOf is rank, unless it is known already.
func (w *asker) rankOf(key, element string, when time.Time) (spot, error) {
	if w.spot != nil && w.job.at.key == key {
		return *w.spot, nil
	}
	return w.rank(w.ctx, key, element, when)
}

// pointer is the element of a recorded job.
func (w *asker) pointer() string {
	gen, _ := strconv.ParseInt(w.fields["gen"], 10, 64) // what somebody has made of it leads nowhere
	return w.body.Pointer(w.body.Lock, gen)
}

// joined is when the job came into the line.
func (w *asker) joined() time.Time {
	if ms, _ := store.ParseAt(w.fields["at"]); ms > 0 {
		return time.UnixMilli(ms)
	}
	if !w.job.EnqueuedAt.IsZero() {
		return w.job.EnqueuedAt
	}
	at, _ := wire.TimeOf(w.id)
	return at
}

// place says where in a list it is.
func (w *asker) place(at spot, key string, suspects int64, free int, where string) error {
	r := Reason{Cause: CauseLine, Line: &Line{Place: at.index + 1, Length: at.length, Suspects: suspects}}
	switch {
	case at.index == 0 && free > 0 && len(w.why.Reasons) == 0 && suspects == 0:
		r.Cause, r.Text = CauseNext, "It is the first in the queue, and a slot is free: it is about to start."
	case at.index >= 0:
		r.Text = fmt.Sprintf("It is number %d of %d %s.", at.index+1, at.length, where)
	case at.all:
		r = Reason{Cause: CauseNext, Text: "It is in the queue no more: a worker has just claimed it, or somebody has moved it."}
	default:
		r.Line.Looked = rankMost
		r.Text = fmt.Sprintf("It is not among the first and the last %d of %d %s: it is somewhere between.", int64(rankMost), at.length, where)
	}
	if at.index > 0 {
		kinds, err := w.kinds(key, min(at.index, aheadMost))
		if err != nil {
			return err
		}
		r.Line.Kinds = kinds
		r.Text += " " + ahead(at.index, kinds)
	}
	w.add(r)
	return nil
}

// ahead says what is before it.
func ahead(n int64, kinds map[string]int) string {
	names := slices.SortedFunc(maps.Keys(kinds), func(a, b string) int { return cmp.Or(kinds[b]-kinds[a], strings.Compare(a, b)) })
	looked := 0
	for _, k := range kinds {
		looked += k
	}
	var parts []string
	for _, name := range names[:min(len(names), 5)] {
		parts = append(parts, fmt.Sprintf("%d %s", kinds[name], cmp.Or(name, "raw")))
	}
	if len(names) > 5 {
		parts = append(parts, fmt.Sprintf("%d other kinds", len(names)-5))
	}
	if int64(looked) < n {
		return fmt.Sprintf("Of the first %d of these: %s.", looked, strings.Join(parts, ", "))
	}
	return fmt.Sprintf("Before it: %s.", strings.Join(parts, ", "))
}

// kinds counts the kinds of the first n of a list.
func (w *asker) kinds(key string, n int64) (map[string]int, error) {
	elements, _, _, err := w.store.Page(w.ctx, key, "list", 0, n-1)
	if err != nil {
		return nil, err
	}
	counts := map[string]int{}
	var ids []string
	for _, e := range elements {
		if j, err := wire.Parse(e); err == nil && j.Rec > 0 {
			ids = append(ids, j.ID)
		} else {
			counts[j.Kind]++
		}
	}
	if len(ids) == 0 {
		return counts, nil
	}
	records, err := w.store.Records(w.ctx, w.q, ids)
	for _, r := range records {
		j, _ := wire.Parse(r.Job) // what cannot be read counts as raw
		counts[j.Kind]++
	}
	return counts, err
}
