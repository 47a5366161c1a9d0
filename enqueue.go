package tasuki

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/tasuki-dev/tasuki/internal/failpoint"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// Enqueuer takes jobs. It is what application code should ask for: a Client is
// one, and so are a batch, a bridge to another format and a recorder in a test.
//
// The answers are in the order of the specs. When some were not accepted the
// error is a *ManyError that says which; an Enqueuer refuses an option that it
// cannot honour with ErrUnsupported, it never drops one.
type Enqueuer interface {
	EnqueueMany(ctx context.Context, specs []Spec) ([]Info, error)
}

// EnqueueFunc makes an Enqueuer of a function.
type EnqueueFunc func(ctx context.Context, specs []Spec) ([]Info, error)

// EnqueueMany calls f.
func (f EnqueueFunc) EnqueueMany(ctx context.Context, specs []Spec) ([]Info, error) {
	return f(ctx, specs)
}

// EnqueueMiddleware stands before an Enqueuer: it may change what goes in, and
// look at what comes out.
type EnqueueMiddleware func(next Enqueuer) Enqueuer

var (
	_ Enqueuer = (*Client)(nil)
	_ Enqueuer = EnqueueFunc(nil)
)

// EnqueueMany puts in any number of jobs, in commands of at most 500 jobs and
// about 1 MiB. Jobs of one queue that have neither a time nor an id are ready in
// the order in which they are given.
//
// Every job is accepted or not by itself: see ManyError. When Redis refuses a
// command, its reply is lost or replicas do not confirm it, those behind it are not
// sent. Of a job with ErrNotReplicated, which is in, the Info says ID, Kind and Queue;
// of others that have an error it is empty.
func (c *Client) EnqueueMany(ctx context.Context, specs []Spec) ([]Info, error) {
	return c.outer.EnqueueMany(ctx, specs)
}

const (
	maxPortion      = 500
	maxPortionBytes = 1 << 20
)

// put is the innermost Enqueuer.
func (c *Client) put(ctx context.Context, specs []Spec) ([]Info, error) {
	b := batch{client: c, ctx: ctx, specs: specs, infos: make([]Info, len(specs)), now: time.Now()}
	b.put()
	if b.errs == nil {
		return b.infos, nil
	}
	return b.infos, &ManyError{Errs: b.errs}
}

// batch is one call of EnqueueMany. Two goroutines work on it: one builds
// portions, the other sends them and owns errs. A job's info belongs to the
// portion that it is in.
type batch struct {
	client *Client
	ctx    context.Context
	specs  []Spec
	infos  []Info
	now    time.Time
	bad    map[int]error // what the builder found wrong; read when it has ended
	errs   []error       // nil while there is none
}

// portion is what one command carries: jobs of one queue that go in the same
// way.
type portion struct {
	queue string
	way   way
	jobs  []int
	buf   []byte // their elements, one behind the other
	ends  []int
	locks []string // of recorded jobs, their names; "" of one without
}

// way is how a job goes in.
type way uint8

const (
	pushed   way = iota
	special      // with a time or an id: by a script
	recorded     // with a record: by another; behind each element is the pointer
)

func (o *Opts) way() way {
	switch {
	case o.recorded():
		return recorded
	case o.ID != "" || o.In > 0 || !o.At.IsZero():
		return special
	}
	return pushed
}

// put sends portions one after the other, so that the order is kept, and has the
// next one built while one is on its way.
func (b *batch) put() {
	if len(b.specs) == 1 { // no goroutine for what is most common
		for p := range b.portions {
			b.send(p)
		}
	} else {
		built := make(chan *portion, 1)
		go func() {
			defer close(built)
			for p := range b.portions {
				built <- p
			}
		}()
		var failed error
		for p := range built {
			if failed == nil {
				failed = b.send(p)
				failpoint.Hit(failpoint.BetweenPortions)
				continue
			}
			for _, i := range p.jobs {
				b.fail(i, fmt.Errorf("not sent, for what came before it was not accepted: %v", failed))
			}
		}
	}
	for i, err := range b.bad {
		b.fail(i, err)
	}
}

func (b *batch) fail(i int, err error) {
	if b.errs == nil {
		b.errs = make([]error, len(b.specs))
	}
	b.errs[i] = err
	if errors.Is(err, ErrNotReplicated) { // it is in
		b.infos[i] = Info{ID: b.infos[i].ID, Kind: b.infos[i].Kind, Queue: b.infos[i].Queue}
		return
	}
	b.infos[i] = Info{}
}

// portions builds the elements of all jobs that are allowed.
func (b *batch) portions(yield func(*portion) bool) {
	type key struct {
		queue string
		way   way
	}
	open := map[key]*portion{}
	var order []key
	var last key // most jobs go where the one before went
	var p *portion
	for i := range b.specs {
		s := &b.specs[i]
		if err := s.check(b.client.cfg.MaxPayload, b.now); err != nil {
			if b.bad == nil {
				b.bad = map[int]error{}
			}
			b.bad[i] = err
			continue
		}
		k := key{s.Opts.queue(), s.Opts.way()}
		left := len(b.specs) - i
		if p == nil || k != last {
			if p, last = open[k], k; p == nil {
				p = newPortion(k.queue, k.way, left, min((160+len(s.Args))*left, 64<<10))
				open[k] = p
				order = append(order, k)
			}
		}
		b.build(p, i)
		if len(p.jobs) == maxPortion || len(p.buf) >= maxPortionBytes {
			if !yield(p) {
				return
			}
			p = newPortion(k.queue, k.way, left, len(p.buf)+len(p.buf)/64)
			open[k] = p
		}
	}
	for _, k := range order {
		if p := open[k]; len(p.jobs) > 0 && !yield(p) {
			return
		}
	}
}

// newPortion has room for as many of the jobs that are left as go into a portion,
// and for size bytes.
func newPortion(queue string, way way, left, size int) *portion {
	n := min(left, maxPortion)
	return &portion{
		queue: queue, way: way,
		jobs: make([]int, 0, n), buf: make([]byte, 0, size), ends: make([]int, 0, n),
	}
}

// build appends the element of job i to p.
func (b *batch) build(p *portion, i int) {
	var job wire.Job
	b.specs[i].fill(&job, &b.infos[i], b.now)
	p.jobs = append(p.jobs, i)
	if p.way == recorded {
		p.buf = job.AppendBody(p.buf)
		p.ends = append(p.ends, len(p.buf))
		p.buf = append(p.buf, job.Pointer(job.Lock, 1)...)
		p.locks = append(p.locks, job.Lock)
	} else {
		p.buf = job.Append(p.buf)
	}
	p.ends = append(p.ends, len(p.buf))
}

// fill makes the job that s, which has been checked, asks for: as its element says
// it and as the caller is told.
func (s *Spec) fill(job *wire.Job, to *Info, now time.Time) {
	*job = wire.Job{
		ID: s.Opts.ID, Kind: s.Kind, EnqueuedAt: now.UnixMilli(),
		MaxAttempts: s.Opts.MaxAttempts, Timeout: millis(s.Opts.Timeout),
		Deadline: unixMilli(s.Opts.Deadline), ExpireAt: unixMilli(s.Opts.expiry(now)),
		Meta: s.Opts.Meta, Args: s.Args,
	}
	if job.ID == "" {
		job.ID = wire.NewID(now)
	}
	state, due := StateReady, s.Opts.due(now)
	if !due.IsZero() {
		state = StateScheduled
	}
	switch {
	case s.Opts.recorded():
		job.Keep = millis(s.Opts.keep())
		if s.Opts.Unique.Mode != "" {
			job.Unique, job.Lock = s.uniqueKey()
		}
	case s.Opts.In > 0 || !s.Opts.At.IsZero():
		job.Token = wire.NewToken() // by Redis' clock it may have to wait
	}
	*to = Info{
		ID: job.ID, Kind: s.Kind, Queue: s.Opts.queue(), State: state, MaxAttempts: s.Opts.MaxAttempts,
		EnqueuedAt: now, DueAt: due, Timeout: max(s.Opts.Timeout, 0),
		Deadline: moment(job.Deadline), ExpireAt: moment(job.ExpireAt), Meta: s.Opts.Meta,
	}
}

// existed is what a caller is told of a job whose id was there already.
func existed(i Info) Info { return Info{ID: i.ID, Kind: i.Kind, Queue: i.Queue, Existed: true} }

// send puts in one portion, and notes of its jobs what came of them.
func (b *batch) send(p *portion) error {
	q, there, err := b.accept(p)
	if err == nil || errors.Is(err, ErrUncertain) {
		b.client.announce(b.ctx, q)
	}
	if err != nil {
		for _, i := range p.jobs {
			b.fail(i, err)
		}
		return err
	}
	for n, was := range there {
		if was {
			i := p.jobs[n]
			b.infos[i] = existed(b.infos[i])
		}
	}
	return nil
}

func (b *batch) accept(p *portion) (q *knownQueue, existed []bool, err error) {
	k, err := b.client.queue(p.queue)
	if err != nil {
		return nil, nil, err
	}
	elements := wire.Cut(p.buf, p.ends)
	switch p.way {
	case pushed:
		return k, nil, b.client.store.Push(b.ctx, k.Queue, elements)
	case recorded:
		return k, nil, b.record(k, p, elements)
	}
	puts := make([]store.Put, len(elements))
	for n, i := range p.jobs {
		o := &b.specs[i].Opts
		puts[n] = store.Put{ID: o.ID, Element: elements[n], In: o.In, At: o.At}
	}
	accepted, err := b.client.store.Enqueue(b.ctx, k.Queue, b.client.cfg.SeenFor, b.client.cfg.SeenMax, puts)
	existed = make([]bool, len(accepted))
	for n, ok := range accepted {
		existed[n] = !ok
	}
	return k, existed, err
}

// knownQueue is a queue that the client has used.
type knownQueue struct {
	*store.Queue
	made  time.Time
	again atomic.Int64 // how long after it was made it is entered in the directory of queues once more; 0: it was not yet
}

// announceAgain is after how long a client enters a queue in the directory again, with a tenth of it
// more or less: a server may have lost everything. Of all that a client sends in five minutes, it is
// one command for each queue.
const announceAgain = 5 * time.Minute

func (c *Client) queue(name string) (*knownQueue, error) {
	if k, ok := c.queues.Load(name); ok {
		return k.(*knownQueue), nil
	}
	q, err := c.store.Queue(name)
	if err != nil {
		return nil, err
	}
	k, _ := c.queues.LoadOrStore(name, &knownQueue{Queue: q, made: time.Now()})
	return k.(*knownQueue), nil
}

// announce enters a queue in the directory when this client first uses it, and every
// five minutes as long as it does. If that fails the next enqueue tries again: the jobs
// are in, and the directory is for people and dashboards.
func (c *Client) announce(ctx context.Context, q *knownQueue) {
	now, again := int64(time.Since(q.made)), q.again.Load()
	if again > now {
		return
	}
	next := now + int64(announceAgain*9/10+rand.N(announceAgain/5))
	if again > 0 && !q.again.CompareAndSwap(again, next) {
		return // another enqueue does it
	}
	if c.store.AddQueue(ctx, q.Queue) == nil {
		q.again.Store(next)
	} else {
		q.again.Store(0)
	}
}

// Push puts plain elements into a queue or a list of another program: raw jobs for
// a worker with HandleRaw. They go to the end at which jobs are not taken: to the
// tail as by RPUSH, with q.Tail to the head as by LPUSH. All are accepted or none.
// They do not pass ClientConfig.Use, as there is no Spec.
//
// There is no id, so that a push whose reply was lost cannot be told from one
// that was not done: ErrUncertain.
func (c *Client) Push(ctx context.Context, q Queue, payloads ...[]byte) error {
	if err := q.validate(); err != nil {
		return fmt.Errorf("push: %w", err)
	}
	known, err := c.queue(q.name())
	if err != nil {
		return fmt.Errorf("push: %w", err)
	}
	keys := *known.Queue
	keys.Tail = q.Tail
	elements := make([]string, len(payloads))
	size := 0
	for i, payload := range payloads {
		if len(payload) > c.cfg.MaxPayload {
			return fmt.Errorf("push: payload %d: %d bytes: allowed are %d (ClientConfig.MaxPayload)", i, len(payload), c.cfg.MaxPayload)
		}
		elements[i] = string(payload)
		size += len(payload)
	}
	if len(payloads) == 0 || len(payloads) > maxPortion || size > maxPortionBytes && len(payloads) > 1 {
		return fmt.Errorf("push: %d payloads of %d bytes: allowed in one call are 1 to %d of about %d", len(payloads), size, maxPortion, maxPortionBytes)
	}
	err = c.store.Push(ctx, &keys, elements)
	if err == nil || errors.Is(err, ErrUncertain) {
		c.announce(ctx, known)
	}
	if err != nil {
		return fmt.Errorf("push: %w", err)
	}
	return nil
}

// millis is d in milliseconds, rounded up; -1 stays -1.
func millis(d time.Duration) int64 {
	if d < 0 {
		return -1
	}
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}

// unixMilli is t as an element says it, rounded up; 0 for the zero time.
func unixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Add(time.Millisecond - 1).UnixMilli()
}
