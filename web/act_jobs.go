package web

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

// actFor is how long an action on jobs may take. What is not done by then is told.
const actFor = 25 * time.Second

// mustType is how many jobs may be cancelled, removed or moved without typing how many.
const mustType = 100

// meant are the jobs that a form is about: those that were selected, or all that a query means.
type meant struct {
	addresses []string
	all       bool
	query     inspect.Query
	text      string // of the query
	to        string // the queue of a move
}

// act makes the handler of an action on jobs. danger asks also for one.
func (d *Dashboard) act(what inspect.Action, danger bool) func(*call) {
	return func(c *call) {
		m := c.meant(what)
		if c.refused() {
			return
		}
		ctx, stop := context.WithTimeout(c.r.Context(), actFor)
		defer stop()
		if !d.agreed(ctx, c, what, danger, &m) {
			return
		}
		if m.all { // in the background: a page of its own says how far it has come
			o, err := c.inspector().Operate(ctx, inspect.Task{Action: what, To: m.to}, m.query)
			if err != nil {
				c.failOf(err)
				return
			}
			c.forget()
			c.see("operation" + string(query("id", o.ID)))
			return
		}
		done, err := d.actOn(ctx, c.inspector(), what, &m)
		c.forget()
		if len(m.addresses) == 1 {
			d.actedOnOne(c, what, m.addresses[0], err)
			return
		}
		if err != nil && done.Done == 0 && done.Skipped == 0 {
			c.failOf(err)
			return
		}
		notice := url.Values{"q": {m.text}, "did": {string(what)}, "done": {strconv.Itoa(done.Done)}, "skipped": {strconv.Itoa(done.Skipped)}, "refused": {strconv.Itoa(done.Refused)}}
		if errors.Is(err, context.DeadlineExceeded) {
			notice.Set("cut", "1")
		}
		c.see("jobs?" + notice.Encode())
	}
}

// meant reads the form.
func (c *call) meant(what inspect.Action) meant {
	m := meant{all: c.r.PostForm.Get("all") == "1", text: c.long("q", mostQuery)}
	if what == inspect.Move {
		m.to = c.queueName("to")
	}
	if m.all {
		q, err := inspect.ParseQuery(m.text)
		if err != nil {
			c.refuse("q", err.Error())
		} else if !c.mayAsk(&q) {
			c.refuse("q", c.T("jobs.redacted"))
		}
		m.query = q
		return m
	}
	m.addresses = slices.Compact(slices.Sorted(slices.Values(c.many("job", mostSelected, mostAddress))))
	if len(m.addresses) == 0 {
		c.refuse("job", c.T("error.missing"))
	}
	for _, address := range m.addresses {
		if _, _, err := tasuki.ParseAddress(address); err != nil {
			c.refuse("job", err.Error())
		}
	}
	return m
}

// agreed asks before much, or something that cannot be taken back, is done: how many are meant,
// and of many, that this number is typed.
func (d *Dashboard) agreed(ctx context.Context, c *call, what inspect.Action, danger bool, m *meant) bool {
	n, exact := int64(len(m.addresses)), true
	q := question{Button: c.T("act." + string(what)), Danger: danger, Detail: m.addresses[:min(len(m.addresses), 10)]}
	var extra []field
	if m.all {
		if given := c.number("count", 0, 1<<40, -1); given >= 0 && c.bad == nil {
			n = int64(given) // as it was when it was asked: it may have changed since
		} else {
			counted, noUndo, err := d.inspector.Preview(ctx, inspect.Task{Action: what, To: m.to}, m.query)
			if err != nil {
				c.failOf(err)
				return false
			}
			n, exact, q.NoUndo = counted.Jobs, counted.Exact, noUndo
		}
		extra = append(extra, field{"count", strconv.FormatInt(n, 10)})
		if q.Detail = []string{m.text}; m.text == "" {
			q.Detail = []string{c.T("queue.alljobs")}
		}
	} else if n > 10 {
		q.Detail = append(slices.Clip(q.Detail), "…")
	}
	number := count(n)
	if !exact {
		number = "≥ " + number
	}
	q.Text = c.T("jobs."+string(what)+".ask", number)
	if m.to != "" {
		q.Text += " → " + m.to
	}
	if n > mustType {
		q.Type = strconv.FormatInt(n, 10)
	}
	return !danger && n == 1 && !m.all || c.confirmed(q, extra...)
}

// actOn does it to those that were selected.
func (d *Dashboard) actOn(ctx context.Context, as *inspect.Inspector, what inspect.Action, m *meant) (inspect.Acted, error) {
	jobs, missing, err := d.find(ctx, m.addresses)
	acted := inspect.Acted{Skipped: len(missing)}
	if err != nil {
		return acted, err
	}
	var why error
	if len(missing) > 0 {
		why = fmt.Errorf("%s: %w", missing[0], inspect.ErrNotFound)
	}
	var errs []error
	if what == inspect.Move {
		errs = as.Move(ctx, m.to, jobs...)
	} else {
		errs = as.Act(ctx, what, jobs...)
	}
	for n, err := range errs {
		switch {
		case err == nil:
			acted.Done++
			continue
		case errors.Is(err, inspect.ErrMoved), errors.Is(err, inspect.ErrReady), errors.Is(err, tasuki.ErrEnded), errors.Is(err, tasuki.ErrRunning):
			acted.Skipped++
		default:
			acted.Refused++
		}
		why = fmt.Errorf("%s: %w", jobs[n].Address(), err)
	}
	return acted, why
}

// actedOnOne goes on from the page of a job.
func (d *Dashboard) actedOnOne(c *call, what inspect.Action, address string, err error) {
	switch {
	case err != nil:
		c.failOf(err)
	case what == inspect.Remove:
		queue, _, _ := tasuki.ParseAddress(address)
		c.see("queue" + string(query("name", queue)))
	default:
		c.see("job" + string(query("id", address)))
	}
}

// find returns jobs by their addresses, and which of them are not there. One, and recorded ones,
// are found at once; for the others each queue is read.
func (d *Dashboard) find(ctx context.Context, addresses []string) (jobs []inspect.Job, missing []string, err error) {
	bare := map[string][]string{} // queue → ids
	for _, address := range addresses {
		_, err := d.client.Get(ctx, address)
		if err != nil && !errors.Is(err, tasuki.ErrNotFound) {
			return nil, nil, err
		}
		if err == nil || len(addresses) == 1 {
			why, err := d.inspector.Why(ctx, address, &inspect.WhyConfig{Workers: []inspect.Worker{}})
			if err != nil {
				return nil, nil, err
			}
			if why.Job != nil {
				jobs = append(jobs, *why.Job)
				continue
			}
		}
		queue, id, err := tasuki.ParseAddress(address)
		if err != nil {
			return nil, nil, err
		}
		bare[queue] = append(bare[queue], id)
	}
	for queue, ids := range bare {
		left := slices.Clone(ids)
		for some := range slices.Chunk(ids, 100) { // as many as a query may have
			for j, err := range d.inspector.Jobs(ctx, inspect.Query{Queues: []string{queue}, IDs: some, Limit: len(some)}) {
				if err != nil {
					return nil, nil, err
				}
				jobs = append(jobs, j)
				left = slices.DeleteFunc(left, func(id string) bool { return id == j.ID })
			}
		}
		for _, id := range left {
			missing = append(missing, queue+"/"+id)
		}
	}
	return jobs, missing, nil
}
