package proof

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/bridge"
	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// site is a namespace on a server with its workers and its ledgers. A row can have
// several, which know nothing of each other.
type site struct {
	*row
	dir       string
	server    *redistest.Server
	url       string // what is not told otherwise reaches the server there
	namespace string
	queues    []string
	client    *tasuki.Client // past every proxy
	inspector *inspect.Inspector
	nemesis   *ledger

	mu      sync.Mutex
	started map[string]int // processes by name
	workers []*worker
}

// site makes one for some queues; "default" if none is named.
func (r *row) site(server *redistest.Server, queues ...string) *site {
	r.t.Helper()
	return r.siteAt(server, server.URL(), queues...)
}

// siteAt is for a server that is reached at another URL: Sentinel, or a Cluster, of
// which server may be nil.
func (r *row) siteAt(server *redistest.Server, url string, queues ...string) *site {
	r.t.Helper()
	if len(queues) == 0 {
		queues = []string{tasuki.DefaultQueue}
	}
	s := &site{row: r, server: server, url: url, queues: queues, started: map[string]int{}}
	r.mu.Lock()
	name := fmt.Sprint("s", len(r.sites)+1)
	r.sites = append(r.sites, s)
	r.mu.Unlock()
	s.namespace = redistest.Namespace(r.t) + name
	s.dir = filepath.Join(r.dir, name)
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		r.t.Fatal(err)
	}
	s.client = s.open(url)
	s.inspector = inspect.New(s.client)
	s.nemesis = s.ledger("nemesis")
	if server != nil {
		r.describe(server)
	}
	return s
}

// open returns one more client.
func (s *site) open(url string) *tasuki.Client {
	s.t.Helper()
	client, err := tasuki.Open(url, &tasuki.ClientConfig{Namespace: s.namespace, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(client.Close)
	return client
}

func (s *site) ledger(name string) *ledger {
	s.t.Helper()
	l, err := openLedger(filepath.Join(s.dir, name+ledgerSuffix))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(l.close)
	return l
}

// noteFault notes that something is about to be done that has no line of its own.
func (s *site) noteFault(format string, args ...any) {
	s.nemesis.note("fault %d %s", micros(), fmt.Sprintf(format, args...))
}

// worker is a place for a worker process, which can be killed and started again.
type worker struct {
	*redistest.Process
	s    *site
	name string
	cfg  workerConfig
	run  string // the name of the present process, and of its ledger
}

// startWorker starts a worker process: on all queues of the site with 25 slots,
// unless c says otherwise.
func (s *site) startWorker(name string, c workerConfig) *worker {
	s.t.Helper()
	if c.URL == "" {
		c.URL = s.url
	}
	if c.Concurrency == 0 {
		c.Concurrency = 25
	}
	if c.Queues == nil {
		for _, q := range s.queues {
			c.Queues = append(c.Queues, tasuki.Queue{Name: q})
		}
	}
	c.Namespace = s.namespace
	w := &worker{s: s, name: name, cfg: c}
	s.mu.Lock()
	s.workers = append(s.workers, w)
	s.mu.Unlock()
	w.restart()
	return w
}

// startWorkers starts n worker processes, a and so on, and waits until all may claim.
func (s *site) startWorkers(n int, c workerConfig) []*worker {
	s.t.Helper()
	there := len(s.workers)
	var all []*worker
	for i := range n {
		all = append(all, s.startWorker(string(rune('a'+i)), c))
	}
	s.waitWorkers(there + n)
	return all
}

// restart starts the process anew after kill.
func (w *worker) restart() {
	w.s.t.Helper()
	w.s.mu.Lock()
	w.s.started[w.name]++
	w.run = fmt.Sprintf("%s.%d", w.name, w.s.started[w.name])
	w.s.mu.Unlock()
	w.cfg.Ledger = filepath.Join(w.s.dir, w.run+ledgerSuffix)
	w.Process = redistest.StartSelf(w.s.t, workerEnv, w.cfg, w.s.log(w.name))
}

// id is the name under which the present process is listed, "" as long as it has not
// said so.
func (w *worker) id() string {
	h := newHistory()
	if err := h.read(w.cfg.Ledger); err != nil {
		w.s.t.Error(err)
	}
	for id := range h.workers {
		return id
	}
	return ""
}

// kill is kill -9.
func (w *worker) kill() {
	w.s.nemesis.note("kill %s %d", w.run, micros())
	w.Kill()
}

// freeze is SIGSTOP, thaw SIGCONT.
func (w *worker) freeze() {
	w.s.nemesis.note("stop %s %d", w.run, micros())
	w.Signal(w.s.t, syscall.SIGSTOP)
}

func (w *worker) thaw() {
	w.s.nemesis.note("cont %s %d", w.run, micros())
	w.Signal(w.s.t, syscall.SIGCONT)
}

// producerProcess is a place for a producer process.
type producerProcess struct {
	*redistest.Process
	s    *site
	name string
	cfg  producerConfig
}

// startProducer starts a producer process. One that is started again goes on where
// its ledger ends.
func (s *site) startProducer(name, url string, p plan) *producerProcess {
	s.t.Helper()
	if len(p.Mix.Queues) == 0 {
		p.Mix.Queues = s.queues
	}
	p.Mix.Seed = s.seed
	producer := &producerProcess{s: s, name: name, cfg: producerConfig{
		URL: url, Namespace: s.namespace, Ledger: filepath.Join(s.dir, name+ledgerSuffix), Plan: p,
	}}
	producer.restart()
	return producer
}

// restart starts the process anew after Kill.
func (p *producerProcess) restart() {
	p.s.t.Helper()
	p.Process = redistest.StartSelf(p.s.t, producerEnv, p.cfg, p.s.log(p.name))
}

// log is a file for what processes print.
func (s *site) log(name string) *os.File {
	s.t.Helper()
	f, err := os.OpenFile(filepath.Join(s.dir, name+".log"), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { f.Close() })
	return f
}

// stopWorkers tells all workers to stop, as an operator does, and waits for it. Before
// that the last death has to be noticed: nobody is there to do it afterwards.
func (s *site) stopWorkers() {
	s.t.Helper()
	redistest.WaitLong(s.t, s.patience, "the list of workers to be those that live", func() error {
		var alive []string
		for _, w := range s.workers {
			alive = append(alive, w.id())
		}
		beats, _, err := bridge.Store(s.client).Workers(context.Background())
		if err != nil {
			return err
		}
		listed := slices.Sorted(maps.Keys(beats))
		if slices.Sort(alive); !slices.Equal(alive, listed) {
			return fmt.Errorf("there are %v, and listed %v", alive, listed)
		}
		return nil
	})
	for _, w := range s.workers {
		w.Signal(s.t, syscall.SIGTERM)
	}
	for _, w := range s.workers {
		select {
		case <-w.Ended():
		case <-time.After(time.Minute):
			s.t.Errorf("%s does not stop", w.run)
		}
	}
}

// waitWorkers waits until n workers may claim from the first queue.
func (s *site) waitWorkers(n int) {
	s.t.Helper()
	redistest.WaitLong(s.t, time.Minute, fmt.Sprint(n, " workers"), func() error {
		q, err := s.inspector.Queue(context.Background(), s.queues[0])
		if err == nil && q.Workers != n {
			err = fmt.Errorf("there are %d", q.Workers)
		}
		return err
	})
}

// producer returns a producer in this process, with a ledger of its own.
func (s *site) producer(client *tasuki.Client, p plan) *producer {
	s.t.Helper()
	s.mu.Lock()
	s.started["p"]++
	name := fmt.Sprint("p", s.started["p"])
	s.mu.Unlock()
	if len(p.Mix.Queues) == 0 {
		p.Mix.Queues = s.queues
	}
	if p.Mix.Seed == 0 {
		p.Mix.Seed = s.seed
	}
	return &producer{plan: p, client: client, ledger: s.ledger(name)}
}

// produce enqueues by a plan until all is in.
func (s *site) produce(p plan) {
	s.t.Helper()
	s.producer(s.client, p).run(s.t.Context(), 0)
}

// producing enqueues by a plan beside the caller, until all is in or stop is called.
func (s *site) producing(p plan) (done *sync.WaitGroup, stop func()) {
	s.t.Helper()
	return s.producingAt(s.url, p)
}

// producingAt does it with a client of its own, which reaches the server there.
func (s *site) producingAt(url string, p plan) (done *sync.WaitGroup, stop func()) {
	s.t.Helper()
	ctx, stop := context.WithCancel(s.t.Context())
	producer := s.producer(s.open(url), p)
	done = &sync.WaitGroup{}
	done.Go(func() { producer.run(ctx, 0) })
	return done, stop
}

// stall stops the server for a while.
func (s *site) stall(d time.Duration) {
	s.t.Helper()
	s.noteFault("server stopped for %v", d)
	s.server.Signal(s.t, syscall.SIGSTOP)
	time.Sleep(d)
	s.server.Signal(s.t, syscall.SIGCONT)
}

// survey adds up all queues.
func (s *site) survey(ctx context.Context) (inspect.Queue, error) {
	sum := inspect.Queue{Counts: map[string]int64{}}
	for _, name := range s.queues {
		q, err := s.inspector.Queue(ctx, name)
		if err != nil {
			return sum, err
		}
		sum.Ready += q.Ready
		sum.Suspect += q.Suspect
		sum.Scheduled += q.Scheduled
		sum.Retry += q.Retry
		sum.Running += q.Running
		sum.Dead += q.Dead
		for k, n := range q.Counts {
			sum.Counts[k] += n
		}
	}
	return sum, nil
}

// drain waits until nothing is left to run, and returns how long that took.
func (s *site) drain() time.Duration {
	s.t.Helper()
	start := time.Now()
	empty := 0 // looks in a row: a job that was moved between two keys while they were read is in neither
	redistest.WaitLong(s.t, s.patience, "all jobs to end", func() error {
		q, err := s.survey(context.Background())
		if left := q.Ready + q.Suspect + q.Scheduled + q.Retry + q.Running; err == nil && left > 0 {
			err = fmt.Errorf("%d are left: %+v", left, q)
		}
		if empty++; err != nil {
			empty = 0
		} else if empty < 3 {
			err = fmt.Errorf("nothing was left in %d looks", empty)
		}
		return err
	})
	return time.Since(start)
}

// judge reads the ledgers and Redis.
func (s *site) judge(allow tolerance) *verdict {
	s.t.Helper()
	h := newHistory()
	if err := h.readAll(s.dir); err != nil {
		s.t.Fatal(err)
	}
	f, err := s.find(allow)
	if err != nil {
		s.t.Fatalf("reading Redis at the end: %v", err)
	}
	return judge(h, f, allow)
}

// find reads what is in Redis.
func (s *site) find(allow tolerance) (*found, error) {
	ctx := context.Background()
	f := &found{places: map[int][]string{}}
	problems, err := s.inspector.Check(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range problems {
		f.problems = append(f.problems, p.String())
	}
	q, err := s.survey(ctx)
	if err != nil {
		return nil, err
	}
	f.counts = q.Counts
	st := bridge.Store(s.client)
	beats, _, err := st.Workers(ctx)
	if err != nil {
		return nil, err
	}
	if !allow.WorkersRun {
		for id := range beats {
			f.residue = append(f.residue, fmt.Sprintf("worker %s is in the list of workers", id))
		}
	}
	for _, name := range s.queues {
		if err := s.findQueue(ctx, st, name, allow, f); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// tombstonesGo is when a tombstone is gone for sure: it is kept for ten minutes, and
// a patrol passes every minute.
const tombstonesGo = 13 * time.Minute

func (s *site) findQueue(ctx context.Context, st *store.Store, name string, allow tolerance, f *found) error {
	keys, err := st.Queue(name)
	if err != nil {
		return err
	}
	look := func(state, key, kind string) error {
		return st.Each(ctx, key, kind, func(element string, _ float64) {
			j, _ := wire.Parse(element)
			n, ok := numberOf(j.Args)
			if !ok {
				f.problems = append(f.problems, fmt.Sprintf("%s: %s: nobody enqueued %.200q", name, state, element))
				return
			}
			f.places[n] = append(f.places[n], state)
		})
	}
	members, err := st.Members(ctx, keys)
	if err != nil {
		return err
	}
	places := [][3]string{
		{"ready", keys.Ready, "list"}, {"suspect", keys.Suspect, "list"},
		{"scheduled", keys.Scheduled, "zset"}, {"retry", keys.Retry, "zset"}, {"dead", keys.Dead, "zset"},
	}
	now, err := st.Now(ctx)
	if err != nil {
		return err
	}
	for _, m := range members {
		places = append(places, [3]string{"held", keys.Held(m.Incarnation), "hash"}, [3]string{"hand", keys.Hand(m.Incarnation), "list"})
		switch {
		case allow.WorkersRun:
		case m.Ended.IsZero():
			f.residue = append(f.residue, fmt.Sprintf("%s: %s may still claim", name, m.Incarnation))
		case now.Sub(m.Ended) > tombstonesGo:
			f.residue = append(f.residue, fmt.Sprintf("%s: the tombstone of %s is there for %v", name, m.Incarnation, now.Sub(m.Ended)))
		}
	}
	for _, p := range places {
		if err := look(p[0], p[1], p[2]); err != nil {
			return err
		}
	}
	if allow.WorkersRun {
		return nil
	}
	all, err := st.Keys(ctx)
	if err != nil {
		return err
	}
	for _, key := range all {
		if strings.Contains(key, "{"+name+"}:held:") || strings.Contains(key, "{"+name+"}:hand:") {
			f.residue = append(f.residue, key+" is there")
		}
	}
	slices.Sort(f.residue)
	return nil
}
