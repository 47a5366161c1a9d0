package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/cron"
	"github.com/tasuki-dev/tasuki/inspect"
)

// Config is how a dashboard is. Nil, or the zero value, is one that shows everything to
// everybody who reaches it, and changes nothing.
type Config struct {
	// Authorize says who has sent a request and what that one may do: ErrUnknown if it does
	// not know, another error if it lets nobody in. It is asked for every request but those
	// for stylesheets and scripts, which are the same for all. Nil: everybody may View.
	//
	// Accounts has one for passwords and tokens.
	Authorize func(*http.Request) (Actor, error)
	// Challenge has a browser ask for a password after ErrUnknown.
	Challenge bool

	// Name is shown on every page, such as "production", on a ground of Color: red, orange,
	// green, blue, purple or gray, which is it unless told.
	Name  string
	Color string

	// TraceURL is where a job's trace is shown, with {trace} for its id:
	// https://tempo.example.com/trace/{trace}.
	TraceURL string

	// Redact returns what may be shown of a part of a job, which nil or an empty slice
	// hides. kind is the job's; empty of a raw job. It is called for all that a program
	// has put into a job or said of it. With it, arguments can be edited only as a
	// whole, and only who has the right Edit can look for a text in them.
	Redact func(kind string, part Part, text []byte) []byte

	// TrustedOrigins are those of other sites whose pages may send forms here, as
	// https://example.com: needed behind a proxy that changes the Host.
	TrustedOrigins []string
	// Hosts, if there are some, are the names under which the dashboard is reached,
	// without a port. A request to another is refused: a page of somebody else's whose
	// name leads here (DNS rebinding) gets nothing.
	Hosts []string

	// Logger gets what the pages cannot tell. Nil: slog.Default().
	Logger *slog.Logger
}

// Part is a part of a job that Config.Redact is asked about.
type Part string

// The parts.
const (
	PartArgs     Part = "args"     // JSON
	PartRaw      Part = "raw"      // the bytes of a raw job
	PartResult   Part = "result"   // JSON
	PartCursor   Part = "cursor"   // JSON
	PartError    Part = "error"    // of the job, or of one of its runs
	PartReason   Part = "reason"   // why it was put aside
	PartStack    Part = "stack"    // of a panic, or of a worker that is dumped, whose kind is empty
	PartMeta     Part = "meta"     // NAME=VALUE
	PartLog      Part = "log"      // a line
	PartProgress Part = "progress" // its note
	PartKey      Part = "key"      // of its uniqueness
)

var colors = []string{"gray", "red", "orange", "green", "blue", "purple"}

func (c *Config) validate() error {
	if c.Color != "" && !slices.Contains(colors, c.Color) {
		return fmt.Errorf("web: Config.Color: %.40q: allowed are %s", c.Color, strings.Join(colors, ", "))
	}
	for _, host := range c.Hosts {
		if host == "" || len(host) > 253 || strings.ContainsAny(host, ":/@? \t") && net.ParseIP(host) == nil {
			return fmt.Errorf("web: Config.Hosts: %.100q: allowed are names and addresses without a port", host)
		}
	}
	if strings.Contains(c.Name, "://") { // it would be shown with its password
		return errors.New("web: Config.Name: a URL: allowed is a name, such as production")
	}
	if len(c.Name) > 40 {
		return fmt.Errorf("web: Config.Name: %d bytes: allowed are 40", len(c.Name))
	}
	if c.TraceURL != "" {
		u, err := url.Parse(strings.ReplaceAll(c.TraceURL, "{trace}", "0"))
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || !strings.Contains(c.TraceURL, "{trace}") {
			return fmt.Errorf("web: Config.TraceURL: %.200q: allowed is a URL that begins with https:// or http:// and has {trace} in it", c.TraceURL)
		}
	}
	return nil
}

// Dashboard is an http.Handler. It is safe for concurrent use.
type Dashboard struct {
	cfg       Config
	client    *tasuki.Client
	inspector *inspect.Inspector
	crons     *cron.Table
	mux       *http.ServeMux
	pages     map[string]bool // of routes, by their names, "" being the overview: where a form may lead back to
	crossing  *http.CrossOriginProtection
	log       *slog.Logger

	ctx   context.Context
	close context.CancelFunc
	mu    sync.Mutex // for tasks.Add, not after close
	tasks sync.WaitGroup

	description func() json.RawMessage // of the API

	live       live
	samples    look[*sample]
	workers    look[[]inspect.Worker]
	schedules  look[[]*cron.Status]
	findings   look[[]inspect.Finding]
	problems   look[[]inspect.Problem]
	failures   look[[]inspect.Failure]
	operations look[[]inspect.Operation]
	marks      look[[]inspect.MarkEntry]
	jobLooks   looks[*foundJob]
	metrics    looks[*metrics]
}

// Handler returns a dashboard of the namespace of a client. cfg may be nil. The errors name
// the field of cfg and what is allowed.
//
// The dashboard is mounted with a path that ends in a slash, behind http.StripPrefix:
//
//	mux.Handle("/jobs/", http.StripPrefix("/jobs", dashboard))
func Handler(client *tasuki.Client, cfg *Config) (*Dashboard, error) {
	d := &Dashboard{client: client, inspector: inspect.New(client), crons: cron.New(client), crossing: http.NewCrossOriginProtection()}
	if cfg != nil {
		d.cfg = *cfg
	}
	if err := d.cfg.validate(); err != nil {
		return nil, err
	}
	for _, origin := range d.cfg.TrustedOrigins {
		if !strings.HasPrefix(origin, "https://") && !strings.HasPrefix(origin, "http://") {
			return nil, fmt.Errorf("web: Config.TrustedOrigins: %.200q: allowed are https://HOST and http://HOST", origin)
		}
		if err := d.crossing.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("web: Config.TrustedOrigins: %w", err)
		}
	}
	if d.log = d.cfg.Logger; d.log == nil {
		d.log = slog.Default()
	}
	d.ctx, d.close = context.WithCancel(context.Background())
	s := &sampler{inspector: d.inspector}
	d.samples = look[*sample]{read: s.read, fresh: time.Second, limit: 5 * time.Second, spawn: d.spawn}
	d.workers = look[[]inspect.Worker]{read: d.inspector.Workers, fresh: 1500 * time.Millisecond, limit: 5 * time.Second, spawn: d.spawn}
	d.schedules = look[[]*cron.Status]{read: d.readSchedules, fresh: 1500 * time.Millisecond, limit: 5 * time.Second, spawn: d.spawn}
	d.findings = look[[]inspect.Finding]{read: d.readFindings, fresh: time.Minute, limit: 30 * time.Second, spawn: d.spawn}
	d.operations = look[[]inspect.Operation]{read: d.inspector.Operations, fresh: time.Second, limit: 5 * time.Second, spawn: d.spawn}
	d.marks = look[[]inspect.MarkEntry]{read: d.readMarks, fresh: 5 * time.Second, limit: 5 * time.Second, spawn: d.spawn}
	d.problems = look[[]inspect.Problem]{read: d.inspector.Check, fresh: time.Minute, limit: 10 * time.Minute, spawn: d.spawn}
	d.failures = look[[]inspect.Failure]{read: d.readFailures, fresh: 1500 * time.Millisecond, limit: 5 * time.Second, spawn: d.spawn}
	d.metrics.make = func(name string) *look[*metrics] {
		return &look[*metrics]{read: d.readMetrics(name), fresh: 5 * time.Second, limit: 10 * time.Second, spawn: d.spawn}
	}
	d.jobLooks.make = func(address string) *look[*foundJob] {
		return &look[*foundJob]{read: d.readJob(address), fresh: time.Second, limit: 10 * time.Second, spawn: d.spawn}
	}
	d.live = live{streams: map[chan struct{}]bool{}, spawn: d.spawn, look: func(ctx context.Context) { d.samples.get(ctx, lookEvery) }}
	d.mux = http.NewServeMux()
	d.description = sync.OnceValue(func() json.RawMessage { return describe(d.endpoints()) })
	d.handle()
	return d, nil
}

// Close ends what goes on by itself, and all live pages: a server that is shut down waits for
// them. What is being done to many jobs stops, and another dashboard can go on with it. Register it
// with http.Server.RegisterOnShutdown. It is safe to repeat.
func (d *Dashboard) Close() {
	d.mu.Lock()
	d.close()
	d.mu.Unlock()
	d.inspector.Close()
	d.tasks.Wait()
}

// spawn runs f in a goroutine that Close waits for. After Close f is called with a context
// that has ended.
func (d *Dashboard) spawn(f func(context.Context)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx.Err() != nil {
		go f(d.ctx)
		return
	}
	d.tasks.Go(func() { f(d.ctx) })
}

func (d *Dashboard) readSchedules(ctx context.Context) ([]*cron.Status, error) {
	var all []*cron.Status
	for s, err := range d.crons.List(ctx) {
		if err != nil {
			return nil, err
		}
		if all = append(all, s); len(all) == mostRows {
			break
		}
	}
	return all, nil
}

func (d *Dashboard) readFailures(ctx context.Context) ([]inspect.Failure, error) {
	return d.inspector.Failures(ctx, inspect.FailureQuery{})
}

func (d *Dashboard) readFindings(ctx context.Context) ([]inspect.Finding, error) {
	return d.inspector.Doctor(ctx, &inspect.DoctorConfig{SkipCheck: true})
}
