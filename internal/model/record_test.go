package model_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/rueidis"
	"pgregory.net/rapid"

	"github.com/tasuki-dev/tasuki/internal/model"
	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/internal/source"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// TestRecords is TestConformance for recorded jobs and their locks. Workers open, run, note and
// settle, die and are swept; others move, edit, cancel, remove and revive what they have read,
// also long ago; and each call may come once more at any time. In the end all drains, and no
// lock, no turn and no memory of a pointer is left.
//
//fault:process workers die with recorded jobs before they have opened them, while these run, or before their outcomes are written | each job has one pointer, and no lock outlives its job
//fault:network any call of a worker or a client that has to do with recorded jobs comes once more, at any time later | it changes nothing twice, and all jobs end
func TestRecords(t *testing.T) {
	t.Parallel()
	for name, url := range servers(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := dial(t, url)
			sequences, start, done := 0, time.Now(), map[string]int{}
			for time.Since(start) < *walkFor && !t.Failed() {
				rapid.Check(t, func(t *rapid.T) {
					w, err := newRecordWalk(url, redis, done)
					if err != nil {
						t.Fatal(err)
					}
					defer w.close()
					w.begin(t)
					t.Repeat(w.actions())
					w.drain(t)
					sequences++
				})
			}
			t.Logf("%d sequences in %v: %v", sequences, time.Since(start).Round(time.Second), done)
			if !t.Failed() && sequences > 100 { // a machine that is busy does fewer
				for _, what := range []string{"Enqueue", "Exchange", "Open run", "Open stale", "Open parked", "Note", "Act edit done", "Act move done", "Act end done",
					"Act end running", "Act remove done", "Revive", "Sweep", "Trim", "TrimEnded", "Unlock"} {
					if done[what] == 0 {
						t.Errorf("no %s was done", what)
					}
				}
			}
		})
	}
}

const recordedJobs = 10

// keysOf are the locks of jobs, by number.
var keysOf = []model.Key{"", "q1", "q1", "d1", "d1", "r1", "r1", "r1", "b1", "b1", "w1"}

// recordWalk is one random sequence, on a server and in the model.
type recordWalk struct {
	s      *store.Store
	q      *store.Queue
	waiter *store.Waiter
	redis  rueidis.Client
	m      *model.Records
	done   map[string]int

	workers  [2]model.Incarnation
	next     model.Tag
	versions uint8
	opened   map[model.HeldPointer]model.RecordOpened // what the worker was told; not Plain once there was a note
	read     map[model.Job]model.Record               // by somebody who may act on it later
	portion  model.RecordSweep
	before   []model.RecordCall
	unlocked bool
}

func newRecordWalk(url string, redis rueidis.Client, done map[string]int) (*recordWalk, error) {
	s, err := store.New(store.Options{URL: url, Namespace: "t" + wire.NewIncarnation()})
	if err != nil {
		return nil, err
	}
	q, err := s.Queue("mail")
	if err != nil {
		return nil, err
	}
	w := &recordWalk{
		s: s, q: q, waiter: s.Waiter(q), redis: redis, m: model.NewRecords(recordedJobs), done: done,
		opened: map[model.HeldPointer]model.RecordOpened{}, read: map[model.Job]model.Record{},
	}
	for i := range w.workers {
		w.workers[i].Worker = uint8(i)
		if err := errors.Join(err, w.do(model.RecordEnter{Incarnation: w.workers[i]}, nil)); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *recordWalk) close() {
	w.waiter.Close()
	w.s.Close()
}

// do does a call on the server and in the model, and compares the answers and what both hold.
func (w *recordWalk) do(c model.RecordCall, answer *any) error {
	got, err := w.real(c)
	if err != nil {
		return fmt.Errorf("%+v: %w", c, err)
	}
	want := w.m.Do(c)
	have, err := w.dump()
	if err != nil {
		return err
	}
	if diff := cmp.Diff(want, got) + cmp.Diff(w.lines(), have); diff != "" {
		return fmt.Errorf("%T%+v (-model +server):\n%s", c, c, diff)
	}
	if answer != nil {
		*answer = want
	}
	return w.m.Check(w.unlocked)
}

// call is do for a walk.
func (w *recordWalk) call(t *rapid.T, c model.RecordCall) (answer any) {
	t.Helper()
	if err := w.do(c, &answer); err != nil {
		t.Fatal(err)
	}
	t.Logf("%T%+v → %+v", c, c, answer)
	what := strings.TrimPrefix(fmt.Sprintf("%T", c), "model.Record")
	switch c := c.(type) {
	case model.RecordOpen:
		what += " " + answer.(model.RecordOpened).What
		if answer.(model.RecordOpened).What == "missing" {
			t.Fatalf("the record of %v is gone, and nobody has taken it", c.Pointer)
		}
	case model.RecordAct:
		what += " " + c.What + " " + answer.(string)
	}
	w.done[what]++
	w.before = append(w.before, c)
	return answer
}

// real does a call on the server.
func (w *recordWalk) real(c model.RecordCall) (any, error) {
	s, q := w.s, w.q
	const later = time.Hour
	switch c := c.(type) {
	case model.RecordEnter:
		return nil, second(s.Register(ctx, q, c.String(), ""))
	case model.RecordTombstone:
		return nil, s.Tombstone(ctx, q, c.String())
	case model.RecordEnqueue:
		puts := make([]store.RecordedPut, len(c.Puts))
		for i, p := range c.Puts {
			puts[i] = store.RecordedPut{
				Put: store.Put{ID: p.Job.ID(), Element: model.Pointer{Job: p.Job, Gen: 1}.String()}, Own: true, Job: p.Body.String(), Lock: string(p.Key),
			}
			if p.Later {
				puts[i].In = later
			}
			if p.Key != "" && p.Key[0] == store.LockWindow {
				puts[i].HoldFor = later
			}
		}
		placed, err := s.EnqueueRecorded(ctx, q, 24*time.Hour, 1000, puts)
		answers := make([]string, len(placed))
		for i, p := range placed {
			switch {
			case p.Existed:
				answers[i] = "existed"
			case p.Owner != "":
				answers[i] = p.Owner
			default:
				answers[i] = "put"
			}
		}
		return answers, err
	case model.RecordExchange:
		x := store.Exchange{Incarnation: c.String(), Tag: tag(c.Tag), Request: source.Request{Want: c.Want, Lone: c.Lone}}
		for _, o := range c.Outcomes {
			r := &source.Record{ID: o.Job.ID(), Lock: string(w.m.Of(o.Job).Key), Gen: int64(o.Gen)}
			out := source.Outcome{Tag: tag(o.Tag), State: source.State(o.State), Element: o.Next.String(), Record: r}
			switch o.State {
			case "done", "cancelled":
				r.Ended = true
				r.Plain = o.Plain
				if o.Keep {
					r.Keep = later
				}
			case "suspect":
				out.State, out.Suspect = source.Release, true
			case "retry":
				out.Delay = later
			}
			if o.Body != nil {
				r.Fields = []string{"job", o.Body.String()}
			}
			x.Outcomes = append(x.Outcomes, out)
		}
		got, err := s.Fetch(ctx, q, &x, w.waiter)
		if err != nil || got.Trouble != nil {
			return nil, errors.Join(err, got.Trouble)
		}
		a := model.RecordExchanged{Alive: got.Alive}
		for _, t := range got.Refused {
			a.Refused = append(a.Refused, model.Tag(t-store.FirstTag))
		}
		for _, text := range got.Elements {
			a.Claimed = append(a.Claimed, pointer(text))
		}
		return a, nil
	case model.RecordOpen:
		opened, err := s.Open(ctx, q, c.Incarnation.String(), "host:1", []source.Pointer{w.pointer(c.HeldPointer)})
		if err != nil {
			return nil, err
		}
		o := opened[0]
		return model.RecordOpened{What: o.What, Body: o.Job, Cursor: o.Cursor, Cancel: o.Cancelled, Plain: o.Plain}, nil
	case model.RecordNote:
		cancelled, err := s.Note(ctx, q, c.Incarnation.String(), []source.Note{{Tag: tag(c.Tag), ID: c.Job.ID(), Fields: []string{"cursor", c.Cursor}}})
		return err == nil && cancelled[0], err
	case model.RecordAct:
		a := store.Act{What: c.What, ID: c.Job.ID(), Lock: string(w.m.Of(c.Job).Key), Gen: int64(c.Was), Job: c.Next.String(), State: "cancelled"}
		a.Old, a.New = model.Pointer{Job: c.Job, Gen: c.Was}.String(), model.Pointer{Job: c.Job, Gen: c.Was + 1}.String()
		if c.Body != nil {
			a.Was = c.Body.String()
		}
		if c.Later {
			a.When.In = later
		}
		if c.Keep {
			a.Keep = later
		}
		err := s.Act(ctx, q, &a)
		for known, answer := range actAnswers {
			if errors.Is(err, known) {
				return answer, nil
			}
		}
		return "done", err
	case model.RecordRevive:
		next := c.Dead
		next.Gen++
		moved, stay, err := s.Revive(ctx, q, []store.Revival{{
			Dead: c.Dead.String(), Ready: next.String(), ID: c.Dead.Job.ID(), Lock: string(w.m.Of(c.Dead.Job).Key), Gen: int64(next.Gen),
			Read: c.Read.String(), Job: c.Next.String(),
		}})
		return model.RecordRevived{Moved: moved, Stay: stay}, err
	case model.RecordSweep:
		var back []store.PutBack
		for _, b := range c.Back {
			read := ""
			if b.Read != nil {
				read = b.Read.String()
			}
			back = append(back, store.PutBack{
				Left: store.Left{Tag: tag(b.Tag), Element: b.Pointer.String()}, To: b.To, As: "crashed", Element: model.Pointer{Job: b.Job, Gen: b.Gen + 1}.String(),
				ID: b.Job.ID(), Lock: string(w.m.Of(b.Job).Key), Was: int64(b.Gen), Gen: int64(b.Gen) + 1, Read: read, Job: b.Body.String(),
			})
		}
		moved, dead, err := s.Sweep(ctx, q, c.String(), back)
		if !dead {
			moved = -1
		}
		return moved, err
	case model.RecordTrim:
		return s.Trim(ctx, q, []store.Trimmed{{Element: c.Dead.String(), ID: c.Dead.Job.ID(), Gen: int64(c.Dead.Gen)}})
	case model.RecordTrimEnded:
		return s.TrimEnded(ctx, q, c.Most)
	case model.RecordUnlock:
		return s.Unlock(ctx, q, string(c.Key))
	case model.RecordPass:
		return nil, w.pass()
	}
	return nil, fmt.Errorf("%T is no call", c)
}

var actAnswers = map[error]string{
	store.ErrRunning: "running", store.ErrChanged: "changed", store.ErrEnded: "ended", store.ErrMissing: "missing", store.ErrLocked: "locked",
}

func second[T any](_ T, err error) error { return err }

func (w *recordWalk) pointer(h model.HeldPointer) source.Pointer {
	return source.Pointer{Tag: tag(h.Tag), ID: h.Job.ID(), Lock: string(w.m.Of(h.Job).Key), Gen: int64(h.Gen)}
}

// pointer reads what Pointer.String writes.
func pointer(text string) (p model.Pointer) {
	if _, err := fmt.Sscanf(text, "p%d.%d", &p.Job, &p.Gen); err != nil {
		panic(fmt.Sprintf("the server holds %q", text))
	}
	return p
}

// pass makes all due that waits, and ends the windows.
func (w *recordWalk) pass() error {
	for _, key := range []string{w.q.Scheduled, w.q.Retry} {
		members, err := w.redis.Do(ctx, w.redis.B().Zrange().Key(key).Min("0").Max("-1").Build()).AsStrSlice()
		if err != nil {
			return err
		}
		for _, m := range members {
			if err := w.redis.Do(ctx, w.redis.B().Zadd().Key(key).ScoreMember().ScoreMember(1, m).Build()).Error(); err != nil {
				return err
			}
		}
	}
	return w.redis.Do(ctx, w.redis.B().Del().Key(w.q.Lock("w1")).Build()).Error()
}

// held are the incarnations whose pointers are compared.
func (w *recordWalk) incarnations() []model.Incarnation {
	var all []model.Incarnation
	for _, it := range w.workers {
		for epoch := range it.Epoch + 1 {
			all = append(all, model.Incarnation{Worker: it.Worker, Epoch: epoch})
		}
	}
	return all
}

// dump reads all that the server holds, in the form of lines.
func (w *recordWalk) dump() ([]string, error) {
	b, q := w.redis.B(), w.q
	var commands rueidis.Commands
	var readers []func(rueidis.RedisResult) error
	var all []string
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	read := func(command rueidis.Completed, f func(rueidis.RedisResult) error) {
		commands, readers = append(commands, command), append(readers, f)
	}
	list := func(name, key string) {
		read(b.Lrange().Key(key).Start(0).Stop(-1).Build(), func(reply rueidis.RedisResult) error {
			elements, err := reply.AsStrSlice()
			for _, e := range elements {
				add("%s %s", name, e)
			}
			return err
		})
	}
	list("ready", q.Ready)
	list("suspect", q.Suspect)
	for name, key := range map[string]string{"scheduled": q.Scheduled, "retry": q.Retry, "dead": q.Dead} {
		read(b.Zrange().Key(key).Min("0").Max("-1").Withscores().Build(), func(reply rueidis.RedisResult) error {
			members, err := reply.AsZScores()
			for _, m := range members {
				add("%s %s %v", name, m.Member, name == "dead" || m.Score == 1)
			}
			return err
		})
	}
	list("ended", q.Ended)
	for _, it := range w.incarnations() {
		read(b.Hgetall().Key(q.Held(it.String())).Build(), func(reply rueidis.RedisResult) error {
			held, err := reply.AsStrMap()
			for t, e := range held {
				add("held %s %s %s", it, t, e)
			}
			return err
		})
	}
	for _, k := range slices.Compact(slices.Clone(keysOf))[1:] {
		for name, key := range map[string]string{"lock": q.Lock(string(k)), "running": q.Running(string(k))} {
			read(b.Get().Key(key).Build(), func(reply rueidis.RedisResult) error {
				id, err := reply.ToString()
				if rueidis.IsRedisNil(err) {
					return nil
				}
				add("%s %s %s", name, k, id)
				return err
			})
		}
		list("parked "+string(k), q.Parked(string(k)))
	}
	for j := model.Job(1); j <= recordedJobs; j++ {
		var fields map[string]string
		read(b.Hgetall().Key(q.Record(j.ID())).Build(), func(reply rueidis.RedisResult) (err error) {
			fields, err = reply.AsStrMap()
			return err
		})
		read(b.Ttl().Key(q.Record(j.ID())).Build(), func(reply rueidis.RedisResult) error {
			seconds, err := reply.AsInt64()
			if len(fields) > 0 {
				if at, there := fields["at"]; there {
					fields["at"] = "T"
					if _, place := store.ParseAt(at); place != "" {
						fields["at"] = "T " + place
					}
				}
				add("record %d ends %v %v", j, seconds >= 0, fields)
			}
			return err
		})
	}
	var errs error
	for i, reply := range w.redis.DoMulti(ctx, commands...) {
		errs = errors.Join(errs, readers[i](reply))
	}
	return ordered(all), errs
}

// ordered sorts what has no order of its own.
func ordered(all []string) []string {
	slices.SortStableFunc(all, func(a, b string) int {
		listed := func(s string) (string, bool) {
			name, _, _ := strings.Cut(s, " ")
			return name, name == "ready" || name == "suspect" || name == "ended" || name == "parked"
		}
		na, la := listed(a)
		nb, lb := listed(b)
		if la && lb && na == nb {
			return strings.Compare(strings.Join(strings.Fields(a)[:len(strings.Fields(a))-1], " "), strings.Join(strings.Fields(b)[:len(strings.Fields(b))-1], " "))
		}
		return strings.Compare(a, b)
	})
	return all
}

// lines is the model in the form of dump.
func (w *recordWalk) lines() []string {
	var all []string
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	m := w.m
	for _, p := range m.Ready {
		add("ready %s", p)
	}
	for _, p := range m.Suspect {
		add("suspect %s", p)
	}
	for name, set := range map[string][]model.Waiting{"scheduled": m.Scheduled, "retry": m.Retry, "dead": m.Dead} {
		for _, x := range set {
			add("%s %s %v", name, x.Pointer, x.Due)
		}
	}
	for _, j := range m.Ended {
		add("ended %s", j.ID())
	}
	for _, h := range m.Held {
		add("held %s %d %s", h.Incarnation, uint64(tag(h.Tag)), h.Pointer)
	}
	for k, j := range m.Owner {
		add("lock %s %s", k, j.ID())
	}
	for k, j := range m.Running {
		add("running %s %s", k, j.ID())
	}
	for k, list := range m.Parked {
		for _, p := range list {
			add("parked %s %s", k, p)
		}
	}
	for i, r := range m.Jobs {
		if r.State == "" {
			continue
		}
		fields := map[string]string{}
		set := func(name, value string, there bool) {
			if there {
				fields[name] = value
			}
		}
		set("gen", strconv.Itoa(int(r.Gen)), r.Gen != 0)
		set("state", r.State, r.State != "done" || !r.TTL) // of most it is memory for nothing
		set("at", "T", r.At == model.Time)
		set("at", "T host:1", r.At == model.TimeAndPlace)
		set("cursor", r.Cursor, r.Cursor != "")
		set("cancel", "1", r.Cancel)
		set("left", strconv.Itoa(int(r.Left)), r.Left != 0)
		if r.Body != nil {
			set("job", r.Body.String(), true)
		}
		add("record %d ends %v %v", i+1, r.TTL, fields)
	}
	return ordered(all)
}

// body is one that no job had before.
func (w *recordWalk) body(crashes uint8) model.Body {
	w.versions++
	return model.Body{Version: w.versions, Crashes: crashes}
}

// outcome is what a worker says of a pointer that it holds.
func (w *recordWalk) outcome(t *rapid.T, h model.HeldPointer) model.RecordOutcome {
	o := model.RecordOutcome{Tag: h.Tag, Job: h.Job, Gen: h.Gen, Next: h.Pointer}
	switch told := w.opened[h]; told.What {
	case "stale", "parked":
		o.State = told.What
	case "run":
		o.State = rapid.SampledFrom([]string{"done", "done", "cancelled", "retry", "dead", "dead", "release", "suspect"}).Draw(t, "outcome")
		body := w.body(w.m.Of(h.Job).Body.Crashes)
		switch o.State {
		case "done", "cancelled":
			o.Gen, o.Keep, o.Plain = 0, rapid.Bool().Draw(t, "keep"), told.Plain
			if o.Keep {
				o.Body = &body
			}
		case "retry", "dead":
			o.Gen++
			o.Next.Gen++
			o.Body = &body
		default:
			o.Gen = 0
		}
	default: // it was not opened, or nobody knows
		o.State = "release"
	}
	return o
}

// settle is an exchange of a worker, which may also claim.
func (w *recordWalk) settle(t *rapid.T, it model.Incarnation, want int) {
	x := model.RecordExchange{Incarnation: it, Tag: w.next, Want: want, Lone: true}
	w.next += model.Tag(want)
	for _, h := range w.m.Held {
		if h.Incarnation == it && rapid.Bool().Draw(t, "settle") {
			x.Outcomes = append(x.Outcomes, w.outcome(t, h))
		}
	}
	w.call(t, x)
}

// open has the worker follow a pointer.
func (w *recordWalk) open(t *rapid.T, h model.HeldPointer) {
	w.opened[h] = w.call(t, model.RecordOpen{HeldPointer: h}).(model.RecordOpened)
}

// sweep reads what an incarnation has left, and says what becomes of it.
func (w *recordWalk) sweep(it model.Incarnation) model.RecordSweep {
	c := model.RecordSweep{Incarnation: it}
	for _, h := range slices.Backward(w.m.Held) {
		if h.Incarnation != it {
			continue
		}
		b := model.RecordBack{HeldPointer: h, To: "ready"}
		if r := w.m.Of(h.Job); r.Body != nil {
			b.Read, b.Body = r.Body, w.body(r.Body.Crashes+1)
		}
		if b.Body.Crashes >= 3 {
			b.To = "dead"
		} else if b.Body.Crashes == 2 {
			b.To = "suspect"
		}
		c.Back = append(c.Back, b)
	}
	return c
}

// held is a pointer that is held, of those that are wanted.
func (w *recordWalk) held(t *rapid.T, wanted func(model.HeldPointer) bool) model.HeldPointer {
	all := slices.DeleteFunc(slices.Clone(w.m.Held), func(h model.HeldPointer) bool { return !wanted(h) })
	if len(all) == 0 {
		t.Skip("none is held")
	}
	return rapid.SampledFrom(all).Draw(t, "held")
}

// job is mostly one that is there.
func (w *recordWalk) job(t *rapid.T) model.Job {
	var there []model.Job
	for j := model.Job(1); j <= recordedJobs; j++ {
		if w.m.Of(j).Body != nil {
			there = append(there, j)
		}
	}
	if len(there) > 0 && rapid.IntRange(0, 9).Draw(t, "there") > 0 {
		return rapid.SampledFrom(there).Draw(t, "job")
	}
	return model.Job(rapid.IntRange(1, recordedJobs).Draw(t, "job"))
}

// seldom skips most of what comes too often for the rest.
func seldom(t *rapid.T) {
	if rapid.IntRange(0, 7).Draw(t, "really") > 0 {
		t.Skip("seldom")
	}
}

// put is a job as it is enqueued.
func (w *recordWalk) put(t *rapid.T, j model.Job) model.RecordPut {
	crashes := max(rapid.IntRange(-2, 2).Draw(t, "crashes"), 0)
	return model.RecordPut{Job: j, Key: keysOf[j], Body: w.body(uint8(crashes)), Later: rapid.IntRange(0, 3).Draw(t, "later") == 0}
}

// begin enqueues some of the jobs.
func (w *recordWalk) begin(t *rapid.T) {
	var c model.RecordEnqueue
	for j := model.Job(1); j <= recordedJobs; j++ {
		if rapid.Bool().Draw(t, "at once") {
			c.Puts = append(c.Puts, w.put(t, j))
		}
	}
	w.call(t, c)
}

func (w *recordWalk) exchange(t *rapid.T) {
	w.settle(t, rapid.SampledFrom(w.workers[:]).Draw(t, "worker"), rapid.IntRange(0, 3).Draw(t, "want"))
}

func (w *recordWalk) openOne(t *rapid.T) {
	w.open(t, w.held(t, func(h model.HeldPointer) bool { return w.opened[h].What == "" }))
}

// look is a record as somebody has read it, now or before.
func (w *recordWalk) look(t *rapid.T, j model.Job) model.Record {
	if _, known := w.read[j]; !known || rapid.IntRange(0, 3).Draw(t, "read") > 0 {
		w.read[j] = *w.m.Of(j)
	}
	return w.read[j]
}

func (w *recordWalk) act(t *rapid.T) {
	j := w.job(t)
	r := w.look(t, j)
	c := model.RecordAct{
		What: rapid.SampledFrom([]string{"edit", "move", "move", "end", "remove"}).Draw(t, "what"), Job: j, Was: r.Gen, Body: r.Body,
		Later: rapid.Bool().Draw(t, "later"), Keep: rapid.Bool().Draw(t, "keep"),
	}
	if r.Body != nil {
		c.Next = w.body(r.Body.Crashes)
	}
	if r.State == "dead" && c.What == "end" {
		t.Skip("what is dead is not cancelled")
	}
	w.call(t, c)
}

func (w *recordWalk) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"enqueue": func(t *rapid.T) {
			var c model.RecordEnqueue
			for range rapid.IntRange(1, 4).Draw(t, "jobs") {
				c.Puts = append(c.Puts, w.put(t, model.Job(rapid.IntRange(1, recordedJobs).Draw(t, "job"))))
			}
			w.call(t, c)
		},
		"exchange":      w.exchange,
		"exchange more": w.exchange,
		"open":          w.openOne,
		"open more":     w.openOne,
		"note": func(t *rapid.T) {
			h := w.held(t, func(h model.HeldPointer) bool { return w.opened[h].What == "run" })
			w.versions++
			w.call(t, model.RecordNote{HeldPointer: h, Cursor: fmt.Sprint(w.versions)})
			told := w.opened[h]
			told.Plain = false
			w.opened[h] = told
		},
		"act":      w.act,
		"act more": w.act,
		"revive": func(t *rapid.T) {
			if len(w.m.Dead) == 0 {
				t.Skip("nothing is dead")
			}
			d := rapid.SampledFrom(w.m.Dead).Draw(t, "dead").Pointer
			r := w.look(t, d.Job)
			if r.Body == nil {
				t.Skip("there was no record")
			}
			w.call(t, model.RecordRevive{Dead: d, Read: *r.Body, Next: w.body(0)})
		},
		"trim": func(t *rapid.T) {
			if len(w.m.Dead) == 0 {
				t.Skip("nothing is dead")
			}
			w.call(t, model.RecordTrim{Dead: rapid.SampledFrom(w.m.Dead).Draw(t, "dead").Pointer})
		},
		"trim ended": func(t *rapid.T) {
			seldom(t)
			w.call(t, model.RecordTrimEnded{Most: rapid.IntRange(0, 3).Draw(t, "most")})
		},
		"die": func(t *rapid.T) {
			seldom(t)
			it := &w.workers[rapid.IntRange(0, 1).Draw(t, "worker")]
			w.call(t, model.RecordTombstone{Incarnation: *it})
			w.portion = w.sweep(*it)
			it.Epoch++
			w.call(t, model.RecordEnter{Incarnation: *it})
		},
		"put back": func(t *rapid.T) { // also what was put back before
			if len(w.portion.Back) == 0 {
				t.Skip("nothing was read")
			}
			w.call(t, w.portion)
		},
		"unlock": func(t *rapid.T) {
			seldom(t)
			w.unlocked = true
			w.call(t, model.RecordUnlock{Key: rapid.SampledFrom(keysOf[1:]).Draw(t, "key")})
		},
		"time passes": func(t *rapid.T) { w.call(t, model.RecordPass{}) },
		"again": func(t *rapid.T) {
			if len(w.before) == 0 {
				t.Skip("nothing to repeat")
			}
			c := w.before[max(len(w.before)-1-rapid.IntRange(0, 30).Draw(t, "how long ago"), 0)]
			switch x := c.(type) {
			case model.RecordEnter, model.RecordTombstone, model.RecordUnlock, model.RecordTrimEnded:
				t.Skip("these know no generation, and each is another one")
			case model.RecordExchange:
				x.Want = 0 // a claim that is repeated brings tags of its own
				c = x
			}
			w.call(t, c)
		},
	}
}

// drain has all go on without a fault until nothing is left to do.
func (w *recordWalk) drain(t *rapid.T) {
	for _, it := range w.incarnations() {
		if !slices.Contains(w.m.Alive, it) {
			if c := w.sweep(it); len(c.Back) > 0 {
				w.call(t, c)
			}
		}
	}
	for range 100 {
		w.call(t, model.RecordPass{})
		for _, it := range w.workers {
			x := model.RecordExchange{Incarnation: it, Tag: w.next, Want: 3, Lone: true}
			w.next += 3
			for _, h := range slices.Clone(w.m.Held) {
				if h.Incarnation != it {
					continue
				}
				if told := w.opened[h].What; told == "" || told == "gone" {
					w.open(t, h)
				}
				o := model.RecordOutcome{Tag: h.Tag, Job: h.Job, Gen: h.Gen, Next: h.Pointer, State: w.opened[h].What}
				if o.State == "run" {
					o.State, o.Gen, o.Plain = "done", 0, w.opened[h].Plain
				}
				x.Outcomes = append(x.Outcomes, o)
			}
			w.call(t, x)
		}
		if err := w.m.CheckDrained(); err == nil {
			return
		}
	}
	t.Fatal(w.m.CheckDrained())
}

// TestRecordSearch goes through all that can happen to a few recorded jobs, up to a number of
// states: after each step nothing is wrong, and from each state all drains. The way to the last of
// them is walked on a real server.
//
//fault:process a worker dies, and what it held is put back, between any two steps of clients that move, end and revive recorded jobs | each job has one pointer, and no lock or turn is left when all has drained
func TestRecordSearch(t *testing.T) {
	t.Parallel()
	url := redistest.Shared(t).URL()
	redis := dial(t, url)
	for name, world := range map[string]*model.RecordWorld{
		"moves":   model.NewRecordWorld(3, 1, 1, 1, "", ""),
		"turns":   model.NewRecordWorld(2, 1, 1, 1, "r1", "r1", "r1"),
		"queued":  model.NewRecordWorld(2, 1, 1, 1, "q1", "q1"),
		"done":    model.NewRecordWorld(2, 1, 1, 1, "d1", "d1"),
		"both":    model.NewRecordWorld(1, 1, 1, 1, "b1", "b1", "b1"),
		"windows": model.NewRecordWorld(2, 1, 1, 1, "w1", "w1"),
	} {
		t.Run(name, func(t *testing.T) {
			f := model.SearchRecords(world, max(*most, 12_000))
			t.Logf("%d states, depth %d, in %v", f.States, f.Depth, f.Took.Round(time.Millisecond))
			if f.Wrong != nil {
				for _, c := range f.Way {
					t.Logf("%T%+v", c, c)
				}
				t.Fatal(f.Wrong)
			}
			if f.States < 2000 || f.Drained < f.States-1 {
				t.Error("there is little left of the search")
			}
			w, err := newRecordWalk(url, redis, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer w.close()
			for _, c := range f.Way {
				if it, enters := c.(model.RecordEnter); enters {
					w.workers[it.Worker] = it.Incarnation
				}
				if err := w.do(c, nil); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
