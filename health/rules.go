package health

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tasuki-dev/tasuki"
)

// view is a worker at the time of a look.
type view struct {
	tasuki.Status
	name string
	now  time.Time
}

func (v *view) say(format string, args ...any) []string {
	return []string{v.name + fmt.Sprintf(format, args...)}
}

// silent is for how long it has not beaten, as a text needs it.
func (v *view) silent() time.Duration { return v.now.Sub(v.LastBeat).Round(time.Second) }

func (v *view) notStarted() []string {
	if v.Entered || v.Ended {
		return nil
	}
	return v.say(" was not in the list of workers yet")
}

func (v *view) notReady() []string {
	switch {
	case v.Ended:
		return v.say(" has ended")
	case !v.Entered:
		return v.notStarted()
	case v.Stopping:
		return v.say(" stops")
	case v.Quiet:
		return v.say(" is quiet: it takes no more jobs")
	case !v.Listed:
		return v.say(" is not in the list of workers any more")
	case len(v.Queues) == 0:
		return v.say(" has no queue")
	case v.now.Sub(v.LastBeat) >= missedFor:
		return v.say(" has not beaten for %v", v.silent())
	}
	return nil
}

// notAlive is what the worker itself knows. answers is since when Redis answers.
func (v *view) notAlive(answers time.Time, stuckFor time.Duration) []string {
	switch {
	case v.Ended:
		return v.say(" has ended, and its process has not")
	case !v.Entered || v.Stopping: // it still tries, or ends by itself
		return nil
	case v.now.Sub(v.LastBeat) >= unseenFor && !answers.IsZero() && v.now.Sub(answers) >= answersFor:
		return v.say(" has not beaten for %v, though redis answers", v.silent())
	}
	if stuckFor < 0 {
		return nil
	}
	var reasons []string
	for _, address := range slices.Sorted(maps.Keys(v.Stuck)) {
		if ignored := v.now.Sub(v.Stuck[address]); ignored >= stuckFor {
			reasons = append(reasons, v.say(": the handler of %s has ignored the end of its context for %v", address, ignored.Round(time.Second))...)
		}
	}
	return reasons
}

// leftAlone looks for queues that have jobs and are not claimed from. What it suspects goes
// into alone, as what was suspected before lies in before.
func (v *view) leftAlone(hasJobs func(queue string) bool, before, alone map[string]suspicion) []string {
	var reasons []string
	var latest time.Time // claim, in the queues that go before
	if weighted := len(v.Queues) > 0 && v.Queues[0].Weight > 0; weighted {
		// A small weight beside a large one may get no turn for long.
		for _, q := range v.Queues {
			latest = later(latest, q.LastClaim)
		}
	}
	mayClaim := v.Entered && v.Listed && !v.Ended && !v.Stopping && !v.Quiet && v.Busy < v.Slots && v.now.Sub(v.LastBeat) < missedFor
	for _, q := range v.Queues {
		latest = later(latest, q.LastClaim) // strict: while those before it have jobs, it waits
		key := v.name + " " + q.Name
		if !mayClaim || q.Paused || q.Failing || !hasJobs(q.Name) {
			continue
		}
		s, known := before[key]
		if !known || !s.lastClaim.Equal(latest) {
			s = suspicion{since: v.now, lastClaim: latest}
		}
		alone[key] = s
		if since := v.now.Sub(s.since); since >= idleFor {
			reasons = append(reasons, v.say(": queue %s has jobs and %d of %d slots are free, and nothing was claimed for %v", q.Name, v.Slots-v.Busy, v.Slots, since.Round(time.Second))...)
		}
	}
	return reasons
}

// hasJobs tells whether a queue has ready jobs that may be claimed. If Redis does not say
// so, no: that is the matter of readiness. What is suspect waits for others by its nature.
func (h *Health) hasJobs(ctx context.Context, queue string) bool {
	q, err := h.inspector.Queue(ctx, queue)
	return err == nil && q.Ready > 0 && !q.Paused
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
