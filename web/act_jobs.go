package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

// actFor is how long an action on jobs may take. Jobs without a record are found by reading
// their queue.
const actFor = 25 * time.Second

// mustType is how many jobs may be cancelled, removed or moved without typing how many.
const mustType = 100

// jobAction is something that can be done to jobs.
type jobAction struct {
	name   string // of its texts
	danger bool   // it is asked for first
	do     func(ctx context.Context, c *call, jobs []inspect.Job) []error
}

func (d *Dashboard) onJobs(a jobAction) func(*call) {
	return func(c *call) {
		addresses := c.addresses()
		to := ""
		if a.name == "move" {
			to = c.queueName("to")
		}
		if c.refused() {
			return
		}
		text := c.T("jobs."+a.name+".ask", len(addresses))
		if to != "" {
			text += " → " + to
		}
		ask := a.danger || len(addresses) > 1
		q := question{Text: text, Detail: addresses[:min(len(addresses), 10)], Button: c.T("act." + a.name), Danger: a.danger}
		if len(addresses) > 10 {
			q.Detail = append(slices.Clip(q.Detail), "…")
		}
		if a.danger && len(addresses) > mustType {
			q.Type = strconv.Itoa(len(addresses))
		}
		if ask && !c.confirmed(q) {
			return
		}
		ctx, stop := context.WithTimeout(c.r.Context(), actFor)
		defer stop()
		jobs, missing, err := d.find(ctx, addresses)
		if err != nil {
			c.failOf(err)
			return
		}
		var done, failed int
		var why error
		if len(jobs) > 0 {
			for n, err := range a.do(ctx, c, jobs) {
				switch {
				case err == nil:
					done++
				default:
					failed++
					why = fmt.Errorf("%s: %w", jobs[n].Address(), err)
				}
			}
		}
		failed += len(missing)
		if why == nil && len(missing) > 0 {
			why = fmt.Errorf("%s: %w", missing[0], inspect.ErrNotFound)
		}
		c.forget()
		if why != nil {
			status := statusOf(why)
			if len(addresses) > 1 {
				why = fmt.Errorf("%s %w", c.T("jobs.some", done, failed), why)
			}
			c.fail(status, why)
			return
		}
		fallback := "job" + string(query("id", addresses[0]))
		if a.name == "remove" {
			queue, _, _ := tasuki.ParseAddress(addresses[0])
			fallback = "queue" + string(query("name", queue))
		}
		c.done(fallback)
	}
}

// addresses are those of the jobs that a form means.
func (c *call) addresses() []string {
	addresses := slices.Compact(slices.Sorted(slices.Values(c.many("job", mostSelected, mostAddress))))
	if len(addresses) == 0 {
		c.refuse("job", c.T("error.missing"))
	}
	for _, address := range addresses {
		if _, _, err := tasuki.ParseAddress(address); err != nil {
			c.refuse("job", err.Error())
		}
	}
	return addresses
}

// find returns jobs by their addresses, and which of them are not there. Recorded ones are found
// at once; for the others each queue is read once.
func (d *Dashboard) find(ctx context.Context, addresses []string) (jobs []inspect.Job, missing []string, err error) {
	bare := map[string][]string{} // queue → ids
	for _, address := range addresses {
		_, err := d.client.Get(ctx, address)
		switch {
		case err == nil:
			j, err := d.inspector.Job(ctx, address)
			if err != nil {
				return nil, nil, err
			}
			jobs = append(jobs, j)
		case errors.Is(err, tasuki.ErrNotFound):
			queue, id, err := tasuki.ParseAddress(address)
			if err != nil {
				return nil, nil, err
			}
			bare[queue] = append(bare[queue], id)
		default:
			return nil, nil, err
		}
	}
	for queue, ids := range bare {
		for j, err := range d.inspector.Jobs(ctx, inspect.Query{Queues: []string{queue}, IDs: ids}) {
			if err != nil {
				return nil, nil, err
			}
			jobs = append(jobs, j)
			ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return id == j.ID })
		}
		for _, id := range ids {
			missing = append(missing, queue+"/"+id)
		}
	}
	return jobs, missing, nil
}

// act is an action of package inspect.
func (d *Dashboard) act(name string, what inspect.Action, danger bool) func(*call) {
	return d.onJobs(jobAction{name, danger, func(ctx context.Context, _ *call, jobs []inspect.Job) []error {
		return d.inspector.Act(ctx, what, jobs...)
	}})
}

func (d *Dashboard) move() func(*call) {
	return d.onJobs(jobAction{"move", true, func(ctx context.Context, c *call, jobs []inspect.Job) []error {
		return d.inspector.Move(ctx, c.queueName("to"), jobs...)
	}})
}

type editPage struct {
	*shownJob
	Text, Sum   string
	Attempts    int
	TimeoutText string
	Hidden      bool
	Wrong       string
	At          time.Time
}

// sumOf tells arguments apart: who edits them has seen those with this sum.
func sumOf(args []byte) string {
	sum := sha256.Sum256(args)
	return hex.EncodeToString(sum[:8])
}

// editable returns the job that a form is about, with its arguments as they are.
func (d *Dashboard) editable(c *call) (inspect.Job, bool) {
	address := c.address("id")
	if c.refused() {
		return inspect.Job{}, false
	}
	ctx, stop := context.WithTimeout(c.r.Context(), pageWait)
	defer stop()
	j, err := d.inspector.Job(ctx, address)
	if err == nil && !j.Recorded {
		err = inspect.ErrBare
	}
	if err != nil {
		c.failOf(err)
	}
	return j, err == nil
}

func (d *Dashboard) editForm(c *call) {
	j, ok := d.editable(c)
	if !ok {
		return
	}
	p := &editPage{shownJob: d.shown(&j), Attempts: j.MaxAttempts, Sum: sumOf(j.Args)}
	if j.Timeout > 0 {
		p.TimeoutText = j.Timeout.String()
	}
	// What is redacted is not there to be saved: an empty field keeps the arguments.
	if p.Hidden = d.cfg.Redact != nil; !p.Hidden {
		p.Text = string(pretty(j.Args))
	}
	c.render(http.StatusOK, "edit", c.T("edit.title"), p)
}

var errChanged = errors.New("the arguments were changed meanwhile: load the form again")

func (d *Dashboard) edit(c *call) {
	address, text := c.address("id"), c.long("args", mostArgs)
	attempts, timeoutText, sum := c.number("max_attempts", -1, 1_000_000, 0), c.text("timeout"), c.text("sum")
	var args bytes.Buffer
	if text != "" {
		if err := json.Compact(&args, []byte(text)); err != nil {
			c.refuse("args", c.T("error.json", err.Error()))
		}
	}
	var timeout time.Duration
	if timeoutText != "" {
		var err error
		if timeout, err = time.ParseDuration(timeoutText); err != nil || timeout < time.Millisecond || timeout > 100*365*24*time.Hour {
			c.refuse("timeout", c.T("error.duration"))
		}
	}
	if c.refused() {
		return
	}
	err := d.client.Edit(c.r.Context(), address, func(s *tasuki.Spec) error {
		if args.Len() > 0 {
			if sumOf(s.Args) != sum {
				return errChanged
			}
			s.Args = args.Bytes()
		}
		if attempts != 0 {
			s.Opts.MaxAttempts = attempts
		}
		if timeout != 0 {
			s.Opts.Timeout = timeout
		}
		return nil
	})
	if errors.Is(err, errChanged) {
		c.fail(http.StatusConflict, err)
		return
	}
	if err != nil {
		c.failOf(err)
		return
	}
	c.done("job" + string(query("id", address)))
}
