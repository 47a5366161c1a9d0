package web_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/cron"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/web"
)

// good is a call that is done: what there has to be before it, and what is true after it.
type good struct {
	path, body string // path unless it is the pattern with filled
	audit      string // what the trail says of it; "" of what only looks, or says why it is not there
	before     func(e *env) (path string)
	has        string // in the answer
	after      func(e *env) error
}

// jobs puts in a0, which is for later and recorded, and b, which is not.
func jobs(e *env) string {
	e.enqueue(tasuki.Opts{Queue: "mail", ID: "a0", Record: true, In: time.Hour}, 1)
	e.enqueue(tasuki.Opts{Queue: "mail", ID: "b", In: time.Hour}, 1)
	return ""
}

func nightly(e *env) string {
	if _, err := cron.New(e.client).Set(context.Background(), cron.Entry{Name: "nightly", Expr: "30 2 * * *", Kind: "report"}); err != nil {
		e.t.Fatal(err)
	}
	return ""
}

// ended has an operation that is done, and is a path of it.
func ended(then string) func(e *env) string {
	return func(e *env) string {
		jobs(e)
		o, err := e.inspector.Operate(context.Background(), inspect.Task{Action: inspect.Cancel}, inspect.Query{Queues: []string{"mail"}})
		if err == nil {
			_, err = e.inspector.Await(context.Background(), o.ID)
		}
		if err != nil {
			e.t.Fatal(err)
		}
		return "/operations/" + o.ID + then
	}
}

// interrupted has an operation whose process has gone, and is a path of it.
func interrupted(then string) func(e *env) string {
	return func(e *env) string {
		e.do_("EVAL", `for i = 1, 30000 do redis.call('RPUSH', KEYS[1], '{"id":"' .. i .. '","kind":"k","token":"t","args":1}') end return 1`, "1", e.namespace+":{mail}")
		e.do_("SADD", e.namespace+":queues", "mail")
		i := inspect.New(e.open(e.server.As(e.t, "operator", e.namespace)))
		o, err := i.Operate(context.Background(), inspect.Task{Action: inspect.Remove}, inspect.Query{Queues: []string{"mail"}})
		if err != nil {
			e.t.Fatal(err)
		}
		i.Close()
		e.operation = o.ID
		return "/operations/" + o.ID + then
	}
}

func (e *env) operationIs(state inspect.OperationState) error {
	o, err := e.inspector.Operation(context.Background(), e.operation)
	if err == nil && o.State != state {
		err = fmt.Errorf("%+v", o)
	}
	return err
}

// atWorker begins a worker, and is a path of it.
func atWorker(then string) func(e *env) string {
	return func(e *env) string {
		e.working(nil)
		return "/workers/" + e.workerID() + then
	}
}

// working runs a worker of the queue mail, until the test ends or it is told to stop.
func (e *env) working(handle func(context.Context, *tasuki.RawJob) error) {
	worker, err := tasuki.NewWorker(e.client, &tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "mail"}}})
	if err != nil {
		e.t.Fatal(err)
	}
	if handle == nil {
		handle = func(context.Context, *tasuki.RawJob) error { return nil }
	}
	tasuki.HandleOther(worker, handle)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx) }()
	e.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			e.t.Error(err)
		}
	})
}

func (e *env) workersAre(is func([]inspect.Worker) bool) error {
	all, err := e.inspector.Workers(context.Background())
	if err == nil && !is(all) {
		err = fmt.Errorf("%+v", all)
	}
	return err
}

// failure has a job fail, and is a path of the failure.
func failure(e *env) string {
	e.working(func(context.Context, *tasuki.RawJob) error { return tasuki.Kill(errors.New("no such town")) })
	e.enqueue(tasuki.Opts{Queue: "mail", ID: "a"}, 1)
	var seen []inspect.Failure
	redistest.WaitFor(e.t, "a failure", func() (err error) {
		if seen, err = e.inspector.Failures(context.Background(), inspect.FailureQuery{}); err == nil && len(seen) == 0 {
			err = errors.New("there is none")
		}
		return err
	})
	return "/failures/" + seen[0].Fingerprint + "/forget"
}

func locked(e *env) string {
	e.enqueue(tasuki.Opts{Queue: "mail", In: time.Hour, Unique: tasuki.Unique{Mode: tasuki.UniqueUntilDone, Key: "k"}}, 1)
	return ""
}

// state is what the address of a job says.
func state(address string, want tasuki.State) func(e *env) error {
	return func(e *env) error {
		j, err := e.inspector.Job(context.Background(), address)
		if err == nil && j.State != want {
			err = fmt.Errorf("%s is %s", address, j.State)
		}
		return err
	}
}

// goods has a call for each route, and fails for a route without one.
func goods() map[string]good {
	all := map[string]good{
		"GET /queues":                {before: jobs, has: `"name":"mail"`},
		"GET /queues/{queue}":        {before: jobs, has: `"scheduled":2`},
		"POST /queues/{queue}/pause": {has: `"paused":true`, audit: "pause"},
		"POST /queues/{queue}/resume": {audit: "resume", has: `"paused":false`, before: func(e *env) string {
			if err := e.inspector.Pause(context.Background(), "mail", "ann"); err != nil {
				e.t.Fatal(err)
			}
			return ""
		}},
		"GET /queues/{queue}/eta":   {path: "/queues/mail/eta?over=100ms", before: jobs, has: `"backlog":`},
		"GET /queues/{queue}/locks": {before: locked, has: `"locks":[`}, // perhaps of another page
		"POST /queues/{queue}/unlock": {audit: "unlock", before: locked, body: "LOCK", after: func(e *env) error {
			locks, err := redistest.All(e.inspector.Locks(context.Background(), "mail"))
			if err == nil && len(locks) > 0 {
				err = fmt.Errorf("%+v", locks)
			}
			return err
		}},
		"GET /jobs":                    {path: "/jobs?q=queue:mail", before: jobs, has: `"address":"mail/a0"`},
		"GET /jobs/count":              {before: jobs, has: `"jobs":2`},
		"GET /jobs/{queue}/{id}":       {path: "/jobs/mail/a0", before: jobs, has: `"state":"scheduled"`},
		"GET /jobs/{queue}/{id}/log":   {path: "/jobs/mail/a0/log", before: jobs, has: `"lines":[]`},
		"GET /jobs/{queue}/{id}/why":   {path: "/jobs/mail/a0/why", before: jobs, has: `"reasons":[{`},
		"POST /enqueue":                {body: `{"kind":"k","opts":{"queue":"mail","id":"a","in":"1h"}}`, after: state("mail/a", tasuki.StateScheduled)},
		"POST /enqueue-many":           {body: `{"jobs":[{"kind":"k","opts":{"queue":"mail","id":"a","in":"1h"}}]}`, after: state("mail/a", tasuki.StateScheduled)},
		"GET /operations":              {before: ended(""), path: "/operations", has: `"action":"cancel"`},
		"GET /operations/{id}":         {before: ended(""), has: `"state":"done"`},
		"POST /operations/{id}/undo":   {before: ended("/undo"), has: `"undoes":"`, audit: "undo"},
		"GET /failures":                {before: func(e *env) string { failure(e); return "/failures" }, has: "no such town"},
		"GET /statistics/kinds":        {has: `"kinds":[`},
		"GET /statistics/history":      {has: `"points":[`},
		"GET /workers":                 {before: func(e *env) string { atWorker("")(e); return "/workers" }, has: `"state":"running"`},
		"GET /workers/{id}":            {before: atWorker(""), has: `"state":"running"`},
		"POST /workers/{id}/dump":      {before: atWorker("/dump"), has: "goroutine ", audit: "dump"},
		"GET /schedules":               {before: nightly, has: `"name":"nightly"`},
		"GET /schedules/{name}":        {before: nightly, has: `"expr":"30 2 * * *"`},
		"POST /schedules/{name}/pause": {before: nightly, has: `"paused_by":"ada"`, audit: "pause schedule"},
		"POST /schedules/{name}/resume": {audit: "resume schedule", has: `"paused":false`, before: func(e *env) string {
			nightly(e)
			if err := cron.New(e.client).Pause(context.Background(), "nightly", "ann"); err != nil {
				e.t.Fatal(err)
			}
			return ""
		}},
		"POST /schedules/{name}/run": {before: nightly, has: `"address":"default/cron:nightly:now:`, audit: "run schedule"},
		"PUT /schedules/{name}":      {body: `{"expr":"@daily","kind":"report","jitter":"10m","opts":{"timeout":"1m"}}`, has: `"jitter":600000000000`, audit: "set schedule"},
		"DELETE /schedules/{name}": {before: nightly, audit: "remove schedule", after: func(e *env) error {
			if _, err := cron.New(e.client).Get(context.Background(), "nightly"); !errors.Is(err, cron.ErrNotFound) {
				return fmt.Errorf("it is there: %w", err)
			}
			return nil
		}},
		"GET /stats":             {has: `"queues":`},
		"GET /doctor":            {has: `"findings":[`},
		"GET /check":             {has: `"problems":[]`},
		"GET /audit":             {has: `"entries":[`},
		"GET /marks":             {has: `"marks":[`},
		"POST /marks":            {body: `{"text":"deploy"}`, has: `"by":"ada"`}, // a mark is its own entry
		"GET /autoscale/{queue}": {has: `"value":0`},
		"GET /openapi.json":      {has: `"openapi":"3.1.0"`},
		"POST /failures/{fingerprint}/forget": {before: failure, audit: "forget failure", after: func(e *env) error {
			seen, err := e.inspector.Failures(context.Background(), inspect.FailureQuery{})
			if err == nil && len(seen) > 0 {
				err = fmt.Errorf("%+v", seen)
			}
			return err
		}},
		"POST /workers/{id}/quiet": {before: atWorker("/quiet"), audit: "quiet", after: func(e *env) error {
			return e.workersAre(func(all []inspect.Worker) bool { return len(all) == 1 && all[0].State == inspect.WorkerQuiet })
		}},
		"POST /workers/{id}/stop": {before: atWorker("/stop"), audit: "stop", after: func(e *env) error {
			return e.workersAre(func(all []inspect.Worker) bool { return len(all) == 0 })
		}},
		"POST /operations/{id}/cancel": {before: interrupted("/cancel"), audit: "cancel operation", after: func(e *env) error {
			return e.operationIs(inspect.OperationCancelled)
		}},
		"POST /operations/{id}/continue": {before: interrupted("/continue"), audit: "continue operation", after: func(e *env) error {
			return e.operationIs(inspect.OperationDone)
		}},
	}
	for what, after := range map[string]func(e *env) error{
		"retry": state("mail/a0", tasuki.StateReady), "cancel": state("mail/a0", tasuki.StateCancelled), "reschedule": state("mail/a0", tasuki.StateScheduled),
		"move": state("other/a0", tasuki.StateScheduled), "edit": state("mail/a0", tasuki.StateScheduled), "remove": func(e *env) error {
			if _, err := e.inspector.Job(context.Background(), "mail/a0"); !errors.Is(err, inspect.ErrNotFound) {
				return fmt.Errorf("it is there: %w", err)
			}
			return nil
		},
	} {
		more, nested := map[string]string{"reschedule": `"in":"2h"`, "move": `"to":"other"`, "edit": `"max_attempts":3`}[what], ""
		if nested = more; what == "edit" {
			nested = `"changes":{` + more + `}`
		}
		if nested != "" {
			nested = "," + nested
		}
		all["POST /jobs/{queue}/{id}/"+what] = good{path: "/jobs/mail/a0/" + what, body: "{" + more + "}", before: jobs, after: after, has: `/a0"`, audit: what}
		all["POST /jobs/"+what] = good{body: `{"jobs":["mail/a0"]` + nested + `}`, before: jobs, after: after, has: `"done":1`, audit: what}
		all["POST /operations/"+what+"/preview"] = good{body: `{"q":"queue:mail id:a0 state:scheduled"` + nested + `}`, before: jobs, after: state("mail/a0", tasuki.StateScheduled), has: `"jobs":1`}
		all["POST /operations/"+what] = good{body: `{"q":"queue:mail id:a0 state:scheduled","expect":1` + nested + `}`, before: jobs, after: after, has: `"id":"`, audit: what}
	}
	return all
}

// TestAPIRoutes calls each route in a good way.
func TestAPIRoutes(t *testing.T) {
	t.Parallel()
	calls := goods()
	for _, p := range web.Endpoints() {
		name := p.Method + " " + p.Path
		g, ok := calls[name]
		delete(calls, name)
		if !ok {
			t.Errorf("%s: what is a good call of it?", name)
			continue
		}
		t.Run(strings.NewReplacer("/", "_", " ", "").Replace(name), func(t *testing.T) {
			t.Parallel()
			server := redistest.Shared(t)
			if p.Path == "/doctor" { // it asks for what the operator need not be let
				server = redistest.Start(t)
			}
			e := setupOn(t, server, &web.Config{Authorize: all})
			path := filled(p.Path)
			if g.path != "" {
				path = g.path
			}
			if g.before != nil {
				if at := g.before(e); at != "" && g.path == "" {
					path = at
				}
			}
			body := g.body
			if body == "LOCK" {
				locks, err := redistest.All(e.inspector.Locks(t.Context(), "mail"))
				if err != nil || len(locks) != 1 {
					t.Fatal(locks, err)
				}
				body = `{"lock":` + quote(locks[0].Name) + `}`
			}
			if a := e.good(p.Method, path, body, nil); !strings.Contains(a.body, g.has) {
				t.Errorf("%s is not in %s", g.has, a.body)
			}
			if g.after != nil {
				redistest.WaitFor(t, "what it is for", func() error { return g.after(e) })
			}
			page, err := e.inspector.Audit(t.Context(), "", 100)
			if err != nil {
				t.Fatal(err)
			}
			var acts []string
			for _, entry := range page.Entries {
				if entry.By == "ada" {
					acts = append(acts, entry.What)
				}
			}
			if (g.audit == "") != (acts == nil) || g.audit != "" && acts[0] != g.audit {
				t.Errorf("the audit trail has %q of it, not %q", acts, g.audit)
			}
		})
	}
	for name := range calls {
		t.Errorf("%s is no route", name)
	}
}

var pathParams = regexp.MustCompile(`\{([a-z]+)\}`)

// TestAPIBadInput: each part of a path, parameter and body of each route is looked at, and the answer
// names the one that is wrong.
func TestAPIBadInput(t *testing.T) {
	e := setup(t, &web.Config{Authorize: all})
	for _, p := range web.Endpoints() {
		e.fails(p.Method, filled(p.Path)+"?nothing=1", "", 400, "unknown_field", "nothing")
		for _, match := range pathParams.FindAllStringSubmatch(p.Path, -1) {
			for _, bad := range []string{"%00", "%ff", strings.Repeat("x", 2000)} {
				path := filled(strings.Replace(p.Path, match[0], bad, 1))
				body := ""
				if p.Body != nil && p.Body.NumField() > 0 {
					body = "{}"
				}
				if p.Method == http.MethodPut {
					body = `{"expr":"@daily","kind":"k"}`
				}
				e.fails(p.Method, path, body, 400, "invalid", match[1])
			}
		}
		for _, name := range p.Params {
			for _, bad := range []string{"\x00", "\xff", strings.Repeat("x", 10_000)} {
				e.fails(p.Method, filled(p.Path)+"?"+name+"="+url.QueryEscape(bad), "", 400, "invalid", name)
			}
			e.fails(p.Method, filled(p.Path)+"?"+name+"=1&"+name+"=1", "", 400, "invalid", name)
		}
		if p.Body != nil {
			e.fails(p.Method, filled(p.Path), `{"nothing":1}`, 400, "unknown_field", "nothing")
			e.fails(p.Method, filled(p.Path), `[]`, 400, "invalid", "")
		}
	}
}
