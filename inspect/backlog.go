package inspect

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tasuki-dev/tasuki/internal/legible"
	"github.com/tasuki-dev/tasuki/internal/store"
)

// Backlog is what waits in a queue, and how fast it comes and goes.
type Backlog struct {
	Queue string    `json:"queue"`
	At    time.Time `json:"at"` // by the clock of this program

	Waiting int64 `json:"waiting"` // ready and suspect
	Later   int64 `json:"later"`   // scheduled or to be retried: in no estimate
	Running int64 `json:"running"`
	Paused  bool  `json:"paused,omitempty"`

	Workers int `json:"workers"` // that serve the queue and take jobs
	Slots   int `json:"slots"`   // of these, for all queues that they serve
	Busy    int `json:"busy"`    // of these, with jobs of any queue

	// Flow is how fast it went between the looks.
	Flow Flow `json:"flow"`
	// RunTime is the mean time from a claim to the end of a run, by Little's law: how many run
	// at a time, divided by how many are started in a second. 0: none was started.
	RunTime time.Duration `json:"run_time_ns,omitempty"`
}

// Flow is what has come to a queue's line and what has left it, in a time.
type Flow struct {
	In   int64         `json:"in"`      // became ready: new ones, due ones, and those that were put back
	Out  int64         `json:"out"`     // claimed by a worker
	Over time.Duration `json:"over_ns"` // the time in which they did
}

// perSecond is a number of the flow as a rate.
func (f Flow) perSecond(n int64) float64 {
	if f.Over <= 0 {
		return 0
	}
	return float64(n) / f.Over.Seconds()
}

// Verdict says on a word whether a backlog will be done.
type Verdict string

// The verdicts.
const (
	VerdictEmpty   Verdict = "empty"   // nothing waits
	VerdictDrains  Verdict = "drains"  // it will be done
	VerdictNever   Verdict = "never"   // at least as much comes in as goes out
	VerdictNobody  Verdict = "nobody"  // no worker takes jobs of the queue
	VerdictPaused  Verdict = "paused"  // nor may one
	VerdictUnclear Verdict = "unclear" // what was seen is too little to tell
)

// Estimate is when a backlog will be done, if everything goes on as it did between the looks.
type Estimate struct {
	More    int     `json:"more_workers"` // beside those that there are
	In      float64 `json:"in"`           // jobs per second
	Out     float64 `json:"out"`          // jobs per second, with these workers
	Verdict Verdict `json:"verdict"`
	Text    string  `json:"text"` // a sentence or two

	// Left is the time until nothing waits, of a backlog that drains; it lies between Soonest
	// and Latest in 19 cases of 20, if jobs come and go independently of each other. Latest 0:
	// perhaps never.
	Left    time.Duration `json:"left_ns,omitempty"`
	Soonest time.Duration `json:"soonest_ns,omitempty"`
	Latest  time.Duration `json:"latest_ns,omitempty"`
	Done    time.Time     `json:"done,omitzero"` // Left, as a time

	// Turn is the time until the last of those that wait now is started, whatever comes in
	// behind it. 0: that cannot be told.
	Turn time.Duration `json:"turn_ns,omitempty"`
}

// BacklogConfig says how a backlog is measured. The zero value looks twice.
type BacklogConfig struct {
	// Over is the time between the looks: 2.5 s unless told, at most an hour.
	Over time.Duration
	// Flow is what is known already, as from statistics that are kept: there is one look only.
	Flow *Flow
}

// Backlog measures a queue: it looks, waits, and looks again. cfg may be nil. When it will be
// done, Estimate of the result says.
func (i *Inspector) Backlog(ctx context.Context, queue string, cfg *BacklogConfig) (*Backlog, error) {
	if cfg == nil {
		cfg = &BacklogConfig{}
	}
	over := cfg.Over
	if over == 0 {
		over = watchFor
	}
	if over < 100*time.Millisecond || over > time.Hour {
		return nil, fmt.Errorf("backlog: over: %v: allowed are 100ms to 1h", over)
	}
	b, err := i.backlog(ctx, queue, over, cfg.Flow)
	if err != nil {
		return nil, fmt.Errorf("backlog of %s: %w", queue, err)
	}
	return b, nil
}

func (i *Inspector) backlog(ctx context.Context, queue string, over time.Duration, known *Flow) (*Backlog, error) {
	q, err := i.store.Queue(queue)
	if err != nil {
		return nil, err
	}
	timer := time.NewTimer(over)
	defer timer.Stop()
	first, err := i.store.Survey(ctx, q)
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	var ids []string
	for _, m := range first.Members {
		if m.Ended.IsZero() {
			ids = append(ids, m.Worker())
		}
	}
	var workers []Worker
	if len(ids) > 0 {
		if workers, err = i.workersThat(ctx, func(id string) bool { return slices.Contains(ids, id) }); err != nil {
			return nil, err
		}
	}
	last, flow := first, known
	if known == nil {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if last, err = i.store.Survey(ctx, q); err != nil {
			return nil, err
		}
		// Counters that were lost with the server are lower than before.
		out := max(last.Counts["claimed"]-first.Counts["claimed"], 0)
		came := last.Ready + last.Suspect - first.Ready - first.Suspect + out
		flow = &Flow{In: max(came, 0), Out: out, Over: time.Since(begun)}
	}
	is := queueOf(queue, last)
	b := &Backlog{
		Queue: queue, At: time.Now(), Waiting: is.Ready + is.Suspect, Later: is.Scheduled + is.Retry, Running: is.Running, Paused: is.Paused, Flow: *flow,
	}
	for _, w := range workers {
		if w.State != WorkerRunning {
			continue
		}
		b.Workers++
		b.Slots += w.Slots
		b.Busy += w.Busy
	}
	if rate := flow.perSecond(flow.Out); rate > 0 {
		running := float64(running(first)+running(last)) / 2
		b.RunTime = time.Duration(running / rate * float64(time.Second))
	}
	return b, nil
}

// running is how many jobs workers hold.
func running(v *store.Survey) (n int64) {
	for _, m := range v.Members {
		n += v.Held[m.Incarnation]
	}
	return n
}

// Estimate says when the backlog will be done with so many more workers, each like the mean of
// those that there are; a negative number means fewer.
//
// What waits is divided by what goes out and does not come in: Waiting / (Out - In). A worker more
// adds what each takes on average, Out / Workers, as long as slots are what the jobs wait for:
// the utilization law, and Little's law for RunTime (Lazowska and others, Quantitative System
// Performance, 1984, chapter 3). The span is that of two independent Poisson counts:
// Out - In ± 1.96 √(Out + In).
func (b *Backlog) Estimate(more int) Estimate {
	e := Estimate{More: more, In: b.Flow.perSecond(b.Flow.In), Out: b.Flow.perSecond(b.Flow.Out)}
	scale := 1.0
	if b.Workers > 0 {
		scale = float64(max(b.Workers+more, 0)) / float64(b.Workers)
	}
	e.Out *= scale
	net := e.Out - e.In
	span := 0.0
	if b.Flow.Over > 0 {
		span = 1.96 * math.Sqrt(float64(b.Flow.Out)*scale*scale+float64(b.Flow.In)) / b.Flow.Over.Seconds()
	}
	over := legible.Rough(b.Flow.Over)
	if e.Out > 0 && !b.Paused {
		e.Turn = seconds(float64(b.Waiting) / e.Out)
	}
	switch {
	case b.Waiting == 0:
		e.Verdict, e.Text = VerdictEmpty, "Nothing waits."
	case b.Paused:
		e.Verdict, e.Text = VerdictPaused, fmt.Sprintf("The queue is paused: the %d jobs wait until somebody resumes it.", b.Waiting)
	case b.Workers+more <= 0:
		e.Verdict, e.Text = VerdictNobody, fmt.Sprintf("No worker takes jobs of the queue: the %d jobs wait until one is started.", b.Waiting)
	case b.Workers == 0:
		e.Verdict, e.Text = VerdictUnclear, "No worker takes jobs of the queue now: how fast those would be is not known."
	case e.Out == 0:
		e.Verdict, e.Text = VerdictUnclear, fmt.Sprintf("No job was started within %v: the jobs that run take longer than that. Measure for longer.", over)
	case net <= 0 && -net < span || net > 0 && net <= span && float64(b.Waiting)/net > b.Flow.Over.Seconds()*10:
		e.Verdict, e.Text = VerdictUnclear, fmt.Sprintf("As much comes in as goes out, %.1f and %.1f a second, as far as %v tell. What waits now is started within about %v.", e.In, e.Out, over, legible.Rough(e.Turn))
	case net <= 0:
		e.Verdict, e.Text = VerdictNever, fmt.Sprintf("Never: more comes in than goes out, %.1f and %.1f a second. In an hour %d more will wait; what waits now is started within about %v.", e.In, e.Out, int64(-net*3600), legible.Rough(e.Turn))
	default:
		e.Verdict = VerdictDrains
		e.Left = seconds(float64(b.Waiting) / net)
		e.Soonest = seconds(float64(b.Waiting) / (net + span))
		if net > span {
			e.Latest = seconds(float64(b.Waiting) / (net - span))
		}
		e.Done = b.At.Add(e.Left)
		e.Text = fmt.Sprintf("%d jobs are done in about %v: %.1f a second go out and %.1f come in.", b.Waiting, legible.Rough(e.Left), e.Out, e.In)
	}
	if more > 0 && b.Workers > 0 && b.Slots > 0 && b.Busy*10 < b.Slots*9 && b.Waiting > 0 && !b.Paused {
		e.Text += fmt.Sprintf(" But only %d of %d slots are busy: something else holds the jobs back, and more workers may not help.", b.Busy, b.Slots)
	}
	return e
}

// Ahead is how long it takes until so many jobs are claimed that are before one, at the present
// rate; false if that cannot be told. What comes in behind it does not matter.
func (b *Backlog) Ahead(n int64) (time.Duration, bool) {
	if b.Paused || b.Workers == 0 || b.Flow.Out == 0 {
		return 0, false
	}
	return seconds(float64(n) / b.Flow.perSecond(b.Flow.Out)), true
}

// Within is how many more workers it takes for the backlog to be done in a time, by the same
// formula as Estimate; false if that cannot be told.
func (b *Backlog) Within(d time.Duration) (more int, ok bool) {
	if d <= 0 || b.Workers == 0 || b.Flow.Out == 0 {
		return 0, false
	}
	each := b.Flow.perSecond(b.Flow.Out) / float64(b.Workers)
	need := math.Ceil((float64(b.Waiting)/d.Seconds() + b.Flow.perSecond(b.Flow.In)) / each)
	if need > 1e6 {
		return 0, false
	}
	return max(int(need)-b.Workers, 0), true
}

// seconds is a duration, of what is too long for one the longest.
func seconds(s float64) time.Duration {
	if s >= math.MaxInt64/1e9 {
		return math.MaxInt64
	}
	return time.Duration(s * float64(time.Second))
}
