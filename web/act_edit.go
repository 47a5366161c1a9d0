package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

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
	attempts, timeout, sum := c.number("max_attempts", -1, 1_000_000, 0), c.duration("timeout"), c.text("sum")
	var args bytes.Buffer
	if text != "" {
		if err := json.Compact(&args, []byte(text)); err != nil {
			c.refuse("args", c.T("error.json", err.Error()))
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
	if err := c.noted(string(inspect.Edit), address, "", err); err != nil {
		c.failOf(err)
		return
	}
	c.done("job" + string(query("id", address)))
}
