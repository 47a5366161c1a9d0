package model

import (
	"fmt"
	"strings"
	"time"
)

// Search goes through all that can happen in a world, by breadth: so what it finds, it
// finds on a shortest way.
type Search struct {
	Start *World
	Depth int
	Most  int // states, after which it stops; 0: no limit
	// HealEvery has every n-th state drained without further faults; 0: none.
	HealEvery int
}

// Found is what a search has seen.
type Found struct {
	States      int
	Transitions int
	Depth       int   // that was reached in full
	Levels      []int // how many states were new at each depth
	Healed      int
	Time        time.Duration
	Wrong       *Counterexample // nil if all is well

	parents []uint32
	keys    []uint64
	start   *World
}

// Counterexample is a way to something that should not be.
type Counterexample struct {
	Err   error
	Steps []string
}

// Error is the way, one step in each line.
func (c *Counterexample) Error() string {
	return fmt.Sprintf("%s\n%v", strings.Join(c.Steps, "\n"), c.Err)
}

// hash names a state. Two with one hash would be taken for one: with 64 bits and ten
// million states that has a chance of about one in 400,000. It is the same in every run
// (FNV-1a, and the last mixing step of splitmix64), and so is the search.
func hash(code []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range code {
		h = (h ^ uint64(b)) * 1099511628211
	}
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// Run searches.
func (s *Search) Run() *Found {
	begun := time.Now()
	f := &Found{start: s.Start}
	start := s.Start.code()
	seen := map[uint64]struct{}{}
	add := func(key uint64, parent int) int {
		seen[key] = struct{}{}
		f.parents, f.keys = append(f.parents, uint32(parent)), append(f.keys, key)
		return len(f.keys) - 1
	}
	type state struct {
		index int
		code  []byte
	}
	frontier := []state{{add(hash(start), 0), start}}
	f.Levels = []int{1}
	var w, healed World
	for depth := 1; depth <= s.Depth && len(frontier) > 0 && f.Wrong == nil; depth++ {
		var next []state
		for _, from := range frontier {
			w.decode(s.Start, from.code)
			actions := w.Actions()
			for n, a := range actions {
				if n > 0 {
					w.decode(s.Start, from.code)
				}
				f.Transitions++
				if err := w.Do(a); err != nil {
					f.Wrong = f.explain(from.index, a, err)
					f.end(begun, seen)
					return f
				}
				code := w.code()
				key := hash(code)
				if _, ok := seen[key]; ok {
					continue
				}
				index := add(key, from.index)
				if depth < s.Depth {
					next = append(next, state{index, code})
				}
				if s.HealEvery == 0 || key%uint64(s.HealEvery) != 0 {
					continue
				}
				f.Healed++
				healed.decode(s.Start, code)
				if err := healed.Heal(); err != nil {
					f.Wrong = f.explain(from.index, a, fmt.Errorf("from here on nothing goes wrong any more, and yet: %w\n%v", err, &healed))
					f.end(begun, seen)
					return f
				}
			}
			if s.Most > 0 && len(seen) > s.Most {
				f.end(begun, seen)
				return f
			}
		}
		f.Depth = depth
		f.Levels = append(f.Levels, len(f.keys)-sum(f.Levels))
		frontier = next
	}
	f.end(begun, seen)
	return f
}

func sum(all []int) (n int) {
	for _, i := range all {
		n += i
	}
	return n
}

func (f *Found) end(begun time.Time, seen map[uint64]struct{}) {
	f.States, f.Time = len(seen), time.Since(begun)
}

// Deepest are the numbers of at most n states, spread over those that were found last.
func (f *Found) Deepest(n int) []int {
	last := f.Levels[len(f.Levels)-1]
	var all []int
	for i := range min(n, last) {
		all = append(all, f.States-1-i*(last/min(n, last)))
	}
	return all
}

// way is the keys from the start to a state.
func (f *Found) way(index int) []uint64 {
	var keys []uint64
	for i := index; i != 0; i = int(f.parents[i]) {
		keys = append([]uint64{f.keys[i]}, keys...)
	}
	return keys
}

// Step is one step on a way, with the calls that it made.
type Step struct {
	Action  string
	Calls   []Call
	Answers []any
	World   *World // after it
}

// Walk repeats the way to a state, with names that stay the same on it.
func (f *Found) Walk(index int) []Step {
	var steps []Step
	w := f.start.Copy()
	for _, key := range f.way(index) {
		found := false
		for _, a := range w.Actions() {
			next := w.Copy()
			words := a.Describe(next)
			if next.Do(a) != nil || hash(next.Copy().code()) != key {
				continue
			}
			steps = append(steps, Step{words, next.calls, next.answers, next.Copy()})
			next.retime()
			w, found = next, true
			break
		}
		if !found {
			panic("model: a way that was found once is found no more")
		}
	}
	return steps
}

// Copy copies a world, under the names that it has.
func (w *World) Copy() *World {
	c := coder{}
	w.fields(&c)
	var copied World
	copied.decode(w, c.buf)
	return &copied
}

func (f *Found) explain(index int, last Action, err error) *Counterexample {
	steps := f.Walk(index)
	c := &Counterexample{Err: err}
	for i, s := range steps {
		c.Steps = append(c.Steps, fmt.Sprintf("%2d. %s", i+1, s.Action))
		for _, call := range s.Calls {
			c.Steps = append(c.Steps, "      "+Show(call))
		}
	}
	w := f.start.Copy()
	if len(steps) > 0 {
		w = steps[len(steps)-1].World
	}
	// The names on the way are not those of the state, so the last step is found by
	// what it does.
	for _, a := range w.Actions() {
		next := w.Copy()
		words := a.Describe(next)
		if a.Verb != last.Verb || next.Do(a) == nil && next.Copy().Heal() == nil {
			continue
		}
		c.Steps = append(c.Steps, fmt.Sprintf("%2d. %s", len(steps)+1, words))
		for _, call := range next.calls {
			c.Steps = append(c.Steps, "      "+Show(call))
		}
		break
	}
	return c
}

// String is a world for people.
func (w *World) String() string {
	var b strings.Builder
	q := &w.Q
	fmt.Fprintf(&b, "ready %v suspect %v retry %v dead %v\nworkers", q.Ready, q.Suspect, q.Retry, q.Dead)
	for _, m := range q.Members {
		fmt.Fprintf(&b, " %v", m.Incarnation)
		if m.Ended != 0 {
			b.WriteString("†")
		}
	}
	for _, h := range q.Holds {
		fmt.Fprintf(&b, "\n%v: hand %v held %v", h.Incarnation, h.Hand, h.Held)
	}
	for i, k := range w.Workers {
		fmt.Fprintf(&b, "\nw%d knows %+v", i, k)
	}
	for _, c := range w.Late {
		fmt.Fprintf(&b, "\nlate %s", Show(c))
	}
	return b.String()
}
