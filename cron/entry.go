package cron

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/bridge"
	"github.com/tasuki-dev/tasuki/internal/legible"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// Entry is a job that is enqueued again and again. It is plain data.
type Entry struct {
	// Name is 1 to 100 letters, digits and . _ - beginning with a letter or digit.
	Name string `json:"name"`
	// Expr says when, and Zone where the clock hangs that it is about: see Parse.
	Expr string `json:"expr"`
	Zone string `json:"zone,omitempty"`

	// Kind, Args and Opts are those of each job, as in a tasuki.Spec. Args have at most 64
	// KiB. Of the Opts, ID, In, At, Deadline and ExpireAt are refused: they are for one
	// job. The job's Meta says which entry and which tick it is for: MetaEntry, MetaTick.
	//
	// A job has a record, so that the history can say what became of it. It stays after the
	// job's end for as long as from one tick to the next, and ten minutes, unless Opts.Keep
	// says otherwise. With a Keep of -1 there is none, unless Overlap needs one, and the
	// history says only that the job was enqueued.
	Kind string          `json:"kind"`
	Args json.RawMessage `json:"args,omitempty"`
	Opts tasuki.Opts     `json:"opts,omitzero"`

	// Jitter puts each tick off, by up to so much. By how much depends on name and tick
	// only. It is shorter than the time between two ticks.
	Jitter time.Duration `json:"jitter,omitempty"`
	// Missed is for ticks that no scheduler was there for: MissedLast unless told.
	Missed Missed `json:"missed,omitempty"`
	// MissedMost is how many MissedAll runs at most, the latest ones: 1 to 1,000, 100 unless
	// told.
	MissedMost int `json:"missed_most,omitempty"`
	// Overlap is for a tick whose predecessor has not ended: OverlapSkip unless told. With
	// Opts.Unique, which says it in its own way, it is left out.
	Overlap Overlap `json:"overlap,omitempty"`
	// There are no ticks before Start and after End, if they are not zero.
	Start time.Time `json:"start,omitzero"`
	End   time.Time `json:"end,omitzero"`
}

// What the Meta of a job says: the name of its entry, and its tick as time.RFC3339Nano has it,
// in UTC.
const (
	MetaEntry = "cron"
	MetaTick  = "cron.tick"
)

// Missed says what becomes of ticks that are more than a minute late, as all schedulers were
// down. Those that are less late all run. What a pause or an edit has left out is not missed.
type Missed string

// The ways with missed ticks.
const (
	MissedNone Missed = "none" // they are left out
	MissedLast Missed = "last" // the last runs, unless one that is less late does
	MissedAll  Missed = "all"  // all run, at most Entry.MissedMost
)

// Overlap says what becomes of a tick when a job of the entry is still there.
type Overlap string

// The ways with an overlap. All but OverlapAllow use the uniqueness of jobs (tasuki.Unique), so
// they hold within a queue. A job that has failed and waits for its retry is never in the way.
const (
	// OverlapSkip: while a job waits or runs, ticks are left out. One that has failed is
	// cancelled, and that of the tick takes its place.
	OverlapSkip Overlap = "skip"
	// OverlapQueue: one job may wait beside one that runs; further ticks are left out.
	OverlapQueue Overlap = "queue"
	// OverlapReplace: as OverlapQueue, and the job that waits becomes that of the last tick.
	OverlapReplace Overlap = "replace"
	// OverlapAllow: every tick is a job.
	OverlapAllow Overlap = "allow"
)

const (
	maxName   = 100
	maxArgs   = 64 << 10
	maxMissed = 1000
)

// check says what is not allowed of e, and returns its schedule.
func (e *Entry) check(now time.Time) (*Schedule, error) {
	if err := wire.CheckQueue("name", e.Name); err != nil {
		return nil, fmt.Errorf("entry: %w", err)
	}
	s, err := e.checked(now)
	if err != nil {
		return nil, fmt.Errorf("entry %.120q: %w", e.Name, err)
	}
	return s, nil
}

func (e *Entry) checked(now time.Time) (*Schedule, error) {
	if len(e.Name) > maxName {
		return nil, fmt.Errorf("name: %d bytes: allowed are %d", len(e.Name), maxName)
	}
	s, err := parse(e.Expr, e.Zone, e.Name)
	if err != nil {
		return nil, err
	}
	o := &e.Opts
	switch {
	case len(e.Args) > maxArgs:
		return nil, fmt.Errorf("args: %d bytes: allowed are %d; have the job look up what is bigger", len(e.Args), maxArgs)
	case o.ID != "" || o.In != 0 || !o.At.IsZero() || !o.Deadline.IsZero() || !o.ExpireAt.IsZero():
		return nil, errors.New("opts: id, in, at, deadline and expire_at are for one job: leave them out; expire_in counts from each enqueue")
	case o.Meta[MetaEntry] != "" || o.Meta[MetaTick] != "":
		return nil, fmt.Errorf("opts.meta: %s and %s are set for each job, to its entry and tick: leave them out", MetaEntry, MetaTick)
	case e.Missed != "" && e.Missed != MissedNone && e.Missed != MissedLast && e.Missed != MissedAll:
		return nil, fmt.Errorf("missed: %.40q: allowed are none, last and all", e.Missed)
	case e.MissedMost != 0 && e.Missed != MissedAll:
		return nil, fmt.Errorf("missed_most: %d: it is allowed only with missed all", e.MissedMost)
	case e.MissedMost < 0 || e.MissedMost > maxMissed:
		return nil, fmt.Errorf("missed_most: %d: allowed are 1 to %d", e.MissedMost, maxMissed)
	case !slices.Contains([]Overlap{"", OverlapSkip, OverlapQueue, OverlapReplace, OverlapAllow}, e.Overlap):
		return nil, fmt.Errorf("overlap: %.40q: allowed are skip, queue, replace and allow", e.Overlap)
	case e.Overlap != "" && o.Unique.Mode != "":
		return nil, fmt.Errorf("overlap and opts.unique: %s and %s: allowed is one of them", e.Overlap, o.Unique.Mode)
	case !e.End.IsZero() && !e.End.After(e.Start):
		return nil, fmt.Errorf("end: %v: allowed are times after start, %v", e.End.Format(time.RFC3339), e.Start.Format(time.RFC3339))
	}
	// What is allowed once stays so, whatever the date: a program has to start on every day.
	first := e.after(s, time.Time{})
	if first.IsZero() {
		return nil, errors.New("it never runs: there is no tick from start to end")
	}
	if err := e.checkJitter(s, first); err != nil {
		return nil, err
	}
	spec := e.spec(now, now.Add(time.Hour), false)
	if _, _, err := bridge.RehearseEnqueue(&spec, 0, now); err != nil {
		return nil, err
	}
	return s, nil
}

// checkJitter looks at the time between ticks, of as many as show what is usual.
func (e *Entry) checkJitter(s *Schedule, tick time.Time) error {
	if e.Jitter == 0 {
		return nil
	}
	if e.Jitter < time.Millisecond {
		return fmt.Errorf("jitter: %v: allowed are 1 ms and more, and 0 for none", e.Jitter)
	}
	for range 100 {
		next := e.after(s, tick)
		if next.IsZero() {
			break
		}
		if gap := next.Sub(tick); e.Jitter >= gap {
			return fmt.Errorf("jitter: %v: allowed is less than %v, the time between two ticks", e.Jitter, gap)
		}
		tick = next
	}
	return nil
}

// after is the first tick after a time; zero if there is none.
func (e *Entry) after(s *Schedule, t time.Time) time.Time {
	if t.Before(e.Start) {
		t = e.Start.Add(-1) // one at the start counts
	}
	tick := s.Next(t)
	if !e.End.IsZero() && tick.After(e.End) {
		return time.Time{}
	}
	return tick
}

// moment is when a tick is due: all schedulers put it off by the same.
func (e *Entry) moment(tick time.Time) time.Time {
	if tick.IsZero() || e.Jitter < time.Millisecond {
		return tick
	}
	h := fnv.New64a()
	fmt.Fprint(h, e.Name, " ", tick.UnixMilli()) //nolint:errcheck // a hash has no errors
	// The last step of splitmix64: ticks that follow each other differ in few bits.
	x := h.Sum64()
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	return tick.Add(time.Duration(x%uint64(e.Jitter.Milliseconds())) * time.Millisecond)
}

// sameTicks tells whether the ticks of two entries are the same.
func (e *Entry) sameTicks(f *Entry) bool {
	return e.Expr == f.Expr && e.Zone == f.Zone && e.Jitter == f.Jitter && e.Start.Equal(f.Start) && e.End.Equal(f.End)
}

// id is that of the job of a tick: all schedulers give it the same.
func (e *Entry) id(tick time.Time, asked bool) string {
	ms := strconv.FormatInt(tick.UnixMilli(), 10)
	if asked {
		ms = "now:" + ms
	}
	return e.idPrefix() + ms
}

// idPrefix begins the ids of all jobs of the entry.
func (e *Entry) idPrefix() string { return "cron:" + e.Name + ":" }

// queue is the one of its jobs.
func (e *Entry) queue() string {
	if e.Opts.Queue == "" {
		return tasuki.DefaultQueue
	}
	return e.Opts.Queue
}

// keepMargin is how much longer than until the next tick the record of a job is there, so that
// a scheduler finds in it what became of the job.
const keepMargin = 10 * time.Minute

// spec is the job of a tick, or of a run that was asked for. next is the tick after it, or zero.
func (e *Entry) spec(tick, next time.Time, asked bool) tasuki.Spec {
	o := e.Opts
	o.ID = e.id(tick, asked)
	o.Meta = make(map[string]string, len(e.Opts.Meta)+2)
	maps.Copy(o.Meta, e.Opts.Meta)
	o.Meta[MetaEntry], o.Meta[MetaTick] = e.Name, tick.UTC().Format(time.RFC3339Nano)
	if o.Keep == 0 {
		o.Keep = 24 * time.Hour
		if wait := next.Sub(tick) + e.Jitter + keepMargin; !next.IsZero() && (wait > o.Keep || !o.Record) {
			o.Keep = min(wait, maxKeep)
		}
	}
	key := "cron " + e.Name
	if o.Unique.Mode == "" {
		switch e.Overlap {
		case OverlapQueue:
			o.Unique = tasuki.Unique{Mode: tasuki.UniqueQueuedAndRunning, Key: key}
		case OverlapReplace:
			o.Unique = tasuki.Unique{Mode: tasuki.UniqueQueuedAndRunning, Key: key, OnConflict: tasuki.ConflictReplace}
		case OverlapAllow:
		default:
			o.Unique = tasuki.Unique{Mode: tasuki.UniqueUntilDone, Key: key}
		}
	}
	return tasuki.Spec{Kind: e.Kind, Args: e.Args, Opts: o}
}

// maxKeep is what tasuki.Opts.Keep allows.
const maxKeep = 100 * 365 * 24 * time.Hour

// late is how much later than at its moment a tick may run that was not missed.
const late = time.Minute

// plan says which ticks run when it is now and a tick is the next: in order, the first one that
// was missed and is left out, and the next one that is not due yet.
func (e *Entry) plan(s *Schedule, tick, now time.Time) (runs []time.Time, missed, next time.Time) {
	next = tick
	if edge := now.Add(-late - e.Jitter); tick.Before(edge) {
		old := e.old(s, tick, edge)
		next = e.after(s, edge.Add(-1)) // one at the edge is not old
		if e.Missed == MissedAll || next.IsZero() || e.moment(next).After(now) {
			runs = old
		}
		if len(runs) == 0 || !runs[0].Equal(tick) {
			missed = tick
		}
	}
	for !next.IsZero() && !e.moment(next).After(now) {
		runs = append(runs, next)
		next = e.after(s, next)
	}
	return runs, missed, next
}

// old are the ticks from the first to before the edge that are to run all the same, the latest
// ones. It looks from the edge back, further and further, as there can be very many.
func (e *Entry) old(s *Schedule, first, edge time.Time) []time.Time {
	most := 1
	switch e.Missed {
	case MissedNone:
		return nil
	case MissedAll:
		if most = e.MissedMost; most == 0 {
			most = 100
		}
	}
	for back := late; ; back *= 2 {
		var ticks []time.Time
		tick := first
		if from := edge.Add(-back); from.After(first) {
			tick = e.after(s, from)
		}
		whole := tick.Equal(first)
		for ; !tick.IsZero() && tick.Before(edge); tick = e.after(s, tick) {
			ticks = append(ticks, tick)
		}
		if whole || len(ticks) >= most || back > maxKeep {
			return ticks[max(len(ticks)-most, 0):]
		}
	}
}

// cut shortens what an error says to what is kept of it.
func cut(err error) string {
	text := err.Error()
	if len(text) > 300 {
		text = legible.Cut(text, 300) + "…"
	}
	return text
}
