package web

import (
	"context"
	"io/fs"
	"net/http"
	"reflect"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/cron"
	"github.com/tasuki-dev/tasuki/inspect"
)

// Route is one of the routes, as tests see it.
type Route struct {
	Pattern string
	Right   Right
}

func Routes() []Route {
	var all []Route
	for _, rt := range (&Dashboard{}).routes() {
		all = append(all, Route{rt.pattern, rt.right})
	}
	return all
}

func Messages() map[string]map[string]string { return messages }

func Templates() fs.FS { return templateFiles }

// AssetSizes are bytes of each file, compressed.
func AssetSizes() map[string]int {
	sizes := map[string]int{}
	for _, a := range assets() {
		sizes[a.name] = len(a.zipped)
	}
	return sizes
}

func LanguageOf(r *http.Request) string { return languageOf(r) }

// Streams are how many live pages are open.
func (d *Dashboard) Streams() int {
	d.live.mu.Lock()
	defer d.live.mu.Unlock()
	return len(d.live.streams)
}

// Endpoint is one of the JSON API, as tests see it.
type Endpoint struct {
	Method, Path string // below /api/v1
	Right        Right
	Params       []string
	Body, Answer reflect.Type
}

func Endpoints() []Endpoint {
	var all []Endpoint
	for _, e := range (&Dashboard{}).endpoints() {
		one := Endpoint{Method: e.method, Path: e.path, Right: e.right, Body: e.body, Answer: e.answer}
		for _, p := range e.params {
			one.Params = append(one.Params, p.name)
		}
		all = append(all, one)
	}
	return all
}

// Description is what GET /api/v1/openapi.json answers.
func Description() []byte { return describe((&Dashboard{}).endpoints()) }

// SpecOf reads a job as POST /api/v1/enqueue does.
func SpecOf(text []byte) (tasuki.Spec, error) {
	var s apiSpec
	err := readBody(text, &s)
	return s.spec(), err
}

// ForgetAll has the next page read all anew, as the first one after a start does.
func (d *Dashboard) ForgetAll() {
	(&call{d: d}).forget()
	d.findings.forget()
	d.metrics.forget()
}

// ShowFailures has pages show these, in place of what Redis has. No page may have been asked for yet.
func (d *Dashboard) ShowFailures(all []inspect.Failure) {
	d.failures.read = func(context.Context) ([]inspect.Failure, error) { return all, nil }
}

// ShowEverywhere has pages show servers of Redis, workers and schedules with a text in every
// field that Redis or a worker may have put there. No page may have been asked for yet.
func (d *Dashboard) ShowEverywhere(text string) {
	read := d.samples.read
	d.samples.read = func(ctx context.Context) (*sample, error) {
		s, err := read(ctx)
		if err == nil {
			s.Servers = []inspect.Server{{Address: text, Error: text}, {Address: text, Product: text, Version: text, Policy: text, Failing: true}}
		}
		return s, err
	}
	d.workers.read = func(context.Context) ([]inspect.Worker, error) {
		return []inspect.Worker{{ID: "w1", Host: text, Version: text, Queues: []string{text}, State: inspect.WorkerRunning, Answered: true, Runs: []inspect.WorkerRun{{Queue: text, Kind: text}, {Queue: text, ID: text, Kind: text}}}}, nil
	}
	d.schedules.read = func(context.Context) ([]*cron.Status, error) {
		s := &cron.Status{Entry: cron.Entry{Name: text, Expr: text, Zone: text, Kind: text}, Declared: text, PausedBy: text, Warnings: []string{text}}
		return []*cron.Status{s}, nil
	}
	d.findings.read = func(context.Context) ([]inspect.Finding, error) {
		return []inspect.Finding{{Name: "rights", Level: inspect.Warning, What: text, Means: text, Do: text}}, nil
	}
}
