package tasukitest

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/bridge"
	"github.com/tasuki-dev/tasuki/internal/legible"
)

// RequireEnqueued ends the test unless exactly one job of the kind was recorded
// for which all of where are true. It returns that job, with its arguments decoded
// as a worker does it.
//
// The options of k are not compared: look at the fields of the job.
func RequireEnqueued[A any](t testing.TB, r *Recorder, k tasuki.Kind[A], where ...func(*tasuki.Job[A]) bool) *tasuki.Job[A] {
	t.Helper()
	jobs := RequireCount(t, r, k, 1, where...)
	if len(jobs) != 1 {
		return nil // only with a testing.TB whose Fatalf returns
	}
	return jobs[0]
}

// RequireCount is RequireEnqueued for n jobs, which it returns in the order in
// which they were recorded. With 0 it ends the test if there is one.
func RequireCount[A any](t testing.TB, r *Recorder, k tasuki.Kind[A], n int, where ...func(*tasuki.Job[A]) bool) []*tasuki.Job[A] {
	t.Helper()
	var (
		found []*tasuki.Job[A]
		all   = r.All()
		notes = make([]string, len(all))
	)
	for i, recorded := range all {
		if recorded.Info.Kind != k.Name() {
			continue
		}
		job, err := decode(k, recorded)
		switch {
		case err != nil:
			t.Fatalf("job %d of kind %s: %v\n%s", i+1, k.Name(), err, list(all, notes))
		case matches(job, where):
			found = append(found, job)
			notes[i] = "  <- counted"
		default:
			notes[i] = "  <- of the kind, but not as wanted"
		}
	}
	if len(found) != n {
		t.Fatalf("%d jobs of kind %s were enqueued that are as wanted, not %d\n%s", len(found), k.Name(), n, list(all, notes))
	}
	return found
}

func matches[A any](job *tasuki.Job[A], where []func(*tasuki.Job[A]) bool) bool {
	for _, is := range where {
		if !is(job) {
			return false
		}
	}
	return true
}

// decode runs a job with a handler that only keeps it, so that its arguments are
// what a handler gets. Without its options, as it may be too late for it.
func decode[A any](k tasuki.Kind[A], recorded Recorded) (*tasuki.Job[A], error) {
	w := NewWorker(&tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: recorded.Info.Queue}}})
	var kept *tasuki.Job[A]
	tasuki.Handle(w, k, func(_ context.Context, job *tasuki.Job[A]) error {
		kept = &tasuki.Job[A]{Info: recorded.Info, Args: job.Args}
		return nil
	})
	spec := tasuki.Spec{Kind: recorded.Spec.Kind, Args: recorded.Spec.Args}
	_, element, err := bridge.RehearseEnqueue(&spec, math.MaxInt, time.Now())
	if err != nil {
		return nil, err
	}
	result, err := RunElement(context.Background(), w, recorded.Info.Queue, element)
	if err != nil {
		return nil, err
	}
	return kept, result.Err
}

// list shows what was recorded, a line for each job.
func list(all []Recorded, notes []string) string {
	if len(all) == 0 {
		return "nothing was recorded"
	}
	var b strings.Builder
	b.WriteString("recorded were:")
	for i, recorded := range all {
		fmt.Fprintf(&b, "\n%4d  %s  %s  %s%s", i+1, recorded.Info.Kind, recorded.Info.Address(), short(recorded.Element), notes[i])
	}
	return b.String()
}

// short cuts a long element: its arguments are its end.
func short(element string) string {
	const most = 300
	if len(element) <= most {
		return element
	}
	return fmt.Sprintf("%s… (%d bytes)", legible.Cut(element, most), len(element))
}
