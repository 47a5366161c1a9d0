package tasuki

import (
	"cmp"
	"context"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// Bounds of an answer.
const (
	maxAnswerRuns   = 1000
	maxAnswerStacks = 1 << 20 // bytes
)

// answerAsks answers one after the other until ctx ends.
func (s *session) answerAsks(ctx context.Context) {
	for {
		select {
		case message := <-s.asks:
			what, id, _ := store.Asked(message)
			a := s.answer(what)
			call, cancel := context.WithTimeout(ctx, askTimeout)
			err := s.w.client.store.Answer(call, id, a)
			cancel()
			if err != nil && ctx.Err() == nil {
				s.w.warnOnce("answer "+what, "tasuki: the worker was asked something, and could not answer", "asked", what, "err", err)
			}
			if what == store.AskStop {
				s.askedToStop()
			}
		case <-ctx.Done():
			return
		}
	}
}

// answer does what is asked for, but to stop, and says how the worker is then.
func (s *session) answer(what string) *store.Answer {
	a := &store.Answer{Worker: s.id}
	switch what {
	case store.AskQuiet:
		s.quiet()
	case store.AskDump:
		a.Stacks = cutText(string(allStacks()), maxAnswerStacks)
	}
	s.mu.Lock()
	a.About = s.about
	a.Queues = slices.Clone(a.Queues)
	s.mu.Unlock()
	a.Stopping = a.Stopping || what == store.AskStop
	if what == store.AskLook {
		a.Runs = s.fetcher.look(maxAnswerRuns)
	}
	f := s.fetcher
	f.mu.Lock()
	a.Beat, a.Busy = time.Since(f.lastBeat).Milliseconds(), len(f.active)
	f.mu.Unlock()
	return a
}

// look returns what runs, the oldest first, at most n. Each run is looked at under the lock
// by itself: who reads many elements holds up nobody.
func (f *fetcher) look(n int) []store.AnswerRun {
	f.mu.Lock()
	active := slices.Clone(f.active)
	f.mu.Unlock()
	slices.SortFunc(active, func(a, b *run) int { return cmp.Compare(a.since, b.since) })
	var runs []store.AnswerRun
	for _, r := range active[:min(n, len(active))] {
		f.mu.Lock()
		address, element, ended := r.address(), r.element, r.ended
		if r.rec != nil {
			element = r.rec.body
		}
		f.mu.Unlock()
		if ended {
			continue
		}
		j, _ := wire.Parse(element) // a raw job has no kind
		runs = append(runs, store.AnswerRun{
			Queue: r.q.name, ID: strings.TrimPrefix(address, r.q.name+"/"), Kind: j.Kind,
			Since: f.epoch.Add(r.since).UnixMilli(),
		})
	}
	return runs
}

// quiet ends claiming for good.
func (s *session) quiet() {
	if !s.fetcher.quieten() {
		return
	}
	s.w.log.Info("tasuki: the worker takes no more jobs; it runs those that it has", "worker", s.id)
	s.mu.Lock()
	s.about.Quiet = true
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(s.ctx, askTimeout)
	defer cancel()
	if err := s.announce(ctx); err != nil {
		s.w.log.Warn("tasuki: that the worker takes no more jobs could not be noted", "err", err)
	}
}

// quieten ends claiming; false if it had ended.
func (f *fetcher) quieten() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.quiet || f.stopping {
		return false
	}
	f.quiet = true
	for _, q := range f.queues {
		q.endWait()
	}
	return true
}

// askedToStop has the worker stop, or its program.
func (s *session) askedToStop() {
	s.stopOnce.Do(func() {
		s.w.log.Info("tasuki: the worker was asked to stop", "worker", s.id)
		if s.w.cfg.OnStop == nil {
			close(s.told)
			return
		}
		s.w.cfg.OnStop()
	})
}

// version is that of this module in the program, as far as it is known.
var version = sync.OnceValue(func() string {
	const path = "github.com/tasuki-dev/tasuki"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if m.Path == path {
			return cmp.Or(m.Version, "(devel)")
		}
	}
	return ""
})
