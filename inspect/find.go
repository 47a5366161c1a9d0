package inspect

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/store"
)

// Page is a part of the jobs that a Query means.
type Page struct {
	Jobs []Job `json:"jobs"`
	// Cursor is for the next page; "" when this is the last. A page may have few jobs, or none,
	// and a Cursor: it looks at a bounded number of jobs.
	Cursor string `json:"cursor,omitempty"`
	// Scanned is how many jobs were looked at for this page. Of those that are parked it counts
	// the keys of the server that were.
	Scanned int64 `json:"scanned"`
	// Total is how many jobs there are in the queues and states of the query, but those that are
	// parked. Exact says that the query means all of these.
	Total int64 `json:"total"`
	Exact bool  `json:"exact"`
}

// How many jobs a page has: UsualPage unless Query.Limit says another number, MaxPage at most.
const (
	UsualPage = 50
	MaxPage   = 1000
)

// How much is looked at for a page at most.
const (
	pageElements = 2000
	pageMemory   = 2 << 20 // bytes; and a portion beyond
)

// portions is how many of these Job and Count look at.
const portions = 25

// Find returns a page of the jobs that q means: queue by queue, and in each state by state, those
// that run, then those that wait, each place from its head, then the dead, and those that have
// ended, the youngest first. cursor is "" for the first page, and the Cursor of the page before
// for the others; it can be kept, and fits into a URL. Another query's is refused with ErrCursor.
//
// The work of a call is bounded, however many jobs there are: a few calls to Redis for all queues
// and a few for what it reads. What moves meanwhile is found twice or not at all; a list that is
// pushed to and taken from all the while is read on where it was left, as far as that can be
// found again.
func (i *Inspector) Find(ctx context.Context, q Query, cursor string) (Page, error) {
	if q.Limit == 0 {
		q.Limit = UsualPage
	}
	if q.Limit > MaxPage {
		return Page{}, fmt.Errorf("find: limit: %d: allowed are 1 to %d", q.Limit, MaxPage)
	}
	page, err := i.find(ctx, &q, cursor)
	if err != nil {
		return Page{}, fmt.Errorf("find: %w", err)
	}
	return page, nil
}

// Count is how many jobs a Query means.
type Count struct {
	Jobs    int64 `json:"jobs"`
	Exact   bool  `json:"exact"`   // else there are at least as many
	Scanned int64 `json:"scanned"` // how many jobs were looked at
	Total   int64 `json:"total"`   // as that of a Page
}

// Count counts the jobs that q means. It knows them at once when q has queues and states only;
// else it looks at up to 50,000 jobs, or 50 MiB. What Limit says is not heeded.
func (i *Inspector) Count(ctx context.Context, q Query) (Count, error) {
	q.Limit = MaxPage
	var c Count
	cursor := ""
	for range portions {
		page, err := i.find(ctx, &q, cursor)
		if err != nil {
			return c, fmt.Errorf("count: %w", err)
		}
		c.Jobs += int64(len(page.Jobs))
		c.Scanned += page.Scanned
		c.Total = page.Total
		if page.Exact {
			c.Jobs, c.Exact = page.Total, true
			return c, nil
		}
		if cursor = page.Cursor; cursor == "" {
			c.Exact = true
			return c, nil
		}
	}
	return c, nil
}

// finder makes one page.
type finder struct {
	*reader // of the queue that is looked at
	page    Page
	limit   int
	looked  int64
	bytes   int
	plain   bool // the query asks for nothing but places
}

// sequence is what lies in one place, in the order in which it is listed.
type sequence struct {
	place
	index    int    // of the state
	part     string // of the places of a state, which
	length   int64  // as it was counted
	youngest bool   // it is listed from its end
	held     []Job
	isRead   bool // held is
}

func (i *Inspector) find(ctx context.Context, q *Query, cursor string) (Page, error) {
	if err := q.validate(); err != nil {
		return Page{}, err
	}
	at, err := parseCursor(q, cursor)
	if err != nil {
		return Page{}, err
	}
	queues, err := i.queuesOf(ctx, q)
	if err != nil {
		return Page{}, err
	}
	surveys, err := i.store.Surveys(ctx, queues...)
	if err != nil {
		return Page{}, err
	}
	m := newMatcher(q, time.Now())
	f := &finder{limit: q.Limit, plain: q.isOfPlace(), page: Page{Jobs: []Job{}, Exact: q.isOfPlace()}}
	begin := at
	for n, queue := range queues {
		v := surveys[n]
		if v.Err != nil {
			return Page{}, v.Err
		}
		f.reader = i.reader(ctx, queue, m)
		for _, s := range f.sequences(v) {
			f.page.Total += s.length
			if s.state == tasuki.StateParked || s.kind == "ids" {
				f.page.Exact = false
			}
			if begin != nil && before(queue.Name, s, begin) || s.length == 0 && s.state != tasuki.StateParked || f.page.Cursor != "" {
				continue
			}
			here := position{Query: q.sum(), Queue: queue.Name, State: s.index, Part: s.part}
			if begin != nil && begin.Queue == queue.Name && begin.State == s.index && (begin.Part == s.part || s.state == tasuki.StateParked) {
				here = *begin
			}
			begin = nil
			done, err := f.isFull(), error(nil)
			switch {
			case done:
				done = false
			case s.state == tasuki.StateParked:
				done, err = f.parked(s, &here)
			default:
				done, err = f.look(s, &here)
			}
			if err != nil {
				return Page{}, fmt.Errorf("%s: %w", queue.Name, err)
			}
			if !done {
				f.page.Cursor = here.cursor()
			}
		}
	}
	return f.page, nil
}

// queuesOf returns the queues that a query means, by name. One that is named and was never used
// is empty.
func (i *Inspector) queuesOf(ctx context.Context, q *Query) ([]*store.Queue, error) {
	names := slices.Compact(slices.Sorted(slices.Values(q.Queues)))
	if len(names) == 0 {
		var err error
		if names, err = i.store.Queues(ctx); err != nil {
			return nil, err
		}
	}
	var queues []*store.Queue
	for _, name := range names {
		if !q.hasQueue(name) {
			continue
		}
		queue, err := i.store.Queue(name)
		switch {
		case err == nil:
			queues = append(queues, queue)
		case len(q.Queues) > 0: // else somebody has put a bad name into the directory
			return nil, err
		}
	}
	return queues, nil
}

// before tells whether a sequence has been left behind at a position.
func before(queue string, s *sequence, at *position) bool {
	switch {
	case queue != at.Queue:
		return queue < at.Queue
	case s.index != at.State:
		return s.index < at.State
	case s.state == tasuki.StateParked:
		return false
	}
	return s.part < at.Part
}

// sequences are the places of the queue that are looked through, in order.
func (f *finder) sequences(v *store.Survey) []*sequence {
	q := f.q
	var all []*sequence
	states := f.m.states()
	add := func(s sequence) { all = append(all, &s) }
	ended := false
	for index, state := range States {
		if !slices.Contains(states, state) {
			continue
		}
		p := place{state: state}
		switch state {
		case tasuki.StateRunning:
			for _, m := range v.Members { // by name
				p.kind, p.worker = "held", m.Incarnation
				add(sequence{place: p, index: index, part: m.Incarnation, length: v.Held[m.Incarnation]})
			}
		case tasuki.StateReady:
			p.kind, p.key = "list", q.Ready
			add(sequence{place: p, index: index, length: v.Own})
			if q.Foreign {
				p.key, p.foreign = q.List, true
				add(sequence{place: p, index: index, part: "list", length: v.Ready - v.Own})
			}
		case tasuki.StateSuspect:
			p.kind, p.key = "list", q.Suspect
			add(sequence{place: p, index: index, length: v.Suspect})
		case tasuki.StateRetry:
			p.kind, p.key = "zset", q.Retry
			add(sequence{place: p, index: index, length: v.Retry})
		case tasuki.StateScheduled:
			p.kind, p.key = "zset", q.Scheduled
			add(sequence{place: p, index: index, length: v.Scheduled})
		case tasuki.StateDead:
			p.kind, p.key = "zset", q.Dead
			add(sequence{place: p, index: index, length: v.Dead, youngest: true})
		case tasuki.StateParked:
			if !q.Foreign {
				add(sequence{place: p, index: index})
			}
		default: // all that have ended lie together
			if !ended && !q.Foreign {
				p.kind, p.key = "ids", q.Ended
				add(sequence{place: p, index: slices.Index(States, tasuki.StateDone), length: v.Ended, youngest: true})
			}
			ended = true
		}
	}
	return all
}

func (f *finder) isFull() bool {
	return len(f.page.Jobs) >= f.limit || f.looked >= pageElements || f.bytes >= pageMemory
}

// size is how many elements are read next.
func (f *finder) size() int64 {
	size := int64(32) // until it is known how large they are
	if f.looked > 0 {
		size = min(max((1<<20)/int64(int64(f.bytes)/f.looked+1), 10), 1000)
	}
	if f.plain {
		size = min(size, int64(f.limit-len(f.page.Jobs)))
	}
	return max(min(size, pageElements-f.looked), 1)
}

// look goes on in a sequence from a position until it ends, or the page is full.
func (f *finder) look(s *sequence, at *position) (done bool, err error) {
	if len(at.Last) > 0 {
		if err := f.resume(s, at); err != nil {
			return false, err
		}
	}
	for {
		if f.isFull() {
			return false, nil
		}
		size := f.size()
		jobs, length, err := f.portion(s, at.Index, size)
		if err != nil || len(jobs) == 0 {
			return err == nil, err
		}
		elements, scores := make([]string, len(jobs)), make([]float64, len(jobs))
		for k := range jobs {
			elements[k], scores[k] = jobs[k].element, jobs[k].score
		}
		meant, bytes, err := f.read(jobs)
		if err != nil {
			return false, err
		}
		took := int64(len(elements))
		for k := range meant {
			if len(f.page.Jobs) == f.limit {
				took = meant[k].nth - at.Index
				break
			}
			f.page.Jobs = append(f.page.Jobs, meant[k])
		}
		f.bytes += bytes
		f.looked += took
		f.page.Scanned += took
		at.pass(elements[:took], scores[:took], length)
		switch {
		case took < int64(len(elements)):
			return false, nil
		case at.Index >= length, at.Read > 4*length+10_000: // or others put in as fast as it reads
			return true, nil
		}
	}
}

// pass notes that elements were looked at.
func (at *position) pass(elements []string, scores []float64, length int64) {
	for k, element := range elements {
		if scores[k] != at.Score || at.Index+at.Same == 0 {
			at.Score, at.Same = scores[k], 0
		}
		at.Same++
		if len(elements)-k <= lastSums {
			at.Last = slices.Insert(at.Last, 0, elementSum(element))
		}
	}
	at.Last = at.Last[:min(len(at.Last), lastSums)]
	at.Index += int64(len(elements))
	at.Read += int64(len(elements))
	at.Left = max(length-at.Index, 0)
}

// portion reads elements of a sequence, from an index on.
func (f *finder) portion(s *sequence, from, size int64) (jobs []Job, length int64, err error) {
	if s.kind == "held" {
		if !s.isRead {
			if s.held, err = f.held(s.place); err != nil {
				return nil, 0, err
			}
			slices.SortFunc(s.held, func(a, b Job) int { return strings.Compare(a.element, b.element) })
			s.isRead = true
		}
		length = int64(len(s.held))
		for n := from; n < min(from+size, length); n++ {
			j := s.held[n]
			j.nth = n
			jobs = append(jobs, j)
		}
		return jobs, length, nil
	}
	kind := "list"
	if s.kind == "zset" {
		kind = "zset"
	}
	first, last := from, from+size-1
	if s.youngest {
		first, last = -from-size, -from-1
	}
	elements, scores, length, err := f.store.Page(f.ctx, s.key, kind, first, last)
	if err != nil {
		return nil, 0, err
	}
	if s.youngest {
		slices.Reverse(elements)
		slices.Reverse(scores)
	}
	jobs = make([]Job, len(elements))
	for k, element := range elements {
		n := from + int64(k)
		jobs[k] = Job{at: s.place, element: element, nth: n, far: length - n}
		if s.youngest {
			jobs[k].far = n + 1
		}
		if scores != nil {
			jobs[k].score, jobs[k].DueAt = scores[k], moment(scores[k])
		}
	}
	return jobs, length, nil
}

// slack is how far from where it should be the last element of a position is looked for.
const slack = 500

// resume finds out where a position is by now.
func (f *finder) resume(s *sequence, at *position) error {
	guess, down, up := at.Index, int64(slack), int64(0)
	switch s.kind {
	case "zset":
		before, err := f.store.Before(f.ctx, s.key, at.Score, s.youngest)
		if err != nil {
			return err
		}
		guess, up = before+at.Same, slack
	case "held":
		down, up = 1<<30, 1<<30
	default:
		_, length, err := f.portion(s, 0, 1)
		if err != nil {
			return err
		}
		// What is taken at the head, and what is put in at the tail, shift what lies between: the
		// one as it is counted from the head, the other from the tail.
		if fromEnd := max(length-at.Left, 0); s.youngest {
			guess, down, up = max(guess, fromEnd), 0, slack
		} else {
			guess = min(guess, fromEnd)
		}
	}
	next, found, err := f.search(s, at, guess, down, up)
	if err != nil {
		return err
	}
	switch {
	case found:
	case s.kind == "zset" || s.youngest: // it has gone itself
		next = guess
	default: // so have those before it
		next = max(guess-slack, 0)
	}
	if next < at.Index {
		at.Same = min(at.Same, next)
	}
	at.Index = next
	return nil
}

// search looks for the last of the elements that a position knows around a guess of where it ends.
func (f *finder) search(s *sequence, at *position, guess, down, up int64) (next int64, found bool, err error) {
	bytes, size := 0, int64(lastSums)
	look := func(from, to int64) (bool, error) {
		jobs, _, err := f.portion(s, from, to-from)
		if err != nil {
			return false, err
		}
		for k := len(jobs) - 1; k >= 0; k-- {
			bytes += len(jobs[k].element)
			if slices.Contains(at.Last, elementSum(jobs[k].element)) {
				next = jobs[k].nth + 1
				return true, nil
			}
		}
		size = 100
		return false, nil
	}
	if s.kind == "held" {
		found, err = look(0, down)
		return next, found, err
	}
	low, high := guess, guess
	for bytes < 1<<20 && (low > max(guess-down, 0) || high < guess+up) {
		if low > max(guess-down, 0) {
			to := low
			low = max(low-size, guess-down, 0)
			if found, err = look(low, to); found || err != nil {
				return next, found, err
			}
		}
		if high < guess+up {
			from := high
			high = min(high+size, guess+up)
			if found, err = look(from, high); found || err != nil {
				return next, found, err
			}
		}
	}
	return 0, false, nil
}

// parked goes on among the lists of those that wait to run under a uniqueness key. No key names
// all of them, so it is the server's keys that are gone through, some for each page.
func (f *finder) parked(s *sequence, at *position) (done bool, err error) {
	const keysAtOnce = 1000
	for {
		if f.isFull() {
			return false, nil
		}
		names, next, more, err := f.store.ParkedSome(f.ctx, f.q, at.Node, at.Scan, keysAtOnce)
		if err != nil {
			return false, err
		}
		slices.Sort(names)
		for _, name := range names {
			if name < at.Part {
				continue
			}
			if name != at.Part {
				*at = position{Query: at.Query, Queue: at.Queue, State: at.State, Node: at.Node, Scan: at.Scan, Part: name}
			}
			list := *s
			list.kind, list.key = "list", f.q.Parked(name)
			if done, err := f.look(&list, at); err != nil || !done {
				return false, err
			}
		}
		f.looked += keysAtOnce
		f.page.Scanned += keysAtOnce
		node := at.Node
		if next == 0 {
			if !more {
				return true, nil
			}
			node++
		}
		*at = position{Query: at.Query, Queue: at.Queue, State: at.State, Node: node, Scan: next}
	}
}
