package top

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/cron"
	"github.com/tasuki-dev/tasuki/inspect"
)

// fake is all that a model shows and changes, whose answers a test says. It keeps what it was asked.
type fake struct {
	stats    inspect.Stats
	statsErr error
	workers  []inspect.Worker
	jobs     []inspect.Job
	jobsErr  error
	failures []inspect.Failure
	entries  []*cron.Status
	details  map[string]Detail // by address
	count    inspect.Count
	noUndo   string
	ops      []inspect.Operation
	ends     chan inspect.Operation // Await waits for it
	kinds    []inspect.KindStats
	points   []inspect.Point
	acts     []inspect.AuditEntry
	marks    []inspect.MarkEntry
	scanned  int64 // for each page
	hang     bool  // Workers waits for the end of its context

	mu      sync.Mutex // of asked: looks run beside each other; a test reads when none does
	asked   []string
	changed []string
	outcome Outcome
	err     error // of a change
}

func (f *fake) ask(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, what)
}

func (f *fake) Stats(context.Context) (*inspect.Stats, error) {
	f.ask("stats")
	if f.statsErr != nil {
		return nil, f.statsErr
	}
	s := f.stats
	s.At = time.Now().UTC()
	s.Queues = slices.Clone(f.stats.Queues)
	return &s, nil
}

func (f *fake) Workers(ctx context.Context) ([]inspect.Worker, error) {
	f.ask("workers")
	if f.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return f.workers, nil
}

// portion is how many jobs fake.Find looks at.
const portion = 30

func (f *fake) Find(_ context.Context, q inspect.Query, cursor string) (inspect.Page, error) {
	f.ask(fmt.Sprintf("find %s %q %d", q.String(), cursor, q.Limit))
	if f.jobsErr != nil {
		return inspect.Page{}, f.jobsErr
	}
	from, _ := strconv.Atoi(cursor)
	p := inspect.Page{Total: int64(len(f.jobs)), Exact: q.String() == "", Scanned: f.scanned}
	for n := from; n < len(f.jobs); n++ {
		if len(p.Jobs) == q.Limit || n-from == portion {
			p.Cursor = strconv.Itoa(n)
			break
		}
		if len(q.Kinds) == 0 || slices.Contains(q.Kinds, f.jobs[n].Kind) {
			p.Jobs = append(p.Jobs, f.jobs[n])
		}
	}
	return p, nil
}

func (f *fake) Preview(_ context.Context, t inspect.Task, q inspect.Query) (inspect.Count, string, error) {
	f.ask("preview " + string(t.Action) + " " + q.String())
	return f.count, f.noUndo, f.jobsErr
}

func (f *fake) Operations(context.Context) ([]inspect.Operation, error) {
	f.ask("operations")
	return slices.Clone(f.ops), nil
}

func (f *fake) Operation(_ context.Context, id string) (inspect.Operation, error) {
	f.ask("operation " + id)
	for _, o := range f.ops {
		if o.ID == id {
			return o, nil
		}
	}
	return inspect.Operation{}, inspect.ErrNotFound
}

func (f *fake) Await(ctx context.Context, _ string) (inspect.Operation, error) {
	select {
	case o := <-f.ends:
		return o, nil
	case <-ctx.Done():
		return inspect.Operation{}, ctx.Err()
	}
}

// Audit gives two entries at a time at most.
func (f *fake) Audit(_ context.Context, cursor string, limit int) (inspect.AuditPage, error) {
	f.ask(fmt.Sprintf("audit %q %d", cursor, limit))
	from, _ := strconv.Atoi(cursor)
	p := inspect.AuditPage{Entries: slices.Clone(f.acts[from:min(from+2, len(f.acts))])}
	if from+2 < len(f.acts) {
		p.Cursor = strconv.Itoa(from + 2)
	}
	return p, nil
}

func (f *fake) Marks(_ context.Context, from, to time.Time) (marks []inspect.MarkEntry, err error) {
	for _, e := range f.marks {
		if !e.At.Before(from) && (to.IsZero() || !e.At.After(to)) {
			marks = append(marks, e)
		}
	}
	return marks, nil
}

func (f *fake) Kinds(_ context.Context, queue string, since time.Time) ([]inspect.KindStats, time.Time, error) {
	f.ask("kinds " + queue + time.Since(since).String())
	return slices.Clone(f.kinds), since, nil
}

func (f *fake) History(_ context.Context, q inspect.HistoryQuery) ([]inspect.Point, error) {
	f.ask(fmt.Sprintf("history %s %s %v", q.Queue, q.Kind, q.Step))
	return f.points, nil
}

func (f *fake) Failures(context.Context) ([]inspect.Failure, error) {
	f.ask("failures")
	return f.failures, nil
}

func (f *fake) Job(_ context.Context, address string) (Detail, error) {
	f.ask("job " + address)
	if d, ok := f.details[address]; ok {
		return d, nil
	}
	return Detail{Why: []inspect.Reason{{Cause: inspect.CauseNotFound, Text: "It was not found."}}}, nil
}

func (f *fake) Schedules(context.Context) ([]*cron.Status, error) {
	f.ask("schedules")
	return f.entries, nil
}

func (f *fake) did(format string, args ...any) (Outcome, error) {
	f.changed = append(f.changed, fmt.Sprintf(format, args...))
	return f.outcome, f.err
}

func (f *fake) Act(_ context.Context, t inspect.Task, jobs []inspect.Job) (Outcome, error) {
	var names []string
	for n := range jobs {
		names = append(names, address(&jobs[n]))
	}
	what := taskName(&t)
	if t.Changes != nil {
		what += " " + string(t.Changes.Args)
	}
	return f.did("%s %s", what, strings.Join(names, " "))
}

func (f *fake) begun(format string, args ...any) (inspect.Operation, error) {
	_, err := f.did(format, args...)
	return f.ops[0], err
}

func (f *fake) Operate(_ context.Context, t inspect.Task, q inspect.Query) (inspect.Operation, error) {
	return f.begun("%s all %s", taskName(&t), q.String())
}

func (f *fake) Continue(_ context.Context, id string) (inspect.Operation, error) {
	return f.begun("continue %s", id)
}

func (f *fake) Undo(_ context.Context, id string) (inspect.Operation, error) {
	return f.begun("undo %s", id)
}

func (f *fake) Do(_ context.Context, do Verb, name string) (Outcome, error) {
	return f.did("%s %s", do, name)
}

// bench runs a model as the program does, on the time of a bubble.
type bench struct {
	*fake
	t     *testing.T
	m     *model
	msgs  chan tea.Msg
	quit  bool
	ran   []*exec.Cmd             // instead of which edits is called with the file
	edits func(file string) error // may be nil
}

// onBench runs a test of a model that shows what a fake says, on a screen of 80×24.
func onBench(t *testing.T, write bool, test func(b *bench)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := example()
		m := newModel(Config{Source: f, Finder: f, Ledger: f, Statistics: f, Changer: f, Write: write, Where: "redis://redis.internal:6379 tasuki", Interval: time.Second})
		m.now = func() time.Time { return time.Now().UTC() }
		m.run = func(limit time.Duration, do func(context.Context) tea.Msg) (tea.Cmd, context.CancelFunc) {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			return func() tea.Msg {
				defer cancel()
				return do(ctx)
			}, cancel
		}
		b := &bench{fake: f, t: t, m: m, msgs: make(chan tea.Msg, 10_000)}
		m.exec = func(c *exec.Cmd, done tea.ExecCallback) tea.Cmd {
			return func() tea.Msg {
				b.ran = append(b.ran, c)
				if b.edits == nil {
					return done(nil)
				}
				return done(b.edits(c.Args[len(c.Args)-1]))
			}
		}
		b.do(m.Init())
		b.send(tea.WindowSizeMsg{Width: 80, Height: 24})
		test(b)
		time.Sleep(2 * readLimit) // what is under way ends
	})
}

func (b *bench) do(cmd tea.Cmd) {
	if cmd != nil {
		go func() { b.msgs <- cmd() }()
	}
}

// settle hands over messages until there are none. The time stands.
func (b *bench) settle() {
	for {
		synctest.Wait()
		select {
		case msg := <-b.msgs:
			b.update(msg)
		default:
			return
		}
	}
}

func (b *bench) update(msg tea.Msg) {
	switch msg := msg.(type) {
	case nil:
	case tea.QuitMsg:
		b.quit = true
	case tea.BatchMsg:
		for _, cmd := range msg {
			b.do(cmd)
		}
	default:
		_, cmd := b.m.Update(msg)
		b.do(cmd)
		b.m.View()
	}
}

func (b *bench) send(msg tea.Msg) {
	b.update(msg)
	b.settle()
}

// wait lets time pass.
func (b *bench) wait(d time.Duration) {
	for range int(d / (100 * time.Millisecond)) {
		time.Sleep(100 * time.Millisecond)
		b.settle()
	}
}

// press presses keys: each a character, or the name of one.
func (b *bench) press(keys ...string) {
	named := map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab, "down": tea.KeyDown, "up": tea.KeyUp, "left": tea.KeyLeft, "right": tea.KeyRight,
		"pgdown": tea.KeyPgDown, "pgup": tea.KeyPgUp, "home": tea.KeyHome, "end": tea.KeyEnd, "backspace": tea.KeyBackspace, "delete": tea.KeyDelete, "space": tea.KeySpace}
	for _, key := range keys {
		k := tea.KeyPressMsg{}
		name := key
		if rest, ok := strings.CutPrefix(name, "ctrl+"); ok {
			k.Mod, name = tea.ModCtrl, rest
		}
		if rest, ok := strings.CutPrefix(name, "shift+"); ok {
			k.Mod, name = tea.ModShift, rest
		}
		if code, ok := named[name]; ok {
			k.Code = code
			if key == "space" {
				k.Text = " "
			}
		} else {
			k.Code = []rune(name)[0]
			if k.Mod == 0 {
				k.Text = name
			}
		}
		b.send(k)
	}
}

// typeText types a text.
func (b *bench) typeText(text string) {
	for _, r := range text {
		b.send(tea.KeyPressMsg{Code: r, Text: string(r)})
	}
}

// screen is what is shown, without colours and the blanks at the ends of lines.
func (b *bench) screen() string {
	var lines []string
	for l := range strings.SplitSeq(ansi.Strip(b.m.View().Content), "\n") {
		lines = append(lines, strings.TrimRight(l, " "))
	}
	return strings.Join(lines, "\n")
}

func (b *bench) shows(texts ...string) {
	b.t.Helper()
	s := b.screen()
	for _, text := range texts {
		if !strings.Contains(s, text) {
			b.t.Errorf("%q is not on the screen:\n%s", text, s)
		}
	}
}

func (b *bench) shuns(texts ...string) {
	b.t.Helper()
	s := b.screen()
	for _, text := range texts {
		if strings.Contains(s, text) {
			b.t.Errorf("%q is on the screen:\n%s", text, s)
		}
	}
}

func (b *bench) did(want ...string) {
	b.t.Helper()
	if !slices.Equal(b.changed, want) {
		b.t.Errorf("it has changed %q, want %q", b.changed, want)
	}
	b.changed = nil
}

// histogram has one in each of some buckets: those that begin at 64 µs, doubled so often.
func histogram(doublings ...int) (h inspect.Histogram) {
	var buckets []inspect.Bucket
	for _, n := range doublings {
		low := 64 * time.Microsecond << n
		buckets = append(buckets, inspect.Bucket{Low: low, High: low + low/4, Count: 1})
	}
	text, err := json.Marshal(map[string]any{"buckets": buckets})
	if err == nil {
		err = json.Unmarshal(text, &h)
	}
	if err != nil {
		panic(err)
	}
	return h
}

var errAway = errors.New("dial tcp 127.0.0.1:6379: connect: connection refused")

// example is a namespace with some of everything.
func example() *fake {
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // when a bubble begins
	job := func(queue, id, kind string, state tasuki.State, attempt int) inspect.Job {
		j := inspect.Job{}
		j.Queue, j.ID, j.Kind, j.State, j.Attempt, j.MaxAttempts = queue, id, kind, state, attempt, 20
		j.EnqueuedAt = now.Add(-time.Hour)
		j.Args = json.RawMessage(`{"user":42,"locale":"ja","name":"山田太郎"}`)
		return j
	}
	dead := job("mail", "01kc0d0000000000000000dead", "email.welcome", tasuki.StateDead, 20)
	dead.Error, dead.Reason, dead.EndedAt = "smtp: 550 mailbox unavailable\nsecond line", "out of attempts", now.Add(-3*time.Minute)
	retry := job("mail", "01kc0d000000000000000retry", "email.newsletter", tasuki.StateRetry, 3)
	retry.Error, retry.DueAt, retry.Recorded = "dial tcp: connection refused", now.Add(90*time.Second), true
	retry.Runs = []tasuki.Run{{At: now.Add(-2 * time.Minute), Duration: 1200 * time.Millisecond, Outcome: "retry", Error: "dial tcp: connection refused", Place: "web-3:4711"}}
	running := job("images", "01kc0d00000000000000000run", "image.resize", tasuki.StateRunning, 1)
	running.StartedAt, running.Place, running.Recorded = now.Add(-5*time.Second), "web-3:4711", true
	raw := inspect.Job{Raw: []byte("\x1b[2Jplain")}
	raw.Queue, raw.State = "list:legacy", tasuki.StateReady
	return &fake{
		ends: make(chan inspect.Operation),
		ops: []inspect.Operation{
			{ID: "01kc0op000000000000000002", Task: inspect.Task{Action: inspect.Retry}, Query: "queue:mail state:dead", By: "ann@web-1", State: inspect.OperationRunning, Started: now.Add(-10 * time.Second), Updated: now,
				Acted: inspect.Acted{Done: 1000, Skipped: 3}, Scanned: 1003, Meant: inspect.Count{Jobs: 4000, Exact: true}, NoUndo: "jobs that are made ready may run at once"},
			{ID: "01kc0op000000000000000001", Task: inspect.Task{Action: inspect.Move, To: "bulk"}, Query: "queue:mail kind:email.newsletter", By: "bob@web-1", State: inspect.OperationInterrupted, Started: now.Add(-time.Hour),
				Updated: now.Add(-time.Hour), Acted: inspect.Acted{Done: 500, Refused: 1}, Error: "mail/x: the job has no record", Scanned: 501, Meant: inspect.Count{Jobs: 50_000}, Undoable: 500, UndoUntil: now.Add(time.Minute), Kept: []string{"mail"}},
			{ID: "01kc0op000000000000000000", Task: inspect.Task{Action: inspect.Remove}, Query: "queue:images", State: inspect.OperationDone, Started: now.Add(-2 * time.Hour), Updated: now.Add(-2 * time.Hour),
				Acted: inspect.Acted{Done: 7}, Scanned: 7, Meant: inspect.Count{Jobs: 7, Exact: true}, UndoneBy: "01kc0op000000000000000009", NoUndo: "it was undone"},
		},
		kinds: []inspect.KindStats{
			{Queue: "images", Kind: "image.resize", Counts: inspect.Counts{Done: 81_234}},
			{Queue: "mail", Kind: "email.newsletter", Counts: inspect.Counts{Done: 4000, Failed: 90, Crashed: 2, Run: histogram(14, 20), Wait: histogram(0)}},
		},
		points: []inspect.Point{
			{At: now.Add(-2 * time.Minute), Counts: inspect.Counts{Done: 12, Failed: 1, Run: histogram(14)}},
			{At: now.Add(-time.Minute)},
			{At: now, Counts: inspect.Counts{Done: 7}},
		},
		acts: []inspect.AuditEntry{
			{ID: "3", At: now.Add(-time.Minute), By: "ann@web-1", What: "retry", Target: "queue:mail state:dead", Detail: "operation 01kc0op000000000000000002 begins", Count: 4000},
			{ID: "2", At: now.Add(-time.Hour), By: "bob@web-1", What: "pause", Target: "reports", Count: 1},
			{ID: "1", At: now.Add(-2 * time.Hour), What: "move", Target: "mail/x\x1b[2J", Error: "the job has no record"},
		},
		marks: []inspect.MarkEntry{
			{ID: "1", At: now.Add(-3 * time.Hour), Text: "before all"}, {ID: "2", At: now.Add(-100 * time.Second), By: "ci", Text: "deploy of billing", Version: "v1.4.0"},
		},
		stats: inspect.Stats{
			Queues: []inspect.Queue{
				{Name: "images", Ready: 10_000_000, Running: 48, Workers: 3, Latency: 4*time.Minute + 10*time.Second, Counts: map[string]int64{"done": 81_234_567, "retry": 12}},
				{Name: "mail", Ready: 312, Scheduled: 1_000_000, Retry: 7, Running: 2, Dead: 1204, Workers: 3, Counts: map[string]int64{"done": 4_000, "retry": 90, "dead": 1204}},
				{Name: "reports", Ready: 12, Paused: true, PausedBy: "ann@web-1", PausedSince: now.Add(-2 * time.Hour), Workers: 1},
				{Name: "暗号化", Ready: 3},
			},
			Workers: 3, Slots: 60, Busy: 50,
			Servers: []inspect.Server{{Address: "redis.internal:6379", Product: "Redis", Version: "8.0.1", Used: 3 << 30, Max: 8 << 30, Policy: "noeviction", AOF: true}},
		},
		workers: []inspect.Worker{
			{ID: "01kbz8w1", Host: "web-3", PID: 4711, State: inspect.WorkerRunning, Queues: []string{"images", "mail"}, Slots: 50, Started: now.Add(-26 * time.Hour), Version: "v1.4.0",
				Answered: true, LastBeat: now, Busy: 2, Runs: []inspect.WorkerRun{{Queue: "images", ID: running.ID, Kind: "image.resize", Since: now.Add(-5 * time.Second)}, {Queue: "mail", ID: "bare", Since: now}}},
			{ID: "01kbz8w2", Host: "web-4", PID: 12, State: inspect.WorkerUnheard, Queues: []string{"mail"}, Slots: 10, Started: now.Add(-5 * time.Minute)},
		},
		jobs: []inspect.Job{running, retry, dead, raw},
		details: map[string]Detail{
			running.Address(): {Job: running, Why: []inspect.Reason{{Cause: inspect.CauseRunning, Text: "It runs in web-3:4711."}}},
			retry.Address(): {Job: retry, Log: []inspect.LogLine{{N: 1, Text: "connecting"}}, Why: []inspect.Reason{{Cause: inspect.CauseRetry, Text: "Its attempt 3 of 20 has failed, and it is tried again at 00:01:30."},
				{Cause: inspect.CausePaused, Text: "Then it waits until the queue is resumed."}}},
			dead.Address(): {Job: dead, Why: []inspect.Reason{{Cause: inspect.CauseEnded, Text: "It is dead: all attempts have failed."}}},
		},
		failures: []inspect.Failure{
			{Fingerprint: "6f2a1c09d4e87b35", Kind: "email.newsletter", Count: 12_345, First: now.Add(-50 * time.Hour), Last: now.Add(-2 * time.Minute), Hourly: append(make([]int64, 20), 1, 5, 40, 9),
				Sample: inspect.Sample{Queue: "mail", ID: retry.ID, Error: "dial tcp 10.0.0.7:25: connection refused"}},
			{Fingerprint: "0b17ffe2a6c94d88", Kind: inspect.RawKind, Count: 1, First: now.Add(-time.Hour), Last: now.Add(-time.Hour), Hourly: make([]int64, 24),
				Sample: inspect.Sample{Queue: "list:legacy", Error: "panic: \x1b[31mindex out of range", Stack: "goroutine 1 [running]:\nmain.handle()\n\t/src/main.go:42"}},
		},
		entries: []*cron.Status{
			{Entry: cron.Entry{Name: "nightly", Expr: "30 2 * * *", Zone: "Asia/Tokyo", Kind: "report.nightly", Opts: tasuki.Opts{Queue: "reports"}}, Declared: "reports", Next: now.Add(150 * time.Minute),
				Runs: []cron.Run{{Tick: now.Add(-21 * time.Hour), At: now.Add(-21 * time.Hour), Outcome: cron.OutcomeEnqueued, Address: "reports/nightly-1"}}},
			{Entry: cron.Entry{Name: "poll", Expr: "@every 30s", Kind: "poll"}, Paused: true, PausedBy: "ann@web-1", PausedSince: now.Add(-time.Hour), Warnings: []string{"no worker takes its jobs"}},
		},
	}
}
