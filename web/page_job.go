package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/legible"
)

// foundJob is a job with its log, and what it waits for in words that may be shown.
type foundJob struct {
	inspect.Job
	Why []inspect.Reason
	Log []inspect.LogLine
}

// readJob looks for a job in bounded time: one without a record is found where its id says when
// it came in, and at both ends of its queue.
func (d *Dashboard) readJob(address string) func(context.Context) (*foundJob, error) {
	return func(ctx context.Context) (*foundJob, error) {
		workers := d.workers.get(ctx, 200*time.Millisecond) // that serve the queue; without them it says less
		why, err := d.why(ctx, address, workers.Value)
		if err != nil {
			return nil, err
		}
		if why.Job == nil {
			text := ""
			if len(why.Reasons) > 0 {
				text = ": " + why.Reasons[0].Text
			}
			return nil, fmt.Errorf("%s: %w%s", address, inspect.ErrNotFound, text)
		}
		found := &foundJob{Job: *why.Job, Why: why.Reasons}
		if found.Recorded {
			// It may have gone since, and is shown as it was.
			if found.Log, err = d.inspector.Log(ctx, found.Address(), 0); err != nil && !errors.Is(err, inspect.ErrNotFound) {
				return nil, err
			}
		}
		return found, nil
	}
}

type jobPage struct {
	*shownJob
	Why   []inspect.Reason
	Log   []payload
	Moved bool // from the address that was asked for
	// Fingerprint is that of its last failure; "" if it has none.
	Fingerprint string
	At          time.Time
}

// Can tells what can be done to the job in its state. What it may be is another question.
func (p *jobPage) Can(what Right) bool {
	waits := p.State == tasuki.StateReady || p.State == tasuki.StateScheduled || p.State == tasuki.StateRetry || p.State == tasuki.StateParked || p.State == tasuki.StateSuspect
	switch what {
	case Retry:
		return p.State == tasuki.StateScheduled || p.State == tasuki.StateRetry || p.State == tasuki.StateDead
	case Cancel:
		return waits || p.State == tasuki.StateRunning
	case Enqueue: // another like it
		return p.Kind != "" && p.Address != ""
	case Remove:
		return p.State != tasuki.StateRunning
	case Move, Edit:
		return p.Recorded && (waits || p.State == tasuki.StateDead)
	}
	return false
}

// address is the parameter that names a job.
func (c *call) address(name string) string {
	address := c.long(name, mostAddress)
	if c.bad == nil {
		if _, _, err := tasuki.ParseAddress(address); err != nil {
			c.refuse(name, err.Error())
		}
	}
	return address
}

func (d *Dashboard) job(c *call) {
	address := c.address("id")
	if c.refused() {
		return
	}
	// Workers that do not answer are waited for, if the dashboard has not asked them lately.
	s := d.jobLooks.of(address).get(c.r.Context(), 2*pageWait)
	switch {
	case s.Err != nil && (errors.Is(s.Err, inspect.ErrNotFound) || errors.Is(s.Err, tasuki.ErrNotFound)):
		c.failOf(s.Err)
		return
	case !s.OK() && (s.Err == nil || errors.Is(s.Err, context.DeadlineExceeded) && !inspect.IsAway(s.Err)):
		c.live = true
		c.fail(http.StatusGatewayTimeout, errors.New(c.T("job.slow", address)))
		return
	case !s.OK():
		c.failOf(s.Err)
		return
	}
	p := &jobPage{shownJob: d.shown(&s.Value.Job), Fingerprint: inspect.FingerprintOf(&s.Value.Info), At: s.At}
	p.Moved = p.Address != address
	for _, r := range s.Value.Why {
		if line, _, more := strings.Cut(r.Error, "\n"); more { // such as a panic's, with its stack, which the page has above
			r.Text = strings.Replace(r.Text, r.Error, line+" …", 1)
			r.Text = strings.Replace(r.Text, "….", "…", 1)
		}
		r.Text = legible.Lines(r.Text)
		p.Why = append(p.Why, r)
	}
	for _, line := range s.Value.Log {
		p.Log = append(p.Log, d.redacted(p.Kind, PartLog, []byte(line.Text)))
	}
	c.outage = s.outage()
	c.live = p.Recorded && !p.State.HasEnded()
	c.render(http.StatusOK, "job", c.T("job.title", short(80, p.Address)), p)
}
