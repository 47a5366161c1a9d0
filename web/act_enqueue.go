package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/legible"
)

// enqueuePage is the form for a new job. Its fields have the names that they have in the API.
type enqueuePage struct {
	Values map[string]string
	Queues []string // that there are
	Modes  []tasuki.UniqueMode

	// Of a job that was refused.
	Wrong   string
	Field   string // that is wrong; "" if none is
	Other   string // the address of the job that is in the way
	Refused bool   // by Redis

	// Of a form that is filled from a job.
	From   string   // its address
	Hidden []string // fields that are not filled, as what is shown of them is not what the job has
	Unfit  bool     // its arguments do not fit into a form

	// Of the job that was put in before: its address, and whether it was there already.
	Put     string
	Existed bool
}

// enqueueFields are those of the form, from top to bottom, with how many bytes they may have.
var enqueueFields = []struct {
	name string
	most int
}{
	{"kind", mostText}, {"queue", mostText}, {"args", mostArgs}, {"in", mostText}, {"at", mostText}, {"record", 1},
	{"max_attempts", mostText}, {"timeout", mostText}, {"id", mostText},
	{"unique.mode", mostText}, {"unique.key", mostAddress}, {"unique.for", mostText}, {"meta", 8 << 10},
	{"once", mostText},
}

var uniqueModes = []tasuki.UniqueMode{
	tasuki.UniqueQueued, tasuki.UniqueUntilDone, tasuki.UniqueRunning, tasuki.UniqueQueuedAndRunning,
	tasuki.UniqueWindow, tasuki.UniqueThrottle, tasuki.UniqueDebounce, tasuki.UniqueKeepLast,
}

// newEnqueuePage has what was sent.
func (c *call) newEnqueuePage() *enqueuePage {
	p := &enqueuePage{Values: map[string]string{}, Modes: uniqueModes}
	for _, field := range enqueueFields {
		p.Values[field.name] = c.long(field.name, field.most)
	}
	if s := c.d.samples.peek(); s.OK() {
		for _, q := range s.Value.Queues[:min(len(s.Value.Queues), mostRows)] {
			p.Queues = append(p.Queues, q.Name)
		}
	}
	if c.r.Form.Get("from") != "" {
		p.From = c.address("from")
	}
	return p
}

func (d *Dashboard) enqueueForm(c *call) {
	p := c.newEnqueuePage()
	if c.r.Form.Get("enqueued") != "" {
		p.Put, p.Existed = c.address("enqueued"), c.number("existed", 0, 1, 0) == 1
	}
	if c.refused() {
		return
	}
	if !c.r.Form.Has("kind") {
		p.Values["record"] = "1" // who puts in a job by hand looks what becomes of it
	}
	if p.From != "" {
		if err := c.fillFrom(p); err != nil {
			c.failOf(err)
			return
		}
	}
	p.Values["once"] = rand.Text()
	c.render(http.StatusOK, "enqueue", c.T("enqueue.title"), p)
}

// onceID is the id of a job whose form has none: that of a form that is sent again, as it was not
// answered or by a second click, is the same, and there is one job.
func (p *enqueuePage) onceID() string {
	sum := sha256.New()
	for _, field := range enqueueFields {
		fmt.Fprintf(sum, "%q", p.Values[field.name])
	}
	return hex.EncodeToString(sum.Sum(nil)[:13])
}

var errRaw = &fault{Status: http.StatusConflict, Code: "raw", Detail: "a raw job has no kind, and is put in by the program that it comes from"}

// fillFrom fills the form from the job that it names. What may not be seen as it is, is left out:
// what is shown instead must not be put in for it.
func (c *call) fillFrom(p *enqueuePage) error {
	ctx, stop := context.WithTimeout(c.r.Context(), pageWait)
	defer stop()
	why, err := c.d.inspector.Why(ctx, p.From, &inspect.WhyConfig{Workers: []inspect.Worker{}})
	if err != nil {
		return err
	}
	j := why.Job
	switch {
	case j == nil:
		return fmt.Errorf("%s: %w", p.From, inspect.ErrNotFound)
	case j.Kind == "":
		return errRaw
	}
	p.From, p.Values["kind"], p.Values["queue"] = why.Address, j.Kind, j.Queue
	if j.MaxAttempts != 0 {
		p.Values["max_attempts"] = strconv.Itoa(j.MaxAttempts)
	}
	if j.Timeout > 0 {
		p.Values["timeout"] = j.Timeout.String()
	}
	isClear := func(part Part, text []byte) bool { return bytes.Equal(c.d.veil(j.Kind).bytes(part, text), text) }
	switch args := pretty(j.Args); {
	case !isClear(PartArgs, j.Args):
		p.Hidden = append(p.Hidden, "args")
	case len(args) > mostArgs || !utf8.Valid(args):
		p.Unfit = true
	default:
		p.Values["args"] = string(args)
	}
	meta := map[string]string{}
	for name, value := range j.Meta {
		switch {
		case name == "traceparent" || name == "tracestate": // it is no part of that trace
		case !isClear(PartMeta, []byte(name+"="+value)):
			if !slices.Contains(p.Hidden, "meta") {
				p.Hidden = append(p.Hidden, "meta")
			}
		default:
			meta[name] = value
		}
	}
	if len(meta) > 0 {
		text, err := json.MarshalIndent(meta, "", "  ")
		if err != nil {
			return err
		}
		p.Values["meta"] = string(text)
	}
	return nil
}

// enqueuedSpec is the job of the form.
func (c *call) enqueuedSpec(p *enqueuePage) tasuki.Spec {
	s := tasuki.Spec{Kind: p.Values["kind"], Opts: tasuki.Opts{
		ID: p.Values["id"], In: c.duration("in"), MaxAttempts: c.number("max_attempts", -1, 1_000_000, 0), Timeout: c.duration("timeout"), Record: p.Values["record"] != "",
	}}
	if s.Kind == "" {
		c.refuse("kind", c.T("error.missing"))
	}
	if p.Values["queue"] != "" {
		s.Opts.Queue = c.queueName("queue")
	}
	var args bytes.Buffer
	switch text := p.Values["args"]; {
	case text == "" && p.From != "": // as those of the job could not be filled in
		c.refuse("args", c.T("error.missing"))
	case text != "":
		if err := json.Compact(&args, []byte(text)); err != nil {
			c.refuse("args", c.T("error.json", err.Error()))
		}
		s.Args = args.Bytes()
	}
	if text := p.Values["at"]; text != "" {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			c.refuse("at", c.T("error.time"))
		}
		s.Opts.At = at
	}
	if s.Opts.ID == "" && p.Values["once"] != "" && p.Values["unique.mode"] == "" {
		s.Opts.ID = p.onceID()
	}
	u := &s.Opts.Unique
	u.Mode, u.Key, u.For = tasuki.UniqueMode(p.Values["unique.mode"]), p.Values["unique.key"], c.duration("unique.for")
	if text := p.Values["meta"]; text != "" {
		if err := json.Unmarshal([]byte(text), &s.Opts.Meta); err != nil {
			c.refuse("meta", c.T("error.meta"))
		}
	}
	return s
}

func (d *Dashboard) enqueue(c *call) {
	p := c.newEnqueuePage()
	spec := c.enqueuedSpec(p)
	if c.bad != nil {
		p.Wrong, p.Field = c.bad.Error(), c.badName
		c.render(http.StatusBadRequest, "enqueue", c.T("enqueue.title"), p)
		return
	}
	info, err := d.put(c.r.Context(), spec)
	if err != nil {
		f := faultOf(err)
		p.Wrong, p.Field, p.Refused = legible.Lines(f.Detail), f.Field, errors.Is(err, tasuki.ErrRefused)
		var duplicate *tasuki.DuplicateError
		if errors.As(err, &duplicate) {
			p.Field, p.Other = "unique.key", duplicate.Info.Address()
		}
		c.render(f.Status, "enqueue", c.T("enqueue.title"), p)
		return
	}
	address := info.Address()
	if !info.Existed {
		detail := spec.Kind
		if p.From != "" {
			detail += ", as " + p.From
		}
		_ = c.noted("enqueue", address, detail, nil)
	}
	c.forget()
	if spec.Opts.Record || spec.Opts.Unique.Mode != "" {
		c.see("job" + string(query("id", address)))
		return
	}
	// One without a record may be done, and gone, by the time that its page is asked for.
	again := []string{"kind", spec.Kind, "queue", spec.Opts.Queue, "enqueued", address}
	if info.Existed {
		again = append(again, "existed", "1")
	}
	c.see("enqueue" + string(query(again...)))
}

// put puts in one job.
func (d *Dashboard) put(ctx context.Context, spec tasuki.Spec) (tasuki.Info, error) {
	infos, err := d.client.EnqueueMany(ctx, []tasuki.Spec{spec})
	var many *tasuki.ManyError
	if errors.As(err, &many) && len(many.Errs) == 1 && many.Errs[0] != nil {
		err = many.Errs[0]
	}
	if len(infos) != 1 {
		return tasuki.Info{}, err
	}
	return infos[0], err
}

// inputView is a field of a form.
type inputView struct {
	Name, Label, Value, Hint string
	Wrong                    bool
}

// Input is for the template of that name.
func (v *view) Input(p *enqueuePage, name, hint string) inputView {
	return inputView{name, v.T("enqueue." + name), p.Values[name], hint, p.Field == name}
}
