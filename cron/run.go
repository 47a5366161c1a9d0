package cron

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/store"
)

const (
	// lease is for how long a scheduler has the entries that it has taken. If it dies, the
	// next one takes them this much later: so three may die one after the other until a tick
	// is 3 s late.
	lease = time.Second
	// enough is how long a scheduler works at what it has taken. Then it is left to others: also
	// by one that was frozen meanwhile.
	enough = 10 * time.Second
	// portion is how many entries it takes at a time.
	portion = 100
	// plenty is how many jobs are enough of them: when all of a night is made up for, the entries
	// behind come when the lease is over.
	plenty = 2000
	// lookAfter is how long a scheduler sleeps at most: messages can be lost, and clocks step.
	// Where it hears no messages, as SUBSCRIBE is refused, it is deafAfter.
	lookAfter = 20 * time.Second
	deafAfter = time.Second
)

var _ tasuki.Service = (*Table)(nil)

// Run writes the declared sets and then enqueues the jobs of all entries at their times, until
// ctx ends. It may run in any number of processes. They take turns; if one dies, another does
// what it has left within 3 s.
//
// While Redis is away it tries again. It returns an error if a declared set is not allowed
// (ErrInvalid). What is there already and in the way of one, as ErrRevision, it logs as an error, and
// goes on with the entries that are there.
func (t *Table) Run(ctx context.Context) error {
	s := &scheduler{Table: t, schedules: map[string]parsed{}, warned: map[string]bool{}}
	if err := s.declareAll(ctx); err != nil {
		return err
	}
	defer func() {
		if s.ear != nil {
			s.ear.Close()
		}
	}()
	for pause := 50 * time.Millisecond; ctx.Err() == nil; {
		told, most := s.listen(ctx)
		left, err := s.turn(ctx)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			s.warnOnce("turn", "tasuki: cron: trying again", err)
			left, pause = pause/2+rand.N(pause/2), min(2*pause, time.Second)
		} else {
			delete(s.warned, "turn")
			pause = 50 * time.Millisecond
		}
		if left < 0 || left > most {
			left = most - rand.N(most/4) // so that schedulers do not look together
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-told:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return nil
}

// scheduler is a Table while it runs; one goroutine owns it.
type scheduler struct {
	*Table
	ear       *store.Listener
	schedules map[string]parsed // by entry
	warned    map[string]bool
}

// parsed is the schedule of an entry as it was when it was last fired.
type parsed struct {
	sum [sha256.Size]byte // of the entry, which can be long
	*Schedule
}

func (s *scheduler) warnOnce(key, message string, err error) {
	if !s.warned[key] && len(s.warned) < 1000 {
		s.warned[key] = true
		s.log.Warn(message, "err", err)
	}
}

// declareAll writes the sets. One that meets what another of them gives up comes after that.
func (s *scheduler) declareAll(ctx context.Context) error {
	for left := s.declared; len(left) > 0; {
		var met []Declared
		var what []error
		for _, d := range left {
			err := s.declareOnce(ctx, d)
			if errors.Is(err, ErrInvalid) {
				return err
			} else if err != nil {
				met, what = append(met, d), append(what, err)
			}
		}
		if len(met) == len(left) { // the worker has jobs to run, whatever is in the way of a set
			for _, err := range what {
				s.log.Error("tasuki: cron: a declared set is not written; the entries that are there go on as they are", "err", err)
			}
			return nil
		}
		left = met
	}
	return nil
}

// declareOnce writes a set when Redis is there. An error says what is in the way.
func (s *scheduler) declareOnce(ctx context.Context, d Declared) error {
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		is, err := s.Declare(ctx, d)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil && !is:
			s.log.Info("tasuki: cron: a higher revision of the declared set is there", "set", d.Name, "revision", d.Revision)
			return nil
		case err == nil || !isPassing(err):
			return err
		}
		s.warnOnce("declare", "tasuki: cron: the declared sets cannot be written yet; trying again", err)
		select {
		case <-time.After(pause/2 + rand.N(pause/2)):
		case <-ctx.Done():
		}
	}
}

// isPassing tells whether an error is one of an outage, or of a server without room.
func isPassing(err error) bool { return store.IsPassing(err) || errors.Is(err, tasuki.ErrFull) }

// listen has messages heard, and returns how long to sleep at most.
func (s *scheduler) listen(ctx context.Context) (told <-chan string, most time.Duration) {
	if s.ear == nil {
		call, cancel := context.WithTimeout(ctx, 2*lease)
		defer cancel()
		var err error
		if s.ear, err = s.store.Listen(call, s.store.CronChannel()); err != nil {
			s.ear = nil
			s.warnOnce("listen", "tasuki: cron: changes of entries are noticed up to a second late", err)
			return nil, deafAfter
		}
	}
	return s.ear.C, s.store.Paced(lookAfter)
}

// turn fires the entries whose turn it is. It returns for how long there is nothing to do;
// negative: there are no entries.
//
// The jobs are enqueued first, under ids that are those of entry and tick; then the entries are
// moved on to their next tick, unless somebody has changed them since they were read. Who dies
// in between leaves all of it to the next: an id that was enqueued is not enqueued again. Who was
// frozen in between for longer than the lease finds the entry changed when he moves it on; his
// enqueue comes after that of another, and the id is remembered for a day (ClientConfig.SeenFor).
func (s *scheduler) turn(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	taking, cancel := context.WithTimeout(ctx, enough)
	now, left, names, err := s.store.CronTake(taking, portion, lease)
	cancel()
	if err != nil || len(names) == 0 {
		return left, err
	}
	// What has begun is brought to its end, also when the scheduler stops.
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), enough)
	defer cancel()
	found, err := s.store.CronEntries(ctx, names)
	if err != nil {
		return 0, err
	}
	var firings []*firing
	jobs := 0
	for i, name := range names {
		if jobs >= plenty {
			break
		}
		f, err := s.firing(name, &found[i], now)
		if err != nil {
			s.warnOnce("entry "+name, "tasuki: cron: an entry cannot be fired here; a newer version may do it", fmt.Errorf("%s: %w", name, err))
			continue
		}
		firings = append(firings, f)
		jobs += len(f.runs)
	}
	if time.Since(began) > enough {
		return 0, nil // the end of ctx may not have been noticed yet
	}
	return 0, s.fire(ctx, firings, now)
}

// firing is an entry whose turn it is.
type firing struct {
	*kept
	runs   []run
	specs  []tasuki.Spec // of the runs
	failed bool          // not all could be enqueued now, and it is to be done again
	missed time.Time
	next   time.Time
}

// firing says what to do with an entry.
func (s *scheduler) firing(name string, e *store.CronEntry, now time.Time) (*firing, error) {
	k := read(name, e)
	if k.broken != nil {
		return nil, k.broken
	}
	if k.version == 0 {
		return &firing{kept: k}, nil // somebody has deleted it by hand: what is left of it is removed
	}
	schedule, err := s.schedule(k, now)
	if err != nil {
		return nil, err
	}
	f := &firing{kept: k}
	var ticks []time.Time
	if k.Next != 0 && k.Paused == 0 {
		ticks, f.missed, f.next = k.plan(schedule, at(k.Next), now)
	}
	for i, tick := range ticks {
		next := f.next
		if i+1 < len(ticks) {
			next = ticks[i+1]
		}
		f.specs = append(f.specs, k.spec(tick, next, false))
		f.runs = append(f.runs, run{Tick: ms(tick)})
	}
	if k.Asked != 0 {
		f.specs = append(f.specs, k.spec(at(k.Asked), f.next, true))
		f.runs = append(f.runs, run{Tick: k.Asked, Asked: true})
	}
	return f, nil
}

// schedule is that of an entry. The entry is checked as if it were set, once for each change: what
// somebody has made of it by hand must not do harm here.
func (s *scheduler) schedule(k *kept, now time.Time) (*Schedule, error) {
	sum := sha256.Sum256([]byte(k.text))
	if p := s.schedules[k.Name]; p.sum == sum {
		return p.Schedule, nil
	}
	schedule, err := k.checked(now)
	if err != nil {
		return nil, err
	}
	if len(s.schedules) > 50_000 {
		clear(s.schedules) // names come and go
	}
	s.schedules[k.Name] = parsed{sum, schedule}
	return schedule, nil
}

// fire enqueues the jobs of entries, and moves the entries on.
func (s *scheduler) fire(ctx context.Context, firings []*firing, now time.Time) error {
	// What one queue makes wait for leaves time to move on the entries of the others.
	part, cancel := context.WithTimeout(ctx, enough/2)
	s.enqueue(part, firings)
	cancel()
	done := make([]*kept, 0, len(firings))
	for _, f := range firings {
		if !f.failed {
			done = append(done, f.kept)
		}
	}
	part, cancel = context.WithTimeout(ctx, enough/4)
	err := s.follow(part, done, nil)
	cancel()
	if err != nil {
		s.warnOnce("follow", "tasuki: cron: it cannot be read what became of jobs", err)
	}
	var writes []store.CronWrite
	for _, f := range firings {
		if f.failed {
			continue
		}
		if !f.missed.IsZero() {
			f.add(run{Tick: ms(f.missed), At: now.UnixMilli() - ms(f.missed), Outcome: OutcomeMissed})
		}
		for i := range f.runs {
			f.runs[i].At = now.UnixMilli() - f.runs[i].Tick
		}
		f.add(f.runs...)
		f.Asked = 0
		if f.Paused == 0 {
			f.Next = ms(f.next)
		}
		writes = append(writes, f.write())
	}
	if len(writes) == 0 {
		return nil
	}
	_, err = s.store.CronWrites(ctx, false, nil, writes) // one that was changed meanwhile is another's
	return err
}

// enqueue enqueues the jobs of entries, those of each queue together: what one queue refuses
// concerns no other.
func (s *scheduler) enqueue(ctx context.Context, firings []*firing) {
	type job struct {
		f    *firing
		r    *run
		spec tasuki.Spec
	}
	byQueue := map[string][]job{}
	for _, f := range firings {
		for i := range f.runs {
			byQueue[f.queue()] = append(byQueue[f.queue()], job{f, &f.runs[i], f.specs[i]})
		}
	}
	var mu sync.Mutex // of what was warned of, and waits
	waits := false
	var queues sync.WaitGroup
	for _, jobs := range byQueue {
		queues.Go(func() {
			specs := make([]tasuki.Spec, len(jobs))
			for i := range jobs {
				specs[i] = jobs[i].spec
			}
			infos, errs := enqueueEach(ctx, s.client, specs)
			for i, j := range jobs {
				if s.makesRoom(ctx, &j.f.Entry, j.spec.Opts.ID, inTheWay(infos[i], errs[i])) {
					again, why := enqueueMany(ctx, s.client, specs[i:i+1])
					infos[i], errs[i] = again[0], why[0]
				}
			}
			mu.Lock()
			defer mu.Unlock()
			for i, j := range jobs {
				if j.r.note(&j.spec, infos[i], errs[i]); isPassing(errs[i]) && !errors.Is(errs[i], tasuki.ErrNotReplicated) {
					j.f.failed, waits = true, true
					s.warnOnce("enqueue", "tasuki: cron: jobs cannot be enqueued; trying again", errs[i])
				} else if errs[i] != nil && j.r.Outcome == OutcomeFailed {
					s.log.Warn("tasuki: cron: a run could not be enqueued", "entry", j.f.Name, "tick", at(j.r.Tick), "err", errs[i])
				}
			}
		})
	}
	queues.Wait()
	if !waits {
		delete(s.warned, "enqueue")
	}
}

// inTheWay is the job because of which another was not enqueued, if there is one.
func inTheWay(info tasuki.Info, err error) tasuki.Info {
	var duplicate *tasuki.DuplicateError
	if errors.As(err, &duplicate) {
		return duplicate.Info
	}
	return info
}

// makesRoom cancels a job of an entry that is in the way of its next, which is to have the id next,
// because it has failed, and waits for its retry. It tells whether the next can be enqueued now.
func (s *scheduler) makesRoom(ctx context.Context, e *Entry, next string, j tasuki.Info) bool {
	if j.ID == next || !strings.HasPrefix(j.ID, e.idPrefix()) {
		return false // it is the next itself, or a program's own with the key of the entry
	}
	if !j.Existed || j.Error == "" || j.State != tasuki.StateRetry && j.State != tasuki.StateScheduled || e.Opts.Unique.Mode != "" {
		return false
	}
	// It is put off first, so that an attempt that begins just now is not cancelled. If nobody comes
	// to the cancel, the next tick finds it so.
	err := s.client.Reschedule(ctx, j.Address(), time.Now().Add(time.Hour))
	if err == nil {
		err = s.client.Cancel(ctx, j.Address())
	}
	return err == nil || errors.Is(err, tasuki.ErrEnded) || errors.Is(err, tasuki.ErrNotFound)
}

// enqueueEach enqueues jobs together, and those alone that are refused then: what is wrong with
// one may have kept out others.
func enqueueEach(ctx context.Context, to tasuki.Enqueuer, specs []tasuki.Spec) ([]tasuki.Info, []error) {
	infos, errs := enqueueMany(ctx, to, specs)
	for i, err := range errs {
		if err == nil || errors.Is(err, tasuki.ErrNotReplicated) || len(specs) == 1 {
			continue
		}
		one, why := enqueueMany(ctx, to, specs[i:i+1])
		infos[i], errs[i] = one[0], why[0]
	}
	return infos, errs
}

// enqueueMany returns an error for each job.
func enqueueMany(ctx context.Context, to tasuki.Enqueuer, specs []tasuki.Spec) ([]tasuki.Info, []error) {
	infos, err := to.EnqueueMany(ctx, specs)
	errs := make([]error, len(specs))
	var many *tasuki.ManyError
	switch {
	case errors.As(err, &many) && len(many.Errs) == len(specs):
		copy(errs, many.Errs)
	case err == nil && len(infos) != len(specs):
		err = fmt.Errorf("a middleware has answered for %d jobs, not for %d", len(infos), len(specs))
		fallthrough
	case err != nil:
		for i := range errs {
			errs[i] = err
		}
	}
	if len(infos) != len(specs) {
		infos = make([]tasuki.Info, len(specs))
	}
	return infos, errs
}

// note notes what became of a run.
func (r *run) note(spec *tasuki.Spec, info tasuki.Info, err error) {
	var duplicate *tasuki.DuplicateError
	u := &spec.Opts.Unique
	switch {
	case errors.As(err, &duplicate):
		info = duplicate.Info
		r.Outcome = OutcomeSkipped
	case err != nil && !errors.Is(err, tasuki.ErrNotReplicated):
		r.Outcome, r.Error = OutcomeFailed, cut(err)
		return
	case !info.Existed || info.ID == spec.Opts.ID: // one that was enqueued before is the same one
		r.Bare = u.Mode == "" && !spec.Opts.Record && spec.Opts.Keep <= 0
	case u.OnConflict == tasuki.ConflictReplace || u.Mode == tasuki.UniqueKeepLast || u.Mode == tasuki.UniqueDebounce || u.Mode == tasuki.UniqueThrottle:
		r.Outcome = OutcomeReplaced
	default:
		r.Outcome = OutcomeSkipped
	}
	r.Queue = info.Queue
	if info.ID != spec.Opts.ID {
		r.ID = info.ID
	}
}
