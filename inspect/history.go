package inspect

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/tally"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// What stands for the kind where statistics have none.
const (
	RawKind    = store.RawKind    // of raw jobs
	OtherKinds = store.OtherKinds // of those for which there was no room
)

// Counts are what workers have counted of attempts. They are no accounting: a worker that is
// killed takes its last seconds along. Queue.Counts are exact.
type Counts struct {
	Done    int64 `json:"done"`    // attempts that ended well
	Failed  int64 `json:"failed"`  // attempts that ended in a failure, whether there is another or not
	Crashed int64 `json:"crashed"` // deaths of a process while it held a job

	// Run is how long attempts ran that are done or failed. Wait is how long jobs were ready
	// before their first attempt began; a job that was scheduled for later, and one with a
	// record, is not in it. It tells of jobs that have begun: while a queue is backed up it may
	// be silent. What tells of that is Queue.Latency, the age of the oldest ready job.
	Run  Histogram `json:"run"`
	Wait Histogram `json:"wait"`
}

// Merge adds what o has counted.
func (c *Counts) Merge(o *Counts) {
	c.Done += o.Done
	c.Failed += o.Failed
	c.Crashed += o.Crashed
	c.Run.Merge(&o.Run)
	c.Wait.Merge(&o.Wait)
}

// countsOf are those of some sums.
func countsOf(s *tally.Sums, timeless bool) Counts {
	c := Counts{Done: s.Done(), Failed: s.Failed(), Crashed: s.Crashed()}
	if !timeless {
		c.Run, c.Wait = Histogram{s.Run()}, Histogram{s.Wait()}
	}
	return c
}

// Point is what was counted in one step of time.
type Point struct {
	At time.Time `json:"at"` // when the step began
	Counts
}

// HistoryQuery says what a History is of.
type HistoryQuery struct {
	Queue string // all if it is empty
	Kind  string // all if it is empty; RawKind and OtherKinds are allowed

	// Step is how long a point is: a minute, an hour, or 24 hours, which is a day of UTC. Zero
	// is the shortest for which there are points since From. Minutes are kept for 4 hours,
	// hours for 7 days, days for 90 days.
	Step time.Duration
	// From is in the first point: an hour before To unless told. To is in the last: now unless
	// told. Both are times of Redis' clock.
	From, To time.Time

	// Timeless leaves out Run and Wait, for who only shows how much was done.
	Timeless bool
}

// spans are those that statistics are kept by, the shortest first.
var spans = []store.Span{store.Minutes, store.Hours, store.Days}

// plan says which spans a query means that is valid.
func (q *HistoryQuery) plan(now time.Time) (span store.Span, from, to time.Time, err error) {
	if to = q.To; to.IsZero() || to.After(now) {
		to = now
	}
	if from = q.From; from.IsZero() {
		from = to.Add(-time.Hour)
	}
	span = spans[len(spans)-1]
	for _, s := range slices.Backward(spans) {
		if s.Long == q.Step || q.Step == 0 && !from.Before(now.Add(-s.Kept)) {
			span = s
		}
	}
	if from.After(to) {
		return span, from, to, fmt.Errorf("from: %s: allowed are times before %s", from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	// Earlier there is nothing.
	if oldest := now.Add(-span.Kept); from.Before(oldest) {
		from = oldest
	}
	if from.After(to) {
		to = from
	}
	return span, from.UTC().Truncate(span.Long), to.UTC(), nil
}

// Validate returns an error that names what of the query is not allowed, and what is. It asks
// nobody; that From is before To, and Queue a name, shows when the query is used.
func (q *HistoryQuery) Validate() error {
	if q.Kind != "" && q.Kind != RawKind && q.Kind != OtherKinds {
		if err := wire.CheckKind(q.Kind); err != nil {
			return err
		}
	}
	if q.Step != 0 && !slices.ContainsFunc(spans, func(s store.Span) bool { return s.Long == q.Step }) {
		return fmt.Errorf("step: %v: allowed are 1m, 1h, 24h, and 0 for the shortest that reaches back so far", q.Step)
	}
	return nil
}

func (q *HistoryQuery) validate(s *store.Store) error {
	if err := q.Validate(); err != nil {
		return err
	}
	if q.Queue != "" {
		if _, err := s.Queue(q.Queue); err != nil {
			return err
		}
	}
	return nil
}

// History returns what was counted of a queue, a kind, or all, in points one after the other,
// also where there was nothing. What it costs does not depend on how many jobs there are: a
// command for each point that this Inspector has not read in the last hour. What was counted is
// there after ten seconds.
func (i *Inspector) History(ctx context.Context, q HistoryQuery) ([]Point, error) {
	queues := []string{q.Queue}
	if q.Queue == store.AllQueues && q.Kind != store.AllKinds {
		queues = nil // of these there is no sum
	}
	h, err := i.history(ctx, q, queues)
	if err != nil {
		return nil, err
	}
	return h.points(q.Timeless, h.fields...), nil
}

// HistoryByQueue is History for each queue: all that were ever used, or the one that is named.
// It costs as many commands as that of one queue.
func (i *Inspector) HistoryByQueue(ctx context.Context, q HistoryQuery) (map[string][]Point, error) {
	var queues []string
	if q.Queue != "" {
		queues = []string{q.Queue}
	}
	h, err := i.history(ctx, q, queues)
	if err != nil {
		return nil, err
	}
	history := make(map[string][]Point, len(h.queues))
	for n, queue := range h.queues {
		history[queue] = h.points(q.Timeless, h.fields[n])
	}
	return history, nil
}

// counted is what Redis has of some queues, in spans one after the other.
type counted struct {
	queues []string
	fields []string // of the queues
	span   store.Span
	from   time.Time
	values []map[string]string // by field, of each span
}

// points are the sums of some fields.
func (h *counted) points(timeless bool, fields ...string) []Point {
	points := make([]Point, len(h.values))
	for k := range points {
		var sums tally.Sums
		for _, field := range fields {
			_ = sums.Add(h.values[k][field]) // what another program has written there counts nothing
		}
		points[k] = Point{h.from.Add(time.Duration(k) * h.span.Long), countsOf(&sums, timeless)}
	}
	return points
}

// history reads what a query means of some queues, or, if there are none, of all that were ever used.
func (i *Inspector) history(ctx context.Context, q HistoryQuery, queues []string) (*counted, error) {
	if err := q.validate(i.store); err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	now, err := i.store.Now(ctx)
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	span, from, to, err := q.plan(now)
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	h := &counted{span: span, from: from, queues: queues}
	if len(queues) == 0 {
		if h.queues, err = i.store.Queues(ctx); err != nil {
			return nil, fmt.Errorf("history: %w", err)
		}
	}
	if len(h.queues) == 0 { // else all fields would be read
		return h, nil
	}
	h.fields = make([]string, len(h.queues))
	for n, queue := range h.queues {
		h.fields[n] = store.CountField(queue, q.Kind)
	}
	if h.values, err = i.past.read(ctx, span, from, to, now, h.fields); err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	return h, nil
}

// KindStats is what was counted of one kind in one queue.
type KindStats struct {
	Queue string `json:"queue"`
	Kind  string `json:"kind"` // or RawKind, or OtherKinds
	Counts
}

// Kinds returns what was counted of each kind in each queue, or in one if it is not "", by
// queue and kind, since a time. from is since when that is: the begin of the minute, hour or
// day in which since is, or later if nothing is kept from then.
func (i *Inspector) Kinds(ctx context.Context, queue string, since time.Time) (kinds []KindStats, from time.Time, err error) {
	q := HistoryQuery{Queue: queue, From: since}
	if err := q.validate(i.store); err != nil {
		return nil, from, fmt.Errorf("kinds: %w", err)
	}
	now, err := i.store.Now(ctx)
	if err != nil {
		return nil, from, fmt.Errorf("kinds: %w", err)
	}
	span, from, to, err := q.plan(now)
	if err != nil {
		return nil, from, fmt.Errorf("kinds: %w", err)
	}
	sums, err := i.until(ctx, span, from, to)
	if err != nil {
		return nil, from, fmt.Errorf("kinds: %w", err)
	}
	for field, sum := range sums {
		of, kind := store.ParseCountField(field)
		if kind != store.AllKinds && (queue == "" || of == queue) {
			kinds = append(kinds, KindStats{of, kind, countsOf(sum, false)})
		}
	}
	slices.SortFunc(kinds, func(a, b KindStats) int {
		return cmp.Or(cmp.Compare(a.Queue, b.Queue), cmp.Compare(a.Kind, b.Kind))
	})
	return kinds, from, nil
}

// until returns the sums of all that was counted from a time, at which a span begins, until now, by
// field. It reads as few spans as that can be read from: the longest that begin within it, as each
// goes on until now.
func (i *Inspector) until(ctx context.Context, span store.Span, from, now time.Time) (map[string]*tally.Sums, error) {
	all := map[string]*tally.Sums{}
	shortest := slices.IndexFunc(spans, func(s store.Span) bool { return s.Long == span.Long })
	for n, s := range spans[shortest:] {
		end, next := now, now.Add(1)
		if longer := spans[shortest+n+1:]; len(longer) > 0 {
			if next = from.Truncate(longer[0].Long); next.Before(from) {
				next = next.Add(longer[0].Long)
			}
			if !next.After(now) {
				end = next.Add(-1)
			}
		}
		if !from.After(end) {
			if err := i.past.add(ctx, all, s, from, end, now); err != nil {
				return nil, err
			}
		}
		if from = next; from.After(now) {
			break
		}
	}
	return all, nil
}
