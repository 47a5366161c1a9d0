package sim

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/embedded"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/bridge"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// world is a scenario while it runs, in a bubble.
type world struct {
	*scenario
	*ledger
	report *report
	rng    *rand.Rand // of what is made up on the way; used by the main goroutine only
	log    *slog.Logger

	srv       *embedded.Server
	network   *network
	redis     rueidis.Client // to look and meddle past the library, and past all faults
	admin     *tasuki.Client
	inspector *inspect.Inspector
	store     *store.Store
	queue     map[string]*store.Queue

	procs     []*process
	producers []*process
	calls     sync.WaitGroup // of deeds that may block
	deathly   int            // faults for which a process may be taken for dead
	late      bool           // something was silent: what a worker says of itself may arrive when it is gone
	killed    map[*process]time.Duration
	agenda    []appointment // of the main goroutine, by time
}

// process is one program: a host, a client, and perhaps workers.
type process struct {
	name      string
	plan      processPlan
	host      *host
	client    *tasuki.Client
	workers   []*worker
	died      chan struct{} // closed when it is killed
	disturbed bool          // it may be taken for dead, rightly; guarded by ledger.mu
	stopping  bool
}

func (p *process) isDead() bool {
	select {
	case <-p.died:
		return true
	default:
		return false
	}
}

// worker is one tasuki.Worker.
type worker struct {
	*tasuki.Worker
	by      *process
	name    string
	cfg     tasuki.WorkerConfig
	cancel  context.CancelFunc
	ended   chan struct{} // closed when Run has returned
	stopped bool          // the same; guarded by ledger.mu
	err     error
	added   map[string]bool // queues, as far as AddQueue and RemoveQueue have been told
}

type args struct{ N int }

var kind = tasuki.Define[args]("sim.job")

// run does what the scenario says, in the calling goroutine's bubble.
func (w *world) run(ctx context.Context) {
	w.start = time.Now()
	w.killed = map[*process]time.Duration{}
	w.open()
	for i := range w.scenario.producers {
		w.producers = append(w.producers, w.newProcess(fmt.Sprintf("p%d", i), processPlan{}))
	}
	for _, plan := range w.processes {
		w.startProcess(plan)
	}
	for _, e := range w.events {
		w.at(e.at, func() { w.do(ctx, e) })
	}
	for len(w.agenda) > 0 && w.agenda[0].at <= w.faultsEnd {
		next := w.agenda[0]
		w.agenda = w.agenda[1:]
		time.Sleep(next.at - w.now())
		next.do()
	}
	time.Sleep(w.faultsEnd - w.now())
	w.endFaults(ctx)
	w.calls.Wait()
	if w.drain(ctx) {
		w.close()
		w.balance(w.scenario, w.places(ctx), w.deathly)
		if w.scenario.exact() {
			w.report.recovered(w.ledger.exact(w.scenario, w.killed, 0))
		}
		w.check(ctx)
	} else {
		w.close()
	}
	w.end()
}

func (w *world) fatal(err error) {
	if err != nil {
		panic(err)
	}
}

func (w *world) open() {
	var err error
	w.srv, err = embedded.Start("")
	w.fatal(err)
	w.network = &network{srv: w.srv}
	w.redis, err = rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{"sim:1"}, DisableCache: true, ForceSingleClient: true,
		DialCtxFn: func(ctx context.Context, addr string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
			return w.srv.Dial(ctx, "", addr)
		},
	})
	w.fatal(err)
	w.admin, err = tasuki.Open("redis://sim:1", &tasuki.ClientConfig{Dial: w.srv.Dial, Logger: w.log})
	w.fatal(err)
	w.inspector, w.store = inspect.New(w.admin), bridge.Store(w.admin)
	w.store.InBubble(1)
	w.queue = map[string]*store.Queue{}
	for _, name := range w.queues {
		w.queue[name], err = w.store.Queue(name)
		w.fatal(err)
	}
	for n, plan := range w.scenario.jobs {
		w.ledger.jobs = append(w.ledger.jobs, &job{jobPlan: plan, n: n, id: plan.id})
	}
}

func (w *world) newProcess(name string, plan processPlan) *process {
	p := &process{name: name, plan: plan, died: make(chan struct{})}
	p.host = w.network.host(name, w.rng, w.latency[len(w.network.hosts)%len(w.latency)])
	var err error
	p.client, err = tasuki.Open("redis://sim:1", &tasuki.ClientConfig{Dial: p.host.Dial, Logger: w.log.With("process", name)})
	w.fatal(err)
	bridge.Store(p.client).InBubble(1)
	return p
}

func (w *world) startProcess(plan processPlan) *process {
	p := w.newProcess(fmt.Sprintf("w%d", len(w.procs)), plan)
	w.procs = append(w.procs, p)
	w.startWorkers(p)
	return p
}

func (w *world) startWorkers(p *process) {
	var all []any
	for i, cfg := range p.plan.workers {
		cfg.Backoff = func(job tasuki.Info, _ error) time.Duration { return 700 * time.Millisecond }
		wk := &worker{by: p, name: fmt.Sprintf("%s.%d", p.name, i), cfg: cfg, ended: make(chan struct{}), added: map[string]bool{}}
		for _, q := range cfg.Queues {
			wk.added[q.Name] = true
		}
		var err error
		wk.Worker, err = tasuki.NewWorker(p.client, &cfg)
		w.fatal(err)
		tasuki.Handle(wk.Worker, kind, func(ctx context.Context, job *tasuki.Job[args]) error { return w.handle(ctx, wk, job) })
		all = append(all, wk.Worker)
		p.workers = append(p.workers, wk)
	}
	bridge.OneProcess(all...)
	for _, wk := range p.workers[len(p.workers)-len(all):] {
		ctx, cancel := context.WithCancel(context.Background())
		wk.cancel = cancel
		go func() {
			defer close(wk.ended)
			err := wk.Run(ctx)
			w.mu.Lock()
			defer w.mu.Unlock()
			wk.err = err
			var stuck *tasuki.StuckError
			wk.stopped = !errors.As(err, &stuck)
			if !p.isDead() {
				w.note("%s has stopped: %v", wk.name, err)
			}
		}()
	}
}

// handle is the handler of all jobs.
func (w *world) handle(ctx context.Context, wk *worker, job *tasuki.Job[args]) (err error) {
	j, r := w.begin(wk, job.Args.N, job.Info)
	if r.posthumous {
		return nil
	}
	w.report.runs.Add(1)
	err = errEndedItself // of a panic or Goexit
	defer func() { w.ended(j, r, err, context.Cause(ctx)) }()
	if j.fence {
		if fence := job.Fence(); fence != 0 {
			w.mu.Lock()
			r.fence = fence
			w.mu.Unlock()
		}
	}
	done := ctx.Done()
	switch r.step.does {
	case ignore:
		done = nil
	case crashes:
		w.kill(wk.by)
		return errors.New("too late")
	}
	var after <-chan time.Time
	if r.step.does != linger {
		t := time.NewTimer(r.step.after)
		defer t.Stop()
		after = t.C
	}
	select {
	case <-after:
	case <-done:
		return context.Cause(ctx)
	case <-wk.by.died:
		return nil
	}
	switch r.step.does {
	case fail:
		return errFails
	case snooze:
		return tasuki.Snooze(r.step.delay, "not now")
	case retryIn:
		return tasuki.RetryIn(r.step.delay, errFails)
	case kill:
		return tasuki.Kill(errKills)
	case panics:
		panic(errFails)
	case goexit:
		runtime.Goexit()
	}
	return nil
}

var (
	errFails       = errors.New("it fails")
	errKills       = errors.New("it kills")
	errEndedItself = errors.New("it panics, or ends its goroutine")
)

func isKill(r *run) bool { return errors.Is(r.err, errKills) }

func isUncertain(err error) bool { return errors.Is(err, tasuki.ErrUncertain) }

// kill ends a process as kill -9 does, as far as others can see: its connections end, and nothing that it does has an
// effect any more. Its goroutines end when they can.
func (w *world) kill(p *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.isDead() {
		return
	}
	close(p.died)
	w.note("%s is killed", p.name)
	w.killed[p] = w.now()
	w.deathly++
	p.host.setDown(true)
	for _, wk := range p.workers {
		wk.cancel()
	}
}

// living are the processes that run.
func (w *world) living() []*process {
	return slices.DeleteFunc(slices.Clone(w.procs), func(p *process) bool { return p.isDead() || p.stopping })
}

func choose[T any](r uint64, of []T) (chosen T, ok bool) {
	if len(of) == 0 {
		return chosen, false
	}
	return of[r%uint64(len(of))], true
}

// disturb notes that a process may be taken for dead.
func (w *world) disturb(ps ...*process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deathly++
	for _, p := range ps {
		p.disturbed = true
	}
}

// do does what an event says.
func (w *world) do(ctx context.Context, e event) {
	hosts := slices.Concat(w.living(), w.producers)
	p, some := choose(e.r, hosts)
	var l *link
	if some && e.does >= cutNow && e.does <= silentLink {
		l, some = choose(e.r>>16, p.host.live())
	}
	on := ""
	switch e.does {
	case enqueue, enqueueMany:
		w.enqueue(ctx, e)
		return
	case cancelJob:
		w.cancelSome(ctx, e.r)
		return
	case pauseQueue:
		q, _ := choose(e.r, w.queues)
		on = q
		w.calls.Go(func() { w.pause(ctx, q, e.d) })
	case addQueue, removeQueue:
		on, some = w.changeQueues(e)
	case restart:
		if p, some = choose(e.r, w.living()); some {
			on = p.name
			p.stopping = true
			w.calls.Go(func() { w.stop(p) })
			w.later(e.d, func() { w.startProcess(p.plan) })
		}
	case startMore:
		on = w.startProcess(w.processes[0]).name
	case cutNow, cutRequest, cutUnsent, cutReply, cutHalfReply, muteLink, silentLink:
		if some {
			on = p.name
			w.hurt(p, l, e)
		}
	case hostDown, hostSilent:
		on = p.name
		limit, set := longestCut, p.host.setDown
		if e.does == hostSilent {
			w.late = true
			limit, set = 8*time.Second, p.host.setSilent
		}
		if e.d > limit {
			w.disturb(p)
		}
		set(true)
		w.later(e.d, func() {
			if !p.isDead() {
				set(false)
				w.noted("%s is back", p.name)
			}
		})
	case killProcess:
		if p, some = choose(e.r, w.living()); some {
			on = p.name
			w.kill(p)
			w.later(e.d, func() { w.startProcess(p.plan) })
		}
	case refuseBusy, refuseLoading, refuseFull, refuseReadOnly:
		mode := map[deed]refusal{refuseBusy: busy, refuseLoading: loading, refuseFull: full, refuseReadOnly: readOnly}[e.does]
		if e.d > 15*time.Second || mode == readOnly { // who is told so connects anew, and again
			w.disturb(w.procs...)
		}
		w.network.refuse(mode)
		w.later(e.d, func() { w.network.refuse(willing) })
	case flushScripts:
		w.redisDo(ctx, "SCRIPT", "FLUSH")
	case forgetWorkers:
		w.disturb(w.procs...)
		for id := range w.hash(ctx, "tasuki:workers") {
			if id != "@observer" || e.r%2 == 0 {
				w.redisDo(ctx, "HDEL", "tasuki:workers", id)
			}
		}
	case forgetMember:
		w.disturb(w.procs...)
		q, _ := choose(e.r, w.queues)
		members, err := w.store.Members(ctx, w.queue[q])
		w.fatal(err)
		members = slices.DeleteFunc(members, func(m store.Member) bool { return !m.Ended.IsZero() })
		var m store.Member
		if m, some = choose(e.r>>16, members); some {
			on = q
			w.redisDo(ctx, "ZREM", w.queue[q].Workers, m.Incarnation)
		}
	case forgetInfo:
		w.disturb(w.procs...)
		w.redisDo(ctx, "DEL", "tasuki:workers:info")
	}
	if some {
		w.report.deeds[e.does].Add(1)
		w.noted("%s %s (%v)", deedNames[e.does], on, e.d)
	}
}

// longestCut is how long all connections of a worker may be gone without it being taken for dead. Of the 2 s without a
// beat 1.1 may have been over, it may try again 0.2 later, and three ways take up to 0.3.
const longestCut = 400 * time.Millisecond

// hurt does something to one connection.
func (w *world) hurt(p *process, l *link, e event) {
	switch e.does {
	case cutNow:
		l.set(l.cut)
	case silentLink:
		w.late = true
		l.set(func() { l.silent = true })
		w.later(e.d, func() { l.set(func() { l.silent = false }) })
	default:
		if e.does == muteLink {
			w.disturb(p) // if it beats there, it waits 8 s for an answer
		}
		trap := map[deed]trap{cutRequest: halfRequest, cutUnsent: noRequest, cutReply: noReply, cutHalfReply: halfReply, muteLink: mute}[e.does]
		l.set(func() { l.trap = trap })
	}
}

// appointment is something that the main goroutine does at a time.
type appointment struct {
	at time.Duration
	do func()
}

// at has something done at a time; not when the faults have ended by then. It is for the main goroutine.
func (w *world) at(at time.Duration, do func()) {
	i, _ := slices.BinarySearchFunc(w.agenda, at+1, func(a appointment, at time.Duration) int { return cmp.Compare(a.at, at) })
	w.agenda = slices.Insert(w.agenda, i, appointment{at, do})
}

func (w *world) later(d time.Duration, do func()) { w.at(w.now()+d, do) }

func (w *world) enqueue(ctx context.Context, e event) {
	p, _ := choose(e.r, w.producers)
	var jobs []*job
	for _, n := range e.jobs {
		jobs = append(jobs, w.ledger.jobs[n])
	}
	w.calls.Go(func() {
		w.enqueueOnce(ctx, p, jobs)
		if twice := slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool { return !j.twice }); len(twice) > 0 {
			w.enqueueOnce(ctx, p, twice)
		}
		// What is uncertain can be asked again if it has an id of its own.
		for range 20 {
			again := w.unsure(jobs)
			if len(again) == 0 {
				return
			}
			time.Sleep(time.Second)
			w.enqueueOnce(ctx, p, again)
		}
	})
}

// unsure are those of which it is not known whether they are in, and that may be given in again.
func (w *world) unsure(jobs []*job) []*job {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool { return j.jobPlan.id == "" || j.in != uncertain })
}

func (w *world) enqueueOnce(ctx context.Context, p *process, jobs []*job) {
	specs := make([]tasuki.Spec, len(jobs))
	for i, j := range jobs {
		o := tasuki.Opts{Queue: j.queue, ID: j.jobPlan.id, In: j.in0(), MaxAttempts: j.attempts, Timeout: j.timeout}
		if j.at && o.In > 0 {
			o.In, o.At = 0, time.Now().Add(o.In)
		}
		specs[i] = kind.With(o).Spec(args{j.n})
		w.offer(j)
	}
	infos, err := p.client.EnqueueMany(ctx, specs)
	var many *tasuki.ManyError
	errors.As(err, &many)
	for i, j := range jobs {
		var e error
		if many != nil {
			e = many.Errs[i]
		}
		w.report.enqueued(w.answer(j, infos[i], e))
	}
}

// cancelSome cancels a job that runs, if one does.
func (w *world) cancelSome(ctx context.Context, r uint64) {
	w.mu.Lock()
	running := slices.DeleteFunc(slices.Clone(w.ledger.jobs), func(j *job) bool {
		return j.in != accepted || !slices.ContainsFunc(j.runs, func(r *run) bool { return !r.returned })
	})
	j, ok := choose(r, running)
	if ok {
		j.told = true
		w.note("cancel %d", j.n)
		w.report.deeds[cancelJob].Add(1)
	}
	w.mu.Unlock()
	if ok {
		w.fatal(w.admin.Cancel(ctx, j.queue+"/"+j.id))
	}
}

func (w *world) pause(ctx context.Context, q string, d time.Duration) {
	w.fatal(w.inspector.Pause(ctx, q, "sim"))
	time.Sleep(d)
	w.fatal(w.inspector.Resume(ctx, q))
}

// changeQueues has a worker add or remove a queue.
func (w *world) changeQueues(e event) (string, bool) {
	p, ok := choose(e.r, w.living())
	if !ok {
		return "", false
	}
	wk, _ := choose(e.r>>16, p.workers)
	q, _ := choose(e.r>>32, w.queues)
	w.calls.Go(func() {
		var err error
		if e.does == addQueue {
			err = wk.AddQueue(tasuki.Queue{Name: q, Weight: wk.cfg.Queues[0].Weight})
		} else {
			err = wk.RemoveQueue(q)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if err == nil {
			wk.added[q] = e.does == addQueue
		}
		w.note("%s %s %s: %v", wk.name, deedNames[e.does], q, shortError(err))
	})
	return wk.name, true
}

// stop ends a process in order.
func (w *world) stop(p *process) {
	for _, wk := range p.workers {
		wk.cancel()
	}
	begun := w.now()
	for _, wk := range p.workers {
		// Grace, a fifth more, and three steps that are given up when Redis does not answer.
		limit := max(wk.cfg.Grace, 0)*6/5 + 30*time.Second
		select {
		case <-wk.ended:
		case <-time.After(limit):
			w.mu.Lock()
			w.wrong("%s does not stop: %v", wk.name, w.now()-begun)
			w.mu.Unlock()
			<-wk.ended
		}
		w.mu.Lock()
		var stuck *tasuki.StuckError
		if wk.err != nil && !errors.As(wk.err, &stuck) && w.weather == calm {
			w.wrong("%s: %v; nothing was wrong", wk.name, wk.err)
		}
		w.mu.Unlock()
	}
}

func (n *network) refuse(r refusal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refusal = r
}

// endFaults heals all that is left, and sees to it that each queue is served.
func (w *world) endFaults(ctx context.Context) {
	w.network.refuse(willing)
	for _, p := range slices.Concat(w.procs, w.producers) {
		if !p.isDead() {
			p.host.setSilent(false)
			p.host.setDown(false)
		}
		for _, l := range p.host.live() {
			l.set(func() {
				if l.silent, l.trap = false, noTrap; l.muted {
					l.cut()
				}
			})
		}
	}
	w.noted("faults have ended")
	w.staff()
	time.Sleep(500 * time.Millisecond) // what was on its way arrives
}

// staff starts a process for the queues that nobody serves.
func (w *world) staff() {
	w.mu.Lock()
	served := map[string]bool{}
	for _, p := range w.living() {
		for _, wk := range p.workers {
			for q, ok := range wk.added {
				served[q] = served[q] || ok
			}
		}
	}
	w.mu.Unlock()
	var left []tasuki.Queue
	for _, q := range w.queues {
		if !served[q] {
			left = append(left, tasuki.Queue{Name: q})
		}
	}
	if len(left) > 0 {
		w.startProcess(processPlan{[]tasuki.WorkerConfig{{Queues: left, Concurrency: 5, Grace: time.Second}}})
	}
}

// drainLimit is how long after the last fault everything has ended, beside what handlers take: half a minute until a
// silent worker is given up, two patrols, and what was put off.
const drainLimit = 5 * time.Minute

// drain waits until nothing is left to do.
func (w *world) drain(ctx context.Context) bool {
	limit := w.now() + drainLimit
	for _, j := range w.scenario.jobs {
		limit += j.in
		for _, s := range j.steps {
			limit += s.after
		}
	}
	pause := 100 * time.Millisecond
	var rest []string
	for w.now() < limit {
		if rest = w.rest(ctx, 0); len(rest) == 0 {
			// A worker that was taken out of the list is in it again with its next beat: until then
			// a dead one can be counted in its place.
			time.Sleep(2 * time.Second)
			if rest = w.rest(ctx, 0); len(rest) == 0 {
				w.noted("all has drained")
				return true
			}
		}
		w.staff() // there are jobs that kill
		time.Sleep(pause)
		pause = min(pause*3/2, time.Second)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong("not everything has ended %v after the last fault: %s", drainLimit, strings.Join(rest, " "))
	return false
}

// rest is what should be gone in the end: keys with jobs, and workers that have ended, beside some.
func (w *world) rest(ctx context.Context, some int) (rest []string) {
	keys, err := w.store.Keys(ctx)
	w.fatal(err)
	for _, key := range keys {
		part := key[strings.LastIndex(key, "}")+1:]
		switch {
		case part == key: // of the namespace
		case part == "", part == ":suspect", part == ":scheduled", part == ":retry", strings.HasPrefix(part, ":hand:"), strings.HasPrefix(part, ":held:"):
			rest = append(rest, key)
		}
	}
	// Those who have died are still in the lists until somebody has looked after them.
	running := 0
	for _, p := range w.procs {
		for _, wk := range p.workers {
			select {
			case <-wk.ended:
				var stuck *tasuki.StuckError
				if errors.As(wk.err, &stuck) && !p.isDead() {
					running++ // until its handlers have ended
				}
			default:
				if !p.isDead() {
					running++
				}
			}
		}
	}
	listed := w.hash(ctx, "tasuki:workers")
	delete(listed, "@observer")
	if len(listed) > running+some {
		rest = append(rest, fmt.Sprintf("%d workers in the list, %d run", len(listed), running))
	}
	for name, q := range w.queue {
		members, err := w.store.Members(ctx, q)
		w.fatal(err)
		for _, m := range members {
			worker, _, _ := strings.Cut(m.Incarnation, ".")
			if _, ok := listed[worker]; m.Ended.IsZero() && !ok {
				rest = append(rest, m.Incarnation+" among the workers of "+name)
			}
		}
	}
	return rest
}

// places reads where the jobs are.
func (w *world) places(ctx context.Context) places {
	p := places{dead: map[string]string{}, counts: map[string]map[string]int64{}}
	for name, q := range w.queue {
		w.fatal(w.store.Each(ctx, q.Dead, "zset", func(element string, _ float64) {
			j, err := wire.Parse(element)
			if err != nil {
				w.wrong("queue %s: a dead element: %v", name, err)
			}
			if _, twice := p.dead[j.ID]; twice {
				w.wrong("queue %s: %s is dead twice", name, j.ID)
			}
			p.dead[j.ID] = j.Reason
		}))
		counts, err := w.redis.Do(ctx, w.redis.B().Hgetall().Key(q.Count).Build()).AsIntMap()
		w.fatal(err)
		p.counts[name] = counts
		for what, n := range counts {
			w.report.count(what, n)
		}
	}
	return p
}

// check demands that the namespace is in order, and that nobody has left anything.
func (w *world) check(ctx context.Context) {
	problems, err := w.inspector.Check(ctx)
	w.fatal(err)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range problems {
		w.wrong("check: %v", p)
	}
	// Who could not leave in order has said so, and stays in the list for others to sweep.
	said := 0
	for _, p := range w.procs {
		for _, wk := range p.workers {
			if !p.isDead() && wk.err != nil {
				said++
			}
		}
	}
	for _, rest := range w.rest(ctx, said) {
		w.wrong("left behind: %s", rest)
	}
	// What is left of others is found by the next patrol, a minute later.
	if info := w.hash(ctx, "tasuki:workers:info"); len(info) > said && w.deathly == 0 && !w.late {
		w.wrong("left behind: infos of workers %v", slices.Collect(maps.Keys(info)))
	}
}

// close stops all workers.
func (w *world) close() {
	for _, p := range w.living() {
		w.stop(p)
	}
}

// end lets everything else go, so that the bubble can end.
func (w *world) end() {
	for _, p := range w.procs {
		for _, wk := range p.workers {
			wk.cancel()
			<-wk.ended
		}
	}
	for _, p := range slices.Concat(w.procs, w.producers) {
		p.client.Close()
		p.host.setSilent(false)
		for _, l := range p.host.live() {
			l.set(func() { l.silent = false })
		}
	}
	w.report.refused.Add(int64(w.network.refused))
	w.admin.Close()
	w.redis.Close()
	w.fatal(w.srv.Close())
}

func (w *world) redisDo(ctx context.Context, words ...string) {
	w.fatal(w.redis.Do(ctx, w.redis.B().Arbitrary(words...).Build()).Error())
}

func (w *world) hash(ctx context.Context, key string) map[string]string {
	m, err := w.redis.Do(ctx, w.redis.B().Hgetall().Key(key).Build()).AsStrMap()
	w.fatal(err)
	return m
}
