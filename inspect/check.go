package inspect

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// Problem is something that should not be.
type Problem struct {
	Queue string `json:"queue,omitempty"`
	Key   string `json:"key,omitempty"`
	What  string `json:"what"`
	Do    string `json:"do,omitempty"` // what to do about it

	kind problemKind
}

// problemKind tells apart what the doctor treats in a way of its own.
type problemKind uint8

const (
	someProblem problemKind = iota
	wrongType               // of the key
	notLooked               // it is none: the user may not look
)

func (p Problem) String() string {
	var b strings.Builder
	for _, part := range []string{p.Queue, p.Key} {
		if part != "" {
			b.WriteString(part + ": ")
		}
	}
	b.WriteString(p.What)
	if p.Do != "" {
		b.WriteString(": " + p.Do)
	}
	return b.String()
}

// sweptBy is how long what a dead worker held may lie before it is a problem: a
// patrol passes every minute.
const sweptBy = 3 * time.Minute

// Check looks for what should not be in the namespace: keys of the wrong type or
// of no known worker, elements that cannot be read, jobs that are in two places,
// counters that do not equal what was settled, leases that nobody has swept. It
// changes nothing and may run beside workers; it reads every job, so a large
// backlog takes a while.
func (i *Inspector) Check(ctx context.Context) ([]Problem, error) {
	c := &check{ctx: ctx, store: i.store, explained: map[string]bool{}}
	if err := c.run(); err != nil {
		return nil, fmt.Errorf("check: %w", err)
	}
	return c.problems, nil
}

type check struct {
	ctx       context.Context
	store     *store.Store
	listed    map[string]int64 // workers in the list
	explained map[string]bool  // keys that belong to something
	keys      []string         // all of the namespace
	noScan    bool             // the user may not SCAN, and keys is empty
	problems  []Problem
}

func (c *check) add(p Problem) { c.problems = append(c.problems, p) }

func (c *check) run() error {
	ok, err := c.types("", c.store.NamespaceKeys())
	if err != nil || !ok {
		return err
	}
	if c.listed, _, err = c.store.Workers(c.ctx); err != nil {
		return err
	}
	names, err := c.store.Queues(c.ctx)
	if err != nil {
		return err
	}
	c.keys, err = c.store.Keys(c.ctx)
	if c.noScan = errors.Is(err, store.ErrRefused); err != nil && !c.noScan {
		return err
	}
	for _, name := range names {
		q, err := c.store.Queue(name)
		if err != nil {
			c.add(Problem{Queue: name, What: "the directory of queues names it: " + err.Error()})
			continue
		}
		if err := c.queue(q); err != nil {
			return err
		}
	}
	if err := c.cron(); err != nil {
		return err
	}
	return c.strangers()
}

// types checks the type of every key; false if one is wrong, for then what reads
// them fails.
func (c *check) types(queue string, keys map[string]string) (bool, error) {
	for key := range keys {
		c.explained[key] = true
	}
	wrong, err := wrongTypes(c.ctx, c.store, queue, keys)
	c.problems = append(c.problems, wrong...)
	return len(wrong) == 0, err
}

// wrongTypes returns a problem for each key of a type that it should not have.
func wrongTypes(ctx context.Context, s *store.Store, queue string, keys map[string]string) ([]Problem, error) {
	var wrong []Problem
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		have, err := s.Type(ctx, key)
		if err != nil {
			return wrong, err
		}
		if have != keys[key] && have != "none" {
			wrong = append(wrong, Problem{Queue: queue, Key: key, What: fmt.Sprintf("it is a %s, not a %s", have, keys[key]),
				Do: "another program uses this name: rename its key, or use another namespace", kind: wrongType})
		}
	}
	return wrong, nil
}

func (c *check) queue(q *store.Queue) error {
	if ok, err := c.types(q.Name, q.Keys()); err != nil || !ok {
		return err
	}
	members, err := c.store.Members(c.ctx, q)
	if err != nil {
		return err
	}
	now, err := c.store.Now(c.ctx)
	if err != nil {
		return err
	}
	keys := q.Keys()
	for _, m := range members {
		keys[q.Hand(m.Incarnation)], keys[q.Held(m.Incarnation)] = "list", "hash"
	}
	if ok, err := c.types(q.Name, keys); err != nil || !ok {
		return err
	}
	if err := c.leases(q, members, now); err != nil {
		return err
	}
	if err := c.counters(q); err != nil {
		return err
	}
	// A job that moves while its queue is read can be seen in two places. One
	// that is seen there twice in a row, in the same places, is.
	parked := c.ofJobs(q)
	first, problems, pointers, err := c.places(q, members, parked)
	if err != nil {
		return err
	}
	if err := c.records(q, members, parked, pointers); err != nil {
		return err
	}
	if len(first) > 0 {
		second, _, _, err := c.places(q, members, parked)
		if err != nil {
			return err
		}
		for _, twice := range first {
			if slices.Contains(second, twice) {
				c.add(Problem{Queue: q.Name, What: twice, Do: "one of the two is a copy: a backup that was restored, or a program that pushed it again"})
			}
		}
	}
	c.problems = append(c.problems, problems...)
	return nil
}

// leases checks that nothing is held by a worker that is gone.
func (c *check) leases(q *store.Queue, members []store.Member, now time.Time) error {
	tally, err := c.store.Tally(c.ctx, q)
	if err != nil {
		return err
	}
	for _, m := range members {
		n := tally.Held[m.Incarnation] + tally.Hand[m.Incarnation]
		worker := m.Worker()
		_, listed := c.listed[worker]
		switch {
		case m.Ended.IsZero() && !listed:
			c.add(Problem{Queue: q.Name, What: fmt.Sprintf("%s may claim here and is in no list of workers; it holds %d jobs", m.Incarnation, n),
				Do: "the workers sweep it within three minutes; without a worker that runs nobody does"})
		case !m.Ended.IsZero() && n > 0 && now.Sub(m.Ended) > sweptBy:
			c.add(Problem{Queue: q.Name, What: fmt.Sprintf("%s is dead since %s and holds %d jobs", m.Incarnation, m.Ended.Format(time.RFC3339), n),
				Do: "the workers sweep it every minute; without a worker that runs nobody does"})
		}
	}
	return nil
}

// settledAs are the counters that a claim ends in.
var settledAs = []string{"done", "retry", "snooze", "unknown", "release", "cancelled", "expired", "stale", "parked", "crashed", "stopped"}

// counters checks that what was claimed was settled, swept, or is held.
func (c *check) counters(q *store.Queue) error {
	tally, err := c.store.Tally(c.ctx, q)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(tally.Odd)) {
		c.add(Problem{Queue: q.Name, Key: q.Count, What: fmt.Sprintf("the counter %q is %.40q, which is no number", name, tally.Odd[name]),
			Do: "no job of the queue can be counted as that, so it is served only every few seconds: remove the field"})
	}
	if len(tally.Odd) > 0 {
		return nil
	}
	ended, held := int64(0), int64(0)
	for _, name := range settledAs {
		ended += tally.Counts[name]
	}
	// Dead counts both ends: by a worker's outcome, and poison, which counts as
	// crashed as well.
	ended += tally.Counts["dead"] - tally.Counts["poison"]
	for _, n := range tally.Held {
		held += n
	}
	if claimed := tally.Counts["claimed"]; claimed != ended+held {
		c.add(Problem{Queue: q.Name, Key: q.Count, What: fmt.Sprintf("%d jobs were claimed, but %d have ended and %d are held", claimed, ended, held),
			Do: "Redis has lost writes, or somebody has changed keys: look for a restart, a failover or an eviction"})
	}
	return nil
}

// places reads all elements of a queue. It returns what is in two places, what cannot be
// read, and the generations of the pointers to each record.
func (c *check) places(q *store.Queue, members []store.Member, parked []string) (twice []string, problems []Problem, pointers map[string][]int64, err error) {
	where := map[string]string{} // id → state
	pointers = map[string][]int64{}
	look := func(state, key, kind string, own bool) error {
		return c.store.Each(c.ctx, key, kind, func(element string, _ float64) {
			j, err := wire.Parse(element)
			if own && err != nil && !errors.Is(err, wire.ErrFuture) {
				problems = append(problems, Problem{Queue: q.Name, Key: key, What: fmt.Sprintf("an element that tasuki did not write: %.80q: %v", element, err)})
				return
			}
			if j.Rec > 0 { // those that were left behind lie beside the one that counts
				pointers[j.ID] = append(pointers[j.ID], j.Rec)
				return
			}
			if own && j.Token == "" {
				problems = append(problems, Problem{Queue: q.Name, Key: key, What: fmt.Sprintf("%s has no token; of two equal ones, one would be lost", j.ID)})
			}
			if err != nil || !strings.Contains(element, j.ID) {
				return // a raw job has no id yet, and may be there as often as it was pushed
			}
			if was, ok := where[j.ID]; ok {
				twice = append(twice, fmt.Sprintf("%s is in %s and in %s", j.ID, was, state))
			}
			where[j.ID] = state
		})
	}
	for _, l := range []struct {
		state, key, kind string
		own              bool
	}{
		{"ready", q.Ready, "list", false},
		{"suspect", q.Suspect, "list", true},
		{"scheduled", q.Scheduled, "zset", true},
		{"retry", q.Retry, "zset", true},
		{"dead", q.Dead, "zset", true},
	} {
		if err := look(l.state, l.key, l.kind, l.own); err != nil {
			return nil, nil, nil, err
		}
	}
	for _, m := range members {
		if err := look("running", q.Held(m.Incarnation), "hash", false); err != nil {
			return nil, nil, nil, err
		}
		if err := look("hand", q.Hand(m.Incarnation), "list", false); err != nil {
			return nil, nil, nil, err
		}
	}
	for _, key := range parked {
		if err := look("parked", key, "list", true); err != nil {
			return nil, nil, nil, err
		}
	}
	return twice, problems, pointers, nil
}

// strangers looks for keys of the namespace that belong to nothing, such as what
// an incarnation held that is not registered any more.
func (c *check) strangers() error {
	if c.noScan {
		c.add(Problem{What: "SCAN is refused: keys of no known queue or worker cannot be found", Do: "run the check as a user that may SCAN", kind: notLooked})
	}
	for _, key := range c.keys {
		if kind, ok := c.store.IsStats(key); ok {
			if _, err := c.types("", map[string]string{key: kind}); err != nil {
				return err
			}
			continue
		}
		if !c.explained[key] {
			c.add(Problem{Key: key, What: "it belongs to no queue in the directory and to no worker of one",
				Do: "a queue that was only ever pushed to by other programs is entered by its first worker; else somebody has removed what it belonged to"})
		}
	}
	return nil
}
