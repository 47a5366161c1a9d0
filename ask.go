package tasuki

import (
	"cmp"
	"context"
	"encoding/json"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// What is asked of a worker from outside: see store.Ask. Each is answered with an answer.
const (
	askLook  = "look"
	askQuiet = "quiet" // claim nothing more
	askStop  = "stop"  // stop, as when the context of Run has ended
	askDump  = "dump"  // the stacks of all goroutines
)

// answer is what a worker says when it is asked. Package inspect reads it.
type answer struct {
	Worker string `json:"worker"`
	about
	Beat   int64       `json:"beat"` // how long ago, ms
	Busy   int         `json:"busy"` // slots
	Runs   []answerRun `json:"runs,omitempty"`
	Stacks string      `json:"stacks,omitempty"`
}

// answerRun is a job in a slot.
type answerRun struct {
	Queue string `json:"queue"`
	ID    string `json:"id"`
	Kind  string `json:"kind,omitempty"`
	Since int64  `json:"since"` // ms since 1970
}

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
			text, err := json.Marshal(a)
			if err == nil {
				call, cancel := context.WithTimeout(ctx, askTimeout)
				err = s.w.client.store.Answer(call, id, string(text))
				cancel()
			}
			if err != nil && ctx.Err() == nil {
				s.w.warnOnce("answer "+what, "tasuki: the worker was asked something, and could not answer", "asked", what, "err", err)
			}
			if what == askStop {
				s.askedToStop()
			}
		case <-ctx.Done():
			return
		}
	}
}

// answer does what is asked for, but to stop, and says how the worker is then.
func (s *session) answer(what string) *answer {
	a := &answer{Worker: s.id}
	switch what {
	case askQuiet:
		s.quiet()
	case askDump:
		a.Stacks = cutText(string(allStacks()), maxAnswerStacks)
	}
	s.mu.Lock()
	a.about = s.about
	a.Queues = slices.Clone(a.Queues)
	s.mu.Unlock()
	a.Stopping = a.Stopping || what == askStop
	if what == askLook {
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
func (f *fetcher) look(n int) []answerRun {
	f.mu.Lock()
	active := slices.Clone(f.active)
	f.mu.Unlock()
	slices.SortFunc(active, func(a, b *run) int { return cmp.Compare(a.since, b.since) })
	var runs []answerRun
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
		runs = append(runs, answerRun{r.q.name, strings.TrimPrefix(address, r.q.name+"/"), j.Kind, f.epoch.Add(r.since).UnixMilli()})
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
