package tasuki

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki/internal/source"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// Edit changes a recorded job that does not run. change gets its kind, arguments and
// options, and may change Args and of Opts MaxAttempts, Timeout, Deadline, ExpireAt, Keep
// and Meta; it is called again when the job was changed by somebody else meanwhile. Another
// field that it changes is refused. A uniqueness key stays what it was.
//
// The zero time takes a Deadline or an ExpireAt away. A new one has to be after the present
// and after the time when the job is due; one that stays may have passed. A dead job is given
// none, as it begins anew without, and a job that has had a run no ExpireAt.
func (c *Client) Edit(ctx context.Context, address string, change func(*Spec) error) error {
	at, err := c.locate(address)
	if err != nil {
		return fmt.Errorf("edit: %w", err)
	}
	err = c.act(ctx, at, func(r *Record, a *store.Act) error {
		a.What = "edit"
		a.Job, err = c.edited(r, change)
		return err
	})
	if err != nil {
		return fmt.Errorf("edit %s: %w", inError(address), err)
	}
	return nil
}

// edited is the job of a record after a change.
func (c *Client) edited(r *Record, change func(*Spec) error) (string, error) {
	j, err := wire.Parse(r.body)
	if err != nil {
		return "", err
	}
	j.ID = r.ID
	spec := Spec{Kind: j.Kind, Args: slices.Clone(json.RawMessage(j.Args)), Opts: Opts{
		Queue: r.Queue, ID: r.ID, Record: true, Keep: time.Duration(j.Keep) * time.Millisecond,
		MaxAttempts: j.MaxAttempts, Timeout: r.Timeout, Deadline: r.Deadline, ExpireAt: r.ExpireAt, Meta: r.Meta,
	}}
	if j.Timeout < 0 {
		spec.Opts.Timeout = -1
	}
	if j.Keep == 0 {
		spec.Opts.Keep = -1
	}
	was := spec
	was.Opts.Meta = maps.Clone(r.Meta) // change may write to the one that it gets
	if err := change(&spec); err != nil {
		return "", err
	}
	switch o := &spec.Opts; {
	case spec.Kind != was.Kind:
		return "", fmt.Errorf("kind: %q: it cannot be changed", spec.Kind)
	case o.Queue != r.Queue || o.ID != r.ID:
		return "", fmt.Errorf("queue and id: %q and %q: they cannot be changed", o.Queue, o.ID)
	case o.In != 0 || !o.At.IsZero():
		return "", errors.New("in and at: they cannot be changed here: Reschedule does")
	}
	if name := fixed(&was.Opts, &spec.Opts); name != "" {
		return "", fmt.Errorf("%s: it cannot be changed: allowed are MaxAttempts, Timeout, Deadline, ExpireAt, Keep and Meta", name)
	}
	now, checked := time.Now(), spec
	if err := r.limits(&j, &checked.Opts, now); err != nil {
		return "", err
	}
	if err := checked.check(c.cfg.MaxPayload, now); err != nil {
		return "", err
	}
	j.Args, j.MaxAttempts, j.Timeout, j.Meta = spec.Args, spec.Opts.MaxAttempts, millis(spec.Opts.Timeout), spec.Opts.Meta
	j.Deadline, j.ExpireAt = unixMilli(spec.Opts.Deadline), unixMilli(spec.Opts.ExpireAt)
	j.Keep = millis(spec.Opts.keep())
	return j.Body(), nil
}

// fixed names an option that Edit does not change and that is not what it was; "" if there is
// none.
func fixed(was, is *Opts) string {
	kept := *is
	kept.MaxAttempts, kept.Timeout, kept.Keep, kept.Meta = was.MaxAttempts, was.Timeout, was.Keep, was.Meta
	kept.Deadline, kept.ExpireAt = was.Deadline, was.ExpireAt
	x, y := reflect.ValueOf(*was), reflect.ValueOf(kept)
	for i := range x.NumField() {
		if !reflect.DeepEqual(x.Field(i).Interface(), y.Field(i).Interface()) {
			name, _, _ := strings.Cut(x.Type().Field(i).Tag.Get("json"), ",")
			return name
		}
	}
	return ""
}

// limits makes of the options of an edit those that are to be checked: the job is due when it
// was, and a limit that stays may have passed. It refuses those that the job would not heed.
func (r *Record) limits(was *wire.Job, o *Opts, now time.Time) error {
	isNew := func(limit time.Time, was int64) bool { return !limit.IsZero() && unixMilli(limit) != was }
	deadline, expiry := isNew(o.Deadline, was.Deadline), isNew(o.ExpireAt, was.ExpireAt)
	const ofDead = "%s: %s: allowed is none for a dead job, which begins anew without: reschedule it first"
	switch dead := r.State == StateDead; {
	case dead && deadline:
		return fmt.Errorf(ofDead, "deadline", showTime(o.Deadline))
	case dead && expiry:
		return fmt.Errorf(ofDead, "expire_at", showTime(o.ExpireAt))
	case expiry && wasRun(r, was):
		return fmt.Errorf("expire_at: %s: allowed is none for a job that has had a run: only what was never started expires", showTime(o.ExpireAt))
	}
	if o.At = r.DueAt; o.At.After(now) {
		now = o.At
	}
	if !deadline && (!expiry || !o.Deadline.After(now)) {
		o.Deadline = time.Time{}
	}
	if !expiry && (!deadline || !o.ExpireAt.After(now)) {
		o.ExpireAt = time.Time{}
	}
	return nil
}

// wasRun tells whether a job that waits has had a run.
func wasRun(r *Record, j *wire.Job) bool {
	return j.Attempts+j.Crashes+j.Stops > 0 || slices.ContainsFunc(r.Runs, func(run Run) bool { return run.Outcome != State(source.Unknown) })
}
