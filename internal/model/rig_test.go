package model_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/rueidis"

	"github.com/tasuki-dev/tasuki/internal/model"
	"github.com/tasuki-dev/tasuki/internal/source"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// rig is a queue on a server with its model beside it.
type rig struct {
	s      *store.Store
	q      *store.Queue
	waiter *store.Waiter
	redis  rueidis.Client
	m      *model.Queue

	known []model.Incarnation // whose keys are compared
	now   int64               // the server's clock after the last call
	calls int
}

// form is a kind of queue.
type form struct {
	name    string
	foreign bool
	tail    bool
}

var forms = []form{{"own", false, false}, {"list", true, false}, {"list taken at the right", true, true}}

func newRig(url string, redis rueidis.Client, f form) (*rig, error) {
	namespace := "t" + wire.NewIncarnation()
	s, err := store.New(store.Options{URL: url, Namespace: namespace})
	if err != nil {
		return nil, err
	}
	name := "mail"
	if f.foreign {
		name = "list:" + namespace + "-jobs"
	}
	q, err := s.Queue(name)
	if err != nil {
		return nil, err
	}
	q.Tail = f.tail
	r := &rig{s: s, q: q, waiter: s.Waiter(q), redis: redis, m: &model.Queue{Foreign: f.foreign, Tail: f.tail}}
	_, r.now, err = r.dump()
	return r, err
}

func (r *rig) close() {
	r.waiter.Close()
	r.s.Close()
}

// know has the keys of an incarnation compared from now on.
func (r *rig) know(it model.Incarnation) {
	if !slices.Contains(r.known, it) {
		r.known = append(r.known, it)
	}
}

// do does a call on the server and in the model, and compares the answers and then
// all that both hold. The server's clock is not known to the millisecond: there has to
// be a time between this call and the last with which all is equal.
func (r *rig) do(c model.Call) (any, error) {
	r.calls++
	r.knowOf(c)
	got, err := r.real(c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", model.Show(c), err)
	}
	have, now, err := r.dump()
	if err != nil {
		return nil, err
	}
	for at := now; at >= r.now; at-- {
		m := r.m.Clone()
		m.Now = at
		want := m.Do(c)
		if slices.Equal(lines(m, r.known), have) && reflect.DeepEqual(visible(want), got) {
			r.m, r.now = m, now
			return want, nil
		}
	}
	m := r.m.Clone()
	m.Now = now
	diff := cmp.Diff(visible(m.Do(c)), got) + cmp.Diff(lines(m, r.known), have)
	return nil, fmt.Errorf("%s, at %d to %d (-model +server):\n%s", model.Show(c), r.now, now, diff)
}

// knowOf notes the incarnation of a call.
func (r *rig) knowOf(c model.Call) {
	switch c := c.(type) {
	case model.Exchange:
		r.know(c.Incarnation)
	case model.Move:
		r.know(c.Incarnation)
	case model.Register:
		r.know(c.Incarnation)
	}
}

// visible is an answer without what only the model knows.
func visible(answer any) any {
	switch a := answer.(type) {
	case model.Exchanged:
		a.Ended, a.Strange, a.Delivered, a.AcceptedAs = nil, nil, nil, 0
		return a
	case []model.Held:
		var held []model.Held
		for _, h := range a {
			h.Delivery = 0
			held = append(held, h)
		}
		return held
	}
	return answer
}

var ctx = context.Background()

// real does a call on the server.
func (r *rig) real(c model.Call) (any, error) {
	s, q := r.s, r.q
	switch c := c.(type) {
	case model.Push:
		return nil, s.Push(ctx, q, texts(c.Elements))
	case model.Enqueue:
		puts := make([]store.Put, len(c.Puts))
		for i, p := range c.Puts {
			puts[i] = store.Put{ID: p.ID, Element: p.Element.String(), In: time.Duration(p.In) * time.Millisecond}
			if p.At != 0 {
				puts[i].At = time.UnixMilli(p.At)
			}
		}
		return s.Enqueue(ctx, q, time.Duration(c.Window)*time.Millisecond, c.Most, puts)
	case model.Move:
		// What waits takes at once what is there. A wait that finds nothing would
		// only stand still.
		from := "LEFT"
		if q.Tail {
			from = "RIGHT"
		}
		text, err := r.redis.Do(ctx, r.redis.B().Arbitrary("LMOVE", q.List, q.Hand(c.String()), from, "RIGHT").Build()).ToString()
		if rueidis.IsRedisNil(err) {
			return model.Moved{}, nil
		}
		return model.Moved{Element: element(text), OK: err == nil}, err
	case model.Exchange:
		return r.exchange(c)
	case model.Register:
		old := ""
		if c.Old != nil {
			old = c.Old.String()
		}
		return s.Register(ctx, q, c.Incarnation.String(), old)
	case model.Due:
		_, first, moved, next, err := s.Due(ctx, q, c.Incarnation.String(), c.Most, c.Rung)
		d := model.Dued{First: first, Moved: moved, Next: -1}
		if !next.IsZero() {
			d.Next = next.UnixMilli()
		}
		return d, err
	case model.Hear:
		err := r.command("LPOP", q.Alarm)
		if rueidis.IsRedisNil(err) {
			return false, nil
		}
		return err == nil, err
	case model.Look:
		all, err := s.Held(ctx, q, c.Incarnation.String())
		var held []model.Held
		for _, d := range all {
			held = append(held, model.Held{Tag: model.Tag(d.Tag - store.FirstTag), Element: element(d.Element)})
		}
		return held, err
	case model.Leave:
		n := r.m.Clone().Do(c) // the store does not tell how many were put back
		return n, s.Leave(ctx, q, c.Incarnation.String())
	case model.Revive:
		var revivals []store.Revival
		for _, p := range c.Pairs {
			revivals = append(revivals, store.Revival{Dead: p[0].String(), Ready: p[1].String()})
		}
		n, _, err := s.Revive(ctx, q, revivals)
		return n, err
	case model.Pause:
		value := ""
		if c.On {
			value = "somebody"
		}
		_, err := s.SetRule(ctx, q, "paused", value)
		return nil, err
	case model.Tombstone:
		return nil, s.Tombstone(ctx, q, c.Incarnation.String())
	case model.Orphans:
		all, err := s.Orphans(ctx, q, c.Incarnation.String(), c.Most)
		var left []model.Left
		for _, l := range all {
			x := model.Left{InHand: l.Tag == 0, Element: element(l.Element)}
			if l.Tag != 0 {
				x.Tag = model.Tag(l.Tag - store.FirstTag)
			}
			left = append(left, x)
		}
		return left, err
	case model.Sweep:
		var back []store.PutBack
		for _, b := range c.Back {
			l := store.Left{Element: b.Left.Element.String()}
			if !b.InHand {
				l.Tag = tag(b.Tag)
			}
			back = append(back, store.PutBack{Left: l, To: b.To.String(), As: b.As.String(), Element: b.Kept.String()})
		}
		n, ended, err := s.Sweep(ctx, q, c.Incarnation.String(), back)
		return model.Swept{Moved: n, Ended: ended}, err
	case model.Forget:
		return nil, s.Forget(ctx, q, c.Incarnation.String(), time.Duration(c.Age)*time.Millisecond)
	case model.Overflow:
		over, err := s.DeadOverflow(ctx, q, c.Most, time.Duration(c.Age)*time.Millisecond)
		var elements []model.Element
		for _, text := range over {
			elements = append(elements, element(text))
		}
		return elements, err
	case model.Trim:
		jobs := make([]store.Trimmed, len(c.Elements))
		for i, e := range c.Elements {
			jobs[i].Element = e.String()
		}
		return s.Trim(ctx, q, jobs)
	case model.Disband:
		return nil, r.command("DEL", q.Workers)
	case model.Pass:
		return nil, r.pass(c.Time)
	}
	return nil, fmt.Errorf("%T is no call", c)
}

func (r *rig) exchange(c model.Exchange) (any, error) {
	x := store.Exchange{Incarnation: c.Incarnation.String(), Tag: tag(c.Tag), Request: source.Request{Want: c.Want, Lone: c.Lone, Strays: c.Strays}}
	if c.Handed != nil {
		x.Handed = &source.Delivery{Tag: tag(c.Handed.Tag), Element: c.Handed.Element.String()}
		for _, t := range c.Handed.Earlier {
			x.Earlier = append(x.Earlier, tag(t))
		}
	}
	for _, o := range c.Done {
		x.Done = append(x.Done, tag(o.Tag))
	}
	for _, o := range c.Outcomes {
		out := source.Outcome{Tag: tag(o.Tag), Delay: time.Duration(o.Delay) * time.Millisecond, Element: o.Element.String()}
		switch o.State {
		case model.Undone:
			out.State, out.Found = source.Release, true
		case model.Suspected:
			out.State, out.Suspect = source.Release, true
		default:
			out.State = source.State(model.Counter(o.State).String())
		}
		x.Outcomes = append(x.Outcomes, out)
	}
	got, err := r.s.Fetch(ctx, r.q, &x, r.waiter)
	if err != nil {
		return nil, err
	}
	if got.Trouble != nil {
		return nil, got.Trouble
	}
	a := model.Exchanged{
		Alive: got.Alive, Done: got.Settled, Accepted: got.Accepted, Fence: int(got.Fence), Held: got.Held,
		Paused: got.Paused, First: got.First, Due: -1, Lone: got.Lone,
	}
	if got.Accepted {
		a.As = model.Tag(got.As - store.FirstTag)
	}
	if !got.Due.IsZero() {
		a.Due = got.Due.UnixMilli()
	}
	for _, t := range got.Refused {
		a.Refused = append(a.Refused, model.Tag(t-store.FirstTag))
	}
	for _, text := range got.Elements {
		a.Elements = append(a.Elements, element(text))
	}
	return a, nil
}

func tag(t model.Tag) source.Tag { return store.FirstTag + source.Tag(t) }

func texts(elements []model.Element) []string {
	all := make([]string, len(elements))
	for i, e := range elements {
		all[i] = e.String()
	}
	return all
}

// element reads what Element.String writes.
func element(text string) (e model.Element) {
	j, err := wire.Parse(text)
	if err != nil || j.Kind != "k" {
		panic(fmt.Sprintf("the server holds %q (%v)", text, err))
	}
	number := func(s, prefix string) int {
		n, err := strconv.Atoi(strings.TrimPrefix(s, prefix))
		if err != nil {
			panic(err)
		}
		return n
	}
	e.Job = uint16(number(j.ID, "j"))
	e.Attempts, e.Crashes, e.Stops = uint8(j.Attempts), uint8(j.Crashes), uint8(j.Stops)
	if j.Token != "" {
		e.Token = uint32(number(j.Token, "t"))
	}
	return e
}

func (r *rig) command(words ...string) error {
	return r.redis.Do(ctx, r.redis.B().Arbitrary(words...).Build()).Error()
}

// pass moves all times of the queue back.
func (r *rig) pass(d int64) error {
	for _, key := range []string{r.q.Scheduled, r.q.Retry, r.q.Dead, r.q.Seen, r.q.Workers} {
		all, err := r.redis.Do(ctx, r.redis.B().Zrange().Key(key).Min("0").Max("-1").Withscores().Build()).AsZScores()
		if err != nil {
			return err
		}
		for _, z := range all {
			if z.Score == 0 {
				continue
			}
			if err := r.command("ZADD", key, strconv.FormatInt(int64(z.Score)-d, 10), z.Member); err != nil {
				return err
			}
		}
	}
	return nil
}

// dump reads all that the server holds of the queue, in the form of lines, and then
// its clock.
func (r *rig) dump() ([]string, int64, error) {
	b := r.redis.B()
	var commands rueidis.Commands
	lists := []string{r.q.Ready, r.q.Suspect}
	if r.q.Foreign {
		lists = append(lists, r.q.List)
	}
	names := []string{"ready", "suspect", "list"}
	for _, key := range lists {
		commands = append(commands, b.Lrange().Key(key).Start(0).Stop(-1).Build())
	}
	sets := []string{r.q.Scheduled, r.q.Retry, r.q.Dead, r.q.Seen, r.q.Workers}
	for _, key := range sets {
		commands = append(commands, b.Zrange().Key(key).Min("0").Max("-1").Withscores().Build())
	}
	commands = append(commands, b.Llen().Key(r.q.Alarm).Build(), b.Hexists().Key(r.q.Rules).Field("paused").Build(), b.Hgetall().Key(r.q.Count).Build())
	for _, it := range r.known {
		commands = append(commands, b.Lrange().Key(r.q.Hand(it.String())).Start(0).Stop(-1).Build(), b.Hgetall().Key(r.q.Held(it.String())).Build())
	}
	commands = append(commands, b.Time().Build())
	replies := r.redis.DoMulti(ctx, commands...)
	var errs error
	next := func() rueidis.RedisResult {
		reply := replies[0]
		replies = replies[1:]
		errs = errors.Join(errs, reply.Error())
		return reply
	}
	var all []string
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	for i := range lists {
		elements, _ := next().AsStrSlice()
		for _, e := range elements {
			add("%s %s", names[i], e)
		}
	}
	for _, name := range []string{"scheduled", "retry", "dead", "seen", "workers"} {
		members, _ := next().AsZScores()
		for _, z := range members {
			add("%s %d %s", name, int64(z.Score), z.Member)
		}
	}
	alarm, _ := next().AsInt64()
	paused, _ := next().AsInt64()
	add("alarm %d paused %v", alarm, paused == 1)
	counts, _ := next().AsStrMap()
	for c := model.Claimed; c <= model.Existed; c++ {
		if n := counts[c.String()]; n != "" && n != "0" {
			add("count %s %s", c, n)
		}
		delete(counts, c.String())
	}
	for name := range counts {
		add("count %s, which the model does not know", name)
	}
	for _, it := range r.known {
		hand, _ := next().AsStrSlice()
		for _, e := range hand {
			add("hand %s %s", it, e)
		}
		held, _ := next().AsStrMap()
		var tags []string
		for t := range held {
			tags = append(tags, t)
		}
		slices.Sort(tags)
		for _, t := range tags {
			add("held %s %s %s", it, t, held[t])
		}
	}
	clock, err := next().AsIntSlice()
	if err != nil {
		return nil, 0, errors.Join(errs, err)
	}
	return all, clock[0]*1000 + clock[1]/1000, errs
}

// lines is a model in the form of dump.
func lines(q *model.Queue, known []model.Incarnation) []string {
	var all []string
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	for i, list := range [][]model.Element{q.Ready, q.Suspect, q.List} {
		for _, e := range list {
			add("%s %s", []string{"ready", "suspect", "list"}[i], e)
		}
	}
	for i, set := range [][]model.Timed{q.Scheduled, q.Retry, q.Dead} {
		for _, t := range set {
			add("%s %d %s", []string{"scheduled", "retry", "dead"}[i], t.At, t.Element)
		}
	}
	for _, m := range q.Seen {
		add("seen %d %s", m.At, m.ID)
	}
	for _, m := range q.Members {
		add("workers %d %s", m.Ended, m.Incarnation)
	}
	add("alarm %d paused %v", q.Alarm, q.Paused)
	for c, n := range q.Count {
		if n != 0 {
			add("count %s %d", model.Counter(c), n)
		}
	}
	for _, it := range known {
		for _, h := range q.Holds {
			if h.Incarnation != it {
				continue
			}
			for _, e := range h.Hand {
				add("hand %s %s", it, e)
			}
			for _, held := range h.Held {
				add("held %s %d %s", it, uint64(tag(held.Tag)), held.Element)
			}
		}
	}
	return all
}
