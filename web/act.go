package web

import (
	"crypto/subtle"
	"net/http"
	"slices"

	"github.com/tasuki-dev/tasuki/inspect"
)

// question asks whether something is really meant. It is a page of its own, so that it is asked
// without JavaScript too, and says what exactly is meant.
type question struct {
	Text   string
	Detail []string
	Button string
	Action string // where the answer goes
	Fields []field
	Type   string // what has to be typed; "" if nothing has to be
	Wrong  bool   // something else was typed
	Danger bool
	NoUndo string // why it cannot be undone
	Back   string
}

type field struct{ Name, Value string }

// confirmed tells whether the question was answered with yes, and else asks it. The form comes
// back with all that this one had, and extra.
func (c *call) confirmed(q question, extra ...field) bool {
	form := c.r.PostForm
	typed := form.Get("typed")
	if form.Get("confirmed") == "yes" {
		if q.Type == "" || subtle.ConstantTimeCompare([]byte(typed), []byte(q.Type)) == 1 {
			return true
		}
		q.Wrong = true
	}
	q.Action = c.r.URL.Path[1:]
	for name, values := range form {
		if name == "confirmed" || name == "typed" || slices.ContainsFunc(extra, func(f field) bool { return f.Name == name }) {
			continue
		}
		for _, value := range values {
			q.Fields = append(q.Fields, field{name, value})
		}
	}
	q.Fields = append(q.Fields, extra...)
	q.Back = c.d.localPage(form.Get("back"), "./")
	c.render(http.StatusOK, "confirm", q.Text, q)
	return false
}

// forget has pages look again, as something has changed.
func (c *call) forget() {
	d := c.d
	d.samples.forget()
	d.workers.forget()
	d.schedules.forget()
	d.failures.forget()
	d.operations.forget()
	d.jobLooks.forget()
}

// done goes back to where somebody has done something.
func (c *call) done(fallback string) {
	c.forget()
	c.see(c.d.localPage(c.r.PostForm.Get("back"), fallback))
}

// by is who has done something, for others to read.
func (c *call) by() string {
	if c.actor.Name == "" {
		return "dashboard"
	}
	return c.actor.Name
}

func (d *Dashboard) pauseQueue(c *call) {
	name := c.queueName("name")
	if c.refused() {
		return
	}
	if err := c.inspector().Pause(c.r.Context(), name, c.by()); err != nil {
		c.failOf(err)
		return
	}
	c.done("queue" + string(query("name", name)))
}

func (d *Dashboard) resumeQueue(c *call) {
	name := c.queueName("name")
	if c.refused() {
		return
	}
	if err := c.inspector().Resume(c.r.Context(), name); err != nil {
		c.failOf(err)
		return
	}
	c.done("queue" + string(query("name", name)))
}

// noted writes into the audit trail what was done past package inspect, or why it was not: err.
func (c *call) noted(what, target, detail string, err error) error {
	return c.inspector().Noted(c.r.Context(), inspect.AuditEntry{What: what, Target: target, Detail: detail, Count: 1}, err)
}

// onSchedule is an action on a periodic entry.
func (d *Dashboard) onSchedule(what string, act func(c *call, name string) error) func(*call) {
	return func(c *call) {
		name := c.text("name")
		if name == "" {
			c.refuse("name", c.T("error.missing"))
		}
		if c.refused() {
			return
		}
		if err := c.noted(what, name, "", act(c, name)); err != nil {
			c.failOf(err)
			return
		}
		c.done("schedule" + string(query("name", name)))
	}
}

func (d *Dashboard) pauseSchedule(c *call, name string) error {
	return d.crons.Pause(c.r.Context(), name, c.by())
}

func (d *Dashboard) resumeSchedule(c *call, name string) error {
	return d.crons.Resume(c.r.Context(), name)
}

func (d *Dashboard) runSchedule(c *call, name string) error {
	_, err := d.crons.RunNow(c.r.Context(), name)
	return err
}

func (d *Dashboard) quietWorker(c *call) {
	w, _, ok := d.findWorker(c)
	if !ok || !c.confirmed(question{Text: c.T("worker.quiet.ask", w.Place()), Button: c.T("worker.quiet"), Danger: true}) {
		return
	}
	c.told(c.inspector().Quiet(c.r.Context(), w.ID)[0], w.ID)
}

func (d *Dashboard) stopWorker(c *call) {
	w, _, ok := d.findWorker(c)
	if !ok || !c.confirmed(question{Text: c.T("worker.stop.ask", w.Place(), w.Busy), Button: c.T("worker.stop"), Danger: true}) {
		return
	}
	c.told(c.inspector().Stop(c.r.Context(), w.ID)[0], w.ID)
}

// told goes to the page of a worker that was told something.
func (c *call) told(err error, id string) {
	if err != nil {
		c.failOf(err)
		return
	}
	c.done("worker" + string(query("id", id)))
}

// mostStacks is what a worker sends of its stacks.
const mostStacks = 1 << 20

// dumpWorker shows the stacks of a worker's process. It is a form, as the process stands still
// for it.
func (d *Dashboard) dumpWorker(c *call) {
	w, at, ok := d.findWorker(c)
	if !ok {
		return
	}
	dumps, errs := c.inspector().Dump(c.r.Context(), w.ID)
	if errs[0] != nil {
		c.failOf(errs[0])
		return
	}
	p := &workerPage{Worker: *w, At: at}
	p.Stacks = d.redactedTo(mostStacks, "", PartStack, []byte(dumps[0]))
	c.render(http.StatusOK, "worker", w.Place(), p)
}

// removeLock frees a uniqueness key.
func (d *Dashboard) removeLock(c *call) {
	queue, name := c.queueName("queue"), c.text("lock")
	if c.refused() {
		return
	}
	if !c.confirmed(question{Text: c.T("lock.ask"), Detail: []string{queue, name}, Button: c.T("lock.free"), Danger: true}) {
		return
	}
	if err := c.inspector().Unlock(c.r.Context(), queue, name); err != nil {
		c.failOf(err)
		return
	}
	c.done("locks" + string(query("queue", queue)))
}
