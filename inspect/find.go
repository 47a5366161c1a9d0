package inspect

import (
	"context"
	"fmt"
	"slices"
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
	pagePortions = 50      // of which each is two commands, and one for each hundred records in it
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
	reads   int  // portions that were read
	plain   bool // the query asks for nothing but places
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
