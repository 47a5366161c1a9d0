package tasuki

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/tasuki-dev/tasuki/internal/failpoint"
	"github.com/tasuki-dev/tasuki/internal/native"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// session is a worker while it runs: its id, its sign of life, and all that ends
// with it.
type session struct {
	w    *Worker
	id   string
	base context.Context // of handlers and services: the values of Run's context
	ctx  context.Context // of calls to Redis; ends when the worker gives up
	quit context.CancelFunc

	fetcher  *fetcher
	observer observer
	beating  sync.WaitGroup
	endBeat  context.CancelFunc

	services   sync.WaitGroup
	endService context.CancelFunc
	looking    sync.WaitGroup // at the health of the server, once
	endLook    context.CancelFunc
	failed     chan error // of a service, the first

	channels chan []string // to the beat: channels to subscribe to as well
	asks     chan string   // that were heard and not answered yet
	told     chan struct{} // closed when the worker was asked to stop
	stopOnce sync.Once

	mu      sync.Mutex // no other lock is taken while it is held
	about   store.About
	entered bool                      // in the list of workers, once
	listed  bool                      // there still, as of the last beat
	sources map[string]*native.Source // by queue, until it is left; nil before it is served
	served  map[string]int            // how often each queue was begun with
}

func hostname() string {
	host, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return host
}

func newSession(w *Worker, base context.Context) *session {
	s := &session{
		w: w, id: wire.NewIncarnation(), base: base,
		failed: make(chan error, 1), channels: make(chan []string, 1),
		asks: make(chan string, 16), told: make(chan struct{}),
		sources: map[string]*native.Source{}, served: map[string]int{},
		about: store.About{Host: hostname(), PID: os.Getpid(), Started: time.Now().UnixMilli(), Concurrency: w.cfg.Concurrency,
			Kinds: slices.Sorted(maps.Keys(w.kinds)), Others: w.other != nil, Version: version()},
	}
	s.ctx, s.quit = context.WithCancel(context.Background())
	s.observer.session = s
	s.fetcher = newFetcher(w, base, s.ctx)
	for _, q := range w.cfg.Queues {
		s.about.Queues = append(s.about.Queues, q.name())
		s.sources[q.name()] = nil
	}
	return s
}

// begin makes the worker known and starts everything. While Redis cannot be
// reached it tries again; what Redis refuses it returns.
func (s *session) begin(ctx context.Context) error {
	pulse := s.w.client.store.Pulse(s.id, s.heard)
	var beaten store.Beaten
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		err := s.announce(ctx)
		if err == nil {
			beaten, err = pulse.Beat(ctx, true, s.channelNames)
		}
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			s.abandon(pulse)
			return nil
		}
		if store.IsRedis(err) || errors.Is(err, store.ErrClosed) {
			s.abandon(pulse)
			return fmt.Errorf("%s: %w", s.w.client.url, err)
		}
		s.w.warnOnce("begin", "tasuki: redis cannot be reached yet; trying again", "url", s.w.client.url, "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(jitter(pause)):
		}
	}
	s.mu.Lock()
	s.about.Subscribed = pulse.Subscribed()
	s.mu.Unlock()
	if pulse.Subscribed() {
		if err := s.announce(ctx); err != nil {
			s.w.log.Warn("tasuki: the worker could not say that it is subscribed; its death would be noticed late", "err", err)
		}
	} else {
		s.w.log.Warn("tasuki: SUBSCRIBE is refused: a job cannot be cancelled here, a pause is noticed late, and the death of this worker after 30 s instead of 2")
	}
	beatCtx, endBeat := context.WithCancel(s.ctx)
	s.endBeat = endBeat
	s.beating.Go(func() { s.beat(beatCtx, pulse, beaten) })
	s.beating.Go(func() { s.answerAsks(beatCtx) })
	s.beating.Go(func() { s.fetcher.stats.run(beatCtx, s.id) })
	s.fetcher.beaten(time.Now(), true)
	s.entry(true)
	s.looking.Add(1) // before the first handler, for who waits for it then
	for _, q := range s.w.cfg.Queues {
		s.serveQueue(q.name(), q.Weight, s.w.queue[q.name()])
	}
	serviceCtx, endService := context.WithCancel(s.base)
	s.endService = endService
	for _, service := range s.w.services {
		s.services.Go(func() {
			if err := service.Run(serviceCtx); err != nil && serviceCtx.Err() == nil {
				select {
				case s.failed <- fmt.Errorf("service %T: %w", service, err):
				default:
				}
			}
		})
	}
	for queue := range s.w.raw {
		if s.w.queue[queue] == nil {
			s.w.log.Warn("tasuki: a raw handler is for a queue that is not among the worker's; AddQueue may add it", "queue", queue)
		}
	}
	s.w.log.Info("tasuki: worker started", "worker", s.id, "redis", s.w.client.url, "queues", s.queueNames(),
		"slots", s.w.cfg.Concurrency, "kinds", s.w.kindNames())
	lookCtx, endLook := context.WithCancel(s.ctx)
	s.endLook = endLook
	go func() {
		defer s.looking.Done()
		s.tellHealth(lookCtx)
	}()
	return nil
}

// abandon is for a session that did not begin.
func (s *session) abandon(pulse *store.Pulse) {
	pulse.Close()
	s.quit()
	s.fetcher.close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.w.client.store.Retire(ctx, s.id) //nolint:errcheck // it was hardly there, and is swept otherwise
}

// serve returns when the worker has to stop: nil when ctx has ended, or somebody has asked
// for it.
func (s *session) serve(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-s.told:
		return nil
	case err := <-s.failed:
		return fmt.Errorf("tasuki: %w", err)
	}
}

// end stops the worker: claiming, then handlers, then outcomes, then the sign of
// life.
func (s *session) end() error {
	if s.endService == nil {
		return nil // it never began
	}
	s.endService()
	s.endLook()
	noted := make(chan struct{})
	go func() {
		defer close(noted)
		s.mu.Lock()
		s.about.Stopping = true
		s.mu.Unlock()
		ctx, cancel := context.WithTimeout(s.ctx, 2*time.Second)
		defer cancel()
		if err := s.announce(ctx); err != nil {
			s.w.log.Warn("tasuki: the stop could not be noted; jobs that are cut off by it count as crashed", "err", err)
		}
	}()
	f := s.fetcher
	if running := f.stop(); running > 0 {
		s.w.log.Info("tasuki: worker stops; its handlers have the grace to end", "running", running, "grace", max(s.w.cfg.Grace, 0))
	}
	<-noted
	grace := max(s.w.cfg.Grace, 0)
	now := time.Now()
	idle := func() bool { return f.isIdle(nil) }
	if !f.await(now.Add(grace), idle) {
		f.interrupt()
		f.await(now.Add(grace+max(grace/5, time.Second)), idle)
		f.gathered()
	}
	if stuck := f.stuck(); stuck != nil {
		go func() {
			f.await(farAway, idle)
			if err := s.leave(); err != nil {
				s.w.log.Error("tasuki: after stuck handlers have ended", "err", err)
			}
		}()
		return stuck
	}
	return s.leave()
}

// farAway is a time that does not come.
var farAway = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// flushFor is how long a stop waits for Redis to take the last outcomes.
const flushFor = 5 * time.Second

// leave writes the last outcomes and gives up the lease.
func (s *session) leave() error {
	f := s.fetcher
	failpoint.Hit(failpoint.BeforeFlush)
	left := f.flush(time.Now().Add(flushFor))
	s.endBeat()
	s.beating.Wait()
	if left > 0 {
		s.quit() // what is under way is given up
	}
	giveUp := time.AfterFunc(flushFor, s.quit)
	f.close()
	giveUp.Stop()
	s.fetcher.stats.end(s.id)
	s.quit()
	s.services.Wait()
	s.looking.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	failpoint.Hit(failpoint.BeforeRetire)
	var err error
	if left > 0 {
		err = fmt.Errorf("tasuki: redis did not take %d outcomes within %v: their jobs run again", left, flushFor)
	} else if f.unleft {
		// In the list of workers it is soon seen to be dead, and swept.
		err = errors.New("tasuki: redis did not take that the worker has left a queue: it is swept there")
	} else if e := store.Repeat(ctx, func(ctx context.Context) error { return s.w.client.store.Retire(ctx, s.id) }); e != nil {
		err = fmt.Errorf("tasuki: the worker is not out of the list of workers: %w", e)
	}
	s.w.log.Info("tasuki: worker stopped", "worker", s.id)
	return err
}

// serveQueue starts to take jobs of a queue; false if the worker stops.
func (s *session) serveQueue(name string, weight int, keys *store.Queue) bool {
	s.mu.Lock()
	me := s.id
	if n := s.served[name]; n > 0 {
		// What is late of the time before must not meet the same tags.
		me = fmt.Sprintf("%s.again%d", s.id, n)
	}
	s.served[name]++
	src := native.New(s.w.client.store, keys, me, func(message string, err error) {
		s.w.warnOnce(name+" "+message, "tasuki: "+message, "queue", name, "err", err)
	})
	s.sources[name] = src
	s.mu.Unlock()
	return s.fetcher.add(name, keys.Channel, weight, src)
}

func (s *session) addQueue(q Queue, keys *store.Queue) error {
	name := q.name()
	if err := s.reserve(name); err != nil {
		return err
	}
	err := s.announce(s.ctx)
	if err == nil {
		select {
		case s.channels <- []string{keys.Channel}:
		case <-s.ctx.Done():
			err = errors.New("the worker has stopped")
		}
	}
	if err == nil && !s.serveQueue(name, q.Weight, keys) {
		err = errors.New("the worker stops")
	}
	if err != nil {
		s.forget(name)
	}
	return err
}

// reserve enters a queue, unless it is there: also one that is still being left,
// for one incarnation cannot be in a queue twice.
func (s *session) reserve(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.sources[name]; ok {
		return fmt.Errorf("%q is served already, or was removed and its last jobs have not ended", name)
	}
	if len(s.sources) == maxQueues {
		return fmt.Errorf("%q: allowed are %d queues", name, maxQueues)
	}
	s.sources[name] = nil
	s.about.Queues = append(s.about.Queues, name)
	return nil
}

// forget is for a queue that was left. Until then it is one that a sweep has to
// look at.
func (s *session) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sources, name)
	s.about.Queues = slices.DeleteFunc(s.about.Queues, func(q string) bool { return q == name })
}

func (s *session) removeQueue(name string) error {
	if !s.fetcher.remove(name, func() { s.forget(name) }) {
		return fmt.Errorf("%q is not served", name)
	}
	return nil
}

func (s *session) clientID(queue string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if src := s.sources[queue]; src != nil {
		return src.ClientID()
	}
	return 0
}

// announce writes what the worker is and does.
func (s *session) announce(ctx context.Context) error {
	s.mu.Lock()
	about := s.about
	about.Queues = slices.Clone(about.Queues)
	s.mu.Unlock()
	return s.w.client.store.Announce(ctx, s.id, &about)
}

// queueNames are the queues that the worker serves.
func (s *session) queueNames() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.about.Queues)
}

// channelNames are the channels of the worker's queues.
func (s *session) channelNames() []string {
	var names []string
	for _, name := range s.queueNames() {
		if q, err := s.w.client.store.Queue(name); err == nil {
			names = append(names, q.Channel)
		}
	}
	return names
}
