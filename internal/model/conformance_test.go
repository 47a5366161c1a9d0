package model_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"pgregory.net/rapid"

	"github.com/tasuki-dev/tasuki/embedded"
	"github.com/tasuki-dev/tasuki/internal/model"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestConformance does random sequences of calls on a server and in the model: after
// each call both have answered the same and hold the same, and no job is lost or in
// two places. The calls are those of several workers, which may repeat them, send them
// late or never read the answer, and of two sweepers, each of which may stop anywhere
// and put back what it has read long ago.
//
//fault:process two sweepers at once, each repeated or stopped anywhere | a crash is counted once and no job is in two places
//fault:network a call is repeated, or comes late | it changes nothing twice, and no job is lost
//fault:data the list of a queue's workers is deleted | no job is in two places, and nothing is claimed until the workers have entered it again
//fault:server the server forgets its scripts | the next call brings them along
func TestConformance(t *testing.T) {
	t.Parallel()
	for name, url := range servers(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conform(t, name, url)
		})
	}
}

// servers are a real one and the embedded one, by name.
func servers(t *testing.T) map[string]string {
	t.Helper()
	srv, err := embedded.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	return map[string]string{"redis": redistest.Shared(t).URL(), "embedded": srv.URL()}
}

// dial returns a client that is closed with the test.
func dial(t *testing.T, url string) rueidis.Client {
	t.Helper()
	option, err := rueidis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	option.DisableCache = true
	redis, err := rueidis.NewClient(option)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(redis.Close)
	return redis
}

func conform(t *testing.T, name, url string) {
	redis := dial(t, url)
	sequences, calls, start := 0, 0, time.Now()
	done := map[string]int{}
	for time.Since(start) < *walkFor && !t.Failed() {
		rapid.Check(t, func(t *rapid.T) {
			r, err := newRig(url, redis, rapid.SampledFrom(forms).Draw(t, "queue"))
			if err != nil {
				t.Fatal(err)
			}
			defer r.close()
			w := &walk{rig: r, accepted: map[uint16]int{}, ended: map[uint16]int{}, done: done}
			w.begin(t)
			t.Repeat(w.actions())
			sequences++
			calls += r.calls
		})
	}
	t.Logf("%d sequences of %d calls in %v: %v", sequences, calls, time.Since(start).Round(time.Second), done)
	if !t.Failed() && sequences > 50 { // a machine that is busy does fewer
		for _, call := range []string{"Exchange", "Sweep", "Move", "Enqueue", "Leave", "Revive", "Trim", "Due", "Forget"} {
			if done["model."+call] == 0 {
				t.Errorf("no %s was done", call)
			}
		}
	}
	report.note(func(r *reported) {
		r.Walks = append(r.Walks, walked{name, serverVersion(redis), sequences, calls, time.Since(start)})
	})
}

// serverVersion is what the server says of itself.
func serverVersion(redis rueidis.Client) string {
	info, err := redis.Do(ctx, redis.B().Info().Section("server").Build()).ToString()
	if err != nil {
		return "unknown"
	}
	for _, line := range splitLines(info) {
		var version string
		if _, err := fmt.Sscanf(line, "redis_version:%s", &version); err == nil {
			return version
		}
	}
	return "unknown"
}

// walk is one random sequence.
type walk struct {
	*rig
	jobs     int
	tokens   int
	next     [2]model.Tag
	last     model.Call
	portions [2]model.Sweep // what each of two sweepers has read and not put back
	handed   []model.Handed // what moves have handed over, also long ago
	whose    []model.Incarnation

	accepted, ended map[uint16]int
	done            map[string]int
}

// call does a call, and counts what it has accepted and ended.
func (w *walk) call(t *rapid.T, c model.Call) any {
	t.Helper()
	places := w.m.Places()
	scheduled := slices.Clone(w.m.Scheduled)
	answer, err := w.do(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s → %+v", model.Show(c), answer)
	w.done[fmt.Sprintf("%T", c)]++
	switch c := c.(type) {
	case model.Push:
		for _, e := range c.Elements {
			w.accepted[e.Job]++
		}
	case model.Enqueue:
		for i, put := range answer.([]bool) {
			e := c.Puts[i].Element
			again := slices.ContainsFunc(scheduled, func(m model.Timed) bool { return m.Element == e })
			if put && (!again || w.m.Places()[e.Job] > places[e.Job]) {
				w.accepted[e.Job]++
			}
		}
	case model.Exchange:
		for _, e := range answer.(model.Exchanged).Ended {
			w.ended[e.Job]++
		}
	case model.Trim:
		for job, n := range places {
			w.ended[job] += n - w.m.Places()[job]
		}
	}
	w.last = c
	return answer
}

// begin has two workers enter, and some jobs pushed.
func (w *walk) begin(t *rapid.T) {
	for worker := range uint8(2) {
		w.call(t, model.Register{Incarnation: model.Incarnation{Worker: worker}})
	}
	var c model.Push
	for range 3 {
		w.jobs++
		c.Elements = append(c.Elements, model.Element{Job: uint16(w.jobs), Crashes: uint8(rapid.IntRange(0, 2).Draw(t, "crashes"))})
	}
	w.call(t, c)
}

// check is done after every call.
func (w *walk) check(t *rapid.T) {
	if err := w.m.Check(); err != nil {
		t.Fatal(err)
	}
	places := w.m.Places()
	for job, n := range w.accepted {
		if got := places[job] + w.ended[job]; got != n {
			t.Fatalf("job %d was accepted %d times, is in %d places and has ended %d times", job, n, places[job], w.ended[job])
		}
	}
}

// incarnation is mostly one that may claim.
func (w *walk) incarnation(t *rapid.T) model.Incarnation {
	var alive []model.Incarnation
	for _, m := range w.m.Members {
		if m.Ended == 0 {
			alive = append(alive, m.Incarnation)
		}
	}
	if len(alive) > 0 && rapid.IntRange(0, 3).Draw(t, "alive") > 0 {
		return rapid.SampledFrom(alive).Draw(t, "incarnation")
	}
	return model.Incarnation{
		Worker: uint8(rapid.IntRange(0, 1).Draw(t, "worker")),
		Epoch:  uint8(rapid.IntRange(0, 2).Draw(t, "epoch")),
	}
}

// holder is mostly one that holds something.
func (w *walk) holder(t *rapid.T) model.Incarnation {
	if n := len(w.m.Holds); n > 0 && rapid.IntRange(0, 3).Draw(t, "holds") > 0 {
		return w.m.Holds[rapid.IntRange(0, n-1).Draw(t, "holder")].Incarnation
	}
	return w.incarnation(t)
}

func (w *walk) token() uint32 {
	w.tokens++
	return uint32(w.tokens)
}

// element is a new job, or the bytes of one that was pushed before.
func (w *walk) element(t *rapid.T) model.Element {
	if w.jobs > 0 && rapid.IntRange(0, 9).Draw(t, "again") == 0 {
		return model.Element{Job: uint16(rapid.IntRange(1, w.jobs).Draw(t, "job"))}
	}
	w.jobs++
	return model.Element{Job: uint16(w.jobs)}
}

// outcomes are of what an incarnation holds, and of tags that it does not hold.
func (w *walk) outcomes(t *rapid.T, it model.Incarnation) (done, others []model.Outcome) {
	var held []model.Held
	for _, h := range w.m.Holds {
		if h.Incarnation == it {
			held = h.Held
		}
	}
	for _, h := range held {
		if !rapid.Bool().Draw(t, "settle") {
			continue
		}
		o := model.Outcome{Tag: h.Tag, Element: h.Element, Delivery: h.Delivery}
		state := rapid.SampledFrom([]model.Counter{
			model.Done, model.Done, model.Retried, model.Snoozed, model.Unknown, model.Released, model.Died, model.Died, model.Cancelled, model.Expired,
			model.Counter(model.Undone),
		}).Draw(t, "state")
		o.State = model.State(state)
		if state == model.Released && h.Element.Crashes >= 2 {
			o.State = model.Suspected
		}
		switch state {
		case model.Done:
			done = append(done, model.Outcome{Tag: h.Tag, Delivery: h.Delivery})
			continue
		case model.Retried, model.Snoozed, model.Unknown:
			o.Delay = rapid.SampledFrom([]int64{0, 3_600_000, 7_200_000}).Draw(t, "delay")
			o.Element.Attempts++
			o.Element.Token = w.token()
		case model.Died:
			o.Element.Attempts++
			o.Element.Token = w.token()
		}
		others = append(others, o)
	}
	for range rapid.IntRange(0, 2).Draw(t, "unknown") {
		if w.next[it.Worker] == 0 {
			break
		}
		stale := model.Tag(rapid.IntRange(0, int(w.next[it.Worker])-1).Draw(t, "tag"))
		known := func(o model.Outcome) bool { return o.Tag == stale }
		// What was handed over may yet come to be held under its tag.
		handed := func(h model.Handed) bool { return h.Tag == stale || slices.Contains(h.Earlier, stale) }
		if slices.ContainsFunc(held, func(h model.Held) bool { return h.Tag == stale }) ||
			slices.ContainsFunc(others, known) || slices.ContainsFunc(w.handed, handed) {
			continue
		}
		if rapid.Bool().Draw(t, "done") {
			done = append(done, model.Outcome{Tag: stale})
		} else {
			others = append(others, model.Outcome{Tag: stale, State: model.State(model.Released), Element: model.Element{Job: 9999}})
		}
	}
	return done, others
}

func (w *walk) exchange(t *rapid.T) {
	it := w.holder(t)
	x := model.Exchange{
		Incarnation: it, Want: rapid.IntRange(0, 4).Draw(t, "want"),
		Lone: rapid.Bool().Draw(t, "lone"), Strays: rapid.Bool().Draw(t, "strays"),
	}
	x.Done, x.Outcomes = w.outcomes(t, it)
	for i := range slices.Backward(w.handed) {
		if w.whose[i] == it && rapid.Bool().Draw(t, "accept") {
			x.Handed = w.accept(i)
			break
		}
	}
	x.Tag = w.next[it.Worker]
	w.next[it.Worker] += model.Tag(x.Want)
	w.call(t, x)
}

// accept is what to send to accept what a move has handed over: no two calls bring the
// same tag for it, as the second could find another job of the same bytes.
func (w *walk) accept(i int) *model.Handed {
	h, worker := w.handed[i], w.whose[i].Worker
	w.handed[i].Earlier = append(slices.Clone(h.Earlier), h.Tag)
	w.handed[i].Tag = w.next[worker]
	w.next[worker]++
	return &h
}

// again does the last call once more, as after a lost reply.
func (w *walk) again(t *rapid.T) {
	switch c := w.last.(type) {
	case nil, model.Push, model.Pass:
		t.Skip("nothing to repeat")
	case model.Exchange:
		if len(c.Done)+len(c.Outcomes) > 0 || c.Handed != nil {
			// A repetition of what claims brings tags of its own: see ReuseTags.
			c.Tag = w.next[c.Worker]
			w.next[c.Worker] += model.Tag(c.Want)
			if c.Handed != nil {
				c.Handed = w.accept(slices.IndexFunc(w.handed, func(h model.Handed) bool { return slices.Contains(h.Earlier, c.Handed.Tag) }))
			}
		} else {
			c.Want = 0
		}
		w.call(t, c)
	default:
		w.call(t, c)
	}
}

func (w *walk) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"": w.check,
		"push": func(t *rapid.T) {
			var c model.Push
			for range rapid.IntRange(1, 3).Draw(t, "jobs") {
				c.Elements = append(c.Elements, w.element(t))
			}
			w.call(t, c)
		},
		"enqueue": func(t *rapid.T) {
			c := model.Enqueue{Window: 86_400_000, Most: rapid.SampledFrom([]int{1, 3, 100}).Draw(t, "most")}
			for range rapid.IntRange(1, 3).Draw(t, "jobs") {
				w.jobs++
				p := model.Put{Element: model.Element{Job: uint16(w.jobs), Token: w.token()}}
				if rapid.Bool().Draw(t, "with an id") {
					p.ID = fmt.Sprintf("id%d", rapid.IntRange(1, 5).Draw(t, "id"))
				}
				switch rapid.IntRange(0, 3).Draw(t, "when") {
				case 0:
					p.In = 3_600_000 * int64(rapid.IntRange(1, 3).Draw(t, "hours"))
				case 1:
					p.At = w.now + rapid.SampledFrom([]int64{-1000, 5_400_000}).Draw(t, "at")
				}
				c.Puts = append(c.Puts, p)
			}
			w.call(t, c)
		},
		"move": func(t *rapid.T) {
			it := w.incarnation(t)
			if m := w.call(t, model.Move{Incarnation: it}).(model.Moved); m.OK {
				w.handed = append(w.handed, model.Handed{Tag: w.next[it.Worker], Element: m.Element})
				w.whose = append(w.whose, it)
				w.next[it.Worker]++
			}
		},
		"exchange":       w.exchange,
		"exchange more":  w.exchange,
		"exchange again": w.exchange,
		"again":          w.again,
		"register": func(t *rapid.T) {
			it := w.incarnation(t)
			c := model.Register{Incarnation: it}
			if it.Epoch > 0 {
				c.Old = &model.Incarnation{Worker: it.Worker, Epoch: it.Epoch - 1}
			}
			w.call(t, c)
		},
		"look": func(t *rapid.T) { w.call(t, model.Look{Incarnation: w.incarnation(t)}) },
		"due": func(t *rapid.T) {
			w.call(t, model.Due{Incarnation: w.incarnation(t), Most: rapid.IntRange(1, 3).Draw(t, "most"), Rung: rapid.Bool().Draw(t, "rung")})
		},
		"hear":  func(t *rapid.T) { w.call(t, model.Hear{}) },
		"leave": func(t *rapid.T) { w.call(t, model.Leave{Incarnation: w.incarnation(t)}) },
		"pause": func(t *rapid.T) { w.call(t, model.Pause{On: rapid.Bool().Draw(t, "on")}) },
		"read orphans": func(t *rapid.T) {
			it := w.holder(t)
			if rapid.Bool().Draw(t, "dead") {
				w.call(t, model.Tombstone{Incarnation: it})
			}
			c := model.Orphans{Incarnation: it, Most: rapid.IntRange(1, 4).Draw(t, "most")}
			stopping := rapid.IntRange(0, 3).Draw(t, "stopping") == 0
			s := &w.portions[rapid.IntRange(0, 1).Draw(t, "sweeper")]
			*s = model.Sweep{Incarnation: it}
			for _, l := range w.call(t, c).([]model.Left) {
				s.Back = append(s.Back, model.Rewrite(l, stopping, w.token()))
			}
		},
		"put back": func(t *rapid.T) {
			// The portion is kept: putting it back once more is a repetition.
			s := &w.portions[rapid.IntRange(0, 1).Draw(t, "sweeper")]
			if len(s.Back) == 0 {
				t.Skip("nothing was read")
			}
			w.call(t, *s)
		},
		"forget": func(t *rapid.T) {
			w.call(t, model.Forget{Incarnation: w.incarnation(t), Age: rapid.SampledFrom([]int64{0, 600_000}).Draw(t, "age")})
		},
		"trim": func(t *rapid.T) {
			c := model.Overflow{Most: rapid.IntRange(0, 3).Draw(t, "most"), Age: 3_600_000}
			over := w.call(t, c).([]model.Element)
			if len(over) > 0 {
				w.call(t, model.Trim{Elements: over})
			}
		},
		"revive": func(t *rapid.T) {
			var c model.Revive
			for _, d := range w.m.Dead {
				if rapid.Bool().Draw(t, "this") {
					ready := model.Element{Job: d.Job, Token: w.token()}
					c.Pairs = append(c.Pairs, [2]model.Element{d.Element, ready})
				}
			}
			if len(c.Pairs) == 0 {
				t.Skip("nothing is dead")
			}
			w.call(t, c)
		},
		"time passes": func(t *rapid.T) {
			w.call(t, model.Pass{Time: rapid.SampledFrom([]int64{1000, 600_000, 3_600_000, 90_000_000}).Draw(t, "for")})
		},
		"the list of workers is deleted": func(t *rapid.T) {
			if rapid.IntRange(0, 3).Draw(t, "really") > 0 {
				t.Skip("seldom")
			}
			w.call(t, model.Disband{})
		},
		"scripts are forgotten": func(t *rapid.T) {
			if rapid.IntRange(0, 3).Draw(t, "really") > 0 {
				t.Skip("seldom")
			}
			if err := w.command("SCRIPT", "FLUSH"); err != nil {
				t.Fatal(err)
			}
		},
	}
}
