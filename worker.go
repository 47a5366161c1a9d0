package tasuki

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// DefaultQueue is the queue of a job that names none, and of a worker that is
// given none.
const DefaultQueue = "default"

// Queue is one queue of a worker: one of tasuki's, by Name, or a list of another
// program, by List.
type Queue struct {
	Name string
	// Weight is how often the queue is asked first, compared with the others.
	// All zero: strict, in the order given. All positive: by weight. Mixed is
	// refused.
	Weight int
	// List is the key of a list that any program fills: every element is a job,
	// raw unless it is a job object. What fails and what is due later is kept in
	// keys of tasuki's own, and the queue is called "list:KEY".
	List string
	// Tail takes jobs at the right end of List, for programs that LPUSH.
	Tail bool
}

// name is what the queue is called everywhere else.
func (q Queue) name() string {
	if q.List != "" {
		return store.ListPrefix + q.List
	}
	return q.Name
}

// WorkerConfig is what a Worker takes and how. The zero value of a field is its
// default.
type WorkerConfig struct {
	// Queues are asked in this order: see Queue.Weight. At most 64, as each has
	// a connection of its own; "default" unless told.
	Queues []Queue
	// Concurrency is how many handlers run at a time: 10 unless told.
	Concurrency int
	// Grace is how long handlers may go on after the stop: 25 s unless told,
	// -1 for not at all. After it their context ends with ErrStopping.
	Grace time.Duration

	// Use are the middlewares around every handler, the outermost first.
	Use []Middleware
	// Logger is the client's unless told.
	Logger *slog.Logger
	// OnChange is told of every change of a job's state that this worker makes: an
	// attempt begins, it ends in one way or another, a dead worker's job is put back
	// or buried. A job that is dead is told with StateDead, whatever the reason.
	//
	// It is called before the change is written to Redis, by the goroutine that has
	// run the job or sweeps: so at least once. A change that Redis then refuses, as
	// the job belongs to others, is told all the same; what comes of it, they tell.
	//
	// It is called from many goroutines at a time, and must be quick: it holds a slot,
	// or up a sweep. A panic in it is logged, and changes nothing. What Redis moves by
	// itself (what is due) and what others do (package inspect) is not told; of an
	// enqueue an EnqueueMiddleware is told.
	OnChange func(Change)
	// OnStop is called when somebody asks this worker to stop (tasuki worker stop), in
	// place of its stop: a program that has more to end ends the context of Run in it. It
	// is called once, and must not block. Without it Run stops, and returns nil.
	OnStop func()
	// OnBeat is called after every beat of this worker, about once a second, with nil or
	// with why Redis has not taken it: the first time when the worker has entered the list
	// of workers, the last when it stops. It is called by the goroutine that beats, which
	// takes part in all that can make a worker stand still; so a watchdog that it feeds
	// bites when the worker hangs, and not when Redis is away. While Redis stalls, 20 s may
	// pass between two calls. It must not block.
	OnBeat func(err error)

	// MaxAttempts, Timeout and Backoff are for jobs that say nothing of them,
	// and whose kind says nothing: 20, none, DefaultBackoff unless told.
	MaxAttempts int
	Timeout     time.Duration
	Backoff     func(job Info, err error) time.Duration

	// DeadMax and DeadFor are how many dead jobs a queue keeps, and for how
	// long: 10,000 and 180 days unless told. What is trimmed is counted.
	DeadMax int
	DeadFor time.Duration
	// KeepMax is how many records of ended jobs a queue keeps, beside the time that each
	// is kept (Opts.Keep): 10,000 unless told. The oldest go first, within a minute.
	KeepMax int
	// NoStatistics has this worker count nothing for the statistics that package inspect
	// shows (History, Kinds, Failures). The counters of queues go on.
	NoStatistics bool
	// UnknownFor is how long a job is put back that no worker has a handler
	// for, as while a new version is rolled out: a day unless told. Then it is
	// dead.
	UnknownFor time.Duration
}

func (c WorkerConfig) withDefaults(client *Client) WorkerConfig {
	if len(c.Queues) == 0 {
		c.Queues = []Queue{{Name: DefaultQueue}}
	}
	if c.Concurrency == 0 {
		c.Concurrency = 10
	}
	if c.Grace == 0 {
		c.Grace = 25 * time.Second
	}
	if c.Logger == nil {
		c.Logger = client.cfg.Logger
	}
	if c.MaxAttempts == 0 {
		c.MaxAttempts = 20
	}
	if c.Backoff == nil {
		c.Backoff = DefaultBackoff
	}
	if c.DeadMax == 0 {
		c.DeadMax = 10_000
	}
	if c.DeadFor == 0 {
		c.DeadFor = 180 * 24 * time.Hour
	}
	if c.KeepMax == 0 {
		c.KeepMax = 10_000
	}
	if c.UnknownFor == 0 {
		c.UnknownFor = 24 * time.Hour
	}
	return c
}

const maxQueues = 64

func (c *WorkerConfig) validate() error {
	switch {
	case c.Concurrency < 1 || c.Concurrency > 100_000:
		return fmt.Errorf("Concurrency: %d: allowed are 1 to 100000", c.Concurrency)
	case c.Grace < -1 || c.Grace > 24*time.Hour:
		return fmt.Errorf("Grace: %v: allowed are 1 ns to 24 h, -1 for none, and 0 for the default", c.Grace)
	case c.MaxAttempts < -1:
		return fmt.Errorf("MaxAttempts: %d: allowed are 1 and more, and -1 for no limit", c.MaxAttempts)
	case c.Timeout < -1 || c.Timeout > maxDelay:
		return fmt.Errorf("Timeout: %v: allowed are up to 100 years, and 0 and -1 for none", c.Timeout)
	case c.DeadMax < 1 || c.DeadFor < time.Millisecond:
		return fmt.Errorf("DeadMax and DeadFor: %d and %v: allowed are 1 and more, 1 ms and more", c.DeadMax, c.DeadFor)
	case c.KeepMax < 1:
		return fmt.Errorf("KeepMax: %d: allowed are 1 and more", c.KeepMax)
	case c.UnknownFor < time.Second:
		return fmt.Errorf("UnknownFor: %v: allowed are 1 s and more", c.UnknownFor)
	case len(c.Queues) > maxQueues:
		return fmt.Errorf("Queues: %d: allowed are %d, as each has a connection of its own; share them among several workers", len(c.Queues), maxQueues)
	}
	for i, use := range c.Use {
		if use == nil {
			return fmt.Errorf("Use[%d]: nil: allowed are functions", i)
		}
	}
	var names []string
	for i, q := range c.Queues {
		if err := q.validate(); err != nil {
			return fmt.Errorf("Queues[%d]: %w", i, err)
		}
		if (q.Weight > 0) != (c.Queues[0].Weight > 0) {
			return fmt.Errorf("Queues[%d].Weight: %d beside %d of the first: allowed are all zero (strict) or all positive", i, q.Weight, c.Queues[0].Weight)
		}
		if slices.Contains(names, q.name()) {
			return fmt.Errorf("Queues[%d]: %q is there twice", i, q.name())
		}
		names = append(names, q.name())
	}
	return nil
}

func (q Queue) validate() error {
	switch {
	case q.Weight < 0:
		return fmt.Errorf("Weight: %d: allowed are 0 and more", q.Weight)
	case q.Name != "" && q.List != "":
		return fmt.Errorf("Name and List: %q and %q: allowed is one of them", q.Name, q.List)
	case q.Name == "" && q.List == "":
		return errors.New("Name and List are both empty: one of them is needed")
	case q.Tail && q.List == "":
		return errors.New("Tail: true: it is allowed only with List; tasuki's own queues are taken at the head")
	case q.List == "":
		return wire.CheckQueue("Name", q.Name)
	}
	return nil
}

// Handler runs one job.
type Handler func(ctx context.Context, job *RawJob) error

// Middleware stands before a Handler: it may change the context, look at the
// job, at the error (a *PanicError, if the handler has panicked) and at the time it
// took. It sees arguments as bytes.
type Middleware func(next Handler) Handler

// Service is what Attach takes: anything that runs until its context ends.
type Service interface {
	Run(ctx context.Context) error
}

// Worker takes jobs of its queues and runs handlers. Handlers are set before
// Run; after that all methods are safe for concurrent use.
type Worker struct {
	client *Client
	cfg    WorkerConfig
	log    *slog.Logger
	place  string       // host:pid
	lone   *atomic.Bool // loneSuspect

	kinds map[string]*route // by kind
	raw   map[string]*route // by queue: what is no job object
	other *route            // kinds without a handler
	queue map[string]*store.Queue

	mu       sync.Mutex
	services []Service
	session  *session // while Run runs
	ran      bool

	warnMu sync.Mutex // held by no one who takes another lock
	warned map[string]bool
}

// route is where a job goes.
type route struct {
	handler Handler
	opts    Opts // for what the job's element does not carry
	backoff func(job Info, err error) time.Duration
}

// NewWorker returns a worker, or an error that names the field of the config
// (nil is the defaults) and what is allowed. It does not dial.
func NewWorker(client *Client, cfg *WorkerConfig) (*Worker, error) {
	var c WorkerConfig
	if cfg != nil {
		c = *cfg
	}
	c = c.withDefaults(client)
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("tasuki: WorkerConfig.%w", err)
	}
	w := &Worker{client: client, cfg: c, log: c.Logger, lone: &loneSuspect, kinds: map[string]*route{}, raw: map[string]*route{}, queue: map[string]*store.Queue{}, warned: map[string]bool{}}
	w.place = (&store.About{Host: hostname(), PID: os.Getpid()}).Place()
	for i, q := range c.Queues {
		keys, err := w.keys(q)
		if err != nil {
			return nil, fmt.Errorf("tasuki: WorkerConfig.Queues[%d]: %w", i, err)
		}
		w.queue[q.name()] = keys
	}
	return w, nil
}

func (w *Worker) keys(q Queue) (*store.Queue, error) {
	keys, err := w.client.store.Queue(q.name())
	if err != nil {
		return nil, err
	}
	keys.Tail = q.Tail
	return keys, nil
}

// Handle sets the handler of a kind. What a job's element does not carry (a
// program in another language pushed it) comes from k. It panics when the kind
// has a handler already, or the worker runs.
func Handle[A any](w *Worker, k Kind[A], h func(ctx context.Context, job *Job[A]) error) {
	decode := k.funcs.Decode
	typed := func(ctx context.Context, raw *RawJob) error {
		job := &Job[A]{Info: raw.Info, run: raw.run}
		var err error
		if decode != nil {
			job.Args, err = decode(raw.Args)
		} else {
			err = decodeArgs(raw.Args, &job.Args)
		}
		if err != nil {
			return fmt.Errorf("arguments of %s: %w", raw.Kind, err)
		}
		return h(ctx, job)
	}
	w.set("Handle", k.name, func() {
		if k.name == "" {
			panic("tasuki: Handle: a Kind that Define has not made")
		}
		if w.kinds[k.name] != nil {
			panic("tasuki: Handle: kind " + k.name + " has a handler")
		}
		w.kinds[k.name] = &route{handler: typed, opts: k.opts, backoff: k.funcs.Backoff}
	})
}

// HandleRaw sets the handler of a queue's raw jobs: elements that are no job
// objects. queue is "list:KEY" for a list of another program; it may be one that
// AddQueue adds later. Without it such an element is dead at once, with the
// reason. It panics when the queue has one already or is no name of one, or the
// worker runs.
func HandleRaw(w *Worker, queue string, h Handler) {
	w.set("HandleRaw", queue, func() {
		if _, err := w.client.store.Queue(queue); err != nil {
			panic("tasuki: HandleRaw: " + err.Error())
		}
		if w.raw[queue] != nil {
			panic("tasuki: HandleRaw: queue " + queue + " has a raw handler")
		}
		w.raw[queue] = &route{handler: h}
	})
}

// HandleOther sets the handler of all kinds that have none. Without it a job of
// such a kind is put back for another worker, with a delay. It panics when there
// is one already, or the worker runs.
func HandleOther(w *Worker, h Handler) {
	w.set("HandleOther", "", func() {
		if w.other != nil {
			panic("tasuki: HandleOther: there is one already")
		}
		w.other = &route{handler: h}
	})
}

func (w *Worker) set(what, name string, f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ran {
		panic("tasuki: " + what + " " + name + ": the worker runs; handlers are set before Run")
	}
	f()
}

// Attach adds a service that is started and stopped with the worker. An error
// that it returns before ends the worker, whose Run returns it. Run waits until it
// has ended, however long that takes.
func (w *Worker) Attach(s Service) {
	w.set("Attach", fmt.Sprintf("%T", s), func() { w.services = append(w.services, s) })
}

// errRan is what a second Run returns.
var errRan = errors.New("tasuki: Run was called before; a worker runs once")

// Run takes jobs and runs handlers until ctx ends, then stops: it claims no more,
// gives handlers the grace, ends their contexts with ErrStopping, puts back what
// was interrupted and writes every outcome. It returns nil after a clean stop,
// never ctx's error; a *StuckError when handlers do not end; an error when Redis
// refuses the worker at the start, or could not be reached at the end.
//
// Handlers get a context with the values of ctx and not its end. While Redis is
// away the worker goes on, and tries again.
func (w *Worker) Run(ctx context.Context) error {
	w.mu.Lock()
	if w.ran {
		w.mu.Unlock()
		return errRan
	}
	w.ran = true
	w.wrapHandlers()
	s := newSession(w, context.WithoutCancel(ctx))
	w.session = s
	w.mu.Unlock()

	if err := s.begin(ctx); err != nil {
		return fmt.Errorf("tasuki: worker: %w", err)
	}
	failed := s.serve(ctx)
	err := s.end()
	w.mu.Lock()
	w.session = nil
	w.mu.Unlock()
	if failed != nil {
		return errors.Join(failed, err)
	}
	return err
}

// wrapHandlers puts the middlewares around every handler.
func (w *Worker) wrapHandlers() {
	if len(w.cfg.Use) == 0 {
		return
	}
	routes := slices.Concat(slices.Collect(maps.Values(w.kinds)), slices.Collect(maps.Values(w.raw)))
	if w.other != nil {
		routes = append(routes, w.other)
	}
	for _, r := range routes {
		// A panic is an error for middlewares too; call is there once more for
		// their own.
		h := r.handler
		r.handler = func(ctx context.Context, job *RawJob) error { return call(ctx, h, job) }
		for _, use := range slices.Backward(w.cfg.Use) {
			r.handler = use(r.handler)
		}
	}
}

// AddQueue makes a running worker take jobs of one more queue. With strict order
// it comes last.
func (w *Worker) AddQueue(q Queue) error {
	if err := q.validate(); err != nil {
		return fmt.Errorf("tasuki: AddQueue: %w", err)
	}
	if first := w.cfg.Queues[0].Weight; (q.Weight > 0) != (first > 0) {
		return fmt.Errorf("tasuki: AddQueue: Weight: %d beside %d of the first: allowed are all zero (strict) or all positive", q.Weight, first)
	}
	keys, err := w.keys(q)
	if err != nil {
		return fmt.Errorf("tasuki: AddQueue: %w", err)
	}
	s, err := w.running("AddQueue")
	if err != nil {
		return err
	}
	if err := s.addQueue(q, keys); err != nil {
		return fmt.Errorf("tasuki: AddQueue: %w", err)
	}
	return nil
}

// RemoveQueue makes a running worker take no more jobs of a queue ("list:KEY" for
// a list of another program). Those that it has taken it still runs; until they
// have ended the queue cannot be added again.
func (w *Worker) RemoveQueue(name string) error {
	s, err := w.running("RemoveQueue")
	if err != nil {
		return err
	}
	if err := s.removeQueue(name); err != nil {
		return fmt.Errorf("tasuki: RemoveQueue: %w", err)
	}
	return nil
}

func (w *Worker) running(what string) (*session, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.session == nil {
		return nil, fmt.Errorf("tasuki: %s: the worker does not run", what)
	}
	return w.session, nil
}

// ClientID returns the CLIENT ID of the connection on which the worker waits in
// a queue, as CLIENT LIST shows it; 0 while there is none, or when the server
// does not tell.
func (w *Worker) ClientID(queue string) int64 {
	s, err := w.running("ClientID")
	if err != nil {
		return 0
	}
	return s.clientID(queue)
}

// warnOnce logs something the first time only. It may be called with any lock held
// but warnMu.
func (w *Worker) warnOnce(key, message string, attrs ...any) {
	w.warnMu.Lock()
	first := !w.warned[key] && len(w.warned) < 1000
	if first {
		w.warned[key] = true
	}
	w.warnMu.Unlock()
	if first {
		w.log.Warn(message, attrs...)
	}
}

// kindNames are the kinds that the worker has handlers for, sorted.
func (w *Worker) kindNames() string {
	names := slices.Sorted(maps.Keys(w.kinds))
	if w.other != nil {
		names = append(names, "and all others")
	}
	return strings.Join(names, " ")
}
